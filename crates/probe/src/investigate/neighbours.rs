//! Other usual ports of a failing address: is the host there at all, and is the service perhaps on
//! another port? A few connections, closed at once.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::future::join_all;
use whydown_core::evidence::Neighbour;
use whydown_core::failure::Failure;
use whydown_core::observation::Attempt;
use whydown_core::target::Scheme;

use super::{Look, speak};
use crate::connect::{Options, connect};

/// Ports tried at most.
const PORTS_MAX: usize = 9;
/// Patience with one port after silence: a lost SYN is sent again after one second.
const PATIENCE: Duration = Duration::from_millis(1_200);
/// Patience when the failing port has answered: a few round trips, and at least this.
const ANSWERED_PATIENCE_MIN: Duration = Duration::from_millis(400);

/// Touches the neighbours of a failing attempt.
pub(super) async fn touch(look: &Look<'_>, attempt: &Attempt) -> Vec<Neighbour> {
    let patience = match attempt.failure {
        Some(Failure::TcpRefused) => (attempt.elapsed * 4).clamp(ANSWERED_PATIENCE_MIN, PATIENCE),
        _ => PATIENCE,
    };
    let ports = ports(look, attempt.port).into_iter();
    join_all(ports.map(|port| one(look, SocketAddr::new(attempt.ip, port), patience))).await
}

fn ports(look: &Look<'_>, own: u16) -> Vec<u16> {
    if look.settings.neighbour_ports.is_empty() {
        return Vec::new();
    }
    let family: &[u16] = match look.monitor.target.scheme {
        Scheme::Http | Scheme::Https | Scheme::Tls => &[443, 80],
        Scheme::Ssh => &[22, 2222],
        Scheme::Smtp | Scheme::Smtps => &[25, 587, 465],
        Scheme::Imap | Scheme::Imaps => &[143, 993],
        Scheme::Pop3 | Scheme::Pop3s => &[110, 995],
        Scheme::Ftp => &[21],
        Scheme::Postgres => &[5432, 6432],
        Scheme::Mysql => &[3306],
        Scheme::Redis => &[6379],
        Scheme::Minecraft => &[25565],
        Scheme::Tcp | Scheme::Udp | Scheme::Dns | Scheme::Icmp => &[],
    };
    let mut ports: Vec<u16> = Vec::new();
    for port in family.iter().chain(&look.settings.neighbour_ports) {
        if *port != own && !ports.contains(port) {
            ports.push(*port);
        }
    }
    ports.truncate(PORTS_MAX);
    ports
}

async fn one(look: &Look<'_>, remote: SocketAddr, patience: Duration) -> Neighbour {
    let mut found = Neighbour {
        ip: remote.ip(),
        port: remote.port(),
        failure: None,
        icmp: None,
        same_service: None,
        elapsed: Duration::ZERO,
    };
    match connect(remote, &Options::default(), look.within(patience)).await {
        Ok(connection) => {
            found.elapsed = connection.elapsed;
            drop(connection);
            found.same_service = speak::same_service(look, remote).await;
        }
        Err(not) => {
            found.elapsed = not.elapsed;
            found.failure = Some(not.failure);
            found.icmp = not.icmp;
        }
    }
    found
}

/// An open port to compare with, web servers first: they are used to connections that say
/// nothing.
pub(super) fn best_open(neighbours: &[Neighbour]) -> Option<u16> {
    let open = neighbours.iter().filter(|neighbour| neighbour.failure.is_none());
    let rank = |port: u16| match port {
        80 | 443 | 8080 | 8443 => 0,
        22 => 2,
        _ => 1,
    };
    open.map(|neighbour| neighbour.port).min_by_key(|port| rank(*port))
}
