//! A plan that may not go ahead yet.

use super::*;

fn apply(incident: &mut Incident, id: usize, kind: EventKind, now: Timestamp) -> Vec<Effect> {
    incident.apply(event(id, kind), &Rules::default(), now).unwrap()
}

fn waits(reason: &str) -> EventKind {
    EventKind::PlanWaits { action: action(0), reason: reason.to_owned() }
}

fn proposed() -> EventKind {
    EventKind::ActionProposed { action: action(0), proposal: Proposal::Automatic, summary: String::new() }
}

fn last(incident: &Incident) -> (&str, &About) {
    let entry = incident.timeline.last().unwrap();
    (&entry.message, &entry.about)
}

/// An incident whose plan waits.
fn waiting() -> Incident {
    let mut incident = open();
    apply(&mut incident, 1, EventKind::DiagnosisFinished { diagnosis: diagnosis() }, start());
    let deadline = incident.deadline;
    assert_eq!(apply(&mut incident, 2, waits("two are under way"), start()), []);
    assert_eq!((incident.state, incident.deadline), (State::Diagnosing, deadline), "people are called as without it");
    assert_eq!(last(&incident), ("a plan waits: two are under way", &About::Action(action(0))));
    incident
}

#[test]
fn who_is_called_hears_what_the_plan_waits_for_and_it_goes_ahead_after_that() {
    for is_seen in [false, true] {
        let mut incident = waiting();
        let (told, late) = (incident.timeline.len(), incident.deadline.unwrap());
        apply(&mut incident, 3, waits("two are under way"), start());
        assert_eq!(incident.timeline.len(), told, "it is no news");
        apply(&mut incident, 4, waits("one is on it"), start());
        if is_seen {
            apply(&mut incident, 5, EventKind::Acknowledged { note: String::new() }, start());
        }
        let effects = apply(&mut incident, 6, EventKind::DeadlinePassed, late);
        assert!(effects.contains(&Effect::Escalate { reason: EscalationReason::Deadline }), "{effects:?}");
        let (message, _) = last(&incident);
        assert!(message.starts_with("a plan waits for too long: one is on it"), "{message}");
        assert_eq!(message.contains("may go ahead after that unless"), !is_seen, "{message}");
        assert_eq!(incident.plan_waits_for, "one is on it");
        let outcome = incident.apply(event(7, proposed()), &Rules::default(), late);
        assert_eq!(outcome.is_ok(), !is_seen, "who acknowledged it has taken over: {outcome:?}");
        let expected = if is_seen { (State::Escalated, "one is on it") } else { (State::Remediating, "") };
        assert_eq!((incident.state, incident.plan_waits_for.as_str()), expected);
    }
}

#[test]
fn the_timeline_does_not_tell_every_change_and_the_incident_does() {
    let mut incident = waiting();
    for count in 3..50 {
        apply(&mut incident, count, waits(&format!("{count} are under way")), start());
        assert_eq!(incident.plan_waits_for, format!("{count} are under way"));
    }
    let told = incident.timeline.iter().filter(|entry| entry.message.starts_with("a plan waits")).count();
    assert_eq!(told, 10);
    assert!(incident.applied.len() < 10, "what comes so often pushes the others out");
}

#[test]
fn who_was_called_hears_that_it_waits_no_more() {
    let mut incident = waiting();
    let late = incident.deadline.unwrap();
    apply(&mut incident, 3, EventKind::DeadlinePassed, late);
    let gives_up = EventKind::PlanDropped { action: action(0), reason: "it waited for 1800 s".to_owned() };
    assert_eq!(apply(&mut incident, 4, gives_up.clone(), late), []);
    assert_eq!(last(&incident).0, "no plan waits any more: it waited for 1800 s");
    assert_eq!((incident.state, incident.plan_waits_for.as_str()), (State::Escalated, ""));
    let told = incident.timeline.len();
    apply(&mut incident, 5, gives_up, late);
    assert_eq!(incident.timeline.len(), told);
}

/// It is told late, of a plan of before.
#[test]
fn that_a_plan_waits_no_more_is_nothing_against_what_came_since() {
    let mut incident = waiting();
    apply(&mut incident, 3, proposed(), start());
    let before = incident.clone();
    let dropped = EventKind::PlanDropped { action: action(7), reason: String::new() };
    assert_eq!(apply(&mut incident, 4, dropped, start()), []);
    assert_eq!((incident.state, &incident.timeline), (State::Remediating, &before.timeline));
}

#[test]
fn what_waits_is_forgotten_with_whatever_ends_the_wait() {
    let ends: [EventKind; 4] = [
        EventKind::NothingToDo { reason: String::new() },
        EventKind::ResolvedByHand { reason: HandReason::Manual, note: String::new() },
        EventKind::RecoveryMeasured { verdict: Verdict::Recovered },
        EventKind::ActionApproved { action: action(0) },
    ];
    for end in ends {
        let mut incident = waiting();
        incident.action = Some(action(0));
        apply(&mut incident, 3, end.clone(), start());
        assert_eq!(incident.plan_waits_for, "", "{end:?}");
    }
    // What waits for a person does not wait for time.
    let mut incident = open();
    let refused = incident.apply(event(1, waits("two are under way")), &Rules::default(), start());
    assert_eq!(refused, Err(IllegalTransition::State { incident: open().id, state: State::Open, event: "plan waits" }));
}
