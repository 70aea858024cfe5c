//! One series: its usual range, learnt robustly, and whether it is outside of it.
//!
//! The baseline is the median and the interquartile range of the newest normal samples (Rousseeuw and Croux, 1993, on
//! why not mean and deviation). It does not learn from samples that are outside, so an anomaly cannot become the norm
//! by lasting, and learns from the others only after a while, so that what creeps cannot either. Memory per series is
//! the same from its first sample to its last: [`BASELINE_MAX`] and [`RECENT_MAX`] numbers of few bytes, in place.

mod lasting;
mod odd;
mod stirs;

use std::time::Duration;

use super::baseline::{BASELINE_MAX, Baseline, Normal};
use super::habit::Habit;
use super::recent::{self, Recent, Ring};
use super::sample::Sample;
use super::short::Short;
use crate::{Direction, Timestamp};

/// How many samples wait before the baseline learns from them: what creeps away would else take its range along.
pub(crate) const QUARANTINE: u32 = 30;
/// The baseline is computed again after this many new samples.
const REFRESH_EVERY: u8 = 8;
/// Normal samples needed before anything is called abnormal.
pub(crate) const WARM_UP_SAMPLES: usize = 24;
/// Event time needed before anything is called abnormal.
const WARM_UP: Duration = Duration::from_secs(120);
/// A level that lasted for a day, and for as many samples as a baseline has, is no excursion: it is the new level.
const SETTLED_AFTER: Duration = Duration::from_secs(24 * 3_600);
const SETTLED_SAMPLES: u16 = BASELINE_MAX as u16;
/// Samples further apart than this, in seconds, are rare.
const RARE_S: f32 = 60.0;
/// Series that count requests which an excursion is compared with.
const USUAL_MAX: usize = 8;
/// Samples in a row outside that are sure of a small distance.
pub(crate) const CONFIRMED_BY: u8 = 5;

/// How sensitive a series is watched.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Tuning {
    /// Robust standard deviations at which a sample is outside.
    pub(crate) enter: f64,
    /// Robust standard deviations under which it is inside again.
    pub(crate) leave: f64,
    /// The least scale, as a share of the median.
    pub(crate) relative_floor: f64,
    /// The least scale, in the series' unit.
    pub(crate) absolute_floor: f64,
    /// Which way counts.
    pub(crate) side: Side,
    /// Whether a level that lasts becomes the usual one.
    pub(crate) settles: bool,
    /// Whether samples that are each a little away from what is usual add up.
    pub(crate) sums: bool,
}

/// Which way out of the range counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Up,
    Down,
    Both,
}

/// What was usual of a series, and of one that counts requests, when an excursion was new.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct UsualLoad {
    /// The slot of the one that counts requests.
    pub(crate) traffic_slot: u32,
    pub(crate) traffic: f64,
    pub(crate) own: f64,
}

/// What is going on outside of the range.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Excursion {
    pub(crate) onset: Timestamp,
    pub(crate) detected_at: Timestamp,
    pub(crate) last_seen: Timestamp,
    pub(crate) direction: Direction,
    pub(crate) score: f64,
    pub(crate) observed: f64,
    /// When the newest of the samples was taken that count as normal all the same.
    accepted_at: Timestamp,
    /// Whether it took a sum of small distances to be sure.
    is_sum: bool,
    /// Samples that showed it, as far as they are counted.
    samples: u16,
    usual: Vec<UsualLoad>,
}

impl Excursion {
    /// What was usual when it was new.
    pub(crate) fn usual(&self) -> &[UsualLoad] {
        &self.usual
    }
}

/// What is odd about samples that are all within the range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Oddity {
    /// They are all one value, and never were.
    Still,
    /// The range itself crept up.
    Creeps,
}

/// A series' state.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    /// Of its first sample, or long after that.
    first: Timestamp,
    pub(crate) last: Timestamp,
    excursion: Option<Box<Excursion>>,
    pub(crate) baseline: Baseline,
    normal: Normal,
    recent: Ring,
    interval_s: f32,
    since_refresh: u8,
    habit: Habit,
    /// Samples in a row, up to the newest, that are outside the same way, while there is no excursion.
    outside: u8,
    is_up: bool,
    /// Samples in a row, up to the newest: with an excursion those that are inside, without one all since the last.
    run: u8,
}

impl Series {
    pub(crate) fn new(time: Timestamp) -> Self {
        let first = time.floor(recent::TICK);
        Self {
            first,
            last: Timestamp::EPOCH,
            excursion: None,
            baseline: Baseline::default(),
            normal: Normal::default(),
            recent: Ring::default(),
            interval_s: 0.0,
            since_refresh: 0,
            habit: Habit::default(),
            outside: 0,
            is_up: false,
            run: 0,
        }
    }

    /// As new, with the baseline of another; it is trusted once this one's own first minutes are over.
    pub(crate) fn heir(time: Timestamp, of: &Self) -> Self {
        let (normal, habit) = (of.normal.clone(), Habit::heir(of.habit));
        Self { normal, habit, baseline: of.baseline, interval_s: of.interval_s, ..Self::new(time) }
    }

    /// When it began, or long after that.
    pub(crate) fn began(&self) -> Timestamp {
        self.first
    }

    /// Whether there were samples of which the times are not kept any more.
    pub(crate) fn has_let_go(&self) -> bool {
        self.recent.is_full()
    }

    /// What is going on outside of the range, if anything.
    pub(crate) fn excursion(&self) -> Option<&Excursion> {
        self.excursion.as_deref()
    }

    /// The samples that are kept with their times, newest first.
    pub(crate) fn recent(&self) -> impl Iterator<Item = Recent> + '_ {
        self.recent.newest_first(self.first)
    }

    /// Those of them that were taken at a time or after it.
    pub(crate) fn since(&self, time: Timestamp) -> impl Iterator<Item = Recent> + '_ {
        let time = time.floor(recent::TICK);
        self.recent().take_while(move |sample| sample.time >= time)
    }

    /// Those of them that were taken after a time.
    pub(crate) fn after(&self, time: Timestamp) -> impl Iterator<Item = Recent> + '_ {
        let time = time.floor(recent::TICK);
        self.recent().take_while(move |sample| sample.time > time)
    }

    /// Takes a sample. Samples that are not after the newest one are the caller's to count as late.
    pub(crate) fn observe(&mut self, sample: Sample<'_>, tuning: Tuning) {
        let Sample { time, value, .. } = sample;
        if self.last > Timestamp::EPOCH {
            let gap = time.since(self.last).as_secs_f64() as f32;
            // The median of gaps, followed by a step towards it: one long silence does not move it.
            self.interval_s = if self.interval_s == 0.0 {
                gap
            } else {
                self.interval_s + (gap - self.interval_s).clamp(-0.1 * self.interval_s, 0.1 * self.interval_s)
            };
        }
        self.last = time;
        self.repeat(value);
        let is_warm = self.is_warm(time);
        let z = if is_warm { self.deviation_of(&sample) } else { 0.0 };
        if let Some(waiting) = self.recent.make_room() {
            self.take_in(waiting, tuning);
        }
        self.first = self.recent.push(self.first, time, value, z);
        match (is_warm, self.excursion.is_some()) {
            (false, _) => self.learn(tuning),
            (true, true) => self.follow(time, value, z, tuning),
            // One value over and over says nothing of what is usual.
            (true, false) if self.stands_still() => {}
            (true, false) => self.watch(time, value, z, tuning),
        }
    }

    /// Whether the baseline can be trusted.
    pub(crate) fn is_warm(&self, now: Timestamp) -> bool {
        self.normal.len() >= WARM_UP_SAMPLES && now.since(self.first) >= WARM_UP
    }

    /// Whether the baseline could surely be trusted at a sample that so many newer ones follow: each of them brought it
    /// one normal sample at most.
    pub(crate) fn was_warm(&self, sample: &Recent, newer: usize) -> bool {
        self.normal.len() >= WARM_UP_SAMPLES + newer && sample.time.since(self.first) >= WARM_UP
    }

    /// Signed robust standard deviations from the median, zero within what was normal before.
    pub(crate) fn deviation(&self, value: f64) -> f64 {
        self.deviation_of(&Sample::plain(self.last, value))
    }

    fn deviation_of(&self, sample: &Sample<'_>) -> f64 {
        self.baseline.deviation(sample)
    }

    fn watch(&mut self, time: Timestamp, value: f64, z: f64, tuning: Tuning) {
        let direction = if z >= 0.0 { Direction::Up } else { Direction::Down };
        let is_up = direction == Direction::Up;
        let (is_counted, is_outside) = (counts(tuning.side, direction), z.abs() >= tuning.enter);
        self.run = self.run.saturating_add(1);
        self.outside = match (is_counted && is_outside, self.is_up == is_up) {
            (true, true) => self.outside.saturating_add(1),
            (true, false) => 1,
            (false, _) => 0,
        };
        self.is_up = is_up;
        let is_sure = self.outside > 0 && self.outside >= self.confirmations(z.abs(), tuning);
        let in_a_row = is_sure.then_some(usize::from(self.outside));
        let lasting = || if is_counted { self.lasts(z, value, is_up, tuning) } else { None };
        match in_a_row.or_else(lasting) {
            Some(samples) => self.leave(time, value, z, samples, in_a_row.is_none()),
            None if is_counted && (is_outside || self.is_excused(z, value, tuning)) => {}
            None => self.learn(tuning),
        }
    }

    /// Begins an excursion, which the newest so many samples show.
    fn leave(&mut self, time: Timestamp, value: f64, z: f64, samples: usize, is_sum: bool) {
        let direction = if z >= 0.0 { Direction::Up } else { Direction::Down };
        let onset = self.recent().take(samples).last().map_or(time, |sample| sample.time);
        let furthest = self.recent().take(samples).max_by(|a, b| a.deviation.abs().total_cmp(&b.deviation.abs()));
        // Of one sample, so that the two say how wide the range was.
        let furthest =
            furthest.map(|sample| (sample.deviation.abs(), sample.value)).filter(|(score, _)| *score > z.abs());
        let (score, observed) = furthest.unwrap_or((z.abs(), value));
        (self.run, self.outside) = (0, 0);
        // What led here is not usual either.
        self.recent.forget_waiting();
        self.excursion = Some(Box::new(Excursion {
            onset,
            detected_at: time,
            last_seen: time,
            direction,
            score,
            observed,
            accepted_at: Timestamp::EPOCH,
            is_sum,
            samples: samples as u16,
            usual: Vec::new(),
        }));
    }

    fn follow(&mut self, time: Timestamp, value: f64, z: f64, tuning: Tuning) {
        let is_outside = self.goes_on(z, value, tuning);
        let Some(excursion) = &mut self.excursion else { return };
        if is_outside {
            self.run = 0;
            excursion.last_seen = time;
            excursion.samples = excursion.samples.saturating_add(1);
            if z.abs() > excursion.score {
                excursion.score = z.abs();
                excursion.observed = value;
            }
            let has_lasted = excursion.samples >= SETTLED_SAMPLES && time.since(excursion.onset) >= SETTLED_AFTER;
            if tuning.settles && has_lasted {
                self.settle(tuning);
            }
            return;
        }
        self.run = self.run.saturating_add(1);
        if self.run < LEAVE_SAMPLES {
            return;
        }
        self.excursion = None;
        self.outside = 0;
        self.run = 0;
    }

    /// Whether a sample shows what is going on outside of the range: of a sum, one that would add to it.
    pub(crate) fn goes_on(&self, z: f64, value: f64, tuning: Tuning) -> bool {
        let Some(excursion) = self.excursion() else { return false };
        let same_way = (z >= 0.0) == (excursion.direction == Direction::Up);
        (same_way && z.abs() >= tuning.leave) || self.adds_on(z, value, tuning)
    }

    /// How many samples in a row make it sure: fewer where samples are rare or the distance is enormous.
    fn confirmations(&self, z: f64, tuning: Tuning) -> u8 {
        match (self.is_rare(), z >= 4.0 * tuning.enter) {
            (true, true) => 1,
            (true, false) => 2,
            (false, true) => 3,
            (false, false) => CONFIRMED_BY,
        }
    }

    /// Whether samples are so rare that few of them have to do.
    pub(crate) fn is_rare(&self) -> bool {
        self.interval_s >= RARE_S
    }

    /// Takes the newest sample as normal though it is outside, once.
    pub(crate) fn accept(&mut self, tuning: Tuning) {
        let last = self.last;
        let Some(excursion) = self.excursion.as_deref_mut().filter(|excursion| last > excursion.accepted_at) else {
            return;
        };
        excursion.accepted_at = last;
        self.learn(tuning);
    }

    /// Notes what was usual when the excursion was new, as far as there is room for it.
    pub(crate) fn note_usual(&mut self, usual: impl IntoIterator<Item = UsualLoad>) {
        if let Some(excursion) = self.excursion.as_deref_mut() {
            let room = USUAL_MAX.saturating_sub(excursion.usual.len());
            excursion.usual.extend(usual.into_iter().take(room));
        }
    }

    /// Seconds from sample to sample, usually; zero while that is not known.
    pub(crate) fn interval_s(&self) -> f64 {
        f64::from(self.interval_s)
    }

    /// Takes the newest sample as normal: at once while little is known, else after a while.
    fn learn(&mut self, tuning: Tuning) {
        let learnt = if self.is_young() { self.recent.newest() } else { self.recent.wait(QUARANTINE) };
        if let Some(learnt) = learnt {
            self.take_in(learnt, tuning);
        }
    }

    fn is_young(&self) -> bool {
        self.normal.len() < 2 * WARM_UP_SAMPLES
    }

    fn take_in(&mut self, learnt: Short, tuning: Tuning) {
        let is_young = self.is_young();
        self.normal.push(learnt);
        self.since_refresh += 1;
        if is_young || self.since_refresh >= REFRESH_EVERY {
            self.since_refresh = 0;
            let before = self.baseline.middle();
            self.baseline = self.normal.baseline(tuning);
            if !is_young {
                self.habit.moves(before, self.baseline.middle());
            }
        }
    }
}

/// Samples inside in a row that end an excursion.
pub(crate) const LEAVE_SAMPLES: u8 = 3;

fn counts(side: Side, direction: Direction) -> bool {
    match side {
        Side::Both => true,
        Side::Up => direction == Direction::Up,
        Side::Down => direction == Direction::Down,
    }
}
