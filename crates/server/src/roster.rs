//! What is watched at the moment, and who can be told: the file's monitors and channels together
//! with those made in the pages or by the API.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;
use whydown_core::alerting::dependency::Dependencies;
use whydown_core::alerting::rules::Silence;
use whydown_core::monitor::Monitor;

use crate::channel::Channel;
use crate::config::Config;
use crate::secret::MASK;

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
            MASK.clone_into(value);
        }
        if let Some(body) = &mut monitor.request.body {
            MASK.clone_into(body);
        }
        monitor
    }
}

/// Puts back what [`Entry::shown`] has masked, where `edited` still holds the mask.
pub(crate) fn unmask(edited: &mut Monitor, old: &Monitor) {
    for (name, value) in &mut edited.request.headers {
        if let Some(was) = old.request.headers.get(name).filter(|_| value == MASK) {
            value.clone_from(was);
        }
    }
    if edited.request.body.as_deref() == Some(MASK) {
        edited.request.body.clone_from(&old.request.body);
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

/// One moment's monitors and channels.
#[derive(Clone, Debug, Default)]
pub(crate) struct Roster {
    pub(crate) config: Arc<Config>,
    /// By name.
    pub(crate) entries: Arc<Vec<Arc<Entry>>>,
    /// Where in `entries`: every report asks for its monitor.
    places: Arc<HashMap<String, usize>>,
    /// By name.
    pub(crate) channels: Arc<Vec<ChannelEntry>>,
    /// In force or to come.
    pub(crate) silences: Arc<Vec<Silence>>,
    /// Of all monitors.
    pub(crate) dependencies: Arc<Dependencies>,
}

/// Monitors and channels that are kept in the store.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stored {
    pub(crate) monitors: BTreeMap<String, Monitor>,
    pub(crate) channels: BTreeMap<String, Channel>,
    pub(crate) silences: Vec<Silence>,
}

impl Roster {
    /// Where both define a name, the file wins.
    pub(crate) fn new(config: Arc<Config>, stored: &Stored) -> Self {
        let api = |monitor: &Monitor| Entry { monitor: monitor.clone(), origin: Origin::Api };
        let mut entries: BTreeMap<String, Entry> =
            stored.monitors.iter().map(|(name, monitor)| (name.clone(), api(monitor))).collect();
        for monitor in &config.monitors {
            let entry = Entry { monitor: monitor.clone(), origin: Origin::File };
            entries.insert(monitor.name.clone(), entry);
        }
        let api =
            |channel: &Channel| ChannelEntry { channel: channel.clone(), origin: Origin::Api };
        let mut channels: BTreeMap<String, ChannelEntry> =
            stored.channels.iter().map(|(name, channel)| (name.clone(), api(channel))).collect();
        for channel in &config.channels {
            let entry = ChannelEntry { channel: channel.clone(), origin: Origin::File };
            channels.insert(channel.name.clone(), entry);
        }
        let monitors = entries.values().map(|entry| &entry.monitor);
        let dependencies = Dependencies::new(
            monitors.map(|monitor| (monitor.name.as_str(), monitor.depends_on.as_slice())),
        );
        let names = entries.keys().cloned();
        let places: HashMap<String, usize> = names.zip(0..).collect();
        Self {
            config,
            places: Arc::new(places),
            silences: Arc::new(stored.silences.clone()),
            dependencies: Arc::new(dependencies),
            entries: Arc::new(entries.into_values().map(Arc::new).collect()),
            channels: Arc::new(channels.into_values().collect()),
        }
    }

    pub(crate) fn entry(&self, name: &str) -> Option<&Arc<Entry>> {
        self.entries.get(*self.places.get(name)?)
    }

    pub(crate) fn channel(&self, name: &str) -> Option<&ChannelEntry> {
        let found = self.channels.binary_search_by(|entry| entry.channel.name.as_str().cmp(name));
        found.ok().map(|index| &self.channels[index])
    }

    pub(crate) fn channel_names(&self) -> Vec<&str> {
        self.channels.iter().map(|entry| entry.channel.name.as_str()).collect()
    }

    /// For messages about things that the file defines.
    pub(crate) fn file(&self) -> PathBuf {
        self.config.file.clone().unwrap_or_default()
    }
}
