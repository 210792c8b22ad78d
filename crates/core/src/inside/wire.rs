//! What a host agent tells the server, and the server it: JSON over the dial-out link that probes
//! use, too. Unknown fields are ignored and missing ones have defaults.

use std::net::IpAddr;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Happening, InsideView, Listener, Transport};

/// The long answer that carries [`AgentOrder`]s, one JSON value a line.
pub const AGENT_STREAM_PATH: &str = "/link/inside/stream";
/// Where [`AgentNews`] go.
pub const AGENT_NEWS_PATH: &str = "/link/inside/news";

/// An agent says at least so often that it is there.
pub const AGENT_BEAT: Duration = Duration::from_secs(10);
/// Views in one message at most.
pub const VIEWS_MAX: usize = 16;
/// Happenings in one message at most.
pub const HAPPENINGS_MAX: usize = 64;

/// Listeners in one message at most.
pub const LISTENERS_MAX: usize = 1_024;

/// Who dials in as an agent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentHello {
    /// Its [`PROTOCOL`](crate::wire::PROTOCOL).
    pub protocol: u32,
    /// Its version, for people.
    pub version: String,
    /// The addresses of its machine that others may reach.
    pub addresses: Vec<IpAddr>,
    /// The ports that it speaks of; empty: of all.
    #[serde(default)]
    pub ports: Vec<u16>,
}

/// What the server says to an agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "snake_case")]
pub enum AgentOrder {
    /// The first line of every stream.
    Welcome {
        /// The server's [`PROTOCOL`](crate::wire::PROTOCOL).
        protocol: u32,
        /// The server's version.
        version: String,
        /// The host's name.
        host: String,
        /// The ports that it may speak of; empty: of all.
        #[serde(default)]
        ports: Vec<u16>,
    },
    /// Look at a port now, and tell.
    Look {
        /// The port.
        port: u16,
        /// Its protocol.
        #[serde(default)]
        transport: Transport,
        /// The name that visitors use.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
    },
    /// The server is there.
    Ping,
    /// An order of a later version: passed over.
    #[serde(other)]
    Unknown,
}

/// What an agent says by itself, or because it was asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AgentNews {
    /// When it was sent, by the agent's clock.
    pub sent_at: Timestamp,
    /// The machine's addresses now.
    #[serde(default)]
    pub addresses: Vec<IpAddr>,
    /// Listeners that are gone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gone: Vec<Listener>,
    /// Views of ports.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub views: Vec<InsideView>,
    /// What happened on the machine; also what could not be told when it happened.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub happenings: Vec<Happening>,
    /// Everything that listens, on a new link and when it has changed; `None`: as before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listeners: Option<Vec<Listener>>,
}
