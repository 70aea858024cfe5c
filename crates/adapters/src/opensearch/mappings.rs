//! Index templates and indices. Only what is searched by is indexed, and nothing is mapped by guessing.

use opensearch::http::Method;
use serde_json::{Value, json};

use super::client::{Client, Repeat};
use super::failure::Failure;

/// Of the layout below: a newer one replaces the template, and indices from then on have it.
const LAYOUT: u32 = 1;

/// The index of all documents: one shard, since the feed of changes goes by its sequence numbers.
pub(super) fn documents(prefix: &str) -> String {
    format!("{prefix}-documents")
}

/// The index of all leases.
pub(super) fn leases(prefix: &str) -> String {
    format!("{prefix}-leases")
}

/// Makes what is not there yet. Several processes may do so at once. `shards` are those of each index of telemetry.
pub(super) async fn prepare(client: &Client, prefix: &str, shards: u32) -> Result<(), Failure> {
    for (name, pattern, settings, mut mappings) in templates(prefix, shards) {
        mappings["dynamic"] = "strict".into();
        let template = json!({
            "index_patterns": [pattern],
            "version": LAYOUT,
            // Before whatever matches everything.
            "priority": 500,
            "template": { "settings": settings, "mappings": mappings },
        });
        client.ask(Method::Put, &format!("_index_template/{name}"), &template).await?;
    }
    for index in [documents(prefix), leases(prefix)] {
        match client.request(Repeat::Harmless, Method::Put, &index, None).await {
            Err(Failure::Refused(reason)) if reason.contains("resource_already_exists_exception") => {}
            result => drop(result?),
        }
    }
    Ok(())
}

/// Name, pattern, settings and mappings of each template.
fn templates(prefix: &str, shards: u32) -> [(String, String, Value, Value); 6] {
    let of = |properties: Value| json!({ "properties": properties });
    let dated = |kind: &str, settings: Value, mappings: Value| {
        (format!("{prefix}-{kind}"), format!("{prefix}-{kind}-*"), settings, mappings)
    };
    // A replica as soon as there is a second node. Every acknowledged write is on the disk.
    let settings = |refresh: &str| {
        json!({
            "number_of_shards": 1, "auto_expand_replicas": "0-1",
            "refresh_interval": refresh, "translog.durability": "request",
        })
    };
    let with = |mut settings: Value, key: &str, value: Value| {
        settings[key] = value;
        settings
    };
    // Searches refresh first, so that this only bounds what waits in memory.
    let telemetry = || with(settings("30s"), "number_of_shards", json!(shards));
    // Values are read by series and never searched for; what was sent is put together again from the columns.
    let derived = || with(telemetry(), "derived_source.enabled", json!(true));
    // The words are the body once more, and serve the index only.
    let logs = with(of(log_fields()), "_source", json!({ "excludes": ["words"] }));
    let (documents, leases) = (documents(prefix), leases(prefix));
    [
        (documents.clone(), documents, settings("10s"), of(document_fields())),
        (
            leases.clone(),
            leases,
            settings("-1"),
            of(json!({ "name": opaque(), "holder": opaque(), "token": opaque(), "until_ms": opaque() })),
        ),
        dated("points", derived(), of(point_fields())),
        dated("logs", with(telemetry(), "codec", json!("best_compression")), logs),
        dated("changes", telemetry(), of(change_fields())),
        dated("calls", derived(), of(call_fields())),
    ]
}

/// A column that is not indexed.
fn unsearched(kind: &str) -> Value {
    json!({ "type": kind, "index": false })
}

/// A term that is searched for and never read.
fn term() -> Value {
    json!({ "type": "keyword", "doc_values": false, "norms": false, "index_options": "docs" })
}

/// Kept as it was sent, and not looked into.
fn opaque() -> Value {
    json!({ "type": "object", "enabled": false })
}

fn document_fields() -> Value {
    json!({
        "collection": term(), "name": opaque(), "key": unsearched("keyword"), "version": opaque(),
        "schema_version": opaque(), "created": { "type": "long" }, "time": { "type": "long" }, "tags": term(),
        "attributes": opaque(), "body": opaque(),
    })
}

fn point_fields() -> Value {
    json!({
        "time": { "type": "long" }, "service": { "type": "keyword" }, "metric": { "type": "keyword" },
        "unit": unsearched("keyword"), "series": unsearched("keyword"), "value": unsearched("double"),
        "special": unsearched("keyword"), "count": unsearched("long"), "quantiles": unsearched("keyword"),
    })
}

fn log_fields() -> Value {
    let mut fields = placed();
    fields["severity"] = json!({ "type": "byte", "doc_values": false });
    fields["trace"] = term();
    fields["words"] = term();
    fields["record"] = opaque();
    fields
}

fn change_fields() -> Value {
    let mut fields = placed();
    fields["change"] = opaque();
    fields
}

/// What has a place among its like: by time, then by where it came from.
fn placed() -> Value {
    json!({
        "@timestamp": unsearched("date"), "time": { "type": "long" }, "service": { "type": "keyword" },
        "source": unsearched("long"), "offset": unsearched("long"), "index": unsearched("long"),
    })
}

fn call_fields() -> Value {
    json!({
        "time": { "type": "long" }, "client": { "type": "keyword" }, "server": { "type": "keyword" },
        "count": unsearched("double"),
    })
}
