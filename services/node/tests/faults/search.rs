//! What the store holds, asked of OpenSearch itself.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use llm_sre_ports::telemetry::RecordId;
use serde_json::{Value, json};

/// The longest that one exchange may take: a page of ten thousand ids on a busy machine takes about a second.
const ANSWER_WITHIN: Duration = Duration::from_secs(60);
const PAGE: usize = 10_000;

/// Answers of a node, by its port.
pub(crate) struct Search(pub(crate) u16);

impl Search {
    /// The answer to a request.
    ///
    /// # Errors
    /// When there is none in time, or it is not JSON.
    pub(crate) fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> io::Result<Value> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.0))?;
        stream.set_read_timeout(Some(ANSWER_WITHIN))?;
        let body = body.map(Value::to_string).unwrap_or_default();
        // HTTP/1.0: the server ends the body by closing.
        write!(
            stream,
            "{method} /{path} HTTP/1.0\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (_, body) = answer.split_once("\r\n\r\n").ok_or_else(|| io::Error::other("answer without a body"))?;
        serde_json::from_str(body).map_err(io::Error::other)
    }

    /// The ids of all records of a kind, each as often as it is stored.
    ///
    /// # Panics
    /// When the store does not answer.
    pub(crate) fn ids(&self, prefix: &str, kind: &str) -> Vec<RecordId> {
        const SHOWN: &str = "filter_path=_scroll_id,_shards.failed,hits.hits._id";
        let indices = format!("{prefix}-{kind}-*");
        let ask = |path: &str, body: Value| {
            let answer = self.ask("POST", path, Some(&body)).unwrap_or_else(|error| panic!("{path}: {error}"));
            assert_eq!(answer["_shards"]["failed"], 0, "{path}: {answer}");
            answer
        };
        ask(&format!("{indices}/_refresh?filter_path=_shards.failed"), json!({}));
        let all = json!({ "size": PAGE, "_source": false, "sort": ["_doc"] });
        let mut page = ask(&format!("{indices}/_search?scroll=2m&{SHOWN}"), all);
        let mut found = Vec::new();
        while let Some(hits) = page["hits"]["hits"].as_array().filter(|hits| !hits.is_empty()) {
            found.extend(hits.iter().map(|hit| id(hit["_id"].as_str().unwrap_or_default())));
            let next = json!({ "scroll": "2m", "scroll_id": page["_scroll_id"] });
            page = ask(&format!("_search/scroll?{SHOWN}"), next);
        }
        drop(self.ask("DELETE", "_search/scroll", Some(&json!({ "scroll_id": page["_scroll_id"] }))));
        found
    }
}

/// The record that an `_id` names: URL-safe base64 of its place.
fn id(text: &str) -> RecordId {
    let digit = |letter: u8| match letter {
        b'A'..=b'Z' => letter - b'A',
        b'a'..=b'z' => letter - b'a' + 26,
        b'0'..=b'9' => letter - b'0' + 52,
        b'-' => 62,
        b'_' => 63,
        _ => panic!("'{text}' is the id of no record"),
    };
    let (mut bytes, mut bits, mut count) = (Vec::with_capacity(17), 0_u32, 0);
    for letter in text.bytes() {
        bits = (bits << 6) | u32::from(digit(letter));
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    let bytes = bytes.try_into().unwrap_or_else(|_| panic!("'{text}' is the id of no record"));
    RecordId::from_bytes(&bytes)
}

#[test]
fn an_id_is_read_as_it_was_written() {
    let place = RecordId { topic: 3, partition: 2, offset: 70_000, index: 255 };
    // 03 00000002 0000000000011170 000000ff
    assert_eq!(id("AwAAAAIAAAAAAAERcAAAAP8"), place);
}
