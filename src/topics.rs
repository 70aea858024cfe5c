//! The topics of the event bus and the headers of their records: the part of the contract that is no RPC.
//!
//! `metrics`, `logs` and `traces` carry OTLP export requests as protobuf. A record that cannot be decoded or stored
//! goes to its topic's dead letters, as it was, with headers that say why and where it came from.

use std::fmt;

use llm_sre_domain::ServiceId;

/// Metrics, as `ExportMetricsServiceRequest`.
pub const METRICS: &str = "metrics";
/// Log records, as `ExportLogsServiceRequest`.
pub const LOGS: &str = "logs";
/// Spans, as `ExportTraceServiceRequest`.
pub const TRACES: &str = "traces";
/// All topics that carry telemetry.
pub const TELEMETRY: [&str; 3] = [METRICS, LOGS, TRACES];

/// The key of a service's metrics and logs: its three parts, with a separator that no name has.
pub fn service_key(service: &ServiceId) -> Vec<u8> {
    [&*service.namespace, &*service.name, &*service.environment].join("\0").into_bytes()
}

/// What happened to incidents, a CloudEvent a step, as [`incident_step`] says. For whoever wants to follow them.
pub const INCIDENTS: &str = "incidents";

/// The CloudEvents attributes of one step of an incident, in the binary content mode of CloudEvents' Kafka binding: each
/// is a header `ce_…`. The value is the incident as it was when the step was published, as proto3 JSON; the key is its
/// id, so that its steps stay in order. A step may come twice, with the same `ce_id`.
///
/// `ce_type` is [`STEP_TYPE`] and the incident's state after the step in lower case, such as
/// `llmsre.incident.v1.state.resolved`.
pub fn incident_step(
    incident: &str,
    number: u32,
    state: &str,
    time: &str,
    traceparent: &str,
) -> Vec<(&'static str, String)> {
    let id = incident.rsplit('/').next().unwrap_or_default();
    vec![
        ("ce_specversion", "1.0".to_owned()),
        ("ce_id", format!("{id}/{number}")),
        ("ce_source", EVENT_SOURCE.to_owned()),
        ("ce_type", format!("{STEP_TYPE}{}", state.trim_start_matches("STATE_").to_lowercase())),
        ("ce_subject", incident.to_owned()),
        ("ce_time", time.to_owned()),
        ("content-type", "application/json".to_owned()),
        // Of the hop, by W3C Trace Context, and of where it began, by CloudEvents' extension: both are the incident.
        ("traceparent", traceparent.to_owned()),
        ("ce_traceparent", traceparent.to_owned()),
    ]
}

/// The source of every event.
pub const EVENT_SOURCE: &str = "/llm-sre/detector";
/// What `ce_type` begins with.
pub const STEP_TYPE: &str = "llmsre.incident.v1.state.";

/// What a topic's dead letters are called after.
pub const DEAD_LETTERS_SUFFIX: &str = ".dlq";

/// Header of a dead letter: why it is one, as a sentence.
pub const REASON_HEADER: &str = "llmsre-reason";
/// Header of a dead letter: the service of LLM-SRE that gave it up.
pub const REJECTED_BY_HEADER: &str = "llmsre-rejected-by";
/// Header of a dead letter: the topic that it was on, or was meant for.
pub const SOURCE_TOPIC_HEADER: &str = "llmsre-source-topic";
/// Header of a dead letter that was on a topic: the partition, in decimal.
pub const SOURCE_PARTITION_HEADER: &str = "llmsre-source-partition";
/// Header of a dead letter that was on a topic: the offset, in decimal.
pub const SOURCE_OFFSET_HEADER: &str = "llmsre-source-offset";

/// Header of a dead letter: what its value is, as [`Kept`] says it. A letter without it holds some items of a request.
pub const KEPT_HEADER: &str = "llmsre-kept";

/// Header of a replayed record: the dead letter that it was, as a [`Place`].
pub const REPLAY_OF_HEADER: &str = "llmsre-replay-of";
/// Header of a replayed record, and of the dead letter that it becomes when it fails again: how often it was replayed,
/// in decimal.
pub const REPLAYS_HEADER: &str = "llmsre-replays";
/// Header of a replayed record: the [`Place`] that its items take their ids from, instead of where it is now. However
/// often it is replayed, each item is stored once.
pub const ORIGIN_HEADER: &str = "llmsre-origin";

/// What all headers of our own begin with; the others are the sender's.
pub const OWN_HEADERS_PREFIX: &str = "llmsre-";

/// What the value of a dead letter is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// The record as it was.
    Whole,
    /// The items of the record that were at fault, as a request of their own; the others were stored.
    Part,
    /// Nothing: with its headers the record is too large for the topic. The source has it until its retention ends.
    Nothing,
    /// Nothing of some items, which were too large alone.
    NothingOfPart,
}

impl Kept {
    /// As the header says it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::Part => "part",
            Self::Nothing => "nothing",
            Self::NothingOfPart => "nothing-of-part",
        }
    }

    /// What the header says; `None` for what it never says.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Whole, Self::Part, Self::Nothing, Self::NothingOfPart].into_iter().find(|kept| kept.as_str() == text)
    }
}

/// A record's place on the event bus, in text as `topic/partition/offset`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: u32,
    /// The offset.
    pub offset: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}/{}", self.topic, self.partition, self.offset)
    }
}

impl Place {
    /// Reads the text again; `None` where it is none.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('/');
        let (topic, partition, offset) = (parts.next()?, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        let is_whole = parts.next().is_none() && !topic.is_empty();
        is_whole.then(|| Self { topic: topic.to_owned(), partition, offset })
    }
}

/// The topic of a topic's dead letters.
pub fn dead_letters(topic: &str) -> String {
    format!("{topic}{DEAD_LETTERS_SUFFIX}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_and_what_is_kept_are_read_as_they_were_written() {
        let place = Place { topic: dead_letters(LOGS), partition: 3, offset: u64::MAX };
        assert_eq!(Place::parse(&place.to_string()), Some(place));
        for text in ["", "logs", "logs/1", "/1/2", "logs/1/2/3", "logs/-1/2", "logs/1/x"] {
            assert_eq!(Place::parse(text), None, "{text}");
        }
        for kept in [Kept::Whole, Kept::Part, Kept::Nothing, Kept::NothingOfPart] {
            assert_eq!(Kept::parse(kept.as_str()), Some(kept));
        }
        assert_eq!(Kept::parse("everything"), None);
    }
}
