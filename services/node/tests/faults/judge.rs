//! What a repetition came to, and what is wrong with it.

use std::collections::{BTreeMap, BTreeSet};

use llm_sre_proto::diagnosis::v1::{Diagnosis, Hypothesis, ListDiagnosesRequest};
use llm_sre_proto::incident::v1::{Incident, ResolutionReason, State};

use crate::class::Class;
use crate::ledger::{Balance, Ends, Stored};
use crate::search::Search;
use crate::system::System;
use crate::target::Done;

/// How long an incident that waits for a person stays as it is, in seconds of the shop, before nothing more comes of it.
const GIVEN_UP_AFTER_S: i64 = 300;

/// How the incidents and actions stood before the shop broke.
pub(crate) struct Before {
    incidents: BTreeMap<String, String>,
    actions: usize,
}

/// What came of it.
#[derive(Default)]
pub(crate) struct After {
    /// The incidents that opened, or went on, and how.
    pub(crate) incidents: Vec<String>,
    /// What was done to the shop.
    pub(crate) actions: Vec<String>,
    pub(crate) wrong: Vec<String>,
    /// The story of each incident that is wrong.
    pub(crate) story: Vec<String>,
}

impl Before {
    pub(crate) fn look(system: &System) -> Self {
        let known = |incident: Incident| (incident.name.clone(), standing(&incident));
        let incidents = system.detector.all_incidents().into_iter().map(known).collect();
        Self { incidents, actions: system.recorder.done().len() }
    }

    /// The incidents that are not as they were.
    fn changed(&self, system: &System) -> Vec<Incident> {
        let is_changed = |incident: &Incident| self.incidents.get(&incident.name) != Some(&standing(incident));
        system.detector.all_incidents().into_iter().filter(is_changed).collect()
    }

    /// Whether there was an incident, and it ended. One that waits for a person may go on by itself when more is known.
    pub(crate) fn is_over(&self, system: &System) -> bool {
        let Some(now_s) = system.shop_time_s() else { return false };
        let changed = self.changed(system);
        let is_over = |incident: &Incident| match incident.state() {
            State::Resolved | State::Duplicate => true,
            State::Escalated => {
                let newest = incident.timeline.iter().filter_map(|entry| entry.time.as_ref()).next_back();
                newest.is_some_and(|newest| now_s - newest.seconds > GIVEN_UP_AFTER_S)
            }
            _ => false,
        };
        changed.iter().any(|incident| !is_own(incident)) && changed.iter().all(is_over)
    }

    /// Compares how it is with how it was. `cure` is the type of the one action that repairs the shop. That no telemetry
    /// came, where the class keeps it away, is an incident of its own and ends by itself.
    pub(crate) fn judge(&self, system: &System, class: Class, cure: &str) -> After {
        let changed = self.changed(system);
        let mut after = After { incidents: changed.iter().map(standing).collect(), ..After::default() };
        let done: Vec<Done> = system.recorder.done().split_off(self.actions);
        after.actions = done.iter().map(|done| done.what.clone()).collect();
        let (own, shop): (Vec<&Incident>, Vec<&Incident>) = changed.iter().partition(|incident| is_own(incident));
        if shop.len() != 1 {
            after.wrong.push(format!("one cause was {} incidents", shop.len()));
        }
        let is_expected = |incident: &Incident| class.may_silence() && is_by(incident, ResolutionReason::SelfRecovered);
        for incident in own.into_iter().filter(|incident| !is_expected(incident)) {
            after.wrong.push(format!("{} is {}", incident.name, standing(incident)));
        }
        for incident in shop {
            if self.incidents.contains_key(&incident.name) {
                after.wrong.push(format!("{} went on though another service broke", incident.name));
            }
            if !is_by(incident, ResolutionReason::Measured) {
                after.wrong.push(format!("{} is {}", incident.name, standing(incident)));
            }
        }
        if !system.is_shop_well() {
            after.wrong.push("the shop is broken still".to_owned());
        }
        let different: BTreeSet<&String> = after.actions.iter().collect();
        if different.len() != after.actions.len() {
            after.wrong.push(format!("an action was done twice: {:?}", after.actions));
        }
        if !matches!(&after.actions[..], [only] if only.starts_with(cure)) {
            after.wrong.push(format!("the one repair was {cure}, and done was {:?}", after.actions));
        }
        if !after.wrong.is_empty() {
            let story = |incident: &Incident| {
                let request = diagnoses_of(incident);
                let found = system.runtime.block_on(system.diagnoses.list_diagnoses(request));
                told(incident, found.map(|found| found.diagnoses).unwrap_or_default())
            };
            after.story = changed.iter().flat_map(story).collect();
        }
        after
    }
}

/// Compares what the store holds with what the bus acknowledged. What was there at `settled` was indexed.
pub(crate) fn balance(system: &mut System, search: &Search, settled: &Ends) -> Balance {
    let prefix = system.prefix.clone();
    let of = |kind| search.ids(&prefix, kind);
    let (points, logs, changes, calls) = (of("points"), of("logs"), of("changes"), of("calls"));
    let ledger = &mut system.ledger;
    let read = async {
        let dead = ledger.dead_letters().await;
        // What was stored meanwhile is on the topics by now.
        let ends = ledger.ends().await;
        ledger.read_to(&ends).await;
        dead
    };
    let dead = system.runtime.block_on(read);
    system.ledger.balance(Stored { points, logs, changes, calls, dead }, settled)
}

fn is_by(incident: &Incident, expected: ResolutionReason) -> bool {
    let reason = incident.resolution.as_ref().map(|resolution| resolution.reason());
    incident.state() == State::Resolved && reason == Some(expected)
}

/// Whether it is about the product itself.
fn is_own(incident: &Incident) -> bool {
    incident.service.as_ref().is_some_and(|service| service.namespace == "llm-sre")
}

/// Where an incident stands, and how often it was opened.
fn standing(incident: &Incident) -> String {
    let state = incident.state().as_str_name().trim_start_matches("STATE_");
    let reason = incident.resolution.as_ref().map(|resolution| resolution.reason().as_str_name());
    let reason = reason.unwrap_or_default().trim_start_matches("RESOLUTION_REASON_");
    let openings = incident.timeline.iter().filter(|entry| entry.state() == State::Open).count();
    format!("{state} {reason} {}, opened {openings} times", incident.title)
}

/// Asks for how an incident was explained.
pub(crate) fn diagnoses_of(incident: &Incident) -> ListDiagnosesRequest {
    ListDiagnosesRequest { parent: incident.name.clone(), ..ListDiagnosesRequest::default() }
}

/// The steps of an incident, and how it was explained and how sure that is.
pub(crate) fn told(incident: &Incident, diagnoses: Vec<Diagnosis>) -> Vec<String> {
    let mut said = vec![format!("{}: {}", incident.name, incident.title)];
    said.extend(incident.timeline.iter().map(|entry| {
        let at = entry.time.as_ref().map(|time| time.seconds).unwrap_or_default();
        format!("  {at} {} {}", entry.state().as_str_name().trim_start_matches("STATE_"), entry.message)
    }));
    for diagnosis in diagnoses {
        let supposed = |hypothesis: &Hypothesis| format!("  {:.2} {}", hypothesis.confidence, hypothesis.statement);
        said.extend(diagnosis.hypotheses.iter().map(supposed));
        said.extend(diagnosis.gaps.iter().map(|gap| format!("  not known: {}: {}", gap.subject, gap.reason)));
    }
    said
}
