//! What pages and API talk to: reads come from memory and store, changes go through the engine.

use std::path::PathBuf;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;
use tokio::sync::broadcast;
use whydown_core::diagnosis::Diagnosis;
use whydown_core::incident::{Incident, Standing};
use whydown_core::monitor::Monitor;
use whydown_core::observation::{Observation, State};
use whydown_core::target::Target;

use crate::channel::Channel;
use crate::config::{Config, Problem};
use crate::store::Store;

/// The running server as pages and API see it; cheap to clone.
#[derive(Clone, Debug)]
pub struct App(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Store,
    config: Arc<Config>,
    live: broadcast::Sender<Live>,
}

/// Where a monitor or channel is defined, and so where it can be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// In the configuration file: read-only here.
    File,
    /// In the pages or by the API.
    Api,
}

/// A monitor and where it is defined.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The monitor. Its request may hold secrets: show [`shown`](Self::shown) instead.
    pub monitor: Monitor,
    /// Where it is defined.
    pub origin: Origin,
}

impl Entry {
    /// The monitor without request secrets: header values and body are masked.
    #[must_use]
    pub fn shown(&self) -> Monitor {
        let mut monitor = self.monitor.clone();
        for value in monitor.request.headers.values_mut() {
            crate::secret::MASK.clone_into(value);
        }
        if let Some(body) = &mut monitor.request.body {
            crate::secret::MASK.clone_into(body);
        }
        monitor
    }
}

/// A channel and where it is defined.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ChannelEntry {
    /// The channel.
    #[serde(flatten)]
    pub channel: Channel,
    /// Where it is defined.
    pub origin: Origin,
}

/// One check in a few bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Start of the check.
    pub at: Timestamp,
    /// How long it took, in microseconds.
    pub elapsed_us: u32,
    /// What came of it.
    pub state: State,
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
    /// A channel that monitors use can't be removed.
    #[error("channel {name:?} is used by {}", .monitors.join(", "))]
    InUse {
        /// The channel.
        name: String,
        /// The monitors that name it.
        monitors: Vec<String>,
    },
    /// The incident has ended already, or somebody took it before.
    #[error("incident {0} is not open")]
    NotOpen(String),
    /// Values that can't be.
    #[error("{}", problems_text(.0))]
    Invalid(Vec<Problem>),
    /// A test message was not delivered; the text says why.
    #[error("{0}")]
    NotDelivered(String),
    /// The store can't take it at the moment, or the server is stopping.
    #[error("the change was not stored: {0}")]
    Unavailable(String),
}

fn problems_text(problems: &[Problem]) -> String {
    let lines: Vec<String> =
        problems.iter().map(|problem| format!("{}: {}", problem.key, problem.message)).collect();
    lines.join("; ")
}

/// How the server itself does. Every list is empty when all is well.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Health {
    /// Why nothing can be stored at the moment, and what is waiting.
    pub storage: Option<String>,
    /// Why the configuration file on disk is not the one in force.
    pub config: Option<String>,
}

impl App {
    pub(crate) fn new(store: Store, config: Config) -> Self {
        let (live, _) = broadcast::channel(1_024);
        Self(Arc::new(Inner { store, config: Arc::new(config), live }))
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.0.store
    }

    /// The configuration in force.
    #[must_use]
    pub fn config(&self) -> Arc<Config> {
        Arc::clone(&self.0.config)
    }

    /// How the server itself does.
    #[must_use]
    pub fn health(&self) -> Health {
        Health::default()
    }

    /// Every monitor, by name.
    #[must_use]
    pub fn monitors(&self) -> Arc<Vec<Arc<Entry>>> {
        Arc::default()
    }

    /// Every channel, by name.
    #[must_use]
    pub fn channels(&self) -> Arc<Vec<ChannelEntry>> {
        Arc::default()
    }

    /// One monitor's status.
    #[must_use]
    pub fn status(&self, name: &str) -> Option<MonitorStatus> {
        let _ = name;
        None
    }

    /// Every monitor's status, by name.
    #[must_use]
    pub fn statuses(&self) -> Vec<MonitorStatus> {
        Vec::new()
    }

    /// From now on, what changes. A receiver that lags should render everything again.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Live> {
        self.0.live.subscribe()
    }

    /// Adds a monitor, as [`config::monitor`](crate::config::monitor) makes it.
    ///
    /// # Errors
    /// `NameTaken`, `Invalid`, `Unavailable`.
    pub async fn create_monitor(&self, monitor: Monitor) -> Result<Arc<Entry>, EditError> {
        let _ = monitor;
        Err(EditError::Unavailable("not yet".to_owned()))
    }

    /// Replaces the monitor called `name`; the new one may have another name. Header values and
    /// a body that are still masked keep what they were.
    ///
    /// # Errors
    /// `NotFound`, `ReadOnly`, `NameTaken`, `Invalid`, `Unavailable`.
    pub async fn update_monitor(
        &self,
        name: &str,
        monitor: Monitor,
    ) -> Result<Arc<Entry>, EditError> {
        let _ = (name, monitor);
        Err(EditError::Unavailable("not yet".to_owned()))
    }

    /// Removes a monitor; its history stays until retention takes it.
    ///
    /// # Errors
    /// `NotFound`, `ReadOnly`, `Unavailable`.
    pub async fn delete_monitor(&self, name: &str) -> Result<(), EditError> {
        let _ = name;
        Err(EditError::Unavailable("not yet".to_owned()))
    }

    /// Adds a channel, as [`config::channel`](crate::config::channel) makes it.
    ///
    /// # Errors
    /// `NameTaken`, `Unavailable`.
    pub async fn create_channel(&self, channel: Channel) -> Result<ChannelEntry, EditError> {
        let _ = channel;
        Err(EditError::Unavailable("not yet".to_owned()))
    }

    /// Removes a channel that no monitor uses.
    ///
    /// # Errors
    /// `NotFound`, `ReadOnly`, `InUse`, `Unavailable`.
    pub async fn delete_channel(&self, name: &str) -> Result<(), EditError> {
        let _ = name;
        Err(EditError::Unavailable("not yet".to_owned()))
    }

    /// Sends a test message over a channel now, past the outbox.
    ///
    /// # Errors
    /// `NotFound`, `NotDelivered`.
    pub async fn send_test(&self, channel: &str) -> Result<(), EditError> {
        let _ = channel;
        Err(EditError::Unavailable("not yet".to_owned()))
    }

    /// Takes an open incident in somebody's name.
    ///
    /// # Errors
    /// `NotFound`, `NotOpen`, `Unavailable`.
    pub async fn acknowledge(&self, incident: &str, by: &str) -> Result<Incident, EditError> {
        let _ = (incident, by);
        Err(EditError::Unavailable("not yet".to_owned()))
    }

    /// Checks a target now, looks around when it fails, and judges.
    pub async fn diagnose(&self, target: &Target) -> Diagnosis {
        whydown_core::diagnose::diagnose(target, &whydown_core::evidence::Evidence::default())
    }

    /// Asks for a check of a monitor now; its outcome arrives as a status like any other.
    ///
    /// # Errors
    /// `NotFound`, `Unavailable`.
    pub async fn check_now(&self, name: &str) -> Result<(), EditError> {
        let _ = name;
        Err(EditError::Unavailable("not yet".to_owned()))
    }
}
