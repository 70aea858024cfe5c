//! What may be spent on a model, in time, tokens and money.

use std::time::Duration;

use llm_sre_domain::advise::INSTRUCTIONS;
use llm_sre_ports::model::Usage;
use llm_sre_proto::MODEL_ANSWER_SCHEMA;

/// The bounds of advice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How long one piece of advice may take in real time, from the first question to the last answer. At most 240 s.
    pub within: Duration,
    /// How often a question is put, where the model is away or busy.
    pub attempts_max: u32,
    /// The longest pause that a server can ask for; who asks for more gets no further question.
    pub retry_after_max: Duration,
    /// How many are asked at the same time by one process.
    pub concurrency: usize,
    /// About how long a question may be, in bytes.
    pub question_bytes_max: usize,
    /// How long an answer may be, in tokens.
    pub answer_tokens_max: u32,
    /// For one incident, whatever its length.
    pub incident: Budget,
    /// For one day, in UTC by the product's clock, all incidents together.
    pub day: Budget,
    /// What tokens cost.
    pub prices: Prices,
}

/// What may be spent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Tokens, of questions and answers together.
    pub tokens_max: u64,
    /// Money, in millionths of the prices' currency.
    pub micros_max: u64,
}

/// What a million tokens cost, in millionths of a currency; 0 where nobody pays by the token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Prices {
    /// Of questions.
    pub input_micros: u64,
    /// Of answers.
    pub output_micros: u64,
}

/// Bytes of English or JSON that make a token, rather fewer than more: what is not known yet is reckoned as dear.
const BYTES_PER_TOKEN: u64 = 3;
/// Tokens that a server may put around a question.
const TEMPLATE_TOKENS_MAX: u64 = 1_024;

impl Limits {
    /// About what one question of full length is set aside for, with its instructions and the longest answer.
    pub fn of_one_question(question_bytes_max: usize, answer_tokens_max: u32, prices: Prices) -> Budget {
        let bytes = INSTRUCTIONS.len() + MODEL_ANSWER_SCHEMA.len() + question_bytes_max;
        let (question, answer) = (reckon_tokens(bytes), u64::from(answer_tokens_max));
        Budget { tokens_max: question.saturating_add(answer), micros_max: prices.cost_micros(question, answer) }
    }
}

/// About how many tokens a text has, without the model's own tokenizer.
pub(super) fn reckon_tokens(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX).div_ceil(BYTES_PER_TOKEN)
}

/// What a question and its answer count as: what the server says, as far as that can be. No text has no token or more
/// tokens than bytes; around it the server may put some of its own, and a model thinks for no longer than it may answer.
pub(super) fn counted(stated: Option<Usage>, question: usize, answer: usize, answer_tokens_max: u32) -> Usage {
    let of = |stated: Option<u64>, bytes: usize, spare: u64| {
        let most = u64::try_from(bytes).unwrap_or(u64::MAX).saturating_add(spare);
        stated.filter(|tokens| (1..=most).contains(tokens)).unwrap_or_else(|| reckon_tokens(bytes))
    };
    Usage {
        input_tokens: of(stated.map(|usage| usage.input_tokens), question, TEMPLATE_TOKENS_MAX),
        output_tokens: of(stated.map(|usage| usage.output_tokens), answer, answer_tokens_max.into()),
    }
}

impl Prices {
    /// What so many tokens cost, rounded up.
    pub(super) fn cost_micros(self, input_tokens: u64, output_tokens: u64) -> u64 {
        let cost = |tokens: u64, micros: u64| u128::from(tokens) * u128::from(micros);
        let sum = cost(input_tokens, self.input_micros) + cost(output_tokens, self.output_micros);
        u64::try_from(sum.div_ceil(1_000_000)).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_costs_at_least_something_where_it_has_a_price() {
        let prices = Prices { input_micros: 2_500_000, output_micros: 10_000_000 };
        assert_eq!(prices.cost_micros(1_000_000, 1_000_000), 12_500_000);
        assert_eq!(prices.cost_micros(1, 0), 3);
        assert_eq!(prices.cost_micros(u64::MAX, u64::MAX), u64::MAX);
        assert_eq!(Prices::default().cost_micros(u64::MAX, 7), 0);
        assert_eq!((reckon_tokens(0), reckon_tokens(1), reckon_tokens(9)), (0, 1, 3));
    }

    #[test]
    fn what_a_server_says_counts_where_it_can_be() {
        let stated = |input_tokens, output_tokens| Some(Usage { input_tokens, output_tokens });
        let reckoned = Usage { input_tokens: 1_000, output_tokens: 100 };
        assert_eq!(counted(stated(700, 900), 3_000, 300, 1_000), stated(700, 900).unwrap());
        assert_eq!(counted(None, 3_000, 300, 1_000), reckoned);
        // A gateway that does not count, and a number that would use up anybody's budget.
        assert_eq!(counted(stated(0, 0), 3_000, 300, 1_000), reckoned);
        assert_eq!(counted(stated(u64::MAX, 10_000_000), 3_000, 300, 1_000), reckoned);
    }
}
