//! Python: the exception, of `urllib.request` for web targets and of `socket` and `ssl` for
//! others. Measured with Python 3.11. urllib uses proxy variables and names no proxy in errors.

use super::case::{Case, errno, openssl_alert};
use crate::failure::Failure as F;
use crate::target::Scheme;

/// `None`: no error, or it waits for ever (there is no default timeout).
pub(super) fn seen(case: &Case<'_>) -> Option<String> {
    if case.target.scheme == Scheme::Icmp {
        return None;
    }
    network(case).or_else(|| tls(case)).or_else(|| http(case))
}

fn network(case: &Case<'_>) -> Option<String> {
    if let Some(why) = case.gai_strerror() {
        let number = match case.failure {
            F::DnsNotFound | F::ProxyUnresolved => -2,
            F::DnsNoAddress => -5,
            _ => -3,
        };
        return Some(format!("socket.gaierror: [Errno {number}] {why}"));
    }
    if case.failure == F::TlsReset {
        return Some("ConnectionResetError".to_owned());
    }
    // Reading over TLS, its ssl module takes a reset for the end (`suppress_ragged_eofs`).
    if case.failure == F::HttpReset && case.target.scheme == Scheme::Https {
        let end = if case.in_body() { "IncompleteRead" } else { "RemoteDisconnected" };
        return Some(format!("http.client.{end}"));
    }
    let number = case.errno()?;
    Some(match number {
        errno::ECONNREFUSED => "ConnectionRefusedError".to_owned(),
        errno::ECONNRESET => "ConnectionResetError".to_owned(),
        errno::ETIMEDOUT => "TimeoutError".to_owned(),
        errno::EPERM | errno::EACCES => "PermissionError".to_owned(),
        _ => format!("OSError: [Errno {number}] {}", case.strerror()?),
    })
}

fn tls(case: &Case<'_>) -> Option<String> {
    let verify =
        |why: &str| Some(format!("ssl.SSLCertVerificationError: certificate verify failed: {why}"));
    let error = |reason: &str| Some(format!("ssl.SSLError: {reason}"));
    match case.failure {
        F::TlsExpired => verify("certificate has expired"),
        F::TlsNotYetValid => verify("certificate is not yet valid"),
        F::TlsSelfSigned => verify("self-signed certificate"),
        F::TlsUnknownIssuer => verify(unknown_issuer(case)),
        F::TlsIncompleteChain => verify("unable to get local issuer certificate"),
        F::TlsWrongName => {
            let what = if case.target.host.ip().is_some() { "IP address" } else { "Hostname" };
            verify(&format!("{what} mismatch, certificate is not valid for '{}'.", case.host()))
        }
        // Python has no name of its own for this reason of OpenSSL's.
        F::TlsProtocolVersion => error("[SSL] legacy sigalg disallowed or unsupported"),
        F::TlsNoCommonCipher => error(&reason(case.alert().unwrap_or(40))),
        F::TlsClientCertificateRequired => error(&reason(case.alert().unwrap_or(116))),
        F::TlsAlert => error(&reason(case.alert().unwrap_or(80))),
        F::TlsNotTls => error("WRONG_VERSION_NUMBER"),
        F::TlsClosed => Some("ssl.SSLZeroReturnError".to_owned()),
        _ => None,
    }
}

fn unknown_issuer(case: &Case<'_>) -> &'static str {
    let chain = case.attempt.and_then(|attempt| attempt.tls.as_ref()).map(|tls| &tls.chain);
    match chain {
        Some(chain) if !chain.iter().any(|one| one.self_signed) => {
            "unable to get local issuer certificate"
        }
        _ => "self-signed certificate in certificate chain",
    }
}

/// OpenSSL's reason as Python writes it.
fn reason(alert: u8) -> String {
    openssl_alert(alert).to_ascii_uppercase().replace([' ', '/'], "_")
}

fn http(case: &Case<'_>) -> Option<String> {
    if !case.http() {
        return None;
    }
    Some(match case.failure {
        F::HttpEmptyReply => "http.client.RemoteDisconnected".to_owned(),
        F::HttpClosedEarly => "http.client.IncompleteRead".to_owned(),
        _ if case.not_http() => "http.client.BadStatusLine".to_owned(),
        F::HttpStatus | F::HttpSpokenToTls if case.status() >= Some(400) => {
            format!("urllib.error.HTTPError: HTTP Error {}", case.status()?)
        }
        F::HttpSpokenToTls if case.tls_hangs_up() => "ConnectionResetError".to_owned(),
        F::HttpTooManyRedirects => "urllib.error.HTTPError: HTTP Error 302: The HTTP server \
                                    returned a redirect error that would lead to an infinite loop."
            .to_owned(),
        F::ProxyClosed => "http.client.RemoteDisconnected".to_owned(),
        F::ProxyAuthRequired | F::ProxyTunnelFailed => {
            let usual = if case.failure == F::ProxyAuthRequired { 407 } else { 502 };
            let status = case.status().unwrap_or(usual);
            match case.target.scheme {
                Scheme::Http => format!("urllib.error.HTTPError: HTTP Error {status}"),
                _ => format!("OSError: Tunnel connection failed: {status}"),
            }
        }
        _ => return None,
    })
}
