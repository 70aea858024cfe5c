//! Readers of the watch that go away and come back.

use std::collections::BTreeMap;
use std::time::Duration;

use llm_sre_domain::incident::{Incident, IncidentId};
use llm_sre_ports::documents::{Document, Documents, Filter, NewDocument, PAGE_MAX, Precondition};
use llm_sre_proto::incident::v1;
use llm_sre_proto::incident::v1::incident_service_server::IncidentService;
use llm_sre_proto::telemetry::v1::ServiceIdentity;
use tokio_stream::StreamExt;
use tonic::{Code, Request, Status};

use crate::shop::{Running, Shop};
use crate::with_incident;

/// What a reader was told.
#[derive(Default)]
struct Told {
    /// The etag of each incident.
    incidents: BTreeMap<String, String>,
    caught_up: usize,
    token: String,
}

impl Told {
    fn hear(&mut self, answer: v1::WatchIncidentsResponse) {
        self.caught_up += usize::from(answer.caught_up);
        assert_ne!(answer.caught_up, answer.incident.is_some(), "an incident, or that all was said");
        if let Some(incident) = answer.incident {
            self.incidents.insert(incident.name, incident.etag);
        }
        self.token = answer.resume_token;
    }
}

/// Reads until an answer is the last that is asked for.
async fn read(
    running: &Running,
    request: v1::WatchIncidentsRequest,
    is_last: impl Fn(&v1::WatchIncidentsResponse) -> bool,
) -> Told {
    let mut told = Told::default();
    let reading = async {
        let mut watch = running.service.watch_incidents(Request::new(request)).await.unwrap().into_inner();
        loop {
            let answer = watch.next().await.unwrap().unwrap();
            let is_over = is_last(&answer);
            told.hear(answer);
            if is_over {
                return;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), reading).await.unwrap();
    told
}

fn all_living() -> v1::WatchIncidentsRequest {
    v1::WatchIncidentsRequest { skip_ended: true, ..v1::WatchIncidentsRequest::default() }
}

fn from(token: &str) -> v1::WatchIncidentsRequest {
    v1::WatchIncidentsRequest { resume_token: token.to_owned(), ..v1::WatchIncidentsRequest::default() }
}

async fn resolve(running: &Running, name: &str) {
    let reason = v1::ResolutionReason::Manual.into();
    let request = v1::ResolveIncidentRequest { name: name.to_owned(), reason, ..Default::default() };
    running.service.resolve_incident(Request::new(request)).await.unwrap();
}

async fn report(running: &Running, service: &str) -> String {
    let request = v1::ReportIncidentRequest {
        service: Some(ServiceIdentity { name: service.to_owned(), ..ServiceIdentity::default() }),
        title: "customers call".to_owned(),
        ..v1::ReportIncidentRequest::default()
    };
    running.service.report_incident(Request::new(request)).await.unwrap().into_inner().name
}

async fn judge(running: &Running, name: &str) {
    let kind = v1::JudgementKind::FalseAlarm.into();
    let request = v1::JudgeIncidentRequest { name: name.to_owned(), kind, ..Default::default() };
    running.service.judge_incident(Request::new(request)).await.unwrap();
}

fn names(told: &Told) -> Vec<&str> {
    told.incidents.keys().map(String::as_str).collect()
}

/// What is told of those that live, once all is written that follows from what was done.
async fn until_settled(running: &Running) -> Told {
    let mut before = read(running, all_living(), |answer| answer.caught_up).await;
    loop {
        let now = read(running, from(&before.token), |answer| answer.caught_up).await;
        if now.incidents.is_empty() {
            return before;
        }
        before.incidents.extend(now.incidents);
        before.token = now.token;
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn who_comes_back_is_told_what_changed_meanwhile_and_nothing_else() {
    let (_shop, running, incident) = with_incident(81).await;
    let reported = report(&running, "web").await;
    let before = until_settled(&running).await;
    assert_eq!(before.incidents.len(), 2, "{:?}", before.incidents);
    let nothing = read(&running, from(&before.token), |answer| answer.caught_up).await;
    assert!(nothing.incidents.is_empty(), "{:?}", nothing.incidents);

    resolve(&running, &incident.name).await;
    let changed = read(&running, from(&nothing.token), |answer| answer.caught_up).await;
    assert_eq!(names(&changed), [incident.name.as_str()], "it ended while nobody read");
    assert_ne!(before.incidents[&incident.name], changed.incidents[&incident.name]);
    assert_ne!(reported, incident.name);
    running.stop().await;
}

#[tokio::test]
async fn what_had_ended_is_left_out_until_it_changes() {
    let (_shop, running, ended) = with_incident(82).await;
    resolve(&running, &ended.name).await;
    let lives = report(&running, "web").await;
    let living = until_settled(&running).await;
    assert_eq!(names(&living), [lives.as_str()]);
    assert_eq!(living.caught_up, 1);
    judge(&running, &ended.name).await;
    let changed = read(&running, from(&living.token), |answer| answer.caught_up).await;
    assert_eq!(names(&changed), [ended.name.as_str()]);
    // Nobody asked to be told where the present begins.
    let everything = read(&running, v1::WatchIncidentsRequest::default(), |answer| {
        assert!(!answer.caught_up);
        answer.incident.as_ref().is_some_and(|incident| incident.name == ended.name)
    });
    assert!(everything.await.incidents.contains_key(&lives));
    running.stop().await;
}

/// Others like an incident, written as if by other instances. Their names, oldest first.
async fn copy(shop: &Shop, incident: &v1::Incident, count: u32) -> Vec<String> {
    let id = incident.name.strip_prefix("incidents/").unwrap();
    let original = shop.documents.get("incidents", id).await.unwrap().unwrap();
    let (known, mut names) = (Incident::try_from(incident).unwrap(), Vec::new());
    for number in 0..count {
        let ordinal = known.ordinal + 1 + number;
        let id = IncidentId::of(&known.fingerprint, ordinal).to_string();
        let mut body = original.body.clone();
        (body["name"], body["ordinal"]) = (format!("incidents/{id}").into(), ordinal.into());
        names.push(format!("incidents/{id}"));
        let (collection, attributes) = ("incidents".to_owned(), original.attributes.clone());
        let document = NewDocument { collection, id, body, attributes, schema_version: original.schema_version };
        shop.documents.put(document, Precondition::Absent).await.unwrap();
    }
    names
}

/// The etag of each incident, as it is stored.
async fn stored(shop: &Shop) -> BTreeMap<String, String> {
    let page = shop.documents.list("incidents", Filter::default(), None, PAGE_MAX).await.unwrap();
    let etag = |document: Document| (format!("incidents/{}", document.id), document.version.to_string());
    page.documents.into_iter().map(etag).collect()
}

#[tokio::test]
async fn nothing_is_lost_of_what_changes_while_those_that_live_are_told() {
    let (shop, running, incident) = with_incident(85).await;
    let copies = copy(&shop, &incident, 250).await;
    let mut told = Told::default();
    let mut watch = running.service.watch_incidents(Request::new(all_living())).await.unwrap().into_inner();
    told.hear(watch.next().await.unwrap().unwrap());
    assert_eq!(told.token, "", "who goes away before all was said begins anew");
    // The reader stands still, and with it the list, which has some of these behind it and some before it.
    for name in [&copies[249], &copies[0], &copies[1]] {
        resolve(&running, name).await;
    }
    let late = report(&running, "web").await;
    let reading = async {
        while told.caught_up == 0 || told.incidents != stored(&shop).await {
            told.hear(watch.next().await.unwrap().unwrap());
        }
    };
    tokio::time::timeout(Duration::from_secs(60), reading).await.unwrap();
    assert_eq!((told.caught_up, told.incidents.len()), (1, 252));
    assert!(told.incidents.contains_key(&late));
    running.stop().await;
}

#[tokio::test]
async fn one_that_is_named_is_told_without_the_others() {
    let (_shop, running, incident) = with_incident(86).await;
    let other = report(&running, "web").await;
    for name in [&incident.name, &other] {
        let request = v1::WatchIncidentsRequest { name: name.clone(), ..all_living() };
        let told = read(&running, request, |answer| answer.caught_up).await;
        assert_eq!(names(&told), [name.as_str()]);
    }
    resolve(&running, &incident.name).await;
    let request = v1::WatchIncidentsRequest { name: incident.name.clone(), ..all_living() };
    let told = read(&running, request, |answer| answer.caught_up).await;
    assert!(told.incidents.is_empty() && !told.token.is_empty(), "it had ended: {:?}", told.incidents);
    running.stop().await;
}

#[tokio::test]
async fn that_all_was_said_is_said_once() {
    let (_shop, running, incident) = with_incident(83).await;
    let mut told = Told::default();
    let mut watch = running.service.watch_incidents(Request::new(all_living())).await.unwrap().into_inner();
    while told.caught_up == 0 {
        told.hear(watch.next().await.unwrap().unwrap());
    }
    resolve(&running, &incident.name).await;
    let etag = |told: &Told| told.incidents[&incident.name].clone();
    let before = etag(&told);
    while etag(&told) == before {
        told.hear(watch.next().await.unwrap().unwrap());
    }
    assert_eq!(told.caught_up, 1);
    running.stop().await;
}

#[tokio::test]
async fn what_is_no_token_is_refused_by_name() {
    let (_shop, running, incident) = with_incident(84).await;
    let token = read(&running, all_living(), |answer| answer.caught_up).await.token;
    let id = incident.name.strip_prefix("incidents/").unwrap();
    assert!(token.contains(id), "{token}");
    let of_another_store = token.replace(id, "00000000-0000-4000-8000-000000000000");
    let not_the_stores = format!("{token}x");
    for token in ["x", "..", &of_another_store, &not_the_stores] {
        let refused: Status = running.service.watch_incidents(Request::new(from(token))).await.err().unwrap();
        assert_eq!(refused.code(), Code::InvalidArgument, "{refused}");
        assert!(refused.message().starts_with("resume_token: "), "{refused}");
    }
    running.stop().await;
}
