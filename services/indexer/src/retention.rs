//! Removes what is too old or too much, from the store and from the bus.

use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::times::AHEAD_MAX;
use crate::{Dependencies, Options};

/// Prunes until `shutdown`. A failure is logged and the next turn tries again.
pub(crate) async fn run(options: &Options, dependencies: &Dependencies, shutdown: CancellationToken) {
    let mut turns = tokio::time::interval(options.prune_every);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = shutdown.cancelled() => return,
            _ = turns.tick() => prune(options, dependencies).await,
        }
    }
}

/// One turn; also what frees room when the store is full.
pub(crate) async fn prune(options: &Options, dependencies: &Dependencies) {
    let now = dependencies.clock.now();
    let keep_bytes = match dependencies.store.prune_after(now + AHEAD_MAX).await {
        Ok(removed) => {
            if removed > 0 {
                tracing::warn!(removed, %now, "removed telemetry of days that have not come");
            }
            options.keep_bytes
        }
        // While such a day may be the newest, the one that keeps its place for being it is not today's.
        Err(error) => {
            tracing::warn!(%error, "failed to remove telemetry of days that have not come");
            None
        }
    };
    let before = now - options.keep_for;
    match dependencies.store.prune(before, keep_bytes).await {
        Ok(0) => {}
        Ok(removed) => tracing::info!(removed, %before, "removed old telemetry"),
        Err(error) => tracing::warn!(%error, "failed to remove old telemetry"),
    }
    match dependencies.bus.prune().await {
        Ok(0) => {}
        Ok(removed) => tracing::debug!(removed, "removed old records of the bus"),
        Err(error) => tracing::warn!(%error, "failed to remove old records of the bus"),
    }
}
