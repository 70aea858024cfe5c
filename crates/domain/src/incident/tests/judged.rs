//! What people say that an incident was.

use super::*;
use crate::diagnose::{Cause, CauseKind};

pub(super) fn rulings() -> impl Strategy<Value = Ruling> {
    let cause = Cause { service: ServiceId::named("cart"), kind: CauseKind::MemoryLeak };
    prop_oneof![Just(Ruling::FalseAlarm), Just(Ruling::Confirmed), Just(Ruling::OtherCause(cause))]
}

fn judge(incident: &mut Incident, id: usize, ruling: Ruling, note: &str) -> Result<Vec<Effect>, IllegalTransition> {
    incident.apply(event(id, EventKind::Judged { ruling, note: note.to_owned() }), &Rules::default(), start())
}

fn newest(incident: &Incident) -> &str {
    incident.timeline.last().map(|entry| entry.message.as_str()).unwrap_or_default()
}

/// An incident that was explained, in one of the states that follow from it or in its first.
fn somewhere() -> impl Strategy<Value = Incident> {
    prop::collection::vec(kinds(), 0..12).prop_map(|kinds| {
        let mut incident = open();
        for (index, kind) in kinds.into_iter().enumerate() {
            // What is refused leaves no trace, and the walk goes on.
            let _is_taken = incident.apply(event(index, kind), &Rules::default(), start()).is_ok();
        }
        incident
    })
}

proptest! {
    #[test]
    fn a_verdict_is_taken_in_every_state_and_moves_nothing(incident in somewhere(), ruling in rulings()) {
        let mut judged = incident.clone();
        let outcome = judge(&mut judged, 1_000, ruling.clone(), "seen before");
        if ruling == Ruling::Confirmed && incident.diagnosis.is_none() {
            prop_assert!(matches!(outcome, Err(IllegalTransition::NotDiagnosed { .. })), "{outcome:?}");
            prop_assert_eq!(judged, incident);
            return Ok(());
        }
        prop_assert_eq!(outcome, Ok(vec![]), "nothing is done about it");
        prop_assert_eq!(judged.check(), Ok(()));
        let said = judged.judgement.clone().unwrap();
        prop_assert_eq!((&said.ruling, said.note.as_str(), said.time), (&ruling, "seen before", start()));
        prop_assert_eq!(&said.diagnosis, &incident.diagnosis);
        prop_assert!(newest(&judged).starts_with("judged: ") && newest(&judged).ends_with(": seen before"));
        let again = judge(&mut judged, 1_000, Ruling::FalseAlarm, "late");
        prop_assert_eq!((again, judged.judgement.as_ref()), (Ok(vec![]), Some(&said)), "the same id is one effect");
        let unsaid = Incident {
            judgement: incident.judgement.clone(),
            timeline: incident.timeline.clone(),
            applied: incident.applied.clone(),
            updated_at: incident.updated_at,
            ..judged
        };
        prop_assert_eq!(unsaid, incident, "neither its state nor anything else of it changed");
    }
}

#[test]
fn a_later_verdict_replaces_an_earlier_one_and_both_are_told() {
    let mut incident = open();
    incident
        .apply(event(0, EventKind::DiagnosisFinished { diagnosis: diagnosis() }), &Rules::default(), start())
        .unwrap();
    judge(&mut incident, 1, Ruling::Confirmed, "").unwrap();
    let cause = Cause { service: ServiceId::new("shop", "cart", "production"), kind: CauseKind::DiskFull };
    judge(&mut incident, 2, Ruling::OtherCause(cause.clone()), "logs filled it").unwrap();
    let kept = incident.judgement.clone().unwrap();
    assert_eq!((kept.ruling, kept.diagnosis), (Ruling::OtherCause(cause), Some(diagnosis())));
    let told: Vec<&str> = incident.timeline.iter().map(|entry| entry.message.as_str()).collect();
    let second = "judged: its cause was a full disk in shop/cart@production: logs filled it";
    assert_eq!(told[told.len() - 2..], ["judged: its diagnosis is right", second]);
    assert_eq!(incident.timeline[told.len() - 2].about, About::Diagnosis(diagnosis()));
}

#[test]
fn resolving_as_a_false_positive_says_that_it_was_a_false_alarm() {
    let resolved = |incident: &mut Incident, id, reason| {
        let kind = EventKind::ResolvedByHand { reason, note: "a backup".to_owned() };
        incident.apply(event(id, kind), &Rules::default(), start()).unwrap();
        incident.judgement.as_ref().map(|judgement| (judgement.ruling.clone(), judgement.note.clone()))
    };
    let alarm = Some((Ruling::FalseAlarm, "a backup".to_owned()));
    let mut incident = open();
    assert_eq!(resolved(&mut incident, 0, HandReason::FalsePositive), alarm);
    assert_eq!(newest(&incident), "closed as a false positive");

    let mut incident = open();
    assert_eq!(resolved(&mut incident, 0, HandReason::Manual), None, "it was dealt with");
    assert_eq!(resolved(&mut incident, 1, HandReason::FalsePositive), alarm, "so it is after another end");
    assert_eq!(incident.resolution.as_ref().map(|end| end.reason), Some(ResolutionReason::Manual));
    let told = incident.timeline.len();
    resolved(&mut incident, 2, HandReason::FalsePositive);
    assert_eq!(incident.timeline.len(), told, "that was said");
}
