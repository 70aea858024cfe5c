//! Streams with and without trouble, drawn from seeds.

use proptest::prelude::*;

mod calls;
pub(super) mod days;
mod few;
mod forgot;
mod gone;
mod late;
mod rare;

use super::*;
use crate::correlate::{Correlator, News};
use crate::incident::Verdict;
use crate::telemetry::{Attributes, Origin, Temporality};
use crate::{Direction, Signal};

const STEP_S: i64 = 10;
const WARM_STEPS: i64 = 60;

fn point(service: &str, metric: &str, step: i64, value: PointValue) -> MetricPoint {
    MetricPoint {
        service: ServiceId::named(service),
        origin: Origin::default(),
        metric: metric.into(),
        unit: "".into(),
        attributes: Attributes::new(),
        time: Timestamp::from_secs(100_000 + step * STEP_S),
        start: Some(Timestamp::from_secs(1)),
        value,
    }
}

/// Numbers around 1, by a hash: the same for the same step and seed.
fn noise(seed: u64, step: i64) -> f64 {
    let mixed = (seed ^ step.unsigned_abs()).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    1.0 + ((mixed >> 40) as f64 / f64::from(1 << 24) - 0.5) * 0.1
}

/// A shop of two services, `web` calling `cart`; `cpu` gives the use of cart's processor, `load` the requests.
fn run(seed: u64, steps: i64, cpu: impl Fn(i64) -> f64, load: impl Fn(i64) -> f64) -> (Detector, Vec<News>) {
    follow(seed, steps, cpu, load, |_, _, _| ())
}

/// As [`run`], with something done before each step.
fn follow(
    seed: u64,
    steps: i64,
    cpu: impl Fn(i64) -> f64,
    load: impl Fn(i64) -> f64,
    mut before: impl FnMut(i64, &mut Correlator, &Detector),
) -> (Detector, Vec<News>) {
    let mut detector = Detector::new(Objectives::default());
    let mut correlator = Correlator::default();
    let mut news = Vec::new();
    let mut requests = 0.0;
    for step in 0..steps {
        before(step, &mut correlator, &detector);
        requests += 1_000.0 * load(step) * noise(seed ^ 1, step);
        let busy = cpu(step) * load(step) * noise(seed, step);
        detector.metric(&point("cart", "process.cpu.utilization", step, PointValue::Gauge(busy)));
        let count = requests as u64;
        let histogram = PointValue::Histogram {
            count,
            sum: Some(requests * 0.02),
            bounds: vec![0.01, 0.1].into(),
            buckets: vec![0, count, 0],
            temporality: Temporality::Cumulative,
        };
        detector.metric(&point("cart", "http.server.request.duration", step, histogram));
        detector.metric(&point("web", "process.cpu.utilization", step, PointValue::Gauge(0.2 * noise(seed ^ 2, step))));
        detector.advance(Timestamp::from_secs(100_000 + step * STEP_S));
        news.extend(correlator.advance(&detector));
    }
    (detector, news)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn noise_opens_nothing(seed in any::<u64>()) {
        let (_, news) = run(seed, 400, |_| 0.3, |_| 1.0);
        prop_assert!(news.is_empty(), "{news:?}");
    }

    #[test]
    fn more_traffic_explains_busier_processors(seed in any::<u64>(), factor in 1.2_f64..2.5) {
        let (_, news) = run(seed, 400, |_| 0.3, |step| if step > 200 { factor } else { 1.0 });
        prop_assert!(news.is_empty(), "{news:?}");
    }

    /// The range of what left it stays where it was, while that of traffic learns of the rise before.
    #[test]
    fn a_peak_after_a_rise_is_no_incident_and_a_fault_in_it_is_one(
        seed in any::<u64>(), risen in 1.05_f64..1.25, factor in 1.3_f64..1.8, broken in any::<bool>(),
    ) {
        let load = |step| match step {
            ..45 => 1.0,
            90..160 => risen * factor,
            _ => risen,
        };
        let cpu = |step| if broken && step >= 120 { 0.45 } else { 0.15 };
        let (_, news) = run(seed, 180, cpu, load);
        let opened = news.iter().filter(|news| matches!(news, News::Opened(..))).count();
        prop_assert_eq!(opened, usize::from(broken), "{:?}", news);
    }

    /// Requests that are counted only since a processor is busy, of which the first say too little: more of them later
    /// are no reason.
    #[test]
    fn what_is_usual_of_requests_is_not_known_from_the_first_of_them(seed in any::<u64>(), first in 1_u64..20) {
        let mut detector = Detector::new(Objectives::default());
        let mut count = 0;
        for step in 0..160 {
            let busy = if step >= WARM_STEPS { 0.6 } else { 0.15 };
            let busy = PointValue::Gauge(busy * noise(seed, step));
            detector.metric(&point("cart", "process.cpu.utilization", step, busy));
            if step > WARM_STEPS + 10 {
                count += if step < WARM_STEPS + 14 { first } else { 1_000 };
                let (bounds, buckets) = (vec![0.1].into(), vec![count, 0]);
                let temporality = Temporality::Cumulative;
                let counted = PointValue::Histogram { count, sum: Some(count as f64), bounds, buckets, temporality };
                detector.metric(&point("cart", "http.server.request.duration", step, counted));
            }
            detector.advance(Timestamp::from_secs(100_000 + step * STEP_S));
        }
        let is_cpu = |found: &&Abnormal| found.anomaly.signal == Signal::Saturation;
        let found = detector.abnormal();
        prop_assert!(found.iter().find(is_cpu).is_some_and(|found| found.is_worthy), "{found:?}");
    }

    #[test]
    fn a_jump_opens_one_case_at_the_right_time(seed in any::<u64>(), factor in 2.0_f64..3.0, at in WARM_STEPS..200) {
        let (detector, news) = run(seed, at + 60, |step| if step >= at { 0.3 * factor } else { 0.3 }, |_| 1.0);
        prop_assert_eq!(news.len(), 1, "{:?}", news);
        let News::Opened(case, evidence, argument) = &news[0] else { panic!("{news:?}") };
        let onset = Timestamp::from_secs(100_000 + at * STEP_S);
        prop_assert_eq!(case.onset, onset);
        prop_assert!(case.detected_at.since(onset) <= Duration::from_secs(60));
        prop_assert_eq!(&*argument.hypotheses[0].service.name, "cart");
        prop_assert!(!evidence.facts.is_empty());
        let kept: Vec<_> = case.anomalies.values().cloned().collect();
        prop_assert!(kept.iter().all(|anomaly| anomaly.direction == Direction::Up && anomaly.score.is_finite()));
        prop_assert_eq!(detector.recovery(&kept, onset).verdict, Verdict::NotRecovered);
        prop_assert_eq!(detector.recovery(&kept, detector.watermark()).verdict, Verdict::Inconclusive);
    }

    #[test]
    fn what_is_over_is_measured_and_cleared_once(seed in any::<u64>()) {
        let cpu = |step| if (100..130).contains(&step) { 0.9 } else { 0.3 };
        let (detector, news) = run(seed, 200, cpu, |_| 1.0);
        let [News::Opened(case, ..), News::Cleared(over)] = &news[..] else { panic!("{news:?}") };
        prop_assert_eq!(case.number, over.number);
        let kept: Vec<_> = case.anomalies.values().cloned().collect();
        let since = Timestamp::from_secs(100_000 + 140 * STEP_S);
        prop_assert_eq!(detector.recovery(&kept, since).verdict, Verdict::Recovered);
    }

    #[test]
    fn what_comes_after_an_incident_ended_is_a_case_of_its_own(seed in any::<u64>(), ended in 112_i64..118) {
        // Trouble from 100 on that goes on when its incident is ended, is over at 120, and comes back at 125, before the
        // case is forgotten.
        let cpu = |step| if (100..120).contains(&step) || (125..160).contains(&step) { 0.9 } else { 0.3 };
        let mut numbers = Vec::new();
        let (_, news) = follow(seed, 150, cpu, |_| 1.0, |step, correlator, detector| {
            if step == ended {
                numbers.extend(correlator.cases().iter().map(|case| case.number));
                numbers.iter().for_each(|number| correlator.end(*number, detector.watermark()));
            }
        });
        let opened = news.iter().filter_map(|news| match news {
            News::Opened(case, ..) => Some(case),
            News::Cleared(_) => None,
        });
        let opened: Vec<_> = opened.collect();
        prop_assert_eq!(opened.len(), 2, "{:?}", news);
        prop_assert_eq!(&numbers, &[opened[0].number]);
        let again = Timestamp::from_secs(100_000 + 125 * STEP_S);
        prop_assert!(opened[1].anomalies.values().all(|anomaly| anomaly.onset >= again), "{:?}", opened[1]);
    }

    #[test]
    fn a_relapse_is_when_signals_were_well_since(seed in any::<u64>(), relapse in 155_i64..190) {
        let cpu = |step| if (100..130).contains(&step) || step == relapse { 0.9 } else { 0.3 };
        let (detector, news) = run(seed, 200, cpu, |_| 1.0);
        let News::Opened(case, ..) = &news[0] else { panic!("{news:?}") };
        let kept: Vec<_> = case.anomalies.values().cloned().collect();
        let at = |step| Timestamp::from_secs(100_000 + step * STEP_S);
        for (since, well_since) in [(140, relapse), (relapse, relapse), (relapse + 1, relapse + 1)] {
            let recovery = detector.recovery(&kept, at(since));
            prop_assert_eq!((recovery.verdict, recovery.well_since), (Verdict::Recovered, at(well_since)));
        }
    }

    #[test]
    fn the_same_stream_gives_the_same_cases(seed in any::<u64>()) {
        let cpu = |step| if step >= 100 { 0.9 } else { 0.3 };
        prop_assert_eq!(run(seed, 130, cpu, |_| 1.0).1, run(seed, 130, cpu, |_| 1.0).1);
    }
}

#[test]
fn a_service_that_stops_speaking_is_silent_and_silence_is_no_recovery() {
    let mut detector = Detector::new(Objectives::default());
    for step in 0..100 {
        let names: &[&str] = if step < 60 { &["cart", "web"] } else { &["web"] };
        for name in names {
            detector.metric(&point(name, "process.cpu.utilization", step, PointValue::Gauge(0.3)));
        }
        detector.advance(Timestamp::from_secs(100_000 + step * STEP_S));
    }
    let found: Vec<_> = detector.abnormal().into_iter().map(|found| found.anomaly).collect();
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].signal, &*found[0].service.name), (Signal::Silence, "cart"));
    assert_eq!(detector.recovery(&found, found[0].onset).verdict, Verdict::Inconclusive);
}

#[test]
fn a_process_that_takes_anothers_place_is_judged_by_what_was_usual_there() {
    let found = |others: [f64; 2]| {
        let mut detector = Detector::new(Objectives::default());
        let mut send = |instance: &str, step, bytes: f64| {
            let mut point = point("cart", "process.memory.usage", step, PointValue::Gauge(bytes));
            point.origin.instance = instance.into();
            point.unit = "By".into();
            detector.metric(&point);
        };
        for step in 0..60 {
            send("a", step, others[0] * noise(1, step));
            send("b", step, others[1] * noise(2, step));
        }
        // The successor of both begins as they were, and grows from its first minute on.
        for step in 60..90 {
            send("c", step, others[0] * (1.0 + 0.08 * (step - 60) as f64));
        }
        detector.advance(Timestamp::from_secs(100_000 + 90 * STEP_S));
        detector.abnormal().into_iter().any(|found| &*found.anomaly.origin.instance == "c")
    };
    assert!(found([1e8, 1e8]), "it is as the others were");
    assert!(!found([1e8, 4e8]), "which of them it is to be like, nobody knows");
}

#[test]
fn a_clock_in_the_far_future_closes_nobodys_windows() {
    let mut detector = Detector::new(Objectives::default());
    detector.advance(Timestamp::from_secs(100_000));
    detector.metric(&point("cart", "process.cpu.utilization", 10_000_000, PointValue::Gauge(0.3)));
    let mut refused = Refused::default();
    refused.add(Refusal::Future);
    assert_eq!(detector.counts(), Counts { refused, ..Counts::default() });
}
