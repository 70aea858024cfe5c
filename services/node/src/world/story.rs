//! What happens to the shop of a world: faults, one after the other, and what each comes to.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use llm_sre_domain::Timestamp;
use llm_sre_ports::clock::Clock;
use llm_sre_proto::convert::common::from_proto_time;
use llm_sre_proto::incident::v1::{Incident, ResolutionReason, State};
use llm_sre_proto::simulator::v1::{
    ClearFaultRequest, Fault, FaultState, GetSimulationRequest, InjectFaultRequest, ListFaultsRequest,
};
use serde::Serialize;

use super::draws::Draws;
use super::ground::Ground;
use super::people::People;
use super::processes::Processes;
use super::witness::{Rule, is_over};
use crate::client::audit::verified;
use crate::client::{Services, kind_text, service_text};
use crate::drill::FAULTS;

/// How long the shop runs before something happens: longer than detection needs to know what is usual.
const WARM_UP: Duration = Duration::from_secs(12 * 60);
const WARM_UP_END: Duration = Duration::from_secs(18 * 60);
/// How long it is well between two faults.
const PAUSE: Duration = Duration::from_secs(4 * 60);
const PAUSE_END: Duration = Duration::from_secs(10 * 60);
/// How long a fault may be at work until somebody mends it, whatever the product does.
const FAULT_MAX: Duration = Duration::from_secs(100 * 60);
/// How long it is waited for an incident of a fault that was cured or is not noticed.
const NOTICE_MAX: Duration = Duration::from_secs(30 * 60);
/// How long an escalated incident may take to recover once its fault is gone, until somebody resolves it.
const RECOVERY_MAX: Duration = Duration::from_secs(15 * 60);
/// How often something is tried that a process which is away may refuse.
const TRIES: u32 = 10;
/// How long it stays calm at least: until people let everything go on, and what died is back.
const CALM_MIN: Duration = Duration::from_secs(3 * 60);
/// How long all may take to come to its end once the weather is calm: the longest deadlines of three attempts. Those of
/// what is in maintenance count anew from when people end that, which is within a minute.
const CALM_MAX: Duration = Duration::from_secs(8 * 3_600);
/// How often is looked.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// How a fault ended for the product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Ending {
    /// Recovery was measured after a repair.
    Repaired,
    /// Recovery was measured without one.
    Recovered,
    /// A person was called, or ended it.
    Escalated,
    /// Nobody noticed.
    Missed,
}

/// A fault, and what it came to.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Lived {
    pub(super) fault: String,
    pub(super) service: String,
    pub(super) incidents: usize,
    pub(super) ending: Ending,
}

/// See the module.
pub(super) struct Story {
    draws: Draws,
    ground: Arc<Ground>,
    processes: Arc<Processes>,
    people: Arc<People>,
    shop: Services,
    remediation: Services,
}

/// The names of the services of a shop.
pub(super) async fn services_of(shop: &Services) -> anyhow::Result<Vec<String>> {
    let listed = shop.simulator().get_simulation(GetSimulationRequest {}).await?.into_inner().services;
    listed.into_iter().map(|service| Ok(service.identity.context("a service has no name")?.name)).collect()
}

impl Story {
    pub(super) fn new(
        seed: u64,
        ground: &Arc<Ground>,
        processes: &Arc<Processes>,
        people: &Arc<People>,
        [shop, remediation]: [Services; 2],
    ) -> Self {
        let (ground, processes, people) = (Arc::clone(ground), Arc::clone(processes), Arc::clone(people));
        Self { draws: Draws::new(seed, "story"), ground, processes, people, shop, remediation }
    }

    /// Lives through so many faults, and waits until all is over.
    pub(super) async fn tell(&self, faults: usize) -> anyhow::Result<Vec<Lived>> {
        let mut well = services_of(&self.shop).await?;
        self.pass(self.draws.between(WARM_UP, WARM_UP_END), None).await;
        self.ground.weather.roughen();
        let mut lived = Vec::new();
        for _ in 0..faults {
            // Where every service had its fault, they begin again.
            if well.is_empty() {
                well = services_of(&self.shop).await?;
            }
            let index = usize::try_from(self.draws.below(well.len() as u64)).unwrap_or_default();
            lived.push(self.live_through(well.swap_remove(index)).await?);
            self.pass(self.draws.between(PAUSE, PAUSE_END), None).await;
        }
        self.ground.weather.calm();
        self.processes.spare();
        self.ground.log.say(&"weather", &"calms down");
        let deadline = self.ground.now() + CALM_MAX;
        self.pass(CALM_MIN, None).await;
        while self.ground.now() < deadline && !self.is_over() {
            self.pass(LOOK_EVERY, None).await;
        }
        self.ground.witness.look(|seen| seen.end());
        self.verify().await;
        Ok(lived)
    }

    /// Whether all that was begun is over, and everybody is there to say so.
    fn is_over(&self) -> bool {
        self.processes.are_all_up() && self.ground.witness.seen().open().is_none()
    }

    /// Lets time go by, and looks meanwhile, with a fault at work since then.
    async fn pass(&self, lasts: Duration, began: Option<Timestamp>) {
        let until = self.ground.now() + lasts;
        while self.ground.now() < until {
            self.ground.clock.sleep(LOOK_EVERY).await;
            let now = self.ground.now();
            self.ground.witness.look(|seen| seen.look(began, now));
        }
    }

    /// One fault, from its beginning until it is gone, and its incidents with it.
    async fn live_through(&self, service_name: String) -> anyhow::Result<Lived> {
        let kind = self.draws.one_of(&FAULTS).copied().unwrap_or_default();
        let seed = self.draws.any().max(1);
        let request = InjectFaultRequest { kind: kind.into(), service_name, seed, ..InjectFaultRequest::default() };
        let fault = self.inject(request).await?;
        let (text, service) = (kind_text(&fault), service_text(fault.service.as_ref()));
        self.ground.log.say(&"fault", &format!("{text} of {service} begins"));
        let began = time(fault.start_time.as_ref());
        loop {
            self.pass(LOOK_EVERY, Some(began)).await;
            let lasts = self.ground.now().since(began);
            let (opened, is_over) = self.incidents_since(began);
            let is_gone = self.fault(&fault.name).await?.state() != FaultState::Active;
            let is_settled = is_over && (opened > 0 || (is_gone && lasts > NOTICE_MAX));
            if is_settled || lasts > FAULT_MAX || (opened == 0 && lasts > 2 * NOTICE_MAX) {
                break;
            }
        }
        if self.fault(&fault.name).await?.state() == FaultState::Active {
            self.shop.simulator().clear_fault(ClearFaultRequest { name: fault.name.clone() }).await?;
            self.ground.log.say(&"fault", &"is mended by people");
        }
        let ended = time(self.fault(&fault.name).await?.end_time.as_ref());
        self.ground.witness.look(|seen| seen.fault_ended(began, ended));
        let ending = self.ending(began);
        self.clean_up(began).await;
        let incidents = self.incidents_since(began).0;
        Ok(Lived { fault: text, service, incidents, ending })
    }

    /// Breaks something, once nothing is rolled out there any more.
    async fn inject(&self, request: InjectFaultRequest) -> anyhow::Result<Fault> {
        let mut tries = 0;
        loop {
            tries += 1;
            match self.shop.simulator().inject_fault(request.clone()).await {
                Ok(fault) => return Ok(fault.into_inner()),
                Err(error) if tries == TRIES => return Err(error).context("nothing can be broken"),
                Err(error) => self.ground.log.say(&"fault", &format!("does not begin: {}", error.message())),
            }
            self.pass(PAUSE, None).await;
        }
    }

    /// Waits for what escalated to recover, and resolves by hand what does not: the next fault has an incident of its
    /// own.
    async fn clean_up(&self, began: Timestamp) {
        let deadline = self.ground.now() + RECOVERY_MAX;
        while self.ground.now() < deadline && !self.open_since(began).is_empty() {
            self.pass(LOOK_EVERY, None).await;
        }
        for _ in 0..TRIES {
            for name in self.open_since(began) {
                self.people.resolve(&name).await;
            }
            if self.open_since(began).is_empty() {
                return;
            }
            self.pass(LOOK_EVERY * 4, None).await;
        }
    }

    /// How many incidents a fault may have caused, and whether all are over or wait for a person.
    fn incidents_since(&self, began: Timestamp) -> (usize, bool) {
        let seen = self.ground.witness.seen();
        let states: Vec<State> = seen.of_fault(began).map(Incident::state).collect();
        (states.len(), states.into_iter().all(is_over))
    }

    fn open_since(&self, began: Timestamp) -> Vec<String> {
        let seen = self.ground.witness.seen();
        let open = seen.of_fault(began).filter(|incident| incident.end_time.is_none());
        open.map(|incident| incident.name.clone()).collect()
    }

    fn ending(&self, began: Timestamp) -> Ending {
        let seen = self.ground.witness.seen();
        let reason = |incident: &Incident| incident.resolution.as_ref().map(|resolution| resolution.reason());
        let reasons: Vec<Option<ResolutionReason>> = seen.of_fault(began).map(reason).collect();
        match reasons.as_slice() {
            [] => Ending::Missed,
            some if some.contains(&Some(ResolutionReason::Measured)) => Ending::Repaired,
            some if some.contains(&Some(ResolutionReason::SelfRecovered)) => Ending::Recovered,
            _ => Ending::Escalated,
        }
    }

    async fn fault(&self, name: &str) -> anyhow::Result<Fault> {
        let listed = self.shop.simulator().list_faults(ListFaultsRequest::default()).await?.into_inner().faults;
        listed.into_iter().find(|fault| fault.name == name).context("a fault is gone")
    }

    /// Verifies the audit record as the command does, and that what the witness saw of it is all of it.
    async fn verify(&self) {
        let witness = &self.ground.witness;
        match verified(self.remediation.clone(), |_| ()).await {
            Ok(chain) => {
                let head = chain.head().to_string();
                self.ground.log.say(&"audit", &format!("{} entries hold together: {head}", chain.len()));
                witness.look(|seen| seen.audit_ends(&head));
            }
            Err(error) => witness.accuse(Rule::Audit, format!("the audit record does not verify: {error:#}")),
        }
    }
}

fn time(time: Option<&pbjson_types::Timestamp>) -> Timestamp {
    time.map(from_proto_time).unwrap_or_default()
}
