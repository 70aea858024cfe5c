//! Stored telemetry as the contract shows it.

use llm_sre_domain::ServiceId;
use llm_sre_domain::telemetry::LogRecord;

use super::common::to_proto_time;
use crate::telemetry::v1;

impl From<&LogRecord> for v1::LogRecord {
    fn from(record: &LogRecord) -> Self {
        let attributes = record.attributes.iter().map(|(key, value)| (key.to_string(), value.to_string()));
        Self {
            service: Some((&record.service).into()),
            origin: Some((&record.origin).into()),
            time: Some(to_proto_time(record.time)),
            severity: v1::LogSeverity::from(record.severity).into(),
            body: record.body.clone(),
            attributes: attributes.collect(),
            trace_id: record.trace_id.map(|id| hex(&id)).unwrap_or_default(),
            span_id: record.span_id.map(|id| hex(&id)).unwrap_or_default(),
            event_name: record.event_name.to_string(),
        }
    }
}

/// A service identity in a filter: absent means all, and an empty name the service that did not name itself.
pub fn service_filter(service: Option<&v1::ServiceIdentity>) -> Option<ServiceId> {
    service.map(|service| ServiceId::new(&service.namespace, &service.name, &service.environment))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
