//! What may be spent on the model, checked and in the units that diagnosis reckons in.

use std::ops::RangeInclusive;
use std::time::Duration;

use llm_sre_diagnosis::{Budget, Limits, Prices};

use super::{Mistake, Model};

/// Prices and amounts of money are kept in millionths.
const MICROS: f64 = 1e6;
/// The largest price or amount; beyond it is a slip of the keyboard.
const MONEY_MAX: f64 = 1e6;

impl Model {
    /// The bounds of advice; what is wrong with them.
    pub(crate) fn limits(&self) -> Result<Limits, Mistake> {
        within("within_s", self.within_s, 1..=240)?;
        within("attempts_max", self.attempts_max, 1..=10)?;
        within("retry_after_max_s", self.retry_after_max_s, 0..=240)?;
        within("concurrency", self.concurrency, 1..=16)?;
        within("question_bytes_max", self.question_bytes_max, 2_000..=200_000)?;
        within("answer_tokens_max", self.answer_tokens_max, 100..=32_000)?;
        within("answer_bytes_max", self.answer_bytes_max, 4_096..=16 * 1024 * 1024)?;
        self.request_timeout()?;
        let prices = Prices {
            input_micros: price("input_price_per_million", self.input_price_per_million)?,
            output_micros: price("output_price_per_million", self.output_price_per_million)?,
        };
        Ok(Limits {
            within: Duration::from_secs(self.within_s),
            attempts_max: self.attempts_max,
            retry_after_max: Duration::from_secs(self.retry_after_max_s),
            concurrency: self.concurrency,
            question_bytes_max: self.question_bytes_max,
            answer_tokens_max: self.answer_tokens_max,
            incident: Budget {
                tokens_max: self.tokens("incident_tokens_max", self.incident_tokens_max)?,
                micros_max: self.cost("incident_cost_max", self.incident_cost_max, prices)?,
            },
            day: Budget {
                tokens_max: self.tokens("day_tokens_max", self.day_tokens_max)?,
                micros_max: self.cost("day_cost_max", self.day_cost_max, prices)?,
            },
            prices,
        })
    }

    /// How long one request may take.
    pub(crate) fn request_timeout(&self) -> Result<Duration, Mistake> {
        if !(1..=self.within_s).contains(&self.request_timeout_s) {
            let reason =
                format!("{} is not from 1 to model.within_s, which is {}", self.request_timeout_s, self.within_s);
            return Err(("request_timeout_s", reason));
        }
        Ok(Duration::from_secs(self.request_timeout_s))
    }

    /// A budget that one question of the allowed length would overdraw leaves every diagnosis without advice.
    fn tokens(&self, key: &'static str, tokens_max: u64) -> Result<u64, Mistake> {
        let needed = self.of_one_question(Prices::default()).tokens_max;
        if tokens_max < needed {
            let reason = format!(
                "{tokens_max} is not enough for one question: model.question_bytes_max and model.answer_tokens_max \
                 come to {needed}"
            );
            return Err((key, reason));
        }
        Ok(tokens_max)
    }

    /// The same in money.
    fn cost(&self, key: &'static str, cost_max: Option<f64>, prices: Prices) -> Result<u64, Mistake> {
        let cost_max = cost(key, cost_max, prices)?;
        let needed = self.of_one_question(prices).micros_max;
        if cost_max < needed {
            let needed = needed as f64 / MICROS;
            return Err((key, format!("is not enough for one question, which may cost {needed}")));
        }
        Ok(cost_max)
    }

    fn of_one_question(&self, prices: Prices) -> Budget {
        Limits::of_one_question(self.question_bytes_max, self.answer_tokens_max, prices)
    }
}

fn within<T: PartialOrd + std::fmt::Display>(
    key: &'static str,
    value: T,
    range: RangeInclusive<T>,
) -> Result<(), Mistake> {
    if range.contains(&value) {
        return Ok(());
    }
    Err((key, format!("{value} is not from {} to {}", range.start(), range.end())))
}

fn price(key: &'static str, price: f64) -> Result<u64, Mistake> {
    if !(0.0..=MONEY_MAX).contains(&price) {
        return Err((key, format!("{price} is not from 0 to {MONEY_MAX}")));
    }
    micros(key, price)
}

fn cost(key: &'static str, cost: Option<f64>, prices: Prices) -> Result<u64, Mistake> {
    let Some(cost) = cost else { return Ok(u64::MAX) };
    if prices == Prices::default() {
        let reason = "limits nothing without model.input_price_per_million or model.output_price_per_million";
        return Err((key, reason.to_owned()));
    }
    if !(cost > 0.0 && cost <= MONEY_MAX) {
        return Err((key, format!("{cost} is not above 0 and at most {MONEY_MAX}")));
    }
    micros(key, cost)
}

fn micros(key: &'static str, amount: f64) -> Result<u64, Mistake> {
    let micros = (amount * MICROS).round() as u64;
    if micros == 0 && amount > 0.0 {
        return Err((key, format!("{amount} is less than a millionth, which is the least that is reckoned with")));
    }
    Ok(micros)
}
