//! Advice that nobody needs any more, and such as is needed still.

use std::time::Duration;

use llm_sre_proto::diagnosis::v1::{self, AdviceFailure as Failure, AdviceState};
use llm_sre_proto::incident::v1::{Incident, State};

use crate::advice::{Advised, advised, good, limits, says};
use crate::owner::incident;

/// Advice that is awaited while nobody is at it.
async fn awaited() -> (Advised, v1::Diagnosis) {
    let mut advised = advised(vec![says(&good())], limits());
    advised.ending.cancel();
    (&mut advised.running).await.ok();
    let asked = advised.diagnosed("r1").await;
    (advised, asked)
}

#[tokio::test(start_paused = true)]
async fn nobody_is_asked_about_what_is_over() {
    let (mut advised, asked) = awaited().await;
    advised.world.owner.add(incident(1, State::Resolved));
    advised.start_next();
    let advice = advised.watched(&asked.name).await.pop().unwrap().advice.unwrap();
    assert_eq!((advice.state(), advice.failure()), (AdviceState::Withheld, Failure::Obsolete));
    assert!(advised.model.asked().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_later_diagnosis_that_explains_nothing_takes_no_place() {
    let (mut advised, asked) = awaited().await;
    advised.world.owner.add(Incident { anomalies: Vec::new(), ..incident(1, State::Diagnosing) });
    let later = advised.diagnosed("r2").await;
    assert_eq!((later.ordinal, later.state()), (asked.ordinal + 1, v1::DiagnosisState::Unresolved));
    advised.start_next();
    let advice = advised.watched(&asked.name).await.pop().unwrap().advice.unwrap();
    assert_eq!(advice.state(), AdviceState::Given, "{advice:?}");
}

/// Who watches does not wait for a model that was taken out of the configuration.
#[tokio::test(start_paused = true)]
async fn a_wait_for_a_model_that_is_gone_ends() {
    let (advised, asked) = awaited().await;
    let without = advised.world.without_model();
    without.reconcile().await.unwrap();
    let now = || llm_sre_ports::clock::Clock::now(advised.world.clock.as_ref());
    let is_awaited = |made: &v1::Diagnosis| made.advice.as_ref().unwrap().state() == AdviceState::Pending;
    assert!(is_awaited(&advised.world.list(&advised.incident).await[0]), "another process may have one");
    advised.world.clock.advance_to(now() + Duration::from_secs(31 * 60));
    without.reconcile().await.unwrap();
    let advice = advised.watched(&asked.name).await.pop().unwrap().advice.unwrap();
    assert_eq!((advice.state(), advice.failure()), (AdviceState::Withheld, Failure::Obsolete));
}
