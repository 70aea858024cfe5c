//! Which log records tell of a change.
//!
//! OpenTelemetry has no convention for changes yet, so this reads what senders write: an event whose name begins with
//! the kind of change, or a Kubernetes event of scaling. What was changed comes from `change.subject`, `change.before`
//! and `change.after`, or else from the conventions' own attributes for that kind.

use crate::telemetry::{Change, ChangeKind, LogRecord};

/// Kinds by how an event's name begins, whole words only. A feature flag's evaluation is no change, and happens with
/// every request.
const NAMES: [(&str, ChangeKind); 14] = [
    ("deployment", ChangeKind::Deployment),
    ("service.deployment", ChangeKind::Deployment),
    ("release", ChangeKind::Deployment),
    ("rollout", ChangeKind::Deployment),
    ("feature_flag.change", ChangeKind::FeatureFlag),
    ("feature_flag.changed", ChangeKind::FeatureFlag),
    ("feature_flag.update", ChangeKind::FeatureFlag),
    ("feature_flag.updated", ChangeKind::FeatureFlag),
    ("configuration", ChangeKind::Configuration),
    ("config", ChangeKind::Configuration),
    ("scaling", ChangeKind::Scaling),
    ("restart", ChangeKind::Restart),
    ("process.restart", ChangeKind::Restart),
    ("service.restart", ChangeKind::Restart),
];

/// Reasons of Kubernetes events, as the Collector's receivers hand them on.
const KUBERNETES_REASONS: [&str; 2] = ["ScalingReplicaSet", "SuccessfulRescale"];

impl Change {
    /// The change that a record tells of; `None` for every other record.
    pub fn from_log(record: &LogRecord) -> Option<Self> {
        let kind = kind(record)?;
        let first = |keys: &[&str]| {
            let value = keys.iter().find_map(|key| record.attributes.get(*key).filter(|value| !value.is_empty()));
            value.map(|value| value.to_string())
        };
        let (subjects, befores, afters): (&[&str], &[&str], &[&str]) = match kind {
            ChangeKind::Deployment => (
                &["deployment.name", "deployment.id"],
                &["service.version.previous", "deployment.version.previous"],
                &["service.version", "deployment.version"],
            ),
            ChangeKind::FeatureFlag => (
                &["feature_flag.key"],
                &["feature_flag.result.variant.previous", "feature_flag.variant.previous"],
                &["feature_flag.result.variant", "feature_flag.variant", "feature_flag.result.value"],
            ),
            ChangeKind::Configuration => (&["config.key"], &["config.value.previous"], &["config.value"]),
            ChangeKind::Scaling => (&["k8s.object.name", "k8s.deployment.name"], &[], &[]),
            ChangeKind::Restart => (&["service.instance.id", "k8s.pod.name"], &[], &[]),
        };
        let named = |general: &str, keys: &[&str]| first(&[general]).or_else(|| first(keys));
        let version = || if kind == ChangeKind::Deployment { record.origin.version.to_string() } else { String::new() };
        Some(Self {
            service: record.service.clone(),
            time: record.time,
            kind,
            subject: named("change.subject", subjects).unwrap_or_else(|| match kind {
                // A setting has a name of its own, and a wrong one would be taken for it.
                ChangeKind::Configuration | ChangeKind::FeatureFlag => String::new(),
                _ => record.service.name.to_string(),
            }),
            before: named("change.before", befores).unwrap_or_default(),
            after: named("change.after", afters).unwrap_or_else(version),
            description: record.body.clone(),
        })
    }
}

fn kind(record: &LogRecord) -> Option<ChangeKind> {
    let reason = record.attributes.get("k8s.event.reason");
    if reason.is_some_and(|reason| KUBERNETES_REASONS.contains(&&**reason)) {
        return Some(ChangeKind::Scaling);
    }
    let named = NAMES.iter().find(|(name, _)| {
        let rest = record.event_name.strip_prefix(name);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    });
    named.map(|(_, kind)| *kind)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::telemetry::{LogSeverity, Origin};
    use crate::{ServiceId, Timestamp};

    fn check(event_name: &str, attributes: &[(&str, &str)], expected: Option<(ChangeKind, &str, &str, &str)>) {
        let record = LogRecord {
            service: ServiceId::named("cart"),
            origin: Origin { instance: "".into(), version: "7".into() },
            time: Timestamp::from_secs(1),
            severity: LogSeverity::Info,
            body: "it was changed".to_owned(),
            event_name: event_name.into(),
            attributes: attributes.iter().map(|(key, value)| (Arc::from(*key), Arc::from(*value))).collect(),
            trace_id: None,
            span_id: None,
        };
        let change = Change::from_log(&record);
        let found = change.as_ref().map(|change| (change.kind, &*change.subject, &*change.before, &*change.after));
        assert_eq!(found, expected, "{event_name}");
    }

    #[test]
    fn records_that_tell_of_a_change() {
        check("deployment", &[], Some((ChangeKind::Deployment, "cart", "", "7")));
        let rollout = [("deployment.name", "web"), ("service.version.previous", "1"), ("service.version", "2")];
        check("deployment.finished", &rollout, Some((ChangeKind::Deployment, "web", "1", "2")));
        let flag = [("feature_flag.key", "new-cart"), ("change.before", "off"), ("change.after", "on")];
        check("feature_flag.changed", &flag, Some((ChangeKind::FeatureFlag, "new-cart", "off", "on")));
        check("config.change", &[("config.key", "pool")], Some((ChangeKind::Configuration, "pool", "", "")));
        check("config.reloaded", &[], Some((ChangeKind::Configuration, "", "", "")));
        check("", &[("k8s.event.reason", "ScalingReplicaSet")], Some((ChangeKind::Scaling, "cart", "", "")));
        check("restart", &[("k8s.pod.name", "cart-0")], Some((ChangeKind::Restart, "cart-0", "", "")));
    }

    #[test]
    fn records_that_do_not() {
        for name in ["", "exception", "feature_flag.evaluation", "feature_flag", "deployments", "configured"] {
            check(name, &[("feature_flag.key", "new-cart"), ("k8s.event.reason", "Pulled")], None);
        }
    }
}
