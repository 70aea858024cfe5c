//! Each rule, kept and then broken by hand.

mod maintenance;

use llm_sre_domain::Timestamp;
use llm_sre_ports::documents::NewDocument;
use llm_sre_proto::action::v1::{ActionSpec, ExecuteRequest, UndoRequest};
use llm_sre_proto::convert::common::to_proto_time;
use llm_sre_proto::incident::v1::{
    CheckRecoveryResponse, Incident, RecoveryVerdict, Resolution, ResolutionReason, Signal, State,
};
use llm_sre_proto::remediation::v1::{Action, ActionState, AuditRecord, Decision, Freeze, KillSwitch, Reversibility};
use llm_sre_proto::telemetry::v1::ServiceIdentity;
use prost::Message;
use serde::Serialize;

use super::{Rule, Seen, Standing};

const INCIDENT: &str = "incidents/1";
const ACTION: &str = "incidents/1/actions/1";

fn at(second: i64) -> Timestamp {
    Timestamp::from_secs(second)
}

fn put(seen: &mut Seen, collection: &str, message: &impl Serialize, second: i64) {
    let body = serde_json::to_value(message).unwrap();
    let (collection, id, attributes) = (collection.to_owned(), "a".to_owned(), Default::default());
    seen.put(&NewDocument { collection, id, body, attributes, schema_version: 1 }, 1, at(second));
}

fn incident(name: &str, state: State) -> Incident {
    let (name, fingerprint) = (name.to_owned(), name.to_owned());
    let detect_time = Some(to_proto_time(at(100)));
    Incident { name, fingerprint, detect_time, state: state.into(), ..Incident::default() }
}

fn spec(service: &str) -> ActionSpec {
    let target = ServiceIdentity { name: service.to_owned(), ..ServiceIdentity::default() };
    ActionSpec { target: Some(target), ..ActionSpec::default() }
}

fn action(name: &str, service: &str, state: ActionState) -> Action {
    let (name, digest) = (name.to_owned(), "d".to_owned());
    Action { name, digest, spec: Some(spec(service)), state: state.into(), ..Action::default() }
}

fn framed(message: &impl Message) -> Vec<u8> {
    [vec![0; 5], message.encode_to_vec()].concat()
}

fn execute(service: &str) -> Vec<u8> {
    framed(&ExecuteRequest { request_id: ACTION.to_owned(), fencing_token: 1, spec: Some(spec(service)) })
}

fn undo() -> Vec<u8> {
    let request_id = format!("{ACTION}/undo");
    framed(&UndoRequest { request_id, execute_request_id: ACTION.to_owned(), fencing_token: 1 })
}

/// The rules that are broken by now.
fn broken(seen: &Seen) -> Vec<Rule> {
    seen.problems.iter().map(|(rule, _)| *rule).collect()
}

/// An action on `cart` whose intent is stored and on the record.
fn ready(standing: Standing) -> Seen {
    let mut seen = Seen::default();
    seen.standings.insert("cart".to_owned(), standing);
    put(&mut seen, "actions", &action(ACTION, "cart", ActionState::Approved), 100);
    put(&mut seen, "actions", &action(ACTION, "cart", ActionState::Executing), 101);
    let entry =
        AuditRecord { sequence: 1, action: ACTION.to_owned(), step: "execute".to_owned(), ..Default::default() };
    put(&mut seen, "audit", &entry, 101);
    assert_eq!(broken(&seen), []);
    seen
}

/// What is broken once the action is called, and something was done before.
fn called(standing: Standing, before: impl FnOnce(&mut Seen)) -> Vec<Rule> {
    let mut seen = ready(standing);
    before(&mut seen);
    seen.departs("Execute", &execute("cart"), at(200));
    broken(&seen)
}

/// What is broken once the action is taken back, and something was done before.
fn taken_back(standing: Standing, before: impl FnOnce(&mut Seen)) -> Vec<Rule> {
    let mut seen = ready(standing);
    put(&mut seen, "actions", &action(ACTION, "cart", ActionState::RollingBack), 110);
    let entry = AuditRecord { sequence: 2, action: ACTION.to_owned(), step: "undo".to_owned(), ..Default::default() };
    put(&mut seen, "audit", &entry, 110);
    before(&mut seen);
    seen.departs("Undo", &undo(), at(200));
    broken(&seen)
}

#[test]
fn a_call_that_all_rules_allow_breaks_none() {
    assert_eq!(called(Standing::Auto, |_| ()), []);
    assert_eq!(taken_back(Standing::Auto, |_| ()), []);
}

#[test]
fn a_call_needs_policy() {
    assert_eq!(called(Standing::Suggest, |_| ()), [Rule::Policy]);
    assert_eq!(called(Standing::Approve, |_| ()), [Rule::Policy]);
    assert_eq!(called(Standing::Protected, |_| ()), [Rule::Enrolment]);
    assert_eq!(called(Standing::Unenrolled, |_| ()), [Rule::Enrolment]);
    let irreversible = |seen: &mut Seen| {
        let executing = action(ACTION, "cart", ActionState::Executing);
        put(seen, "actions", &Action { reversibility: Reversibility::Irreversible.into(), ..executing }, 102);
    };
    assert_eq!(called(Standing::Auto, irreversible), [Rule::Policy]);
    let other_state = |seen: &mut Seen| put(seen, "actions", &action(ACTION, "cart", ActionState::Verifying), 102);
    assert_eq!(called(Standing::Auto, other_state), [Rule::Policy]);
    let taken_back =
        |second| move |seen: &mut Seen| put(seen, "actions", &action(ACTION, "cart", ActionState::RollingBack), second);
    assert_eq!(called(Standing::Auto, taken_back(170)), []);
    assert_eq!(called(Standing::Auto, taken_back(169)), [Rule::Policy]);
    let not_stored = |seen: &mut Seen| seen.actions.clear();
    assert_eq!(called(Standing::Auto, not_stored), [Rule::Policy]);
    let not_on_record = |seen: &mut Seen| seen.steps.clear();
    assert_eq!(called(Standing::Auto, not_on_record), [Rule::Audit]);
}

#[test]
fn nothing_is_taken_back_where_nothing_is_to_be_done_whatever_the_rung() {
    assert_eq!(taken_back(Standing::Approve, |_| ()), []);
    assert_eq!(taken_back(Standing::Suggest, |_| ()), []);
    assert_eq!(taken_back(Standing::Protected, |_| ()), [Rule::Enrolment]);
    assert_eq!(taken_back(Standing::Unenrolled, |_| ()), [Rule::Enrolment]);
    let never_named = |seen: &mut Seen| seen.standings.clear();
    assert_eq!(taken_back(Standing::Auto, never_named), [Rule::Enrolment]);
    let protected = |seen: &mut Seen| {
        seen.standings.insert("cart".to_owned(), Standing::Protected);
    };
    assert_eq!(taken_back(Standing::Auto, protected), [Rule::Enrolment], "as things are at that moment");
}

#[test]
fn an_approval_counts_where_somebody_gave_it() {
    let approved = |digest: &str| {
        let decision = Decision { approved: true, digest: digest.to_owned(), ..Decision::default() };
        Action { decision: Some(decision), ..action(ACTION, "cart", ActionState::Executing) }
    };
    let given = |seen: &mut Seen| {
        seen.approvals.insert((ACTION.to_owned(), "d".to_owned()));
        put(seen, "actions", &approved("d"), 102);
    };
    assert_eq!(called(Standing::Approve, given), []);
    let invented = |seen: &mut Seen| put(seen, "actions", &approved("d"), 102);
    assert_eq!(called(Standing::Approve, invented), [Rule::Policy, Rule::Policy]);
    let altered = |seen: &mut Seen| {
        seen.approvals.insert((ACTION.to_owned(), "d".to_owned()));
        put(seen, "actions", &approved("e"), 102);
    };
    assert_eq!(called(Standing::Approve, altered), [Rule::Policy, Rule::Policy]);
}

#[test]
fn nothing_is_called_on_hold_but_what_could_not_be_known() {
    let switched = |second, engaged| {
        move |seen: &mut Seen| put(seen, "kill_switch", &KillSwitch { engaged, ..KillSwitch::default() }, second)
    };
    assert_eq!(called(Standing::Auto, switched(199, true)), []);
    assert_eq!(called(Standing::Auto, switched(190, true)), [Rule::Holds]);
    assert_eq!(called(Standing::Auto, switched(190, false)), []);
    let frozen = |pattern: &'static str, start, end| {
        let time = |second| Some(to_proto_time(at(second)));
        let services = vec![pattern.to_owned()];
        let freeze = Freeze { services, start_time: time(start), end_time: time(end), ..Freeze::default() };
        move |seen: &mut Seen| put(seen, "freezes", &freeze, 150)
    };
    assert_eq!(called(Standing::Auto, frozen("shop/cart@demo", 160, 300)), [Rule::Holds]);
    assert_eq!(called(Standing::Auto, frozen("shop/*@demo", 140, 300)), [Rule::Holds]);
    assert_eq!(called(Standing::Auto, frozen("shop/search@demo", 140, 300)), []);
    assert_eq!(called(Standing::Auto, frozen("shop/cart@demo", 198, 300)), []);
    assert_eq!(called(Standing::Auto, frozen("shop/cart@demo", 140, 199)), []);
}

#[test]
fn nothing_is_done_twice_or_taken_back_undone() {
    let busy = |seen: &mut Seen| {
        put(seen, "actions", &action("incidents/2/actions/2", "cart", ActionState::Verifying), 102);
    };
    assert_eq!(called(Standing::Auto, busy), [Rule::Once]);
    let mut seen = ready(Standing::Auto);
    let undo = undo();
    seen.departs("Undo", &undo, at(200));
    assert_eq!(broken(&seen), [Rule::Policy, Rule::Audit], "it is not being taken back, and not on the record");
    seen.takes_effect("Undo", &undo);
    assert_eq!(broken(&seen).last(), Some(&Rule::Once), "it was never done");
    assert_eq!(seen.effects(), (1, 1));
}

#[test]
fn attempts_are_counted_by_their_effects() {
    let mut seen = Seen::default();
    for number in 1..=4 {
        let request_id = format!("{INCIDENT}/actions/{number}");
        let request = framed(&ExecuteRequest { request_id, ..ExecuteRequest::default() });
        seen.takes_effect("Execute", &request);
        seen.takes_effect("Execute", &request);
        assert_eq!(broken(&seen).len(), usize::from(number > 3), "{number}");
    }
}

#[test]
fn an_automatic_end_needs_a_measurement() {
    let ended = |reason: ResolutionReason| {
        let resolution = Some(Resolution { reason: reason.into(), ..Resolution::default() });
        let end_time = Some(to_proto_time(at(300)));
        Incident { resolution, end_time, ..incident(INCIDENT, State::Resolved) }
    };
    let after = |was: State, reason: ResolutionReason, before: fn(&mut Seen)| {
        let mut seen = Seen::default();
        put(&mut seen, "incidents", &incident(INCIDENT, State::Open), 100);
        put(&mut seen, "incidents", &incident(INCIDENT, was), 101);
        before(&mut seen);
        put(&mut seen, "incidents", &ended(reason), 300);
        seen
    };
    let measured = |seen: &mut Seen| {
        let verdict = RecoveryVerdict::Recovered.into();
        let recovery = Some(CheckRecoveryResponse { verdict, ..CheckRecoveryResponse::default() });
        put(seen, "actions", &Action { recovery, ..action(ACTION, "cart", ActionState::Succeeded) }, 200);
    };
    let rules = |was: State, reason: ResolutionReason, before: fn(&mut Seen)| broken(&after(was, reason, before));
    assert_eq!(rules(State::Verifying, ResolutionReason::Measured, measured), []);
    assert_eq!(rules(State::Verifying, ResolutionReason::Measured, |_| ()), [Rule::Measured]);
    assert_eq!(rules(State::Verifying, ResolutionReason::SelfRecovered, measured), [Rule::Measured]);
    assert_eq!(rules(State::Open, ResolutionReason::SelfRecovered, |_| ()), []);
    assert_eq!(rules(State::Open, ResolutionReason::Manual, |_| ()), [Rule::Measured]);
    let by_hand = |seen: &mut Seen| {
        seen.by_hand.insert(INCIDENT.to_owned());
    };
    assert_eq!(rules(State::Open, ResolutionReason::Manual, by_hand), []);
    let mut seen = after(State::Open, ResolutionReason::SelfRecovered, |_| ());
    seen.fault_ended(at(90), at(300));
    assert_eq!(broken(&seen), []);
    seen.fault_ended(at(90), at(301));
    assert_eq!(broken(&seen), [Rule::Measured], "the fault was still at work");
}

#[test]
fn incidents_end_in_time_and_one_cause_has_one() {
    let mut seen = Seen::default();
    let deadline_time = Some(to_proto_time(at(200)));
    put(&mut seen, "incidents", &Incident { deadline_time, ..incident(INCIDENT, State::Open) }, 100);
    seen.look(Some(at(90)), at(1_100));
    assert_eq!(broken(&seen), []);
    seen.look(Some(at(90)), at(1_101));
    assert_eq!(broken(&seen), [Rule::InTime]);
    seen.end();
    assert_eq!(broken(&seen), [Rule::InTime, Rule::InTime]);

    let mut seen = Seen::default();
    put(&mut seen, "incidents", &incident(INCIDENT, State::Open), 100);
    put(&mut seen, "incidents", &incident("incidents/2", State::Open), 100);
    put(
        &mut seen,
        "incidents",
        &Incident { signal: Signal::Silence.into(), ..incident("incidents/3", State::Open) },
        100,
    );
    seen.look(Some(at(101)), at(110));
    seen.look(Some(at(101)), at(300));
    assert_eq!(broken(&seen), [], "they are of a time before the fault");
    seen.look(Some(at(90)), at(310));
    seen.look(Some(at(90)), at(430));
    assert_eq!(broken(&seen), [], "they may soon be seen to be of one cause");
    seen.look(Some(at(90)), at(431));
    assert_eq!(broken(&seen), [Rule::OneIncident]);

    let mut seen = Seen::default();
    put(&mut seen, "incidents", &incident(INCIDENT, State::Open), 100);
    let twin = Incident { name: "incidents/2".to_owned(), ..incident(INCIDENT, State::Open) };
    put(&mut seen, "incidents", &twin, 100);
    assert_eq!(broken(&seen), [Rule::OneIncident], "one fingerprint");
}

#[test]
fn what_ended_stays_so_and_what_is_owed_is_not_over() {
    for (was, is, is_legal) in [
        (State::Resolved, State::Open, true),
        (State::Resolved, State::Diagnosing, false),
        (State::Duplicate, State::Open, false),
        (State::Diagnosing, State::Open, false),
        (State::Diagnosing, State::Escalated, true),
    ] {
        let mut seen = Seen::default();
        put(&mut seen, "incidents", &incident(INCIDENT, State::Open), 100);
        seen.incidents.insert(INCIDENT.to_owned(), incident(INCIDENT, was));
        put(&mut seen, "incidents", &incident(INCIDENT, is), 101);
        assert_eq!(broken(&seen).is_empty(), is_legal, "{was:?} to {is:?}");
    }
    let owing = |duty: serde_json::Value| {
        let mut body = serde_json::to_value(incident(INCIDENT, State::Escalated)).unwrap();
        body["duties"] = serde_json::json!([duty]);
        let mut seen = Seen::default();
        seen.incidents.insert(INCIDENT.to_owned(), incident(INCIDENT, State::Escalated));
        put(&mut seen, "incidents", &body, 100);
        seen.open()
    };
    assert!(owing(serde_json::json!({ "plan": { "request_id": "x" } })).is_some());
    assert!(owing(serde_json::json!("cancel_actions")).is_some());
    assert_eq!(owing(serde_json::json!("begin_trace")), None);
    assert_eq!(owing(serde_json::json!({ "end_trace": { "stage": "x" } })), None);
}

#[test]
fn the_audit_record_is_a_chain() {
    let entry = |sequence, previous: &str, hash: &str| {
        let (previous_hash, hash) = (previous.to_owned(), hash.to_owned());
        AuditRecord { sequence, previous_hash, hash, ..AuditRecord::default() }
    };
    let chain = |entries: &[AuditRecord]| {
        let mut seen = Seen::default();
        entries.iter().for_each(|entry| put(&mut seen, "audit", entry, 100));
        seen.audit_ends("b");
        broken(&seen)
    };
    assert_eq!(chain(&[entry(1, "0", "a"), entry(2, "a", "b")]), []);
    assert_eq!(chain(&[entry(1, "0", "a"), entry(2, "x", "b")]), [Rule::Audit]);
    assert_eq!(chain(&[entry(1, "0", "a"), entry(3, "a", "b")]), [Rule::Audit]);
    assert_eq!(chain(&[entry(1, "0", "a"), entry(2, "a", "c")]), [Rule::Audit]);
}
