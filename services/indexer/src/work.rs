//! Records of the bus on their way into the store.

use std::sync::Arc;

use llm_sre_domain::calls::CallFinder;
use llm_sre_domain::telemetry::Calls;
use llm_sre_ports::bus::Delivered;
use llm_sre_ports::telemetry::{BATCH_MAX, Batch, RecordId};

use crate::decode::decode;
use crate::times::Times;

/// Some records of a poll and what they decode to.
pub(crate) struct Work {
    polled: Arc<[Delivered]>,
    units: Vec<Unit>,
    /// What they decode to, until it is first asked for.
    decoded: Option<Batch>,
    len: usize,
    /// Those of the first decoding, so that another gives the same.
    times: Times,
}

struct Unit {
    /// Which of the records.
    place: usize,
    /// Kept, because decoding again would not count the same calls again.
    calls: Vec<(RecordId, Calls)>,
}

impl Work {
    pub(crate) fn new(polled: Arc<[Delivered]>, times: Times) -> Self {
        Self { polled, units: Vec::new(), decoded: None, len: 0, times }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.units.is_empty()
    }

    /// Whether the store takes this beside what is there in one batch.
    pub(crate) fn has_room_for(&self, batch: &Batch) -> bool {
        self.units.is_empty() || self.len + batch.len() <= BATCH_MAX
    }

    /// Adds what the record at a place decodes to.
    pub(crate) fn add(&mut self, place: usize, batch: Batch) {
        self.len += batch.len();
        self.units.push(Unit { place, calls: batch.calls.clone() });
        merge(self.decoded.get_or_insert_default(), batch);
    }

    /// What is to be stored. The first time it is at hand; after a failure it is decoded again, so that a success
    /// costs no copy.
    pub(crate) fn batch(&mut self) -> Batch {
        self.decoded.take().unwrap_or_else(|| {
            let mut all = Batch::default();
            for unit in &self.units {
                let again = decode(&self.polled[unit.place], &mut CallFinder::new(1), &self.times).batch;
                merge(&mut all, Batch { calls: unit.calls.clone(), ..again });
            }
            all
        })
    }

    /// The record, where it is a single one.
    pub(crate) fn only(&self) -> Option<&Delivered> {
        if let [unit] = &self.units[..] { Some(&self.polled[unit.place]) } else { None }
    }

    /// The same work in two parts, in order.
    pub(crate) fn halves(mut self) -> [Self; 2] {
        let second = self.units.split_off(self.units.len() / 2);
        [self.units, second].map(|units| Self { units, ..Self::new(Arc::clone(&self.polled), self.times) })
    }
}

fn merge(into: &mut Batch, batch: Batch) {
    into.points.extend(batch.points);
    into.logs.extend(batch.logs);
    into.changes.extend(batch.changes);
    into.calls.extend(batch.calls);
}

/// A batch in pieces that the store takes at once; one record of the bus can hold more than that.
pub(crate) fn cut(mut batch: Batch) -> Vec<Batch> {
    let mut pieces = Vec::new();
    while batch.len() > BATCH_MAX {
        let mut room = BATCH_MAX;
        pieces.push(Batch {
            points: take(&mut batch.points, &mut room),
            logs: take(&mut batch.logs, &mut room),
            changes: take(&mut batch.changes, &mut room),
            calls: take(&mut batch.calls, &mut room),
        });
    }
    if !batch.is_empty() {
        pieces.push(batch);
    }
    pieces
}

fn take<T>(items: &mut Vec<T>, room: &mut usize) -> Vec<T> {
    let rest = items.split_off(items.len().min(*room));
    *room -= items.len();
    std::mem::replace(items, rest)
}

#[cfg(test)]
mod tests {
    use llm_sre_domain::{ServiceId, Timestamp};

    use super::*;

    #[test]
    fn pieces_hold_everything_in_order_and_fit() {
        let (client, server) = (ServiceId::named("a"), ServiceId::named("b"));
        let calls = |index| {
            let call = Calls { client: client.clone(), server: server.clone(), time: Timestamp::EPOCH, count: 1.0 };
            (RecordId { topic: 1, partition: 0, offset: 0, index }, call)
        };
        for len in [0, 1, BATCH_MAX, BATCH_MAX + 1, 3 * BATCH_MAX] {
            let batch = Batch { calls: (0..u32::try_from(len).unwrap()).map(calls).collect(), ..Batch::default() };
            let pieces = cut(batch.clone());
            assert!(pieces.iter().all(|piece| (1..=BATCH_MAX).contains(&piece.len())));
            let joined: Vec<_> = pieces.into_iter().flat_map(|piece| piece.calls).collect();
            assert_eq!(joined, batch.calls);
        }
    }
}
