//! Errors on the wire: a gRPC code, a sentence, and `google.rpc.ErrorInfo` with a reason that programs can match.

use std::collections::HashMap;
use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

/// The domain of every `ErrorInfo` of this product.
pub const DOMAIN: &str = "llm-sre";

/// A status with an `ErrorInfo`: `reason` in capitals with underscores, `metadata` for what varies.
pub fn error(code: Code, reason: &str, message: impl Into<String>, metadata: &[(&str, &str)]) -> Status {
    Status::with_error_details(code, message, details(reason, metadata))
}

/// INVALID_ARGUMENT that names the field, as reason `INVALID_FIELD` and as a `BadRequest` violation.
pub fn invalid_argument(field: &str, problem: impl Into<String>) -> Status {
    let problem = problem.into();
    let mut details = details("INVALID_FIELD", &[("field", field)]);
    details.add_bad_request_violation(field, problem.clone());
    Status::with_error_details(Code::InvalidArgument, format!("{field}: {problem}"), details)
}

/// NOT_FOUND with reason `NOT_FOUND` for a resource name.
pub fn not_found(resource: &str) -> Status {
    error(Code::NotFound, "NOT_FOUND", format!("{resource} does not exist"), &[("resource", resource)])
}

/// ABORTED with reason `ETAG_MISMATCH`: somebody else wrote in between; read again and retry.
pub fn etag_mismatch(resource: &str) -> Status {
    let message = format!("{resource} was changed by somebody else");
    error(Code::Aborted, "ETAG_MISMATCH", message, &[("resource", resource)])
}

/// FAILED_PRECONDITION with a reason of the caller's.
pub fn failed_precondition(reason: &str, message: impl Into<String>) -> Status {
    error(Code::FailedPrecondition, reason, message, &[])
}

/// UNAVAILABLE with `RetryInfo`: what is away, and when to come again.
pub fn unavailable(what: &str, problem: impl std::fmt::Display, retry_after: Duration) -> Status {
    let mut details = details("UNAVAILABLE", &[("what", what)]);
    details.set_retry_info(Some(retry_after));
    Status::with_error_details(Code::Unavailable, format!("{what} is not available: {problem}"), details)
}

/// UNAVAILABLE with reason `STANDING_BY` and `RetryInfo`: another instance of the same service has the answer.
pub fn standing_by(why: &str, retry_after: Duration) -> Status {
    let mut details = details("STANDING_BY", &[]);
    details.set_retry_info(Some(retry_after));
    Status::with_error_details(Code::Unavailable, format!("this instance stands by: {why}"), details)
}

/// RESOURCE_EXHAUSTED with `RetryInfo`, which OTLP senders read as "wait, and send again".
pub fn exhausted(reason: &str, message: impl Into<String>, retry_after: Duration) -> Status {
    let mut details = details(reason, &[]);
    details.set_retry_info(Some(retry_after));
    Status::with_error_details(Code::ResourceExhausted, message, details)
}

/// INTERNAL with reason `INTERNAL`: a defect of ours. The message names the operation, never a secret.
pub fn internal(message: impl Into<String>) -> Status {
    error(Code::Internal, "INTERNAL", message, &[])
}

/// The reason in a status' `ErrorInfo`, for callers that decide by it.
pub fn reason(status: &Status) -> Option<String> {
    status.get_details_error_info().map(|info| info.reason)
}

fn details(reason: &str, metadata: &[(&str, &str)]) -> ErrorDetails {
    let metadata: HashMap<String, String> =
        metadata.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    ErrorDetails::with_error_info(reason, DOMAIN, metadata)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_names_its_reason_and_domain() {
        for status in [
            invalid_argument("name", "is empty"),
            not_found("incidents/x"),
            etag_mismatch("incidents/x"),
            unavailable("store", "it is away", Duration::from_secs(1)),
            standing_by("another one works", Duration::from_secs(1)),
            exhausted("TOO_MANY_BYTES", "too much in flight", Duration::from_secs(1)),
        ] {
            let info = status.get_details_error_info().unwrap();
            assert_eq!(info.domain, DOMAIN);
            assert_eq!(Some(info.reason), reason(&status));
        }
    }
}
