//! Marks that a TCP stack leaves on its RST and a packet filter does not: Linux copies the type
//! of service of our SYN and gives an IPv6 RST a flow label, a REJECT rule writes zero to both
//! (TRUTH). Reading them takes a raw socket.

use std::io::IoSliceMut;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::time::Duration;

use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use whydown_core::failure::Failure;

use super::Look;
use crate::connect::{Options, connect};
use crate::socket;

/// Said when a raw socket may not be opened.
pub(super) const MISSING_RIGHT: &str =
    "whether the host's own TCP stack or a firewall rule sends the RST (CAP_NET_RAW)";
/// A class that networks rarely rewrite: CS2 plus low-delay, without the two ECN bits.
const PROBE_TOS: u8 = 0x48;
const ECN_BITS: u8 = 0x03;
/// Packets of a busy socket passed over in search of ours.
const PACKETS_MAX: usize = 256;
/// Bytes of a packet looked at: the longest IPv4 and TCP headers.
const PACKET_MAX_BYTES: usize = 120;
const FLAG_RST: u8 = 0x04;

/// A raw socket was refused.
pub(super) struct NotPermitted;

/// What a RST carries.
#[derive(Clone, Copy)]
pub(super) struct Marks {
    /// The type of service of our SYN came back.
    pub(super) tos_reflected: bool,
    /// It has a flow label; of IPv6 only.
    pub(super) flow_labelled: Option<bool>,
}

/// The marks on the RST of the failing port, and on that of another closed port of the host.
pub(super) async fn of_resets(
    look: &Look<'_>,
    failing: SocketAddr,
    closed: Option<SocketAddr>,
    rtt: Duration,
) -> Result<(Option<Marks>, Option<Marks>), NotPermitted> {
    let here = one(look, failing, rtt).await?;
    let elsewhere = match closed {
        Some(closed) => one(look, closed, rtt).await?,
        None => None,
    };
    Ok((here, elsewhere))
}

async fn one(
    look: &Look<'_>,
    remote: SocketAddr,
    rtt: Duration,
) -> Result<Option<Marks>, NotPermitted> {
    const SLACK: Duration = Duration::from_millis(100);
    let raw = open(remote).map_err(|_| NotPermitted)?;
    let options = Options { tos: Some(PROBE_TOS), ..Options::default() };
    let deadline = look.within(rtt * 2 + SLACK);
    let Err(not) = connect(remote, &options, deadline).await else { return Ok(None) };
    if not.failure != Failure::TcpRefused || not.icmp.is_some() {
        return Ok(None);
    }
    let Some(local) = not.local else { return Ok(None) };
    for _ in 0..PACKETS_MAX {
        let Some(packet) = next(&raw, remote.is_ipv4()) else { break };
        if is_reset(&packet.segment, remote.port(), local.port()) {
            return Ok(Some(Marks {
                tos_reflected: packet.tos & !ECN_BITS == PROBE_TOS,
                flow_labelled: packet.flow_label.map(|label| label != 0),
            }));
        }
    }
    Ok(None)
}

/// A raw socket that gets copies of this host's TCP segments to us (raw(7)). The kernel's own
/// stack still answers them.
fn open(remote: SocketAddr) -> std::io::Result<Socket> {
    let kind = Type::RAW.nonblocking().cloexec();
    let socket = Socket::new(Domain::for_address(remote), kind, Some(Protocol::TCP))?;
    if remote.is_ipv6() {
        socket::receive_flow_info(&socket)?;
    }
    socket.connect(&SockAddr::from(SocketAddr::new(remote.ip(), 0)))?;
    Ok(socket)
}

/// What a raw socket gives of a packet.
struct Packet {
    tos: u8,
    flow_label: Option<u32>,
    segment: Vec<u8>,
}

/// The next packet. IPv4 comes with its header; of the IPv6 header the kernel tells the traffic
/// class and the flow label, where one of them is not zero (`IPV6_FLOWINFO`).
fn next(socket: &Socket, v4: bool) -> Option<Packet> {
    const CONTROL_BYTES: usize = 128;
    let mut packet = [0; PACKET_MAX_BYTES];
    let mut buffers = [IoSliceMut::new(&mut packet)];
    let mut control = vec![0; CONTROL_BYTES];
    let message = recvmsg::<()>(
        socket.as_raw_fd(),
        &mut buffers,
        Some(control.as_mut_slice()),
        MsgFlags::MSG_DONTWAIT,
    )
    .ok()?;
    let length = message.bytes.min(PACKET_MAX_BYTES);
    let flow_info = message.cmsgs().ok()?.find_map(|entry| match entry {
        ControlMessageOwned::Unknown(entry) => socket::flow_info(&entry),
        _ => None,
    });
    let packet = packet.get(..length)?;
    if v4 {
        let header = usize::from(packet.first()? & 15) * 4;
        let segment = packet.get(header..).unwrap_or_default().to_vec();
        Some(Packet { tos: *packet.get(1)?, flow_label: None, segment })
    } else {
        let (tos, label) = flow_info.unwrap_or_default();
        Some(Packet { tos, flow_label: Some(label), segment: packet.to_vec() })
    }
}

fn is_reset(segment: &[u8], from: u16, to: u16) -> bool {
    let port = |at: usize| segment.get(at..at + 2).map(|b| u16::from_be_bytes([b[0], b[1]]));
    let flags = segment.get(13).copied().unwrap_or(0);
    port(0) == Some(from) && port(2) == Some(to) && flags & FLAG_RST != 0
}
