//! Safari: the sentence on its error page, which is CFNetwork's localised text. From Apple's
//! support pages and reports, not measured.

use super::case::Case;
use super::ports::unsafe_port;
use crate::failure::Failure as F;
use crate::target::Scheme;

/// `None`: a page is shown, Safari waits, or its words are not known.
pub(super) fn seen(case: &Case<'_>) -> Option<String> {
    if !case.browsable() {
        return None;
    }
    if case.target.scheme != Scheme::Dns && unsafe_port(case.target.port) {
        return Some("Not allowed to use restricted network port".to_owned());
    }
    let host = case.host();
    Some(match case.failure {
        F::DnsNotFound
        | F::DnsNoAddress
        | F::DnsServerFailure
        | F::DnsRefused
        | F::DnsTimedOut
        | F::DnsUnreachable => format!("Safari can’t find the server “{host}”."),
        F::TcpRefused
        | F::TcpHostUnreachable
        | F::TcpNetworkUnreachable
        | F::TcpNotPermitted
        | F::TcpProtocolUnreachable
        | F::TcpNoLocalAddress => format!("Safari can’t connect to the server “{host}”."),
        F::TcpTimedOut | F::TlsTimedOut | F::HttpTimedOut | F::ProxyTimedOut => {
            "The server where this page is located isn’t responding.".to_owned()
        }
        F::TcpReset | F::HttpReset | F::HttpEmptyReply | F::HttpClosedEarly => {
            "The server unexpectedly dropped the connection.".to_owned()
        }
        F::TlsExpired
        | F::TlsNotYetValid
        | F::TlsSelfSigned
        | F::TlsUnknownIssuer
        | F::TlsIncompleteChain
        | F::TlsWrongName => "This Connection Is Not Private".to_owned(),
        F::TlsProtocolVersion
        | F::TlsNoCommonCipher
        | F::TlsAlert
        | F::TlsNotTls
        | F::TlsClosed
        | F::TlsReset => {
            format!("Safari can’t establish a secure connection to the server “{host}”.")
        }
        F::TlsClientCertificateRequired => {
            format!("The website “{host}” requires a client certificate.")
        }
        F::HttpTooManyRedirects => {
            "Too many redirects occurred trying to open the page.".to_owned()
        }
        F::SelfOffline => "You Are Not Connected to the Internet".to_owned(),
        _ => return None,
    })
}
