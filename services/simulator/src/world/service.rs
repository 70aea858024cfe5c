//! One service: its processes, its versions, and what is being done to them.

use std::collections::VecDeque;
use std::time::Duration;

use llm_sre_domain::Timestamp;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::ailment::{Filling, Flag, Leak, Spin};
use super::blueprint::Blueprint;
use super::cache::Cache;
use super::certificate::Certificate;
use super::control::{Noise, Telling};
use super::flow::{self, Demand};
use super::happening::{Change, Event, Happening, Rollout};
use super::instance::{Calls, Instance};
use super::naming::Naming;
use super::outside::Outside;
use super::release::{self, Release};

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
    pub(crate) outside: Outside,
    pub(crate) cache: Cache,
    /// How many times its usual CPU time a request costs.
    pub(crate) heaviness: f64,
    /// The share of requests that are turned away on purpose.
    pub(crate) shed: f64,
    pub(crate) certificate: Certificate,
    pub(crate) rollout: Option<Rollout>,
    pub(crate) arrivals: f64,
    /// Calls a second that did not come to be, since their callers do not trust it.
    refused: f64,
    pub(crate) latency_s: f64,
    pub(crate) error_ratio: f64,
    /// Its calls are drawn from a generator of their own, so that they change nothing else.
    calls_rng: ChaCha8Rng,
    /// As are those to services of the shop.
    inside_rng: ChaCha8Rng,
}

/// What others are to a service in one step.
#[derive(Clone, Debug, Default)]
pub(crate) struct Downstream {
    pub(crate) latency_s: f64,
    pub(crate) failed: f64,
    pub(crate) calls: Vec<Calls>,
}

impl Service {
    pub(crate) fn new(
        blueprint: &'static Blueprint,
        naming: Naming,
        now: Timestamp,
        rng: &mut ChaCha8Rng,
        [mut calls_rng, inside_rng]: [ChaCha8Rng; 2],
    ) -> Self {
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
            outside: Outside::default(),
            cache: Cache::default(),
            heaviness: 1.0,
            shed: 0.0,
            certificate: Certificate::draw(now, &mut calls_rng),
            rollout: None,
            arrivals: 0.0,
            refused: 0.0,
            latency_s: 0.0,
            error_ratio: 0.0,
            calls_rng,
            inside_rng,
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

    /// The address that it calls outside, or that of its standby.
    pub(crate) fn address(&self, is_standby: bool) -> String {
        let standby = if is_standby { "-standby" } else { "" };
        format!("{}{standby}.{}", self.name(), self.naming.partner)
    }

    /// Lets calls to the outside go to the standby, or to the first one.
    pub(crate) fn call_outside(&mut self, is_on_standby: bool, now: Timestamp) -> Event {
        let before = self.address(self.outside.is_on_standby);
        self.outside.is_on_standby = is_on_standby;
        let after = self.address(is_on_standby);
        self.event(String::new(), now, Happening::FailedOver { before, after })
    }

    /// Lets so many percent of requests in from now on.
    pub(crate) fn admit(&mut self, percent: u32, now: Timestamp) -> Event {
        let before = self.admitted_percent();
        self.shed = 1.0 - f64::from(percent) / 100.0;
        self.event(String::new(), now, Happening::Admitted { before, after: percent })
    }

    pub(crate) fn admitted_percent(&self) -> u32 {
        ((1.0 - self.shed) * 100.0).round() as u32
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
                self.finish(&rollout.change, now, rng, events);
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
            Change::Resize { .. }
            | Change::Switch { .. }
            | Change::Call { .. }
            | Change::Renew { .. }
            | Change::Admit
            | Change::Scale { .. } => {}
        }
    }

    fn finish(&mut self, change: &Change, now: Timestamp, rng: &mut ChaCha8Rng, events: &mut Vec<Event>) {
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
            Change::Call { is_on_standby } => {
                events.push(self.call_outside(*is_on_standby, now));
                return;
            }
            Change::Renew { valid_days } => {
                self.certificate = Certificate::renewed(now, *valid_days);
                Happening::CertificateRenewed { valid_days: *valid_days }
            }
            Change::Scale { instances } => {
                let before = self.instances.len();
                self.scale(*instances, now, rng);
                Happening::Scaled { before, after: *instances }
            }
            Change::Admit => {
                events.push(self.admit(100, now));
                return;
            }
            Change::Restart | Change::Clear => return,
        };
        events.push(self.event(String::new(), now, happened));
    }

    /// Starts processes, or ends the youngest, until there are so many.
    fn scale(&mut self, count: usize, now: Timestamp, rng: &mut ChaCha8Rng) {
        let wanted = self.releases.back().cloned();
        while let (Some(release), true) = (&wanted, self.instances.len() < count) {
            self.instances.push(Instance::start(&self.naming, release.clone(), now, rng));
        }
        self.instances.truncate(count);
        // What a process kept went with it.
        self.leak = self.leak.filter(|leak| leak.slot < count);
        self.spin = self.spin.filter(|spin| spin.slot < count);
        self.filling = self.filling.filter(|filling| filling.slot < count);
    }

    fn event(&self, instance: String, time: Timestamp, what: Happening) -> Event {
        Event { service: self.name(), instance, time, what }
    }

    /// Takes from what arrives what does not come to be.
    pub(crate) fn refuse_some(&mut self) {
        self.refused = self.arrivals * self.certificate.refused;
        self.arrivals -= self.refused;
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
        let (outside_s, unanswered) = self.outside.harm();
        if let Some(noise) = &mut self.noise {
            noise.wander(rng);
        }
        self.cache.count(self.arrivals * (1.0 - self.shed) * step_s);
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
                cpu_s: blueprint.cpu_ms / 1e3 * jitter * unlike * self.heaviness,
                database_s: blueprint.database_ms / 1e3 * jitter * unlike + self.cache.waits_s(),
                downstream_s: downstream.latency_s,
                downstream_failed: downstream.failed,
                defect_s: flag_s + outside_s + defect.map_or(0.0, |defect| defect.slower_s),
                // Nobody's requests all succeed.
                defect_failed: 1.0 - (1.0 - flag_failed) * (1.0 - defect.map_or(0.000_1, |defect| defect.failed)),
                free: (f64::from(self.pool) - self.locked).max(0.05),
                memory: instance.memory_mib / blueprint.memory_limit_mib,
                taken: self.spin.filter(|spin| spin.slot == slot).map_or(0.0, |spin| spin.cores),
                unwritten: if instance.disk() < 1.0 { 0.0 } else { WRITING },
                unanswered,
                shed: self.shed,
            });
            instance.count(&outcome, share, step_s, rng);
            instance.count_calls(self.outside, share, step_s, &mut self.calls_rng);
            for calls in &downstream.calls {
                instance.count_inside(calls, share, step_s, &mut self.inside_rng);
            }
            instance.count_refused(self.refused / up as f64 * step_s, &mut self.calls_rng);
            // What requests keep counts as used, whoever waits for it.
            instance.held = (f64::from(instance.held) + self.locked).min(f64::from(self.pool)).round() as u32;
            latency_s += outcome.latency_s / up as f64;
            failed += outcome.error_ratio() / up as f64;
        }
        (self.latency_s, self.error_ratio) = if up == 0 { (flow::CALL_TIMEOUT_S, 1.0) } else { (latency_s, failed) };
    }
}
