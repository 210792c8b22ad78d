//! Delivers what the outbox holds, at least once, in its own tasks: a slow or dead channel delays
//! no check and no other channel.
//!
//! One task hands out work: it registers interest in new rows *before* it looks for them, claims
//! a few per channel by lease, and writes down what became of them, both for all channels
//! together. Attempts run beside it, at most [`PER_CHANNEL`] per channel.

mod journal;
mod lane;
mod schedule;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use jiff::Timestamp;
use tokio::sync::{Notify, broadcast, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;
use whydown_core::notice::{Notice, NoticeEvent};

use crate::app::Live;
use crate::channel::Terms;
use crate::clock::Clock;
use crate::notify::{DeliveryError, Notifier};
use crate::roster::Roster;
use crate::store::{Claimed, Outcome, Store, StoreError};
use crate::tasks::Stop;
use journal::Journal;
use lane::Lane;
pub use schedule::Schedule;

/// Attempts at the same time over one channel. With at most
/// [`CHANNELS_MAX`](crate::config::CHANNELS_MAX) channels this bounds all of them.
pub const PER_CHANNEL: usize = 2;
/// Notices of one channel that are claimed ahead of their turn, so that a storm does not take a
/// look at the database for each.
const AHEAD: usize = 32;
/// Between two looks at least: what ends meanwhile is written down in one transaction.
const LOOK_GAP: Duration = Duration::from_millis(20);
/// Looks for due rows at least so often, whatever was heard.
const LOOK_MAX: Duration = Duration::from_secs(30);
/// What attempts under way may still take when the server stops.
const STOP_GRACE: Duration = Duration::from_secs(3);
/// The longest that a receiver may ask to be left alone.
const PAUSE_MAX: Duration = Duration::from_hours(1);
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
    lanes: BTreeMap<String, Lane>,
    /// Claimed and not settled: a lease that ends meanwhile is still ours.
    held: BTreeSet<i64>,
    outcomes: Vec<(i64, Outcome)>,
    /// What other channels are told because of them.
    more: Vec<Notice>,
    incidents: BTreeSet<String>,
    /// `None` when it can't be opened: then a crash repeats a little more.
    journal: Option<Arc<Journal>>,
}

impl Outbox {
    /// Runs until `stop`; attempts that are under way then may finish and are written down.
    pub(crate) async fn run(self, mut stop: Stop) {
        let mut desk = self.open().await;
        let mut look_at = Instant::now();
        loop {
            let woken = self.wake.notified();
            let now = Instant::now();
            if now >= look_at {
                look_at = now + self.look(&mut desk).await.max(LOOK_GAP);
            }
            let soon = look_at.min(now + LOOK_GAP);
            let wake_at = look_at.min(self.wakes(&mut desk).unwrap_or(look_at));
            tokio::select! {
                () = stop.wait() => break,
                () = woken => look_at = soon,
                Some(done) = desk.running.join_next() => {
                    self.finish(&mut desk, done);
                    look_at = soon;
                }
                () = tokio::time::sleep_until(wake_at) => {
                    self.start_all(&mut desk);
                }
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

    /// What a predecessor has left: leases, and deliveries that it did not write down.
    async fn open(&self) -> Desk {
        let mut desk = Desk::default();
        match Journal::open(self.store.dir()) {
            Ok((journal, left)) => {
                desk.outcomes.extend(left.into_iter().map(|seq| (seq, Outcome::Delivered)));
                desk.journal = Some(Arc::new(journal));
            }
            Err(error) => tracing::warn!("the outbox has no journal: {error}"),
        }
        let opened = async {
            self.settle(&mut desk).await?;
            self.store.release_leases().await
        };
        if let Err(error) = opened.await {
            tracing::error!("the outbox could not be opened: {error}");
        }
        desk
    }

    /// Writes down what is done, claims what is due; how long nothing else is due.
    async fn look(&self, desk: &mut Desk) -> Duration {
        let looked = async {
            self.settle(desk).await?;
            self.claim_due(desk).await
        };
        match looked.await {
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
        self.store.settle(&desk.outcomes, &desk.more, self.clock.now()).await?;
        desk.more.clear();
        let delivered = desk.outcomes.iter().filter(|(_, done)| *done == Outcome::Delivered);
        if let Some(journal) = &desk.journal {
            journal.settled(delivered.count());
        }
        for (seq, _) in desk.outcomes.drain(..) {
            desk.held.remove(&seq);
        }
        for incident in std::mem::take(&mut desk.incidents) {
            // Nobody may be watching the pages.
            let _ = self.live.send(Live::Incident(incident.into()));
        }
        Ok(())
    }

    async fn claim_due(&self, desk: &mut Desk) -> Result<Duration, StoreError> {
        let now = self.clock.now();
        let mut wait = LOOK_MAX;
        for due in self.store.due(now).await? {
            if let Some(next) = due.next {
                wait = wait.min(Duration::try_from(next.duration_since(now)).unwrap_or_default());
            }
            let waiting = desk.lanes.get(&due.channel).map_or(0, |lane| lane.waiting.len());
            if !due.ready || waiting >= PER_CHANNEL {
                continue;
            }
            let lease = self.schedule.lease;
            for claimed in self.store.claim(&due.channel, AHEAD, now, lease).await? {
                if desk.held.insert(claimed.seq) {
                    let lane = desk.lanes.entry(due.channel.clone()).or_default();
                    lane.waiting.push_back(claimed);
                }
            }
            self.start_waiting(desk, &due.channel);
        }
        Ok(wait)
    }

    /// Starts as many attempts of a channel as it may have now.
    fn start_waiting(&self, desk: &mut Desk, channel: &str) {
        let rate = self.terms(channel).rate;
        let now = Instant::now();
        let Some(lane) = desk.lanes.get_mut(channel) else { return };
        let started: Vec<Claimed> = std::iter::from_fn(|| lane.next(rate, now)).collect();
        if lane.is_idle() {
            desk.lanes.remove(channel);
        }
        for claimed in started {
            self.start(desk, claimed);
        }
    }

    fn start_all(&self, desk: &mut Desk) {
        let channels: Vec<String> = desk.lanes.keys().cloned().collect();
        for channel in channels {
            self.start_waiting(desk, &channel);
        }
    }

    /// When the next channel may go on that only has to wait for time to pass.
    fn wakes(&self, desk: &mut Desk) -> Option<Instant> {
        let now = Instant::now();
        let lanes = desk.lanes.iter_mut();
        lanes.filter_map(|(channel, lane)| lane.wakes(self.terms(channel).rate, now)).min()
    }

    fn terms(&self, channel: &str) -> Terms {
        let roster = self.roster.borrow();
        roster.channel(channel).map(|entry| entry.channel.terms.clone()).unwrap_or_default()
    }

    fn start(&self, desk: &mut Desk, claimed: Claimed) {
        let channel = {
            let roster = self.roster.borrow();
            roster.channel(&claimed.notice.channel).map(|entry| entry.channel.clone())
        };
        let notifier = self.notifier.clone();
        let journal = desk.journal.clone();
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
            let result = match result.unwrap_or_else(panicked) {
                Ok(receipt) => {
                    // First of all: until this is written, a crash tells it again.
                    if let Some(journal) = &journal {
                        journal.delivered(claimed.seq);
                    }
                    notifier.keep(&claimed.notice, receipt).await;
                    Ok(())
                }
                Err(error) => Err(error),
            };
            Done { result, claimed }
        });
    }

    fn finish(&self, desk: &mut Desk, done: Result<Done, tokio::task::JoinError>) {
        // Attempts catch their own panics, and only shutting down cancels them.
        let Ok(Done { claimed, result }) = done else { return };
        if let Some(lane) = desk.lanes.get_mut(&claimed.notice.channel) {
            lane.busy = lane.busy.saturating_sub(1);
            let asked = result.as_ref().err().and_then(|error| error.after);
            if let Some(after) = asked {
                lane.pause(Instant::now() + after.min(PAUSE_MAX));
            }
        }
        self.start_waiting(desk, &claimed.notice.channel);
        let outcome = self.judge(&claimed, result);
        desk.more.extend(self.elsewhere(&claimed, &outcome));
        desk.incidents.insert(claimed.notice.body.incident.id.clone());
        desk.outcomes.push((claimed.seq, outcome));
    }

    /// Who else is told when a channel can't be reached.
    fn elsewhere(&self, claimed: &Claimed, outcome: &Outcome) -> Vec<Notice> {
        let (error, dead) = match outcome {
            Outcome::Delivered => return Vec::new(),
            Outcome::Retry { error, .. } => (error, false),
            Outcome::Dead { error } => (error, true),
        };
        let notice = &claimed.notice;
        let terms = self.terms(&notice.channel);
        let attempts = claimed.attempts.saturating_add(1);
        let own = notice.body.instead_of.is_none() && notice.body.event != NoticeEvent::Undelivered;
        let fallback = terms.fallback.filter(|_| own);
        if let Some(fallback) = fallback {
            let early = dead && attempts < terms.fallback_after;
            let now = attempts == terms.fallback_after || early;
            return now.then(|| notice.over(&fallback, error)).into_iter().collect();
        }
        if !dead || notice.body.event == NoticeEvent::Undelivered {
            return Vec::new();
        }
        let roster = self.roster.borrow();
        let others = roster.config.undelivered.iter().filter(|other| **other != notice.channel);
        let now = self.clock.now();
        others.map(|other| notice.undelivered(other, error, now)).collect()
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
