//! Storing until it is done: what passes is tried again, what never will becomes a dead letter.

use std::sync::Arc;

use llm_sre_ports::bus;
use llm_sre_ports::telemetry;
use llm_sre_proto::topics;

use super::{Member, Stopped, may_pass};
use crate::flight::{Flight, Letter};
use crate::letters::{dead_letter, fit, strip};
use crate::measure::{self, Sizes};
use crate::retention;
use crate::work::{Work, cut};

impl Member<'_> {
    /// Waits until work is stored; where that failed, it is stored as often as it takes. Gives what cannot be.
    pub(super) async fn land(&mut self, mut flight: Flight) -> Result<Vec<Letter>, Stopped> {
        let (landed, took) = tokio::select! {
            biased;
            // What is stored was not cut short.
            landed = self.membership.meanwhile(flight.landed()) => landed,
            () = self.overdue.cancelled() => return Err(Stopped::Shutdown),
        };
        match landed {
            Ok(()) => {
                flight.sizes.are_stored();
                self.recovered();
                measure::stage("store", took);
                Ok(Vec::new())
            }
            Err(error) => {
                measure::not_stored(&error);
                let dead = self.store(flight.work, refusal(error)).await?;
                measure::stage("store", flight.began.elapsed());
                Ok(dead)
            }
        }
    }

    /// Stores work; what the store refuses for ever is found by halving, so that one record of many costs few appends,
    /// and becomes a dead letter. `refused` is why it was refused already.
    async fn store(&mut self, work: Work, refused: Option<String>) -> Result<Vec<Letter>, Stopped> {
        let (mut left, mut dead) = (vec![(work, refused)], Vec::new());
        while let Some((mut work, refused)) = left.pop() {
            let refused = if refused.is_some() { refused } else { self.append(&mut work).await? };
            let Some(reason) = refused else { continue };
            if let Some(delivered) = work.only() {
                dead.push(Letter::new(delivered, dead_letter(delivered, None, &reason)));
            } else {
                let [first, second] = work.halves();
                left.extend([(second, None), (first, None)]);
            }
        }
        Ok(dead)
    }

    /// Appends until the store has it, or says why it never will. While the store is away, reading pauses.
    async fn append(&mut self, work: &mut Work) -> Result<Option<String>, Stopped> {
        loop {
            let mut outcome = Ok(());
            let store = Arc::clone(&self.dependencies.store);
            for batch in cut(work.batch()) {
                let sizes = Sizes::of(&batch);
                self.sources.see(&batch);
                outcome = tokio::select! {
                    biased;
                    outcome = self.membership.meanwhile(store.append(batch)) => outcome,
                    () = self.overdue.cancelled() => return Err(Stopped::Shutdown),
                };
                match &outcome {
                    Ok(()) => sizes.are_stored(),
                    Err(error) => {
                        measure::not_stored(error);
                        break;
                    }
                }
            }
            match outcome {
                Ok(()) => {
                    self.recovered();
                    return Ok(None);
                }
                Err(error @ telemetry::Error::InvalidArgument { .. }) => return Ok(refusal(error)),
                Err(error @ telemetry::Error::Full) => {
                    tracing::warn!(%error, "failed to store telemetry; removing what is too old or too much");
                    self.membership.meanwhile(retention::prune(self.options, self.dependencies)).await;
                    self.wait().await?;
                }
                // A corrupt store is no fault of this record: it keeps its place until somebody repairs the store.
                Err(error @ (telemetry::Error::Unavailable(_) | telemetry::Error::Corrupt(_))) => {
                    tracing::warn!(%error, "failed to store telemetry; reading pauses");
                    self.wait().await?;
                }
            }
        }
    }

    /// Publishes dead letters as often as it takes.
    pub(super) async fn bury(&mut self, topic: &str, mut letters: Vec<Letter>) -> Result<(), Stopped> {
        for Letter { record, .. } in &mut letters {
            tracing::warn!(topic, reason = record.header(topics::REASON_HEADER), "a record cannot be stored");
            fit(record);
        }
        let mut is_stripped = false;
        loop {
            // Whoever has a partition now reads what the letter is about, and buries it.
            letters.retain(|letter| !self.membership.has_lost(&letter.of));
            if letters.is_empty() {
                return Ok(());
            }
            let records = letters.iter().map(|letter| letter.record.clone()).collect();
            let publish = self.dependencies.bus.publish(topic, records);
            match self.membership.meanwhile(publish).await {
                Ok(positions) => {
                    measure::buried(topic, positions.len());
                    tracing::debug!(topic, letters = positions.len(), "kept dead letters");
                    self.recovered();
                    return Ok(());
                }
                Err(error @ (bus::Error::TooLarge { .. } | bus::Error::InvalidArgument { .. })) if !is_stripped => {
                    tracing::warn!(%error, topic, "the bus refuses dead letters; keeping where they came from");
                    letters.iter_mut().for_each(|letter| strip(&mut letter.record));
                    is_stripped = true;
                }
                Err(error) => {
                    may_pass("publish dead letters", error).map_err(Stopped::Failed)?;
                    self.wait().await?;
                }
            }
        }
    }
}

/// Why the store will never take it, if that is what it says.
fn refusal(error: telemetry::Error) -> Option<String> {
    let telemetry::Error::InvalidArgument { what, reason } = error else { return None };
    Some(format!("the store refuses it: {what} is invalid: {reason}"))
}
