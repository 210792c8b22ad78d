//! `/proc/net/{tcp,tcp6,udp,udp6}`, proc_net_tcp in the kernel's documentation: where socket
//! diagnostics are not to be had. Without the backlog's limit and the IPv6-only flag.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

use whydown_core::inside::{Queue, Transport};

use super::Bare;

/// net/tcp_states.h, in hexadecimal.
const LISTEN: &str = "0A";
const CLOSE: &str = "07";

/// Reads the tables below `directory` (`/proc/thread-self/net`, `/proc/812/net`). `None`: not one
/// of them could be read.
pub(super) fn listeners(directory: &Path, port: Option<u16>) -> Option<Vec<Bare>> {
    let mut found = None;
    for (name, transport) in [
        ("tcp", Transport::Tcp),
        ("tcp6", Transport::Tcp),
        ("udp", Transport::Udp),
        ("udp6", Transport::Udp),
    ] {
        // A kernel without IPv6 has two of the four.
        let Ok(text) = std::fs::read_to_string(directory.join(name)) else { continue };
        let listeners = found.get_or_insert_with(Vec::new);
        listeners.extend(text.lines().skip(1).filter_map(|line| parse(transport, line)));
    }
    let fits = |bare: &Bare| port.is_none_or(|port| bare.port == port);
    found.map(|listeners| listeners.into_iter().filter(fits).collect())
}

/// `0: 0100007F:1F90 00000000:0000 0A 00000000:00000003 00:00000000 00000000  1000  0 4711 …`.
fn parse(transport: Transport, line: &str) -> Option<Bare> {
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    let state = if transport == Transport::Tcp { LISTEN } else { CLOSE };
    if *fields.get(3)? != state {
        return None;
    }
    let (address, port) = fields.get(1)?.split_once(':')?;
    let (_, waiting) = fields.get(4)?.split_once(':')?;
    Some(Bare {
        transport,
        address: parse_address(address)?,
        port: u16::from_str_radix(port, 16).ok()?,
        v6_only: None,
        interface: 0,
        queue: Some(Queue { length: u32::from_str_radix(waiting, 16).ok()?, limit: None }),
        uid: fields.get(7)?.parse().ok()?,
        inode: fields.get(9)?.parse().ok()?,
        cgroup: None,
    })
}

/// 32-bit words in the machine's byte order, each as a hexadecimal number.
fn parse_address(text: &str) -> Option<IpAddr> {
    let word = |at: usize| {
        let digits = text.get(at * 8..at * 8 + 8)?;
        u32::from_str_radix(digits, 16).ok().map(u32::to_ne_bytes)
    };
    match text.len() {
        8 => Some(IpAddr::V4(Ipv4Addr::from(word(0)?))),
        32 => {
            let bytes = [word(0)?, word(1)?, word(2)?, word(3)?].concat();
            Some(IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_tables_are_read() {
        let line = "   1: 0100007F:1F90 00000000:0000 0A 00000000:00000003 00:00000000 \
                    00000000  1000        0 4711 1 0000000000000000 100 0 0 10 0";
        let bare = parse(Transport::Tcp, line).unwrap();
        assert_eq!((bare.address, bare.port), ("127.0.0.1".parse().unwrap(), 8_080));
        assert_eq!((bare.uid, bare.inode), (1_000, 4_711));
        assert_eq!(bare.queue, Some(Queue { length: 3, limit: None }));
        assert_eq!(parse(Transport::Udp, line), None, "a connected datagram socket");
        let line = "0: 00000000000000000000000001000000:0016 0:0 0A 0:0 0 0 0 0 9";
        assert_eq!(parse(Transport::Tcp, line).unwrap().address, "::1".parse::<IpAddr>().unwrap());
        for cut in 0..line.len() {
            let _ = parse(Transport::Tcp, &line[..cut]);
        }
    }
}
