//! Controls: what looks like trouble and is none. Users feel nothing of it, nothing cures it, and it passes by itself.

use std::time::Duration;

use llm_sre_domain::Timestamp;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::damage::Damage;
use super::fault::Onset;
use super::happening::Event;
use super::release::{self, Release};
use super::service::Service;

/// What is done although nothing breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Control {
    /// More visitors.
    TrafficPeak,
    /// A sound version that is rolled out.
    HarmlessDeploy,
    /// One process that wanders more than the others.
    NoisyInstance,
    /// Processes that send nothing for some minutes, and count on meanwhile.
    PausedSender,
    /// Processes whose clock is wrong for some minutes.
    ClockJump,
}

#[cfg(test)]
impl Control {
    pub(crate) const ALL: [Self; 5] =
        [Self::TrafficPeak, Self::HarmlessDeploy, Self::NoisyInstance, Self::PausedSender, Self::ClockJump];
}

/// The numbers behind a control.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Passing {
    what: What,
    lasts: Duration,
}

#[derive(Clone, Copy, Debug)]
enum What {
    Visitors { factor: f64, over: Duration },
    Release,
    Noise { width: f64, over: Duration },
    Telling,
}

impl Passing {
    /// Draws the numbers, and does to the service what the control begins with.
    pub(super) fn begin(
        control: Control,
        onset: Onset,
        service: &mut Service,
        now: Timestamp,
        rng: &mut ChaCha8Rng,
        events: &mut Vec<Event>,
    ) -> Self {
        let (what, lasts) = match control {
            Control::TrafficPeak => {
                let factor = rng.random_range(1.4..1.9);
                let over = onset.minutes(0.1, rng.random_range(2.0..4.0));
                (What::Visitors { factor, over }, onset.minutes(10.0, 12.0))
            }
            Control::HarmlessDeploy => {
                let sound = Release::sound(&release::next(service.version()));
                let every = onset.minutes(0.1, rng.random_range(0.7..1.5));
                events.push(service.deploy(sound, now, every, None));
                (What::Release, minutes(rng.random_range(10.0..15.0)))
            }
            Control::NoisyInstance => {
                let slot = rng.random_range(0..service.instances.len().max(1));
                let width = rng.random_range(0.2..0.35);
                let over = onset.minutes(0.1, rng.random_range(2.0..4.0));
                service.noise = Some(Noise { slot, width: 0.0, place: 0.0 });
                (What::Noise { width, over }, minutes(rng.random_range(10.0..15.0)))
            }
            Control::PausedSender => {
                service.telling.is_paused = true;
                (What::Telling, minutes(rng.random_range(2.0..4.0)))
            }
            Control::ClockJump => {
                let by_s: i64 = rng.random_range(30..=120);
                service.telling.ahead_s = if rng.random_bool(0.5) { by_s } else { -by_s };
                (What::Telling, minutes(rng.random_range(3.0..8.0)))
            }
        };
        Self { what, lasts }
    }

    /// Goes on for a step. Whether it is over.
    pub(super) fn advance(self, service: &mut Service, since: Duration) -> bool {
        if let What::Noise { width, over } = self.what {
            let width = width * Damage::progress(since, over);
            service.noise = service.noise.map(|noise| Noise { width, ..noise });
        }
        since >= self.lasts
    }

    /// Leaves the service as it was before. A version that was rolled out stays.
    pub(super) fn end(self, service: &mut Service) {
        match self.what {
            What::Noise { .. } => service.noise = None,
            What::Telling => service.telling = Telling::default(),
            What::Visitors { .. } | What::Release => {}
        }
    }

    /// How many times as many visitors come because of it.
    pub(super) fn visitors(self, since: Duration) -> f64 {
        let What::Visitors { factor, over } = self.what else { return 1.0 };
        let left = self.lasts.saturating_sub(since);
        1.0 + (factor - 1.0) * Damage::progress(since, over).min(Damage::progress(left, over))
    }
}

fn minutes(minutes: f64) -> Duration {
    Duration::from_secs_f64(60.0 * minutes)
}

/// How one process wanders beside the others.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Noise {
    slot: usize,
    /// How far it wanders, as a share of what a request costs, and where it is, from -1 to 1.
    width: f64,
    place: f64,
}

impl Noise {
    pub(super) fn wander(&mut self, rng: &mut ChaCha8Rng) {
        self.place = (0.85 * self.place + rng.random_range(-0.35..0.35)).clamp(-1.0, 1.0);
    }

    /// How many times as much as elsewhere a request costs in a process.
    pub(super) fn factor(self, slot: usize) -> f64 {
        if slot == self.slot { 1.0 + self.width * self.place } else { 1.0 }
    }
}

/// How a service's processes tell what they do.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Telling {
    /// Whether they send nothing.
    pub(crate) is_paused: bool,
    /// By how many seconds their clock is ahead; below zero where it is behind.
    ahead_s: i64,
}

impl Telling {
    /// What their clock says at a time.
    pub(crate) fn stamp(self, time: Timestamp) -> Timestamp {
        let off = Duration::from_secs(self.ahead_s.unsigned_abs());
        if self.ahead_s < 0 { time - off } else { time + off }
    }
}
