//! The service behind an open port: hung, closing, on another port, speaking another protocol.

use std::time::Duration;

use crate::cause::Cause as C;
use crate::failure::{Failure as F, Stage};
use crate::observation::Step;
use crate::target::Scheme;
use crate::units::millis;

use super::case::Case;
use super::{Finding, Rule};

pub(super) const RULES: &[Rule] = &[
    accepted,
    same_service_elsewhere,
    turned_away,
    speaks_otherwise,
    stalls_when_large,
    small_hello,
    slow_close,
];

/// A balancer retries its backend for some seconds before it gives up (HAProxy: 3 retries, 1 s
/// apart); a service that closes by itself does so at once.
const BALANCER_GIVES_UP_MIN: Duration = Duration::from_millis(2_500);

/// A connection was accepted: the way and the firewall are fine.
fn accepted(case: &Case<'_>) -> Option<Finding> {
    let attempt = case.attempt?;
    let connect = attempt.timing.connect?;
    attempt.failure?;
    let silent = attempt.failure.is_some_and(F::is_silence);
    Some(Finding {
        stage: Stage::Server,
        fact: format!("{} accepts connections, within {}", case.place(), millis(connect)),
        source: "connect()",
        ratios: if silent { &[(C::ServiceHung, 1.5), (C::PathDrops, 0.3)] } else { &[] },
    })
}

/// The same protocol answers on another port of the same address.
fn same_service_elsewhere(case: &Case<'_>) -> Option<Finding> {
    if !case.failed_with(&[F::TcpRefused, F::TcpTimedOut]) {
        return None;
    }
    let found = case.neighbours().find(|n| n.same_service == Some(true))?;
    let scheme = case.target.scheme;
    let usual = scheme.default_port() == Some(found.port);
    let ratios: &'static [(C, f64)] = if usual && case.port_is_unusual() {
        &[(C::ServiceWrongPort, 40.0)]
    } else {
        &[(C::ServiceWrongPort, 12.0)]
    };
    Some(Finding {
        stage: Stage::Server,
        fact: format!("{scheme} is spoken on port {} of the same address", found.port),
        source: "connect() and first protocol step",
        ratios,
    })
}

/// How a service says no in its own protocol.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Refusal {
    /// It has enough to do.
    Busy,
    /// For another reason.
    Other,
}

/// Did the right service answer, with a no? OpenSSH, MySQL and mail servers say so before anything
/// else, in the words of their sources and of RFC 5321 §4.2.
fn refusal(case: &Case<'_>) -> Option<Refusal> {
    const BUSY: [&str; 7] = [
        "too many",
        "exceeded maxstartups",
        "max number of clients",
        "connection slots are reserved",
        "connection limit",
        "try again later",
        "come back later",
    ];
    let said = case.attempt?.banner.as_deref()?;
    if !case.failed_with(&[F::BannerUnexpected]) {
        return None;
    }
    let lower = said.to_ascii_lowercase();
    if BUSY.iter().any(|words| lower.contains(words)) {
        return Some(Refusal::Busy);
    }
    let code = || said.split([' ', '-']).next().and_then(|word| word.parse::<u16>().ok());
    let says_no = match case.target.scheme {
        Scheme::Smtp | Scheme::Smtps | Scheme::Ftp => {
            code().is_some_and(|code| (400..600).contains(&code))
        }
        Scheme::Imap | Scheme::Imaps => lower.starts_with("* bye"),
        Scheme::Pop3 | Scheme::Pop3s => lower.starts_with("-err"),
        Scheme::Redis => lower.starts_with('-'),
        Scheme::Mysql => lower.starts_with("host "),
        _ => false,
    };
    says_no.then_some(Refusal::Other)
}

/// The service that was asked for answers, and says no.
fn turned_away(case: &Case<'_>) -> Option<Finding> {
    let ratios: &'static [(C, f64)] = match refusal(case)? {
        Refusal::Busy => {
            &[(C::ServiceOverloaded, 900.0), (C::ServiceWrongProtocol, 0.1), (C::ServiceHung, 0.1)]
        }
        Refusal::Other => &[(C::AppError, 250.0), (C::ServiceWrongProtocol, 0.2)],
    };
    let said = case.attempt?.banner.as_ref()?;
    Some(Finding {
        stage: Stage::App,
        fact: format!("the service turns this client away: {said:?}"),
        source: "its greeting",
        ratios,
    })
}

/// Another protocol was recognised behind the port.
fn speaks_otherwise(case: &Case<'_>) -> Option<Finding> {
    let spoken = case.closer_look()?.speaks.as_ref()?;
    if case.failed_to_connect()
        || spoken.scheme == Some(case.target.scheme)
        || refusal(case).is_some()
    {
        return None;
    }
    let sample = &spoken.sample;
    let fact = match spoken.scheme {
        Some(scheme) => format!("the port speaks {scheme}: {sample:?}"),
        None if sample.is_empty() => return None,
        None => format!("the port says {sample:?}"),
    };
    let ratios: &'static [(C, f64)] = if spoken.scheme.is_some() {
        &[(C::ServiceWrongProtocol, 40.0), (C::ServiceClosesConnections, 0.2)]
    } else {
        &[(C::ServiceWrongProtocol, 6.0)]
    };
    Some(Finding { stage: Stage::Server, fact, source: "first bytes of the answer", ratios })
}

/// Does the exchange work once segments are small?
fn stalls_when_large(case: &Case<'_>) -> Option<Finding> {
    if !case.failed_with(&[F::TlsTimedOut, F::HttpTimedOut]) {
        return None;
    }
    let (fact, ratios): (&str, &'static [(C, f64)]) =
        match case.closer_look()?.small_segments_answered? {
            true => (
                "the same request is answered when segments are kept small: large packets are lost",
                &[(C::PathMtu, 150.0), (C::ServiceHung, 0.05), (C::UpstreamDead, 0.1)],
            ),
            false => (
                "small segments are not answered either",
                &[(C::PathMtu, 0.03), (C::ServiceHung, 1.3)],
            ),
        };
    Some(Finding {
        stage: Stage::Network,
        fact: fact.to_owned(),
        source: "TCP_MAXSEG, tcp(7)",
        ratios,
    })
}

/// Does a handshake work that begins with a ClientHello of the old size?
fn small_hello(case: &Case<'_>) -> Option<Finding> {
    let look = case.closer_look()?;
    if !case.failed_with(&[F::TlsTimedOut, F::TlsReset, F::TlsClosed]) {
        return None;
    }
    let (fact, ratios): (&str, &'static [(C, f64)]) = match look.small_hello_answered? {
        // Where small segments help, the size of packets matters, not that of the message.
        true if look.small_segments_answered == Some(true) => {
            ("a handshake with a small ClientHello is answered too", &[(C::PathLargeHello, 60.0)])
        }
        true => (
            "a handshake with a small ClientHello is answered, the usual one with a post-quantum \
             key is not",
            &[
                (C::PathLargeHello, 900.0),
                (C::ServiceHung, 0.05),
                (C::ServiceClosesConnections, 0.1),
                (C::ServiceWrongProtocol, 0.02),
                (C::UpstreamDead, 0.1),
                (C::PathMtu, 0.3),
                (C::PathRejects, 0.5),
            ],
        ),
        false => ("a small ClientHello is not answered either", &[(C::ServiceHung, 1.1)]),
    };
    Some(Finding {
        stage: Stage::Network,
        fact: fact.to_owned(),
        source: "TLS handshake without X25519MLKEM768",
        ratios,
    })
}

/// Closed without a word, but only after some seconds.
fn slow_close(case: &Case<'_>) -> Option<Finding> {
    if !case.failed_with(&[F::HttpEmptyReply, F::TlsClosed, F::TlsReset, F::HttpReset]) {
        return None;
    }
    let attempt = case.attempt?;
    let waited = attempt.elapsed.checked_sub(attempt.timing.connect?)?;
    if attempt.step == Step::Body || waited < BALANCER_GIVES_UP_MIN {
        return None;
    }
    Some(Finding {
        stage: Stage::Server,
        fact: format!("the connection is closed only after {}", millis(waited)),
        source: "monotonic clock",
        ratios: &[(C::UpstreamDead, 20.0), (C::ServiceWrongProtocol, 0.3)],
    })
}
