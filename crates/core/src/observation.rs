//! What one check saw: facts stage by stage, never an error.
//!
//! An [`Observation`] is made by the probe, travels to the server, is stored, and is what
//! [`diagnose`](mod@crate::diagnose) reads. It holds no opinion: `failure` is what the client's
//! system call or protocol step said.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::units::{ms, ms_option};

/// One execution of a monitor at one location: all addresses of the target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Observation {
    /// When the check began, by the probe's clock.
    pub at: Timestamp,
    /// How long the whole check took.
    #[serde(rename = "elapsed_ms", with = "ms")]
    pub elapsed: Duration,
    /// Whether the target worked.
    pub state: State,
    /// What failed: of the whole target when `down`, of the failing part when `degraded`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// How the name was resolved; `None` when the target is an address or a proxy resolves it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lookup: Option<Lookup>,
    /// The forward proxy used, as `host:port`, without credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy: Option<String>,
    /// One per address, in the order tried.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attempts: Vec<Attempt>,
}

/// The state of a target. `degraded`: some addresses or families fail. `inconclusive`: the
/// first cause lies on the checking machine's own side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It works.
    Up,
    /// It works in part.
    Degraded,
    /// It does not work.
    Down,
    /// Nothing is known.
    Inconclusive,
}

impl State {
    /// The word used in JSON and on pages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Degraded => "degraded",
            Self::Down => "down",
            Self::Inconclusive => "inconclusive",
        }
    }
}

impl std::fmt::Display for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

/// How a name became addresses.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Lookup {
    /// The name asked for.
    pub name: String,
    /// How long it took.
    #[serde(rename = "elapsed_ms", with = "ms")]
    pub elapsed: Duration,
    /// The addresses found.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<IpAddr>,
    /// Who said so.
    pub source: LookupSource,
    /// The resolver that gave the decisive answer, or was asked last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolver: Option<SocketAddr>,
    /// DNS response code of the decisive answer (RFC 1035 §4.1.1): 0 NOERROR, 2 SERVFAIL,
    /// 3 NXDOMAIN, 5 REFUSED.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rcode: Option<u16>,
    /// Smallest time to live of the answer's records, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl_s: Option<u32>,
    /// The aliases followed, in order, without the name asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cname: Vec<String>,
    /// For `dns://` targets with a record type: the records' data as text.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub records: Vec<String>,
    /// Why it failed, when it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}

/// Who turned a name into addresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LookupSource {
    /// A DNS resolver.
    #[default]
    Dns,
    /// A line of the hosts file.
    HostsFile,
    /// `localhost` and names below it (RFC 6761 §6.3).
    Builtin,
}

/// The protocol step at which an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Making and binding the socket.
    Socket,
    /// `connect()`: SYN sent, answer awaited.
    Connect,
    /// `CONNECT` sent to a forward proxy.
    ProxyTunnel,
    /// TLS handshake.
    TlsHandshake,
    /// Sending the request.
    Send,
    /// Waiting for the first byte: of an answer, or of a greeting.
    FirstByte,
    /// Reading the head of an HTTP answer.
    Head,
    /// Reading the body.
    Body,
    /// Judging the expectations.
    Assert,
    /// All steps done.
    Done,
}

impl Step {
    /// The words used in evidence.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Socket => "socket()",
            Self::Connect => "connect()",
            Self::ProxyTunnel => "CONNECT to the proxy",
            Self::TlsHandshake => "TLS handshake",
            Self::Send => "sending the request",
            Self::FirstByte => "waiting for the first byte",
            Self::Head => "reading the head",
            Self::Body => "reading the body",
            Self::Assert => "checking the expectations",
            Self::Done => "done",
        }
    }
}

/// One fresh connection to one address, and how far it came.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    /// The address.
    pub ip: IpAddr,
    /// The port; 0 for ICMP.
    pub port: u16,
    /// Our own end, once known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local: Option<SocketAddr>,
    /// When the attempt began, after the observation's `at`.
    #[serde(rename = "offset_ms", with = "ms")]
    pub offset: Duration,
    /// How long the attempt took until it ended or failed.
    #[serde(rename = "elapsed_ms", with = "ms")]
    pub elapsed: Duration,
    /// The last step begun.
    pub step: Step,
    /// What failed at that step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// The system call's error number (Linux).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub errno: Option<i32>,
    /// The ICMP error that ended the connect, from the socket's error queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub icmp: Option<IcmpError>,
    /// The kernel's own account of the connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tcp: Option<TcpFacts>,
    /// Time spent in each phase that was completed.
    #[serde(default)]
    pub timing: Timing,
    /// What the TLS handshake showed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsFacts>,
    /// What the HTTP answer showed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpFacts>,
    /// The first bytes a service said, made printable and cut to [`BANNER_MAX_BYTES`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub banner: Option<String>,
    /// What the step said in words, where a code is not enough (an assertion's expected and
    /// found value, a library's message). Never contains request secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// The longest banner kept, in bytes.
pub const BANNER_MAX_BYTES: usize = 200;

impl Attempt {
    /// An attempt that has only just begun.
    #[must_use]
    pub fn new(ip: IpAddr, port: u16, offset: Duration) -> Self {
        Self {
            ip,
            port,
            local: None,
            offset,
            elapsed: Duration::ZERO,
            step: Step::Socket,
            failure: None,
            errno: None,
            icmp: None,
            tcp: None,
            timing: Timing::default(),
            tls: None,
            http: None,
            banner: None,
            detail: None,
        }
    }

    /// Was a TCP connection (or, with a proxy, a tunnel) established?
    #[must_use]
    pub fn connected(&self) -> bool {
        self.timing.connect.is_some()
    }
}

/// An ICMP error as the kernel's error queue gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct IcmpError {
    /// ICMP or ICMPv6 type.
    #[serde(rename = "type")]
    pub kind: u8,
    /// ICMP or ICMPv6 code.
    pub code: u8,
    /// Who sent it. Our own address: made by this machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender: Option<IpAddr>,
    /// Time to live left in the ICMP packet when it arrived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl: Option<u8>,
}

/// From `TCP_INFO`, tcp(7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TcpFacts {
    /// SYNs or segments sent again.
    pub retransmits: u32,
    /// Smoothed round trip time; 0 when never measured.
    #[serde(rename = "rtt_us")]
    pub rtt_us: u32,
    /// Path MTU in bytes.
    pub pmtu: u32,
}

/// Phases of an attempt; each is the phase's own length, not a sum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timing {
    /// TCP handshake.
    #[serde(
        rename = "connect_ms",
        default,
        skip_serializing_if = "Option::is_none",
        with = "ms_option"
    )]
    pub connect: Option<Duration>,
    /// `CONNECT` exchange with a forward proxy.
    #[serde(
        rename = "tunnel_ms",
        default,
        skip_serializing_if = "Option::is_none",
        with = "ms_option"
    )]
    pub tunnel: Option<Duration>,
    /// TLS handshake.
    #[serde(
        rename = "tls_ms",
        default,
        skip_serializing_if = "Option::is_none",
        with = "ms_option"
    )]
    pub tls: Option<Duration>,
    /// From the request sent to the first byte of the answer.
    #[serde(
        rename = "first_byte_ms",
        default,
        skip_serializing_if = "Option::is_none",
        with = "ms_option"
    )]
    pub first_byte: Option<Duration>,
    /// From the first byte to the last.
    #[serde(
        rename = "body_ms",
        default,
        skip_serializing_if = "Option::is_none",
        with = "ms_option"
    )]
    pub body: Option<Duration>,
}

/// What a TLS handshake showed, also when it failed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TlsFacts {
    /// Negotiated version, such as `TLSv1.3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Negotiated cipher suite.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cipher: Option<String>,
    /// Negotiated application protocol (ALPN).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alpn: Option<String>,
    /// Alert received from the server (RFC 8446 §6).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert: Option<u8>,
    /// The server asked for a client certificate.
    #[serde(default)]
    pub client_certificate_requested: bool,
    /// The certificates as presented, leaf first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chain: Vec<Certificate>,
    /// Every defect found in the chain, the decisive one first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub defects: Vec<Failure>,
}

/// The readable part of a certificate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Certificate {
    /// Subject, RFC 4514.
    pub subject: String,
    /// Issuer, RFC 4514.
    pub issuer: String,
    /// Names and addresses it is valid for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// Start of validity.
    pub not_before: Timestamp,
    /// End of validity.
    pub not_after: Timestamp,
    /// Subject equals issuer and its own key verifies its signature.
    #[serde(default)]
    pub self_signed: bool,
    /// Key algorithm and size, such as `RSA 2048`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub key: String,
    /// Signature algorithm, such as `sha256WithRSAEncryption`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub signature: String,
}

/// What an HTTP answer showed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HttpFacts {
    /// Status code; 0 when no head arrived.
    pub status: u16,
    /// `HTTP/1.0`, `HTTP/1.1` or `HTTP/2`.
    pub version: String,
    /// Headers that tell who answered: `server`, `via`, `retry-after`, `location`, `cf-ray`, …
    /// Never cookies or credentials.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Bytes of body read.
    pub body_bytes: u64,
    /// The body was still coming, bit by bit, when the time was up.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub still_coming: bool,
    /// Bytes of body promised by `Content-Length`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_length: Option<u64>,
    /// The beginning of an error page's text, redacted and cut to [`BANNER_MAX_BYTES`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub excerpt: Option<String>,
    /// The URLs visited on the way to this answer, the first request left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub redirects: Vec<String>,
}

impl Observation {
    /// The state and the failure that a set of attempts amounts to: all fine is up, all failing
    /// is down with the first address's failure, some failing is degraded. Own faults never
    /// count against the target.
    #[must_use]
    pub fn judge(attempts: &[Attempt]) -> (State, Option<Failure>) {
        let failures: Vec<Failure> = attempts.iter().filter_map(|a| a.failure).collect();
        let foreign = failures.iter().copied().find(|failure| !failure.is_own_fault());
        let fine = attempts.len() - failures.len();
        match (foreign, fine) {
            (None, 0) => {
                (State::Inconclusive, failures.first().copied().or(Some(Failure::SelfInternal)))
            }
            (None, _) => (State::Up, None),
            (Some(failure), 0) => (State::Down, Some(failure)),
            (Some(failure), _) => (State::Degraded, Some(failure)),
        }
    }
}
