//! One case being replayed: its telemetry goes through conversion, detection, correlation and ranking.

use std::time::Duration;

use anyhow::Context;
use llm_sre_domain::Timestamp;
use llm_sre_domain::correlate::{Correlator, News};
use llm_sre_domain::detect::{Detector, Objectives};
use llm_sre_domain::diagnose::{Argument, rank};
use llm_sre_proto::convert::otlp;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;

use super::case::{Kind, Line};
use super::{Hypothesis, Incident};

/// After the last line the watermark goes on for so long: what was held back comes out, and nothing yet counts as
/// silent.
const AFTER_THE_END: Duration = Duration::from_secs(30);

/// How much telemetry after the asked time takes part in a diagnosis that is asked for.
pub(super) const ASKED_WINDOW: Duration = Duration::from_secs(1800);

/// The state of a replay.
pub(super) struct Session {
    detector: Detector,
    correlator: Correlator,
    newest: Timestamp,
    diagnose_at: Option<Timestamp>,
    incidents: Vec<Incident>,
}

impl Session {
    /// Nothing seen. With a time to diagnose at, only that diagnosis is made.
    pub(super) fn new(diagnose_at: Option<Timestamp>) -> Self {
        Self {
            detector: Detector::new(Objectives::default()),
            correlator: Correlator::default(),
            newest: Timestamp::EPOCH,
            diagnose_at,
            incidents: Vec::new(),
        }
    }

    /// Takes one export request.
    pub(super) fn take(&mut self, line: &Line) -> anyhow::Result<()> {
        if line.time > self.newest {
            self.advance(self.newest);
            self.newest = line.time;
        }
        match line.kind {
            Kind::Metrics => {
                let request: ExportMetricsServiceRequest = otlp::from_json(&line.json).context("is no request")?;
                otlp::metrics(&request).items.iter().for_each(|point| self.detector.metric(point));
            }
            Kind::Logs => {
                let request: ExportLogsServiceRequest = otlp::from_json(&line.json).context("is no request")?;
                otlp::logs(&request).items.iter().for_each(|record| self.detector.log(record));
            }
            Kind::Traces => {
                let request: ExportTraceServiceRequest = otlp::from_json(&line.json).context("is no request")?;
                otlp::spans(&request).items.iter().for_each(|span| self.detector.span(span));
            }
        }
        Ok(())
    }

    /// What was found, in order of detection.
    pub(super) fn finish(mut self) -> Vec<Incident> {
        self.advance(self.newest);
        let Some(time) = self.diagnose_at else {
            self.advance(self.newest + AFTER_THE_END);
            return self.incidents;
        };
        let argument = rank(&self.detector.evidence_since(time));
        let time = time.as_secs_f64();
        vec![Incident { onset: time, detected_at: time, hypotheses: hypotheses(&argument), services: Vec::new() }]
    }

    fn advance(&mut self, watermark: Timestamp) {
        self.detector.advance(watermark);
        if self.diagnose_at.is_some() {
            return;
        }
        for news in self.correlator.advance(&self.detector) {
            if let News::Opened(case, _, argument) = news {
                self.incidents.push(Incident {
                    onset: case.onset.as_secs_f64(),
                    detected_at: case.detected_at.as_secs_f64(),
                    services: case.services.iter().map(ToString::to_string).collect(),
                    hypotheses: hypotheses(&argument),
                });
            }
        }
    }
}

fn hypotheses(argument: &Argument) -> Vec<Hypothesis> {
    let hypothesis = |found: &llm_sre_domain::diagnose::Hypothesis| Hypothesis {
        service: found.service.to_string(),
        metric: found.metric.to_string(),
        cause: format!("{:?}", found.cause),
        confidence: found.confidence,
        statement: found.statement.clone(),
    };
    argument.hypotheses.iter().map(hypothesis).collect()
}
