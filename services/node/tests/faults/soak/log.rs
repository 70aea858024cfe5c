//! Lines of the product's log that tell of trouble, and which of them what the soak did explains.

use std::collections::BTreeSet;

use serde_json::{Map, Value};
use tonic::Code;

/// A line of the log, which is JSON.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Line {
    level: String,
    target: String,
    message: String,
    fields: Map<String, Value>,
    /// As it was written.
    pub(crate) text: String,
}

/// What the soak knows that it brought about: the ids of the incidents that its faults opened.
#[derive(Clone, Debug, Default)]
pub(crate) struct Made {
    pub(crate) incidents: BTreeSet<String>,
}

/// A kind of line that a fault of the shop can bring about.
struct Rule {
    target: &'static str,
    message: &'static str,
    /// Whether the line's other fields are those of the cause.
    holds: fn(&Line) -> bool,
    because: &'static str,
}

/// Everything that is explained. Each also has to name an incident that the soak made.
const RULES: [Rule; 2] = [
    Rule {
        target: "llm_sre_detector::kept",
        message: "a person must take over",
        holds: |_| true,
        because: "an incident of a fault was escalated",
    },
    Rule {
        target: "llm_sre_detector::duties",
        message: "a duty was refused",
        // Whoever plans says so where nothing that it may do would help.
        holds: |line| {
            line.text_of("duty").starts_with("Plan ")
                && line.text_of("error").contains(Code::FailedPrecondition.description())
        },
        because: "nothing was to be proposed for an incident of a fault",
    },
];

impl Line {
    /// The lines of a log that are warnings, errors, or no lines of the log at all, such as a panic's.
    pub(crate) fn troubles(log: &str) -> Vec<Self> {
        log.lines().filter(|line| !line.trim().is_empty()).map(Self::read).filter(Self::is_trouble).collect()
    }

    fn read(text: &str) -> Self {
        let fields = match serde_json::from_str(text) {
            Ok(Value::Object(fields)) => fields,
            // Without a level it is trouble.
            _ => Map::new(),
        };
        let [level, target, message] = ["level", "target", "message"].map(|key| said(&fields, key));
        Self { level, target, message, fields, text: text.to_owned() }
    }

    fn is_trouble(&self) -> bool {
        !["INFO", "DEBUG", "TRACE"].contains(&self.level.as_str())
    }

    /// What the soak did that explains it; `None` of what nobody caused.
    pub(crate) fn cause(&self, made: &Made) -> Option<&'static str> {
        let incident = self.text_of("incident");
        let id = incident.strip_prefix("incidents/").unwrap_or(&incident);
        let fits = |rule: &&Rule| rule.target == self.target && rule.message == self.message && (rule.holds)(self);
        // An error is never what a broken shop brings about.
        let is_possible = self.level == "WARN" && made.incidents.contains(id);
        RULES.iter().find(fits).filter(|_| is_possible).map(|rule| rule.because)
    }

    fn text_of(&self, key: &str) -> String {
        said(&self.fields, key)
    }
}

/// A field as text; empty where there is none.
fn said(fields: &Map<String, Value>, key: &str) -> String {
    fields.get(key).map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;
    use serde_json::json;

    use super::*;

    const OWN: &str = "c064f368-57e0-5773-aac6-b84c1236d70e";
    const OTHER: &str = "b1f3ce8e-3a3e-5d0c-9b52-0b8a2dd4f9b1";

    fn made() -> Made {
        Made { incidents: BTreeSet::from([OWN.to_owned()]) }
    }

    fn escalated() -> Value {
        json!({ "timestamp": "2026-01-05T10:00:00.000000Z", "level": "WARN", "target": "llm_sre_detector::kept",
                "message": "a person must take over", "incident": OWN, "reason": "Unverified" })
    }

    fn refused() -> Value {
        let error = tonic::Status::failed_precondition("incidents/x has no action to propose").to_string();
        json!({ "level": "WARN", "target": "llm_sre_detector::duties", "message": "a duty was refused",
                "incident": format!("incidents/{OWN}"), "duty": "Plan { request_id: \"p\" }", "error": error })
    }

    fn cause(line: &Value) -> Option<&'static str> {
        let lines = Line::troubles(&format!("{line}\n"));
        assert_eq!(lines.len(), 1, "{line}");
        lines[0].cause(&made())
    }

    #[test]
    fn what_a_fault_brings_about_is_explained() {
        assert_eq!(cause(&escalated()), Some("an incident of a fault was escalated"));
        assert_eq!(cause(&refused()), Some("nothing was to be proposed for an incident of a fault"));
    }

    /// Whatever differs of a line that is explained, it is not explained any more.
    #[test]
    fn nothing_else_is_explained() {
        let changed = |mut line: Value, key: &str, value: &str| {
            line[key] = value.into();
            line
        };
        for (key, value) in [
            ("incident", OTHER),
            ("incident", ""),
            ("level", "ERROR"),
            ("target", "llm_sre_detector::keep"),
            ("message", "a person must take over now"),
        ] {
            assert_eq!(cause(&changed(escalated(), key, value)), None, "{key} {value}");
        }
        let internal = tonic::Status::internal("it broke").to_string();
        for (key, value) in
            [("incident", OTHER), ("duty", "Diagnose { request_id: \"d\" }"), ("error", internal.as_str())]
        {
            assert_eq!(cause(&changed(refused(), key, value)), None, "{key} {value}");
        }
        assert_eq!(cause(&json!({ "level": "WARN", "message": "a person must take over", "incident": OWN })), None);
        assert_eq!(Line::read(&escalated().to_string()).cause(&Made::default()), None);
    }

    /// A warning of letters that nobody chose is told and not explained; what is calm is not told.
    #[test]
    fn every_line_is_told_of_but_those_that_are_calm() {
        for seed in 0..200 {
            let mut random = ChaCha8Rng::seed_from_u64(seed);
            let (mut log, mut expected) = (String::new(), Vec::new());
            for _ in 0..random.random_range(0..30_u32) {
                let letters: usize = random.random_range(1..20);
                let word: String = (0..letters).map(|_| random.random_range('a'..='z')).collect();
                let (level, shape): (usize, u32) = (random.random_range(0..5), random.random_range(0..4));
                let level = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR"][level];
                let line = match shape {
                    0 => format!("thread '{word}' panicked at src/main.rs:1:1:"),
                    1 => json!({ "level": level, "message": word, "incident": OWN }).to_string(),
                    // Cut off in its middle, as by a full disk.
                    2 => json!({ "level": level, "message": word }).to_string().trim_end_matches('}').to_owned(),
                    _ => json!({ "message": word }).to_string(),
                };
                let is_calm = line.ends_with('}') && line.contains("\"level\"") && !["WARN", "ERROR"].contains(&level);
                log += &format!("{line}\n\n");
                if !is_calm {
                    expected.push(line);
                }
            }
            let troubles = Line::troubles(&log);
            let told: Vec<&str> = troubles.iter().map(|line| line.text.as_str()).collect();
            assert_eq!(told, expected, "seed {seed}");
            assert!(troubles.iter().all(|line| line.cause(&made()).is_none()), "seed {seed}");
        }
    }
}
