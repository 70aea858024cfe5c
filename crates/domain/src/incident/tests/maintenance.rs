//! Maintenance: people are told of nothing while it lasts, and once of what lives when it is over.

use super::*;
use crate::remedy::ServicePattern;

fn window(id: usize, start_s: u64, length_s: u64) -> Window {
    let begins = start() + Duration::from_secs(start_s);
    Window {
        id: WindowId::new(&format!("w{id}")).unwrap(),
        services: vec![ServicePattern::parse("shop/check*@production").unwrap()],
        start: Some(begins),
        end: begins + Duration::from_secs(length_s),
    }
}

fn opened(windows: &[Window]) -> (Incident, Vec<Effect>) {
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
        coverage: Coverage::of(windows, &subject().service, start()),
    };
    Incident::open(opening, &Rules::default(), start()).unwrap()
}

/// The same event, where these windows cover what it reopens.
fn under(windows: &[Window], kind: EventKind, now: Timestamp) -> EventKind {
    let coverage = Coverage::of(windows, &subject().service, now);
    match kind {
        EventKind::Reopened { anomaly, severity, .. } => EventKind::Reopened { anomaly, severity, coverage },
        other => other,
    }
}

fn notices(effects: &[Effect]) -> Vec<Notice> {
    let notice = |effect: &Effect| if let Effect::Notify(notice) = effect { Some(*notice) } else { None };
    effects.iter().filter_map(notice).collect()
}

fn later(seconds: u64) -> Timestamp {
    start() + Duration::from_secs(seconds)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn inside_a_window_nobody_is_told_and_after_it_once(
        kinds in prop::collection::vec((kinds(), 0..400_u64), 1..50),
        windows in prop::collection::vec((0..6_000_u64, 0..3_000_u64), 0..4),
    ) {
        let rules = Rules::default();
        let windows: Vec<Window> =
            windows.into_iter().enumerate().map(|(id, (start_s, length_s))| window(id, start_s, length_s)).collect();
        let is_inside = |now: Timestamp| {
            let has_begun = |window: &Window| window.start.is_none_or(|start| start <= now);
            windows.iter().any(|window| has_begun(window) && now < window.end)
        };
        let (mut incident, effects) = opened(&windows);
        prop_assert_eq!(notices(&effects).is_empty(), is_inside(start()));
        let mut now = start();
        for (index, (kind, wait_s)) in kinds.into_iter().enumerate() {
            now = now + Duration::from_secs(wait_s);
            let at_work = incident.maintenance_now(&windows, now);
            let is_held = at_work.as_ref().is_some_and(|known| known.is_on() && now < known.until);
            prop_assert_eq!(is_held, is_inside(now), "whether it lives or has ended");
            let is_over = incident.is_covered() && !incident.state.is_terminal() && !is_inside(now);
            let told = notices(&incident.cover(&windows, &rules, now));
            prop_assert_eq!(told.len(), usize::from(is_over));
            let is_that = told.iter().all(|notice| matches!(notice, Notice::MaintenanceOver { .. }));
            prop_assert!(is_that, "{told:?}");
            prop_assert!(!incident.is_to_cover(&windows, now), "it is told of once");
            prop_assert!(incident.state.is_terminal() || incident.maintenance == at_work, "what is shown is kept");
            let kind = under(&windows, kind, now);
            let began = incident.reopened_at.unwrap_or(incident.created_at);
            let was_called = incident.notified.is_some_and(|last| last.time >= began);
            let effects = incident.apply(event(index, kind), &rules, now).unwrap_or_default();
            let is_end = |notice: &Notice| was_called && matches!(notice, Notice::Resolved { .. });
            prop_assert!(!is_inside(now) || notices(&effects).iter().all(is_end), "inside: {effects:?}");
            prop_assert_eq!(incident.check(), Ok(()));
            prop_assert!(incident.state.is_terminal() || incident.is_covered() == is_inside(now));
        }
    }

    #[test]
    fn states_are_those_without_a_window(kinds in prop::collection::vec((kinds(), 0..400_u64), 1..50)) {
        let (rules, windows) = (Rules::default(), [window(0, 0, 100_000)]);
        let ((mut covered, _), (mut plain, _)) = (opened(&windows), opened(&[]));
        let mut now = start();
        for (index, (kind, wait_s)) in kinds.into_iter().enumerate() {
            now = now + Duration::from_secs(wait_s);
            // What becomes of it for want of an answer is what a window changes.
            if kind == EventKind::DeadlinePassed {
                continue;
            }
            let inside = covered.apply(event(index, under(&windows, kind.clone(), now)), &rules, now);
            let outside = plain.apply(event(index, kind), &rules, now);
            prop_assert_eq!(inside.is_ok(), outside.is_ok());
            prop_assert_eq!((covered.state, covered.severity), (plain.state, plain.severity));
            prop_assert_eq!((covered.attempts, covered.action), (plain.attempts, plain.action));
            prop_assert_eq!(&covered.resolution, &plain.resolution);
        }
        let end = windows[0].end;
        if let Some(deadline) = covered.deadline {
            prop_assert!(deadline > end);
            let before = covered.clone();
            covered.apply(event(1_000, EventKind::DeadlinePassed), &rules, end - Duration::from_secs(1)).unwrap();
            prop_assert_eq!(&covered, &before, "no deadline passes");
            prop_assert_eq!(notices(&covered.cover(&windows, &rules, end)).len(), 1);
            prop_assert!(covered.deadline.is_some_and(|deadline| deadline > end), "it counts anew");
        } else {
            prop_assert_eq!(covered.cover(&windows, &rules, end), vec![]);
        }
    }
}

#[test]
fn who_was_called_before_a_window_hears_of_the_end_within_it() {
    let (rules, windows) = (Rules::default(), [window(0, 100, 600)]);
    let (mut incident, effects) = opened(&[]);
    assert_eq!(notices(&effects).len(), 1);
    incident.cover(&windows, &rules, later(100));
    let recovered = EventKind::RecoveryMeasured { verdict: Verdict::Recovered };
    let effects = incident.apply(event(0, recovered), &rules, later(300)).unwrap();
    assert_eq!(notices(&effects).len(), 1, "{effects:?}");
    assert_eq!(incident.maintenance.as_ref().map(|kept| (kept.window.as_str(), kept.withheld)), Some(("w0", 0)));
}

#[test]
fn who_recovers_meanwhile_stays_silent() {
    let (rules, windows) = (Rules::default(), [window(0, 0, 600)]);
    let (mut incident, effects) = opened(&windows);
    assert_eq!(effects, [Effect::RequestDiagnosis]);
    let recovered = EventKind::RecoveryMeasured { verdict: Verdict::Recovered };
    let effects = incident.apply(event(0, recovered), &rules, later(300)).unwrap();
    assert_eq!((incident.state, effects), (State::Resolved, vec![Effect::CancelPendingActions]));
    assert_eq!(incident.cover(&windows, &rules, later(600)), []);
    let kept = incident.maintenance.as_ref().unwrap();
    assert_eq!((kept.window.as_str(), kept.withheld, kept.over_at), ("w0", 2, None));
    assert_eq!(incident.notified, None);
    // It is back after the window, and people are told.
    let (anomaly, severity) = (Box::new(anomaly(1, 1_000_700, 4.0)), Severity::Sev4);
    let back = EventKind::Reopened { anomaly, severity, coverage: None };
    let effects = incident.apply(event(1, back), &rules, later(700)).unwrap();
    assert_eq!(effects, [Effect::RequestDiagnosis, Effect::Notify(Notice::Reopened)]);
}

#[test]
fn an_offer_that_ends_inside_is_made_again() {
    let (rules, windows) = (Rules::default(), [window(0, 60, 3_600)]);
    let (mut incident, _) = opened(&windows);
    let apply = |incident: &mut Incident, id: usize, kind: EventKind, seconds: u64| {
        let mut effects = incident.cover(&windows, &rules, later(seconds));
        effects.extend(incident.apply(event(id, kind), &rules, later(seconds)).unwrap());
        effects
    };
    let proposed = |sequence| EventKind::ActionProposed {
        action: action(sequence),
        proposal: Proposal::NeedsApproval { expires_at: later(1_800) },
        summary: String::new(),
    };
    apply(&mut incident, 0, EventKind::DiagnosisFinished { diagnosis: diagnosis() }, 10);
    let effects = apply(&mut incident, 1, proposed(0), 20);
    assert!(matches!(effects[..], [Effect::Notify(Notice::ApprovalWanted { .. })]), "{effects:?}");
    let effects = apply(&mut incident, 2, EventKind::ApprovalExpired { action: action(0) }, 1_800);
    assert_eq!((incident.state, effects), (State::Diagnosing, vec![Effect::RequestPlan]));
    // One that was on its way is withheld, and gives way to one with its whole time.
    assert_eq!(apply(&mut incident, 3, proposed(1), 1_810), []);
    assert_eq!(incident.state, State::AwaitingApproval);
    let effects = incident.cover(&windows, &rules, later(3_660));
    let over = Effect::Notify(Notice::MaintenanceOver { withheld: 1 });
    assert_eq!(effects, [Effect::CancelPendingActions, Effect::RequestPlan, over]);
    assert_eq!(incident.state, State::Diagnosing);
}

#[test]
fn clocks_that_disagree_tell_once() {
    let (rules, mut windows) = (Rules::default(), vec![window(0, 60, 600)]);
    let (mut incident, _) = opened(&windows);
    assert_eq!(incident.cover(&windows, &rules, later(60)), []);
    assert!(incident.is_covered());
    assert_eq!(incident.cover(&windows, &rules, later(58)), [], "it has begun, by the other's clock");
    assert!(incident.is_covered());
    // Somebody ends it early.
    windows[0].end = later(300);
    assert_eq!(notices(&incident.cover(&windows, &rules, later(300))).len(), 1);
    for seconds in [298, 299, 300, 400] {
        assert_eq!(incident.cover(&windows, &rules, later(seconds)), [], "at {seconds}");
        assert!(!incident.is_covered());
    }
}

#[test]
fn a_window_that_ends_under_a_longer_one_is_no_end() {
    let (rules, windows) = (Rules::default(), [window(0, 0, 600), window(1, 300, 600)]);
    let (mut incident, _) = opened(&windows);
    for (seconds, of, told) in [(200, "w0", 0), (300, "w1", 0), (600, "w1", 0), (900, "w1", 1), (901, "w1", 0)] {
        assert_eq!(notices(&incident.cover(&windows, &rules, later(seconds))).len(), told, "at {seconds}");
        assert_eq!(incident.maintenance.as_ref().unwrap().window.as_str(), of, "at {seconds}");
    }
}

#[test]
fn what_a_person_ends_early_is_over_for_what_had_ended_too() {
    let (rules, windows) = (Rules::default(), [window(0, 0, 600)]);
    let (mut incident, _) = opened(&windows);
    let recovered = EventKind::RecoveryMeasured { verdict: Verdict::Recovered };
    incident.apply(event(0, recovered), &rules, later(300)).unwrap();
    let ends = |windows: &[Window], seconds: u64| incident.maintenance_now(windows, later(seconds)).unwrap().until;
    assert_eq!(ends(&windows, 400), later(600));
    // One that was ended is on no list of those that stand.
    assert_eq!((ends(&[], 400), ends(&[], 700)), (later(400), later(600)));
    let another = [window(1, 500, 900)];
    assert_eq!((ends(&another, 499), ends(&another, 500)), (later(499), later(1_400)));
    assert_eq!(incident.maintenance.as_ref().unwrap().until, later(600), "it was only asked");
}

#[test]
fn who_must_take_over_is_called_when_it_is_over() {
    let (rules, windows) = (Rules::default(), [window(0, 0, 600)]);
    let (mut incident, _) = opened(&windows);
    let unresolved = EventKind::DiagnosisUnresolved { diagnosis: diagnosis() };
    assert_eq!(notices(&incident.apply(event(0, unresolved), &rules, later(10)).unwrap()), []);
    assert_eq!(incident.state, State::Escalated);
    let reason = EscalationReason::UnresolvedDiagnosis;
    let over = Effect::Notify(Notice::MaintenanceOver { withheld: 2 });
    assert_eq!(incident.cover(&windows, &rules, later(600)), [Effect::Escalate { reason }, over]);
}

/// What was let go ahead and could not begin for the window is withdrawn, which its incident may hear after the end.
#[test]
fn word_of_what_could_not_begin_may_come_late_and_not_for_ever() {
    let (rules, windows) = (Rules::default(), [window(0, 60, 3_600)]);
    let grace_s = rules.planning_s;
    for (heard, state) in
        [(3_000, State::Diagnosing), (3_660 + grace_s, State::Diagnosing), (3_661 + grace_s, State::Escalated)]
    {
        let (mut incident, _) = opened(&windows);
        incident.apply(event(0, EventKind::DiagnosisFinished { diagnosis: diagnosis() }), &rules, later(10)).unwrap();
        let (proposal, summary) = (Proposal::Automatic, String::new());
        let proposed = EventKind::ActionProposed { action: action(0), proposal, summary };
        incident.apply(event(1, proposed), &rules, later(20)).unwrap();
        for seconds in [60, 3_660_u64.min(heard)] {
            incident.cover(&windows, &rules, later(seconds));
        }
        assert_eq!(incident.state, State::Remediating);
        let expired = EventKind::ApprovalExpired { action: action(0) };
        incident.apply(event(2, expired), &rules, later(heard)).unwrap();
        assert_eq!(incident.state, state, "heard at {heard}");
    }
}
