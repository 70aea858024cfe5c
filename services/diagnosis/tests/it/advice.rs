//! Advice: what a model says beside a diagnosis, and that nothing waits for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use llm_sre_diagnosis::{Advising, Budget, Limits, Prices};
use llm_sre_ports::leases::{Error as LeaseError, Lease, Leases};
use llm_sre_ports::memory::{MemoryLeases, Said, ScriptedModel};
use llm_sre_ports::model::{Completion, Error, Usage};
use llm_sre_proto::diagnosis::v1::{self, AdviceFailure as Failure, AdviceState};
use llm_sre_proto::incident::v1::{IncidentEventKind as Kind, State};
use serde_json::json;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::Request;

use super::*;

pub(crate) const UNLIMITED: Budget = Budget { tokens_max: u64::MAX, micros_max: u64::MAX };

pub(crate) fn limits() -> Limits {
    Limits {
        within: Duration::from_secs(120),
        attempts_max: 3,
        retry_after_max: Duration::from_secs(20),
        concurrency: 2,
        question_bytes_max: 16_000,
        answer_tokens_max: 1_000,
        incident: UNLIMITED,
        day: UNLIMITED,
        prices: Prices { input_micros: 1_000_000, output_micros: 2_000_000 },
    }
}

pub(crate) fn good() -> serde_json::Value {
    json!({
        "evidence_ids": ["e1"], "hypothesis_ids": ["h1"], "root_cause": "The cart fails by itself.",
        "immediate_fix": "Start it again.", "long_term_fix": "Find out why.", "proposed_action": "", "confidence": 0.99,
    })
}

pub(crate) fn says(answer: &serde_json::Value) -> Said {
    says_text(&answer.to_string())
}

pub(crate) fn says_text(text: &str) -> Said {
    let usage = Some(Usage { input_tokens: 900, output_tokens: 90 });
    Said::Answer(Completion { text: text.to_owned(), model: "scripted-2".to_owned(), id: String::new(), usage })
}

pub(crate) fn away(retry_after: Option<u64>) -> Said {
    let retry_after = retry_after.map(Duration::from_secs);
    Said::Failure(Error::Unavailable { reason: "status 503".to_owned(), retry_after })
}

/// Leases that count how often somebody asked for one.
#[derive(Default)]
struct Counting {
    leases: MemoryLeases,
    asked: AtomicUsize,
}

#[async_trait]
impl Leases for Counting {
    async fn acquire(&self, name: &str, holder: &str, ttl: Duration) -> Result<Option<Lease>, LeaseError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.leases.acquire(name, holder, ttl).await
    }
    async fn renew(&self, lease: &Lease, ttl: Duration) -> Result<(), LeaseError> {
        self.leases.renew(lease, ttl).await
    }
    async fn release(&self, lease: Lease) -> Result<(), LeaseError> {
        self.leases.release(lease).await
    }
}

pub(crate) struct Advised {
    pub(crate) world: World,
    advising: Advising,
    pub(crate) model: Arc<ScriptedModel>,
    leases: Arc<Counting>,
    pub(crate) incident: String,
    pub(crate) ending: CancellationToken,
    pub(crate) running: JoinHandle<()>,
}

impl Drop for Advised {
    fn drop(&mut self) {
        self.ending.cancel();
    }
}

pub(crate) fn advised(script: Vec<Said>, limits: Limits) -> Advised {
    let model = Arc::new(ScriptedModel::new(script));
    let leases = Arc::new(Counting::default());
    let advising = Advising { model: model.clone(), limits, leases: leases.clone(), text_in_spans: false };
    let world = world_with(Some(advising.clone()));
    let incident = world.owner.add(incident(1, State::Open));
    let ending = CancellationToken::new();
    let running = run(world.service.clone(), &ending);
    Advised { world, advising, model, leases, incident, ending, running }
}

fn run(service: Service, ending: &CancellationToken) -> JoinHandle<()> {
    let until = ending.clone();
    tokio::spawn(async move { service.run(until).await })
}

impl Advised {
    /// Lets the process end, and starts another one over the same store, which ends with the test.
    async fn restart(&mut self) {
        self.ending.cancel();
        (&mut self.running).await.ok();
        self.start_next();
    }

    pub(crate) fn start_next(&mut self) {
        self.ending = CancellationToken::new();
        let next = service(
            &self.world.owner,
            &self.world.clock,
            (&self.world.documents, &self.world.telemetry),
            Some(self.advising.clone()),
        );
        self.running = run(next, &self.ending);
    }

    async fn until_asked(&self) {
        while self.model.asked().is_empty() {
            tokio::task::yield_now().await;
        }
    }

    async fn given(&self, name: &str) -> bool {
        self.watched(name).await.pop().unwrap().advice.unwrap().state() == AdviceState::Given
    }

    pub(crate) async fn diagnosed(&self, request_id: &str) -> v1::Diagnosis {
        self.world.diagnose(&self.incident, request_id).await.unwrap()
    }

    /// The diagnosis once no advice is awaited, as a watch tells it.
    pub(crate) async fn watched(&self, name: &str) -> Vec<v1::Diagnosis> {
        let request = Request::new(v1::WatchDiagnosisRequest { name: name.to_owned() });
        let watch = self.world.service.watch_diagnosis(request).await.unwrap().into_inner();
        let seen = tokio::time::timeout(Duration::from_secs(3_600), watch.collect::<Vec<_>>()).await.unwrap();
        seen.into_iter().map(|message| message.unwrap().diagnosis.unwrap()).collect()
    }

    /// Diagnoses, and waits for the advice. The diagnosis is what it is without.
    pub(crate) async fn advice(&self) -> v1::Advice {
        let asked = self.diagnosed("r1").await;
        let seen = self.watched(&asked.name).await;
        let last = seen.last().unwrap();
        assert_eq!(
            (&last.hypotheses, &last.root_cause, last.confidence),
            (&asked.hypotheses, &asked.root_cause, asked.confidence)
        );
        last.advice.clone().unwrap()
    }

    pub(crate) async fn exchanges(&self) -> Vec<v1::ModelExchange> {
        let name = self.world.list(&self.incident).await[0].name.clone();
        let request = v1::ListModelExchangesRequest { parent: name, ..v1::ListModelExchangesRequest::default() };
        self.world.service.list_model_exchanges(Request::new(request)).await.unwrap().into_inner().exchanges
    }
}

#[tokio::test(start_paused = true)]
async fn a_good_answer_stands_beside_the_diagnosis_and_is_kept() {
    let advised = advised(vec![says(&good())], limits());
    let asked = advised.diagnosed("r1").await;
    assert_eq!(asked.state(), v1::DiagnosisState::Succeeded, "nobody waits for the model");
    let seen = advised.watched(&asked.name).await;
    assert!(seen.len() >= 2, "it is told when the advice comes");
    let advice = seen.last().unwrap().advice.clone().unwrap();
    assert_eq!((advice.state(), advice.failure()), (AdviceState::Given, Failure::Unspecified));
    assert_eq!(advice.hypothesis_order, ["h1"]);
    assert!(asked.evidence.iter().any(|fact| fact.id == advice.cited_evidence[0]), "by the diagnosis' own ids");
    assert!(advice.confidence <= asked.hypotheses[0].confidence && advice.stated_confidence > 0.98);
    let used = advice.model.unwrap();
    assert_eq!((used.requests, used.input_tokens, used.output_tokens, used.cost_micros), (1, 900, 90, 1_080));
    assert_eq!((used.answering_model.as_str(), used.prompt.as_str()), ("scripted-2", "diagnosis.v1"));

    let kept = advised.exchanges().await;
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].question, advised.model.asked()[0].user);
    assert!(kept[0].answer.contains("The cart fails by itself.") && kept[0].error.is_empty());
}

#[tokio::test(start_paused = true)]
async fn who_watches_sees_that_a_model_is_being_asked() {
    let advised = advised(vec![Said::Nothing], limits());
    advised.diagnosed("r1").await;
    advised.until_asked().await;
    let advice = advised.world.list(&advised.incident).await[0].advice.clone().unwrap();
    assert_eq!(advice.state(), AdviceState::Pending);
    assert!(advice.start_time.is_some() && advice.end_time.is_none(), "{advice:?}");
}

#[tokio::test(start_paused = true)]
async fn the_owner_hears_of_the_diagnosis_while_the_model_says_nothing() {
    let advised = advised(vec![Said::Nothing], limits());
    let asked = advised.diagnosed("r1").await;
    assert_eq!(advised.world.owner.kinds(&advised.incident), [Kind::DiagnosisStarted, Kind::DiagnosisFinished]);
    let last = advised.watched(&asked.name).await.pop().unwrap();
    let advice = last.advice.unwrap();
    assert_eq!((advice.state(), advice.failure()), (AdviceState::Withheld, Failure::TimedOut));
    assert_eq!(advised.world.owner.kinds(&advised.incident).len(), 2, "and nothing more of it");
}

/// Each way in which a model can fail is named, and the diagnosis stands as it was.
#[tokio::test(start_paused = true)]
async fn every_failure_is_told_by_its_name() {
    let failure = |error: Error| Said::Failure(error);
    let limited = || failure(Error::Limited { reason: "429".to_owned(), retry_after: None });
    let of = |field: &str, value: serde_json::Value| {
        let mut answer = good();
        answer[field] = value;
        says(&answer)
    };
    let cases: Vec<(Vec<Said>, Failure, usize)> = vec![
        (vec![away(None), away(None), away(None)], Failure::Unavailable, 3),
        (vec![away(Some(21))], Failure::Unavailable, 1),
        (vec![limited(), limited(), limited()], Failure::Limited, 3),
        (vec![failure(Error::Rejected("401".to_owned()))], Failure::Rejected, 1),
        (vec![failure(Error::Refused("filter".to_owned()))], Failure::Refused, 1),
        (vec![failure(Error::CutOff("length".to_owned()))], Failure::CutOff, 1),
        (vec![failure(Error::Unreadable("10 MB".to_owned()))], Failure::Unreadable, 1),
        (vec![failure(Error::Unreached("refused".to_owned())); 3], Failure::Unavailable, 3),
        (vec![Said::Nothing], Failure::TimedOut, 1),
        (vec![says_text("I think"), says_text("it is DNS")], Failure::Invalid, 2),
        (vec![of("confidence", json!("high")), of("confidence", json!(7))], Failure::Invalid, 2),
        (vec![of("evidence_ids", json!(["e77"])), of("evidence_ids", json!([]))], Failure::Unfounded, 2),
        (vec![of("hypothesis_ids", json!(["h7"])), of("root_cause", json!(""))], Failure::Unfounded, 2),
    ];
    for (script, expected, asked) in cases {
        let told = format!("{script:?}");
        let advised = advised(script, limits());
        let advice = advised.advice().await;
        assert_eq!((advice.state(), advice.failure()), (AdviceState::Withheld, expected), "{told}");
        assert!(!advice.reason.is_empty() && advice.root_cause.is_empty(), "{told}");
        assert_eq!(advised.model.asked().len(), asked, "{told}");
        let kept = advised.exchanges().await;
        assert_eq!(kept.len(), asked, "{told}");
        assert!(kept.iter().all(|exchange| !exchange.error.is_empty() && exchange.end_time.is_some()), "{kept:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_answer_of_the_wrong_shape_is_asked_for_again() {
    let advised = advised(vec![says_text("```json"), says(&good())], limits());
    let advice = advised.advice().await;
    assert_eq!((advice.state(), advice.model.unwrap().requests), (AdviceState::Given, 2));
    let asked = advised.model.asked();
    assert!(asked[1].user.starts_with(&asked[0].user) && asked[1].user.contains("could not be used"));
}

#[tokio::test(start_paused = true)]
async fn a_server_is_left_alone_for_as_long_as_it_asks() {
    let advised = advised(vec![away(Some(15)), says(&good())], limits());
    let began = tokio::time::Instant::now();
    assert_eq!(advised.advice().await.state(), AdviceState::Given);
    assert!(began.elapsed() >= Duration::from_secs(15), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_model_that_always_fails_is_left_alone() {
    let script = (0..9).map(|_| away(None)).collect();
    let advised = advised(script, Limits { attempts_max: 2, concurrency: 1, ..limits() });
    let mut failures = Vec::new();
    for n in 10..14 {
        let name = advised.world.owner.add(incident(n, State::Open));
        let made = advised.world.diagnose(&name, "r").await.unwrap();
        failures.push(advised.watched(&made.name).await.pop().unwrap().advice.unwrap().failure());
    }
    assert_eq!(failures[..2], [Failure::Unavailable; 2]);
    assert_eq!(failures[2..], [Failure::CircuitOpen; 2], "five failures in a row were enough");
    assert_eq!(advised.model.asked().len(), 5);
}

/// A process that is told to end gives back what it has not done, and the next one need not wait.
#[tokio::test(start_paused = true)]
async fn advice_that_a_process_gave_up_is_given_by_the_next_at_once() {
    let mut advised = advised(vec![Said::Nothing, says(&good())], limits());
    let asked = advised.diagnosed("r1").await;
    advised.until_asked().await;
    let began = tokio::time::Instant::now();
    advised.restart().await;
    assert!(advised.given(&asked.name).await);
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
}

/// One that is killed has its lease still. Nobody asks for it more often than now and then meanwhile.
#[tokio::test(start_paused = true)]
async fn advice_that_a_killed_process_left_is_given_when_its_lease_has_run_out() {
    let mut advised = advised(vec![Said::Nothing, says(&good())], limits());
    let asked = advised.diagnosed("r1").await;
    advised.until_asked().await;
    advised.running.abort();
    (&mut advised.running).await.ok();
    let before = advised.leases.asked.load(Ordering::Relaxed);
    advised.start_next();
    assert!(advised.given(&asked.name).await);
    let tries = advised.leases.asked.load(Ordering::Relaxed) - before;
    assert!((2..=30).contains(&tries), "it tried {tries} times");
}

/// What another process is at delays nobody else, though this process asks about one at a time.
#[tokio::test(start_paused = true)]
async fn what_another_process_is_at_is_passed_over() {
    let mut advised = advised(vec![says(&good()), says(&good())], Limits { concurrency: 1, ..limits() });
    advised.ending.cancel();
    (&mut advised.running).await.ok();
    let first = advised.diagnosed("r1").await;
    let other = advised.world.owner.add(incident(2, State::Open));
    let second = advised.world.diagnose(&other, "r2").await.unwrap();
    let record = first.name.replace("incidents/", "").replace("diagnoses/", "");
    let held = advised.leases.acquire(&format!("advice/{record}"), "another", Duration::from_secs(100)).await;
    assert!(held.unwrap().is_some());
    let began = tokio::time::Instant::now();
    advised.start_next();
    assert!(advised.given(&second.name).await && began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
    assert!(advised.given(&first.name).await && began.elapsed() >= Duration::from_secs(100), "{:?}", began.elapsed());
}

/// A process without a model ends a long wait, and gives way to one that was asking all the while.
#[tokio::test(start_paused = true)]
async fn an_answer_takes_the_place_of_a_wait_that_was_given_up() {
    let advised = advised(vec![away(Some(15)), says(&good())], limits());
    let asked = advised.diagnosed("r1").await;
    advised.until_asked().await;
    let now = llm_sre_ports::clock::Clock::now(advised.world.clock.as_ref());
    advised.world.clock.advance_to(now + Duration::from_secs(3_600));
    advised.world.without_model().reconcile().await.unwrap();
    assert!(!advised.given(&asked.name).await, "nobody would ask, as far as that one knows");
    while !advised.given(&asked.name).await {
        tokio::time::advance(Duration::from_secs(1)).await;
    }
}

#[tokio::test]
async fn without_a_model_there_is_no_advice_and_no_exchange() {
    let world = world();
    let name = world.owner.add(incident(1, State::Open));
    let made = world.diagnose(&name, "r1").await.unwrap();
    assert!(made.advice.is_none());
    let request = v1::ListModelExchangesRequest { parent: made.name, ..v1::ListModelExchangesRequest::default() };
    let listed = world.service.list_model_exchanges(Request::new(request)).await.unwrap().into_inner();
    assert!(listed.exchanges.is_empty());
    let wrong = v1::ListModelExchangesRequest { parent: name, ..v1::ListModelExchangesRequest::default() };
    let error = world.service.list_model_exchanges(Request::new(wrong)).await.unwrap_err();
    assert_eq!(error.code(), Code::InvalidArgument);
}
