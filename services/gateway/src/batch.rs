//! A request as records for the bus: split by key, cut to size, with what no consumer could take set apart.

use std::collections::BTreeMap;

use bytes::Bytes;
use llm_sre_domain::ServiceId;
use llm_sre_proto::otlp::{Export, take_rejected};

/// What one request becomes.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// Export requests of one key each; those of one key are in the order of the request.
    pub(crate) records: Vec<Keyed>,
    /// Export requests of what was rejected, each with one reason.
    pub(crate) dead: Vec<Dead>,
    /// How many items were rejected.
    pub(crate) rejected: usize,
    /// Why, with the count of each reason; empty where nothing was.
    pub(crate) message: String,
}

/// A record's key and value.
#[derive(Debug)]
pub(crate) struct Keyed {
    /// Whose items they are, and how many of each.
    pub(crate) services: Vec<(ServiceId, usize)>,
    pub(crate) key: Bytes,
    pub(crate) value: Bytes,
}

/// A rejected part.
#[derive(Debug)]
pub(crate) struct Dead {
    pub(crate) record: Keyed,
    pub(crate) reason: String,
}

impl Batch {
    /// Splits a request. A record has at most `max_record_bytes`; an item that alone is larger is rejected.
    pub(crate) fn of<S: Export>(mut request: S, max_record_bytes: usize) -> Self {
        let mut batch = Self::default();
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for (reason, part) in take_rejected(&mut request) {
            let reason = reason.to_string();
            *counts.entry(reason.clone()).or_default() += part.count();
            for (key, part) in part.by_key() {
                batch.bury(&key.into(), part, &reason, max_record_bytes);
            }
        }
        for (key, part) in request.by_key() {
            let key = Bytes::from(key);
            let mut oversized = Vec::new();
            let pieces = cut(part, max_record_bytes, &mut oversized);
            batch.records.extend(pieces.into_iter().map(|piece| keyed(&key, &piece)));
            for item in oversized {
                let reason = format!("item is larger than {max_record_bytes} bytes");
                *counts.entry(reason.clone()).or_default() += 1;
                batch.dead.push(Dead { record: keyed(&key, &item), reason });
            }
        }
        batch.rejected = counts.values().sum();
        let reasons: Vec<String> = counts.iter().map(|(reason, count)| format!("{count} rejected: {reason}")).collect();
        batch.message = reasons.join("; ");
        batch
    }

    fn bury<S: Export>(&mut self, key: &Bytes, part: S, reason: &str, max_record_bytes: usize) {
        let mut oversized = Vec::new();
        let pieces = cut(part, max_record_bytes, &mut oversized);
        for piece in pieces.iter().chain(&oversized) {
            self.dead.push(Dead { record: keyed(key, piece), reason: reason.to_owned() });
        }
    }
}

fn keyed<S: Export>(key: &Bytes, part: &S) -> Keyed {
    Keyed { services: part.services(), key: key.clone(), value: Bytes::from(part.encode_to_vec()) }
}

/// Halves a part until each piece fits. Pieces keep the order; what cannot be halved goes to `oversized`.
fn cut<S: Export>(part: S, max_bytes: usize, oversized: &mut Vec<S>) -> Vec<S> {
    let mut pieces = Vec::new();
    let mut stack = vec![part];
    while let Some(mut rest) = stack.pop() {
        let count = rest.count();
        if count == 0 {
            continue;
        }
        if rest.encoded_len() <= max_bytes {
            pieces.push(rest);
        } else if count == 1 {
            oversized.push(rest);
        } else {
            let first = rest.extract(&mut |position| position < count / 2);
            stack.push(rest);
            stack.push(first);
        }
    }
    pieces
}

#[cfg(test)]
mod tests;
