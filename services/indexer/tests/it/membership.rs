//! Work that takes longer than a member may be silent.

use super::store::Mood;
use super::*;

/// Lets time pass until the group committed everything that was published.
async fn catch_up(world: &World) {
    let caught_up = async {
        for topic in topics::TELEMETRY {
            for end in world.bus.end_offsets(topic).await.unwrap() {
                while end.next_offset > 0 && !world.is_committed(&end).await {
                    tokio::time::advance(Duration::from_millis(100)).await;
                }
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(300), caught_up).await.expect("the indexer catches up");
}

/// Lets time pass until a condition holds.
async fn pass_until(what: &str, condition: impl Fn() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::time::advance(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(300), waiting).await.unwrap_or_else(|_| panic!("{what}"));
}

#[tokio::test(start_paused = true)]
async fn a_store_slower_than_a_lease_keeps_nobody_from_committing() {
    let world = World::new().await;
    world.store.set(Mood::Slow);
    let running = world.start();
    world.send_logs(logs("cart", &["one", "two"])).await;
    let caught_up = async {
        while world.bus.committed(llm_sre_indexer::GROUP, "logs").await.unwrap().is_empty() {
            tokio::time::advance(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(40), caught_up).await.expect("it is committed once it is stored");
    assert_eq!(world.lines().await, ["two", "one"]);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn many_short_appends_in_a_row_keep_nobody_from_committing() {
    let world = World::new().await;
    world.store.set(Mood::PickyAndLame);
    for index in 0..16 {
        let service = if index == 11 { "refused".to_owned() } else { format!("service-{index}") };
        world.send_logs(logs(&service, &["a line"])).await;
    }
    let running = world.start();
    catch_up(&world).await;
    assert_eq!(world.lines().await.len(), 15);
    assert_eq!(world.dead_letters("logs").await.len(), 1, "it was buried once");
    // The whole, and two halves at each of four steps.
    assert_eq!(world.store.appends(), 9);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_record_of_many_batches_keeps_nobody_from_committing() {
    let world = World::new().await;
    world.store.set(Mood::PickyAndLame);
    let lines = 7 * llm_sre_ports::telemetry::BATCH_MAX;
    let mut request: ExportLogsServiceRequest = serde_json::from_value(logs("cart", &["a line"])).unwrap();
    let records = &mut request.resource_logs[0].scope_logs[0].log_records;
    let line = records[0].clone();
    records.resize(lines, line);
    world.publish("logs", "shop/cart", prost::Message::encode_to_vec(&request)).await;
    let running = world.start();
    catch_up(&world).await;
    assert_eq!(world.store.appends(), 7, "it was stored once");
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn slow_dead_letters_are_buried_once() {
    let world = World::new().await;
    world.bus.slow_letters();
    world.publish("logs", "cart", "no protobuf").await;
    let running = world.start();
    catch_up(&world).await;
    assert_eq!(world.dead_letters("logs").await.len(), 1);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_came_meanwhile_is_not_passed_over_where_going_back_fails() {
    let world = World::new().await;
    world.store.set(Mood::Slow);
    world.bus.be_deaf();
    world.send_logs(logs("cart", &["one"])).await;
    let running = world.start();
    pass_until("the first line is on its way", || world.store.appends() == 1).await;
    world.bus.fail_seeks(1);
    world.send_logs(logs("cart", &["two"])).await;
    pass_until("the seek failed", || world.bus.failing_seeks() == 0).await;
    world.store.set(Mood::Well);
    // A commit of what comes after it would say that it was handled.
    world.send_logs(logs("cart", &["three"])).await;
    catch_up(&world).await;
    let mut lines = world.lines().await;
    lines.sort();
    assert_eq!(lines, ["one", "three", "two"]);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn letters_of_a_partition_that_went_to_another_are_buried_by_that_one() {
    const LETTERS: usize = 12;
    let world = World::new().await;
    world.bus.refuse_letters(true);
    for index in 0..LETTERS {
        world.publish("logs", &format!("service-{index}"), "no protobuf").await;
    }
    let first = world.start();
    pass_until("all letters are tried", || world.bus.refused_letters().contains(&LETTERS)).await;
    let second = world.start();
    let is_shared = || world.bus.refused_letters().iter().rev().take_while(|letters| **letters < LETTERS).count() > 20;
    pass_until("each tries its own", is_shared).await;
    world.bus.refuse_letters(false);
    catch_up(&world).await;
    assert_eq!(world.dead_letters("logs").await.len(), LETTERS);
    first.stop().await;
    second.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_does_not_keep_a_process_from_leaving() {
    let world = World::new().await;
    world.store.set(Mood::Slow);
    world.send_logs(logs("cart", &["one"])).await;
    let running = world.start();
    pass_until("the line is on its way", || world.store.appends() == 1).await;
    let asked = tokio::time::Instant::now();
    running.stop().await;
    assert!(asked.elapsed() <= Duration::from_secs(6), "{:?}", asked.elapsed());
}
