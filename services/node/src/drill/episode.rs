//! One shop, one fault or control, and what the product made of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use llm_sre_domain::Timestamp;
use llm_sre_ports::clock::{Clock, ScaledClock};
use llm_sre_proto::convert::common::from_proto_time;
use llm_sre_proto::diagnosis::v1::{Diagnosis, ListDiagnosesRequest};
use llm_sre_proto::incident::v1::{Incident, ListIncidentsRequest, ResolutionReason, State};
use llm_sre_proto::remediation::v1::ListActionsRequest;
use llm_sre_proto::simulator::v1::{Fault, FaultKind, FaultState, InjectFaultRequest, ListFaultsRequest};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::written::Written;
use super::{FAULTS, mixed};
use crate::client::audit::verified;
use crate::client::{Services, kind_text, service_text, what};
use crate::{demo, output, wiring};

/// When every drill begins: 2026-01-05, so that the same seed gives the same telemetry.
const EPOCH_S: i64 = 1_767_600_000;
/// How long a shop runs before something happens: at least so long, and up to so much longer by its seed.
const WARM_UP: Duration = Duration::from_secs(15 * 60);
const WARM_UP_MORE_S: u64 = 30 * 60;
/// How long a shop is well between two faults: at least so long, and up to so much longer by its seed.
const PAUSE: Duration = Duration::from_secs(60);
const PAUSE_MORE_S: u64 = 9 * 60;
/// How long an incident may take from the fault to its end, and how long is watched after that for what comes late.
const EPISODE_MAX: Duration = Duration::from_secs(3 * 3_600);
const AFTERWARDS: Duration = Duration::from_secs(15 * 60);
/// Hypotheses that an outcome names.
const HYPOTHESES_SAID: usize = 5;
/// How often a service is drawn for one more fault.
const DRAWS_MAX: u64 = 64;
/// How often is looked.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// What is to happen.
#[derive(Clone, Debug)]
pub(super) struct Episode {
    pub(super) kind: FaultKind,
    /// Which service; drawn from the seed where it is empty.
    pub(super) service: String,
    /// How many faults there are, the others drawn, one after the other.
    pub(super) chain: u8,
    pub(super) seed: u64,
}

/// The incidents of a chain so far, and how often each was opened.
type Known = BTreeMap<String, usize>;

/// How an episode ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Ending {
    /// The fault was repaired, and recovery measured.
    Repaired,
    /// A person was called.
    Escalated,
    /// An incident was closed although the fault was still at work.
    FalselyResolved,
    /// The incident closed, but not by a repair.
    ClosedOtherwise,
    /// No incident was opened for a fault.
    Missed,
    /// The incident did not end in time.
    Unended,
    /// A control, and nothing was opened.
    Quiet,
    /// A control, and an incident was opened.
    FalseAlarm,
}

/// What happened. Times are in seconds after the fault began.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Outcome {
    pub(super) fault: String,
    pub(super) service: String,
    pub(super) onset: String,
    pub(super) seed: u64,
    pub(super) ending: Ending,
    /// Incidents of the fault, and those that were opened, or opened again, without one.
    pub(super) incidents: usize,
    pub(super) early_incidents: usize,
    /// The place of the true service among the hypotheses of the first diagnosis, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) rank: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) detected_s: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) diagnosed_s: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) recovered_s: Option<f64>,
    /// The newest hash of the shop's audit record after its last fault; its chain was verified.
    pub(super) audit: String,
    /// A hash over every write of a document in the shop until then, in their order.
    pub(super) written: String,
    /// What the first diagnosis says, most likely first, and what it argues from, oldest first.
    pub(super) hypotheses: Vec<String>,
    pub(super) evidence: Vec<String>,
    pub(super) actions: Vec<String>,
    /// What the incidents' timelines say, for who looks into it.
    pub(super) timeline: Vec<String>,
}

impl Outcome {
    /// Whether one incident named the true service first and was repaired, or a control was left alone.
    pub(super) fn went_well(&self) -> bool {
        let is_quiet = self.early_incidents == 0;
        match self.ending {
            Ending::Repaired => is_quiet && self.incidents == 1 && self.rank == Some(1),
            Ending::Quiet => is_quiet && self.actions.is_empty(),
            _ => false,
        }
    }
}

impl Episode {
    /// Runs it on this thread, in virtual time. An outcome for each fault.
    pub(super) fn perform(&self) -> anyhow::Result<Vec<Outcome>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build()?;
        runtime.block_on(self.run()).with_context(|| format!("the run with seed {} broke", self.seed))
    }

    async fn run(&self) -> anyhow::Result<Vec<Outcome>> {
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
            simulation: wiring::Simulation { seed: self.seed, speed: 1.0 },
            holder: "drill".to_owned(),
            listens: false,
            config,
        })
        .await?;
        let services = Services::over(node.peer()?);
        let shutdown = CancellationToken::new();
        let running = tokio::spawn(node.run(shutdown.clone()));
        let outcome = self.watch(&services, clock.as_ref(), &written).await;
        shutdown.cancel();
        running.await.context("the services stopped")??;
        outcome
    }

    async fn watch(&self, services: &Services, clock: &dyn Clock, written: &Written) -> anyhow::Result<Vec<Outcome>> {
        clock.sleep(WARM_UP + Duration::from_secs((self.seed >> 16) % WARM_UP_MORE_S)).await;
        let mut outcomes: Vec<Outcome> = Vec::new();
        let mut known = Known::new();
        for turn in 0..self.chain {
            let outcome = self.live_through(services, clock, turn, &outcomes, &mut known).await?;
            let is_over = !outcome.went_well();
            outcomes.push(outcome);
            if is_over {
                break;
            }
        }
        let chain = verified(services.clone(), |_| ()).await.context("the audit record does not verify")?;
        for outcome in &mut outcomes {
            outcome.audit = chain.head().to_string();
            outcome.written = written.hash();
        }
        Ok(outcomes)
    }

    /// Injects a fault, waits for what it comes to, and for what comes late.
    async fn live_through(
        &self,
        services: &Services,
        clock: &dyn Clock,
        turn: u8,
        before: &[Outcome],
        known: &mut Known,
    ) -> anyhow::Result<Outcome> {
        let request = self.request(services, turn, before).await?;
        let fault = services.simulator().inject_fault(request).await?.into_inner();
        let started = time(fault.start_time.as_ref());
        let deadline = started + EPISODE_MAX;
        while clock.now() < deadline && !self.is_over(services, started).await? {
            clock.sleep(LOOK_EVERY).await;
        }
        let is_last = turn + 1 == self.chain;
        let pause = PAUSE + Duration::from_secs((mixed(self.seed, turn.into()) >> 16) % PAUSE_MORE_S);
        clock.sleep(if is_last { AFTERWARDS } else { pause }).await;
        self.judge(services, &fault.name, known).await
    }

    /// What is broken at this turn: at the first what was asked for, then what the seed draws, on a service that was well
    /// so far, since trouble that comes back to a service reopens its incident.
    async fn request(&self, services: &Services, turn: u8, before: &[Outcome]) -> anyhow::Result<InjectFaultRequest> {
        if turn == 0 {
            let (kind, service_name) = (self.kind.into(), self.service.clone());
            return Ok(InjectFaultRequest { kind, service_name, seed: self.seed, ..InjectFaultRequest::default() });
        }
        for draw in 0..DRAWS_MAX {
            let seed = mixed(self.seed, u64::from(turn) * DRAWS_MAX + draw);
            let kind = FAULTS[usize::try_from(seed >> 40)? % FAULTS.len()];
            let request = InjectFaultRequest { kind: kind.into(), seed, ..InjectFaultRequest::default() };
            let asked = InjectFaultRequest { validate_only: true, ..request.clone() };
            let drawn = services.simulator().inject_fault(asked).await?.into_inner();
            let service = service_text(drawn.service.as_ref());
            if before.iter().all(|outcome| outcome.service != service) {
                return Ok(request);
            }
        }
        bail!("no service is left that was well so far")
    }

    /// Whether nothing more is to be waited for: the incident ended or was escalated, or the control is over.
    async fn is_over(&self, services: &Services, started: Timestamp) -> anyhow::Result<bool> {
        let opened: Vec<Incident> =
            incidents(services).await?.into_iter().filter(|incident| detected(incident) >= started).collect();
        let is_over =
            |incident: &Incident| matches!(incident.state(), State::Resolved | State::Duplicate | State::Escalated);
        if self.kind == FaultKind::TrafficPeak && opened.is_empty() {
            let faults = services.simulator().list_faults(ListFaultsRequest::default()).await?.into_inner().faults;
            return Ok(faults.iter().all(|fault| fault.state() != FaultState::Active));
        }
        Ok(!opened.is_empty() && opened.iter().all(is_over))
    }

    /// What a fault came to. Incidents that are `known` are of faults before it, unless they were opened again since.
    async fn judge(&self, services: &Services, name: &str, known: &mut Known) -> anyhow::Result<Outcome> {
        let faults = services.simulator().list_faults(ListFaultsRequest::default()).await?.into_inner().faults;
        let fault = faults.into_iter().find(|fault| fault.name == name).context("the fault is gone")?;
        let started = time(fault.start_time.as_ref());
        let (mut own, early): (Vec<_>, Vec<_>) = incidents(services)
            .await?
            .into_iter()
            .filter(|incident| {
                let openings = incident.timeline.iter().filter(|entry| entry.state() == State::Open).count();
                known.insert(incident.name.clone(), openings).is_none_or(|before| openings > before)
            })
            .partition(|incident| detected(incident) >= started);
        own.sort_by_key(detected);
        let first = own.first();
        let mut actions = Vec::new();
        for incident in own.iter().chain(&early) {
            let request = ListActionsRequest { parent: incident.name.clone(), ..ListActionsRequest::default() };
            let listed = services.remediation().list_actions(request).await?.into_inner().actions;
            let text = |action| {
                let state: &llm_sre_proto::remediation::v1::Action = action;
                let measured =
                    state.recovery.as_ref().map_or(String::new(), |recovery| format!(": {}", recovery.reason));
                let ended = output::short(state.state().as_str_name(), "ACTION_STATE_");
                format!("{} {ended}{measured}", what(action))
            };
            actions.extend(listed.iter().map(text));
        }
        let diagnosis = match first {
            Some(incident) => first_diagnosis(services, &incident.name).await?,
            None => None,
        };
        let after = |time: Timestamp| time.since(started).as_secs_f64();
        let ended = first.filter(|incident| incident.state() == State::Resolved);
        Ok(Outcome {
            fault: kind_text(&fault),
            service: service_text(fault.service.as_ref()),
            onset: output::short(fault.onset().as_str_name(), "FAULT_ONSET_"),
            seed: self.seed,
            ending: ending(&fault, &own),
            incidents: own.len(),
            early_incidents: early.len(),
            rank: diagnosis.as_ref().and_then(|diagnosis| rank(diagnosis, &fault)),
            detected_s: first.map(|incident| after(detected(incident))),
            hypotheses: diagnosis.iter().flat_map(said).collect(),
            evidence: diagnosis.iter().flat_map(|diagnosis| argued(diagnosis, started)).collect(),
            diagnosed_s: diagnosis.map(|diagnosis| after(time(diagnosis.end_time.as_ref()))),
            audit: String::new(),
            written: String::new(),
            recovered_s: ended.map(|incident| after(time(incident.end_time.as_ref()))),
            actions,
            timeline: early.iter().chain(&own).flat_map(|incident| told(incident, started)).collect(),
        })
    }
}

fn ending(fault: &Fault, own: &[Incident]) -> Ending {
    let is_control = fault.kind() == FaultKind::TrafficPeak;
    let reason = |incident: &Incident| incident.resolution.as_ref().map(|resolution| resolution.reason());
    let is_false = |incident: &Incident| {
        // Gone before the fault was: nobody can have measured that it recovered.
        let is_early = fault.end_time.is_none() || detected_end(incident) < time(fault.end_time.as_ref());
        incident.state() == State::Resolved && is_early
    };
    match own {
        [] if is_control => Ending::Quiet,
        _ if is_control => Ending::FalseAlarm,
        [] => Ending::Missed,
        some if some.iter().any(is_false) => Ending::FalselyResolved,
        some if some.iter().any(|incident| incident.state() == State::Escalated) => Ending::Escalated,
        some if some.iter().any(|incident| !matches!(incident.state(), State::Resolved | State::Duplicate)) => {
            Ending::Unended
        }
        some if fault.state() == FaultState::Cured
            && some.iter().any(|incident| reason(incident) == Some(ResolutionReason::Measured)) =>
        {
            Ending::Repaired
        }
        _ => Ending::ClosedOtherwise,
    }
}

async fn incidents(services: &Services) -> anyhow::Result<Vec<Incident>> {
    Ok(services.incidents().list_incidents(ListIncidentsRequest::default()).await?.into_inner().incidents)
}

async fn first_diagnosis(services: &Services, incident: &str) -> anyhow::Result<Option<Diagnosis>> {
    let request = ListDiagnosesRequest { parent: incident.to_owned(), ..ListDiagnosesRequest::default() };
    let found = services.diagnoses().list_diagnoses(request).await?.into_inner().diagnoses;
    Ok(found.into_iter().min_by_key(|diagnosis| diagnosis.ordinal))
}

fn said(diagnosis: &Diagnosis) -> impl Iterator<Item = String> {
    diagnosis.hypotheses.iter().take(HYPOTHESES_SAID).map(|hypothesis| {
        let cause = output::short(hypothesis.cause().as_str_name(), "CAUSE_KIND_");
        format!("{} {cause} {:.2}", service_text(hypothesis.service.as_ref()), hypothesis.confidence)
    })
}

/// Each fact of a diagnosis, by its time after the fault.
fn argued(diagnosis: &Diagnosis, started: Timestamp) -> impl Iterator<Item = String> {
    diagnosis.evidence.iter().map(move |fact| {
        let at = time(fact.time.as_ref()).as_nanos() - started.as_nanos();
        format!("{:>6} s  {}: {}", at / 1_000_000_000, service_text(fact.service.as_ref()), fact.summary)
    })
}

/// Each step of an incident, by its time after the fault.
fn told(incident: &Incident, started: Timestamp) -> impl Iterator<Item = String> {
    incident.timeline.iter().map(move |entry| {
        let at = time(entry.time.as_ref()).as_nanos() - started.as_nanos();
        let state = output::short(entry.state().as_str_name(), "STATE_");
        format!("{:>6} s  {state:<17} {}", at / 1_000_000_000, entry.message)
    })
}

fn rank(diagnosis: &Diagnosis, fault: &Fault) -> Option<usize> {
    let mut services: Vec<_> = diagnosis.hypotheses.iter().map(|hypothesis| &hypothesis.service).collect();
    services.dedup();
    services.iter().position(|service| **service == fault.service).map(|index| index + 1)
}

fn time(time: Option<&pbjson_types::Timestamp>) -> Timestamp {
    time.map(from_proto_time).unwrap_or_default()
}

fn detected(incident: &Incident) -> Timestamp {
    time(incident.detect_time.as_ref())
}

fn detected_end(incident: &Incident) -> Timestamp {
    time(incident.end_time.as_ref())
}
