//! How a signal moved that an anomaly is about, for people to look at.

use std::time::Duration;

use super::Detector;
use super::recovery::series_key;
use super::series::{Side, Tuning};
use super::table::Seen;
use crate::{Anomaly, Timestamp};

/// The newest samples of a signal, and what is usual for it.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorded {
    /// What is usual.
    pub usual: Usual,
    /// The usual time from sample to sample; zero while that is not known.
    pub interval: Duration,
    /// Times and values in the anomaly's unit, oldest first.
    pub samples: Vec<(Timestamp, f64)>,
}

/// What is usual for a signal, in its unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Usual {
    /// The usual value.
    pub value: f64,
    /// Below this it is abnormal; `None` where no value is too low.
    pub low: Option<f64>,
    /// Above this it is abnormal; `None` where no value is too high.
    pub high: Option<f64>,
}

impl Detector {
    /// How the signal of an anomaly moved after a time, as far as samples are kept: the newest 48 of each series. `None`
    /// where no series is behind it, as of silence and of a budget that burns, or it is forgotten.
    pub fn samples_of(&self, anomaly: &Anomaly, after: Timestamp) -> Option<Recorded> {
        let seen = self.table.get(&series_key(anomaly))?;
        let mut samples: Vec<(Timestamp, f64)> =
            seen.series.after(after).map(|sample| (sample.time, sample.value)).collect();
        samples.reverse();
        let interval = Duration::try_from_secs_f64(seen.series.interval_s()).unwrap_or_default();
        Some(Recorded { usual: usual(seen, anomaly), interval, samples })
    }
}

/// By the series' own baseline, unless that is too young, or learnt what the anomaly shows: then by the anomaly's record.
fn usual(seen: Seen<'_>, anomaly: &Anomaly) -> Usual {
    let tuning = seen.tuning();
    let median = seen.series.baseline.median();
    let told = by_record(anomaly, tuning);
    let distance = (anomaly.observed - anomaly.expected).abs();
    let is_own = seen.is_warm() && (median - anomaly.expected).abs() <= distance / 2.0;
    match told {
        Some(told) if !is_own => told,
        _ => {
            let (low, high) = seen.series.baseline.range(tuning.enter);
            sided(median, low, high, tuning.side)
        }
    }
}

/// How wide the range was, by how far away so many deviations were. `None` where the record does not say.
fn by_record(anomaly: &Anomaly, tuning: Tuning) -> Option<Usual> {
    let scale = (anomaly.observed - anomaly.expected).abs() / anomaly.score;
    let reach = Some(tuning.enter * scale).filter(|reach| reach.is_finite() && *reach > 0.0)?;
    Some(sided(anomaly.expected, anomaly.expected - reach, anomaly.expected + reach, tuning.side))
}

fn sided(value: f64, low: f64, high: f64, side: Side) -> Usual {
    Usual { value, low: (side != Side::Up).then_some(low), high: (side != Side::Down).then_some(high) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::detect::Objectives;
    use crate::telemetry::{MetricPoint, Origin, PointValue};
    use crate::{ServiceId, Signal};

    const QUIET_STEPS: i64 = 120;

    fn at(step: i64) -> Timestamp {
        Timestamp::from_secs(100_000 + step * 10)
    }

    /// A gauge that is 1 or a little more, and then so much.
    fn gone(metric: &str, unit: &str, then: f64, steps: i64) -> Detector {
        let mut detector = Detector::new(Objectives::default());
        for step in 0..QUIET_STEPS + steps {
            let value = if step < QUIET_STEPS { 1.0 + 0.01 * (step % 5) as f64 } else { then };
            detector.metric(&MetricPoint {
                service: ServiceId::named("cart"),
                origin: Origin::default(),
                metric: metric.into(),
                unit: unit.into(),
                attributes: Default::default(),
                time: at(step),
                start: None,
                value: PointValue::Gauge(value),
            });
            detector.advance(at(step));
        }
        detector
    }

    fn found(detector: &Detector, signal: Signal) -> Anomaly {
        let mut found = detector.abnormal().into_iter().map(|found| found.anomaly);
        found.find(|anomaly| anomaly.signal == signal).unwrap()
    }

    #[test]
    fn what_left_its_range_is_seen_to_leave_it() {
        let detector = gone("http.server.duration.mean", "s", 9.0, 10);
        let recorded = detector.samples_of(&found(&detector, Signal::Latency), Timestamp::EPOCH).unwrap();
        assert_eq!(recorded.samples.len(), 48);
        assert!(recorded.samples.is_sorted_by_key(|sample| sample.0));
        let high = recorded.usual.high.unwrap();
        assert!(recorded.samples.iter().all(|(time, value)| (*value > high) == (*time >= at(QUIET_STEPS))));
        assert_eq!((recorded.usual.low, recorded.interval), (None, Duration::from_secs(10)));
    }

    #[test]
    fn only_what_is_new_is_given_again() {
        let detector = gone("http.server.duration.mean", "s", 9.0, 10);
        let anomaly = found(&detector, Signal::Latency);
        let times = |after| -> Vec<Timestamp> {
            detector.samples_of(&anomaly, after).unwrap().samples.into_iter().map(|(time, _)| time).collect()
        };
        assert_eq!(times(at(QUIET_STEPS + 7)), [at(QUIET_STEPS + 8), at(QUIET_STEPS + 9)]);
        assert!(times(at(QUIET_STEPS + 9)).is_empty());
    }

    #[test]
    fn a_baseline_that_knows_the_trouble_only_does_not_say_what_is_usual() {
        let anomaly = found(&gone("http.server.duration.mean", "s", 9.0, 10), Signal::Latency);
        let sick = gone("http.server.duration.mean", "s", 9.0, 0);
        let before = sick.samples_of(&anomaly, Timestamp::EPOCH).unwrap().usual;
        assert!(before.high.unwrap() < 2.5, "{before:?}");
        let mut young = Detector::new(Objectives::default());
        young.metric(&MetricPoint {
            service: ServiceId::named("cart"),
            origin: Origin::default(),
            metric: "http.server.duration.mean".into(),
            unit: "s".into(),
            attributes: Default::default(),
            time: at(0),
            start: None,
            value: PointValue::Gauge(9.0),
        });
        let told = young.samples_of(&anomaly, Timestamp::EPOCH).unwrap().usual;
        assert!((told.value - 1.02).abs() < 0.02 && told.high.unwrap() < 9.0, "{told:?}");
    }

    #[test]
    fn silence_has_no_samples() {
        let mut detector = gone("http.server.duration.mean", "s", 1.0, 1);
        (0..60).for_each(|step| detector.advance(at(QUIET_STEPS + step)));
        assert_eq!(detector.samples_of(&found(&detector, Signal::Silence), Timestamp::EPOCH), None);
    }

    proptest! {
        /// Of a metric that may be wrong both ways.
        #[test]
        fn what_is_abnormal_lies_outside_of_what_is_said_to_be_usual(away in 0.5_f64..50.0, up in any::<bool>()) {
            let detector = gone("cart.items", "{item}", if up { 1.0 + away } else { 1.0 - away }, 10);
            if let Some(anomaly) = detector.abnormal().into_iter().map(|found| found.anomaly).next() {
                let usual = detector.samples_of(&anomaly, Timestamp::EPOCH).unwrap().usual;
                let range = usual.low.unwrap()..=usual.high.unwrap();
                prop_assert!(range.contains(&usual.value) && !range.contains(&anomaly.observed), "{usual:?} {anomaly:?}");
            }
        }
    }
}
