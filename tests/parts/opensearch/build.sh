# Sourced by ../install: OpenSearch from Maven Central, laid out as its distribution is, with a TLS set-up of its own.

# jdk_of_at_least MAJOR: the folder of the first JDK that says so itself, wherever this machine keeps its own.
jdk_of_at_least() {
  local candidate on_path='' major
  if command -v javac >/dev/null; then on_path=$(dirname "$(dirname "$(readlink -f "$(command -v javac)")")"); fi
  for candidate in "${JAVA_HOME:-}" "$on_path" /usr/lib/jvm/* /opt/*; do
    if [ ! -x "$candidate/bin/java" ] || [ ! -x "$candidate/bin/javac" ]; then continue; fi
    major=$("$candidate/bin/java" -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | head -n 1)
    if [ "${major:-0}" -ge "$1" ]; then echo "$candidate"; return; fi
  done
  fail "opensearch needs a JDK of version $1 or newer, and there is none in JAVA_HOME, on the PATH, in /usr/lib/jvm or in /opt"
}

# opensearch_module NAME CLASS EXTENDS PATTERN...: the jars of a module leave lib, since it has a class loader of its own.
opensearch_module() {
  local name=$1 class=$2 extends=$3 pattern
  shift 3
  mkdir -p "$DIST/modules/$name"
  for pattern in "$@"; do mv "$DIST"/lib/$pattern "$DIST/modules/$name/"; done
  printf '%s\n' "name=$name" "description=$name" "version=$OPENSEARCH" "opensearch.version=$OPENSEARCH" java.version=21 \
    "classname=$class" "extended.plugins=$extends" has.native.controller=false \
    > "$DIST/modules/$name/plugin-descriptor.properties"
}

# opensearch_certificates: two authorities, and a certificate for localhost that the first has signed.
opensearch_certificates() {
  local tool=$JDK/bin/keytool place=$DIST/secure name
  local store=(-storetype PKCS12 -storepass changeit)
  local key=(-genkeypair -keyalg EC -groupname secp256r1 -validity 3650)
  for name in ca other-ca; do
    "$tool" "${key[@]}" "${store[@]}" -keystore "$SCRATCH/$name.p12" -alias "$name" -dname "CN=llm-sre-test-$name" \
      -ext bc:c=ca:true -ext ku:c=keyCertSign,cRLSign
    "$tool" -exportcert -rfc "${store[@]}" -keystore "$SCRATCH/$name.p12" -alias "$name" -file "$place/$name.pem"
  done
  "$tool" "${key[@]}" "${store[@]}" -keystore "$place/config/node.p12" -alias node -dname CN=llm-sre-test-node
  "$tool" -certreq "${store[@]}" -keystore "$place/config/node.p12" -alias node -file "$SCRATCH/node.csr"
  "$tool" -gencert -rfc "${store[@]}" -keystore "$SCRATCH/ca.p12" -alias ca -validity 3650 \
    -ext san=dns:localhost,ip:127.0.0.1 -ext ku:c=digitalSignature -ext eku=serverAuth,clientAuth \
    -infile "$SCRATCH/node.csr" -outfile "$SCRATCH/node.pem"
  "$tool" -importcert -noprompt "${store[@]}" -keystore "$place/config/node.p12" -alias ca -file "$place/ca.pem"
  "$tool" -importcert -noprompt "${store[@]}" -keystore "$place/config/node.p12" -alias node -file "$SCRATCH/node.pem"
}

# opensearch_security: what a node needs beside its own configuration to ask for TLS and a password. The password is
# drawn here and stays in the cache.
opensearch_security() {
  local plugin=$DIST/plugins/opensearch-security place=$DIST/secure hash layer
  mkdir -p "$plugin" "$place/config"
  (cd "$plugin" && "$JDK/bin/jar" xf "$DIST"/lib/opensearch-security-*.zip)
  rm "$DIST"/lib/opensearch-security-*.zip
  mv "$DIST"/lib/commons-collections4-*.jar "$plugin/"
  # It extends a module that is no Maven artefact, and that only workload management asks for.
  sed -i 's/^extended\.plugins=.*/extended.plugins=/' "$plugin/plugin-descriptor.properties"
  opensearch_certificates > "$SCRATCH/keytool.log" 2>&1 || { cat "$SCRATCH/keytool.log" >&2; fail "keytool failed"; }
  cp -r "$plugin/config" "$place/config/opensearch-security"
  head -c 18 /dev/urandom | base64 | tr '+/' 'xy' > "$place/password"
  hash=$(LLM_SRE_HASHED=$(cat "$place/password") "$JDK/bin/java" -cp "$plugin/*:$DIST/lib/*" \
    org.opensearch.security.tools.Hasher -env LLM_SRE_HASHED 2>/dev/null | grep '^\$2' | tail -n 1)
  [ -n "$hash" ] || fail "the security plugin did not hash the password"
  printf '%s\n' '_meta: {type: internalusers, config_version: 2}' \
    "admin: {hash: \"$hash\", reserved: true, backend_roles: [admin]}" > "$place/config/opensearch-security/internal_users.yml"
  {
    printf '%s\n' 'plugins.security.allow_default_init_securityindex: true' \
      'plugins.security.nodes_dn: ["CN=llm-sre-test-node"]' 'plugins.security.ssl.http.enabled: true' \
      'plugins.security.ssl.transport.enforce_hostname_verification: false'
    for layer in transport http; do
      printf "plugins.security.ssl.$layer.%s\n" 'keystore_type: PKCS12' 'keystore_filepath: node.p12' \
        'keystore_alias: node' 'keystore_password: changeit' 'truststore_type: PKCS12' 'truststore_filepath: node.p12' \
        'truststore_alias: ca' 'truststore_password: changeit'
    done
  } > "$place/opensearch.yml"
}

# from_maven_opensearch VERSION: the program that is published is the script `launch`, with its places filled in.
from_maven_opensearch() {
  need mvn opensearch
  local source=$PARTS_SOURCE/opensearch final=$PARTS_HOME/opensearch-$1
  JDK=$(jdk_of_at_least 21) DIST=$SCRATCH/dist
  OPENSEARCH=$(sed -n 's:.*<opensearch.version>\(.*\)</opensearch.version>.*:\1:p' "$source/pom.xml")
  mkdir -p "$DIST/lib"
  cp "$source/pom.xml" "$SCRATCH/pom.xml"
  nice -n 10 mvn -B -q -ntp -f "$SCRATCH/pom.xml" org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies \
    -DincludeScope=runtime -DoutputDirectory="$DIST/lib" >&2 || fail "Maven could not fetch OpenSearch"
  opensearch_security
  opensearch_module transport-netty4 org.opensearch.transport.Netty4ModulePlugin '' 'transport-netty4-client-*' 'netty-*'
  opensearch_module lang-painless org.opensearch.painless.PainlessModulePlugin '' 'lang-painless-*' 'asm-*' 'antlr4-*' \
    'opensearch-scripting-painless-spi-*'
  opensearch_module analysis-common org.opensearch.analysis.common.CommonAnalysisModulePlugin lang-painless 'analysis-common-*'
  opensearch_module reindex org.opensearch.index.reindex.ReindexModulePlugin '' 'reindex-client-*' \
    'opensearch-ssl-config-*' 'opensearch-rest-client-*' 'http*' 'commons-*' 'slf4j-api-*'
  opensearch_module mapper-extras org.opensearch.index.mapper.MapperExtrasModulePlugin '' 'mapper-extras-client-*'
  opensearch_module aggs-matrix-stats org.opensearch.search.aggregations.matrix.MatrixAggregationModulePlugin '' \
    'aggs-matrix-stats-client-*'
  "$JDK/bin/javac" --release 21 -nowarn -d "$DIST/lib" -cp "$DIST/lib/*" "$source/TestNode.java" >&2
  sed -e "s|@DIST@|'$final'|" -e "s|@JDK@|'$JDK'|" "$source/launch" > "$SCRATCH/opensearch"
  rm -rf "$final"
  mv "$DIST" "$final"
  publish opensearch "$1" "$SCRATCH/opensearch"
}
