//! The topics of the event bus and the headers of their records: the part of the contract that is no RPC.
//!
//! `metrics`, `logs` and `traces` carry OTLP export requests as protobuf. A record that cannot be decoded or stored
//! goes to its topic's dead letters, as it was, with headers that say why and where it came from.

/// Metrics, as `ExportMetricsServiceRequest`.
pub const METRICS: &str = "metrics";
/// Log records, as `ExportLogsServiceRequest`.
pub const LOGS: &str = "logs";
/// Spans, as `ExportTraceServiceRequest`.
pub const TRACES: &str = "traces";
/// All topics that carry telemetry.
pub const TELEMETRY: [&str; 3] = [METRICS, LOGS, TRACES];

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

/// The topic of a topic's dead letters.
pub fn dead_letters(topic: &str) -> String {
    format!("{topic}{DEAD_LETTERS_SUFFIX}")
}
