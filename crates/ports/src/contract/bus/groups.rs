//! How members share what a group reads.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::Instant;

use super::{
    ALL, Bus, DEADLINE, PARTITIONS, TOPIC, eventually, join, join_alone, merge, of, poll_records, poll_until,
    poll_until_assigned, progress, publish, spec, texts, with_topic,
};
use crate::bus::{Batch, Consumer, Error, Start, TopicPartition};

const EVERY: usize = PARTITIONS as usize;
/// More than that many rounds of polls change nothing, unless members find out from elsewhere.
const ROUNDS: usize = 2;

fn owned(members: &[Box<dyn Consumer>]) -> Vec<TopicPartition> {
    let mut owned: Vec<TopicPartition> = members.iter().flat_map(|member| member.assignment()).collect();
    owned.sort_unstable();
    owned
}

fn every() -> Vec<TopicPartition> {
    (0..PARTITIONS).map(of).collect()
}

/// A partition's next offset, committed by a member that has it; or what it was refused with.
async fn commit(member: &mut dyn Consumer, partition: u32, next_offset: u64) -> Result<(), Error> {
    member.commit(&[progress(partition, next_offset)]).await
}

/// Lets members poll in turns until they share as told. Gives what each polled.
async fn share(
    kit: &Bus,
    members: &mut [Box<dyn Consumer>],
    is_shared: impl Fn(&[Box<dyn Consumer>]) -> bool,
) -> Vec<Batch> {
    let mut batches = vec![Batch::default(); members.len()];
    let sharing = async {
        for round in 0.. {
            for (member, batch) in members.iter_mut().zip(&mut batches) {
                merge(batch, member.poll(1_000, ALL, kit.patience()).await.unwrap());
            }
            if is_shared(members) {
                break;
            }
            assert!(kit.is_remote || round < ROUNDS, "shared is {:?}", owned(members));
        }
    };
    tokio::time::timeout(DEADLINE, sharing).await.expect("the partitions were not shared in time");
    batches
}

fn is_halved(members: &[Box<dyn Consumer>]) -> bool {
    owned(members) == every() && members.iter().all(|member| member.assignment().len() == EVERY / 2)
}

/// Two members of a group, each with half of the partitions.
async fn two_members(kit: &Bus) -> [Box<dyn Consumer>; 2] {
    let mut members = [join(&*kit.port, "g").await, join(&*kit.port, "g").await];
    share(kit, &mut members, is_halved).await;
    members
}

/// A second member comes. Gives it, what it got, and what the first one found out by then: a bus in this process takes
/// partitions from who does not look, and others wait until their owner polls.
async fn take_half(kit: &Bus, first: Box<dyn Consumer>) -> ([Box<dyn Consumer>; 2], Vec<TopicPartition>, Batch) {
    let mut second = join(&*kit.port, "g").await;
    if !kit.is_remote {
        let gained = poll_until(kit, second.as_mut(), "partitions", |batch| !batch.assigned.is_empty()).await;
        return ([first, second], gained.assigned, Batch::default());
    }
    let mut members = [first, second];
    let mut batches = share(kit, &mut members, is_halved).await;
    let (gained, noticed) = (batches.remove(1).assigned, batches.remove(0));
    (members, gained, noticed)
}

/// Of the topics that a member reads; more members than partitions leave some without.
pub async fn each_partition_meets_one_member(kit: Bus) {
    with_topic(&kit).await;
    let mut members: Vec<Box<dyn Consumer>> = Vec::new();
    for count in 1..=EVERY + 1 {
        members.push(join(&*kit.port, "g").await);
        let is_shared = |members: &[Box<dyn Consumer>]| {
            let busy = members.iter().filter(|member| !member.assignment().is_empty()).count();
            owned(members) == every() && busy == count.min(EVERY)
        };
        share(&kit, &mut members, is_shared).await;
    }
}

/// Each record once, while they commit what they read.
pub async fn members_together_read_everything(kit: Bus) {
    let bus = with_topic(&kit).await;
    let mut members = two_members(&kit).await;
    let mut read = BTreeSet::new();
    for round in 0..5 {
        for partition in 0..PARTITIONS {
            publish(bus, partition, &[&format!("{partition}/{round}")]).await;
        }
        for member in &mut members {
            let batch = poll_records(&kit, member.as_mut(), EVERY / 2).await;
            for (delivered, text) in batch.records.iter().zip(texts(&batch.records)) {
                assert!(read.insert(text.to_owned()), "{text} was read twice");
                let next_offset = delivered.position.offset + 1;
                commit(member.as_mut(), delivered.position.partition, next_offset).await.unwrap();
            }
        }
    }
    assert_eq!(read.len(), 5 * EVERY);
}

/// Each reads everything and commits for itself.
pub async fn groups_do_not_disturb_each_other(kit: Bus) {
    let bus = with_topic(&kit).await;
    publish(bus, 0, &["a", "b"]).await;
    let (mut one, mut two) = (join(bus, "one").await, join(bus, "two").await);
    assert_eq!(texts(&poll_records(&kit, one.as_mut(), 2).await.records), ["a", "b"]);
    commit(one.as_mut(), 0, 2).await.unwrap();
    assert_eq!(texts(&poll_records(&kit, two.as_mut(), 2).await.records), ["a", "b"]);
    assert_eq!(owned(&[one]), every());
    assert_eq!(owned(&[two]), every());
    assert_eq!(bus.committed("two", TOPIC).await.unwrap(), []);
}

/// Members of one group may read different topics.
pub async fn a_topic_that_is_not_read_is_not_assigned(kit: Bus) {
    let bus = with_topic(&kit).await;
    bus.create_topic(spec("u", 2)).await.unwrap();
    let one = bus.subscribe("g", &[TOPIC], Start::Earliest).await.unwrap();
    let both = bus.subscribe("g", &["u", TOPIC], Start::Earliest).await.unwrap();
    let mut members = [one, both];
    // Who came later may get the topic that only it reads first, and its part of the other with the next deal.
    let is_shared = |members: &[Box<dyn Consumer>]| {
        let [one, both] = members else { return false };
        owned(members).len() == EVERY + 2 && both.assignment().len() > 2 && !one.assignment().is_empty()
    };
    share(&kit, &mut members, is_shared).await;
    let [mut one, both] = members;
    assert!(!one.assignment().is_empty() && one.assignment().iter().all(|of| of.topic == TOPIC));
    let of_u = both.assignment().iter().filter(|of| of.topic == "u").count();
    assert_eq!(of_u, 2, "{:?}", both.assignment());
    both.close().await.unwrap();
    assert!(poll_until_assigned(one.as_mut(), EVERY).await.is_empty());
}

/// At once.
pub async fn a_member_that_leaves_gives_its_partitions_back(kit: Bus) {
    with_topic(&kit).await;
    let [mut first, second] = two_members(&kit).await;
    let left = Instant::now();
    second.close().await.unwrap();
    poll_until(&kit, first.as_mut(), "partitions", |batch| batch.assigned.len() == EVERY / 2).await;
    assert_eq!(owned(&[first]), every());
    assert!(left.elapsed() < kit.member_lease, "no lease had to end");
}

/// When its lease has ended, and not before; those of who was dropped then at the latest.
pub async fn a_dead_members_partitions_move(kit: Bus) {
    let bus = with_topic(&kit).await;
    let [mut first, mut second] = two_members(&kit).await;
    for partition in 0..PARTITIONS {
        publish(bus, partition, &["a", "b"]).await;
    }
    assert_eq!(poll_records(&kit, first.as_mut(), EVERY).await.records.len(), EVERY);
    let silent = Instant::now();
    poll_records(&kit, second.as_mut(), EVERY).await;
    for of in second.assignment() {
        commit(second.as_mut(), of.partition, 1).await.unwrap();
    }
    let mut read = poll_until_assigned(first.as_mut(), EVERY).await;
    assert!(silent.elapsed() >= kit.member_lease, "its lease had not ended");
    if read.len() < EVERY / 2 {
        let left = EVERY / 2 - read.len();
        read.extend(poll_records(&kit, first.as_mut(), left).await.records);
    }
    assert_eq!(texts(&read), ["b"; EVERY / 2], "what was not committed");
    drop(first);
    let mut third = join(bus, "g").await;
    poll_until_assigned(third.as_mut(), EVERY).await;
}

/// For far longer than a lease, and with whatever wait.
pub async fn a_member_that_polls_stays_one(kit: Bus) {
    with_topic(&kit).await;
    let [mut first, mut second] = two_members(&kit).await;
    let started = Instant::now();
    while started.elapsed() < kit.member_lease * 2 {
        for (member, wait) in [(&mut first, Duration::ZERO), (&mut second, kit.member_lease / 4)] {
            let batch = member.poll(10, ALL, wait).await.unwrap();
            assert_eq!((batch.assigned, batch.revoked), (Vec::new(), Vec::new()));
        }
    }
    let long = first.poll(10, ALL, kit.member_lease * 2);
    let both = tokio::join!(long, second.poll(10, ALL, kit.member_lease * 2));
    assert_eq!((both.0.unwrap().assigned, both.1.unwrap().assigned), (Vec::new(), Vec::new()));
}

/// Polls a member that was dead until it has begun anew, and read so many records since.
async fn begin_anew(kit: &Bus, dead: &mut dyn Consumer, records: usize) -> Batch {
    let has_begun = |batch: &Batch| batch.assigned.len() >= EVERY && batch.records.len() >= records;
    let mut batch = poll_until(kit, dead, "a new beginning", has_begun).await;
    if kit.is_remote {
        // A machine that stood still for a lease makes it begin anew twice.
        batch.revoked.dedup();
        batch.assigned.dedup();
    }
    assert_eq!((&batch.revoked, &batch.assigned), (&every(), &every()));
    batch
}

/// It can commit nothing that it read before, and reads on from what the group committed meanwhile.
pub async fn a_member_that_was_dead_begins_anew(kit: Bus) {
    let bus = with_topic(&kit).await;
    publish(bus, 0, &["a", "b", "c"]).await;
    let mut dead = join(bus, "g").await;
    assert_eq!(texts(&poll_records(&kit, dead.as_mut(), 3).await.records), ["a", "b", "c"]);
    let mut other = join(bus, "g").await;
    poll_until_assigned(other.as_mut(), EVERY).await;
    commit(other.as_mut(), 0, 2).await.unwrap();
    other.close().await.unwrap();
    assert!(matches!(commit(dead.as_mut(), 0, 1).await, Err(Error::Fenced { partition: 0, .. })));
    assert_eq!(bus.committed("g", TOPIC).await.unwrap(), [progress(0, 2)]);
    let batch = begin_anew(&kit, dead.as_mut(), 1).await;
    assert_eq!(texts(&batch.records), ["c"]);
    commit(dead.as_mut(), 0, 3).await.unwrap();
}

/// Even where nobody has noticed yet; then it begins anew, too.
pub async fn a_dead_member_commits_nothing(kit: Bus) {
    let bus = with_topic(&kit).await;
    publish(bus, 0, &["a"]).await;
    let mut dead = join(bus, "g").await;
    poll_records(&kit, dead.as_mut(), 1).await;
    let silent = Instant::now();
    let far_beyond = kit.member_lease * 2;
    eventually("its lease has ended", || async { Some(()).filter(|()| silent.elapsed() > far_beyond) }).await;
    assert!(matches!(commit(dead.as_mut(), 0, 1).await, Err(Error::Fenced { partition: 0, .. })));
    assert_eq!(bus.committed("g", TOPIC).await.unwrap(), []);
    let batch = begin_anew(&kit, dead.as_mut(), 1).await;
    assert_eq!(texts(&batch.records), ["a"]);
}

/// Nothing of a commit is made that names a partition which went to another.
pub async fn a_lost_partition_is_fenced(kit: Bus) {
    let bus = with_topic(&kit).await;
    let first = join_alone(&kit, "g").await;
    let ([mut first, mut second], gained, mut noticed) = take_half(&kit, first).await;
    let lost = gained[0].partition;
    let kept = (0..PARTITIONS).find(|partition| !gained.contains(&of(*partition))).unwrap();
    publish(bus, kept, &["a"]).await;
    publish(bus, lost, &["b"]).await;
    let both = first.commit(&[progress(kept, 1), progress(lost, 1)]).await;
    assert!(matches!(both, Err(Error::Fenced { partition, .. }) if partition == lost), "{both:?}");
    assert_eq!(bus.committed("g", TOPIC).await.unwrap(), []);
    commit(first.as_mut(), kept, 1).await.unwrap();
    merge(&mut noticed, poll_records(&kit, first.as_mut(), 1).await);
    assert_eq!((noticed.revoked, texts(&noticed.records)), (gained, vec!["a"]));
    assert!(matches!(first.seek(&progress(lost, 0)).await, Err(Error::Fenced { .. })));
    commit(second.as_mut(), lost, 1).await.unwrap();
}

/// Even where it is the member's again: the other may have gone past what it read.
pub async fn a_partition_that_was_anothers_is_fenced(kit: Bus) {
    let bus = with_topic(&kit).await;
    for partition in 0..PARTITIONS {
        publish(bus, partition, &["a", "b"]).await;
    }
    let mut first = join(bus, "g").await;
    poll_records(&kit, first.as_mut(), 2 * EVERY).await;
    let ([mut first, mut second], gained, mut noticed) = take_half(&kit, first).await;
    for of in &gained {
        commit(second.as_mut(), of.partition, 2).await.unwrap();
    }
    second.close().await.unwrap();
    let lost = gained[0].partition;
    let kept = (0..PARTITIONS).find(|partition| !gained.contains(&of(*partition))).unwrap();
    assert!(matches!(commit(first.as_mut(), lost, 1).await, Err(Error::Fenced { .. })));
    commit(first.as_mut(), kept, 1).await.unwrap();
    let is_back = |batch: &Batch| batch.assigned.len() == gained.len();
    merge(&mut noticed, poll_until(&kit, first.as_mut(), "what was lost", is_back).await);
    assert_eq!((&noticed.revoked, &noticed.assigned), (&gained, &gained));
    assert_eq!(texts(&noticed.records), [""; 0], "it was read by the other");
    let committed = bus.committed("g", TOPIC).await.unwrap();
    assert!(committed.contains(&progress(lost, 2)) && committed.contains(&progress(kept, 1)), "{committed:?}");
}
