//! From the telemetry topics to findings.
//!
//! After a start everything that the topics still keep is read again: detection has no other memory. Up to where this
//! group had committed, findings are known; they are tied to the incidents that they became and open none.

use std::collections::BTreeMap;

use llm_sre_domain::Timestamp;
use llm_sre_ports::bus::{self, Consumer, Delivered, Progress, Start, TopicPartition};
use llm_sre_proto::convert::otlp;
use llm_sre_proto::topics;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

use crate::brain::{Brain, Finding};
use crate::{Error, Service};

/// The consumer group.
pub const GROUP: &str = "detector";

const RECORDS_MAX: usize = 500;
const BYTES_MAX: usize = 8 * 1024 * 1024;
const POLL_WAIT: Duration = Duration::from_millis(250);
/// The wait after a failure of the bus or the store.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Up to where each partition was handled before this start.
type Known = BTreeMap<TopicPartition, u64>;

impl Service {
    /// Reads telemetry until `shutdown`.
    pub(crate) async fn consume(&self, shutdown: &CancellationToken) -> Result<(), Error> {
        while !shutdown.is_cancelled() {
            match self.bus.subscribe(GROUP, &topics::TELEMETRY, Start::Earliest).await {
                Ok(mut consumer) => {
                    let ended = self.follow(consumer.as_mut(), shutdown).await;
                    if let Err(error) = consumer.close().await {
                        tracing::debug!(%error, "failed to leave the group; the lease will end");
                    }
                    ended?;
                }
                Err(error) => may_pass("join the group", error)?,
            }
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = tokio::time::sleep(RETRY_AFTER) => {}
            }
        }
        Ok(())
    }

    /// Ends when the partitions go elsewhere or the bus does not answer; then all is read again.
    async fn follow(&self, consumer: &mut dyn Consumer, shutdown: &CancellationToken) -> Result<(), Error> {
        let mut known = Known::new();
        loop {
            let polled = tokio::select! {
                () = shutdown.cancelled() => return Ok(()),
                polled = consumer.poll(RECORDS_MAX, BYTES_MAX, POLL_WAIT) => polled,
            };
            let batch = match polled {
                Ok(batch) if batch.revoked.is_empty() => batch,
                Ok(_) | Err(bus::Error::Fenced { .. }) => return Ok(()),
                Err(error) => return may_pass("poll the topics", error),
            };
            if !batch.assigned.is_empty() {
                // Detection needs the order of event time over all partitions: it begins anew with each that comes.
                *self.brain() = Brain::new(&self.options);
                if let Err(error) = self.follow_living().await {
                    tracing::warn!(%error, "failed to read the incidents that live; trying again");
                    return Ok(());
                }
                known = match self.rewind(consumer).await {
                    Ok(known) => known,
                    Err(error) => return may_pass("go back to the beginning", error),
                };
                continue;
            }
            for delivered in &batch.records {
                known.retain(|of, next| {
                    of.topic != delivered.topic
                        || of.partition != delivered.position.partition
                        || delivered.position.offset + 1 < *next
                });
                let findings = self.take(delivered);
                self.tell(findings, known.is_empty(), shutdown).await;
                if shutdown.is_cancelled() {
                    return Ok(());
                }
            }
            match consumer.commit(&progress(&batch.records, &known)).await {
                Ok(()) => {}
                Err(bus::Error::Fenced { .. }) => return Ok(()),
                Err(error) => return may_pass("commit offsets", error),
            }
        }
    }

    /// Goes back to the beginning, and says what was handled before.
    async fn rewind(&self, consumer: &mut dyn Consumer) -> Result<Known, bus::Error> {
        let mut known = Known::new();
        let assignment = consumer.assignment();
        for topic in topics::TELEMETRY {
            for Progress { of, next_offset } in self.bus.committed(GROUP, topic).await? {
                if next_offset > 0 && assignment.contains(&of) {
                    known.insert(of, next_offset);
                }
            }
        }
        for of in assignment {
            consumer.seek(&Progress { of, next_offset: 0 }).await?;
        }
        Ok(known)
    }

    fn take(&self, delivered: &Delivered) -> Vec<Finding> {
        let now = self.clock.now();
        let mut brain = self.brain();
        let value = delivered.record.value.clone();
        let newest = match delivered.topic.as_str() {
            topics::METRICS => ExportMetricsServiceRequest::decode(value).map(|request| {
                let points = otlp::metrics(&request).items;
                points.iter().for_each(|point| brain.detector.metric(point));
                points.iter().map(|point| point.time).max()
            }),
            topics::LOGS => ExportLogsServiceRequest::decode(value).map(|request| {
                let records = otlp::logs(&request).items;
                records.iter().for_each(|record| brain.detector.log(record));
                records.iter().map(|record| record.time).max()
            }),
            _ => ExportTraceServiceRequest::decode(value).map(|request| {
                let spans = otlp::spans(&request).items;
                spans.iter().for_each(|span| brain.detector.span(span));
                spans.iter().map(|span| span.end).max()
            }),
        };
        match newest {
            Ok(newest) => {
                brain.saw(newest.unwrap_or(Timestamp::EPOCH), now);
                brain.advance()
            }
            // The indexer reads the same topics and keeps the dead letter.
            Err(error) => {
                tracing::debug!(%error, topic = delivered.topic, "a record is no export request");
                Vec::new()
            }
        }
    }

    /// Has findings stored before anything is committed; while the store is away, detection waits.
    async fn tell(&self, findings: Vec<Finding>, is_new: bool, shutdown: &CancellationToken) {
        for finding in findings {
            while let Err(error) = self.note(&finding, is_new).await {
                if matches!(error.code(), tonic::Code::Internal | tonic::Code::InvalidArgument) {
                    tracing::error!(%error, "a finding cannot be kept");
                    break;
                }
                tracing::warn!(%error, "failed to store a finding; trying again");
                tokio::select! {
                    () = shutdown.cancelled() => return,
                    () = tokio::time::sleep(RETRY_AFTER) => {}
                }
            }
        }
    }
}

/// How far a batch goes. What was handled before this start is not committed again: the group is further already.
fn progress(records: &[Delivered], known: &Known) -> Vec<Progress> {
    let mut next: Known = Known::new();
    for Delivered { topic, position, .. } in records {
        let of = TopicPartition { topic: topic.clone(), partition: position.partition };
        if !known.contains_key(&of) {
            let next_offset = next.entry(of).or_default();
            *next_offset = (*next_offset).max(position.offset + 1);
        }
    }
    next.into_iter().map(|(of, next_offset)| Progress { of, next_offset }).collect()
}

fn may_pass(operation: &'static str, error: bus::Error) -> Result<(), Error> {
    match error {
        bus::Error::Full | bus::Error::Unavailable(_) => {
            tracing::warn!(%error, "failed to {operation}; trying again");
            Ok(())
        }
        source => Err(Error::Bus { operation, source }),
    }
}
