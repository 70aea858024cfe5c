//! What a language model said of a diagnosis, as words of its own: marked, and safe to print.

use llm_sre_proto::diagnosis::v1::{Advice, AdviceState, ModelUse};

use crate::output;

/// Millionths in one.
const MICROS: u64 = 1_000_000;

/// Advice as names and values.
pub(super) fn fields(advice: &Advice) -> Vec<(&'static str, String)> {
    let is_given = advice.state() == AdviceState::Given;
    let confidence = || {
        let (held, stated) = (advice.confidence, advice.stated_confidence);
        let capped =
            if held < stated { format!(" (it said {stated:.2}; the evidence bears no more)") } else { String::new() };
        format!("{held:.2}{capped}")
    };
    vec![
        ("advice", state(advice)),
        ("reason", line(&advice.reason)),
        ("root cause", line(&advice.root_cause)),
        ("immediate fix", line(&advice.immediate_fix)),
        ("long-term fix", line(&advice.long_term_fix)),
        ("hypotheses", advice.hypothesis_order.join(" ")),
        ("evidence", advice.cited_evidence.join(" ")),
        ("action", line(&advice.proposed_action)),
        ("confidence", if is_given { confidence() } else { String::new() }),
        ("not believed", advice.rejected_claims.iter().map(|claim| line(claim)).collect::<Vec<_>>().join("; ")),
        ("model", advice.model.as_ref().map(who).unwrap_or_default()),
        ("cost", advice.model.as_ref().map(cost).unwrap_or_default()),
    ]
}

/// Whether advice is there, and why it is not.
pub(super) fn state(advice: &Advice) -> String {
    match advice.state() {
        AdviceState::Given => "given, in the words of a language model".to_owned(),
        AdviceState::Withheld => {
            format!("withheld ({})", output::short(advice.failure().as_str_name(), "ADVICE_FAILURE_"))
        }
        AdviceState::Pending => "awaited".to_owned(),
        AdviceState::Unspecified => String::new(),
    }
}

/// Which model it was, and who runs it.
pub(super) fn who(used: &ModelUse) -> String {
    let answering = match line(&used.answering_model) {
        same if same.is_empty() || same == used.requested_model => String::new(),
        other => format!(", answered by {other}"),
    };
    format!("{} ({}{answering})", line(&used.requested_model), line(&used.provider))
}

/// Requests, tokens and money.
pub(super) fn cost(used: &ModelUse) -> String {
    if used.requests == 0 {
        return "none: an answer to the same question was at hand".to_owned();
    }
    let requests = if used.requests == 1 { "1 request".to_owned() } else { format!("{} requests", used.requests) };
    format!("{requests}, {}", spent(used))
}

/// Tokens and money.
pub(super) fn spent(used: &ModelUse) -> String {
    let money = if used.cost_micros == 0 { String::new() } else { format!(", {} in money", money(used.cost_micros)) };
    format!("{} + {} tokens{money}", used.input_tokens, used.output_tokens)
}

/// Millionths of the prices' currency as a decimal.
fn money(micros: u64) -> String {
    let decimal = format!("{}.{:06}", micros / MICROS, micros % MICROS);
    let (whole, part) = decimal.split_at(decimal.len() - 4);
    format!("{whole}{}", part.trim_end_matches('0'))
}

/// Text of others as one line: a model's words must not move a terminal's cursor.
pub(super) fn line(text: &str) -> String {
    llm_sre_domain::advise::clean(text)
}

/// Text of others whose lines are kept.
pub(super) fn lines(text: &str) -> String {
    text.lines().map(line_kept).collect::<Vec<_>>().join("\n")
}

/// As [`line()`], with the blanks that a line is indented by.
fn line_kept(text: &str) -> String {
    let indent = text.chars().take_while(|character| *character == ' ').count();
    format!("{:indent$}{}", "", line(text))
}

#[cfg(test)]
mod tests {
    use llm_sre_proto::diagnosis::v1::AdviceFailure;

    use super::*;

    fn told(advice: &Advice) -> String {
        let filled = fields(advice).into_iter().filter(|(_, value)| !value.is_empty());
        filled.map(|(name, value)| format!("{name}: {value}\n")).collect()
    }

    fn used() -> ModelUse {
        ModelUse {
            provider: "openai".to_owned(),
            requested_model: "m".to_owned(),
            answering_model: "m-2025".to_owned(),
            requests: 2,
            input_tokens: 900,
            output_tokens: 100,
            cost_micros: 1_250,
            ..ModelUse::default()
        }
    }

    #[test]
    fn given_advice_is_marked_and_says_what_it_cost() {
        let advice = Advice {
            state: AdviceState::Given.into(),
            root_cause: "the disk\u{1b}[2J is full\nreally".to_owned(),
            hypothesis_order: vec!["h2".to_owned(), "h1".to_owned()],
            confidence: 0.5,
            stated_confidence: 0.9,
            rejected_claims: vec!["e99 was not shown".to_owned()],
            model: Some(used()),
            ..Advice::default()
        };
        let text = told(&advice);
        for said in [
            "advice: given, in the words of a language model",
            "root cause: the disk [2J is full really",
            "hypotheses: h2 h1",
            "confidence: 0.50 (it said 0.90; the evidence bears no more)",
            "not believed: e99 was not shown",
            "model: m (openai, answered by m-2025)",
            "cost: 2 requests, 900 + 100 tokens, 0.00125 in money",
        ] {
            assert!(text.contains(&format!("{said}\n")), "{said} in {text}");
        }
    }

    #[test]
    fn what_is_missing_is_told_with_its_reason() {
        let advice = Advice {
            state: AdviceState::Withheld.into(),
            failure: AdviceFailure::OverBudget.into(),
            reason: "the day has 0 left".to_owned(),
            ..Advice::default()
        };
        assert_eq!(told(&advice), "advice: withheld (over_budget)\nreason: the day has 0 left\n");
        assert_eq!(told(&Advice { state: AdviceState::Pending.into(), ..Advice::default() }), "advice: awaited\n");
        let cached = ModelUse { requests: 0, ..used() };
        assert!(cost(&cached).starts_with("none"), "{}", cost(&cached));
    }

    #[test]
    fn money_has_two_digits_and_more_where_they_count() {
        for (micros, text) in
            [(0, "0.00"), (1, "0.000001"), (250_000, "0.25"), (1_500_000, "1.50"), (12_340_500, "12.3405")]
        {
            assert_eq!(money(micros), text);
        }
        assert_eq!(lines("{\n  \"a\": 1\u{7}\n}"), "{\n  \"a\": 1\n}");
    }
}
