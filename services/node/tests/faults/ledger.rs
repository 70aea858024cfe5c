//! What the bus acknowledged: every record that is on a topic, and what must become of it.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use llm_sre_domain::telemetry::Change;
use llm_sre_ports::bus::{Delivered, EventBus, Position, Progress, TopicPartition};
use llm_sre_ports::telemetry::RecordId;
use llm_sre_proto::convert::otlp::{self, Export, take_rejected};
use llm_sre_proto::topics;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;

/// Records of a read. A fetch brings as many at once.
const READ_MAX: usize = 2_000;

/// A record's place: topic, partition, offset.
pub(crate) type Place = (String, u32, u64);
/// The offset after the last, of each partition.
pub(crate) type Ends = BTreeMap<TopicPartition, u64>;

/// See the module.
pub(crate) struct Ledger {
    bus: Arc<dyn EventBus>,
    read: Ends,
    /// What must be stored, by kind.
    points: HashSet<RecordId>,
    logs: HashSet<RecordId>,
    changes: HashSet<RecordId>,
    /// Places whose record, or a part of it, must be a dead letter.
    dead: BTreeSet<Place>,
    records: usize,
}

/// What was found to be stored.
pub(crate) struct Stored {
    pub(crate) points: Vec<RecordId>,
    pub(crate) logs: Vec<RecordId>,
    pub(crate) changes: Vec<RecordId>,
    pub(crate) calls: Vec<RecordId>,
    /// Where dead letters say that they came from; one that says nothing has an empty topic.
    pub(crate) dead: Vec<Place>,
}

/// How what is stored compares with what was acknowledged.
#[derive(Clone, Debug, Default, serde::Serialize, serde::Deserialize)]
pub(crate) struct Balance {
    /// Records on the topics.
    pub(crate) records: usize,
    /// Points, log records and changes that are stored.
    pub(crate) stored: usize,
    /// Rows of the call graph that are stored.
    pub(crate) calls: usize,
    /// Dead letters, and those among them that repeat one.
    pub(crate) dead_letters: usize,
    pub(crate) dead_letters_again: usize,
    /// What is wrong: acknowledged and not stored, stored twice, and stored without having been acknowledged.
    pub(crate) lost: usize,
    pub(crate) doubled: usize,
    pub(crate) unknown: usize,
    /// Some of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) examples: Vec<String>,
}

const EXAMPLES_MAX: usize = 8;

impl Balance {
    /// Whether nothing is lost, doubled or unknown.
    pub(crate) fn is_even(&self) -> bool {
        self.lost + self.doubled + self.unknown == 0
    }

    fn note(&mut self, example: impl FnOnce() -> String) {
        if self.examples.len() < EXAMPLES_MAX {
            self.examples.push(example());
        }
    }
}

impl Ledger {
    pub(crate) fn new(bus: Arc<dyn EventBus>) -> Self {
        Self {
            bus,
            read: Ends::new(),
            points: HashSet::new(),
            logs: HashSet::new(),
            changes: HashSet::new(),
            dead: BTreeSet::new(),
            records: 0,
        }
    }

    /// How many records were read.
    pub(crate) fn records(&self) -> usize {
        self.records
    }

    /// Where the topics end.
    pub(crate) async fn ends(&self) -> Ends {
        let mut ends = Ends::new();
        for topic in topics::TELEMETRY {
            let found = self.bus.end_offsets(topic).await.unwrap();
            ends.extend(found.into_iter().map(|Progress { of, next_offset }| (of, next_offset)));
        }
        ends
    }

    /// How many records a group has not come to.
    pub(crate) async fn lag(&self, group: &str) -> u64 {
        self.lag_behind(group, &self.ends().await).await
    }

    /// How many records before these ends a group has not come to.
    pub(crate) async fn lag_behind(&self, group: &str, ends: &Ends) -> u64 {
        let mut left = ends.clone();
        for topic in topics::TELEMETRY {
            for Progress { of, next_offset } in self.bus.committed(group, topic).await.unwrap() {
                if let Some(end) = left.get_mut(&of) {
                    *end = end.saturating_sub(next_offset);
                }
            }
        }
        left.values().sum()
    }

    /// Reads up to these ends.
    pub(crate) async fn read_to(&mut self, ends: &Ends) {
        for (of, end) in ends {
            let mut next = self.read.get(of).copied().unwrap_or_default();
            while next < *end {
                let found = self.bus.read(of, next, READ_MAX).await.unwrap();
                let last = found.last().unwrap_or_else(|| panic!("{of:?} has nothing from {next} to {end}"));
                next = last.position.offset + 1;
                found.iter().for_each(|delivered| self.enter(delivered));
            }
            self.read.insert(of.clone(), next);
        }
    }

    fn enter(&mut self, delivered: &Delivered) {
        self.records += 1;
        let is_whole = match delivered.topic.as_str() {
            topics::METRICS => good(delivered).map(|(request, is_whole): (ExportMetricsServiceRequest, bool)| {
                self.points.extend(ids(delivered, otlp::metrics(&request).items.len()));
                is_whole
            }),
            topics::LOGS => good(delivered).map(|(request, is_whole): (ExportLogsServiceRequest, bool)| {
                let logs = otlp::logs(&request).items;
                let named = ids(delivered, logs.len()).zip(&logs);
                self.changes.extend(named.filter(|(_, log)| Change::from_log(log).is_some()).map(|(id, _)| id));
                self.logs.extend(ids(delivered, logs.len()));
                is_whole
            }),
            _ => good::<ExportTraceServiceRequest>(delivered).map(|(_, is_whole)| is_whole),
        };
        if is_whole != Some(true) {
            let Position { partition, offset } = delivered.position;
            self.dead.insert((delivered.topic.clone(), partition, offset));
        }
    }

    /// Where the dead letters of all topics came from.
    pub(crate) async fn dead_letters(&self) -> Vec<Place> {
        let mut found = Vec::new();
        for topic in topics::TELEMETRY.map(topics::dead_letters) {
            for end in self.bus.end_offsets(&topic).await.unwrap() {
                let mut next = 0;
                while next < end.next_offset {
                    let read = self.bus.read(&end.of, next, READ_MAX).await.unwrap();
                    next = read.last().map_or(end.next_offset, |last| last.position.offset + 1);
                    found.extend(read.iter().map(source));
                }
            }
        }
        found
    }

    /// Compares what is stored with what was read. What was acknowledged before `settled` must be stored; what came
    /// later may be.
    pub(crate) fn balance(&self, stored: Stored, settled: &Ends) -> Balance {
        let Stored { points, logs, changes, calls, dead } = stored;
        let mut balance = Balance {
            records: self.records,
            stored: points.len() + logs.len() + changes.len(),
            calls: calls.len(),
            ..Balance::default()
        };
        compare(&mut balance, "point", points, &self.points, settled);
        compare(&mut balance, "log record", logs, &self.logs, settled);
        compare(&mut balance, "change", changes, &self.changes, settled);
        // How calls are counted up depends on what the indexer has seen; that they are of records does not.
        for id in calls.into_iter().filter(|id| id.offset >= self.read.get(&place(*id)).copied().unwrap_or(0)) {
            balance.unknown += 1;
            balance.note(|| format!("unknown calls {id:?}"));
        }
        balance.dead_letters = dead.len();
        let found: BTreeSet<Place> = dead.into_iter().collect();
        // Letters are written before offsets are committed, so that a crash between may repeat some.
        balance.dead_letters_again = balance.dead_letters - found.len();
        for place in self.dead.difference(&found).filter(|place| is_settled(place, settled)) {
            balance.lost += 1;
            balance.note(|| format!("lost dead letter of {place:?}"));
        }
        for place in found.difference(&self.dead) {
            balance.unknown += 1;
            balance.note(|| format!("dead letter of a good record: {place:?}"));
        }
        balance
    }
}

fn compare(balance: &mut Balance, what: &str, stored: Vec<RecordId>, acknowledged: &HashSet<RecordId>, settled: &Ends) {
    let mut seen = HashSet::with_capacity(stored.len());
    for id in stored {
        if !seen.insert(id) {
            balance.doubled += 1;
            balance.note(|| format!("doubled {what} {id:?}"));
        } else if !acknowledged.contains(&id) {
            balance.unknown += 1;
            balance.note(|| format!("unknown {what} {id:?}"));
        }
    }
    let is_due = |id: &&RecordId| id.offset < settled.get(&place(**id)).copied().unwrap_or(0);
    for id in acknowledged.difference(&seen).filter(is_due) {
        balance.lost += 1;
        balance.note(|| format!("lost {what} {id:?}"));
    }
}

fn is_settled((topic, partition, offset): &Place, settled: &Ends) -> bool {
    let of = TopicPartition { topic: topic.clone(), partition: *partition };
    settled.get(&of).is_some_and(|end| offset < end)
}

/// The good part of a record, and whether there is no other; nothing where it is no export request.
fn good<E: Export>(delivered: &Delivered) -> Option<(E, bool)> {
    let mut request = E::decode(delivered.record.value.clone()).ok()?;
    let is_whole = take_rejected(&mut request).is_empty();
    Some((request, is_whole))
}

/// The topics by the numbers that stored records know them by.
const NUMBERED: [&str; 3] = [topics::METRICS, topics::LOGS, topics::TRACES];

fn ids(delivered: &Delivered, count: usize) -> impl Iterator<Item = RecordId> {
    let topic = NUMBERED.iter().position(|topic| *topic == delivered.topic).unwrap();
    let (topic, Position { partition, offset }) = (u8::try_from(topic + 1).unwrap(), delivered.position);
    (0..u32::try_from(count).unwrap()).map(move |index| RecordId { topic, partition, offset, index })
}

fn place(id: RecordId) -> TopicPartition {
    let topic = NUMBERED.get(usize::from(id.topic).wrapping_sub(1)).copied().unwrap_or_default();
    TopicPartition { topic: topic.to_owned(), partition: id.partition }
}

fn source(letter: &Delivered) -> Place {
    let header = |name| letter.record.header(name).unwrap_or_default();
    let number = |name| header(name).parse().unwrap_or(u64::MAX);
    if header(topics::REASON_HEADER).is_empty() {
        return Place::default();
    }
    let partition = u32::try_from(number(topics::SOURCE_PARTITION_HEADER)).unwrap_or(u32::MAX);
    (header(topics::SOURCE_TOPIC_HEADER).to_owned(), partition, number(topics::SOURCE_OFFSET_HEADER))
}

#[test]
fn what_is_lost_doubled_or_unknown_is_found() {
    let of = |partition| TopicPartition { topic: topics::METRICS.to_owned(), partition };
    let id = |offset| RecordId { topic: 1, partition: 0, offset, index: 0 };
    let bus: Arc<dyn EventBus> = Arc::new(llm_sre_ports::memory::MemoryBus::default());
    let mut ledger = Ledger::new(bus);
    ledger.points.extend([id(0), id(1), id(2)]);
    ledger.read.insert(of(0), 3);
    ledger.dead.insert((topics::METRICS.to_owned(), 0, 1));
    let dead = vec![(topics::METRICS.to_owned(), 0, 1); 2];
    let stored = |points: &[u64], dead: &[Place]| Stored {
        points: points.iter().map(|offset| id(*offset)).collect(),
        logs: Vec::new(),
        changes: Vec::new(),
        calls: vec![id(2)],
        dead: dead.to_vec(),
    };
    let settled = Ends::from([(of(0), 2)]);
    let even = ledger.balance(stored(&[0, 1], &dead), &settled);
    assert!(even.is_even() && even.dead_letters_again == 1, "{even:?}");
    let lost = ledger.balance(stored(&[0], &[]), &settled);
    assert_eq!((lost.lost, lost.doubled, lost.unknown), (2, 0, 0), "{lost:?}");
    let doubled = ledger.balance(stored(&[0, 1, 1, 7], &dead), &settled);
    assert_eq!((doubled.lost, doubled.doubled, doubled.unknown), (0, 1, 1), "{doubled:?}");
}
