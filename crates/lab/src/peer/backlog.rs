//! Listeners that nobody accepts from, with room in the backlog and without.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use super::{Behaviour, Listen, Peer, port_of};
use crate::fail::fail;
use crate::host::Host;

/// On its own host a connection is there at once, or not at all.
const OWN_CONNECT: Duration = Duration::from_millis(100);
/// A backlog of 0 takes one connection (listen(2): "full" means more than the backlog).
const FILLERS_MAX: usize = 4;

pub(super) fn start(host: &Host, listen: Listen, what: &Behaviour) -> Peer {
    let full = matches!(what, Behaviour::BacklogFull);
    let backlog = if full { 0 } else { super::BACKLOG };
    let (listener, fillers) = host.enter(|| {
        let listener = listen.listen(backlog);
        let port = port_of(&listener);
        let fillers = if full { fill(reachable(listen), port) } else { Vec::new() };
        (listener, fillers)
    });
    let port = port_of(&listener);
    Peer::idle(port).run(host, move |stop| {
        let kept = (listener, fillers);
        while !stop.within(Duration::from_secs(3600)) {}
        drop(kept);
    })
}

/// An address on which the host reaches its own listener.
fn reachable(listen: Listen) -> IpAddr {
    match listen.address().ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    }
}

/// Connects until the kernel doesn't answer any more.
fn fill(ip: IpAddr, port: u16) -> Vec<TcpStream> {
    let mut fillers = Vec::new();
    while let Ok(filler) = TcpStream::connect_timeout(&SocketAddr::new(ip, port), OWN_CONNECT) {
        fillers.push(filler);
        if fillers.len() > FILLERS_MAX {
            fail("the backlog doesn't fill up");
        }
    }
    fillers
}
