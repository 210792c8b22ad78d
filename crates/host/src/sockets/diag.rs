//! Questions to `NETLINK_SOCK_DIAG`, sock_diag(7): the tables of listening sockets, with backlog
//! and owner.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::SockProtocol;
use whydown_core::inside::{Queue, Transport};

use crate::netlink::{ask, attributes, family_byte};

use super::Bare;

/// linux/sock_diag.h.
const SOCK_DIAG_BY_FAMILY: u16 = 20;
/// linux/inet_diag.h, `enum INET_DIAG_*`.
const INET_DIAG_SKV6ONLY: u16 = 11;
const INET_DIAG_CGROUP_ID: u16 = 21;
/// net/tcp_states.h. UDP sockets that are not connected are "closed".
const TCP_CLOSE: u32 = 7;
const TCP_LISTEN: u32 = 10;

/// All listeners of one protocol and family in the calling thread's network namespace.
pub(super) fn listeners(
    transport: Transport,
    v4: bool,
    port: Option<u16>,
) -> Result<Vec<Bare>, Errno> {
    let body = request(transport, v4, port);
    let answers = ask(SockProtocol::NetlinkSockDiag, SOCK_DIAG_BY_FAMILY, libc::NLM_F_DUMP, &body)?;
    let parsed = answers.iter().filter_map(|(_, body)| parse(transport, body));
    // Older kernels ignore the port asked for.
    Ok(parsed.filter(|bare| port.is_none_or(|port| bare.port == port)).collect())
}

/// `struct inet_diag_req_v2`.
fn request(transport: Transport, v4: bool, port: Option<u16>) -> Vec<u8> {
    let (protocol, states) = match transport {
        Transport::Tcp => (libc::IPPROTO_TCP, 1_u32 << TCP_LISTEN),
        Transport::Udp => (libc::IPPROTO_UDP, 1_u32 << TCP_CLOSE),
    };
    let family = family_byte(if v4 { libc::AF_INET } else { libc::AF_INET6 });
    let mut body = vec![family, u8::try_from(protocol).unwrap_or(0), 0, 0];
    body.extend_from_slice(&states.to_ne_bytes());
    body.extend_from_slice(&port.unwrap_or(0).to_be_bytes());
    // Other port, addresses, interface; and no cookie (INET_DIAG_NOCOOKIE, twice ~0).
    body.extend_from_slice(&[0; 2 + 16 + 16 + 4]);
    body.extend_from_slice(&[0xff; 8]);
    body
}

/// `struct inet_diag_msg` and its attributes.
pub(super) fn parse(transport: Transport, body: &[u8]) -> Option<Bare> {
    let u32_at =
        |at: usize| body.get(at..at + 4).and_then(|b| b.try_into().ok()).map(u32::from_ne_bytes);
    let address = match i32::from(*body.first()?) {
        libc::AF_INET => IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(body.get(8..12)?).ok()?)),
        libc::AF_INET6 => IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(body.get(8..24)?).ok()?)),
        _ => return None,
    };
    let mut bare = Bare {
        transport,
        address,
        port: u16::from_be_bytes(body.get(4..6)?.try_into().ok()?),
        v6_only: None,
        interface: u32_at(40)?,
        queue: Some(Queue { length: u32_at(56)?, limit: Some(u32_at(60)?) }),
        uid: u32_at(64)?,
        inode: u64::from(u32_at(68)?),
        cgroup: None,
    };
    for (kind, value) in attributes(body.get(72..)?) {
        match kind {
            INET_DIAG_SKV6ONLY => bare.v6_only = value.first().map(|only| *only != 0),
            INET_DIAG_CGROUP_ID => {
                bare.cgroup =
                    value.get(..8).and_then(|b| b.try_into().ok()).map(u64::from_ne_bytes);
            }
            _ => {}
        }
    }
    Some(bare)
}

#[cfg(test)]
mod tests {
    use whydown_core::inside::Transport;

    use super::{parse, request};

    #[test]
    fn a_request_has_the_size_that_the_kernel_expects() {
        assert_eq!(request(Transport::Tcp, true, Some(443)).len(), 56);
    }

    #[test]
    fn no_bytes_make_the_parser_panic() {
        let mut bytes = vec![10];
        let mut state = 7_u32;
        for _ in 0..300 {
            let _ = parse(Transport::Udp, &bytes);
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            bytes.push(state.to_be_bytes()[0] & 0x1f);
        }
    }
}
