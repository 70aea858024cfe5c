//! What repairs came to before, as evidence.

use llm_sre_domain::evidence::{Attempt, Outcome};
use llm_sre_domain::remedy::ActionKind;

use super::ConvertError;
use super::action::incident_of;
use super::common::{enum_table, known, required_time, to_proto_time};
use super::incident::{action_id, action_name};
use crate::diagnosis::v1;

enum_table!(Outcome, v1::AttemptOutcome, { Helped <=> Helped, Vain <=> Vain, Unknown <=> Unknown });

impl From<&Attempt> for v1::Attempt {
    fn from(attempt: &Attempt) -> Self {
        Self {
            action: action_name(attempt.incident, attempt.action),
            action_type: attempt.kind.name().to_owned(),
            cause: Some((&attempt.cause).into()),
            present_life: attempt.is_of_this_life,
            outcome: v1::AttemptOutcome::from(attempt.outcome).into(),
            execute_time: Some(to_proto_time(attempt.executed_at)),
            end_time: Some(to_proto_time(attempt.ended_at)),
        }
    }
}

impl TryFrom<&v1::Attempt> for Attempt {
    type Error = ConvertError;
    fn try_from(attempt: &v1::Attempt) -> Result<Self, ConvertError> {
        let named = &attempt.action_type;
        let unknown =
            || ConvertError::Invalid { field: "attempt.action_type", reason: format!("'{named}' is no type") };
        Ok(Self {
            incident: incident_of("attempt.action", &attempt.action)?,
            action: action_id("attempt.action", &attempt.action)?.ok_or(ConvertError::Missing("attempt.action"))?,
            kind: ActionKind::from_name(named).ok_or_else(unknown)?,
            cause: attempt.cause.as_ref().ok_or(ConvertError::Missing("attempt.cause"))?.try_into()?,
            is_of_this_life: attempt.present_life,
            outcome: known("attempt.outcome", attempt.outcome, |value: v1::AttemptOutcome| value.into())?,
            executed_at: required_time("attempt.execute_time", attempt.execute_time.as_ref())?,
            ended_at: required_time("attempt.end_time", attempt.end_time.as_ref())?,
        })
    }
}

/// The attempt in one line.
pub(super) fn line(attempt: &Attempt) -> String {
    let when = if attempt.is_of_this_life { "for this incident" } else { "when it was there before" };
    let came = match attempt.outcome {
        Outcome::Helped => "recovery was measured",
        Outcome::Vain => "it did not help",
        Outcome::Unknown => "nobody knows what it did",
    };
    let (kind, cause) = (attempt.kind, &attempt.cause);
    format!("{kind} was made {when} against {cause}: {came}")
}
