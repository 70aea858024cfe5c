//! `llm-sre replay`: recorded telemetry through the gateway, the indexer, the detector and the diagnosis service, as they
//! are shipped, under the telemetry's own clock.
//!
//! Each case has its own services and its own store in memory, on one thread, and nothing acts. Cases run side by side;
//! what they print comes in the order of the arguments.

mod case;
mod openings;
mod session;

use std::collections::{BTreeMap, VecDeque};
use std::io::{IsTerminal, Write};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Mutex, PoisonError};

use anyhow::Context;
use serde::Serialize;

use crate::cli::Replay;
use crate::{config, output, times};
use case::Case;
use session::Session;

/// What a case came to. Times are in Unix seconds of the telemetry.
#[derive(Debug, Serialize)]
struct Report {
    case: String,
    incidents: Vec<Incident>,
}

/// One incident, and what was said about its cause, most likely first.
#[derive(Debug, Serialize)]
struct Incident {
    onset: f64,
    detected_at: f64,
    /// The services that showed it; empty for a diagnosis that was asked for.
    services: Vec<String>,
    hypotheses: Vec<Hypothesis>,
}

/// One hypothesis.
#[derive(Debug, Serialize)]
struct Hypothesis {
    service: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    metric: String,
    cause: String,
    confidence: f64,
    statement: String,
}

/// Replays every case.
pub(crate) fn run(arguments: &Replay) -> anyhow::Result<()> {
    let diagnose_at = arguments
        .diagnose_at
        .as_deref()
        .map(|time| times::parse(time).map_err(|error| wrong("--diagnose-at", "TIME", &error)));
    let diagnose_at = diagnose_at.transpose()?;
    let cases: Result<Vec<Case>, config::Error> = arguments
        .cases
        .iter()
        .map(|text| Case::parse(text, diagnose_at).map_err(|error| wrong("replay", "CASE", &error)))
        .collect();
    let cases: VecDeque<(usize, Case)> = cases?.into_iter().enumerate().collect();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let jobs = arguments.jobs.unwrap_or(cores).clamp(1, cases.len().max(1));

    let total = cases.len();
    let cases = Mutex::new(cases);
    let (sender, reports) = channel();
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            let (cases, sender) = (&cases, sender.clone());
            scope.spawn(move || {
                while let Some((index, case)) = next(cases) {
                    if sender.send((index, replay(&case))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        let printed = print(&reports, total);
        // After a failure nobody waits for the cases that have not begun.
        cases.lock().unwrap_or_else(PoisonError::into_inner).clear();
        printed
    })
}

fn wrong(place: &str, key: &str, error: &anyhow::Error) -> config::Error {
    config::Error::Key { place: place.to_owned(), key: key.to_owned(), reason: format!("{error:#}") }
}

fn next(cases: &Mutex<VecDeque<(usize, Case)>>) -> Option<(usize, Case)> {
    cases.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
}

/// Prints reports in order, and how far the work is.
fn print(reports: &Receiver<(usize, anyhow::Result<Report>)>, total: usize) -> anyhow::Result<()> {
    let mut progress = Progress { shows: std::io::stderr().is_terminal(), total };
    let mut early = BTreeMap::new();
    let (mut done, mut printed) = (0, 0);
    progress.show(done)?;
    while let Ok((index, report)) = reports.recv() {
        done += 1;
        early.insert(index, report?);
        while let Some(report) = early.remove(&printed) {
            progress.clear()?;
            output::json(&report)?;
            printed += 1;
        }
        progress.show(done)?;
    }
    progress.clear()?;
    Ok(())
}

/// A line on stderr that says how far the work is, where somebody sees it.
struct Progress {
    shows: bool,
    total: usize,
}

impl Progress {
    fn show(&mut self, done: usize) -> std::io::Result<()> {
        if !self.shows {
            return Ok(());
        }
        let mut out = std::io::stderr().lock();
        write!(out, "\r{done} of {} cases", self.total)?;
        out.flush()
    }

    fn clear(&mut self) -> std::io::Result<()> {
        if self.shows { write!(std::io::stderr().lock(), "\r\x1b[K") } else { Ok(()) }
    }
}

/// Replays one case, on this thread.
fn replay(case: &Case) -> anyhow::Result<Report> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let replayed = runtime.block_on(Box::pin(through_services(case)));
    replayed.with_context(|| format!("failed to replay {}", case.name))
}

async fn through_services(case: &Case) -> anyhow::Result<Report> {
    let mut lines = case.open()?;
    let end = case.diagnose_at.map(|time| time + session::ASKED_WINDOW);
    let Some(first) = lines.next()? else { anyhow::bail!("{} is empty", case.file.display()) };
    let mut session = Session::start(first.time, case.diagnose_at).await?;
    let mut next = Some(first);
    while let Some(line) = next.filter(|line| end.is_none_or(|end| line.time <= end)) {
        session.take(&line).await.with_context(|| format!("{}:{}", case.file.display(), line.number))?;
        next = lines.next()?;
    }
    let (incidents, rejected) = session.finish().await?;
    if rejected > 0 {
        // Not an error: the product does the same with such telemetry, and says so to whom sent it.
        eprintln!("llm-sre: {}: the gateway rejected {rejected} items", case.name);
    }
    Ok(Report { case: case.name.clone(), incidents })
}
