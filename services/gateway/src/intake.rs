//! What happens to every request, whichever way it came: room, split, publish, answer.

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use llm_sre_mesh::status;
use llm_sre_ports::bus::{self, EventBus, Record};
use llm_sre_ports::clock::Clock;
use llm_sre_proto::topics;
use tonic::Status;

use crate::batch::{Batch, Dead, Keyed};
use crate::budget::{Budget, Share};
use crate::signal::Signal;
use crate::{Options, measure};

/// Headers of W3C Trace Context, which travel with the records.
const TRACE_HEADERS: [&str; 2] = ["traceparent", "tracestate"];

/// Takes requests in and publishes them.
pub(crate) struct Intake {
    bus: Arc<dyn EventBus>,
    clock: Arc<dyn Clock>,
    budget: Budget,
    options: Options,
}

/// What the sender is told.
pub(crate) struct Outcome {
    /// How many items were rejected.
    pub(crate) rejected: usize,
    /// Why; empty where none was.
    pub(crate) message: String,
}

impl Intake {
    pub(crate) fn new(bus: Arc<dyn EventBus>, clock: Arc<dyn Clock>, options: Options) -> Self {
        let budget = Budget::new(options.max_requests_in_flight, options.max_bytes_in_flight);
        Self { bus, clock, budget, options }
    }

    pub(crate) fn max_request_bytes(&self) -> usize {
        self.options.max_request_bytes
    }

    /// Room for one more request; to be taken before its body is read.
    pub(crate) fn admit(&self) -> Result<Share, Status> {
        self.budget.request().ok_or_else(|| self.overloaded("TOO_MANY_REQUESTS", "too many requests are in flight"))
    }

    /// Ends `work` at the request's deadline.
    pub(crate) async fn in_time<T>(&self, work: impl Future<Output = T>) -> Result<T, Status> {
        let limit = self.options.request_timeout;
        tokio::time::timeout(limit, work).await.map_err(|_| {
            let problem = format!("the request was not read and published within {} s", limit.as_secs_f64());
            status::unavailable("gateway", problem, self.options.retry_after)
        })
    }

    /// Publishes a request. When this returns `Ok`, the bus has it durably: what was rejected, too.
    pub(crate) async fn accept<S: Signal>(&self, mut request: S, headers: &HeaderMap) -> Result<Outcome, Status> {
        let size = request.encoded_len();
        let _share =
            self.budget.bytes(size).ok_or_else(|| self.overloaded("TOO_MANY_BYTES", "too many bytes are in flight"))?;
        request.stamp(u64::try_from(self.clock.now().as_nanos()).unwrap_or(0));
        let batch = Batch::of(request, self.options.max_record_bytes);
        let trace = trace_headers(headers);
        let items = measure::Items::of(S::TOPIC, &batch);
        self.bury::<S>(batch.dead, &trace).await?;
        let records = batch.records.into_iter().map(|keyed| self.record(keyed, &trace)).collect();
        self.publish(S::TOPIC, records).await?;
        items.are_taken();
        Ok(Outcome { rejected: batch.rejected, message: batch.message })
    }

    async fn bury<S: Signal>(&self, dead: Vec<Dead>, trace: &[(String, Bytes)]) -> Result<(), Status> {
        if dead.is_empty() {
            return Ok(());
        }
        let records = dead.into_iter().map(|Dead { record, reason }| {
            let mut record = self.record(record, trace);
            let headers = [
                (topics::REASON_HEADER, Bytes::from(reason)),
                (topics::REJECTED_BY_HEADER, Bytes::from_static(b"gateway")),
                (topics::SOURCE_TOPIC_HEADER, Bytes::from_static(S::TOPIC.as_bytes())),
                (topics::KEPT_HEADER, Bytes::from_static(topics::Kept::Part.as_str().as_bytes())),
            ];
            record.headers.extend(headers.map(|(name, value)| (name.to_owned(), value)));
            record
        });
        // What alone is larger than any record cannot be kept; its sender keeps it, and was told.
        let records: Vec<Record> = records.filter(|record| record.bytes() <= bus::RECORD_BYTES_MAX).collect();
        let (topic, count) = (topics::dead_letters(S::TOPIC), records.len());
        self.publish(&topic, records).await?;
        measure::buried(topic, count);
        Ok(())
    }

    fn record(&self, keyed: Keyed, trace: &[(String, Bytes)]) -> Record {
        Record { key: Some(keyed.key), headers: trace.to_vec(), value: keyed.value, timestamp: self.clock.now() }
    }

    async fn publish(&self, topic: &str, records: Vec<Record>) -> Result<(), Status> {
        if records.is_empty() {
            return Ok(());
        }
        let count = records.len();
        let published = self.bus.publish(topic, records).await.map_err(|error| {
            tracing::warn!(topic, records = count, %error, "failed to publish");
            self.refusal(&error)
        })?;
        measure::sent(topic, published.len());
        tracing::trace!(topic, records = published.len(), "published");
        Ok(())
    }

    fn refusal(&self, error: &bus::Error) -> Status {
        match error {
            bus::Error::Full => self.overloaded("BUS_FULL", &error.to_string()),
            bus::Error::Unavailable(_) => status::unavailable("event bus", error, self.options.retry_after),
            bus::Error::UnknownTopic { .. }
            | bus::Error::PartitionsDiffer { .. }
            | bus::Error::TooLarge { .. }
            | bus::Error::InvalidArgument { .. }
            | bus::Error::Fenced { .. } => status::internal(error.to_string()),
        }
    }

    fn overloaded(&self, reason: &str, message: &str) -> Status {
        status::exhausted(reason, message, self.options.retry_after)
    }
}

fn trace_headers(headers: &HeaderMap) -> Vec<(String, Bytes)> {
    let value = |name: &str| Some((name.to_owned(), Bytes::copy_from_slice(headers.get(name)?.as_bytes())));
    TRACE_HEADERS.iter().filter_map(|name| value(name)).collect()
}
