//! What people said of past incidents, what repairs came to, and what it weighs. Decisions 13 and 16 have the reasons
//! for each number.
//!
//! It moves hypotheses that the evidence named already, by a bounded step and never above what their own evidence
//! supports: nothing that people wrote makes a hypothesis, or makes up for evidence that is not there. Nor does a
//! repair that helped once.

use super::{Cause, Hypothesis};
use crate::evidence::{Attempt, EvidenceId, Fact, Observation, Outcome, Precedent};
use crate::incident::Ruling;

/// What a verdict on the same fingerprint weighs.
const SAME: f64 = 1.0;
/// What one on another incident of the same service weighs.
const SAME_SERVICE: f64 = 0.25;
/// What a repair weighs that was made for a cause: less than a person's word, since trouble can go away by itself, and
/// a repair can fail although it was aimed rightly.
const REPAIR: f64 = 0.5;
/// By how much the odds of a hypothesis rise with a verdict that it was the cause.
const CONFIRMED: f64 = 1.5;
/// What remains of its confidence with a verdict that it was not.
const REFUTED: f64 = 0.6;
/// The most that verdicts and repairs of one kind weigh together, less those that say the contrary.
const BALANCE_MAX: f64 = 3.0;
/// How many false alarms of one fingerprint are no slip.
const FALSE_ALARMS_MIN: usize = 2;
/// The most that is supported after so many: less than policy asks before the product acts by itself.
const FALSE_ALARMS_SUPPORT: f64 = 0.5;

/// A hypothesis before people's word was weighed.
pub(super) struct Candidate {
    /// As the evidence ranks it.
    pub(super) hypothesis: Hypothesis,
    /// The most that its own evidence supports, from 0 to 1.
    pub(super) supported: f64,
}

/// What people and repairs said of one hypothesis.
#[derive(Default)]
struct Word {
    /// What speaks for it less what speaks against it, each with its weight.
    balance: f64,
    supports: Vec<EvidenceId>,
    contradicts: Vec<EvidenceId>,
}

/// The hypotheses after people's word and what repairs came to was weighed, most likely first, citing what moved them.
/// Of those that are as likely, the one whose service weighs more comes first.
pub(super) fn weigh(candidates: Vec<Candidate>, facts: &[Fact]) -> Vec<Hypothesis> {
    let precedents: Vec<(&EvidenceId, &Precedent)> = facts.iter().filter_map(precedent).collect();
    let attempts: Vec<(&EvidenceId, &Attempt)> = facts.iter().filter_map(attempt).collect();
    let alarms = precedents.iter().filter(|(_, said)| said.is_same && said.ruling == Ruling::FalseAlarm);
    let alarms: Vec<EvidenceId> = alarms.map(|(id, _)| (*id).clone()).collect();
    let most = if alarms.len() >= FALSE_ALARMS_MIN { FALSE_ALARMS_SUPPORT } else { 1.0 };
    let mut weighed = Vec::with_capacity(candidates.len());
    for Candidate { mut hypothesis, supported } in candidates {
        let word = word(&Cause::from(&hypothesis), &precedents, &attempts);
        // Many false alarms make all of them less sure, and none less likely than another.
        let place = moved(hypothesis.confidence, supported, word.balance);
        hypothesis.confidence = place.min(most);
        hypothesis.supports.extend(word.supports);
        hypothesis.contradicts.extend(word.contradicts.into_iter().chain(alarms.iter().cloned()));
        weighed.push((place, hypothesis));
    }
    // A stable sort: candidates come in the order of their services' weights.
    weighed.sort_by(|a, b| b.0.total_cmp(&a.0));
    weighed.into_iter().map(|(_, hypothesis)| hypothesis).collect()
}

fn precedent(fact: &Fact) -> Option<(&EvidenceId, &Precedent)> {
    match &fact.observation {
        Observation::Precedent(precedent) => Some((&fact.id, precedent)),
        _ => None,
    }
}

fn attempt(fact: &Fact) -> Option<(&EvidenceId, &Attempt)> {
    match &fact.observation {
        Observation::Attempt(attempt) => Some((&fact.id, attempt)),
        _ => None,
    }
}

/// What the precedents and repairs say of a cause.
fn word(cause: &Cause, precedents: &[(&EvidenceId, &Precedent)], attempts: &[(&EvidenceId, &Attempt)]) -> Word {
    let mut word = Word::default();
    for (id, precedent) in precedents {
        let weight = if precedent.is_same { SAME } else { SAME_SERVICE };
        if precedent.cause() == Some(cause) {
            word.balance += weight;
            word.supports.push((*id).clone());
        } else if precedent.refuted() == Some(cause) {
            word.balance -= weight;
            word.contradicts.push((*id).clone());
        }
    }
    for (id, attempt) in attempts.iter().filter(|(_, attempt)| attempt.cause == *cause) {
        match attempt.outcome {
            Outcome::Helped => {
                word.balance += REPAIR;
                word.supports.push((*id).clone());
            }
            Outcome::Vain => {
                word.balance -= REPAIR;
                word.contradicts.push((*id).clone());
            }
            // What nobody knows says nothing.
            Outcome::Unknown => {}
        }
    }
    word.balance = word.balance.clamp(-BALANCE_MAX, BALANCE_MAX);
    word
}

/// A confidence after a balance of verdicts and repairs. Raised by its odds, so that what the evidence hardly names
/// stays small, and never above what is supported. Lowered as a whole, for one verdict against it is enough to ask a
/// person.
fn moved(sure: f64, supported: f64, balance: f64) -> f64 {
    if balance <= 0.0 {
        return sure * REFUTED.powf(-balance);
    }
    let odds = CONFIRMED.powf(balance);
    let raised = sure * odds / (1.0 - sure + sure * odds);
    raised.min(supported).max(sure)
}

#[cfg(test)]
mod tests;
