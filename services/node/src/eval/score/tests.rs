use llm_sre_proto::diagnosis::v1::{Advice, Diagnosis, Hypothesis, ModelUse};

use super::*;

/// A case whose hypotheses h1, h2, … are worth: nothing, the service, or the cause.
fn case(worth: &[Worth]) -> Case {
    let id = |index: usize| Hypothesis { id: format!("h{}", index + 1), ..Hypothesis::default() };
    let stated = |(index, worth): (usize, &Worth)| Stated {
        confidence: 0.5,
        is_first: index == 0,
        is_service_right: *worth != Worth::Nothing,
        is_cause_right: *worth == Worth::Cause,
    };
    let diagnosis = Diagnosis { hypotheses: (0..worth.len()).map(id).collect(), ..Diagnosis::default() };
    Case { seed: 1, diagnosis, stated: worth.iter().enumerate().map(stated).collect() }
}

#[derive(Clone, Copy, PartialEq)]
enum Worth {
    Nothing,
    Service,
    Cause,
}

use Worth::{Cause, Nothing, Service};

fn used(duration_ms: u64) -> Option<ModelUse> {
    let (input_tokens, output_tokens, cost_micros) = (100, 10, 5);
    Some(ModelUse { requests: 1, input_tokens, output_tokens, cost_micros, duration_ms, ..ModelUse::default() })
}

fn given(first: &str, rejected: usize, shapes: &[bool]) -> Advised {
    let advice = Advice {
        state: AdviceState::Given.into(),
        hypothesis_order: vec![first.to_owned()],
        rejected_claims: vec!["cites evidence 'e9', which it was not shown".to_owned(); rejected],
        model: used(2_000),
        ..Advice::default()
    };
    Advised { advice, shapes: shapes.to_vec() }
}

fn withheld(failure: AdviceFailure, shapes: &[bool]) -> Advised {
    let state = AdviceState::Withheld.into();
    // A word of the model that is not given does not count.
    let hypothesis_order = vec!["h2".to_owned()];
    let (failure, reason, model) = (failure.into(), "it did not go".to_owned(), used(60_000));
    let advice = Advice { state, failure, reason, hypothesis_order, model, ..Advice::default() };
    Advised { advice, shapes: shapes.to_vec() }
}

fn counted(is_paid: bool, judged: &[(Case, Advised)]) -> Row {
    let judged: Vec<(&Case, &Advised)> = judged.iter().map(|(case, advised)| (case, advised)).collect();
    row(Who { model: "small".to_owned(), is_paid, ..Who::default() }, &judged)
}

#[test]
fn causes_are_counted_with_and_without() {
    let row = counted(
        false,
        &[
            (case(&[Cause, Nothing]), given("h1", 0, &[true])),
            (case(&[Service, Cause]), given("h2", 0, &[true])),
            (case(&[Cause, Nothing]), given("h2", 0, &[true])),
            (case(&[Cause, Nothing]), withheld(AdviceFailure::TimedOut, &[])),
            (case(&[Nothing]), withheld(AdviceFailure::Invalid, &[false, false])),
        ],
    );
    assert_eq!((row.service_without, row.service_with), (4, 3));
    assert_eq!((row.cause_without, row.cause_with), (3, 3));
    assert_eq!((row.cause_gained, row.cause_lost), (1, 1));
    assert_eq!((row.cases, row.given), (5, 3));
    assert_eq!(row.withheld_text(), "1 invalid (it did not go), 1 timed_out (it did not go)");
}

#[test]
fn a_repaired_answer_had_the_wrong_shape_at_first() {
    let one = || case(&[Cause]);
    let row = counted(
        true,
        &[
            (one(), given("h1", 0, &[true])),
            (one(), given("h1", 0, &[false, true])),
            (one(), given("h1", 1, &[true])),
            (one(), withheld(AdviceFailure::Unfounded, &[true, true])),
            (one(), withheld(AdviceFailure::Invalid, &[false, false])),
            (one(), withheld(AdviceFailure::Refused, &[])),
        ],
    );
    assert_eq!((row.answered, row.schema_valid, row.schema_repaired), (5, 3, 1));
    assert_eq!((row.cited, row.citations_valid), (4, 2), "what is unfounded does not hold");
    assert_eq!((row.input_tokens, row.output_tokens, row.cost_micros), (600, 60, Some(30)));
    assert_eq!((row.median_s, row.worst_s), (Some(60.0), Some(60.0)));
}

#[test]
fn who_was_not_asked_took_no_time() {
    let mut advised = withheld(AdviceFailure::OverBudget, &[]);
    advised.advice.model = None;
    let row = counted(false, &[(case(&[Cause]), advised)]);
    assert_eq!((row.median_s, row.worst_s, row.cost_micros, row.input_tokens), (None, None, None, 0));
}

#[test]
fn no_table_comes_of_nothing() {
    assert_eq!(hold(&[]), Err(Empty::Models));
    assert_eq!(hold(&[counted(false, &[])]), Err(Empty::Models));
    let away = || counted(false, &[(case(&[Cause]), withheld(AdviceFailure::Unavailable, &[]))]);
    let error = hold(&[away(), away()]).unwrap_err().to_string();
    assert!(error.contains("small: 1 unavailable (it did not go)"), "{error}");
    let answered = counted(false, &[(case(&[Cause]), withheld(AdviceFailure::Invalid, &[false]))]);
    assert_eq!(hold(&[away(), answered]), Ok(()), "one that is away stands beside one that is not");
}

/// Every mixture of hypotheses, answers and shapes, drawn by a small generator.
#[test]
fn no_count_exceeds_its_cases() {
    let mut state = 7_u64;
    let mut draw = |below: u64| {
        state = llm_sre_ports::ids::mixed(state, 1);
        state % below
    };
    for _ in 0..2_000 {
        let cases = draw(9);
        let mut judged = Vec::new();
        for _ in 0..cases {
            let worth: Vec<Worth> =
                (0..=draw(4)).map(|_| [Nothing, Service, Cause][usize::try_from(draw(3)).unwrap()]).collect();
            let shapes: Vec<bool> = (0..draw(3)).map(|_| draw(2) == 0).collect();
            let failure = AdviceFailure::try_from(i32::try_from(1 + draw(12)).unwrap()).unwrap();
            let is_given = draw(2) == 0;
            let first = format!("h{}", 1 + draw(6));
            let rejected = usize::try_from(draw(3)).unwrap();
            let advised = if is_given { given(&first, rejected, &shapes) } else { withheld(failure, &shapes) };
            judged.push((case(&worth), advised));
        }
        let row = counted(true, &judged);
        let counts = [row.service_without, row.service_with, row.cause_without, row.cause_with, row.given];
        let answers = [row.answered, row.schema_valid, row.schema_repaired, row.cited, row.citations_valid];
        assert!(counts.iter().chain(&answers).all(|count| *count <= row.cases), "{row:?}");
        assert!(row.cause_without <= row.service_without && row.cause_with <= row.service_with, "{row:?}");
        assert!(row.schema_valid + row.schema_repaired <= row.answered && row.citations_valid <= row.cited, "{row:?}");
        assert_eq!(row.cause_with + row.cause_lost, row.cause_without + row.cause_gained, "{row:?}");
        assert_eq!(
            row.given + row.withheld.values().map(|withheld| withheld.cases).sum::<usize>(),
            row.cases,
            "{row:?}"
        );
        assert!(row.median_s <= row.worst_s);
    }
}
