//! Which causes the evidence of one service speaks for.

use std::collections::BTreeSet;
use std::time::Duration;

use super::rank::{anomalies, is_symptom};
use super::words::words;
use super::{CauseKind, Hypothesis, calls};
use crate::evidence::{EvidenceId, Fact, Observation};
use crate::telemetry::{Change, ChangeKind};
use crate::topology::Topology;
use crate::{Anomaly, Direction, ServiceId, Signal, Timestamp};

/// How long after a change its harm shows, unless it leaks.
const CHANGE_WINDOW: Duration = Duration::from_secs(900);
/// Harm that shows so soon after a deployment is more likely its than that of a resource which is fuller too.
const CHANGE_SOON: Duration = Duration::from_secs(300);
/// A detector may date the onset a little early; what came so shortly after it still counts as before.
const CHANGE_AFTER: Duration = Duration::from_secs(60);
/// The score from which on latency or errors say more of when harm began than a budget that burns.
const CLEAR_MIN: f64 = 6.0;
/// How many times as much as usual is missing from a cache that is empty, at least.
const MISSES_MIN: f64 = 2.0;
/// Causes named of one service, and by how much each is less sure than the one before it.
const CAUSES_MAX: usize = 3;
const NEXT_CAUSE: f64 = 0.7;
/// The most that evidence of one kind alone can support: less than policy asks before the product acts by itself, since
/// one signal can be a fault of its sender.
const SINGLE_KIND_MAX: f64 = 0.5;
/// The most that signals can support where nothing says why they left their ranges.
const UNEXPLAINED_MAX: f64 = 0.6;
/// The most that any evidence can support.
const SUPPORTED_MAX: f64 = 0.95;

/// What one service's trouble can come from, most likely first; never empty. Confidence is what the kinds of evidence
/// support, without regard to other services.
pub(super) fn hypotheses(service: &ServiceId, facts: &[&Fact], topology: &Topology) -> Vec<Hypothesis> {
    let own = anomalies(facts.iter().copied()).map(|(_, anomaly)| anomaly);
    let own: Vec<&Anomaly> = own.filter(|anomaly| anomaly.signal != Signal::FlatLine).collect();
    let strongest = own.iter().copied().max_by(|a, b| a.score.total_cmp(&b.score));
    let supports: Vec<EvidenceId> = facts.iter().map(|fact| fact.id.clone()).collect();
    let mut sure = 1.0;
    let mut found = Vec::new();
    let outside = calls::outside(service, &own, topology);
    for Suspect { cause, telling, change } in causes(&own, facts, &outside).into_iter().take(CAUSES_MAX) {
        let shown = telling.or(strongest);
        let is_everywhere = cause == CauseKind::CpuSaturation && telling.is_some_and(|cpu| is_everywhere(cpu, &own));
        let (claim, immediate_fix, long_term_fix) = words(cause);
        let dependency = telling.and_then(calls::peer).unwrap_or_default();
        let named = if dependency.is_empty() { String::new() } else { format!(": {dependency}") };
        found.push(Hypothesis {
            id: String::new(),
            service: service.clone(),
            origin: shown.filter(|_| !is_everywhere).map(|anomaly| anomaly.origin.clone()).unwrap_or_default(),
            statement: format!("{service}: {claim}{named}"),
            metric: shown.map(|anomaly| anomaly.metric.clone()).unwrap_or_default(),
            cause,
            change: change.cloned(),
            dependency: dependency.to_owned(),
            immediate_fix: immediate_fix.to_owned(),
            long_term_fix: long_term_fix.to_owned(),
            confidence: sure * supported(cause, facts),
            supports: supports.clone(),
            contradicts: Vec::new(),
        });
        sure *= NEXT_CAUSE;
    }
    found
}

/// Whether other instances use a resource about as much: then it is the load, and not what one of them does.
fn is_everywhere(telling: &Anomaly, own: &[&Anomaly]) -> bool {
    own.iter().any(|other| {
        other.metric == telling.metric
            && other.direction == telling.direction
            && !other.origin.instance.is_empty()
            && other.origin.instance != telling.origin.instance
            && other.observed >= 0.5 * telling.observed
    })
}

/// Whether a change comes first among them.
pub(super) fn is_changed(causes: &[Hypothesis]) -> bool {
    causes.first().is_some_and(|h| matches!(h.cause, CauseKind::BadDeployment | CauseKind::BadConfiguration))
}

/// How sure the evidence of one service can make of a cause, by how many kinds of it there are. What people said before
/// is none of them.
pub(super) fn supported(cause: CauseKind, facts: &[&Fact]) -> f64 {
    let signals: BTreeSet<Signal> = anomalies(facts.iter().copied()).filter_map(|(_, anomaly)| kind(anomaly)).collect();
    let has = |is: fn(&Observation) -> bool| usize::from(facts.iter().any(|fact| is(&fact.observation)));
    let changes = has(|observation| matches!(observation, Observation::Change(_)));
    let logs = has(|observation| matches!(observation, Observation::LogTemplate(_)));
    match (signals.len() + changes + logs, cause) {
        (0 | 1, _) => SINGLE_KIND_MAX,
        (_, CauseKind::ServiceDegradation) => UNEXPLAINED_MAX,
        _ => SUPPORTED_MAX,
    }
}

/// The kind of evidence that a signal is: a resource is one, whether it jumped or crept.
fn kind(anomaly: &Anomaly) -> Option<Signal> {
    match anomaly.signal {
        Signal::FlatLine => None,
        Signal::Drift => Some(Signal::Saturation),
        other => Some(other),
    }
}

/// What the signals of one service speak for.
struct Suspect<'a> {
    cause: CauseKind,
    /// The anomaly that tells it.
    telling: Option<&'a Anomaly>,
    /// The change that it is.
    change: Option<&'a Change>,
}

impl<'a> Suspect<'a> {
    fn shown(cause: CauseKind, telling: Option<&'a Anomaly>) -> Self {
        Self { cause, telling, change: None }
    }

    fn changed(cause: CauseKind, change: &'a Change) -> Self {
        Self { cause, telling: None, change: Some(change) }
    }
}

/// The causes that the signals of one service speak for, most likely first.
fn causes<'a>(own: &[&'a Anomaly], facts: &[&'a Fact], outside: &[&'a Anomaly]) -> Vec<Suspect<'a>> {
    let rising = |part: &str| {
        let of = |signal: Signal| {
            let mut up = own.iter().copied().filter(|anomaly| anomaly.direction == Direction::Up);
            up.find(|anomaly| anomaly.signal == signal && anomaly.metric.contains(part))
        };
        // What jumped says more than what crept for long.
        of(Signal::Saturation).or_else(|| of(Signal::Drift))
    };
    let is_harmed = own.iter().any(|anomaly| is_symptom(anomaly));
    let deployed = last_change(&[ChangeKind::Deployment], own, facts).filter(|_| is_harmed);
    let configured = last_change(&[ChangeKind::Configuration, ChangeKind::FeatureFlag], own, facts);
    let deployment = |change| Suspect::changed(CauseKind::BadDeployment, change);
    let (soon, late) = match deployed {
        Some((lag, change)) if lag <= CHANGE_SOON => (Some(change), None),
        Some((_, change)) => (None, Some(change)),
        None => (None, None),
    };

    let full = |part, cause| rising(part).map(|resource| Suspect::shown(cause, Some(resource)));
    let mut found = Vec::new();
    let expired = own.iter().copied().find(|anomaly| calls::is_expired(anomaly));
    found.extend(expired.map(|left| Suspect::shown(CauseKind::ExpiredCertificate, Some(left))));
    let unanswered = calls::worst_failing(outside).filter(|_| is_harmed);
    found.extend(unanswered.map(|calls| Suspect::shown(CauseKind::DependencyOutage, Some(calls))));
    let empty = emptied_cache(own).filter(|_| is_harmed || rising("").is_some());
    found.extend(empty.map(|misses| Suspect::shown(CauseKind::CacheStampede, Some(misses))));
    found.extend(full("db.client.connection", CauseKind::ConnectionPoolExhaustion));
    found.extend(full("filesystem", CauseKind::DiskFull));
    found.extend(soon.map(deployment));
    found.extend(configured.map(|(_, change)| Suspect::changed(CauseKind::BadConfiguration, change)));
    found.extend(full("memory", CauseKind::MemoryLeak));
    found.extend(full("cpu", CauseKind::CpuSaturation));
    let slow = calls::slowest(outside).filter(|_| is_harmed && unanswered.is_none());
    found.extend(slow.map(|calls| Suspect::shown(CauseKind::SlowNetwork, Some(calls))));
    found.extend(late.map(deployment));
    if found.is_empty() {
        found.push(match rising("") {
            Some(resource) => Suspect::shown(CauseKind::ResourceSaturation, Some(resource)),
            None if own.iter().all(|anomaly| anomaly.signal == Signal::Traffic) => {
                Suspect::shown(CauseKind::TrafficSurge, None)
            }
            None => Suspect::shown(CauseKind::ServiceDegradation, None),
        });
    }
    found
}

/// Far more is missing from a cache than usual, and no more is found there: with more load, both would rise.
fn emptied_cache<'a>(own: &[&'a Anomaly]) -> Option<&'a Anomaly> {
    let rising = |part: &'static str| {
        let is = move |anomaly: &&Anomaly| {
            let names = [&*anomaly.metric, &*anomaly.dimension];
            let is_of_cache = ["cache", "redis", "memcached"].iter().any(|name| anomaly.metric.contains(name));
            anomaly.direction == Direction::Up && is_of_cache && names.iter().any(|name| name.contains(part))
        };
        own.iter().copied().filter(is)
    };
    let misses = rising("miss").filter(|misses| misses.observed >= MISSES_MIN * misses.expected);
    misses.max_by(|a, b| a.score.total_cmp(&b.score)).filter(|_| rising("hit").next().is_none())
}

/// The last change of these kinds that can be to blame, and how long before the harm it was.
fn last_change<'a>(kinds: &[ChangeKind], own: &[&Anomaly], facts: &[&'a Fact]) -> Option<(Duration, &'a Change)> {
    let harm = harm_onset(own)?;
    let changes = facts.iter().filter_map(|fact| match &fact.observation {
        Observation::Change(change) if kinds.contains(&change.kind) => Some(change),
        _ => None,
    });
    let before = changes.filter(|change| change.time <= harm + CHANGE_AFTER);
    let lags = before.map(|change| (harm.since(change.time), change));
    // What came after the onset may be what somebody did about it.
    lags.min_by_key(|(lag, change)| (change.time > harm, *lag)).filter(|(lag, _)| *lag <= CHANGE_WINDOW)
}

/// When users began to suffer, or else a resource, or else anything: what was odd for long is not what a change did. An
/// error budget burns on for a while after trouble that is over, so that it dates harm only where nothing else clearly does.
fn harm_onset(own: &[&Anomaly]) -> Option<Timestamp> {
    let first =
        |is: &dyn Fn(&Anomaly) -> bool| own.iter().filter(|anomaly| is(anomaly)).map(|anomaly| anomaly.onset).min();
    let is_clear =
        |anomaly: &Anomaly| matches!(anomaly.signal, Signal::Latency | Signal::Errors) && anomaly.score >= CLEAR_MIN;
    first(&is_clear)
        .or_else(|| first(&is_symptom))
        .or_else(|| first(&|anomaly| anomaly.signal == Signal::Saturation))
        .or_else(|| first(&|_| true))
}
