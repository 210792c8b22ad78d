//! Monitors and channels made, changed and removed while the server runs. A change is written
//! first and takes effect when that has worked.

use std::sync::Arc;

use jiff::Timestamp;
use whydown_core::monitor::Monitor;

use super::Engine;
use crate::app::EditError;
use crate::channel::Channel;
use crate::roster::{Origin, Roster, Stored};
use crate::store::{ChannelRow, MonitorRow, Store, StoreError};

/// One change.
pub(crate) enum Edit {
    /// A new monitor.
    CreateMonitor(Monitor),
    /// Another definition, perhaps another name.
    UpdateMonitor(String, Monitor),
    /// Gone.
    DeleteMonitor(String),
    /// A new channel.
    CreateChannel(Channel),
    /// Another definition under the same name.
    UpdateChannel(Channel),
    /// Gone.
    DeleteChannel(String),
}

/// What the store defines.
pub(super) async fn load(store: &Store, now: Timestamp) -> Result<Stored, StoreError> {
    let mut stored = Stored { silences: store.silences(now).await?, ..Stored::default() };
    for row in store.defined_monitors().await? {
        let read = serde_json::from_value(row.definition);
        let mut monitor: Monitor = read.map_err(|error| StoreError::Unreadable {
            what: "a monitor",
            detail: format!("{}: {error}", row.name),
        })?;
        monitor.name.clone_from(&row.name);
        stored.monitors.insert(row.name, monitor);
    }
    for row in store.defined_channels().await? {
        let read = crate::config::channel(&row.definition);
        let channel = read.map_err(|problems| StoreError::Unreadable {
            what: "a channel",
            detail: format!("{}: {}", row.name, crate::config::listed(&problems)),
        })?;
        stored.channels.insert(row.name, channel);
    }
    Ok(stored)
}

impl Engine {
    pub(super) async fn edit(&mut self, edit: Edit) -> Result<(), EditError> {
        self.write().await;
        match edit {
            Edit::CreateMonitor(monitor) => {
                if self.roster().entry(&monitor.name).is_some() {
                    return Err(EditError::name_taken("monitor", &monitor.name));
                }
                let name = monitor.name.clone();
                self.define_monitor(&name, monitor).await
            }
            Edit::UpdateMonitor(name, monitor) => {
                self.editable_monitor(&name)?;
                if monitor.name != name && self.roster().entry(&monitor.name).is_some() {
                    return Err(EditError::name_taken("monitor", &monitor.name));
                }
                self.define_monitor(&name, monitor).await
            }
            Edit::DeleteMonitor(name) => {
                self.editable_monitor(&name)?;
                self.shared.store.undefine_monitor(&name).await?;
                self.stored.monitors.remove(&name);
                self.restock(&[]);
                Ok(())
            }
            Edit::CreateChannel(channel) => self.create_channel(channel).await,
            Edit::UpdateChannel(channel) => {
                self.editable_channel(&channel.name)?;
                self.define_channel(channel).await
            }
            Edit::DeleteChannel(name) => self.delete_channel(name).await,
        }
    }

    fn editable_monitor(&self, name: &str) -> Result<(), EditError> {
        let roster = self.roster();
        let entry = roster.entry(name).ok_or_else(|| EditError::not_found("monitor", name))?;
        match entry.origin {
            Origin::Api => Ok(()),
            Origin::File => Err(EditError::read_only("monitor", name, roster.file())),
        }
    }

    async fn define_monitor(&mut self, was: &str, monitor: Monitor) -> Result<(), EditError> {
        let definition = serde_json::to_value(&monitor)
            .map_err(|error| EditError::Unavailable(error.to_string()))?;
        let row = MonitorRow { name: monitor.name.clone(), definition };
        let now = self.shared.clock.now();
        self.shared.store.define_monitor(was, &row, now).await?;
        let renamed = was != monitor.name;
        if renamed {
            self.stored.monitors.remove(was);
            self.rename(was, &monitor.name);
        }
        self.stored.monitors.insert(monitor.name.clone(), monitor);
        self.restock(if renamed { std::slice::from_ref(&was) } else { &[] });
        Ok(())
    }

    fn rename(&mut self, was: &str, name: &str) {
        if let Some(mut standing) = self.standings.remove(was) {
            if let Some(incident) = &mut standing.incident {
                name.clone_into(&mut incident.monitor);
            }
            self.standings.insert(name.to_owned(), standing);
        }
        self.alerting.rename(was, name);
        self.shared.board.rename(was, name);
    }

    async fn create_channel(&mut self, channel: Channel) -> Result<(), EditError> {
        if self.roster().channel(&channel.name).is_some() {
            return Err(EditError::name_taken("channel", &channel.name));
        }
        self.define_channel(channel).await
    }

    async fn define_channel(&mut self, channel: Channel) -> Result<(), EditError> {
        let row = ChannelRow { name: channel.name.clone(), definition: channel.to_stored() };
        self.shared.store.define_channel(&row, self.shared.clock.now()).await?;
        self.stored.channels.insert(channel.name.clone(), channel);
        self.restock(&[]);
        Ok(())
    }

    async fn delete_channel(&mut self, name: String) -> Result<(), EditError> {
        self.editable_channel(&name)?;
        let roster = self.roster();
        let users = roster.entries.iter().filter(|entry| entry.monitor.notify.contains(&name));
        let mut users: Vec<String> = users.map(|entry| entry.monitor.name.clone()).collect();
        let others = roster.channels.iter().map(|entry| &entry.channel);
        let stands_in = others.filter(|other| other.terms.fallback.as_ref() == Some(&name));
        users.extend(stands_in.map(|other| format!("channel {}", other.name)));
        if !users.is_empty() {
            return Err(EditError::InUse { name, users });
        }
        self.shared.store.undefine_channel(&name).await?;
        self.stored.channels.remove(&name);
        self.restock(&[]);
        Ok(())
    }

    fn editable_channel(&self, name: &str) -> Result<(), EditError> {
        let roster = self.roster();
        let entry = roster.channel(name).ok_or_else(|| EditError::not_found("channel", name))?;
        match entry.origin {
            Origin::Api => Ok(()),
            Origin::File => Err(EditError::read_only("channel", name, roster.file())),
        }
    }

    /// A new roster from the same file and what is stored now.
    pub(super) fn restock(&mut self, renamed: &[&str]) {
        let config = Arc::clone(&self.roster().config);
        self.switch(Arc::new(Roster::new(config, &self.stored)), renamed);
    }
}
