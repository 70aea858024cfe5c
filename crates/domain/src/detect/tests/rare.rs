//! Series with a sample every five minutes, and numbers that stand for a handful of requests.

use super::*;

const STEP: i64 = 30;
const STEPS: i64 = 120;

/// `web` calls `mail`, each with its count of requests, mean duration and availability, every five minutes; `mean_s`
/// and `share` tell those of a service at a step.
fn run(requests: f64, mean_s: impl Fn(&str, i64) -> f64, share: impl Fn(&str, i64) -> f64) -> (Detector, Vec<News>) {
    let mut detector = Detector::new(Objectives::default());
    let mut correlator = Correlator::default();
    let mut news = Vec::new();
    for step in 0..STEPS {
        let gauge = |service: &str, metric: &str, unit: &str, value: f64| {
            let mut point = point(service, metric, step * STEP, PointValue::Gauge(value));
            point.unit = unit.into();
            point
        };
        let calls = PointValue::Sum { value: 1.0, monotonic: true, temporality: Temporality::Delta };
        let mut calls = point("web", crate::calls::SERVICE_GRAPH_METRIC, step * STEP, calls);
        calls.attributes = [("client", "web"), ("server", "mail")].map(|(k, v)| (k.into(), v.into())).into();
        detector.metric(&calls);
        for service in ["web", "mail"] {
            let noise = noise(7, step * 3 + service.len() as i64);
            detector.metric(&gauge(service, "http.server.request.count", "{request}", requests));
            detector.metric(&gauge(service, "http.server.request.duration.mean", "s", mean_s(service, step) * noise));
            detector.metric(&gauge(service, "http.server.availability", "%", share(service, step)));
        }
        detector.advance(Timestamp::from_secs(100_000 + step * STEP * STEP_S));
        news.extend(correlator.advance(&detector));
    }
    (detector, news)
}

fn late(step: i64) -> bool {
    (100..103).contains(&step)
}

#[test]
fn what_no_caller_feels_needs_more_than_two_rare_samples() {
    let slow_mail = |service: &str, step| if service == "mail" && late(step) { 3.0 } else { 0.1 };
    assert_eq!(run(500.0, slow_mail, |_, _| 100.0).1, [], "web does not wait for mail");
    let both = |_: &str, step| if late(step) { 3.0 } else { 0.1 };
    let (_, news) = run(500.0, both, |_, _| 100.0);
    let Some(News::Opened(_, evidence, argument)) = news.first() else { panic!("{news:?}") };
    assert_eq!(&*argument.hypotheses[0].service.name, "mail");
    assert!(!evidence.topology.is_empty());
    let lasting = |service: &str, step| if service == "mail" && step >= 100 { 3.0 } else { 0.1 };
    assert_eq!(run(500.0, lasting, |_, _| 100.0).1.len(), 1, "what lasts is told in the end");
}

#[test]
fn what_is_taken_for_the_cause_is_of_the_case() {
    // Callers fail for sure; mail, which would raise no alarm by itself, is where it comes from.
    let failing = |service: &str, step| match (service, late(step)) {
        ("web", true) => 80.0,
        ("mail", true) => 97.0,
        _ => 100.0,
    };
    let slow = |service: &str, step| if service == "mail" && late(step) { 0.16 } else { 0.1 };
    let (_, news) = run(500.0, slow, failing);
    let Some(News::Opened(case, _, argument)) = news.first() else { panic!("{news:?}") };
    let (service, _) = case.subject(argument).unwrap();
    assert_eq!(service, argument.hypotheses[0].service);
    assert!(case.services.contains(&service));
}

#[test]
fn a_share_of_a_handful_of_requests_is_no_news() {
    let failing = |_: &str, step| if late(step) { 60.0 } else { 100.0 };
    assert_eq!(run(5.0, |_, _| 0.1, failing).1, []);
    assert!(!run(500.0, |_, _| 0.1, failing).1.is_empty());
}

#[test]
fn what_began_shortly_before_it_was_asked_for_counts() {
    let slow = |_: &str, step| if step >= STEPS - 2 { 3.0 } else { 0.1 };
    let (detector, _) = run(500.0, slow, |_, _| 100.0);
    let argument = crate::diagnose::rank(&detector.evidence_since(detector.watermark()));
    assert_eq!(&*argument.hypotheses[0].service.name, "mail");
}

#[test]
fn quantiles_need_requests_beyond_them_and_a_summary_may_go_on_counting() {
    let dimensions = |counts: &[u64], start: Option<Timestamp>| {
        let mut detector = Detector::new(Objectives::default());
        for (step, count) in (0..).zip(counts) {
            let quantiles = vec![(0.5, 1.0), (0.9, 2.0), (0.95, 3.0)];
            let summary = PointValue::Summary { count: *count, sum: 0.0, quantiles };
            let mut point = point("cart", "http.server.request.duration", step, summary);
            point.start = start;
            detector.metric(&point);
        }
        detector.counts().taken
    };
    assert_eq!(dimensions(&[5], None), 0);
    assert_eq!(dimensions(&[12], None), 1, "the median only");
    assert_eq!(dimensions(&[120], None), 3);
    assert_eq!(dimensions(&[0], None), 3, "nobody counted");
    let start = Some(Timestamp::from_secs(1));
    assert_eq!(dimensions(&[120, 125], start), 3, "five more");
    assert_eq!(dimensions(&[120, 240], start), 6);
}
