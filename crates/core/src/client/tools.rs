//! Command-line tools that knock at a port: wget, nc, ncat, telnet. wget 1.21 (GnuTLS) and
//! OpenBSD nc 1.219 measured; ncat and telnet from their sources.

use super::case::Case;
use crate::failure::Failure as F;
use crate::target::{Host, Scheme};

/// GNU Wget; web targets only.
pub(super) fn wget(case: &Case<'_>) -> Option<String> {
    if !case.http() {
        return None;
    }
    let host = case.host();
    if case.gai_strerror().is_some() && case.failure != F::ProxyUnresolved {
        return Some(format!("wget: unable to resolve host address ‘{host}’"));
    }
    let text = match case.failure {
        F::TcpReset => "Read error (Connection reset by peer) in headers.".to_owned(),
        F::HttpReset if case.in_body() => "Read error (Connection reset by peer).".to_owned(),
        F::HttpReset => "Read error (Connection reset by peer) in headers.".to_owned(),
        F::HttpEmptyReply => "No data received.".to_owned(),
        F::HttpClosedEarly => "Connection closed.".to_owned(),
        F::HttpStatus => format!("ERROR {}.", case.status()?),
        F::HttpTooManyRedirects => "20 redirections exceeded.".to_owned(),
        F::HttpTimedOut => "Read error (Connection timed out) in headers.".to_owned(),
        F::TlsExpired => format!("ERROR: The certificate of ‘{host}’ has expired."),
        F::TlsNotYetValid => {
            format!("ERROR: The certificate of ‘{host}’ is not yet activated.")
        }
        F::TlsSelfSigned | F::TlsUnknownIssuer | F::TlsIncompleteChain => {
            format!("ERROR: The certificate of ‘{host}’ doesn't have a known issuer.")
        }
        F::TlsWrongName => format!("The certificate's owner does not match hostname ‘{host}’"),
        F::TlsNotTls
        | F::TlsClosed
        | F::TlsReset
        | F::TlsAlert
        | F::TlsProtocolVersion
        | F::TlsNoCommonCipher => "Unable to establish SSL connection.".to_owned(),
        F::ProxyUnresolved => "wget: unable to resolve host address".to_owned(),
        F::ProxyAuthRequired => "ERROR 407: Proxy Authentication Required.".to_owned(),
        F::ProxyTunnelFailed => "Proxy tunneling failed.".to_owned(),
        _ => format!("failed: {}.", case.strerror()?),
    };
    Some(text)
}

/// netcat (OpenBSD). Once connected it has nothing to complain about.
pub(super) fn nc(case: &Case<'_>) -> Option<String> {
    let (host, port) = (case.host(), case.port());
    if let Some(why) = dns(case) {
        return Some(format!("nc: getaddrinfo for host \"{host}\" port {port}: {why}"));
    }
    let address = match (&case.target.host, case.attempt) {
        (Host::Name(_), Some(attempt)) => format!(" ({})", attempt.ip),
        _ => String::new(),
    };
    let why = connect(case)?;
    Some(format!("nc: connect to {host}{address} port {port} (tcp) failed: {why}"))
}

/// ncat of the Nmap project; it gives up after 10 s.
pub(super) fn ncat(case: &Case<'_>) -> Option<String> {
    if let Some(why) = dns(case) {
        return Some(format!(
            "Ncat: Could not resolve hostname \"{}\": {why}. QUITTING.",
            case.host()
        ));
    }
    match (case.failure, connect(case)?) {
        (F::TcpTimedOut, _) => Some("Ncat: TIMEOUT.".to_owned()),
        (_, why) => Some(format!("Ncat: {why}.")),
    }
}

/// telnet (GNU inetutils and netkit).
pub(super) fn telnet(case: &Case<'_>) -> Option<String> {
    if let Some(why) = dns(case) {
        return Some(format!("telnet: could not resolve {}/{}: {why}", case.host(), case.port()));
    }
    match case.failure {
        F::TcpReset | F::HttpEmptyReply | F::HttpReset => {
            Some("Connection closed by foreign host.".to_owned())
        }
        _ => Some(format!("telnet: Unable to connect to remote host: {}", connect(case)?)),
    }
}

fn dns(case: &Case<'_>) -> Option<&'static str> {
    let own = case.failure != F::ProxyUnresolved && case.target.scheme != Scheme::Icmp;
    case.gai_strerror().filter(|_| own)
}

/// The C library's words when connecting over TCP failed; these tools know no proxy.
fn connect(case: &Case<'_>) -> Option<&'static str> {
    let connecting = matches!(
        case.failure,
        F::TcpRefused
            | F::TcpTimedOut
            | F::TcpHostUnreachable
            | F::TcpNetworkUnreachable
            | F::TcpNotPermitted
            | F::TcpProtocolUnreachable
            | F::TcpNoLocalAddress
            | F::SelfOffline
    );
    case.strerror().filter(|_| connecting && case.tcp())
}
