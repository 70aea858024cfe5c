//! The numbers behind a fault, and what it begins with.

use std::time::Duration;

use llm_sre_domain::Timestamp;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::ailment::{Filling, Flag, Leak, Spin};
use super::control::Passing;
use super::fault::{Kind, Onset};
use super::flow::CORES;
use super::happening::Event;
use super::instance::{DISK_MIB, DISK_NEEDED};
use super::release::{self, Defect, Release};
use super::service::Service;

/// The numbers behind a fault.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Damage {
    Version,
    Locked { pool: u32, connections: f64, over: Duration },
    Leaking,
    Switched { over: Duration },
    Spinning { cores: f64, over: Duration },
    Filling,
    Unanswered { is_standby: bool, over: Duration },
    Expired { over: Duration },
    Cold { shed_min: f64, over: Duration },
    Heavy { factor: f64, instances: usize, after: Duration, over: Duration },
    Slow { network_s: f64, over: Duration },
    Passing(Passing),
}

/// How long an instance takes to be replaced by a version that gets the blame.
const MISLEADING_EVERY: Duration = Duration::from_secs(5);
/// The share of a pool that is busy at most while the cache is empty.
const POOL_BUSY: f64 = 0.65;

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
            Kind::PoolExhaustion => lock(service, onset, rng),
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
            Kind::CpuSaturation => spin(service, onset, rng),
            Kind::DiskFull => fill_disk(service, onset, rng),
            Kind::DependencyOutage => {
                let over = onset.minutes(0.1, rng.random_range(2.0..4.0));
                Self::Unanswered { is_standby: service.outside.is_on_standby, over }
            }
            Kind::ExpiredCertificate => {
                // Somebody put the wrong one in its place. Whoever is connected goes on, for as long as that lasts.
                service.certificate.not_after = now;
                Self::Expired { over: onset.minutes(0.1, rng.random_range(2.0..4.0)) }
            }
            Kind::CacheStampede => empty_cache(service, onset, rng),
            Kind::Overload => overload(service, Duration::ZERO, onset, rng),
            Kind::SlowNetwork => {
                let network_s = rng.random_range(0.15..0.3);
                Self::Slow { network_s, over: onset.minutes(0.1, rng.random_range(2.0..4.0)) }
            }
            Kind::MisleadingDeploy => {
                let sound = Release::sound(&release::next(service.version()));
                events.push(service.deploy(sound, now, MISLEADING_EVERY, None));
                // New processes are known by then, and the version is still the newest thing that happened.
                let after = Duration::from_secs(rng.random_range(160..230));
                overload(service, after, onset, rng)
            }
            Kind::Control(control) => Self::Passing(Passing::begin(control, onset, service, now, rng, events)),
        }
    }

    /// How far it has set in, from 0 to 1.
    pub(super) fn progress(since: Duration, over: Duration) -> f64 {
        (since.as_secs_f64() / over.as_secs_f64().max(1.0)).min(1.0)
    }
}

/// Connections that requests keep while they wait for another one.
fn lock(service: &Service, onset: Onset, rng: &mut ChaCha8Rng) -> Damage {
    // What is left serves half of what is wanted, or a little more.
    let wanted = service.arrivals / f64::from(service.blueprint.instances) * service.blueprint.database_ms / 1e3;
    let connections = f64::from(service.pool) - wanted * rng.random_range(0.5..0.7);
    let over = onset.minutes(0.1, rng.random_range(2.0..4.0));
    Damage::Locked { pool: service.pool, connections, over }
}

fn fill_disk(service: &mut Service, onset: Onset, rng: &mut ChaCha8Rng) -> Damage {
    let over = onset.minutes(rng.random_range(4.0..6.0), rng.random_range(9.0..14.0));
    let slot = rng.random_range(0..service.instances.len().max(1));
    let mib_per_s = (1.0 - DISK_NEEDED) * DISK_MIB / over.as_secs_f64();
    service.filling = Some(Filling { slot, mib_per_s });
    Damage::Filling
}

fn spin(service: &mut Service, onset: Onset, rng: &mut ChaCha8Rng) -> Damage {
    let slots = service.instances.len().max(1);
    let wanted = service.arrivals / slots as f64 * service.blueprint.cpu_ms / 1e3;
    // As with a pool, what is left serves half of what is wanted, or a little more.
    let cores = CORES - wanted * rng.random_range(0.5..0.7);
    service.spin = Some(Spin { slot: rng.random_range(0..slots), cores: 0.0 });
    Damage::Spinning { cores, over: onset.minutes(0.1, rng.random_range(2.0..4.0)) }
}

fn empty_cache(service: &mut Service, onset: Onset, rng: &mut ChaCha8Rng) -> Damage {
    // Connections are busier than usual, and there are enough of them.
    let per_second = service.arrivals / f64::from(service.blueprint.instances);
    let enough_s = POOL_BUSY * f64::from(service.pool) / per_second.max(1.0);
    let cold_s: f64 = rng.random_range(0.15..0.5);
    service.cache.cold_s = cold_s.min(enough_s);
    let shed_min = rng.random_range(0.15..0.28);
    Damage::Cold { shed_min, over: onset.minutes(0.1, rng.random_range(2.0..4.0)) }
}

/// Requests that cost more from some time on.
fn overload(service: &Service, after: Duration, onset: Onset, rng: &mut ChaCha8Rng) -> Damage {
    let instances = service.instances.len();
    let wanted = service.arrivals / instances.max(1) as f64 * service.blueprint.cpu_ms / 1e3;
    let busy: f64 = rng.random_range(1.15..1.4);
    let factor = busy * CORES / wanted.max(1e-6);
    Damage::Heavy { factor, instances, after, over: onset.minutes(0.1, rng.random_range(2.0..4.0)) }
}
