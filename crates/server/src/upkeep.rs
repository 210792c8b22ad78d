//! Housekeeping on a timer: past hours are packed, what is too old goes, slice by slice.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::clock::Clock;
use crate::roster::Roster;
use crate::store::{Store, StoreError};
use crate::tasks::Stop;

/// Between two rounds.
const ROUND: Duration = Duration::from_mins(1);
/// Between two slices, so that batches of the engine get their turn: so many times as long as the
/// slice took, and at least so long.
const BREATHS: u32 = 2;
const BREATH_MIN: Duration = Duration::from_millis(20);
/// Slices of one round.
const SLICES_MAX: usize = 500;

/// Keeps house until `stop`.
pub(crate) async fn run(
    store: Store,
    clock: Clock,
    roster: watch::Receiver<Arc<Roster>>,
    mut stop: Stop,
) {
    loop {
        let round = async {
            if let Err(error) = round(&store, &clock, &roster).await {
                // The engine's own writes show lasting trouble in the pages.
                tracing::debug!("housekeeping will try again: {error}");
            }
            tokio::time::sleep(ROUND).await;
        };
        tokio::select! {
            () = stop.wait() => return,
            () = round => {}
        }
    }
}

async fn round(
    store: &Store,
    clock: &Clock,
    roster: &watch::Receiver<Arc<Roster>>,
) -> Result<(), StoreError> {
    for _ in 0..SLICES_MAX {
        let keep = roster.borrow().config.retention;
        let (now, begun) = (clock.now(), Instant::now());
        let more = store.compact_slice(now).await? | store.prune_slice(&keep, now).await?;
        if !more {
            return Ok(());
        }
        tokio::time::sleep((begun.elapsed() * BREATHS).max(BREATH_MIN)).await;
    }
    Ok(())
}
