use std::sync::Mutex;

use llm_sre_ports::clock::{Clock, ScaledClock};
use tonic::Request;
use tonic_health::ServingStatus;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_server::Health as _;

use super::*;
use crate::server::{LIVENESS, health};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Mood {
    Well,
    Away,
    /// Neither answers nor fails.
    Mute,
}

/// A bus and a store with moods, and two services: one needs the bus, the other needs both.
struct World {
    health: tonic_health::server::HealthService,
    bus: Arc<Mutex<Mood>>,
    store: Arc<Mutex<Mood>>,
    shutdown: CancellationToken,
    running: tokio::task::JoinHandle<()>,
}

async fn answer(mood: Arc<Mutex<Mood>>) -> Result<(), String> {
    let now = *mood.lock().unwrap();
    match now {
        Mood::Well => Ok(()),
        Mood::Away => Err("it is away".to_owned()),
        Mood::Mute => std::future::pending().await,
    }
}

impl World {
    async fn new() -> Self {
        let (says, service) = health(&["gateway", "indexer"]).await;
        let (bus, store) = (Arc::new(Mutex::new(Mood::Well)), Arc::new(Mutex::new(Mood::Well)));
        let mut readiness = Readiness::default();
        for (name, mood) in [("bus", &bus), ("store", &store)] {
            let mood = Arc::clone(mood);
            readiness.dependency(name, move || answer(Arc::clone(&mood)));
        }
        readiness.serve(says.clone(), "gateway", &["bus"]);
        readiness.serve(says, "indexer", &["bus", "store"]);
        let shutdown = CancellationToken::new();
        let running = tokio::spawn(readiness.run(shutdown.clone()));
        Self { health: service, bus, store, shutdown, running }
    }

    async fn is_serving(&self, service: &str) -> bool {
        let request = Request::new(HealthCheckRequest { service: service.to_owned() });
        let answer = self.health.check(request).await.unwrap().into_inner();
        answer.status == ServingStatus::Serving as i32
    }

    /// Of the gateway, the indexer, and the port.
    async fn serving(&self) -> [bool; 3] {
        [self.is_serving("gateway").await, self.is_serving("indexer").await, self.is_serving("").await]
    }

    fn set(&self, what: &Arc<Mutex<Mood>>, mood: Mood) {
        *what.lock().unwrap() = mood;
    }
}

/// Lets time pass, and what it wakes run.
async fn pass(seconds: u64) {
    ScaledClock::real().sleep(Duration::from_millis(seconds * 1_000 + 10)).await;
}

#[tokio::test(start_paused = true)]
async fn a_service_serves_while_all_that_it_needs_answers() {
    let world = World::new().await;
    assert_eq!(world.serving().await, [false; 3], "nobody has answered yet");
    pass(0).await;
    assert_eq!(world.serving().await, [true; 3]);
    for mood in [Mood::Away, Mood::Mute] {
        world.set(&world.store, mood);
        pass(3).await;
        assert_eq!(world.serving().await, [true; 3], "{mood:?}: a few seconds move nothing");
        pass(3).await;
        assert_eq!(world.serving().await, [true, false, false], "{mood:?}");
        assert!(world.is_serving(LIVENESS).await, "to start it again would not help");
        world.set(&world.store, Mood::Well);
        // A question that is under way without an answer is given up after a minute.
        pass(if mood == Mood::Mute { 62 } else { 2 }).await;
        assert_eq!(world.serving().await, [true; 3], "{mood:?} is over");
    }
    world.set(&world.bus, Mood::Away);
    pass(7).await;
    assert_eq!(world.serving().await, [false; 3]);
}

#[tokio::test(start_paused = true)]
async fn one_answer_among_failures_is_no_return() {
    let world = World::new().await;
    pass(0).await;
    world.set(&world.bus, Mood::Away);
    pass(7).await;
    assert!(!world.is_serving("gateway").await);
    world.set(&world.bus, Mood::Well);
    ScaledClock::real().sleep(ASK_EVERY).await;
    assert!(!world.is_serving("gateway").await, "it answered once");
    world.set(&world.bus, Mood::Away);
    pass(3).await;
    assert!(!world.is_serving("gateway").await);
}

#[tokio::test(start_paused = true)]
async fn nothing_serves_after_the_end() {
    let world = World::new().await;
    pass(0).await;
    world.shutdown.cancel();
    world.running.await.unwrap();
    let ended = World { running: tokio::spawn(async {}), ..world };
    assert_eq!(ended.serving().await, [false; 3]);
}

#[tokio::test(start_paused = true)]
async fn who_needs_nothing_serves_and_who_needs_what_nobody_gives_does_not() {
    let (says, service) = health(&["simulator", "lost"]).await;
    let mut readiness = Readiness::default();
    readiness.serve(says.clone(), "simulator", &[]);
    readiness.serve(says, "lost", &["what nobody names"]);
    let shutdown = CancellationToken::new();
    let running = tokio::spawn(readiness.run(shutdown.clone()));
    let [bus, store] = [Arc::new(Mutex::new(Mood::Well)), Arc::new(Mutex::new(Mood::Well))];
    let world = World { health: service, bus, store, shutdown, running };
    pass(100).await;
    assert!(world.is_serving("simulator").await);
    assert!(!world.is_serving("lost").await && !world.is_serving("").await);
}
