//! What a digest and a record are bound to, to the last field, and how a plan is told.

use std::slice::from_ref;

use serde::Deserialize;
use serde::de::value::{Error as ValueError, MapDeserializer};

use super::*;
use crate::incident::{ActionId, IdError, Proposal};
use crate::remedy::digest::Writer;
use crate::telemetry::{self, ChangeKind};

/// Everything that a person decides by.
#[derive(Clone)]
struct Picture {
    plan: Proposed,
    policy: Policy,
    target: TargetState,
}

impl Picture {
    fn new() -> Self {
        let mut world = World::permissive();
        let pattern = |text| ServicePattern::parse(text).unwrap();
        world.policy.rules =
            vec![Rule { service: pattern("shop/*@*"), action: Some(ActionKind::RaisePool), autonomy: Autonomy::Auto }];
        world.policy.protected = vec![pattern("bank@*")];
        world.hypotheses.remove(0);
        Self { plan: world.action().unwrap().plan, policy: world.policy, target: world.answer }
    }

    fn digest(&self) -> Digest {
        Digest::of(&self.plan, &self.policy, Some(&self.target))
    }

    fn facts(&mut self) -> &mut BTreeMap<String, String> {
        let TargetState::Ready { facts, .. } = &mut self.target else { unreachable!() };
        facts
    }
}

type Change = fn(&mut Picture);

/// One field each, to another value of the same shape.
static PLAN: [Change; 21] = [
    |p| p.plan.incident = IncidentId::of(&p.plan.fingerprint, 9),
    |p| p.plan.fingerprint = "0".repeat(32).parse().unwrap(),
    |p| p.plan.diagnosis = Some(DiagnosisId::new("d2").unwrap()),
    |p| p.plan.diagnosis = None,
    |p| p.plan.spec.kind = ActionKind::Restart,
    |p| p.plan.spec.target.namespace = "bank".into(),
    |p| p.plan.spec.target.name = "cart".into(),
    |p| p.plan.spec.target.environment = "staging".into(),
    |p| p.plan.spec.parameters = [("raise_percent".to_owned(), "200".to_owned())].into(),
    |p| p.plan.spec.parameters = [("raised_percent".to_owned(), "100".to_owned())].into(),
    |p| p.plan.hypothesis = "h2".to_owned(),
    |p| p.plan.cause = CauseKind::MemoryLeak,
    |p| p.plan.confidence = 0.71,
    |p| p.plan.rationale.push('x'),
    |p| p.plan.autonomy = Autonomy::Approve,
    |p| p.plan.reversibility = Reversibility::Irreversible,
    |p| p.plan.blast_radius = BlastRadius::System,
    |p| p.plan.verification.settle += Duration::from_nanos(1),
    |p| p.plan.verification.measure += Duration::from_nanos(1),
    |p| p.plan.verification.deadline += Duration::from_nanos(1),
    |p| p.plan.attempt += 1,
];

static POLICY: [Change; 24] = [
    |p| p.policy.autonomy = Autonomy::Suggest,
    |p| p.policy.rules[0].service = ServicePattern::parse("bank/*@*").unwrap(),
    |p| p.policy.rules[0].action = Some(ActionKind::Restart),
    |p| p.policy.rules[0].action = None,
    |p| p.policy.rules[0].autonomy = Autonomy::Approve,
    |p| p.policy.rules.clear(),
    |p| p.policy.enrolled = vec![ServicePattern::parse("*@production").unwrap()],
    |p| p.policy.protected = vec![ServicePattern::parse("till@*").unwrap()],
    // What was protected is enrolled instead, in the same order of patterns.
    |p| p.policy.enrolled.append(&mut p.policy.protected),
    |p| p.policy.confidence_min = 0.1,
    |p| p.policy.confidence_auto_min = 0.5,
    |p| p.policy.limits.actions_per_target_max += 1,
    |p| p.policy.limits.window_s += 1,
    |p| p.policy.limits.actions_under_way_max += 1,
    |p| p.policy.limits.actions_disturbed_max += 1,
    |p| p.policy.limits.attempts_per_incident_max += 1,
    |p| p.policy.limits.blast_radius_max = BlastRadius::System,
    |p| p.policy.limits.approval_expiry_s += 1,
    |p| p.policy.limits.execution_s += 1,
    |p| p.policy.limits.ineffective_max += 1,
    |p| p.policy.limits.ineffective_window_s += 1,
    |p| p.policy.limits.relapses_max += 1,
    |p| p.policy.limits.relapse_window_s += 1,
    |p| p.policy.limits.cooldown_s += 1,
];

static TARGET: [Change; 6] = [
    |p| p.facts().extend([("version".to_owned(), "1.4.3".to_owned())]),
    |p| p.facts().extend([("zone".to_owned(), String::new())]),
    |p| drop(p.facts().remove("version")),
    |p| {
        let TargetState::Ready { can_undo, .. } = &mut p.target else { unreachable!() };
        *can_undo = false;
    },
    |p| p.target = TargetState::Refused { reason: "away".to_owned() },
    |p| p.target = TargetState::Refused { reason: "asleep".to_owned() },
];

#[test]
fn no_field_of_plan_policy_or_target_is_left_out_of_the_digest() {
    let base = Picture::new();
    let mut digests = BTreeSet::from([base.digest(), Digest::of(&base.plan, &base.policy, None)]);
    for (of, changes) in [("plan", &PLAN[..]), ("policy", &POLICY[..]), ("target", &TARGET[..])] {
        for (index, change) in changes.iter().enumerate() {
            let mut picture = base.clone();
            change(&mut picture);
            assert!(
                digests.insert(picture.digest()),
                "change {index} of the {of} is not in the digest, or is another's"
            );
        }
    }
    let mut renamed = base.clone();
    renamed.plan.id = ActionId::of(base.plan.incident, 7);
    renamed.plan.digest = Digest::from_bytes([7; 32]);
    assert_eq!(renamed.digest(), base.digest(), "the same picture under another name is the same");
}

fn digest_of_texts(texts: &[String]) -> [u8; 32] {
    let mut writer = Writer::new("test");
    texts.iter().for_each(|text| writer.text(text));
    writer.finish()
}

proptest! {
    #[test]
    fn two_sequences_of_fields_never_look_alike(
        left in prop::collection::vec("[ab]{0,3}", 0..4),
        right in prop::collection::vec("[ab]{0,3}", 0..4),
    ) {
        prop_assert_eq!(digest_of_texts(&left) == digest_of_texts(&right), left == right);
    }

    #[test]
    fn a_digest_is_its_64_digits_and_nothing_else_is_one(bytes: [u8; 32], at in 0..64_usize, wrong in "[^0-9a-f]") {
        let digest = Digest::from_bytes(bytes);
        let text = digest.to_string();
        prop_assert_eq!(text.len(), 64);
        prop_assert_eq!(text.parse::<Digest>(), Ok(digest));
        prop_assert_eq!(format!("{digest:?}"), text.clone());
        let record: AuditHash = text.parse().unwrap();
        prop_assert_eq!(record.to_string(), text.clone());
        let mut broken = text.clone();
        broken.replace_range(at..=at, &wrong);
        let refused = |text: &str| IdError::NotSha256 { text: text.to_owned() };
        for text in [broken.as_str(), &text[1..], &format!("{text}0"), ""] {
            prop_assert_eq!(text.parse::<Digest>(), Err(refused(text)));
            prop_assert_eq!(text.parse::<AuditHash>(), Err(refused(text)));
        }
    }

    #[test]
    fn a_share_is_from_0_to_1(share in prop_oneof![-1.0..2.0_f64, Just(f64::NAN), Just(0.0), Just(1.0)]) {
        for key in ["confidence_min", "confidence_auto_min"] {
            let fields = MapDeserializer::<_, ValueError>::new([(key, share)].into_iter());
            let read = Policy::deserialize(fields);
            prop_assert_eq!(read.is_ok(), (0.0..=1.0).contains(&share), "{}", share);
            if let Ok(policy) = read {
                let kept = if key == "confidence_min" { policy.confidence_min } else { policy.confidence_auto_min };
                prop_assert_eq!(kept, share);
            }
        }
    }
}

fn record(last: Option<&AuditRecord>, step: &str) -> AuditRecord {
    let subject = AuditSubject::Hold("killSwitch".to_owned());
    let entry = AuditEntry { time: now(), actor: person(), subject, step: step.to_owned(), detail: String::new() };
    AuditRecord::next(last, entry)
}

#[test]
fn a_chain_counts_what_it_took_and_says_what_is_broken() {
    let first = record(None, "engaged");
    let second = record(Some(&first), "released");
    let mut chain = AuditChain::default();
    assert_eq!((chain.len(), chain.is_empty(), chain.head()), (0, true, AuditHash::default()));
    assert_eq!(chain.add(&second), Err(Broken::Sequence { expected: 1, found: 2 }));
    assert_eq!(chain.add(&first), Ok(()));
    assert_eq!((chain.len(), chain.is_empty(), chain.head()), (1, false, first.hash));
    assert_eq!(chain.add(&first), Err(Broken::Sequence { expected: 2, found: 1 }));
    let foreign = record(Some(&record(None, "another")), "released");
    assert_eq!(chain.add(&foreign), Err(Broken::Chain { sequence: 2 }));
    let mut changed = second.clone();
    changed.entry.detail.push('x');
    assert_eq!(chain.add(&changed), Err(Broken::Changed { sequence: 2 }));
    let mut rehashed = second.clone();
    rehashed.hash = first.hash;
    assert_eq!(chain.add(&rehashed), Err(Broken::Changed { sequence: 2 }));
    // What was refused left no trace.
    assert_eq!(chain.add(&second), Ok(()));
    assert_eq!((chain.len(), chain.head()), (2, second.hash));
    assert_ne!(first.hash, AuditHash::default());
    assert_ne!(first.hash, second.hash);
}

#[test]
fn only_what_time_alone_lifts_is_waited_for() {
    use BlockReason::*;
    let passing = [RateLimit, TargetBusy, FleetLimit, Cooldown, KillSwitch, Freeze, Maintenance];
    let lasting = [
        NotEnrolled,
        Protected,
        NotSeen,
        Autonomy,
        BlastRadius,
        Ineffective,
        Relapse,
        OutcomeUnknown,
        Refused,
        Precondition,
        DigestMismatch,
        Catalogue,
    ];
    let action = Box::new(World::permissive().action().unwrap().plan);
    let told = |reasons: &[BlockReason]| {
        let block = |reason: &BlockReason| Block { reason: *reason, detail: format!("because of {reason:?}") };
        Plan::Blocked { action: action.clone(), blocks: reasons.iter().map(block).collect() }.report()
    };
    for waits in passing {
        assert!(waits.is_passing());
        let reason = format!("because of {waits:?}");
        assert_eq!(told(&[waits]), Some(EventKind::PlanWaits { action: action.id, reason }));
        for lasts in lasting {
            let reason = format!("because of {waits:?}; because of {lasts:?}");
            assert_eq!(told(&[waits, lasts]), Some(EventKind::PlanBlocked { reason }));
        }
        assert_eq!(told(&[waits, AttemptsExhausted]), Some(EventKind::AttemptsExhausted));
    }
    assert!(lasting.iter().chain(&[AttemptsExhausted]).all(|reason| !reason.is_passing()));
}

#[test]
fn a_plan_is_told_in_words_that_say_what_and_why() {
    let mut world = World::permissive();
    let Some(EventKind::ActionProposed { summary, proposal, action }) = world.plan().0.report() else { panic!() };
    assert_eq!(summary, "roll back the deployment of shop/checkout@production, for BadDeployment is 90 % sure");
    assert_eq!((proposal, action), (Proposal::Automatic, world.action().unwrap().plan.id));
    world.hypotheses.remove(0);
    world.policy.autonomy = Autonomy::Approve;
    let Plan::AwaitApproval { action, expires_at, .. } = world.plan().0 else { panic!("{:?}", world.plan().0) };
    assert_eq!(expires_at, now() + Duration::from_secs(1_800));
    assert!(action.rationale.contains(" (raise_percent=100), "), "{}", action.rationale);
    let told = world.plan().0.report();
    assert!(
        matches!(told, Some(EventKind::ActionProposed { proposal: Proposal::NeedsApproval { .. }, .. })),
        "{told:?}"
    );
    world.policy.autonomy = Autonomy::Observe;
    let reason = "policy is observe for shop/checkout@production".to_owned();
    assert_eq!(world.plan().0.report(), Some(EventKind::NothingToDo { reason }));
    let spec = action.spec.clone();
    assert_eq!(Plan::AskTarget(spec).report(), None, "there is no news yet");
    for silent in [NothingToDo::IncidentEnded, NothingToDo::ActionLives { action: action.id }] {
        assert_eq!(Plan::NothingToDo(silent).report(), None);
    }
    assert_eq!(Plan::NothingToDo(NothingToDo::AllTried).report(), Some(EventKind::AttemptsExhausted));
}

#[test]
fn a_change_elsewhere_is_no_repairs_doing() {
    let world = World::permissive();
    let repair = past(&world, ActionKind::RaisePool, ActionState::Executing, 600, false);
    let change = |service: ServiceId, kind, age_s| telemetry::Change {
        service,
        time: now() - Duration::from_secs(age_s),
        kind,
        subject: "pool".to_owned(),
        before: "20".to_owned(),
        after: "40".to_owned(),
        description: String::new(),
    };
    let is_of_repair =
        |actions: &[PastAction], change: telemetry::Change| History { actions: actions.to_vec() }.is_of_repair(&change);
    let here = |age_s| change(service(), ChangeKind::Configuration, age_s);
    let mut uncalled = repair.clone();
    uncalled.executed_at = None;
    assert!(is_of_repair(&[uncalled.clone(), repair.clone()], here(590)));
    assert!(is_of_repair(from_ref(&repair), here(660)), "clocks differ by a minute");
    assert!(!is_of_repair(from_ref(&repair), here(661)));
    assert!(is_of_repair(from_ref(&repair), here(0)), "it is still at it");
    assert!(!is_of_repair(from_ref(&uncalled), here(590)));
    let elsewhere = change(ServiceId::named("cart"), ChangeKind::Configuration, 590);
    assert!(!is_of_repair(from_ref(&repair), elsewhere));
    assert!(!is_of_repair(from_ref(&repair), change(service(), ChangeKind::Deployment, 590)));
}
