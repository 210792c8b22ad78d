//! The visitor's own side: no network, own routes and rules, tunnels, proxies, blocked ports.

use crate::cause::Cause as C;
use crate::evidence::Control;
use crate::failure::{Failure as F, Stage};

use super::case::{Case, Sender};
use super::{Finding, Rule};

pub(super) const RULES: &[Rule] =
    &[no_interface, controls, own_route, no_such_family, own_rules, tunnel, proxy, unsafe_port];

fn failed_on_the_way(case: &Case<'_>) -> bool {
    case.failed_to_connect()
        || case.failed_with(&[
            F::DnsTimedOut,
            F::DnsUnreachable,
            F::DnsServerFailure,
            F::UdpNoReply,
            F::IcmpNoReply,
            F::SelfOffline,
        ])
}

fn no_interface(case: &Case<'_>) -> Option<Finding> {
    if !case.evidence.environment.no_interface || !failed_on_the_way(case) || case.is_this_machine()
    {
        return None;
    }
    Some(Finding {
        stage: Stage::Client,
        fact: "no network interface of this machine is up".to_owned(),
        source: "/sys/class/net",
        ratios: &[(C::ClientOffline, 500.0)],
    })
}

/// "No local address" over a family that this machine does not have: no port is missing.
fn no_such_family(case: &Case<'_>) -> Option<Finding> {
    let v6 = case.attempt?.ip.is_ipv6();
    let routes = case.evidence.environment.default_route;
    // Without a default route of the other family nobody has looked.
    let (own, other) = if v6 { (routes.v6, routes.v4) } else { (routes.v4, routes.v6) };
    if !case.failed_with(&[F::TcpNoLocalAddress]) || own || !other {
        return None;
    }
    Some(Finding {
        stage: Stage::Client,
        fact: format!("this machine has no IPv{} route at all", if v6 { 6 } else { 4 }),
        source: "ip route",
        ratios: &[(C::ClientRoute, 900.0), (C::ClientExhausted, 0.2)],
    })
}

/// Things that should work whatever the target does.
fn controls(case: &Case<'_>) -> Option<Finding> {
    let controls = &case.evidence.controls;
    if controls.is_empty() || !failed_on_the_way(case) || case.is_this_machine() {
        return None;
    }
    let (near, beyond): (Vec<&Control>, Vec<&Control>) =
        controls.iter().partition(|control| is_near(control, controls));
    let alive = |those: &[&Control]| those.iter().filter(|c| c.failure.is_none()).count();
    let (near_alive, beyond_alive) = (alive(&near), alive(&beyond));
    let (fact, ratios): (String, &'static [(C, f64)]) = if beyond_alive > 0 {
        let alive = near_alive + beyond_alive;
        (
            format!("this machine is online: {alive} of {} controls answer", controls.len()),
            &[(C::ClientOffline, 0.02)],
        )
    } else if near_alive == 0 {
        (format!("nothing else answers either: {}", names(controls)), when_all_is_dead(case))
    } else if beyond.is_empty() || !case.failed_to_connect() {
        (format!("the own network answers: {}", names(near)), &[(C::ClientOffline, 0.1)])
    } else {
        let names = names(beyond);
        (
            format!("the own network answers, and nothing beyond it: {names}"),
            when_only_the_near_answers(case, &near),
        )
    };
    Some(Finding { stage: Stage::Client, fact, source: "control targets", ratios })
}

/// Is it part of the own network? A router that has lost its way out still answers.
fn is_near(control: &Control, all: &[Control]) -> bool {
    let is_gateway = |other: &Control| other.name == Control::GATEWAY;
    control.address.is_loopback()
        || is_gateway(control)
        || all.iter().any(|other| is_gateway(other) && other.address == control.address)
}

fn names<'a>(controls: impl IntoIterator<Item = &'a Control>) -> String {
    controls.into_iter().map(|control| control.name.as_str()).collect::<Vec<_>>().join(", ")
}

fn when_all_is_dead(case: &Case<'_>) -> &'static [(C, f64)] {
    // Several things that fail at one moment have one cause, and it is near.
    let several = case.evidence.controls.len() > 1;
    match case.icmp_sender() {
        // Whoever is told no by the target itself is not offline.
        _ if case.target_answers() => &[(C::ClientOffline, 0.5)],
        // By itself a router's no speaks for a rule on the way to this target.
        Some(Sender::Router(_)) if several => &[(C::ClientOffline, 4_000.0)],
        _ if several => &[(C::ClientOffline, 400.0)],
        _ => &[(C::ClientOffline, 40.0)],
    }
}

/// The own router lives and has lost its way out.
fn when_only_the_near_answers(case: &Case<'_>, near: &[&Control]) -> &'static [(C, f64)] {
    let is_near = |ip| near.iter().any(|control| control.address == ip);
    let ends_there = match case.icmp_sender() {
        Some(Sender::Router(ip)) => is_near(ip),
        _ => case.last_hop().is_some_and(is_near),
    };
    match case.evidence.controls.len() - near.len() {
        _ if case.target_answers() => &[],
        1 if !ends_there => &[(C::ClientOffline, 40.0)],
        _ => &[(C::ClientOffline, 400.0)],
    }
}

fn nothing_else_answers(case: &Case<'_>) -> bool {
    let controls = &case.evidence.controls;
    !controls.is_empty() && controls.iter().all(|control| control.failure.is_some())
}

fn own_route(case: &Case<'_>) -> Option<Finding> {
    let route = case.evidence.environment.route.as_ref()?;
    if !failed_on_the_way(case) {
        return None;
    }
    let environment = &case.evidence.environment;
    let nowhere = !environment.default_route.v4 && !environment.default_route.v6;
    let (fact, ratios): (String, &'static [(C, f64)]) = match route.kind.as_str() {
        "none" if nowhere => (
            "this machine has no default route at all".to_owned(),
            &[(C::ClientRoute, 30.0), (C::ClientOffline, 20.0)],
        ),
        "none" => {
            ("this machine knows no route to the address".to_owned(), &[(C::ClientRoute, 60.0)])
        }
        kind => (
            format!("an own {kind} route decides: {}", route.text),
            &[(C::ClientRoute, 600.0), (C::ClientFirewall, 0.1)],
        ),
    };
    Some(Finding { stage: Stage::Client, fact, source: "rtnetlink, ip-route(8)", ratios })
}

fn own_rules(case: &Case<'_>) -> Option<Finding> {
    let rules = &case.evidence.environment.output_rules;
    if rules.is_empty() || !failed_on_the_way(case) {
        return None;
    }
    // A policy concerns everything; a rule that names the target is there for it, the more so
    // when it has counted packets.
    let named = || rules.iter().filter(|rule| !rule.contains(": policy "));
    let ratios: &'static [(C, f64)] = if named().any(|rule| has_counted(rule)) {
        &[(C::ClientFirewall, 300.0)]
    } else if named().next().is_some() {
        &[(C::ClientFirewall, 30.0)]
    } else {
        &[(C::ClientFirewall, 12.0)]
    };
    Some(Finding {
        stage: Stage::Client,
        fact: format!("this machine's own packet filter has a rule for it: {}", rules.join("; ")),
        source: "nft list ruleset",
        ratios,
    })
}

/// nft(8): `counter packets 13 bytes 760`.
fn has_counted(rule: &str) -> bool {
    let count = rule.split_once("counter packets ").map(|(_, rest)| rest);
    count.is_some_and(|rest| rest.starts_with(|first: char| ('1'..='9').contains(&first)))
}

fn tunnel(case: &Case<'_>) -> Option<Finding> {
    let tunnel = case.evidence.environment.tunnel.as_ref()?;
    if !failed_on_the_way(case) {
        return None;
    }
    Some(Finding {
        stage: Stage::Client,
        fact: format!("the way to the target leads through the tunnel {tunnel} (a VPN)"),
        source: "rtnetlink, /sys/class/net",
        ratios: if nothing_else_answers(case) {
            // What else was tried goes through the same tunnel.
            &[(C::ClientVpn, 2_000.0)]
        } else {
            &[(C::ClientVpn, 25.0)]
        },
    })
}

fn proxy(case: &Case<'_>) -> Option<Finding> {
    let (address, variable) = case.evidence.environment.proxy.as_ref()?;
    let failure = case.failure?;
    let used = case.observation?.proxy.is_some();
    Some(Finding {
        stage: Stage::Proxy,
        fact: if used {
            format!("the connection goes through the proxy {address} ({variable})")
        } else {
            format!("{variable} names the proxy {address}; this check went around it")
        },
        source: "environment",
        ratios: if failure.stage() == Stage::Proxy { &[(C::ClientProxy, 2.0)] } else { &[] },
    })
}

/// Browsers refuse these ports without asking the network; other clients do not.
fn unsafe_port(case: &Case<'_>) -> Option<Finding> {
    if !case.target.scheme.is_http() || !crate::client::unsafe_port(case.target.port) {
        return None;
    }
    Some(Finding {
        stage: Stage::Client,
        fact: format!("browsers refuse to open port {}", case.target.port),
        source: "Fetch standard, bad ports",
        ratios: if case.failure.is_none() { &[(C::ClientUnsafePort, 100.0)] } else { &[] },
    })
}
