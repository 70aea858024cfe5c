//! What somebody else did to the store must not stop detection.

use llm_sre_ports::documents::{Document, Documents, Filter, NewDocument, Precondition};
use llm_sre_proto::incident::v1;
use serde_json::{Value, json};

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
