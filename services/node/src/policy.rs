//! `llm-sre policy`

use llm_sre_domain::ServiceId;
use llm_sre_domain::remedy::{ActionKind, Autonomy, BlastRadius, Catalogue, INSTANCE, Policy};

use crate::cli;
use crate::client::parse_service;
use crate::config::{Config, read_toml};
use crate::output;

/// Checks a policy, and says what it allows. A mistake names its key, and ends the program with 2.
pub(crate) fn run(command: cli::Policy, config: &Config) -> anyhow::Result<()> {
    let cli::Policy::Check { file, services } = command;
    let policy: Policy = match &file {
        Some(file) => read_toml(file)?,
        None => config.policy()?,
    };
    if services.is_empty() {
        let Policy { enrolled, protected, rules, autonomy, .. } = &policy;
        let counts = format!("{} enrolled, {} protected, {} rules", enrolled.len(), protected.len(), rules.len());
        output::line(format!("the policy can be used: {counts}; elsewhere autonomy is {}", rung(*autonomy)))?;
        return Ok(());
    }
    let rows = services.iter().flat_map(|text| {
        let identity = parse_service(text);
        let service = ServiceId::new(&identity.namespace, &identity.name, &identity.environment);
        let policy = &policy;
        ActionKind::ALL.map(|kind| vec![service.to_string(), kind.to_string(), allowed(policy, &service, kind)])
    });
    output::table(&["service", "action", "allowed"], rows)?;
    Ok(())
}

/// What a policy allows, limits aside.
fn allowed(policy: &Policy, service: &ServiceId, kind: ActionKind) -> String {
    if policy.is_protected(service) {
        return "never: it is protected".to_owned();
    }
    if !policy.is_enrolled(service) {
        return "never: it is not enrolled".to_owned();
    }
    let autonomy = policy.autonomy(service, kind);
    let said = at_autonomy(policy, autonomy);
    // What is only shown is shown with what stands in its way.
    if autonomy < Autonomy::Approve {
        return said;
    }
    let max = policy.limits.blast_radius_max;
    let entry = Catalogue::default().get(kind).cloned();
    let touches = |instance: &str| {
        let parameters = [(INSTANCE.to_owned(), instance.to_owned())].into();
        entry.as_ref().map_or(BlastRadius::System, |entry| entry.blast_radius(&parameters))
    };
    let can_be_narrowed =
        entry.as_ref().is_some_and(|entry| entry.parameters.iter().any(|known| known.name == INSTANCE));
    match (touches("") > max, can_be_narrowed && touches("one") <= max) {
        (false, _) => said,
        (true, true) => format!("of one named instance alone: {said}"),
        (true, false) => "never: it touches more than blast_radius_max".to_owned(),
    }
}

fn at_autonomy(policy: &Policy, autonomy: Autonomy) -> String {
    match autonomy {
        Autonomy::Observe => "no plan is made".to_owned(),
        Autonomy::Suggest => "a plan is shown".to_owned(),
        Autonomy::Approve => "after a person's approval".to_owned(),
        Autonomy::Auto => format!(
            "at once where the likeliest cause is {:.0} % sure, else after a person's approval; below {:.0} % not at all",
            policy.confidence_auto_min * 100.0,
            policy.confidence_min * 100.0
        ),
    }
}

fn rung(autonomy: Autonomy) -> &'static str {
    match autonomy {
        Autonomy::Observe => "observe",
        Autonomy::Suggest => "suggest",
        Autonomy::Approve => "approve",
        Autonomy::Auto => "auto",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_allowed_is_what_the_gate_allows() {
        let policy: Policy = toml::from_str(
            "autonomy = \"approve\"\nenrolled = [\"shop/*@demo\"]\nprotected = [\"shop/ledger@demo\"]\n\
             [[rules]]\nservice = \"shop/cart@demo\"\naction = \"restart\"\nautonomy = \"auto\"\n",
        )
        .unwrap();
        let said = |name: &str, kind| allowed(&policy, &ServiceId::new("shop", name, "demo"), kind);
        assert!(said("ledger", ActionKind::Restart).contains("protected"));
        assert!(said("cart", ActionKind::Restart).starts_with("at once where the likeliest cause is 60 % sure"));
        assert_eq!(said("cart", ActionKind::RaisePool), "after a person's approval");
        let elsewhere = ServiceId::new("shop", "cart", "production");
        assert!(allowed(&policy, &elsewhere, ActionKind::Restart).contains("not enrolled"));
    }

    #[test]
    fn what_touches_too_much_is_not_said_to_be_allowed() {
        let policy: Policy = toml::from_str(
            "autonomy = \"auto\"\nenrolled = [\"shop/*@demo\"]\n[limits]\nblast_radius_max = \"instance\"\n",
        )
        .unwrap();
        let said = |kind| allowed(&policy, &ServiceId::new("shop", "cart", "demo"), kind);
        assert!(
            said(ActionKind::RollbackDeployment).starts_with("never: "),
            "{}",
            said(ActionKind::RollbackDeployment)
        );
        assert!(said(ActionKind::Restart).starts_with("of one named instance alone: at once"));
        let shown = Policy { autonomy: Autonomy::Suggest, ..policy.clone() };
        let service = ServiceId::new("shop", "cart", "demo");
        assert_eq!(allowed(&shown, &service, ActionKind::RollbackDeployment), "a plan is shown");
    }
}
