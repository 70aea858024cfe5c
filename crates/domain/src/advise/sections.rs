//! What the question tells of each kind of fact, and in which order.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use super::text::{Line, shown, shown_of, shown_value};
use crate::detect::EXEMPLAR_BYTES_MAX;
use crate::diagnose::{Cause, Hypothesis};
use crate::evidence::{Attempt, Evidence, Fact, Gap, LogTemplate, Outcome, Precedent};
use crate::incident::Ruling;
use crate::telemetry::{Change, ChangeKind, LogSeverity, Origin};
use crate::{Anomaly, Direction, ServiceId, Signal, Timestamp};

/// Characters of a name, such as a service's or a metric's.
const NAME_MAX: usize = 120;
/// Characters of a log template, of a line that shows one, and of what somebody wrote about a change.
const PROSE_MAX: usize = 300;
/// Lines that show a template.
const EXEMPLARS_MAX: usize = 2;

/// The kinds of facts, as sections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Section {
    Signals,
    Logs,
    Changes,
    Past,
}

impl Section {
    pub(super) fn of(fact: &Fact) -> Self {
        use crate::evidence::Observation;
        match &fact.observation {
            Observation::Anomaly(_) => Self::Signals,
            Observation::LogTemplate(_) => Self::Logs,
            Observation::Change(_) => Self::Changes,
            Observation::Precedent(_) | Observation::Attempt(_) => Self::Past,
        }
    }
}

/// The facts of a section, the most telling first: what hypotheses argue from, then what is furthest from usual.
pub(super) fn telling(section: Section, evidence: &Evidence, cited: &BTreeSet<&str>) -> Vec<usize> {
    let facts = evidence.facts.iter().enumerate();
    let mut places: Vec<usize> =
        facts.filter(|(_, fact)| Section::of(fact) == section).map(|(place, _)| place).collect();
    places.sort_by_cached_key(|place| {
        let fact = &evidence.facts[*place];
        (Reverse(cited.contains(fact.id.0.as_str())), Reverse(weight(fact)), *place)
    });
    places
}

/// How much a fact tells among those of its section.
fn weight(fact: &Fact) -> u64 {
    use crate::evidence::Observation;
    match &fact.observation {
        Observation::Anomaly(anomaly) => (anomaly.score.clamp(0.0, 1e9) * 1e3) as u64,
        // What was never seen before tells more than what is seen often, and an error more than a warning.
        Observation::LogTemplate(template) => {
            let severity = u64::try_from(template.severity.number()).unwrap_or(0);
            u64::from(template.is_new) * 1_000_000 + severity * 10_000 + template.count.min(9_999)
        }
        Observation::Change(change) => seconds(change.time),
        Observation::Precedent(precedent) => u64::from(precedent.is_same),
        Observation::Attempt(attempt) => 2 + u64::from(attempt.is_of_this_life),
    }
}

fn seconds(time: Timestamp) -> u64 {
    u64::try_from(time.as_nanos() / 1_000_000_000).unwrap_or(0)
}

/// A fact as a line that begins with its id.
pub(super) fn line(id: &str, fact: &Fact, as_of: Timestamp) -> String {
    use crate::evidence::Observation;
    let line = Line::new().text("id", id);
    let line = match &fact.observation {
        Observation::Anomaly(anomaly) => signal(line, anomaly, as_of),
        Observation::LogTemplate(template) => logs(line, template, as_of),
        Observation::Change(found) => change(line, found, as_of),
        Observation::Precedent(found) => precedent(line, found),
        Observation::Attempt(found) => attempt(line, found),
    };
    line.end()
}

/// Seconds from the end of the evidence, so below zero.
fn at(line: Line, key: &str, time: Timestamp, as_of: Timestamp) -> Line {
    line.number(key, (time.as_secs_f64() - as_of.as_secs_f64()).round())
}

fn of(line: Line, service: &ServiceId, origin: &Origin) -> Line {
    line.text("service", &shown(&service.to_string(), NAME_MAX))
        .text("instance", &shown(&origin.instance, NAME_MAX))
        .text("version", &shown(&origin.version, NAME_MAX))
}

fn signal(line: Line, anomaly: &Anomaly, as_of: Timestamp) -> Line {
    let direction = match anomaly.direction {
        Direction::Up => "up",
        Direction::Down => "down",
    };
    of(at(line, "since_s", anomaly.onset, as_of), &anomaly.service, &anomaly.origin)
        .text("signal", signal_name(anomaly.signal))
        .text("metric", &shown(&anomaly.metric, NAME_MAX))
        .text("part", &shown(&anomaly.dimension, NAME_MAX))
        .text("direction", direction)
        .number("usual", anomaly.expected)
        .number("observed", anomaly.observed)
        .text("unit", &shown(&anomaly.unit, NAME_MAX))
        .number("score", anomaly.score)
}

fn signal_name(signal: Signal) -> &'static str {
    match signal {
        Signal::Latency => "latency",
        Signal::Errors => "errors",
        Signal::Traffic => "traffic",
        Signal::Saturation => "saturation",
        Signal::BudgetBurn => "error budget burn",
        Signal::LogBurst => "more error logs",
        Signal::NewLogTemplate => "new kind of log",
        Signal::Silence => "silence",
        Signal::Other => "other",
        Signal::FlatLine => "flat line",
        Signal::Drift => "slow drift",
    }
}

fn logs(line: Line, template: &LogTemplate, as_of: Timestamp) -> Line {
    let severity = match template.severity {
        LogSeverity::Unspecified => "",
        LogSeverity::Trace => "trace",
        LogSeverity::Debug => "debug",
        LogSeverity::Info => "info",
        LogSeverity::Warn => "warn",
        LogSeverity::Error => "error",
        LogSeverity::Fatal => "fatal",
    };
    let lines = template.exemplars.iter().take(EXEMPLARS_MAX);
    let lines = lines.map(|line| shown_of(line, EXEMPLAR_BYTES_MAX, PROSE_MAX)).filter(|line| !line.is_empty());
    let exemplars: Vec<String> = lines.collect();
    of(at(line, "since_s", template.first_seen, as_of), &template.service, &template.origin)
        .text("severity", severity)
        .number("count", template.count as f64)
        .flag("never_seen_before", template.is_new)
        .text("template", &shown(&template.template, PROSE_MAX))
        .list("lines", &exemplars)
}

fn change(line: Line, change: &Change, as_of: Timestamp) -> Line {
    let kind = match change.kind {
        ChangeKind::Deployment => "deployment",
        ChangeKind::FeatureFlag => "feature flag",
        ChangeKind::Configuration => "configuration",
        ChangeKind::Scaling => "scaling",
        ChangeKind::Restart => "restart",
    };
    of(at(line, "at_s", change.time, as_of), &change.service, &Origin::default())
        .text("change", kind)
        .text("subject", &shown(&change.subject, NAME_MAX))
        .text("before", &shown_value(&change.subject, &change.before, NAME_MAX))
        .text("after", &shown_value(&change.subject, &change.after, NAME_MAX))
        .text("said", &shown(&change.description, PROSE_MAX))
}

fn cause(cause: &Cause) -> String {
    shown(&cause.to_string(), NAME_MAX)
}

fn precedent(line: Line, precedent: &Precedent) -> Line {
    let said = match &precedent.ruling {
        Ruling::FalseAlarm => "a person called it a false alarm".to_owned(),
        Ruling::Confirmed => "a person confirmed the cause".to_owned(),
        Ruling::OtherCause(other) => format!("a person said that it was {}", cause(other)),
    };
    of(line, &precedent.service, &Origin::default())
        .text("past_incident", if precedent.is_same { "of the same kind" } else { "of the same service" })
        .text("said", &said)
        .text("diagnosed", &precedent.diagnosed.as_ref().map(cause).unwrap_or_default())
}

fn attempt(line: Line, attempt: &Attempt) -> Line {
    let outcome = match attempt.outcome {
        Outcome::Helped => "helped",
        Outcome::Vain => "in vain",
        Outcome::Unknown => "nobody knows what came of it",
    };
    line.text("tried", attempt.kind.name())
        .text("against", &cause(&attempt.cause))
        .text("when", if attempt.is_of_this_life { "in this incident" } else { "in an earlier incident of the kind" })
        .text("outcome", outcome)
}

/// What could not be looked at.
pub(super) fn gap(gap: &Gap) -> String {
    Line::new().text("missing", &shown(&gap.subject, NAME_MAX)).text("why", &shown(&gap.reason, PROSE_MAX)).end()
}

/// One edge of the call graph.
pub(super) fn call(client: &ServiceId, server: &ServiceId) -> String {
    let name = |service: &ServiceId| shown(&service.to_string(), NAME_MAX);
    Line::new().text("caller", &name(client)).text("called", &name(server)).end()
}

/// A hypothesis, with the facts for and against it by the ids that they are shown under, and what treats it.
pub(super) fn hypothesis(
    hypothesis: &Hypothesis,
    supports: &[String],
    contradicts: &[String],
    actions: &[String],
) -> String {
    of(Line::new().text("id", &hypothesis.id), &hypothesis.service, &hypothesis.origin)
        .text("cause", &hypothesis.cause.to_string())
        .text("claim", &shown(&hypothesis.statement, PROSE_MAX))
        .number("confidence", hypothesis.confidence)
        .list("for", supports)
        .list("against", contradicts)
        .list("actions", actions)
        .end()
}
