//! Delivers what the outbox holds, at least once, in its own tasks: a slow or dead channel delays
//! no check and no other channel.
//!
//! One task hands out work: it registers interest in new rows *before* it looks for them, claims
//! a few per channel by lease, and writes down what became of them. Attempts run beside it, at
//! most [`PER_CHANNEL`] per channel.

mod schedule;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use jiff::Timestamp;
use tokio::sync::{Notify, broadcast, watch};
use tokio::task::JoinSet;

use crate::app::Live;
use crate::clock::Clock;
use crate::notify::{DeliveryError, Notifier};
use crate::roster::Roster;
use crate::store::{Claimed, Outcome, Store, StoreError};
use crate::tasks::Stop;
pub use schedule::Schedule;

/// Attempts at the same time over one channel. With at most
/// [`CHANNELS_MAX`](crate::config::CHANNELS_MAX) channels this bounds all of them.
pub const PER_CHANNEL: usize = 2;
/// Looks for due rows at least so often, whatever was heard.
const LOOK_MAX: Duration = Duration::from_secs(30);
/// What attempts under way may still take when the server stops.
const STOP_GRACE: Duration = Duration::from_secs(3);
/// How soon a failed look is repeated.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// What the outbox works with.
pub(crate) struct Outbox {
    pub(crate) store: Store,
    pub(crate) clock: Clock,
    pub(crate) roster: watch::Receiver<Arc<Roster>>,
    pub(crate) notifier: Notifier,
    pub(crate) schedule: Schedule,
    pub(crate) live: broadcast::Sender<Live>,
    pub(crate) wake: Arc<Notify>,
}

/// One finished attempt.
struct Done {
    claimed: Claimed,
    result: Result<(), DeliveryError>,
}

/// What runs and what is not yet written down.
#[derive(Default)]
struct Desk {
    running: JoinSet<Done>,
    busy: BTreeMap<String, usize>,
    /// Claimed and not settled: a lease that ends meanwhile is still ours.
    held: BTreeSet<i64>,
    outcomes: Vec<(i64, Outcome)>,
    incidents: BTreeSet<String>,
}

impl Outbox {
    /// Runs until `stop`; attempts that are under way then may finish and are written down.
    pub(crate) async fn run(self, mut stop: Stop) {
        let mut desk = Desk::default();
        if let Err(error) = self.store.release_leases().await {
            tracing::error!("the outbox could not be opened: {error}");
        }
        loop {
            let woken = self.wake.notified();
            let wait = self.work(&mut desk).await;
            tokio::select! {
                () = stop.wait() => break,
                () = woken => {}
                Some(done) = desk.running.join_next() => self.finish(&mut desk, done),
                () = tokio::time::sleep(wait) => {}
            }
        }
        let all = async {
            while let Some(done) = desk.running.join_next().await {
                self.finish(&mut desk, done);
            }
        };
        // What is cut off here is delivered again after the next start, with the same key.
        let _ = tokio::time::timeout(STOP_GRACE, all).await;
        if let Err(error) = self.settle(&mut desk).await {
            tracing::warn!("deliveries could not be written down and will be repeated: {error}");
        }
    }

    /// Writes down what is done, starts what is due; how long nothing else is due.
    async fn work(&self, desk: &mut Desk) -> Duration {
        while let Some(done) = desk.running.try_join_next() {
            self.finish(desk, done);
        }
        let next = async {
            self.settle(desk).await?;
            self.start_due(desk).await
        };
        match next.await {
            Ok(wait) => wait,
            Err(error) => {
                tracing::warn!("the outbox could not be read: {error}");
                LOOK_AGAIN
            }
        }
    }

    async fn settle(&self, desk: &mut Desk) -> Result<(), StoreError> {
        if desk.outcomes.is_empty() {
            return Ok(());
        }
        self.store.settle(&desk.outcomes, self.clock.now()).await?;
        for (seq, _) in desk.outcomes.drain(..) {
            desk.held.remove(&seq);
        }
        for incident in std::mem::take(&mut desk.incidents) {
            // Nobody may be watching the pages.
            let _ = self.live.send(Live::Incident(incident.into()));
        }
        Ok(())
    }

    async fn start_due(&self, desk: &mut Desk) -> Result<Duration, StoreError> {
        let now = self.clock.now();
        let mut wait = LOOK_MAX;
        for (channel, due) in self.store.due().await? {
            if due > now {
                let until_due = Duration::try_from(due.duration_since(now)).unwrap_or_default();
                wait = wait.min(until_due.max(Duration::from_millis(1)));
                continue;
            }
            let free = PER_CHANNEL.saturating_sub(desk.busy.get(&channel).copied().unwrap_or(0));
            if free == 0 {
                continue;
            }
            let lease = self.schedule.lease;
            for claimed in self.store.claim(&channel, free, now, lease).await? {
                if desk.held.insert(claimed.seq) {
                    self.start(desk, claimed);
                }
            }
        }
        Ok(wait)
    }

    fn start(&self, desk: &mut Desk, claimed: Claimed) {
        let channel = {
            let roster = self.roster.borrow();
            roster.channel(&claimed.notice.channel).map(|entry| entry.channel.clone())
        };
        *desk.busy.entry(claimed.notice.channel.clone()).or_default() += 1;
        let notifier = self.notifier.clone();
        let now = self.clock.now();
        desk.running.spawn(async move {
            let attempt = async {
                match channel {
                    Some(channel) => notifier.deliver(&channel, &claimed.notice, now).await,
                    None => Err(DeliveryError::gone(&claimed.notice.channel)),
                }
            };
            // A defect in one kind of channel must not block its place for ever.
            let result = std::panic::AssertUnwindSafe(attempt).catch_unwind().await;
            let panicked = |_| Err(DeliveryError::passing("sending failed by a defect in whydown"));
            Done { result: result.unwrap_or_else(panicked), claimed }
        });
    }

    fn finish(&self, desk: &mut Desk, done: Result<Done, tokio::task::JoinError>) {
        // Attempts catch their own panics, and only shutting down cancels them.
        let Ok(Done { claimed, result }) = done else { return };
        let channel = &claimed.notice.channel;
        if let Some(busy) = desk.busy.get_mut(channel) {
            *busy = busy.saturating_sub(1);
        }
        let outcome = self.judge(&claimed, result);
        desk.incidents.insert(claimed.notice.body.incident.id.clone());
        desk.outcomes.push((claimed.seq, outcome));
    }

    fn judge(&self, claimed: &Claimed, result: Result<(), DeliveryError>) -> Outcome {
        let (key, channel) = (&claimed.notice.key, &claimed.notice.channel);
        let Err(error) = result else {
            tracing::info!(key, channel, "delivered");
            return Outcome::Delivered;
        };
        let now = self.clock.now();
        let age = Duration::try_from(now.duration_since(claimed.created_at)).unwrap_or_default();
        match self.schedule.next(claimed.attempts, age, &error) {
            Some(delay) => {
                let due = now.checked_add(delay).unwrap_or(Timestamp::MAX);
                tracing::warn!(key, channel, "not delivered, again in {delay:.1?}: {error}");
                Outcome::Retry { due, error: error.to_string() }
            }
            None => {
                tracing::error!(key, channel, "given up: {error}");
                Outcome::Dead { error: error.to_string() }
            }
        }
    }
}
