//! What befalls processes: deaths, ports that are away, and cuts.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::draws::Draws;
use super::ground::Ground;
use super::life::{Life, MOMENTS};
use super::processes::Processes;
use super::weather::PORTS;
use crate::cli::ServiceName;

/// How often it is looked after processes that died.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The time between two strikes.
const PAUSE_MIN: Duration = Duration::from_secs(45);
const PAUSE_MAX: Duration = Duration::from_secs(8 * 60);
/// How long a port is away or a way is cut.
const AWAY_MIN: Duration = Duration::from_secs(3);
const AWAY_MAX: Duration = Duration::from_secs(90);
/// How many places further a process dies at most: of all that it does, and after a moment that matters.
const STEPS_MAX: u64 = 4_096;
const STEPS_AFTER_MAX: u64 = 64;

/// See the module.
pub(super) struct Strikes {
    draws: Draws,
    ground: Arc<Ground>,
    processes: Arc<Processes>,
    names: Vec<String>,
}

impl Strikes {
    pub(super) fn new(seed: u64, ground: &Arc<Ground>, processes: &Arc<Processes>) -> Self {
        let names = processes.layout.processes().into_iter().map(|(name, _)| name).collect();
        let (ground, processes) = (Arc::clone(ground), Arc::clone(processes));
        Self { draws: Draws::new(seed, "strikes"), ground, processes, names }
    }

    /// Strikes while the weather is rough, and starts what died.
    pub(super) async fn run(&self) -> Infallible {
        let mut next = Instant::now();
        loop {
            sleep(LOOK_EVERY).await;
            self.processes.tend().await;
            if self.ground.weather.is_rough() && Instant::now() >= next {
                self.strike();
                next = Instant::now() + self.draws.between(PAUSE_MIN, PAUSE_MAX);
            }
        }
    }

    fn strike(&self) {
        let Some(name) = self.draws.one_of(&self.names) else { return };
        match self.draws.below(10) {
            0 => self.at(name, "is killed", |life| life.kill()),
            1 => {
                let steps = self.draws.of_any_size(STEPS_MAX);
                self.at(name, &format!("is to die {steps} steps on"), |life| life.die_after(steps));
            }
            2..=5 => self.strike_at_a_moment(),
            6 | 7 => {
                let lasts = self.draws.between(AWAY_MIN, AWAY_MAX);
                if let Some(port) = self.draws.one_of(&PORTS) {
                    self.ground.weather.take_away(name, *port, lasts);
                    self.ground.log.say(name, &format!("has no {port:?} for {} ms", lasts.as_millis()));
                }
            }
            8 => {
                let Some(other) = self.draws.one_of(&self.names) else { return };
                let lasts = self.draws.between(AWAY_MIN, AWAY_MAX);
                self.ground.weather.cut(name, other, lasts);
                if self.draws.happens(500_000) {
                    self.ground.weather.cut(other, name, lasts);
                }
                self.ground.log.say(name, &format!("is cut off from {other} for {} ms", lasts.as_millis()));
            }
            _ => {
                self.ground.log.say(name, &"is asked to end");
                self.processes.ask_to_end(name);
            }
        }
    }

    /// Most of what a process does in an hour is to look for work. What is worth a death is what it does then.
    fn strike_at_a_moment(&self) {
        let Some(moment) = self.draws.one_of(&MOMENTS).copied() else { return };
        let service = match moment {
            "incidents" | "maintenance_windows" | "DiagnoseIncident" | "ProposeAction" => ServiceName::Detector,
            "diagnoses" => ServiceName::Diagnosis,
            _ => ServiceName::Remediation,
        };
        let steps = self.draws.of_any_size(STEPS_AFTER_MAX);
        for name in self.processes.layout.running(service) {
            let what = format!("is to die {steps} steps after {moment}");
            self.at(&name, &what, |life| life.die_at(moment, steps));
        }
    }

    fn at(&self, name: &str, what: &str, strike: impl FnOnce(&Life)) {
        if let Some(life) = self.processes.life(name) {
            self.ground.log.say(&life, &what);
            strike(life.as_ref());
        }
    }
}
