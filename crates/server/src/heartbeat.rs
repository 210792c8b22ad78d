//! The dead man's switch: tells an outside service that this server lives, and says nothing when
//! engine, store or probe don't do their work. Silence is the alarm.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tokio::sync::watch;

use crate::app::App;
use crate::clock::Clock;
use crate::notify::Notifier;
use crate::roster::Roster;
use crate::tasks::Stop;

/// The engine must have written what it has within so long.
const ANSWER_MAX: Duration = Duration::from_secs(20);
/// Reports may be so much later than intervals and deadlines say.
const LATE_MAX: Duration = Duration::from_mins(1);

/// When a probe was heard last, in milliseconds since 1970; 0: not yet.
pub(crate) type Heard = Arc<AtomicI64>;

/// What beats.
pub(crate) struct Heart {
    pub(crate) app: App,
    pub(crate) roster: watch::Receiver<Arc<Roster>>,
    pub(crate) notifier: Notifier,
    pub(crate) clock: Clock,
    pub(crate) heard: Heard,
}

impl Heart {
    /// Runs until `stop`.
    pub(crate) async fn run(mut self, mut stop: Stop) {
        tokio::select! {
            () = stop.wait() => {}
            () = self.beats() => {}
        }
    }

    async fn beats(&mut self) {
        let started = self.clock.now().as_millisecond();
        loop {
            let beat = self.roster.borrow_and_update().config.heartbeat.clone();
            let Some(beat) = beat else {
                if self.roster.changed().await.is_err() {
                    return;
                }
                continue;
            };
            match self.trouble(started).await {
                None => {
                    if let Err(error) = self.notifier.beat(&beat.url).await {
                        tracing::warn!("the heartbeat was not taken: {error}");
                    }
                }
                Some(trouble) => tracing::error!("no heartbeat: {trouble}"),
            }
            tokio::time::sleep(beat.every).await;
        }
    }

    /// What does not do its work.
    async fn trouble(&self, started: i64) -> Option<String> {
        if tokio::time::timeout(ANSWER_MAX, self.app.settled()).await.is_err() {
            return Some("the engine does not answer".to_owned());
        }
        if let Some(storage) = self.app.health().storage {
            return Some(storage);
        }
        if let Err(error) = self.app.store().outbox_counts().await {
            return Some(error.to_string());
        }
        let longest = self.patience()?;
        let last = self.heard.load(Ordering::Relaxed).max(started);
        let silent = self.clock.now().as_millisecond().saturating_sub(last);
        let silent = Duration::from_millis(u64::try_from(silent).unwrap_or_default());
        (silent > longest)
            .then(|| format!("no probe has reported for {}", whydown_core::units::show(silent)))
    }

    /// How long all probes together may be silent; `None`: nothing is checked.
    fn patience(&self) -> Option<Duration> {
        let roster = self.roster.borrow();
        let active = roster.entries.iter().map(|entry| &entry.monitor).filter(|m| !m.paused);
        active.map(|monitor| monitor.interval + monitor.timeout + LATE_MAX).min()
    }
}
