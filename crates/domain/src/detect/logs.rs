//! The log lines of one service: their templates, found as Drain finds them (He and others, 2017: lines of one length
//! whose tokens mostly agree), how many of each came lately, and how many errors.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::findings;
use crate::evidence::{EvidenceId, Fact, LogTemplate, Observation};
use crate::telemetry::{LogRecord, LogSeverity, Origin};
use crate::{ServiceId, Timestamp};

/// Templates kept a service; the one unseen for longest makes room.
const TEMPLATES_MAX: usize = 256;
/// Tokens looked at in a line; what follows is the variable part of its template.
const TOKENS_MAX: usize = 48;
/// From this share of equal tokens on, two lines are of one template (Drain's usual setting).
const SIMILARITY: f64 = 0.5;
/// Lines kept verbatim of each template.
const EXEMPLARS_MAX: usize = 3;
/// Bytes kept of such a line.
pub(crate) const EXEMPLAR_BYTES_MAX: usize = 512;
/// The width of counting windows.
pub(crate) const WINDOW: Duration = Duration::from_secs(10);
/// Counting windows kept of each template: half an hour.
const WINDOWS_MAX: usize = 180;
/// A service's lines are all new at first; from then on a template that was never seen is news.
const WARM_UP: Duration = Duration::from_secs(300);
/// Templates cited at most of one service.
const CITED_MAX: usize = 8;
/// What stands for the variable parts.
const VARIABLE: &str = "<*>";

/// The most telling templates of a service's lines, which come oldest first, as evidence about what began at `onset`: as
/// the detector tells of lines that it reads itself. Kinds are told of as new where the lines reach back far enough, or
/// where the service was `heard_since` long enough before: it may have written lines that are not among these.
pub fn log_facts<'a>(
    service: &ServiceId,
    lines: impl IntoIterator<Item = &'a LogRecord>,
    onset: Timestamp,
    heard_since: Option<Timestamp>,
) -> Vec<Fact> {
    let mut lines = lines.into_iter().peekable();
    let oldest = lines.peek().map(|line| line.time);
    // Whichever is earlier: lines before the one that was heard are known as well.
    let first = heard_since.into_iter().chain(oldest).min();
    let mut logs = Logs { first, ..Logs::default() };
    lines.for_each(|line| logs.observe(line));
    logs.facts(service, onset)
}

/// One template of a service's lines.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    tokens: Vec<Arc<str>>,
    pub(crate) severity: LogSeverity,
    pub(crate) first_seen: Timestamp,
    pub(crate) last_seen: Timestamp,
    /// First seen after the service's warm-up.
    pub(crate) is_news: bool,
    counts: VecDeque<(Timestamp, u64)>,
    exemplars: VecDeque<(String, String)>,
}

impl Template {
    /// The lines with their variable parts as `<*>`.
    pub(crate) fn text(&self) -> String {
        self.tokens.join(" ")
    }

    /// How many lines came from `since` on, as far back as is kept.
    pub(crate) fn count_since(&self, since: Timestamp) -> u64 {
        self.counts.iter().filter(|(time, _)| *time + WINDOW > since).map(|(_, count)| count).sum()
    }
}

/// The lines of one service.
#[derive(Clone, Debug, Default)]
pub(crate) struct Logs {
    first: Option<Timestamp>,
    templates: Vec<Template>,
    errors: BTreeMap<Timestamp, f64>,
}

impl Logs {
    /// Takes a line.
    pub(crate) fn observe(&mut self, record: &LogRecord) {
        let first = *self.first.get_or_insert(record.time);
        if record.severity >= LogSeverity::Error {
            *self.errors.entry(record.time.floor(WINDOW)).or_default() += 1.0;
        }
        let tokens = tokens(&record.body);
        if tokens.is_empty() {
            return;
        }
        let index = self.find(&tokens, record.severity).unwrap_or_else(|| {
            self.make_room();
            self.templates.push(Template {
                tokens: tokens.clone(),
                severity: record.severity,
                first_seen: record.time,
                last_seen: record.time,
                is_news: record.time.since(first) >= WARM_UP,
                counts: VecDeque::new(),
                exemplars: VecDeque::new(),
            });
            self.templates.len() - 1
        });
        if let Some(template) = self.templates.get_mut(index) {
            template.take(record, &tokens);
        }
    }

    /// Errors in each window that ended by the watermark, oldest first, with the window's end. Windows without an error
    /// are the caller's to fill.
    pub(crate) fn close(&mut self, watermark: Timestamp) -> BTreeMap<Timestamp, f64> {
        let open = self.errors.split_off(&(watermark - WINDOW + Duration::from_nanos(1)));
        let closed = std::mem::replace(&mut self.errors, open);
        closed.into_iter().map(|(start, count)| (start + WINDOW, count)).collect()
    }

    /// Templates of warnings and errors.
    pub(crate) fn bad(&self) -> impl Iterator<Item = &Template> {
        self.templates.iter().filter(|template| template.severity >= LogSeverity::Warn)
    }

    /// The most telling templates as evidence about what began at `onset`: new ones first, then those of most lines.
    pub(crate) fn facts(&self, service: &ServiceId, onset: Timestamp) -> Vec<Fact> {
        let mut found: Vec<_> = self.bad().map(|template| Self::evidence(service, template, onset)).collect();
        found.retain(|template| template.count > 0);
        found.sort_by(|a, b| {
            b.is_new.cmp(&a.is_new).then(b.count.cmp(&a.count)).then_with(|| a.template.cmp(&b.template))
        });
        found.truncate(CITED_MAX);
        let fact = |template: LogTemplate| {
            // The same words of another severity are another template.
            let severity = template.severity.number().to_string();
            let name = findings::name(&[&service.to_string(), &severity, &template.template]);
            Fact { id: EvidenceId(format!("l-{name}")), observation: Observation::LogTemplate(template) }
        };
        found.into_iter().map(fact).collect()
    }

    /// A template as evidence about what began at `onset`.
    fn evidence(service: &ServiceId, template: &Template, onset: Timestamp) -> LogTemplate {
        let (exemplars, exemplar_traces) = template.exemplars.iter().cloned().unzip();
        LogTemplate {
            service: service.clone(),
            origin: Origin::default(),
            template: template.text(),
            severity: template.severity,
            count: template.count_since(onset),
            first_seen: template.first_seen,
            is_new: template.is_news && template.first_seen + WINDOW >= onset,
            exemplars,
            exemplar_traces,
        }
    }

    fn find(&self, tokens: &[Arc<str>], severity: LogSeverity) -> Option<usize> {
        let similarity = |template: &Template| {
            let equal = template.tokens.iter().zip(tokens).filter(|(a, b)| a == b && &***a != VARIABLE).count();
            let fixed = template.tokens.iter().filter(|token| &***token != VARIABLE).count();
            if fixed == 0 { 1.0 } else { equal as f64 / fixed as f64 }
        };
        let same = |template: &Template| template.tokens.len() == tokens.len() && template.severity == severity;
        let found = self.templates.iter().enumerate().filter(|(_, template)| same(template));
        let best = found.map(|(index, template)| (index, similarity(template))).max_by(|a, b| a.1.total_cmp(&b.1));
        best.filter(|(_, similarity)| *similarity > SIMILARITY).map(|(index, _)| index)
    }

    fn make_room(&mut self) {
        if self.templates.len() >= TEMPLATES_MAX {
            let oldest = self.templates.iter().enumerate().min_by_key(|(_, template)| template.last_seen);
            if let Some((index, _)) = oldest {
                self.templates.remove(index);
            }
        }
    }
}

impl Template {
    fn take(&mut self, record: &LogRecord, tokens: &[Arc<str>]) {
        for (mine, other) in self.tokens.iter_mut().zip(tokens) {
            if mine != other {
                *mine = VARIABLE.into();
            }
        }
        self.last_seen = self.last_seen.max(record.time);
        let window = record.time.floor(WINDOW);
        match self.counts.iter_mut().rev().find(|(time, _)| *time == window) {
            Some((_, count)) => *count += 1,
            None => self.counts.push_back((window, 1)),
        }
        while self.counts.len() > WINDOWS_MAX {
            self.counts.pop_front();
        }
        if self.exemplars.len() >= EXEMPLARS_MAX {
            self.exemplars.pop_front();
        }
        let end = (0..=record.body.len().min(EXEMPLAR_BYTES_MAX)).rev().find(|end| record.body.is_char_boundary(*end));
        let line = record.body.get(..end.unwrap_or(0)).unwrap_or_default().to_owned();
        let trace = record.trace_id.map(|id| id.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
        self.exemplars.push_back((line, trace.unwrap_or_default()));
    }
}

/// A line's words, with those that hold a digit as variable: ids, counts, times, addresses.
fn tokens(body: &str) -> Vec<Arc<str>> {
    let words = body.split_whitespace().take(TOKENS_MAX);
    words
        .map(|word| if word.bytes().any(|byte| byte.is_ascii_digit()) { VARIABLE.into() } else { word.into() })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(secs: i64, severity: LogSeverity, body: &str) -> LogRecord {
        LogRecord {
            service: ServiceId::named("cart"),
            origin: Origin::default(),
            time: Timestamp::from_secs(secs),
            severity,
            body: body.to_owned(),
            event_name: "".into(),
            attributes: crate::telemetry::Attributes::new(),
            trace_id: None,
            span_id: None,
        }
    }

    #[test]
    fn lines_of_one_shape_are_one_template() {
        let mut logs = Logs::default();
        for second in 0..400 {
            let user = ["ann", "bob", "eve"][second as usize % 3];
            logs.observe(&line(second, LogSeverity::Warn, &format!("slow answer for user {user} after {second} ms")));
        }
        logs.observe(&line(400, LogSeverity::Error, "connection to the database refused"));
        let texts: Vec<String> = logs.bad().map(Template::text).collect();
        assert_eq!(texts, ["slow answer for user <*> after <*> ms", "connection to the database refused"]);
        let news: Vec<bool> = logs.bad().map(|template| template.is_news).collect();
        assert_eq!(news, [false, true]);
        assert_eq!(logs.close(Timestamp::from_secs(410)), BTreeMap::from([(Timestamp::from_secs(410), 1.0)]));
    }

    #[test]
    fn the_same_words_of_two_severities_are_two_facts() {
        let words = "connection to the database refused";
        let lines = [line(10, LogSeverity::Warn, words), line(11, LogSeverity::Error, words)];
        let facts = log_facts(&ServiceId::named("cart"), &lines, Timestamp::from_secs(10), None);
        let ids: std::collections::BTreeSet<&EvidenceId> = facts.iter().map(|fact| &fact.id).collect();
        assert_eq!((facts.len(), ids.len()), (2, 2));
    }

    /// Whoever reads warnings and errors alone has not seen what else a service wrote.
    #[test]
    fn a_kind_is_new_where_the_service_was_heard_before() {
        let lines = [line(1_000, LogSeverity::Error, "connection to the database refused")];
        let is_new = |heard_since: Option<i64>| {
            let heard_since = heard_since.map(Timestamp::from_secs);
            let facts = log_facts(&ServiceId::named("cart"), &lines, Timestamp::from_secs(1_000), heard_since);
            facts.iter().any(|fact| matches!(&fact.observation, Observation::LogTemplate(told) if told.is_new))
        };
        assert_eq!([None, Some(900), Some(600)].map(is_new), [false, false, true]);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let mut logs = Logs::default();
        for number in 0..2_000_i64 {
            let word: String = number.to_string().bytes().map(|digit| char::from(digit + 49)).collect();
            logs.observe(&line(number, LogSeverity::Error, &[&*word; 3].join(" ")));
        }
        assert_eq!(logs.bad().count(), TEMPLATES_MAX);
    }
}
