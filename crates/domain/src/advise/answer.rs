//! The answer, held against what was asked.

use super::mask;
use super::question::Question;
use super::text::{clean, cut};
use crate::evidence::EvidenceId;
use crate::remedy::ActionKind;

/// Characters of a text of the model's that are kept.
const TEXT_MAX: usize = 1_200;
/// Claims that are told of as rejected, and characters of what was claimed.
const REJECTED_MAX: usize = 16;
const CLAIM_MAX: usize = 40;

/// What a model said, in the shape that was asked for, and not yet believed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stated {
    /// Ids of facts, as they were shown.
    pub evidence_ids: Vec<String>,
    /// Ids of hypotheses, most likely first.
    pub hypothesis_ids: Vec<String>,
    /// The root cause.
    pub root_cause: String,
    /// What to do now.
    pub immediate_fix: String,
    /// What to change for good.
    pub long_term_fix: String,
    /// A type of action; empty for none.
    pub proposed_action: String,
    /// How sure it is.
    pub confidence: f64,
}

/// What of it holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Advice {
    /// Ids of the diagnosis' hypotheses, most likely first. Never empty.
    pub hypothesis_order: Vec<String>,
    /// The facts that it argues from. Never empty.
    pub cited: Vec<EvidenceId>,
    /// The root cause. Never empty.
    pub root_cause: String,
    /// What to do now.
    pub immediate_fix: String,
    /// What to change for good.
    pub long_term_fix: String,
    /// What it would do, of what treats its first hypothesis.
    pub proposed_action: Option<ActionKind>,
    /// How sure it is, from 0 to 1, and no surer than the evidence makes its first hypothesis.
    pub confidence: f64,
    /// How sure it said that it is, from 0 to 1.
    pub stated_confidence: f64,
    /// What it claimed and was not shown.
    pub rejected: Vec<String>,
}

/// Nothing is left of the answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unfounded {
    /// No fact that it cites was shown to it.
    #[error("the answer cites none of the facts that the model was shown{}", claimed(rejected))]
    Evidence {
        /// What it claimed instead.
        rejected: Vec<String>,
    },
    /// No hypothesis that it names was shown to it.
    #[error("the answer names none of the hypotheses that the model was shown{}", claimed(rejected))]
    Hypotheses {
        /// What it claimed instead.
        rejected: Vec<String>,
    },
    /// It names no cause.
    #[error("the answer explains nothing: its root cause is empty")]
    Silent,
}

impl Unfounded {
    /// What was claimed and not shown.
    pub fn rejected(self) -> Vec<String> {
        match self {
            Self::Evidence { rejected } | Self::Hypotheses { rejected } => rejected,
            Self::Silent => Vec::new(),
        }
    }
}

fn claimed(rejected: &[String]) -> String {
    rejected.first().map(|claim| format!("; it {claim}")).unwrap_or_default()
}

/// Takes from an answer what was not shown to the model.
///
/// # Errors
/// Where nothing is left to go by.
pub fn hold(stated: Stated, question: &Question) -> Result<Advice, Unfounded> {
    let mut rejected = Vec::new();
    let mut cited = Vec::new();
    for id in &stated.evidence_ids {
        match question.evidence.get(id.trim()) {
            Some(known) if cited.contains(known) => {}
            Some(known) => cited.push(known.clone()),
            None => reject(&mut rejected, "cites evidence", id),
        }
    }
    if cited.is_empty() {
        return Err(Unfounded::Evidence { rejected });
    }
    let mut order: Vec<String> = Vec::new();
    for id in &stated.hypothesis_ids {
        match question.hypotheses.iter().find(|hypothesis| hypothesis.id == id.trim()) {
            Some(known) if order.contains(&known.id) => {}
            Some(known) => order.push(known.id.clone()),
            None => reject(&mut rejected, "names hypothesis", id),
        }
    }
    let first = order.first().and_then(|id| question.hypotheses.iter().find(|hypothesis| hypothesis.id == *id));
    let Some(first) = first else { return Err(Unfounded::Hypotheses { rejected }) };
    let root_cause = told(&stated.root_cause);
    if root_cause.is_empty() {
        return Err(Unfounded::Silent);
    }
    let stated_confidence = if stated.confidence.is_finite() { stated.confidence.clamp(0.0, 1.0) } else { 0.0 };
    Ok(Advice {
        proposed_action: action(&stated.proposed_action, &first.id, question, &mut rejected),
        confidence: stated_confidence.min(first.confidence),
        stated_confidence,
        hypothesis_order: order,
        cited,
        root_cause,
        immediate_fix: told(&stated.immediate_fix),
        long_term_fix: told(&stated.long_term_fix),
        rejected,
    })
}

/// The action, if the catalogue has it for the hypothesis: what cures something else is no cure here.
fn action(named: &str, first: &str, question: &Question, rejected: &mut Vec<String>) -> Option<ActionKind> {
    let named = named.trim();
    if named.is_empty() {
        return None;
    }
    let offered = question.actions.get(first);
    let kind = ActionKind::from_name(named).filter(|kind| offered.is_some_and(|offered| offered.contains(kind)));
    if kind.is_none() {
        reject(rejected, &format!("proposes for {first} the action"), named);
    }
    kind
}

fn reject(rejected: &mut Vec<String>, does: &str, what: &str) {
    if rejected.len() < REJECTED_MAX {
        rejected.push(format!("{does} '{}', which it was not shown", cut(&clean(&mask(what)), CLAIM_MAX)));
    }
}

/// A text of the model's as people may see it.
fn told(text: &str) -> String {
    cut(&clean(&mask(text)), TEXT_MAX).into_owned()
}
