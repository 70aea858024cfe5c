//! Processes of which one series stands still, all do, or one creeps.

use super::*;
use crate::Timestamp;
use crate::correlate::Correlator;
use crate::detect::Objectives;
use crate::telemetry::{MetricPoint, Origin, PointValue};

const METRICS: [&str; 4] = ["process.cpu.utilization", "process.memory.usage", "jvm.gc.pause", "process.thread.count"];

fn at(step: u32) -> Timestamp {
    Timestamp::from_secs(100_000) + Duration::from_secs(10) * step
}

/// From 0.98 to 1.02, by a hash.
fn noise(seed: u64, step: u32) -> f64 {
    let mixed = (seed ^ u64::from(step)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    0.98 + (mixed >> 40) as f64 / f64::from(1 << 24) * 0.04
}

struct World {
    detector: Detector,
    correlator: Correlator,
}

impl World {
    fn new() -> Self {
        Self { detector: Detector::new(Objectives::default()), correlator: Correlator::default() }
    }

    fn send(&mut self, metric: &str, step: u32, value: f64) {
        self.detector.metric(&MetricPoint {
            service: ServiceId::named("cart"),
            origin: Origin { instance: "a".into(), ..Origin::default() },
            metric: metric.into(),
            unit: "By".into(),
            attributes: Default::default(),
            time: at(step),
            start: None,
            value: PointValue::Gauge(value),
        });
    }

    /// Goes on to a step. What is odd then; it never opens anything.
    fn advance(&mut self, step: u32) -> Vec<Anomaly> {
        self.detector.advance(at(step));
        let news = self.correlator.advance(&self.detector);
        assert_eq!(news, [], "step {step}");
        let found = self.detector.abnormal();
        assert!(found.iter().all(|found| !found.is_worthy), "{found:?}");
        found.into_iter().map(|found| found.anomaly).collect()
    }
}

/// What is odd at the end, where these metrics repeat one value from step 300 on.
fn stuck(stuck: &[&str]) -> Vec<Anomaly> {
    let mut world = World::new();
    let mut found = Vec::new();
    for step in 0..400 {
        for (seed, metric) in (1..).zip(METRICS) {
            let of = if stuck.contains(&metric) { step.min(300) } else { step };
            world.send(metric, step, 100.0 * noise(seed << 32, of));
        }
        found = world.advance(step);
    }
    found
}

#[test]
fn what_stands_still_beside_others_is_evidence_and_opens_nothing() {
    let found = stuck(&METRICS[..1]);
    let [still] = &found[..] else { panic!("{found:?}") };
    assert_eq!((still.signal, &*still.metric, &*still.origin.instance), (Signal::FlatLine, METRICS[0], "a"));
    assert!(still.onset <= at(300) && still.onset >= at(297), "{still:?}");
    assert_eq!(still.last_seen, at(399));
    assert!((still.observed - 100.0 * noise(1 << 32, 300)).abs() < 0.5);
}

#[test]
fn a_process_of_which_most_stands_still_is_its_senders_matter() {
    assert_eq!(stuck(&METRICS), []);
    assert_eq!(stuck(&METRICS[..3]), []);
    assert_eq!(stuck(&METRICS[..2]).len(), 2, "two go on");
    assert_eq!(stuck(&[]), []);
}

/// What is odd at the end, where memory doubles over hours and requests become so many times as many.
fn creeping(requests: f64) -> Vec<Anomaly> {
    let mut world = World::new();
    let mut found = Vec::new();
    for step in 0..2_700_u32 {
        let done = f64::from(step.saturating_sub(300)) / 2_400.0;
        world.send("process.memory.usage", step, 256.0 * (1.0 + done) * noise(1, step));
        world.send("http.server.requests", step, 1_024.0 * (1.0 + (requests - 1.0) * done) * noise(2, step));
        found = world.advance(step);
    }
    found
}

#[test]
fn memory_that_creeps_is_evidence_unless_requests_explain_it() {
    let found = creeping(1.0);
    let [crept] = &found[..] else { panic!("{found:?}") };
    assert_eq!((crept.signal, &*crept.metric, crept.direction), (Signal::Drift, METRICS[1], Direction::Up));
    assert!((250.0..290.0).contains(&crept.expected) && crept.observed > 400.0, "{crept:?}");
    assert!(crept.onset >= at(300) && crept.onset < crept.detected_at && crept.score >= 8.0, "{crept:?}");
    assert_eq!(creeping(2.0), [], "there is about as much more to do");
    assert_eq!(creeping(1.1).len(), 1, "a little more is no reason");
}
