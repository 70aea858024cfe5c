//! What to do to what, as a hypothesis says it.

use crate::diagnose::Hypothesis;
use crate::remedy::catalogue::{DEPENDENCY, INSTANCE, KEY, VALUE};
use crate::remedy::{ActionKind, ActionType, Parameters, Spec};

/// A treatment with all its parameters. Each has a default; evidence says which instance shows the cause, which setting
/// is it, and which dependency.
pub(super) fn of(entry: &ActionType, hypothesis: &Hypothesis) -> Spec {
    let mut parameters: Parameters =
        entry.parameters.iter().map(|parameter| (parameter.name.to_owned(), parameter.fallback())).collect();
    let change = hypothesis.change.as_ref();
    let said = [
        (INSTANCE, Some(&*hypothesis.origin.instance)),
        (DEPENDENCY, Some(hypothesis.dependency.as_str())),
        (KEY, change.map(|change| change.subject.as_str())),
        (VALUE, change.map(|change| change.before.as_str())),
    ];
    for (name, said) in said {
        if let (Some(value), Some(said)) = (parameters.get_mut(name), said) {
            said.clone_into(value);
        }
    }
    Spec { kind: entry.kind, target: hypothesis.service.clone(), parameters }
}

pub(super) fn rationale(spec: &Spec, hypothesis: &Hypothesis) -> String {
    let what = match spec.kind {
        ActionKind::Restart => "restart",
        ActionKind::RollbackDeployment => "roll back the deployment of",
        ActionKind::RaisePool => "raise the connection pool of",
        ActionKind::RevertConfiguration => "take back the newest change of a setting of",
        ActionKind::ClearDisk => "clear the disk of",
        ActionKind::RenewCertificate => "renew the certificate of",
        ActionKind::ScaleOut => "start more instances of",
        ActionKind::ShedLoad => "turn some of the load away from",
        ActionKind::FailOver => "call the standby of a dependency of",
    };
    let given: Vec<String> = spec
        .parameters
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let given = if given.is_empty() { String::new() } else { format!(" ({})", given.join(", ")) };
    let percent = (hypothesis.confidence * 100.0).round();
    format!("{what} {}{given}, for {:?} is {percent} % sure", spec.target, hypothesis.cause)
}
