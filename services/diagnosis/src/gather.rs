//! What a diagnosis argues from: the detector's snapshot, the incident itself, what the store adds, and what people
//! said of incidents before.

use std::collections::BTreeSet;
use std::time::Duration;

use llm_sre_domain::evidence::{Evidence, EvidenceId, Fact, Gap, Observation};
use llm_sre_domain::telemetry::Change;
use llm_sre_domain::{Anomaly, AnomalyId, ServiceId, Timestamp};
use llm_sre_mesh::status;
use llm_sre_ports::telemetry::{CallSum, Error, Range, TelemetryStore};
use llm_sre_proto::convert::common::{required_service, required_time};
use llm_sre_proto::incident::v1 as incident;
use tonic::Status;

use crate::logs;
use crate::precedents::Past;

/// How far before the onset a change can be its cause. A leak that a deployment brought shows after an hour or so.
const CHANGES_BEFORE: Duration = Duration::from_secs(2 * 3_600);
/// How far back the call graph is read: long enough that a rare call is seen.
const CALLS_BEFORE: Duration = Duration::from_secs(3_600);
/// At most this many changes; a fleet that changes more often than that in two hours needs a narrower question.
const CHANGES_MAX: usize = 500;
/// What a gap is about where calls are missing.
const CALL_GRAPH: &str = "the call graph";
/// At most this many edges.
const CALLS_MAX: usize = 10_000;

/// What the store adds, or why it does not.
pub(crate) struct Found {
    changes: Result<Vec<Change>, Error>,
    calls: Result<Vec<CallSum>, Error>,
    /// `None` where the detector's snapshot knows them.
    logs: Option<logs::Read>,
}

/// Reads what the store knows `now` of the time around an incident.
pub(crate) async fn read(
    store: &dyn TelemetryStore,
    incident: &incident::Incident,
    snapshot: Option<&Evidence>,
    now: Timestamp,
) -> Result<Found, Status> {
    let onset = required_time("incident.onset_time", incident.onset_time.as_ref());
    let onset = onset.map_err(|error| status::internal(error.to_string()))?;
    let own = from_incident(incident)?;
    let end = snapshot.map_or(own.as_of, |snapshot| snapshot.as_of.max(own.as_of)) + Duration::from_nanos(1);
    let has_calls = snapshot.is_some_and(|snapshot| !snapshot.topology.is_empty());
    let calls = async {
        match has_calls {
            true => Ok(Vec::new()),
            false => store.calls(Range { start: onset - CALLS_BEFORE, end }, CALLS_MAX).await,
        }
    };
    let changes = store.changes(Range { start: onset - CHANGES_BEFORE, end }, None, CHANGES_MAX);
    let logs = async {
        if snapshot.is_some() {
            return None;
        }
        let end = logs::end(onset, end, now);
        Some(logs::read(store, &concerned(incident, &own), onset, end).await)
    };
    let (changes, calls, logs) = tokio::join!(changes, calls, logs);
    Ok(Found { changes, calls, logs })
}

/// The evidence about an incident, as its owner knows it now. What the store did not give becomes a named gap, never an
/// absence.
pub(crate) fn evidence(
    incident: &incident::Incident,
    snapshot: Option<Evidence>,
    found: Found,
    past: Past,
) -> Result<Evidence, Status> {
    let own = from_incident(incident)?;
    let mut evidence = match snapshot {
        Some(snapshot) => with_later(snapshot, own),
        None => own,
    };
    add_changes(&mut evidence, found.changes);
    add_calls(&mut evidence, found.calls);
    if let Some(logs) = found.logs {
        logs.add_to(&mut evidence);
    }
    past.add_to(&mut evidence);
    evidence.facts.sort_by(|a, b| time(a).cmp(&time(b)).then_with(|| a.id.cmp(&b.id)));
    Ok(evidence)
}

/// The services that an incident is about, each once: its own, which a person may have named without any anomaly, then
/// those of its anomalies, the furthest outside first.
fn concerned(incident: &incident::Incident, own: &Evidence) -> Vec<ServiceId> {
    let mut shown: Vec<(f64, &ServiceId)> = anomalies(own).map(|anomaly| (anomaly.score, &anomaly.service)).collect();
    shown.sort_by(|(a, a_service), (b, b_service)| b.total_cmp(a).then_with(|| a_service.cmp(b_service)));
    // One without a name is no service that anything could be asked about.
    let mut found: Vec<ServiceId> =
        required_service("incident.service", incident.service.as_ref()).into_iter().collect();
    for (_, service) in shown {
        if !found.contains(service) {
            found.push(service.clone());
        }
    }
    found
}

/// What the incident's own record holds, for a diagnosis that was asked for by hand.
fn from_incident(incident: &incident::Incident) -> Result<Evidence, Status> {
    let anomalies: Result<Vec<Anomaly>, _> = incident.anomalies.iter().map(Anomaly::try_from).collect();
    let anomalies = anomalies.map_err(|error| status::internal(format!("{}: {error}", incident.name)))?;
    let newest = anomalies.iter().map(|anomaly| anomaly.last_seen).max();
    let detected = required_time("incident.detect_time", incident.detect_time.as_ref());
    let detected = detected.map_err(|error| status::internal(format!("{}: {error}", incident.name)))?;
    let facts = anomalies.into_iter().map(|anomaly| Fact {
        id: EvidenceId(format!("anomaly-{}", anomaly.id.0)),
        observation: Observation::Anomaly(anomaly),
    });
    Ok(Evidence {
        as_of: newest.map_or(detected, |newest| newest.max(detected)),
        facts: facts.collect(),
        ..Evidence::default()
    })
}

/// The detector's snapshot, with what joined the incident after it was taken: a store that was away may have kept the
/// diagnosis waiting.
fn with_later(mut snapshot: Evidence, own: Evidence) -> Evidence {
    let known: BTreeSet<AnomalyId> = anomalies(&snapshot).map(|anomaly| anomaly.id.clone()).collect();
    // What it had in an earlier life is over, and would date the harm too early.
    let taken = snapshot.as_of;
    let later = own.facts.into_iter().filter(|fact| match &fact.observation {
        Observation::Anomaly(anomaly) => anomaly.detected_at >= taken && !known.contains(&anomaly.id),
        _ => false,
    });
    snapshot.facts.extend(later);
    let newest = anomalies(&snapshot).map(|anomaly| anomaly.last_seen).max();
    snapshot.as_of = newest.map_or(snapshot.as_of, |newest| newest.max(snapshot.as_of));
    snapshot
}

fn anomalies(evidence: &Evidence) -> impl Iterator<Item = &Anomaly> {
    evidence.facts.iter().filter_map(|fact| match &fact.observation {
        Observation::Anomaly(anomaly) => Some(anomaly),
        _ => None,
    })
}

fn add_changes(evidence: &mut Evidence, found: Result<Vec<Change>, Error>) {
    match found {
        Ok(changes) => {
            if changes.len() >= CHANGES_MAX {
                let reason = format!("there are more than the {CHANGES_MAX} that are looked at");
                evidence.gaps.push(Gap { subject: "changes".to_owned(), reason });
            }
            for change in changes {
                let is_same = |fact: &Fact| matches!(&fact.observation, Observation::Change(known) if *known == change);
                if evidence.facts.iter().any(is_same) {
                    continue;
                }
                let id = free_id(&change_id(&change), &evidence.facts);
                evidence.facts.push(Fact { id, observation: Observation::Change(change) });
            }
        }
        Err(error) => evidence.gaps.push(Gap { subject: "changes".to_owned(), reason: error.to_string() }),
    }
}

fn add_calls(evidence: &mut Evidence, found: Result<Vec<CallSum>, Error>) {
    match found {
        Ok(calls) => {
            if calls.len() >= CALLS_MAX {
                let reason = format!("it has more edges than the {CALLS_MAX} that are looked at");
                evidence.gaps.push(Gap { subject: CALL_GRAPH.to_owned(), reason });
            }
            for call in calls {
                evidence.topology.observe(&call.client, &call.server, call.last_seen);
            }
            // Who suffers from whom is then told by signals alone.
            if evidence.topology.is_empty() {
                let reason = "nobody told of any call".to_owned();
                evidence.gaps.push(Gap { subject: CALL_GRAPH.to_owned(), reason });
            }
        }
        Err(error) => evidence.gaps.push(Gap { subject: CALL_GRAPH.to_owned(), reason: error.to_string() }),
    }
}

fn change_id(change: &Change) -> EvidenceId {
    let ServiceId { namespace, name, environment } = &change.service;
    EvidenceId(format!("change-{namespace}/{name}@{environment}-{}-{}", change.subject, change.time.as_nanos()))
}

/// An id that no fact has: of two changes of one moment each is cited by itself.
fn free_id(id: &EvidenceId, facts: &[Fact]) -> EvidenceId {
    let numbered = (2_usize..).map(|number| EvidenceId(format!("{}-{number}", id.0)));
    let mut ids = std::iter::once(id.clone()).chain(numbered);
    let is_free = |id: &EvidenceId| facts.iter().all(|fact| fact.id != *id);
    ids.find(is_free).unwrap_or_else(|| id.clone())
}

fn time(fact: &Fact) -> Timestamp {
    match &fact.observation {
        Observation::Anomaly(anomaly) => anomaly.onset,
        Observation::LogTemplate(template) => template.first_seen,
        Observation::Change(change) => change.time,
        Observation::Precedent(precedent) => precedent.judged_at,
        Observation::Attempt(attempt) => attempt.executed_at,
    }
}

#[cfg(test)]
mod tests {
    use llm_sre_domain::telemetry::ChangeKind;

    use super::*;

    #[test]
    fn two_changes_of_one_moment_are_cited_each_and_one_that_came_twice_once() {
        let change = |after: &str| Change {
            service: ServiceId::named("cart"),
            kind: ChangeKind::Configuration,
            subject: "flag".to_owned(),
            before: "off".to_owned(),
            after: after.to_owned(),
            description: String::new(),
            time: Timestamp::from_secs(1),
        };
        let mut evidence = Evidence::default();
        add_changes(&mut evidence, Ok(vec![change("on"), change("half"), change("on")]));
        let ids: BTreeSet<&EvidenceId> = evidence.facts.iter().map(|fact| &fact.id).collect();
        assert_eq!((ids.len(), evidence.facts.len()), (2, 2), "{ids:?}");
    }
}
