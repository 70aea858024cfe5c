//! What the gateway needs of metrics, logs and traces, so that the rest of it is written once.

use llm_sre_proto::otlp::Export;
use opentelemetry_proto::tonic::collector::logs::v1::{
    ExportLogsPartialSuccess, ExportLogsServiceRequest, ExportLogsServiceResponse,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsPartialSuccess, ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};

/// An OTLP export request and its answer.
pub(crate) trait Signal: Export + serde::de::DeserializeOwned {
    /// What the rejected items are called in the answer's JSON.
    const REJECTED_JSON: &str;
    /// The answer to it.
    type Response: prost::Message + Default;

    /// The answer, with a partial success where something was rejected.
    fn response(rejected: usize, message: String) -> Self::Response;

    /// Sets the observed time of log records that state no time at all, as the first receiver ought to.
    fn stamp(&mut self, _observed_unix_nano: u64) {}
}

impl Signal for ExportMetricsServiceRequest {
    const REJECTED_JSON: &str = "rejectedDataPoints";
    type Response = ExportMetricsServiceResponse;

    fn response(rejected: usize, error_message: String) -> Self::Response {
        let partial = ExportMetricsPartialSuccess { rejected_data_points: int(rejected), error_message };
        ExportMetricsServiceResponse { partial_success: (rejected > 0).then_some(partial) }
    }
}

impl Signal for ExportLogsServiceRequest {
    const REJECTED_JSON: &str = "rejectedLogRecords";
    type Response = ExportLogsServiceResponse;

    fn response(rejected: usize, error_message: String) -> Self::Response {
        let partial = ExportLogsPartialSuccess { rejected_log_records: int(rejected), error_message };
        ExportLogsServiceResponse { partial_success: (rejected > 0).then_some(partial) }
    }

    fn stamp(&mut self, observed_unix_nano: u64) {
        let scopes = self.resource_logs.iter_mut().flat_map(|resource| &mut resource.scope_logs);
        for record in scopes.flat_map(|scope| &mut scope.log_records) {
            if record.time_unix_nano == 0 && record.observed_time_unix_nano == 0 {
                record.observed_time_unix_nano = observed_unix_nano;
            }
        }
    }
}

impl Signal for ExportTraceServiceRequest {
    const REJECTED_JSON: &str = "rejectedSpans";
    type Response = ExportTraceServiceResponse;

    fn response(rejected: usize, error_message: String) -> Self::Response {
        let partial = ExportTracePartialSuccess { rejected_spans: int(rejected), error_message };
        ExportTraceServiceResponse { partial_success: (rejected > 0).then_some(partial) }
    }
}

fn int(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
