//! The targets that actions are done to, and what their answers mean.

use std::time::Duration;

use llm_sre_domain::ServiceId;
use llm_sre_domain::remedy::{ServicePattern, Spec, TargetState};
use llm_sre_mesh::clients::Target;
use llm_sre_mesh::{Peer, status};
use llm_sre_proto::action::v1;
use tonic::{Code, Status};

/// How long a target may take to answer one call, in real time.
pub(crate) const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// Why a target refuses a call under an older token than it has seen, as the contract names it.
const STALE_TOKEN: &str = "STALE_FENCING_TOKEN";

/// The longest message of a target that is kept, in bytes.
const WORDS_BYTES_MAX: usize = 1_024;

/// Which peer carries out actions on which services; the first that matches.
#[derive(Clone)]
pub(crate) struct Targets(Vec<(ServicePattern, Target)>);

/// What a target says became of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It knows of no such call.
    NeverSeen,
    /// Under way.
    Running,
    /// Done.
    Done,
    /// Not done, without effect.
    Failed(String),
    /// This call was refused, and had no effect; of one before it that says nothing.
    Refused(String),
    /// It does not answer, or says nothing that is understood.
    Silent(String),
}

impl Targets {
    pub(crate) fn new(targets: Vec<(ServicePattern, Peer)>) -> Self {
        Self(targets.into_iter().map(|(pattern, peer)| (pattern, Target::new(peer))).collect())
    }

    fn of(&self, service: &ServiceId) -> Option<&Target> {
        self.0.iter().find(|(pattern, _)| pattern.matches(service)).map(|(_, target)| target)
    }

    /// What the target says about an action. `Err` where it does not answer at all.
    pub(crate) async fn validate(&self, spec: &Spec) -> Result<TargetState, String> {
        let Some(target) = self.of(&spec.target) else {
            return Ok(TargetState::Refused { reason: nobody(&spec.target) });
        };
        match timely(target.validate(v1::ValidateRequest { spec: Some(spec.into()) })).await {
            Ok(answer) => Ok(TargetState::Ready { facts: answer.target_state, can_undo: answer.reversible }),
            Err(error) if is_answer(error.code()) => Ok(TargetState::Refused { reason: words(&error) }),
            Err(error) => Err(words(&error)),
        }
    }

    /// Starts an action.
    pub(crate) async fn execute(&self, spec: &Spec, request_id: &str, fencing_token: u64) -> Outcome {
        let Some(target) = self.of(&spec.target) else { return Outcome::Refused(nobody(&spec.target)) };
        let request = v1::ExecuteRequest { request_id: request_id.to_owned(), fencing_token, spec: Some(spec.into()) };
        outcome(timely(target.execute(request)).await.map(|answer| answer.execution))
    }

    /// Takes an action back.
    pub(crate) async fn undo(&self, spec: &Spec, request_id: &str, execute_id: &str, fencing_token: u64) -> Outcome {
        let Some(target) = self.of(&spec.target) else { return Outcome::Refused(nobody(&spec.target)) };
        let request = v1::UndoRequest {
            request_id: request_id.to_owned(),
            execute_request_id: execute_id.to_owned(),
            fencing_token,
        };
        outcome(timely(target.undo(request)).await.map(|answer| answer.execution))
    }

    /// What became of a call. A target that refuses the question has not said what became of the call either.
    pub(crate) async fn state(&self, service: &ServiceId, request_id: &str) -> Outcome {
        let Some(target) = self.of(service) else { return Outcome::Silent(nobody(service)) };
        let request = v1::GetStateRequest { request_id: request_id.to_owned() };
        match timely(target.get_state(request)).await {
            Ok(answer) => outcome(Ok(answer.execution)),
            Err(error) => Outcome::Silent(words(&error)),
        }
    }
}

async fn timely<T>(call: impl Future<Output = Result<T, Status>>) -> Result<T, Status> {
    match tokio::time::timeout(CALL_TIMEOUT, call).await {
        Ok(answer) => answer,
        Err(_) => Err(Status::deadline_exceeded(format!("no answer within {} s", CALL_TIMEOUT.as_secs()))),
    }
}

fn outcome(answer: Result<Option<v1::Execution>, Status>) -> Outcome {
    let execution = match answer {
        Ok(execution) => execution.unwrap_or_default(),
        // Who acted under a newer token may have done this too.
        Err(error) if status::reason(&error).as_deref() == Some(STALE_TOKEN) => return Outcome::Silent(words(&error)),
        Err(error) if is_answer(error.code()) => return Outcome::Refused(words(&error)),
        Err(error) => return Outcome::Silent(words(&error)),
    };
    match execution.state() {
        v1::ExecutionState::NeverSeen => Outcome::NeverSeen,
        v1::ExecutionState::Running => Outcome::Running,
        v1::ExecutionState::Succeeded => Outcome::Done,
        v1::ExecutionState::Failed => Outcome::Failed(shortened(&execution.message).to_owned()),
        v1::ExecutionState::Unspecified => Outcome::Silent("its answer states nothing".to_owned()),
    }
}

/// Whether the target itself refused the call, so that it had no effect. All other codes can come after an effect.
fn is_answer(code: Code) -> bool {
    matches!(
        code,
        Code::InvalidArgument
            | Code::NotFound
            | Code::FailedPrecondition
            | Code::OutOfRange
            | Code::Unimplemented
            | Code::PermissionDenied
            | Code::Unauthenticated
    )
}

fn nobody(service: &ServiceId) -> String {
    format!("no action target is configured for {service}")
}

fn words(error: &Status) -> String {
    format!("{:?}: {}", error.code(), shortened(error.message()))
}

/// What a target says is kept several times with its action, which has to fit the store.
fn shortened(text: &str) -> &str {
    &text[..text.floor_char_boundary(WORDS_BYTES_MAX)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(state: v1::ExecutionState) -> Outcome {
        let message = "words".to_owned();
        outcome(Ok(Some(v1::Execution { state: state.into(), message, ..v1::Execution::default() })))
    }

    #[test]
    fn only_what_the_target_itself_refused_had_no_effect() {
        for code in [
            Code::InvalidArgument,
            Code::NotFound,
            Code::FailedPrecondition,
            Code::OutOfRange,
            Code::Unimplemented,
            Code::PermissionDenied,
            Code::Unauthenticated,
        ] {
            let refused = outcome(Err(Status::new(code, "not today")));
            assert!(matches!(&refused, Outcome::Refused(why) if why.contains("not today")), "{refused:?}");
        }
        for code in [
            Code::Cancelled,
            Code::Unknown,
            Code::DeadlineExceeded,
            Code::AlreadyExists,
            Code::ResourceExhausted,
            Code::Aborted,
            Code::Internal,
            Code::Unavailable,
            Code::DataLoss,
        ] {
            let silent = outcome(Err(Status::new(code, "who knows")));
            assert!(matches!(&silent, Outcome::Silent(why) if why.contains("who knows")), "{silent:?}");
        }
        // Its code is one of a refusal, and whoever acted under the newer token may have done this too.
        let stale = outcome(Err(status::failed_precondition(STALE_TOKEN, "too old")));
        assert!(matches!(stale, Outcome::Silent(_)), "{stale:?}");
    }

    #[test]
    fn only_what_a_target_says_is_done_is_done() {
        assert_eq!(said(v1::ExecutionState::Succeeded), Outcome::Done);
        assert_eq!(said(v1::ExecutionState::Running), Outcome::Running);
        assert_eq!(said(v1::ExecutionState::NeverSeen), Outcome::NeverSeen);
        assert_eq!(said(v1::ExecutionState::Failed), Outcome::Failed("words".to_owned()));
        assert!(matches!(said(v1::ExecutionState::Unspecified), Outcome::Silent(_)));
        assert!(matches!(outcome(Ok(None)), Outcome::Silent(_)), "an empty answer");
        let newer = v1::Execution { state: 99, ..v1::Execution::default() };
        assert!(matches!(outcome(Ok(Some(newer))), Outcome::Silent(_)), "a state of another version");
    }

    #[test]
    fn what_a_target_says_is_cut_between_characters() {
        assert_eq!(shortened("short"), "short");
        let long = "ä".repeat(WORDS_BYTES_MAX);
        assert_eq!(shortened(&format!("x{long}")).len(), WORDS_BYTES_MAX - 1);
    }
}
