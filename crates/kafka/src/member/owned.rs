//! What only the owner of a partition may do.

use std::time::{Duration, Instant};

use llm_sre_ports::bus::{Error, Progress, TopicPartition, beyond};
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{CommitMode, Consumer as _};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::topic_partition_list::Offset;

use super::Core;
use crate::client::lock;

/// Between two tries to commit while the group deals its partitions out.
const RETRY_EVERY: Duration = Duration::from_millis(20);

impl Core {
    pub(super) fn commit(&self, progress: &[Progress]) -> Result<(), Error> {
        let state = lock(&self.state);
        let is_lost = |of: &TopicPartition| !state.held.contains(of) || state.batch.revoked.contains(of);
        if let Some(lost) = progress.iter().find(|progress| is_lost(&progress.of)) {
            return Err(self.fenced(&lost.of));
        }
        let mut list = TopicPartitionList::new();
        for Progress { of, next_offset } in progress {
            let partition = i32::try_from(of.partition).unwrap_or(i32::MAX);
            let offset = Offset::Offset(i64::try_from(*next_offset).unwrap_or(i64::MAX));
            list.add_partition_offset(&self.topic(&of.topic), partition, offset)
                .map_err(|error| self.failed("commit", &error))?;
        }
        let deadline = Instant::now() + self.options.answer_within.min(self.options.member_lease);
        loop {
            // A client that has left its group commits as nobody's member, and a group without members lets it.
            if state.polled.elapsed() >= self.options.member_lease || self.client.assignment_lost() {
                return Err(self.fenced(&progress[0].of));
            }
            let Err(error) = self.client.commit(&list, CommitMode::Sync) else { return Ok(()) };
            match error.rdkafka_error_code() {
                Some(RDKafkaErrorCode::UnknownMemberId | RDKafkaErrorCode::FencedInstanceId) => {
                    return Err(self.fenced(&progress[0].of));
                }
                // The group deals its partitions out; ours are ours until a poll says otherwise.
                Some(RDKafkaErrorCode::RebalanceInProgress | RDKafkaErrorCode::IllegalGeneration)
                    if Instant::now() < deadline =>
                {
                    std::thread::sleep(RETRY_EVERY);
                }
                Some(RDKafkaErrorCode::IllegalGeneration) => return Err(self.fenced(&progress[0].of)),
                _ => return Err(self.failed("commit", &error)),
            }
        }
    }

    pub(super) fn seek(&self, to: &Progress) -> Result<(), Error> {
        let state = lock(&self.state);
        if !state.held.contains(&to.of) || state.batch.revoked.contains(&to.of) {
            return Err(self.fenced(&to.of));
        }
        let topic = self.topic(&to.of.topic);
        let partition = i32::try_from(to.of.partition).unwrap_or(i32::MAX);
        let end = self.reader.end(&topic, partition)?;
        if to.next_offset > end {
            return Err(beyond(to, end));
        }
        self.move_to(&to.of, to.next_offset)
    }
}
