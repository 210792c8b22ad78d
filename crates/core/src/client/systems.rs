//! What Windows and macOS themselves say, below every program: Winsock and Darwin error
//! numbers. From the vendors' lists, not measured.

use super::case::{Case, errno};
use crate::failure::Failure as F;
use crate::target::Scheme;

/// Winsock's number, name and text.
pub(super) fn winsock(case: &Case<'_>) -> Option<(u32, &'static str, &'static str)> {
    if case.target.scheme == Scheme::Icmp {
        return None;
    }
    match case.failure {
        F::DnsNotFound | F::ProxyUnresolved => {
            return Some((11001, "WSAHOST_NOT_FOUND", "No such host is known."));
        }
        F::DnsNoAddress => {
            return Some((
                11004,
                "WSANO_DATA",
                "The requested name is valid, but no data of the requested type was found.",
            ));
        }
        _ if case.gai_strerror().is_some() => {
            return Some((
                11002,
                "WSATRY_AGAIN",
                "This is usually a temporary error during hostname resolution and means that the \
                 local server did not receive a response from an authoritative server.",
            ));
        }
        _ => {}
    }
    by_errno(case.errno()?)
}

/// `None`: Winsock has no such error for a connect.
fn by_errno(number: i32) -> Option<(u32, &'static str, &'static str)> {
    Some(match number {
        errno::ENOPROTOOPT => return None,
        errno::ECONNREFUSED => (
            10061,
            "WSAECONNREFUSED",
            "No connection could be made because the target machine actively refused it.",
        ),
        errno::ETIMEDOUT => (
            10060,
            "WSAETIMEDOUT",
            "A connection attempt failed because the connected party did not properly respond \
             after a period of time, or established connection failed because connected host has \
             failed to respond.",
        ),
        errno::ECONNRESET => (
            10054,
            "WSAECONNRESET",
            "An existing connection was forcibly closed by the remote host.",
        ),
        errno::EHOSTUNREACH => {
            (10065, "WSAEHOSTUNREACH", "A socket operation was attempted to an unreachable host.")
        }
        errno::EACCES | errno::EPERM => (
            10013,
            "WSAEACCES",
            "An attempt was made to access a socket in a way forbidden by its access permissions.",
        ),
        errno::EADDRNOTAVAIL | errno::EMFILE => (
            10055,
            "WSAENOBUFS",
            "An operation on a socket could not be performed because the system lacked sufficient \
             buffer space or because a queue was full.",
        ),
        _ => {
            (10051, "WSAENETUNREACH", "A socket operation was attempted to an unreachable network.")
        }
    })
}

/// Windows' own words.
pub(super) fn windows(case: &Case<'_>) -> Option<String> {
    winsock(case).map(|(number, name, text)| format!("{name} ({number}): {text}"))
}

/// macOS' own words.
pub(super) fn macos(case: &Case<'_>) -> Option<String> {
    if case.gai_strerror().is_some() {
        return Some("nodename nor servname provided, or not known (8)".to_owned());
    }
    Some(match case.errno()? {
        errno::ECONNREFUSED => "Connection refused (61)".to_owned(),
        errno::ETIMEDOUT => "Operation timed out (60)".to_owned(),
        errno::ECONNRESET => "Connection reset by peer (54)".to_owned(),
        errno::EHOSTUNREACH => "No route to host (65)".to_owned(),
        errno::ENETUNREACH => "Network is unreachable (51)".to_owned(),
        errno::EADDRNOTAVAIL => "Can't assign requested address (49)".to_owned(),
        errno::ENOPROTOOPT => "Protocol not available (42)".to_owned(),
        errno::EINVAL => "Invalid argument (22)".to_owned(),
        errno::EMFILE => "Too many open files (24)".to_owned(),
        errno::EPERM => "Operation not permitted (1)".to_owned(),
        _ => "Permission denied (13)".to_owned(),
    })
}
