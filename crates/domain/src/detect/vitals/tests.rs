use proptest::prelude::*;

use super::*;
use crate::detect::Objectives;
use crate::telemetry::{MetricPoint, Origin, PointValue, Temporality};

const START_S: i64 = 100_000;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_secs(START_S + seconds)
}

fn cart() -> ServiceId {
    ServiceId::named("cart")
}

/// What `cart` says, and how it is then.
struct World(Detector);

impl World {
    fn new() -> Self {
        Self(Detector::new(Objectives::default()))
    }

    fn point(&mut self, instance: &str, metric: &str, unit: &str, labels: &str, second: i64, value: PointValue) {
        let attributes = labels.split(',').filter_map(|label| label.split_once('='));
        self.0.metric(&MetricPoint {
            service: cart(),
            origin: Origin { instance: instance.into(), version: "".into() },
            metric: metric.into(),
            unit: unit.into(),
            attributes: attributes.map(|(key, value)| (key.into(), value.into())).collect(),
            time: at(second),
            start: Some(Timestamp::from_secs(1)),
            value,
        });
    }

    fn gauge(&mut self, metric: &str, unit: &str, labels: &str, second: i64, value: f64) {
        self.point("", metric, unit, labels, second, PointValue::Gauge(value));
    }

    /// So many requests since the start, of which so many failed, all of them of 50 to 100 ms.
    fn requests(&mut self, instance: &str, second: i64, all: u64, failed: u64) {
        for (status, count) in [("200", all - failed), ("500", failed)] {
            let value = PointValue::Histogram {
                count,
                sum: Some(count as f64 * 0.08),
                bounds: vec![0.05, 0.1].into(),
                buckets: vec![0, count, 0],
                temporality: Temporality::Cumulative,
            };
            let labels = format!("http.response.status_code={status}");
            self.point(instance, "http.server.request.duration", "s", &labels, second, value);
        }
    }

    /// Trades for so long at 100 requests a second, with a processor that is busy by a third; from a second on half fails.
    fn trade(&mut self, seconds: i64, failing_from: i64) {
        let mut failed = 0;
        for second in (0..seconds).step_by(10) {
            failed += if second >= failing_from { 500 } else { 0 };
            self.requests("", second, second.unsigned_abs() * 100 + 1_000, failed);
            self.gauge("process.cpu.utilization", "1", "", second, 0.33 + 0.001 * (second % 7) as f64);
            self.0.advance(at(second));
        }
    }

    fn vitals(&self) -> Vitals {
        self.0.vitals(&cart(), &Troubles::of(self.0.abnormal())).unwrap()
    }
}

fn is_near(found: Option<f64>, expected: f64) -> bool {
    found.is_some_and(|found| (found - expected).abs() <= 0.02 * expected)
}

#[test]
fn requests_that_are_counted_say_how_a_service_is() {
    let mut world = World::new();
    world.trade(600, i64::MAX);
    let vitals = world.vitals();
    assert_eq!(vitals.health, Health::Well);
    assert!(is_near(vitals.requests_per_s, 100.0), "{vitals:?}");
    assert_eq!(vitals.error_ratio, Some(0.0), "it was measured, and none failed");
    let latency = vitals.latency.as_ref().unwrap();
    assert!(is_near(Some(latency.seconds), 0.0975) && &*latency.quantile == "p95", "{vitals:?}");
    let saturation = vitals.saturation.as_ref().unwrap();
    assert!(is_near(Some(saturation.share), 0.333) && &*saturation.metric == "process.cpu.utilization", "{vitals:?}");
    assert_eq!(vitals.measured_at, Some(at(590)));
    assert_eq!((vitals.last_heard, vitals.abnormal.len()), (at(590), 0));
    assert!(vitals.burn_rate.is_some());
}

#[test]
fn what_was_not_measured_lately_is_unknown_and_not_zero() {
    let mut world = World::new();
    world.trade(600, i64::MAX);
    for second in (600..900).step_by(10) {
        world.gauge("process.cpu.utilization", "1", "", second, 0.33);
        world.0.advance(at(second));
    }
    let vitals = world.vitals();
    assert_eq!(vitals.health, Health::Unknown);
    assert_eq!((vitals.requests_per_s, vitals.error_ratio, vitals.latency), (None, None, None));
    assert!(vitals.saturation.is_some());
    assert_eq!(vitals.measured_at, Some(at(890)));
}

#[test]
fn who_says_nothing_any_more_is_silent() {
    let mut world = World::new();
    world.trade(600, i64::MAX);
    for second in (600..650).step_by(10) {
        world.0.advance(at(second));
    }
    let vitals = world.vitals();
    assert_eq!(vitals.health, Health::Silent);
    assert_eq!((vitals.requests_per_s, vitals.measured_at), (None, None));
    assert_eq!(vitals.last_heard, at(590));
}

#[test]
fn who_fails_is_troubled_and_the_signals_are_named_once() {
    let mut world = World::new();
    world.trade(900, 600);
    let vitals = world.vitals();
    assert_eq!(vitals.health, Health::Troubled);
    assert!(is_near(vitals.error_ratio, 0.5), "{vitals:?}");
    assert!(vitals.abnormal.contains(&Signal::Errors) && vitals.abnormal.contains(&Signal::BudgetBurn), "{vitals:?}");
    let mut named = vitals.abnormal.clone();
    named.sort();
    named.dedup();
    assert_eq!(named.len(), vitals.abnormal.len());
}

#[test]
fn nobody_is_known_who_was_not_heard() {
    let world = World::new();
    assert_eq!(world.0.vitals(&cart(), &Troubles::default()), None);
}

#[test]
fn gauges_say_it_in_their_units() {
    let mut world = World::new();
    for second in (0..300).step_by(10) {
        for (route, rate) in [("/a", 30.0), ("/b", 12.0)] {
            world.gauge("request.rate", "{request}/s", &format!("http.route={route}"), second, rate);
        }
        world.gauge("http.server.duration.mean", "ms", "", second, 250.0);
        world.gauge("availability", "%", "", second, 98.0);
        world.gauge("disk.usage", "%", "", second, 70.0);
        world.0.advance(at(second));
    }
    let vitals = world.vitals();
    assert_eq!(vitals.health, Health::Well);
    assert!(is_near(vitals.requests_per_s, 42.0), "{vitals:?}");
    assert!(is_near(vitals.error_ratio, 0.02), "{vitals:?}");
    let latency = vitals.latency.as_ref().unwrap();
    assert!(is_near(Some(latency.seconds), 0.25) && latency.quantile.is_empty(), "{vitals:?}");
    assert!(is_near(vitals.saturation.map(|found| found.share), 0.7));
}

#[test]
fn of_quantiles_the_95th_percentile_is_told() {
    let mut world = World::new();
    for second in (0_u32..300).step_by(10) {
        let quantiles = vec![(0.5, 0.1), (0.95, 0.4), (0.98, 0.9)];
        let value = PointValue::Summary { count: 1_000 + u64::from(second) * 100, sum: 1.0, quantiles };
        world.point("", "http.server.request.duration", "s", "", second.into(), value);
        world.0.advance(at(second.into()));
    }
    let latency = world.vitals().latency.unwrap();
    assert!(is_near(Some(latency.seconds), 0.4) && &*latency.quantile == "p95", "{latency:?}");
}

/// Processors in use are no share of what there is.
#[test]
fn what_counts_in_another_measure_is_not_full() {
    let mut world = World::new();
    for second in (0..300).step_by(10) {
        world.gauge("process.cpu.utilization", "1", "", second, 3.2);
        world.gauge("db.client.connection.count", "{connection}", "", second, 9.0);
        world.0.advance(at(second));
    }
    assert_eq!(world.vitals().saturation, None);
}

proptest! {
    /// However many processes there are, and however rarely and at whichever second each of them reports.
    #[test]
    fn the_requests_of_all_processes_count(
        phases in prop::collection::vec(0_i64..60, 1..8), every_s in prop::sample::select(vec![5_i64, 10, 30, 60]),
    ) {
        let mut world = World::new();
        for second in 0..900 {
            for (index, phase) in phases.iter().enumerate() {
                if (second + phase) % every_s == 0 {
                    world.requests(&format!("cart-{index}"), second, 20 * second.unsigned_abs() + 1_000, 0);
                }
            }
            if second % 5 == 0 {
                world.0.advance(at(second - 10));
            }
        }
        let vitals = world.vitals();
        prop_assert_eq!(vitals.health, Health::Well);
        let expected = 20.0 * phases.len() as f64;
        prop_assert!(is_near(vitals.requests_per_s, expected), "{:?} and {expected}", vitals.requests_per_s);
    }
}
