//! What breaks, how it sets in, and what cures it.

use std::time::Duration;

use llm_sre_domain::Timestamp;

use super::ailment::{Flag, Spin};
use super::certificate::Certificate;
use super::control::Control;
use super::damage::Damage;
use super::happening::Change;
use super::service::Service;

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
    /// What it calls outside does not answer.
    DependencyOutage,
    /// The certificate of its endpoint is one that has expired.
    ExpiredCertificate,
    /// Its cache has lost what was in it, and does not fill while all ask the database at once.
    CacheStampede,
    /// Its requests cost far more than usual, and what waits in all its processes grows faster than they work it off.
    Overload,
    /// The way from it to those whom it calls is slow, whichever way they are called. Nothing that can be done to a
    /// service mends a network: other instances are on it, and so is the way to a standby.
    SlowNetwork,
    /// A sound version is rolled out, and a moment later comes an [`Self::Overload`]: to take the version back is what
    /// everybody would do, and no cure.
    MisleadingDeploy,
    /// Nothing breaks.
    Control(Control),
}

impl Kind {
    /// The faults, without the controls.
    pub(crate) const FAULTS: [Self; 12] = [
        Self::BadDeploy,
        Self::PoolExhaustion,
        Self::MemoryLeak,
        Self::BadConfiguration,
        Self::CpuSaturation,
        Self::DiskFull,
        Self::DependencyOutage,
        Self::ExpiredCertificate,
        Self::CacheStampede,
        Self::Overload,
        Self::SlowNetwork,
        Self::MisleadingDeploy,
    ];

    /// The one type of action that cures it; empty for a control, and for what none cures.
    pub(crate) fn cure(self) -> &'static str {
        match self {
            Self::BadDeploy => "rollback_deployment",
            Self::PoolExhaustion => "raise_pool",
            Self::MemoryLeak | Self::CpuSaturation => "restart",
            Self::BadConfiguration => "revert_configuration",
            Self::DiskFull => "clear_disk",
            Self::DependencyOutage => "fail_over",
            Self::ExpiredCertificate => "renew_certificate",
            Self::CacheStampede => "shed_load",
            Self::Overload | Self::MisleadingDeploy => "scale_out",
            Self::SlowNetwork | Self::Control(_) => "",
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

/// So many times the processes catch up with what waits.
const CAUGHT_UP_BY: f64 = 1.5;
/// For how many days a certificate is valid that is put in place by no action.
const CLEARED_DAYS: u32 = 90;
/// A pool of so much its size has room for the second connections, and the lock opens.
const UNLOCKED_BY: f64 = 1.5;

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
            Damage::Unanswered { is_standby, over } => {
                let is_cured = service.outside.is_on_standby != is_standby;
                let share = if is_cured { 0.0 } else { Damage::progress(since, over) };
                service.outside.leave_unanswered(is_standby, share);
                is_cured.then_some(State::Cured)
            }
            Damage::Expired { over } => {
                let is_cured = service.certificate.not_after > now;
                service.certificate.refused = if is_cured { 0.0 } else { Damage::progress(since, over) };
                is_cured.then_some(State::Cured)
            }
            // Where few enough are let in, the database answers fast enough for what it says to be kept.
            Damage::Cold { shed_min, .. } if service.shed >= shed_min => service.cache.fill().then_some(State::Cured),
            Damage::Cold { over, .. } => {
                service.cache.lose(Damage::progress(since, over));
                None
            }
            Damage::Heavy { factor, instances, after, over } => {
                // So many work off what waits, and with it goes what is asked for again since it waited.
                let is_cured = service.instances.len() as f64 >= CAUGHT_UP_BY * instances as f64;
                let more =
                    if is_cured { 0.0 } else { (factor - 1.0) * Damage::progress(since.saturating_sub(after), over) };
                service.heaviness = 1.0 + more;
                is_cured.then_some(State::Cured)
            }
            Damage::Slow { network_s, over } => {
                service.outside.network_s = network_s * Damage::progress(since, over);
                None
            }
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
                    && let Change::Deploy { release, .. } = &mut rollout.change
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
            Damage::Unanswered { is_standby, .. } => service.outside.leave_unanswered(is_standby, 0.0),
            Damage::Expired { .. } => service.certificate = Certificate::renewed(now, CLEARED_DAYS),
            Damage::Cold { .. } => service.cache.lost = 0.0,
            Damage::Heavy { .. } => service.heaviness = 1.0,
            Damage::Slow { .. } => service.outside.network_s = 0.0,
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
