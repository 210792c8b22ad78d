//! How a failure is spread: over time, addresses, IP families and locations.

use crate::cause::Cause as C;
use crate::failure::{Failure as F, Stage};
use crate::observation::{Attempt, State};
use crate::scope::{OTHER_LOCATIONS, ScopeKind};

use super::case::Case;
use super::{Finding, Rule};

pub(super) const RULES: &[Rule] = &[over_time, over_families, over_addresses, over_locations];

/// Some checks work, some do not, moments apart.
fn over_time(case: &Case<'_>) -> Option<Finding> {
    if !case.alternates() {
        return None;
    }
    let seen = &case.evidence.observations;
    let fine = seen.iter().filter(|o| o.state == State::Up).count();
    let fact = format!("{fine} of {} checks within moments of each other worked", seen.len());
    let ratios: &'static [(C, f64)] = match case.failure? {
        F::TcpRefused => &[
            (C::ServiceCrashLoop, 60.0),
            (C::BalancerSomeBackends, 60.0),
            (C::ServiceNotListening, 0.4),
            (C::FirewallRejects, 0.05),
            (C::PathRejects, 0.1),
        ],
        F::TcpTimedOut => &[
            (C::ServiceOverloaded, 20.0),
            (C::PathDrops, 4.0),
            (C::BalancerSomeBackends, 40.0),
            (C::HostDown, 0.05),
            (C::FirewallDrops, 0.1),
        ],
        _ => &[
            (C::ServiceCrashLoop, 40.0),
            (C::BalancerSomeBackends, 40.0),
            (C::ServiceOverloaded, 3.0),
            // What a service does wrong it does every time.
            (C::ServiceClosesConnections, 0.4),
        ],
    };
    Some(Finding { stage: Stage::Server, fact, source: "repeated checks", ratios })
}

fn split<'a>(case: &Case<'a>) -> Option<(Vec<&'a Attempt>, Vec<&'a Attempt>)> {
    let attempts = &case.observation?.attempts;
    let (bad, good): (Vec<_>, Vec<_>) = attempts.iter().partition(|a| a.failure.is_some());
    (!bad.is_empty() && !good.is_empty()).then_some((bad, good))
}

/// One IP family works, the other does not.
fn over_families(case: &Case<'_>) -> Option<Finding> {
    let (bad, good) = split(case)?;
    let v6 = bad[0].ip.is_ipv6();
    let one_family = bad.iter().all(|a| a.ip.is_ipv6() == v6);
    if !one_family || good.iter().any(|a| a.ip.is_ipv6() == v6) {
        return None;
    }
    let (broken, fine) = if v6 { ("IPv6", "IPv4") } else { ("IPv4", "IPv6") };
    let ratios: &'static [(C, f64)] = match case.failure? {
        F::TcpRefused => &[
            (C::ServiceOneFamilyOnly, 500.0),
            (C::ServiceNotListening, 0.2),
            (C::FirewallRejects, 0.7),
        ],
        F::TcpTimedOut => &[(C::HostDown, 0.05), (C::FirewallDrops, 2.0), (C::PathDrops, 1.5)],
        _ => &[],
    };
    Some(Finding {
        stage: Stage::Server,
        fact: format!("over {fine} it works, over {broken} it does not"),
        source: "attempts to every address",
        ratios,
    })
}

/// Some addresses of one family work, others do not.
fn over_addresses(case: &Case<'_>) -> Option<Finding> {
    let (bad, good) = split(case)?;
    let mixed = bad.iter().any(|b| good.iter().any(|g| g.ip.is_ipv4() == b.ip.is_ipv4()));
    if !mixed {
        return None;
    }
    let list = bad.iter().map(|a| a.ip.to_string()).collect::<Vec<_>>().join(", ");
    Some(Finding {
        stage: Stage::Server,
        fact: format!("{} of {} addresses fail: {list}", bad.len(), bad.len() + good.len()),
        source: "attempts to every address",
        ratios: &[(C::BalancerSomeBackends, 800.0), (C::ServiceNotListening, 0.5)],
    })
}

/// What other locations see.
fn over_locations(case: &Case<'_>) -> Option<Finding> {
    let scope = case.evidence.scope.as_ref()?;
    case.failure?;
    if scope.reporting < 2 {
        return None;
    }
    let fine = scope.places.fine.len();
    let fact = scope.to_string();
    let ratios: &'static [(C, f64)] = match scope.kind {
        ScopeKind::Global => &[
            (C::PathDrops, 0.2),
            (C::PathRejects, 0.2),
            (C::ClientFirewall, 0.02),
            (C::ClientRoute, 0.02),
            (C::ClientVpn, 0.02),
            (C::ClientHostsFile, 0.02),
            (C::ClientOffline, 0.02),
            (C::DnsResolverDown, 0.02),
        ],
        ScopeKind::Local | ScopeKind::Regional | ScopeKind::Network if fine > 0 => &[
            (C::PathDrops, 12.0),
            (C::PathRejects, 12.0),
            (C::PathNoRoute, 6.0),
            (C::HostDown, 0.02),
            (C::ServiceNotListening, 0.05),
            (C::ServiceHung, 0.1),
        ],
        _ => &[],
    };
    Some(Finding { stage: Stage::Network, fact, source: OTHER_LOCATIONS, ratios })
}
