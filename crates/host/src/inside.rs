//! The inside view of one port: sockets, firewall, services, proxies and machine put together.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use jiff::Timestamp;
use whydown_core::inside::{
    Bond, Clues, FilterVerdict, Happening, HappeningKind, InsideView, Judgement, Listener, Passage,
    Queue, Rise, Transport, Unit, Upstream,
};

use crate::firewall::{Decision, Firewall, Protocol, Syn};
use crate::sockets::{self, Which};
use crate::{kernel_log, machine, passages, units};

/// Listeners of the same programs on other ports that are told of.
const ELSEWHERE_MAX: usize = 16;
/// Own addresses for which the packet filter is asked.
const JUDGED_MAX: usize = 8;
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
    let own = addresses();
    // Side by side: whoever waits for the answer waits for the slowest program only.
    let ((firewall, unread), (unit_files, proxies)) = std::thread::scope(|scope| {
        let filter = scope.spawn(|| judge_port(&own, question));
        let unit_files = units::unit_files();
        let mut invocations = passages::running();
        invocations.extend(units::invocations(&unit_files));
        let proxies = passages::read_all(&invocations);
        (filter.join().unwrap_or_default(), (unit_files, proxies))
    });
    let machine = machine::read(question.before);
    let kills = kernel_log::oom_kills();
    let mut view = InsideView {
        host: host_name(),
        at: Some(now),
        port: question.port,
        transport: question.transport,
        addresses: own,
        sockets_read: all.read,
        missing_rights: all.missing_rights.clone(),
        ..InsideView::default()
    };
    view.missing_rights.extend(unread);
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

/// The first word on a listener that is gone, said before anybody has looked any further. `rest`:
/// who listens on the port still.
#[must_use]
pub fn first_word(gone: &Listener, rest: Vec<Listener>, at: Timestamp) -> InsideView {
    let alive = gone.owners.iter().any(|owner| crate::process::state(owner.pid).is_some());
    let unit = gone.unit.clone().filter(|unit| !unit.ends_with(".scope"));
    let name = unit.or_else(|| Some(gone.owner()?.process.clone()));
    let unit = name.map(|name| Unit {
        name,
        bond: Bond::LastOwned,
        state: if alive { "running" } else { "not running" }.to_owned(),
        stopped_at: (!alive).then_some(at),
        ..Unit::default()
    });
    InsideView {
        host: host_name(),
        at: Some(at),
        port: gone.port,
        transport: gone.transport,
        addresses: addresses(),
        sockets_read: true,
        listeners: rest,
        units: unit.into_iter().collect(),
        partial: true,
        ..InsideView::default()
    }
}

/// What the packet filter does to a stranger's connection, one answer for each listener.
#[must_use]
pub fn judge_all(listeners: &[Listener]) -> Vec<Judgement> {
    let firewall = Firewall::read();
    let own = addresses();
    let judge = |listener: &Listener| {
        let v4 = listener.address.is_ipv4();
        let to = match listener.address {
            ip if ip.is_unspecified() => own.iter().copied().find(|own| own.is_ipv4() == v4),
            ip => Some(ip),
        };
        // Without an address of its family nobody can knock from outside.
        let to = to.unwrap_or(listener.address);
        judge(&firewall, SocketAddr::new(to, listener.port), listener.transport)
    };
    listeners.iter().map(judge).collect()
}

/// The same for every address of this machine, whether somebody listens or not.
fn judge_port(own: &[IpAddr], question: &Question) -> (Vec<Judgement>, Vec<String>) {
    let firewall = Firewall::read();
    let places = own.iter().take(JUDGED_MAX).map(|ip| SocketAddr::new(*ip, question.port));
    let judgements = places.map(|to| judge(&firewall, to, question.transport)).collect();
    let missing = firewall.unread.iter().map(|unread| format!("{} ({})", unread.what, unread.why));
    (judgements, missing.collect())
}

fn judge(firewall: &Firewall, to: SocketAddr, transport: Transport) -> Judgement {
    let protocol = match transport {
        Transport::Tcp => Protocol::Tcp,
        Transport::Udp => Protocol::Udp,
    };
    // Who asks for a loopback address is on this machine.
    let from = to.ip().is_loopback().then_some(to.ip());
    let verdict = firewall.verdict(&Syn { protocol, ..Syn::new(from, to) });
    let site = verdict.rule.or(verdict.redirected_by);
    Judgement {
        from,
        to: to.ip(),
        verdict: match verdict.decision {
            Decision::Accept => FilterVerdict::Accept,
            Decision::Reject => FilterVerdict::Reject,
            Decision::Drop => FilterVerdict::Drop,
            Decision::Undecided => FilterVerdict::Undecided,
        },
        with: verdict.with,
        packets: site.as_ref().and_then(|site| Some(site.counter.as_ref()?.packets)),
        rule: site.map(|site| site.to_string()),
        because: verdict.because,
        command: verdict.command,
        sent_to: verdict.redirected_to,
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
