//! The digest that an approval is bound to.

use std::fmt;
use std::str::FromStr;

use sha2::Digest as _;

use super::{Fact, Limits, Policy, Proposed, Rule, TargetState};
use crate::incident::IdError;

/// SHA-256 over plan, policy and target state. Two pictures that differ in anything that a person could have decided
/// by have different digests.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of a plan under a policy, for a target in a state. The plan's own id and digest take no part.
    pub(super) fn of(plan: &Proposed, policy: &Policy, target: Option<&TargetState>) -> Self {
        let mut writer = Writer::new("llm-sre plan 1");
        write_plan(&mut writer, plan);
        write_policy(&mut writer, policy);
        write_target(&mut writer, target);
        Self(writer.finish())
    }

    /// From its 32 bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = IdError;
    fn from_str(text: &str) -> Result<Self, IdError> {
        parse_hex(text).map(Self).ok_or_else(|| IdError::NotSha256 { text: text.to_owned() })
    }
}

/// 32 bytes from 64 lower-case hexadecimal digits.
pub(super) fn parse_hex(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)) {
        return None;
    }
    let mut bytes = [0; 32];
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[index * 2..index * 2 + 2], 16).ok()?;
    }
    Some(bytes)
}

/// Writes fields so that no two different sequences look alike: each with its length before it.
pub(super) struct Writer(sha2::Sha256);

impl Writer {
    pub(super) fn new(kind: &str) -> Self {
        let mut writer = Self(sha2::Sha256::new());
        writer.text(kind);
        writer
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) {
        self.0.update((bytes.len() as u64).to_be_bytes());
        self.0.update(bytes);
    }

    pub(super) fn text(&mut self, text: &str) {
        self.bytes(text.as_bytes());
    }

    pub(super) fn number(&mut self, number: u64) {
        self.bytes(&number.to_be_bytes());
    }

    /// By its `Display`: for ids and names, whose text is fixed.
    pub(super) fn shown(&mut self, value: impl fmt::Display) {
        self.text(&value.to_string());
    }

    /// By its `Debug`: for enums without data. A renamed variant changes digests, which only voids open approvals.
    fn variant(&mut self, value: impl fmt::Debug) {
        self.text(&format!("{value:?}"));
    }

    pub(super) fn finish(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}

// The structs are taken apart without `..`, so that a new field cannot be forgotten here.

fn write_plan(writer: &mut Writer, plan: &Proposed) {
    let Proposed {
        id: _,
        digest: _,
        // Words; the policy that they are of is in the digest.
        policy_rule: _,
        incident,
        fingerprint,
        diagnosis,
        spec,
        hypothesis,
        cause,
        confidence,
        rationale,
        autonomy,
        reversibility,
        blast_radius,
        verification,
        target_state: _,
        attempt,
    } = plan;
    writer.shown(incident);
    writer.shown(fingerprint);
    writer.text(diagnosis.as_ref().map_or("", |diagnosis| diagnosis.as_str()));
    writer.shown(spec.kind);
    writer.text(&spec.target.namespace);
    writer.text(&spec.target.name);
    writer.text(&spec.target.environment);
    writer.number(spec.parameters.len() as u64);
    for (name, value) in &spec.parameters {
        writer.text(name);
        writer.text(value);
    }
    writer.text(hypothesis);
    writer.variant(cause);
    writer.number(confidence.to_bits());
    writer.text(rationale);
    writer.variant(autonomy);
    writer.variant(reversibility);
    writer.variant(blast_radius);
    for duration in [verification.settle, verification.measure, verification.deadline] {
        writer.bytes(&duration.as_nanos().to_be_bytes());
    }
    writer.number(u64::from(*attempt));
}

fn write_policy(writer: &mut Writer, policy: &Policy) {
    let Policy { autonomy, rules, enrolled, protected, confidence_min, confidence_auto_min, limits } = policy;
    writer.variant(autonomy);
    writer.number(rules.len() as u64);
    for Rule { service, action, autonomy } in rules {
        writer.shown(service);
        writer.text(action.map_or("", |action| action.name()));
        writer.variant(autonomy);
    }
    for patterns in [enrolled, protected] {
        writer.number(patterns.len() as u64);
        patterns.iter().for_each(|pattern| writer.shown(pattern));
    }
    writer.number(confidence_min.to_bits());
    writer.number(confidence_auto_min.to_bits());
    let Limits {
        actions_per_target_max,
        window_s,
        actions_under_way_max,
        actions_disturbed_max,
        attempts_per_incident_max,
        blast_radius_max,
        approval_expiry_s,
        execution_s,
        ineffective_max,
        ineffective_window_s,
        relapses_max,
        relapse_window_s,
        cooldown_s,
    } = limits;
    let counts = [
        actions_per_target_max,
        actions_under_way_max,
        actions_disturbed_max,
        attempts_per_incident_max,
        ineffective_max,
        relapses_max,
    ];
    for count in counts {
        writer.number(u64::from(*count));
    }
    for seconds in [window_s, approval_expiry_s, execution_s, ineffective_window_s, relapse_window_s, cooldown_s] {
        writer.number(*seconds);
    }
    writer.variant(blast_radius_max);
}

fn write_target(writer: &mut Writer, target: Option<&TargetState>) {
    match target {
        None => writer.text("unknown"),
        Some(TargetState::Refused { reason }) => {
            writer.text("refused");
            writer.text(reason);
        }
        Some(TargetState::Ready { facts, can_undo }) => {
            writer.text("ready");
            writer.variant(can_undo);
            // What changes by itself while a person looks at the plan is not what is agreed to.
            let lasting = || facts.iter().filter(|(key, _)| *key != Fact::ReclaimableBytes.key());
            writer.number(lasting().count() as u64);
            for (key, value) in lasting() {
                writer.text(key);
                writer.text(value);
            }
        }
    }
}
