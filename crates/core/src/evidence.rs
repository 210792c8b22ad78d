//! Everything that is known about a failure when it is judged: observations of the failing
//! attempts, and what was found by looking around at the same moment.
//!
//! Evidence holds facts only. A field that is empty means "not looked at" or "nothing found
//! out", never "fine".

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::inside::InsideView;
use crate::observation::{IcmpError, Observation};
use crate::scope::Scope;
use crate::target::Scheme;
use crate::units::ms;

/// What [`diagnose`](crate::diagnose::diagnose) reads.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// The check and its repeats from one location, in the order made.
    pub observations: Vec<Observation>,
    /// One per failing address that was looked at more closely.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<AddressEvidence>,
    /// Other usual ports of the same addresses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub neighbours: Vec<Neighbour>,
    /// What each name server said about the target's name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub name_servers: Vec<NameServerAnswer>,
    /// Things that should work whatever the target does.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub controls: Vec<Control>,
    /// The checking machine's own side.
    #[serde(default)]
    pub environment: Environment,
    /// What other locations see; `None` when only one place has looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
    /// What the failing machine itself says, when a host agent runs there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inside: Option<InsideView>,
}

/// A closer look at one failing address.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AddressEvidence {
    /// The address.
    pub ip: IpAddr,
    /// TTL (hop limit) left in the failing port's RST, read with `IP_MINTTL`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reset_ttl: Option<u8>,
    /// TTL left in the SYN-ACK of a working port of the same address, and that port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_ttl: Option<(u16, u8)>,
    /// Does the RST copy the probe's TOS / traffic class? `Some(true)`: the host's own TCP stack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tos_reflected: Option<bool>,
    /// Same, for a port of the same address that is known to be closed or open there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tos_reflected_elsewhere: Option<bool>,
    /// Does the IPv6 RST carry a flow label? `Some(true)`: a TCP stack, packet filters set none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flow_labelled: Option<bool>,
    /// Same, for a port of the same address that is known to be closed there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flow_labelled_elsewhere: Option<bool>,
    /// The answer to a datagram sent to an unused UDP port: is the host alive?
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alive: Option<Liveness>,
    /// TTL-limited connects to the failing port.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trace: Vec<Hop>,
    /// TTL-limited connects to the working port of `open_ttl`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub open_trace: Vec<Hop>,
    /// Was the same request answered with small segments (`TCP_MAXSEG`)?
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub small_segments_answered: Option<bool>,
    /// Was a TLS handshake answered that began with a small ClientHello, without a post-quantum
    /// key share?
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub small_hello_answered: Option<bool>,
    /// What a plain TCP client is told without speaking first: a foreign banner, or a TLS port
    /// that answers plain HTTP, and the reverse.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub speaks: Option<Spoken>,
    /// Kernel counters of this machine that moved while the attempt was silent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counters: Option<OwnCounters>,
}

impl AddressEvidence {
    /// Nothing found out yet.
    #[must_use]
    pub fn new(ip: IpAddr) -> Self {
        Self {
            ip,
            reset_ttl: None,
            open_ttl: None,
            tos_reflected: None,
            tos_reflected_elsewhere: None,
            flow_labelled: None,
            flow_labelled_elsewhere: None,
            alive: None,
            trace: Vec::new(),
            open_trace: Vec::new(),
            small_segments_answered: None,
            small_hello_answered: None,
            speaks: None,
            counters: None,
        }
    }
}

/// What a datagram to an unused port of a host brought back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Liveness {
    /// The ICMP error that came back, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub icmp: Option<IcmpError>,
    /// How long we waited.
    #[serde(rename = "elapsed_ms", with = "ms")]
    pub elapsed: Duration,
}

/// One step of a TTL-limited trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hop {
    /// The TTL the SYN was sent with.
    pub ttl: u8,
    /// What came back.
    pub answer: HopAnswer,
    /// Who answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender: Option<IpAddr>,
    /// When.
    #[serde(rename = "elapsed_ms", with = "ms")]
    pub elapsed: Duration,
}

/// What a TTL-limited SYN brought back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HopAnswer {
    /// ICMP time exceeded: a router on the way.
    TimeExceeded,
    /// Another ICMP error.
    Icmp {
        /// ICMP or ICMPv6 type.
        kind: u8,
        /// Its code.
        code: u8,
    },
    /// SYN-ACK.
    Open,
    /// RST.
    Reset,
    /// Nothing.
    Silence,
}

/// Another protocol found behind a port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spoken {
    /// The protocol recognised, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheme: Option<Scheme>,
    /// The first printable bytes.
    pub sample: String,
}

/// Another usual port of the same address.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Neighbour {
    /// The address.
    pub ip: IpAddr,
    /// The port.
    pub port: u16,
    /// `None`: it accepts connections.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// The ICMP error that ended the connect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub icmp: Option<IcmpError>,
    /// Does it speak the target's protocol? `None`: not tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub same_service: Option<bool>,
    /// How long the answer took.
    #[serde(rename = "elapsed_ms", with = "ms")]
    pub elapsed: Duration,
}

/// What one name server said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NameServerAnswer {
    /// Who was asked.
    pub server: SocketAddr,
    /// In which role.
    pub role: NameServerRole,
    /// The addresses it gave.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<IpAddr>,
    /// Why it gave none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// Response code, when it answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rcode: Option<u16>,
    /// It answers when told not to validate (CD bit), but not otherwise: DNSSEC is broken.
    #[serde(default)]
    pub only_unvalidated: bool,
    /// Does the target work at the first of these addresses? Only tried where the addresses in
    /// use are others, and fail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub works: Option<bool>,
    /// How long the answer took.
    #[serde(rename = "elapsed_ms", with = "ms")]
    pub elapsed: Duration,
}

/// Why a name server was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NameServerRole {
    /// A resolver of this machine's configuration.
    Configured,
    /// A name server of the zone.
    Authoritative,
    /// A public resolver, to compare.
    Public,
}

/// Something that should work whatever the target does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Control {
    /// What it is: `default gateway`, `resolver`, a host name.
    pub name: String,
    /// Where.
    pub address: IpAddr,
    /// Why it failed; `None` when it answered (a refusal is an answer).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}

impl Control {
    /// The name of a default gateway.
    pub const GATEWAY: &str = "default gateway";
}

/// The checking machine's own side, as far as it matters for the target.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Environment {
    /// The proxy that the environment names for this target, without credentials, and the
    /// variable that names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy: Option<(String, String)>,
    /// The interface towards the target is a tunnel (VPN): its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tunnel: Option<String>,
    /// The route that decides about a failing address, when it is one that says no:
    /// `unreachable`, `prohibit`, `blackhole`, `throw`, or no route at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<OwnRoute>,
    /// No interface besides loopback is up.
    #[serde(default)]
    pub no_interface: bool,
    /// There is a default route, by family.
    #[serde(default)]
    pub default_route: Families,
    /// The hosts-file line that gives the target's name an address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hosts_line: Option<String>,
    /// Configured resolvers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resolvers: Vec<IpAddr>,
    /// Rules of the own packet filter that touch the target, as text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub output_rules: Vec<String>,
    /// How far this clock is ahead of a reference (negative: behind), in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_ahead_s: Option<i64>,
    /// What would have been known with more rights, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing_rights: Vec<String>,
}

/// Which IP families something holds for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Families {
    /// IPv4.
    pub v4: bool,
    /// IPv6.
    pub v6: bool,
}

/// A route of this machine's that decides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnRoute {
    /// `unreachable`, `prohibit`, `blackhole`, `throw` or `none`.
    pub kind: String,
    /// The route as `ip route` prints it; empty for `none`.
    pub text: String,
}

/// Kernel counters that rose on this machine during a silent attempt (`nstat` names).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnCounters {
    /// `TcpExtTCPRetransFail`: segments that our own output path dropped.
    pub retransmit_failures: u64,
    /// Packets delivered to IP.
    pub ip_received: u64,
    /// Segments delivered to TCP.
    pub tcp_received: u64,
}
