//! Dead letters as they are read from their topics, a few at a time.

use std::collections::VecDeque;
use std::sync::Arc;

use anyhow::Context;
use llm_sre_ports::bus::{self, Delivered, EventBus, Position, TopicPartition};
use llm_sre_proto::topics::{self, Kept, Place};
use uuid::Uuid;

use crate::wiring::Backend;

/// Letters that are read ahead. Few, since each may have [`bus::RECORD_BYTES_MAX`].
const AHEAD: usize = 8;

/// A dead letter.
#[derive(Clone, Debug)]
pub(super) struct Letter {
    /// Where it is.
    pub(super) place: Place,
    /// The record.
    pub(super) record: bus::Record,
    /// Why it is one.
    pub(super) reason: String,
    /// Who gave it up.
    pub(super) rejected_by: String,
    /// The topic that it is for.
    pub(super) topic: String,
    /// Where it was, if it was on a topic.
    pub(super) source: Option<Place>,
    /// What its value is.
    pub(super) kept: Kept,
    /// How often it was replayed before it came here.
    pub(super) replays: u32,
}

impl Letter {
    /// Reads the headers. A letter of somebody else's says less; it is for the topic whose dead letters it is among.
    fn of(delivered: Delivered, topic: &str) -> Self {
        let Delivered { topic: dead, position: Position { partition, offset }, record } = delivered;
        let text = |name: &str| record.header(name).map(str::to_owned);
        let number = |name: &str| record.header(name).and_then(|text| text.parse().ok());
        let source_partition = number(topics::SOURCE_PARTITION_HEADER).and_then(|number| u32::try_from(number).ok());
        let source = source_partition.zip(number(topics::SOURCE_OFFSET_HEADER));
        let source_topic = text(topics::SOURCE_TOPIC_HEADER).filter(|source| topics::TELEMETRY.contains(&&**source));
        let topic = source_topic.unwrap_or_else(|| topic.to_owned());
        Self {
            place: Place { topic: dead, partition, offset },
            reason: text(topics::REASON_HEADER).unwrap_or_default(),
            rejected_by: text(topics::REJECTED_BY_HEADER).unwrap_or_default(),
            source: source.map(|(partition, offset)| Place { topic: topic.clone(), partition, offset }),
            kept: record.header(topics::KEPT_HEADER).and_then(Kept::parse).unwrap_or(Kept::Part),
            replays: number(topics::REPLAYS_HEADER)
                .map_or(0, |replays: u64| u32::try_from(replays).unwrap_or(u32::MAX)),
            topic,
            record,
        }
    }

    /// Names it in the store. A topic that was made anew numbers its records anew, hence the time.
    pub(super) fn id(&self) -> String {
        format!("{}@{}", self.place, self.record.timestamp.as_nanos())
    }

    /// Names a part of a record by what it holds. A kill between a letter and the commit of its source makes the same
    /// letter again: two of a whole record have that record's ids, but items of a part have those of the letter's place,
    /// and would be stored twice.
    pub(super) fn part(&self) -> Option<String> {
        let source = self.source.as_ref().filter(|_| self.kept == Kept::Part)?;
        Some(format!("parts/{source}+{}", Uuid::new_v5(&Uuid::NAMESPACE_OID, &self.record.value)))
    }
}

/// Part of a topic: from an offset, inclusive, to another, exclusive.
struct Range {
    of: TopicPartition,
    next: u64,
    until: u64,
}

/// Letters in order of topics, partitions and offsets.
pub(super) struct Letters {
    bus: Arc<dyn EventBus>,
    ranges: VecDeque<Range>,
    ahead: VecDeque<Delivered>,
}

/// The letters that are there at this moment: of a topic of telemetry, or of all.
pub(super) async fn all(backend: &Backend, topic: Option<&str>) -> anyhow::Result<Letters> {
    let mut ranges = VecDeque::new();
    for name in topics::TELEMETRY.iter().filter(|name| topic.is_none_or(|topic| topic == **name)) {
        let dead = topics::dead_letters(name);
        let ends = backend.bus.end_offsets(&dead).await.with_context(|| format!("failed to look at '{dead}'"))?;
        ranges.extend(ends.into_iter().map(|end| Range { of: end.of, next: 0, until: end.next_offset }));
    }
    Ok(Letters { bus: Arc::clone(&backend.bus), ranges, ahead: VecDeque::new() })
}

/// These letters of a topic of telemetry, as far as they are there.
pub(super) fn at(backend: &Backend, topic: &str, positions: &[Position]) -> Letters {
    let range = |position: &Position| Range {
        of: TopicPartition { topic: topics::dead_letters(topic), partition: position.partition },
        next: position.offset,
        until: position.offset.saturating_add(1),
    };
    let ranges = positions.iter().map(range).collect();
    Letters { bus: Arc::clone(&backend.bus), ranges, ahead: VecDeque::new() }
}

impl Letters {
    /// The next letter; `None` after the last.
    pub(super) async fn next(&mut self) -> anyhow::Result<Option<Letter>> {
        loop {
            if let Some(delivered) = self.ahead.pop_front() {
                let topic = delivered.topic.trim_end_matches(topics::DEAD_LETTERS_SUFFIX).to_owned();
                return Ok(Some(Letter::of(delivered, &topic)));
            }
            let Some(range) = self.ranges.front_mut() else { return Ok(None) };
            let found = if range.next < range.until {
                let read = self.bus.read(&range.of, range.next, AHEAD).await;
                read.with_context(|| format!("failed to read {}/{}", range.of.topic, range.of.partition))?
            } else {
                Vec::new()
            };
            match found.last() {
                Some(last) => range.next = last.position.offset + 1,
                None => drop(self.ranges.pop_front()),
            }
            let until = self.ranges.front().map_or(0, |range| range.until);
            self.ahead.extend(found.into_iter().filter(|delivered| delivered.position.offset < until));
        }
    }
}
