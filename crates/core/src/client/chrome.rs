//! Chrome, Edge and other Chromium browsers: the code under the error page.
//! Measured with Chromium 156 unless a comment says otherwise.

use super::case::{Case, errno};
use super::ports::unsafe_port;
use crate::failure::Failure as F;
use crate::target::Scheme;

/// What it says where no interface is up.
pub(super) const OFFLINE: &str = "ERR_INTERNET_DISCONNECTED";

/// The `ERR_…` code; `None`: the page is shown, or the browser waits.
pub(super) fn seen(case: &Case<'_>) -> Option<String> {
    if !case.browsable() {
        return None;
    }
    if case.target.scheme != Scheme::Dns && unsafe_port(case.target.port) {
        return Some("ERR_UNSAFE_PORT".to_owned());
    }
    // Its own page stands in for an empty one, and names the status.
    if case.failure == F::HttpStatus && case.empty_body() {
        return case
            .status()
            .filter(|status| *status >= 400)
            .map(|status| format!("HTTP ERROR {status}"));
    }
    lower(case).or_else(|| upper(case)).map(str::to_owned)
}

/// DNS, TCP, proxies and the own machine.
fn lower(case: &Case<'_>) -> Option<&'static str> {
    Some(match case.failure {
        F::DnsNotFound
        | F::DnsNoAddress
        | F::DnsServerFailure
        | F::DnsRefused
        | F::DnsTimedOut
        | F::DnsUnreachable => "ERR_NAME_NOT_RESOLVED",
        F::TcpRefused
        | F::TcpTimedOut
        | F::TcpReset
        | F::TcpHostUnreachable
        | F::TcpNetworkUnreachable
        | F::TcpNotPermitted
        | F::TcpProtocolUnreachable
        | F::TcpNoLocalAddress => connect_error(case.errno()?),
        F::ProxyUnresolved | F::ProxyRefused | F::ProxyUnreachable => "ERR_PROXY_CONNECTION_FAILED",
        F::ProxyTimedOut if case.proxy_hangs() && case.target.scheme == Scheme::Http => {
            return None;
        }
        // After 8 s of silence while connecting, 60 s of waiting for a tunnel.
        F::ProxyTimedOut => "ERR_TIMED_OUT",
        F::ProxyClosed => "ERR_EMPTY_RESPONSE",
        // Without a window; with one, the browser asks for name and password.
        F::ProxyAuthRequired => "ERR_INVALID_AUTH_CREDENTIALS",
        F::ProxyTunnelFailed if case.target.scheme != Scheme::Http => {
            "ERR_TUNNEL_CONNECTION_FAILED"
        }
        F::SelfOffline => OFFLINE,
        F::SelfResources => "ERR_INSUFFICIENT_RESOURCES",
        _ => return None,
    })
}

/// `net/base/net_errors_posix.cc` and `MapConnectError` in `net/socket/tcp_socket_posix.cc`.
fn connect_error(number: i32) -> &'static str {
    match number {
        errno::ECONNREFUSED => "ERR_CONNECTION_REFUSED",
        errno::ETIMEDOUT => "ERR_CONNECTION_TIMED_OUT",
        errno::ECONNRESET => "ERR_CONNECTION_RESET",
        errno::EHOSTUNREACH | errno::ENETUNREACH => "ERR_ADDRESS_UNREACHABLE",
        errno::EACCES => "ERR_NETWORK_ACCESS_DENIED",
        errno::EPERM => "ERR_ACCESS_DENIED",
        errno::EINVAL => "ERR_INVALID_ARGUMENT",
        errno::ENOPROTOOPT => "ERR_NOT_IMPLEMENTED",
        errno::EADDRNOTAVAIL => "ERR_ADDRESS_INVALID",
        _ => "ERR_CONNECTION_FAILED",
    }
}

/// TLS and HTTP.
fn upper(case: &Case<'_>) -> Option<&'static str> {
    Some(match case.failure {
        F::TlsExpired | F::TlsNotYetValid => "ERR_CERT_DATE_INVALID",
        F::TlsSelfSigned | F::TlsUnknownIssuer | F::TlsIncompleteChain => {
            "ERR_CERT_AUTHORITY_INVALID"
        }
        F::TlsWrongName => "ERR_CERT_COMMON_NAME_INVALID",
        F::TlsProtocolVersion | F::TlsNoCommonCipher => "ERR_SSL_VERSION_OR_CIPHER_MISMATCH",
        F::TlsClientCertificateRequired => "ERR_BAD_SSL_CLIENT_AUTH_CERT",
        F::TlsAlert => alert_error(case.alert()),
        F::TlsNotTls => "ERR_SSL_PROTOCOL_ERROR",
        F::TlsClosed => "ERR_CONNECTION_CLOSED",
        F::TlsReset | F::HttpReset => "ERR_CONNECTION_RESET",
        F::TlsTimedOut => "ERR_TIMED_OUT",
        F::HttpEmptyReply => "ERR_EMPTY_RESPONSE",
        F::HttpClosedEarly if case.attempt.is_some() && case.bytes_missing().is_none() => {
            "ERR_INCOMPLETE_CHUNKED_ENCODING"
        }
        F::HttpClosedEarly => "ERR_CONTENT_LENGTH_MISMATCH",
        // On the scheme's own port Chromium shows it as HTTP/0.9.
        _ if case.not_http() => {
            return (!case.on_own_port()).then_some("ERR_INVALID_HTTP_RESPONSE");
        }
        F::HttpTooManyRedirects => "ERR_TOO_MANY_REDIRECTS",
        F::HttpSpokenToTls if case.tls_hangs_up() => "ERR_CONNECTION_RESET",
        _ => return None,
    })
}

/// `MapOpenSSLErrorSSL` in `net/ssl/openssl_ssl_util.cc`.
fn alert_error(alert: Option<u8>) -> &'static str {
    match alert {
        Some(20) => "ERR_SSL_BAD_RECORD_MAC_ALERT",
        Some(40 | 70 | 71) => "ERR_SSL_VERSION_OR_CIPHER_MISMATCH",
        Some(42..=46 | 48 | 49 | 116) => "ERR_BAD_SSL_CLIENT_AUTH_CERT",
        Some(51) => "ERR_SSL_DECRYPT_ERROR_ALERT",
        Some(112) => "ERR_SSL_UNRECOGNIZED_NAME_ALERT",
        _ => "ERR_SSL_PROTOCOL_ERROR",
    }
}
