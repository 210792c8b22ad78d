//! curl: exit code and message. Measured with curl 7.88.1 and OpenSSL 3.0; since then only the
//! wording of some messages has changed, not the exit codes.

use super::CurlError;
use super::case::{Case, openssl_alert};
use crate::failure::Failure as F;
use crate::target::Scheme;

/// `None`: it waits for ever, or does not speak the protocol. Exit 0 is no failure to curl: it
/// prints the page.
pub(super) fn seen(case: &Case<'_>) -> Option<CurlError> {
    if matches!(case.target.scheme, Scheme::Udp | Scheme::Icmp) {
        return None;
    }
    let (exit, message) =
        network(case).or_else(|| proxy(case)).or_else(|| tls(case)).or_else(|| http(case))?;
    Some(CurlError { exit, message })
}

type Said = (u8, String);

fn connect(case: &Case<'_>, host: &str) -> String {
    let (port, ms) = (case.port(), case.elapsed_ms());
    format!("Failed to connect to {host} port {port} after {ms} ms: Couldn't connect to server")
}

fn network(case: &Case<'_>) -> Option<Said> {
    let host = case.host();
    Some(match case.failure {
        F::DnsNotFound
        | F::DnsNoAddress
        | F::DnsServerFailure
        | F::DnsRefused
        | F::DnsTimedOut
        | F::DnsUnreachable => (6, format!("Could not resolve host: {host}")),
        F::SelfOffline if case.target.host.name().is_some() => {
            (6, format!("Could not resolve host: {host}"))
        }
        // The text is the same; only the exit code tells a timeout.
        F::TcpTimedOut => (28, connect(case, &host)),
        F::TcpRefused
        | F::TcpHostUnreachable
        | F::TcpNetworkUnreachable
        | F::TcpNotPermitted
        | F::TcpProtocolUnreachable
        | F::TcpNoLocalAddress
        | F::SelfOffline => (7, connect(case, &host)),
        F::TcpReset => (56, "Recv failure: Connection reset by peer".to_owned()),
        _ => return None,
    })
}

fn proxy(case: &Case<'_>) -> Option<Said> {
    let plain = case.target.scheme == Scheme::Http;
    let proxy = || {
        let ((host, port), ms) = (case.proxy(), case.elapsed_ms());
        format!("Failed to connect to {host} port {port} after {ms} ms: Couldn't connect to server")
    };
    Some(match case.failure {
        F::ProxyUnresolved => (5, format!("Could not resolve proxy: {}", case.proxy().0)),
        F::ProxyRefused | F::ProxyUnreachable => (7, proxy()),
        F::ProxyTimedOut if case.proxy_hangs() && plain => return None,
        // After 300 s.
        F::ProxyTimedOut if case.proxy_hangs() => {
            (28, "Proxy CONNECT aborted due to timeout".to_owned())
        }
        F::ProxyTimedOut => (28, proxy()),
        F::ProxyClosed if plain => (52, "Empty reply from server".to_owned()),
        F::ProxyClosed => (56, "Proxy CONNECT aborted".to_owned()),
        F::ProxyAuthRequired if plain => page(case.status().or(Some(407))),
        F::ProxyAuthRequired => (56, "CONNECT tunnel failed, response 407".to_owned()),
        F::ProxyTunnelFailed if plain => page(case.status()),
        F::ProxyTunnelFailed => {
            let status = case.status().unwrap_or(502);
            (56, format!("CONNECT tunnel failed, response {status}"))
        }
        _ => return None,
    })
}

fn tls(case: &Case<'_>) -> Option<Said> {
    let host = case.host();
    let problem = |text: &str| (60, format!("SSL certificate problem: {text}"));
    Some(match case.failure {
        F::TlsExpired => problem("certificate has expired"),
        F::TlsNotYetValid => problem("certificate is not yet valid"),
        F::TlsSelfSigned => problem("self-signed certificate"),
        F::TlsUnknownIssuer => problem(unknown_issuer(case)),
        F::TlsIncompleteChain => problem("unable to get local issuer certificate"),
        F::TlsWrongName => (
            60,
            format!(
                "SSL: no alternative certificate subject name matches target host name '{host}'"
            ),
        ),
        // OpenSSL 3 still offers the old versions, so it gets no alert, whatever we got; it
        // stumbles over their signature algorithm.
        F::TlsProtocolVersion => {
            (35, "error:0A00014D:SSL routines::legacy sigalg disallowed or unsupported".to_owned())
        }
        F::TlsNoCommonCipher => (35, alert(case.alert().unwrap_or(40))),
        // TLS 1.3 refuses after the handshake, with the first read.
        F::TlsClientCertificateRequired => match case.alert().unwrap_or(116) {
            116 => (56, format!("OpenSSL SSL_read: {}, errno 0", alert(116))),
            number => (35, alert(number)),
        },
        F::TlsAlert => (35, alert(case.alert().unwrap_or(80))),
        F::TlsNotTls => (35, "error:0A00010B:SSL routines::wrong version number".to_owned()),
        F::TlsClosed => {
            let at = format!("{}:{}", case.host(), case.port());
            (35, format!("OpenSSL SSL_connect: SSL_ERROR_SYSCALL in connection to {at}"))
        }
        F::TlsReset => (35, "Recv failure: Connection reset by peer".to_owned()),
        F::TlsTimedOut => (28, "SSL connection timeout".to_owned()),
        _ => return None,
    })
}

/// With the root in the presented chain OpenSSL names it; without, it misses an issuer.
fn unknown_issuer(case: &Case<'_>) -> &'static str {
    let chain = case.attempt.and_then(|attempt| attempt.tls.as_ref()).map(|tls| &tls.chain);
    let root_sent = chain.is_none_or(|chain| chain.iter().any(|one| one.self_signed));
    if root_sent {
        "self-signed certificate in certificate chain"
    } else {
        "unable to get local issuer certificate"
    }
}

fn alert(number: u8) -> String {
    format!("error:0A000{:03X}:SSL routines::{}", 1000 + u16::from(number), openssl_alert(number))
}

fn http(case: &Case<'_>) -> Option<Said> {
    Some(match case.failure {
        F::HttpEmptyReply => (52, "Empty reply from server".to_owned()),
        F::HttpReset => (56, "Recv failure: Connection reset by peer".to_owned()),
        F::HttpClosedEarly => (18, closed_early(case)),
        _ if case.not_http() => (1, "Received HTTP/0.9 when not allowed".to_owned()),
        F::HttpStatus => page(case.status()),
        F::AssertionStatus
        | F::AssertionKeyword
        | F::AssertionJson
        | F::AssertionLatency
        | F::AssertionCertificateDays
            if case.http() =>
        {
            page(case.status())
        }
        F::HttpTooManyRedirects => (47, "Maximum (50) redirects followed".to_owned()),
        F::HttpSpokenToTls if case.tls_hangs_up() => {
            (56, "Recv failure: Connection reset by peer".to_owned())
        }
        F::HttpSpokenToTls => page(case.status().or(Some(400))),
        _ => return None,
    })
}

fn page(status: Option<u16>) -> Said {
    match status {
        Some(status) => (0, format!("no error: prints the page of HTTP {status}")),
        None => (0, "no error: prints the page".to_owned()),
    }
}

fn closed_early(case: &Case<'_>) -> String {
    match case.bytes_missing() {
        Some(missing) => format!("transfer closed with {missing} bytes remaining to read"),
        None if case.attempt.is_none() => {
            "transfer closed with N bytes remaining to read".to_owned()
        }
        None => "transfer closed with outstanding read data remaining".to_owned(),
    }
}
