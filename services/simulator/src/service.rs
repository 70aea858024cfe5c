//! The simulation in time: steps of the model as the clock goes, and what its services send.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use llm_sre_mesh::Peer;
use llm_sre_ports::clock::Clock;
use llm_sre_proto::action::v1::action_service_server::ActionServiceServer;
use llm_sre_proto::simulator::v1::simulator_service_server::SimulatorServiceServer;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::export::Exporter;
use crate::telemetry::{Exports, INTERVAL, Reporter};
use crate::world::{STEP, World, blueprint};

/// Reports that wait to be sent, each of [`INTERVAL`] and of some hundred kilobytes: ten minutes of the shop.
const REPORTS_WAITING_MAX: usize = 60;

/// How the simulation goes.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// What the shop and its load are drawn from.
    pub seed: u64,
    /// How many seconds of the clock pass in a second of real time, to be told to those who ask.
    pub speed: f64,
    /// Whether services, processes and the words of logs have names that are drawn from the seed.
    pub is_renamed: bool,
    /// How many services the shop has at most, which ones is drawn from the seed; all where it is not said. A small shop
    /// costs less, and the first service is always there.
    pub services_max: Option<usize>,
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
        let Options { seed, is_renamed, services_max, .. } = options;
        let now = dependencies.clock.now();
        let world = World::of(&blueprint::draw(seed, services_max), seed, now, is_renamed);
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

    /// Lets the shop trade until `shutdown`. The model never runs ahead of the clock. It goes on while nobody takes what
    /// it sends, as processes do whose telemetry waits in them, until `REPORTS_WAITING_MAX` wait.
    pub async fn run(&self, shutdown: CancellationToken) {
        let (reports, mut waiting) = mpsc::channel(REPORTS_WAITING_MAX);
        let sending = async {
            while let Some(exports) = waiting.recv().await {
                self.exporter.send(exports).await;
            }
        };
        tokio::select! {
            biased;
            () = shutdown.cancelled() => {}
            ((), ()) = async { tokio::join!(self.trade(reports), sending) } => {}
        }
    }

    /// Steps of the model, each when it is time, for ever.
    async fn trade(&self, reports: mpsc::Sender<Vec<Exports>>) {
        let mut reporter = Reporter::new(self.world().seed);
        let mut steps = 0_u64;
        loop {
            let next = self.world().now + STEP;
            self.clock.sleep_until(next).await;
            let exports = {
                let mut world = self.world();
                world.step();
                steps += 1;
                let is_due = steps.is_multiple_of(INTERVAL.as_secs() / STEP.as_secs());
                is_due.then(|| reporter.report(&mut world))
            };
            // Where too much waits, the shop stands still.
            if let Some(exports) = exports
                && reports.send(exports).await.is_err()
            {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use llm_sre_domain::Timestamp;
    use llm_sre_mesh::peer;
    use llm_sre_ports::clock::ScaledClock;
    use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
        MetricsService, MetricsServiceServer,
    };
    use opentelemetry_proto::tonic::collector::metrics::v1::{
        ExportMetricsServiceRequest, ExportMetricsServiceResponse,
    };
    use tonic::service::Routes;
    use tonic::{Request, Response, Status};

    use super::*;

    /// Takes everything and answers nothing.
    struct Silent;

    #[tonic::async_trait]
    impl MetricsService for Silent {
        async fn export(
            &self,
            _: Request<ExportMetricsServiceRequest>,
        ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
            std::future::pending().await
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_shop_goes_on_while_nobody_takes_its_telemetry() {
        let opened = Timestamp::from_secs(1_767_600_000);
        let clock = Arc::new(ScaledClock::starting_at(opened, 1.0).unwrap());
        let gateway = peer::local(Routes::new(MetricsServiceServer::new(Silent)));
        let options = Options { seed: 7, speed: 1.0, is_renamed: false, services_max: None };
        let shop = Service::build(options, Dependencies { clock, gateway });
        let time = Duration::from_secs(300);
        let trading = shop.run(CancellationToken::new());
        assert!(tokio::time::timeout(time, trading).await.is_err(), "it ended");
        assert!(shop.world().now + 2 * STEP >= opened + time, "the shop stood still at {:?}", shop.world().now);
    }
}
