//! What a model's answers come to: counting, and nothing else.

use std::collections::BTreeMap;

use llm_sre_diagnosis::Advised;
use llm_sre_proto::diagnosis::v1::{AdviceFailure, AdviceState};
use serde::Serialize;

use super::cases::Case;
use crate::drill::Stated;
use crate::output;

/// Who was asked.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct Who {
    pub(super) model: String,
    pub(super) provider: String,
    /// Whether prices are configured, without which nobody knows what it cost.
    #[serde(skip)]
    pub(super) is_paid: bool,
}

/// What a model's answers come to. Every count is of cases, and none is larger than `cases`, but for tokens.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct Row {
    #[serde(flatten)]
    pub(super) who: Who,
    /// Cases that it was asked about.
    pub(super) cases: usize,
    /// The first hypothesis names the service that was broken: the diagnosis' own first, and the model's. Where there
    /// is no advice, the diagnosis stands, and so its own first counts for both.
    pub(super) service_without: usize,
    pub(super) service_with: usize,
    /// It names the kind of what broke there, too.
    pub(super) cause_without: usize,
    pub(super) cause_with: usize,
    /// The model put a right cause in the place of a wrong one, and the other way round.
    pub(super) cause_gained: usize,
    pub(super) cause_lost: usize,
    /// Advice was given.
    pub(super) given: usize,
    /// An answer came, whatever it was like; of the first ones, those that had the shape that was asked for; and of the
    /// others, those that had it once they were told what was wrong.
    pub(super) answered: usize,
    pub(super) schema_valid: usize,
    pub(super) schema_repaired: usize,
    /// What was claimed was held against what was shown: advice was given, or withheld as unfounded. And all of it
    /// held.
    pub(super) cited: usize,
    pub(super) citations_valid: usize,
    /// Tokens of all requests, as the server counts them, or as they were reckoned where it does not.
    pub(super) input_tokens: u64,
    pub(super) output_tokens: u64,
    /// In millionths of the prices' currency.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cost_micros: Option<u64>,
    /// Seconds from the first question to the last answer, with retries and repair, of those that were asked: the
    /// middle one, or the larger of two, and the longest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) median_s: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) worst_s: Option<f64>,
    /// How often there is no advice, by the reason's name.
    pub(super) withheld: BTreeMap<String, Withheld>,
}

/// Advice that there is not, for one kind of reason.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(super) struct Withheld {
    pub(super) cases: usize,
    /// The reason of the first of them, in words.
    pub(super) such_as: String,
}

/// What there is none of, so that there is nothing to compare.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Empty {
    /// No shop gave anything to ask about.
    #[error(
        "nothing to compare: none of {faults} faults came to a diagnosis with a hypothesis ({no_incident} without an \
         incident)"
    )]
    Cases { faults: usize, no_incident: usize },
    /// There is no row.
    #[error("nothing to compare: no model was asked")]
    Models,
    /// Nobody answered.
    #[error("nothing to compare: no answer came from any model: {0}")]
    Answers(String),
}

/// Whether rows are worth a table: somebody was asked about something, and answered.
pub(super) fn hold(rows: &[Row]) -> Result<(), Empty> {
    if rows.iter().all(|row| row.cases == 0) {
        return Err(Empty::Models);
    }
    if rows.iter().all(|row| row.answered == 0) {
        let each = rows.iter().map(|row| format!("{}: {}", row.who.model, row.withheld_text()));
        return Err(Empty::Answers(each.collect::<Vec<_>>().join("; ")));
    }
    Ok(())
}

/// What the answers of one model come to.
pub(super) fn row(who: Who, judged: &[(&Case, &Advised)]) -> Row {
    let mut row = Row { cases: judged.len(), cost_micros: who.is_paid.then_some(0), who, ..Row::default() };
    let mut took_s = Vec::new();
    for (case, advised) in judged {
        row.count_cause(case, advised);
        row.count_answer(advised);
        if let Some(used) = advised.advice.model.as_ref().filter(|used| used.requests > 0) {
            row.input_tokens = row.input_tokens.saturating_add(used.input_tokens);
            row.output_tokens = row.output_tokens.saturating_add(used.output_tokens);
            row.cost_micros = row.cost_micros.map(|cost| cost.saturating_add(used.cost_micros));
            took_s.push(used.duration_ms as f64 / 1_000.0);
        }
    }
    took_s.sort_by(f64::total_cmp);
    row.median_s = took_s.get(took_s.len() / 2).copied();
    row.worst_s = took_s.last().copied();
    row
}

impl Row {
    fn count_cause(&mut self, case: &Case, advised: &Advised) {
        let without = case.stated.first().copied();
        let with = advised_first(case, advised).or(without);
        let is_service = |stated: Option<Stated>| stated.is_some_and(|stated| stated.is_service_right);
        let is_cause = |stated: Option<Stated>| stated.is_some_and(|stated| stated.is_cause_right);
        self.service_without += usize::from(is_service(without));
        self.service_with += usize::from(is_service(with));
        self.cause_without += usize::from(is_cause(without));
        self.cause_with += usize::from(is_cause(with));
        self.cause_gained += usize::from(is_cause(with) && !is_cause(without));
        self.cause_lost += usize::from(is_cause(without) && !is_cause(with));
    }

    fn count_answer(&mut self, advised: &Advised) {
        let advice = &advised.advice;
        let is_given = advice.state() == AdviceState::Given;
        self.given += usize::from(is_given);
        if let Some(is_valid) = advised.shapes.first() {
            self.answered += 1;
            self.schema_valid += usize::from(*is_valid);
            self.schema_repaired += usize::from(!is_valid && advised.shapes.contains(&true));
        }
        if is_given || advice.failure() == AdviceFailure::Unfounded {
            self.cited += 1;
            self.citations_valid += usize::from(is_given && advice.rejected_claims.is_empty());
        }
        if !is_given {
            let reason = output::short(advice.failure().as_str_name(), "ADVICE_FAILURE_");
            let withheld = self.withheld.entry(reason).or_default();
            withheld.cases += 1;
            if withheld.cases == 1 {
                withheld.such_as.clone_from(&advice.reason);
            }
        }
    }

    /// How often there is no advice, and why, with one reason of each kind in words.
    pub(super) fn withheld_text(&self) -> String {
        let text = |(kind, withheld): (&String, &Withheld)| match withheld.such_as.as_str() {
            "" => format!("{} {kind}", withheld.cases),
            reason => format!("{} {kind} ({reason})", withheld.cases),
        };
        let each: Vec<String> = self.withheld.iter().map(text).collect();
        if each.is_empty() { "nothing".to_owned() } else { each.join(", ") }
    }
}

/// What the hypothesis is worth that the model names first; `None` where it gives no advice.
fn advised_first(case: &Case, advised: &Advised) -> Option<Stated> {
    if advised.advice.state() != AdviceState::Given {
        return None;
    }
    let first = advised.advice.hypothesis_order.first()?;
    let place = case.diagnosis.hypotheses.iter().position(|hypothesis| hypothesis.id == *first)?;
    case.stated.get(place).copied()
}

#[cfg(test)]
mod tests;
