//! What somebody else did to the store must not stop detection.

use llm_sre_ports::documents::{Document, Documents, Filter, NewDocument, Precondition};
use llm_sre_proto::incident::v1;
use llm_sre_proto::incident::v1::incident_service_server::IncidentService;
use serde_json::{Value, json};
use tonic::Request;

use crate::maintenance::{end, maintain, order};
use crate::shop::Shop;
use crate::{FAILING, SICK, WELL, with_incident};

/// Writes over the one incident that there is.
async fn overwrite(shop: &Shop, body: Value, attributes: &[(&str, &str)]) {
    let page = shop.documents.list("incidents", Filter::default(), None, 2).await.unwrap();
    let [Document { id, version, attributes: kept, .. }] = &page.documents[..] else { panic!("{page:?}") };
    let own = attributes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let attributes = kept.clone().into_iter().chain(own).collect();
    let collection = "incidents".to_owned();
    let document = NewDocument { collection, id: id.clone(), body, attributes, schema_version: 1 };
    shop.documents.put(document, Precondition::Version(*version)).await.unwrap();
}

#[tokio::test]
async fn an_incident_that_cannot_be_read_stops_no_other() {
    let (mut shop, running, before) = with_incident(21).await;
    overwrite(&shop, json!({"incident": 7}), &[]).await;
    shop.trade(WELL, 0.0).await;
    shop.until_read().await;
    shop.trade(SICK, FAILING).await;
    let new = running.until(v1::State::Escalated).await;
    assert_eq!((new.service, new.ordinal), (before.service, 1), "it has a number of its own");
    assert_ne!(new.name, before.name);
    running.stop().await;
}

/// Written by a newer version, say: what is done on its account goes by the windows over its service all the same.
#[tokio::test]
async fn an_incident_that_makes_no_sense_is_held_by_windows_still() {
    let (shop, running, incident) = with_incident(23).await;
    let page = shop.documents.list("incidents", Filter::default(), None, 2).await.unwrap();
    let mut body = page.documents[0].body.clone();
    body["fingerprint"] = json!("none");
    overwrite(&shop, body, &[]).await;
    let held = async || {
        let request = v1::GetIncidentRequest { name: incident.name.clone() };
        let answer = running.service.get_incident(Request::new(request)).await.unwrap().into_inner();
        assert_eq!(answer.fingerprint, "none");
        answer.maintenance.map(|maintenance| maintenance.window)
    };
    let elsewhere = v1::CreateMaintenanceWindowRequest { request_id: "w2".to_owned(), ..order("web@*", 600) };
    maintain(&running, elsewhere).await.unwrap();
    assert_eq!(held().await, None);
    let window = maintain(&running, order("cart@*", 600)).await.unwrap();
    assert_eq!(held().await, Some(window.name.clone()));
    end(&running, &window).await;
    assert_eq!(held().await, None);
    let (collection, id) = ("maintenance_windows".to_owned(), "w".to_owned());
    let attributes = [("open".to_owned(), "yes".to_owned())].into();
    let unreadable = NewDocument { collection, id, body: json!(7), attributes, schema_version: 1 };
    shop.documents.put(unreadable, Precondition::Absent).await.unwrap();
    assert_eq!(held().await.as_deref(), Some("maintenanceWindows/w"));
    running.stop().await;
}

#[tokio::test]
async fn an_incident_that_was_removed_stops_no_other() {
    let (mut shop, running, _) = with_incident(22).await;
    overwrite(&shop, json!({"incident": {}}), &[("time", "0")]).await;
    let now = llm_sre_ports::clock::Clock::now(shop.clock.as_ref());
    assert_eq!(shop.documents.prune("incidents", now).await.unwrap(), 1);
    shop.trade(WELL, 0.0).await;
    shop.until_read().await;
    shop.trade(SICK, FAILING).await;
    running.until(v1::State::Escalated).await;
    running.stop().await;
}
