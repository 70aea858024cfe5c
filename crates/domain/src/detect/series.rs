//! One series: its usual range, learnt robustly, and whether it is outside of it.
//!
//! The baseline is the median and the interquartile range of the newest normal samples (Rousseeuw and Croux, 1993, on
//! why not mean and deviation). It does not learn from samples that are outside, so an anomaly cannot become the norm
//! by lasting, and learns from the others only after a while, so that what creeps cannot either. Memory per series is
//! bounded by [`BASELINE_MAX`], [`QUARANTINE`] and [`RECENT_MAX`]: about 1.8 KiB.

use std::collections::VecDeque;
use std::time::Duration;

use super::sample::Sample;
use crate::{Direction, Timestamp};

/// Normal samples that the baseline is made of.
pub(crate) const BASELINE_MAX: usize = 240;
/// Newest samples kept with their times, for recovery and for the time of onset.
pub(crate) const RECENT_MAX: usize = 48;
/// How many samples wait before the baseline learns from them: what creeps away would else take its range along.
pub(crate) const QUARANTINE: usize = 30;
/// The baseline is computed again after this many new samples.
const REFRESH_EVERY: u16 = 8;
/// Normal samples needed before anything is called abnormal.
pub(crate) const WARM_UP_SAMPLES: usize = 24;
/// Event time needed before anything is called abnormal.
const WARM_UP: Duration = Duration::from_secs(120);
/// Samples further apart than this, in seconds, are rare.
const RARE_S: f32 = 60.0;
/// Samples in a row outside that are sure of a small distance.
pub(crate) const CONFIRMED_BY: u16 = 5;
/// From the interquartile range of a normal distribution to its standard deviation.
const IQR_TO_SIGMA: f64 = 1.349;

/// From the distance of the outermost fiftieth to the median, to a standard deviation; 2.05 for a normal distribution,
/// more here so that the rule is silent for it.
const TAIL_TO_SIGMA: f64 = 2.5;

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
}

/// Which way out of the range counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Up,
    Down,
    Both,
}

/// What is usual.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Baseline {
    pub(crate) median: f64,
    /// The scale above the median, and below it: distributions of latency lean.
    pub(crate) scale_up: f64,
    pub(crate) scale_down: f64,
    /// The normal samples but for the most extreme hundredths: what was usual before is not news.
    pub(crate) low: f64,
    pub(crate) high: f64,
}

/// What is going on outside of the range.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Excursion {
    pub(crate) onset: Timestamp,
    pub(crate) detected_at: Timestamp,
    pub(crate) last_seen: Timestamp,
    pub(crate) direction: Direction,
    pub(crate) score: f64,
    pub(crate) observed: f64,
}

/// The greatest deviation since a time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Peak {
    pub(crate) onset: Timestamp,
    pub(crate) direction: Direction,
    pub(crate) score: f64,
    pub(crate) observed: f64,
}

/// A sample that was judged.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Recent {
    pub(crate) time: Timestamp,
    pub(crate) value: f32,
    /// As the baseline of its time judged it; zero before there was one.
    pub(crate) deviation: f32,
}

/// A series' state.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    first: Timestamp,
    pub(crate) last: Timestamp,
    normal: VecDeque<f32>,
    /// The newest normal samples, which the baseline has not learnt from yet.
    quarantine: VecDeque<f32>,
    pub(crate) recent: VecDeque<Recent>,
    since_refresh: u16,
    pub(crate) baseline: Baseline,
    pub(crate) excursion: Option<Excursion>,
    outside: u16,
    inside: u16,
    candidate: Option<(Timestamp, Direction)>,
    interval_s: f32,
    accepted_at: Timestamp,
}

impl Series {
    pub(crate) fn new(time: Timestamp) -> Self {
        Self {
            first: time,
            last: Timestamp::EPOCH,
            normal: VecDeque::new(),
            quarantine: VecDeque::new(),
            recent: VecDeque::new(),
            since_refresh: 0,
            baseline: Baseline::default(),
            excursion: None,
            outside: 0,
            inside: 0,
            candidate: None,
            interval_s: 0.0,
            accepted_at: Timestamp::EPOCH,
        }
    }

    /// As new, with the baseline of another; it is trusted once this one's own first minutes are over.
    pub(crate) fn heir(time: Timestamp, of: &Self) -> Self {
        Self { normal: of.normal.clone(), baseline: of.baseline, interval_s: of.interval_s, ..Self::new(time) }
    }

    /// Takes a sample. Samples that are not after the newest one are the caller's to count as late.
    pub(crate) fn observe(&mut self, sample: Sample, tuning: Tuning) {
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
        let is_warm = self.is_warm(time);
        let z = if is_warm { self.deviation_of(&sample) } else { 0.0 };
        push_bounded(&mut self.recent, Recent { time, value: value as f32, deviation: z as f32 }, RECENT_MAX);
        match (is_warm, self.excursion) {
            (false, _) => self.learn(value, tuning),
            (true, Some(_)) => self.follow(time, value, z, tuning),
            (true, None) => self.watch(time, value, z, tuning),
        }
    }

    /// Whether the baseline can be trusted.
    pub(crate) fn is_warm(&self, now: Timestamp) -> bool {
        self.normal.len() >= WARM_UP_SAMPLES && now.since(self.first) >= WARM_UP
    }

    /// Signed robust standard deviations from the median, zero within what was normal before.
    pub(crate) fn deviation(&self, value: f64) -> f64 {
        self.deviation_of(&Sample::plain(self.last, value))
    }

    fn deviation_of(&self, sample: &Sample) -> f64 {
        let value = sample.value;
        let Baseline { median, scale_up, scale_down, low, high } = self.baseline;
        let scale = if value >= median { scale_up } else { scale_down };
        let z = (value - median) / scale.max(sample.chance(median));
        if !z.is_finite() || (low..=high).contains(&value) {
            return if z.is_finite() { z.clamp(-2.0, 2.0) } else { 0.0 };
        }
        z.clamp(-1e6, 1e6)
    }

    fn watch(&mut self, time: Timestamp, value: f64, z: f64, tuning: Tuning) {
        let direction = if z >= 0.0 { Direction::Up } else { Direction::Down };
        if z.abs() < tuning.enter || !counts(tuning.side, direction) {
            self.outside = 0;
            self.candidate = None;
            self.learn(value, tuning);
            return;
        }
        let onset = match self.candidate {
            Some((onset, same)) if same == direction => onset,
            _ => {
                self.outside = 0;
                time
            }
        };
        self.candidate = Some((onset, direction));
        self.outside = self.outside.saturating_add(1);
        if self.outside < self.confirmations(z.abs(), tuning) {
            return;
        }
        self.inside = 0;
        // What led here is not usual either.
        self.quarantine.clear();
        self.excursion = Some(Excursion {
            onset,
            detected_at: time,
            last_seen: time,
            direction,
            score: z.abs(),
            observed: self.extreme_since(onset, direction).unwrap_or(value),
        });
    }

    fn follow(&mut self, time: Timestamp, value: f64, z: f64, tuning: Tuning) {
        let Some(excursion) = &mut self.excursion else { return };
        let same_way = (z >= 0.0) == (excursion.direction == Direction::Up);
        if z.abs() >= tuning.leave && same_way {
            self.inside = 0;
            excursion.last_seen = time;
            if z.abs() > excursion.score {
                excursion.score = z.abs();
                excursion.observed = value;
            }
            return;
        }
        self.inside = self.inside.saturating_add(1);
        if self.inside < LEAVE_SAMPLES {
            return;
        }
        self.excursion = None;
        self.candidate = None;
        self.outside = 0;
        self.inside = 0;
    }

    /// How many samples in a row make it sure: fewer where samples are rare or the distance is enormous.
    fn confirmations(&self, z: f64, tuning: Tuning) -> u16 {
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

    /// The greatest deviation since a time, on the side that counts, if it is at least `least`.
    pub(crate) fn greatest_since(&self, since: Timestamp, least: f64, tuning: Tuning) -> Option<Peak> {
        let late = self.recent.iter().rev().take_while(|sample| sample.time >= since);
        let out = late.filter_map(|sample| {
            let z = f64::from(sample.deviation);
            let direction = if z >= 0.0 { Direction::Up } else { Direction::Down };
            let is_out = z.abs() >= least && counts(tuning.side, direction);
            is_out.then(|| Peak { onset: sample.time, direction, score: z.abs(), observed: f64::from(sample.value) })
        });
        out.reduce(|found, earlier| {
            let most = if earlier.score > found.score { earlier } else { found };
            Peak { onset: earlier.onset, ..most }
        })
    }

    fn extreme_since(&self, onset: Timestamp, direction: Direction) -> Option<f64> {
        let since = self.recent.iter().filter(|sample| sample.time >= onset);
        let values = since.map(|sample| f64::from(sample.value));
        match direction {
            Direction::Up => values.reduce(f64::max),
            Direction::Down => values.reduce(f64::min),
        }
    }

    /// Takes the newest sample as normal though it is outside, once.
    pub(crate) fn accept(&mut self, tuning: Tuning) {
        if let Some(newest) = self.recent.back().copied().filter(|newest| newest.time > self.accepted_at) {
            self.accepted_at = newest.time;
            self.learn(f64::from(newest.value), tuning);
        }
    }

    /// Seconds from sample to sample, usually; zero while that is not known.
    pub(crate) fn interval_s(&self) -> f64 {
        f64::from(self.interval_s)
    }

    fn learn(&mut self, value: f64, tuning: Tuning) {
        let young = self.normal.len() < 2 * WARM_UP_SAMPLES;
        let learnt = if young {
            value as f32
        } else {
            self.quarantine.push_back(value as f32);
            if self.quarantine.len() <= QUARANTINE {
                return;
            }
            let Some(oldest) = self.quarantine.pop_front() else { return };
            oldest
        };
        push_bounded(&mut self.normal, learnt, BASELINE_MAX);
        self.since_refresh += 1;
        if young || self.since_refresh >= REFRESH_EVERY {
            self.since_refresh = 0;
            self.baseline = baseline(&self.normal, tuning);
        }
    }
}

/// Samples inside in a row that end an excursion.
pub(crate) const LEAVE_SAMPLES: u16 = 3;

fn counts(side: Side, direction: Direction) -> bool {
    match side {
        Side::Both => true,
        Side::Up => direction == Direction::Up,
        Side::Down => direction == Direction::Down,
    }
}

fn push_bounded<T>(queue: &mut VecDeque<T>, value: T, max: usize) {
    if queue.len() >= max {
        queue.pop_front();
    }
    queue.push_back(value);
}

fn baseline(values: &VecDeque<f32>, tuning: Tuning) -> Baseline {
    let mut sorted: Vec<f32> = values.iter().copied().collect();
    sorted.sort_unstable_by(f32::total_cmp);
    let at = |quantile: f64| -> f64 {
        let index = (quantile * (sorted.len().saturating_sub(1)) as f64).round() as usize;
        sorted.get(index).copied().map_or(0.0, f64::from)
    };
    let median = at(0.5);
    let spread = (at(0.75) - at(0.25)) / IQR_TO_SIGMA;
    let floor = spread.max(tuning.relative_floor * median.abs()).max(tuning.absolute_floor).max(f64::MIN_POSITIVE);
    // Where a tail is heavier than a normal distribution's, it is the tail that says what is far.
    let scale_up = floor.max((at(0.98) - median) / TAIL_TO_SIGMA);
    let scale_down = floor.max((median - at(0.02)) / TAIL_TO_SIGMA);
    Baseline { median, scale_up, scale_down, low: at(0.01), high: at(0.99) }
}
