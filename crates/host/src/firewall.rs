//! This machine's packet filter: what happens to a connection attempt, by which rule, and which
//! command changes it. Reads nftables, iptables and ip sets, and evaluates them as the kernel
//! does. It never guesses: what it can't follow is undecided, with the rule's text.

use std::net::{IpAddr, SocketAddr};

use serde::Serialize;

mod compare;
mod evaluate;
mod iptables;
mod keeper;
mod machine;
mod nft;
mod own;
mod packet;
mod read;
mod rules;
mod verdict;

pub use machine::{Machine, OwnAddress, Way};
pub use own::{OwnRules, own_rules};
pub use read::Sources;

/// The packet filter as it was when it was read.
#[derive(Clone, Debug)]
pub struct Firewall {
    tables: Vec<rules::Table>,
    machine: Machine,
    /// Not all tables could be read, so that an accept may be wrong.
    is_partial: bool,
    /// What could not be read, and why.
    pub unread: Vec<Unread>,
}

/// Something that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Unread {
    /// What, such as "the rules of nftables".
    pub what: String,
    /// Why, and what would help.
    pub why: String,
}

/// The transport protocol of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// A SYN.
    Tcp,
    /// The first datagram.
    Udp,
}

/// The first packet of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Syn {
    /// Who sends it; `None`: anybody outside.
    pub from: Option<IpAddr>,
    /// Its source port; `None`: any that clients use.
    pub from_port: Option<u16>,
    /// To which address.
    pub to: IpAddr,
    /// To which port.
    pub port: u16,
    /// TCP or UDP.
    pub protocol: Protocol,
    /// Where it comes in; `None`: where the route to the sender leads.
    pub in_interface: Option<String>,
}

impl Syn {
    /// A connection attempt over TCP from somebody to one of our addresses.
    #[must_use]
    pub fn new(from: Option<IpAddr>, to: SocketAddr) -> Self {
        Self {
            from,
            from_port: None,
            to: to.ip(),
            port: to.port(),
            protocol: Protocol::Tcp,
            in_interface: None,
        }
    }
}

/// What happens to a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// It gets through, and so does the answer.
    Accept,
    /// It is answered with a "no".
    Reject,
    /// Silence.
    Drop,
    /// The rules, or what can be seen of them, don't tell.
    Undecided,
}

/// The answer of the packet filter, with its reasons.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// What happens.
    #[serde(rename = "verdict")]
    pub decision: Decision,
    /// The "no" of a reject: `tcp reset`, `icmp port-unreachable`, …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub with: Option<String>,
    /// The rule that decides (of an accept: that lets it in, if any does explicitly), or the one
    /// that can't be decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<Site>,
    /// More about it, where the rule alone doesn't say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
    /// The command that changes it, in favour of the packet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// Where the packet goes instead, after DNAT or redirect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redirected_to: Option<SocketAddr>,
    /// The rule that redirects it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redirected_by: Option<Site>,
    /// It is delivered on this machine, not passed on to another one.
    pub is_local: bool,
    /// Rate limits that this packet would still pass, as far as nobody else uses them up.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub within_limits: Vec<String>,
}

/// A rule or a policy, where it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Site {
    /// `ip`, `ip6`, `inet`, `netdev`.
    pub family: &'static str,
    /// Table.
    pub table: String,
    /// Chain.
    pub chain: String,
    /// The rule as its program prints it, or `policy drop`.
    pub text: String,
    /// nft's handle.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handle: Option<u64>,
    /// How many packets it has seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counter: Option<Counter>,
    /// Who keeps it: `nftables`, `iptables`, `ufw`, `firewalld`, `docker`, `fail2ban`, …
    pub kept_by: &'static str,
    /// The set and its element that the rule found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub element: Option<(String, String)>,
}

/// Packets and bytes that a rule has counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Counter {
    /// Packets.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Firewall {
    /// Reads the packet filter of the calling thread's network namespace.
    #[must_use]
    pub fn read() -> Self {
        Self::new(&Sources::read(), Machine::read())
    }

    /// What happens to a packet from outside, or from this machine to itself, and to its answer.
    #[must_use]
    pub fn verdict(&self, syn: &Syn) -> Verdict {
        let is_local = syn.from.is_some_and(|from| self.machine.owns(from));
        let path = if is_local { evaluate::Path::Local } else { evaluate::Path::Incoming };
        self.judge(syn, path)
    }

    /// What happens to a packet that this machine sends, and to its answer.
    #[must_use]
    pub fn outgoing(&self, to: SocketAddr, protocol: Protocol) -> Verdict {
        let syn = Syn { protocol, ..Syn::new(None, to) };
        self.judge(&syn, evaluate::Path::Outgoing)
    }

    /// The machine whose filter this is.
    #[must_use]
    pub fn machine(&self) -> &Machine {
        &self.machine
    }
}

impl std::fmt::Display for Site {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} {}: {}", self.family, self.table, self.chain, self.text)
    }
}
