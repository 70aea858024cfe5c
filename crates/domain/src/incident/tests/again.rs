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
