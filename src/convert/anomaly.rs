//! Anomalies and the enums that they share with incidents.

use llm_sre_domain::{Anomaly, AnomalyId, Direction, Signal};

use super::ConvertError;
use super::common::{enum_table, known, origin, required_service, required_time, to_proto_time};
use crate::incident::v1;

enum_table!(Direction, v1::Direction, { Up <=> Up, Down <=> Down });

impl From<Signal> for v1::Signal {
    fn from(signal: Signal) -> Self {
        match signal {
            Signal::Latency => Self::Latency,
            Signal::Errors => Self::Errors,
            Signal::Traffic => Self::Traffic,
            Signal::Saturation => Self::Saturation,
            Signal::BudgetBurn => Self::BudgetBurn,
            Signal::LogBurst => Self::LogBurst,
            Signal::NewLogTemplate => Self::NewLogTemplate,
            Signal::Silence => Self::Silence,
            Signal::Other => Self::Other,
            Signal::FlatLine => Self::FlatLine,
            Signal::Drift => Self::Drift,
        }
    }
}

/// The domain's signal; `None` for the unspecified one and for what a person reported, which is no signal.
pub(crate) fn signal(signal: v1::Signal) -> Option<Signal> {
    match signal {
        v1::Signal::Unspecified | v1::Signal::Reported => None,
        v1::Signal::Latency => Some(Signal::Latency),
        v1::Signal::Errors => Some(Signal::Errors),
        v1::Signal::Traffic => Some(Signal::Traffic),
        v1::Signal::Saturation => Some(Signal::Saturation),
        v1::Signal::BudgetBurn => Some(Signal::BudgetBurn),
        v1::Signal::LogBurst => Some(Signal::LogBurst),
        v1::Signal::NewLogTemplate => Some(Signal::NewLogTemplate),
        v1::Signal::Silence => Some(Signal::Silence),
        v1::Signal::Other => Some(Signal::Other),
        v1::Signal::FlatLine => Some(Signal::FlatLine),
        v1::Signal::Drift => Some(Signal::Drift),
    }
}

impl From<&Anomaly> for v1::Anomaly {
    fn from(anomaly: &Anomaly) -> Self {
        Self {
            id: anomaly.id.0.to_string(),
            service: Some((&anomaly.service).into()),
            origin: Some((&anomaly.origin).into()),
            signal: v1::Signal::from(anomaly.signal).into(),
            metric: anomaly.metric.to_string(),
            dimension: anomaly.dimension.to_string(),
            unit: anomaly.unit.to_string(),
            onset_time: Some(to_proto_time(anomaly.onset)),
            detect_time: Some(to_proto_time(anomaly.detected_at)),
            last_seen_time: Some(to_proto_time(anomaly.last_seen)),
            direction: v1::Direction::from(anomaly.direction).into(),
            score: anomaly.score,
            expected: anomaly.expected,
            observed: anomaly.observed,
            exemplar: anomaly.exemplar.clone(),
            requests_per_second: anomaly.requests_per_s,
        }
    }
}

impl TryFrom<&v1::Anomaly> for Anomaly {
    type Error = ConvertError;
    fn try_from(anomaly: &v1::Anomaly) -> Result<Self, ConvertError> {
        Ok(Self {
            id: AnomalyId(anomaly.id.as_str().into()),
            service: required_service("anomaly.service", anomaly.service.as_ref())?,
            origin: origin(anomaly.origin.as_ref()),
            signal: known("anomaly.signal", anomaly.signal, signal)?,
            metric: anomaly.metric.as_str().into(),
            dimension: anomaly.dimension.as_str().into(),
            unit: anomaly.unit.as_str().into(),
            onset: required_time("anomaly.onset_time", anomaly.onset_time.as_ref())?,
            detected_at: required_time("anomaly.detect_time", anomaly.detect_time.as_ref())?,
            last_seen: required_time("anomaly.last_seen_time", anomaly.last_seen_time.as_ref())?,
            direction: known("anomaly.direction", anomaly.direction, |value: v1::Direction| value.into())?,
            score: anomaly.score,
            expected: anomaly.expected,
            observed: anomaly.observed,
            exemplar: anomaly.exemplar.clone(),
            requests_per_s: anomaly.requests_per_second,
        })
    }
}
