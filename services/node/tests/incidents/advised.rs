//! Whatever a language model does, the incident ends as it does without one.

use std::sync::Arc;
use std::time::Duration;

use llm_sre_adapters::openai::{OpenAi, Options, Server};
use llm_sre_diagnosis::{Advising, Budget, Limits, Prices};
use llm_sre_domain::remedy::Autonomy;
use llm_sre_mesh::stages::Stage;
use llm_sre_ports::documents::{Documents, Filter};
use llm_sre_ports::memory::MemoryLeases;
use llm_sre_proto::incident::v1;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::shop::Shop;
use crate::{FAILING, LOOK, SICK, WARM, policy, trade_until};

/// What advice may take in these tests, in real time; a model that says nothing costs no more.
const WITHIN: Duration = Duration::from_secs(6);
const ADVISED_WITHIN: Duration = Duration::from_secs(60);

/// What a server does with a request.
#[derive(Clone, Debug)]
enum Reply {
    /// Answers these bytes and closes the connection.
    Bytes(Vec<u8>),
    /// Answers a byte now and then.
    Drip,
    /// Says nothing.
    Silence,
    /// Closes the connection.
    HangUp,
}

fn http(status: &str, headers: &str, body: &str) -> Reply {
    let length = body.len();
    Reply::Bytes(format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n{headers}\r\n{body}").into_bytes())
}

/// A completion with this content.
fn completed(content: &str) -> Reply {
    completion(&json!({ "content": content }), "stop")
}

fn completion(message: &Value, finish_reason: &str) -> Reply {
    let choice = json!({ "finish_reason": finish_reason, "message": message });
    let usage = json!({ "prompt_tokens": 900, "completion_tokens": 90 });
    http("200 OK", "", &json!({ "model": "of-the-test", "choices": [choice], "usage": usage }).to_string())
}

fn answer(evidence: &str, hypothesis: &str, action: &str) -> Reply {
    let answer = json!({
        "evidence_ids": [evidence], "hypothesis_ids": [hypothesis], "root_cause": "The newest version fails.",
        "immediate_fix": "Take it back.", "long_term_fix": "Release in steps.", "proposed_action": action,
        "confidence": 1.0,
    });
    completed(&answer.to_string())
}

/// Every way in which a server is known to go wrong, and what the diagnosis has to call it; a good one, and one that
/// proposes what treats something else, are given.
fn replies() -> Vec<(&'static str, Reply, &'static str)> {
    vec![
        ("a good answer", answer("e1", "h1", "rollback_deployment"), ""),
        ("an action for something else", answer("e1", "h1", "shed_load"), ""),
        ("invented evidence", answer("e99", "h1", ""), "ADVICE_FAILURE_UNFOUNDED"),
        ("invented hypotheses", answer("e1", "h99", ""), "ADVICE_FAILURE_UNFOUNDED"),
        ("prose", completed("I would restart everything."), "ADVICE_FAILURE_INVALID"),
        ("another schema", completed("{\"action\":\"restart\"}"), "ADVICE_FAILURE_INVALID"),
        ("half an answer", completion(&json!({ "content": "{\"evid" }), "length"), "ADVICE_FAILURE_CUT_OFF"),
        ("a refusal", completion(&json!({ "refusal": "I am sorry." }), "stop"), "ADVICE_FAILURE_REFUSED"),
        ("half of the JSON", http("200 OK", "", "{\"choices\":[{"), "ADVICE_FAILURE_UNREADABLE"),
        ("10 MB", completed(&"x".repeat(10_000_000)), "ADVICE_FAILURE_UNREADABLE"),
        ("500", http("500 Internal Server Error", "", "oops"), "ADVICE_FAILURE_UNAVAILABLE"),
        ("429 for an hour", http("429 Too Many Requests", "retry-after: 3600\r\n", ""), "ADVICE_FAILURE_LIMITED"),
        ("429 without a word", http("429 Too Many Requests", "", "slow down"), "ADVICE_FAILURE_LIMITED"),
        ("a wrong key", http("401 Unauthorized", "", "{}"), "ADVICE_FAILURE_REJECTED"),
        ("nobody at home", Reply::HangUp, "ADVICE_FAILURE_UNAVAILABLE"),
        ("silence", Reply::Silence, "ADVICE_FAILURE_TIMED_OUT"),
        ("a slow drip", Reply::Drip, "ADVICE_FAILURE_TIMED_OUT"),
    ]
}

/// Serves until the test ends.
async fn serve(reply: Reply) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(handle(stream, reply.clone()));
        }
    });
    format!("http://{address}/v1")
}

/// Whoever asked may be gone by then: what fails here is no failure of the test.
async fn handle(mut stream: TcpStream, reply: Reply) {
    let (mut read, mut request) = (vec![0; 65_536], Vec::new());
    while !is_whole(&request) {
        match stream.read(&mut read).await {
            Ok(0) | Err(_) => return,
            Ok(count) => request.extend_from_slice(&read[..count]),
        }
    }
    match reply {
        Reply::Bytes(bytes) => drop(stream.write_all(&bytes).await),
        Reply::HangUp => {}
        Reply::Silence => std::future::pending().await,
        Reply::Drip => {
            let head = b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n";
            let mut every = tokio::time::interval(Duration::from_millis(100));
            for byte in head.iter().chain(std::iter::repeat(&b' ')) {
                every.tick().await;
                if stream.write_all(&[*byte]).await.is_err() {
                    return;
                }
            }
        }
    }
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length =
        head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
    length.is_some_and(|length: usize| body.len() >= length)
}

async fn advising(reply: Reply) -> Advising {
    let server =
        Server::Compatible { url: serve(reply).await, model: "m".to_owned(), provider: "of_the_test".to_owned() };
    let options = Options { server, key: None, timeout: Duration::from_secs(2), answer_bytes_max: 262_144 };
    let unlimited = Budget { tokens_max: u64::MAX, micros_max: u64::MAX };
    let limits = Limits {
        within: WITHIN,
        attempts_max: 2,
        retry_after_max: Duration::from_secs(2),
        concurrency: 1,
        question_bytes_max: 16_000,
        answer_tokens_max: 500,
        incident: unlimited,
        day: unlimited,
        prices: Prices::default(),
    };
    let model = Arc::new(OpenAi::build(options).unwrap());
    Advising { model, limits, leases: Arc::new(MemoryLeases::default()), text_in_spans: false }
}

/// What an incident came to, and what advice its first diagnosis has.
async fn outcome(reply: Option<Reply>) -> (Value, Value) {
    let mut shop = Shop::new(31).await.with_repairs(policy(Autonomy::Auto));
    if let Some(reply) = reply {
        shop.advising = Some(advising(reply).await);
    }
    let running = shop.start();
    shop.trade(WARM, 0.0).await;
    shop.deploy("1.4.1", "1.4.2").await;
    let ended = trade_until(&mut shop, &running, v1::State::Resolved, FAILING).await;
    let advice = advice(&shop).await;
    running.stop().await;
    let first = shop.diagnoses_kept().await.pop().unwrap();
    let outcome = json!({
        "reason": ended.resolution.as_ref().unwrap().reason().as_str_name(),
        "attempts": ended.attempts, "done": shop.target.done(), "undone": shop.target.undone(),
        "root_cause": first["rootCause"], "confidence": first["confidence"],
        "first": first["hypotheses"][0]["cause"],
    });
    (outcome, advice)
}

/// The advice of the first diagnosis, once it is no longer awaited; null where there is none.
async fn advice(shop: &Shop) -> Value {
    let mut looks = tokio::time::interval(LOOK);
    let is_over = async {
        loop {
            looks.tick().await;
            let first = shop.diagnoses_kept().await.pop().unwrap();
            if first["advice"]["state"] != "ADVICE_STATE_PENDING" {
                return first["advice"].clone();
            }
        }
    };
    tokio::time::timeout(ADVISED_WITHIN, is_over).await.expect("advice within its time")
}

#[tokio::test]
async fn an_incident_ends_as_without_a_model_whatever_that_does() {
    let (without, none) = outcome(None).await;
    assert_eq!(
        (&without["reason"], &without["done"], &none),
        (&json!("RESOLUTION_REASON_MEASURED"), &json!(1), &Value::Null)
    );
    let runs = replies()
        .into_iter()
        .map(|(name, reply, failure)| async move { (name, failure, Box::pin(outcome(Some(reply))).await) });
    for (name, failure, (with, advice)) in futures(runs).await {
        assert_eq!(with, without, "{name}: {advice}");
        match failure {
            "" => assert_eq!(advice["state"], "ADVICE_STATE_GIVEN", "{name}: {advice}"),
            failure => assert_eq!(advice["failure"], failure, "{name}: {advice}"),
        }
        let proposed = advice["proposedAction"].as_str().unwrap_or_default();
        assert!(["", "rollback_deployment"].contains(&proposed), "{name}: {advice}");
        assert!(advice["confidence"].as_f64().unwrap_or(0.0) <= without["confidence"].as_f64().unwrap(), "{name}");
    }
}

#[tokio::test]
async fn a_question_is_a_step_of_its_incident_by_the_conventions() {
    let mut shop = Shop::new(32).await;
    shop.advising = Some(advising(answer("e1", "h1", "")).await);
    let running = shop.start();
    shop.trade(WARM, 0.0).await;
    shop.deploy("1.4.1", "1.4.2").await;
    shop.trade(SICK, FAILING).await;
    let incident = running.until(v1::State::Escalated).await;
    assert_eq!(advice(&shop).await["state"], "ADVICE_STATE_GIVEN");
    running.stop().await;
    let kept = shop.documents.list("stages", Filter::default(), None, 100).await.unwrap();
    let mut stages = kept.documents.into_iter().map(|kept| serde_json::from_value::<Stage>(kept.body).unwrap());
    let asked = stages.find(|stage| stage.key.starts_with("advise/")).unwrap();
    assert_eq!(format!("incidents/{}", asked.incident), incident.name);
    assert!(asked.is_call && asked.error.is_empty() && asked.name == "chat m", "{asked:?}");
    for (key, value) in [
        ("gen_ai.operation.name", "chat"),
        ("gen_ai.provider.name", "of_the_test"),
        ("gen_ai.request.model", "m"),
        ("gen_ai.response.model", "of-the-test"),
    ] {
        assert!(asked.attributes.contains(&(key.to_owned(), value.to_owned())), "{key}: {asked:?}");
    }
    for (key, value) in [("gen_ai.usage.input_tokens", 900), ("gen_ai.usage.output_tokens", 90)] {
        assert!(asked.numbers.contains(&(key.to_owned(), value)), "{key}: {asked:?}");
    }
    let holds_text = |(key, _): &(String, String)| key.ends_with(".messages");
    assert!(!asked.attributes.iter().any(holds_text), "no text unless that is switched on: {asked:?}");
}

/// Beside each other: most of the time they wait.
async fn futures<T: Send + 'static>(runs: impl Iterator<Item = impl Future<Output = T> + Send + 'static>) -> Vec<T> {
    let tasks: Vec<_> = runs.map(tokio::spawn).collect();
    let mut done = Vec::new();
    for task in tasks {
        done.push(task.await.unwrap());
    }
    done
}
