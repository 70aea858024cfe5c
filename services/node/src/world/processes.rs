//! The processes of a world: each is built as the product builds one, over ports and links of its own, dies with all
//! that it was doing, and comes back as another.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use llm_sre_domain::Timestamp;
use llm_sre_domain::remedy::{self, Autonomy, Policy, ServicePattern};
use llm_sre_mesh::{Peer, peer};
use llm_sre_ports::clock::{Clock, ScaledClock};
use tokio::task::{AbortHandle, JoinHandle};
use tokio_util::sync::CancellationToken;

use super::draws::Draws;
use super::ground::Ground;
use super::layout::{Layout, process_at};
use super::life::Life;
use super::link::{Caller, Link};
use super::ports;
use super::witness::{Rule, Standing, pattern_of};
use crate::cli::ServiceName;
use crate::wiring::{self, Backend, Chance, Simulation, Ways};

/// The process of the shop. It is never killed: the model of what is broken lives in it.
pub(super) const SHOP: &str = "shop";
/// How many services the shop of a world has: enough for callers and callees, and cheap.
const SERVICES_MAX: usize = 5;
/// How long it takes until what died is started again.
const BACK_MIN: Duration = Duration::from_secs(1);
const BACK_MAX: Duration = Duration::from_secs(120);
/// How long it takes until what could not start is started again.
const AGAIN: Duration = Duration::from_secs(5);
/// Handlers of calls that are remembered before those that are done are forgotten.
const HANDLERS_KEPT: usize = 64;

/// See the module.
pub(super) struct Processes {
    seed: u64,
    pub(super) layout: Layout,
    ground: Arc<Ground>,
    /// What all processes share.
    backend: Backend,
    draws: Draws,
    running: Mutex<BTreeMap<String, Running>>,
    /// When those that do not run are to be started.
    gone: Mutex<BTreeMap<String, Timestamp>>,
    incarnations: Mutex<BTreeMap<String, u64>>,
}

/// A process that runs.
struct Running {
    life: Arc<Life>,
    node: JoinHandle<anyhow::Result<()>>,
    shutdown: CancellationToken,
    control: Peer,
    telemetry: Option<Peer>,
    handlers: Arc<Handlers>,
    /// Whether it was asked to end.
    is_asked: bool,
}

/// Calls that a process answers.
#[derive(Default)]
pub(super) struct Handlers(Mutex<Vec<AbortHandle>>);

/// Whom a message reaches.
pub(super) struct Callee {
    pub(super) peer: Peer,
    pub(super) handlers: Arc<Handlers>,
}

impl Handlers {
    /// Adds one, which ends with its process.
    pub(super) fn add(&self, handler: AbortHandle) {
        let mut handlers = lock(&self.0);
        if handlers.len() >= HANDLERS_KEPT {
            handlers.retain(|handler| !handler.is_finished());
        }
        handlers.push(handler);
    }

    fn end(&self) {
        lock(&self.0).drain(..).for_each(|handler| handler.abort());
    }
}

impl Running {
    /// Nothing of it is done any more.
    fn end(&self) {
        self.life.kill();
        self.node.abort();
        self.handlers.end();
        self.shutdown.cancel();
    }
}

impl Processes {
    pub(super) fn new(seed: u64, layout: Layout, ground: &Arc<Ground>, backend: Backend) -> Self {
        let ground = Arc::clone(ground);
        let draws = Draws::new(seed, "processes");
        let (running, gone, incarnations) = Default::default();
        Self { seed, layout, ground, backend, draws, running, gone, incarnations }
    }

    /// Starts a process.
    pub(super) async fn start(self: &Arc<Self>, name: &str) -> anyhow::Result<()> {
        let life = self.next_life(name);
        let seed = Draws::new(self.seed, &life.to_string()).any();
        let standings = self.ground.witness.seen().standings.clone();
        let parts = self.parts(name, &life, seed)?;
        let node = Box::pin(wiring::build(parts)).await?;
        let (control, telemetry, shutdown) = (node.peer()?, node.telemetry_peer(), CancellationToken::new());
        let node = tokio::spawn(node.run(shutdown.clone()));
        self.ground.log.say(&life, &"starts");
        // Its policy is of the past: it ends as those did that ran when people decided otherwise.
        if self.ground.witness.seen().standings != standings {
            life.kill();
        }
        let running = Running { life, node, shutdown, control, telemetry, handlers: Arc::default(), is_asked: false };
        lock(&self.running).insert(name.to_owned(), running);
        Ok(())
    }

    fn next_life(&self, name: &str) -> Arc<Life> {
        let mut incarnations = lock(&self.incarnations);
        let incarnation = incarnations.entry(name.to_owned()).or_default();
        *incarnation += 1;
        Arc::new(Life::new(name, *incarnation))
    }

    fn parts(self: &Arc<Self>, name: &str, life: &Arc<Life>, seed: u64) -> anyhow::Result<wiring::Parts> {
        let clock: Arc<dyn Clock> = Arc::<ScaledClock>::clone(&self.ground.clock);
        let (ground, processes, from) = (Arc::clone(&self.ground), Arc::downgrade(self), Arc::clone(life));
        let way = move |address: &str| {
            let (processes, from) = (processes.clone(), Caller::Process(Arc::clone(&from)));
            process_at(address).map(|to| Link::peer(&ground, processes, from, to, seed))
        };
        let is_shop = name == SHOP;
        let services = if is_shop { [ServiceName::Simulator].into() } else { self.services(name) };
        // The shop uses no port.
        let backend = if is_shop { self.backend.clone() } else { ports::of(&self.backend, &self.ground, life, seed) };
        Ok(wiring::Parts {
            config: self.layout.config(name)?,
            services,
            backend,
            chance: Chance::of_seed(seed, Arc::clone(&clock)),
            clock,
            policy: policy(&self.ground.witness.seen().standings)?,
            simulation: Simulation { seed: self.seed, services_max: Some(SERVICES_MAX), ..Simulation::default() },
            holder: life.to_string(),
            ways: Ways::Within(Arc::new(way)),
            listens: false,
        })
    }

    fn services(&self, name: &str) -> std::collections::BTreeSet<ServiceName> {
        let found = self.layout.processes().into_iter().find(|(process, _)| process == name);
        found.map(|(_, services)| services).unwrap_or_default()
    }

    /// Whom a message to a process reaches now, if anybody.
    pub(super) fn reached(&self, name: &str, path: &str) -> Option<Callee> {
        let running = lock(&self.running);
        let found = running.get(name).filter(|running| !running.life.is_dead())?;
        let is_telemetry = path.starts_with("/opentelemetry.");
        let peer = if is_telemetry { found.telemetry.clone()? } else { found.control.clone() };
        Some(Callee { peer, handlers: Arc::clone(&found.handlers) })
    }

    /// The way of people to a service, wherever it runs.
    pub(super) fn way_to(self: &Arc<Self>, service: ServiceName) -> Peer {
        let names =
            if service == ServiceName::Simulator { vec![SHOP.to_owned()] } else { self.layout.running(service) };
        let link = |name: &String| Link::peer(&self.ground, Arc::downgrade(self), Caller::People, name, self.seed);
        peer::any(names.iter().map(link).collect())
    }

    /// The life of a process that runs.
    pub(super) fn life(&self, name: &str) -> Option<Arc<Life>> {
        lock(&self.running).get(name).map(|running| Arc::clone(&running.life))
    }

    /// Asks a process to end, as who updates it does.
    pub(super) fn ask_to_end(&self, name: &str) {
        if let Some(running) = lock(&self.running).get_mut(name) {
            running.is_asked = true;
            running.shutdown.cancel();
        }
    }

    /// Whatever processes were told to die of, they do not.
    pub(super) fn spare(&self) {
        lock(&self.running).values().for_each(|running| running.life.spare());
    }

    /// Whether all of them run.
    pub(super) fn are_all_up(&self) -> bool {
        lock(&self.gone).is_empty() && lock(&self.running).values().all(|running| !running.life.is_dead())
    }

    /// How often a process was started again.
    pub(super) fn restarts(&self) -> u64 {
        lock(&self.incarnations).values().map(|incarnation| incarnation.saturating_sub(1)).sum()
    }

    /// Buries those that ended, and starts those whose time it is.
    pub(super) async fn tend(self: &Arc<Self>) {
        for (name, running) in self.take_ended() {
            let is_dead = running.life.is_dead();
            running.end();
            self.ground.log.say(&running.life, &if is_dead { "died" } else { "ended" });
            if !is_dead {
                self.judge(&name, running).await;
            }
            let is_rough = self.ground.weather.is_rough();
            let back = if is_rough { self.draws.between(BACK_MIN, BACK_MAX) } else { BACK_MIN };
            lock(&self.gone).insert(name, self.ground.now() + back);
        }
        for name in self.take_due() {
            // What could not start because of the weather is started again, as a supervisor does.
            if let Err(error) = self.start(&name).await {
                self.ground.log.say(&name, &format!("did not start: {error:#}"));
                lock(&self.gone).insert(name, self.ground.now() + AGAIN);
            }
        }
    }

    fn take_ended(&self) -> Vec<(String, Running)> {
        let mut running = lock(&self.running);
        let has_ended = |running: &Running| running.life.is_dead() || running.node.is_finished();
        let ended: Vec<String> =
            running.iter().filter(|(_, running)| has_ended(running)).map(|(name, _)| name.clone()).collect();
        ended.into_iter().filter_map(|name| running.remove_entry(&name)).collect()
    }

    fn take_due(&self) -> Vec<String> {
        let (mut gone, now) = (lock(&self.gone), self.ground.now());
        let due: Vec<String> = gone.iter().filter(|(_, back)| **back <= now).map(|(name, _)| name.clone()).collect();
        gone.retain(|name, _| !due.contains(name));
        due
    }

    /// A process ended that was not killed: because it was asked to, and in order, or that is a fault.
    async fn judge(&self, name: &str, running: Running) {
        let witness = &self.ground.witness;
        match running.node.await {
            Ok(Ok(())) if running.is_asked => {}
            Ok(Ok(())) => witness.accuse(Rule::Alive, format!("{name} ended by itself")),
            Ok(Err(error)) => witness.accuse(Rule::Alive, format!("{name} ended by itself: {error:#}")),
            Err(error) => witness.accuse(Rule::Alive, format!("{name} ended by itself: {error}")),
        }
    }
}

/// The policy by which the services stand as they do.
fn policy(standings: &BTreeMap<String, Standing>) -> anyhow::Result<Policy> {
    let mut policy = Policy::default();
    for (service, standing) in standings {
        let service = ServicePattern::parse(&pattern_of(service))?;
        let autonomy = match standing {
            Standing::Suggest => Autonomy::Suggest,
            Standing::Approve => Autonomy::Approve,
            // Nothing but enrolment and protection stands between these and an action.
            Standing::Auto | Standing::Protected | Standing::Unenrolled => Autonomy::Auto,
        };
        if *standing != Standing::Unenrolled {
            policy.enrolled.push(service.clone());
        }
        if *standing == Standing::Protected {
            policy.protected.push(service.clone());
        }
        policy.rules.push(remedy::Rule { service, action: None, autonomy });
    }
    Ok(policy)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[tokio::test(start_paused = true)]
    async fn who_was_being_started_when_policy_changed_ends_as_those_that_ran() {
        for is_changed in [false, true] {
            let clock = ScaledClock::starting_at(Timestamp::from_secs(1_000), 1.0).unwrap();
            let ground = Arc::new(Ground::new(Arc::new(clock)));
            let mut config = Config::default();
            config.store.path = wiring::IN_MEMORY.into();
            let backend = wiring::open_store(&config).unwrap();
            let processes = Arc::new(Processes::new(7, Layout::Together, &ground, backend));
            let decide = async {
                if is_changed {
                    ground.witness.seen().standings.insert("cart".to_owned(), Standing::Protected);
                }
            };
            // It makes its topics first, and lets others go first for that.
            let (started, ()) = tokio::join!(Box::pin(processes.start("product-0")), decide);
            started.unwrap();
            assert_eq!(processes.life("product-0").unwrap().is_dead(), is_changed);
        }
    }
}
