//! `llm-sre dlq replay`
//!
//! A letter is published first and noted as replayed then. A kill between the two lets the next replay publish it again,
//! which changes nothing: both copies carry the same origin, from which the ids of their items derive.

use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use bytes::Bytes;
use llm_sre_mesh::records::Records;
use llm_sre_ports::bus::{Record, TopicPartition};
use llm_sre_ports::leases::Lease;
use llm_sre_proto::topics::{self, Kept, Place};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::letters::{self, Letter};
use super::stored;
use crate::cli::{Output, ReplayLetters};
use crate::output;
use crate::wiring::{self, Backend};

/// How often a letter is replayed until that takes `--force`.
pub(super) const REPLAYS_MAX: u32 = 5;
/// The lease of who replays: two at once would publish letters twice.
const LEASE: &str = "dlq-replay";
/// Longer than the bus takes to give up a publication.
const LEASE_TTL: Duration = Duration::from_secs(90);
/// How old the lease gets until it is renewed.
const RENEW_AFTER: Duration = Duration::from_secs(15);

/// The note that a letter was replayed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Replayed {
    /// The letter's place.
    pub(super) letter: String,
    /// Where it was published to.
    pub(super) published: String,
}

/// What became of a letter.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    /// It was published there; `None` in a dry run.
    Replayed(Option<Place>),
    /// Why it was not.
    Refused(String),
}

/// Replays the letters that are wanted.
pub(super) async fn run(
    backend: &Backend,
    replays: &Records<Replayed>,
    wanted: &ReplayLetters,
    format: Output,
) -> anyhow::Result<()> {
    let mut lease = Holding::acquire(backend).await?;
    let replayed = replay(backend, replays, wanted, format, &mut lease).await;
    lease.release().await;
    let Counts { replayed, known, refused } = replayed?;
    if format == Output::Table {
        let done = if wanted.dry_run { "would be replayed" } else { "replayed" };
        match (replayed, known, refused) {
            (0, 0, 0) => output::line("no dead letters")?,
            _ => output::line(format!("{replayed} {done}, {known} were before, {refused} cannot be"))?,
        }
    }
    if refused > 0 {
        bail!("{refused} of the dead letters cannot be replayed");
    }
    Ok(())
}

#[derive(Default)]
struct Counts {
    replayed: u32,
    known: u32,
    refused: u32,
}

async fn replay(
    backend: &Backend,
    replays: &Records<Replayed>,
    wanted: &ReplayLetters,
    format: Output,
    lease: &mut Holding<'_>,
) -> anyhow::Result<Counts> {
    let mut letters = match (&wanted.topic, wanted.offsets.as_slice()) {
        (Some(topic), offsets @ [_, ..]) => letters::at(backend, topic, offsets),
        (topic, _) => letters::all(backend, topic.as_deref()).await?,
    };
    let mut counts = Counts::default();
    let mut found = 0;
    loop {
        let Some(letter) = letters.next().await? else {
            if found < wanted.offsets.len() {
                bail!("{} of the offsets have no dead letter", wanted.offsets.len() - found);
            }
            break;
        };
        found += 1;
        if wanted.reason.as_ref().is_some_and(|text| !letter.reason.contains(text)) {
            continue;
        }
        if wanted.limit.is_some_and(|limit| counts.replayed >= limit) {
            break;
        }
        lease.keep().await?;
        if is_known(replays, &letter).await? {
            counts.known += 1;
            continue;
        }
        let outcome = one(backend, replays, &letter, wanted).await?;
        match outcome {
            Outcome::Replayed(_) => counts.replayed += 1,
            Outcome::Refused(_) => counts.refused += 1,
        }
        say(&letter, &outcome, format)?;
    }
    Ok(counts)
}

async fn one(
    backend: &Backend,
    replays: &Records<Replayed>,
    letter: &Letter,
    wanted: &ReplayLetters,
) -> anyhow::Result<Outcome> {
    if letter.replays >= REPLAYS_MAX && !wanted.force {
        return Ok(Outcome::Refused(format!("it came back {} times; --force replays it again", letter.replays)));
    }
    let record = match content(backend, letter).await? {
        Ok(content) => record(letter, content),
        Err(reason) => return Ok(Outcome::Refused(reason)),
    };
    if wanted.dry_run {
        return Ok(Outcome::Replayed(None));
    }
    let published = backend.bus.publish(&letter.topic, vec![record]).await;
    let published = published.with_context(|| format!("failed to publish {}", letter.place))?;
    let position = published.first().context("the bus gave no place")?;
    let place = Place { topic: letter.topic.clone(), partition: position.partition, offset: position.offset };
    let note = Replayed { letter: letter.place.to_string(), published: place.to_string() };
    // The part first: where only that is noted, the letter is known all the same.
    for id in letter.part().into_iter().chain([letter.id()]) {
        stored(replays.create(&id, &note, Default::default()).await)?;
    }
    Ok(Outcome::Replayed(Some(place)))
}

/// Whether a letter was replayed, or one with the same part, which is then noted of it too.
async fn is_known(replays: &Records<Replayed>, letter: &Letter) -> anyhow::Result<bool> {
    if stored(replays.get(&letter.id()).await)?.is_some() {
        return Ok(true);
    }
    let Some(part) = letter.part() else { return Ok(false) };
    let Some(found) = stored(replays.get(&part).await)? else { return Ok(false) };
    let note = Replayed { letter: letter.place.to_string(), ..found.message };
    stored(replays.create(&letter.id(), &note, Default::default()).await)?;
    Ok(true)
}

/// The record as its sender made it, or why nobody has it.
async fn content(backend: &Backend, letter: &Letter) -> anyhow::Result<Result<Record, String>> {
    let source = match (letter.kept, &letter.source) {
        (Kept::Whole | Kept::Part, _) => return Ok(Ok(letter.record.clone())),
        (Kept::NothingOfPart, _) => {
            return Ok(Err("its items were too large to be kept apart from those that were stored".to_owned()));
        }
        (Kept::Nothing, None) => return Ok(Err("it does not say where its content is".to_owned())),
        (Kept::Nothing, Some(source)) => source,
    };
    let of = TopicPartition { topic: source.topic.clone(), partition: source.partition };
    let found = backend.bus.read(&of, source.offset, 1).await;
    let found = found.with_context(|| format!("failed to read {source}"))?.into_iter().next();
    let found = found.filter(|found| found.position.offset == source.offset);
    Ok(found.map(|found| found.record).ok_or_else(|| format!("its content was only in {source}, which is gone")))
}

/// What is published: the sender's key, headers and value, and that it is a replay.
fn record(letter: &Letter, content: Record) -> Record {
    let known = letter.record.header(topics::ORIGIN_HEADER).and_then(Place::parse);
    let origin = match letter.kept {
        // The ids that the record had: what of it is stored already is not stored again.
        Kept::Whole | Kept::Nothing => known.or_else(|| letter.source.clone()).unwrap_or_else(|| letter.place.clone()),
        // Among fewer items each has another number, so that ids of its origin would be those of others.
        Kept::Part | Kept::NothingOfPart => letter.place.clone(),
    };
    let own = [
        (topics::REPLAY_OF_HEADER, letter.place.to_string()),
        (topics::REPLAYS_HEADER, letter.replays.saturating_add(1).to_string()),
        (topics::ORIGIN_HEADER, origin.to_string()),
    ];
    let mut headers = content.headers;
    headers.retain(|(name, _)| !name.starts_with(topics::OWN_HEADERS_PREFIX));
    headers.extend(own.map(|(name, value)| (name.to_owned(), Bytes::from(value))));
    Record { headers, ..content }
}

fn say(letter: &Letter, outcome: &Outcome, format: Output) -> anyhow::Result<()> {
    let (published, refused) = match outcome {
        Outcome::Replayed(place) => (place.as_ref().map(ToString::to_string), None),
        Outcome::Refused(reason) => (None, Some(reason)),
    };
    match format {
        Output::Json => {
            let object = json!({
                "letter": letter.place.to_string(),
                "source_topic": letter.topic,
                "reason": letter.reason,
                "published": published,
                "refused": refused,
            });
            output::json(&object)?;
        }
        Output::Table => {
            let what = match (published, refused) {
                (_, Some(reason)) => format!("not replayed: {reason}"),
                (Some(published), None) => format!("replayed as {published}"),
                (None, None) => format!("would go to {}", letter.topic),
            };
            output::line(format!("{}  {what}", letter.place))?;
        }
    }
    Ok(())
}

/// The lease of a replay.
struct Holding<'a> {
    backend: &'a Backend,
    lease: Lease,
    renewed: Instant,
}

impl<'a> Holding<'a> {
    async fn acquire(backend: &'a Backend) -> anyhow::Result<Self> {
        let acquired = backend.leases.acquire(LEASE, &wiring::holder(), LEASE_TTL).await;
        let lease = acquired.context("failed to ask for the right to replay")?;
        let lease = lease.with_context(|| {
            format!("somebody else replays; one that was killed is in the way for {} s", LEASE_TTL.as_secs())
        })?;
        Ok(Self { backend, lease, renewed: Instant::now() })
    }

    async fn keep(&mut self) -> anyhow::Result<()> {
        if self.renewed.elapsed() > RENEW_AFTER {
            self.backend.leases.renew(&self.lease, LEASE_TTL).await.context("lost the right to replay")?;
            self.renewed = Instant::now();
        }
        Ok(())
    }

    async fn release(self) {
        if let Err(error) = self.backend.leases.release(self.lease).await {
            tracing::debug!(%error, "failed to release the lease of replays; it will end");
        }
    }
}
