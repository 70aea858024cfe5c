//! What the people who run the services allow.

use serde::de::Error;
use serde::{Deserialize, Deserializer};

use super::{ActionKind, BlastRadius, ServicePattern};
use crate::ServiceId;

/// How far the product may go by itself. Ordered from little to much.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Autonomy {
    /// No plan is made.
    Observe,
    /// A plan is shown and cannot be executed.
    #[default]
    Suggest,
    /// Executed after a person's approval.
    Approve,
    /// Executed at once.
    Auto,
}

/// One rung for some services and, where it says so, one type of action.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Which services.
    pub service: ServicePattern,
    /// Which type of action; all where it is left out.
    pub action: Option<ActionKind>,
    /// How far the product may go.
    pub autonomy: Autonomy,
}

/// Limits on what is done. All counts are inclusive: a maximum of 3 allows three.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// How many actions one target may meet in `window_s`.
    pub actions_per_target_max: u32,
    /// The window of `actions_per_target_max`, in seconds.
    pub window_s: u64,
    /// How many actions may be under way in the whole fleet.
    pub actions_under_way_max: u32,
    /// How many more may be under way whose verdict waits because another incident's cause disturbs what is measured:
    /// without a place beside them that cause would not be repaired, and each would wait for the other. Of more than
    /// `actions_under_way_max`, that many count.
    pub actions_disturbed_max: u32,
    /// How many actions one incident may have carried out.
    pub attempts_per_incident_max: u32,
    /// The most that one action may touch.
    pub blast_radius_max: BlastRadius,
    /// For how long an approval is asked for and, once given, may be used, in seconds.
    pub approval_expiry_s: u64,
    /// How long a target may take to carry an action out, in seconds: a rollout of a large deployment. The incident's
    /// `remediating_s` should be a minute more, so that the action's word comes first.
    pub execution_s: u64,
    /// How often the same action may go without effect on the same fingerprint in `ineffective_window_s`.
    pub ineffective_max: u32,
    /// The window of `ineffective_max`, in seconds.
    pub ineffective_window_s: u64,
    /// How many cures of one target, of whatever kind, may turn out not to last, among those that ended in
    /// `ineffective_window_s`. What comes back once more is for people.
    pub relapses_max: u32,
    /// A cure lasts if the trouble stays away for so long, in seconds.
    pub relapse_window_s: u64,
    /// For so long after an action for another incident, the same action on the same target is blocked, in seconds.
    pub cooldown_s: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            // An action every twenty minutes is work; more is flapping.
            actions_per_target_max: 3,
            window_s: 3_600,
            // Two repairs at once can still be told apart by their effect.
            actions_under_way_max: 2,
            // As many again: repairs that each bring new trouble about stop there.
            actions_disturbed_max: 2,
            attempts_per_incident_max: 3,
            blast_radius_max: BlastRadius::Service,
            // Long enough to be paged, look and decide; short enough that the picture still holds.
            approval_expiry_s: 1_800,
            execution_s: 540,
            ineffective_max: 2,
            ineffective_window_s: 86_400,
            // As attempts: three cures, of which none lasted, are for people.
            relapses_max: 2,
            relapse_window_s: 3_600,
            cooldown_s: 300,
        }
    }
}

/// The policy. Its default enrols nobody and suggests only.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// The rung where no rule says another.
    pub autonomy: Autonomy,
    /// Rungs by service and action; the first that matches counts.
    pub rules: Vec<Rule>,
    /// Services that may be acted on at all.
    pub enrolled: Vec<ServicePattern>,
    /// Services that are never acted on, enrolled or not.
    pub protected: Vec<ServicePattern>,
    /// Hypotheses that are less sure, from 0 to 1, give no plan.
    #[serde(deserialize_with = "share")]
    pub confidence_min: f64,
    /// Hypotheses that are less sure, from 0 to 1, need a person even where the rung is `auto`.
    #[serde(deserialize_with = "share")]
    pub confidence_auto_min: f64,
    /// Limits on what is done.
    pub limits: Limits,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            autonomy: Autonomy::Suggest,
            rules: Vec::new(),
            enrolled: Vec::new(),
            protected: Vec::new(),
            confidence_min: 0.2,
            confidence_auto_min: 0.6,
            limits: Limits::default(),
        }
    }
}

impl Policy {
    /// The rung for an action on a service.
    pub fn autonomy(&self, service: &ServiceId, action: ActionKind) -> Autonomy {
        self.rule(service, action).map_or(self.autonomy, |(_, rule)| rule.autonomy)
    }

    /// Which rule gives that rung, in words for people: `rule 2: shop/*@production, restart`.
    pub fn rule_in_words(&self, service: &ServiceId, action: ActionKind) -> String {
        self.rule(service, action).map_or_else(
            || "no rule matches: what holds for all others".to_owned(),
            |(place, rule)| {
                let actions = rule.action.map_or("all actions", ActionKind::name);
                format!("rule {}: {}, {actions}", place + 1, rule.service)
            },
        )
    }

    /// The first that matches, and its place.
    fn rule(&self, service: &ServiceId, action: ActionKind) -> Option<(usize, &Rule)> {
        let matches = |rule: &Rule| rule.action.is_none_or(|kind| kind == action) && rule.service.matches(service);
        self.rules.iter().enumerate().find(|(_, rule)| matches(rule))
    }

    /// Whether the service may be acted on at all.
    pub fn is_enrolled(&self, service: &ServiceId) -> bool {
        self.enrolled.iter().any(|pattern| pattern.matches(service))
    }

    /// Whether the service is never acted on.
    pub fn is_protected(&self, service: &ServiceId) -> bool {
        self.protected.iter().any(|pattern| pattern.matches(service))
    }
}

fn share<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let value = f64::deserialize(deserializer)?;
    if (0.0..=1.0).contains(&value) { Ok(value) } else { Err(D::Error::custom(format!("{value} is not from 0 to 1"))) }
}
