use super::store::Mood;
use super::*;

/// Waits until `condition` holds.
async fn until(what: &str, condition: impl Fn() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting).await.unwrap_or_else(|_| panic!("{what}"));
}

#[tokio::test]
async fn a_crash_between_append_and_commit_doubles_nothing() {
    let world = World::new().await;
    world.store.set(Mood::Mute);
    let first = world.start();
    world.send_logs(logs("cart", &["one", "two"])).await;
    until("the first indexer writes", || world.store.mute_writes() == 1).await;
    first.kill().await;
    assert_eq!(world.lines().await, ["two", "one"], "it was written before the crash");

    world.store.set(Mood::Well);
    let second = world.start();
    world.send_logs(logs("cart", &["three"])).await;
    world.until_caught_up().await;
    let mut lines = world.lines().await;
    lines.sort();
    assert_eq!(lines, ["one", "three", "two"]);
    second.stop().await;
}

#[tokio::test]
async fn what_the_next_poll_brings_does_not_wait_and_is_not_committed_before() {
    let world = World::new().await;
    world.store.set(Mood::Stuck);
    for line in ["one", "two"] {
        world.send_logs(logs("cart", &[line])).await;
    }
    let running = world.start_with(1);
    let second_is_stored = async {
        while world.lines().await != ["two"] {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), second_is_stored).await.expect("the second does not wait");
    // Both are of one partition, so that a commit of the second would pass over the first.
    let ends = world.bus.end_offsets("logs").await.unwrap();
    let [end] = ends.iter().filter(|end| end.next_offset > 0).collect::<Vec<_>>()[..] else { panic!("{ends:?}") };
    for _ in 0..1_000 {
        assert!(!world.is_committed(end).await, "the second is committed before the first is stored");
        tokio::task::yield_now().await;
    }
    world.store.set(Mood::Well);
    world.until_caught_up().await;
    assert_eq!(world.lines().await.len(), 2);
    running.stop().await;
}

#[tokio::test]
async fn poison_goes_to_the_dead_letters_and_its_partition_goes_on() {
    let world = World::new().await;
    let running = world.start();
    world.publish("logs", "\0cart\0", "no protobuf").await;
    // A Collector that writes to the bus itself may send what the gateway would have rejected.
    let mixed = logs("cart", &["after the poison"]);
    let mut mixed: ExportLogsServiceRequest = serde_json::from_value(mixed).unwrap();
    let records = &mut mixed.resource_logs[0].scope_logs[0].log_records;
    records.push(Default::default());
    world.publish("logs", "\0cart\0", prost::Message::encode_to_vec(&mixed)).await;
    world.until_caught_up().await;

    assert_eq!(world.lines().await, ["after the poison"]);
    let dead = world.dead_letters("logs").await;
    let header = |index: usize, name: &str| dead[index].record.header(name).map(str::to_owned);
    assert_eq!(dead.len(), 2);
    assert_eq!(&dead[0].record.value[..], b"no protobuf");
    assert!(header(0, "llmsre-reason").unwrap().starts_with("failed to decode an export request"));
    assert_eq!(header(0, "llmsre-source-topic").as_deref(), Some("logs"));
    assert_eq!(header(0, "llmsre-source-offset").as_deref(), Some("0"));
    assert_eq!(header(0, "llmsre-source-partition"), header(1, "llmsre-source-partition"));
    assert_eq!(header(1, "llmsre-reason").as_deref(), Some("time is missing"));
    assert_eq!(header(1, "llmsre-source-offset").as_deref(), Some("1"));
    let part: ExportLogsServiceRequest = prost::Message::decode(&dead[1].record.value[..]).unwrap();
    assert_eq!(part.resource_logs[0].scope_logs[0].log_records.len(), 1);
    running.stop().await;
}

#[tokio::test]
async fn what_is_of_another_time_costs_only_itself() {
    let world = World::new().await;
    let running = world.start();
    let line = |seconds: i64, text: &str| json!({"timeUnixNano": nanos(seconds), "severityNumber": 9, "body": {"stringValue": text}});
    let day = 24 * 3_600;
    let records = [line(0, "now"), line(2 * day, "ahead"), line(-1, "just now"), line(-30 * day, "old")];
    let scope = json!({"logRecords": records});
    world.send_logs(json!({"resourceLogs": [{"resource": resource("cart"), "scopeLogs": [scope]}]})).await;
    world.until_caught_up().await;
    assert_eq!(world.lines().await, ["now", "just now"]);
    let dead = world.dead_letters("logs").await;
    let reasons: Vec<&str> = dead.iter().filter_map(|letter| letter.record.header("llmsre-reason")).collect();
    assert_eq!(reasons.len(), 2, "{reasons:?}");
    assert!(reasons[0].starts_with("its time 1700172800.000s is more than a day ahead"), "{reasons:?}");
    assert!(reasons[1].starts_with("its time 1697408000.000s is before"), "{reasons:?}");
    let told = Timestamp::from_secs(NOW_SECS + day);
    until("retention is told which day is the last", || world.store.pruned_after() == Some(told)).await;
    running.stop().await;
}

#[tokio::test]
async fn what_the_store_refuses_for_ever_costs_only_itself() {
    let world = World::new().await;
    world.store.set(Mood::Picky);
    for (service, line) in [("cart", "one"), ("refused", "two"), ("web", "three")] {
        world.send_logs(logs(service, &[line])).await;
    }
    let running = world.start();
    world.until_caught_up().await;
    let mut lines = world.lines().await;
    lines.sort();
    assert_eq!(lines, ["one", "three"]);
    let dead = world.dead_letters("logs").await;
    assert_eq!(dead.iter().map(|dead| dead.record.key.clone().unwrap()).collect::<Vec<_>>(), ["shop/refused"]);
    running.stop().await;
}

#[tokio::test]
async fn while_the_store_is_away_nothing_is_committed_and_nothing_lost() {
    let world = World::new().await;
    world.store.set(Mood::Away);
    let running = world.start();
    for index in 0..20 {
        world.send_logs(logs(&format!("service-{index}"), &["a line"])).await;
    }
    until("the store was asked several times", || world.store.failures() >= 5).await;
    for progress in world.bus.committed(llm_sre_indexer::GROUP, "logs").await.unwrap() {
        assert_eq!(progress.next_offset, 0, "{progress:?} was committed without its effect");
    }
    world.store.set(Mood::Well);
    world.until_caught_up().await;
    assert_eq!(world.lines().await.len(), 20);
    assert!(world.dead_letters("logs").await.is_empty());
    running.stop().await;
}

#[tokio::test]
async fn after_polls_that_failed_reading_goes_on() {
    let world = World::new().await;
    let running = world.start();
    world.send_logs(logs("cart", &["before"])).await;
    world.until_caught_up().await;
    world.bus.fail_polls(3);
    until("the polls failed", || world.bus.failures_left() == 0).await;
    world.send_logs(logs("cart", &["after"])).await;
    world.until_caught_up().await;
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_too_old_is_removed() {
    let world = World::new().await;
    let running = world.start();
    world.send_logs(logs("cart", &["old"])).await;
    world.until_caught_up().await;
    assert_eq!(world.lines().await, ["old"]);
    let later = Options::default().keep_for + Duration::from_secs(60);
    world.clock.advance_to(Timestamp::from_secs(NOW_SECS) + later);
    let pruned = async {
        while !world.lines().await.is_empty() {
            tokio::time::advance(Duration::from_secs(1)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(600), pruned).await.unwrap();
    running.stop().await;
}
