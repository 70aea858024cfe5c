//! What is known better later.

use super::*;

fn apply(incident: &mut Incident, id: usize, kind: EventKind) -> Vec<Effect> {
    incident.apply(event(id, kind), &Rules::default(), start()).unwrap()
}

/// An incident with a repair that waits for a person.
fn waiting() -> Incident {
    let mut incident = open();
    apply(&mut incident, 1, EventKind::DiagnosisFinished { diagnosis: diagnosis() });
    let proposal = Proposal::NeedsApproval { expires_at: start() + Duration::from_secs(600) };
    apply(&mut incident, 2, EventKind::ActionProposed { action: action(0), proposal, summary: String::new() });
    assert_eq!(incident.state, State::AwaitingApproval);
    incident
}

fn back(anomaly: Anomaly) -> EventKind {
    EventKind::Reopened { anomaly: Box::new(anomaly), severity: Severity::Sev4, coverage: None }
}

fn errors(id: u8) -> EventKind {
    EventKind::AnomalyJoined(Box::new(Anomaly { signal: Signal::Errors, ..anomaly(id, 999_960, 9.0) }))
}

#[test]
fn a_signal_of_another_kind_is_explained_again_and_replaces_what_waits() {
    let mut incident = waiting();
    assert_eq!(apply(&mut incident, 3, EventKind::AnomalyJoined(Box::new(anomaly(1, 999_960, 9.0)))), vec![]);
    assert_eq!(apply(&mut incident, 4, errors(2)), vec![Effect::RequestDiagnosis]);
    assert_eq!(apply(&mut incident, 5, errors(3)), vec![], "the kind is known now");
    assert_eq!(incident.state, State::AwaitingApproval, "it can be approved meanwhile");

    let finished = |id: &str| EventKind::DiagnosisFinished { diagnosis: DiagnosisId::new(id).unwrap() };
    assert_eq!(apply(&mut incident, 6, finished("d1")), vec![], "a late report of the first");
    let effects = apply(&mut incident, 7, finished("d2"));
    assert_eq!(effects, vec![Effect::CancelPendingActions, Effect::RequestPlan]);
    assert_eq!(apply(&mut incident, 8, EventKind::ActionRejected { action: action(0) }), vec![]);
    apply(
        &mut incident,
        9,
        EventKind::ActionProposed { action: action(1), proposal: Proposal::Automatic, summary: String::new() },
    );
    assert_eq!((incident.state, incident.action), (State::Remediating, Some(action(1))));
}

#[test]
fn a_person_who_approves_before_the_better_plan_is_followed() {
    let mut incident = waiting();
    apply(&mut incident, 3, errors(2));
    apply(&mut incident, 4, EventKind::DiagnosisFinished { diagnosis: DiagnosisId::new("d2").unwrap() });
    apply(&mut incident, 5, EventKind::ActionApproved { action: action(0) });
    assert_eq!((incident.state, incident.action), (State::Remediating, Some(action(0))));
}

/// An incident whose first repair did not help and is undone.
fn undone() -> Incident {
    let mut incident = waiting();
    let not_recovered =
        EventKind::Verified { action: action(0), verdict: Verdict::NotRecovered, reason: String::new() };
    apply(&mut incident, 3, EventKind::ActionApproved { action: action(0) });
    apply(&mut incident, 4, EventKind::ActionSucceeded { action: action(0) });
    apply(&mut incident, 5, not_recovered);
    assert_eq!(apply(&mut incident, 6, EventKind::RolledBack { action: action(0) }), [Effect::RequestDiagnosis]);
    incident
}

#[test]
fn what_did_not_help_is_explained_again_and_what_was_known_before_is_not_lost() {
    let unresolved = |diagnosis| EventKind::DiagnosisUnresolved { diagnosis };
    let failed = |diagnosis| EventKind::DiagnosisFailed { diagnosis, reason: "no answer".to_owned() };
    for gives_nothing in [unresolved(super::again()), failed(super::again())] {
        let mut incident = undone();
        assert_eq!(apply(&mut incident, 7, EventKind::DiagnosisStarted { diagnosis: super::again() }), vec![]);
        assert_eq!(apply(&mut incident, 8, gives_nothing), [Effect::RequestPlan], "the one before may have more");
        assert_eq!((incident.state, incident.diagnosis.clone()), (State::Diagnosing, Some(diagnosis())));
    }
    let mut incident = undone();
    apply(&mut incident, 7, unresolved(diagnosis()));
    assert_eq!(incident.state, State::Escalated, "there is no other");

    // Nobody answers at all.
    let mut incident = undone();
    let late = incident.deadline.unwrap();
    incident.apply(event(7, EventKind::DeadlinePassed), &Rules::default(), late).unwrap();
    assert_eq!((incident.state, incident.escalation), (State::Escalated, Some(EscalationReason::Deadline)));
}

#[test]
fn a_new_life_does_not_go_on_from_what_was_known_in_the_last() {
    let mut incident = undone();
    let recovered = EventKind::RecoveryMeasured { verdict: Verdict::Recovered };
    apply(&mut incident, 7, recovered);
    let later = start() + Duration::from_secs(60);
    let back = back(anomaly(1, 1_000_050, 9.0));
    incident.apply(event(8, back), &Rules::default(), later).unwrap();
    assert_eq!(incident.reopened_at, Some(later));
    let started = EventKind::DiagnosisStarted { diagnosis: super::again() };
    incident.apply(event(9, started), &Rules::default(), later).unwrap();
    let other = EventKind::DiagnosisUnresolved { diagnosis: DiagnosisId::new("d3").unwrap() };
    incident.apply(event(10, other), &Rules::default(), later).unwrap();
    assert_eq!(incident.state, State::Escalated, "nothing was tried since it came back");
}

#[test]
fn a_signal_that_only_an_earlier_life_showed_is_news() {
    let mut incident = waiting();
    apply(&mut incident, 3, errors(2));
    apply(&mut incident, 4, EventKind::RecoveryMeasured { verdict: Verdict::Recovered });
    let back = back(anomaly(3, 1_000_050, 9.0));
    apply(&mut incident, 5, back);
    apply(&mut incident, 6, EventKind::DiagnosisStarted { diagnosis: super::again() });
    let joins = |id, signal| {
        let shown = Anomaly { signal, ..anomaly(id, 1_000_060, 9.0) };
        EventKind::AnomalyJoined(Box::new(shown))
    };
    assert_eq!(apply(&mut incident, 7, joins(4, Signal::Latency)), vec![], "it came back with that");
    assert_eq!(apply(&mut incident, 8, joins(5, Signal::Errors)), vec![Effect::RequestDiagnosis]);
    assert_eq!(apply(&mut incident, 9, joins(6, Signal::Errors)), vec![]);
}

#[test]
fn only_the_window_reopens() {
    let rules = Rules::default();
    let back = || {
        let (anomaly, severity) = (Box::new(anomaly(1, 1_000_100, 4.0)), Severity::Sev5);
        EventKind::Reopened { anomaly, severity, coverage: None }
    };
    let mut incident = open();
    incident.apply(event(0, EventKind::RecoveryMeasured { verdict: Verdict::Recovered }), &rules, start()).unwrap();
    let late = start() + Duration::from_secs(rules.reopen_window_s + 1);
    let refused = incident.apply(event(1, back()), &rules, late).unwrap_err();
    assert!(matches!(refused, IllegalTransition::ReopenWindowPassed { .. }), "{refused}");
    let effects = incident.apply(event(2, back()), &rules, start() + Duration::from_secs(10)).unwrap();
    assert_eq!(incident.state, State::Open);
    // People were told ten seconds ago; that it is back is recognised, and told after the cooldown.
    assert_eq!(effects, [Effect::RequestDiagnosis]);
}
