//! How members share what a group reads.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::Instant;

use super::{
    ALL, Bus, PARTITIONS, TOPIC, eventually, join, of, poll, poll_until_assigned, progress, publish, spec, texts,
    with_topic,
};
use crate::bus::{Consumer, Error, Start, TopicPartition};

const EVERY: usize = PARTITIONS as usize;

fn owned(members: &[&dyn Consumer]) -> Vec<TopicPartition> {
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

/// Of the topics that a member reads; more members than partitions leave some without.
pub async fn each_partition_meets_one_member(kit: Bus) {
    let bus = with_topic(&kit).await;
    let mut members: Vec<Box<dyn Consumer>> = Vec::new();
    for count in 1..=EVERY + 1 {
        members.push(join(bus, "g").await);
        // Twice: who loses partitions says so with its next poll.
        for _ in 0..2 {
            for member in &mut members {
                poll(member.as_mut()).await;
            }
        }
        let owned = owned(&members.iter().map(Box::as_ref).collect::<Vec<_>>());
        assert_eq!(owned, every(), "{count} members");
        let busy = members.iter().filter(|member| !member.assignment().is_empty()).count();
        assert_eq!(busy, count.min(EVERY), "{count} members share");
    }
}

/// Each record once, while they come and commit what they read.
pub async fn members_together_read_everything(kit: Bus) {
    let bus = with_topic(&kit).await;
    let (mut first, mut second) = (join(bus, "g").await, join(bus, "g").await);
    poll(first.as_mut()).await;
    poll(second.as_mut()).await;
    let mut read = BTreeSet::new();
    for round in 0..5 {
        for partition in 0..PARTITIONS {
            publish(bus, partition, &[&format!("{partition}/{round}")]).await;
        }
        for member in [&mut first, &mut second] {
            let batch = poll(member.as_mut()).await;
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
    assert_eq!(texts(&poll(one.as_mut()).await.records), ["a", "b"]);
    commit(one.as_mut(), 0, 2).await.unwrap();
    assert_eq!(texts(&poll(two.as_mut()).await.records), ["a", "b"]);
    assert_eq!(owned(&[one.as_ref()]), every());
    assert_eq!(owned(&[two.as_ref()]), every());
    assert_eq!(bus.committed("two", TOPIC).await.unwrap(), []);
}

/// Members of one group may read different topics.
pub async fn a_topic_that_is_not_read_is_not_assigned(kit: Bus) {
    let bus = with_topic(&kit).await;
    bus.create_topic(spec("u", 2)).await.unwrap();
    let mut one = bus.subscribe("g", &[TOPIC], Start::Earliest).await.unwrap();
    let mut both = bus.subscribe("g", &["u", TOPIC], Start::Earliest).await.unwrap();
    poll(one.as_mut()).await;
    poll(both.as_mut()).await;
    assert!(one.assignment().iter().all(|of| of.topic == TOPIC));
    assert_eq!(one.assignment().len(), EVERY / 2);
    let of_u = both.assignment().iter().filter(|of| of.topic == "u").count();
    assert_eq!((of_u, both.assignment().len()), (2, 2 + EVERY / 2));
    both.close().await.unwrap();
    assert!(poll_until_assigned(one.as_mut(), EVERY).await.is_empty());
}

/// At once.
pub async fn a_member_that_leaves_gives_its_partitions_back(kit: Bus) {
    let bus = with_topic(&kit).await;
    let (mut first, mut second) = (join(bus, "g").await, join(bus, "g").await);
    poll(first.as_mut()).await;
    poll(second.as_mut()).await;
    second.close().await.unwrap();
    let batch = poll(first.as_mut()).await;
    assert_eq!(batch.assigned.len(), EVERY / 2);
    assert_eq!(owned(&[first.as_ref()]), every());
}

/// When its lease has ended, and not before.
pub async fn a_dead_members_partitions_move(kit: Bus) {
    let bus = with_topic(&kit).await;
    for partition in 0..PARTITIONS {
        publish(bus, partition, &["a", "b"]).await;
    }
    let started = Instant::now();
    let (mut first, mut second) = (join(bus, "g").await, join(bus, "g").await);
    poll(first.as_mut()).await;
    for of in &poll(second.as_mut()).await.assigned {
        commit(second.as_mut(), of.partition, 1).await.unwrap();
    }
    drop(second);
    let read = poll_until_assigned(first.as_mut(), EVERY).await;
    assert!(started.elapsed() >= kit.member_lease, "its lease had not ended");
    assert_eq!(texts(&read), ["b"; EVERY / 2], "what was not committed");
}

/// For far longer than a lease, and with whatever wait.
pub async fn a_member_that_polls_stays_one(kit: Bus) {
    let bus = with_topic(&kit).await;
    let (mut first, mut second) = (join(bus, "g").await, join(bus, "g").await);
    poll(first.as_mut()).await;
    poll(second.as_mut()).await;
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

/// It can commit nothing that it read before, and reads on from what the group committed meanwhile.
pub async fn a_member_that_was_dead_begins_anew(kit: Bus) {
    let bus = with_topic(&kit).await;
    publish(bus, 0, &["a", "b", "c"]).await;
    let mut dead = join(bus, "g").await;
    assert_eq!(texts(&poll(dead.as_mut()).await.records), ["a", "b", "c"]);
    let mut other = join(bus, "g").await;
    poll_until_assigned(other.as_mut(), EVERY).await;
    commit(other.as_mut(), 0, 2).await.unwrap();
    other.close().await.unwrap();
    assert!(matches!(commit(dead.as_mut(), 0, 1).await, Err(Error::Fenced { partition: 0, .. })));
    assert_eq!(bus.committed("g", TOPIC).await.unwrap(), [progress(0, 2)]);
    let batch = poll(dead.as_mut()).await;
    assert_eq!((batch.revoked, batch.assigned), (every(), every()));
    assert_eq!(texts(&batch.records), ["c"]);
    commit(dead.as_mut(), 0, 3).await.unwrap();
}

/// Even where nobody has noticed yet; then it begins anew, too.
pub async fn a_dead_member_commits_nothing(kit: Bus) {
    let bus = with_topic(&kit).await;
    publish(bus, 0, &["a"]).await;
    let mut dead = join(bus, "g").await;
    poll(dead.as_mut()).await;
    let silent = Instant::now();
    let far_beyond = kit.member_lease * 2;
    eventually("its lease has ended", || async { Some(()).filter(|()| silent.elapsed() > far_beyond) }).await;
    assert!(matches!(commit(dead.as_mut(), 0, 1).await, Err(Error::Fenced { partition: 0, .. })));
    assert_eq!(bus.committed("g", TOPIC).await.unwrap(), []);
    let batch = poll(dead.as_mut()).await;
    assert_eq!((batch.revoked, batch.assigned), (every(), every()));
    assert_eq!(texts(&batch.records), ["a"]);
}

/// Nothing of a commit is made that names a partition which went to another.
pub async fn a_lost_partition_is_fenced(kit: Bus) {
    let bus = with_topic(&kit).await;
    publish(bus, 0, &["a"]).await;
    publish(bus, 1, &["b"]).await;
    let mut first = join(bus, "g").await;
    poll(first.as_mut()).await;
    let mut second = join(bus, "g").await;
    let gained = poll(second.as_mut()).await.assigned;
    let lost = gained.iter().find(|of| of.partition < 2).map_or(0, |of| of.partition);
    let kept = 1 - lost;
    let both = first.commit(&[progress(kept, 1), progress(lost, 1)]).await;
    assert!(matches!(both, Err(Error::Fenced { partition, .. }) if partition == lost), "{both:?}");
    assert_eq!(bus.committed("g", TOPIC).await.unwrap(), []);
    commit(first.as_mut(), kept, 1).await.unwrap();
    let batch = poll(first.as_mut()).await;
    assert_eq!(batch.revoked, gained);
    assert!(matches!(first.seek(&progress(lost, 0)).await, Err(Error::Fenced { .. })));
    commit(second.as_mut(), lost, 1).await.unwrap();
}

/// Even where it is the member's again: the other may have gone past what it read.
pub async fn a_partition_that_was_anothers_is_fenced(kit: Bus) {
    let bus = with_topic(&kit).await;
    publish(bus, 0, &["a", "b"]).await;
    publish(bus, 1, &["a", "b"]).await;
    let mut first = join(bus, "g").await;
    poll(first.as_mut()).await;
    let mut second = join(bus, "g").await;
    let gained = poll(second.as_mut()).await.assigned;
    let lost = gained.iter().find(|of| of.partition < 2).map_or(0, |of| of.partition);
    commit(second.as_mut(), lost, 2).await.unwrap();
    second.close().await.unwrap();
    assert!(matches!(commit(first.as_mut(), lost, 1).await, Err(Error::Fenced { .. })));
    commit(first.as_mut(), 1 - lost, 1).await.unwrap();
    let batch = poll(first.as_mut()).await;
    assert_eq!((&batch.revoked, &batch.assigned), (&gained, &gained));
    assert_eq!(texts(&batch.records), [""; 0], "it was read by the other");
    let committed = eventually("both are committed", || async {
        Some(bus.committed("g", TOPIC).await.unwrap()).filter(|committed| committed.len() == 2)
    })
    .await;
    assert!(committed.contains(&progress(lost, 2)));
}
