//! Log lines from the store, for a diagnosis that came without the detector's snapshot: those of the services that the
//! incident is about, around its onset, rare kinds first.

use std::collections::BTreeSet;
use std::time::Duration;

use llm_sre_domain::detect::log_facts;
use llm_sre_domain::evidence::{Evidence, Gap, Observation};
use llm_sre_domain::telemetry::{LogRecord, LogSeverity};
use llm_sre_domain::{ServiceId, Timestamp};
use llm_sre_ports::telemetry::{Error, LogQuery, Range, TelemetryStore};

/// How far before the onset lines are read, to know which kinds are new since.
const BEFORE: Duration = Duration::from_secs(1_800);
/// The newest so many lines of a service are read.
const LINES_MAX: usize = 1_000;
/// At most so many services are read.
const SERVICES_MAX: usize = 16;

/// What was read of the services, or why it could not be.
pub(crate) struct Read {
    services: Vec<(ServiceId, Result<Lines, Error>)>,
    /// How many services there was no room for.
    left: usize,
}

struct Lines {
    /// The oldest first.
    records: Vec<LogRecord>,
    /// Whether there are older ones in the range.
    is_cut: bool,
}

/// Reads warnings and errors of these services, in time that began before `onset`.
pub(crate) async fn read(
    store: &dyn TelemetryStore,
    services: &BTreeSet<ServiceId>,
    onset: Timestamp,
    end: Timestamp,
) -> Read {
    let mut found = Vec::new();
    for service in services.iter().take(SERVICES_MAX) {
        let query = LogQuery {
            range: Range { start: onset - BEFORE, end },
            text: String::new(),
            service: Some(service.clone()),
            min_severity: LogSeverity::Warn,
            trace_id: None,
            limit: LINES_MAX,
            cursor: None,
        };
        let lines = store.search_logs(query).await.map(|page| {
            let mut records = page.records;
            records.reverse();
            Lines { records, is_cut: page.next.is_some() }
        });
        found.push((service.clone(), lines));
    }
    Read { services: found, left: services.len().saturating_sub(SERVICES_MAX) }
}

impl Read {
    /// Adds the kinds of lines that tell most. What was not read is a gap.
    pub(crate) fn add_to(self, evidence: &mut Evidence, onset: Timestamp) {
        for (service, lines) in self.services {
            let gap = |reason| Gap { subject: format!("logs of {service}"), reason };
            match lines {
                Ok(Lines { records, is_cut }) => {
                    let mut facts = log_facts(&service, &records, onset);
                    if is_cut {
                        let reason =
                            format!("there are more than the newest {LINES_MAX} warnings and errors that are read");
                        evidence.gaps.push(gap(reason));
                        // Nobody looked at what was before.
                        for fact in &mut facts {
                            if let Observation::LogTemplate(template) = &mut fact.observation {
                                template.is_new = false;
                            }
                        }
                    }
                    evidence.facts.extend(facts);
                }
                Err(error) => evidence.gaps.push(gap(error.to_string())),
            }
        }
        if self.left > 0 {
            let subject = format!("logs of {} more services", self.left);
            evidence.gaps.push(Gap { subject, reason: format!("those of {SERVICES_MAX} are read") });
        }
    }
}
