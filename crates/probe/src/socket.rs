//! Socket options and the error queue: what the kernel knows about a failed socket and the
//! standard library does not ask for. No connection is made here.

use std::io::IoSliceMut;
use std::mem::size_of;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, AsRawFd};

use nix::errno::Errno;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, UnknownCmsg, recvmsg, setsockopt, sockopt};
use whydown_core::observation::{IcmpError, TcpFacts};

/// Bytes for control messages: two extended errors with addresses, TTL and TOS.
const CONTROL_MAX_BYTES: usize = 512;
/// Bytes of the offending packet's payload that we make room for; they are not looked at.
const PAYLOAD_MAX_BYTES: usize = 64;
/// Entries read from one error queue at most.
const QUEUE_MAX_ENTRIES: usize = 8;

/// One entry of a socket's error queue that came from an ICMP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Queued {
    /// The error number that the kernel made of it.
    pub(crate) errno: i32,
    /// The packet.
    pub(crate) icmp: IcmpError,
}

/// Asks the kernel to queue ICMP errors with their sender and TTL: `IP_RECVERR` and
/// `IP_RECVTTL`, ip(7). Must happen before `connect()`.
pub(crate) fn queue_errors(socket: &impl AsFd, v4: bool, on: bool) -> Result<(), Errno> {
    if v4 {
        setsockopt(socket, sockopt::Ipv4RecvErr, &on)?;
        setsockopt(socket, sockopt::Ipv4RecvTtl, &on)
    } else {
        setsockopt(socket, sockopt::Ipv6RecvErr, &on)?;
        setsockopt(socket, sockopt::Ipv6RecvHopLimit, &on)
    }
}

/// Takes the newest ICMP error from the error queue. Read `SO_ERROR` first: reading the queue
/// before it clears the error and a failed socket then looks fine.
pub(crate) fn take_icmp(socket: &impl AsRawFd) -> Option<Queued> {
    let mut newest = None;
    for _ in 0..QUEUE_MAX_ENTRIES {
        match read_queue(socket) {
            Ok(found) => newest = found.or(newest),
            Err(_) => break,
        }
    }
    newest
}

fn read_queue(socket: &impl AsRawFd) -> Result<Option<Queued>, Errno> {
    let mut payload = [0_u8; PAYLOAD_MAX_BYTES];
    let mut buffers = [IoSliceMut::new(&mut payload)];
    let mut control = vec![0_u8; CONTROL_MAX_BYTES];
    let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
    let message =
        recvmsg::<()>(socket.as_raw_fd(), &mut buffers, Some(control.as_mut_slice()), flags)?;
    let mut queued: Option<Queued> = None;
    let mut ttl = None;
    for entry in message.cmsgs()? {
        match entry {
            ControlMessageOwned::Ipv4RecvErr(error, sender) => {
                let sender =
                    sender.map(|a| IpAddr::V4(Ipv4Addr::from(u32::from_be(a.sin_addr.s_addr))));
                queued = from_extended(error, sender);
            }
            ControlMessageOwned::Ipv6RecvErr(error, sender) => {
                let sender = sender.map(|a| IpAddr::V6(Ipv6Addr::from(a.sin6_addr.s6_addr)));
                queued = from_extended(error, sender);
            }
            ControlMessageOwned::Ipv4Ttl(value) | ControlMessageOwned::Ipv6HopLimit(value) => {
                ttl = u8::try_from(value).ok();
            }
            _ => {}
        }
    }
    Ok(queued.map(|q| Queued { icmp: IcmpError { ttl, ..q.icmp }, ..q }))
}

/// `struct sock_extended_err`, linux/errqueue.h: origin 2 is ICMP, 3 is ICMPv6, 1 is local.
fn from_extended(error: libc::sock_extended_err, sender: Option<IpAddr>) -> Option<Queued> {
    if error.ee_origin != libc::SO_EE_ORIGIN_ICMP && error.ee_origin != libc::SO_EE_ORIGIN_ICMP6 {
        return None;
    }
    let icmp = IcmpError { kind: error.ee_type, code: error.ee_code, sender, ttl: None };
    Some(Queued { errno: i32::try_from(error.ee_errno).unwrap_or(0), icmp })
}

/// Sets an integer socket option that neither socket2 nor nix knows.
fn set_int(socket: &impl AsRawFd, level: i32, name: i32, value: i32) -> Result<(), Errno> {
    let length = libc::socklen_t::try_from(size_of::<i32>()).unwrap_or(4);
    #[expect(unsafe_code, reason = "no safe wrapper exists for this option")]
    // SAFETY: the pointer and length describe `value`, which outlives the call; the kernel only
    // reads from it.
    let result = unsafe {
        libc::setsockopt(socket.as_raw_fd(), level, name, (&raw const value).cast(), length)
    };
    Errno::result(result).map(drop)
}

/// Makes the kernel ignore answers that arrive with a smaller TTL: `IP_MINTTL`, ip(7), and
/// `IPV6_MINHOPCOUNT`.
pub(crate) fn set_min_ttl(socket: &impl AsRawFd, v4: bool, ttl: u8) -> Result<(), Errno> {
    if v4 {
        set_int(socket, libc::IPPROTO_IP, libc::IP_MINTTL, i32::from(ttl))
    } else {
        set_int(socket, libc::IPPROTO_IPV6, libc::IPV6_MINHOPCOUNT, i32::from(ttl))
    }
}

/// Asks for the traffic class and flow label of every IPv6 packet that arrives:
/// `IPV6_FLOWINFO`, linux/in6.h.
pub(crate) fn receive_flow_info(socket: &impl AsRawFd) -> Result<(), Errno> {
    set_int(socket, libc::IPPROTO_IPV6, libc::IPV6_FLOWINFO, 1)
}

/// The traffic class and the flow label of a packet, from the control message that
/// [`receive_flow_info`] asked for. The kernel leaves it out where both are zero.
pub(crate) fn flow_info(entry: &UnknownCmsg) -> Option<(u8, u32)> {
    /// Class and label as in the IPv6 header (RFC 8200 §3): 8 and 20 bits.
    const LABEL_BITS: u32 = 20;
    let header = entry.cmsg_header;
    if (header.cmsg_level, header.cmsg_type) != (libc::IPPROTO_IPV6, libc::IPV6_FLOWINFO) {
        return None;
    }
    let word = u32::from_be_bytes(entry.data_bytes.get(..4)?.try_into().ok()?);
    let class = u8::try_from(word >> LABEL_BITS & 0xff).ok()?;
    Some((class, word & ((1 << LABEL_BITS) - 1)))
}

/// The kernel's account of a TCP socket: `TCP_INFO`, tcp(7).
pub(crate) fn tcp_facts(socket: &impl AsRawFd) -> Option<TcpFacts> {
    #[expect(unsafe_code, reason = "no safe wrapper exists for TCP_INFO")]
    // SAFETY: `tcp_info` is plain integers, for which all-zero bytes are valid; the kernel
    // writes at most `length` bytes into it, and older kernels write fewer.
    let info = unsafe {
        let mut info: libc::tcp_info = std::mem::zeroed();
        let mut length = libc::socklen_t::try_from(size_of::<libc::tcp_info>()).unwrap_or(0);
        let result = libc::getsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            (&raw mut info).cast(),
            &raw mut length,
        );
        (result == 0).then_some(info)
    }?;
    Some(TcpFacts {
        retransmits: info.tcpi_total_retrans,
        rtt_us: info.tcpi_rtt,
        pmtu: info.tcpi_pmtu,
    })
}
