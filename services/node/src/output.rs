//! Answers on stdout: tables for people, JSON lines for programs.

use std::io::{self, Write};
use std::time::{Duration, UNIX_EPOCH};

use comfy_table::Table;
use comfy_table::presets::NOTHING;
use pbjson_types::Timestamp;
use serde::Serialize;

/// Prints a line. A reader that went away is an error of kind `BrokenPipe`, which ends the command in silence.
pub(crate) fn line(text: impl std::fmt::Display) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()
}

/// Prints a message as one line of JSON.
pub(crate) fn json(message: &impl Serialize) -> io::Result<()> {
    line(serde_json::to_string(message)?)
}

/// Prints rows under a header.
pub(crate) fn table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> io::Result<()> {
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(header.iter().map(|name| name.to_uppercase()));
    table.add_rows(rows);
    // Lines begin with what they say, and columns stay two apart.
    table.column_iter_mut().for_each(|column| {
        column.set_padding((0, 2));
    });
    for row in table.lines() {
        line(row.trim_end())?;
    }
    Ok(())
}

/// Prints names and values, a row each; empty values are left out.
pub(crate) fn fields(rows: &[(&str, String)]) -> io::Result<()> {
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    for (name, value) in rows.iter().filter(|(_, value)| !value.is_empty()) {
        line(format!("{name:width$}  {value}"))?;
    }
    Ok(())
}

/// A time in RFC 3339, in seconds; empty where there is none or it is out of range.
pub(crate) fn time(time: Option<&Timestamp>) -> String {
    let seconds = time.and_then(|time| u64::try_from(time.seconds).ok());
    let instant = seconds.and_then(|seconds| UNIX_EPOCH.checked_add(Duration::from_secs(seconds)));
    instant.map_or_else(String::new, |instant| humantime::format_rfc3339_seconds(instant).to_string())
}

/// `STATE_ROLLING_BACK` as `rolling_back`, given `STATE_`.
pub(crate) fn short(name: &str, prefix: &str) -> String {
    name.strip_prefix(prefix).unwrap_or(name).to_lowercase()
}
