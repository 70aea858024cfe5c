//! Log lines and change events.

use std::collections::BTreeMap;

use llm_sre_domain::Timestamp;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs, SeverityNumber};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::metrics::MOUNTPOINT;
use super::{INTERVAL, nanos, resource, scope, text};
use crate::world::World;
use crate::world::blueprint::SHOP;
use crate::world::flow::{self, Failing};
use crate::world::instance::Instance;
use crate::world::service::{Event, Happening, Service, variant};

/// Lines of one kind that a process writes in an interval; its logger leaves further ones out.
const LINES_MAX: u64 = 12;
/// Share of the memory limit, and of the disk, from which on the runtime complains.
const PRESSED: f64 = 0.8;

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

/// What the processes of a service wrote in the interval that ends, and what its platform says of it.
pub(super) fn of_service(world: &mut World, index: usize, events: &[Event], rng: &mut ChaCha8Rng) -> Vec<Line> {
    let (now, culprit) = (world.now, culprit(world, index));
    let service = &mut world.services[index];
    let name = service.blueprint.name;
    let (pool, limit) = (service.pool, service.blueprint.memory_limit_mib);
    let mut lines = Vec::new();
    for instance in service.instances.iter_mut().filter(|instance| instance.is_up(now)) {
        let mut write = |severity, body: String, rng: &mut ChaCha8Rng| {
            let back = INTERVAL.mul_f64(rng.random_range(0.0..1.0));
            let time = instance.started.max(now - back);
            lines.push(Line::new(name, instance, time, severity, body).traced(rng.random(), rng.random()));
        };
        let took_ms = flow::quantile(instance.latency_s, rng.random_range(0.0..1.0)) * 1e3;
        write(SeverityNumber::Info, format!("GET /{name} answered 200 in {took_ms:.1} ms"), rng);
        if instance.memory_mib > PRESSED * limit {
            let paused = rng.random_range(200..700);
            write(SeverityNumber::Warn, format!("garbage collection stopped the process for {paused} ms"), rng);
        }
        if instance.disk() > PRESSED {
            write(SeverityNumber::Warn, format!("{MOUNTPOINT} is {:.0} percent full", instance.disk() * 100.0), rng);
        }
        for (reason, count) in &instance.failures {
            for _ in 0..(*count).min(LINES_MAX) {
                let flag = service.flag.defect.filter(|_| service.flag.is_on);
                let defect = instance.release.defect.or(flag).map(|defect| defect.line);
                let body = words(*reason, name, defect, culprit, pool, instance.pending);
                write(SeverityNumber::Error, body, rng);
            }
        }
        instance.failures.clear();
    }
    let own = events.iter().filter(|event| event.service == name);
    lines.extend(own.map(|event| told(service, event)));
    lines
}

/// The callee that fails most.
fn culprit(world: &World, index: usize) -> &'static str {
    let callees = SHOP[index].calls.iter().filter(|call| call.is_required).filter_map(|call| {
        let callee = &world.services[world.index(call.to).ok()?];
        Some((callee.error_ratio + flow::slower(callee.latency_s, flow::CALL_TIMEOUT_S), call.to))
    });
    callees.max_by(|a, b| a.0.total_cmp(&b.0)).map_or("the database", |(_, name)| name)
}

fn words(reason: Failing, name: &str, defect: Option<u32>, culprit: &str, pool: u32, pending: u32) -> String {
    match (reason, defect) {
        (Failing::Defect, Some(line)) => {
            format!("unhandled exception in {name}/handler at line {line}: value is undefined")
        }
        (Failing::Defect, None) => "client closed the connection before the answer".to_owned(),
        (Failing::Downstream, _) => format!("call to {culprit} failed after 2 attempts"),
        (Failing::Pool, _) => format!(
            "no database connection within 1000 ms: {pool} of {pool} are in use and {pending} requests are waiting"
        ),
        (Failing::Overload, _) => "too many requests in flight, refused".to_owned(),
        (Failing::Disk, _) => format!("failed to write {MOUNTPOINT}/journal: no space left on device"),
    }
}

fn told(service: &Service, event: &Event) -> Line {
    let versions = |before: &str, after: &str| {
        vec![
            text("deployment.name", event.service),
            text("service.version.previous", before),
            text("service.version", after),
        ]
    };
    let (name, severity, body, attributes): (_, _, _, Vec<KeyValue>) = match &event.what {
        Happening::DeploymentStarted { before, after } => {
            let body = format!("deployment of {after} has begun");
            ("deployment.started", SeverityNumber::Info, body, versions(before, after))
        }
        Happening::DeploymentFinished { before, after } => {
            let body = format!("deployment of {after} has ended");
            ("deployment.finished", SeverityNumber::Info, body, versions(before, after))
        }
        Happening::Restarted => {
            let attributes = vec![text("service.instance.id", &event.instance)];
            ("service.restart", SeverityNumber::Info, "instance was started again".to_owned(), attributes)
        }
        Happening::Killed { used_mib } => {
            let limit = service.blueprint.memory_limit_mib;
            let body = format!("container used {used_mib:.0} MiB of {limit:.0} MiB and was killed");
            ("container.killed", SeverityNumber::Error, body, Vec::new())
        }
        Happening::PoolResized { before, after } => {
            let attributes = vec![
                text("config.key", "database.pool.size"),
                text("config.value.previous", &before.to_string()),
                text("config.value", &after.to_string()),
            ];
            let body = format!("database.pool.size is {after}, was {before}");
            ("configuration.changed", SeverityNumber::Info, body, attributes)
        }
        Happening::FlagSwitched { before, after } => {
            let (key, before, after) = (service.flag_key(), variant(*before), variant(*after));
            let attributes = vec![
                text("feature_flag.key", &key),
                text("feature_flag.variant.previous", before),
                text("feature_flag.variant", after),
            ];
            ("feature_flag.changed", SeverityNumber::Info, format!("{key} is {after}, was {before}"), attributes)
        }
        Happening::DiskCleared { freed_mib } => {
            let body = format!("removed {freed_mib:.0} MiB of caches and temporary files from {MOUNTPOINT}");
            ("disk.cleared", SeverityNumber::Info, body, Vec::new())
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
