//! The inside view of one port: sockets, firewall, services, proxies and machine put together.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use jiff::Timestamp;
use whydown_core::inside::{
    Clues, FilterVerdict, Happening, HappeningKind, InsideView, Judgement, Listener, Passage,
    Queue, Rise, Transport, Unit, Upstream,
};

use crate::sockets::{self, Which};
use crate::{kernel_log, machine, passages, units};

/// Listeners of the same programs on other ports that are told of.
const ELSEWHERE_MAX: usize = 16;
/// A boot is worth telling for so long.
const BOOT_LATELY: Duration = Duration::from_secs(3_600);

/// What is asked of the machine.
#[derive(Clone, Debug)]
pub struct Question {
    /// The port.
    pub port: u16,
    /// Its protocol.
    pub transport: Transport,
    /// What is known already.
    pub clues: Clues,
    /// Counters at an earlier look.
    pub before: Option<Rise>,
    /// How long each program that is asked (`systemctl`, `journalctl`, `nft`) may take.
    pub patience: Duration,
}

impl Question {
    /// About a TCP port, with nothing known and two seconds of patience.
    #[must_use]
    pub fn tcp(port: u16) -> Self {
        Self {
            port,
            transport: Transport::Tcp,
            clues: Clues::default(),
            before: None,
            patience: Duration::from_secs(2),
        }
    }
}

/// Looks at everything that may explain why a port of this machine doesn't work. Takes from some
/// milliseconds to a few times `patience`.
#[must_use]
pub fn look(question: &Question) -> InsideView {
    let now = Timestamp::now();
    let all = sockets::read(Which { port: None, everywhere: false });
    let listeners: Vec<Listener> = all
        .listeners
        .iter()
        .filter(|l| l.port == question.port && l.transport == question.transport)
        .cloned()
        .collect();
    let firewall = judge_port(&listeners, question);
    let unit_files = units::unit_files();
    let mut invocations = passages::running();
    invocations.extend(units::invocations(&unit_files));
    let proxies = passages::read_all(&invocations);
    let machine = machine::read(question.before);
    let kills = machine.booted_at.and_then(kernel_log::oom_kills);
    let mut view = InsideView {
        host: host_name(),
        at: Some(now),
        port: question.port,
        transport: question.transport,
        addresses: addresses(),
        sockets_read: all.read,
        missing_rights: all.missing_rights.clone(),
        ..InsideView::default()
    };
    if kills.is_none() {
        view.missing_rights.push("whom the kernel killed for want of memory (root)".to_owned());
    }
    view.units = units::read(&units::Search {
        port: question.port,
        listeners: &listeners,
        clues: &question.clues,
        proxies: &proxies,
        unit_files: &unit_files,
        oom_kills: kills.as_deref().unwrap_or_default(),
        booted_at: machine.booted_at,
        patience: question.patience,
        now,
    });
    view.passages = passages_of(question, &listeners, &firewall, proxies);
    name_holders(&mut view.passages, &all.listeners);
    view.elsewhere = elsewhere(&view.units, &all.listeners, question);
    view.listeners = listeners;
    view.firewall = firewall;
    view.happenings = happenings(&view.units, machine.booted_at, now);
    view.machine = machine;
    view
}

/// What the packet filter does to a stranger's connection, one answer for each listener.
#[must_use]
pub fn judge_all(listeners: &[Listener]) -> Vec<Judgement> {
    listeners.iter().map(|listener| undecided(listener.address)).collect()
}

fn judge_port(listeners: &[Listener], question: &Question) -> Vec<Judgement> {
    let _ = (listeners, question);
    Vec::new()
}

fn undecided(to: IpAddr) -> Judgement {
    Judgement {
        from: stranger(to),
        to,
        verdict: FilterVerdict::Undecided,
        with: None,
        rule: None,
        packets: None,
        command: None,
        sent_to: None,
    }
}

/// An address of the Internet that no rule is likely to name.
fn stranger(to: IpAddr) -> IpAddr {
    match to {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::new(198, 51, 100, 77)),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x77)),
    }
}

/// Addresses of this machine that others may reach.
#[must_use]
pub fn addresses() -> Vec<IpAddr> {
    let Ok(all) = nix::ifaddrs::getifaddrs() else { return Vec::new() };
    let ip = |interface: nix::ifaddrs::InterfaceAddress| {
        let address = interface.address?;
        let v4 = address.as_sockaddr_in().map(|address| IpAddr::V4(address.ip()));
        v4.or_else(|| address.as_sockaddr_in6().map(|address| IpAddr::V6(address.ip())))
    };
    let outside = |ip: &IpAddr| match ip {
        IpAddr::V4(ip) => !ip.is_loopback(),
        IpAddr::V6(ip) => !ip.is_loopback() && !ip.is_unicast_link_local(),
    };
    let addresses: BTreeSet<IpAddr> = all.filter_map(ip).filter(outside).collect();
    addresses.into_iter().collect()
}

fn host_name() -> String {
    let name = nix::unistd::gethostname().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// Where connections to the port are passed on to, each upstream tried.
fn passages_of(
    question: &Question,
    listeners: &[Listener],
    firewall: &[Judgement],
    proxies: Vec<passages::Proxy>,
) -> Vec<Passage> {
    let owners: BTreeSet<&str> = listeners
        .iter()
        .flat_map(|listener| &listener.owners)
        .filter_map(|owner| passages::kind_of(&owner.process))
        .collect();
    let foreign = !listeners.is_empty()
        && owners.is_empty()
        && listeners.iter().all(|listener| !listener.owners.is_empty());
    // What holds the port is read from its own configuration, not from that of its kind.
    let pids: BTreeSet<u32> =
        listeners.iter().flat_map(|l| &l.owners).map(|owner| owner.pid).collect();
    let holds = |proxy: &passages::Proxy| proxy.pid.is_some_and(|pid| pids.contains(&pid));
    let known = proxies.iter().any(holds);
    let of_port = proxies
        .into_iter()
        .filter(|proxy| !known || holds(proxy))
        .filter(|proxy| owners.is_empty() || owners.contains(proxy.program))
        .flat_map(|proxy| proxy.passages)
        .filter(|passage| passage.port == question.port && !foreign);
    let named = question.clues.server_name.as_deref();
    let mut found = passages::for_name(of_port.collect(), named);
    let mut forwarded: Vec<(SocketAddr, &str, String)> =
        listeners.iter().filter_map(|l| Some((l.published?, "docker-proxy", l.holder()))).collect();
    forwarded.extend(firewall.iter().filter_map(|judgement| {
        Some((judgement.sent_to?, "dnat", judgement.rule.clone().unwrap_or_default()))
    }));
    found.extend(forwarded.into_iter().map(|(to, proxy, source)| Passage {
        proxy: proxy.to_owned(),
        port: question.port,
        upstreams: vec![Upstream { address: to.to_string(), ..Upstream::default() }],
        source,
        ..Passage::default()
    }));
    passages::try_all(&mut found);
    found
}

/// Upstreams on this machine: who listens there.
fn name_holders(passages: &mut [Passage], listeners: &[Listener]) {
    let upstreams = passages.iter_mut().flat_map(|passage| &mut passage.upstreams);
    for upstream in upstreams.filter(|upstream| upstream.failure.is_none()) {
        let Some((host, port)) = upstream.address.rsplit_once(':') else { continue };
        let host = host.trim_matches(['[', ']']);
        let ip: Option<IpAddr> = match host {
            "localhost" => Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            host => host.parse().ok(),
        };
        let (Some(ip), Ok(port)) = (ip, port.parse::<u16>()) else { continue };
        let there = listeners
            .iter()
            .find(|l| l.port == port && l.transport == Transport::Tcp && l.takes(ip));
        upstream.holder = there.map(Listener::holder);
        let full = there.and_then(|listener| listener.queue).is_some_and(Queue::is_full);
        let stopped =
            there.and_then(Listener::owner).and_then(|owner| crate::process::state(owner.pid));
        if full {
            upstream.detail = Some("its queue of connections is full".to_owned());
        } else if matches!(stopped, Some(('T' | 't', _))) {
            upstream.detail = Some("its process is stopped (SIGSTOP)".to_owned());
        }
    }
}

/// Where the units of the port listen besides.
fn elsewhere(units: &[Unit], listeners: &[Listener], question: &Question) -> Vec<Listener> {
    let of_units = |listener: &&Listener| {
        let program = listener.owner().map(|owner| owner.process.as_str());
        units.iter().any(|unit| {
            let stem = unit.name.split(['.', '@']).next();
            listener.unit.as_deref() == Some(&unit.name) || (program.is_some() && program == stem)
        })
    };
    listeners
        .iter()
        .filter(|listener| listener.transport == question.transport)
        .filter(|listener| listener.port != question.port)
        .filter(of_units)
        .take(ELSEWHERE_MAX)
        .cloned()
        .collect()
}

/// What happened to the units lately, in the order of time.
fn happenings(units: &[Unit], booted_at: Option<Timestamp>, now: Timestamp) -> Vec<Happening> {
    let mut found = Vec::new();
    let mut add = |at: Timestamp, kind, text: String| found.push(Happening { at, kind, text });
    for unit in units {
        let name = &unit.name;
        if let Some(at) = unit.started_at {
            add(at, HappeningKind::Start, format!("{name} was started"));
        }
        if let Some(at) = unit.stopped_at {
            let kind = if unit.oom_killed { HappeningKind::OomKill } else { HappeningKind::Exit };
            add(at, kind, format!("{name} {}", unit.ending()));
        }
        for change in &unit.changes {
            add(change.at, HappeningKind::Change, change.what.clone());
        }
    }
    let lately = |at: &Timestamp| now.duration_since(*at).unsigned_abs() <= BOOT_LATELY;
    if let Some(at) = booted_at.filter(lately) {
        add(at, HappeningKind::Boot, "the machine was started".to_owned());
    }
    found.sort_by_key(|happening| happening.at);
    found.dedup();
    found
}
