//! From findings to incidents.

use std::time::Duration;

use llm_sre_domain::correlate::Case;
use llm_sre_domain::incident::{
    Actor, EventKind, Fingerprint, Incident, IncidentId, Opening, State, Subject, Trigger, Verdict,
};
use llm_sre_domain::quantity::Quantity;
use llm_sre_domain::{Anomaly, Direction, ServiceId, Signal};
use llm_sre_mesh::metrics::instruments;
use llm_sre_mesh::records::{Stored, Write};
use llm_sre_mesh::{names, status};
use llm_sre_ports::documents::Filter;
use llm_sre_proto::diagnosis::v1::EvidenceSnapshot;
use tonic::{Code, Status};

use crate::Service;
use crate::brain::{Finding, Opened};
use crate::impact::Impact;
use crate::kept::Kept;

/// Other writers, or incidents that cannot be read, that an opening is tried against.
pub(crate) const ATTEMPTS_MAX: u32 = 8;

/// What is read again, with less of the past, is sure at a slightly other time.
const TOGETHER: Duration = Duration::from_secs(600);

/// The newest of a fingerprint that are read, to find one that can be.
const LATEST_READ: usize = 4;

/// When and by whom what a finding came from was handled first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Age {
    /// Now, and by this instance.
    New,
    /// Before this start: it opens nothing, unless it shows still when all of that was read again and no incident is
    /// known to be of it.
    Known,
    /// By another instance, while this one stands by: it writes nothing.
    Watched,
}

impl Service {
    /// Stores what a finding means. Safe to repeat.
    pub(crate) async fn note(&self, finding: &Finding, age: Age) -> Result<(), Status> {
        self.keep(finding, age).await?;
        if age != Age::Watched {
            measure(finding);
        }
        Ok(())
    }

    async fn keep(&self, finding: &Finding, age: Age) -> Result<(), Status> {
        match finding {
            Finding::Opened(opened) => self.raise(opened, age).await,
            Finding::Grown(..) | Finding::Recovered(_) if age == Age::Watched => Ok(()),
            Finding::Grown(incident, anomalies, impact) => {
                self.if_there(*incident, ignore_ended(self.join(*incident, anomalies, impact).await))
            }
            Finding::Recovered(incident) => self.if_there(*incident, self.recovered(*incident).await),
        }
    }

    /// What came of telling an incident, where that can still be told: of one that somebody removed, or that cannot be
    /// read, nothing is measured any more, and what its cases show from now on is new trouble.
    fn if_there(&self, incident: IncidentId, told: Result<(), Status>) -> Result<(), Status> {
        match told {
            Err(error) if matches!(error.code(), Code::NotFound | Code::Internal) => {
                tracing::error!(%error, %incident, "an incident that lives is lost");
                self.brain().ended(incident);
                Ok(())
            }
            other => other,
        }
    }

    async fn recovered(&self, incident: IncidentId) -> Result<(), Status> {
        let recovered = self.event("", EventKind::RecoveryMeasured { verdict: Verdict::Recovered })?;
        let stored = match self.apply(&name(incident), &recovered).await {
            // An action at work says itself whether it helped; and what ended meanwhile is measured no more.
            Err(error) if error.code() == Code::FailedPrecondition => self.find(&name(incident)).await,
            other => other,
        };
        let kept = stored?.message;
        self.measure_while_living(&kept.domain()?, &kept.roots);
        Ok(())
    }

    async fn raise(&self, opened: &Opened, age: Age) -> Result<(), Status> {
        let Some((service, signal)) = opened.case.subject(&opened.argument) else {
            tracing::error!(case = opened.case.number, "a case shows no signal of what it is about");
            return Ok(());
        };
        let anomalies: Vec<Anomaly> = opened.case.anomalies.values().cloned().collect();
        let subject = Subject { service: service.clone(), trigger: Trigger::Signal(signal), dimension: "".into() };
        let fingerprint = Fingerprint::of(&subject).map_err(|error| status::internal(error.to_string()))?;
        let mut ordinal_min = 0;
        for _ in 0..ATTEMPTS_MAX {
            // At the same time: trouble waits for all three.
            let ended = self.ended_about(opened, &service);
            let living = self.living_for(opened, &service, age);
            let (living, latest, ended) = tokio::try_join!(living, self.latest(&fingerprint), ended)?;
            if let Some(living) = living {
                let incident = living.message.domain()?.id;
                self.brain().follow(opened.case.number, incident);
                if age == Age::Watched {
                    return Ok(());
                }
                return self.join(incident, &anomalies, &opened.impact).await;
            }
            if age != Age::New {
                let mut brain = self.brain();
                if latest.iter().chain(&ended).any(|ended| has_ended(&ended.message, &opened.case)) {
                    // What comes later is looked at by itself.
                    brain.let_go(opened.case.number);
                } else {
                    brain.leave_unclaimed(opened.case.number);
                }
                return Ok(());
            }
            if let Some(incident) = Box::pin(self.bring_back(latest.as_ref(), &ended, opened, &anomalies)).await? {
                self.brain().follow(opened.case.number, incident);
                return Ok(());
            }
            let ordinal = latest.map_or(0, |latest| latest.message.incident.ordinal + 1).max(ordinal_min);
            if let Some(incident) = self.open(subject.clone(), ordinal, opened, &anomalies).await? {
                self.brain().follow(opened.case.number, incident);
                return Ok(());
            }
            // Another instance opened one with this ordinal, or it is that of one which cannot be read.
            ordinal_min = ordinal + 1;
        }
        // To try for ever would stop detection.
        Err(status::internal(format!("no number is free for another incident with fingerprint {fingerprint}")))
    }

    async fn open(
        &self,
        subject: Subject,
        ordinal: u32,
        opened: &Opened,
        anomalies: &[Anomaly],
    ) -> Result<Option<IncidentId>, Status> {
        let opening = Opening {
            title: title(&subject.service, &opened.case),
            coverage: self.coverage_of(&subject.service).await?,
            subject,
            ordinal,
            anomalies: anomalies.to_vec(),
            impacts: opened.impact.services.clone(),
            severity: opened.impact.severity,
            onset: opened.case.onset,
            detected_at: opened.case.detected_at,
            actor: Actor::product(),
        };
        let (incident, effects) = Incident::open(opening, &self.options.rules, self.clock.now())
            .map_err(|error| status::internal(error.to_string()))?;
        let mut kept = Kept::new(&incident, &effects, self.stages.now_unix_nano());
        kept.snapshot = Some(EvidenceSnapshot::from(&opened.evidence));
        kept.roots.clone_from(&opened.impact.roots);
        Ok(self.create(&incident, &kept).await?.then_some(incident.id))
    }

    /// Creates the record of an incident; `false` where it exists.
    pub(crate) async fn create(&self, incident: &Incident, kept: &Kept) -> Result<bool, Status> {
        let written = self.records.create(&incident.id.to_string(), kept, kept.attributes()).await?;
        if matches!(written, Write::Conflict) {
            return Ok(false);
        }
        kept.announce(incident);
        self.measure_while_living(incident, &kept.roots);
        self.owing.note(&incident.id.to_string());
        self.stepped.notify_one();
        Ok(true)
    }

    /// Reopens what ended a short while ago.
    pub(crate) async fn reopen(
        &self,
        latest: &Stored<Kept>,
        opened: &Opened,
        anomalies: &[Anomaly],
    ) -> Result<Option<IncidentId>, Status> {
        let incident = latest.message.domain()?;
        let (true, Some(first)) = (self.may_reopen(&incident), anomalies.first()) else {
            return Ok(None);
        };
        let severity = opened.impact.severity;
        // It needs no name of its own: once it is reopened, its state says so.
        let (anomaly, coverage) = (Box::new(first.clone()), self.coverage_of(&incident.subject.service).await?);
        let reopened = self.event("", EventKind::Reopened { anomaly, severity, coverage })?;
        let snapshot = EvidenceSnapshot::from(&opened.evidence);
        let edit = |kept: &mut Kept| {
            kept.snapshot = Some(snapshot.clone());
            kept.roots.clone_from(&opened.impact.roots);
        };
        let name = &latest.message.incident.name;
        self.apply_all(name, "", &[reopened], edit).await?;
        self.join(incident.id, anomalies, &opened.impact).await?;
        Ok(Some(incident.id))
    }

    /// Whether trouble that comes back now can be that of an incident.
    pub(crate) fn may_reopen(&self, incident: &Incident) -> bool {
        let window = Duration::from_secs(self.options.rules.reopen_window_s);
        let is_recent = incident.ended_at.is_some_and(|ended| self.clock.now() <= ended + window);
        incident.state == State::Resolved && is_recent
    }

    async fn join(&self, incident: IncidentId, anomalies: &[Anomaly], impact: &Impact) -> Result<(), Status> {
        let name = name(incident);
        let kind = EventKind::ImpactMeasured { impacts: impact.services.clone(), severity: impact.severity };
        let mut events = vec![self.event("", kind)?];
        for anomaly in anomalies {
            events.push(self.event("", EventKind::AnomalyJoined(Box::new(anomaly.clone())))?);
        }
        let edit = |kept: &mut Kept| kept.roots.extend(impact.roots.iter().cloned());
        self.apply_all(&name, "", &events, edit).await.map(|_| ())
    }

    /// The newest living incident that a case about this service is of: one with the same cause, or else one that the
    /// service takes part in. The latter may have another cause, which is for the call graph to say; but what is read
    /// again comes out a little different each time.
    async fn living_for(&self, opened: &Opened, service: &ServiceId, age: Age) -> Result<Option<Stored<Kept>>, Status> {
        let roots = &opened.impact.roots;
        let mut takes_part = None;
        for stored in self.living().await? {
            let Some(incident) = stored.message.readable() else { continue };
            // What a start reads again may be of an incident before the one that lives.
            if age != Age::New && !is_of(&opened.case, &incident) {
                continue;
            }
            if stored.message.is_about(&incident, service, roots) {
                return Ok(Some(stored));
            }
            if takes_part.is_none()
                && incident.anomalies.iter().any(|anomaly| anomaly.service == *service)
                && (age != Age::New || self.brain().are_related(roots, &stored.message.roots))
            {
                takes_part = Some(stored);
            }
        }
        Ok(takes_part)
    }

    /// The incident with this fingerprint that has the highest ordinal of those that can be read.
    pub(crate) async fn latest(&self, fingerprint: &Fingerprint) -> Result<Option<Stored<Kept>>, Status> {
        let filter = Filter::default().with("fingerprint", &fingerprint.to_string());
        let (found, _) = self.records.list_readable(filter, None, LATEST_READ).await?;
        Ok(found.into_iter().find(|stored| stored.message.readable().is_some()))
    }
}

/// Whether a case from before can be of an incident: it was sure of no more than a little before that. What joined the
/// incident was sure later; a person's report says nothing of when it was.
fn is_of(case: &Case, incident: &Incident) -> bool {
    incident.subject.trigger == Trigger::Reported || case.detected_at + TOGETHER >= incident.detected_at
}

/// Whether an incident ended that a case from before can be of.
fn has_ended(kept: &Kept, case: &Case) -> bool {
    let is_its_end = |incident: Incident| {
        is_of(case, &incident) && incident.ended_at.is_some_and(|ended_at| ended_at >= case.detected_at)
    };
    kept.readable().is_some_and(is_its_end)
}

fn measure(finding: &Finding) {
    let kind = match finding {
        Finding::Opened(_) => "opened",
        Finding::Grown(..) => "grown",
        Finding::Recovered(_) => "recovered",
    };
    instruments().detector_findings.add(1, &[("llm_sre.finding", kind.into())]);
}

fn ignore_ended(result: Result<(), Status>) -> Result<(), Status> {
    match result {
        Err(error) if error.code() == Code::FailedPrecondition => Ok(()),
        other => other,
    }
}

pub(crate) fn name(incident: IncidentId) -> String {
    names::incident(uuid::Uuid::from_bytes(incident.bytes()))
}

/// One line for people: the strongest signal of the service that it is about.
fn title(service: &ServiceId, case: &Case) -> String {
    let own = case.anomalies.values().filter(|anomaly| anomaly.service == *service);
    // Load and what nobody knows the meaning of say least.
    let says_little = |anomaly: &Anomaly| {
        matches!(anomaly.signal, Signal::Traffic | Signal::Other | Signal::FlatLine | Signal::Drift)
    };
    let strongest = own.max_by(|a, b| says_little(b).cmp(&says_little(a)).then(a.score.total_cmp(&b.score)));
    match strongest {
        Some(anomaly) if anomaly.signal == Signal::Silence => format!("{service} is silent"),
        Some(anomaly) => {
            let way = if anomaly.direction == Direction::Up { "up" } else { "down" };
            let said = |value| Quantity { value, unit: &anomaly.unit };
            let (observed, usual) = (said(anomaly.observed), said(anomaly.expected));
            format!("{service}: {} {way} to {observed} (usually {usual})", anomaly.metric)
        }
        None => format!("{service} has trouble"),
    }
}
