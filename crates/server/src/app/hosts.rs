//! Watched hosts and their agents.

use super::App;
use crate::fleet::{self, FleetError, HostStatus, WatchedHost};

impl App {
    /// Every watched host with its agents and what they told, by name.
    ///
    /// # Errors
    /// The store's.
    pub async fn hosts(&self) -> Result<Vec<HostStatus>, FleetError> {
        let hosts = fleet::watched_hosts(self.store()).await?;
        let links = self.links();
        Ok(links.agents.statuses(hosts, &links.fleet.agents()))
    }

    /// Defines a host, or changes what is known of it; gives a one-time token for its agent.
    ///
    /// # Errors
    /// `Invalid`, `Full`, or the store's.
    pub async fn add_host(&self, host: &WatchedHost) -> Result<String, FleetError> {
        let token = fleet::add_watched_host(self.store(), host).await?;
        self.links().agents.change(host);
        Ok(token)
    }

    /// Removes a host; its agents are not let in any more.
    ///
    /// # Errors
    /// `Missing`, or the store's.
    pub async fn remove_host(&self, name: &str) -> Result<(), FleetError> {
        fleet::remove_watched_host(self.store(), name).await?;
        self.links().fleet.read(self.store()).await?;
        self.links().agents.forget(name);
        Ok(())
    }
}
