//! Is it only this target? Things that should work whatever the target does: the default
//! gateways, the configured resolvers, and the hosts that the settings name.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use futures_util::future::join_all;
use hickory_proto::rr::{Name, RecordType};
use tokio::time::timeout_at;
use whydown_core::evidence::Control;
use whydown_core::failure::Failure;
use whydown_core::target::Host;
use whydown_host::{netlink, resolver, route};

use super::Look;
use crate::connect::{Options, connect};
use crate::dns::{Ask, Question, ask, udp_socket};
use crate::observe::resolve;

/// Patience with one control.
const PATIENCE: Duration = Duration::from_millis(900);
/// A port that routers often have something to say about.
const GATEWAY_PORT: u16 = 80;
/// A UDP port where nothing listens.
const UNUSED_PORT: u16 = 33_500;
/// Configured hosts tried.
const HOSTS_MAX: usize = 10;
const DEFAULT_PORT: u16 = 443;

/// Touches all controls.
pub(super) async fn touch(look: &Look<'_>) -> Vec<Control> {
    let gateways = route::gateways();
    let resolvers = resolver::resolvers();
    // One on this very machine answers from what it remembers, with or without a network.
    let elsewhere = |server: &&SocketAddr| resolvers.configured && !server.ip().is_loopback();
    let servers = resolvers.servers.iter().filter(elsewhere);
    let hosts = look.settings.controls.iter().take(HOSTS_MAX);
    let (gateways, servers, hosts) = tokio::join!(
        join_all(gateways.into_iter().map(|at| gateway(look, at))),
        join_all(servers.map(|server| resolver_control(look, *server))),
        join_all(hosts.map(|host| host_control(look, host))),
    );
    let others: Vec<Control> = servers.into_iter().chain(hosts.into_iter().flatten()).collect();
    let all_dead = !others.is_empty() && others.iter().all(|control| control.failure.is_some());
    // Many gateways say nothing for themselves: their silence counts only beside others'.
    let gateways = gateways.into_iter().filter(|gateway| gateway.certain || all_dead);
    gateways.map(|gateway| gateway.control).chain(others).collect()
}

/// What a gateway did, and whether it says anything by itself.
struct Gateway {
    control: Control,
    certain: bool,
}

/// A gateway answers when it says anything at all: TCP, ICMP, or ARP / neighbour discovery.
async fn gateway(look: &Look<'_>, gateway: SocketAddr) -> Gateway {
    let deadline = look.within(PATIENCE);
    let ip = gateway.ip();
    let at = |port| {
        let mut remote = gateway;
        remote.set_port(port);
        remote
    };
    let tcp = async {
        match connect(at(GATEWAY_PORT), &Options::default(), deadline).await {
            Ok(_) => None,
            Err(not) => Some(not.failure).filter(|failure| *failure != Failure::TcpRefused),
        }
    };
    let udp = async {
        let socket = udp_socket(at(UNUSED_PORT)).ok()?;
        socket.send(&[]).await.ok()?;
        let mut buffer = [0; 1];
        let answer = timeout_at(deadline, socket.recv(&mut buffer)).await.ok()?;
        let refused = |error: &std::io::Error| error.raw_os_error() == Some(libc::ECONNREFUSED);
        answer.as_ref().map_or_else(refused, |_| true).then_some(())
    };
    tokio::pin!(tcp, udp);
    let failure = tokio::select! {
        Some(()) = &mut udp => None,
        failure = &mut tcp => failure,
    };
    let answers = netlink::neighbour_answers(ip);
    let silent = failure.is_some_and(Failure::is_silence);
    // Silence of the upper layers means nothing while the lower one answers.
    let failure = failure.filter(|_| !silent || answers != Some(true));
    let control = Control { name: Control::GATEWAY.to_owned(), address: ip, failure };
    Gateway { control, certain: !silent || answers.is_some() }
}

/// A resolver answers when it says anything at all.
async fn resolver_control(look: &Look<'_>, server: SocketAddr) -> Control {
    let question = Question { name: Name::root(), kind: RecordType::NS };
    let how = Ask { recursive: true, unchecked: false, deadline: look.within(PATIENCE) };
    let answer = ask(server, &question, how).await;
    Control {
        name: "resolver".to_owned(),
        address: server.ip(),
        failure: answer.failure.filter(|_| answer.rcode.is_none() && !answer.closed),
    }
}

/// A host answers when it accepts or refuses.
async fn host_control(look: &Look<'_>, text: &str) -> Option<Control> {
    let (host, port) = parse(text);
    let deadline = look.within(PATIENCE);
    let (lookup, addresses) = resolve(&host, deadline).await;
    if let Some(failure) = lookup.and_then(|lookup| lookup.failure) {
        let address = IpAddr::from([0, 0, 0, 0]);
        return Some(Control { name: text.to_owned(), address, failure: Some(failure) });
    }
    let address = addresses.first().copied()?;
    let tries = addresses.iter().take(2).map(|ip| async move {
        let remote = SocketAddr::new(*ip, port);
        match connect(remote, &Options::default(), deadline).await {
            Ok(_) => None,
            Err(not) => Some(not.failure).filter(|failure| *failure != Failure::TcpRefused),
        }
    });
    let failures = join_all(tries).await;
    let failure = failures.iter().copied().min_by_key(Option::is_some).flatten();
    Some(Control { name: text.to_owned(), address, failure })
}

/// `name`, `name:port`, an address, or `[address]:port`.
fn parse(text: &str) -> (Host, u16) {
    if let Ok(remote) = text.parse::<SocketAddr>() {
        return (Host::Ip(remote.ip()), remote.port());
    }
    if let Ok(ip) = text.parse() {
        return (Host::Ip(ip), DEFAULT_PORT);
    }
    match text.rsplit_once(':').map(|(name, port)| (name, port.parse())) {
        Some((name, Ok(port))) => (Host::Name(name.to_ascii_lowercase()), port),
        _ => (Host::Name(text.to_ascii_lowercase()), DEFAULT_PORT),
    }
}
