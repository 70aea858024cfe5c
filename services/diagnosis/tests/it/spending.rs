//! What a model may cost, and what is reckoned as spent.

use llm_sre_diagnosis::{Budget, Limits};
use llm_sre_ports::memory::Said;
use llm_sre_ports::model::Error;
use llm_sre_proto::diagnosis::v1::{AdviceFailure as Failure, AdviceState};

use crate::advice::{UNLIMITED, advised, away, good, limits, says};

#[tokio::test(start_paused = true)]
async fn beyond_the_budget_nobody_is_asked() {
    let small = Limits { incident: Budget { tokens_max: 500, ..UNLIMITED }, ..limits() };
    let poor = Limits { day: Budget { micros_max: 10, ..UNLIMITED }, ..limits() };
    for limits in [small, poor] {
        let advised = advised(vec![says(&good())], limits);
        let advice = advised.advice().await;
        assert_eq!((advice.state(), advice.failure()), (AdviceState::Withheld, Failure::OverBudget));
        assert!(advice.model.is_none() && advised.model.asked().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn the_same_question_is_paid_for_once() {
    let advised = advised(vec![says(&good())], limits());
    let first = advised.diagnosed("r1").await;
    advised.watched(&first.name).await;
    let second = advised.diagnosed("r2").await;
    let advice = advised.watched(&second.name).await.pop().unwrap().advice.unwrap();
    assert_eq!((advice.state(), advice.model.unwrap().requests), (AdviceState::Given, 0));
    assert_eq!(advised.model.asked().len(), 1);
}

/// A server that broke off may have worked on an answer, and bill it; one that was never reached does not.
#[tokio::test(start_paused = true)]
async fn what_may_be_billed_is_spent() {
    let once = || Limits { attempts_max: 1, ..limits() };
    let unreached = advised(vec![Said::Failure(Error::Unreached("refused".to_owned()))], once()).advice().await;
    assert_eq!(unreached.model.unwrap().cost_micros, 0);
    for said in [away(None), Said::Nothing, Said::Failure(Error::Unreadable("10 MB".to_owned()))] {
        let told = format!("{said:?}");
        let used = advised(vec![said], once()).advice().await.model.unwrap();
        let longest = u64::from(limits().answer_tokens_max);
        assert!(used.cost_micros > 0 && used.output_tokens == longest, "{told}: {used:?}");
    }
}
