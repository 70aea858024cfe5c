//! The simulated shop as a pure model: the same seed and the same calls at the same times give the same telemetry.

pub(crate) mod ailment;
pub(crate) mod blueprint;
pub(crate) mod cache;
pub(crate) mod certificate;
pub(crate) mod control;
mod damage;
pub(crate) mod fault;
pub(crate) mod flow;
pub(crate) mod happening;
pub(crate) mod instance;
pub(crate) mod naming;
pub(crate) mod operation;
pub(crate) mod outside;
mod release;
pub(crate) mod service;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::time::Duration;

use llm_sre_domain::Timestamp;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use blueprint::{Call, ENTERING, SHOP};
use control::Control;
use damage::Damage;
use fault::{Fault, Kind, Onset, State};
use happening::Event;
use instance::Calls;
use naming::Naming;
use operation::{Refusal, Runs};
use release::Release;
use service::{Downstream, Service};

/// What one step of the model takes.
pub(crate) const STEP: Duration = Duration::from_secs(5);
/// Faults remembered; the oldest ended ones go first.
const FAULTS_MAX: usize = 1_000;
/// The period and the height of the usual ups and downs of load.
const TIDE: Duration = Duration::from_secs(3600);
const TIDE_HEIGHT: f64 = 0.2;
/// How often the shop's own people deploy something, on average.
const DEPLOYMENTS: Duration = Duration::from_secs(3600);
/// How long they leave a service alone that was broken.
const LEFT_ALONE: Duration = Duration::from_secs(1800);

/// The shop.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) seed: u64,
    pub(crate) now: Timestamp,
    pub(crate) services: Vec<Service>,
    pub(crate) faults: Vec<Fault>,
    pub(crate) runs: Runs,
    pub(crate) rng: ChaCha8Rng,
    events: Vec<Event>,
    next_fault: u64,
    phase: f64,
    gust: f64,
    deploys_at: Timestamp,
}

/// What to break.
#[derive(Clone, Debug, Default)]
pub(crate) struct Injection {
    pub(crate) kind: Option<Kind>,
    pub(crate) service: String,
    pub(crate) onset: Option<Onset>,
    pub(crate) seed: u64,
    pub(crate) request_id: String,
}

/// Why nothing breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error(transparent)]
    Unknown(#[from] Refusal),
    #[error("fault {number} is at work on {service}")]
    Broken { number: u64, service: &'static str },
    #[error("load enters at {0}")]
    NoEntry(&'static str),
    #[error("{FAULTS_MAX} faults are at work")]
    TooMany,
}

impl World {
    /// The whole shop, which opens now. A renamed one does the same, and calls everything by other names.
    #[cfg(test)]
    pub(crate) fn new(seed: u64, now: Timestamp, is_renamed: bool) -> Self {
        Self::of(&blueprint::draw(seed, None), seed, now, is_renamed)
    }

    /// A shop of some of the services, by their places in the whole one. Calls to those that it lacks are not made.
    pub(crate) fn of(places: &BTreeSet<usize>, seed: u64, now: Timestamp, is_renamed: bool) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let built = SHOP.iter().zip(Naming::draw(seed, is_renamed)).enumerate();
        let kept = built.filter(|(place, _)| places.contains(place));
        let services = kept.map(|(place, (blueprint, naming))| {
            // The streams before are the world's, its telemetry's and its names'.
            let calls = [0, SHOP.len()].map(|before| {
                let mut calls = ChaCha8Rng::seed_from_u64(seed);
                calls.set_stream((3 + before + place) as u64);
                calls
            });
            Service::new(blueprint, naming, now, &mut rng, calls)
        });
        let services = services.collect();
        let phase = rng.random_range(0.0..std::f64::consts::TAU);
        let deploys_at = now + DEPLOYMENTS.mul_f64(rng.random_range(0.5..1.5));
        let (faults, runs, events) = Default::default();
        Self { seed, now, services, faults, runs, rng, events, next_fault: 1, phase, gust: 0.0, deploys_at }
    }

    /// A service by its name.
    pub(crate) fn index(&self, name: &str) -> Result<usize, Refusal> {
        let found = self.services.iter().position(|service| service.name() == name);
        found.ok_or_else(|| Refusal::UnknownService(name.to_owned()))
    }

    /// The service that a call goes to.
    pub(crate) fn callee(&self, call: &Call) -> Option<usize> {
        self.services.iter().position(|service| service.blueprint.name == call.to)
    }

    /// Takes what happened since the last call.
    pub(crate) fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// Goes on by one [`STEP`].
    pub(crate) fn step(&mut self) {
        self.now = self.now + STEP;
        self.deploy_something();
        for service in &mut self.services {
            if let Some(request) = service.roll(self.now, &mut self.rng, &mut self.events) {
                self.runs.finish(&request, self.now);
            }
        }
        for fault in self.faults.iter_mut().filter(|fault| fault.state == State::Active) {
            fault.advance(&mut self.services[fault.service], self.now);
        }
        self.arrive();
        for index in (0..self.services.len()).rev() {
            let downstream = self.downstream(index);
            self.services[index].answer(self.now, STEP, downstream, &mut self.rng, &mut self.events);
        }
    }

    /// Lets load enter, and callers call: each call that failed before is tried once more.
    fn arrive(&mut self) {
        self.gust = 0.9 * self.gust + self.rng.random_range(-0.02..0.02);
        let angle = std::f64::consts::TAU * (self.now.as_nanos() as f64 / 1e9 / TIDE.as_secs_f64()) + self.phase;
        let peak: f64 = self.active().map(|fault| fault.visitors(self.now)).product();
        for service in &mut self.services {
            service.arrivals = 0.0;
        }
        self.services[0].arrivals = ENTERING * (1.0 + TIDE_HEIGHT * angle.sin() + self.gust).max(0.1) * peak;
        for index in 0..self.services.len() {
            self.services[index].refuse_some();
            let (arrivals, calls) = (self.services[index].arrivals, self.services[index].blueprint.calls);
            for call in calls {
                let Some(callee) = self.callee(call) else { continue };
                let callee = &mut self.services[callee];
                let again = if call.is_required { failed(callee) } else { 0.0 };
                callee.arrivals += arrivals * call.per_request * (1.0 + again);
            }
        }
    }

    /// What a service's callees mean for its requests. Calls are made one after the other.
    fn downstream(&self, index: usize) -> Downstream {
        let mut downstream = Downstream::default();
        let mut served = 1.0;
        let network_s = self.services[index].outside.network_s;
        for call in self.services[index].blueprint.calls {
            let Some(callee) = self.callee(call) else { continue };
            let callee = &self.services[callee];
            let once = failed(callee);
            let latency_s = (callee.latency_s + network_s).min(flow::CALL_TIMEOUT_S);
            if call.is_required {
                downstream.latency_s += call.per_request * latency_s * (1.0 + once);
                served *= 1.0 - call.per_request.min(1.0) * once * once;
            } else {
                downstream.latency_s += call.per_request * latency_s;
            }
            let again = if call.is_required { once } else { 0.0 };
            let is_up = callee.instances.iter().any(|instance| instance.is_up(self.now));
            downstream.calls.push(Calls {
                to: callee.name(),
                per_request: call.per_request * (1.0 + again),
                refused: callee.certificate.refused,
                late: if is_up { late(callee) } else { 1.0 },
                failed: callee.error_ratio,
                latency_s,
            });
        }
        downstream.failed = 1.0 - served;
        downstream
    }

    fn deploy_something(&mut self) {
        if self.now < self.deploys_at {
            return;
        }
        self.deploys_at = self.now + DEPLOYMENTS.mul_f64(self.rng.random_range(0.5..1.5));
        let index = self.rng.random_range(0..self.services.len());
        let was_broken = self
            .faults
            .iter()
            .any(|fault| fault.service == index && fault.ended.is_none_or(|ended| self.now.since(ended) < LEFT_ALONE));
        let service = &mut self.services[index];
        if !was_broken && service.rollout.is_none() {
            let sound = Release::sound(&release::next(service.version()));
            self.events.push(service.deploy(sound, self.now, Duration::from_secs(20), None));
        }
    }

    /// Faults at work.
    pub(crate) fn active(&self) -> impl Iterator<Item = &Fault> {
        self.faults.iter().filter(|fault| fault.state == State::Active)
    }

    /// Breaks something. A repeated request id has no effect and the same answer; nothing is done where `only_check`.
    pub(crate) fn inject(&mut self, injection: &Injection, only_check: bool) -> Result<Fault, Refused> {
        let is_same = |fault: &&Fault| !injection.request_id.is_empty() && fault.request_id == injection.request_id;
        if let Some(fault) = self.faults.iter().find(is_same) {
            return Ok(fault.clone());
        }
        let mut draft = if only_check { Some(self.clone()) } else { None };
        draft.as_mut().unwrap_or(self).begin(injection)
    }

    fn begin(&mut self, injection: &Injection) -> Result<Fault, Refused> {
        if self.faults.len() >= FAULTS_MAX {
            let ended = self.faults.iter().position(|fault| fault.state != State::Active);
            self.faults.remove(ended.ok_or(Refused::TooMany)?);
        }
        let seed = if injection.seed == 0 { self.rng.random() } else { injection.seed };
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        // Every draw is made, so that what is given does not change what the others come to.
        let drawn_kind = Kind::FAULTS[rng.random_range(0..Kind::FAULTS.len())];
        let drawn_service = rng.random_range(0..self.services.len());
        let drawn_onset = if rng.random() { Onset::Sudden } else { Onset::Gradual };
        let kind = injection.kind.unwrap_or(drawn_kind);
        let service = match (kind, injection.service.as_str()) {
            (Kind::Control(Control::TrafficPeak), "") => 0,
            (_, "") => drawn_service,
            (_, name) => self.index(name)?,
        };
        if kind == Kind::Control(Control::TrafficPeak) && service != 0 {
            return Err(Refused::NoEntry(self.services[0].name()));
        }
        if let Some(fault) = self.active().find(|fault| fault.service == service) {
            return Err(Refused::Broken { number: fault.number, service: self.services[service].name() });
        }
        if self.services[service].rollout.as_ref().is_some_and(|rollout| rollout.request.is_some()) {
            return Err(Refusal::Busy(self.services[service].name()).into());
        }
        let onset = injection.onset.unwrap_or(drawn_onset);
        let fault = Fault {
            number: self.next_fault,
            request_id: injection.request_id.clone(),
            kind,
            service,
            onset,
            seed,
            started: self.now,
            ended: None,
            state: State::Active,
            damage: Damage::begin(kind, onset, &mut self.services[service], self.now, &mut rng, &mut self.events),
        };
        self.next_fault += 1;
        self.faults.push(fault.clone());
        Ok(fault)
    }

    /// Ends a fault without an action. One that has ended stays as it ended. `None` for an unknown one.
    pub(crate) fn clear(&mut self, number: u64) -> Option<Fault> {
        let fault = self.faults.iter_mut().find(|fault| fault.number == number)?;
        if fault.state == State::Active {
            fault.clear(&mut self.services[fault.service], self.now);
        }
        Some(fault.clone())
    }
}

/// The share of calls to a service that fail, take too long, or do not come to be.
pub(crate) fn failed(callee: &Service) -> f64 {
    1.0 - (1.0 - callee.error_ratio) * (1.0 - late(callee)) * (1.0 - callee.certificate.refused)
}

/// The share of calls to a service that take too long.
fn late(callee: &Service) -> f64 {
    flow::slower(callee.latency_s, flow::CALL_TIMEOUT_S)
}
