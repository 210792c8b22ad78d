//! What a failure may mean before anything else is known: starting weights, from experience with
//! real incidents. Only their ratios matter.

use crate::cause::Cause as C;
use crate::failure::Failure as F;
use crate::observation::Step;

use super::case::Case;

/// The weight at which a cause starts that only a finding suggests.
pub(super) const UNSUGGESTED: f64 = 0.1;

type Weights = &'static [(C, f64)];

const REFUSED: Weights = &[
    (C::ServiceNotListening, 8.0),
    (C::FirewallRejects, 2.0),
    (C::PathRejects, 0.6),
    (C::ServiceCrashLoop, 0.3),
    (C::ServiceWrongPort, 0.4),
    (C::ClientFirewall, 0.1),
    (C::Unknown, 0.4),
];
const TIMED_OUT: Weights = &[
    (C::FirewallDrops, 4.0),
    (C::HostDown, 2.0),
    (C::PathDrops, 2.0),
    (C::ServiceOverloaded, 0.7),
    (C::ClientFirewall, 0.2),
    (C::Unknown, 0.6),
];
const UNREACHABLE: Weights = &[
    (C::HostDown, 3.0),
    (C::FirewallRejects, 2.0),
    (C::PathRejects, 1.0),
    (C::PathNoRoute, 1.5),
    (C::ClientRoute, 0.4),
    (C::ClientFirewall, 0.2),
    (C::Unknown, 0.3),
];
const NO_NETWORK: Weights = &[
    (C::ClientRoute, 2.0),
    (C::ClientOffline, 1.0),
    (C::PathNoRoute, 3.0),
    (C::PathRejects, 0.6),
    (C::FirewallRejects, 0.5),
    (C::Unknown, 0.3),
];
const NOT_PERMITTED: Weights = &[
    (C::ClientFirewall, 2.0),
    (C::ClientRoute, 1.0),
    (C::FirewallRejects, 2.0),
    (C::PathRejects, 1.0),
    (C::Unknown, 0.2),
];
const PROTOCOL: Weights = &[
    (C::FirewallRejects, 4.0),
    (C::PathRejects, 1.0),
    (C::ClientFirewall, 0.3),
    (C::Unknown, 0.2),
];
const CLOSES: Weights = &[
    (C::ServiceClosesConnections, 6.0),
    (C::UpstreamDead, 1.0),
    (C::ServiceWrongProtocol, 0.5),
    (C::PathRejects, 0.4),
    (C::Unknown, 0.4),
];
const TLS_CLOSES: Weights = &[
    (C::ServiceClosesConnections, 4.0),
    (C::ServiceWrongProtocol, 1.0),
    (C::TlsConfiguration, 1.0),
    (C::UpstreamDead, 0.8),
    (C::PathRejects, 0.8),
    (C::Unknown, 0.4),
];
const HANGS: Weights = &[
    (C::ServiceHung, 5.0),
    (C::ServiceOverloaded, 0.8),
    (C::UpstreamDead, 0.8),
    (C::PathMtu, 0.5),
    (C::PathDrops, 0.2),
    (C::Unknown, 0.4),
];
/// The beginning of an answer arrived, then nothing.
const STALLS: Weights = &[
    (C::ServiceHung, 3.0),
    (C::PathMtu, 2.0),
    (C::ServiceOverloaded, 0.8),
    (C::UpstreamDead, 0.5),
    (C::Unknown, 0.4),
];
const CERTIFICATE: Weights =
    &[(C::TlsCertificate, 20.0), (C::ClientClock, 0.1), (C::PathRejects, 0.3), (C::Unknown, 0.2)];
const TLS_SETTINGS: Weights =
    &[(C::TlsConfiguration, 9.0), (C::PathRejects, 0.2), (C::Unknown, 0.4)];
const WRONG_PROTOCOL: Weights = &[(C::ServiceWrongProtocol, 9.0), (C::Unknown, 0.5)];
/// A service that should speak first says nothing: so do hung ones, and those that wait to be
/// spoken to.
const NO_GREETING: Weights = &[
    (C::ServiceHung, 5.0),
    (C::ServiceWrongProtocol, 2.0),
    (C::ServiceOverloaded, 0.5),
    (C::PathMtu, 0.1),
    (C::Unknown, 0.4),
];
const GATEWAY: Weights =
    &[(C::UpstreamDead, 8.0), (C::AppError, 1.0), (C::ServiceOverloaded, 0.7), (C::Unknown, 0.2)];
const UNAVAILABLE: Weights =
    &[(C::UpstreamDead, 4.0), (C::ServiceOverloaded, 2.0), (C::AppError, 2.0), (C::Unknown, 0.3)];
const APPLICATION: Weights = &[(C::AppError, 9.0), (C::Unknown, 0.5)];
const NAME_MISSING: Weights =
    &[(C::DnsNameMissing, 8.0), (C::DnsStale, 0.5), (C::DnsResolverDown, 0.2), (C::Unknown, 0.3)];
const SERVFAIL: Weights = &[(C::DnsZoneBroken, 5.0), (C::DnsResolverDown, 3.0), (C::Unknown, 0.4)];
const RESOLVER: Weights = &[
    (C::DnsResolverDown, 7.0),
    (C::ClientOffline, 0.6),
    (C::ClientFirewall, 0.3),
    (C::DnsZoneBroken, 0.3),
    (C::Unknown, 0.3),
];
const PROXY: Weights = &[(C::ClientProxy, 9.0), (C::Unknown, 0.3)];
const TUNNEL: Weights =
    &[(C::ClientProxy, 4.0), (C::ServiceNotListening, 0.8), (C::HostDown, 0.4), (C::Unknown, 0.5)];
const UDP_SILENT: Weights = &[
    (C::Unknown, 3.0),
    (C::FirewallDrops, 2.0),
    (C::ServiceHung, 1.0),
    (C::HostDown, 1.0),
    (C::PathDrops, 0.7),
];
const UDP_REFUSED: Weights = &[
    (C::ServiceNotListening, 6.0),
    (C::FirewallRejects, 2.0),
    (C::PathRejects, 0.4),
    (C::Unknown, 0.3),
];
const NO_ECHO: Weights =
    &[(C::HostDown, 3.0), (C::FirewallDrops, 3.0), (C::PathDrops, 1.5), (C::Unknown, 1.0)];
const SLOW: Weights =
    &[(C::ServiceOverloaded, 4.0), (C::AppError, 2.0), (C::PathDrops, 0.5), (C::Unknown, 1.0)];
const OWN: Weights = &[(C::ClientOffline, 3.0), (C::Unknown, 1.0)];
const EXHAUSTED: Weights = &[(C::ClientExhausted, 9.0), (C::Unknown, 0.4)];
const CLIENT_CERTIFICATE: Weights = &[(C::TlsClientCertificate, 9.0), (C::TlsConfiguration, 0.5)];
const UNDECIDED: Weights = &[(C::Unknown, 1.0)];

pub(super) fn of(failure: F, case: &Case<'_>) -> Weights {
    match failure {
        F::DnsNotFound | F::DnsNoAddress => NAME_MISSING,
        F::DnsServerFailure => SERVFAIL,
        F::DnsRefused | F::DnsTimedOut | F::DnsUnreachable => RESOLVER,
        F::TcpRefused => REFUSED,
        F::TcpTimedOut => TIMED_OUT,
        F::TcpHostUnreachable => UNREACHABLE,
        F::TcpNetworkUnreachable => NO_NETWORK,
        F::TcpNotPermitted => NOT_PERMITTED,
        F::TcpProtocolUnreachable => PROTOCOL,
        F::TcpNoLocalAddress | F::SelfResources => EXHAUSTED,
        F::TcpReset | F::HttpEmptyReply | F::HttpReset | F::HttpClosedEarly => CLOSES,
        F::ProxyUnresolved | F::ProxyRefused | F::ProxyUnreachable | F::ProxyTimedOut => PROXY,
        F::ProxyClosed | F::ProxyAuthRequired => PROXY,
        F::ProxyTunnelFailed => TUNNEL,
        F::TlsExpired | F::TlsNotYetValid | F::TlsSelfSigned | F::TlsUnknownIssuer => CERTIFICATE,
        F::TlsIncompleteChain | F::TlsWrongName | F::AssertionCertificateDays => CERTIFICATE,
        F::TlsProtocolVersion | F::TlsNoCommonCipher | F::TlsAlert => TLS_SETTINGS,
        F::TlsClientCertificateRequired => CLIENT_CERTIFICATE,
        F::BannerUnexpected if case.said_nothing() => NO_GREETING,
        F::TlsNotTls | F::HttpNotHttp | F::HttpSpokenToTls | F::BannerUnexpected => WRONG_PROTOCOL,
        F::TlsClosed | F::TlsReset => TLS_CLOSES,
        F::TlsTimedOut => HANGS,
        F::HttpTimedOut if case.attempt.is_some_and(|a| a.step == Step::Body) => STALLS,
        F::HttpTimedOut => HANGS,
        F::HttpStatus | F::AssertionStatus => status(case),
        F::HttpTooManyRedirects | F::AssertionKeyword | F::AssertionJson => APPLICATION,
        F::UdpRefused => UDP_REFUSED,
        F::UdpNoReply => UDP_SILENT,
        F::IcmpNoReply => NO_ECHO,
        F::AssertionLatency => SLOW,
        F::SelfOffline => OWN,
        F::SelfNotAllowed | F::SelfInternal => UNDECIDED,
    }
}

fn status(case: &Case<'_>) -> Weights {
    match case.attempt.and_then(|attempt| attempt.http.as_ref()).map(|http| http.status) {
        // 520-526: Cloudflare's own, about the origin behind it.
        Some(502 | 504 | 520..=524) => GATEWAY,
        Some(503) => UNAVAILABLE,
        Some(525 | 526) => TLS_SETTINGS,
        _ => APPLICATION,
    }
}
