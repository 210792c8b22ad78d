//! Questions to the kernel about routes, interfaces and neighbours, rtnetlink(7), and the way to
//! ask others. Reads only; an answer that makes no sense is passed over.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, send,
    setsockopt, socket, sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike};

/// Bytes of one answer; the kernel fills at most 32 KiB at a time.
const BUFFER_BYTES: usize = 64 << 10;
/// Messages of one answer looked at: a full Internet routing table is cut here.
const MESSAGES_MAX: usize = 20_000;
/// The kernel answers at once; nobody waits for it longer.
const WAIT_S: i64 = 1;
const HEADER_BYTES: usize = 16;

/// A route of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Network; `None` for a default route.
    pub to: Option<IpAddr>,
    /// Length of the network's prefix.
    pub length: u8,
    /// Kind, as in rtnetlink(7): `RTN_UNICAST`, `RTN_BLACKHOLE`, …
    pub kind: u8,
    /// Routing table.
    pub table: u32,
    /// Next router.
    pub gateway: Option<IpAddr>,
    /// Interface index.
    pub interface: Option<u32>,
    /// Priority; smaller wins.
    pub metric: u32,
    /// Family.
    pub v4: bool,
}

/// An interface of this machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Link {
    /// Index.
    pub index: u32,
    /// Name.
    pub name: String,
    /// Hardware type, `ARPHRD_…`.
    pub hardware: u16,
    /// Flags, `IFF_…`.
    pub flags: u32,
    /// Driver kind, such as `wireguard` or `tun`.
    pub kind: String,
    /// For `tun`: carries IP packets (VPN) and not Ethernet frames (virtual machines).
    pub layer_3: bool,
}

/// Asks which route packets to an address take.
///
/// # Errors
/// The error number that a connect would get: EINVAL blackhole, EACCES prohibit, EHOSTUNREACH
/// unreachable, ENETUNREACH none or throw.
pub fn route_to(ip: IpAddr) -> Result<Option<Route>, Errno> {
    let (family, bits, bytes) = match ip {
        IpAddr::V4(ip) => (libc::AF_INET, 32, ip.octets().to_vec()),
        IpAddr::V6(ip) => (libc::AF_INET6, 128, ip.octets().to_vec()),
    };
    let mut body = vec![family_byte(family), bits];
    body.extend_from_slice(&[0; 10]);
    body.extend_from_slice(&u16::try_from(4 + bytes.len()).unwrap_or(0).to_ne_bytes());
    body.extend_from_slice(&libc::RTA_DST.to_ne_bytes());
    body.extend_from_slice(&bytes);
    let answers = ask(SockProtocol::NetlinkRoute, libc::RTM_GETROUTE, 0, &body)?;
    Ok(answers.iter().find_map(|(kind, body)| parse_route(*kind, body)))
}

/// All routes of one family.
#[must_use]
pub fn routes(v4: bool) -> Vec<Route> {
    let family = if v4 { libc::AF_INET } else { libc::AF_INET6 };
    let mut body = vec![family_byte(family)];
    body.extend_from_slice(&[0; 11]);
    let answers = ask(SockProtocol::NetlinkRoute, libc::RTM_GETROUTE, libc::NLM_F_DUMP, &body)
        .unwrap_or_default();
    answers.iter().filter_map(|(kind, body)| parse_route(*kind, body)).collect()
}

/// All interfaces.
#[must_use]
pub fn links() -> Vec<Link> {
    let answers = ask(SockProtocol::NetlinkRoute, libc::RTM_GETLINK, libc::NLM_F_DUMP, &[0; 16])
        .unwrap_or_default();
    answers.iter().filter_map(|(kind, body)| parse_link(*kind, body)).collect()
}

/// Does a neighbour on an own link answer ARP or neighbour discovery? `None`: never asked, or not
/// so lately that the answer says anything about now.
#[must_use]
pub fn neighbour_answers(ip: IpAddr) -> Option<bool> {
    /// One second; the kernel counts in hundredths for user space (USER_HZ).
    const CONFIRMED_LATELY_TICKS: u32 = 100;
    const NUD_INCOMPLETE: u16 = 0x01;
    const NUD_FAILED: u16 = 0x20;
    let family = if ip.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    let mut body = vec![family_byte(family)];
    body.extend_from_slice(&[0; 11]);
    let answers =
        ask(SockProtocol::NetlinkRoute, libc::RTM_GETNEIGH, libc::NLM_F_DUMP, &body).ok()?;
    answers.iter().find_map(|(kind, body)| {
        if *kind != libc::RTM_NEWNEIGH {
            return None;
        }
        let state = u16::from_ne_bytes([*body.get(8)?, *body.get(9)?]);
        let found = attributes(body.get(12..)?).find(|(kind, _)| *kind == libc::NDA_DST)?;
        if to_ip(found.1)? != ip {
            return None;
        }
        if state & (NUD_INCOMPLETE | NUD_FAILED) != 0 {
            return Some(Some(false));
        }
        // struct nda_cacheinfo of linux/neighbour.h: first, ticks since the last confirmation.
        let (_, cache) =
            attributes(body.get(12..)?).find(|(kind, _)| *kind == libc::NDA_CACHEINFO)?;
        let ticks = u32::from_ne_bytes(cache.get(..4)?.try_into().ok()?);
        Some((ticks <= CONFIRMED_LATELY_TICKS).then_some(true))
    })?
}

pub(crate) fn family_byte(family: i32) -> u8 {
    u8::try_from(family).unwrap_or(0)
}

/// One question and all its answers, as (message type, body).
pub(crate) fn ask(
    protocol: SockProtocol,
    kind: u16,
    flags: i32,
    body: &[u8],
) -> Result<Vec<(u16, Vec<u8>)>, Errno> {
    let socket = open(protocol, 0)?;
    setsockopt(&socket, sockopt::ReceiveTimeout, &TimeVal::seconds(WAIT_S))?;
    let flags = u16::try_from(libc::NLM_F_REQUEST | flags).unwrap_or(1);
    let length = u32::try_from(HEADER_BYTES + body.len()).unwrap_or(0);
    let mut message = length.to_ne_bytes().to_vec();
    message.extend_from_slice(&kind.to_ne_bytes());
    message.extend_from_slice(&flags.to_ne_bytes());
    message.extend_from_slice(&[1, 0, 0, 0, 0, 0, 0, 0]);
    message.extend_from_slice(body);
    send(socket.as_raw_fd(), &message, MsgFlags::empty())?;
    let dump = u16::try_from(libc::NLM_F_DUMP).unwrap_or(0);
    let mut answers = Vec::new();
    let mut buffer = vec![0; BUFFER_BYTES];
    while answers.len() < MESSAGES_MAX {
        let length = recv(socket.as_raw_fd(), &mut buffer, MsgFlags::empty())?;
        let done = split(&buffer[..length], &mut answers)?;
        if done || flags & dump != dump {
            break;
        }
    }
    Ok(answers)
}

/// A socket to one part of the kernel, which also hears the multicast `groups`.
pub(crate) fn open(protocol: SockProtocol, groups: u32) -> Result<OwnedFd, Errno> {
    let socket = socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, protocol)?;
    bind(socket.as_raw_fd(), &NetlinkAddr::new(0, groups))?;
    Ok(socket)
}

/// Splits a datagram into messages. True: that was the last one.
pub(crate) fn split(datagram: &[u8], answers: &mut Vec<(u16, Vec<u8>)>) -> Result<bool, Errno> {
    let mut rest = datagram;
    while let Some(header) = rest.get(..HEADER_BYTES) {
        let length = u32::from_ne_bytes([header[0], header[1], header[2], header[3]]);
        let kind = u16::from_ne_bytes([header[4], header[5]]);
        let length = usize::try_from(length).unwrap_or(0);
        let Some(body) = rest.get(HEADER_BYTES..length) else { return Ok(true) };
        match i32::from(kind) {
            libc::NLMSG_DONE => return Ok(true),
            libc::NLMSG_ERROR => {
                let code = body.get(..4).map(|b| i32::from_ne_bytes([b[0], b[1], b[2], b[3]]));
                return match code {
                    Some(0) | None => Ok(true),
                    Some(code) => Err(Errno::from_raw(code.wrapping_neg())),
                };
            }
            _ => answers.push((kind, body.to_vec())),
        }
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(false)
}

/// The attributes of a message: length, type, value, padded to four bytes.
pub(crate) fn attributes(mut rest: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let header = rest.get(..4)?;
        let length = usize::from(u16::from_ne_bytes([header[0], header[1]]));
        // The two upper bits say "nested" and "network byte order".
        let kind = u16::from_ne_bytes([header[2], header[3]]) & 0x3fff;
        let value = rest.get(4..length)?;
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((kind, value))
    })
}

fn to_ip(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(|b| IpAddr::V4(Ipv4Addr::from(b)));
    let v6 = <[u8; 16]>::try_from(bytes).map(|b| IpAddr::V6(Ipv6Addr::from(b)));
    v4.or(v6).ok()
}

fn to_u32(bytes: &[u8]) -> Option<u32> {
    bytes.try_into().ok().map(u32::from_ne_bytes)
}

fn parse_route(kind: u16, body: &[u8]) -> Option<Route> {
    if kind != libc::RTM_NEWROUTE {
        return None;
    }
    let header = body.get(..12)?;
    let mut route = Route {
        to: None,
        length: header[1],
        kind: header[7],
        table: u32::from(header[4]),
        gateway: None,
        interface: None,
        metric: 0,
        v4: i32::from(header[0]) == libc::AF_INET,
    };
    for (kind, value) in attributes(&body[12..]) {
        match kind {
            libc::RTA_DST => route.to = to_ip(value),
            libc::RTA_GATEWAY => route.gateway = to_ip(value),
            libc::RTA_OIF => route.interface = to_u32(value),
            libc::RTA_PRIORITY => route.metric = to_u32(value).unwrap_or(0),
            libc::RTA_TABLE => route.table = to_u32(value).unwrap_or(route.table),
            _ => {}
        }
    }
    Some(route)
}

fn parse_link(kind: u16, body: &[u8]) -> Option<Link> {
    /// linux/if_link.h: `IFLA_TUN_TYPE`, and `IFF_TUN` of linux/if_tun.h.
    const IFLA_TUN_TYPE: u16 = 3;
    const IFF_TUN: u8 = 1;
    if kind != libc::RTM_NEWLINK {
        return None;
    }
    let header = body.get(..16)?;
    let mut link = Link {
        hardware: u16::from_ne_bytes([header[2], header[3]]),
        index: to_u32(&header[4..8])?,
        flags: to_u32(&header[8..12])?,
        ..Link::default()
    };
    for (kind, value) in attributes(&body[16..]) {
        match kind {
            libc::IFLA_IFNAME => link.name = text(value),
            libc::IFLA_LINKINFO => {
                for (kind, value) in attributes(value) {
                    match kind {
                        libc::IFLA_INFO_KIND => link.kind = text(value),
                        libc::IFLA_INFO_DATA => {
                            let mode = attributes(value).find(|(kind, _)| *kind == IFLA_TUN_TYPE);
                            link.layer_3 = mode.is_some_and(|(_, v)| v.first() == Some(&IFF_TUN));
                        }
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    Some(link)
}

fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::{attributes, links, parse_link, parse_route, route_to, split};

    #[test]
    fn the_kernel_tells_the_way_to_this_machine_itself() {
        let route = route_to("127.0.0.1".parse().unwrap()).unwrap().unwrap();
        let links = links();
        let loopback = links.iter().find(|link| link.name == "lo").unwrap();
        assert_eq!(route.interface, Some(loopback.index));
    }

    #[test]
    fn no_bytes_make_the_parsers_panic() {
        let mut bytes = Vec::new();
        let mut state = 1_u32;
        for _ in 0..500 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            bytes.push(state.to_be_bytes()[0] & 0x1f);
            let _ = split(&bytes, &mut Vec::new());
            let _ = attributes(&bytes).count();
            let _ = parse_route(24, &bytes);
            let _ = parse_link(16, &bytes);
        }
    }
}
