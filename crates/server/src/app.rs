//! What pages and API talk to: reads come from memory and store, changes go through the engine.

mod alerting;
mod hosts;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{BoxFuture, FutureExt as _};
use jiff::Timestamp;
use tokio::sync::{Notify, broadcast, mpsc, oneshot, watch};
use tokio::time::Instant;
use whydown_core::diagnosis::Diagnosis;
use whydown_core::evidence::Evidence;
use whydown_core::incident::{Incident, Standing};
use whydown_core::monitor::{Monitor, TIMEOUT_DEFAULT};
use whydown_core::observation::Observation;
use whydown_core::scope::{Location, Selector};
use whydown_core::target::Target;
use whydown_core::wire::{Order, Role};

use crate::board::Board;
pub use crate::board::Sample;
use crate::channel::{Channel, ChannelKind};
use crate::clock::Clock;
use crate::config::{Config, Problem};
use crate::engine::{Edit, Event};
use crate::fleet::link::Wires;
use crate::fleet::{self, Definition, FleetError, LOCAL};
pub use crate::fleet::{HostStatus, LocationStatus, ProbeStatus};
pub use crate::health::Health;
use crate::health::HealthBoard;
use crate::notify::Notifier;
use crate::probing::Prober;
use crate::roster::Roster;
pub use crate::roster::{ChannelEntry, Entry, Origin};
use crate::store::{Store, StoreError};

/// How long places may take to answer a question about a target.
const ANSWERS_WITHIN: Duration = Duration::from_secs(30);

/// The running server as pages and API see it; cheap to clone.
#[derive(Clone, Debug)]
pub struct App(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Store,
    seen: Seen,
    events: mpsc::Sender<Event>,
    hands: Hands,
    links: Wires,
}

/// What pages and API act with, besides the engine.
#[derive(Clone, Debug)]
pub(crate) struct Hands {
    pub(crate) prober: Prober,
    pub(crate) notifier: Notifier,
    /// Wakes the outbox.
    pub(crate) outbox: Arc<Notify>,
    pub(crate) clock: Clock,
}

/// What the engine publishes.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) board: Arc<Board>,
    pub(crate) health: Arc<HealthBoard>,
    pub(crate) roster: watch::Receiver<Arc<Roster>>,
    pub(crate) live: broadcast::Sender<Live>,
}

/// A monitor as pages show it.
#[derive(Clone, Debug, PartialEq)]
pub struct MonitorStatus {
    /// The monitor and where it is defined.
    pub entry: Arc<Entry>,
    /// What is remembered of it; its `incident` is the open one.
    pub standing: Arc<Standing>,
    /// The newest observation of any location; `None` before the first.
    pub last: Option<Arc<Observation>>,
    /// The newest checks, oldest first: a sparkline.
    pub recent: Vec<Sample>,
}

/// Answers of several places, as they arrive.
pub(crate) struct Answers {
    /// Who was asked.
    pub(crate) asked: Vec<Location>,
    inbox: mpsc::Receiver<(String, Evidence)>,
    local: Option<BoxFuture<'static, Evidence>>,
    heard: usize,
    deadline: Instant,
}

impl Answers {
    /// The next one; `None` when all have answered or the time is up.
    pub(crate) async fn next(&mut self) -> Option<(String, Evidence)> {
        if self.heard >= self.asked.len() {
            return None;
        }
        let local = async {
            match &mut self.local {
                Some(local) => local.await,
                None => std::future::pending().await,
            }
        };
        let answer = tokio::select! {
            evidence = local => {
                self.local = None;
                (LOCAL.to_owned(), evidence)
            }
            Some(answer) = self.inbox.recv() => answer,
            () = tokio::time::sleep_until(self.deadline) => return None,
        };
        self.heard += 1;
        Some(answer)
    }
}

/// Something changed; pages that show it should render again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Live {
    /// A monitor's status.
    Monitor(Arc<str>),
    /// An incident, or its deliveries.
    Incident(Arc<str>),
    /// The list of monitors or channels.
    Monitors,
}

/// Why a change was not made.
#[derive(Debug, thiserror::Error)]
pub enum EditError {
    /// Nothing has that name or id.
    #[error("{what} {name:?} does not exist")]
    NotFound {
        /// `monitor`, `channel` or `incident`.
        what: &'static str,
        /// As asked for.
        name: String,
    },
    /// The name is in use.
    #[error("a {what} named {name:?} exists already")]
    NameTaken {
        /// `monitor` or `channel`.
        what: &'static str,
        /// As asked for.
        name: String,
    },
    /// It is defined in the configuration file.
    #[error("{what} {name:?} is defined in {}; change it there", .file.display())]
    ReadOnly {
        /// `monitor` or `channel`.
        what: &'static str,
        /// As asked for.
        name: String,
        /// The configuration file.
        file: PathBuf,
    },
    /// A channel that something names can't be removed.
    #[error("channel {name:?} is used by {}", .users.join(", "))]
    InUse {
        /// The channel.
        name: String,
        /// The monitors that name it, and the channels that it stands in for.
        users: Vec<String>,
    },
    /// The incident has ended already, or somebody took it before.
    #[error("incident {0} is not open")]
    NotOpen(String),
    /// Values that can't be.
    #[error("{}", crate::config::listed(.0))]
    Invalid(Vec<Problem>),
    /// A test message was not delivered; the text says why.
    #[error("{0}")]
    NotDelivered(String),
    /// The store can't take it at the moment, or the server is stopping.
    #[error("the change was not stored: {0}")]
    Unavailable(String),
}

impl EditError {
    fn invalid(key: &str, message: String) -> Self {
        Self::Invalid(vec![Problem { key: key.to_owned(), message, hint: None, place: None }])
    }

    pub(crate) fn not_found(what: &'static str, name: &str) -> Self {
        Self::NotFound { what, name: name.to_owned() }
    }

    pub(crate) fn name_taken(what: &'static str, name: &str) -> Self {
        Self::NameTaken { what, name: name.to_owned() }
    }

    pub(crate) fn read_only(what: &'static str, name: &str, file: PathBuf) -> Self {
        Self::ReadOnly { what, name: name.to_owned(), file }
    }

    pub(crate) fn unavailable(error: &StoreError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl From<StoreError> for EditError {
    fn from(error: StoreError) -> Self {
        Self::unavailable(&error)
    }
}

impl App {
    pub(crate) fn new(
        store: Store,
        seen: Seen,
        events: mpsc::Sender<Event>,
        hands: Hands,
        links: Wires,
    ) -> Self {
        Self(Arc::new(Inner { store, seen, events, hands, links }))
    }

    /// What probes are connected to.
    pub(crate) fn links(&self) -> &Wires {
        &self.0.links
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.0.store
    }

    /// The configuration in force.
    #[must_use]
    pub fn config(&self) -> Arc<Config> {
        Arc::clone(&self.roster().config)
    }

    /// How the server itself does.
    #[must_use]
    pub fn health(&self) -> Health {
        self.0.seen.health.get()
    }

    /// Every monitor, by name.
    #[must_use]
    pub fn monitors(&self) -> Arc<Vec<Arc<Entry>>> {
        Arc::clone(&self.roster().entries)
    }

    /// Every channel, by name.
    #[must_use]
    pub fn channels(&self) -> Arc<Vec<ChannelEntry>> {
        Arc::clone(&self.roster().channels)
    }

    /// One monitor's status.
    #[must_use]
    pub fn status(&self, name: &str) -> Option<MonitorStatus> {
        Some(self.status_of(self.roster().entry(name)?))
    }

    /// Every monitor's status, by name.
    #[must_use]
    pub fn statuses(&self) -> Vec<MonitorStatus> {
        self.roster().entries.iter().map(|entry| self.status_of(entry)).collect()
    }

    fn status_of(&self, entry: &Arc<Entry>) -> MonitorStatus {
        let shown = self.0.seen.board.get(&entry.monitor.name).unwrap_or_default();
        MonitorStatus {
            entry: Arc::clone(entry),
            last: shown.last,
            standing: shown.standing,
            recent: shown.recent.into(),
        }
    }

    /// From now on, what changes. A receiver that lags should render everything again.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Live> {
        self.0.seen.live.subscribe()
    }

    /// Adds a monitor, as [`config::monitor`](crate::config::monitor) makes it.
    ///
    /// # Errors
    /// `NameTaken`, `Invalid`, `Unavailable`.
    pub async fn create_monitor(&self, monitor: Monitor) -> Result<Arc<Entry>, EditError> {
        self.check(&monitor)?;
        let name = monitor.name.clone();
        self.edit(Edit::CreateMonitor(monitor)).await?;
        self.entry(&name)
    }

    /// Replaces the monitor called `name`; the new one may have another name. Header values and
    /// a body that are still masked keep what they were.
    ///
    /// # Errors
    /// `NotFound`, `ReadOnly`, `NameTaken`, `Invalid`, `Unavailable`.
    pub async fn update_monitor(
        &self,
        name: &str,
        mut monitor: Monitor,
    ) -> Result<Arc<Entry>, EditError> {
        crate::roster::unmask(&mut monitor, &self.entry(name)?.monitor);
        self.check(&monitor)?;
        let new_name = monitor.name.clone();
        self.edit(Edit::UpdateMonitor(name.to_owned(), monitor)).await?;
        self.entry(&new_name)
    }

    /// Removes a monitor; its history stays until retention takes it.
    ///
    /// # Errors
    /// `NotFound`, `ReadOnly`, `Unavailable`.
    pub async fn delete_monitor(&self, name: &str) -> Result<(), EditError> {
        self.edit(Edit::DeleteMonitor(name.to_owned())).await
    }

    /// Adds a channel, as [`config::channel`](crate::config::channel) makes it.
    ///
    /// # Errors
    /// `NameTaken`, `Invalid`, `Unavailable`.
    pub async fn create_channel(&self, channel: Channel) -> Result<ChannelEntry, EditError> {
        self.permitted(&channel)?;
        let name = channel.name.clone();
        let problem = crate::config::check_channel(&channel, &self.roster().channel_names());
        if let Some(problem) = problem {
            return Err(EditError::Invalid(vec![problem]));
        }
        self.edit(Edit::CreateChannel(channel)).await?;
        let roster = self.roster();
        roster.channel(&name).cloned().ok_or_else(|| EditError::not_found("channel", &name))
    }

    /// Replaces the channel called `name`; its name stays. Settings that are still masked keep
    /// what they were.
    ///
    /// # Errors
    /// `NotFound`, `ReadOnly`, `Invalid`, `Unavailable`.
    pub async fn update_channel(
        &self,
        name: &str,
        mut value: serde_json::Value,
    ) -> Result<ChannelEntry, EditError> {
        let roster = self.roster();
        let entry = roster.channel(name).ok_or_else(|| EditError::not_found("channel", name))?;
        entry.channel.unmask(&mut value);
        value["name"] = name.into();
        let channel = crate::config::channel(&value).map_err(EditError::Invalid)?;
        self.permitted(&channel)?;
        self.edit(Edit::UpdateChannel(channel)).await?;
        let roster = self.roster();
        roster.channel(name).cloned().ok_or_else(|| EditError::not_found("channel", name))
    }

    /// Programs are started only with the configuration file's word.
    fn permitted(&self, channel: &Channel) -> Result<(), EditError> {
        if !matches!(channel.kind, ChannelKind::Command(_)) || self.config().allow_commands {
            return Ok(());
        }
        Err(EditError::Invalid(vec![Problem {
            key: "command".to_owned(),
            message: "channels may not start programs here".to_owned(),
            hint: Some("write allow_commands: true into the configuration file".to_owned()),
            place: None,
        }]))
    }

    /// What delivers: also past the outbox.
    #[must_use]
    pub fn notifier(&self) -> &Notifier {
        &self.0.hands.notifier
    }

    /// Removes a channel that no monitor uses.
    ///
    /// # Errors
    /// `NotFound`, `ReadOnly`, `InUse`, `Unavailable`.
    pub async fn delete_channel(&self, name: &str) -> Result<(), EditError> {
        self.edit(Edit::DeleteChannel(name.to_owned())).await
    }

    /// Sends a test message over a channel now, past the outbox.
    ///
    /// # Errors
    /// `NotFound`, `NotDelivered`.
    pub async fn send_test(&self, channel: &str) -> Result<(), EditError> {
        let roster = self.roster();
        let entry =
            roster.channel(channel).ok_or_else(|| EditError::not_found("channel", channel))?;
        let sent = self.0.hands.notifier.send_test(&entry.channel, Timestamp::now()).await;
        sent.map_err(|error| EditError::NotDelivered(error.to_string()))
    }

    /// Takes an open incident in somebody's name.
    ///
    /// # Errors
    /// `NotFound`, `NotOpen`, `Unavailable`.
    pub async fn acknowledge(&self, incident: &str, by: &str) -> Result<Incident, EditError> {
        let (incident, by) = (incident.to_owned(), by.to_owned());
        self.ask(|reply| Event::Acknowledge { incident, by, reply }).await
    }

    /// Checks a target now, looks around when it fails, and judges.
    pub async fn diagnose(&self, target: &Target) -> Diagnosis {
        self.0.hands.prober.diagnose(target).await
    }

    /// Puts a target before the live probes of some locations; all of them without a selector.
    pub(crate) fn diagnose_from(&self, target: &Target, from: &[Selector]) -> Answers {
        let fleet = &self.0.links.fleet;
        let statuses = fleet.statuses();
        let meant = statuses.into_iter().map(|status| status.definition.location);
        let meant: Vec<Location> =
            meant.filter(|location| Selector::any_covers(from, location)).collect();
        let (sender, inbox) = mpsc::channel(meant.len().max(1));
        let names: Vec<String> = meant.iter().map(|location| location.name.clone()).collect();
        let question =
            |id| Order::Diagnose { id, target: target.clone(), timeout: TIMEOUT_DEFAULT };
        let mut asked = fleet.diagnose(&names, question, &sender);
        let here = names.iter().any(|name| name == LOCAL);
        let local = here.then(|| {
            asked.push(LOCAL.to_owned());
            let (app, target) = (self.clone(), target.clone());
            async move { app.0.hands.prober.look(&target).await }.boxed()
        });
        let asked = meant.into_iter().filter(|one| asked.contains(&one.name)).collect();
        Answers { asked, inbox, local, heard: 0, deadline: Instant::now() + ANSWERS_WITHIN }
    }

    /// Every location with its probes, the server's own first.
    #[must_use]
    pub fn locations(&self) -> Vec<LocationStatus> {
        self.0.links.fleet.statuses()
    }

    /// Defines a location, or changes what is known of it; gives a one-time token for a probe.
    ///
    /// # Errors
    /// `Invalid`, `Full`, or the store's.
    pub async fn add_location(&self, definition: &Definition) -> Result<String, FleetError> {
        fleet::define_location(self.store(), definition).await?;
        let name = &definition.location.name;
        let token = fleet::create_token(self.store(), Role::Probe, name).await?;
        self.0.links.fleet.read(self.store()).await?;
        Ok(token)
    }

    /// Removes a location; its probes are not let in any more.
    ///
    /// # Errors
    /// `Missing`, or the store's.
    pub async fn remove_location(&self, name: &str) -> Result<(), FleetError> {
        fleet::remove_location(self.store(), name).await?;
        self.0.links.fleet.read(self.store()).await
    }

    /// Ends a probe's key at once.
    ///
    /// # Errors
    /// `Missing`, or the store's.
    pub async fn revoke_probe(&self, id: &str) -> Result<(), FleetError> {
        fleet::revoke(self.store(), id).await?;
        self.0.links.fleet.read(self.store()).await
    }

    /// Asks for a check of a monitor now; its outcome arrives as a status like any other.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`.
    pub async fn check_now(&self, name: &str) -> Result<(), EditError> {
        let entry = self.entry(name)?;
        let fleet = &self.0.links.fleet;
        let asked = fleet.ask(&entry.monitor, "");
        fleet.flush();
        if asked.is_empty() {
            let text = "no location of this monitor has a probe at the moment";
            return Err(EditError::Unavailable(text.to_owned()));
        }
        Ok(())
    }

    pub(crate) fn roster(&self) -> Arc<Roster> {
        Arc::clone(&self.0.seen.roster.borrow())
    }

    fn entry(&self, name: &str) -> Result<Arc<Entry>, EditError> {
        let roster = self.roster();
        roster.entry(name).cloned().ok_or_else(|| EditError::not_found("monitor", name))
    }

    fn check(&self, monitor: &Monitor) -> Result<(), EditError> {
        let roster = self.roster();
        let mut problems = crate::config::check(monitor, &roster.channel_names());
        let others = roster.entries.iter().map(|entry| &entry.monitor);
        crate::config::check_dependencies(monitor, others, &mut problems);
        if problems.is_empty() { Ok(()) } else { Err(EditError::Invalid(problems)) }
    }

    async fn edit(&self, edit: Edit) -> Result<(), EditError> {
        self.ask(|reply| Event::Edit { edit: Box::new(edit), reply }).await
    }

    /// Puts an event before the engine and waits for its answer.
    async fn ask<T>(
        &self,
        event: impl FnOnce(oneshot::Sender<Result<T, EditError>>) -> Event,
    ) -> Result<T, EditError> {
        let stopping = || EditError::Unavailable("the server is stopping".to_owned());
        let (reply, answer) = oneshot::channel();
        self.0.events.send(event(reply)).await.map_err(|_| stopping())?;
        answer.await.map_err(|_| stopping())?
    }

    /// Waits until everything handed in so far is stored.
    pub(crate) async fn settled(&self) {
        let (reply, answer) = oneshot::channel();
        if self.0.events.send(Event::Settled(reply)).await.is_ok() {
            // An error means that the engine is gone: nothing left to wait for.
            let _ = answer.await;
        }
    }
}
