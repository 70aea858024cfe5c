use std::collections::BTreeSet;

use llm_sre_domain::ServiceId;
use llm_sre_proto::otlp;
use llm_sre_proto::topics::service_key;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use proptest::prelude::*;
use prost::Message;
use serde_json::{Value, json};

use super::*;

type PerService = BTreeMap<ServiceId, Vec<Vec<u8>>>;

/// The items of a request per service, in order, each with all that it says.
fn contents<S: Export>(requests: impl IntoIterator<Item = S>) -> PerService {
    let mut found = PerService::new();
    for request in requests {
        for (service, mut part) in request.by_service() {
            while part.count() > 0 {
                let item = part.extract(&mut |position| position == 0);
                found.entry(service.clone()).or_default().push(item.encode_to_vec());
            }
        }
    }
    found
}

fn decoded<S: Export>(records: &[Keyed]) -> Vec<S> {
    records.iter().map(|record| S::decode(record.value.clone()).unwrap()).collect()
}

fn resource(service: u8) -> Value {
    // Service 0 is one without a name, as host metrics have it; 1 and 2 differ by their environment only.
    let attribute = |key: &str, value: &str| json!({"key": key, "value": {"stringValue": value}});
    let attributes = match service {
        0 => vec![],
        1 => vec![attribute("service.name", "cart")],
        2 => vec![attribute("service.name", "cart"), attribute("deployment.environment.name", "prod")],
        other => vec![attribute("service.name", &format!("service-{other}"))],
    };
    json!({ "attributes": attributes })
}

fn check<S: Export>(request: S, max_record_bytes: usize) -> Result<(), TestCaseError> {
    let mut good = S::decode(&request.encode_to_vec()[..]).unwrap();
    let (count, rejected) = (request.count(), request.check());
    let bad = good.extract(&mut |position| rejected.iter().any(|rejection| rejection.position == position));
    let batch = Batch::of(request, max_record_bytes);

    let published: Vec<S> = decoded(&batch.records);
    prop_assert!(batch.records.iter().all(|record| record.value.len() <= max_record_bytes));
    for (record, request) in batch.records.iter().zip(decoded::<S>(&batch.records)) {
        let services = request.by_service();
        prop_assert_eq!(services.len(), 1);
        prop_assert_eq!(&record.key[..], &service_key(&services[0].0));
    }
    let dead: Vec<S> = batch.dead.iter().map(|dead| S::decode(dead.record.value.clone()).unwrap()).collect();
    prop_assert_eq!(batch.rejected, dead.iter().map(S::count).sum::<usize>());
    prop_assert_eq!(batch.rejected + published.iter().map(S::count).sum::<usize>(), count);
    prop_assert_eq!(batch.rejected == 0, batch.message.is_empty());
    if batch.rejected == rejected.len() {
        prop_assert_eq!(contents(published), contents([good]));
        let sorted = |mut contents: PerService| {
            contents.values_mut().for_each(|items| items.sort());
            contents
        };
        prop_assert_eq!(sorted(contents(dead)), sorted(contents([bad])));
    }
    Ok(())
}

proptest! {
    #[test]
    fn records_are_the_request_service_by_service(
        resources in prop::collection::vec((0u8..5, prop::collection::vec((any::<bool>(), 0u64..3, 0usize..200), 0..8)), 0..8),
        max_record_bytes in 300usize..2000,
    ) {
        let mut id = 0;
        let logs: Vec<Value> = resources.iter().map(|(service, items)| {
            let records: Vec<Value> = items.iter().map(|(_, time, length)| {
                id += 1;
                json!({"timeUnixNano": time.to_string(), "body": {"stringValue": format!("{id}{}", "x".repeat(*length))}})
            }).collect();
            json!({"resource": resource(*service), "scopeLogs": [{"scope": {"name": "s"}, "logRecords": records}]})
        }).collect();
        check::<ExportLogsServiceRequest>(serde_json::from_value(json!({"resourceLogs": logs})).unwrap(), max_record_bytes)?;

        let metrics: Vec<Value> = resources.iter().map(|(service, items)| {
            let metrics: Vec<Value> = items.iter().map(|(is_sum, time, length)| {
                let points: Vec<Value> = (0..length % 5).map(|_| {
                    id += 1;
                    json!({"timeUnixNano": time.to_string(), "asInt": id.to_string()})
                }).collect();
                let data = json!({"dataPoints": points, "aggregationTemporality": 2, "isMonotonic": true});
                // A metric without data at all is an item too.
                let kind = if *length == 7 { "unknown" } else if *is_sum { "sum" } else { "gauge" };
                json!({"name": format!("m{time}"), "unit": "s", kind: data})
            }).collect();
            json!({"resource": resource(*service), "scopeMetrics": [{"metrics": metrics}, {"metrics": []}]})
        }).collect();
        let request: ExportMetricsServiceRequest =
            serde_json::from_value(json!({"resourceMetrics": metrics})).unwrap();
        prop_assert_eq!(request.count(), {
            let converted = otlp::metrics(&request);
            converted.items.len() + converted.rejected.len() + converted.skipped
        });
        check(request, max_record_bytes)?;
    }
}

proptest! {
    /// Both sides of a call meet one consumer, and a trace's spans keep their order.
    #[test]
    fn spans_of_a_trace_have_one_key(
        resources in prop::collection::vec((0u8..5, prop::collection::vec(1u8..20, 0..30)), 0..8),
        max_record_bytes in 300usize..2000,
    ) {
        let mut id = 0_u64;
        let spans: Vec<Value> = resources.iter().map(|(service, traces)| {
            let spans: Vec<Value> = traces.iter().map(|trace| {
                id += 1;
                json!({"traceId": format!("{trace:032x}"), "spanId": format!("{id:016x}"), "name": "s",
                       "startTimeUnixNano": "1", "endTimeUnixNano": "2"})
            }).collect();
            json!({"resource": resource(*service), "scopeSpans": [{"spans": spans}]})
        }).collect();
        let request: ExportTraceServiceRequest = serde_json::from_value(json!({"resourceSpans": spans})).unwrap();
        let sent = by_trace([(Bytes::new(), request.clone())]);
        let batch = Batch::of(request, max_record_bytes);
        prop_assert_eq!(batch.rejected, 0);
        let records = batch.records.iter().map(|record| (record.key.clone(), S::decode(record.value.clone()).unwrap()));
        let published = by_trace(records);
        prop_assert!(published.values().all(|(keys, _)| keys.len() == 1), "{:?}", published);
        let ids = |found: &ByTrace| -> Vec<Vec<Vec<u8>>> { found.values().map(|(_, ids)| ids.clone()).collect() };
        prop_assert_eq!(ids(&published), ids(&sent));
    }
}

type S = ExportTraceServiceRequest;
/// Of each trace, the keys that its spans have, and their ids in order.
type ByTrace = BTreeMap<Vec<u8>, (BTreeSet<Bytes>, Vec<Vec<u8>>)>;

fn by_trace(requests: impl IntoIterator<Item = (Bytes, S)>) -> ByTrace {
    let mut found = ByTrace::new();
    for (key, request) in requests {
        let scopes = request.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
        for span in scopes.flat_map(|scope| scope.spans) {
            let (keys, ids) = found.entry(span.trace_id).or_default();
            keys.insert(key.clone());
            ids.push(span.span_id);
        }
    }
    found
}

#[test]
fn keys_of_different_services_differ() {
    let services = [ServiceId::new("a", "b", ""), ServiceId::new("", "a/b", ""), ServiceId::new("", "b", "a")];
    let keys: BTreeSet<Vec<u8>> = services.iter().map(service_key).collect();
    assert_eq!(keys.len(), services.len());
}
