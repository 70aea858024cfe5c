//! What is expected of the numbers of a soak, and whether it is so.

use std::time::Duration;

use super::sample::{Contents, Taken};
use super::trend::{POINTS_MIN, Trend, median};

/// The most that the process' own memory may grow, as the upper end of the interval over the last half. What is level
/// has an interval of some MiB an hour on either side after half an hour; a process that grew by this much would need
/// more than a day for half a GiB, which is the time between two looks at it.
const MEMORY_MIB_PER_HOUR_MAX: f64 = 20.0;
/// The same for telemetry in the file, which the shop brings about 30 MiB of an hour at its own pace.
const TELEMETRY_MIB_PER_HOUR_MAX: f64 = 10.0;
/// Of what may be kept, so much has to be there before retention can be said to hold it.
const KEPT_SHARE_MIN: f64 = 0.8;
/// Removal goes by whole minutes, once a minute: by then this many minutes more have come.
const KEPT_MINUTES_MORE: f64 = 3.0;
/// Descriptors and threads that the last quarter may have more than the second: each reader of the store that is opened
/// when it is first needed has three descriptors and a thread.
const DESCRIPTORS_MORE_MAX: f64 = 12.0;
const THREADS_MORE_MAX: f64 = 8.0;
/// `journal_size_limit` of the store; a checkpoint after every 16 MiB keeps it below that.
const AHEAD_MIB_MAX: f64 = 64.0;
/// A record of just over half a page has one to itself.
const BUS_PAGES_MAX: f64 = 2.0;
/// Pages of a table that holds nothing.
const BUS_MIB_MORE: f64 = 1.0;
/// Between two looks of retention at the bus, and the time that it takes.
const PRUNED_WITHIN: Duration = Duration::from_secs(180);
/// Incidents, diagnoses, actions, stages and audit records stay: so much for each incident, of which its evidence is
/// the most, and as much for the tables.
const DOCUMENTS_MIB_PER_INCIDENT_MAX: f64 = 1.0;
/// Retention gives pages back to the disk from a quarter on, once a minute.
const EMPTY_SHARE_MAX: f64 = 0.5;
const EMPTY_MIB_MORE: f64 = 8.0;

/// What there was at the end of an interval.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    /// After the beginning.
    pub(crate) at: Duration,
    /// The median of what was sampled in the interval.
    pub(crate) taken: Taken,
    /// Nothing where clusters keep everything.
    pub(crate) contents: Option<Contents>,
    /// Incidents so far, and those that ended.
    pub(crate) opened: usize,
    pub(crate) ended: usize,
}

/// What the store was told to keep.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keep {
    pub(crate) telemetry_mib: f64,
    pub(crate) bus: Duration,
    /// The present, in Unix milliseconds.
    pub(crate) now_ms: i64,
}

/// Whether something is as it has to be.
#[derive(Clone, Debug)]
pub(crate) struct Verdict {
    pub(crate) what: &'static str,
    pub(crate) holds: bool,
    pub(crate) said: String,
}

/// What holds at any time, however short it was.
pub(crate) fn of_sizes(rows: &[Row], keep: &Keep) -> Vec<Verdict> {
    let ahead_mib = rows.iter().map(|row| row.taken.ahead_mib).fold(0.0, f64::max);
    let said = format!("at most {ahead_mib:.1} MiB, of {AHEAD_MIB_MAX}");
    let mut verdicts = vec![Verdict { what: "write-ahead log", holds: ahead_mib <= AHEAD_MIB_MAX, said }];
    let Some(row) = rows.last() else { return vec![too_short("all", 0)] };
    let Some(contents) = row.contents else { return verdicts };
    let Contents { bus_mib, records_mib, documents_mib, empty_mib, .. } = contents;
    let most_mib = BUS_PAGES_MAX * records_mib + BUS_MIB_MORE;
    let said = format!("{bus_mib:.1} MiB of pages for {records_mib:.1} MiB of records, of {most_mib:.1}");
    verdicts.push(Verdict { what: "event bus", holds: bus_mib <= most_mib, said });
    let age_ms = contents.oldest_ms.map_or(0, |oldest_ms| keep.now_ms.saturating_sub(oldest_ms));
    let age = Duration::from_millis(u64::try_from(age_ms).unwrap_or(0));
    let said = format!("{:.1} min, of {:.1}", minutes(age), minutes(keep.bus + PRUNED_WITHIN));
    verdicts.push(Verdict { what: "oldest record of the bus", holds: age <= keep.bus + PRUNED_WITHIN, said });
    let most_mib = DOCUMENTS_MIB_PER_INCIDENT_MAX * (1 + row.opened) as f64;
    let said = format!("{documents_mib:.1} MiB for {} incidents, of {most_mib:.1}", row.opened);
    verdicts.push(Verdict { what: "documents", holds: documents_mib <= most_mib, said });
    let most_mib = EMPTY_SHARE_MAX * row.taken.file_mib + EMPTY_MIB_MORE;
    let said = format!("{empty_mib:.1} MiB of {:.1}, of {most_mib:.1}", row.taken.file_mib);
    verdicts.push(Verdict { what: "empty pages", holds: empty_mib <= most_mib, said });
    verdicts
}

/// What only shows over time.
pub(crate) fn of_growth(rows: &[Row], keep: &Keep) -> Vec<Verdict> {
    let mut verdicts = vec![
        level("memory", rows, MEMORY_MIB_PER_HOUR_MAX, |row| Some(row.taken.private_mib)),
        no_more("descriptors", rows, DESCRIPTORS_MORE_MAX, |row| row.taken.descriptors),
        no_more("threads", rows, THREADS_MORE_MAX, |row| row.taken.threads),
    ];
    if rows.iter().any(|row| row.contents.is_some()) {
        let telemetry = |row: &Row| row.contents.map(|contents| contents.telemetry_mib);
        verdicts.push(level("telemetry in the file", rows, TELEMETRY_MIB_PER_HOUR_MAX, telemetry));
        verdicts.push(kept(rows, keep));
    }
    verdicts
}

/// Whether something grows no faster in the last half than it may.
fn level(what: &'static str, rows: &[Row], most: f64, value: impl Fn(&Row) -> Option<f64>) -> Verdict {
    let half = &rows[rows.len() / 2..];
    let points: Vec<(Duration, f64)> = half.iter().filter_map(|row| Some((row.at, value(row)?))).collect();
    let Some(trend) = Trend::of(&points) else { return too_short(what, points.len()) };
    let Trend { per_hour, least, most: upper } = trend;
    let said = format!("{per_hour:+.1} MiB/h ({least:+.1} to {upper:+.1}) over the last half, of {most}");
    Verdict { what, holds: upper <= most, said }
}

/// Whether the last quarter has about as many of something as the second.
fn no_more(what: &'static str, rows: &[Row], more_max: f64, value: impl Fn(&Row) -> f64) -> Verdict {
    let quarter = rows.len() / 4;
    let of = |rows: &[Row]| median(&mut rows.iter().map(&value).collect::<Vec<_>>());
    let (Some(before), Some(after)) = (of(&rows[quarter..2 * quarter]), of(&rows[rows.len() - quarter..])) else {
        return too_short(what, rows.len());
    };
    let said = format!("{before} in the second quarter, {after} in the last, of {}", before + more_max);
    Verdict { what, holds: after <= before + more_max, said }
}

/// Whether retention is what holds telemetry: as much came as may be kept, and not much more is there.
fn kept(rows: &[Row], keep: &Keep) -> Verdict {
    let what = "telemetry that is kept";
    let kept: Vec<(Duration, f64)> = rows.iter().filter_map(|row| Some((row.at, row.contents?.kept_mib))).collect();
    let most_kept = kept.iter().map(|(_, mib)| *mib).fold(0.0, f64::max);
    if most_kept < KEPT_SHARE_MIN * keep.telemetry_mib {
        let said = format!("{most_kept:.1} MiB came, and {} are kept: let it run longer", keep.telemetry_mib);
        return Verdict { what, holds: false, said };
    }
    // What comes in a minute at most, as far as it was seen.
    let rates = kept.windows(2).map(|pair| {
        let [(before, less), (after, more)] = [pair[0], pair[1]];
        (more - less) / minutes(after.saturating_sub(before)).max(1e-9)
    });
    let most_mib = keep.telemetry_mib + KEPT_MINUTES_MORE * rates.fold(0.0, f64::max);
    let half_max = kept[kept.len() / 2..].iter().map(|(_, mib)| *mib).fold(0.0, f64::max);
    let said = format!("at most {half_max:.1} MiB in the last half, of {most_mib:.1}");
    Verdict { what, holds: half_max <= most_mib, said }
}

fn too_short(what: &'static str, rows: usize) -> Verdict {
    let said = format!("{rows} rows say nothing: the last half needs {POINTS_MIN}; let it run longer");
    Verdict { what, holds: false, said }
}

fn minutes(time: Duration) -> f64 {
    time.as_secs_f64() / 60.0
}

/// A line of numbers for each row.
pub(crate) fn table(rows: &[Row]) -> String {
    let mut text = format!(
        "{:>6} {:>8} {:>8} {:>5} {:>7} {:>8} {:>7} {:>9} {:>8} {:>9} {:>6} {:>6}\n",
        "minute",
        "RSS MiB",
        "own MiB",
        "fds",
        "threads",
        "file MiB",
        "WAL MiB",
        "telemetry",
        "bus MiB",
        "documents",
        "opened",
        "ended"
    );
    for Row { at, taken, contents, opened, ended } in rows {
        let part =
            |of: fn(&Contents) -> f64| contents.as_ref().map_or("-".to_owned(), |found| format!("{:.1}", of(found)));
        text += &format!(
            "{:>6.1} {:>8.1} {:>8.1} {:>5.0} {:>7.0} {:>8.1} {:>7.1} {:>9} {:>8} {:>9} {opened:>6} {ended:>6}\n",
            minutes(*at),
            taken.resident_mib,
            taken.private_mib,
            taken.descriptors,
            taken.threads,
            taken.file_mib,
            taken.ahead_mib,
            part(|contents| contents.telemetry_mib),
            part(|contents| contents.bus_mib),
            part(|contents| contents.documents_mib),
        );
    }
    text
}

#[cfg(test)]
mod tests;
