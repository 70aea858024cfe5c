//! An incident as one trace, in a real Jaeger.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;

use crate::parts::{self, Jaeger};
use crate::process::{self, Process};

/// What `demo --once` allows itself, and its end.
const ONCE_WITHIN: Duration = Duration::from_secs(75);
/// A stage that an export missed is sent again within five seconds.
const WHOLE_WITHIN: Duration = Duration::from_secs(20);
/// What happens to an incident that policy lets the product repair.
const STAGES: [(&str, &str); 7] = [
    ("detect", "detector"),
    ("diagnose", "diagnosis"),
    ("propose", "remediation"),
    ("approve", "remediation"),
    ("execute", "remediation"),
    ("verify", "remediation"),
    ("close", "detector"),
];
/// The calls by which it does. Their spans leave by another way than the stages, and not at the same time.
const CALLS: [&str; 4] = [
    "llmsre.diagnosis.v1.DiagnosisService/DiagnoseIncident",
    "llmsre.remediation.v1.RemediationService/ProposeAction",
    "llmsre.action.v1.ActionService/Execute",
    "llmsre.incident.v1.IncidentService/CheckRecovery",
];
const SEED: &str = "7";

#[derive(PartialEq, Debug)]
struct Span {
    id: String,
    name: String,
    parent: Option<String>,
    service: String,
    tags: BTreeMap<String, String>,
}

/// What Jaeger has of a trace; nothing where it does not know it.
fn spans(jaeger: &Jaeger, trace_id: &str) -> Vec<Span> {
    let answer: Value = serde_json::from_str(&jaeger.trace(trace_id).unwrap()).unwrap();
    let trace = &answer["data"][0];
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let told = trace["spans"].as_array().map(Vec::as_slice).unwrap_or_default();
    let span = |span: &Value| {
        assert_eq!(span["traceID"], trace_id);
        let tags = span["tags"].as_array().map(Vec::as_slice).unwrap_or_default();
        Span {
            id: text(&span["spanID"]),
            name: text(&span["operationName"]),
            parent: span["references"][0]["spanID"].as_str().map(str::to_owned),
            service: text(&trace["processes"][text(&span["processID"])]["serviceName"]),
            tags: tags.iter().map(|tag| (text(&tag["key"]), text(&tag["value"]))).collect(),
        }
    };
    let mut spans: Vec<Span> = Vec::new();
    for told in told.iter().map(span) {
        // An export whose answer was late is sent again; then both have to say the same.
        match spans.iter().find(|known| known.id == told.id) {
            Some(known) => assert_eq!(*known, told, "a span that was told twice"),
            None => spans.push(told),
        }
    }
    spans
}

/// What keeps the trace from being whole; nothing where it is.
fn gaps(spans: &[Span]) -> Vec<String> {
    let ids: BTreeSet<&str> = spans.iter().map(|span| span.id.as_str()).collect();
    let has = |(name, service): &(&str, &str)| spans.iter().any(|span| span.name == *name && span.service == *service);
    let missing = STAGES.iter().filter(|stage| !has(stage)).map(|(name, service)| format!("no {name} of {service}"));
    let orphans = spans.iter().filter(|span| span.parent.as_ref().is_some_and(|id| !ids.contains(id.as_str())));
    let roots: Vec<_> = spans.iter().filter(|span| span.parent.is_none()).map(|span| span.name.as_str()).collect();
    let wrong_roots = (roots != ["detect"]).then(|| format!("roots are {roots:?}"));
    let uncalled = CALLS.iter().filter(|call| !spans.iter().any(|span| span.name == **call));
    missing
        .chain(uncalled.map(|call| format!("no call of {call}")))
        .chain(orphans.map(|span| format!("{} of {} has no parent in the trace", span.name, span.service)))
        .chain(wrong_roots)
        .collect()
}

/// Waits until the incident's trace is whole, and checks what its spans say.
pub(crate) fn check_whole(jaeger: &Jaeger, incident: &str) {
    let trace_id = incident.trim_start_matches("incidents/").replace('-', "");
    let mut found = Vec::new();
    let started = std::time::Instant::now();
    while !gaps(&found).is_empty() {
        assert!(started.elapsed() < WHOLE_WITHIN, "trace {trace_id} has {:#?} in {}", gaps(&found), listed(&found));
        std::thread::park_timeout(Duration::from_millis(200));
        found = spans(jaeger, &trace_id);
    }
    let stage = |name: &str| found.iter().find(|span| span.name == name).unwrap();
    let root = &stage("detect").id;
    for (name, _) in STAGES.iter().filter(|(name, _)| *name != "detect") {
        assert_eq!(stage(name).parent.as_ref(), Some(root), "{name} hangs on the root");
    }
    assert_eq!(stage("detect").tags["llm_sre.incident"], incident);
    // Another action may have waited for a person, and been withdrawn.
    let decided_by = |span: &Span| span.tags.get("llm_sre.action.decided_by").cloned();
    let approvals = found.iter().filter(|span| span.name == "approve").filter_map(decided_by);
    assert_eq!(approvals.collect::<Vec<_>>(), ["policy"], "{}", listed(&found));
    assert_eq!(stage("close").tags["llm_sre.incident.state"], "STATE_RESOLVED");
}

fn listed(spans: &[Span]) -> String {
    spans.iter().map(|span| format!("\n  {} {} ({:?}) of {}", span.id, span.name, span.parent, span.service)).collect()
}

#[test]
fn an_incident_of_the_demo_is_one_trace() {
    const TEST: &str = "an_incident_of_the_demo_is_one_trace";
    let Some(jaeger) = Jaeger::start(TEST) else { return };
    let _alone = process::one_shop_at_a_time();
    let endpoint = format!("http://127.0.0.1:{}", jaeger.otlp_grpc_port);
    let mut demo = Process::start(&["demo", "--once", "--seed", SEED, "--traces", &endpoint]);
    let status = demo.end(ONCE_WITHIN);
    assert!(status.success(), "seed {SEED}: {status}");
    let told = demo.out();
    let incidents: Vec<_> =
        told.lines().filter_map(|line| line.trim_start().strip_prefix("incident ")).map(str::trim).collect();
    assert_eq!(incidents.len(), 1, "seed {SEED}: one cause is one incident: {told}");
    check_whole(&jaeger, incidents[0]);
    parts::wait_until("services in Jaeger", WHOLE_WITHIN, || {
        jaeger
            .services()
            .is_ok_and(|services| ["detector", "diagnosis", "remediation"].iter().all(|name| services.contains(name)))
    });
}
