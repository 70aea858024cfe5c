//! OTLP over HTTP: protobuf and JSON, plain or gzip, with the answers that the specification of OTLP asks for.

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use llm_sre_mesh::access::{Access, Least, Role};
use llm_sre_mesh::status;
use llm_sre_proto::otlp::from_json;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use tonic::{Code, Status};
use tonic_types::StatusExt;
use tower_http::decompression::RequestDecompressionLayer;

use crate::intake::{Intake, Outcome};
use crate::measure;
use crate::signal::Signal;

/// The routes `/v1/metrics`, `/v1/logs` and `/v1/traces`, for senders that are known.
pub(crate) fn router(intake: Arc<Intake>, access: Access) -> Router {
    Router::new()
        .route("/v1/metrics", post(export::<ExportMetricsServiceRequest>))
        .route("/v1/logs", post(export::<ExportLogsServiceRequest>))
        .route("/v1/traces", post(export::<ExportTraceServiceRequest>))
        .method_not_allowed_fallback(method_not_allowed)
        .fallback(not_found)
        // What it cannot read it passes on, so that the refusal has a body of the right kind.
        .layer(RequestDecompressionLayer::new().pass_through_unaccepted(true))
        // Outside, so that nothing is read of who may not send.
        .layer(from_fn_with_state(access, admit))
        .with_state(intake)
}

/// Answers only who may send, whatever they ask for.
async fn admit(State(access): State<Access>, mut request: Request<Body>, next: Next) -> Response {
    let headers = request.headers();
    let admitted = access
        .check_browser(headers, request.uri())
        .and_then(|()| access.require(headers, Least::Role(Role::Sender), request.uri().path()));
    match admitted {
        Ok(identity) => {
            identity.mark(request.headers_mut());
            next.run(request).await
        }
        Err(status) => {
            let encoding = Encoding::of(headers).unwrap_or(Encoding::Json);
            let mut refusal = encoding.refusal(http_code(&status), &status);
            if status.code() == Code::Unauthenticated {
                refusal.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            refusal
        }
    }
}

/// How the body is written; the answer is written the same way.
#[derive(Clone, Copy)]
enum Encoding {
    Protobuf,
    Json,
}

impl Encoding {
    fn of(headers: &HeaderMap) -> Option<Self> {
        let content_type = headers.get(CONTENT_TYPE)?.to_str().ok()?;
        match content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
            "application/x-protobuf" => Some(Self::Protobuf),
            "application/json" => Some(Self::Json),
            _ => None,
        }
    }

    fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Protobuf => "application/x-protobuf",
            Self::Json => "application/json",
        })
    }

    fn decode<S: Signal>(self, body: &Bytes) -> Result<S, Status> {
        let decoded = match self {
            Self::Protobuf => S::decode(body.clone()).map_err(|error| error.to_string()),
            Self::Json => from_json(body).map_err(|error| error.to_string()),
        };
        decoded.map_err(|problem| {
            status::error(Code::InvalidArgument, "UNDECODABLE", format!("failed to decode the request: {problem}"), &[])
        })
    }

    fn answer<S: Signal>(self, outcome: Outcome) -> Response {
        let body = match self {
            Self::Protobuf => S::response(outcome.rejected, outcome.message).encode_to_vec(),
            Self::Json if outcome.rejected == 0 => b"{}".to_vec(),
            Self::Json => {
                // 64-bit numbers are strings in proto3 JSON.
                let partial = serde_json::json!({
                    S::REJECTED_JSON: outcome.rejected.to_string(),
                    "errorMessage": outcome.message,
                });
                serde_json::json!({ "partialSuccess": partial }).to_string().into_bytes()
            }
        };
        ([(CONTENT_TYPE, self.content_type())], body).into_response()
    }

    fn refusal(self, code: StatusCode, status: &Status) -> Response {
        let body = match self {
            Self::Protobuf => {
                // The details of a status of ours are a google.rpc.Status already.
                if status.details().is_empty() {
                    let (code, message) = (i32::from(status.code()), status.message().to_owned());
                    tonic_types::Status { code, message, details: Vec::new() }.encode_to_vec()
                } else {
                    status.details().to_vec()
                }
            }
            Self::Json => {
                let body = serde_json::json!({ "code": i32::from(status.code()), "message": status.message() });
                body.to_string().into_bytes()
            }
        };
        let mut response = (code, [(CONTENT_TYPE, self.content_type())], body).into_response();
        let retry_delay = status.get_details_retry_info().and_then(|info| info.retry_delay);
        if let Some(delay) = retry_delay {
            // Whole seconds, and never "at once".
            let seconds = delay.as_millis().div_ceil(1000).max(1);
            if let Ok(value) = HeaderValue::from_str(&seconds.to_string()) {
                response.headers_mut().insert(RETRY_AFTER, value);
            }
        }
        response
    }
}

async fn export<S: Signal>(State(intake): State<Arc<Intake>>, request: Request<Body>) -> Response {
    let began = Instant::now();
    let (parts, body) = request.into_parts();
    let answered = |refusal: Option<Code>| measure::answered(S::TOPIC, began.elapsed(), refusal);
    let Some(encoding) = Encoding::of(&parts.headers) else {
        answered(Some(Code::InvalidArgument));
        let message = "the content type is neither application/x-protobuf nor application/json";
        return refuse_kind(Encoding::Json, "UNSUPPORTED_CONTENT_TYPE", message);
    };
    if parts.headers.get(CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
        answered(Some(Code::InvalidArgument));
        return refuse_kind(encoding, "UNSUPPORTED_ENCODING", "the content encoding is neither gzip nor identity");
    }
    let accepted = async {
        let _share = intake.admit()?;
        let body = read(body, intake.max_request_bytes()).await?;
        let request = encoding.decode::<S>(&body)?;
        drop(body);
        intake.accept(request, &parts.headers).await
    };
    let accepted = intake.in_time(accepted).await.and_then(std::convert::identity);
    answered(accepted.as_ref().err().map(Status::code));
    match accepted {
        Ok(outcome) => encoding.answer::<S>(outcome),
        Err(status) => encoding.refusal(http_code(&status), &status),
    }
}

async fn read(body: Body, limit: usize) -> Result<Bytes, Status> {
    match Limited::new(body, limit).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(crate::grpc::too_large(limit)),
        Err(error) => {
            let message = format!("failed to read the request: {error}");
            Err(status::error(Code::InvalidArgument, "UNREADABLE", message, &[]))
        }
    }
}

/// OTLP clients retry 429, 502, 503 and 504 only.
fn http_code(status: &Status) -> StatusCode {
    match status.code() {
        Code::InvalidArgument if status::reason(status).as_deref() == Some(crate::grpc::TOO_LARGE) => {
            StatusCode::PAYLOAD_TOO_LARGE
        }
        Code::InvalidArgument => StatusCode::BAD_REQUEST,
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::PermissionDenied => StatusCode::FORBIDDEN,
        Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
        Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

fn refuse_kind(encoding: Encoding, reason: &str, message: &str) -> Response {
    let status = status::error(Code::InvalidArgument, reason, message, &[]);
    encoding.refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE, &status)
}

async fn method_not_allowed(method: Method, headers: HeaderMap) -> Response {
    let message = format!("{method} is not allowed; OTLP requests are sent with POST");
    let status = status::error(Code::Unimplemented, "METHOD_NOT_ALLOWED", message, &[]);
    Encoding::of(&headers).unwrap_or(Encoding::Json).refusal(StatusCode::METHOD_NOT_ALLOWED, &status)
}

async fn not_found(uri: http::Uri, headers: HeaderMap) -> Response {
    let message = format!("{} is none of /v1/metrics, /v1/logs and /v1/traces", uri.path());
    let status = status::error(Code::NotFound, "NOT_FOUND", message, &[]);
    Encoding::of(&headers).unwrap_or(Encoding::Json).refusal(StatusCode::NOT_FOUND, &status)
}
