//! One case being replayed: its telemetry goes through the services, under its own clock.
//!
//! Before the clock goes on to the next time of the telemetry, everything sent so far has been read, and every incident
//! that it opened has been explained. So nothing depends on how fast the machine is, and no deadline of the product
//! passes while somebody works.

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use llm_sre_domain::Timestamp;
use llm_sre_proto::convert::common::{from_proto_time, to_proto_time};
use llm_sre_proto::convert::otlp;
use llm_sre_proto::diagnosis::v1 as diagnosis;
use llm_sre_proto::incident::v1 as incident;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_client::LogsServiceClient;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_client::TraceServiceClient;
use tokio::time::Instant;

use super::Incident;
use super::case::{Kind, Line};
use super::openings::{hypotheses, openings};
use crate::wiring::recorded::Recorded;

/// After the last line, event time goes on for so long: what was held back comes out, and nothing yet counts as silent.
const AFTER_THE_END: Duration = Duration::from_secs(45);
/// How much telemetry after the asked time takes part in a diagnosis that is asked for.
pub(super) const ASKED_WINDOW: Duration = Duration::from_secs(1800);
/// How long the services may take over one time of the telemetry, in real time. They take milliseconds.
const SETTLED_WITHIN: Duration = Duration::from_secs(60);
/// How often it is looked whether they are done, in real time.
const LOOK_EVERY: Duration = Duration::from_millis(1);
/// Incidents and diagnoses asked for at a time.
const PAGE: i32 = 200;
/// What moves the clock of event time after the last line: a service of the replay's own, which shows nothing.
const HEARTBEAT: &str = "llm-sre-replay";

/// The state of a replay.
pub(super) struct Session {
    services: Recorded,
    newest: Timestamp,
    diagnose_at: Option<Timestamp>,
    rejected: i64,
}

impl Session {
    /// Starts the services at the time of the first line.
    pub(super) async fn start(first: Timestamp, diagnose_at: Option<Timestamp>) -> anyhow::Result<Self> {
        Ok(Self { services: Recorded::start(first).await?, newest: first, diagnose_at, rejected: 0 })
    }

    /// Sends one export request to the gateway.
    pub(super) async fn take(&mut self, line: &Line) -> anyhow::Result<()> {
        if line.time > self.newest {
            self.go_on_to(line.time).await?;
        }
        /// The three clients are types of their own with the same method.
        macro_rules! send {
            ($request:ty, $client:ident, $rejected:ident) => {{
                let request: $request = otlp::from_json(&line.json).context("is no request")?;
                let mut gateway = $client::new(self.services.gateway.clone());
                let answer = gateway.export(request).await.context("the gateway refused it")?.into_inner();
                answer.partial_success.map_or(0, |partial| partial.$rejected)
            }};
        }
        self.rejected += match line.kind {
            Kind::Metrics => send!(ExportMetricsServiceRequest, MetricsServiceClient, rejected_data_points),
            Kind::Logs => send!(ExportLogsServiceRequest, LogsServiceClient, rejected_log_records),
            Kind::Traces => send!(ExportTraceServiceRequest, TraceServiceClient, rejected_spans),
        };
        Ok(())
    }

    /// What was found, in order of detection; and how many items the gateway rejected.
    pub(super) async fn finish(mut self) -> anyhow::Result<(Vec<Incident>, i64)> {
        let found = match self.diagnose_at {
            None => {
                self.beat().await?;
                self.settle().await?;
                self.found().await?
            }
            Some(time) => {
                self.settle().await?;
                vec![self.ask(time).await?]
            }
        };
        let rejected = self.rejected;
        self.services.stop().await?;
        Ok((found, rejected))
    }

    async fn go_on_to(&mut self, time: Timestamp) -> anyhow::Result<()> {
        self.settle().await?;
        self.newest = time;
        self.services.clock.advance_to(time);
        Ok(())
    }

    /// Waits until all that was sent has been read, and what it opened is explained.
    async fn settle(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + SETTLED_WITHIN;
        loop {
            self.services.check().await?;
            if self.services.is_read().await? && !self.is_anyone_waiting().await? {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "the services did not finish within {} s", SETTLED_WITHIN.as_secs());
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Whether an incident waits for its diagnosis.
    async fn is_anyone_waiting(&self) -> anyhow::Result<bool> {
        let request = incident::ListIncidentsRequest {
            page_size: 1,
            states: vec![incident::State::Open.into(), incident::State::Diagnosing.into()],
            ..incident::ListIncidentsRequest::default()
        };
        Ok(!self.services.incidents.list_incidents(request).await?.incidents.is_empty())
    }

    /// Lets event time go on after the last line.
    async fn beat(&mut self) -> anyhow::Result<()> {
        let time = self.newest + AFTER_THE_END;
        let json = serde_json::json!({"resourceMetrics": [{
            "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": HEARTBEAT}}]},
            "scopeMetrics": [{"metrics": [{"name": "replay.end", "gauge": {"dataPoints": [
                {"timeUnixNano": time.as_nanos().to_string(), "asDouble": 1.0},
            ]}}]}],
        }]});
        let line = Line { kind: Kind::Metrics, time, json: json.to_string().into_bytes(), number: 0 };
        self.take(&line).await
    }

    /// Every incident, once for each time that it was opened.
    async fn found(&self) -> anyhow::Result<Vec<Incident>> {
        let mut found = Vec::new();
        let mut page_token = String::new();
        loop {
            let request = incident::ListIncidentsRequest {
                page_size: PAGE,
                page_token,
                ..incident::ListIncidentsRequest::default()
            };
            let page = self.services.incidents.list_incidents(request).await?;
            for incident in &page.incidents {
                found.extend(openings(incident, &self.diagnoses(&incident.name).await?));
            }
            page_token = page.next_page_token;
            if page_token.is_empty() {
                break;
            }
        }
        let order =
            |a: &Incident, b: &Incident| a.detected_at.total_cmp(&b.detected_at).then(a.onset.total_cmp(&b.onset));
        found.sort_by(|a, b| order(a, b).then_with(|| a.services.cmp(&b.services)));
        Ok(found)
    }

    /// The diagnoses of an incident, oldest first.
    async fn diagnoses(&self, incident: &str) -> anyhow::Result<Vec<diagnosis::Diagnosis>> {
        let request = diagnosis::ListDiagnosesRequest {
            parent: incident.to_owned(),
            page_size: PAGE,
            ..diagnosis::ListDiagnosesRequest::default()
        };
        let mut diagnoses = self.services.diagnoses.list_diagnoses(request).await?.diagnoses;
        diagnoses.sort_by_key(|diagnosis| diagnosis.ordinal);
        Ok(diagnoses)
    }

    /// Reports that there is trouble since a time, and waits for what the product says to it.
    async fn ask(&mut self, time: Timestamp) -> anyhow::Result<Incident> {
        let asked = |hypotheses| Incident {
            onset: time.as_secs_f64(),
            detected_at: time.as_secs_f64(),
            services: Vec::new(),
            hypotheses,
        };
        let request = incident::ReportIncidentRequest {
            title: "a diagnosis was asked for".to_owned(),
            onset_time: Some(to_proto_time(time)),
            request_id: "replay".to_owned(),
            ..incident::ReportIncidentRequest::default()
        };
        let reported = match self.services.incidents.report_incident(request).await {
            Ok(reported) => reported,
            // Nothing was unusual: no hypothesis is the answer.
            Err(status) if status.code() == tonic::Code::FailedPrecondition => return Ok(asked(Vec::new())),
            Err(status) => return Err(status).context("the incident cannot be reported"),
        };
        self.settle().await?;
        let diagnoses = self.diagnoses(&reported.name).await?;
        let Some(first) = diagnoses.first() else { bail!("{} was not diagnosed", reported.name) };
        let onset = reported.onset_time.as_ref().map_or(time, from_proto_time);
        ensure!(onset == time, "{} began at another time", reported.name);
        Ok(asked(hypotheses(first)))
    }
}
