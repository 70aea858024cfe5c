//! The table of models, with what it leaves out.

use serde::Serialize;

use super::cases::{Left, Why};
use super::score::{Empty, Row};
use crate::drill::share;
use crate::output;

/// Everything that an evaluation says.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) seed: u64,
    /// How many shops were broken, and which of them gave nothing to ask about.
    pub(super) faults: usize,
    pub(super) left: Vec<Left>,
    /// Of the others, those with more than one hypothesis: only there can a model choose.
    pub(super) with_choice: usize,
    pub(super) models: Vec<Row>,
}

impl Report {
    /// Of nothing yet.
    pub(super) fn of(seed: u64) -> Self {
        Self { seed, faults: 0, left: Vec::new(), with_choice: 0, models: Vec::new() }
    }

    /// An error where there is nothing to ask about.
    pub(super) fn hold_any(&self, cases: usize) -> Result<(), Empty> {
        match cases {
            0 => Err(Empty::Cases { faults: self.faults, no_incident: self.left_by(Why::NoIncident) }),
            _ => Ok(()),
        }
    }

    fn left_by(&self, why: Why) -> usize {
        self.left.iter().filter(|left| left.why == why).count()
    }

    /// Prints a row a model, and below it what has no place in one.
    pub(super) fn print(&self) -> std::io::Result<()> {
        let header = [
            "model",
            "cases",
            "service without",
            "service with",
            "cause without",
            "cause with",
            "advice given",
            "schema valid",
            "citations valid",
            "tokens",
            "cost",
            "latency",
        ];
        output::table(&header, self.models.iter().map(cells))?;
        output::line("")?;
        for row in &self.models {
            output::line(below(row))?;
        }
        output::line(format!(
            "{} faults: {} asked about, {} of them with more than one hypothesis to choose from; {} without an \
             incident, {} with an incident and no hypothesis",
            self.faults,
            self.faults - self.left.len(),
            self.with_choice,
            self.left_by(Why::NoIncident),
            self.left_by(Why::NoHypothesis)
        ))?;
        for left in &self.left {
            output::line(format!("    not asked about: {} on {}, seed {}", left.fault, left.service, left.seed))?;
        }
        Ok(())
    }
}

fn cells(row: &Row) -> Vec<String> {
    let of_cases = |count| share_of(count, row.cases);
    vec![
        row.who.model.clone(),
        row.cases.to_string(),
        of_cases(row.service_without),
        of_cases(row.service_with),
        of_cases(row.cause_without),
        of_cases(row.cause_with),
        of_cases(row.given),
        share_of(row.schema_valid, row.answered),
        share_of(row.citations_valid, row.cited),
        format!("{} in, {} out", row.input_tokens, row.output_tokens),
        row.cost_micros.map_or("-".to_owned(), |micros| format!("{:.4}", micros as f64 / 1e6)),
        match (row.median_s, row.worst_s) {
            (Some(median), Some(worst)) => format!("median {median:.1} s, worst {worst:.1} s"),
            _ => "-".to_owned(),
        },
    ]
}

/// Of nothing there is no share.
fn share_of(count: usize, all: usize) -> String {
    if all == 0 { "-".to_owned() } else { share(count, all) }
}

fn below(row: &Row) -> String {
    format!(
        "{}: withheld {}; {} repaired after a first answer of another shape; a wrong cause made right in {}, a right \
         one wrong in {}",
        row.who.model,
        row.withheld_text(),
        row.schema_repaired,
        row.cause_gained,
        row.cause_lost
    )
}

#[cfg(test)]
mod tests {
    use super::super::score::Who;
    use super::*;

    #[test]
    fn what_is_not_known_is_no_number() {
        let who = Who { model: "small".to_owned(), ..Who::default() };
        let nothing = cells(&Row { who: who.clone(), cases: 2, ..Row::default() });
        assert_eq!(nothing[7..], ["-", "-", "0 in, 0 out", "-", "-"]);
        let times = (Some(1.25), Some(30.0));
        let paid =
            Row { who, cases: 2, cost_micros: Some(12_345), median_s: times.0, worst_s: times.1, ..Row::default() };
        assert_eq!(cells(&paid)[10..], ["0.0123", "median 1.2 s, worst 30.0 s"]);
    }

    #[test]
    fn nothing_to_ask_about_is_an_error_that_says_so() {
        let left = Left { fault: "disk_full".to_owned(), service: "cart".to_owned(), seed: 1, why: Why::NoIncident };
        let report = Report { faults: 1, left: vec![left], ..Report::of(7) };
        let error = report.hold_any(0).unwrap_err();
        assert!(error.to_string().contains("none of 1 faults") && error.to_string().contains("1 without an incident"));
        assert_eq!(report.hold_any(1), Ok(()));
    }
}
