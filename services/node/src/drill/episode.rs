//! One shop, its faults or its control, and what the product made of it.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use llm_sre_domain::Timestamp;
use llm_sre_ports::clock::{Clock, ScaledClock};
use llm_sre_proto::incident::v1::{Incident, State};
use llm_sre_proto::simulator::v1::{
    ClearFaultRequest, FaultKind, FaultState, GetSimulationRequest, InjectFaultRequest, ListFaultsRequest,
};
use tokio_util::sync::CancellationToken;

use super::apart::are_apart;
use super::outcome::{Known, Outcome, detected, first_start, incidents, judge};
use super::written::Written;
use super::{FAULTS, mixed};
use crate::cli::Drill;
use crate::client::audit::verified;
use crate::client::{Services, parse_service, service_text};
use crate::{demo, wiring};

/// When every drill begins: 2026-01-05, so that the same seed gives the same telemetry.
const EPOCH_S: i64 = 1_767_600_000;
/// How long a shop runs before something happens: at least so long, and up to so much longer by its seed.
const WARM_UP: Duration = Duration::from_secs(15 * 60);
const WARM_UP_MORE_S: u64 = 30 * 60;
/// How long a shop is well between two faults: at least so long, and up to so much longer by its seed.
const PAUSE: Duration = Duration::from_secs(60);
const PAUSE_MORE_S: u64 = 9 * 60;
/// How long an incident may take from the fault to its end, and how long is watched after that for what comes late.
pub(crate) const EPISODE_MAX: Duration = Duration::from_secs(3 * 3_600);
const AFTERWARDS: Duration = Duration::from_secs(15 * 60);
/// How often services are drawn for more faults.
const DRAWS_MAX: u64 = 64;
/// How often is looked.
pub(crate) const LOOK_EVERY: Duration = Duration::from_secs(5);

/// How faults follow each other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Course {
    /// How many moments there are at which something breaks, one after the other.
    turns: u8,
    /// How many faults there are at each of them, all but the first drawn.
    faults: u8,
    /// Whether all but the first of a moment wait until that one is being repaired.
    is_staggered: bool,
    /// Whether it is the first fault that comes back at each moment.
    is_returning: bool,
}

impl Default for Course {
    fn default() -> Self {
        Self { turns: 1, faults: 1, is_staggered: false, is_returning: false }
    }
}

impl Course {
    /// As somebody asks for it.
    pub(super) fn of(arguments: &Drill) -> Self {
        let (is_staggered, is_returning) = (arguments.during, arguments.returning > 0);
        let turns = if is_returning { 1 + arguments.returning } else { arguments.chain };
        Self { turns, faults: if is_staggered { 2 } else { arguments.together }, is_staggered, is_returning }
    }
}

/// What is to happen.
#[derive(Clone, Debug)]
pub(crate) struct Episode {
    pub(crate) kind: FaultKind,
    /// Which service; drawn from the seed where it is empty.
    pub(crate) service: String,
    pub(crate) course: Course,
    /// Whether the shop calls everything by other names than in the demo.
    pub(crate) is_renamed: bool,
    pub(crate) seed: u64,
}

impl Episode {
    /// Runs it on this thread, in virtual time. An outcome for each fault.
    pub(super) fn perform(&self) -> anyhow::Result<Vec<Outcome>> {
        self.live(async |services, clock, written| self.watch(services, clock, written).await)
    }

    /// Runs the shop and the services on this thread, in virtual time, for as long as somebody looks on.
    pub(crate) fn live<T>(
        &self,
        look_on: impl AsyncFnOnce(&Services, &dyn Clock, &Written) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build()?;
        let running = runtime.block_on(self.run(look_on));
        running.with_context(|| format!("the run with seed {} broke", self.seed))
    }

    async fn run<T>(
        &self,
        look_on: impl AsyncFnOnce(&Services, &dyn Clock, &Written) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let clock = Arc::new(ScaledClock::starting_at(Timestamp::from_secs(EPOCH_S), 1.0)?);
        let mut config = crate::config::Config::default();
        config.store.path = wiring::IN_MEMORY.into();
        let store = wiring::open_store(&config)?;
        let written = Arc::new(Written::to(Arc::clone(&store.documents)));
        let node = wiring::build(wiring::Parts {
            services: wiring::EVERYTHING.into(),
            backend: wiring::Backend { documents: Arc::<Written>::clone(&written), ..store },
            clock: Arc::<ScaledClock>::clone(&clock),
            chance: wiring::Chance::of_seed(self.seed, Arc::<ScaledClock>::clone(&clock)),
            policy: demo::shop_policy()?,
            simulation: wiring::Simulation { seed: self.seed, is_renamed: self.is_renamed, ..Default::default() },
            holder: "drill".to_owned(),
            ways: wiring::Ways::default(),
            listens: false,
            config,
        })
        .await?;
        let services = Services::over(node.peer()?);
        let shutdown = CancellationToken::new();
        let running = tokio::spawn(node.run(shutdown.clone()));
        let outcome = look_on(&services, clock.as_ref(), &written).await;
        shutdown.cancel();
        running.await.context("the services stopped")??;
        outcome
    }

    /// Lets the shop run for some time before something happens.
    pub(crate) async fn warm_up(&self, clock: &dyn Clock) {
        clock.sleep(WARM_UP + Duration::from_secs((self.seed >> 16) % WARM_UP_MORE_S)).await;
    }

    /// What breaks first where it breaks alone.
    pub(crate) fn first_request(&self) -> InjectFaultRequest {
        self.request(0, 0, 0)
    }

    async fn watch(&self, services: &Services, clock: &dyn Clock, written: &Written) -> anyhow::Result<Vec<Outcome>> {
        self.warm_up(clock).await;
        let mut outcomes: Vec<Outcome> = Vec::new();
        let mut known = Known::new();
        let attempts_max = demo::shop_policy()?.limits.attempts_per_incident_max;
        for turn in 0..self.course.turns {
            let mut came = self.live_through(services, clock, turn, &outcomes, &mut known).await?;
            if self.course.is_returning {
                came.iter_mut().for_each(|outcome| outcome.comes_back(turn, attempts_max));
            }
            // What was not repaired cannot come back.
            let is_there = self.course.is_returning && !came.iter().all(Outcome::is_repaired);
            let is_over = is_there || !came.iter().all(Outcome::went_well);
            outcomes.extend(came);
            if is_over {
                break;
            }
        }
        let chain = verified(services.clone(), |_| ()).await.context("the audit record does not verify")?;
        for outcome in &mut outcomes {
            outcome.audit = chain.head().to_string();
            outcome.written = written.hash();
            outcome.is_renamed = self.is_renamed;
        }
        Ok(outcomes)
    }

    /// Injects what is broken at this turn, waits for what it comes to, and for what comes late.
    async fn live_through(
        &self,
        services: &Services,
        clock: &dyn Clock,
        turn: u8,
        before: &[Outcome],
        known: &mut Known,
    ) -> anyhow::Result<Vec<Outcome>> {
        let mut now = self.requests(services, turn, before).await?;
        let later = if self.course.is_staggered { now.split_off(1) } else { Vec::new() };
        let mut faults = Vec::new();
        for request in now {
            faults.push(services.simulator().inject_fault(request).await?.into_inner());
        }
        let started = first_start(&faults);
        let deadline = started + EPISODE_MAX;
        // What is never acted upon is judged alone.
        if !later.is_empty() && until_acting(services, clock, started, deadline).await? {
            for request in later {
                faults.push(services.simulator().inject_fault(request).await?.into_inner());
            }
        }
        let names: Vec<String> = faults.into_iter().map(|fault| fault.name).collect();
        while clock.now() < deadline && !is_over(services, &names, started).await? {
            clock.sleep(LOOK_EVERY).await;
        }
        let is_last = turn + 1 == self.course.turns;
        let pause = PAUSE + Duration::from_secs((mixed(self.seed, turn.into()) >> 16) % PAUSE_MORE_S);
        clock.sleep(if is_last { AFTERWARDS } else { pause }).await;
        let mut came = judge(services, self.seed, &names, known).await?;
        came.iter_mut().skip(1).for_each(|outcome| outcome.is_during = self.course.is_staggered);
        // What nothing cures is mended by people, and the shop is well again before something else breaks in it.
        if !is_last && clear_incurable(services, &names).await? {
            clock.sleep(PAUSE).await;
        }
        Ok(came)
    }

    /// What is broken at this turn: at the first what was asked for, then what the seed draws. On services that were
    /// well so far, since trouble that comes back to a service reopens its incident; and of which none calls another,
    /// since the trouble of such two may well be one incident.
    async fn requests(
        &self,
        services: &Services,
        turn: u8,
        before: &[Outcome],
    ) -> anyhow::Result<Vec<InjectFaultRequest>> {
        if turn == 0 && self.course.faults == 1 {
            return Ok(vec![self.first_request()]);
        }
        if let (true, Some(first)) = (self.course.is_returning, before.first()) {
            // The same again, as another draw of its numbers has it.
            let drawn = self.request(turn, 0, 0);
            let service_name = parse_service(&first.service).name;
            return Ok(vec![InjectFaultRequest { kind: self.kind.into(), service_name, ..drawn }]);
        }
        let shop = services.simulator().get_simulation(GetSimulationRequest {}).await?.into_inner().services;
        for draw in 0..DRAWS_MAX {
            let requests: Vec<_> = (0..self.course.faults).map(|place| self.request(turn, draw, place)).collect();
            let mut broken = Vec::new();
            for request in &requests {
                let asked = InjectFaultRequest { validate_only: true, ..request.clone() };
                let drawn = services.simulator().inject_fault(asked).await?.into_inner();
                broken.push(drawn.service.unwrap_or_default());
            }
            let was_well = |service| before.iter().all(|outcome| outcome.service != service_text(Some(service)));
            let were_well = broken.iter().all(was_well);
            let names: Vec<String> = broken.into_iter().map(|service| service.name).collect();
            if were_well && are_apart(&shop, &names) {
                return Ok(requests);
            }
        }
        bail!("no services are left that were well so far and of which none calls another")
    }

    /// One of the faults of a turn, as a draw has it.
    fn request(&self, turn: u8, draw: u64, place: u8) -> InjectFaultRequest {
        let is_first = turn == 0 && place == 0;
        let index = u64::from(turn) * DRAWS_MAX + draw + (u64::from(place) << 32);
        let seed = if is_first && draw == 0 { self.seed } else { mixed(self.seed, index) };
        let drawn = FAULTS[(seed >> 40) as usize % FAULTS.len()];
        let (kind, service_name) = if is_first { (self.kind, self.service.clone()) } else { (drawn, String::new()) };
        InjectFaultRequest { kind: kind.into(), service_name, seed, ..InjectFaultRequest::default() }
    }
}

/// Ends those of some faults that are at work and that no action cures. Whether there were any.
async fn clear_incurable(services: &Services, names: &[String]) -> anyhow::Result<bool> {
    let request = ListFaultsRequest { active_only: true, ..ListFaultsRequest::default() };
    let active = services.simulator().list_faults(request).await?.into_inner().faults;
    let mut were_any = false;
    for fault in active.into_iter().filter(|fault| fault.cure.is_empty() && names.contains(&fault.name)) {
        services.simulator().clear_fault(ClearFaultRequest { name: fault.name }).await?;
        were_any = true;
    }
    Ok(were_any)
}

/// Waits until an action is under way for an incident that was seen since a time; `false` where none is in time, and
/// where nothing more is done about any.
async fn until_acting(
    services: &Services,
    clock: &dyn Clock,
    since: Timestamp,
    deadline: Timestamp,
) -> anyhow::Result<bool> {
    while clock.now() < deadline {
        let opened = incidents(services).await?;
        let opened: Vec<Incident> = opened.into_iter().filter(|incident| detected(incident) >= since).collect();
        if opened.iter().any(|incident| matches!(incident.state(), State::Remediating | State::Verifying)) {
            return Ok(true);
        }
        if !opened.is_empty() && opened.iter().all(is_settled) {
            return Ok(false);
        }
        clock.sleep(LOOK_EVERY).await;
    }
    Ok(false)
}

/// Whether nothing more is done about an incident by itself.
fn is_settled(incident: &Incident) -> bool {
    matches!(incident.state(), State::Resolved | State::Duplicate | State::Escalated)
}

/// Whether nothing more is to be waited for: all incidents ended or were escalated, and there is one for each fault, or
/// the faults are over too, as a control is by itself.
pub(crate) async fn is_over(services: &Services, faults: &[String], started: Timestamp) -> anyhow::Result<bool> {
    let opened: Vec<Incident> =
        incidents(services).await?.into_iter().filter(|incident| detected(incident) >= started).collect();
    if !opened.iter().all(is_settled) {
        return Ok(false);
    }
    if opened.len() >= faults.len() {
        return Ok(true);
    }
    let listed = services.simulator().list_faults(ListFaultsRequest::default()).await?.into_inner().faults;
    Ok(listed.iter().all(|fault| fault.state() != FaultState::Active || !faults.contains(&fault.name)))
}
