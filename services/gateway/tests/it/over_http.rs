use axum::body::Body;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use tower::ServiceExt;

use llm_sre_mesh::access::{Access, Role, Token, TokenHash};

use super::bus::Mood;
use super::*;

struct Answer {
    code: StatusCode,
    content_type: String,
    retry_after: Option<String>,
    body: Bytes,
}

impl Answer {
    fn json(&self) -> Value {
        assert_eq!(self.content_type, "application/json");
        serde_json::from_slice(&self.body).unwrap()
    }
}

async fn send(fixture: &Fixture, request: Request<Body>) -> Answer {
    send_knowing(Access::default(), fixture, request).await
}

async fn send_knowing(access: Access, fixture: &Fixture, request: Request<Body>) -> Answer {
    let response = fixture.gateway.http_routes(access).oneshot(request).await.unwrap();
    let header = |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    let (code, content_type, retry_after) = (response.status(), header("content-type"), header("retry-after"));
    let body = response.into_body().collect().await.unwrap().to_bytes();
    Answer { code, content_type: content_type.unwrap_or_default(), retry_after, body }
}

async fn post(fixture: &Fixture, path: &str, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Answer {
    let mut request = Request::post(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    send(fixture, request.body(Body::from(body.into())).unwrap()).await
}

const JSON: (&str, &str) = ("content-type", "application/json; charset=utf-8");
const PROTOBUF: (&str, &str) = ("content-type", "application/x-protobuf");
const GZIP: (&str, &str) = ("content-encoding", "gzip");

/// A gzip file by RFC 1952 with one stored block, which every inflater takes.
fn gzip(data: &[u8]) -> Vec<u8> {
    let crc = !data.iter().fold(!0u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 })
    });
    let length = u16::try_from(data.len()).unwrap();
    let mut file = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255, 1];
    file.extend(length.to_le_bytes());
    file.extend((!length).to_le_bytes());
    file.extend(data);
    file.extend(crc.to_le_bytes());
    file.extend(u32::from(length).to_le_bytes());
    file
}

#[tokio::test]
async fn json_in_gzip_reaches_the_bus() {
    let fixture = Fixture::new(Options::default()).await;
    let answer = post(&fixture, "/v1/metrics", &[JSON, GZIP], gzip(metrics().to_string().as_bytes())).await;
    assert_eq!(answer.code, StatusCode::OK);
    let expected = json!({"rejectedDataPoints": "1", "errorMessage": "1 rejected: time is missing"});
    assert_eq!(answer.json(), json!({ "partialSuccess": expected }));
    assert_metrics_arrived(&fixture).await;
}

#[tokio::test]
async fn protobuf_reaches_the_bus() {
    let fixture = Fixture::new(Options::default()).await;
    let request: ExportMetricsServiceRequest = parse(metrics());
    let answer = post(&fixture, "/v1/metrics", &[PROTOBUF], request.encode_to_vec()).await;
    assert_eq!((answer.code, &*answer.content_type), (StatusCode::OK, "application/x-protobuf"));
    assert_metrics_arrived(&fixture).await;
    let answer = post(&fixture, "/v1/traces", &[PROTOBUF], traces().encode_to_vec()).await;
    assert_eq!((answer.code, answer.body.len()), (StatusCode::OK, 0), "full success is the empty message");
    let answer = post(&fixture, "/v1/logs", &[JSON], "{}").await;
    assert_eq!(answer.json(), json!({}));
}

#[tokio::test]
async fn errors_are_statuses_in_the_encoding_of_the_request() {
    let fixture = Fixture::new(Options { max_request_bytes: 10_000, ..Options::default() }).await;
    let garbage = post(&fixture, "/v1/logs", &[PROTOBUF], "garbage").await;
    assert_eq!((garbage.code, &*garbage.content_type), (StatusCode::BAD_REQUEST, "application/x-protobuf"));
    let status = tonic_types::Status::decode(garbage.body).unwrap();
    assert!(status.code == 3 && status.message.starts_with("failed to decode"), "{status:?}");
    let garbage = post(&fixture, "/v1/logs", &[JSON], "{\"resourceLogs\": 7}").await;
    assert_eq!((garbage.code, &garbage.json()["code"]), (StatusCode::BAD_REQUEST, &json!(3)));

    let large = logs(2000).encode_to_vec();
    assert_eq!(post(&fixture, "/v1/logs", &[PROTOBUF], large.clone()).await.code, StatusCode::PAYLOAD_TOO_LARGE);
    let large = post(&fixture, "/v1/logs", &[PROTOBUF, GZIP], gzip(&large)).await;
    assert_eq!((large.code, large.retry_after), (StatusCode::PAYLOAD_TOO_LARGE, None));
    for headers in [&[][..], &[("content-type", "text/plain")], &[JSON, ("content-encoding", "br")]] {
        let refused = post(&fixture, "/v1/logs", headers, "{}").await;
        assert_eq!((refused.code, &refused.json()["code"]), (StatusCode::UNSUPPORTED_MEDIA_TYPE, &json!(3)));
    }
    let get = send(&fixture, Request::get("/v1/logs").body(Body::empty()).unwrap()).await;
    assert_eq!(get.code, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(post(&fixture, "/v1/nothing", &[JSON], "{}").await.code, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_refusal_that_passes_says_when_to_come_again() {
    let fixture = Fixture::new(Options::default()).await;
    let body = serde_json::to_vec(&logs(1)).unwrap();
    for (mood, code) in [(Mood::Away, StatusCode::SERVICE_UNAVAILABLE), (Mood::Full, StatusCode::TOO_MANY_REQUESTS)] {
        fixture.bus.set(mood);
        let refused = post(&fixture, "/v1/logs", &[JSON], body.clone()).await;
        assert_eq!((refused.code, refused.retry_after.as_deref()), (code, Some("1")));
    }
}

#[tokio::test]
async fn only_who_may_send_is_taken_from() {
    let token = |name: &str, role| Token { name: name.to_owned(), role, sha256: TokenHash::of(name) };
    let access = Access::new(vec![token("collector", Role::Sender), token("ann", Role::Admin)], Vec::new()).unwrap();
    let fixture = Fixture::new(Options::default()).await;
    for (token, path, code, reason) in [
        (None, "/v1/metrics", StatusCode::UNAUTHORIZED, Some("TOKEN_MISSING")),
        (Some("Bearer wrong"), "/v1/metrics", StatusCode::UNAUTHORIZED, Some("TOKEN_UNKNOWN")),
        (Some("Bearer ann"), "/v1/metrics", StatusCode::FORBIDDEN, Some("ROLE_TOO_LOW")),
        (None, "/v1/nothing", StatusCode::UNAUTHORIZED, Some("TOKEN_MISSING")),
        (Some("Bearer collector"), "/v1/nothing", StatusCode::NOT_FOUND, Some("NOT_FOUND")),
        (Some("Bearer collector"), "/v1/metrics", StatusCode::OK, None),
    ] {
        let mut request = Request::post(path).header(PROTOBUF.0, PROTOBUF.1);
        if let Some(token) = token {
            request = request.header("authorization", token);
        }
        let body = parse::<ExportMetricsServiceRequest>(metrics()).encode_to_vec();
        let answer = send_knowing(access.clone(), &fixture, request.body(Body::from(body)).unwrap()).await;
        assert_eq!(answer.code, code, "{token:?} {path}");
        if let Some(reason) = reason {
            assert!(String::from_utf8_lossy(&answer.body).contains(reason), "{token:?} {path}");
        }
    }
    assert_metrics_arrived(&fixture).await;
    let request = Request::post("/v1/logs").header(JSON.0, JSON.1).body(Body::from("{}")).unwrap();
    let answer = send_knowing(access, &fixture, request).await;
    assert_eq!(answer.json()["code"], json!(16), "the body says it in the sender's encoding");
}
