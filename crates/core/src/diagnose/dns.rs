//! Names: what the resolver in use says against what others say.

use crate::cause::Cause as C;
use crate::evidence::{NameServerAnswer, NameServerRole as Role};
use crate::failure::{Failure as F, Stage};
use crate::observation::LookupSource;

use super::case::Case;
use super::{Finding, Rule};

pub(super) const RULES: &[Rule] = &[
    authoritative,
    other_resolvers,
    validation,
    disagreement,
    works_elsewhere,
    hosts_line,
    odd_address,
];

const SOURCE: &str = "DNS query, RFC 1035";

fn failed_at_dns(case: &Case<'_>) -> bool {
    case.failure.is_some_and(|failure| failure.stage() == Stage::Dns)
}

fn says_no_such_name(answer: &NameServerAnswer) -> bool {
    matches!(answer.failure, Some(F::DnsNotFound | F::DnsNoAddress))
}

/// The zone's own servers have the last word.
fn authoritative(case: &Case<'_>) -> Option<Finding> {
    if !failed_at_dns(case) {
        return None;
    }
    let answers: Vec<_> =
        case.evidence.name_servers.iter().filter(|a| a.role == Role::Authoritative).collect();
    let first = answers.first()?;
    let count = answers.len();
    let (fact, ratios): (String, &'static [(C, f64)]) =
        if let Some(found) = answers.iter().find(|a| !a.addresses.is_empty()) {
            let ip = found.addresses[0];
            (
                format!("the zone's own server {} gives {ip}", found.server.ip()),
                &[
                    (C::DnsStale, 60.0),
                    (C::DnsResolverDown, 12.0),
                    (C::DnsNameMissing, 0.03),
                    (C::DnsZoneBroken, 0.2),
                ],
            )
        } else if answers.iter().all(|a| says_no_such_name(a)) {
            (
                format!("the zone's own server {} says so too", first.server.ip()),
                &[(C::DnsNameMissing, 12.0), (C::DnsStale, 0.05), (C::DnsResolverDown, 0.1)],
            )
        } else {
            (
                format!("none of {count} name servers of the zone answers properly"),
                &[(C::DnsZoneBroken, 25.0), (C::DnsResolverDown, 0.2), (C::DnsNameMissing, 0.3)],
            )
        };
    Some(Finding { stage: Stage::Dns, fact, source: SOURCE, ratios })
}

/// Do other recursive resolvers have an answer?
fn other_resolvers(case: &Case<'_>) -> Option<Finding> {
    if !failed_at_dns(case) {
        return None;
    }
    let used = case.observation?.lookup.as_ref()?.resolver;
    let mut others = case
        .evidence
        .name_servers
        .iter()
        .filter(|a| a.role != Role::Authoritative && Some(a.server) != used);
    let found = others.find(|a| !a.addresses.is_empty())?;
    Some(Finding {
        stage: Stage::Dns,
        fact: format!("another resolver, {}, gives {}", found.server.ip(), found.addresses[0]),
        source: SOURCE,
        ratios: &[
            (C::DnsResolverDown, 20.0),
            (C::DnsStale, 4.0),
            (C::DnsNameMissing, 0.1),
            (C::DnsZoneBroken, 0.1),
        ],
    })
}

/// SERVFAIL that goes away without validation.
fn validation(case: &Case<'_>) -> Option<Finding> {
    let found = case.evidence.name_servers.iter().find(|a| a.only_unvalidated)?;
    if !failed_at_dns(case) {
        return None;
    }
    Some(Finding {
        stage: Stage::Dns,
        fact: format!("{} answers only with checking disabled: DNSSEC fails", found.server.ip()),
        source: "CD bit, RFC 4035 §3.2.2",
        ratios: &[(C::DnsZoneBroken, 40.0), (C::DnsResolverDown, 0.1)],
    })
}

/// The address in use is not the one that the zone gives.
fn disagreement(case: &Case<'_>) -> Option<Finding> {
    let lookup = case.observation?.lookup.as_ref()?;
    if failed_at_dns(case) || case.failure.is_none() || lookup.source != LookupSource::Dns {
        return None;
    }
    let truth = case
        .evidence
        .name_servers
        .iter()
        .filter(|a| a.role != Role::Configured && !a.addresses.is_empty())
        .find(|a| lookup.addresses.iter().all(|used| !a.addresses.contains(used)))?;
    let used = lookup.addresses.first()?;
    let ratios: &'static [(C, f64)] = match truth.role {
        // The zone's own word, of which nothing in use is a part, while what is in use fails.
        Role::Authoritative => &[(C::DnsStale, 1_500.0)],
        // Resolvers elsewhere are given other addresses by balancing zones too.
        _ => &[(C::DnsStale, 120.0)],
    };
    Some(Finding {
        stage: Stage::Dns,
        fact: format!(
            "the name gives {used} here, but {} at {}",
            truth.addresses[0],
            truth.server.ip()
        ),
        source: SOURCE,
        ratios,
    })
}

/// The target works at the address that the zone itself gives.
fn works_elsewhere(case: &Case<'_>) -> Option<Finding> {
    case.failure?;
    let proof = case.evidence.name_servers.iter().find(|answer| answer.works == Some(true))?;
    let ip = proof.addresses.first()?;
    Some(Finding {
        stage: Stage::Dns,
        fact: format!("at {ip}, the zone's own address, the target works"),
        source: "a check of that address",
        // Where the name gave no address at all, that has been said.
        ratios: if failed_at_dns(case) { &[] } else { &[(C::DnsStale, 20.0)] },
    })
}

/// The address comes from the visitor's own hosts file.
fn hosts_line(case: &Case<'_>) -> Option<Finding> {
    let line = case.evidence.environment.hosts_line.as_ref()?;
    let lookup = case.observation?.lookup.as_ref()?;
    if case.failure.is_none() || lookup.source != LookupSource::HostsFile {
        return None;
    }
    let used = lookup.addresses.first()?;
    let elsewhere = case
        .evidence
        .name_servers
        .iter()
        .find(|a| !a.addresses.is_empty() && !a.addresses.contains(used));
    let (also, ratios): (String, &'static [(C, f64)]) = match elsewhere {
        Some(answer) => {
            (format!("; DNS gives {}", answer.addresses[0]), &[(C::ClientHostsFile, 2_000.0)])
        }
        None => (String::new(), &[(C::ClientHostsFile, 5.0)]),
    };
    Some(Finding {
        stage: Stage::Client,
        fact: format!("the address comes from the hosts file: {line:?}{also}"),
        source: "/etc/hosts, hosts(5)",
        ratios,
    })
}

/// Addresses that no public name should have.
fn odd_address(case: &Case<'_>) -> Option<Finding> {
    let lookup = case.observation?.lookup.as_ref()?;
    if case.failure.is_none() || lookup.source != LookupSource::Dns {
        return None;
    }
    let odd = lookup.addresses.iter().find(|ip| ip.is_loopback() || ip.is_unspecified())?;
    Some(Finding {
        stage: Stage::Dns,
        fact: format!(
            "the name's address {odd} means this machine itself: a blocked or wrong entry"
        ),
        source: SOURCE,
        ratios: &[(C::DnsStale, 240.0)],
    })
}
