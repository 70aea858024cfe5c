//! Log lines and change events.

use std::collections::BTreeMap;

use llm_sre_domain::Timestamp;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs, SeverityNumber};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::wording::{self, Failure};
use super::{INTERVAL, nanos, resource, scope, text};
use crate::world::ailment::variant;
use crate::world::flow;
use crate::world::happening::{Event, Happening};
use crate::world::instance::Instance;
use crate::world::naming::Naming;
use crate::world::service::Service;
use crate::world::{self, World};

/// Lines of one kind that a process writes in an interval; its logger leaves further ones out.
const LINES_MAX: u64 = 12;
/// Share of the memory limit, and of the disk, from which on the runtime complains.
const PRESSED: f64 = 0.8;
/// Share of the cache's content from which on that it is gone is worth a line.
const LOST: f64 = 0.2;

/// One line, before it is grouped by the process that wrote it.
#[derive(Clone, Debug)]
pub(super) struct Line {
    service: &'static str,
    instance: String,
    version: String,
    record: LogRecord,
}

impl Line {
    pub(super) fn new(
        service: &'static str,
        instance: &Instance,
        time: Timestamp,
        severity: SeverityNumber,
        body: String,
    ) -> Self {
        let record = record(time, severity, body);
        Self { service, instance: instance.id.clone(), version: instance.release.version.clone(), record }
    }

    pub(super) fn traced(mut self, trace_id: [u8; 16], span_id: [u8; 8]) -> Self {
        (self.record.trace_id, self.record.span_id) = (trace_id.to_vec(), span_id.to_vec());
        self
    }
}

fn record(time: Timestamp, severity: SeverityNumber, body: String) -> LogRecord {
    LogRecord {
        time_unix_nano: nanos(time),
        observed_time_unix_nano: nanos(time),
        severity_number: severity.into(),
        severity_text: severity.as_str_name().trim_start_matches("SEVERITY_NUMBER_").to_owned(),
        body: Some(AnyValue { value: Some(Value::StringValue(body)) }),
        ..LogRecord::default()
    }
}

/// What the processes of a service wrote in the interval that ends.
pub(super) fn of_processes(world: &mut World, index: usize, rng: &mut ChaCha8Rng) -> Vec<Line> {
    let (now, culprit) = (world.now, culprit(world, index));
    let service = &mut world.services[index];
    let (name, naming) = (service.name(), service.naming);
    let (pool, limit, telling) = (service.pool, service.blueprint.memory_limit_mib, service.telling);
    let outside = service.address(service.outside.is_on_standby);
    let mut lines = Vec::new();
    for instance in service.instances.iter_mut().filter(|instance| instance.is_up(now)) {
        let mut write = |severity, body: String, rng: &mut ChaCha8Rng| {
            let back = INTERVAL.mul_f64(rng.random_range(0.0..1.0));
            let time = telling.stamp(instance.started.max(now - back));
            lines.push(Line::new(name, instance, time, severity, body).traced(rng.random(), rng.random()));
        };
        let took_ms = flow::quantile(instance.latency_s, rng.random_range(0.0..1.0)) * 1e3;
        write(SeverityNumber::Info, wording::answered(&naming, took_ms), rng);
        if instance.memory_mib > PRESSED * limit {
            let paused_ms = rng.random_range(200..700);
            write(SeverityNumber::Warn, wording::collecting(&naming, paused_ms), rng);
        }
        if service.cache.lost > LOST {
            write(SeverityNumber::Warn, wording::missing(&naming, service.cache.missing()), rng);
        }
        if instance.disk() > PRESSED {
            write(SeverityNumber::Warn, wording::filling(&naming, instance.disk()), rng);
        }
        for (reason, count) in &instance.failures {
            for _ in 0..(*count).min(LINES_MAX) {
                let flag = service.flag.defect.filter(|_| service.flag.is_on);
                let line = instance.release.defect.or(flag).map(|defect| defect.line);
                let (outside, pending) = (outside.as_str(), instance.pending);
                let failure = Failure { reason: *reason, line, culprit, outside, pool, pending };
                write(SeverityNumber::Error, wording::failed(&naming, &failure), rng);
            }
        }
        for _ in 0..instance.refused.min(LINES_MAX) {
            write(SeverityNumber::Error, wording::refused(&naming), rng);
        }
        instance.refused = 0;
        instance.failures.clear();
    }
    lines
}

/// What the platform says of a service. Its clock is its own.
pub(super) fn of_platform(service: &Service, events: &[Event]) -> impl Iterator<Item = Line> {
    let own = events.iter().filter(move |event| event.service == service.name());
    own.map(move |event| told(service, event))
}

/// The callee that fails most.
fn culprit(world: &World, index: usize) -> &'static str {
    let calls = world.services[index].blueprint.calls;
    let callees = calls.iter().filter(|call| call.is_required).filter_map(|call| {
        let callee = &world.services[world.callee(call)?];
        Some((world::failed(callee), callee.name()))
    });
    callees.max_by(|a, b| a.0.total_cmp(&b.0)).map_or("the database", |(_, name)| name)
}

type Told = (&'static str, SeverityNumber, String, Vec<KeyValue>);

/// A setting that was changed.
fn configured(naming: &Naming, key: &str, before: &str, after: &str) -> Told {
    let attributes = vec![text("config.key", key), text("config.value.previous", before), text("config.value", after)];
    ("configuration.changed", SeverityNumber::Info, wording::set(naming, key, before, after), attributes)
}

fn told(service: &Service, event: &Event) -> Line {
    let naming = &service.naming;
    let versions = |before: &str, after: &str| {
        vec![
            text("deployment.name", event.service),
            text("service.version.previous", before),
            text("service.version", after),
        ]
    };
    let (name, severity, body, attributes): Told = match &event.what {
        Happening::DeploymentStarted { before, after } => {
            ("deployment.started", SeverityNumber::Info, wording::deploying(naming, after), versions(before, after))
        }
        Happening::DeploymentFinished { before, after } => {
            ("deployment.finished", SeverityNumber::Info, wording::deployed(naming, after), versions(before, after))
        }
        Happening::Restarted => {
            let attributes = vec![text("service.instance.id", &event.instance)];
            ("service.restart", SeverityNumber::Info, wording::restarted(naming), attributes)
        }
        Happening::Killed { used_mib } => {
            let body = wording::killed(naming, *used_mib, service.blueprint.memory_limit_mib);
            ("container.killed", SeverityNumber::Error, body, Vec::new())
        }
        Happening::PoolResized { before, after } => {
            configured(naming, "database.pool.size", &before.to_string(), &after.to_string())
        }
        Happening::Scaled { before, after } => {
            let attributes = vec![
                text("change.subject", "instances"),
                text("change.before", &before.to_string()),
                text("change.after", &after.to_string()),
            ];
            ("scaling.finished", SeverityNumber::Info, wording::scaled(naming, *before, *after), attributes)
        }
        Happening::Admitted { before, after } => {
            configured(naming, "admission.percent", &before.to_string(), &after.to_string())
        }
        Happening::FailedOver { before, after } => configured(naming, "partner.address", before, after),
        Happening::FlagSwitched { before, after } => {
            let (key, before, after) = (service.flag_key(), variant(*before), variant(*after));
            let attributes = vec![
                text("feature_flag.key", &key),
                text("feature_flag.variant.previous", before),
                text("feature_flag.variant", after),
            ];
            let body = wording::set(naming, &key, before, after);
            ("feature_flag.changed", SeverityNumber::Info, body, attributes)
        }
        Happening::CertificateRenewed { valid_days } => {
            ("certificate.renewed", SeverityNumber::Info, wording::renewed(naming, *valid_days), Vec::new())
        }
        Happening::DiskCleared { freed_mib } => {
            ("disk.cleared", SeverityNumber::Info, wording::cleared(naming, *freed_mib), Vec::new())
        }
    };
    let record = LogRecord { event_name: name.to_owned(), attributes, ..record(event.time, severity, body) };
    let version = service.version().to_owned();
    Line { service: event.service, instance: event.instance.clone(), version, record }
}

/// One request with the lines of a service, by the process that wrote them. `None` for no lines.
pub(super) fn request(lines: Vec<Line>) -> Option<ExportLogsServiceRequest> {
    let mut written: BTreeMap<(&str, String, String), Vec<LogRecord>> = BTreeMap::new();
    for line in lines {
        written.entry((line.service, line.instance, line.version)).or_default().push(line.record);
    }
    let resource_logs: Vec<ResourceLogs> = written
        .into_iter()
        .map(|((service, instance, version), mut log_records)| {
            log_records.sort_by_key(|record| record.time_unix_nano);
            let logs = ScopeLogs { scope: scope(service), log_records, ..ScopeLogs::default() };
            let resource = Some(resource(service, &instance, &version));
            ResourceLogs { resource, scope_logs: vec![logs], ..ResourceLogs::default() }
        })
        .collect();
    (!resource_logs.is_empty()).then_some(ExportLogsServiceRequest { resource_logs })
}
