//! The port.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use llm_sre_ports::bus::{
    Consumer, Delivered, Error, EventBus, PARTITIONS_MAX, Position, Progress, RECORD_BYTES_MAX, Record, Start,
    TopicPartition, TopicSpec,
};
use rdkafka::admin::AdminClient;
use rdkafka::error::KafkaError;

use crate::client::{Context, blocking, config};
use crate::member::Member;
use crate::options::Options;
use crate::producer::Publisher;
use crate::reader::Reader;
use crate::topics::{self, Known, Making};

/// The event bus of a cluster. Cloning gives another handle on the same clients.
#[derive(Clone)]
pub struct KafkaBus(Arc<Shared>);

struct Shared {
    options: Options,
    context: Context,
    publisher: Publisher,
    admin: AdminClient<Context>,
    reader: Arc<Reader>,
    known: Known,
}

impl KafkaBus {
    /// Prepares the clients. Nothing is sent yet, so a cluster that is away shows with the first call.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] where librdkafka refuses the options, such as a CA file that cannot be read.
    pub fn new(options: Options) -> Result<Self, Error> {
        let invalid = |error: KafkaError| {
            let reason = match error {
                // Its other fields repeat the value, which may be the password.
                KafkaError::ClientConfig(_, reason, key, _) => format!("{key}: {reason}"),
                error => error.to_string(),
            };
            Error::InvalidArgument { what: "Kafka's options", reason }
        };
        if let Some(ca_file) = options.tls.as_ref().and_then(|tls| tls.ca_file.as_ref()) {
            // librdkafka says that it failed, and neither which file nor why.
            if let Err(error) = std::fs::File::open(ca_file) {
                let reason = format!("failed to open the CA file {}: {error}", ca_file.display());
                return Err(Error::InvalidArgument { what: "Kafka's options", reason });
            }
        }
        let context = Context::default();
        let publisher = Publisher::new(&options, &context).map_err(invalid)?;
        let admin = config(&options).create_with_context(context.clone()).map_err(invalid)?;
        let reader = Arc::new(Reader::new(&options, &context).map_err(invalid)?);
        Ok(Self(Arc::new(Shared { options, context, publisher, admin, reader, known: Known::default() })))
    }

    fn full(&self, name: &str) -> String {
        format!("{}{name}", self.0.options.prefix)
    }

    fn answer_within(&self) -> Duration {
        self.0.options.answer_within
    }

    /// How many partitions a topic has, if it is there.
    async fn find(&self, topic: &str) -> Result<Option<u32>, Error> {
        if let Some(partitions) = self.0.known.partitions(topic) {
            return Ok(Some(partitions));
        }
        let (bus, full) = (self.clone(), self.full(topic));
        let found = blocking(move || topics::ask_partitions(&bus.0.reader.asker, &full, bus.answer_within())).await?;
        if let Some(partitions) = found {
            self.0.known.insert(topic, partitions);
        }
        Ok(found)
    }

    async fn partitions(&self, topic: &str) -> Result<u32, Error> {
        self.find(topic).await?.ok_or_else(|| Error::UnknownTopic { topic: topic.to_owned() })
    }
}

#[async_trait]
impl EventBus for KafkaBus {
    async fn create_topic(&self, spec: TopicSpec) -> Result<(), Error> {
        if spec.partitions == 0 || spec.partitions > PARTITIONS_MAX {
            let reason = format!("{} is not from 1 to {PARTITIONS_MAX}", spec.partitions);
            return Err(Error::InvalidArgument { what: "partitions", reason });
        }
        let topic = self.full(&spec.name);
        self.0.known.forget(&spec.name);
        let making = Making { admin: &self.0.admin, context: &self.0.context, answer_within: self.answer_within() };
        if self.find(&spec.name).await?.is_none() {
            let is_new = making.create(&topic, &spec).await?;
            // Whoever made it, it may not be known everywhere yet.
            let (bus, full) = (self.clone(), topic.clone());
            let partitions =
                blocking(move || topics::await_topic(&bus.0.reader.asker, &full, bus.answer_within())).await?;
            self.0.known.insert(&spec.name, partitions);
            if is_new {
                return Ok(());
            }
        }
        let existing = self.partitions(&spec.name).await?;
        if existing != spec.partitions {
            return Err(Error::PartitionsDiffer { topic: spec.name, existing, asked: spec.partitions });
        }
        making.keep_settings(&topic, &spec).await
    }

    async fn publish(&self, topic: &str, records: Vec<Record>) -> Result<Vec<Position>, Error> {
        if let Some(bytes) = records.iter().map(Record::bytes).find(|bytes| *bytes > RECORD_BYTES_MAX) {
            return Err(Error::TooLarge { topic: topic.to_owned(), bytes });
        }
        let partitions = self.partitions(topic).await?;
        let published = self.0.publisher.publish(&self.full(topic), partitions, &records).await;
        if published.is_err() {
            // The topic may have gone.
            self.0.known.forget(topic);
        }
        published
    }

    async fn subscribe(&self, group: &str, topics: &[&str], start: Start) -> Result<Box<dyn Consumer>, Error> {
        let mut starts = BTreeMap::new();
        for topic in topics {
            self.partitions(topic).await?;
            if start == Start::Latest {
                starts.extend(self.end_offsets(topic).await?.into_iter().map(|end| (end.of, end.next_offset)));
            }
        }
        let topics: Vec<String> = topics.iter().map(|topic| (*topic).to_owned()).collect();
        let (bus, group) = (self.clone(), group.to_owned());
        let joining = move || Member::join(&bus.0.options, &bus.0.reader, &group, &topics, starts);
        Ok(Box::new(blocking(joining).await?))
    }

    async fn end_offsets(&self, topic: &str) -> Result<Vec<Progress>, Error> {
        let partitions = self.partitions(topic).await?;
        let (bus, name, full) = (self.clone(), topic.to_owned(), self.full(topic));
        blocking(move || bus.0.reader.ends(&name, &full, partitions)).await
    }

    async fn committed(&self, group: &str, topic: &str) -> Result<Vec<Progress>, Error> {
        let Some(partitions) = self.find(topic).await? else { return Ok(Vec::new()) };
        let (bus, group) = (self.clone(), self.full(group));
        let (name, full) = (topic.to_owned(), self.full(topic));
        blocking(move || bus.0.reader.committed(&group, &name, &full, partitions)).await
    }

    async fn read(&self, of: &TopicPartition, from_offset: u64, max: usize) -> Result<Vec<Delivered>, Error> {
        if of.partition >= self.partitions(&of.topic).await? {
            let reason = format!("{}/{} does not exist", of.topic, of.partition);
            return Err(Error::InvalidArgument { what: "partition", reason });
        }
        let (bus, of, full) = (self.clone(), of.clone(), self.full(&of.topic));
        blocking(move || bus.0.reader.read(&of, &full, from_offset, max)).await
    }

    async fn prune(&self) -> Result<u64, Error> {
        // The brokers do, by the retention that the topics were created with.
        Ok(0)
    }
}
