//! Who listens, for whom, and what the packet filter does.

use std::fmt::Write as _;

use crate::cause::Cause as C;
use crate::failure::Failure as F;
use crate::inside::{FilterVerdict, Listener, Reach};

use super::super::case::Case;
use super::super::{Finding, Rule};
use super::{
    CERTAIN, FILTER, MACHINE, RULED_OUT, SOCKETS, STRONG, failing_ip, finding, is_forwarded,
    judgement, listener, refused, takes, view,
};

pub(super) const RULES: &[Rule] =
    &[alive, nobody_listens, loopback_only, not_for_this_address, listens, filter];

/// The machine has just answered.
fn alive(case: &Case<'_>) -> Option<Finding> {
    let view = view(case)?;
    let silent = case.failed_with(&[F::TcpTimedOut, F::TcpHostUnreachable, F::UdpNoReply]);
    let ratios: &'static [(C, f64)] = &[(C::HostDown, RULED_OUT)];
    silent.then(|| finding(view, MACHINE, "the machine is on: it has looked at itself", ratios))
}

fn nobody_listens(case: &Case<'_>) -> Option<Finding> {
    let view = view(case)?;
    if !view.sockets_read || !view.listeners.is_empty() || is_forwarded(view) {
        return None;
    }
    let ratios: &'static [(C, f64)] = if refused(case) {
        &[
            (C::ServiceNotListening, STRONG),
            (C::FirewallRejects, 0.1),
            (C::PathRejects, 0.05),
            (C::ClientFirewall, 0.05),
            (C::Unknown, RULED_OUT),
        ]
    } else {
        &[(C::ServiceOverloaded, RULED_OUT), (C::ServiceHung, RULED_OUT)]
    };
    let fact = format!("nothing listens on {} port {}", view.transport, view.port);
    Some(finding(view, SOCKETS, &fact, ratios))
}

fn loopback_only(case: &Case<'_>) -> Option<Finding> {
    let view = view(case)?;
    let only_here = |listener: &Listener| listener.reach() == Reach::ThisMachine;
    let first = view.listeners.first().filter(|_| view.listeners.iter().all(only_here))?;
    if failing_ip(case).is_some_and(|ip| ip.is_loopback()) || !case.failed_to_connect() {
        return None;
    }
    let ratios: &'static [(C, f64)] = if refused(case) {
        &[
            (C::ServiceLoopbackOnly, CERTAIN),
            (C::ServiceNotListening, RULED_OUT),
            (C::ServiceWrongPort, RULED_OUT),
            (C::FirewallRejects, 0.01),
            (C::PathRejects, 0.01),
            (C::Unknown, RULED_OUT),
        ]
    } else {
        &[(C::ServiceLoopbackOnly, 10.0)]
    };
    let fact = format!("{} listens on {} only", first.holder(), first.place());
    Some(finding(view, SOCKETS, &fact, ratios))
}

/// Others can reach it, but not at this address.
fn not_for_this_address(case: &Case<'_>) -> Option<Finding> {
    let view = view(case)?;
    let ip = failing_ip(case).filter(|_| refused(case))?;
    let outside = |listener: &&Listener| listener.reach() != Reach::ThisMachine;
    let first = view.listeners.iter().find(outside)?;
    if view.listeners.iter().any(|listener| takes(view, listener, Some(ip))) {
        return None;
    }
    let same_family = first.address.is_ipv4() == ip.is_ipv4();
    let ratios: &'static [(C, f64)] = if same_family {
        &[(C::ServiceNotListening, CERTAIN), (C::Unknown, RULED_OUT)]
    } else {
        &[
            (C::ServiceOneFamilyOnly, CERTAIN),
            (C::ServiceNotListening, RULED_OUT),
            (C::FirewallRejects, 0.01),
            (C::Unknown, RULED_OUT),
        ]
    };
    let mut places = String::new();
    for listener in view.listeners.iter().filter(outside).take(3) {
        let _ = write!(places, "{}{}", if places.is_empty() { "" } else { ", " }, listener.place());
    }
    let fact = format!("{} listens on {places}, not on {ip}", first.holder());
    Some(finding(view, SOCKETS, &fact, ratios))
}

/// Somebody listens for exactly this address: so the "no" comes from elsewhere.
fn listens(case: &Case<'_>) -> Option<Finding> {
    let view = view(case)?;
    let listener = listener(case, view)?;
    let began = case.observation.map(|observation| observation.at);
    let came_since = view
        .units
        .iter()
        .filter_map(|unit| unit.started_at.filter(|_| unit.is_running()))
        .any(|started| began.is_some_and(|began| started >= began));
    let ratios: &'static [(C, f64)] = if came_since {
        &[(C::ServiceCrashLoop, 1.5), (C::FirewallRejects, 0.1), (C::PathRejects, 0.1)]
    } else if case.failed_to_connect() {
        &[
            (C::ServiceNotListening, RULED_OUT),
            (C::ServiceLoopbackOnly, RULED_OUT),
            (C::ServiceOneFamilyOnly, RULED_OUT),
            (C::ServiceWrongPort, RULED_OUT),
            (C::HostDown, RULED_OUT),
            (C::PathDrops, 2.0),
        ]
    } else {
        &[(C::ServiceNotListening, RULED_OUT)]
    };
    let since = if came_since { ", started after the check began" } else { "" };
    let fact = format!("{} listens on {}{since}", listener.holder(), listener.place());
    Some(finding(view, SOCKETS, &fact, ratios))
}

/// The packet filter's word, with the rule that decides.
fn filter(case: &Case<'_>) -> Option<Finding> {
    let view = view(case)?;
    let judgement = judgement(case, view)?;
    let silent = case.failed_with(&[F::TcpTimedOut, F::UdpNoReply]);
    let told = case.failed_to_connect() && !silent || case.failed_with(&[F::TcpReset]);
    let ratios: &'static [(C, f64)] = match judgement.verdict {
        FilterVerdict::Reject if told => &[
            (C::FirewallRejects, CERTAIN),
            (C::ServiceNotListening, RULED_OUT),
            (C::PathRejects, RULED_OUT),
            (C::HostDown, RULED_OUT),
            (C::Unknown, RULED_OUT),
        ],
        FilterVerdict::Drop if silent => &[
            (C::FirewallDrops, CERTAIN),
            (C::HostDown, RULED_OUT),
            (C::PathDrops, RULED_OUT),
            (C::ServiceOverloaded, 0.01),
            (C::Unknown, RULED_OUT),
        ],
        FilterVerdict::Accept => &[(C::FirewallRejects, 0.05), (C::FirewallDrops, 0.2)],
        FilterVerdict::Reject | FilterVerdict::Drop | FilterVerdict::Undecided => &[],
    };
    let rule = judgement.rule.as_ref().map_or_else(String::new, |rule| format!(": {rule}"));
    let counter = match judgement.packets {
        Some(packets) if !rule.is_empty() => format!(" ({packets} packets so far)"),
        _ => String::new(),
    };
    let port = view.port;
    let fact = match judgement.verdict {
        FilterVerdict::Accept => format!("the packet filter lets port {port} in{rule}"),
        FilterVerdict::Reject => {
            let with = judgement.with.as_ref().map_or_else(String::new, |w| format!(" with {w}"));
            format!("the packet filter rejects port {port}{with}{rule}{counter}")
        }
        FilterVerdict::Drop => format!("the packet filter drops port {port}{rule}{counter}"),
        FilterVerdict::Undecided => {
            let because = judgement.because.as_deref().unwrap_or_default();
            let why = if because.is_empty() { rule } else { format!(": {because}{rule}") };
            if why.is_empty() {
                return None;
            }
            format!("what the packet filter does to port {port} is not decided{why}")
        }
    };
    Some(finding(view, FILTER, &fact, ratios))
}
