use super::*;
use crate::detect::Objectives;
use crate::telemetry::{Calls, MetricPoint, Origin, PointValue, Temporality};

const START_S: i64 = 100_000;

fn at(second: i64) -> Timestamp {
    Timestamp::from_secs(START_S + second)
}

fn cart() -> ServiceId {
    ServiceId::new("shop", "cart", "demo")
}

fn stock() -> ServiceId {
    ServiceId::new("shop", "stock", "demo")
}

/// What `cart` counts of its calls.
struct World(Detector);

impl World {
    fn new() -> Self {
        Self(Detector::new(Objectives::default()))
    }

    /// So many calls by a process since the start, of which so many failed, all of them of 50 to 100 ms.
    fn calls(&mut self, instance: &str, peer: &str, second: i64, all: u64, failed: u64) {
        for (outcome, count) in [("", all - failed), ("timeout", failed)] {
            let labels = [("server.address", peer), ("error.type", outcome)];
            let labels = labels.into_iter().filter(|(_, value)| !value.is_empty());
            self.0.metric(&MetricPoint {
                service: cart(),
                origin: Origin { instance: instance.into(), version: "".into() },
                metric: "http.client.request.duration".into(),
                unit: "s".into(),
                attributes: labels.map(|(key, value)| (key.into(), value.into())).collect(),
                time: at(second),
                start: Some(Timestamp::from_secs(1)),
                value: PointValue::Histogram {
                    count,
                    sum: Some(count as f64 * 0.08),
                    bounds: vec![0.05, 0.1].into(),
                    buckets: vec![0, count, 0],
                    temporality: Temporality::Cumulative,
                },
            });
        }
    }

    /// Calls an address for so long, at a rate, of which a share of one in ten fails.
    fn trade(&mut self, peer: &str, seconds: i64, per_second: u64) {
        for second in (0..seconds).step_by(10) {
            let all = second.unsigned_abs() * per_second;
            self.calls("", peer, second, all, all / 10);
            self.0.advance(at(second));
        }
    }

    /// Something is heard of `stock`.
    fn stock_speaks(&mut self, second: i64) {
        self.0.metric(&MetricPoint {
            service: stock(),
            origin: Origin::default(),
            metric: "process.cpu.utilization".into(),
            unit: "1".into(),
            attributes: [].into(),
            time: at(second),
            start: None,
            value: PointValue::Gauge(0.3),
        });
    }

    fn only(&self) -> CallVitals {
        let mut found = self.0.call_vitals(&cart());
        assert_eq!(found.len(), 1, "{found:?}");
        found.remove(0)
    }
}

fn is_near(found: Option<f64>, expected: f64) -> bool {
    found.is_some_and(|found| (found - expected).abs() <= 0.02 * expected)
}

#[test]
fn calls_that_are_counted_say_how_they_fare() {
    let mut world = World::new();
    world.trade("bank.example", 300, 40);
    let calls = world.only();
    assert_eq!((&calls.caller, &calls.callee), (&cart(), &Callee::Address("bank.example".into())));
    assert!(is_near(calls.requests_per_s, 40.0) && is_near(calls.error_ratio, 0.1), "{calls:?}");
    let latency = calls.latency.as_ref().unwrap();
    assert!(is_near(Some(latency.seconds), 0.0975) && &*latency.quantile == "p95", "{calls:?}");
    assert_eq!(calls.measured_at, Some(at(290)));
}

#[test]
fn calls_that_were_not_measured_lately_are_unknown_and_not_zero() {
    let mut world = World::new();
    world.trade("bank.example", 300, 40);
    world.0.advance(at(340));
    let calls = world.only();
    let measured = (calls.requests_per_s, calls.error_ratio, calls.latency, calls.measured_at);
    assert_eq!(measured, (None, None, None, None), "they were made, and nobody knows how they fare now");
    assert_eq!(world.0.call_vitals(&stock()), [], "who counts no calls has none");
}

#[test]
fn of_a_few_calls_the_rate_is_known_and_no_share() {
    let mut world = World::new();
    for second in (0_i64..300).step_by(10) {
        world.calls("", "bank.example", second, second.unsigned_abs() / 10, 0);
        world.0.advance(at(second));
    }
    let calls = world.only();
    assert!(is_near(calls.requests_per_s, 0.1), "{calls:?}");
    assert_eq!((calls.error_ratio, calls.latency), (None, None));
}

#[test]
fn the_calls_of_all_processes_count_however_rarely_each_reports() {
    let mut world = World::new();
    for second in 0..600 {
        for (instance, phase) in [("cart-0", 0), ("cart-1", 17), ("cart-2", 41)] {
            if (second + phase) % 60 == 0 {
                world.calls(instance, "bank.example", second, 20 * second.unsigned_abs() + 1_000, 0);
            }
        }
        world.0.advance(at(second - 10));
    }
    assert!(is_near(world.only().requests_per_s, 60.0), "{:?}", world.only());
}

#[test]
fn an_address_is_a_service_where_the_caller_calls_it_or_names_it_in_full() {
    for (peer, is_called, is_stock) in [
        ("stock", false, true),
        ("stock:8080", false, true),
        ("stock.shop.svc.cluster.local", false, true),
        ("stock.example", false, false),
        ("stock.example", true, true),
        ("stockroom", true, false),
        ("10.0.0.7:80", true, false),
    ] {
        let mut world = World::new();
        world.stock_speaks(0);
        if is_called {
            world.0.observe_calls(&Calls { client: cart(), server: stock(), time: at(0), count: 1.0 });
        }
        world.trade(peer, 60, 40);
        let expected = if is_stock { Callee::Service(stock()) } else { Callee::Address(peer.into()) };
        assert_eq!(world.only().callee, expected, "{peer}, called as traces tell: {is_called}");
    }
    let mut world = World::new();
    world.trade("stock", 60, 40);
    assert_eq!(world.only().callee, Callee::Address("stock".into()), "nobody has heard of such a service");
}

#[test]
fn calls_to_two_addresses_of_a_service_are_calls_to_it() {
    let mut world = World::new();
    world.stock_speaks(0);
    for second in (0_i64..300).step_by(10) {
        let all = second.unsigned_abs() * 40;
        world.calls("", "stock:80", second, all, 0);
        world.calls("", "stock:81", second, all, all / 4);
        world.0.advance(at(second));
    }
    let calls = world.only();
    assert_eq!(calls.callee, Callee::Service(stock()));
    assert!(is_near(calls.requests_per_s, 80.0) && is_near(calls.error_ratio, 0.25), "{calls:?}");
}
