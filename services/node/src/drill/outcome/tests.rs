//! What goes well, and of which fault an incident is.

use llm_sre_proto::diagnosis::v1::Hypothesis;
use llm_sre_proto::incident::v1::Resolution;

use super::*;
use crate::client::parse_service;

#[test]
fn what_nothing_cures_goes_well_where_a_person_is_called_and_nothing_is_left_behind() {
    let action = |state: ActionState, is_called: bool| Action {
        state: state.into(),
        execute_time: is_called.then(pbjson_types::Timestamp::default),
        ..Action::default()
    };
    let went = |cure: &str, state: State, actions: Vec<Action>| {
        let service = Some(parse_service("cart"));
        let fault = Fault { service: service.clone(), cure: cure.to_owned(), ..Fault::default() };
        let hypotheses = vec![Hypothesis { service: service.clone(), ..Hypothesis::default() }];
        let diagnosis = Some(Diagnosis { hypotheses, ..Diagnosis::default() });
        let incident = Incident { service, state: state.into(), ..Incident::default() };
        let own = vec![Case { incident, diagnosis, actions, attempts_before: 0 }];
        let none = Cases { own: Vec::new(), unclaimed: Vec::new(), early: Vec::new() };
        outcome(1, &fault, &own, &none).went_well()
    };
    let escalated = State::Escalated;
    assert!(went("", escalated, vec![]));
    assert!(went("", escalated, vec![action(ActionState::RolledBack, true), action(ActionState::Expired, false)]));
    for left in [ActionState::Ineffective, ActionState::Unknown, ActionState::RollbackFailed] {
        assert!(!went("", escalated, vec![action(left, true)]), "{left:?}");
    }
    assert!(!went("restart", escalated, vec![]), "it could have been repaired");
    assert!(!went("", State::Open, vec![]), "nobody was called");
    assert!(!went("", State::Resolved, vec![]), "it is still at work");
}

#[test]
fn what_comes_back_is_repaired_for_as_long_as_policy_allows_it_and_then_left_to_people() {
    let went = |state: State, times: u8, attempts_before: usize| {
        let service = Some(parse_service("cart"));
        let (cure, end_time) = ("restart".to_owned(), Some(pbjson_types::Timestamp::default()));
        let cured = FaultState::Cured.into();
        let fault = Fault { service: service.clone(), cure, end_time, state: cured, ..Fault::default() };
        let hypotheses = vec![Hypothesis { service: service.clone(), ..Hypothesis::default() }];
        let diagnosis = Some(Diagnosis { hypotheses, ..Diagnosis::default() });
        let resolution = Some(Resolution { reason: ResolutionReason::Measured.into(), ..Resolution::default() });
        let incident = Incident { service, state: state.into(), resolution, ..Incident::default() };
        let own = vec![Case { incident, diagnosis, actions: Vec::new(), attempts_before }];
        let none = Cases { own: Vec::new(), unclaimed: Vec::new(), early: Vec::new() };
        let mut came = outcome(1, &fault, &own, &none);
        came.comes_back(times, 3);
        came.went_well()
    };
    assert!(went(State::Resolved, 0, 0) && went(State::Resolved, 2, 2));
    assert!(!went(State::Escalated, 2, 2), "there was an attempt left");
    assert!(went(State::Escalated, 3, 0), "three cures did not last");
    assert!(went(State::Escalated, 1, 3), "the cure before took all attempts");
    assert!(!went(State::Resolved, 3, 3), "nobody allowed that");
}

#[test]
fn an_incident_is_of_the_fault_that_it_names() {
    let fault = |name: &str| Fault { service: Some(parse_service(name)), ..Fault::default() };
    let cases: [(&str, &[&str], Option<usize>); 6] = [
        ("cart", &["search", "cart"], Some(1)),
        ("cart", &["web", "search"], Some(0)),
        ("cart", &[], Some(0)),
        ("web", &["account", "search"], Some(1)),
        ("web", &["account"], None),
        ("web", &[], None),
    ];
    for (subject, named, expected) in cases {
        let incident = Incident { service: Some(parse_service(subject)), ..Incident::default() };
        let hypothesis = |name: &&str| Hypothesis { service: Some(parse_service(name)), ..Hypothesis::default() };
        let hypotheses = named.iter().map(hypothesis).collect();
        let diagnosis = Diagnosis { hypotheses, ..Diagnosis::default() };
        let faults = [fault("cart"), fault("search")];
        assert_eq!(claim(&incident, Some(&diagnosis), &faults), expected, "{subject} {named:?}");
        assert_eq!(claim(&incident, Some(&diagnosis), &faults[..1]), Some(0), "a fault that is alone");
    }
}
