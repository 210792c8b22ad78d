//! Node.js: the error's `code`, of `fetch` for web targets and of `net` or `tls` for others.
//! Measured with Node 20. `fetch` ignores proxy variables.

use super::case::{Case, errno};
use super::ports::unsafe_port;
use crate::failure::Failure as F;
use crate::target::Scheme;

/// `None`: no error; a response, or it waits.
pub(super) fn seen(case: &Case<'_>) -> Option<String> {
    if case.target.scheme == Scheme::Icmp {
        return None;
    }
    if case.http() && unsafe_port(case.target.port) {
        return Some("bad port".to_owned());
    }
    let code = network(case).or_else(|| tls(case)).or_else(|| http(case))?;
    Some(code.to_owned())
}

fn network(case: &Case<'_>) -> Option<&'static str> {
    Some(match case.failure {
        F::DnsNotFound | F::DnsNoAddress => "ENOTFOUND",
        F::DnsServerFailure | F::DnsRefused | F::DnsTimedOut | F::DnsUnreachable => "EAI_AGAIN",
        F::SelfOffline if case.target.host.name().is_some() => "EAI_AGAIN",
        F::TcpTimedOut if case.http() => "UND_ERR_CONNECT_TIMEOUT",
        F::TcpRefused
        | F::TcpTimedOut
        | F::TcpReset
        | F::TcpHostUnreachable
        | F::TcpNetworkUnreachable
        | F::TcpNotPermitted
        | F::TcpProtocolUnreachable
        | F::TcpNoLocalAddress
        | F::UdpRefused
        | F::SelfOffline
        | F::SelfResources => errno_name(case.errno()?),
        _ => return None,
    })
}

fn errno_name(number: i32) -> &'static str {
    match number {
        errno::EPERM => "EPERM",
        errno::EACCES => "EACCES",
        errno::EINVAL => "EINVAL",
        errno::EMFILE => "EMFILE",
        errno::ENOPROTOOPT => "ENOPROTOOPT",
        errno::EADDRNOTAVAIL => "EADDRNOTAVAIL",
        errno::ENETUNREACH => "ENETUNREACH",
        errno::ECONNRESET => "ECONNRESET",
        errno::ETIMEDOUT => "ETIMEDOUT",
        errno::EHOSTUNREACH => "EHOSTUNREACH",
        _ => "ECONNREFUSED",
    }
}

fn tls(case: &Case<'_>) -> Option<&'static str> {
    Some(match case.failure {
        F::TlsExpired => "CERT_HAS_EXPIRED",
        F::TlsNotYetValid => "CERT_NOT_YET_VALID",
        F::TlsSelfSigned => "DEPTH_ZERO_SELF_SIGNED_CERT",
        F::TlsUnknownIssuer => unknown_issuer(case),
        F::TlsIncompleteChain => "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
        F::TlsWrongName => "ERR_TLS_CERT_ALTNAME_INVALID",
        F::TlsProtocolVersion => "ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION",
        F::TlsNoCommonCipher => alert(case.alert().unwrap_or(40)),
        // TLS 1.3 refuses after the handshake; the alert gets lost.
        F::TlsClientCertificateRequired => match case.alert() {
            Some(number) if number != 116 => alert(number),
            _ if case.http() => "UND_ERR_SOCKET",
            _ => "ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED",
        },
        F::TlsAlert => alert(case.alert().unwrap_or(80)),
        F::TlsNotTls => "ERR_SSL_WRONG_VERSION_NUMBER",
        F::TlsClosed | F::TlsReset => "ECONNRESET",
        F::TlsTimedOut if case.http() => "UND_ERR_CONNECT_TIMEOUT",
        _ => return None,
    })
}

fn unknown_issuer(case: &Case<'_>) -> &'static str {
    let chain = case.attempt.and_then(|attempt| attempt.tls.as_ref()).map(|tls| &tls.chain);
    match chain {
        Some(chain) if !chain.iter().any(|one| one.self_signed) => {
            "UNABLE_TO_VERIFY_LEAF_SIGNATURE"
        }
        _ => "SELF_SIGNED_CERT_IN_CHAIN",
    }
}

fn alert(number: u8) -> &'static str {
    match number {
        40 => "ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE",
        42 => "ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE",
        46 => "ERR_SSL_SSLV3_ALERT_CERTIFICATE_UNKNOWN",
        48 => "ERR_SSL_TLSV1_ALERT_UNKNOWN_CA",
        49 => "ERR_SSL_TLSV1_ALERT_ACCESS_DENIED",
        50 => "ERR_SSL_TLSV1_ALERT_DECODE_ERROR",
        51 => "ERR_SSL_TLSV1_ALERT_DECRYPT_ERROR",
        70 => "ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION",
        71 => "ERR_SSL_TLSV1_ALERT_INSUFFICIENT_SECURITY",
        112 => "ERR_SSL_TLSV1_UNRECOGNIZED_NAME",
        116 => "ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED",
        120 => "ERR_SSL_NO_APPLICATION_PROTOCOL",
        _ => "ERR_SSL_TLSV1_ALERT_INTERNAL_ERROR",
    }
}

fn http(case: &Case<'_>) -> Option<&'static str> {
    if !case.http() {
        return None;
    }
    Some(match case.failure {
        F::HttpEmptyReply | F::HttpClosedEarly => "UND_ERR_SOCKET",
        F::HttpReset => "ECONNRESET",
        _ if case.not_http() => "HPE_INVALID_CONSTANT",
        F::HttpTimedOut if case.still_coming() => return None,
        F::HttpTimedOut if case.in_body() => "UND_ERR_BODY_TIMEOUT",
        F::HttpTimedOut => "UND_ERR_HEADERS_TIMEOUT",
        F::HttpTooManyRedirects => "redirect count exceeded",
        F::HttpSpokenToTls if case.tls_hangs_up() => "ECONNRESET",
        _ => return None,
    })
}
