//! Statuses that are no answers.

use super::*;

const NOW: (&str, &str) = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");

fn limited(reason: &str, seconds: Option<u64>) -> Error {
    Error::Limited { reason: reason.to_owned(), retry_after: seconds.map(Duration::from_secs) }
}

fn unavailable(reason: &str, seconds: Option<u64>) -> Error {
    Error::Unavailable { reason: reason.to_owned(), retry_after: seconds.map(Duration::from_secs) }
}

/// An error as OpenAI has it.
fn error(code: Value, kind: &str) -> String {
    json!({ "error": { "message": "the-message", "type": kind, "param": null, "code": code } }).to_string()
}

#[tokio::test]
async fn a_limit_says_when_it_ends() {
    let reason = "status 429, code rate_limit_exceeded, type requests";
    let body = error(json!("rate_limit_exceeded"), "requests");
    let of = |headers: &[(&str, &str)]| failure(Reply::of(429, headers, &body));
    assert_eq!(of(&[("retry-after", "7")]).await, limited(reason, Some(7)));
    assert_eq!(of(&[("retry-after", "Sun, 06 Nov 1994 08:50:07 GMT"), NOW]).await, limited(reason, Some(30)));
    assert_eq!(of(&[("retry-after-ms", "2000"), ("retry-after", "7")]).await, limited(reason, Some(2)));
    assert_eq!(of(&[]).await, limited(reason, None));
    assert_eq!(of(&[("retry-after", "99999999999999999999")]).await, limited(reason, None));
}

#[tokio::test]
async fn a_limit_is_one_whatever_body_it_comes_with() {
    let integer = error(json!(429), "too_many_requests");
    let expected = limited("status 429, code 429, type too_many_requests", Some(1));
    assert_eq!(failure(Reply::of(429, &[("retry-after", "1")], integer)).await, expected);
    // As gateways have it.
    for body in [
        r#"{"statusCode":429,"message":"Rate limit is exceeded. Try again in 1 seconds."}"#,
        "<html><h1>429 Too Many Requests</h1></html>",
        r#"{"error":"Too many requests"}"#,
        "[[[",
        "",
    ] {
        assert_eq!(failure(Reply::of(429, &[("retry-after", "1")], body)).await, limited("status 429", Some(1)));
    }
    let flat = r#"{"object":"error","message":"m","type":"RateLimitError","code":429}"#;
    assert_eq!(failure(Reply::of(429, &[], flat)).await, limited("status 429, code 429, type RateLimitError", None));
}

#[tokio::test]
async fn a_server_that_cannot_now_may_be_asked_again() {
    for status in [408, 500, 502, 504, 520, 529] {
        let expected = unavailable(&format!("status {status}"), None);
        assert_eq!(failure(Reply::of(status, &[], "upstream error")).await, expected);
    }
    let body = error(json!("overloaded"), "server_error");
    let expected = unavailable("status 503, code overloaded, type server_error", Some(3));
    assert_eq!(failure(Reply::of(503, &[("retry-after", "3")], body)).await, expected);
}

#[tokio::test]
async fn a_wrong_request_stays_wrong() {
    for status in [400, 401, 403, 404, 409, 413, 422, 501] {
        let body = error(json!("the_code"), "the_type");
        let expected = Error::Rejected(format!("status {status}, code the_code, type the_type"));
        assert_eq!(failure(Reply::of(status, &[], body)).await, expected);
    }
}

#[tokio::test]
async fn a_filter_in_front_of_the_model_refuses() {
    let azures = json!({ "error": {
        "message": "The response was filtered", "type": null, "param": "prompt", "code": "content_filter", "status": 400,
        "innererror": { "code": "ResponsibleAIPolicyViolation", "content_filter_result": { "jailbreak": { "filtered": true } } },
    }});
    assert!(matches!(failure(Reply::of(400, &[], azures.to_string())).await, Error::Refused(_)));
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Server::start(Reply::json(&completion())).await;
    for status in [301, 302, 303, 307, 308] {
        let location = format!("{}/v1/chat/completions", elsewhere.url());
        let error = failure(Reply::of(status, &[("location", &location)], "")).await;
        assert!(matches!(&error, Error::Rejected(reason) if reason.contains("not followed")), "{error:?}");
    }
    assert_eq!(elsewhere.connections(), 0, "the key went elsewhere");
}

#[tokio::test]
async fn a_code_is_repeated_only_if_it_is_a_word() {
    let long = "a".repeat(65);
    for code in ["", "no such model: the-user-prompt", "sp ace", "a\nb", "é", &long, KEY, "abc123"] {
        let error = failure(Reply::of(404, &[], error(json!(code), "type-1.x_Y"))).await;
        assert_eq!(error, Error::Rejected("status 404, type type-1.x_Y".to_owned()), "{code}");
    }
    for code in [json!(null), json!(["a"]), json!({ "a": 1 }), json!(true)] {
        let error = failure(Reply::of(404, &[], error(code, "t"))).await;
        assert_eq!(error, Error::Rejected("status 404, type t".to_owned()));
    }
}
