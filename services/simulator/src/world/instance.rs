//! One process of a service, and what it has counted since it started.

use std::collections::BTreeMap;

use llm_sre_domain::Timestamp;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Binomial, Distribution, Poisson};

use super::flow::{self, Failing, Outcome};
use super::naming::Naming;
use super::outside::{self, Outside};
use super::release::Release;

/// Upper bounds in seconds, as the conventions advise for request durations.
pub(crate) const BOUNDS_S: [f64; 14] =
    [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

/// The size of an instance's disk in mebibytes, and the share of it that is needed.
pub(crate) const DISK_MIB: f64 = 8_192.0;
pub(crate) const DISK_NEEDED: f64 = 0.35;

/// How long a killed process takes to start again.
const START_S: u64 = 15;

/// Durations counted since the start.
#[derive(Clone, Debug, Default)]
pub(crate) struct Durations {
    pub(crate) count: u64,
    pub(crate) sum_s: f64,
    pub(crate) buckets: [u64; BOUNDS_S.len() + 1],
}

/// A process.
#[derive(Clone, Debug)]
pub(crate) struct Instance {
    pub(crate) id: String,
    pub(crate) release: Release,
    pub(crate) started: Timestamp,
    /// Requests since the start by status.
    pub(crate) requests: BTreeMap<u16, Durations>,
    /// Calls to the outside since the start: whether to the standby, and whether they failed.
    pub(crate) calls: BTreeMap<(bool, bool), Durations>,
    /// Calls to services of the shop since the start, by whom they went to and what came of them.
    pub(crate) inside: BTreeMap<(&'static str, Answer), Durations>,
    /// Requests that failed and were not told of in logs yet, by reason.
    pub(crate) failures: BTreeMap<Failing, u64>,
    /// Handshakes that callers broke off, and that were not told of in logs yet.
    pub(crate) refused: u64,
    pub(crate) cpu: f64,
    pub(crate) memory_mib: f64,
    pub(crate) leaked_mib: f64,
    /// What was written to its disk and is not needed, in mebibytes.
    pub(crate) filled_mib: f64,
    pub(crate) held: u32,
    pub(crate) pending: u32,
    pub(crate) latency_s: f64,
    pub(crate) error_ratio: f64,
    down_until: Option<Timestamp>,
}

/// What came of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Answer {
    Sound,
    Error,
    None,
    /// The handshake was broken off.
    Refused,
}

/// How long a handshake takes.
const HANDSHAKE_S: f64 = 0.003;

/// How a service's calls to another fare in a step.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Calls {
    pub(crate) to: &'static str,
    /// How many a request makes, those that are made again among them.
    pub(crate) per_request: f64,
    /// Which share does not come to be, which of the others comes too late, and which of the rest fails.
    pub(crate) refused: f64,
    pub(crate) late: f64,
    pub(crate) failed: f64,
    pub(crate) latency_s: f64,
}

impl Instance {
    pub(crate) fn start(naming: &Naming, release: Release, now: Timestamp, rng: &mut ChaCha8Rng) -> Self {
        Self {
            id: naming.process(rng),
            release,
            started: now,
            requests: BTreeMap::new(),
            calls: BTreeMap::new(),
            inside: BTreeMap::new(),
            failures: BTreeMap::new(),
            refused: 0,
            cpu: 0.0,
            memory_mib: 0.0,
            leaked_mib: 0.0,
            filled_mib: 0.0,
            held: 0,
            pending: 0,
            latency_s: 0.0,
            error_ratio: 0.0,
            down_until: None,
        }
    }

    /// Whether it takes requests.
    pub(crate) fn is_up(&self, now: Timestamp) -> bool {
        self.down_until.is_none_or(|until| now >= until)
    }

    /// How full its disk is, from 0 to 1.
    pub(crate) fn disk(&self) -> f64 {
        (DISK_NEEDED + self.filled_mib / DISK_MIB).min(1.0)
    }

    /// The platform ends it for its memory, and starts it again.
    pub(crate) fn kill(&mut self, now: Timestamp) {
        self.down_until = Some(now + std::time::Duration::from_secs(START_S));
        self.started = now;
        self.leaked_mib = 0.0;
        self.requests.clear();
        self.calls.clear();
        self.inside.clear();
        self.failures.clear();
    }

    /// Counts what it answered in a step.
    pub(crate) fn count(&mut self, outcome: &Outcome, per_second: f64, step_s: f64, rng: &mut ChaCha8Rng) {
        self.cpu = (outcome.cpu * rng.random_range(0.96..1.04)).clamp(0.002, 1.0);
        self.held = poisson(outcome.held, rng).try_into().unwrap_or(u32::MAX);
        self.pending = poisson(outcome.pending, rng).try_into().unwrap_or(u32::MAX);
        (self.latency_s, self.error_ratio) = (outcome.latency_s, outcome.error_ratio());
        let mut left = poisson(per_second * step_s, rng);
        for (reason, share) in outcome.failed {
            let failed = binomial(left, share, rng);
            if failed > 0 {
                left -= failed;
                *self.failures.entry(reason).or_default() += failed;
                self.requests.entry(status(reason)).or_default().add(failed, outcome.failed_s, rng);
            }
        }
        self.requests.entry(200).or_default().add(left, outcome.latency_s, rng);
    }

    /// Counts so many handshakes, on average, that callers broke off.
    pub(crate) fn count_refused(&mut self, mean: f64, rng: &mut ChaCha8Rng) {
        self.refused += poisson(mean, rng);
    }

    /// Counts its calls to a service of the shop in a step, in which it takes so many requests a second.
    pub(crate) fn count_inside(&mut self, calls: &Calls, per_second: f64, step_s: f64, rng: &mut ChaCha8Rng) {
        let made = poisson(calls.per_request * per_second * step_s, rng);
        let refused = binomial(made, calls.refused, rng);
        let late = binomial(made - refused, calls.late, rng);
        let failed = binomial(made - refused - late, calls.failed, rng);
        let sound = made - refused - late - failed;
        for (answer, count, mean_s) in [
            (Answer::Refused, refused, HANDSHAKE_S),
            (Answer::None, late, flow::CALL_TIMEOUT_S),
            (Answer::Error, failed, calls.latency_s),
            (Answer::Sound, sound, calls.latency_s),
        ] {
            if count > 0 {
                self.inside.entry((calls.to, answer)).or_default().add(count, mean_s, rng);
            }
        }
    }

    /// Counts its calls to the outside in a step.
    pub(crate) fn count_calls(&mut self, to: Outside, per_second: f64, step_s: f64, rng: &mut ChaCha8Rng) {
        let made = poisson(outside::NEEDED * per_second * step_s, rng);
        let failed = binomial(made, to.failing(), rng);
        for (is_failed, count, mean_s) in [(true, failed, outside::TIMEOUT_S), (false, made - failed, to.answer_s())] {
            if count > 0 {
                self.calls.entry((to.is_on_standby, is_failed)).or_default().add(count, mean_s, rng);
            }
        }
    }
}

impl Durations {
    fn add(&mut self, count: u64, mean_s: f64, rng: &mut ChaCha8Rng) {
        let (mut left, mut above) = (count, 1.0);
        for (bucket, bound) in self.buckets.iter_mut().zip(BOUNDS_S) {
            let beyond = flow::slower(mean_s, bound);
            let here = binomial(left, if above > 0.0 { 1.0 - beyond / above } else { 1.0 }, rng);
            *bucket += here;
            left -= here;
            above = beyond;
        }
        self.buckets[BOUNDS_S.len()] += left;
        self.count += count;
        self.sum_s += count as f64 * mean_s;
    }
}

/// The status that a caller sees.
pub(crate) fn status(reason: Failing) -> u16 {
    match reason {
        Failing::Defect | Failing::Disk => 500,
        Failing::Downstream | Failing::Outside => 502,
        Failing::Pool | Failing::Overload => 503,
    }
}

fn poisson(mean: f64, rng: &mut ChaCha8Rng) -> u64 {
    Poisson::new(mean).map_or(0, |distribution| distribution.sample(rng) as u64)
}

fn binomial(count: u64, share: f64, rng: &mut ChaCha8Rng) -> u64 {
    if count == 0 {
        return 0;
    }
    Binomial::new(count, share.clamp(0.0, 1.0)).map_or(0, |distribution| distribution.sample(rng))
}
