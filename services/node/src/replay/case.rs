//! A recorded case: a file of OTLP/JSON, an export request a line, as the Collector's file exporter writes it.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use llm_sre_domain::Timestamp;

use crate::times;

/// What the telemetry of a case's folder is called.
const TELEMETRY: &str = "telemetry.otlp.jsonl";

/// The longest line in bytes: what the gateway takes in one request. A longer one is an error that names it.
const LINE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// A case to replay.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Case {
    /// The folder's name, or the file's without its extension.
    pub(crate) name: String,
    /// Where the telemetry is.
    pub(crate) file: PathBuf,
    /// When to ask for the diagnosis.
    pub(crate) diagnose_at: Option<Timestamp>,
}

impl Case {
    /// From `CASE` or `CASE@TIME`; `diagnose_at` is for those that do not say their own.
    pub(crate) fn parse(text: &str, diagnose_at: Option<Timestamp>) -> anyhow::Result<Self> {
        let (path, time) = match text.rsplit_once('@') {
            Some((path, time)) if !Path::new(text).exists() => {
                (path, Some(times::parse(time).with_context(|| format!("case {text}"))?))
            }
            _ => (text, diagnose_at),
        };
        let path = Path::new(path);
        let file = if path.is_dir() { path.join(TELEMETRY) } else { path.to_owned() };
        if !file.is_file() {
            bail!("case {text}: {} is not a file", file.display());
        }
        let name = if path.is_dir() { path.file_name() } else { path.file_stem() };
        // `.` has no name of its own.
        let name = match name {
            Some(name) => name.to_string_lossy().into_owned(),
            None => path.canonicalize()?.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        };
        Ok(Self { name, file, diagnose_at: time })
    }

    /// Opens the telemetry.
    pub(crate) fn open(&self) -> anyhow::Result<Lines> {
        let open = || File::open(&self.file).with_context(|| format!("failed to open {}", self.file.display()));
        Ok(Lines { reader: BufReader::with_capacity(1 << 20, open()?), file: self.file.clone(), number: 0 })
    }
}

/// What an export request carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `resourceMetrics`.
    Metrics,
    /// `resourceLogs`.
    Logs,
    /// `resourceSpans`.
    Traces,
}

/// One export request.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Line {
    /// What it carries.
    pub(crate) kind: Kind,
    /// The newest time in it.
    pub(crate) time: Timestamp,
    /// The request.
    pub(crate) json: Vec<u8>,
    /// Which line of its file, from 1.
    pub(crate) number: usize,
}

/// The lines of a case, one after the other.
pub(crate) struct Lines {
    reader: BufReader<File>,
    file: PathBuf,
    number: usize,
}

impl Lines {
    /// The next request, or `None` at the end.
    pub(crate) fn next(&mut self) -> anyhow::Result<Option<Line>> {
        loop {
            self.number += 1;
            let mut text = Vec::new();
            let read = self.reader.read_until(b'\n', &mut text);
            let read = read.with_context(|| format!("failed to read {}", self.file.display()))?;
            if read == 0 {
                return Ok(None);
            }
            if text.trim_ascii().is_empty() {
                continue;
            }
            return self.parse(text).map(Some).with_context(|| format!("{}:{}", self.file.display(), self.number));
        }
    }

    fn parse(&self, text: Vec<u8>) -> anyhow::Result<Line> {
        if text.len() > LINE_BYTES_MAX {
            bail!("has {} bytes, more than {LINE_BYTES_MAX}", text.len());
        }
        let text = String::from_utf8(text).context("is not UTF-8")?;
        let kind = kind_of(&text).context("is not an export request of OTLP")?;
        let time = newest_time(&text).context("has no time")?;
        Ok(Line { kind, time, json: text.into_bytes(), number: self.number })
    }
}

/// By the key that comes first: the others may occur in a log's text.
fn kind_of(text: &str) -> Option<Kind> {
    let keys =
        [("\"resourceMetrics\"", Kind::Metrics), ("\"resourceLogs\"", Kind::Logs), ("\"resourceSpans\"", Kind::Traces)];
    let key = text.trim_start().strip_prefix('{')?.trim_start();
    keys.into_iter().find(|(name, _)| key.starts_with(name)).map(|(_, kind)| kind)
}

/// The newest of all times in the text. The line is read as JSON once, later: reading it twice would double the
/// work of a replay.
fn newest_time(text: &str) -> Option<Timestamp> {
    let values = text.match_indices("imeUnixNano\"").filter_map(|(at, key)| {
        let value = text.get(at + key.len()..)?.trim_start().strip_prefix(':')?.trim_start();
        let digits = value.strip_prefix('"').unwrap_or(value);
        let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
        digits.get(..end)?.parse::<u64>().ok()
    });
    values.max().map(Timestamp::from_otlp)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_knows_its_kind_and_time() {
        for (text, expected) in [
            (
                r#"{"resourceMetrics":[{"timeUnixNano":"7"},{"timeUnixNano": "9","startTimeUnixNano":"3"}]}"#,
                (Kind::Metrics, 9),
            ),
            (r#" { "resourceLogs": [{"observedTimeUnixNano":5,"body":"\"resourceSpans\""}]}"#, (Kind::Logs, 5)),
            (r#"{"resourceSpans":[{"endTimeUnixNano":"12"}]}"#, (Kind::Traces, 12)),
        ] {
            let found = (kind_of(text).unwrap(), newest_time(text).unwrap().as_nanos());
            assert_eq!(found, expected, "{text}");
        }
        assert_eq!(kind_of("[]"), None);
        assert_eq!(newest_time(r#"{"resourceSpans":[]}"#), None);
    }

    #[test]
    fn a_case_is_a_folder_or_a_file_and_may_have_its_own_time() {
        let folder = tempfile::tempdir().unwrap();
        let case = folder.path().join("case@7");
        std::fs::create_dir(&case).unwrap();
        std::fs::write(case.join(TELEMETRY), "\n{\"resourceLogs\":[{\"timeUnixNano\":\"1\"}]}\nx\n").unwrap();
        let text = case.display().to_string();
        let parsed = Case::parse(&text, Some(Timestamp::from_secs(3))).unwrap();
        assert_eq!((parsed.name.as_str(), parsed.diagnose_at), ("case@7", Some(Timestamp::from_secs(3))));
        let timed = Case::parse(&format!("{text}@12.5"), Some(Timestamp::from_secs(3))).unwrap();
        assert_eq!(timed.diagnose_at.unwrap().as_secs_f64(), 12.5);
        assert!(Case::parse(&format!("{text}@noon"), None).unwrap_err().to_string().contains("case@7@noon"));
        assert!(Case::parse("nowhere", None).unwrap_err().to_string().contains("nowhere is not a file"));

        let mut lines = parsed.open().unwrap();
        assert_eq!(lines.next().unwrap().unwrap().number, 2);
        assert!(format!("{:#}", lines.next().unwrap_err()).contains("telemetry.otlp.jsonl:3: is not an export"));
    }
}
