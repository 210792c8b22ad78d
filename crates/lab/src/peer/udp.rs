//! UDP peers.

use std::net::UdpSocket;
use std::os::fd::AsFd as _;

use socket2::{Protocol, Type};

use super::{Behaviour, Listen, Peer};
use crate::fail::OrFail as _;
use crate::host::Host;

pub(super) fn start(host: &Host, listen: Listen, what: &Behaviour) -> Peer {
    let echo = matches!(what, Behaviour::UdpEcho);
    let socket: UdpSocket = host.enter(|| listen.bind(Type::DGRAM, Protocol::UDP)).into();
    let port = socket.local_addr().or_fail("a socket without an address").port();
    Peer::idle(port).run(host, move |stop| {
        let mut buffer = vec![0; 64 * 1024];
        while stop.or_readable(socket.as_fd()) {
            // An error is an ICMP answer to something sent before: not this packet's.
            if let (Ok((length, from)), true) = (socket.recv_from(&mut buffer), echo) {
                let _ = socket.send_to(&buffer[..length], from);
            }
        }
    })
}
