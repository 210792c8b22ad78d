//! The connect stage: refusals, silence and ICMP errors, and who sent them (TCP and UDP).

use std::time::Duration;

use crate::cause::Cause as C;
use crate::evidence::HopAnswer;
use crate::failure::{Failure as F, Stage};
use crate::observation::IcmpError;
use crate::units::millis;

use super::case::{Case, NEIGHBOUR_DISCOVERY_MIN, Sender, errno};
use super::{Finding, Rule};

pub(super) const RULES: &[Rule] = &[
    icmp_error,
    reset_without_icmp,
    reset_origin,
    reset_too_soon,
    reset_marks,
    other_ports,
    host_alive,
    silence_begins,
    own_counters,
    local_decision,
    slow_accept,
];

/// A reset that took so many times less than an answer did not come as far.
const TOO_SOON: u32 = 5;
/// This machine itself, or the first device on its own network.
const OWN_NETWORK_MAX: Duration = Duration::from_millis(1);
const QUEUE: &str = "MSG_ERRQUEUE, ip(7)";

/// Who said no, and with which ICMP error.
fn icmp_error(case: &Case<'_>) -> Option<Finding> {
    if !case.failed_to_connect() {
        return None;
    }
    let icmp = case.icmp()?;
    let sender = case.icmp_sender()?;
    let attempt = case.attempt?;
    let v6 = attempt.ip.is_ipv6();
    let slow = attempt.elapsed >= NEIGHBOUR_DISCOVERY_MIN;
    let (who, stage, ratios): (String, Stage, &'static [(C, f64)]) = match sender {
        Sender::Ourselves if slow && unreachable_host(icmp, v6) => (
            "this machine: nobody answers for that address on the local network".to_owned(),
            Stage::Network,
            &[(C::HostDown, 40.0), (C::FirewallRejects, 0.01), (C::PathNoRoute, 0.02)],
        ),
        Sender::Ourselves => (
            "this machine itself".to_owned(),
            Stage::Client,
            &[
                (C::ClientFirewall, 500.0),
                (C::ServiceNotListening, 0.05),
                (C::FirewallRejects, 0.01),
                (C::PathRejects, 0.01),
            ],
        ),
        Sender::Destination => {
            ("the host itself".to_owned(), Stage::Server, from_host(icmp, v6, slow, case))
        }
        Sender::Router(ip) => {
            (format!("{ip}, a router before the host"), Stage::Network, from_router(icmp, v6, slow))
        }
    };
    Some(Finding {
        stage,
        fact: format!(
            "the answer was {}, sent by {who}, after {}",
            icmp_name(icmp, v6),
            millis(attempt.elapsed)
        ),
        source: QUEUE,
        ratios,
    })
}

fn from_host(icmp: IcmpError, v6: bool, slow: bool, case: &Case<'_>) -> &'static [(C, f64)] {
    if case.failed_with(&[F::UdpRefused]) && port_unreachable(icmp, v6) {
        // The usual answer of a closed UDP port, RFC 1122 §3.2.2.1.
        return &[(C::ServiceNotListening, 2.0), (C::PathRejects, 0.05)];
    }
    if unreachable_host(icmp, v6) && slow {
        // The host forwards the port to a machine that does not answer.
        return &[(C::UpstreamDead, 400.0), (C::HostDown, 0.05), (C::FirewallRejects, 0.2)];
    }
    &[
        (C::FirewallRejects, 80.0),
        (C::ServiceNotListening, 0.01),
        (C::PathRejects, 0.05),
        (C::HostDown, 0.01),
        (C::PathNoRoute, 0.05),
        (C::ClientRoute, 0.01),
        (C::ClientFirewall, 0.05),
        (C::ClientOffline, 0.01),
        (C::ServiceWrongPort, 0.05),
    ]
}

fn from_router(icmp: IcmpError, v6: bool, slow: bool) -> &'static [(C, f64)] {
    if time_exceeded(icmp, v6) {
        return &[(C::PathNoRoute, 300.0), (C::HostDown, 0.1)];
    }
    if unreachable_host(icmp, v6) && slow {
        return &[(C::HostDown, 60.0), (C::FirewallRejects, 0.05), (C::PathNoRoute, 0.3)];
    }
    if unreachable_host(icmp, v6) {
        return &[
            (C::PathNoRoute, 12.0),
            (C::PathRejects, 8.0),
            (C::HostDown, 0.4),
            (C::FirewallRejects, 0.3),
            (C::ClientRoute, 0.01),
        ];
    }
    if no_route(icmp, v6) {
        return &[
            (C::PathNoRoute, 40.0),
            (C::PathRejects, 6.0),
            (C::ClientRoute, 0.01),
            (C::FirewallRejects, 0.2),
        ];
    }
    &[
        (C::PathRejects, 120.0),
        (C::FirewallRejects, 1.0),
        (C::ServiceNotListening, 0.01),
        (C::HostDown, 0.02),
        (C::PathNoRoute, 0.4),
        (C::ClientRoute, 0.01),
        (C::ClientFirewall, 0.05),
    ]
}

fn unreachable_host(icmp: IcmpError, v6: bool) -> bool {
    (icmp.kind, icmp.code) == if v6 { (1, 3) } else { (3, 1) }
}

fn no_route(icmp: IcmpError, v6: bool) -> bool {
    (icmp.kind, icmp.code) == if v6 { (1, 0) } else { (3, 0) }
}

fn port_unreachable(icmp: IcmpError, v6: bool) -> bool {
    (icmp.kind, icmp.code) == if v6 { (1, 4) } else { (3, 3) }
}

fn time_exceeded(icmp: IcmpError, v6: bool) -> bool {
    icmp.kind == if v6 { 3 } else { 11 }
}

/// RFC 792, RFC 1812 §5.2.7.1, RFC 4443 §3.1.
pub(super) fn icmp_name(icmp: IcmpError, v6: bool) -> String {
    let IcmpError { kind, code, .. } = icmp;
    let name = match (v6, kind, code) {
        (false, 3, 0) | (true, 1, 0) => "no route to the network",
        (false, 3, 1) | (true, 1, 3) => "host unreachable",
        (false, 3, 2) => "protocol unreachable",
        (false, 3, 3) | (true, 1, 4) => "port unreachable",
        (false, 3, 9) => "network administratively prohibited",
        (false, 3, 10) => "host administratively prohibited",
        (false, 3, 13) | (true, 1, 1) => "administratively prohibited",
        (true, 1, 5) => "source address failed policy",
        (true, 1, 6) => "rejected by a route",
        (false, 11, _) | (true, 3, _) => "time to live exceeded",
        _ => "an error",
    };
    format!("ICMP{} {name} ({kind}/{code})", if v6 { "v6" } else { "" })
}

/// A refusal without an ICMP error is a RST.
fn reset_without_icmp(case: &Case<'_>) -> Option<Finding> {
    let attempt = case.attempt?;
    if !case.failed_with(&[F::TcpRefused]) || attempt.icmp.is_some() {
        return None;
    }
    Some(Finding {
        stage: Stage::Server,
        fact: format!(
            "the refusal is a TCP reset, no ICMP error: after {}",
            millis(attempt.elapsed)
        ),
        source: "SO_ERROR, empty error queue",
        ratios: &[(C::FirewallRejects, 0.6)],
    })
}

/// Has the RST travelled as far as a SYN-ACK of the same address?
fn reset_origin(case: &Case<'_>) -> Option<Finding> {
    let look = case.closer_look()?;
    if !case.failed_with(&[F::TcpRefused]) {
        return None;
    }
    let reset = look.reset_ttl?;
    let (port, open) = look.open_ttl?;
    let (words, stage, ratios): (_, _, &'static [(C, f64)]) = match reset.cmp(&open) {
        std::cmp::Ordering::Equal => (
            "it comes from the host itself",
            Stage::Server,
            &[
                (C::ServiceNotListening, 1.0),
                (C::PathRejects, 0.03),
                (C::ClientFirewall, 0.05),
                (C::Unknown, 0.5),
            ],
        ),
        std::cmp::Ordering::Greater => (
            "a device nearer to us sent it in the host's name",
            Stage::Network,
            &[
                (C::PathRejects, 80.0),
                // Our own filter is the nearest device of all; it is seldom the one.
                (C::ClientFirewall, 20.0),
                (C::ServiceNotListening, 0.05),
                (C::FirewallRejects, 0.3),
            ],
        ),
        std::cmp::Ordering::Less => (
            "it comes from a machine or container behind the host",
            Stage::Server,
            &[(C::ServiceNotListening, 3.0), (C::FirewallRejects, 0.2), (C::PathRejects, 0.03)],
        ),
    };
    Some(Finding {
        stage,
        fact: format!(
            "the reset arrives with TTL {reset}, answers of port {port} with {open}: {words}"
        ),
        source: "IP_MINTTL, ip(7)",
        ratios,
    })
}

/// A reset that is here long before any other port of the host could answer.
fn reset_too_soon(case: &Case<'_>) -> Option<Finding> {
    let attempt = case.attempt?;
    let refused = case.failed_with(&[F::TcpRefused]) && attempt.icmp.is_none();
    let open = case.neighbours().filter(|n| n.failure.is_none()).map(|n| n.elapsed).min()?;
    // The fastest of the repeats: a busy machine only ever adds to a time.
    let attempts = case.evidence.observations.iter().flat_map(|seen| &seen.attempts);
    let same = attempts.filter(|a| a.ip == attempt.ip && a.failure == attempt.failure);
    let elapsed = same.map(|a| a.elapsed).min()?;
    if !refused || elapsed >= open / TOO_SOON || case.is_this_machine() {
        return None;
    }
    let near = elapsed < OWN_NETWORK_MAX;
    Some(Finding {
        stage: if near { Stage::Client } else { Stage::Network },
        fact: format!(
            "the reset is here after {}, an open port of the host answers after {}",
            millis(elapsed),
            millis(open)
        ),
        source: "monotonic clock",
        ratios: if near {
            &[
                (C::ClientFirewall, 8.0),
                (C::PathRejects, 2.0),
                (C::FirewallRejects, 0.05),
                (C::ServiceNotListening, 0.05),
            ]
        } else {
            &[(C::PathRejects, 8.0), (C::FirewallRejects, 0.1), (C::ServiceNotListening, 0.1)]
        },
    })
}

/// Linux's own TCP copies the TOS of the packet it refuses and gives an IPv6 reset a flow label;
/// packet filters write 0 to both. Networks clear the TOS more often than the label.
fn reset_marks(case: &Case<'_>) -> Option<Finding> {
    let look = case.closer_look()?;
    if !case.failed_with(&[F::TcpRefused]) {
        return None;
    }
    const BY_A_FILTER: &[(C, f64)] =
        &[(C::FirewallRejects, 25.0), (C::ServiceNotListening, 0.05), (C::Unknown, 0.3)];
    let (fact, ratios): (&str, &'static [(C, f64)]) = match look.tos_reflected? {
        true => (
            "the reset repeats our TOS byte: the host's own TCP refused, no packet filter",
            &[
                (C::ServiceNotListening, 1.0),
                (C::FirewallRejects, 0.003),
                (C::PathRejects, 0.003),
                (C::ClientFirewall, 0.003),
                (C::Unknown, 0.05),
            ],
        ),
        false if look.flow_labelled == Some(true) => (
            "the reset has an IPv6 flow label: the host's own TCP refused, no packet filter",
            &[
                (C::ServiceNotListening, 1.0),
                (C::FirewallRejects, 0.01),
                (C::PathRejects, 0.01),
                (C::ClientFirewall, 0.01),
                (C::Unknown, 0.1),
            ],
        ),
        false if look.tos_reflected_elsewhere == Some(true) => (
            "the reset does not repeat our TOS byte, another one of this host does: a packet \
             filter",
            BY_A_FILTER,
        ),
        false if look.flow_labelled_elsewhere == Some(true) => (
            "the reset has no IPv6 flow label, another one of this host has: a packet filter",
            BY_A_FILTER,
        ),
        false => (
            "the reset does not repeat our TOS byte; routers on the way may have cleared it",
            &[(C::FirewallRejects, 1.5)],
        ),
    };
    Some(Finding { stage: Stage::Server, fact: fact.to_owned(), source: "packet capture", ratios })
}

/// What other ports of the same address do.
fn other_ports(case: &Case<'_>) -> Option<Finding> {
    if !case.failed_to_connect() && !case.failed_with(&[F::IcmpNoReply, F::UdpNoReply]) {
        return None;
    }
    let open = case.open_neighbours();
    if open.is_empty() {
        return all_silent(case);
    }
    let list = open.iter().map(u16::to_string).collect::<Vec<_>>().join(", ");
    let ports = if open.len() == 1 { "port" } else { "ports" };
    let answer = if open.len() == 1 { "answers" } else { "answer" };
    let ratios: &'static [(C, f64)] = if case.failed_with(&[F::TcpTimedOut, F::IcmpNoReply]) {
        &[
            (C::FirewallDrops, 8.0),
            (C::ClientFirewall, 4.0),
            (C::HostDown, 0.01),
            (C::PathDrops, 0.15),
            (C::ServiceOverloaded, 2.0),
            (C::ClientOffline, 0.01),
        ]
    } else {
        &[
            (C::ServiceNotListening, 1.0),
            (C::HostDown, 0.02),
            (C::PathNoRoute, 0.05),
            (C::ClientRoute, 0.1),
            (C::ClientOffline, 0.01),
        ]
    };
    Some(Finding {
        stage: Stage::Server,
        fact: format!("{ports} {list} of the same address {answer}"),
        source: "connect() to neighbouring ports",
        ratios,
    })
}

fn all_silent(case: &Case<'_>) -> Option<Finding> {
    let silent = case.neighbours().filter(|n| n.failure == Some(F::TcpTimedOut)).count();
    let refused = case.neighbours().filter(|n| n.failure == Some(F::TcpRefused)).count();
    if !case.failed_with(&[F::TcpTimedOut, F::IcmpNoReply]) || silent + refused == 0 {
        return None;
    }
    if refused > 0 {
        return Some(Finding {
            stage: Stage::Server,
            fact: format!(
                "{refused} other ports of the same address refuse at once: the host is up"
            ),
            source: "connect() to neighbouring ports",
            ratios: &[
                (C::FirewallDrops, 6.0),
                (C::HostDown, 0.02),
                (C::PathDrops, 0.2),
                (C::ServiceOverloaded, 2.0),
            ],
        });
    }
    Some(Finding {
        stage: Stage::Network,
        fact: format!("all {silent} other ports tried are silent too"),
        source: "connect() to neighbouring ports",
        ratios: &[(C::HostDown, 1.5), (C::PathDrops, 1.5), (C::ServiceOverloaded, 0.1)],
    })
}

/// What a datagram to an unused port of the host brought back.
fn host_alive(case: &Case<'_>) -> Option<Finding> {
    if !case.failed_with(&[F::TcpTimedOut, F::IcmpNoReply, F::UdpNoReply]) {
        return None;
    }
    let attempt = case.attempt?;
    let alive = case.closer_look()?.alive?;
    let source = "UDP to an unused port, MSG_ERRQUEUE";
    let Some(icmp) = alive.icmp else {
        return Some(Finding {
            stage: Stage::Network,
            fact: format!(
                "a datagram to an unused port is not answered within {}",
                millis(alive.elapsed)
            ),
            source,
            ratios: &[],
        });
    };
    let name = icmp_name(icmp, attempt.ip.is_ipv6());
    if icmp.sender == Some(attempt.ip) {
        return Some(Finding {
            stage: Stage::Server,
            fact: format!("the host is alive: it answers a datagram with {name}"),
            source,
            // Another port's answer has said the same already.
            ratios: if case.open_neighbours().is_empty() {
                &[
                    (C::FirewallDrops, 4.0),
                    (C::HostDown, 0.02),
                    (C::PathDrops, 0.3),
                    (C::ServiceOverloaded, 2.0),
                ]
            } else {
                &[]
            },
        });
    }
    let sender = icmp.sender.map_or_else(|| "a router".to_owned(), |ip| ip.to_string());
    let ratios: &'static [(C, f64)] = if unreachable_host(icmp, attempt.ip.is_ipv6()) {
        &[(C::HostDown, 30.0), (C::FirewallDrops, 0.3), (C::ServiceOverloaded, 0.05)]
    } else {
        &[(C::PathNoRoute, 10.0), (C::PathRejects, 10.0), (C::ServiceOverloaded, 0.1)]
    };
    Some(Finding {
        stage: Stage::Network,
        fact: format!("a datagram to the host is answered by {sender} with {name}"),
        source,
        ratios,
    })
}

/// Where TTL-limited SYNs to the silent port stop being answered, against a working port.
fn silence_begins(case: &Case<'_>) -> Option<Finding> {
    let look = case.closer_look()?;
    if !case.failed_with(&[F::TcpTimedOut]) || look.trace.is_empty() {
        return None;
    }
    let answered = |hop: &&crate::evidence::Hop| hop.answer != HopAnswer::Silence;
    let last = look.trace.iter().filter(answered).map(|hop| hop.ttl).max().unwrap_or(0);
    let host = look.open_trace.iter().find(|hop| hop.answer == HopAnswer::Open).map(|hop| hop.ttl);
    let source = "connect() with IP_TTL 1, 2, 3 …";
    let before = look.trace.iter().filter(answered).find(|hop| hop.ttl == last);
    let name = before.and_then(|hop| hop.sender).map_or_else(String::new, |ip| format!(" ({ip})"));
    match host {
        Some(host) if last + 1 >= host => Some(Finding {
            stage: Stage::Server,
            fact: format!("the way is open up to hop {last}{name}, the last before the host"),
            source,
            ratios: &[
                (C::FirewallDrops, 2.5),
                (C::ClientFirewall, 2.0),
                (C::ServiceOverloaded, 2.0),
                (C::PathDrops, 0.2),
            ],
        }),
        Some(host) => Some(Finding {
            stage: Stage::Network,
            fact: if last == 0 {
                format!(
                    "no router answers for this port; for a working port the host is hop {host}"
                )
            } else {
                format!(
                    "silence begins behind hop {last}{name}; for a working port the host is hop \
                     {host}"
                )
            },
            source,
            ratios: &[(C::PathDrops, 40.0), (C::FirewallDrops, 0.2), (C::ServiceOverloaded, 0.05)],
        }),
        None => Some(Finding {
            stage: Stage::Network,
            fact: if last == 0 {
                "no router on the way answers".to_owned()
            } else {
                format!("the last router that answers is hop {last}{name}")
            },
            source,
            // Most routers answer; packets may die in the very first one.
            ratios: if last == 0 { &[(C::PathDrops, 2.5)] } else { &[] },
        }),
    }
}

/// Packets that our own kernel dropped.
fn own_counters(case: &Case<'_>) -> Option<Finding> {
    let counters = case.closer_look()?.counters?;
    if !case.failed_with(&[F::TcpTimedOut]) {
        return None;
    }
    if counters.retransmit_failures > 0 {
        return Some(Finding {
            stage: Stage::Client,
            fact: "this machine's own output path drops the packets (TCPRetransFail rises)"
                .to_owned(),
            source: "/proc/net/netstat",
            ratios: &[(C::ClientFirewall, 600.0)],
        });
    }
    if counters.ip_received > 0 && counters.tcp_received == 0 {
        return Some(Finding {
            stage: Stage::Client,
            fact: "answers reach this machine but not its TCP: its own input path drops them"
                .to_owned(),
            source: "/proc/net/snmp",
            ratios: &[(C::ClientFirewall, 200.0)],
        });
    }
    None
}

/// A "no" that was given before an answer to any packet could be back.
fn local_decision(case: &Case<'_>) -> Option<Finding> {
    if !case.failed_to_connect() || !case.decided_locally() {
        return None;
    }
    let attempt = case.attempt?;
    let code = attempt.errno.unwrap_or_default();
    let ratios: &'static [(C, f64)] = match case.failure? {
        F::TcpNotPermitted if code == errno::EPERM => {
            &[(C::ClientFirewall, 60.0), (C::FirewallRejects, 0.01), (C::PathRejects, 0.01)]
        }
        F::TcpNotPermitted if code == errno::EACCES => &[
            (C::ClientRoute, 40.0),
            (C::ClientFirewall, 4.0),
            (C::FirewallRejects, 0.01),
            (C::PathRejects, 0.01),
        ],
        F::TcpNetworkUnreachable | F::TcpHostUnreachable => &[
            (C::ClientRoute, 60.0),
            (C::ClientOffline, 1.5),
            (C::PathNoRoute, 0.01),
            (C::PathRejects, 0.01),
            (C::HostDown, 0.01),
            (C::FirewallRejects, 0.01),
        ],
        // A reset from next door takes no longer than that.
        F::TcpRefused if !case.is_this_machine() && !case.is_private() => {
            &[(C::ClientFirewall, 8.0), (C::ClientVpn, 2.0), (C::PathRejects, 0.5)]
        }
        _ => return None,
    };
    let sooner = match case.failure? {
        F::TcpRefused => "sooner than most networks bring an answer",
        _ => "before a packet could have come back",
    };
    let blackhole = if code == errno::EINVAL { ", EINVAL as from a blackhole route" } else { "" };
    Some(Finding {
        stage: Stage::Client,
        fact: format!("connect() failed within {}, {sooner}{blackhole}", millis(attempt.elapsed)),
        source: "monotonic clock, empty error queue",
        ratios,
    })
}

/// A SYN is sent again after a second (RFC 6298 §2); what is resent sooner is something else.
const SYN_RESENT_MIN: Duration = Duration::from_millis(900);

/// Accepted only after SYNs had to be sent again.
fn slow_accept(case: &Case<'_>) -> Option<Finding> {
    let resent = case
        .evidence
        .observations
        .iter()
        .flat_map(|seen| &seen.attempts)
        .filter(|a| a.tcp.is_some_and(|tcp| tcp.retransmits > 0))
        .filter(|a| a.timing.connect.is_some_and(|connect| connect >= SYN_RESENT_MIN))
        .count();
    if resent == 0 || !case.failed_with(&[F::TcpTimedOut, F::AssertionLatency, F::HttpTimedOut]) {
        return None;
    }
    Some(Finding {
        stage: Stage::Server,
        fact: format!("{resent} connections were accepted only after the SYN was sent again"),
        source: "TCP_INFO, tcp(7)",
        ratios: &[(C::ServiceOverloaded, 20.0), (C::FirewallDrops, 0.2), (C::HostDown, 0.01)],
    })
}
