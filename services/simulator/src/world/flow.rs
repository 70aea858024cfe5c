//! What a request costs under load: queues, pools, time-outs.

/// Cores of an instance.
pub(crate) const CORES: f64 = 2.0;
/// What the scheduler leaves to requests at least.
const CORES_MIN: f64 = 0.005;
/// How long a request waits for a connection before it fails, in seconds.
const POOL_TIMEOUT_S: f64 = 1.0;
/// How long a caller waits for an answer, in seconds.
pub(crate) const CALL_TIMEOUT_S: f64 = 2.0;
/// What is never used up, so that waiting stays finite; beyond it requests are refused.
const FULL: f64 = 0.95;
/// Share of the memory limit from which on collecting garbage takes time.
const PRESSURE_FROM: f64 = 0.6;
/// How long collecting garbage stops a request at the limit, in seconds.
const PAUSE_MAX_S: f64 = 0.6;
/// The shape of the distribution of durations; log-logistic, so that its distribution function has a closed form.
const SHAPE: f64 = 4.0;

/// What an instance has to do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Demand {
    pub(crate) per_second: f64,
    pub(crate) cpu_s: f64,
    pub(crate) database_s: f64,
    /// What a request waits for other services, in seconds, and the share of requests that fail by them.
    pub(crate) downstream_s: f64,
    pub(crate) downstream_failed: f64,
    /// What a defect adds, in seconds and as a share of requests.
    pub(crate) defect_s: f64,
    pub(crate) defect_failed: f64,
    /// Connections that requests can have.
    pub(crate) free: f64,
    /// Memory used as a share of its limit.
    pub(crate) memory: f64,
    /// Cores that something else keeps busy.
    pub(crate) taken: f64,
    /// The share of requests that fail since nothing can be written.
    pub(crate) unwritten: f64,
    /// The share of requests that are turned away before anything is done for them.
    pub(crate) shed: f64,
    /// The share of requests that fail since nobody outside answers; what they wait is in `defect_s`.
    pub(crate) unanswered: f64,
}

/// Why requests fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Failing {
    Defect,
    Downstream,
    Pool,
    Overload,
    Disk,
    Outside,
}

/// How the instance does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outcome {
    /// Mean duration of requests that succeed, and of those that fail, in seconds.
    pub(crate) latency_s: f64,
    pub(crate) failed_s: f64,
    /// Shares of requests that fail, by reason.
    pub(crate) failed: [(Failing, f64); 6],
    /// CPU in use as a share of its cores.
    pub(crate) cpu: f64,
    /// Connections in use by requests, and requests that wait for one.
    pub(crate) held: f64,
    pub(crate) pending: f64,
}

impl Outcome {
    /// The share of requests that fail.
    pub(crate) fn error_ratio(&self) -> f64 {
        1.0 - self.failed.iter().map(|(_, share)| 1.0 - share).product::<f64>()
    }
}

/// What becomes of a demand.
pub(crate) fn answer(demand: &Demand) -> Outcome {
    let pressure = ((demand.memory - PRESSURE_FROM) / (1.0 - PRESSURE_FROM)).clamp(0.0, 1.0).powi(2);
    let cpu_s = demand.cpu_s * (1.0 + 2.0 * pressure);
    let cores = (CORES - demand.taken).max(CORES_MIN);
    let admitted = demand.per_second * (1.0 - demand.shed);
    let busy = admitted * cpu_s / cores;
    let overload = (1.0 - FULL / busy.max(FULL)).max(0.0);
    let served = admitted * (1.0 - overload);

    let wanted = served * demand.database_s;
    let starved = (1.0 - FULL * demand.free / wanted.max(FULL * demand.free)).clamp(0.0, 1.0);
    let pool_wait_s =
        if starved > 0.0 { 0.6 * POOL_TIMEOUT_S } else { wait(demand.database_s, wanted / demand.free, demand.free) };

    let own_s = cpu_s + wait(cpu_s, busy.min(FULL), cores) + demand.defect_s + PAUSE_MAX_S * pressure;
    let before_s = own_s + pool_wait_s.min(POOL_TIMEOUT_S);
    Outcome {
        latency_s: before_s + demand.database_s + demand.downstream_s,
        failed_s: if starved > demand.defect_failed { own_s + POOL_TIMEOUT_S } else { before_s + demand.downstream_s },
        failed: [
            (Failing::Defect, demand.defect_failed),
            (Failing::Downstream, demand.downstream_failed.clamp(0.0, 1.0)),
            (Failing::Pool, starved),
            (Failing::Overload, 1.0 - (1.0 - overload) * (1.0 - demand.shed)),
            (Failing::Disk, demand.unwritten),
            (Failing::Outside, demand.unanswered),
        ],
        cpu: ((busy.min(1.0) * cores + demand.taken) / CORES).min(1.0),
        held: wanted.min(demand.free),
        pending: served * if starved > 0.0 { starved * POOL_TIMEOUT_S } else { pool_wait_s },
    }
}

/// Mean wait in a queue before `servers` that each take `service_s`, at utilisation `busy` below 1: Sakasegawa's
/// approximation for M/M/c (1977).
fn wait(service_s: f64, busy: f64, servers: f64) -> f64 {
    let busy = busy.clamp(0.0, 0.99);
    service_s * busy.powf((2.0 * (servers + 1.0)).sqrt() - 1.0) / (servers.max(0.1) * (1.0 - busy))
}

/// The share of requests with this mean that take longer than `limit`, both in seconds.
pub(crate) fn slower(mean_s: f64, limit_s: f64) -> f64 {
    if mean_s <= 0.0 {
        return 0.0;
    }
    let angle = std::f64::consts::PI / SHAPE;
    let scale = mean_s * angle.sin() / angle;
    1.0 / (1.0 + (limit_s / scale).powf(SHAPE))
}

/// A duration drawn from the distribution with this mean, by a number from 0 to 1.
pub(crate) fn quantile(mean_s: f64, share: f64) -> f64 {
    let angle = std::f64::consts::PI / SHAPE;
    let share = share.clamp(0.001, 0.999);
    mean_s * angle.sin() / angle * (share / (1.0 - share)).powf(1.0 / SHAPE)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn demand() -> impl Strategy<Value = Demand> {
        let rates = (0.0..2_000.0, 0.0005..0.05, 0.001..0.2, 0.0..3.0, 0.0..1.0);
        let faults = (0.0..1.0, 0.0..1.0, 0.05..64.0, 0.0..1.0, 0.0..2.0, 0.0..1.0, 0.0..1.0, 0.0..0.5);
        (rates, faults).prop_map(|(rates, faults)| {
            let (per_second, cpu_s, database_s, downstream_s, downstream_failed) = rates;
            let (defect_s, defect_failed, free, memory, taken, unwritten, unanswered, shed) = faults;
            Demand {
                per_second,
                cpu_s,
                database_s,
                downstream_s,
                downstream_failed,
                defect_s,
                defect_failed,
                free,
                memory,
                taken,
                unwritten,
                unanswered,
                shed,
            }
        })
    }

    proptest! {
        #[test]
        fn outcomes_are_numbers_within_their_bounds(demand in demand()) {
            let outcome = answer(&demand);
            prop_assert!(outcome.latency_s.is_finite() && outcome.latency_s >= demand.downstream_s, "{outcome:?}");
            prop_assert!((0.0..=1.0).contains(&outcome.error_ratio()), "{outcome:?}");
            prop_assert!((0.0..=1.0).contains(&outcome.cpu) && outcome.pending >= 0.0, "{outcome:?}");
            prop_assert!(outcome.held <= demand.free + 1e-9, "{outcome:?}");
        }

        #[test]
        fn more_load_is_never_faster(demand in demand(), more in 1.0..4.0) {
            let loaded = Demand { per_second: demand.per_second * more, ..demand };
            prop_assert!(answer(&loaded).error_ratio() >= answer(&demand).error_ratio() - 1e-9);
        }

        #[test]
        fn quantiles_invert_the_distribution(mean in 0.001..5.0, share in 0.01..0.99) {
            let duration = quantile(mean, share);
            prop_assert!((1.0 - slower(mean, duration) - share).abs() < 1e-6);
        }
    }
}
