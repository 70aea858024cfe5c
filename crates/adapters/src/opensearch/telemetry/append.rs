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
        let points = batch.points.iter().map(|(id, point)| self.item("points", *id, point.time, &PointRow::new(point)));
        let logs = batch.logs.iter().map(|(id, log)| self.item("logs", *id, log.time, &LogRow::new(*id, log)));
        let changes = batch
            .changes
            .iter()
            .map(|(id, change)| self.item("changes", *id, change.time, &ChangeRow::new(*id, change)));
        let calls = batch.calls.iter().map(|(id, calls)| self.item("calls", *id, calls.time, &CallsRow::new(calls)));
        points.chain(logs).chain(changes).chain(calls)
    }

    fn item(&self, kind: &str, id: RecordId, time: Timestamp, row: &impl Serialize) -> Result<Vec<u8>, Error> {
        let (index, id) = (self.index(kind, keys::day(time)), keys::base64(&id.to_bytes()));
        let mut item = format!("{{\"create\":{{\"_index\":\"{index}\",\"_id\":\"{id}\"}}}}\n").into_bytes();
        serde_json::to_writer(&mut item, row)
            .map_err(|error| Error::InvalidArgument { what: "record", reason: error.to_string() })?;
        item.push(b'\n');
        Ok(item)
    }

    /// Sends items until each is stored or refused. Gives why the first was refused.
    async fn send(&self, mut bulk: Bulk) -> Result<Option<String>, Failure> {
        let mut backoff = self.client.backoff();
        let mut refused = None;
        while !bulk.items.is_empty() {
            let body = Bytes::from(bulk.items.concat());
            let path = "_bulk?filter_path=errors,items.*.status,items.*.error.type,items.*.error.reason,\
                        items.*.error.caused_by.reason";
            let answer = self.client.request(Repeat::Harmless, Method::Post, path, Some(body)).await?;
            if answer["errors"] == false {
                break;
            }
            let Outcome { busy, refused: reason } = outcome(&answer, bulk.items.len())?;
            refused = refused.or(reason);
            let Some(reason) = busy.last().map(|(_, reason)| reason.clone()) else { break };
            if backoff.is_over() {
                return Err(Failure::Unavailable(reason));
            }
            let again = busy.iter().map(|(index, _)| std::mem::take(&mut bulk.items[*index])).collect();
            bulk.items = again;
            backoff.wait().await;
        }
        Ok(refused)
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
    use super::*;
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
}
