//! Properties of an incident's life, and the few paths worth telling.

use std::collections::BTreeMap;
use std::time::Duration;

use expect_test::{Expect, expect};
use proptest::prelude::*;

mod again;
mod judged;
mod maintenance;
mod waits;

use super::*;
use crate::telemetry::Origin;
use crate::{AnomalyId, Direction, Signal};

fn subject() -> Subject {
    Subject {
        service: ServiceId::new("shop", "checkout", "production"),
        trigger: Trigger::Signal(Signal::Latency),
        dimension: "p95".into(),
    }
}

fn anomaly(id: u8, onset_s: i64, score: f64) -> Anomaly {
    Anomaly {
        id: AnomalyId(format!("a{id}").into()),
        service: subject().service,
        origin: Origin::default(),
        signal: Signal::Latency,
        metric: "http.server.request.duration".into(),
        dimension: "p95".into(),
        unit: "s".into(),
        onset: Timestamp::from_secs(onset_s),
        detected_at: Timestamp::from_secs(onset_s + 30),
        last_seen: Timestamp::from_secs(onset_s + 30),
        direction: Direction::Up,
        score,
        expected: 0.1,
        observed: 2.0,
        exemplar: String::new(),
        requests_per_s: None,
    }
}

fn start() -> Timestamp {
    Timestamp::from_secs(1_000_000)
}

fn open() -> Incident {
    let opening = Opening {
        subject: subject(),
        ordinal: 0,
        title: "checkout is slow".to_owned(),
        anomalies: vec![anomaly(0, 999_900, 5.0)],
        impacts: BTreeMap::new(),
        severity: Severity::Sev4,
        onset: Timestamp::from_secs(999_950),
        detected_at: Timestamp::from_secs(999_990),
        actor: Actor::product(),
        coverage: None,
    };
    Incident::open(opening, &Rules::default(), start()).unwrap().0
}

fn action(sequence: u32) -> ActionId {
    ActionId::of(open().id, sequence)
}

fn diagnosis() -> DiagnosisId {
    DiagnosisId::new("d1").unwrap()
}

/// Another one, as is asked for after an action did not help.
fn again() -> DiagnosisId {
    DiagnosisId::new("d2").unwrap()
}

fn event(id: usize, kind: EventKind) -> Event {
    Event { id: EventId::new(&format!("e{id}")).unwrap(), actor: Actor::product(), kind }
}

fn verdict() -> impl Strategy<Value = Verdict> {
    prop_oneof![Just(Verdict::Recovered), Just(Verdict::NotRecovered), Just(Verdict::Inconclusive)]
}

fn severities() -> impl Strategy<Value = Severity> {
    use Severity::*;
    prop_oneof![Just(Sev1), Just(Sev2), Just(Sev3), Just(Sev4), Just(Sev5)]
}

fn proposal() -> impl Strategy<Value = Proposal> {
    let expires_at = start() + Duration::from_secs(2_000);
    prop_oneof![Just(Proposal::Automatic), Just(Proposal::NeedsApproval { expires_at }), Just(Proposal::Suggested),]
}

fn about_diagnosis() -> impl Strategy<Value = EventKind> {
    let diagnosis = prop_oneof![Just(diagnosis()), Just(DiagnosisId::new("d2").unwrap())];
    (diagnosis, 0..4).prop_map(|(diagnosis, which)| match which {
        0 => EventKind::DiagnosisStarted { diagnosis },
        1 => EventKind::DiagnosisFinished { diagnosis },
        2 => EventKind::DiagnosisUnresolved { diagnosis },
        _ => EventKind::DiagnosisFailed { diagnosis, reason: "no answer".to_owned() },
    })
}

fn about_action() -> impl Strategy<Value = EventKind> {
    (0..3_u32, 0..14, verdict(), proposal()).prop_map(|(sequence, which, verdict, proposal)| {
        let (action, reason) = (action(sequence), String::new());
        match which {
            0 | 1 => EventKind::ActionProposed { action, proposal, summary: "restart".to_owned() },
            2 => EventKind::ActionApproved { action },
            3 => EventKind::ActionRejected { action },
            4 => EventKind::ActionStarted { action },
            5 => EventKind::ActionSucceeded { action },
            6 => EventKind::ActionFailed { action, reason },
            7 => EventKind::ActionUnknown { action },
            8 => EventKind::Verified { action, verdict, reason },
            9 => EventKind::RolledBack { action },
            10 => EventKind::RollbackFailed { action, reason },
            11 => EventKind::PlanDropped { action, reason },
            12 => EventKind::PlanWaits { action, reason: "two are under way".to_owned() },
            _ => EventKind::RollbackStarted { action },
        }
    })
}

fn others() -> impl Strategy<Value = EventKind> {
    let of = IncidentId::of(&open().fingerprint, 7);
    let note = String::new;
    prop_oneof![
        (0..9_u8, 999_000..1_000_000_i64, 1.0..9.0)
            .prop_map(|(id, onset, score)| EventKind::AnomalyJoined(Box::new(anomaly(id, onset, score)))),
        severities().prop_map(|severity| EventKind::ImpactMeasured {
            impacts: BTreeMap::from([(ServiceId::named("cart"), start())]),
            severity
        }),
        Just(EventKind::SignalsCleared),
        verdict().prop_map(|verdict| EventKind::RecoveryMeasured { verdict }),
        Just(EventKind::PlanBlocked { reason: note() }),
        Just(EventKind::NothingToDo { reason: note() }),
        Just(EventKind::AttemptsExhausted),
        Just(EventKind::Acknowledged { note: note() }),
        Just(EventKind::ResolvedByHand { reason: HandReason::Manual, note: note() }),
        Just(EventKind::ResolvedByHand { reason: HandReason::FalsePositive, note: note() }),
        judged::rulings().prop_map(|ruling| EventKind::Judged { ruling, note: String::new() }),
        Just(EventKind::MarkedDuplicate { of }),
        severities().prop_map(|severity| EventKind::Reopened {
            anomaly: Box::new(anomaly(1, 999_999, 4.0)),
            severity,
            coverage: None
        }),
    ]
}

fn kinds() -> impl Strategy<Value = EventKind> {
    // Most weight on what moves an incident forward, so that the deep states are met too.
    prop_oneof![6 => about_action(), 3 => about_diagnosis(), 2 => others(), 1 => Just(EventKind::DeadlinePassed)]
}

fn ended_rightly(before: &Incident, after: &Incident, kind: &EventKind) -> bool {
    let Some(resolution) = &after.resolution else { return true };
    before.state == State::Resolved
        || match resolution.reason {
            ResolutionReason::Measured => {
                matches!(before.state, State::Verifying | State::Escalated)
                    && matches!(kind, EventKind::Verified { action, verdict: Verdict::Recovered, .. } if before.action == Some(*action))
            }
            ResolutionReason::SelfRecovered => {
                !before.state.is_acting() && *kind == EventKind::RecoveryMeasured { verdict: Verdict::Recovered }
            }
            ResolutionReason::Manual | ResolutionReason::FalsePositive => {
                matches!(kind, EventKind::ResolvedByHand { .. })
            }
        }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn lives_keep_the_rules(kinds in prop::collection::vec((kinds(), 0..400_u64), 1..60)) {
        let rules = Rules::default();
        let (mut incident, mut now) = (open(), start());
        for (index, (kind, wait_s)) in kinds.into_iter().enumerate() {
            now = now + Duration::from_secs(wait_s);
            let before = incident.clone();
            let outcome = incident.apply(event(index, kind.clone()), &rules, now);
            let Ok(effects) = outcome else {
                prop_assert_eq!(&incident, &before, "a refused event left a trace");
                continue;
            };
            prop_assert_eq!(incident.check(), Ok(()));
            prop_assert_eq!((incident.id, &incident.fingerprint), (before.id, &before.fingerprint));
            prop_assert!(ended_rightly(&before, &incident, &kind), "{kind:?}: {before:?} -> {incident:?}");
            let reopened = matches!(kind, EventKind::Reopened { .. });
            prop_assert!(incident.severity >= before.severity || reopened);
            let began = if reopened { Some(now) } else { before.reopened_at };
            prop_assert_eq!(incident.reopened_at, began, "its life began at another time: {:?}", kind);
            prop_assert!(incident.attempts >= before.attempts && incident.onset <= before.onset);
            let gave_up = incident.state != before.state
                && (matches!(incident.state, State::Escalated | State::Duplicate)
                    || matches!(kind, EventKind::RecoveryMeasured { .. } | EventKind::ResolvedByHand { .. }));
            let suggested = incident.escalation == Some(EscalationReason::SuggestionOnly);
            prop_assert!(!gave_up || suggested || effects.contains(&Effect::CancelPendingActions));

            let after = incident.clone();
            let repeated = incident.apply(event(index, kind.clone()), &rules, now).unwrap();
            prop_assert_eq!(&incident, &after, "a repeat changed something");
            prop_assert!(repeated.is_empty() || kind == EventKind::SignalsCleared);
        }

        // Left alone, whatever state it is in, the clock brings it to people.
        for _ in 0..3 {
            let Some(deadline) = incident.deadline else { break };
            now = now.max(deadline);
            incident.apply(event(1_000, EventKind::DeadlinePassed), &rules, now).unwrap();
        }
        prop_assert!(incident.state.is_terminal() || incident.state == State::Escalated);
    }

    #[test]
    fn worse_inputs_are_never_judged_milder(
        burn in prop::option::of(0.0..30.0), services in 0..6_usize, share in prop::option::of(0.0..1.0),
        users: bool, more_burn in 0.0..20.0, more_services in 0..6_usize, more_share in 0.0..1.0,
    ) {
        let mild = SeverityInputs {
            burn_rate: burn, services_affected: services, traffic_share: share, is_user_facing: users,
        };
        let worse = SeverityInputs {
            burn_rate: Some(burn.unwrap_or(0.0) + more_burn),
            services_affected: services + more_services,
            traffic_share: Some(share.unwrap_or(0.0) + more_share),
            is_user_facing: true,
        };
        prop_assert!(severity(worse) >= severity(mild));
    }

    #[test]
    fn identity_is_service_signal_and_dimension(a in "[ab/@]{0,3}", b in "[ab/@]{1,3}", c in "[ab/@]{0,3}", d in "[ab/@]{0,3}") {
        let of = |parts: [&str; 4]| {
            let service = ServiceId { namespace: parts[0].into(), name: parts[1].into(), environment: parts[2].into() };
            Fingerprint::of(&Subject { service, dimension: parts[3].into(), ..subject() }).unwrap()
        };
        let fingerprint = of([&a, &b, &c, &d]);
        prop_assert_eq!(&fingerprint, &fingerprint.as_str().parse::<Fingerprint>().unwrap());
        // Moving a character over a boundary between two parts is another subject.
        let moved = of([&format!("{a}{}", &b[..1]), &format!("{}x", &b[1..]), &c, &d]);
        prop_assert_ne!(&fingerprint, &moved);
        let id = IncidentId::of(&fingerprint, 0);
        prop_assert_ne!(id.bytes(), [0; 16]);
        prop_assert_eq!(id.to_string().parse::<IncidentId>(), Ok(id));
        prop_assert_eq!(IncidentId::from_bytes(id.bytes()), Ok(id));
        prop_assert_ne!(id, IncidentId::of(&fingerprint, 1));
    }
}

/// Stored incidents are found by these ids: a change of this test is a migration.
#[test]
fn ids_never_change() {
    let incident = open();
    expect!["c30aa832"].assert_eq(&incident.fingerprint.as_str()[..8]);
    expect!["7d4cd003-4eae-5db2-b036-df852dc30b64"].assert_eq(&incident.id.to_string());
    expect!["ba1c3338-7b36-517a-b877-b0815ae24759"].assert_eq(&ActionId::of(incident.id, 0).to_string());
}

#[test]
fn nothing_but_a_name_gives_a_fingerprint() {
    let service = ServiceId { namespace: "".into(), name: "".into(), environment: "".into() };
    assert_eq!(Fingerprint::of(&Subject { service, ..subject() }), Err(FingerprintError::NoService));
    assert!("".parse::<Fingerprint>().is_err());
}

/// Applies the events a minute apart and compares the states and effects that they lead to.
fn check(kinds: impl IntoIterator<Item = EventKind>, expected: Expect) -> Incident {
    let mut incident = open();
    let mut told = String::new();
    for (index, kind) in kinds.into_iter().enumerate() {
        let now = start() + Duration::from_secs(60 * (index as u64 + 1));
        let name = kind.name();
        let line = match incident.apply(event(index, kind), &Rules::default(), now) {
            Ok(effects) => format!("{name}: {:?} {effects:?}\n", incident.state),
            Err(error) => format!("{name}: refused, {:?}\n", std::mem::discriminant(&error)),
        };
        told.push_str(&line.replace(&action(0).to_string(), "A0").replace(&action(1).to_string(), "A1"));
    }
    expected.assert_eq(&told);
    incident
}

#[test]
fn the_second_hypothesis_repairs_it() {
    let proposed = |sequence| EventKind::ActionProposed {
        action: action(sequence),
        proposal: Proposal::Automatic,
        summary: "restart checkout".to_owned(),
    };
    let incident = check(
        [
            EventKind::DiagnosisStarted { diagnosis: diagnosis() },
            EventKind::DiagnosisFinished { diagnosis: diagnosis() },
            proposed(0),
            EventKind::ActionStarted { action: action(0) },
            EventKind::ActionSucceeded { action: action(0) },
            EventKind::Verified { action: action(0), verdict: Verdict::Inconclusive, reason: String::new() },
            EventKind::RolledBack { action: action(0) },
            EventKind::DiagnosisStarted { diagnosis: again() },
            EventKind::DiagnosisFinished { diagnosis: again() },
            proposed(1),
            EventKind::ActionSucceeded { action: action(1) },
            EventKind::Verified { action: action(1), verdict: Verdict::Recovered, reason: String::new() },
        ],
        expect![[r#"
            diagnosis started: Diagnosing []
            diagnosis finished: Diagnosing [RequestPlan]
            action proposed: Remediating []
            action started: Remediating []
            action succeeded: Verifying [CheckRecovery { action: Some(ActionId(A0)) }]
            recovery verified: RollingBack [RollBack { action: ActionId(A0) }]
            rolled back: Diagnosing [RequestDiagnosis]
            diagnosis started: Diagnosing []
            diagnosis finished: Diagnosing [RequestPlan]
            action proposed: Remediating []
            action succeeded: Verifying [CheckRecovery { action: Some(ActionId(A1)) }]
            recovery verified: Resolved [Notify(Resolved { reason: Measured })]
        "#]],
    );
    assert_eq!((incident.attempts, incident.diagnosis), (2, Some(again())));
}

#[test]
fn a_suggestion_is_shown_and_recovery_still_counts() {
    check(
        [
            EventKind::DiagnosisFinished { diagnosis: diagnosis() },
            EventKind::ActionProposed {
                action: action(0),
                proposal: Proposal::Suggested,
                summary: "restart checkout".to_owned(),
            },
            EventKind::ActionApproved { action: action(0) },
            EventKind::ActionProposed {
                action: action(1),
                proposal: Proposal::Automatic,
                summary: "restart checkout".to_owned(),
            },
            EventKind::RecoveryMeasured { verdict: Verdict::Inconclusive },
            EventKind::RecoveryMeasured { verdict: Verdict::Recovered },
        ],
        expect![[r#"
            diagnosis finished: Diagnosing [RequestPlan]
            action proposed: Escalated [Escalate { reason: SuggestionOnly }, Notify(Escalated { reason: SuggestionOnly })]
            action approved: refused, Discriminant(0)
            action proposed: refused, Discriminant(0)
            recovery measured: Escalated []
            recovery measured: Resolved [CancelPendingActions, Notify(Resolved { reason: SelfRecovered })]
        "#]],
    );
}

#[test]
fn a_diagnosis_that_comes_late_still_leads_on() {
    check(
        [
            EventKind::DiagnosisFailed { diagnosis: diagnosis(), reason: "killed".to_owned() },
            EventKind::DiagnosisFinished { diagnosis: DiagnosisId::new("d2").unwrap() },
        ],
        expect![[r#"
            diagnosis failed: Escalated [CancelPendingActions, Escalate { reason: DiagnosisFailed }, Notify(Escalated { reason: DiagnosisFailed })]
            diagnosis finished: Diagnosing [RequestPlan]
        "#]],
    );
}

#[test]
fn what_an_incident_keeps_is_bounded() {
    let rules = Rules::default();
    let mut incident = open();
    for index in 0..600 {
        let mut joined = anomaly(0, 1_000_000 + index, index as f64 + 10.0);
        joined.id = AnomalyId(format!("b{index}").into());
        incident.apply(event(0, EventKind::AnomalyJoined(Box::new(joined))), &rules, start()).unwrap();
        let note = EventKind::Acknowledged { note: index.to_string() };
        incident.apply(event(1 + index as usize, note), &rules, start()).unwrap();
    }
    assert_eq!(incident.check(), Ok(()));
    assert_eq!(incident.anomalies.len(), ANOMALIES_MAX);
    assert!(incident.anomalies.iter().all(|kept| kept.score >= 10.0 + (600 - ANOMALIES_MAX) as f64));
    assert!(incident.timeline[0].message.starts_with("opened"));
    assert_eq!(incident.timeline[TIMELINE_MAX - 1].message, "acknowledged: 599");
}
