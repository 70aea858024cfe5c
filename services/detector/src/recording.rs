//! One signal of an incident as it is recorded, kept and shown.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use llm_sre_domain::detect::{Detector, Usual};
use llm_sre_domain::{Anomaly, Timestamp};
use llm_sre_proto::convert::common::{to_proto_duration, to_proto_time};
use llm_sre_proto::fleet::v1;
use llm_sre_proto::incident::v1::Signal;
use serde::{Deserialize, Serialize};

/// Signals that are recorded of one incident.
pub(crate) const RECORDINGS_MAX: usize = 12;
/// Samples of one signal; the newest are kept.
const SAMPLES_MAX: usize = 720;
/// What times of samples are counted in: they are no more exact.
const TICK_NANOS: i64 = 100_000;

/// A signal as it is recorded.
#[derive(Clone, Debug)]
pub(crate) struct Recording {
    anomaly: Anomaly,
    usual: Usual,
    interval: Duration,
    samples: VecDeque<(Timestamp, f64)>,
}

impl Recording {
    /// With what is kept of before; what is usual is looked at once, since it does not change while that lasts. `None`
    /// where no series is behind the anomaly.
    pub(crate) fn begin(detector: &Detector, anomaly: &Anomaly) -> Option<Self> {
        let found = detector.samples_of(anomaly, Timestamp::EPOCH).filter(|found| !found.samples.is_empty())?;
        let samples = found.samples.into_iter().collect();
        Some(Self { anomaly: anomaly.clone(), usual: found.usual, interval: found.interval, samples })
    }

    /// Takes what is new. Whether anything is.
    pub(crate) fn follow(&mut self, detector: &Detector) -> bool {
        let newest = self.samples.back().map_or(Timestamp::EPOCH, |(time, _)| *time);
        let Some(found) = detector.samples_of(&self.anomaly, newest).filter(|found| !found.samples.is_empty()) else {
            return false;
        };
        self.interval = found.interval;
        self.samples.extend(found.samples);
        let surplus = self.samples.len().saturating_sub(SAMPLES_MAX);
        self.samples.drain(..surplus);
        true
    }

    /// Whether an anomaly is about this signal.
    pub(crate) fn is_of(&self, anomaly: &Anomaly) -> bool {
        let this = &self.anomaly;
        this.service == anomaly.service
            && this.origin.instance == anomaly.origin.instance
            && this.metric == anomaly.metric
            && this.dimension == anomaly.dimension
    }

    /// Notes what was found of the signal since: it is called by the strongest.
    pub(crate) fn note(&mut self, anomaly: &Anomaly) {
        if anomaly.score > self.anomaly.score {
            self.anomaly = anomaly.clone();
        }
    }

    pub(crate) fn score(&self) -> f64 {
        self.anomaly.score
    }

    fn kept(&self) -> KeptSignal {
        let anomaly = &self.anomaly;
        let recording = v1::SignalRecording {
            anomaly: anomaly.id.0.to_string(),
            service: Some((&anomaly.service).into()),
            origin: Some((&anomaly.origin).into()),
            signal: Signal::from(anomaly.signal).into(),
            metric: anomaly.metric.to_string(),
            dimension: anomaly.dimension.to_string(),
            unit: anomaly.unit.to_string(),
            usual: rounded(self.usual.value),
            usual_low: self.usual.low.map(rounded),
            usual_high: self.usual.high.map(rounded),
            interval: Some(to_proto_duration(self.interval)),
            samples: Vec::new(),
        };
        let ticks = self.samples.iter().map(|(time, value)| (time.as_nanos().div_euclid(TICK_NANOS), rounded(*value)));
        KeptSignal::new(recording, anomaly.score, ticks.collect())
    }
}

/// What is stored of an incident's signals.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct KeptSignals {
    /// The strongest first; at most [`RECORDINGS_MAX`].
    #[serde(default)]
    recordings: Vec<KeptSignal>,
}

/// What is stored of one: the contract's message, with its samples in a tenth of the room.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct KeptSignal {
    /// Without its samples.
    #[serde(flatten)]
    recording: v1::SignalRecording,
    /// The anomaly's.
    #[serde(default)]
    score: f64,
    /// When, in ticks of 100 µs: the first since 1970, and each other since the one before it.
    #[serde(default)]
    ticks: Vec<i64>,
    /// How much, as many as there are ticks.
    #[serde(default)]
    values: Vec<f64>,
}

impl KeptSignals {
    /// What is in memory, as it would be stored.
    pub(crate) fn of(recordings: &[Recording]) -> Self {
        Self { recordings: recordings.iter().map(Recording::kept).collect() }.in_order()
    }

    /// With what was recorded since, or again: each sample once. What was usual when the first recording began stays.
    pub(crate) fn merged(mut self, since: Self) -> Self {
        for newer in since.recordings {
            match self.recordings.iter_mut().find(|kept| kept.is_alike(&newer)) {
                Some(kept) => kept.take(newer),
                None => self.recordings.push(newer),
            }
        }
        self.in_order()
    }

    /// When the newest sample was taken.
    pub(crate) fn newest(&self) -> Timestamp {
        let newest = self.recordings.iter().map(|kept| kept.ticks.iter().sum::<i64>()).max();
        time(newest.unwrap_or(0))
    }

    /// As callers see them.
    pub(crate) fn shown(self) -> Vec<v1::SignalRecording> {
        self.recordings.into_iter().map(KeptSignal::shown).collect()
    }

    fn in_order(mut self) -> Self {
        self.recordings
            .sort_by(|a, b| b.score.total_cmp(&a.score).then_with(|| a.recording.anomaly.cmp(&b.recording.anomaly)));
        self.recordings.truncate(RECORDINGS_MAX);
        self
    }
}

impl KeptSignal {
    /// The newest of these samples, by their ticks since 1970.
    fn new(recording: v1::SignalRecording, score: f64, samples: BTreeMap<i64, f64>) -> Self {
        let surplus = samples.len().saturating_sub(SAMPLES_MAX);
        let (mut ticks, mut values, mut before) = (Vec::new(), Vec::new(), 0);
        for (tick, value) in samples.into_iter().skip(surplus) {
            ticks.push(tick - before);
            values.push(value);
            before = tick;
        }
        Self { recording, score, ticks, values }
    }

    fn samples(&self) -> impl Iterator<Item = (i64, f64)> {
        let since_1970 = self.ticks.iter().scan(0_i64, |tick, step| {
            *tick = tick.saturating_add(*step);
            Some(*tick)
        });
        since_1970.zip(self.values.iter().copied())
    }

    fn is_alike(&self, other: &Self) -> bool {
        let name = |kept: &Self| {
            let recording = &kept.recording;
            let instance = recording.origin.as_ref().map(|origin| origin.instance.clone());
            (recording.service.clone(), instance, recording.metric.clone(), recording.dimension.clone())
        };
        name(self) == name(other)
    }

    fn take(&mut self, newer: Self) {
        let samples = newer.samples().chain(self.samples()).collect();
        let mut recording = self.recording.clone();
        recording.interval = newer.recording.interval;
        if newer.score > self.score {
            recording.anomaly = newer.recording.anomaly;
            recording.signal = newer.recording.signal;
        }
        *self = Self::new(recording, self.score.max(newer.score), samples);
    }

    fn shown(self) -> v1::SignalRecording {
        let sample = |(tick, value)| v1::SignalSample { time: Some(to_proto_time(time(tick))), value };
        let samples = self.samples().map(sample).collect();
        v1::SignalRecording { samples, ..self.recording }
    }
}

fn time(tick: i64) -> Timestamp {
    Timestamp::from_nanos(tick.saturating_mul(TICK_NANOS))
}

/// To four digits, of which detection keeps three: more would only take room.
fn rounded(value: f64) -> f64 {
    format!("{value:.3e}").parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn kept(metric: &str, score: f64, samples: impl IntoIterator<Item = i64>) -> KeptSignals {
        let recording = v1::SignalRecording { metric: metric.to_owned(), ..v1::SignalRecording::default() };
        let samples = samples.into_iter().map(|tick| (tick, tick as f64)).collect();
        KeptSignals { recordings: vec![KeptSignal::new(recording, score, samples)] }
    }

    fn ticks(kept: &KeptSignals) -> Vec<i64> {
        kept.recordings[0].samples().map(|(tick, _)| tick).collect()
    }

    #[test]
    fn what_was_recorded_is_read_as_it_was_written() {
        let written = kept("m", 9.5, [17_000_000_000_000, 17_000_000_100_000, 17_000_000_200_001]);
        let json = serde_json::to_value(&written).unwrap();
        assert_eq!(json["recordings"][0]["ticks"], serde_json::json!([17_000_000_000_000_i64, 100_000, 100_001]));
        assert_eq!(serde_json::from_value::<KeptSignals>(json).unwrap(), written);
        let shown = written.clone().shown();
        assert_eq!(shown[0].samples[2].time.as_ref().unwrap().nanos, 100_000);
        assert_eq!(written.newest(), time(17_000_000_200_001));
    }

    #[test]
    fn the_strongest_come_first_and_no_more_than_may() {
        let all = (0..20).map(|number| kept(&format!("m{number}"), f64::from(number), [1]));
        let merged = all.fold(KeptSignals::default(), KeptSignals::merged);
        let scores: Vec<f64> = merged.recordings.iter().map(|kept| kept.score).collect();
        assert_eq!(scores, (8..20).rev().map(f64::from).collect::<Vec<_>>());
    }

    #[test]
    fn what_was_usual_at_first_stays_and_the_stronger_anomaly_names_it() {
        let of = |anomaly: &str, usual: f64, score: f64| {
            let mut kept = kept("m", score, [1]);
            (kept.recordings[0].recording.anomaly, kept.recordings[0].recording.usual) = (anomaly.to_owned(), usual);
            kept
        };
        let merged = of("a", 1.0, 8.0).merged(of("b", 7.0, 9.0)).shown();
        assert_eq!((merged[0].anomaly.as_str(), merged[0].usual), ("b", 1.0));
    }

    #[test]
    fn values_have_four_digits() {
        for (value, expected) in [(0.123_456, 0.1235), (123_456.0, 123_500.0), (0.0, 0.0), (-3.0, -3.0)] {
            assert_eq!(rounded(value), expected);
        }
    }

    proptest! {
        /// Whatever is recorded again after a restart, and however much of it.
        #[test]
        fn each_sample_is_kept_once_and_the_newest_are(
            before in prop::collection::btree_set(0_i64..3_000, 0..1_500),
            since in prop::collection::btree_set(0_i64..3_000, 0..1_500),
        ) {
            let merged = kept("m", 1.0, before.clone()).merged(kept("m", 1.0, since.clone()));
            // Each by itself has no more than may be kept either.
            let newest = |of: &std::collections::BTreeSet<i64>| -> Vec<i64> {
                of.iter().rev().take(SAMPLES_MAX).copied().collect()
            };
            let mut all: Vec<i64> = newest(&before).into_iter().chain(newest(&since)).collect();
            all.sort_unstable();
            all.dedup();
            let expected = all.split_off(all.len().saturating_sub(SAMPLES_MAX));
            prop_assert_eq!(ticks(&merged), expected);
        }
    }
}
