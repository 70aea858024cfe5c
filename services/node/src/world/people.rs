//! The people of a world: they approve, refuse and forget, stop everything, freeze services and work on them, take them
//! out of the product's hands, and get in the way at the worst moment.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use llm_sre_domain::Timestamp;
use llm_sre_proto::incident::v1::{
    CreateMaintenanceWindowRequest, EndMaintenanceWindowRequest, ResolutionReason, ResolveIncidentRequest, State,
};
use llm_sre_proto::remediation::v1::{
    Action, ActionState, ApproveActionRequest, CancelActionRequest, CreateFreezeRequest, EndFreezeRequest,
    RejectActionRequest, RollBackActionRequest, SetKillSwitchRequest,
};
use tokio::time::sleep;

use super::draws::Draws;
use super::ground::Ground;
use super::processes::Processes;
use super::witness::{Rule, Standing, pattern_of};
use crate::cli::ServiceName;
use crate::client::Services;

/// How often people look.
const PAUSE_MIN: Duration = Duration::from_secs(5);
const PAUSE_MAX: Duration = Duration::from_secs(40);
/// How long they need to be in the way of an action that is about to be carried out.
const REACTION_MAX: Duration = Duration::from_secs(2);
/// For how long they freeze services, in seconds.
const FREEZE_MIN_S: u64 = 60;
const FREEZE_MORE_S: u64 = 900;
/// For how long they work on services, in seconds: some minutes to a quarter of an hour.
const WINDOW_MIN_S: u64 = 120;
const WINDOW_MORE_S: u64 = 780;

/// See the module.
pub(super) struct People {
    draws: Draws,
    ground: Arc<Ground>,
    processes: Arc<Processes>,
    incidents: Services,
    remediation: Services,
    /// The services of the shop, and how they stood at first.
    standings: Vec<(String, Standing)>,
    /// Offers that somebody decided about, or decided not to.
    decided: Mutex<BTreeSet<String>>,
}

impl People {
    pub(super) fn new(
        seed: u64,
        ground: &Arc<Ground>,
        processes: &Arc<Processes>,
        standings: Vec<(String, Standing)>,
    ) -> Self {
        let over = |service| Services::over(processes.way_to(service));
        Self {
            draws: Draws::new(seed, "people"),
            incidents: over(ServiceName::Detector),
            remediation: over(ServiceName::Remediation),
            ground: Arc::clone(ground),
            processes: Arc::clone(processes),
            standings,
            decided: Mutex::default(),
        }
    }

    /// Looks, decides and meddles, and lets things go on once the weather is calm. What somebody orders may fail, as
    /// everything may; nobody counts on it.
    pub(super) async fn run(&self) -> Infallible {
        loop {
            let pause = self.draws.between(PAUSE_MIN, PAUSE_MAX);
            let is_acting = tokio::select! {
                biased;
                () = self.ground.witness.acting() => true,
                () = sleep(pause) => false,
            };
            let is_rough = self.ground.weather.is_rough();
            if is_acting && is_rough && self.draws.happens(150_000) {
                sleep(self.draws.between(Duration::ZERO, REACTION_MAX)).await;
                self.hold().await;
            }
            self.decide().await;
            if is_rough && !is_acting {
                self.meddle().await;
            }
            if !is_rough {
                self.let_go().await;
            }
        }
    }

    /// An incident is over, as somebody says.
    pub(super) async fn resolve(&self, name: &str) {
        self.ground.witness.seen().by_hand.insert(name.to_owned());
        let reason = ResolutionReason::Manual.into();
        let request_id = self.request_id();
        let request = ResolveIncidentRequest { name: name.to_owned(), reason, request_id, ..Default::default() };
        let answer = self.incidents.incidents().resolve_incident(request).await;
        self.say("resolves", name, answer.err());
    }

    /// Decides about what is offered.
    async fn decide(&self) {
        let offered: Vec<Action> = {
            let (seen, decided) = (self.ground.witness.seen(), self.decided());
            let waits = |action: &&Action| action.state() == ActionState::AwaitingApproval;
            seen.actions.values().filter(waits).filter(|action| !decided.contains(&action.name)).cloned().collect()
        };
        for action in offered {
            // Not all is decided at the first look.
            if self.draws.happens(500_000) {
                continue;
            }
            self.decided().insert(action.name.clone());
            match self.draws.below(10) {
                0..=4 => {
                    self.approve(&action, &action.digest).await;
                }
                5 => self.race(&action).await,
                6 => {
                    let other = action.digest.chars().rev().collect::<String>();
                    let is_taken = other != action.digest && self.approve(&action, &other).await;
                    self.refuse_to_believe(is_taken, &action, "an approval of another digest");
                    self.approve(&action, &action.digest).await;
                }
                7 | 8 => {
                    let (name, request_id) = (action.name.clone(), self.request_id());
                    let request = RejectActionRequest { name, request_id, ..Default::default() };
                    let answer = self.remediation.remediation().reject_action(request).await;
                    self.say("rejects", &action.name, answer.err());
                }
                // Nobody looks.
                _ => {}
            }
        }
    }

    /// Approves; whether that was taken. Only the digest that was offered counts as an approval that was given.
    async fn approve(&self, action: &Action, digest: &str) -> bool {
        let (name, digest) = (action.name.clone(), digest.to_owned());
        if digest == action.digest {
            self.ground.witness.seen().approvals.insert((name.clone(), digest.clone()));
        }
        let request = ApproveActionRequest { name, digest, request_id: self.request_id(), ..Default::default() };
        let answer = self.remediation.remediation().approve_action(request).await;
        let is_taken = answer.is_ok();
        self.say("approves", &action.name, answer.err());
        is_taken
    }

    /// Two approve at once; one of them wins.
    async fn race(&self, action: &Action) {
        let (first, second) = tokio::join!(self.approve(action, &action.digest), self.approve(action, &action.digest));
        self.refuse_to_believe(first && second, action, "two approvals");
    }

    fn refuse_to_believe(&self, is_taken: bool, action: &Action, what: &str) {
        if is_taken {
            self.ground.witness.accuse(Rule::Policy, format!("{}: {what} was taken", action.name));
        }
    }

    /// Stops everything, or has some of it left alone for some time.
    async fn hold(&self) {
        match self.draws.below(3) {
            0 => self.switch(true).await,
            1 => self.freeze().await,
            _ => self.maintain().await,
        }
    }

    async fn switch(&self, engaged: bool) {
        let note = if engaged { "stop" } else { "go on" };
        let request = SetKillSwitchRequest { engaged, note: note.to_owned(), ..Default::default() };
        let answer = self.remediation.remediation().set_kill_switch(request).await;
        self.say("moves", "killSwitch", answer.err());
    }

    /// The pattern of one service, or of all.
    fn some_services(&self) -> String {
        let some = self.draws.one_of(&self.standings).map_or_else(String::new, |(name, _)| pattern_of(name));
        if self.draws.happens(300_000) { "shop/*@demo".to_owned() } else { some }
    }

    async fn freeze(&self) {
        let pattern = self.some_services();
        let lasts = Duration::from_secs(FREEZE_MIN_S + self.draws.below(FREEZE_MORE_S));
        let request = CreateFreezeRequest {
            services: vec![pattern.clone()],
            duration: Some(lasts.into()),
            note: "leave it".to_owned(),
            request_id: self.request_id(),
            ..Default::default()
        };
        let answer = self.remediation.remediation().create_freeze(request).await;
        self.say("freezes", &pattern, answer.err());
    }

    async fn end_freezes(&self, now: Timestamp) {
        let held = self.ground.witness.seen().frozen(now);
        for name in held {
            let request = EndFreezeRequest { name: name.clone(), ..Default::default() };
            let answer = self.remediation.remediation().end_freeze(request).await;
            self.say("ends", &name, answer.err());
        }
    }

    /// Works on services: nobody is told of their incidents meanwhile, and nothing is repaired.
    async fn maintain(&self) {
        let pattern = self.some_services();
        let lasts = Duration::from_secs(WINDOW_MIN_S + self.draws.below(WINDOW_MORE_S));
        let request = CreateMaintenanceWindowRequest {
            services: vec![pattern.clone()],
            duration: Some(lasts.into()),
            note: "at work on it".to_owned(),
            request_id: self.request_id(),
            ..Default::default()
        };
        let answer = self.incidents.incidents().create_maintenance_window(request).await;
        self.say("works on", &pattern, answer.err());
    }

    async fn end_windows(&self, now: Timestamp) {
        let maintained = self.ground.witness.seen().maintained(now);
        for name in maintained {
            let request = EndMaintenanceWindowRequest { name: name.clone(), ..Default::default() };
            let answer = self.incidents.incidents().end_maintenance_window(request).await;
            self.say("ends", &name, answer.err());
        }
    }

    /// What somebody does who is in the way.
    async fn meddle(&self) {
        let is_stopped = self.ground.witness.seen().switch.is_some();
        match self.draws.below(100) {
            0..=2 => self.switch(true).await,
            3..=5 => self.freeze().await,
            6..=7 => self.withdraw().await,
            8..=9 => self.take_back().await,
            10..=12 => self.move_somebody(),
            13 => self.end_something().await,
            14..=20 => self.end_freezes(self.ground.now()).await,
            21..=35 if is_stopped => self.switch(false).await,
            36..=38 => self.maintain().await,
            39..=45 => self.end_windows(self.ground.now()).await,
            _ => {}
        }
    }

    /// Withdraws an action that waits or is under way.
    async fn withdraw(&self) {
        let states = [ActionState::AwaitingApproval, ActionState::Approved, ActionState::Executing];
        let Some(name) = self.action_in(&states) else { return };
        let request = CancelActionRequest { name: name.clone(), request_id: self.request_id(), ..Default::default() };
        let answer = self.remediation.remediation().cancel_action(request).await;
        self.say("cancels", &name, answer.err());
    }

    /// Has an action taken back.
    async fn take_back(&self) {
        let Some(name) = self.action_in(&[ActionState::Executing, ActionState::Verifying]) else { return };
        let request = RollBackActionRequest { name: name.clone(), request_id: self.request_id(), ..Default::default() };
        let answer = self.remediation.remediation().roll_back_action(request).await;
        self.say("rolls back", &name, answer.err());
    }

    async fn end_something(&self) {
        let open: Vec<String> = {
            let seen = self.ground.witness.seen();
            let lives = seen.incidents.values().filter(|incident| incident.end_time.is_none());
            lives.filter(|incident| incident.state() != State::Open).map(|incident| incident.name.clone()).collect()
        };
        if let Some(name) = self.draws.one_of(&open) {
            self.resolve(name).await;
        }
    }

    fn action_in(&self, states: &[ActionState]) -> Option<String> {
        let seen = self.ground.witness.seen();
        let of_these = seen.actions.values().filter(|action| states.contains(&action.state()));
        let names: Vec<String> = of_these.map(|action| action.name.clone()).collect();
        self.draws.one_of(&names).cloned()
    }

    /// Enrols a service, protects it or takes it out: a policy that is read at the start, so that remediation is ended,
    /// at once, and starts again with the other.
    fn move_somebody(&self) {
        let Some((name, before)) = self.draws.one_of(&self.standings) else { return };
        let choices = [Standing::Unenrolled, Standing::Protected, *before];
        if let Some(standing) = self.draws.one_of(&choices) {
            self.stand(&[(name.clone(), *standing)]);
        }
    }

    /// Nothing waits in between: what is ended sends nothing more, so that whatever departs from now on is by the other
    /// policy.
    fn stand(&self, standings: &[(String, Standing)]) {
        let is_so =
            |(name, standing): &(String, Standing)| self.ground.witness.seen().standings.get(name) == Some(standing);
        if standings.iter().all(is_so) {
            return;
        }
        for process in self.processes.layout.running(ServiceName::Remediation) {
            if let Some(life) = self.processes.life(&process) {
                life.kill();
            }
        }
        self.ground.witness.seen().standings.extend(standings.iter().cloned());
        self.ground.log.say(&"people", &format!("decide that {standings:?}"));
    }

    /// Lets everything go on, maintenance too: no incident under it is repaired or late, and people are told of none.
    async fn let_go(&self) {
        self.stand(&self.standings);
        if self.ground.witness.seen().switch.is_some() {
            self.switch(false).await;
        }
        self.end_freezes(self.ground.now()).await;
        self.end_windows(self.ground.now()).await;
    }

    fn decided(&self) -> std::sync::MutexGuard<'_, BTreeSet<String>> {
        self.decided.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn request_id(&self) -> String {
        format!("people-{:016x}", self.draws.any())
    }

    /// Notes what somebody did, and what they were told.
    fn say(&self, did: &str, what: &str, error: Option<tonic::Status>) {
        let told = error.map_or_else(|| "done".to_owned(), |error| format!("{:?} {}", error.code(), error.message()));
        self.ground.log.say(&"people", &format!("{did} {what}: {told}"));
    }
}
