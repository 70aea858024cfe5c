//! Topics: made, found, and kept as they should be.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use llm_sre_ports::bus::{Error, PARTITIONS_MAX, TopicSpec};
use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, ConfigSource, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::client::{Context, MESSAGE_BYTES_MAX, lock};

/// For so long a topic's number of partitions is taken for known. It can grow behind our back.
const KNOWN_FOR: Duration = Duration::from_secs(60);
/// One try at asking the cluster, between two looks at whether it refuses us.
const TRY_FOR: Duration = Duration::from_millis(500);
/// Between two looks for a topic that was just made.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// The most topics that are remembered.
const KNOWN_MAX: usize = 1_024;

/// Which topics there are, as far as it was asked.
#[derive(Default)]
pub(crate) struct Known(Mutex<BTreeMap<String, (u32, Instant)>>);

impl Known {
    /// How many partitions a topic has, if that was asked lately.
    pub(crate) fn partitions(&self, topic: &str) -> Option<u32> {
        lock(&self.0).get(topic).filter(|(_, asked)| asked.elapsed() < KNOWN_FOR).map(|(partitions, _)| *partitions)
    }

    pub(crate) fn insert(&self, topic: &str, partitions: u32) {
        let mut known = lock(&self.0);
        if known.len() >= KNOWN_MAX {
            known.clear();
        }
        known.insert(topic.to_owned(), (partitions, Instant::now()));
    }

    pub(crate) fn forget(&self, topic: &str) {
        lock(&self.0).remove(topic);
    }
}

/// Asks how many partitions a topic has, by its full name; `None` where there is no such topic. Blocks.
pub(crate) fn ask_partitions(
    client: &BaseConsumer<Context>,
    topic: &str,
    answer_within: Duration,
) -> Result<Option<u32>, Error> {
    let troubles = &client.context().0;
    let deadline = Instant::now() + answer_within;
    loop {
        let why = match client.fetch_metadata(Some(topic), TRY_FOR) {
            Ok(metadata) => {
                let found = metadata.topics().iter().find(|found| found.name() == topic);
                let error = found.and_then(|found| found.error()).map(RDKafkaErrorCode::from);
                match (found, error) {
                    (Some(found), None) => {
                        troubles.are_over();
                        return Ok(Some(u32::try_from(found.partitions().len()).unwrap_or(u32::MAX)));
                    }
                    (_, Some(RDKafkaErrorCode::UnknownTopicOrPartition)) | (None, _) => return Ok(None),
                    (_, Some(RDKafkaErrorCode::InvalidTopic)) => {
                        let reason = format!("'{topic}' is no name for a topic");
                        return Err(Error::InvalidArgument { what: "topic", reason });
                    }
                    (_, Some(error)) => KafkaError::MetadataFetch(error),
                }
            }
            Err(error) => error,
        };
        if let Some(refusal) = troubles.refusal() {
            return Err(refusal);
        }
        if Instant::now() >= deadline {
            return Err(troubles.failed(&format!("find topic '{topic}'"), &why));
        }
    }
}

/// Makes a topic, by its full name, or looks after one that is there.
pub(crate) struct Making<'a> {
    pub(crate) admin: &'a AdminClient<Context>,
    pub(crate) context: &'a Context,
    pub(crate) answer_within: Duration,
}

impl Making<'_> {
    fn admin_options(&self) -> AdminOptions {
        AdminOptions::new().request_timeout(Some(self.answer_within)).operation_timeout(Some(self.answer_within))
    }

    /// Makes it, unless it is there already. It may take a moment until it is found.
    pub(crate) async fn create(&self, topic: &str, spec: &TopicSpec) -> Result<(), Error> {
        let settings = settings(spec);
        let partitions = i32::try_from(spec.partitions.min(PARTITIONS_MAX)).unwrap_or_default();
        // How many replicas there are is the cluster's own business: -1 takes its default.
        let mut new = NewTopic::new(topic, partitions, TopicReplication::Fixed(-1));
        for (key, value) in &settings {
            new = new.set(key, value);
        }
        let operation = format!("create topic '{topic}'");
        let failed = |error: &KafkaError| self.context.0.failed(&operation, error);
        let results = self.admin.create_topics([&new], &self.admin_options()).await.map_err(|error| failed(&error))?;
        match results.into_iter().next() {
            Some(Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists))) => Ok(()),
            Some(Err((_, code @ (RDKafkaErrorCode::InvalidTopic | RDKafkaErrorCode::PolicyViolation)))) => {
                Err(Error::InvalidArgument { what: "topic", reason: format!("'{topic}': {code}") })
            }
            Some(Err((_, code))) => Err(failed(&KafkaError::AdminOp(code))),
            None => Err(failed(&KafkaError::Canceled)),
        }
    }

    /// Gives a topic the settings that it should have. Others that somebody gave it stay.
    pub(crate) async fn keep_settings(&self, topic: &str, spec: &TopicSpec) -> Result<(), Error> {
        let operation = format!("look after the settings of topic '{topic}'");
        let failed = |error: &KafkaError| self.context.0.failed(&operation, error);
        let specifier = ResourceSpecifier::Topic(topic);
        let found = self.admin.describe_configs([&specifier], &self.admin_options()).await;
        let found = match found.map_err(|error| failed(&error))?.into_iter().next() {
            Some(Ok(found)) => found,
            Some(Err(code)) => return Err(failed(&KafkaError::AdminOp(code))),
            None => return Err(failed(&KafkaError::Canceled)),
        };
        let mut settings = settings(spec);
        // Others may write larger messages than we do.
        settings.retain(|key, value| {
            let is_more = |existing: &String| existing.parse::<u64>().ok() >= value.parse().ok();
            *key != MAX_MESSAGE_BYTES || !found.get(key).and_then(|entry| entry.value.as_ref()).is_some_and(is_more)
        });
        let differs =
            |(key, value): (&&str, &String)| found.get(key).and_then(|entry| entry.value.as_ref()) != Some(value);
        if !settings.iter().any(differs) {
            return Ok(());
        }
        let mut alter = AlterConfig::new(specifier);
        // The call replaces all that was set for the topic.
        for entry in found.entries.iter().filter(|entry| entry.source == ConfigSource::DynamicTopic) {
            if let (false, Some(value)) = (settings.contains_key(entry.name.as_str()), &entry.value) {
                alter = alter.set(&entry.name, value);
            }
        }
        for (key, value) in &settings {
            alter = alter.set(key, value);
        }
        let altered = self.admin.alter_configs([&alter], &self.admin_options()).await;
        match altered.map_err(|error| failed(&error))?.into_iter().next() {
            Some(Ok(_)) => Ok(()),
            Some(Err((_, code))) => Err(failed(&KafkaError::AdminOp(code))),
            None => Err(failed(&KafkaError::Canceled)),
        }
    }
}

/// How long a segment is written to: a partition has a few files for each.
const SEGMENT_MIN: Duration = Duration::from_secs(600);
const SEGMENT_MAX: Duration = Duration::from_secs(7 * 24 * 3_600);

const MAX_MESSAGE_BYTES: &str = "max.message.bytes";

/// The settings of a topic that its promises rest on.
fn settings(spec: &TopicSpec) -> BTreeMap<&'static str, String> {
    let retention_ms = spec.retention.map_or(-1, |retention| i64::try_from(retention.as_millis()).unwrap_or(i64::MAX));
    let mut settings = BTreeMap::from([
        ("cleanup.policy", "delete".to_owned()),
        ("retention.ms", retention_ms.to_string()),
        // Retention goes by when a record was published, whatever time its sender has.
        ("message.timestamp.type", "LogAppendTime".to_owned()),
        (MAX_MESSAGE_BYTES, MESSAGE_BYTES_MAX.to_string()),
    ]);
    // A segment goes as a whole, and the one that is written to never: what is kept would else be a week more.
    if let Some(retention) = spec.retention {
        let segment = (retention / 8).clamp(SEGMENT_MIN, SEGMENT_MAX);
        settings.insert("segment.ms", segment.as_millis().to_string());
    }
    settings
}

/// Waits until a topic that was just made is known everywhere. Blocks.
pub(crate) fn await_topic(client: &BaseConsumer<Context>, topic: &str, answer_within: Duration) -> Result<u32, Error> {
    let deadline = Instant::now() + answer_within;
    loop {
        if let Some(partitions) = ask_partitions(client, topic, answer_within)? {
            return Ok(partitions);
        }
        if Instant::now() >= deadline {
            return Err(client
                .context()
                .0
                .unavailable(&format!("find topic '{topic}'"), "it was made and is not there"));
        }
        std::thread::sleep(LOOK_EVERY);
    }
}
