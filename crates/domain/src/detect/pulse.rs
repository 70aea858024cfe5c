//! When services speak, and what of their silence means anything.

use std::time::Duration;

use super::{Detector, Standing};
use crate::{ServiceId, Timestamp};

/// A service is silent after so many of its usual intervals, and no sooner than [`SILENT_MIN`].
const SILENT_INTERVALS: u32 = 6;
const SILENT_MIN: Duration = Duration::from_secs(60);
/// Where all who call it do well meanwhile, its telemetry is what stopped, and that is worth an incident after so long.
const SILENT_ALONE: Duration = Duration::from_secs(600);
/// Before that, it is overdue after so many of them, and no sooner than [`OVERDUE_MIN`].
const OVERDUE_INTERVALS: u32 = 3;
const OVERDUE_MIN: Duration = Duration::from_secs(30);
/// Times heard of a service before its silence means anything.
const BEATS_MIN: u32 = 24;

/// When a service was last heard of, and how often it usually is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pulse {
    pub(super) last: Timestamp,
    pub(super) interval: Duration,
    beats: u32,
    /// When it was heard first, or first again after it was overdue.
    pub(super) resumed: Timestamp,
    /// Its silence counts from here on where this is later: before, nobody was heard.
    excused: Timestamp,
}

/// A while in which nobody was heard.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gap {
    start: Timestamp,
    end: Timestamp,
}

impl Pulse {
    /// Of a service that is heard for the first time.
    pub(super) fn new(time: Timestamp) -> Self {
        Self { last: time, interval: Duration::ZERO, beats: 1, resumed: time, excused: Timestamp::EPOCH }
    }

    /// How long it may be silent.
    pub(super) fn limit(&self) -> Duration {
        (self.interval * SILENT_INTERVALS).max(SILENT_MIN)
    }

    /// Whether it is silent for longer than it may be while those who call it do well.
    pub(super) fn is_long_gone(&self, watermark: Timestamp) -> bool {
        watermark.since(self.last.max(self.excused)) > self.limit().max(SILENT_ALONE)
    }

    fn is_known(&self) -> bool {
        self.beats >= BEATS_MIN
    }

    /// It is heard. A time that is not new says nothing.
    pub(super) fn beat(&mut self, time: Timestamp, nobody: Option<Gap>) {
        if time <= self.last {
            return;
        }
        let mut gap = time.since(self.last);
        if gap > self.patience() {
            self.resumed = time;
        }
        // What kept everybody from being heard is no habit of this service.
        if let Some(Gap { start, end }) = nobody
            && self.is_known()
            && self.last <= start
            && end <= time
            && end.since(start) > self.limit()
        {
            gap -= end.since(start);
        }
        // Towards longer gaps quickly, towards shorter ones slowly: batches bring many points at once.
        self.interval = if gap > self.interval { gap } else { (self.interval * 31 + gap) / 32 };
        self.last = time;
        self.beats = self.beats.saturating_add(1);
    }

    /// Whether it should have been heard by now, though it is too early to call it silent.
    pub(super) fn is_overdue(&self, watermark: Timestamp) -> bool {
        let quiet = watermark.since(self.last.max(self.excused));
        self.is_known() && quiet > self.patience()
    }

    fn patience(&self) -> Duration {
        (self.interval * OVERDUE_INTERVALS).max(OVERDUE_MIN)
    }

    /// How long it has been silent, where that is too long.
    pub(super) fn silent_for(&self, watermark: Timestamp) -> Option<Duration> {
        let quiet = watermark.since(self.last.max(self.excused));
        (self.is_known() && quiet > self.limit()).then(|| watermark.since(self.last))
    }
}

impl Detector {
    /// The usual interval of the service that speaks most often, of those that are known well enough for their silence
    /// to mean something.
    pub fn usual_interval(&self) -> Option<Duration> {
        self.pulses.values().filter(|pulse| pulse.is_known()).map(|pulse| pulse.interval).min()
    }

    /// Whether a silent service answers, as far as those tell who call it: each of them was measured since, and is well.
    pub(super) fn is_answering(&self, service: &ServiceId, since: Timestamp) -> bool {
        let mut callers = self.topology.callers(service).filter(|caller| *caller != service).peekable();
        callers.peek().is_some() && callers.all(|caller| self.standing(caller, since) == Standing::Well)
    }

    /// Notes that somebody speaks.
    pub(super) fn end_gap(&mut self, time: Timestamp) {
        if self.newest > Timestamp::EPOCH && time.since(self.newest) > SILENT_MIN {
            self.gap = Some(Gap { start: self.newest, end: time });
        }
        self.newest = self.newest.max(time);
    }

    /// Time passed in which nobody was heard: it does not count as the silence of each of them, if they speak after it.
    /// Once: the gaps between others' reports must not excuse who has gone.
    pub(super) fn excuse(&mut self, watermark: Timestamp) {
        let jump = watermark.since(self.watermark);
        if self.watermark == Timestamp::EPOCH || jump <= SILENT_MIN {
            return;
        }
        for pulse in self.pulses.values_mut().filter(|pulse| pulse.excused <= pulse.last && jump > pulse.limit()) {
            pulse.excused = watermark;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::Objectives;
    use crate::telemetry::{MetricPoint, Origin, PointValue};
    use crate::{ServiceId, Signal};

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_secs(100_000 + seconds)
    }

    /// A detector that hears these services, each at its interval, and is asked every ten seconds.
    struct World(Detector);

    impl World {
        fn new() -> Self {
            Self(Detector::new(Objectives::default()))
        }

        fn hear(&mut self, seconds: std::ops::Range<i64>, services: &[(&str, i64)]) -> Vec<String> {
            let mut silent = Vec::new();
            for second in seconds.step_by(10) {
                let speaking: Vec<_> = services.iter().filter(|(_, interval)| second % interval == 0).collect();
                for (name, _) in &speaking {
                    self.0.metric(&MetricPoint {
                        service: ServiceId::named(name),
                        origin: Origin::default(),
                        metric: "process.cpu.utilization".into(),
                        unit: "1".into(),
                        attributes: Default::default(),
                        time: at(second),
                        start: None,
                        value: PointValue::Gauge(0.3),
                    });
                    // As records do, each moves the watermark by itself.
                    self.0.advance(at(second - 10));
                    silent.extend(self.silent());
                }
            }
            silent.sort();
            silent.dedup();
            silent
        }

        fn silent(&self) -> Vec<String> {
            let silent = self.0.abnormal().into_iter().filter(|found| found.anomaly.signal == Signal::Silence);
            silent.map(|found| found.anomaly.service.to_string()).collect()
        }
    }

    #[test]
    fn when_nobody_is_heard_nobody_in_particular_is_silent() {
        let mut world = World::new();
        let all = [("web", 10), ("cart", 10), ("stock", 10)];
        assert!(world.hear(0..600, &all).is_empty());
        let interval = world.0.usual_interval().unwrap();
        assert!(world.hear(1_800..1_900, &all).is_empty(), "twenty minutes without anybody");
        assert!(world.0.usual_interval().unwrap() <= interval * 2, "and no habit of theirs");
        assert_eq!(world.hear(1_900..2_100, &all[..2]), ["stock"], "who stops after it is found");
    }

    #[test]
    fn who_does_not_come_back_with_the_others_is_silent() {
        let mut world = World::new();
        let all = [("web", 10), ("cart", 10), ("stock", 10)];
        world.hear(0..600, &all);
        assert_eq!(world.hear(1_800..2_000, &all[..2]), ["stock"]);
    }

    /// When the silence of a service calls for an incident, in seconds after its last word; requests of who calls it are
    /// slow from a second on.
    fn calls_after(slow_from: i64, is_called: bool) -> Option<i64> {
        calls_after_nobody(0, slow_from, is_called)
    }

    /// As [`calls_after`], where nobody is heard for so many seconds after that word.
    fn calls_after_nobody(nobody_s: i64, slow_from: i64, is_called: bool) -> Option<i64> {
        let mut world = World::new();
        let duration = |second: i64, value: f64| MetricPoint {
            service: ServiceId::named("web"),
            origin: Origin::default(),
            metric: "http.server.request.duration.mean".into(),
            unit: "s".into(),
            attributes: Default::default(),
            time: at(second),
            start: None,
            value: PointValue::Gauge(value),
        };
        if is_called {
            world.0.topology.observe(&ServiceId::named("web"), &ServiceId::named("cart"), at(0));
        }
        for second in (0..3_600).step_by(10).filter(|second| !(601..=600 + nobody_s).contains(second)) {
            let usual = 0.1 + 0.001 * (second % 50) as f64;
            world.0.metric(&duration(second, if second < slow_from { usual } else { 0.5 }));
            world.hear(second..second + 10, if second <= 600 { &[("web", 10), ("cart", 10)] } else { &[("web", 10)] });
            world.0.advance(at(second));
            let is_called_for =
                |found: &crate::detect::Abnormal| found.anomaly.signal == Signal::Silence && found.is_worthy;
            if world.0.abnormal().iter().any(is_called_for) {
                return Some(second - 600);
            }
        }
        None
    }

    #[test]
    fn silence_of_who_answers_is_no_trouble_at_first() {
        assert_eq!(calls_after(i64::MAX, false), Some(70), "nobody knows whether it answers");
        assert_eq!(calls_after(630, true), Some(70), "who calls it suffers");
        assert_eq!(calls_after(800, true), Some(210), "once two samples in a row say so");
        assert_eq!(calls_after(i64::MAX, true), Some(610), "and telemetry may not stay away");
        let after = calls_after_nobody(1_200, i64::MAX, true).unwrap();
        assert!((1_800..=1_830).contains(&after), "since the others are heard again: {after}");
    }

    #[test]
    fn rare_reports_of_others_do_not_hide_who_has_gone() {
        let mut world = World::new();
        assert!(world.hear(0..9_000, &[("web", 300), ("cart", 300), ("fast", 10)]).is_empty());
        assert_eq!(world.hear(9_000..10_200, &[("web", 300), ("cart", 300)]), ["fast"]);
    }
}
