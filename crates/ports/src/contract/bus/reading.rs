//! What one member reads.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    ALL, Bus, DEADLINE, NO_WAIT, PARTITIONS, TOPIC, join, join_alone, of, poll_nothing, poll_records,
    poll_until_assigned, progress, publish, texts, with_topic,
};
use crate::bus::{Batch, Error, Start};

const LONG: Duration = Duration::from_secs(60);

/// At the oldest record that is kept, or after the newest.
pub async fn a_group_begins_where_it_is_told(kit: Bus) {
    let bus = with_topic(&kit).await;
    publish(bus, 0, &["before"]).await;
    let mut earliest = bus.subscribe("earliest", &[TOPIC], Start::Earliest).await.unwrap();
    let mut latest = bus.subscribe("latest", &[TOPIC], Start::Latest).await.unwrap();
    publish(bus, 0, &["after"]).await;
    let batch = poll_records(&kit, earliest.as_mut(), 2).await;
    assert_eq!(texts(&batch.records), ["before", "after"]);
    assert_eq!((batch.assigned.len(), batch.revoked.len()), (PARTITIONS as usize, 0));
    assert_eq!(earliest.assignment(), batch.assigned);
    let batch = poll_records(&kit, latest.as_mut(), 1).await;
    assert_eq!(texts(&batch.records), ["after"]);
}

/// What was committed is not read again, and a group without a commit on a partition begins as it is told.
pub async fn a_group_goes_on_where_it_committed(kit: Bus) {
    let bus = with_topic(&kit).await;
    publish(bus, 0, &["a", "b", "c"]).await;
    publish(bus, 1, &["d"]).await;
    let mut first = join(bus, "g").await;
    poll_records(&kit, first.as_mut(), 4).await;
    first.commit(&[progress(0, 2)]).await.unwrap();
    first.commit(&[]).await.unwrap();
    assert_eq!(bus.committed("g", TOPIC).await.unwrap(), [progress(0, 2)], "a row a partition that was committed");
    first.close().await.unwrap();
    let mut second = bus.subscribe("g", &[TOPIC], Start::Latest).await.unwrap();
    assert_eq!(texts(&poll_records(&kit, second.as_mut(), 1).await.records), ["c"]);
    second.commit(&[progress(0, 3), progress(1, 1)]).await.unwrap();
    assert_eq!(bus.committed("g", TOPIC).await.unwrap(), [progress(0, 3), progress(1, 1)]);
}

/// By whoever comes next.
pub async fn what_was_not_committed_is_read_again(kit: Bus) {
    let bus = with_topic(&kit).await;
    publish(bus, 0, &["a", "b"]).await;
    let mut first = join(bus, "g").await;
    assert_eq!(texts(&poll_records(&kit, first.as_mut(), 2).await.records), ["a", "b"]);
    // A member does not read twice.
    poll_nothing(&kit, first.as_mut()).await;
    first.close().await.unwrap();
    let mut second = join(bus, "g").await;
    assert_eq!(texts(&poll_records(&kit, second.as_mut(), 2).await.records), ["a", "b"]);
}

/// From an offset on, back or forth, without committing; only one's own partitions.
pub async fn seeking_reads_again(kit: Bus) {
    let bus = with_topic(&kit).await;
    publish(bus, 0, &["a", "b", "c"]).await;
    let mut member = join(bus, "g").await;
    let early = member.seek(&progress(0, 1)).await;
    assert!(matches!(early, Err(Error::Fenced { .. })), "nothing is a member's before it polls: {early:?}");
    poll_records(&kit, member.as_mut(), 3).await;
    member.seek(&progress(0, 1)).await.unwrap();
    assert_eq!(texts(&poll_records(&kit, member.as_mut(), 2).await.records), ["b", "c"]);
    let beyond = member.seek(&progress(0, 4)).await;
    assert!(matches!(beyond, Err(Error::InvalidArgument { what: "offset", .. })), "{beyond:?}");
    member.seek(&progress(0, 0)).await.unwrap();
    member.seek(&progress(0, 3)).await.unwrap();
    publish(bus, 0, &["d"]).await;
    assert_eq!(texts(&poll_records(&kit, member.as_mut(), 1).await.records), ["d"]);
    assert_eq!(bus.committed("g", TOPIC).await.unwrap(), []);
    assert!(matches!(member.seek(&progress(PARTITIONS, 0)).await, Err(Error::Fenced { .. })));
}

/// Until they are resumed; they stay this member's.
pub async fn paused_partitions_are_not_read(kit: Bus) {
    let bus = with_topic(&kit).await;
    let mut member = join_alone(&kit, "g").await;
    member.pause(&[of(0), of(2)]);
    publish(bus, 0, &["a"]).await;
    publish(bus, 1, &["b"]).await;
    let batch = poll_records(&kit, member.as_mut(), 1).await;
    assert_eq!((texts(&batch.records), batch.revoked), (vec!["b"], Vec::new()));
    poll_nothing(&kit, member.as_mut()).await;
    assert_eq!(member.assignment().len(), PARTITIONS as usize);
    member.commit(&[progress(0, 0)]).await.unwrap();
    member.resume(&[of(0)]);
    assert_eq!(texts(&poll_records(&kit, member.as_mut(), 1).await.records), ["a"]);
    publish(bus, 2, &["c"]).await;
    poll_nothing(&kit, member.as_mut()).await;
}

/// So many records, about so many bytes, and always one where there is one. Nothing is passed over.
pub async fn a_poll_keeps_to_its_limits(kit: Bus) {
    let bus = with_topic(&kit).await;
    let numbers: Vec<String> = (0..20).map(|number| format!("{number:0100}")).collect();
    let mut member = join_alone(&kit, "g").await;
    publish(bus, 0, &numbers.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let wait = if kit.is_remote { DEADLINE } else { NO_WAIT };
    let mut read = Vec::new();
    for (max_records, max_bytes, most) in [(3, ALL, 3), (100, 1, 1), (100, 0, 1), (100, 250, 3), (0, ALL, 1)] {
        let batch = member.poll(max_records, max_bytes, wait).await.unwrap();
        assert!((1..=most).contains(&batch.records.len()), "{} of at most {most}", batch.records.len());
        read.extend(batch.records);
    }
    let left = numbers.len() - read.len();
    read.extend(poll_records(&kit, member.as_mut(), left).await.records);
    assert_eq!(texts(&read), numbers);
}

/// At most so long, and no longer than until there is something.
pub async fn a_poll_waits_for_records(kit: Bus) {
    let bus = with_topic(&kit).await;
    let mut member = join(bus, "g").await;
    poll_until_assigned(member.as_mut(), PARTITIONS as usize).await;
    let started = Instant::now();
    let wait = Duration::from_millis(30);
    assert_eq!(member.poll(10, ALL, wait).await.unwrap(), Batch::default());
    assert!(started.elapsed() >= wait);
    let started = Instant::now();
    let (batch, _) = tokio::join!(member.poll(10, ALL, LONG), publish(bus, 3, &["news"]));
    assert_eq!(texts(&batch.unwrap().records), ["news"]);
    assert!(started.elapsed() < LONG, "the news did not end the wait");
}
