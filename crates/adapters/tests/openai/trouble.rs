//! Servers that answer never, slowly, endlessly or not to the end.

use std::time::Instant;

use super::server::{answer, head};
use super::*;

async fn times_out(reply: Reply) {
    let result = ask_with(reply, |options| options.timeout = SHORT).await;
    assert_eq!(result, Err(Error::TimedOut { after_ms: SHORT.as_millis() }));
}

#[tokio::test]
async fn a_silent_server_is_given_up() {
    times_out(Reply::Stalled(Vec::new())).await;
}

#[tokio::test]
async fn a_server_that_stalls_is_given_up() {
    times_out(Reply::Stalled(b"HTTP/1.1 200 OK\r\ncontent-".to_vec())).await;
    times_out(Reply::Stalled(head(200, &[], 1_000))).await;
    let body = completion().to_string();
    let mut half = head(200, &[], body.len());
    half.extend_from_slice(&body.as_bytes()[..body.len() / 2]);
    times_out(Reply::Stalled(half)).await;
}

#[tokio::test]
async fn a_server_that_drips_is_given_up() {
    let whole = answer(200, &[], completion().to_string().as_bytes());
    times_out(Reply::Dripping(whole, Duration::from_millis(10))).await;
}

#[tokio::test]
async fn a_server_that_does_not_accept_is_given_up() {
    // The kernel takes the connection, and nobody ever reads from it.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let model = OpenAi::build(Options { timeout: SHORT, ..compatible(&url) }).unwrap();
    assert_eq!(model.complete(&prompt()).await, Err(Error::TimedOut { after_ms: SHORT.as_millis() }));
}

#[tokio::test]
async fn a_failure_keeps_its_status_without_its_body() {
    let started = Instant::now();
    let error = failure(Reply::Stalled(head(429, &[("retry-after", "5")], 1_000))).await;
    let expected = Error::Limited { reason: "status 429".to_owned(), retry_after: Some(Duration::from_secs(5)) };
    assert_eq!(error, expected);
    assert!(started.elapsed() < LONG / 2, "it waited for a body of no use");

    let endless = Reply::Endless(head(500, &[], usize::MAX / 2), vec![b'x'; 64 * 1024]);
    assert_eq!(failure(endless).await, Error::Unavailable { reason: "status 500".to_owned(), retry_after: None });
    let reset = Reply::Reset(head(401, &[], 1_000));
    assert!(matches!(failure(reset).await, Error::Rejected(_) | Error::Unavailable { .. }));
}

#[tokio::test]
async fn more_than_may_be_is_not_read() {
    let limit = format!("limit of {ANSWER_BYTES_MAX} bytes");
    let announced = failure(Reply::of(200, &[], vec![b' '; 10 * 1024 * 1024])).await;
    assert!(is_unreadable(&announced, &limit), "{announced:?}");
    // Who reads on finds no end.
    let chunked = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    let mut chunk = b"10000\r\n".to_vec();
    chunk.extend_from_slice(&vec![b' '; 0x10000]);
    chunk.extend_from_slice(b"\r\n");
    let endless = failure(Reply::Endless(chunked, chunk)).await;
    assert!(is_unreadable(&endless, &limit), "{endless:?}");
    let to_the_end = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    let endless = failure(Reply::Endless(to_the_end, vec![b' '; 0x10000])).await;
    assert!(is_unreadable(&endless, &limit), "{endless:?}");
}

#[tokio::test]
async fn headers_without_an_end_are_not_read() {
    let head = b"HTTP/1.1 200 OK\r\n".to_vec();
    let lines = Reply::Endless(head.clone(), b"x-more: and more\r\n".repeat(1_000));
    assert!(matches!(failure(lines).await, Error::Unavailable { .. }));
    let line = Reply::Endless([head, b"x-long: ".to_vec()].concat(), vec![b'x'; 64 * 1024]);
    assert!(matches!(failure(line).await, Error::Unavailable { .. }));
}

#[tokio::test]
async fn a_connection_that_breaks_may_be_tried_again() {
    let body = completion().to_string();
    let whole = answer(200, &[], body.as_bytes());
    for reply in [
        Reply::Reset(Vec::new()),
        Reply::Reset(whole[..whole.len() - 5].to_vec()),
        Reply::Bytes(Vec::new()),
        Reply::Bytes(whole[..whole.len() - 5].to_vec()),
        Reply::Bytes(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\n{\"id\"\r\n".to_vec()),
        Reply::Bytes(b"SSH-2.0-OpenSSH_9.2p1\r\n".to_vec()),
    ] {
        let error = failure(reply).await;
        assert!(matches!(error, Error::Unavailable { retry_after: None, .. }), "{error:?}");
    }
}

#[tokio::test]
async fn nobody_who_listens_is_nobody_there() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = OpenAi::build(azure(&url)).unwrap().complete(&prompt()).await.unwrap_err();
    assert!(matches!(&error, Error::Unreached(reason) if reason.contains("refused")), "{error:?}");
    assert!(error.is_transient());
}
