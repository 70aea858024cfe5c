//! What must stay, since an incident cannot be explained without it.

use super::*;

#[test]
fn ids_and_digests() {
    check_stays(&[
        "trace_id=4bf92f3577b34da6a3ce929d0e0e4736 span_id=00f067aa0ba902b7",
        "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "request 550e8400-e29b-41d4-a716-446655440000 failed",
        "request 550E8400-E29B-41D4-A716-446655440000 failed",
        "commit 9b23791c0ffee0123456789abcdef0123456789a",
        "container 3f4e5d6c7b8a and 3f4e5d6c7b8a9f0e1d2c3b4a59687786a5b4c3d2e1f00112233445566778899a",
        "image shop/checkout@sha256:3f4e5d6c7b8a9f0e1d2c3b4a59687786a5b4c3d2e1f00112233445566778899a",
        "pod checkout-7d9f8b6c5d-x2x9z in shop-production evicted",
        "consumer-shop-1-550e8400-e29b-41d4-a716-446655440000",
        "arn:aws:iam::123456789012:role/Checkout",
    ]);
}

#[test]
fn places_times_and_names() {
    check_stays(&[
        "10.0.0.1:5432 and 203.0.113.7 and [2001:db8::1]:443 refused",
        "GET /api/v2/orders/1234?limit=10&page=2 HTTP/1.1 500 12ms",
        "at com.example.auth.TokenService.refresh(TokenService.java:42)",
        "at com.example.OrderServiceV2RetryTemplateBeanFactoryImplementation.run",
        "/var/lib/docker/overlay2/app1/lib/python3.11/site-packages/x2/y.py:12",
        "crates/domain/src/token.rs:120: error",
        "http.server.request.duration p99 858 ms",
        "postgres://db:5432/shop is down",
        "git@github.com:acme/shop.git",
        "ssh://git@github.com/acme/shop",
        "npm install @acme/shop@1.2.3",
        "getty@tty1.service failed",
        "rabbit@rabbitmq-0.rabbitmq.svc",
        "2026-01-02T10:00:00.123456789Z",
        "user <*> logged in from <*> with token <*> password=<*>",
        "java.lang.Object@1f2e3d4c",
        "scala token::Parser and auth::Service",
        "PWD=/home/app",
        "Ünïcode ☃ 日本語",
        "",
    ]);
}

#[test]
fn what_is_said_of_secrets() {
    check_stays(&[
        "token_count=42 tokens=1523 max_tokens=4096 prompt_tokens: 12",
        "author=bob authority=x secretary=carol",
        "password_changed=true session_count=3 password_attempts=12345",
        "password_reset_url=/reset token_ttl=3600 secret_name=payments-tls",
        "token=null password=false secret=\"\" api_key=None",
        "password=*** token=[REDACTED] secret=<redacted> api_key=xxxx",
        "password=${DB_PASSWORD} token={{ token }} where password = ?",
        "token expired, password is incorrect, secret was rotated",
        "Failed password for root from 10.0.0.1 port 22",
        "password authentication failed for user \"app\"",
        "secret \"payments-tls\" not found",
        "error: invalid token: unexpected end of input",
        "auth-service: connection refused",
        "auth: ldap server is down",
        "auth=oauth2 auth=ldap",
        "token-service: deadline exceeded",
        "auth_latency=12ms token_refresh=300",
        "private_key=/etc/tls/private/tls.key",
        "open /run/secrets/token: permission denied",
        "(CONNECT_DATA=(SID=ORCL))",
        "monkey=banana keyboard=us cache_key=user:42 key=abc",
        "TokenExpiredException: Jwt expired at 2026-01-02",
        "basic authentication required, Basic Authentication",
        "code=500 pin=3 exit code: 137",
        "compass=north bypass=true",
        "Authorization: missing",
    ]);
}
