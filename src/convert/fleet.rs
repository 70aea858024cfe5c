//! How services are.

use llm_sre_domain::detect::{CallVitals, Callee, Health, Vitals};

use super::common::{to_proto_duration, to_proto_time};
use crate::fleet::v1;
use crate::incident::v1::Signal;

impl From<Health> for v1::HealthState {
    fn from(health: Health) -> Self {
        match health {
            Health::Well => Self::Well,
            Health::Troubled => Self::Troubled,
            Health::Silent => Self::Silent,
            Health::Unknown => Self::Unknown,
        }
    }
}

impl From<&Vitals> for v1::ServiceHealth {
    fn from(vitals: &Vitals) -> Self {
        let (latency, saturation) = (vitals.latency.as_ref(), vitals.saturation.as_ref());
        Self {
            service: Some((&vitals.service).into()),
            state: v1::HealthState::from(vitals.health).into(),
            requests_per_second: vitals.requests_per_s,
            error_ratio: vitals.error_ratio,
            latency_s: latency.map(|latency| latency.seconds),
            latency_dimension: latency.map(|latency| latency.quantile.to_string()).unwrap_or_default(),
            saturation: saturation.map(|saturation| saturation.share),
            saturation_metric: saturation.map(|saturation| saturation.metric.to_string()).unwrap_or_default(),
            measure_time: vitals.measured_at.map(to_proto_time),
            last_heard_time: Some(to_proto_time(vitals.last_heard)),
            interval: Some(to_proto_duration(vitals.interval)),
            abnormal_signals: vitals.abnormal.iter().map(|signal| Signal::from(*signal).into()).collect(),
            burn_rate: vitals.burn_rate,
        }
    }
}

impl From<&CallVitals> for v1::ServiceCallHealth {
    fn from(vitals: &CallVitals) -> Self {
        let latency = vitals.latency.as_ref();
        Self {
            caller: Some((&vitals.caller).into()),
            callee: Some(match &vitals.callee {
                Callee::Service(service) => v1::service_call_health::Callee::Service(service.into()),
                Callee::Address(address) => v1::service_call_health::Callee::Address(address.to_string()),
            }),
            requests_per_second: vitals.requests_per_s,
            error_ratio: vitals.error_ratio,
            latency_s: latency.map(|latency| latency.seconds),
            latency_dimension: latency.map(|latency| latency.quantile.to_string()).unwrap_or_default(),
            measure_time: vitals.measured_at.map(to_proto_time),
        }
    }
}
