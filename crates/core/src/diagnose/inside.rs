//! What the machine itself says: its host agent stands behind the door. A certainty from inside
//! outranks any guess from outside, so the ratios here are larger than all others.

mod machine;
mod service;
mod sockets;

use std::net::IpAddr;
use std::time::Duration;

use jiff::Timestamp;

use crate::cause::Cause as C;
use crate::diagnosis::Instruction;
use crate::failure::{Failure as F, Stage};
use crate::inside::{Happening, InsideView, Judgement, Listener, Reach, Transport, Unit};

use super::case::Case;
use super::{Finding, Rule};

pub(super) const RULES: [&[Rule]; 3] = [sockets::RULES, service::RULES, machine::RULES];

/// Seen with own eyes: no number of guesses outweighs it.
const CERTAIN: f64 = 1e6;
/// The strongest word where two explanations remain.
const STRONG: f64 = 1e3;
/// Seen not to be so.
const RULED_OUT: f64 = 1e-3;

/// What happened so long before the failure belongs to its story.
const LATELY: Duration = Duration::from_mins(10);

/// How every source of this file begins.
pub(super) const INSIDE: &str = "inside";
const SOCKETS: &str = "inside: sockets";
const FILTER: &str = "inside: packet filter";
const UNIT: &str = "inside: service";
const LOG: &str = "inside: log";
const PROXY: &str = "inside: proxy configuration";
const MACHINE: &str = "inside: machine";

/// The view that belongs to the failure: of the port that failed, from a machine that has looked.
fn view<'a>(case: &Case<'a>) -> Option<&'a InsideView> {
    let view = case.evidence.inside.as_ref()?;
    let transport = if case.failed_with(&[F::UdpRefused, F::UdpNoReply]) {
        Transport::Udp
    } else {
        Transport::Tcp
    };
    let port = case.attempt.map_or(case.target.port, |attempt| attempt.port);
    let fits = view.port == port && view.transport == transport;
    (fits && case.failure.is_some()).then_some(view)
}

/// What happened there shortly before the failure and since: for the time line.
pub(super) fn happenings(case: &Case<'_>) -> Vec<Happening> {
    let (Some(view), Some(observation)) = (view(case), case.observation) else {
        return Vec::new();
    };
    let from = observation.at.checked_sub(LATELY).unwrap_or(Timestamp::MIN);
    let lately = view.happenings.iter().filter(|happening| happening.at >= from);
    let named = |happening: &Happening| Happening {
        text: format!("{}: {}", view.host, happening.text),
        ..happening.clone()
    };
    lately.map(named).collect()
}

fn finding(
    view: &InsideView,
    source: &'static str,
    fact: &str,
    ratios: &'static [(C, f64)],
) -> Finding {
    let stage = if source == PROXY { Stage::App } else { Stage::Server };
    Finding { stage, fact: format!("On {}, {fact}", view.host), source, ratios }
}

/// Refused, in whatever way: somebody said no.
fn refused(case: &Case<'_>) -> bool {
    case.failed_with(&[F::TcpRefused, F::UdpRefused, F::TcpReset])
}

/// The connection was made, and then nothing or the wrong thing came.
fn connected(case: &Case<'_>) -> bool {
    case.failure.is_some() && !case.failed_to_connect()
}

/// The address that failed; `None` when that isn't known.
fn failing_ip(case: &Case<'_>) -> Option<IpAddr> {
    case.attempt.map(|attempt| attempt.ip)
}

/// Would this listener take a connection to the failing address? Behind address translation the
/// machine doesn't know that address: then its family decides.
fn takes(view: &InsideView, listener: &Listener, ip: Option<IpAddr>) -> bool {
    if listener.reach() == Reach::ThisMachine {
        return ip.is_some_and(|ip| ip.is_loopback() && listener.takes(ip));
    }
    match ip {
        None => true,
        Some(ip) if view.addresses.contains(&ip) || ip.is_loopback() => listener.takes(ip),
        Some(ip) => listener.takes(ip) || family_fits(listener, ip),
    }
}

fn family_fits(listener: &Listener, ip: IpAddr) -> bool {
    listener.address.is_ipv4() == ip.is_ipv4()
        || (ip.is_ipv4() && listener.dual_stack.unwrap_or(true))
}

/// Does somebody listen for the failing address?
fn listener<'a>(case: &Case<'_>, view: &'a InsideView) -> Option<&'a Listener> {
    view.listeners.iter().find(|listener| takes(view, listener, failing_ip(case)))
}

/// The packet filter's word on the failing address.
fn judgement<'a>(case: &Case<'_>, view: &'a InsideView) -> Option<&'a Judgement> {
    let ip = failing_ip(case);
    let exact = view.firewall.iter().find(|judgement| Some(judgement.to) == ip);
    exact.or_else(|| {
        let v4 = ip.is_none_or(|ip| ip.is_ipv4());
        view.firewall.iter().find(|judgement| judgement.to.is_ipv4() == v4)
    })
}

/// Connections to the port are passed on by address translation or a container's proxy.
fn is_forwarded(view: &InsideView) -> bool {
    view.passages.iter().any(|passage| matches!(passage.proxy.as_str(), "dnat" | "docker-proxy"))
}

/// `12 s ago`, `3 min ago`, by the machine's own clock.
fn ago(view: &InsideView, at: Timestamp) -> String {
    let Some(now) = view.at else { return format!("at {at:.0}") };
    match now.duration_since(at).as_secs() {
        seconds if seconds < 0 => format!("at {at:.0}"),
        seconds if seconds < 120 => format!("{seconds} s ago"),
        seconds if seconds < 7_200 => format!("{} min ago", seconds / 60),
        seconds if seconds < 172_800 => format!("{} h ago", seconds / 3_600),
        seconds => format!("{} days ago", seconds / 86_400),
    }
}

/// What to do about it on this very machine, before the general advice.
pub(super) fn fix(case: &Case<'_>, code: C) -> Option<Instruction> {
    let view = view(case)?;
    let server = |text: String, command: Option<String>| Instruction {
        on: "server".to_owned(),
        os: "linux".to_owned(),
        text,
        command,
    };
    match code {
        C::FirewallRejects | C::FirewallDrops => {
            let judgement = judgement(case, view)?;
            let rule = judgement.rule.as_ref()?;
            let text = format!("This rule of {} decides: {rule}", view.host);
            Some(server(text, judgement.command.clone()))
        }
        C::ServiceNotListening | C::ServiceStoppedAfterDeploy | C::ServiceCrashLoop => {
            let unit = view.unit().filter(|unit| !unit.is_running())?;
            Some(server(format!("Mend what its log names, then start {}.", unit.name), start(unit)))
        }
        C::ServiceHung => {
            let stopped = service::stopped_process(view)?;
            let text = format!("{} is stopped: let it go on.", stopped.name);
            Some(server(text, Some(format!("sudo kill -CONT {}", stopped.pid))))
        }
        C::UpstreamDead => {
            let (passage, upstream) = service::dead_upstream(view)?;
            let text =
                format!("Start what should answer at {} ({}).", upstream.address, passage.source);
            Some(server(text, None))
        }
        _ => None,
    }
}

fn start(unit: &Unit) -> Option<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.@:".contains(c);
    let name = Some(&unit.name).filter(|name| name.chars().all(plain))?;
    match unit.supervisor.as_deref() {
        Some("systemd") => Some(format!("sudo systemctl restart {name}")),
        Some(program @ ("docker" | "podman")) => Some(format!("sudo {program} start {name}")),
        _ => None,
    }
}
