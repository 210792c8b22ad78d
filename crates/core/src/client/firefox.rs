//! Firefox: the page's `e=`, or the security library's code, and the heading.
//! Measured with Firefox ESR 153 without HTTPS-First (as installed, it asks port 443 first when
//! somebody types `http://`, and may show that port's error). Older ones have other headings for
//! `netReset` ("The connection was reset"), `dnsNotFound` ("Hmm. We’re having trouble finding that
//! site.") and certificates ("Warning: Potential Security Risk Ahead").

use super::FirefoxError;
use super::case::{Case, errno};
use super::ports::unsafe_port;
use crate::failure::Failure as F;
use crate::target::Scheme;

type Page = (&'static str, &'static str);

const CONNECTION_FAILURE: Page = ("connectionFailure", "Unable to connect");
const NET_RESET: Page = ("netReset", "Looks like there’s a problem with this site");
const NET_TIMEOUT: Page = ("netTimeout", "The connection has timed out");
const DNS_NOT_FOUND: Page = ("dnsNotFound", "Server Not Found");
const CAREFUL: &str = "Be careful. Something doesn’t look right.";
/// The longest TLS record that NSS waits for: `MAX_FRAGMENT_LENGTH` and `TLS_1_2_MAX_EXPANSION`,
/// `security/nss/lib/ssl/sslimpl.h`.
const RECORD_MAX_BYTES: u16 = 16_384 + 2_048;
const PROXY_REFUSES: Page = ("proxyConnectFailure", "The proxy server is refusing connections");

/// `None`: no error page; a page, a truncated page, a login dialog, or it waits.
pub(super) fn seen(case: &Case<'_>) -> Option<FirefoxError> {
    if !case.browsable() {
        return None;
    }
    let page = if case.target.scheme != Scheme::Dns && unsafe_port(case.target.port) {
        Some(("deniedPortAccess", "This address is restricted"))
    } else {
        network(case).or_else(|| certificate(case)).or_else(|| handshake(case))
    };
    page.map(|(id, message)| FirefoxError { id: id.to_owned(), message: message.to_owned() })
}

fn network(case: &Case<'_>) -> Option<Page> {
    Some(match case.failure {
        F::DnsNotFound
        | F::DnsNoAddress
        | F::DnsServerFailure
        | F::DnsRefused
        | F::DnsTimedOut
        | F::DnsUnreachable => DNS_NOT_FOUND,
        // No error page at all for these two error numbers.
        F::TcpProtocolUnreachable => return None,
        F::TcpNetworkUnreachable if case.errno() == Some(errno::EINVAL) => return None,
        F::TcpRefused
        | F::TcpHostUnreachable
        | F::TcpNetworkUnreachable
        | F::TcpNotPermitted
        | F::TcpNoLocalAddress => CONNECTION_FAILURE,
        F::ProxyTimedOut if case.proxy_hangs() && case.target.scheme == Scheme::Http => {
            return None;
        }
        F::TcpTimedOut | F::ProxyTimedOut => NET_TIMEOUT,
        F::TcpReset | F::HttpReset | F::HttpEmptyReply => NET_RESET,
        _ if case.not_http() && !case.on_own_port() => NET_RESET,
        F::ProxyUnresolved => ("proxyResolveFailure", "Unable to find the proxy server"),
        F::ProxyRefused | F::ProxyUnreachable => PROXY_REFUSES,
        F::ProxyClosed if case.target.scheme == Scheme::Http => NET_RESET,
        F::ProxyClosed => ("nssFailure2", "Secure Connection Failed"),
        F::ProxyTunnelFailed if case.target.scheme == Scheme::Http => return None,
        F::ProxyTunnelFailed if case.status() == Some(403) => PROXY_REFUSES,
        F::ProxyTunnelFailed => CONNECTION_FAILURE,
        F::HttpTooManyRedirects => ("redirectLoop", "The page isn’t redirecting properly"),
        F::HttpSpokenToTls if case.tls_hangs_up() => NET_RESET,
        F::SelfOffline if case.target.host.name().is_some() => DNS_NOT_FOUND,
        F::SelfOffline => CONNECTION_FAILURE,
        _ => return None,
    })
}

/// `about:certerror`, shown with the code.
fn certificate(case: &Case<'_>) -> Option<Page> {
    let code = match case.failure {
        F::TlsExpired if issuer_ended(case) => "SEC_ERROR_EXPIRED_ISSUER_CERTIFICATE",
        F::TlsExpired => "SEC_ERROR_EXPIRED_CERTIFICATE",
        F::TlsNotYetValid => "MOZILLA_PKIX_ERROR_NOT_YET_VALID_CERTIFICATE",
        F::TlsSelfSigned => "MOZILLA_PKIX_ERROR_SELF_SIGNED_CERT",
        F::TlsUnknownIssuer | F::TlsIncompleteChain => "SEC_ERROR_UNKNOWN_ISSUER",
        F::TlsWrongName => "SSL_ERROR_BAD_CERT_DOMAIN",
        _ => return None,
    };
    Some((code, CAREFUL))
}

/// Is it not the server's own certificate whose time is over?
fn issuer_ended(case: &Case<'_>) -> bool {
    let chain = case.attempt.and_then(|attempt| attempt.tls.as_ref()).map(|tls| &tls.chain);
    chain.and_then(|chain| chain.split_first()).is_some_and(|(leaf, issuers)| {
        issuers.iter().any(|issuer| issuer.not_after < leaf.not_after)
    })
}

/// `about:neterror?e=nssFailure2`, shown with the code.
fn handshake(case: &Case<'_>) -> Option<Page> {
    let code = match case.failure {
        F::TlsProtocolVersion => "SSL_ERROR_PROTOCOL_VERSION_ALERT",
        F::TlsNoCommonCipher => "SSL_ERROR_NO_CYPHER_OVERLAP",
        F::TlsClientCertificateRequired => match case.alert() {
            Some(40) => "SSL_ERROR_HANDSHAKE_FAILURE_ALERT",
            Some(42) => "SSL_ERROR_BAD_CERT_ALERT",
            _ => "SSL_ERROR_RX_CERTIFICATE_REQUIRED_ALERT",
        },
        F::TlsAlert => alert_code(case.alert()),
        // Until the server hangs up, with our unread handshake in its buffer: sshd does so at once.
        F::TlsNotTls if waits_for_more(case) => "PR_CONNECT_RESET_ERROR",
        F::TlsNotTls => "SSL_ERROR_RX_RECORD_TOO_LONG",
        F::TlsClosed => "PR_END_OF_FILE_ERROR",
        F::TlsReset => "PR_CONNECT_RESET_ERROR",
        _ => return None,
    };
    let heading = match case.failure {
        F::TlsNoCommonCipher => CAREFUL,
        _ => "Secure Connection Failed",
    };
    Some((code, heading))
}

/// Takes the fourth and fifth byte of whatever comes for the length of a record, and waits for so
/// much: `HTTP/` would be too long, `SSH-2` not.
fn waits_for_more(case: &Case<'_>) -> bool {
    let said = case.attempt.and_then(|attempt| attempt.banner.as_ref());
    said.is_some_and(|said| match said.as_bytes() {
        [_, _, _, high, low, ..] => u16::from_be_bytes([*high, *low]) <= RECORD_MAX_BYTES,
        _ => true,
    })
}

/// `security/nss/lib/ssl/SSLerrs.h`.
fn alert_code(alert: Option<u8>) -> &'static str {
    match alert {
        Some(10) => "SSL_ERROR_HANDSHAKE_UNEXPECTED_ALERT",
        Some(20) => "SSL_ERROR_BAD_MAC_ALERT",
        Some(40) => "SSL_ERROR_HANDSHAKE_FAILURE_ALERT",
        Some(42) => "SSL_ERROR_BAD_CERT_ALERT",
        Some(43) => "SSL_ERROR_UNSUPPORTED_CERT_ALERT",
        Some(44) => "SSL_ERROR_REVOKED_CERT_ALERT",
        Some(45) => "SSL_ERROR_EXPIRED_CERT_ALERT",
        Some(46) => "SSL_ERROR_CERTIFICATE_UNKNOWN_ALERT",
        Some(47) => "SSL_ERROR_ILLEGAL_PARAMETER_ALERT",
        Some(48) => "SSL_ERROR_UNKNOWN_CA_ALERT",
        Some(49) => "SSL_ERROR_ACCESS_DENIED_ALERT",
        Some(50) => "SSL_ERROR_DECODE_ERROR_ALERT",
        Some(51) => "SSL_ERROR_DECRYPT_ERROR_ALERT",
        Some(70) => "SSL_ERROR_PROTOCOL_VERSION_ALERT",
        Some(71) => "SSL_ERROR_INSUFFICIENT_SECURITY_ALERT",
        Some(112) => "SSL_ERROR_UNRECOGNIZED_NAME_ALERT",
        Some(116) => "SSL_ERROR_RX_CERTIFICATE_REQUIRED_ALERT",
        Some(120) => "SSL_ERROR_NEXT_PROTOCOL_NO_PROTOCOL",
        _ => "SSL_ERROR_INTERNAL_ERROR_ALERT",
    }
}
