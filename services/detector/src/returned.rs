//! Whether trouble is that of an incident which ended a short while ago.
//!
//! The fingerprint tells it by what people would name first, which is not what a return has to show first. Where it
//! differs, the cause tells.

use std::collections::BTreeSet;
use std::time::Duration;

use llm_sre_domain::diagnose::{CauseKind, Hypothesis, rank};
use llm_sre_domain::evidence::{Evidence, Fact, Observation};
use llm_sre_domain::incident::{Incident, IncidentId};
use llm_sre_domain::{Anomaly, ServiceId};
use llm_sre_mesh::records::Stored;
use llm_sre_ports::documents::Filter;
use llm_sre_proto::diagnosis::v1::GetDiagnosisRequest;
use tokio::time::Instant;
use tonic::Status;

use crate::Service;
use crate::brain::Opened;
use crate::kept::Kept;

/// Ended incidents of the services at hand that are looked at, the newest: so many do not end within a reopen window.
const LOOKED_AT: usize = 8;
/// How long is waited for what an ended incident was explained by, in real time. Its signals can tell, too.
const ASK_WITHIN: Duration = Duration::from_secs(2);
/// How far the clocks of who changes something may be from ours.
const CLOCKS_APART: Duration = Duration::from_secs(60);

impl Service {
    /// The newest incidents that ended, and are about what a case is about.
    pub(crate) async fn ended_about(&self, opened: &Opened, service: &ServiceId) -> Result<Vec<Stored<Kept>>, Status> {
        let roots = &opened.impact.roots;
        let services = roots.iter().chain([service]);
        let filter = services.fold(Filter::default(), |filter, service| filter.with("service", &service.name));
        let (mut ended, _) = self.records.list_readable(filter.with("living", "no"), None, LOOKED_AT).await?;
        ended.retain(|stored| {
            let incident = stored.message.readable();
            incident.is_some_and(|incident| stored.message.is_about(&incident, service, roots))
        });
        Ok(ended)
    }

    /// Reopens the incident that a case is the return of: the latest with its fingerprint, or else the newest of those
    /// about the same service that has the same cause, where one ended within the window.
    pub(crate) async fn bring_back(
        &self,
        latest: Option<&Stored<Kept>>,
        ended: &[Stored<Kept>],
        opened: &Opened,
        anomalies: &[Anomaly],
    ) -> Result<Option<IncidentId>, Status> {
        if let Some(latest) = latest
            && let Some(incident) = self.reopen(latest, opened, anomalies).await?
        {
            return Ok(Some(incident));
        }
        // One wait for all of them: what is told late is late for every other incident, too.
        let until = Instant::now() + ASK_WITHIN;
        for stored in ended {
            let Some(incident) = stored.message.readable() else { continue };
            if self.may_reopen(&incident)
                && self.is_return(&stored.message, &incident, opened, until).await
                && let Some(incident) = self.reopen(stored, opened, anomalies).await?
            {
                return Ok(Some(incident));
            }
        }
        Ok(None)
    }

    /// Whether what a case shows comes from where an ended incident came from: from one of the causes that were named
    /// then, or, where nobody can tell, by signals that it had.
    async fn is_return(&self, kept: &Kept, incident: &Incident, opened: &Opened, until: Instant) -> bool {
        let mut own = kept.roots.clone();
        own.insert(incident.subject.service.clone());
        let before = self.explained_by(kept, &own, until).await;
        match named(&opened.evidence, incident, &own) {
            Some(cause) if !before.is_empty() => before.contains(&cause),
            _ => opened.case.anomalies.values().any(|shown| {
                let is_same = |known: &Anomaly| {
                    known.service == shown.service && known.signal == shown.signal && known.metric == shown.metric
                };
                own.contains(&shown.service) && incident.anomalies.iter().any(is_same)
            }),
        }
    }

    /// The kinds of cause that the newest diagnosis of an incident named in these services. None where nobody says.
    async fn explained_by(&self, kept: &Kept, services: &BTreeSet<ServiceId>, until: Instant) -> BTreeSet<CauseKind> {
        let name = kept.incident.diagnosis.clone();
        if name.is_empty() {
            return BTreeSet::new();
        }
        let asked = self.diagnoses.get_diagnosis(GetDiagnosisRequest { name });
        let hypotheses = match tokio::time::timeout_at(until, asked).await {
            Ok(Ok(diagnosis)) => diagnosis.hypotheses,
            Ok(Err(error)) => {
                tracing::info!(%error, incident = kept.incident.name, "what an incident came from is not known");
                return BTreeSet::new();
            }
            Err(_) => {
                tracing::info!(incident = kept.incident.name, "nobody says in time what an incident came from");
                return BTreeSet::new();
            }
        };
        let known = hypotheses.iter().filter_map(|hypothesis| Hypothesis::try_from(hypothesis).ok());
        known.filter(|hypothesis| services.contains(&hypothesis.service)).filter_map(|h| telling(h.cause)).collect()
    }
}

/// The kind of cause that evidence names first in some services. What the repair of an incident changed is left out: it
/// came after the harm of then, and is no cause of that of now.
fn named(evidence: &Evidence, incident: &Incident, services: &BTreeSet<ServiceId>) -> Option<CauseKind> {
    let began = incident.reopened_at.unwrap_or(incident.created_at);
    let acting = incident.timeline.iter().filter(|entry| entry.time >= began && entry.state.is_acting());
    let repaired = acting.map(|entry| entry.time).min().zip(incident.ended_at);
    let is_of_repair = |fact: &Fact| {
        let (Observation::Change(change), Some((from, until))) = (&fact.observation, repaired) else { return false };
        let is_meanwhile = change.time + CLOCKS_APART >= from && change.time <= until + CLOCKS_APART;
        services.contains(&change.service) && is_meanwhile
    };
    let mut evidence = evidence.clone();
    evidence.facts.retain(|fact| !is_of_repair(fact));
    let first = rank(&evidence).hypotheses.into_iter().find(|hypothesis| services.contains(&hypothesis.service))?;
    telling(first.cause)
}

/// A kind that says what to look for; the others say no more than that something is wrong.
fn telling(kind: CauseKind) -> Option<CauseKind> {
    let says_little =
        matches!(kind, CauseKind::ServiceDegradation | CauseKind::ResourceSaturation | CauseKind::TrafficSurge);
    (!says_little).then_some(kind)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)] // A helper that fails fails its test.
mod tests {
    use std::collections::BTreeMap;

    use llm_sre_domain::evidence::EvidenceId;
    use llm_sre_domain::incident::{About, Actor, Opening, Rules, Severity, State, Subject, TimelineEntry, Trigger};
    use llm_sre_domain::telemetry::{Change, ChangeKind};
    use llm_sre_domain::{AnomalyId, Direction, Signal, Timestamp};

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_secs(1_000_000 + second)
    }

    /// An incident of `cart`, in which an action was under way from the hundredth second on, and which ended at the
    /// three hundredth.
    fn repaired() -> Incident {
        let service = ServiceId::named("cart");
        let opening = Opening {
            subject: Subject { service, trigger: Trigger::Signal(Signal::Errors), dimension: "".into() },
            ordinal: 0,
            title: "cart fails".to_owned(),
            anomalies: Vec::new(),
            impacts: BTreeMap::new(),
            severity: Severity::Sev3,
            onset: at(0),
            detected_at: at(0),
            actor: Actor::product(),
            coverage: None,
        };
        let (mut incident, _) = Incident::open(opening, &Rules::default(), at(0)).unwrap();
        incident.timeline.push(TimelineEntry {
            time: at(100),
            actor: Actor::product(),
            state: State::Remediating,
            message: "execution started".to_owned(),
            about: About::Incident,
        });
        incident.ended_at = Some(at(300));
        incident
    }

    /// Errors of `cart` from a second on, and a change of it at another.
    fn shown(onset: i64, kind: ChangeKind, changed: i64) -> Evidence {
        let service = ServiceId::named("cart");
        let errors = Anomaly {
            id: AnomalyId("errors".into()),
            service: service.clone(),
            origin: Default::default(),
            signal: Signal::Errors,
            metric: "requests.error_ratio".into(),
            dimension: "".into(),
            unit: "".into(),
            onset: at(onset),
            detected_at: at(onset),
            last_seen: at(onset),
            direction: Direction::Up,
            score: 20.0,
            expected: 0.0,
            observed: 0.5,
            exemplar: String::new(),
            requests_per_s: None,
        };
        let change = Change {
            service,
            time: at(changed),
            kind,
            subject: "cart".to_owned(),
            before: "1".to_owned(),
            after: "2".to_owned(),
            description: String::new(),
        };
        let fact = |id: &str, observation| Fact { id: EvidenceId(id.to_owned()), observation };
        let facts = vec![fact("a", Observation::Anomaly(errors)), fact("c", Observation::Change(change))];
        Evidence { facts, ..Evidence::default() }
    }

    #[test]
    fn what_a_repair_changed_is_not_what_came_back() {
        let own = BTreeSet::from([ServiceId::named("cart")]);
        let cause = |kind, changed| named(&shown(500, kind, changed), &repaired(), &own);
        assert_eq!(cause(ChangeKind::Deployment, 450), Some(CauseKind::BadDeployment));
        assert_eq!(cause(ChangeKind::Configuration, 450), Some(CauseKind::BadConfiguration));
        // The clocks may be a minute apart.
        for changed in [45, 100, 200, 300, 355] {
            assert_eq!(cause(ChangeKind::Deployment, changed), None, "{changed}");
        }
        assert_eq!(cause(ChangeKind::Deployment, 30), Some(CauseKind::BadDeployment), "before the repair");
        let elsewhere = BTreeSet::from([ServiceId::named("web")]);
        assert_eq!(named(&shown(500, ChangeKind::Deployment, 450), &repaired(), &elsewhere), None);
    }
}
