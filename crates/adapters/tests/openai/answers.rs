//! Answers with a good status.

use llm_sre_ports::model::Usage;

use super::*;

/// A completion in which something is otherwise.
fn with(pointer: &str, value: Value) -> Reply {
    let mut completion = completion();
    *completion.pointer_mut(pointer).unwrap() = value;
    Reply::json(&completion)
}

#[tokio::test]
async fn a_good_answer_is_given_as_it_is() {
    let expected = Completion {
        text: "{\"evidence\":\"the-answer\"}".to_owned(),
        model: "gpt-of-today".to_owned(),
        id: "chatcmpl-1".to_owned(),
        usage: Some(Usage { input_tokens: 12, output_tokens: 34 }),
    };
    assert_eq!(ask(Reply::json(&completion())).await, Ok(expected));
}

#[tokio::test]
async fn what_a_server_need_not_say_may_be_missing() {
    let spare = json!({ "choices": [{ "message": { "content": "yes" } }] });
    let expected = Completion { text: "yes".to_owned(), ..Completion::default() };
    assert_eq!(ask(Reply::json(&spare)).await, Ok(expected));
}

#[tokio::test]
async fn usage_is_known_whole_or_not_at_all() {
    for usage in [json!(null), json!({}), json!({ "prompt_tokens": 1 }), json!("many"), json!({ "prompt_tokens": -1 })]
    {
        assert_eq!(ask(with("/usage", usage.clone())).await.unwrap().usage, None, "{usage}");
    }
}

#[tokio::test]
async fn an_answer_of_the_full_length_is_read() {
    let body = completion().to_string();
    let length = body.len();
    let result = ask_with(Reply::of(200, &[], &body), |options| options.answer_bytes_max = length).await;
    assert!(result.is_ok(), "{result:?}");
    let result = ask_with(Reply::of(200, &[], &body), |options| options.answer_bytes_max = length - 1).await;
    assert!(is_unreadable(&result.unwrap_err(), "limit"));
}

#[tokio::test]
async fn why_it_ended_comes_before_what_it_says() {
    let mut cut = completion();
    cut["choices"][0]["finish_reason"] = json!("length");
    cut["choices"][0]["message"]["refusal"] = json!("no");
    assert!(matches!(failure(Reply::json(&cut)).await, Error::CutOff(reason) if reason.contains("321")));
    assert!(matches!(failure(with("/choices/0/finish_reason", json!("content_filter"))).await, Error::Refused(_)));
    let unknown = failure(with("/choices/0/finish_reason", json!("the-answer"))).await;
    assert!(is_unreadable(&unknown, "ended"), "{unknown:?}");
}

#[tokio::test]
async fn a_refusal_comes_before_the_content_and_is_not_repeated() {
    let refused = failure(with("/choices/0/message/refusal", json!("I will not tell the-answer"))).await;
    assert!(matches!(&refused, Error::Refused(reason) if !reason.contains("the-answer")), "{refused:?}");
    assert!(ask(with("/choices/0/message/refusal", json!(""))).await.is_ok());
}

#[tokio::test]
async fn an_answer_without_content_cannot_be_read() {
    for (pointer, value) in [
        ("/choices", json!([])),
        ("/choices", json!(null)),
        ("/choices/0/message", json!(null)),
        ("/choices/0/message/content", json!(null)),
        ("/choices/0/message/content", json!(" \n")),
    ] {
        let error = failure(with(pointer, value.clone())).await;
        assert!(is_unreadable(&error, "it has no"), "{pointer} {value}: {error:?}");
    }
}

#[tokio::test]
async fn an_answer_of_another_shape_cannot_be_read() {
    for (pointer, value) in [
        ("", json!("the-answer")),
        ("", json!(["the-answer"])),
        ("/choices", json!("the-answer")),
        ("/choices/0", json!(7)),
        ("/choices/0/message", json!("the-answer")),
        ("/choices/0/message/content", json!({ "text": "the-answer" })),
        ("/choices/0/finish_reason", json!(7)),
        ("/model", json!({ "name": "the-answer" })),
    ] {
        let error = failure(with(pointer, value.clone())).await;
        assert!(is_unreadable(&error, ""), "{pointer} {value}: {error:?}");
        assert!(!format!("{error} {error:?}").contains("the-answer"), "{error:?}");
    }
}

#[tokio::test]
async fn what_is_no_json_cannot_be_read() {
    let whole = completion().to_string();
    let deep = "[".repeat(10_000);
    for body in [&whole.as_bytes()[..whole.len() / 2], b"", b"\xff\xfe", b"<html>the-answer</html>", deep.as_bytes()] {
        let error = failure(Reply::of(200, &[], body)).await;
        assert!(is_unreadable(&error, "no JSON"), "{error:?}");
        assert!(!error.to_string().contains("the-answer"));
    }
    let deep = format!("{{\"usage\":{}1{}}}", "[".repeat(10_000), "]".repeat(10_000));
    assert!(is_unreadable(&failure(Reply::of(200, &[], deep)).await, "shape"));
}

#[tokio::test]
async fn an_error_in_a_good_answer_is_an_error() {
    let of = |error: Value| failure(Reply::json(&json!({ "id": "1", "error": error })));
    assert!(is_unreadable(&of(json!({ "message": "the-answer", "code": "odd_one" })).await, "code odd_one"));
    assert!(is_unreadable(&of(json!("the-answer")).await, "an error"));
    assert!(matches!(of(json!({ "code": 429 })).await, Error::Limited { .. }));
    assert!(matches!(of(json!({ "code": 502 })).await, Error::Unavailable { .. }));
    assert!(matches!(of(json!({ "code": "content_filter" })).await, Error::Refused(_)));
}
