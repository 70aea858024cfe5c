//! Incidents: the domain's record and the contract's, which is also the stored one.

use std::collections::{BTreeMap, VecDeque};

use llm_sre_domain::ServiceId;
use llm_sre_domain::incident::{
    About, Acknowledgement, ActionId, Actor, DiagnosisId, EscalationReason, EventId, Fingerprint, Incident, IncidentId,
    Maintenance, Notified, Resolution, ResolutionReason, Severity, State, Subject, TimelineEntry, Trigger, Window,
    WindowId,
};
use llm_sre_domain::remedy::ServicePattern;

use super::ConvertError;
use super::anomaly::signal;
use super::common::{child_id, enum_table, from_proto_time, known, required_service, required_time, to_proto_time};
use super::judgement::judgement;
use crate::incident::v1;

enum_table!(State, v1::State, {
    Open <=> Open, Diagnosing <=> Diagnosing, AwaitingApproval <=> AwaitingApproval, Remediating <=> Remediating,
    Verifying <=> Verifying, RollingBack <=> RollingBack, Escalated <=> Escalated, Resolved <=> Resolved,
    Duplicate <=> Duplicate,
});
enum_table!(Severity, v1::Severity, { Sev1 <=> Sev1, Sev2 <=> Sev2, Sev3 <=> Sev3, Sev4 <=> Sev4, Sev5 <=> Sev5 });
enum_table!(ResolutionReason, v1::ResolutionReason, {
    Measured <=> Measured, SelfRecovered <=> SelfRecovered, Manual <=> Manual, FalsePositive <=> FalsePositive,
});
enum_table!(EscalationReason, v1::EscalationReason, {
    UnresolvedDiagnosis <=> UnresolvedDiagnosis, DiagnosisFailed <=> DiagnosisFailed,
    SuggestionOnly <=> SuggestionOnly, Blocked <=> Blocked, NotApproved <=> NotApproved,
    AttemptsExhausted <=> AttemptsExhausted, OutcomeUnknown <=> OutcomeUnknown, Deadline <=> Deadline,
    RollbackFailed <=> RollbackFailed, NoAction <=> NoAction,
});

/// The name of an incident's diagnosis.
pub fn diagnosis_name(incident: IncidentId, diagnosis: &DiagnosisId) -> String {
    format!("incidents/{incident}/diagnoses/{diagnosis}")
}

/// The name of an incident's action.
pub fn action_name(incident: IncidentId, action: ActionId) -> String {
    format!("incidents/{incident}/actions/{action}")
}

/// The incident as the contract shows it, without an etag: that is the store's to give.
impl From<&Incident> for v1::Incident {
    fn from(incident: &Incident) -> Self {
        let id = incident.id;
        let signal = match incident.subject.trigger {
            Trigger::Signal(signal) => signal.into(),
            Trigger::Reported => v1::Signal::Reported,
        };
        Self {
            name: format!("incidents/{id}"),
            fingerprint: incident.fingerprint.to_string(),
            ordinal: incident.ordinal,
            state: v1::State::from(incident.state).into(),
            severity: v1::Severity::from(incident.severity).into(),
            title: incident.title.clone(),
            service: Some((&incident.subject.service).into()),
            signal: signal.into(),
            dimension: incident.subject.dimension.to_string(),
            anomalies: incident.anomalies.iter().map(Into::into).collect(),
            impacts: incident.impacts.iter().map(impact).collect(),
            onset_time: Some(to_proto_time(incident.onset)),
            detect_time: Some(to_proto_time(incident.detected_at)),
            create_time: Some(to_proto_time(incident.created_at)),
            update_time: Some(to_proto_time(incident.updated_at)),
            end_time: incident.ended_at.map(to_proto_time),
            reopen_time: incident.reopened_at.map(to_proto_time),
            resolution: incident.resolution.as_ref().map(Into::into),
            duplicate_of: incident.duplicate_of.map(|other| format!("incidents/{other}")).unwrap_or_default(),
            diagnosis: incident.diagnosis.as_ref().map(|d| diagnosis_name(id, d)).unwrap_or_default(),
            action: incident.action.map(|action| action_name(id, action)).unwrap_or_default(),
            plan_waits_for: incident.plan_waits_for.clone(),
            attempts: incident.attempts,
            deadline_time: incident.deadline.map(to_proto_time),
            acknowledgement: incident.acknowledgement.as_ref().map(Into::into),
            judgement: incident.judgement.as_ref().map(|said| judgement(id, said)),
            timeline: incident.timeline.iter().map(|entry| timeline_entry(id, entry)).collect(),
            etag: String::new(),
            escalation_reason: incident.escalation.map_or(v1::EscalationReason::Unspecified, Into::into).into(),
            applied_event_ids: incident.applied.iter().map(ToString::to_string).collect(),
            last_notification: incident.notified.map(|notified| v1::Notification {
                time: Some(to_proto_time(notified.time)),
                urgent: notified.is_urgent,
            }),
            maintenance: incident.maintenance.as_ref().map(Into::into),
        }
    }
}

impl TryFrom<&v1::Incident> for Incident {
    type Error = ConvertError;
    fn try_from(incident: &v1::Incident) -> Result<Self, ConvertError> {
        let optional_time = |time: &Option<pbjson_types::Timestamp>| time.as_ref().map(from_proto_time);
        let restored = Self {
            id: incident_id("name", &incident.name)?,
            subject: subject(incident)?,
            fingerprint: parsed::<Fingerprint>("fingerprint", &incident.fingerprint)?,
            ordinal: incident.ordinal,
            state: known("state", incident.state, |value: v1::State| value.into())?,
            severity: known("severity", incident.severity, |value: v1::Severity| value.into())?,
            title: incident.title.clone(),
            anomalies: incident.anomalies.iter().map(TryInto::try_into).collect::<Result<_, _>>()?,
            impacts: impacts(&incident.impacts)?,
            onset: required_time("onset_time", incident.onset_time.as_ref())?,
            detected_at: required_time("detect_time", incident.detect_time.as_ref())?,
            created_at: required_time("create_time", incident.create_time.as_ref())?,
            updated_at: required_time("update_time", incident.update_time.as_ref())?,
            reopened_at: optional_time(&incident.reopen_time),
            ended_at: optional_time(&incident.end_time),
            resolution: incident.resolution.as_ref().map(TryInto::try_into).transpose()?,
            duplicate_of: optional_incident("duplicate_of", &incident.duplicate_of)?,
            escalation: escalation(incident.escalation_reason)?,
            diagnosis: diagnosis_id("diagnosis", &incident.diagnosis)?,
            action: action_id("action", &incident.action)?,
            plan_waits_for: incident.plan_waits_for.clone(),
            attempts: incident.attempts,
            acknowledgement: incident.acknowledgement.as_ref().map(TryInto::try_into).transpose()?,
            judgement: incident.judgement.as_ref().map(TryInto::try_into).transpose()?,
            deadline: optional_time(&incident.deadline_time),
            timeline: incident.timeline.iter().map(from_timeline_entry).collect::<Result<_, _>>()?,
            notified: incident.last_notification.as_ref().map(notified).transpose()?,
            maintenance: incident.maintenance.as_ref().map(TryInto::try_into).transpose()?,
            applied: incident
                .applied_event_ids
                .iter()
                .map(|id| EventId::new(id).map_err(invalid("applied_event_ids")))
                .collect::<Result<VecDeque<_>, _>>()?,
        };
        restored.check().map_err(invalid("incident"))?;
        Ok(restored)
    }
}

/// What the names of maintenance windows begin with.
pub const WINDOWS: &str = "maintenanceWindows/";

fn window_id(field: &'static str, name: &str) -> Result<WindowId, ConvertError> {
    WindowId::new(name.strip_prefix(WINDOWS).unwrap_or_default()).map_err(invalid(field))
}

impl From<&Maintenance> for v1::Maintenance {
    fn from(maintenance: &Maintenance) -> Self {
        Self {
            window: format!("{WINDOWS}{}", maintenance.window),
            end_time: Some(to_proto_time(maintenance.until)),
            withheld: maintenance.withheld,
            over_time: maintenance.over_at.map(to_proto_time),
        }
    }
}

impl TryFrom<&v1::Maintenance> for Maintenance {
    type Error = ConvertError;
    fn try_from(maintenance: &v1::Maintenance) -> Result<Self, ConvertError> {
        Ok(Self {
            window: window_id("maintenance.window", &maintenance.window)?,
            until: required_time("maintenance.end_time", maintenance.end_time.as_ref())?,
            withheld: maintenance.withheld,
            over_at: maintenance.over_time.as_ref().map(from_proto_time),
        })
    }
}

impl TryFrom<&v1::MaintenanceWindow> for Window {
    type Error = ConvertError;
    fn try_from(window: &v1::MaintenanceWindow) -> Result<Self, ConvertError> {
        let services = window.services.iter().map(|text| ServicePattern::parse(text).map_err(invalid("services")));
        Ok(Self {
            id: window_id("name", &window.name)?,
            services: services.collect::<Result<_, _>>()?,
            start: window.start_time.as_ref().map(from_proto_time),
            end: required_time("end_time", window.end_time.as_ref())?,
        })
    }
}

/// An incident's id from its name.
pub fn incident_id(field: &'static str, name: &str) -> Result<IncidentId, ConvertError> {
    let id = name.strip_prefix("incidents/").unwrap_or_default();
    parsed(field, id)
}

/// A diagnosis' id from its name; `None` for the empty name.
pub fn diagnosis_id(field: &'static str, name: &str) -> Result<Option<DiagnosisId>, ConvertError> {
    child_id(field, name, "diagnoses")?.map(|id| DiagnosisId::new(id).map_err(invalid(field))).transpose()
}

/// An action's id from its name; `None` for the empty name.
pub fn action_id(field: &'static str, name: &str) -> Result<Option<ActionId>, ConvertError> {
    child_id(field, name, "actions")?.map(|id| parsed(field, id)).transpose()
}

fn parsed<T: std::str::FromStr<Err: std::fmt::Display>>(field: &'static str, text: &str) -> Result<T, ConvertError> {
    text.parse().map_err(invalid(field))
}

fn invalid<E: std::fmt::Display>(field: &'static str) -> impl Fn(E) -> ConvertError {
    move |error| ConvertError::Invalid { field, reason: error.to_string() }
}

fn actor(field: &'static str, name: &str) -> Result<Actor, ConvertError> {
    Actor::new(name).map_err(invalid(field))
}

fn optional_incident(field: &'static str, name: &str) -> Result<Option<IncidentId>, ConvertError> {
    if name.is_empty() { Ok(None) } else { incident_id(field, name).map(Some) }
}

fn subject(incident: &v1::Incident) -> Result<Subject, ConvertError> {
    let trigger = |found| match found {
        v1::Signal::Reported => Some(Trigger::Reported),
        other => signal(other).map(Trigger::Signal),
    };
    Ok(Subject {
        service: required_service("service", incident.service.as_ref())?,
        trigger: known("signal", incident.signal, trigger)?,
        dimension: incident.dimension.as_str().into(),
    })
}

fn escalation(number: i32) -> Result<Option<EscalationReason>, ConvertError> {
    if number == 0 {
        return Ok(None);
    }
    known("escalation_reason", number, |value: v1::EscalationReason| value.into()).map(Some)
}

fn impact((service, onset): (&ServiceId, &llm_sre_domain::Timestamp)) -> v1::Impact {
    v1::Impact { service: Some(service.into()), onset_time: Some(to_proto_time(*onset)) }
}

fn impacts(impacts: &[v1::Impact]) -> Result<BTreeMap<ServiceId, llm_sre_domain::Timestamp>, ConvertError> {
    let convert = |impact: &v1::Impact| {
        let service = required_service("impacts.service", impact.service.as_ref())?;
        Ok((service, required_time("impacts.onset_time", impact.onset_time.as_ref())?))
    };
    impacts.iter().map(convert).collect()
}

fn notified(notification: &v1::Notification) -> Result<Notified, ConvertError> {
    let time = required_time("last_notification.time", notification.time.as_ref())?;
    Ok(Notified { time, is_urgent: notification.urgent })
}

impl From<&Resolution> for v1::Resolution {
    fn from(resolution: &Resolution) -> Self {
        Self {
            reason: v1::ResolutionReason::from(resolution.reason).into(),
            actor: resolution.actor.to_string(),
            note: resolution.note.clone(),
            time: Some(to_proto_time(resolution.time)),
        }
    }
}

impl TryFrom<&v1::Resolution> for Resolution {
    type Error = ConvertError;
    fn try_from(resolution: &v1::Resolution) -> Result<Self, ConvertError> {
        Ok(Self {
            reason: known("resolution.reason", resolution.reason, |value: v1::ResolutionReason| value.into())?,
            actor: actor("resolution.actor", &resolution.actor)?,
            note: resolution.note.clone(),
            time: required_time("resolution.time", resolution.time.as_ref())?,
        })
    }
}

impl From<&Acknowledgement> for v1::Acknowledgement {
    fn from(acknowledgement: &Acknowledgement) -> Self {
        Self {
            actor: acknowledgement.actor.to_string(),
            note: acknowledgement.note.clone(),
            time: Some(to_proto_time(acknowledgement.time)),
        }
    }
}

impl TryFrom<&v1::Acknowledgement> for Acknowledgement {
    type Error = ConvertError;
    fn try_from(acknowledgement: &v1::Acknowledgement) -> Result<Self, ConvertError> {
        Ok(Self {
            actor: actor("acknowledgement.actor", &acknowledgement.actor)?,
            note: acknowledgement.note.clone(),
            time: required_time("acknowledgement.time", acknowledgement.time.as_ref())?,
        })
    }
}

fn timeline_entry(incident: IncidentId, entry: &TimelineEntry) -> v1::TimelineEntry {
    let resource = match &entry.about {
        About::Incident => String::new(),
        About::Diagnosis(diagnosis) => diagnosis_name(incident, diagnosis),
        About::Action(action) => action_name(incident, *action),
    };
    v1::TimelineEntry {
        time: Some(to_proto_time(entry.time)),
        actor: entry.actor.to_string(),
        state: v1::State::from(entry.state).into(),
        message: entry.message.clone(),
        resource,
    }
}

fn from_timeline_entry(entry: &v1::TimelineEntry) -> Result<TimelineEntry, ConvertError> {
    let about = if entry.resource.contains("/diagnoses/") {
        diagnosis_id("timeline.resource", &entry.resource)?.map_or(About::Incident, About::Diagnosis)
    } else {
        action_id("timeline.resource", &entry.resource)?.map_or(About::Incident, About::Action)
    };
    Ok(TimelineEntry {
        time: required_time("timeline.time", entry.time.as_ref())?,
        actor: actor("timeline.actor", &entry.actor)?,
        state: known("timeline.state", entry.state, |value: v1::State| value.into())?,
        message: entry.message.clone(),
        about,
    })
}
