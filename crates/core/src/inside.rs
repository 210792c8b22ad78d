//! The inside view: what a machine knows about one of its own ports. Facts only, as
//! `whydown_host` finds them and rules weigh them; nothing here looks at anything.
//!
//! A field that is empty means "not looked at" or "nothing found out", never "fine".

mod foreseen;
mod listener;
mod machine;
mod unit;
mod upstream;
pub mod wire;

pub use listener::{Listener, Owner, Queue, Reach, Transport};
pub use machine::{Clues, FullDisk, Happening, HappeningKind, Machine, Rise};
pub use unit::{Bond, Change, LogLine, ProcessFacts, Unit};
pub use upstream::{Passage, Upstream};

use std::net::IpAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What a machine knows about one of its ports.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct InsideView {
    /// The machine's own name.
    pub host: String,
    /// When it looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// The port that was asked for.
    pub port: u16,
    /// Its protocol.
    #[serde(default)]
    pub transport: Transport,
    /// The addresses of this machine that others can reach.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<IpAddr>,
    /// Could the sockets be read? Without it an empty list of listeners says nothing.
    #[serde(default)]
    pub sockets_read: bool,
    /// Who listens on the port.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub listeners: Vec<Listener>,
    /// Other listeners that belong to the story: those of the same program or unit, and of the
    /// programs that usually serve the port.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub elsewhere: Vec<Listener>,
    /// What the packet filter does to a stranger's first packet, by family.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub firewall: Vec<Judgement>,
    /// The units that own the port, owned it, or are configured for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub units: Vec<Unit>,
    /// Where a reverse proxy on the port passes requests to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub passages: Vec<Passage>,
    /// The state of the machine itself.
    #[serde(default)]
    pub machine: Machine,
    /// What happened lately, in the order of time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub happenings: Vec<Happening>,
    /// What would have been known with more rights, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing_rights: Vec<String>,
    /// A first word: the whole view is in the making.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub partial: bool,
}

impl InsideView {
    /// The unit whose bond with the port is strong enough to speak for it: of several alike, one
    /// that somebody wants to run, and has changed lately.
    #[must_use]
    pub fn unit(&self) -> Option<&Unit> {
        let weight = |unit: &&Unit| (unit.bond.rank(), unit.is_dormant(), unit.changes.is_empty());
        self.units.iter().min_by_key(weight)
    }
}

/// What the machine's own packet filter does to a connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Judgement {
    /// Whom the question was asked for; `None`: anybody outside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<IpAddr>,
    /// The address that they want to reach.
    pub to: IpAddr,
    /// The answer.
    pub verdict: FilterVerdict,
    /// What it rejects with: `tcp reset`, `icmp port-unreachable`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub with: Option<String>,
    /// The deciding rule, as its program prints it; of `undecided`, the one not understood.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// More about it, where the rule alone doesn't say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
    /// Packets that the rule has met.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub packets: Option<u64>,
    /// The command that changes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// Where destination NAT sends the connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_to: Option<std::net::SocketAddr>,
}

/// The packet filter's answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FilterVerdict {
    /// Let in.
    Accept,
    /// Refused, and the visitor is told.
    Reject,
    /// Swallowed.
    Drop,
    /// The rules could not be read, or hold something that is not understood.
    #[default]
    Undecided,
}

impl FilterVerdict {
    /// The word used in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Reject => "reject",
            Self::Drop => "drop",
            Self::Undecided => "undecided",
        }
    }
}
