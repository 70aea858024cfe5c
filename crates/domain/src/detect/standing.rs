//! How services stand whether or not they raise an alarm: what correlation asks about those around the trouble.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Detector;
use super::felt::is_symptom;
use super::findings::ASKED_MIN;
use super::present::Present;
use super::series::Side;
use super::table::Seen;
use crate::evidence::Gap;
use crate::{ServiceId, Signal, Timestamp};

/// How far before an onset called services may have been measured last, to count as looked at.
const HEARD_BEFORE: Duration = Duration::from_secs(300);
/// Called services that say nothing and are named; who calls more of them has a gap that is wider than names can tell.
const UNHEARD_MAX: usize = 8;
/// Unusual samples in a row from which on a series stirs; one where they are rare. Among eight series of thirty samples
/// one alone is unusual every other time, two in a row hardly ever.
const STIRS_BY: usize = 2;
/// Samples that it takes to say that all is well; one where they are rare.
const WELL_BY: usize = 3;
/// Newest samples that load is told by.
const LOAD_SAMPLES: usize = 3;
/// Requests from so many times their median on are a load: to join cases takes more than to explain a busy processor.
const LOAD_RISE: f64 = 1.25;
/// What fails is called again: so many times the share that fails, a rise is a service's own doing.
const CALLED_AGAIN: f64 = 2.0;
/// Beyond so many seconds callers give up and call again unseen.
const GIVEN_UP_S: f64 = 1.0;

/// How the latency and errors of a service were since a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// They were measured, lately too, and nothing was unusual.
    Well,
    /// Something is unusual since then.
    Stirs(Timestamp),
    /// It should have said something by now.
    Mute,
    /// Nobody knows.
    Unknown,
}

/// How much worse than usual a service is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Hurt {
    /// Seconds that requests take longer.
    pub(crate) excess_s: f64,
    /// The share of requests that fail more.
    pub(crate) failing: f64,
}

impl Detector {
    /// How a service stood since a time, by its own signals and those of its processes.
    pub(crate) fn standing(&self, service: &ServiceId, since: Timestamp) -> Standing {
        let (mut stirs, mut is_well) = (None, false);
        let present = Present::of(self);
        for seen in self.symptoms_of(service).filter(|seen| !present.has_left(*seen)) {
            let (series, is_rare) = (seen.series, seen.series.is_rare());
            let in_a_row = if is_rare { 1 } else { STIRS_BY };
            if let Some(began) = series.stirs_since(since, ASKED_MIN, in_a_row, seen.tuning()) {
                stirs = Some(stirs.map_or(began, |first: Timestamp| first.min(began)));
            }
            let enough = if is_rare { 1 } else { WELL_BY };
            is_well |= seen.origin.instance.is_empty() && self.is_fresh(seen) && series.after(since).count() >= enough;
        }
        let is_overdue = self.pulses.get(service).is_some_and(|pulse| pulse.is_overdue(self.watermark));
        match (stirs, is_overdue, is_well) {
            (Some(began), ..) => Standing::Stirs(began),
            (None, true, _) => Standing::Mute,
            (None, false, true) => Standing::Well,
            (None, false, false) => Standing::Unknown,
        }
    }

    /// How much worse than usual a service was at worst since a time.
    pub(crate) fn hurt(&self, service: &ServiceId, since: Timestamp) -> Hurt {
        let mut hurt = Hurt::default();
        for seen in self.symptoms_of(service) {
            let Some(peak) = seen.series.greatest_since(since, ASKED_MIN, seen.tuning()) else { continue };
            let excess = (peak.observed - seen.series.baseline.median()).abs();
            match (seen.signal(), seen.group.meaning.whole) {
                (Signal::Latency, _) => hurt.excess_s = hurt.excess_s.max(excess * seconds(&seen.group.meaning.unit)),
                (Signal::Errors, Some(whole)) => hurt.failing = hurt.failing.max(excess / whole),
                _ => {}
            }
        }
        hurt
    }

    /// Whether more is asked of a service than usual, and more than its own failures bring about.
    pub(crate) fn is_load(&self, service: &ServiceId) -> bool {
        let traffic = self.table.traffic_of(service).map(|(_, seen)| seen);
        let whole = traffic.filter(|seen| seen.origin.instance.is_empty());
        // What is rarely called is up by chance: what is called most tells.
        let median = |seen: &Seen<'_>| seen.series.baseline.median();
        let most = whole.filter(|seen| self.is_fresh(*seen)).max_by(|a, b| median(a).total_cmp(&median(b)));
        let rise = most.and_then(rise).unwrap_or(0.0);
        if rise < LOAD_RISE {
            return false;
        }
        let (mut failing, mut slowest_s) = (0.0_f64, 0.0_f64);
        for seen in self.symptoms_of(service).filter(|seen| seen.origin.instance.is_empty()) {
            let Some(newest) = newest(seen) else { continue };
            match (seen.signal(), seen.group.meaning.whole) {
                (Signal::Latency, _) => slowest_s = slowest_s.max(newest * seconds(&seen.group.meaning.unit)),
                (Signal::Errors, Some(whole)) => {
                    let share = newest / whole;
                    failing = failing.max(if seen.tuning().side == Side::Down { 1.0 - share } else { share });
                }
                _ => {}
            }
        }
        rise - 1.0 > CALLED_AGAIN * failing && slowest_s < GIVEN_UP_S
    }

    /// Whom sick services call and who says nothing: whether trouble comes from there cannot be looked at.
    pub(super) fn unheard(&self, services: &BTreeSet<ServiceId>, onset: Timestamp) -> Vec<Gap> {
        let called = services.iter().flat_map(|service| self.topology.callees(service));
        let called: BTreeSet<&ServiceId> = called.filter(|callee| !services.contains(*callee)).collect();
        let unheard = called.into_iter().filter_map(|callee| {
            let reason = match self.standing(callee, onset - HEARD_BEFORE) {
                Standing::Well | Standing::Stirs(_) => return None,
                Standing::Mute => "it is called, and has fallen silent",
                Standing::Unknown => "it is called, and they were not measured for long enough to say how they are",
            };
            Some(Gap { subject: format!("latency and errors of {callee}"), reason: reason.to_owned() })
        });
        let mut gaps: Vec<Gap> = unheard.collect();
        let more = gaps.len().saturating_sub(UNHEARD_MAX);
        if more > 0 {
            gaps.truncate(UNHEARD_MAX);
            let subject = format!("latency and errors of {more} more services that are called");
            gaps.push(Gap { subject, reason: "they say nothing either".to_owned() });
        }
        gaps
    }

    /// Whether a service was changed between two times, both included.
    pub(crate) fn is_changed(&self, service: &ServiceId, from: Timestamp, until: Timestamp) -> bool {
        self.changes.iter().any(|change| change.service == *service && (from..=until).contains(&change.time))
    }

    /// The series of latency and errors of a service that are known well enough to say something.
    fn symptoms_of(&self, service: &ServiceId) -> impl Iterator<Item = Seen<'_>> {
        self.table.of_service(service).filter(|seen| is_symptom(*seen) && seen.is_warm())
    }
}

/// The mean of the newest samples.
fn newest(seen: Seen<'_>) -> Option<f64> {
    let samples = seen.series.recent().take(LOAD_SAMPLES);
    let (sum, count) = samples.fold((0.0, 0_u32), |(sum, count), sample| (sum + sample.value, count + 1));
    (count > 0).then(|| sum / f64::from(count))
}

/// How many times its median a series is, where each of the newest samples is a load.
fn rise(seen: Seen<'_>) -> Option<f64> {
    let median = seen.series.baseline.median();
    let is_load = seen.is_warm() && seen.series.recent().take(LOAD_SAMPLES).all(|s| s.value >= LOAD_RISE * median);
    newest(seen).filter(|_| median > 0.0 && is_load).map(|newest| newest / median)
}

/// What a unit of time is in seconds.
pub(super) fn seconds(unit: &str) -> f64 {
    match unit {
        "ms" => 1e-3,
        "us" => 1e-6,
        "ns" => 1e-9,
        "min" => 60.0,
        _ => 1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::Objectives;
    use crate::telemetry::{MetricPoint, Origin, PointValue};

    fn at(step: i64) -> Timestamp {
        Timestamp::from_secs(100_000 + step * 10)
    }

    /// A service that answers with these durations after it was known, one every ten seconds, and is then asked.
    fn answering(durations_s: &[f64], silent_steps: i64) -> Standing {
        trading(durations_s, silent_steps).standing(&ServiceId::named("cart"), at(60))
    }

    fn trading(durations_s: &[f64], silent_steps: i64) -> Detector {
        let mut detector = Detector::new(Objectives::default());
        let usual = (0..60).map(|step| 0.1 + 0.001 * f64::from(step % 5));
        let mut end = 0;
        for (step, value) in (0..).zip(usual.chain(durations_s.iter().copied())) {
            detector.metric(&MetricPoint {
                service: ServiceId::named("cart"),
                origin: Origin::default(),
                metric: "http.server.request.duration.mean".into(),
                unit: "s".into(),
                attributes: Default::default(),
                time: at(step),
                start: None,
                value: PointValue::Gauge(value),
            });
            end = step;
        }
        detector.advance(at(end + silent_steps));
        detector
    }

    #[test]
    fn who_is_called_and_says_nothing_is_named() {
        let (web, cart, quiet) = (ServiceId::named("web"), ServiceId::named("cart"), ServiceId::named("quiet"));
        let mut detector = trading(&[0.1; 6], 0);
        for callee in [&cart, &quiet] {
            detector.topology.observe(&web, callee, at(60));
        }
        let subjects = |detector: &Detector, sick: &[&ServiceId]| -> Vec<String> {
            let sick = sick.iter().map(|service| (*service).clone()).collect();
            detector.unheard(&sick, at(60)).into_iter().map(|gap| gap.subject).collect()
        };
        assert_eq!(subjects(&detector, &[&web]), ["latency and errors of quiet"]);
        assert!(subjects(&detector, &[&web, &quiet]).is_empty(), "what it shows itself is a fact");
        assert!(subjects(&detector, &[&cart]).is_empty(), "who calls it is heard of elsewhere");
        for index in 0..UNHEARD_MAX {
            detector.topology.observe(&web, &ServiceId::named(&format!("quiet-{index}")), at(60));
        }
        let all = subjects(&detector, &[&web]);
        assert_eq!(all.len(), UNHEARD_MAX + 1);
        assert_eq!(all[UNHEARD_MAX], "latency and errors of 1 more services that are called");
    }

    /// Whether a service is under load that was called once as often as usual, and now so often as said on its main route
    /// and on one that is rarely called; so many steps after the last of it.
    fn is_load(main: f64, rare: f64, silent_steps: i64) -> bool {
        let mut detector = Detector::new(Objectives::default());
        for step in 0..64 {
            for (route, usual, now) in [("/cart", 100.0, main), ("/export", 2.0, rare)] {
                detector.metric(&MetricPoint {
                    service: ServiceId::named("cart"),
                    origin: Origin::default(),
                    metric: "requests.rate".into(),
                    unit: "{request}/s".into(),
                    attributes: [("http.route".into(), route.into())].into_iter().collect(),
                    time: at(step),
                    start: None,
                    value: PointValue::Gauge(usual * if step < 60 { 1.0 } else { now }),
                });
            }
        }
        detector.advance(at(63 + silent_steps));
        detector.is_load(&ServiceId::named("cart"))
    }

    #[test]
    fn a_load_is_what_is_asked_now_and_of_what_is_asked_most() {
        assert!(is_load(1.4, 1.0, 0));
        assert!(!is_load(1.0, 3.0, 0), "a route that is rarely called");
        assert!(!is_load(1.4, 1.0, 30), "five minutes ago");
    }

    #[test]
    fn two_unusual_samples_in_a_row_are_a_stir_and_missing_ones_are_no_health() {
        assert_eq!(answering(&[0.1; 6], 0), Standing::Well);
        assert_eq!(answering(&[0.1, 0.5, 0.1, 0.1, 0.5, 0.1], 0), Standing::Well, "by chance");
        assert_eq!(answering(&[0.1, 0.1, 0.5, 0.5, 0.1, 0.1], 0), Standing::Stirs(at(62)));
        assert_eq!(answering(&[0.1; 3], 0), Standing::Unknown, "two of them were taken since");
        assert_eq!(answering(&[0.1; 6], 5), Standing::Mute, "it is overdue");
    }
}
