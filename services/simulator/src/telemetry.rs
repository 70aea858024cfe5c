//! What the shop's processes send: OTLP as any SDK writes it.
//!
//! Drawn from a generator of its own, so that how much is told does not change what happens.

#[cfg(test)]
mod causes;
mod logs;
mod metrics;
#[cfg(test)]
mod peak;
mod spans;
#[cfg(test)]
mod tests;
mod wording;

use std::collections::BTreeMap;
use std::time::Duration;

use llm_sre_domain::Timestamp;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::world::World;
use crate::world::blueprint::{ENVIRONMENT, NAMESPACE};
use crate::world::instance::Instance;

/// How often processes send.
pub(crate) const INTERVAL: Duration = Duration::from_secs(10);

/// What one service's processes send at once, in one request a signal, as through a Collector beside them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Exports {
    pub(crate) metrics: Option<ExportMetricsServiceRequest>,
    pub(crate) logs: Option<ExportLogsServiceRequest>,
    pub(crate) traces: Option<ExportTraceServiceRequest>,
}

/// Turns the shop's state into what it sends.
#[derive(Debug)]
pub(crate) struct Reporter {
    rng: ChaCha8Rng,
}

impl Reporter {
    pub(crate) fn new(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        // The world is drawn from the same seed's first stream.
        rng.set_stream(1);
        Self { rng }
    }

    /// What each service sends now about the interval that ends.
    pub(crate) fn report(&mut self, world: &mut World) -> Vec<Exports> {
        let events = world.take_events();
        let mut logs: BTreeMap<&str, Vec<logs::Line>> = BTreeMap::new();
        let mut spans = spans::sample(world, &mut self.rng, &mut logs);
        let mut exports: BTreeMap<&str, Exports> = BTreeMap::new();
        for index in 0..world.services.len() {
            let name = world.services[index].name();
            let mut lines = logs.remove(name).unwrap_or_default();
            lines.extend(logs::of_processes(world, index, &mut self.rng));
            let service = &world.services[index];
            let traces = spans.remove(name).map(spans::request);
            let mut told = Exports { metrics: Some(metrics::of_service(service, world.now)), logs: None, traces };
            if service.telling.is_paused {
                // What they wrote meanwhile is lost, and what they counted is in the next counts.
                lines.clear();
                told = Exports::default();
            }
            lines.extend(logs::of_platform(service, &events));
            told.logs = logs::request(lines);
            exports.insert(name, told);
        }
        exports.into_values().collect()
    }
}

/// Who sends: what an SDK finds out about its process.
fn resource(service: &str, instance: &str, version: &str) -> Resource {
    let attributes = vec![
        text("service.namespace", NAMESPACE),
        text("service.name", service),
        text("service.version", version),
        text("service.instance.id", instance),
        text("deployment.environment.name", ENVIRONMENT),
        text("telemetry.sdk.name", "opentelemetry"),
    ];
    Resource { attributes, ..Resource::default() }
}

fn resource_of(service: &str, instance: &Instance) -> Resource {
    resource(service, &instance.id, &instance.release.version)
}

fn scope(name: &str) -> Option<InstrumentationScope> {
    Some(InstrumentationScope { name: name.to_owned(), ..InstrumentationScope::default() })
}

fn text(key: &str, value: &str) -> KeyValue {
    with(key, Value::StringValue(value.to_owned()))
}

fn integer(key: &str, value: i64) -> KeyValue {
    with(key, Value::IntValue(value))
}

fn with(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

fn nanos(time: Timestamp) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(0)
}
