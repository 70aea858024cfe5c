//! One service: its processes, its versions, and what is being done to them.

use std::collections::VecDeque;
use std::time::Duration;

use llm_sre_domain::Timestamp;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::blueprint::Blueprint;
use super::control::{Noise, Telling};
use super::flow::{self, Demand};
use super::instance::Instance;
use super::naming::Naming;
use super::release::{self, Defect, Release};

/// The share of requests that write to the disk.
const WRITING: f64 = 0.6;
/// Versions remembered, to go back to.
const RELEASES_MAX: usize = 8;

/// A service of the shop.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    pub(crate) blueprint: &'static Blueprint,
    pub(crate) naming: Naming,
    /// Oldest first; the last is the one that is wanted now.
    pub(crate) releases: VecDeque<Release>,
    pub(crate) instances: Vec<Instance>,
    /// Connections that an instance may hold.
    pub(crate) pool: u32,
    /// Connections of each instance that requests keep while they wait for another one.
    pub(crate) locked: f64,
    pub(crate) leak: Option<Leak>,
    pub(crate) spin: Option<Spin>,
    pub(crate) filling: Option<Filling>,
    pub(crate) noise: Option<Noise>,
    pub(crate) telling: Telling,
    pub(crate) flag: Flag,
    pub(crate) rollout: Option<Rollout>,
    pub(crate) arrivals: f64,
    pub(crate) latency_s: f64,
    pub(crate) error_ratio: f64,
}

/// Memory that one process keeps.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Leak {
    pub(crate) slot: usize,
    pub(crate) mib_per_s: f64,
}

/// Work of one process that never ends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spin {
    pub(crate) slot: usize,
    pub(crate) cores: f64,
}

/// What one process writes to its disk without end.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Filling {
    pub(crate) slot: usize,
    pub(crate) mib_per_s: f64,
}

/// The feature flag that a service has.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Flag {
    pub(crate) is_on: bool,
    /// What it was before its newest change.
    pub(crate) before: Option<bool>,
    /// What goes wrong while it is on, and the share of requests that it is on for.
    pub(crate) defect: Option<Defect>,
    pub(crate) share: f64,
}

impl Flag {
    pub(crate) fn switch(&mut self, is_on: bool) {
        self.before = Some(self.is_on);
        self.is_on = is_on;
    }

    /// What it adds to each request, in seconds, and the share of requests that it fails.
    fn harm(&self) -> (f64, f64) {
        let defect = self.defect.filter(|_| self.is_on);
        defect.map_or((0.0, 0.0), |defect| (self.share * defect.slower_s, self.share * defect.failed))
    }
}

/// A flag's value in words.
pub(crate) fn variant(is_on: bool) -> &'static str {
    if is_on { "on" } else { "off" }
}

/// Something that is done instance by instance.
#[derive(Clone, Debug)]
pub(crate) struct Rollout {
    pub(crate) change: Change,
    /// Instances still to come, and when the next one's turn is.
    pub(crate) slots: VecDeque<usize>,
    pub(crate) next_at: Timestamp,
    pub(crate) every: Duration,
    /// The call that asked for it; `None` where the shop's own people did.
    pub(crate) request: Option<String>,
}

#[derive(Clone, Debug)]
pub(crate) enum Change {
    Deploy { before: String, release: Release },
    Restart,
    Resize { before: u32, pool: u32 },
    Switch { is_on: bool },
    Clear,
}

/// Something that happened, as the shop's platform tells it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Event {
    pub(crate) service: &'static str,
    pub(crate) instance: String,
    pub(crate) time: Timestamp,
    pub(crate) what: Happening,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Happening {
    DeploymentStarted { before: String, after: String },
    DeploymentFinished { before: String, after: String },
    Restarted,
    Killed { used_mib: f64 },
    PoolResized { before: u32, after: u32 },
    FlagSwitched { before: bool, after: bool },
    DiskCleared { freed_mib: f64 },
}

/// What others are to a service in one step.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Downstream {
    pub(crate) latency_s: f64,
    pub(crate) failed: f64,
}

impl Service {
    pub(crate) fn new(blueprint: &'static Blueprint, naming: Naming, now: Timestamp, rng: &mut ChaCha8Rng) -> Self {
        let current = Release::sound(blueprint.version);
        let before = Release::sound(&release::previous(blueprint.version));
        let instances = (0..blueprint.instances).map(|_| Instance::start(&naming, current.clone(), now, rng)).collect();
        Self {
            blueprint,
            naming,
            releases: [before, current].into(),
            instances,
            pool: blueprint.pool,
            locked: 0.0,
            leak: None,
            spin: None,
            filling: None,
            noise: None,
            telling: Telling::default(),
            flag: Flag::default(),
            rollout: None,
            arrivals: 0.0,
            latency_s: 0.0,
            error_ratio: 0.0,
        }
    }

    pub(crate) fn name(&self) -> &'static str {
        self.naming.service
    }

    /// The name of its feature flag.
    pub(crate) fn flag_key(&self) -> String {
        format!("{}.{}", self.name(), self.naming.flag)
    }

    /// Switches its feature flag at once.
    pub(crate) fn switch_flag(&mut self, is_on: bool, now: Timestamp) -> Event {
        let before = self.flag.is_on;
        self.flag.switch(is_on);
        self.event(String::new(), now, Happening::FlagSwitched { before, after: is_on })
    }

    /// The version that is wanted.
    pub(crate) fn version(&self) -> &str {
        self.releases.back().map_or("", |release| &release.version)
    }

    /// The version to go back to.
    pub(crate) fn previous(&self) -> Option<&Release> {
        self.releases.len().checked_sub(2).and_then(|index| self.releases.get(index))
    }

    /// Whether a version with a defect runs or is wanted.
    pub(crate) fn is_defective(&self) -> bool {
        let wanted = self.releases.back().is_some_and(|release| release.defect.is_some());
        wanted || self.instances.iter().any(|instance| instance.release.defect.is_some())
    }

    /// Begins to roll out a version, in place of any rollout under way.
    pub(crate) fn deploy(
        &mut self,
        release: Release,
        now: Timestamp,
        every: Duration,
        request: Option<String>,
    ) -> Event {
        let before = self.version().to_owned();
        let happened = Happening::DeploymentStarted { before: before.clone(), after: release.version.clone() };
        self.releases.push_back(release.clone());
        while self.releases.len() > RELEASES_MAX {
            self.releases.pop_front();
        }
        self.begin(Change::Deploy { before, release }, (0..self.instances.len()).collect(), now, every, request);
        self.event(String::new(), now, happened)
    }

    /// Begins to put the version before back. `None` where there is none.
    pub(crate) fn roll_back(&mut self, now: Timestamp, every: Duration, request: String) -> Option<Event> {
        let release = self.previous()?.clone();
        let before = self.releases.pop_back()?.version;
        let happened = Happening::DeploymentStarted { before: before.clone(), after: release.version.clone() };
        let slots = (0..self.instances.len()).filter(|slot| self.instances[*slot].release != release).collect();
        self.begin(Change::Deploy { before, release }, slots, now, every, Some(request));
        Some(self.event(String::new(), now, happened))
    }

    pub(crate) fn begin(
        &mut self,
        change: Change,
        slots: VecDeque<usize>,
        now: Timestamp,
        every: Duration,
        request: Option<String>,
    ) {
        self.rollout = Some(Rollout { change, slots, next_at: now + every, every, request });
    }

    /// Goes on with a rollout. The call that asked for it, once it is done.
    pub(crate) fn roll(&mut self, now: Timestamp, rng: &mut ChaCha8Rng, events: &mut Vec<Event>) -> Option<String> {
        let mut rollout = self.rollout.take()?;
        while now >= rollout.next_at {
            rollout.next_at = rollout.next_at + rollout.every;
            if let Some(slot) = rollout.slots.pop_front() {
                self.replace(slot, &rollout.change, now, rng, events);
            }
            if rollout.slots.is_empty() {
                self.finish(&rollout.change, now, events);
                return rollout.request;
            }
        }
        self.rollout = Some(rollout);
        None
    }

    fn replace(&mut self, slot: usize, change: &Change, now: Timestamp, rng: &mut ChaCha8Rng, events: &mut Vec<Event>) {
        let naming = self.naming;
        let Some(instance) = self.instances.get_mut(slot) else { return };
        match change {
            Change::Deploy { release, .. } => {
                // A rollout hands the old process's sessions, work and disk over to the new one, and with them what keeps
                // the memory, the CPU and the room.
                let (leaked, filled) = (instance.leaked_mib, instance.filled_mib);
                *instance = Instance::start(&naming, release.clone(), now, rng);
                (instance.leaked_mib, instance.filled_mib) = (leaked, filled);
            }
            Change::Restart => {
                let (release, filled) = (instance.release.clone(), instance.filled_mib);
                *instance = Instance::start(&naming, release, now, rng);
                instance.filled_mib = filled;
                let id = instance.id.clone();
                self.leak = self.leak.filter(|leak| leak.slot != slot);
                self.spin = self.spin.filter(|spin| spin.slot != slot);
                events.push(self.event(id, now, Happening::Restarted));
            }
            Change::Clear => {
                let freed_mib = std::mem::take(&mut instance.filled_mib);
                let id = instance.id.clone();
                self.filling = self.filling.filter(|filling| filling.slot != slot);
                events.push(self.event(id, now, Happening::DiskCleared { freed_mib }));
            }
            Change::Resize { .. } | Change::Switch { .. } => {}
        }
    }

    fn finish(&mut self, change: &Change, now: Timestamp, events: &mut Vec<Event>) {
        let happened = match change {
            Change::Deploy { before, release } => {
                Happening::DeploymentFinished { before: before.clone(), after: release.version.clone() }
            }
            Change::Resize { before, pool } => {
                self.pool = *pool;
                Happening::PoolResized { before: *before, after: *pool }
            }
            Change::Switch { is_on } => {
                events.push(self.switch_flag(*is_on, now));
                return;
            }
            Change::Restart | Change::Clear => return,
        };
        events.push(self.event(String::new(), now, happened));
    }

    fn event(&self, instance: String, time: Timestamp, what: Happening) -> Event {
        Event { service: self.name(), instance, time, what }
    }

    /// Lets the processes answer what arrives in a step, given how others do.
    pub(crate) fn answer(
        &mut self,
        now: Timestamp,
        step: Duration,
        downstream: Downstream,
        rng: &mut ChaCha8Rng,
        events: &mut Vec<Event>,
    ) {
        let (step_s, blueprint, name) = (step.as_secs_f64(), self.blueprint, self.name());
        let up = self.instances.iter().filter(|instance| instance.is_up(now)).count();
        let share = self.arrivals / up.max(1) as f64;
        let jitter = rng.random_range(0.97..1.03);
        let (flag_s, flag_failed) = self.flag.harm();
        if let Some(noise) = &mut self.noise {
            noise.wander(rng);
        }
        let (mut latency_s, mut failed) = (0.0, 0.0);
        for (slot, instance) in self.instances.iter_mut().enumerate().filter(|(_, instance)| instance.is_up(now)) {
            if let Some(leak) = self.leak.filter(|leak| leak.slot == slot) {
                instance.leaked_mib += leak.mib_per_s * step_s;
            }
            if let Some(filling) = self.filling.filter(|filling| filling.slot == slot && instance.disk() < 1.0) {
                instance.filled_mib += filling.mib_per_s * step_s;
            }
            let used = blueprint.memory_mib * (1.0 + 0.1 * instance.cpu) * rng.random_range(0.985..1.015);
            instance.memory_mib = used + instance.leaked_mib;
            if instance.memory_mib >= blueprint.memory_limit_mib {
                let what = Happening::Killed { used_mib: instance.memory_mib };
                events.push(Event { service: name, instance: instance.id.clone(), time: now, what });
                instance.kill(now);
                continue;
            }
            let defect = instance.release.defect;
            let unlike = self.noise.map_or(1.0, |noise| noise.factor(slot));
            let outcome = flow::answer(&Demand {
                per_second: share,
                cpu_s: blueprint.cpu_ms / 1e3 * jitter * unlike,
                database_s: blueprint.database_ms / 1e3 * jitter * unlike,
                downstream_s: downstream.latency_s,
                downstream_failed: downstream.failed,
                defect_s: flag_s + defect.map_or(0.0, |defect| defect.slower_s),
                // Nobody's requests all succeed.
                defect_failed: 1.0 - (1.0 - flag_failed) * (1.0 - defect.map_or(0.000_1, |defect| defect.failed)),
                free: (f64::from(self.pool) - self.locked).max(0.05),
                memory: instance.memory_mib / blueprint.memory_limit_mib,
                taken: self.spin.filter(|spin| spin.slot == slot).map_or(0.0, |spin| spin.cores),
                unwritten: if instance.disk() < 1.0 { 0.0 } else { WRITING },
            });
            instance.count(&outcome, share, step_s, rng);
            // What requests keep counts as used, whoever waits for it.
            instance.held = (f64::from(instance.held) + self.locked).min(f64::from(self.pool)).round() as u32;
            latency_s += outcome.latency_s / up as f64;
            failed += outcome.error_ratio() / up as f64;
        }
        (self.latency_s, self.error_ratio) = if up == 0 { (flow::CALL_TIMEOUT_S, 1.0) } else { (latency_s, failed) };
    }
}
