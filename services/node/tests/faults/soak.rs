//! The whole product in one process beside the shop that it watches, at the pace of real time, while every kind of
//! fault comes in its turn: what it takes levels off, and it logs no trouble that nobody made. `docs/soak.md` says how it
//! is run and read.

mod driver;
mod log;
mod sample;
mod schedule;
mod trend;
mod verdict;

use std::time::Duration;

use uuid::Uuid;

use crate::campaign::say;
use crate::parts::OpenSearch;
use crate::parts::kafka::Kafka;
use crate::process;
use crate::settings::number;
use driver::{Driver, Ended};
use log::Line;
use verdict::{Keep, Verdict, of_growth, of_sizes, table};

const TEST: &str = "what_it_takes_levels_off_and_it_logs_no_trouble_that_nobody_made";
/// A sample shows that a soak would measure and judge; it is in a hurry, and too short for anything to level off.
const SAMPLE: Duration = Duration::from_secs(12);
const SAMPLE_SPEED: u64 = 15;
const SAMPLE_ROWS: u32 = 6;
const ROW_EVERY: Duration = Duration::from_secs(60);
/// Telemetry that is kept unless it is said: as much as the shop sends within some ten minutes, so that what comes
/// after that has to push it out.
const KEEP_MIB: u64 = 4;
/// The least that can be said, in hours: what is sent in an hour stays on the bus.
const BUS_KEEP_HOURS: u64 = 1;

/// What a run is to do, from the environment.
#[derive(Clone, Debug)]
struct Settings {
    length: Duration,
    row_every: Duration,
    /// Seconds of the shop in one of real time.
    speed: u64,
    keep_mib: u64,
    seed: u64,
    /// Whether it runs on a Kafka and an OpenSearch instead of the embedded store.
    on_engines: bool,
    is_sample: bool,
}

impl Settings {
    /// Reads the environment.
    ///
    /// # Panics
    /// When a variable is set and makes no sense, naming it.
    fn read() -> Self {
        let asked = positive("LLM_SRE_SOAK_MINUTES");
        let length = asked.map_or(SAMPLE, |minutes| Duration::from_secs(60 * minutes));
        let is_sample = asked.is_none();
        Self {
            length,
            row_every: if is_sample { length / SAMPLE_ROWS } else { ROW_EVERY },
            speed: positive("LLM_SRE_SOAK_SPEED").unwrap_or(if is_sample { SAMPLE_SPEED } else { 1 }),
            keep_mib: positive("LLM_SRE_SOAK_KEEP_MIB").unwrap_or(KEEP_MIB),
            seed: number("LLM_SRE_SOAK_SEED").unwrap_or_else(|| Uuid::now_v7().as_u128() as u64),
            on_engines: number("LLM_SRE_SOAK_ENGINES").is_some_and(|wanted| wanted > 0),
            is_sample,
        }
    }

    /// What is judged: all of it, but for what a sample is too short for.
    fn verdicts(&self, ended: &Ended, unexplained: &[&Line]) -> Vec<Verdict> {
        let keep = Keep {
            telemetry_mib: self.keep_mib as f64,
            bus: Duration::from_secs(3_600 * BUS_KEEP_HOURS),
            now_ms: ended.now_ms,
        };
        let said = |count: usize| if count == 0 { "none".to_owned() } else { count.to_string() };
        let none = |what: &'static str, count: usize| Verdict { what, holds: count == 0, said: said(count) };
        let mut verdicts = of_sizes(&ended.rows, &keep);
        verdicts.push(none("trouble in the log that nobody made", unexplained.len()));
        verdicts.push(none("trouble of who drives it", ended.troubles.len()));
        if !self.is_sample {
            verdicts.extend(of_growth(&ended.rows, &keep));
            let said = format!("{} of {} faults", ended.cured(), ended.faults.len());
            // A product that does nothing levels off, too.
            verdicts.push(Verdict { what: "repaired", holds: 2 * ended.cured() >= ended.faults.len(), said });
        }
        verdicts
    }
}

fn positive(name: &str) -> Option<u64> {
    let value = number(name)?;
    assert!(value > 0, "{name}: 0 is too little");
    Some(value)
}

/// The engines where they are wanted; `None` where one of them is missing, and the run counts a skip.
fn engines(settings: &Settings) -> Option<Option<(OpenSearch, Kafka)>> {
    if !settings.on_engines {
        return Some(None);
    }
    Some(Some((OpenSearch::start(TEST)?, Kafka::start(TEST)?)))
}

/// Tells the table, what each fault came to, and each line of trouble, and gives those that nobody made.
fn tell<'a>(ended: &Ended, troubles: &'a [Line]) -> Vec<&'a Line> {
    say(&table(&ended.rows));
    ended.told().iter().for_each(|line| say(line));
    let mut unexplained = Vec::new();
    for line in troubles {
        match line.cause(&ended.made) {
            Some(because) => say(&format!("explained ({because}): {}", line.text)),
            None => {
                say(&format!("NOT EXPLAINED: {}", line.text));
                unexplained.push(line);
            }
        }
    }
    ended.troubles.iter().for_each(|trouble| say(&format!("TROUBLE: {trouble}")));
    unexplained
}

#[test]
fn what_it_takes_levels_off_and_it_logs_no_trouble_that_nobody_made() {
    let _alone = process::one_shop_at_a_time();
    let settings = Settings::read();
    let Some(engines) = engines(&settings) else { return };
    say(&format!("{settings:?}"));
    let ended = Driver::start(&settings, engines).run();
    let troubles = Line::troubles(&ended.log);
    let unexplained = tell(&ended, &troubles);
    let verdicts = settings.verdicts(&ended, &unexplained);
    for Verdict { what, holds, said } in &verdicts {
        say(&format!("{} {what}: {said}", if *holds { "holds " } else { "BROKEN" }));
    }
    // A sample that measured nothing shows nothing.
    let wanted = settings.length.as_secs() / settings.row_every.as_secs().max(1);
    let least = if settings.is_sample { 2 } else { wanted.saturating_sub(1) };
    assert!(ended.rows.len() as u64 >= least, "only {} rows", ended.rows.len());
    let is_measured = ended.rows.last().is_some_and(|row| row.taken.private_mib > 0.0 && row.taken.descriptors > 3.0);
    assert!(is_measured && !ended.faults.is_empty(), "{:#?}", ended.rows);
    let broken: Vec<&Verdict> = verdicts.iter().filter(|verdict| !verdict.holds).collect();
    assert!(broken.is_empty(), "seed {}: {broken:#?}", settings.seed);
}
