//! The contract of [`EventBus`] and [`Consumer`].

mod agreement;
mod groups;
mod reading;

use std::time::Duration;

use bytes::Bytes;
use llm_sre_domain::Timestamp;

use super::{DEADLINE, Kit, eventually};
use crate::bus::{
    Batch, Consumer, Delivered, Error, EventBus, PARTITIONS_MAX, Position, Progress, RECORD_BYTES_MAX, Record, Start,
    TopicPartition, TopicSpec, partition_of,
};

pub use agreement::bus_agrees_with_the_twin;
pub use groups::{
    a_dead_member_commits_nothing, a_dead_members_partitions_move, a_lost_partition_is_fenced,
    a_member_that_leaves_gives_its_partitions_back, a_member_that_polls_stays_one, a_member_that_was_dead_begins_anew,
    a_partition_that_was_anothers_is_fenced, a_topic_that_is_not_read_is_not_assigned, each_partition_meets_one_member,
    groups_do_not_disturb_each_other, members_together_read_everything,
};
pub use reading::{
    a_group_begins_where_it_is_told, a_group_goes_on_where_it_committed, a_poll_keeps_to_its_limits,
    a_poll_waits_for_records, paused_partitions_are_not_read, seeking_reads_again,
    what_was_not_committed_is_read_again,
};

/// Makes the suite's tests for a kit: `bus_contract!([#[tokio::test]] kit())`.
#[macro_export]
macro_rules! bus_contract {
    ([$($test:tt)*] $kit:expr) => {
        $crate::contract_tests!([$($test)*] $kit, bus:
            topics_are_created_once unknown_topics_are_refused records_come_back_as_they_were
            records_of_a_key_keep_their_order_and_partition records_without_a_key_arrive
            positions_are_in_order_and_offsets_grow a_publish_is_all_or_none records_have_a_largest_size
            reading_needs_no_group old_records_are_pruned
            a_group_begins_where_it_is_told a_group_goes_on_where_it_committed what_was_not_committed_is_read_again
            seeking_reads_again paused_partitions_are_not_read a_poll_keeps_to_its_limits a_poll_waits_for_records
            each_partition_meets_one_member members_together_read_everything groups_do_not_disturb_each_other
            a_topic_that_is_not_read_is_not_assigned a_member_that_leaves_gives_its_partitions_back
            a_dead_members_partitions_move a_dead_member_commits_nothing a_member_that_polls_stays_one a_member_that_was_dead_begins_anew
            a_lost_partition_is_fenced a_partition_that_was_anothers_is_fenced bus_agrees_with_the_twin);
    };
}

type Bus = Kit<dyn EventBus>;

const TOPIC: &str = "t";
const PARTITIONS: u32 = 4;
const NO_WAIT: Duration = Duration::ZERO;
/// One wait of who polls until something comes.
const LOOK: Duration = Duration::from_millis(20);
const ALL: usize = usize::MAX >> 1;

fn spec(name: &str, partitions: u32) -> TopicSpec {
    TopicSpec { name: name.to_owned(), partitions, retention: None }
}

async fn with_topic(kit: &Bus) -> &dyn EventBus {
    kit.port.create_topic(spec(TOPIC, PARTITIONS)).await.unwrap();
    &*kit.port
}

fn of(partition: u32) -> TopicPartition {
    TopicPartition { topic: TOPIC.to_owned(), partition }
}

fn progress(partition: u32, next_offset: u64) -> Progress {
    Progress { of: of(partition), next_offset }
}

/// A key of a partition.
fn key_of(partition: u32) -> Bytes {
    let keys = (0_u32..).map(|number| Bytes::from(number.to_string()));
    keys.into_iter().find(|key| partition_of(key, PARTITIONS) == partition).unwrap()
}

fn record(partition: u32, text: &str) -> Record {
    Record { key: Some(key_of(partition)), value: Bytes::from(text.to_owned()), ..Record::default() }
}

async fn publish(bus: &dyn EventBus, partition: u32, texts: &[&str]) -> Vec<Position> {
    let records = texts.iter().map(|text| record(partition, text)).collect();
    bus.publish(TOPIC, records).await.unwrap()
}

fn texts(records: &[Delivered]) -> Vec<&str> {
    records.iter().map(|delivered| std::str::from_utf8(&delivered.record.value).unwrap()).collect()
}

async fn read_all(bus: &dyn EventBus, partition: u32) -> Vec<Delivered> {
    bus.read(&of(partition), 0, ALL).await.unwrap()
}

async fn join(bus: &dyn EventBus, group: &str) -> Box<dyn Consumer> {
    bus.subscribe(group, &[TOPIC], Start::Earliest).await.unwrap()
}

/// Adds what a later poll brought.
fn merge(into: &mut Batch, later: Batch) {
    into.records.extend(later.records);
    into.assigned.extend(later.assigned);
    into.revoked.extend(later.revoked);
    into.assigned.sort_unstable();
    into.revoked.sort_unstable();
}

/// Polls until all that came is enough. The first poll brings all there is, unless it must come from elsewhere.
async fn poll_until(kit: &Bus, consumer: &mut dyn Consumer, what: &str, is_enough: impl Fn(&Batch) -> bool) -> Batch {
    let polling = async {
        let mut batch = Batch::default();
        loop {
            merge(&mut batch, consumer.poll(1_000, ALL, kit.patience()).await.unwrap());
            if is_enough(&batch) {
                return batch;
            }
            assert!(kit.is_remote, "the first poll did not bring {what}, but {batch:?}");
        }
    };
    tokio::time::timeout(DEADLINE, polling).await.unwrap_or_else(|_| panic!("{what} did not come in time"))
}

/// Polls until so many records came.
async fn poll_records(kit: &Bus, consumer: &mut dyn Consumer, count: usize) -> Batch {
    poll_until(kit, consumer, &format!("{count} records"), |batch| batch.records.len() >= count).await
}

/// A member that has every partition of the topic.
async fn join_alone(kit: &Bus, group: &str) -> Box<dyn Consumer> {
    let mut member = join(&*kit.port, group).await;
    let records = poll_until_assigned(member.as_mut(), PARTITIONS as usize).await;
    assert_eq!(records, [], "there are none yet");
    member
}

/// Polls, and expects nothing: no record, and no change of partitions.
async fn poll_nothing(kit: &Bus, consumer: &mut dyn Consumer) {
    let wait = kit.patience() * 10;
    assert_eq!(consumer.poll(1_000, ALL, wait).await.unwrap(), Batch::default());
}

/// Polls until a member has so many partitions, and gives everything that it read meanwhile.
async fn poll_until_assigned(consumer: &mut dyn Consumer, partitions: usize) -> Vec<Delivered> {
    let polling = async {
        let mut records = Vec::new();
        loop {
            records.extend(consumer.poll(1_000, ALL, LOOK).await.unwrap().records);
            if consumer.assignment().len() == partitions {
                return records;
            }
        }
    };
    tokio::time::timeout(DEADLINE, polling).await.expect("partitions were not assigned in time")
}

impl Bus {
    /// How long a poll waits for what is there.
    fn patience(&self) -> Duration {
        if self.is_remote { LOOK } else { NO_WAIT }
    }
}

/// The same again is no error; another number of partitions is, and none or too many are, too.
pub async fn topics_are_created_once(kit: Bus) {
    let bus = with_topic(&kit).await;
    publish(bus, 0, &["kept"]).await;
    bus.create_topic(spec(TOPIC, PARTITIONS)).await.unwrap();
    assert_eq!(texts(&read_all(bus, 0).await), ["kept"]);
    let differs = bus.create_topic(spec(TOPIC, 2)).await;
    assert!(matches!(differs, Err(Error::PartitionsDiffer { existing: PARTITIONS, asked: 2, .. })), "{differs:?}");
    for partitions in [0, PARTITIONS_MAX + 1] {
        let refused = bus.create_topic(spec("new", partitions)).await;
        assert!(matches!(refused, Err(Error::InvalidArgument { what: "partitions", .. })), "{refused:?}");
    }
    bus.create_topic(spec("large", PARTITIONS_MAX)).await.unwrap();
    let ends = bus.end_offsets("large").await.unwrap();
    let partitions: Vec<u32> = ends.iter().map(|end| end.of.partition).collect();
    assert_eq!(partitions, (0..PARTITIONS_MAX).collect::<Vec<_>>(), "a row a partition");
}

/// Nothing is read as empty that was never there.
pub async fn unknown_topics_are_refused(kit: Bus) {
    let bus = with_topic(&kit).await;
    let unknown = TopicPartition { topic: "u".to_owned(), partition: 0 };
    let refusals = [
        bus.publish("u", vec![Record::default()]).await.err(),
        bus.publish("u", Vec::new()).await.err(),
        bus.subscribe("g", &[TOPIC, "u"], Start::Earliest).await.err(),
        bus.end_offsets("u").await.err(),
        bus.read(&unknown, 0, 1).await.err(),
    ];
    for refusal in refusals {
        assert!(matches!(&refusal, Some(Error::UnknownTopic { topic }) if topic == "u"), "{refusal:?}");
    }
    assert_eq!(bus.committed("g", "u").await.unwrap(), []);
}

/// Key, headers in order and twice the same, value and time.
pub async fn records_come_back_as_they_were(kit: Bus) {
    let bus = with_topic(&kit).await;
    let header = |name: &str, value: &'static [u8]| (name.to_owned(), Bytes::from_static(value));
    let full = Record {
        key: Some(key_of(1)),
        headers: vec![header("b", b"1"), header("a", b""), header("b", b"\xff\0"), header("", b"x")],
        value: Bytes::from_static(b"\0\xffvalue"),
        timestamp: Timestamp::from_nanos(-5),
    };
    let empty_key = Record { key: Some(Bytes::new()), ..Record::default() };
    let positions = bus.publish(TOPIC, vec![full.clone(), empty_key.clone()]).await.unwrap();
    for (position, record) in positions.into_iter().zip([full, empty_key]) {
        let found = bus.read(&of(position.partition), position.offset, 1).await.unwrap();
        assert_eq!(found, [Delivered { topic: TOPIC.to_owned(), position, record }]);
    }
}

/// The partition is [`partition_of`] the key, for as long as there is data.
pub async fn records_of_a_key_keep_their_order_and_partition(kit: Bus) {
    let bus = with_topic(&kit).await;
    for round in 0..3 {
        let keyed = |number: u32| Record {
            key: Some(Bytes::from(format!("key {}", number % 10))),
            value: Bytes::from(format!("{round}/{number:03}")),
            ..Record::default()
        };
        bus.publish(TOPIC, (0..100).map(keyed).collect()).await.unwrap();
    }
    let mut count = 0;
    for partition in 0..PARTITIONS {
        let records = read_all(bus, partition).await;
        let keys = records.iter().map(|delivered| delivered.record.key.clone().unwrap());
        assert!(keys.clone().all(|key| partition_of(&key, PARTITIONS) == partition));
        for key in keys {
            let of_key = records.iter().filter(|delivered| delivered.record.key.as_ref() == Some(&key));
            assert!(of_key.map(|delivered| &delivered.record.value).is_sorted());
        }
        count += records.len();
    }
    assert_eq!(count, 300);
}

/// To any partition, and none is lost.
pub async fn records_without_a_key_arrive(kit: Bus) {
    let bus = with_topic(&kit).await;
    let mut positions = bus.publish(TOPIC, vec![Record::default(); 5]).await.unwrap();
    positions.sort_unstable();
    let mut found = Vec::new();
    for partition in 0..PARTITIONS {
        found.extend(read_all(bus, partition).await.into_iter().map(|delivered| delivered.position));
    }
    found.sort_unstable();
    assert_eq!(found, positions);
}

/// One position a record, in order; offsets of a partition grow, and the end is after the last.
pub async fn positions_are_in_order_and_offsets_grow(kit: Bus) {
    let bus = with_topic(&kit).await;
    assert_eq!(bus.publish(TOPIC, Vec::new()).await.unwrap(), []);
    let mut last = None;
    for round in 0..3 {
        let records = (0..8).map(|number| record(number % 2, &format!("{round}/{number}"))).collect();
        let positions = bus.publish(TOPIC, records).await.unwrap();
        let partitions: Vec<u32> = positions.iter().map(|position| position.partition).collect();
        assert_eq!(partitions, [0, 1, 0, 1, 0, 1, 0, 1]);
        for position in positions.iter().filter(|position| position.partition == 0) {
            assert!(Some(position.offset) > last);
            last = Some(position.offset);
            let found = bus.read(&of(0), position.offset, 1).await.unwrap();
            assert_eq!(found[0].position, *position);
        }
    }
    let ends = bus.end_offsets(TOPIC).await.unwrap();
    assert_eq!(ends.len(), PARTITIONS as usize);
    assert_eq!(ends[0], progress(0, last.unwrap() + 1));
    assert_eq!(ends[3], progress(3, 0));
}

/// One record that cannot be taken leaves nothing of the others.
pub async fn a_publish_is_all_or_none(kit: Bus) {
    let bus = with_topic(&kit).await;
    let large = Record { value: Bytes::from(vec![0; RECORD_BYTES_MAX + 1]), ..Record::default() };
    let refused = bus.publish(TOPIC, vec![record(0, "a"), record(1, "b"), large]).await;
    assert!(matches!(refused, Err(Error::TooLarge { bytes, .. }) if bytes == RECORD_BYTES_MAX + 1), "{refused:?}");
    for partition in 0..PARTITIONS {
        assert_eq!(read_all(bus, partition).await, []);
    }
}

/// [`RECORD_BYTES_MAX`] bytes of key, headers and value together fit, one more does not.
pub async fn records_have_a_largest_size(kit: Bus) {
    let bus = with_topic(&kit).await;
    let sized = |bytes: usize| Record {
        key: Some(Bytes::from_static(b"key")),
        headers: vec![("name".to_owned(), Bytes::from_static(b"value"))],
        value: Bytes::from(vec![7; bytes - 12]),
        ..Record::default()
    };
    assert!(matches!(bus.publish(TOPIC, vec![sized(RECORD_BYTES_MAX + 1)]).await, Err(Error::TooLarge { .. })));
    let position = bus.publish(TOPIC, vec![sized(RECORD_BYTES_MAX)]).await.unwrap()[0];
    let found = bus.read(&of(position.partition), position.offset, 1).await.unwrap();
    assert_eq!(found[0].record, sized(RECORD_BYTES_MAX));
}

/// At most so many from an offset on; after the end there is nothing, and a partition that is not there is refused.
pub async fn reading_needs_no_group(kit: Bus) {
    let bus = with_topic(&kit).await;
    publish(bus, 2, &["a", "b", "c"]).await;
    let read = |from, max| async move { bus.read(&of(2), from, max).await.unwrap() };
    assert_eq!(texts(&read(0, 2).await), ["a", "b"]);
    assert_eq!(texts(&read(1, 10).await), ["b", "c"]);
    assert_eq!(read(3, 10).await, []);
    assert_eq!(read(u64::MAX, 10).await, []);
    assert_eq!(read(0, 0).await, []);
    let missing = bus.read(&of(PARTITIONS), 0, 1).await;
    assert!(matches!(missing, Err(Error::InvalidArgument { what: "partition", .. })), "{missing:?}");
    assert_eq!(bus.committed("g", TOPIC).await.unwrap(), []);
}

/// By the topic's retention; a topic without one keeps everything. Offsets are never given twice.
pub async fn old_records_are_pruned(kit: Bus) {
    let bus = with_topic(&kit).await;
    publish(bus, 0, &["kept"]).await;
    let (short, long) = (Duration::from_millis(1), Duration::from_secs(3_600));
    for (name, retention) in [("short", short), ("long", long)] {
        bus.create_topic(TopicSpec { retention: Some(retention), ..spec(name, 1) }).await.unwrap();
        bus.publish(name, vec![Record::default(); 3]).await.unwrap();
    }
    let left = |name: &str| {
        let of = TopicPartition { topic: name.to_owned(), partition: 0 };
        async move { bus.read(&of, 0, 10).await.unwrap().len() }
    };
    let mut removed = 0;
    while left("short").await > 0 {
        removed += eventually("records are too old", || async {
            let removed = bus.prune().await.unwrap();
            (removed > 0 || left("short").await == 0).then_some(removed)
        })
        .await;
    }
    assert!(removed == 3 || (removed < 3 && kit.is_remote), "{removed} of 3 were removed");
    assert_eq!((left("short").await, left("long").await, left(TOPIC).await), (0, 3, 1));
    assert_eq!(bus.end_offsets("short").await.unwrap()[0].next_offset, 3);
    assert_eq!(bus.publish("short", vec![Record::default()]).await.unwrap()[0].offset, 3);
}
