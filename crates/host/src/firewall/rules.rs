//! Rules as the evaluator sees them, whichever program wrote them: tables of chains of statements,
//! with conditions that it understands and others that it knows it doesn't.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;

/// nft(8), "address families". `arp` and `bridge` never decide about a TCP or UDP packet for us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Family {
    Ip,
    Ip6,
    Inet,
    Netdev,
}

impl Family {
    pub(super) fn from_name(name: &str) -> Option<Self> {
        match name {
            "ip" => Some(Self::Ip),
            "ip6" => Some(Self::Ip6),
            "inet" => Some(Self::Inet),
            "netdev" => Some(Self::Netdev),
            _ => None,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Ip => "ip",
            Self::Ip6 => "ip6",
            Self::Inet => "inet",
            Self::Netdev => "netdev",
        }
    }

    /// Does a table of this family see IPv4 (or IPv6) packets?
    pub(super) fn sees(self, v4: bool) -> bool {
        match self {
            Self::Ip => v4,
            Self::Ip6 => !v4,
            Self::Inet | Self::Netdev => true,
        }
    }
}

/// Where in the kernel a base chain sits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hook {
    Ingress,
    Prerouting,
    Input,
    Forward,
    Output,
    Postrouting,
}

impl Hook {
    pub(super) fn from_name(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "ingress" => Some(Self::Ingress),
            "prerouting" => Some(Self::Prerouting),
            "input" => Some(Self::Input),
            "forward" => Some(Self::Forward),
            "output" => Some(Self::Output),
            "postrouting" => Some(Self::Postrouting),
            _ => None,
        }
    }
}

/// Which program's table it is: it decides which command changes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tool {
    Nft,
    /// `iptables` and `ip6tables`; legacy ones have their own command name.
    Iptables {
        legacy: bool,
    },
}

#[derive(Clone, Debug)]
pub(super) struct Table {
    pub(super) family: Family,
    pub(super) name: String,
    pub(super) tool: Tool,
    pub(super) chains: Vec<Chain>,
    pub(super) sets: HashMap<String, Set>,
    /// nft(8): its chains are not called.
    pub(super) dormant: bool,
}

impl Table {
    pub(super) fn chain(&self, name: &str) -> Option<&Chain> {
        self.chains.iter().find(|chain| chain.name == name)
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct Chain {
    pub(super) name: String,
    pub(super) base: Option<Base>,
    pub(super) rules: Vec<Rule>,
}

/// What makes a chain a base chain.
#[derive(Clone, Debug)]
pub(super) struct Base {
    pub(super) hook: Hook,
    pub(super) priority: i32,
    pub(super) nat: bool,
    /// The policy: accept, or drop.
    pub(super) accepts: bool,
    pub(super) devices: Vec<String>,
    /// What the policy has counted, where the kernel counts it (iptables).
    pub(super) counter: Option<super::Counter>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Rule {
    /// As the program that keeps it would print it.
    pub(super) text: String,
    pub(super) handle: Option<u64>,
    pub(super) counter: Option<super::Counter>,
    pub(super) statements: Vec<Statement>,
}

#[derive(Clone, Debug)]
pub(super) enum Statement {
    Test(Test),
    /// A condition that we don't understand, or whose state can't be seen.
    Maybe,
    /// A condition whose answer was known when the rules were read (a quota).
    Known(bool),
    /// A rate limit, true while it isn't exceeded (`over`: once it is).
    Limit {
        text: String,
        over: bool,
    },
    Do(Action),
    /// A verdict map.
    Choose {
        keys: Vec<Key>,
        map: Right,
    },
    SetMark {
        connection: bool,
        value: Expression,
    },
    NoTrack,
    /// Adds the packet's own values to a set (or takes them out).
    Remember {
        set: String,
        keys: Vec<Key>,
        add: bool,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Accept,
    Drop,
    Return,
    Continue,
    Jump(String),
    Goto(String),
    Reject(Reject),
    Translate(Translation),
    /// Something that we can't follow happens to the packet.
    Lose,
}

/// How a rule says no, by the name that the kernel's packet has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reject {
    TcpReset,
    /// An ICMP code of nft(8), for IPv4 only.
    Icmp(&'static str),
    /// For IPv6 only.
    Icmp6(&'static str),
    /// For both, under one name.
    Icmpx(&'static str),
}

/// Another destination: DNAT, redirect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Translation {
    /// `None`: for packets of both families.
    pub(super) family: Option<Family>,
    /// `None`: the address of the incoming interface (redirect) or the old one (only a port).
    pub(super) address: Option<Expression>,
    pub(super) port: Option<Expression>,
    pub(super) redirect: bool,
}

/// A condition on a packet.
#[derive(Clone, Debug)]
pub(super) struct Test {
    /// More than one: a concatenation.
    pub(super) left: Vec<Key>,
    /// Bits of the left side that count.
    pub(super) mask: Option<Vec<Scalar>>,
    pub(super) relation: Relation,
    pub(super) right: Right,
}

impl Test {
    pub(super) fn one(key: Key, relation: Relation, patterns: Vec<Pattern>) -> Self {
        let patterns = patterns.into_iter().map(|pattern| Element::of(vec![pattern])).collect();
        Self { left: vec![key], mask: None, relation, right: Right::Elements(patterns) }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Relation {
    In,
    NotIn,
    Less,
    AtMost,
    More,
    AtLeast,
    AnyBit,
    NoBit,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Right {
    Elements(Vec<Element>),
    /// A named set or map of the same table.
    Named(String),
    /// Flags, taken together.
    Bits(Vec<Scalar>),
}

#[derive(Clone, Debug, Default)]
pub(super) struct Set {
    pub(super) elements: Vec<Element>,
    /// Its elements could not be read.
    pub(super) unread: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Element {
    /// One part for each part of a concatenation.
    pub(super) parts: Vec<Pattern>,
    pub(super) data: Option<Data>,
}

impl Element {
    pub(super) fn of(parts: Vec<Pattern>) -> Self {
        Self { parts, data: None }
    }
}

/// What a map gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Data {
    Action(Action),
    Values(Vec<Pattern>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Pattern {
    One(Scalar),
    Range(Scalar, Scalar),
    Any,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Scalar {
    Number(u128),
    Address(IpAddr),
    /// A name: of an interface (`eth*` for all that begin so), a protocol, a flag …
    Symbol(String),
}

/// A value that a rule computes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Expression {
    Pattern(Pattern),
    Key(Key),
    And(Box<Expression>, Box<Expression>),
    Or(Box<Expression>, Box<Expression>),
    Xor(Box<Expression>, Box<Expression>),
    Map(Vec<Key>, Box<Right>),
    Unknown,
}

/// What a condition looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Source(Family),
    Destination(Family),
    /// `None`: of whatever protocol (`th sport`).
    SourcePort(Option<u8>),
    DestinationPort(Option<u8>),
    /// The protocol above IP; by `ip protocol` or `ip6 nexthdr` only in that family.
    Protocol(Family),
    /// 2 or 10, as `meta nfproto`.
    NetworkFamily,
    EtherType,
    TcpFlags,
    IcmpType(Family),
    InName,
    OutName,
    InType,
    PacketType,
    Mark,
    ConnectionMark,
    State,
    Status,
    Direction,
    OriginalDestination(Family),
    OriginalDestinationPort,
    /// `fib daddr type`: local, unicast, broadcast, multicast.
    AddressType {
        source: bool,
        interface: bool,
    },
    /// `fib saddr . iif oif`, rpfilter: is there a way back through where the packet came from?
    WayBack,
    /// Bytes of the whole packet.
    Length,
    TimeToLive(Family),
    /// Flags and offset of IPv4 fragments.
    FragmentOffset,
    Version,
    /// The user or group of the sending socket; received packets have none.
    Owner,
    Unknown,
}

/// linux/in.h.
pub(super) const TCP: u8 = 6;
/// linux/in.h.
pub(super) const UDP: u8 = 17;
/// linux/in.h.
pub(super) const ICMP: u8 = 1;
/// linux/in6.h.
pub(super) const ICMP6: u8 = 58;

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(scalar) => scalar.fmt(f),
            Self::Range(first, last) => write!(f, "{first}-{last}"),
            Self::Any => f.write_str("*"),
        }
    }
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Address(address) => address.fmt(f),
            Self::Symbol(name) => f.write_str(name),
        }
    }
}

/// The first and the last address of a network.
pub(super) fn network(address: IpAddr, length: u32) -> Pattern {
    let (number, width) = match address {
        IpAddr::V4(ip) => (u128::from(u32::from(ip)), 32_u32),
        IpAddr::V6(ip) => (u128::from(ip), 128),
    };
    let rest = width.saturating_sub(length);
    let hosts = if rest == 128 { u128::MAX } else { (1 << rest) - 1 };
    let to_address = |number: u128| match address {
        IpAddr::V4(_) => IpAddr::V4(u32::try_from(number).unwrap_or(u32::MAX).into()),
        IpAddr::V6(_) => IpAddr::V6(number.into()),
    };
    let ends = (to_address(number & !hosts), to_address(number | hosts));
    Pattern::Range(Scalar::Address(ends.0), Scalar::Address(ends.1))
}
