//! Stores records by bulk requests, each record under an id that makes a repeat harmless.

use bytes::Bytes;
use llm_sre_domain::Timestamp;
use llm_sre_ports::telemetry::{Batch, Error, RecordId};
use opensearch::http::Method;
use serde::Serialize;
use serde_json::Value;

use super::OpenSearchTelemetry;
use super::rows::{CallsRow, ChangeRow, LogRow, PointRow};
use crate::opensearch::client::Repeat;
use crate::opensearch::failure::Failure;
use crate::opensearch::keys;

/// The size that a bulk request is sent at: more brings nothing, and a node takes up to 100 MiB.
const BULK_BYTES_MAX: usize = 8 * 1024 * 1024;

/// About what a point takes, with the line before it.
const ITEM_BYTES: usize = 384;

/// Items of one bulk request, each the line of its action and its own.
#[derive(Default)]
struct Bulk {
    items: Vec<Vec<u8>>,
    bytes: usize,
}

impl OpenSearchTelemetry {
    /// Stores all records that can be, and names the first that cannot.
    pub(super) async fn append(&self, batch: &Batch) -> Result<(), Error> {
        let mut refused = None;
        let mut bulk = Bulk::default();
        for item in self.items(batch) {
            let item = item?;
            if bulk.bytes + item.len() > BULK_BYTES_MAX {
                refused = refused.or(self.send(std::mem::take(&mut bulk)).await?);
            }
            bulk.bytes += item.len();
            bulk.items.push(item);
        }
        refused = refused.or(self.send(bulk).await?);
        refused.map_or(Ok(()), |reason| Err(Error::InvalidArgument { what: "record", reason }))
    }

    /// Every record with the line that says where it goes.
    fn items<'a>(&'a self, batch: &'a Batch) -> impl Iterator<Item = Result<Vec<u8>, Error>> + Send + 'a {
        let days = |kind| Days { telemetry: self, kind, named: None };
        let (mut to_points, mut to_logs) = (days("points"), days("logs"));
        let (mut to_changes, mut to_calls) = (days("changes"), days("calls"));
        let points = batch.points.iter().map(move |(id, point)| to_points.item(*id, point.time, &PointRow::new(point)));
        let logs = batch.logs.iter().map(move |(id, log)| to_logs.item(*id, log.time, &LogRow::new(*id, log)));
        let changes = batch
            .changes
            .iter()
            .map(move |(id, change)| to_changes.item(*id, change.time, &ChangeRow::new(*id, change)));
        let calls = batch.calls.iter().map(move |(id, calls)| to_calls.item(*id, calls.time, &CallsRow::new(calls)));
        points.chain(logs).chain(changes).chain(calls)
    }

    /// Sends items until each is stored or refused. Gives why the first was refused. A request that is refused as a
    /// whole, such as one larger than a proxy takes, is sent in halves, down to the items that it is about: the same
    /// again would be refused for ever, and everything behind it would wait.
    async fn send(&self, bulk: Bulk) -> Result<Option<String>, Failure> {
        // A shard without its primary is waited for that long, less than for an answer, so that items say what they miss.
        const PATH: &str = "_bulk?timeout=10s&filter_path=errors,items.*.status,items.*.error.type,items.*.error.reason,\
                            items.*.error.caused_by.reason";
        let mut backoff = self.client.backoff();
        let mut refused = None;
        let mut left = vec![bulk.items];
        while let Some(mut items) = left.pop() {
            if items.is_empty() {
                continue;
            }
            let body = Bytes::from(items.concat());
            let bytes = body.len();
            let answer = match self.client.request(Repeat::Harmless, Method::Post, PATH, Some(body)).await {
                Ok(answer) => answer,
                Err(Failure::Refused(reason)) if items.len() == 1 => {
                    refused = refused.or(Some(format!("alone, in a request of {bytes} bytes: {reason}")));
                    continue;
                }
                Err(Failure::Refused(reason)) => {
                    tracing::debug!(reason, bytes, "a bulk request is refused; sending it in halves");
                    let second = items.split_off(items.len() / 2);
                    left.extend([second, items]);
                    continue;
                }
                Err(failure) => return Err(failure),
            };
            if answer["errors"] == false {
                continue;
            }
            let Outcome { busy, refused: reason } = outcome(&answer, items.len())?;
            refused = refused.or(reason);
            let Some(reason) = busy.last().map(|(_, reason)| reason.clone()) else { continue };
            if backoff.is_over() {
                return Err(Failure::Unavailable(reason));
            }
            left.push(busy.iter().map(|(index, _)| std::mem::take(&mut items[*index])).collect());
            backoff.wait().await;
        }
        Ok(refused)
    }
}

/// The indices of a kind. Most records are of the day of the one before.
struct Days<'a> {
    telemetry: &'a OpenSearchTelemetry,
    kind: &'static str,
    named: Option<(i64, String)>,
}

impl Days<'_> {
    fn item(&mut self, id: RecordId, time: Timestamp, row: &impl Serialize) -> Result<Vec<u8>, Error> {
        let day = keys::day(time);
        if self.named.as_ref().is_none_or(|(named, _)| *named != day) {
            self.named = Some((day, self.telemetry.index(self.kind, day)));
        }
        let index = self.named.as_ref().map_or("", |(_, index)| index);
        let mut item = Vec::with_capacity(ITEM_BYTES);
        item.extend_from_slice(b"{\"create\":{\"_index\":\"");
        item.extend_from_slice(index.as_bytes());
        item.extend_from_slice(b"\",\"_id\":\"");
        item.extend_from_slice(keys::base64(&id.to_bytes()).as_bytes());
        item.extend_from_slice(b"\"}}\n");
        serde_json::to_writer(&mut item, row)
            .map_err(|error| Error::InvalidArgument { what: "record", reason: error.to_string() })?;
        item.push(b'\n');
        Ok(item)
    }
}

/// What became of the items of a request.
struct Outcome {
    /// Those to send again, and why.
    busy: Vec<(usize, String)>,
    /// Why the first was refused for good.
    refused: Option<String>,
}

/// A full or failing store is the whole request's failure: what was stored of it is stored already next time.
fn outcome(answer: &Value, sent: usize) -> Result<Outcome, Failure> {
    let mut outcome = Outcome { busy: Vec::new(), refused: None };
    let items = answer["items"].as_array().filter(|items| items.len() == sent);
    let items = items.ok_or_else(|| Failure::Unavailable(format!("a bulk answer is not for {sent} items")))?;
    for (index, item) in items.iter().enumerate() {
        let item = &item["create"];
        let status = item["status"].as_u64().and_then(|status| u16::try_from(status).ok()).unwrap_or(500);
        if status < 300 {
            continue;
        }
        match Failure::of(status, &item["error"]) {
            // It is stored already.
            Failure::Conflict => {}
            Failure::Busy(reason) => outcome.busy.push((index, reason)),
            Failure::Unavailable(reason) if status == 503 => outcome.busy.push((index, reason)),
            Failure::Refused(reason) => outcome.refused = outcome.refused.or(Some(reason)),
            failure => return Err(failure),
        }
    }
    Ok(outcome)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::sync::mpsc;

    use super::*;
    use crate::opensearch::Options;
    use crate::opensearch::client::Client;
    use serde_json::json;

    fn of(items: &[(u16, &str)]) -> Result<(Vec<usize>, bool), Failure> {
        let items: Vec<Value> = items
            .iter()
            .map(|(status, kind)| json!({ "create": { "status": status, "error": { "type": kind, "reason": "read-only" } } }))
            .collect();
        let found = outcome(&json!({ "errors": true, "items": items }), items.len())?;
        Ok((found.busy.into_iter().map(|(index, _)| index).collect(), found.refused.is_some()))
    }

    #[test]
    fn each_item_has_its_own_outcome() {
        let mixed = [
            (201, ""),
            (409, "version_conflict_engine_exception"),
            (429, "rejected_execution_exception"),
            (503, "unavailable_shards_exception"),
        ];
        assert_eq!(of(&mixed), Ok((vec![2, 3], false)));
        assert_eq!(of(&[(400, "mapper_parsing_exception"), (201, "")]), Ok((Vec::new(), true)));
        assert_eq!(of(&[(201, ""), (403, "cluster_block_exception")]), Err(Failure::Full));
        assert!(matches!(of(&[(500, "x")]), Err(Failure::Unavailable(_))));
        assert!(
            matches!(outcome(&json!({ "items": [] }), 1), Err(Failure::Unavailable(_))),
            "an item without an answer"
        );
    }

    /// A node, or what is before it, that answers each request by its body, on connections of one request each. What it
    /// takes goes to `taken`.
    fn node(answer: fn(&str) -> Option<(&'static str, &'static str)>) -> (OpenSearchTelemetry, mpsc::Receiver<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (took, taken) = mpsc::channel();
        std::thread::spawn(move || {
            for mut connection in listener.incoming().map_while(Result::ok) {
                let body = request(&mut connection);
                let (status, text) = answer(&body).unwrap_or(("200 OK", "{\"errors\":false}"));
                if status == "200 OK" && took.send(body).is_err() {
                    return;
                }
                let length = text.len();
                let head = format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
                connection.write_all(format!("{head}{text}").as_bytes()).unwrap();
            }
        });
        let client = Client::new(Options::new(&url, "a")).unwrap();
        (OpenSearchTelemetry { client: client.into(), prefix: "a".into() }, taken)
    }

    /// The body of a request.
    fn request(connection: &mut TcpStream) -> String {
        let (mut text, mut read) = (String::new(), [0; 4_096]);
        loop {
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let head = head.to_lowercase();
                let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
                if body.len() >= length.unwrap_or(0) {
                    return body.to_owned();
                }
            }
            let count = connection.read(&mut read).unwrap();
            assert!(count > 0, "the request is cut short: {text}");
            text.push_str(std::str::from_utf8(&read[..count]).unwrap());
        }
    }

    fn bulk(items: &[&str]) -> Bulk {
        Bulk { items: items.iter().map(|item| format!("{item}\n").into_bytes()).collect(), bytes: 0 }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_is_too_large_together_is_sent_in_halves() {
        let proxy = |body: &str| (body.len() > 10).then_some(("413 Payload Too Large", "<html>no</html>"));
        let (telemetry, taken) = node(proxy);
        let long = "x".repeat(20);
        let refused = telemetry.send(bulk(&["one", "two", "three", &long, "four", "five", "six"])).await.unwrap();
        assert!(refused.is_some_and(|reason| reason.contains("21 bytes: 413")), "one alone is too large");
        assert_eq!(taken.try_iter().collect::<String>(), "one\ntwo\nthree\nfour\nfive\nsix\n");
        assert_eq!(telemetry.send(bulk(&["one", "two", "three"])).await, Ok(None));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn only_what_is_about_the_request_is_a_refusal() {
        let refuses = |body: &str| {
            let error = "{\"error\":{\"type\":\"illegal_argument_exception\",\"reason\":\"malformed\"},\"status\":400}";
            body.contains("bad").then_some(("400 Bad Request", error))
        };
        let (telemetry, taken) = node(refuses);
        let refused = telemetry.send(bulk(&["one", "bad", "two"])).await.unwrap();
        assert!(refused.is_some_and(|reason| reason.contains("malformed")));
        assert_eq!(taken.try_iter().collect::<String>(), "one\ntwo\n");

        let (telemetry, _) = node(|_| Some(("401 Unauthorized", "Unauthorized")));
        let failed = telemetry.send(bulk(&["one", "two"])).await;
        assert!(matches!(failed, Err(Failure::Unavailable(_))), "{failed:?}");
        // A server that speaks another protocol on this port says so, whatever is sent.
        let (telemetry, _) = node(|_| Some(("400 Bad Request", "The plain HTTP request was sent to HTTPS port")));
        let failed = telemetry.send(bulk(&["one", "two"])).await;
        assert!(matches!(failed, Err(Failure::Unavailable(_))), "{failed:?}");
    }
}
