//! A broker that dies.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use llm_sre_kafka::KafkaBus;
use llm_sre_ports::bus::{Error, EventBus, Position, Record, Start, TopicPartition, TopicSpec};
use tokio::sync::oneshot;

use super::options;
use super::parts::kafka::Kafka;

const TOPIC: &str = "t";
const PARTITIONS: u32 = 3;
/// Records of one call.
const BATCH: u32 = 50;
/// Acknowledged before the broker dies, and again after it is back.
const CALLS: u32 = 40;
/// A broker on a machine that is busy with others takes this long to come back, and no call may give up before.
const BACK_WITHIN: Duration = Duration::from_secs(180);

/// A record that says who it is.
fn record(number: u32) -> Record {
    let key = Bytes::from((number % 7).to_string());
    Record { key: Some(key), value: Bytes::from(number.to_string()), ..Record::default() }
}

async fn create(bus: &KafkaBus) {
    let spec = TopicSpec { name: TOPIC.to_owned(), partitions: PARTITIONS, retention: None };
    bus.create_topic(spec).await.unwrap();
}

/// Ends the broker with SIGKILL, if it runs, and starts it again on its data.
async fn restarted(mut kafka: Kafka) -> Kafka {
    let restart = move || {
        kafka.kill();
        kafka.start_again();
        kafka
    };
    tokio::task::spawn_blocking(restart).await.unwrap()
}

/// Publishes one call after the other, also while the broker is away, until it was told and some more are through.
async fn publish(
    bus: &KafkaBus,
    mut is_back: oneshot::Receiver<()>,
    acknowledged: &tokio::sync::watch::Sender<u32>,
) -> BTreeMap<u32, Position> {
    let mut positions = BTreeMap::new();
    let mut left = None;
    for call in 0.. {
        if left.is_none() && is_back.try_recv().is_ok() {
            left = Some(CALLS);
        }
        match &mut left {
            Some(0) => break,
            Some(left) => *left -= 1,
            None => {}
        }
        let numbers = call * BATCH..(call + 1) * BATCH;
        let published = bus.publish(TOPIC, numbers.clone().map(record).collect()).await.unwrap();
        assert_eq!(published.len(), BATCH as usize);
        positions.extend(numbers.zip(published));
        acknowledged.send_replace(call + 1);
    }
    positions
}

/// Everything of a partition, in order.
async fn read_all(bus: &KafkaBus, partition: u32) -> Vec<(u64, u32)> {
    let of = TopicPartition { topic: TOPIC.to_owned(), partition };
    let mut found: Vec<(u64, u32)> = Vec::new();
    loop {
        let from = found.last().map_or(0, |(offset, _)| offset + 1);
        let records = bus.read(&of, from, 1_000).await.unwrap();
        if records.is_empty() {
            return found;
        }
        found.extend(records.iter().map(|delivered| {
            let number = std::str::from_utf8(&delivered.record.value).unwrap().parse().unwrap();
            (delivered.position.offset, number)
        }));
    }
}

/// Killed with SIGKILL in the midst of publishing, and started again on its data.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_survives_the_broker() {
    let Some(kafka) = Kafka::start("what_was_acknowledged_survives_the_broker") else { return };
    let bus = KafkaBus::new(llm_sre_kafka::Options { answer_within: BACK_WITHIN, ..options(&kafka) }).unwrap();
    create(&bus).await;
    let (tell, is_back) = oneshot::channel();
    let (acknowledged, mut seen) = tokio::sync::watch::channel(0);
    let publishing = tokio::spawn({
        let bus = bus.clone();
        async move { publish(&bus, is_back, &acknowledged).await }
    });
    seen.wait_for(|calls| *calls >= CALLS).await.unwrap();
    bus.end_offsets(TOPIC).await.unwrap();
    let kafka = restarted(kafka).await;
    // What the client knows of the partitions' leaders is older than what the broker knows now.
    assert_eq!(bus.end_offsets(TOPIC).await.unwrap().len(), PARTITIONS as usize);
    tell.send(()).unwrap();
    let positions = publishing.await.unwrap();

    let mut found: BTreeMap<u32, Position> = BTreeMap::new();
    for partition in 0..PARTITIONS {
        let records = read_all(&bus, partition).await;
        assert!(records.is_sorted_by_key(|(_, number)| number), "partition {partition} is out of order");
        for (offset, number) in records {
            let known = found.insert(number, Position { partition, offset });
            assert_eq!(known, None, "record {number} is there twice");
        }
    }
    assert!(positions.len() as u32 >= 2 * CALLS * BATCH);
    assert_eq!(found, positions, "what is there is what was acknowledged, where it was said to be");
    drop(kafka);
}

/// librdkafka tells each time that it found no broker, dozens of times a second: a member that hears of them one by one
/// goes on with them for minutes after the broker is back.
#[tokio::test(flavor = "multi_thread")]
async fn a_member_reads_on_as_soon_as_the_broker_is_back() {
    let Some(kafka) = Kafka::start("a_member_reads_on_as_soon_as_the_broker_is_back") else { return };
    let member_lease = Duration::from_secs(60);
    let bus = KafkaBus::new(llm_sre_kafka::Options { member_lease, ..options(&kafka) }).unwrap();
    create(&bus).await;
    let mut member = bus.subscribe("g", &[TOPIC], Start::Earliest).await.unwrap();
    let poll = Duration::from_secs(1);
    bus.publish(TOPIC, vec![record(1)]).await.unwrap();
    while member.poll(10, 1_000, poll).await.unwrap().records.is_empty() {}
    let kafka = restarted(kafka).await;
    while bus.publish(TOPIC, vec![record(2)]).await.is_err() {}
    let reading = async {
        let mut failures = Vec::new();
        loop {
            match member.poll(10, 1_000, poll).await {
                Ok(batch) if batch.records.is_empty() => {}
                Ok(_) => return failures,
                Err(error) => failures.push(error),
            }
        }
    };
    let failures = tokio::time::timeout(BACK_WITHIN, reading).await.expect("the member reads again");
    assert!(failures.is_empty(), "{} failures, such as {}", failures.len(), failures[0]);
    drop(kafka);
}

/// Processes that start together all make the topics, which each of them needs.
#[tokio::test(flavor = "multi_thread")]
async fn topics_are_made_by_all_at_once() {
    const MAKERS: usize = 8;
    let Some(kafka) = super::shared("topics_are_made_by_all_at_once") else { return };
    let options = options(&kafka);
    let makers: Vec<KafkaBus> = (0..MAKERS).map(|_| KafkaBus::new(options.clone()).unwrap()).collect();
    let made = makers.iter().map(|bus| async move {
        for name in ["a", "b", "c", "d", "e", "f"] {
            let spec = TopicSpec { name: name.to_owned(), partitions: PARTITIONS, retention: None };
            bus.create_topic(spec).await.map_err(|error| format!("{name}: {error}"))?;
        }
        Ok::<(), String>(())
    });
    let made = futures::future::join_all(made).await;
    assert!(made.iter().all(Result::is_ok), "{made:?}");
}

/// Calls end with a reason, and work again when the broker does.
#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_away_is_named_and_comes_back() {
    let Some(mut kafka) = Kafka::start("a_broker_that_is_away_is_named_and_comes_back") else { return };
    let answer_within = Duration::from_secs(2);
    let bus = KafkaBus::new(llm_sre_kafka::Options { answer_within, ..options(&kafka) }).unwrap();
    create(&bus).await;
    kafka.kill();
    let errors = [
        bus.publish(TOPIC, vec![record(1)]).await.err(),
        bus.end_offsets(TOPIC).await.err(),
        bus.create_topic(TopicSpec { name: "u".to_owned(), partitions: 1, retention: None }).await.err(),
    ];
    for error in errors {
        let is_clear = |text: &String| text.contains(&kafka.port.to_string()) && text.contains("Connection refused");
        assert!(matches!(&error, Some(Error::Unavailable(text)) if is_clear(text)), "{error:?}");
    }
    let kafka = restarted(kafka).await;
    let published = async { while bus.publish(TOPIC, vec![record(2)]).await.is_err() {} };
    tokio::time::timeout(Duration::from_secs(60), published).await.expect("publishing works again");
    drop(kafka);
}
