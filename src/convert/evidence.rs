//! Evidence: facts, changes, log templates and the call graph.

use llm_sre_domain::evidence::{Evidence, EvidenceId, Fact, Gap, LogTemplate, Observation, Precedent};
use llm_sre_domain::incident::Ruling;
use llm_sre_domain::telemetry::{Change, ChangeKind, LogSeverity};
use llm_sre_domain::topology::Topology;
use llm_sre_domain::{ServiceId, Timestamp};

use super::common::{enum_table, known, origin, required_service, required_time, to_proto_time};
use super::{ConvertError, attempt};
use crate::diagnosis::v1;
use crate::telemetry::v1 as telemetry;

enum_table!(ChangeKind, telemetry::ChangeKind, {
    Deployment <=> Deployment, FeatureFlag <=> FeatureFlag, Configuration <=> Configuration, Scaling <=> Scaling,
    Restart <=> Restart,
});

impl From<LogSeverity> for telemetry::LogSeverity {
    fn from(severity: LogSeverity) -> Self {
        match severity {
            LogSeverity::Unspecified => Self::Unspecified,
            LogSeverity::Trace => Self::Trace,
            LogSeverity::Debug => Self::Debug,
            LogSeverity::Info => Self::Info,
            LogSeverity::Warn => Self::Warn,
            LogSeverity::Error => Self::Error,
            LogSeverity::Fatal => Self::Fatal,
        }
    }
}

impl From<telemetry::LogSeverity> for LogSeverity {
    fn from(severity: telemetry::LogSeverity) -> Self {
        use telemetry::LogSeverity as From;
        match severity {
            From::Unspecified => Self::Unspecified,
            From::Trace => Self::Trace,
            From::Debug => Self::Debug,
            From::Info => Self::Info,
            From::Warn => Self::Warn,
            From::Error => Self::Error,
            From::Fatal => Self::Fatal,
        }
    }
}

impl From<&Change> for telemetry::Change {
    fn from(change: &Change) -> Self {
        Self {
            service: Some((&change.service).into()),
            time: Some(to_proto_time(change.time)),
            kind: telemetry::ChangeKind::from(change.kind).into(),
            subject: change.subject.clone(),
            before: change.before.clone(),
            after: change.after.clone(),
            description: change.description.clone(),
        }
    }
}

impl TryFrom<&telemetry::Change> for Change {
    type Error = ConvertError;
    fn try_from(change: &telemetry::Change) -> Result<Self, ConvertError> {
        Ok(Self {
            service: required_service("change.service", change.service.as_ref())?,
            time: required_time("change.time", change.time.as_ref())?,
            kind: known("change.kind", change.kind, |value: telemetry::ChangeKind| value.into())?,
            subject: change.subject.clone(),
            before: change.before.clone(),
            after: change.after.clone(),
            description: change.description.clone(),
        })
    }
}

impl From<&LogTemplate> for v1::LogTemplate {
    fn from(template: &LogTemplate) -> Self {
        Self {
            service: Some((&template.service).into()),
            origin: Some((&template.origin).into()),
            template: template.template.clone(),
            severity: telemetry::LogSeverity::from(template.severity).into(),
            count: template.count,
            first_seen_time: Some(to_proto_time(template.first_seen)),
            is_new: template.is_new,
            exemplars: template.exemplars.clone(),
            exemplar_trace_ids: template.exemplar_traces.clone(),
        }
    }
}

impl TryFrom<&v1::LogTemplate> for LogTemplate {
    type Error = ConvertError;
    fn try_from(template: &v1::LogTemplate) -> Result<Self, ConvertError> {
        let severity = known("log_template.severity", template.severity, Some::<telemetry::LogSeverity>)?;
        Ok(Self {
            service: required_service("log_template.service", template.service.as_ref())?,
            origin: origin(template.origin.as_ref()),
            template: template.template.clone(),
            severity: severity.into(),
            count: template.count,
            first_seen: required_time("log_template.first_seen_time", template.first_seen_time.as_ref())?,
            is_new: template.is_new,
            exemplars: template.exemplars.clone(),
            exemplar_traces: template.exemplar_trace_ids.clone(),
        })
    }
}

impl From<&Fact> for v1::Evidence {
    fn from(fact: &Fact) -> Self {
        use v1::evidence::Fact as Body;
        let (service, time, summary, body) = match &fact.observation {
            Observation::Anomaly(anomaly) => {
                (&anomaly.service, anomaly.onset, anomaly_line(anomaly), Body::Anomaly(anomaly.into()))
            }
            Observation::LogTemplate(template) => {
                (&template.service, template.first_seen, template_line(template), Body::LogTemplate(template.into()))
            }
            Observation::Change(change) => {
                (&change.service, change.time, change_line(change), Body::Change(change.into()))
            }
            Observation::Precedent(precedent) => {
                let line = precedent_line(precedent);
                (&precedent.service, precedent.judged_at, line, Body::Precedent(precedent.into()))
            }
            Observation::Attempt(attempt) => {
                (&attempt.cause.service, attempt.executed_at, attempt::line(attempt), Body::Attempt(attempt.into()))
            }
        };
        Self {
            id: fact.id.0.clone(),
            service: Some(service.into()),
            time: Some(to_proto_time(time)),
            summary,
            fact: Some(body),
        }
    }
}

fn anomaly_line(anomaly: &llm_sre_domain::Anomaly) -> String {
    let place =
        if anomaly.origin.instance.is_empty() { String::new() } else { format!(" of {}", anomaly.origin.instance) };
    let dimension = if anomaly.dimension.is_empty() { String::new() } else { format!(" {}", anomaly.dimension) };
    let unit = if anomaly.unit.is_empty() { String::new() } else { format!(" {}", anomaly.unit) };
    let (seen, usual) = (anomaly.observed, anomaly.expected);
    format!("{}{dimension}{place} reached {seen:.4}{unit}, usually {usual:.4}{unit}", anomaly.metric)
}

fn template_line(template: &LogTemplate) -> String {
    let novelty = if template.is_new { "new, " } else { "" };
    format!("{novelty}{} times: {}", template.count, template.template)
}

fn change_line(change: &Change) -> String {
    let kind = match change.kind {
        ChangeKind::Deployment => "deployment",
        ChangeKind::FeatureFlag => "feature flag",
        ChangeKind::Configuration => "configuration",
        ChangeKind::Scaling => "scaling",
        ChangeKind::Restart => "restart",
    };
    format!("{kind} of {}: '{}' to '{}'", change.subject, change.before, change.after)
}

fn precedent_line(precedent: &Precedent) -> String {
    let what = if precedent.is_same { "the same fingerprint" } else { "the same service" };
    let diagnosed = precedent.diagnosed.as_ref().map(ToString::to_string).unwrap_or_else(|| "no cause".to_owned());
    let said = match &precedent.ruling {
        Ruling::FalseAlarm => "was a false alarm".to_owned(),
        Ruling::Confirmed => format!("was diagnosed rightly as {diagnosed}"),
        Ruling::OtherCause(cause) => format!("was {cause}; it had been diagnosed as {diagnosed}"),
    };
    format!("a person said that incidents/{} with {what} {said}", precedent.incident)
}

impl TryFrom<&v1::Evidence> for Fact {
    type Error = ConvertError;
    fn try_from(evidence: &v1::Evidence) -> Result<Self, ConvertError> {
        use v1::evidence::Fact as Body;
        let observation = match evidence.fact.as_ref().ok_or(ConvertError::Missing("fact"))? {
            Body::Anomaly(anomaly) => Observation::Anomaly(anomaly.try_into()?),
            Body::LogTemplate(template) => Observation::LogTemplate(template.try_into()?),
            Body::Change(change) => Observation::Change(change.try_into()?),
            Body::Precedent(precedent) => Observation::Precedent(precedent.try_into()?),
            Body::Attempt(attempt) => Observation::Attempt(attempt.try_into()?),
        };
        Ok(Self { id: EvidenceId(evidence.id.clone()), observation })
    }
}

/// The call graph as the contract shows it; counts are unknown to the domain and stay zero.
pub fn calls(topology: &Topology) -> Vec<telemetry::ServiceCall> {
    let call = |(client, server, seen): (&ServiceId, &ServiceId, Timestamp)| telemetry::ServiceCall {
        client: Some(client.into()),
        server: Some(server.into()),
        call_count: 0.0,
        last_seen_time: Some(to_proto_time(seen)),
    };
    topology.edges().map(call).collect()
}

/// The call graph from the contract.
pub fn topology(calls: &[telemetry::ServiceCall]) -> Result<Topology, ConvertError> {
    let mut topology = Topology::default();
    for call in calls {
        let client = required_service("calls.client", call.client.as_ref())?;
        let server = required_service("calls.server", call.server.as_ref())?;
        topology.observe(&client, &server, required_time("calls.last_seen_time", call.last_seen_time.as_ref())?);
    }
    Ok(topology)
}

impl From<&Gap> for v1::EvidenceGap {
    fn from(gap: &Gap) -> Self {
        Self { subject: gap.subject.clone(), reason: gap.reason.clone() }
    }
}

impl From<&v1::EvidenceGap> for Gap {
    fn from(gap: &v1::EvidenceGap) -> Self {
        Self { subject: gap.subject.clone(), reason: gap.reason.clone() }
    }
}

impl From<&Evidence> for v1::EvidenceSnapshot {
    fn from(evidence: &Evidence) -> Self {
        Self {
            as_of_time: Some(to_proto_time(evidence.as_of)),
            facts: evidence.facts.iter().map(Into::into).collect(),
            calls: calls(&evidence.topology),
            gaps: evidence.gaps.iter().map(Into::into).collect(),
            apart: evidence.apart.iter().map(Into::into).collect(),
        }
    }
}

impl TryFrom<&v1::EvidenceSnapshot> for Evidence {
    type Error = ConvertError;
    fn try_from(snapshot: &v1::EvidenceSnapshot) -> Result<Self, ConvertError> {
        let apart = snapshot.apart.iter().map(|service| required_service("snapshot.apart", Some(service)));
        Ok(Self {
            as_of: required_time("snapshot.as_of_time", snapshot.as_of_time.as_ref())?,
            facts: snapshot.facts.iter().map(TryInto::try_into).collect::<Result<_, _>>()?,
            topology: topology(&snapshot.calls)?,
            gaps: snapshot.gaps.iter().map(Into::into).collect(),
            apart: apart.collect::<Result<_, _>>()?,
        })
    }
}
