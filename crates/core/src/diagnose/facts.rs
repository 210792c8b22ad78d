//! The observations themselves as facts, before any rule has its say.

use crate::diagnosis::Fact;
use crate::failure::Stage;
use crate::observation::{Attempt, LookupSource};
use crate::units::millis;

use super::case::Case;

/// How the source of the failing attempt's own fact begins.
pub(super) const FAILING: &str = "attempt";

/// Attempts listed one by one; behind it they are only counted.
const ATTEMPTS_SHOWN_MAX: usize = 8;

pub(super) fn of(case: &Case<'_>) -> Vec<Fact> {
    let mut facts = Vec::new();
    let mut add = |stage, fact: String, source: String| {
        let id = format!("e{}", facts.len() + 1);
        facts.push(Fact { id, stage, fact, source });
    };
    if let Some((fact, source)) = lookup(case) {
        add(Stage::Dns, fact, source);
    }
    let Some(observation) = case.observation else { return facts };
    for attempt in observation.attempts.iter().take(ATTEMPTS_SHOWN_MAX) {
        let stage = attempt.failure.map_or(Stage::Server, crate::failure::Failure::stage);
        let source = match attempt.failure {
            Some(_) => format!("{FAILING}: {}", attempt.step.name()),
            None => attempt.step.name().to_owned(),
        };
        add(stage, describe(attempt), source);
    }
    if observation.attempts.len() > ATTEMPTS_SHOWN_MAX {
        let more = observation.attempts.len() - ATTEMPTS_SHOWN_MAX;
        add(Stage::Server, format!("{more} more addresses were tried"), "connect()".to_owned());
    }
    if let Some(repeats) = repeats(case) {
        add(Stage::Server, repeats, "repeated checks".to_owned());
    }
    facts
}

fn lookup(case: &Case<'_>) -> Option<(String, String)> {
    let lookup = case.observation?.lookup.as_ref()?;
    let name = &lookup.name;
    let time = millis(lookup.elapsed);
    let source = match (lookup.source, lookup.resolver) {
        (LookupSource::HostsFile, _) => "/etc/hosts".to_owned(),
        (LookupSource::Builtin, _) => "RFC 6761 §6.3".to_owned(),
        (LookupSource::Dns, Some(resolver)) => format!("resolver {}", resolver.ip()),
        (LookupSource::Dns, None) => "no resolver".to_owned(),
    };
    let fact = match lookup.failure {
        Some(failure) => format!("{name} is not resolved: {failure} after {time}"),
        None if lookup.addresses.is_empty() => {
            format!("{name} has {} record(s), within {time}", lookup.records.len())
        }
        None => {
            let list: Vec<String> = lookup.addresses.iter().map(ToString::to_string).collect();
            format!("{name} is {} (within {time})", list.join(", "))
        }
    };
    let failing = lookup.failure.is_some();
    Some((fact, if failing { format!("{FAILING}: {source}") } else { source }))
}

fn describe(attempt: &Attempt) -> String {
    let place = match attempt.ip {
        ip if attempt.port == 0 => ip.to_string(),
        std::net::IpAddr::V6(ip) => format!("[{ip}]:{}", attempt.port),
        std::net::IpAddr::V4(ip) => format!("{ip}:{}", attempt.port),
    };
    let time = millis(attempt.elapsed);
    let Some(failure) = attempt.failure else {
        return format!("{place} answers properly within {time}");
    };
    let errno =
        attempt.errno.map_or_else(String::new, |number| format!(" ({})", errno_name(number)));
    let resent = attempt.tcp.filter(|tcp| tcp.retransmits > 0).map_or_else(String::new, |tcp| {
        format!(", {} packets sent again in vain", tcp.retransmits)
    });
    let banner = attempt.banner.as_ref().map_or_else(String::new, |text| format!(": {text:?}"));
    format!("{place}: {failure}{errno} after {time}{resent}{banner}")
}

fn repeats(case: &Case<'_>) -> Option<String> {
    let seen = &case.evidence.observations;
    let failure = case.failure?;
    if seen.len() < 2 {
        return None;
    }
    let same = seen.iter().filter(|o| o.failure == Some(failure)).count();
    Some(format!("{same} of {} checks with fresh connections: {failure}", seen.len()))
}

/// asm-generic/errno.h and errno-base.h.
pub(super) fn errno_name(number: i32) -> String {
    let name = match number {
        1 => "EPERM",
        2 => "ENOENT",
        13 => "EACCES",
        22 => "EINVAL",
        23 => "ENFILE",
        24 => "EMFILE",
        32 => "EPIPE",
        92 => "ENOPROTOOPT",
        97 => "EAFNOSUPPORT",
        98 => "EADDRINUSE",
        99 => "EADDRNOTAVAIL",
        100 => "ENETDOWN",
        101 => "ENETUNREACH",
        103 => "ECONNABORTED",
        104 => "ECONNRESET",
        105 => "ENOBUFS",
        110 => "ETIMEDOUT",
        111 => "ECONNREFUSED",
        112 => "EHOSTDOWN",
        113 => "EHOSTUNREACH",
        _ => return format!("errno {number}"),
    };
    name.to_owned()
}
