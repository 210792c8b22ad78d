//! *What* happened, as the client saw it: one code per thing a client can see (DESIGN §3).
//!
//! A code follows what the client's system call or protocol step said. What it *means* is a
//! [`Cause`](crate::cause::Cause).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A place on the path from a client to an application, in the order a request passes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// The client's own machine.
    Client,
    /// Finding the address.
    Dns,
    /// Everything between the client's machine and the server's.
    Network,
    /// The forward proxy that the client was told to use.
    Proxy,
    /// The server's machine: its firewall, its ports, TLS.
    Server,
    /// What answers behind the port.
    App,
}

impl Stage {
    /// All stages, in the order of the path.
    pub const ALL: [Self; 6] =
        [Self::Client, Self::Dns, Self::Network, Self::Proxy, Self::Server, Self::App];

    /// The word used in JSON and in the drawn path.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Dns => "dns",
            Self::Network => "network",
            Self::Proxy => "proxy",
            Self::Server => "server",
            Self::App => "app",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

macro_rules! failures {
    ($($(#[$doc:meta])* $name:ident = $code:literal @ $stage:ident,)*) => {
        /// What a client saw. The text form ([`Failure::code`]) is a public contract.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Failure { $($(#[$doc])* $name,)* }

        impl Failure {
            /// Every failure, in the order of the path.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The stable code, such as `tcp.refused`.
            #[must_use]
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// The stage at which the client's step failed. Evidence can move the verdict's
            /// stage (a refusal forged by a router happened in the network).
            #[must_use]
            pub const fn stage(self) -> Stage {
                match self { $(Self::$name => Stage::$stage,)* }
            }
        }
    };
}

failures! {
    /// NXDOMAIN.
    DnsNotFound = "dns.not_found" @ Dns,
    /// The name exists but has no address (NODATA).
    DnsNoAddress = "dns.no_address" @ Dns,
    /// SERVFAIL.
    DnsServerFailure = "dns.server_failure" @ Dns,
    /// RCODE REFUSED.
    DnsRefused = "dns.refused" @ Dns,
    /// No resolver answered in time.
    DnsTimedOut = "dns.timed_out" @ Dns,
    /// No resolver configured, its port closed, its host down, or no route to it.
    DnsUnreachable = "dns.unreachable" @ Dns,
    /// ECONNREFUSED.
    TcpRefused = "tcp.refused" @ Server,
    /// ETIMEDOUT, or our own deadline while connecting.
    TcpTimedOut = "tcp.timed_out" @ Network,
    /// ECONNRESET while nothing but TCP was spoken.
    TcpReset = "tcp.reset" @ Server,
    /// EHOSTUNREACH.
    TcpHostUnreachable = "tcp.host_unreachable" @ Network,
    /// ENETUNREACH, or EINVAL from a local blackhole route.
    TcpNetworkUnreachable = "tcp.network_unreachable" @ Network,
    /// EPERM or EACCES.
    TcpNotPermitted = "tcp.not_permitted" @ Network,
    /// ENOPROTOOPT.
    TcpProtocolUnreachable = "tcp.protocol_unreachable" @ Network,
    /// EADDRNOTAVAIL.
    TcpNoLocalAddress = "tcp.no_local_address" @ Client,
    /// The forward proxy's name does not resolve.
    ProxyUnresolved = "proxy.unresolved" @ Proxy,
    /// The forward proxy refuses connections.
    ProxyRefused = "proxy.refused" @ Proxy,
    /// The forward proxy cannot be reached.
    ProxyUnreachable = "proxy.unreachable" @ Proxy,
    /// The forward proxy does not answer.
    ProxyTimedOut = "proxy.timed_out" @ Proxy,
    /// The forward proxy closed the connection without an answer.
    ProxyClosed = "proxy.closed" @ Proxy,
    /// The forward proxy wants credentials (407).
    ProxyAuthRequired = "proxy.auth_required" @ Proxy,
    /// The forward proxy refused or failed to open the tunnel.
    ProxyTunnelFailed = "proxy.tunnel_failed" @ Proxy,
    /// The certificate's validity has ended.
    TlsExpired = "tls.expired" @ Server,
    /// The certificate's validity has not begun.
    TlsNotYetValid = "tls.not_yet_valid" @ Server,
    /// The certificate is signed by its own key.
    TlsSelfSigned = "tls.self_signed" @ Server,
    /// The chain ends at an authority that clients do not trust.
    TlsUnknownIssuer = "tls.unknown_issuer" @ Server,
    /// The server does not send the intermediate certificate.
    TlsIncompleteChain = "tls.incomplete_chain" @ Server,
    /// The certificate is for other names.
    TlsWrongName = "tls.wrong_name" @ Server,
    /// No protocol version in common.
    TlsProtocolVersion = "tls.protocol_version" @ Server,
    /// No cipher suite in common.
    TlsNoCommonCipher = "tls.no_common_cipher" @ Server,
    /// The server insists on a client certificate.
    TlsClientCertificateRequired = "tls.client_certificate_required" @ Server,
    /// Another TLS alert.
    TlsAlert = "tls.alert" @ Server,
    /// The port answered something that is not TLS.
    TlsNotTls = "tls.not_tls" @ Server,
    /// FIN during the handshake.
    TlsClosed = "tls.closed" @ Server,
    /// RST during the handshake.
    TlsReset = "tls.reset" @ Server,
    /// The handshake was not answered in time.
    TlsTimedOut = "tls.timed_out" @ Server,
    /// FIN before the first byte of an answer.
    HttpEmptyReply = "http.empty_reply" @ App,
    /// RST before or during the answer.
    HttpReset = "http.reset" @ App,
    /// FIN before the answer was complete.
    HttpClosedEarly = "http.closed_early" @ App,
    /// The answer is not HTTP.
    HttpNotHttp = "http.not_http" @ App,
    /// No complete answer in time.
    HttpTimedOut = "http.timed_out" @ App,
    /// A status outside the expected ranges.
    HttpStatus = "http.status" @ App,
    /// More redirects than allowed, or a loop.
    HttpTooManyRedirects = "http.too_many_redirects" @ App,
    /// Plain HTTP was spoken to a TLS port.
    HttpSpokenToTls = "http.spoken_to_tls" @ Server,
    /// ICMP port-unreachable in answer to a datagram.
    UdpRefused = "udp.refused" @ Server,
    /// No answer to a datagram (which may be normal).
    UdpNoReply = "udp.no_reply" @ Network,
    /// No answer to an echo request.
    IcmpNoReply = "icmp.no_reply" @ Network,
    /// The service's first words are not those of its protocol.
    BannerUnexpected = "banner.unexpected" @ App,
    /// An expectation about the status was not met.
    AssertionStatus = "assertion.status" @ App,
    /// A text was missing, or present where it must not be.
    AssertionKeyword = "assertion.keyword" @ App,
    /// A JSON value was not as expected.
    AssertionJson = "assertion.json" @ App,
    /// The answer took longer than allowed.
    AssertionLatency = "assertion.latency" @ App,
    /// The certificate ends sooner than allowed.
    AssertionCertificateDays = "assertion.certificate_days" @ Server,
    /// The checking machine has no network.
    SelfOffline = "self.offline" @ Client,
    /// The checking machine ran out of descriptors or memory.
    SelfResources = "self.resources" @ Client,
    /// The checking machine is held to other destinations.
    SelfNotAllowed = "self.not_allowed" @ Client,
    /// A defect in whydown itself.
    SelfInternal = "self.internal" @ Client,
}

impl Failure {
    /// Is the checking machine itself at fault, so that nothing is known about the target?
    #[must_use]
    pub const fn is_own_fault(self) -> bool {
        matches!(
            self,
            Self::SelfOffline | Self::SelfResources | Self::SelfNotAllowed | Self::SelfInternal
        )
    }

    /// Did the client get silence instead of a "no"? Silence needs a full deadline to be seen.
    #[must_use]
    pub const fn is_silence(self) -> bool {
        matches!(
            self,
            Self::DnsTimedOut
                | Self::TcpTimedOut
                | Self::ProxyTimedOut
                | Self::TlsTimedOut
                | Self::HttpTimedOut
                | Self::UdpNoReply
                | Self::IcmpNoReply
        )
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.code())
    }
}

/// A text that is no code of the list.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a known code; `whydown explain --list` shows all")]
pub struct UnknownCode(pub String);

impl FromStr for Failure {
    type Err = UnknownCode;

    fn from_str(text: &str) -> Result<Self, UnknownCode> {
        let found = Self::ALL.iter().find(|failure| failure.code() == text);
        found.copied().ok_or_else(|| UnknownCode(text.to_owned()))
    }
}

impl Serialize for Failure {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

impl<'de> Deserialize<'de> for Failure {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
