//! Publishing.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use llm_sre_ports::bus::{Error, Position, Record, partition_of};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{DeliveryFuture, FutureProducer, FutureRecord, Producer};
use tokio::time::Instant;

use crate::client::{Context, config, lock};
use crate::options::Options;
use crate::record;

/// What waits in this process for the brokers. Past it, publishing waits, and then fails.
const QUEUE_KBYTES_MAX: &str = "65536";
const QUEUE_RECORDS_MAX: &str = "100000";
/// How long records wait for company on the way.
const LINGER_MS: &str = "5";
/// Between two tries to get a place in a full queue.
const RETRY_EVERY: Duration = Duration::from_millis(20);

/// The publisher of a process.
pub(crate) struct Publisher {
    options: Options,
    context: Context,
    producer: Mutex<Arc<FutureProducer<Context>>>,
}

impl Publisher {
    /// Prepares it; nothing is sent yet.
    pub(crate) fn new(options: &Options, context: &Context) -> Result<Self, KafkaError> {
        let producer = Mutex::new(Arc::new(create(options, context)?));
        Ok(Self { options: options.clone(), context: context.clone(), producer })
    }

    /// Appends records to a topic, by its full name, that has so many partitions. Waits until all replicas in sync have
    /// them, or until it is known that they will not come.
    pub(crate) async fn publish(
        &self,
        topic: &str,
        partitions: u32,
        records: &[Record],
    ) -> Result<Vec<Position>, Error> {
        let producer = Arc::clone(&lock(&self.producer));
        let deadline = Instant::now() + self.options.answer_within;
        let headers: Vec<_> = records.iter().map(record::headers).collect::<Result<_, _>>()?;
        let mut sent = Vec::with_capacity(records.len());
        let mut failure = None;
        for (record, headers) in records.iter().zip(headers) {
            let mut message: FutureRecord<'_, [u8], [u8]> =
                FutureRecord::to(topic).payload(record.value.as_ref()).headers(headers);
            if let Some(key) = &record.key {
                let partition = i32::try_from(partition_of(key, partitions)).unwrap_or_default();
                message = message.key(key.as_ref()).partition(partition);
            }
            match send(&producer, message, deadline).await {
                Ok(delivery) => sent.push(delivery),
                Err(error) => {
                    failure = Some(error);
                    break;
                }
            }
        }
        let is_none_sent = sent.is_empty();
        let mut positions = Vec::with_capacity(sent.len());
        // All are waited for, also after a failure: what is published again must not meet its own first try.
        for delivery in sent {
            match delivery.await {
                Ok(Ok(delivery)) => positions.push(Position {
                    partition: u32::try_from(delivery.partition).unwrap_or_default(),
                    offset: u64::try_from(delivery.offset).unwrap_or_default(),
                }),
                Ok(Err((error, _message))) => failure = failure.or(Some(error)),
                Err(_canceled) => failure = failure.or(Some(KafkaError::Canceled)),
            }
        }
        let Some(error) = failure else {
            self.context.0.are_over();
            return Ok(positions);
        };
        self.renew_after(&error, &producer);
        Err(match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::QueueFull) if is_none_sent => Error::Full,
            Some(RDKafkaErrorCode::MessageSizeTooLarge | RDKafkaErrorCode::InvalidMessageSize) => {
                let bytes = records.iter().map(Record::bytes).max().unwrap_or_default();
                Error::TooLarge { topic: topic.to_owned(), bytes }
            }
            _ => self.context.0.failed(&format!("publish to '{topic}'"), &error),
        })
    }

    /// An idempotent producer that lost its place in the sequence refuses everything from then on.
    fn renew_after(&self, error: &KafkaError, failed: &Arc<FutureProducer<Context>>) {
        let Some((code, reason)) = failed.client().fatal_error() else { return };
        tracing::error!(%error, ?code, reason, "the producer cannot go on and is replaced");
        let mut current = lock(&self.producer);
        if Arc::ptr_eq(&current, failed) {
            match create(&self.options, &self.context) {
                Ok(producer) => *current = Arc::new(producer),
                Err(error) => tracing::error!(%error, "failed to replace the producer"),
            }
        }
    }
}

fn create(options: &Options, context: &Context) -> Result<FutureProducer<Context>, KafkaError> {
    let mut config = config(options);
    config
        .set("enable.idempotence", "true")
        .set("acks", "all")
        .set("compression.type", "lz4")
        .set("linger.ms", LINGER_MS)
        .set("queue.buffering.max.kbytes", QUEUE_KBYTES_MAX)
        .set("queue.buffering.max.messages", QUEUE_RECORDS_MAX)
        .set("message.timeout.ms", options.answer_within.as_millis().to_string());
    config.create_with_context(context.clone())
}

/// Gives a message to the producer, waiting for room in its queue.
async fn send<'a>(
    producer: &FutureProducer<Context>,
    mut message: FutureRecord<'a, [u8], [u8]>,
    deadline: Instant,
) -> Result<DeliveryFuture, KafkaError> {
    loop {
        match producer.send_result(message) {
            Ok(delivery) => return Ok(delivery),
            Err((error, back))
                if error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull) && Instant::now() < deadline =>
            {
                message = back;
                tokio::time::sleep(RETRY_EVERY).await;
            }
            Err((error, _message)) => return Err(error),
        }
    }
}
