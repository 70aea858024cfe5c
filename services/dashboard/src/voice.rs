//! What one reader is told, and in which order.
//!
//! A message is chosen when there is room for it and not before: who is slow gets what is newest then. Incidents, and what
//! belongs to the one that is looked at, come before the state of the fleet, which is large and soon stale.

use std::sync::Arc;
use std::time::Duration;

use llm_sre_ports::clock::Clock;
use llm_sre_proto::convert::common::to_proto_time;
use llm_sre_proto::dashboard::v1::WatchResponse;
use llm_sre_proto::dashboard::v1::watch_response::News;
use tokio::sync::mpsc;
use tokio::time::{Interval, MissedTickBehavior};
use tonic::Status;

use crate::part::{Gone, Said};
use crate::shared::{Seen, Subscription};

/// Whoever reads hears something so often, and so knows that the connection lives.
const BEAT_EVERY: Duration = Duration::from_secs(3);
/// So many of what comes first come one after the other; then what waits has its turn, so that a storm of incidents does
/// not keep an engaged kill switch from sight.
const FIRST_IN_A_ROW: usize = 16;

/// See the module.
pub(crate) struct Voice {
    clock: Arc<dyn Clock>,
    first: mpsc::Receiver<Said>,
    in_a_row: usize,
    shared: Subscription,
    /// What the reader was told of what is shared.
    said: Seen,
    beat: Interval,
}

impl Voice {
    pub(crate) fn new(clock: Arc<dyn Clock>, first: mpsc::Receiver<Said>, shared: Subscription) -> Self {
        let mut beat = tokio::time::interval_at(tokio::time::Instant::now() + BEAT_EVERY, BEAT_EVERY);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { clock, first, in_a_row: 0, shared, said: Seen::default(), beat }
    }

    /// Speaks until the reader goes away.
    pub(crate) async fn speak(mut self, sender: mpsc::Sender<Result<WatchResponse, Status>>) -> Result<(), Gone> {
        loop {
            let room = sender.reserve().await.map_err(|_| Gone)?;
            let (resume_token, news) = self.next().await?;
            let time = Some(to_proto_time(self.clock.now()));
            room.send(Ok(WatchResponse { resume_token, time, news }));
        }
    }

    /// What is said next.
    async fn next(&mut self) -> Result<(String, Option<News>), Gone> {
        loop {
            if self.in_a_row < FIRST_IN_A_ROW
                && let Ok(said) = self.first.try_recv()
            {
                self.in_a_row += 1;
                return Ok((said.resume_token, Some(said.news)));
            }
            self.in_a_row = 0;
            if let Some(news) = self.shared.latest().unsaid(&mut self.said) {
                return Ok((String::new(), Some(news)));
            }
            tokio::select! {
                biased;
                said = self.first.recv() => {
                    let said = said.ok_or(Gone)?;
                    return Ok((said.resume_token, Some(said.news)));
                }
                changed = self.shared.changed() => changed.ok_or(Gone)?,
                _ = self.beat.tick() => return Ok((String::new(), None)),
            }
        }
    }
}

#[cfg(test)]
mod tests;
