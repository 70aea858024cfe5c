//! Neither key nor prompt nor answer shows anywhere but where it must.

use std::io::Write;
use std::sync::{Arc, Mutex};

use tracing_subscriber::fmt::format::FmtSpan;
use tracing_subscriber::util::SubscriberInitExt;

use super::*;

/// What is logged, of the crates that log through `log`, too.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn take(&self) -> String {
        String::from_utf8(std::mem::take(&mut *self.0.lock().unwrap())).unwrap()
    }
}

fn assert_silent(what: &str, text: &str) {
    for secret in [KEY, "abc123", "the-system-prompt", "the-user-prompt", "the-answer", "the-message"] {
        assert!(!text.contains(secret), "{what} tells {secret}: {text}");
    }
}

/// Answers of every kind, each with all that must not be told.
fn replies() -> Vec<Reply> {
    let leak = format!("{KEY} the-system-prompt the-user-prompt the-answer the-message");
    let error = json!({ "error": { "message": leak, "type": leak, "param": leak, "code": leak } }).to_string();
    let mut replies: Vec<_> = [301, 400, 401, 404, 429, 500, 503].map(|status| Reply::of(status, &[], &error)).into();
    replies.extend([429, 500].map(|status| Reply::of(status, &[("retry-after", &leak)], &leak)));
    let mut refused = completion();
    refused["choices"][0]["message"]["refusal"] = json!(leak);
    let mut cut = completion();
    cut["choices"][0]["finish_reason"] = json!("length");
    replies.extend([completion(), refused, cut, json!(leak), json!({ "choices": leak })].iter().map(Reply::json));
    replies.extend([Reply::of(200, &[], &error), Reply::of(200, &[], &leak), Reply::of(200, &[], &error[..40])]);
    replies.push(Reply::Bytes(leak.clone().into_bytes()));
    replies.push(Reply::Bytes(format!("HTTP/1.1 200 OK\r\n{leak}\r\n\r\n").into_bytes()));
    replies.push(Reply::Reset(server::head(200, &[("x-leak", &leak)], 100)));
    replies
}

#[tokio::test]
async fn nothing_secret_is_logged_or_told_in_errors() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_span_events(FmtSpan::FULL)
        .with_writer(move || writer.clone())
        .finish();
    // The tasks of this test all run on its thread.
    let _capturing = subscriber.set_default();
    let mut events = 0;
    for reply in replies() {
        if let Err(error) = ask(reply).await {
            assert_silent("an error", &format!("{error} {error:?}"));
        }
        let logged = log.take();
        events += logged.lines().count();
        assert_silent("the log", &logged);
    }
    assert!(events > 0, "nothing at all was captured, so nothing is shown");
}

#[test]
fn nothing_secret_shows_in_what_is_printed() {
    for options in [azure("http://127.0.0.1:1"), compatible("http://127.0.0.1:1")] {
        assert!(format!("{options:?}").contains("Secret(..)"));
        assert_silent("the options", &format!("{options:?}"));
        assert_silent("the model", &format!("{:?}", OpenAi::build(options).unwrap()));
    }
}
