//! What a metric means, from OpenTelemetry's semantic conventions where they say so, and how closely it is watched.

use super::findings::{CALL_DURATION, CALLS_FAILED, CERTIFICATE_LEFT};
use super::series::{Side, Tuning};
use crate::Signal;
use crate::telemetry::Attributes;

/// Whether a metric is the duration of requests that a service answers.
pub(crate) fn is_request_duration(metric: &str) -> bool {
    matches!(
        metric,
        "http.server.request.duration" | "http.server.duration" | "rpc.server.duration" | "rpc.server.call.duration"
    )
}

/// Whether a metric is the duration of requests that a service makes.
pub(crate) fn is_call_duration(metric: &str) -> bool {
    metric == CALL_DURATION
}

/// Whether a metric says how much time is left of something, which is trouble once none is.
pub(crate) fn is_time_left(metric: &str) -> bool {
    metric == CERTIFICATE_LEFT
}

/// Whether a request counts as failed: `error.type`, an HTTP status of 500 and above, or a gRPC status that is the
/// server's fault by the conventions.
pub(crate) fn is_failed(attributes: &Attributes) -> bool {
    let has = |key: &str| attributes.get(key).map(|value| &**value);
    let status = ["http.response.status_code", "http.status_code"].iter().find_map(|key| has(key));
    if let Some(status) = status.and_then(|text| text.parse::<u16>().ok()) {
        return status >= 500;
    }
    if let Some(code) = has("rpc.grpc.status_code").or_else(|| has("rpc.response.status_code")) {
        const SERVER_FAULTS: [&str; 12] = [
            "2",
            "4",
            "12",
            "13",
            "14",
            "15",
            "UNKNOWN",
            "DEADLINE_EXCEEDED",
            "UNIMPLEMENTED",
            "INTERNAL",
            "UNAVAILABLE",
            "DATA_LOSS",
        ];
        return SERVER_FAULTS.contains(&code);
    }
    has("error.type").is_some_and(|kind| !kind.is_empty())
}

/// What a plain series means.
pub(crate) fn signal(metric: &str, attributes: &Attributes) -> Signal {
    let has = |part: &str| metric.contains(part);
    if is_client_side(metric) || is_setting(metric) || is_unused(attributes) {
        return Signal::Other;
    }
    // How many requests are under way follows from how many come and how long they take (Little's law): load and
    // slowness at once, so neither.
    if has("active_requests") {
        return Signal::Other;
    }
    // Time that is used up.
    if is_time_left(metric) {
        return Signal::Saturation;
    }
    if has("server") && has("duration") {
        return Signal::Latency;
    }
    // Before traffic, since what waits is often called requests.
    if is_waiting(metric) {
        return Signal::Saturation;
    }
    if has("availability") || has("error") || has("fail") {
        return Signal::Errors;
    }
    if has("request.rate") || has("request.count") || has("requests") {
        return Signal::Traffic;
    }
    let resources = [
        "cpu",
        "memory",
        "utilization",
        "db.client.connection",
        "filesystem",
        "disk",
        "gc.",
        "queue",
        "pool",
        "thread",
    ];
    if resources.iter().any(|part| has(part)) { Signal::Saturation } else { Signal::Other }
}

/// A caller's view of another service: an effect by nature.
fn is_client_side(metric: &str) -> bool {
    metric.starts_with("http.client.") || metric.starts_with("rpc.client.")
}

/// A limit that people set: it changes when they change it.
fn is_setting(metric: &str) -> bool {
    [".max", ".min", ".limit", "_limit", "_request"].iter().any(|end| metric.ends_with(end))
}

/// The part of a resource that nobody uses, as in `db.client.connection.state=idle` or `system.memory.state=free`.
fn is_unused(attributes: &Attributes) -> bool {
    const UNUSED: [&str; 6] = ["idle", "free", "available", "cached", "buffered", "buffers"];
    attributes
        .iter()
        .any(|(key, value)| (key.ends_with("state") || key.ends_with("mode")) && UNUSED.contains(&&**value))
}

/// What the whole is where a series is a share of requests, in its unit: 100 for percent.
pub(crate) fn share_of(signal: Signal, metric: &str, unit: &str) -> Option<f64> {
    let is_share = metric.contains("availability") || is_ratio(metric) || unit == "%";
    (signal == Signal::Errors && is_share)
        .then_some(if unit == "%" || (unit != "1" && metric.contains("availability")) { 100.0 } else { 1.0 })
}

/// How a series of this meaning is watched. The relative floors say which change an engineer would call none at all.
pub(crate) fn tuning(signal: Signal, metric: &str, unit: &str) -> Tuning {
    // What recovery is measured by keeps its range: lasting is no health.
    let settles = matches!(signal, Signal::Traffic | Signal::Other);
    let (side, sums) = (Side::Up, false);
    let base = Tuning { enter: 8.0, leave: 4.0, relative_floor: 0.05, absolute_floor: 0.0, side, settles, sums };
    match signal {
        // Of errors their budget keeps count; nothing else would ever tell of users who wait half as long again.
        Signal::Latency => Tuning { relative_floor: 0.10, absolute_floor: 0.000_5, sums: true, ..base },
        Signal::Errors if metric.contains("availability") => {
            // In percent, as load balancers report it.
            Tuning { relative_floor: 0.0, absolute_floor: 0.5, side: Side::Down, ..base }
        }
        Signal::Errors => Tuning { relative_floor: 0.25, absolute_floor: 0.002, ..base },
        Signal::Saturation if is_time_left(metric) => Tuning { relative_floor: 0.02, side: Side::Down, ..base },
        Signal::Saturation if is_ratio(metric) => Tuning { absolute_floor: 0.01, ..base },
        // One more of what is counted in ones is no news, and of what should not be there at all, two are.
        Signal::Saturation if is_waiting(metric) => Tuning { absolute_floor: 0.25, ..base },
        Signal::Saturation if unit.starts_with('{') => Tuning { absolute_floor: 0.5, ..base },
        Signal::Saturation => Tuning { absolute_floor: 0.005, ..base },
        Signal::LogBurst => Tuning { relative_floor: 0.3, absolute_floor: 1.0, ..base },
        // One request more in the shortest of windows is no news.
        Signal::Traffic => Tuning { relative_floor: 0.10, absolute_floor: 0.1, side: Side::Both, ..base },
        Signal::Other if metric == CALLS_FAILED => Tuning { relative_floor: 0.25, absolute_floor: 0.002, ..base },
        _ => Tuning { relative_floor: 0.10, side: Side::Both, ..base },
    }
}

/// What waits for a resource: usually nothing.
fn is_waiting(metric: &str) -> bool {
    ["pending", "queue", "waiting"].iter().any(|part| metric.contains(part))
}

/// The value at which a resource is full, where it says how full it is. Conventions give a share without a unit or in
/// ones.
pub(crate) fn full_at(metric: &str, unit: &str) -> Option<f64> {
    match unit {
        "%" => Some(100.0),
        "1" | "" if is_ratio(metric) => Some(1.0),
        _ => None,
    }
}

fn is_ratio(metric: &str) -> bool {
    metric.contains("utilization") || metric.contains("ratio")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meaning(metric: &str, attributes: &[(&str, &str)]) -> Signal {
        signal(metric, &attributes.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect())
    }

    #[test]
    fn only_what_is_used_up_saturates() {
        let pool = "db.client.connection.count";
        assert_eq!(meaning(pool, &[("db.client.connection.state", "used")]), Signal::Saturation);
        assert_eq!(meaning(pool, &[("db.client.connection.state", "idle")]), Signal::Other);
        assert_eq!(meaning("db.client.connection.max", &[]), Signal::Other);
        assert_eq!(meaning("system.memory.usage", &[("state", "free")]), Signal::Other);
        assert_eq!(meaning("system.memory.usage", &[("state", "used")]), Signal::Saturation);
        assert_eq!(meaning("system.cpu.utilization", &[("cpu.mode", "idle")]), Signal::Other);
        assert_eq!(meaning("http.server.active_requests", &[]), Signal::Other);
        assert_eq!(meaning("http.server.requests", &[]), Signal::Traffic);
        assert_eq!(meaning("db.client.connection.pending_requests", &[]), Signal::Saturation);
    }
}
