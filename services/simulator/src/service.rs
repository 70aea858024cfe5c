//! The simulation in time: steps of the model as the clock goes, and what its services send.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use llm_sre_mesh::Peer;
use llm_sre_ports::clock::Clock;
use llm_sre_proto::action::v1::action_service_server::ActionServiceServer;
use llm_sre_proto::simulator::v1::simulator_service_server::SimulatorServiceServer;
use tokio_util::sync::CancellationToken;

use crate::export::Exporter;
use crate::telemetry::{INTERVAL, Reporter};
use crate::world::{STEP, World};

/// How the simulation goes.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// What the shop and its load are drawn from.
    pub seed: u64,
    /// How many seconds of the clock pass in a second of real time, to be told to those who ask.
    pub speed: f64,
}

/// What the service needs of its surroundings.
pub struct Dependencies {
    /// The simulation's time.
    pub clock: Arc<dyn Clock>,
    /// Where telemetry goes.
    pub gateway: Peer,
}

/// The simulated shop.
#[derive(Clone)]
pub struct Service {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) speed: f64,
    exporter: Arc<Exporter>,
    world: Arc<Mutex<World>>,
}

impl Service {
    /// The full names of what it serves, for health.
    pub const NAMES: [&'static str; 2] = ["llmsre.simulator.v1.SimulatorService", "llmsre.action.v1.ActionService"];

    /// A shop that opens now.
    pub fn build(options: Options, dependencies: Dependencies) -> Self {
        let world = World::new(options.seed, dependencies.clock.now());
        Self {
            clock: dependencies.clock,
            speed: options.speed,
            exporter: Arc::new(Exporter::new(dependencies.gateway)),
            world: Arc::new(Mutex::new(world)),
        }
    }

    /// Drives the shop.
    pub fn simulator(&self) -> SimulatorServiceServer<Self> {
        SimulatorServiceServer::new(self.clone())
    }

    /// Acts on the shop.
    pub fn actions(&self) -> ActionServiceServer<Self> {
        ActionServiceServer::new(self.clone())
    }

    /// The model. Held for computations only, never across a wait.
    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Requests that the gateway accepted, and those that were given up.
    pub(crate) fn exports(&self) -> (u64, u64) {
        (self.exporter.accepted.load(Ordering::Relaxed), self.exporter.lost.load(Ordering::Relaxed))
    }

    /// Lets the shop trade until `shutdown`. The model never runs ahead of the clock, and what it sends is taken or
    /// given up before it goes on, so that nothing queues here.
    pub async fn run(&self, shutdown: CancellationToken) {
        let mut reporter = Reporter::new(self.world().seed);
        let mut steps = 0_u64;
        while !shutdown.is_cancelled() {
            let next = self.world().now + STEP;
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = self.clock.sleep_until(next) => {}
            }
            let exports = {
                let mut world = self.world();
                world.step();
                steps += 1;
                if steps.is_multiple_of(INTERVAL.as_secs() / STEP.as_secs()) {
                    reporter.report(&mut world)
                } else {
                    Vec::new()
                }
            };
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = self.exporter.send(exports) => {}
            }
        }
    }
}
