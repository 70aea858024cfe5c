//! Log records.

use llm_sre_domain::Timestamp;
use llm_sre_domain::telemetry::{LogRecord, LogSeverity};
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::logs::v1::LogRecord as Record;

use super::text::{self, Interner};
use super::{Converted, Reason, Rejection, id, identity, required_time};

/// Converts all records of a request.
pub fn logs(request: &ExportLogsServiceRequest) -> Converted<LogRecord> {
    let mut converted = Converted::default();
    let mut texts = Interner::default();
    let mut position = 0;
    for resource in &request.resource_logs {
        let (service, origin) = identity(resource.resource.as_ref());
        for record in resource.scope_logs.iter().flat_map(|scope| &scope.log_records) {
            match time(record) {
                Ok(time) => converted.items.push(LogRecord {
                    service: service.clone(),
                    origin: origin.clone(),
                    time,
                    severity: severity(record),
                    body: record.body.as_ref().map(|body| text::of(body).into_owned()).unwrap_or_default(),
                    event_name: texts.get(event_name(record)),
                    attributes: texts.varied(&record.attributes),
                    trace_id: id(&record.trace_id),
                    span_id: id(&record.span_id),
                }),
                Err(reason) => converted.rejected.push(Rejection { position, reason }),
            }
            position += 1;
        }
    }
    converted
}

/// What [`logs`] would reject, without converting the rest.
pub fn check_logs(request: &ExportLogsServiceRequest) -> Vec<Rejection> {
    let scopes = request.resource_logs.iter().flat_map(|resource| &resource.scope_logs);
    let judged = scopes.flat_map(|scope| &scope.log_records).map(|record| time(record).err());
    judged.enumerate().filter_map(|(position, reason)| Some(Rejection { position, reason: reason? })).collect()
}

/// The time of each record, in wire order.
pub(super) fn log_times(request: &ExportLogsServiceRequest) -> Vec<Option<Timestamp>> {
    let scopes = request.resource_logs.iter().flat_map(|resource| &resource.scope_logs);
    scopes.flat_map(|scope| &scope.log_records).map(|record| time(record).ok()).collect()
}

fn time(record: &Record) -> Result<Timestamp, Reason> {
    match record.time_unix_nano {
        0 => required_time(record.observed_time_unix_nano),
        nanos => required_time(nanos),
    }
}

/// By number, or by the text where a sender gave only that.
fn severity(record: &Record) -> LogSeverity {
    let by_number = LogSeverity::from_number(record.severity_number);
    if by_number != LogSeverity::Unspecified {
        return by_number;
    }
    match record.severity_text.to_ascii_lowercase().as_str() {
        "trace" => LogSeverity::Trace,
        "debug" => LogSeverity::Debug,
        "info" | "information" | "notice" => LogSeverity::Info,
        "warn" | "warning" => LogSeverity::Warn,
        "error" | "err" => LogSeverity::Error,
        "fatal" | "critical" | "crit" | "emergency" | "emerg" | "alert" | "panic" => LogSeverity::Fatal,
        _ => LogSeverity::Unspecified,
    }
}

/// The field, or the attribute `event.name` that stood for it before OTLP 1.5.
fn event_name(record: &Record) -> &str {
    use opentelemetry_proto::tonic::common::v1::any_value::Value;

    if !record.event_name.is_empty() {
        return &record.event_name;
    }
    let attribute = record.attributes.iter().find(|attribute| attribute.key == "event.name");
    match attribute.and_then(|attribute| attribute.value.as_ref()?.value.as_ref()) {
        Some(Value::StringValue(name)) => name,
        _ => "",
    }
}
