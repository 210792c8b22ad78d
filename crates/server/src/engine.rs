//! The one loop that decides: reports and requests come in, one batch at a time becomes one
//! transaction of observations, standings, incidents and outbox rows. Only after the commit do
//! pages and outbox hear of it. It never waits for a delivery and never talks to the network.

mod alerting;
mod draft;
mod edit;
mod inside;
mod report;
mod silence;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{Notify, broadcast, mpsc, oneshot, watch};
use tokio::time::Instant;
use whydown_core::alerting::Alerting;
use whydown_core::alerting::rules::Silence;
use whydown_core::incident::{Incident, Input, Standing, step};
use whydown_core::monitor::Monitor;
use whydown_core::target::Target;
use whydown_core::wire::Report;

use crate::app::{EditError, Live, Seen};
use crate::board::Board;
use crate::clock::Clock;
use crate::config::Config;
use crate::fleet::agents::{Agents, Word};
use crate::fleet::{Delivery, Fleet};
use crate::health::HealthBoard;
use crate::heartbeat::Heard;
use crate::roster::{Roster, Stored};
use crate::store::{Store, StoreError};
use crate::tasks::Stop;
use draft::Draft;
pub(crate) use edit::Edit;
use inside::Insides;
use report::Inquiries;

/// Reports handled as one batch at most.
const BATCH_MAX: usize = 1_024;
/// Fine observations wait so long for company: one row a second, not one row a check.
const LINGER: Duration = Duration::from_secs(1);
/// How soon writing is tried again when the store could not take a batch.
const RETRY: Duration = Duration::from_secs(1);
/// Rows read at a start to fill the pages' memory.
const WARM_BATCHES: u32 = 256;
/// Observations that wait in memory while nothing can be stored; beyond it the oldest go.
const PENDING_MAX: usize = 50_000;

/// Everything that can make the server act, besides reports.
pub(crate) enum Event {
    /// Somebody takes an incident.
    Acknowledge {
        /// Its id.
        incident: String,
        /// Who.
        by: String,
        /// The incident afterwards.
        reply: oneshot::Sender<Result<Incident, EditError>>,
    },
    /// Somebody writes something down.
    Comment {
        /// The incident's id.
        incident: String,
        /// Who.
        by: String,
        /// What.
        text: String,
        /// The incident afterwards.
        reply: oneshot::Sender<Result<Incident, EditError>>,
    },
    /// Nobody wants to hear of some monitors for a while.
    Silence {
        /// Which, and how long.
        silence: Box<Silence>,
        /// How it went.
        reply: oneshot::Sender<Result<(), EditError>>,
    },
    /// A silence ends before its time.
    EndSilence {
        /// Its id.
        id: String,
        /// How it went.
        reply: oneshot::Sender<Result<(), EditError>>,
    },
    /// A monitor or channel is made, changed or removed.
    Edit {
        /// What.
        edit: Box<Edit>,
        /// How it went.
        reply: oneshot::Sender<Result<(), EditError>>,
    },
    /// The configuration file has changed and is in order.
    Reloaded(Box<Config>),
    /// A location has no probe.
    Silent {
        /// Its name.
        location: String,
        /// It once had one.
        had_probe: bool,
        /// When that was heard of last.
        heard_at: Option<Timestamp>,
    },
    /// A location has a probe, for the first time or again.
    Present {
        /// Its name.
        location: String,
    },
    /// A location does not exist any more.
    Gone {
        /// Its name.
        location: String,
    },
    /// A host agent has spoken.
    Inside(Box<Word>),
    /// Answered when everything handed in before is stored.
    Settled(oneshot::Sender<()>),
}

/// What the engine shares with the rest of the server.
pub(crate) struct Shared {
    pub(crate) store: Store,
    pub(crate) clock: Clock,
    pub(crate) board: Arc<Board>,
    pub(crate) health: Arc<HealthBoard>,
    pub(crate) roster: watch::Sender<Arc<Roster>>,
    pub(crate) live: broadcast::Sender<Live>,
    pub(crate) outbox: Arc<Notify>,
    pub(crate) fleet: Fleet,
    pub(crate) agents: Agents,
    pub(crate) heard: Heard,
}

impl Shared {
    /// What others may look at.
    pub(crate) fn seen(&self) -> Seen {
        Seen {
            board: Arc::clone(&self.board),
            health: Arc::clone(&self.health),
            roster: self.roster.subscribe(),
            live: self.live.clone(),
        }
    }
}

pub(crate) struct Engine {
    shared: Shared,
    stored: Stored,
    standings: HashMap<String, Standing>,
    alerting: Alerting,
    draft: Draft,
    inquiries: Inquiries,
    insides: Insides,
    /// Nothing is written before; `None` while writing works.
    retry_at: Option<Instant>,
}

/// What comes in.
pub(crate) struct Inbox {
    pub(crate) events: mpsc::Receiver<Event>,
    pub(crate) reports: mpsc::Receiver<Report>,
    /// Batches of links, answered when they are stored.
    pub(crate) deliveries: mpsc::Receiver<Delivery>,
    /// What is judged at once and stored when it comes again.
    pub(crate) early: mpsc::Receiver<Report>,
}

impl Engine {
    /// Loads what is remembered, and ends incidents of monitors that are gone.
    pub(crate) async fn load(shared: Shared, config: Config) -> Result<Self, StoreError> {
        let standings = shared.store.standings().await?;
        let alerting = alerting::load(&shared.store).await?;
        let stored = edit::load(&shared.store, shared.clock.now()).await?;
        let roster = Arc::new(Roster::new(Arc::new(config), &stored));
        let mut engine = Self {
            shared,
            stored,
            standings,
            alerting,
            draft: Draft::default(),
            inquiries: Inquiries::default(),
            insides: Insides::default(),
            retry_at: None,
        };
        engine.publish(roster);
        engine.warm().await?;
        let now = engine.shared.clock.now();
        let gone: Vec<String> = engine
            .standings
            .iter()
            .filter(|(name, standing)| standing.incident.is_some() && !engine.is_active(name))
            .map(|(name, _)| name.clone())
            .collect();
        for name in gone {
            let monitor = engine.monitor_of(&name);
            let reason = if engine.roster().entry(&name).is_some() { "paused" } else { "removed" };
            engine.retire(&monitor, reason, now);
        }
        engine.reconsider(now);
        Ok(engine)
    }

    /// Runs until `stop`, then takes in what is queued and writes it.
    pub(crate) async fn run(mut self, mut inbox: Inbox, mut stop: Stop) {
        let mut batch = Vec::with_capacity(BATCH_MAX);
        let mut early = Vec::with_capacity(BATCH_MAX);
        loop {
            let wakes = [self.wake_at(), self.alert_at(), self.inquiry_wake(), self.inside_wake()];
            let wake = wakes.into_iter().flatten().min();
            let sleep = async {
                match wake {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = stop.wait() => break,
                Some(event) = inbox.events.recv() => self.take(event, &mut inbox.reports).await,
                count = inbox.reports.recv_many(&mut batch, BATCH_MAX) => {
                    if count == 0 {
                        break;
                    }
                    self.all_reports(&mut batch).await;
                }
                count = inbox.early.recv_many(&mut early, BATCH_MAX) => {
                    if count == 0 {
                        break;
                    }
                    self.ahead(early.drain(..));
                }
                Some(delivery) = inbox.deliveries.recv() => self.delivered(delivery),
                () = sleep => {
                    self.release(self.shared.clock.now());
                    self.look_at_inquiries();
                }
            }
            if self.alert_due() {
                self.tell(self.shared.clock.now());
            }
            if self.wake_at().is_some_and(|at| at <= Instant::now()) {
                self.write().await;
            }
        }
        self.drain(&mut inbox.reports).await;
        self.write().await;
    }

    /// Judges a batch; what somebody waits for is written on the way.
    async fn all_reports(&mut self, batch: &mut Vec<Report>) {
        let mut reports = batch.drain(..).peekable();
        while reports.peek().is_some() {
            self.reports(&mut reports);
            if reports.peek().is_some() && self.draft.is_urgent() && self.retry_at.is_none() {
                self.write().await;
            }
        }
    }

    /// When there is something to write: at once when somebody waits for it, after [`LINGER`]
    /// otherwise, and after [`RETRY`] when the store is in trouble.
    fn wake_at(&self) -> Option<Instant> {
        let due = self.draft.due(LINGER)?;
        Some(self.retry_at.map_or(due, |retry| retry.max(due)))
    }

    async fn take(&mut self, event: Event, reports: &mut mpsc::Receiver<Report>) {
        match event {
            Event::Acknowledge { incident, by, reply } => {
                let result = self.acknowledge(&incident, &by).await;
                // Whoever asked may have gone; the incident is taken all the same.
                let _ = reply.send(result);
            }
            Event::Comment { incident, by, text, reply } => {
                let result = self.comment(&incident, &by, &text).await;
                let _ = reply.send(result);
            }
            Event::Silence { silence, reply } => {
                let result = self.silence(*silence).await;
                let _ = reply.send(result);
            }
            Event::EndSilence { id, reply } => {
                let result = self.end_silence(&id).await;
                let _ = reply.send(result);
            }
            Event::Edit { edit, reply } => {
                let result = self.edit(*edit).await;
                let _ = reply.send(result);
            }
            Event::Reloaded(config) => self.reload(*config),
            Event::Silent { location, had_probe, heard_at } => {
                self.silent(&location, had_probe, heard_at);
            }
            Event::Present { location } => self.present(&location),
            Event::Gone { location } => self.gone(&location),
            Event::Inside(word) => self.inside(*word),
            Event::Settled(reply) => {
                self.drain(reports).await;
                self.write().await;
                let _ = reply.send(());
            }
        }
    }

    /// Takes in what is queued.
    async fn drain(&mut self, reports: &mut mpsc::Receiver<Report>) {
        let mut batch = Vec::new();
        while let Ok(report) = reports.try_recv() {
            batch.push(report);
        }
        self.all_reports(&mut batch).await;
    }

    /// One step of the state machine, with everything that follows from it. `false`: nothing
    /// does.
    fn advance(&mut self, monitor: &Monitor, input: &Input, now: Timestamp) -> bool {
        let policy = self.policy(monitor, now);
        let standing = self.standings.entry(monitor.name.clone()).or_default();
        let (next, effects) = step(&policy, &monitor.name, standing, input, now);
        self.draft.stand(&policy, &monitor.name, standing, &next);
        *standing = next;
        self.follow(&monitor.name, &effects, now);
        !effects.is_empty()
    }

    fn retire(&mut self, monitor: &Monitor, reason: &str, now: Timestamp) {
        let input = Input::Retire { reason: reason.to_owned() };
        self.advance(monitor, &input, now);
    }

    /// A monitor for the last words on it, also when it is defined no more.
    fn monitor_of(&self, name: &str) -> Monitor {
        if let Some(entry) = self.roster().entry(name) {
            return entry.monitor.clone();
        }
        let incident = self.standings.get(name).and_then(|standing| standing.incident.as_ref());
        let url = incident.map(|incident| incident.diagnosis.target.url.as_str());
        let target = url.and_then(|url| url.parse().ok()).unwrap_or_else(unknown_target);
        Monitor::new(name, target)
    }

    /// Puts a new configuration in force.
    fn reload(&mut self, config: Config) {
        let old = &self.roster().config;
        if (config.listen, &config.data) != (old.listen, &old.data) {
            tracing::warn!("listen and data take effect at the next start");
        }
        let roster = Arc::new(Roster::new(Arc::new(config), &self.stored));
        self.switch(roster, &[]);
    }

    /// Makes `roster` the one in force, and ends the incidents of monitors that are no longer
    /// watched. `renamed`: monitors that are gone under their old name only.
    fn switch(&mut self, roster: Arc<Roster>, renamed: &[&str]) {
        let now = self.shared.clock.now();
        let old = self.roster();
        self.publish(roster);
        let roster = self.roster();
        for entry in old.entries.iter() {
            let name = entry.monitor.name.as_str();
            let reason = match roster.entry(name) {
                Some(entry) if entry.monitor.paused => "paused",
                Some(_) => continue,
                None if renamed.contains(&name) => continue,
                None => "removed",
            };
            if !entry.monitor.paused {
                self.retire(&entry.monitor, reason, now);
            }
            if reason == "removed" {
                self.standings.remove(name);
            }
        }
        self.shared.board.retain(|name| roster.entry(name).is_some());
        self.reconsider(now);
        self.draft.hurry();
        // Nobody may be watching the pages.
        let _ = self.shared.live.send(Live::Monitors);
    }

    fn publish(&self, roster: Arc<Roster>) {
        self.shared.roster.send_replace(roster);
    }

    async fn warm(&mut self) -> Result<(), StoreError> {
        let mut news = draft::NewsMap::new();
        for (name, standing) in &self.standings {
            news.entry(name.as_str().into()).or_default().standing = Some(standing.clone());
        }
        for (name, seen) in self.shared.store.newest(WARM_BATCHES).await? {
            let observations = &mut news.entry(name.into()).or_default().observations;
            observations.extend(
                seen.into_iter().map(|seen| (seen.location.into(), Arc::new(seen.observation))),
            );
        }
        news.retain(|name, _| self.roster().entry(name).is_some());
        self.shared.board.enter(&news);
        Ok(())
    }

    /// Writes the draft and tells of it. When the store can't take it, the draft waits.
    async fn write(&mut self) {
        if self.draft.is_empty() {
            return;
        }
        self.draft.commit.at = self.shared.clock.now();
        let result = self.shared.store.commit(&self.draft.commit).await;
        let draft = match result {
            Ok(()) => {
                self.retry_at = None;
                if self.shared.health.get().storage.is_some() {
                    tracing::info!("storing works again");
                    self.shared.health.set(|health| health.storage = None);
                }
                self.draft.hand_out_receipts();
                std::mem::take(&mut self.draft)
            }
            Err(error) => {
                self.trouble(&error);
                self.draft.published()
            }
        };
        self.shared.board.enter(&draft.news);
        for name in draft.news.into_keys() {
            let _ = self.shared.live.send(Live::Monitor(name));
        }
        for id in draft.commit.incidents.into_keys() {
            let _ = self.shared.live.send(Live::Incident(id.into()));
        }
        if !draft.commit.notices.is_empty() {
            self.shared.outbox.notify_one();
        }
    }

    fn trouble(&mut self, error: &StoreError) {
        self.retry_at = Some(Instant::now() + RETRY);
        let lost = self.draft.trim(PENDING_MAX);
        let waiting = self.draft.commit.observations.len();
        let text = format!("{error}; {waiting} observations wait in memory");
        self.shared.health.set(|health| {
            if health.storage.is_none() {
                tracing::error!("{text}");
            }
            health.storage = Some(text);
            health.observations_lost += lost;
        });
    }

    fn roster(&self) -> Arc<Roster> {
        Arc::clone(&self.shared.roster.borrow())
    }

    fn is_active(&self, name: &str) -> bool {
        self.roster().entry(name).is_some_and(|entry| !entry.monitor.paused)
    }
}

/// Stands for a target that can't be read any more.
fn unknown_target() -> Target {
    Target {
        scheme: whydown_core::target::Scheme::Tcp,
        host: whydown_core::target::Host::Name("unknown.invalid".to_owned()),
        port: 1,
        port_source: whydown_core::target::PortSource::Given,
        path: String::new(),
    }
}
