use llm_sre_ports::clock::ScaledClock;
use llm_sre_proto::dashboard::v1::{FleetState, Holds};
use llm_sre_proto::incident::v1::Incident;
use tokio::sync::watch;

use super::*;

struct World {
    first: mpsc::Sender<Said>,
    shared: watch::Sender<Seen>,
    heard: mpsc::Receiver<Result<WatchResponse, Status>>,
}

impl World {
    fn begin() -> Self {
        let (first, firsts) = mpsc::channel(64);
        let (shared, seen) = watch::channel(Seen::default());
        let (sender, heard) = mpsc::channel(1);
        let voice = Voice::new(Arc::new(ScaledClock::real()), firsts, Subscription::of(seen));
        tokio::spawn(voice.speak(sender));
        Self { first, shared, heard }
    }

    async fn incident(&self, name: &str) {
        let news = News::Incident(Incident { name: name.to_owned(), ..Incident::default() });
        self.first.send(Said { resume_token: "t".to_owned(), news }).await.unwrap();
    }

    /// A state of the fleet that can be told from others.
    fn fleet(&self, number: u32) {
        self.shared.send_modify(|seen| {
            *seen = seen.clone().with_fleet(FleetState { calls_seconds: number, ..FleetState::default() });
        });
    }

    async fn hear(&mut self) -> String {
        let message = self.heard.recv().await.unwrap().unwrap();
        assert!(message.time.is_some());
        match message.news {
            Some(News::Incident(incident)) => {
                assert_eq!(message.resume_token, "t");
                incident.name
            }
            Some(News::Fleet(fleet)) => format!("fleet {}", fleet.calls_seconds),
            Some(News::Holds(_)) => "holds".to_owned(),
            None => "beat".to_owned(),
            other => panic!("nobody said {other:?}"),
        }
    }
}

/// Lets the voice say what it can.
async fn settle() {
    drop(tokio::time::timeout(Duration::from_millis(1), std::future::pending::<()>()).await);
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_gets_what_matters_first_and_then_the_newest_fleet_only() {
    let mut world = World::begin();
    world.fleet(1);
    settle().await;
    for number in 2..9 {
        world.fleet(number);
        settle().await;
    }
    world.incident("a").await;
    world.incident("b").await;
    world.shared.send_modify(|seen| *seen = seen.clone().with_holds(Holds::default()));
    settle().await;
    let mut heard = Vec::new();
    for _ in 0..5 {
        heard.push(world.hear().await);
    }
    // The first was chosen before anything else was there.
    assert_eq!(heard, ["fleet 1", "a", "b", "holds", "fleet 8"]);
}

#[tokio::test(start_paused = true)]
async fn a_storm_of_incidents_leaves_a_turn_to_the_rest() {
    let mut world = World::begin();
    world.incident("0").await;
    settle().await;
    world.fleet(1);
    for number in 1..40 {
        world.incident(&number.to_string()).await;
    }
    let mut heard = Vec::new();
    for _ in 0..41 {
        heard.push(world.hear().await);
    }
    let turn = heard.iter().position(|heard| heard == "fleet 1").unwrap();
    assert!((1..=FIRST_IN_A_ROW + 1).contains(&turn), "{heard:?}");
    heard.remove(turn);
    assert_eq!(heard, (0..40).map(|number| number.to_string()).collect::<Vec<_>>(), "each, and in order");
}

#[tokio::test(start_paused = true)]
async fn a_reader_to_whom_nothing_is_to_be_said_hears_that_the_connection_lives() {
    let mut world = World::begin();
    let begun = tokio::time::Instant::now();
    for _ in 0..3 {
        assert_eq!(world.hear().await, "beat");
    }
    assert_eq!(begun.elapsed(), BEAT_EVERY * 3);
}

#[tokio::test(start_paused = true)]
async fn a_reader_is_let_go_where_nobody_asks_any_more() {
    let mut world = World::begin();
    drop(world.shared);
    assert!(world.heard.recv().await.is_none());
}
