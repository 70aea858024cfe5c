//! What breaks, how it sets in, and what cures it.

use std::time::Duration;

use llm_sre_domain::Timestamp;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::control::{Control, Passing};
use super::flow::CORES;
use super::instance::{DISK_MIB, DISK_NEEDED};
use super::release::{self, Defect, Release};
use super::service::{Event, Filling, Flag, Leak, Service, Spin};

/// What breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// A new version that fails and is slow.
    BadDeploy,
    /// Requests that keep a connection while they wait for a second one, so that none comes back.
    PoolExhaustion,
    /// Memory of one process that grows.
    MemoryLeak,
    /// A feature flag that was switched on for the worse.
    BadConfiguration,
    /// Work in one process that never ends and leaves requests little of its CPU.
    CpuSaturation,
    /// The disk of one process that fills.
    DiskFull,
    /// Nothing breaks.
    Control(Control),
}

impl Kind {
    /// The faults, without the controls.
    pub(crate) const FAULTS: [Self; 6] = [
        Self::BadDeploy,
        Self::PoolExhaustion,
        Self::MemoryLeak,
        Self::BadConfiguration,
        Self::CpuSaturation,
        Self::DiskFull,
    ];

    /// The one type of action that cures it; empty for a control.
    pub(crate) fn cure(self) -> &'static str {
        match self {
            Self::BadDeploy => "rollback_deployment",
            Self::PoolExhaustion => "raise_pool",
            Self::MemoryLeak | Self::CpuSaturation => "restart",
            Self::BadConfiguration => "revert_configuration",
            Self::DiskFull => "clear_disk",
            Self::Control(_) => "",
        }
    }
}

/// How it sets in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Onset {
    Sudden,
    Gradual,
}

impl Onset {
    /// So many minutes, by how it sets in.
    pub(super) fn minutes(self, sudden: f64, gradual: f64) -> Duration {
        Duration::from_secs_f64(60.0 * if self == Self::Sudden { sudden } else { gradual })
    }
}

/// Where it is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Active,
    Cured,
    Cleared,
}

/// A fault, or a control.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub(crate) number: u64,
    pub(crate) request_id: String,
    pub(crate) kind: Kind,
    /// Which service, by its place in the shop.
    pub(crate) service: usize,
    pub(crate) onset: Onset,
    pub(crate) seed: u64,
    pub(crate) started: Timestamp,
    pub(crate) ended: Option<Timestamp>,
    pub(crate) state: State,
    pub(crate) damage: Damage,
}

/// The numbers behind a fault.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Damage {
    Version,
    Locked { pool: u32, connections: f64, over: Duration },
    Leaking,
    Switched { over: Duration },
    Spinning { cores: f64, over: Duration },
    Filling,
    Passing(Passing),
}

/// A pool of so much its size has room for the second connections, and the lock opens.
const UNLOCKED_BY: f64 = 1.5;

impl Damage {
    /// Draws the numbers, and does to the service what the fault begins with.
    pub(crate) fn begin(
        kind: Kind,
        onset: Onset,
        service: &mut Service,
        now: Timestamp,
        rng: &mut ChaCha8Rng,
        events: &mut Vec<Event>,
    ) -> Self {
        match kind {
            Kind::BadDeploy => {
                let version = release::next(service.version());
                let broken = Release { version, defect: Some(Defect::draw(rng)) };
                events.push(service.deploy(broken, now, onset.minutes(0.1, rng.random_range(0.7..1.5)), None));
                Self::Version
            }
            Kind::PoolExhaustion => {
                // What is left serves half of what is wanted, or a little more.
                let wanted =
                    service.arrivals / f64::from(service.blueprint.instances) * service.blueprint.database_ms / 1e3;
                let connections = f64::from(service.pool) - wanted * rng.random_range(0.5..0.7);
                let over = onset.minutes(0.1, rng.random_range(2.0..4.0));
                Self::Locked { pool: service.pool, connections, over }
            }
            Kind::MemoryLeak => {
                let room = service.blueprint.memory_limit_mib - service.blueprint.memory_mib;
                let over = onset.minutes(rng.random_range(4.0..6.0), rng.random_range(9.0..14.0));
                let slot = rng.random_range(0..service.instances.len().max(1));
                service.leak = Some(Leak { slot, mib_per_s: room / over.as_secs_f64() });
                Self::Leaking
            }
            Kind::BadConfiguration => {
                service.flag = Flag { defect: Some(Defect::draw(rng)), ..Flag::default() };
                events.push(service.switch_flag(true, now));
                Self::Switched { over: onset.minutes(0.1, rng.random_range(2.0..4.0)) }
            }
            Kind::CpuSaturation => {
                let slots = service.instances.len().max(1);
                let wanted = service.arrivals / slots as f64 * service.blueprint.cpu_ms / 1e3;
                // As with a pool, what is left serves half of what is wanted, or a little more.
                let cores = CORES - wanted * rng.random_range(0.5..0.7);
                service.spin = Some(Spin { slot: rng.random_range(0..slots), cores: 0.0 });
                Self::Spinning { cores, over: onset.minutes(0.1, rng.random_range(2.0..4.0)) }
            }
            Kind::DiskFull => {
                let over = onset.minutes(rng.random_range(4.0..6.0), rng.random_range(9.0..14.0));
                let slot = rng.random_range(0..service.instances.len().max(1));
                let mib_per_s = (1.0 - DISK_NEEDED) * DISK_MIB / over.as_secs_f64();
                service.filling = Some(Filling { slot, mib_per_s });
                Self::Filling
            }
            Kind::Control(control) => Self::Passing(Passing::begin(control, onset, service, now, rng, events)),
        }
    }

    /// How far it has set in, from 0 to 1.
    pub(super) fn progress(since: Duration, over: Duration) -> f64 {
        (since.as_secs_f64() / over.as_secs_f64().max(1.0)).min(1.0)
    }
}

impl Fault {
    /// Lets it do its work for a step, or end.
    pub(crate) fn advance(&mut self, service: &mut Service, now: Timestamp) {
        let since = now.since(self.started);
        let ends_as = match self.damage {
            Damage::Version => (!service.is_defective()).then_some(State::Cured),
            Damage::Locked { pool, connections, over } => {
                let is_cured = f64::from(service.pool) >= UNLOCKED_BY * f64::from(pool);
                service.locked = if is_cured { 0.0 } else { connections * Damage::progress(since, over) };
                is_cured.then_some(State::Cured)
            }
            Damage::Leaking => service.leak.is_none().then_some(State::Cured),
            Damage::Switched { over } => {
                service.flag.share = Damage::progress(since, over);
                (!service.flag.is_on).then_some(State::Cured)
            }
            Damage::Spinning { cores, over } => {
                service.spin = service.spin.map(|spin| Spin { cores: cores * Damage::progress(since, over), ..spin });
                service.spin.is_none().then_some(State::Cured)
            }
            Damage::Filling => service.filling.is_none().then_some(State::Cured),
            Damage::Passing(passing) => passing.advance(service, since).then_some(State::Cleared),
        };
        match ends_as {
            Some(State::Cleared) => self.clear(service, now),
            Some(state) => self.end(state, now),
            None => {}
        }
    }

    /// Ends it without an action: what was broken is sound again.
    pub(crate) fn clear(&mut self, service: &mut Service, now: Timestamp) {
        match self.damage {
            Damage::Version => {
                let running = service.instances.iter_mut().map(|instance| &mut instance.release);
                running.chain(&mut service.releases).for_each(|release| release.defect = None);
                if let Some(rollout) = &mut service.rollout
                    && let super::service::Change::Deploy { release, .. } = &mut rollout.change
                {
                    release.defect = None;
                }
            }
            Damage::Locked { .. } => service.locked = 0.0,
            Damage::Leaking => {
                service.leak = None;
                service.instances.iter_mut().for_each(|instance| instance.leaked_mib = 0.0);
            }
            Damage::Switched { .. } => service.flag = Flag::default(),
            Damage::Spinning { .. } => service.spin = None,
            Damage::Filling => {
                service.filling = None;
                service.instances.iter_mut().for_each(|instance| instance.filled_mib = 0.0);
            }
            Damage::Passing(passing) => passing.end(service),
        }
        self.end(State::Cleared, now);
    }

    fn end(&mut self, state: State, now: Timestamp) {
        self.state = state;
        self.ended = Some(now);
    }

    /// How many times as many visitors come because of it.
    pub(crate) fn visitors(&self, now: Timestamp) -> f64 {
        let Damage::Passing(passing) = self.damage else { return 1.0 };
        passing.visitors(now.since(self.started))
    }
}
