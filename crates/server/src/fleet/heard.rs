//! What agents have told of their hosts, for pages and API: what listens, what happened. Kept in
//! memory only, and of bounded size: an agent tells it again on every new link.

use std::collections::{BTreeSet, VecDeque};
use std::net::IpAddr;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use whydown_core::inside::{Happening, Listener};

use super::hosts::WatchedHost;

/// Listeners and happenings shown of one host.
const LISTENING_MAX: usize = 512;
const HAPPENINGS_MAX: usize = 64;
/// Characters of a name or text that an agent sent.
const TEXT_MAX: usize = 200;

/// A listener as pages and API show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Listening {
    /// `tcp` or `udp`.
    pub protocol: &'static str,
    /// The address it is bound to.
    pub address: IpAddr,
    /// The port.
    pub port: u16,
    /// `nginx (pid 812)`.
    pub holder: String,
    /// The systemd unit.
    pub unit: Option<String>,
    /// Who can reach it, as far as its address says.
    pub reachable: String,
}

/// An agent as pages and API show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AgentStatus {
    /// What its key is called.
    pub id: String,
    /// Linked now.
    pub live: bool,
    /// Its version.
    pub version: String,
    /// When it was heard of last.
    pub seen_at: Option<Timestamp>,
}

/// A watched host as pages and API show it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HostStatus {
    /// What is known about it.
    #[serde(flatten)]
    pub host: WatchedHost,
    /// `linked`, `away`, or `new`: no agent has enrolled yet.
    pub state: &'static str,
    /// Those who have enrolled.
    pub agents: Vec<AgentStatus>,
    /// What listens, of the ports that the agent speaks of.
    pub listeners: Vec<Listening>,
    /// What happened lately, the newest first.
    pub happenings: Vec<Happening>,
}

/// What was told of one host.
#[derive(Clone, Debug, Default)]
pub(super) struct Heard {
    pub(super) listening: Vec<Listening>,
    happenings: VecDeque<Happening>,
}

impl Heard {
    /// Takes over what listens, of the ports that may be spoken of.
    pub(super) fn listen(&mut self, listeners: Vec<Listener>, speaks_of: impl Fn(u16) -> bool) {
        let shown = |listener: Listener| Listening {
            protocol: listener.transport.name(),
            address: listener.address,
            port: listener.port,
            holder: cut(&listener.holder()),
            unit: listener.unit.as_deref().map(cut),
            reachable: listener.reach().to_string(),
        };
        let allowed = listeners.into_iter().filter(|listener| speaks_of(listener.port));
        self.listening = allowed.take(LISTENING_MAX).map(shown).collect();
    }

    /// Takes over what happened, by the server's clock.
    pub(super) fn happen(
        &mut self,
        happenings: Vec<Happening>,
        ahead: SignedDuration,
        now: Timestamp,
    ) {
        for mut happening in happenings {
            happening.at = happening.at.checked_sub(ahead).unwrap_or(now).min(now);
            happening.text = cut(&happening.text);
            if !self.happenings.contains(&happening) {
                self.happenings.push_back(happening);
            }
        }
        self.happenings.make_contiguous().sort_by_key(|happening| happening.at);
        let surplus = self.happenings.len().saturating_sub(HAPPENINGS_MAX);
        self.happenings.drain(..surplus);
    }

    /// The newest first.
    pub(super) fn happenings(&self) -> Vec<Happening> {
        self.happenings.iter().rev().cloned().collect()
    }
}

fn cut(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(TEXT_MAX).collect()
}

/// Hosts with what is stored and what was told, by name.
pub(super) fn statuses(
    hosts: Vec<WatchedHost>,
    agents: &[(String, AgentStatus)],
    heard: impl Fn(&str) -> Heard,
) -> Vec<HostStatus> {
    let status = |host: WatchedHost| {
        let mine = agents.iter().filter(|(place, _)| *place == host.name);
        let agents: Vec<AgentStatus> = mine.map(|(_, agent)| agent.clone()).collect();
        let state = match (agents.is_empty(), agents.iter().any(|agent| agent.live)) {
            (true, _) => "new",
            (false, true) => "linked",
            (false, false) => "away",
        };
        let heard = heard(&host.name);
        let happenings = heard.happenings();
        HostStatus { host, state, agents, listeners: heard.listening, happenings }
    };
    hosts.into_iter().map(status).collect()
}

/// All addresses at which a host is reached.
pub(super) fn addresses(told: &BTreeSet<IpAddr>, host: &WatchedHost) -> BTreeSet<IpAddr> {
    told.iter().chain(&host.addresses).copied().collect()
}
