//! Log lines from the store, for a diagnosis that came without the detector's snapshot: those of the services that the
//! incident is about, around its onset, rare kinds first.

use std::time::Duration;

use llm_sre_domain::detect::log_facts;
use llm_sre_domain::evidence::{Evidence, Fact, Gap, Observation};
use llm_sre_domain::telemetry::LogSeverity;
use llm_sre_domain::{ServiceId, Timestamp};
use llm_sre_ports::telemetry::{Error, LogPage, LogQuery, Range, TelemetryStore};
use tokio::time::{Instant, timeout_at};

/// How far before the onset lines are read, to know which kinds are new since.
const BEFORE: Duration = Duration::from_secs(1_800);
/// How far after the onset lines are read, where the incident itself does not go further.
const AFTER: Duration = Duration::from_secs(1_800);
/// A service that wrote anything so long before the onset is known well enough for its new kinds to be told: the
/// detector's five minutes of warming up, before the window of ten seconds before the onset that counts as since.
const KNOWN_BEFORE: Duration = Duration::from_secs(310);
/// The newest so many lines of a service are read.
const LINES_MAX: usize = 500;
/// At most so many services are read.
const SERVICES_MAX: usize = 16;
/// How long a diagnosis waits for all of the lines together, in real time. It can do without.
const READ_WITHIN: Duration = Duration::from_secs(5);

/// What was read of the services, and what was not.
#[derive(Default)]
pub(crate) struct Read {
    facts: Vec<Fact>,
    gaps: Vec<Gap>,
    /// When the newest line was written.
    newest: Option<Timestamp>,
}

/// What the lines of one service tell.
struct Told {
    facts: Vec<Fact>,
    newest: Option<Timestamp>,
    /// Whether there are more lines in the range than were read.
    is_cut: bool,
}

/// Where to stop reading of an incident that is known until `end`: what is written after its onset tells of it too.
pub(crate) fn end(onset: Timestamp, end: Timestamp, now: Timestamp) -> Timestamp {
    end.max(now.min(onset + AFTER) + Duration::from_nanos(1))
}

/// Reads the kinds of warnings and errors that tell most of these services, the first of them first, in time that began
/// before `onset`. What was not read is a gap.
pub(crate) async fn read(store: &dyn TelemetryStore, services: &[ServiceId], onset: Timestamp, end: Timestamp) -> Read {
    let mut read = Read::default();
    if services.is_empty() {
        read.gap("logs".to_owned(), "the incident names no service".to_owned());
    }
    let until = Instant::now() + READ_WITHIN;
    // One after the other, so that the same ones are left out of two diagnoses of the same store.
    for service in services.iter().take(SERVICES_MAX) {
        let subject = format!("logs of {service}");
        let told = match Instant::now() < until {
            true => timeout_at(until, of_service(store, service, onset, end)).await.ok(),
            false => None,
        };
        match told {
            Some(Ok(told)) => {
                if told.is_cut {
                    let reason =
                        format!("there are more than the newest {LINES_MAX} warnings and errors that are read");
                    read.gap(subject, reason);
                }
                read.facts.extend(told.facts);
                read.newest = read.newest.max(told.newest);
            }
            Some(Err(error)) => read.gap(subject, error.to_string()),
            None => read.gap(subject, format!("the store did not answer within {} s", READ_WITHIN.as_secs())),
        }
    }
    let left = services.len().saturating_sub(SERVICES_MAX);
    if left > 0 {
        read.gap(format!("logs of {left} more services"), format!("those of {SERVICES_MAX} are read"));
    }
    read
}

async fn of_service(
    store: &dyn TelemetryStore,
    service: &ServiceId,
    onset: Timestamp,
    end: Timestamp,
) -> Result<Told, Error> {
    let start = onset - BEFORE;
    let query = |end, min_severity, limit| LogQuery {
        range: Range { start, end },
        text: String::new(),
        service: Some(service.clone()),
        min_severity,
        trace_id: None,
        limit,
        cursor: None,
    };
    // One that had nothing to complain of wrote other lines, if any.
    let known = store.search_logs(query(onset - KNOWN_BEFORE, LogSeverity::Unspecified, 1)).await?;
    let heard_since = known.records.first().map(|line| line.time);
    let LogPage { records, next } = store.search_logs(query(end, LogSeverity::Warn, LINES_MAX)).await?;
    let mut facts = log_facts(service, records.iter().rev(), onset, heard_since);
    let is_cut = next.is_some();
    if is_cut {
        // Nobody looked at what was before.
        for fact in &mut facts {
            if let Observation::LogTemplate(template) = &mut fact.observation {
                template.is_new = false;
            }
        }
    }
    Ok(Told { facts, newest: records.first().map(|line| line.time), is_cut })
}

impl Read {
    fn gap(&mut self, subject: String, reason: String) {
        self.gaps.push(Gap { subject, reason });
    }

    /// Takes it into the evidence, which goes as far as the newest line then.
    pub(crate) fn add_to(self, evidence: &mut Evidence) {
        evidence.facts.extend(self.facts);
        evidence.gaps.extend(self.gaps);
        evidence.as_of = self.newest.map_or(evidence.as_of, |newest| newest.max(evidence.as_of));
    }
}
