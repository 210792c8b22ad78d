//! What visitors see of it: the clients' words for the failure, less those who are not stopped by
//! it, because another address answers them or because they greet in another way.

use super::case::Case;
use crate::client::{SeenAs, blocked, seen_through};
use crate::evidence::Liveness;
use crate::failure::Failure as F;
use crate::observation::{Attempt, LookupSource};
use crate::target::Target;

/// `None`: nothing failed and browsers open it, or nothing is known because this process was kept
/// from looking.
pub(super) fn seen(case: &Case<'_>) -> Option<SeenAs> {
    let Some(failure) = case.failure else { return blocked(case.target) };
    if failure == F::SelfResources && case.attempt.is_none_or(|attempt| attempt.errno.is_none()) {
        // The system has refused nothing, and clients have a process of their own.
        return None;
    }
    let patient = case.attempt.and_then(|attempt| with_patience(case, failure, attempt));
    let (failure, attempt) = match &patient {
        Some((failure, attempt)) => (*failure, Some(attempt)),
        None => (failure, case.attempt),
    };
    let proxy = case.observation.and_then(|seen| seen.proxy.as_deref());
    let hop = attempt.and_then(last_hop);
    let target = hop.as_ref().unwrap_or(case.target);
    let mut seen = seen_through(failure, target, attempt, proxy);
    if hop.is_some() {
        seen = seen.of_followers_only();
    }
    if case.evidence.environment.no_interface {
        seen = seen.without_a_network();
    }
    Some(if another_address_serves(case, failure) {
        seen.of_one_address_only()
    } else if only_large_hellos_fail(case) {
        seen.of_large_hellos_only()
    } else {
        seen
    })
}

/// Where redirects have led.
fn last_hop(attempt: &Attempt) -> Option<Target> {
    attempt.http.as_ref()?.redirects.last()?.parse().ok()
}

/// We gave up earlier than clients do, and have heard meanwhile what they will be told: that the
/// last router does not find the host (RFC 792 type 3 code 1, RFC 4443 type 1 code 3).
fn with_patience(case: &Case<'_>, failure: F, attempt: &Attempt) -> Option<(F, Attempt)> {
    let failure = match failure {
        F::TcpTimedOut => F::TcpHostUnreachable,
        F::ProxyTimedOut if !attempt.connected() => F::ProxyUnreachable,
        _ => return None,
    };
    let Liveness { icmp, .. } = case.closer_look()?.alive?;
    let icmp = icmp.filter(|icmp| icmp.sender.is_some_and(|sender| sender != attempt.ip))?;
    let unreachable = if attempt.ip.is_ipv4() { (3, 1) } else { (1, 3) };
    let known = (icmp.kind, icmp.code) == unreachable;
    known.then(|| (failure, Attempt { errno: None, ..attempt.clone() }))
}

/// Do clients come to an address that works? They try the next one where they cannot connect, and
/// begin with the first one of a hosts file.
fn another_address_serves(case: &Case<'_>, failure: F) -> bool {
    let Some(seen) = case.observation else { return false };
    let connects = |attempt: &Attempt| attempt.failure.is_none();
    if cannot_connect(failure) {
        return seen.attempts.iter().any(connects);
    }
    let fixed = seen.lookup.as_ref().is_some_and(|l| l.source == LookupSource::HostsFile);
    let v4 = seen.attempts.iter().filter(|attempt| attempt.ip.is_ipv4()).count();
    let one_family = v4 == 0 || v4 == seen.attempts.len();
    fixed && one_family && seen.attempts.first().is_some_and(connects)
}

fn cannot_connect(failure: F) -> bool {
    matches!(
        failure,
        F::TcpRefused
            | F::TcpTimedOut
            | F::TcpHostUnreachable
            | F::TcpNetworkUnreachable
            | F::TcpNotPermitted
            | F::TcpProtocolUnreachable
            | F::TcpNoLocalAddress
    )
}

/// Is a TLS handshake answered that begins with a ClientHello of the old size? Where small
/// segments help, it is the size of packets that matters.
fn only_large_hellos_fail(case: &Case<'_>) -> bool {
    let handshake = case.failed_with(&[F::TlsTimedOut, F::TlsReset, F::TlsClosed]);
    handshake
        && case.closer_look().is_some_and(|look| {
            look.small_hello_answered == Some(true) && look.small_segments_answered != Some(true)
        })
}
