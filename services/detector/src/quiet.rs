//! No telemetry at all: an incident of its own.
//!
//! Event time stands still when nothing comes, so that no service is silent by it. This is noticed by the product's
//! clock, and only while this instance looks and finds nothing: neither a bus that is away, nor a backlog, nor a start is
//! silence.

use std::collections::BTreeMap;
use std::time::Duration;

use llm_sre_domain::detect::{Counts, Crowd, Refusal};
use llm_sre_domain::evidence::Evidence;
use llm_sre_domain::incident::{
    Actor, EventKind, Fingerprint, Incident, Opening, Severity, State, Subject, Trigger, Verdict,
};
use llm_sre_domain::telemetry::Origin;
use llm_sre_domain::{Anomaly, AnomalyId, Direction, ServiceId, Signal, Timestamp};
use llm_sre_mesh::metrics::instruments;
use llm_sre_mesh::records::Stored;
use llm_sre_mesh::status;
use llm_sre_proto::diagnosis::v1::EvidenceSnapshot;
use tonic::{Code, Status};

use crate::Service;
use crate::kept::Kept;
use crate::raise::ATTEMPTS_MAX;

/// What the incident is about: this service, which hears nobody.
const NAMESPACE: &str = "llm-sre";
const NAME: &str = "detector";
const TITLE: &str = "no telemetry is received";

/// Nobody is heard once the most frequent sender has left out so many reports, and no sooner than [`SILENT_MIN`].
const SILENT_INTERVALS: u32 = 6;
const SILENT_MIN: Duration = Duration::from_secs(120);
/// The looks that silence takes at least: a step of the clock between two looks is no silence.
const LOOKS_MIN: u32 = 20;
/// How long telemetry has to come again until that is recovery: as long as that of services.
const HELD: Duration = Duration::from_secs(120);
/// How long nothing may come meanwhile, beside two reports of the most frequent sender.
const PAUSE_MAX: Duration = Duration::from_secs(20);

/// What the looks for telemetry amount to.
#[derive(Debug, Default)]
pub(crate) struct Quiet {
    looked_at: Option<Timestamp>,
    silent_for: Duration,
    heard_for: Duration,
    /// What was stored last: whether nothing comes. `None` before anything was.
    is_known: Option<bool>,
}

/// What is to be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Word {
    /// Nothing came for so long.
    Silent(Duration),
    /// It comes again, and did for a while.
    Back,
}

impl Quiet {
    /// Notes a look at which all that there was had been read. `interval` is the usual one of the most frequent sender;
    /// without one, nothing is expected. Gives what is to be stored, until [`Quiet::is_stored`] says that it is.
    pub(crate) fn look(&mut self, now: Timestamp, is_heard: bool, interval: Option<Duration>) -> Option<Word> {
        let interval = interval?;
        let limit = (interval * SILENT_INTERVALS).max(SILENT_MIN);
        let passed = self.looked_at.map_or(Duration::ZERO, |looked_at| now.since(looked_at)).min(limit / LOOKS_MIN);
        self.looked_at = Some(now);
        self.silent_for = if is_heard { Duration::ZERO } else { self.silent_for + passed };
        let is_coming = self.silent_for <= PAUSE_MAX.max(interval * 2);
        self.heard_for = if is_coming { self.heard_for + passed } else { Duration::ZERO };
        match self.is_known {
            Some(true) | None if self.heard_for >= HELD => Some(Word::Back),
            Some(false) | None if self.silent_for >= limit => Some(Word::Silent(self.silent_for)),
            _ => None,
        }
    }

    /// What was to be stored is.
    pub(crate) fn is_stored(&mut self, word: Word) {
        self.is_known = Some(matches!(word, Word::Silent(_)));
    }
}

impl Service {
    /// Takes a look into account. While the store is away, it is taken again with the next.
    pub(crate) async fn watch_silence(&self, quiet: &mut Quiet, is_heard: bool) {
        let now = self.clock.now();
        let interval = self.brain().detector.usual_interval();
        let Some(word) = quiet.look(now, is_heard, interval) else { return };
        let stored = match word {
            Word::Silent(silent_for) => self.raise_silence(now, silent_for, interval.unwrap_or_default()).await,
            Word::Back => self.end_silence().await,
        };
        match stored {
            Ok(()) => quiet.is_stored(word),
            Err(error) => tracing::warn!(%error, ?word, "failed to store whether telemetry comes; trying again"),
        }
    }

    /// Tells what was counted since it was last told, and how far behind detection is; also where it is behind.
    pub(crate) fn measure_watermark(&self) {
        let now = self.clock.now();
        let (watermark, counts, crowds) = {
            let mut brain = self.brain();
            (brain.detector.watermark(), brain.counted_since(), brain.crowds(now))
        };
        measure_samples(&counts);
        for Crowd { service, metric, series, refused } in crowds {
            tracing::warn!(%service, %metric, series, refused, "a metric has many series, and there is no room for more");
        }
        if watermark > Timestamp::EPOCH {
            instruments().detector_watermark_age.set(&[], now.since(watermark).as_secs_f64());
        }
    }

    async fn raise_silence(&self, now: Timestamp, silent_for: Duration, interval: Duration) -> Result<(), Status> {
        let latest = self.latest_silence().await?;
        if latest.as_ref().is_some_and(|latest| latest.message.is_living()) {
            return Ok(());
        }
        let anomaly = anomaly(now, silent_for, interval);
        tracing::warn!(silent_s = silent_for.as_secs(), "no telemetry is received");
        if let Some(latest) = &latest
            && self.reopen_silence(latest, &anomaly, now).await?
        {
            return Ok(());
        }
        let first = latest.map_or(0, |latest| latest.message.incident.ordinal + 1);
        let coverage = self.coverage_of(&anomaly.service).await?;
        for ordinal in first..first + ATTEMPTS_MAX {
            let opening = Opening {
                subject: subject(),
                ordinal,
                title: TITLE.to_owned(),
                impacts: BTreeMap::new(),
                anomalies: vec![anomaly.clone()],
                severity: SEVERITY,
                onset: anomaly.onset,
                detected_at: anomaly.detected_at,
                actor: Actor::product(),
                coverage: coverage.clone(),
            };
            let (incident, effects) = Incident::open(opening, &self.options.rules, now)
                .map_err(|error| status::internal(error.to_string()))?;
            let mut kept = Kept::new(&incident, &effects, self.stages.now_unix_nano());
            kept.snapshot = Some(EvidenceSnapshot::from(&self.evidence_of(&anomaly)));
            let is_open = self.create(&incident, &kept).await?
                || self.latest_silence().await?.is_some_and(|latest| latest.message.is_living());
            if is_open {
                return Ok(());
            }
            // One that cannot be read has this number.
        }
        Err(status::etag_mismatch("the incidents about silence"))
    }

    /// Whether it ended so lately that it is the same again.
    async fn reopen_silence(&self, latest: &Stored<Kept>, anomaly: &Anomaly, now: Timestamp) -> Result<bool, Status> {
        let incident = latest.message.domain()?;
        let window = Duration::from_secs(self.options.rules.reopen_window_s);
        if incident.state != State::Resolved || incident.ended_at.is_none_or(|ended| now > ended + window) {
            return Ok(false);
        }
        let coverage = self.coverage_of(&anomaly.service).await?;
        let kind = EventKind::Reopened { anomaly: Box::new(anomaly.clone()), severity: SEVERITY, coverage };
        let snapshot = EvidenceSnapshot::from(&self.evidence_of(anomaly));
        let edit = |kept: &mut Kept| kept.snapshot = Some(snapshot.clone());
        self.apply_all(&latest.message.incident.name, "", &[self.event("", kind)?], edit).await.map(|_| true)
    }

    async fn end_silence(&self) -> Result<(), Status> {
        let Some(latest) = self.latest_silence().await? else { return Ok(()) };
        if !latest.message.is_living() {
            return Ok(());
        }
        let recovered = self.event("", EventKind::RecoveryMeasured { verdict: Verdict::Recovered })?;
        match self.apply(&latest.message.incident.name, &recovered).await {
            // Somebody ended it meanwhile.
            Err(error) if error.code() == Code::FailedPrecondition => Ok(()),
            other => other.map(|_| ()),
        }
    }

    async fn latest_silence(&self) -> Result<Option<Stored<Kept>>, Status> {
        let fingerprint = Fingerprint::of(&subject()).map_err(|error| status::internal(error.to_string()))?;
        self.latest(&fingerprint).await
    }

    fn evidence_of(&self, anomaly: &Anomaly) -> Evidence {
        let services = [anomaly.service.clone()].into();
        self.brain().detector.evidence(std::slice::from_ref(anomaly), &services, anomaly.onset)
    }
}

/// Users may be well; nobody would know.
const SEVERITY: Severity = Severity::Sev3;

fn subject() -> Subject {
    let service = ServiceId::new(NAMESPACE, NAME, "");
    Subject { service, trigger: Trigger::Signal(Signal::Silence), dimension: "".into() }
}

fn anomaly(now: Timestamp, silent_for: Duration, interval: Duration) -> Anomaly {
    let onset = now - silent_for;
    Anomaly {
        id: AnomalyId(format!("silence-of-all-{}", onset.as_nanos()).into()),
        service: subject().service,
        origin: Origin::default(),
        signal: Signal::Silence,
        metric: "telemetry".into(),
        dimension: "".into(),
        unit: "s".into(),
        onset,
        detected_at: now,
        last_seen: now,
        direction: Direction::Down,
        score: silent_for.as_secs_f64() / interval.as_secs_f64().max(1.0),
        expected: interval.as_secs_f64(),
        observed: silent_for.as_secs_f64(),
        exemplar: String::new(),
        requests_per_s: None,
    }
}

fn measure_samples(counts: &Counts) {
    let refused = Refusal::ALL.map(|refusal| ("refused", refusal.name(), counts.refused.of(refusal)));
    let others = [("taken", "", counts.taken), ("late", "", counts.late)];
    for (outcome, reason, count) in others.into_iter().chain(refused) {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let attributes = [("llm_sre.outcome", outcome.into()), ("llm_sre.reason", reason.into())];
        instruments().detector_samples.add(count, &attributes);
    }
}

/// Tells how many records were read.
pub(crate) fn measure_consumed(topic: &str) {
    if instruments().are_exported() {
        let group = ("messaging.consumer.group.name", crate::GROUP.into());
        instruments().consumed.add(1, &[group, ("messaging.destination.name", topic.to_owned().into())]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Option<Duration> = Some(Duration::from_secs(10));

    /// Looks every second; those at which something is heard are told by `is_heard`.
    fn looks(quiet: &mut Quiet, seconds: std::ops::Range<i64>, is_heard: impl Fn(i64) -> bool) -> Vec<(i64, Word)> {
        let mut words = Vec::new();
        for second in seconds {
            let word = quiet.look(Timestamp::from_secs(second), is_heard(second), INTERVAL);
            if let Some(word) = word {
                quiet.is_stored(word);
                words.push((second, word));
            }
        }
        words
    }

    #[test]
    fn two_minutes_without_anybody_are_silence_and_two_with_somebody_end_it() {
        let mut quiet = Quiet::default();
        assert_eq!(looks(&mut quiet, 0..300, |second| second % 10 == 0), [(120, Word::Back)], "who began asks once");
        let silent = Word::Silent(Duration::from_secs(120));
        assert_eq!(looks(&mut quiet, 300..800, |second| second == 300), [(420, silent)]);
        assert_eq!(looks(&mut quiet, 800..1_200, |second| second % 10 == 0), [(919, Word::Back)]);
    }

    #[test]
    fn one_report_is_no_recovery() {
        let mut quiet = Quiet::default();
        looks(&mut quiet, 0..200, |_| false);
        assert_eq!(quiet.is_known, Some(true));
        assert_eq!(looks(&mut quiet, 200..2_000, |second| second % 100 == 0), []);
    }

    #[test]
    fn neither_a_step_of_the_clock_nor_a_start_is_silence() {
        let mut quiet = Quiet::default();
        for hours in 0..10 {
            assert_eq!(quiet.look(Timestamp::from_secs(hours * 3_600), false, INTERVAL), None, "{hours}");
        }
        let mut new = Quiet::default();
        assert_eq!(new.look(Timestamp::from_secs(1), false, INTERVAL), None);
        assert_eq!(looks(&mut new, 1_000_000..1_000_100, |_| false), [], "the looks before it do not count");
    }

    #[test]
    fn where_nobody_is_known_nobody_is_missed() {
        let mut quiet = Quiet::default();
        for second in 0..10_000 {
            assert_eq!(quiet.look(Timestamp::from_secs(second), false, None), None);
        }
    }
}
