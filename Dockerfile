# syntax=docker/dockerfile:1
# The one binary, llm-sre, as a user without rights. Kafka's client is built from source and links the system's OpenSSL.
FROM rust:1.91-bookworm AS build
RUN apt-get update \
    && apt-get install --no-install-recommends --yes build-essential libssl-dev pkg-config zlib1g-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    cargo build --release --locked --package llm-sre && cp target/release/llm-sre /llm-sre

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install --no-install-recommends --yes ca-certificates libssl3 zlib1g \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --no-create-home llm-sre
# Decision 17: by default the allocator keeps what was freed for each of up to eight times as many threads as cores.
ENV MALLOC_ARENA_MAX=1
COPY --from=build /llm-sre /usr/local/bin/llm-sre
USER 10001
ENTRYPOINT ["llm-sre"]
CMD ["run"]
