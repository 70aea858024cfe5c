//! How partitions come to a member and go.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use llm_sre_ports::bus::TopicPartition;
use rdkafka::TopicPartitionList;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::Offset;
use rdkafka::types::RDKafkaRespErr;

use crate::client::{Context, lock};

/// What a member of a group is told.
pub(crate) struct MemberContext {
    pub(crate) shared: Context,
    /// What stands before the names of topics.
    pub(crate) prefix: String,
    /// Where to begin on a partition that the group never committed; absent where that is its beginning.
    pub(crate) starts: BTreeMap<TopicPartition, u64>,
    pub(crate) answer_within: Duration,
    pub(crate) changes: Mutex<Vec<Change>>,
    /// Whether the member leaves its group: then nothing that still comes matters.
    pub(crate) is_leaving: AtomicBool,
}

/// Partitions that came or went, in the order in which they did.
pub(crate) enum Change {
    Assigned(Vec<TopicPartition>),
    Revoked(Vec<TopicPartition>),
}

impl MemberContext {
    /// The topic's name for us.
    pub(crate) fn name<'a>(&self, topic: &'a str) -> &'a str {
        topic.strip_prefix(self.prefix.as_str()).unwrap_or(topic)
    }

    /// What changed since the last call.
    pub(crate) fn take_changes(&self) -> Vec<Change> {
        std::mem::take(&mut lock(&self.changes))
    }

    fn partitions(&self, list: &TopicPartitionList) -> Vec<TopicPartition> {
        let elements = list.elements();
        let of = |topic: &str, partition: i32| {
            Some(TopicPartition { topic: self.name(topic).to_owned(), partition: u32::try_from(partition).ok()? })
        };
        elements.iter().filter_map(|element| of(element.topic(), element.partition())).collect()
    }

    /// Where nothing is committed, begins where the member said when it joined, and not where the end is by now.
    fn begin(&self, client: &BaseConsumer<Self>, list: &mut TopicPartitionList) -> Result<(), KafkaError> {
        // Who leaves is not answered any more, and would wait for nothing.
        if self.starts.is_empty() || self.is_leaving.load(Ordering::Relaxed) {
            return Ok(());
        }
        let mut begin = client.committed_offsets(list.clone(), self.answer_within)?;
        for of in self.partitions(list) {
            let topic = format!("{}{}", self.prefix, of.topic);
            let partition = i32::try_from(of.partition).unwrap_or_default();
            let found = begin.find_partition(&topic, partition).map(|element| element.offset());
            if let (Some(start), false) = (self.starts.get(&of), matches!(found, Some(Offset::Offset(_)))) {
                let start = Offset::Offset(i64::try_from(*start).unwrap_or(i64::MAX));
                begin.set_partition_offset(&topic, partition, start)?;
            }
        }
        for element in begin.elements() {
            list.set_partition_offset(element.topic(), element.partition(), element.offset())?;
        }
        Ok(())
    }
}

impl ClientContext for MemberContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.shared.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.shared.error(error, reason);
    }
}

impl ConsumerContext for MemberContext {
    fn rebalance(&self, client: &BaseConsumer<Self>, event: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let partitions = self.partitions(list);
        let result = if event == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            if let Err(error) = self.begin(client, list) {
                tracing::warn!(%error, "failed to find where to begin; partitions that were never committed begin at their oldest record");
            }
            lock(&self.changes).push(Change::Assigned(partitions));
            client.incremental_assign(list)
        } else {
            lock(&self.changes).push(Change::Revoked(partitions));
            client.incremental_unassign(list)
        };
        if let Err(error) = result {
            tracing::warn!(%error, "failed to take a change of partitions over");
        }
    }
}
