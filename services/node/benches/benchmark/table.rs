//! Figures beside what they are compared with.

use std::fmt;

/// What was measured.
#[derive(Default)]
pub(crate) struct Table {
    rows: Vec<[String; 5]>,
    notes: Vec<String>,
}

/// What a figure should be.
#[derive(Clone, Copy)]
pub(crate) enum Goal {
    AtLeast(f64),
    AtMost(f64),
    /// A figure to know.
    None,
}

impl Table {
    /// Adds a figure; it is held against its goal as it stands, so both are in the unit that `what` names.
    pub(crate) fn add(&mut self, what: &str, figure: f64, beside: &str, goal: Goal) {
        let (goal, met) = match goal {
            Goal::AtLeast(least) => (format!(">= {}", short(least)), if figure >= least { "yes" } else { "NO" }),
            Goal::AtMost(most) => (format!("<= {}", short(most)), if figure <= most { "yes" } else { "NO" }),
            Goal::None => (String::new(), ""),
        };
        eprintln!("  {what}: {} ({beside})", short(figure));
        self.rows.push([what.to_owned(), short(figure), beside.to_owned(), goal, met.to_owned()]);
    }

    /// Says under which conditions figures were taken.
    pub(crate) fn note(&mut self, text: String) {
        eprintln!("  {text}");
        self.notes.push(text);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = comfy_table::Table::new();
        table.set_header(["what", "measured", "beside", "goal", "met"]);
        for row in &self.rows {
            table.add_row(row);
        }
        writeln!(f, "{table}")?;
        self.notes.iter().try_for_each(|note| writeln!(f, "{note}"))
    }
}

fn short(value: f64) -> String {
    match value.abs() {
        size if size >= 1_000.0 => {
            let digits = format!("{value:.0}");
            let groups: Vec<&str> = digits
                .as_bytes()
                .rchunks(3)
                .rev()
                .map(|group| std::str::from_utf8(group).unwrap_or_default())
                .collect();
            groups.join(" ")
        }
        size if size >= 10.0 => format!("{value:.0}"),
        _ => format!("{value:.2}"),
    }
}

/// The middle one of some figures.
pub(crate) fn median(figures: &[f64]) -> f64 {
    quantile(figures, 0.5)
}

/// The figure under which this share of them lies.
pub(crate) fn quantile(figures: &[f64], share: f64) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    let index = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(index.saturating_sub(1)).copied().unwrap_or(f64::NAN)
}
