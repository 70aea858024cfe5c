//! What faults and controls came to, by what the simulator says that it did.

use std::collections::BTreeMap;

use anyhow::Context;
use llm_sre_domain::Timestamp;
use llm_sre_proto::convert::common::from_proto_time;
use llm_sre_proto::diagnosis::v1::{Diagnosis, ListDiagnosesRequest};
use llm_sre_proto::incident::v1::{Incident, ListIncidentsRequest, ResolutionReason, State};
use llm_sre_proto::remediation::v1::{Action, ActionState, ListActionsRequest};
use llm_sre_proto::simulator::v1::{Fault, FaultState, ListFaultsRequest};
use llm_sre_proto::telemetry::v1::ServiceIdentity;
use serde::Serialize;

use super::calibration::{Stated, stated};
use super::is_control;
use crate::client::{Services, kind_text, service_text, what};
use crate::output;

/// Diagnoses of an incident that are looked at; more than it can have.
pub(crate) const DIAGNOSES_MAX: i32 = 200;
/// Hypotheses that an outcome names.
const HYPOTHESES_SAID: usize = 5;

/// The incidents of a chain so far, and how often each was opened.
pub(super) type Known = BTreeMap<String, usize>;

/// How a fault or control ended.
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
    /// Whether the shop called everything by other names than in the demo.
    pub(super) is_renamed: bool,
    /// Whether an action of the catalogue cures it. What none cures has to be escalated, and left as it was.
    pub(super) is_curable: bool,
    /// Whether it set in while another one was being repaired, and how often it had been there before.
    pub(super) is_during: bool,
    pub(super) returned: u8,
    /// Whether policy allows no further attempt, so that it has to be left to people.
    pub(super) is_for_people: bool,
    /// Attempts that its incident met in earlier lives.
    pub(super) attempts_before: usize,
    pub(super) ending: Ending,
    /// Incidents of the fault, and those that were opened, or opened again, without one.
    pub(super) incidents: usize,
    pub(super) early_incidents: usize,
    /// Incidents beside the fault and those of its moment that are of none of them.
    pub(super) unclaimed_incidents: usize,
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
    /// What its incidents' first diagnoses were sure of, and whether it was so. The first outcome of a moment has what
    /// was said of incidents that are of none of its faults, too.
    pub(super) stated: Vec<Stated>,
    /// What the first diagnosis says, most likely first, and what it argues from, oldest first.
    pub(super) hypotheses: Vec<String>,
    pub(super) evidence: Vec<String>,
    pub(super) actions: Vec<String>,
    /// How many of them were carried out in vain and not taken back.
    pub(super) left_behind: usize,
    /// What the incidents' timelines say, for who looks into it.
    pub(super) timeline: Vec<String>,
}

impl Outcome {
    /// Whether one incident named the true service first and was repaired; or called a person and left nothing behind,
    /// where nothing cures the fault or policy allows no further attempt; or a control was left alone; and nothing was
    /// opened beside that.
    pub(super) fn went_well(&self) -> bool {
        let is_quiet = self.early_incidents + self.unclaimed_incidents == 0;
        let is_one = is_quiet && self.incidents == 1 && self.rank == Some(1);
        match self.ending {
            Ending::Repaired => is_one && !self.is_for_people,
            // Whom nobody may act for is not asked whom it would have named.
            Ending::Escalated if self.is_for_people => is_quiet && self.incidents == 1 && self.left_behind == 0,
            Ending::Escalated => is_one && !self.is_curable && self.left_behind == 0,
            Ending::Quiet => is_quiet && self.actions.is_empty(),
            _ => false,
        }
    }
}

impl Outcome {
    /// Whether a repair cured it.
    pub(super) fn is_repaired(&self) -> bool {
        self.ending == Ending::Repaired
    }

    /// Notes that it was there so often before, where policy allows so many attempts. A cure may have taken more than one.
    pub(super) fn comes_back(&mut self, times: u8, attempts_max: u32) {
        let attempts_max = attempts_max as usize;
        self.returned = times;
        self.is_for_people = usize::from(times) >= attempts_max || self.attempts_before >= attempts_max;
    }
}

/// An incident, and what was made of it since it was opened last.
struct Case {
    incident: Incident,
    /// The first there was.
    diagnosis: Option<Diagnosis>,
    actions: Vec<Action>,
    /// Actions that were carried out for it before that.
    attempts_before: usize,
}

impl Case {
    async fn read(services: &Services, incident: Incident) -> anyhow::Result<Self> {
        let request = ListActionsRequest { parent: incident.name.clone(), ..ListActionsRequest::default() };
        let listed = services.remediation().list_actions(request).await?.into_inner().actions;
        let (parent, page_size) = (incident.name.clone(), DIAGNOSES_MAX);
        let request = ListDiagnosesRequest { parent, page_size, ..ListDiagnosesRequest::default() };
        let found = services.diagnoses().list_diagnoses(request).await?.into_inner().diagnoses;
        let began = time(incident.reopen_time.as_ref());
        let of_this_life = found.into_iter().filter(|diagnosis| time(diagnosis.create_time.as_ref()) >= began);
        let diagnosis = of_this_life.min_by_key(|diagnosis| diagnosis.ordinal);
        let is_of_this_life = |action: &Action| time(action.create_time.as_ref()) >= began;
        let (actions, before): (Vec<Action>, Vec<Action>) = listed.into_iter().partition(is_of_this_life);
        let attempts_before = before.iter().filter(|action| action.execute_time.is_some()).count();
        Ok(Self { incident, diagnosis, actions, attempts_before })
    }
}

/// The incidents of one moment, by what they are of.
struct Cases {
    /// Those of each fault, in order of detection.
    own: Vec<Vec<Case>>,
    /// Those of none, and those from before it.
    unclaimed: Vec<Case>,
    early: Vec<Case>,
}

/// What the faults of one moment came to. Incidents that are `known` are of moments before it, unless they were opened
/// again since.
pub(super) async fn judge(
    services: &Services,
    seed: u64,
    names: &[String],
    known: &mut Known,
) -> anyhow::Result<Vec<Outcome>> {
    let listed = services.simulator().list_faults(ListFaultsRequest::default()).await?.into_inner().faults;
    let found = names.iter().map(|name| listed.iter().find(|fault| fault.name == *name).cloned());
    let faults = found.collect::<Option<Vec<Fault>>>().context("a fault is gone")?;
    let mut opened = incidents(services).await?;
    opened.retain(|incident| {
        let openings = incident.timeline.iter().filter(|entry| entry.state() == State::Open).count();
        known.insert(incident.name.clone(), openings).is_none_or(|before| openings > before)
    });
    opened.sort_by_key(detected);
    let started = first_start(&faults);
    let own = faults.iter().map(|_| Vec::new()).collect();
    let mut cases = Cases { own, unclaimed: Vec::new(), early: Vec::new() };
    for incident in opened {
        let case = Case::read(services, incident).await?;
        let of = if detected(&case.incident) < started {
            &mut cases.early
        } else {
            match claim(&case.incident, case.diagnosis.as_ref(), &faults) {
                Some(index) => &mut cases.own[index],
                None => &mut cases.unclaimed,
            }
        };
        of.push(case);
    }
    let judged = faults.iter().zip(&cases.own).map(|(fault, own)| outcome(seed, fault, own, &cases));
    let mut outcomes: Vec<Outcome> = judged.collect();
    let beside = cases.early.iter().chain(&cases.unclaimed).flat_map(|case| &case.diagnosis);
    if let Some(first) = outcomes.first_mut() {
        first.stated.extend(beside.flat_map(|diagnosis| stated(diagnosis, None)));
    }
    Ok(outcomes)
}

/// Which fault an incident is of: the one whose service its first diagnosis names first, or else its subject, or else
/// the first that its diagnosis names at all. Of a fault that is alone is every incident, whatever it names.
fn claim(incident: &Incident, diagnosis: Option<&Diagnosis>, faults: &[Fault]) -> Option<usize> {
    if faults.len() == 1 {
        return Some(0);
    }
    let hypotheses = diagnosis.map(|diagnosis| diagnosis.hypotheses.as_slice()).unwrap_or_default();
    let mut named: Vec<&Option<ServiceIdentity>> = hypotheses.iter().map(|hypothesis| &hypothesis.service).collect();
    named.insert(named.len().min(1), &incident.service);
    named.into_iter().find_map(|service| faults.iter().position(|fault| fault.service == *service))
}

fn outcome(seed: u64, fault: &Fault, own: &[Case], cases: &Cases) -> Outcome {
    let started = time(fault.start_time.as_ref());
    let after = |time: Timestamp| time.since(started).as_secs_f64();
    let first = own.first().map(|case| &case.incident);
    let diagnosis = own.first().and_then(|case| case.diagnosis.as_ref());
    let ended = first.filter(|incident| incident.state() == State::Resolved);
    let beside = || cases.early.iter().chain(&cases.unclaimed);
    Outcome {
        fault: kind_text(fault),
        service: service_text(fault.service.as_ref()),
        onset: output::short(fault.onset().as_str_name(), "FAULT_ONSET_"),
        seed,
        is_renamed: false,
        is_curable: !fault.cure.is_empty(),
        is_during: false,
        returned: 0,
        is_for_people: false,
        attempts_before: own.iter().map(|case| case.attempts_before).max().unwrap_or_default(),
        ending: ending(fault, own),
        incidents: own.len(),
        early_incidents: cases.early.len(),
        unclaimed_incidents: cases.unclaimed.len(),
        rank: diagnosis.and_then(|diagnosis| rank(diagnosis, fault)),
        detected_s: first.map(|incident| after(detected(incident))),
        diagnosed_s: diagnosis.map(|diagnosis| after(time(diagnosis.end_time.as_ref()))),
        recovered_s: ended.map(|incident| after(detected_end(incident))),
        audit: String::new(),
        written: String::new(),
        stated: own.iter().flat_map(|case| &case.diagnosis).flat_map(|said| stated(said, Some(fault))).collect(),
        hypotheses: diagnosis.into_iter().flat_map(said).collect(),
        evidence: diagnosis.into_iter().flat_map(|diagnosis| argued(diagnosis, started)).collect(),
        actions: own.iter().chain(beside()).flat_map(|case| case.actions.iter().map(done)).collect(),
        left_behind: own.iter().chain(beside()).flat_map(|case| &case.actions).filter(|action| is_left(action)).count(),
        timeline: beside().chain(own).flat_map(|case| told(&case.incident, started)).collect(),
    }
}

fn ending(fault: &Fault, own: &[Case]) -> Ending {
    let any = |is: &dyn Fn(&Incident) -> bool| own.iter().any(|case| is(&case.incident));
    // Gone before the fault was: nobody can have measured that it recovered.
    let is_early =
        |incident: &Incident| fault.end_time.is_none() || detected_end(incident) < time(fault.end_time.as_ref());
    let is_measured = |incident: &Incident| {
        let reason = incident.resolution.as_ref().map(|resolution| resolution.reason());
        reason == Some(ResolutionReason::Measured)
    };
    match (is_control(fault.kind()), own.is_empty()) {
        (true, true) => Ending::Quiet,
        (true, false) => Ending::FalseAlarm,
        (false, true) => Ending::Missed,
        _ if any(&|incident| incident.state() == State::Resolved && is_early(incident)) => Ending::FalselyResolved,
        _ if any(&|incident| incident.state() == State::Escalated) => Ending::Escalated,
        _ if any(&|incident| !matches!(incident.state(), State::Resolved | State::Duplicate)) => Ending::Unended,
        _ if fault.state() == FaultState::Cured && any(&is_measured) => Ending::Repaired,
        _ => Ending::ClosedOtherwise,
    }
}

/// All incidents that there are.
pub(crate) async fn incidents(services: &Services) -> anyhow::Result<Vec<Incident>> {
    Ok(services.incidents().list_incidents(ListIncidentsRequest::default()).await?.into_inner().incidents)
}

/// Whether an action was carried out, and neither helped nor was taken back.
fn is_left(action: &Action) -> bool {
    action.execute_time.is_some() && !matches!(action.state(), ActionState::Succeeded | ActionState::RolledBack)
}

/// An action, and what came of it.
fn done(action: &Action) -> String {
    let measured = action.recovery.as_ref().map_or(String::new(), |recovery| format!(": {}", recovery.reason));
    let ended = output::short(action.state().as_str_name(), "ACTION_STATE_");
    format!("{} {ended}{measured}", what(action))
}

fn said(diagnosis: &Diagnosis) -> impl Iterator<Item = String> {
    diagnosis.hypotheses.iter().take(HYPOTHESES_SAID).map(|hypothesis| {
        let cause = output::short(hypothesis.cause().as_str_name(), "CAUSE_KIND_");
        format!("{} {cause} {:.2}", service_text(hypothesis.service.as_ref()), hypothesis.confidence)
    })
}

/// Each fact of a diagnosis, by its time after the fault, and what it says that it could not look at.
fn argued(diagnosis: &Diagnosis, started: Timestamp) -> impl Iterator<Item = String> {
    let facts = diagnosis.evidence.iter().map(move |fact| {
        let at = time(fact.time.as_ref()).as_nanos() - started.as_nanos();
        format!("{:>6} s  {}: {}", at / 1_000_000_000, service_text(fact.service.as_ref()), fact.summary)
    });
    facts.chain(diagnosis.gaps.iter().map(|gap| format!("not known: {}: {}", gap.subject, gap.reason)))
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

/// When the first of some faults began.
pub(crate) fn first_start(faults: &[Fault]) -> Timestamp {
    faults.iter().map(|fault| time(fault.start_time.as_ref())).min().unwrap_or_default()
}

/// When it was seen, for the last time where it was opened again.
pub(crate) fn detected(incident: &Incident) -> Timestamp {
    time(incident.reopen_time.as_ref().or(incident.detect_time.as_ref()))
}

fn detected_end(incident: &Incident) -> Timestamp {
    time(incident.end_time.as_ref())
}

fn time(time: Option<&pbjson_types::Timestamp>) -> Timestamp {
    time.map(from_proto_time).unwrap_or_default()
}

#[cfg(test)]
mod tests;
