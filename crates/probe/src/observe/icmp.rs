//! `icmp://` targets: echo requests over an unprivileged datagram socket where the kernel allows
//! it (`net.ipv4.ping_group_range`), else over a raw one; with neither nothing is known.

use std::io;
use std::net::{IpAddr, SocketAddr};

use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout_at};
use whydown_core::failure::Failure;
use whydown_core::observation::{Attempt, Step};

use super::Check;
use crate::connect::failure_of;
use crate::socket::{queue_errors, take_icmp};

/// Echo requests sent at most, spread over the timeout.
const REQUESTS: u16 = 3;
/// Bytes of a packet looked at.
const PACKET_MAX_BYTES: usize = 512;
/// Random bytes by which a reply is known to be ours.
const TOKEN_BYTES: usize = 16;

pub(super) async fn attempt(check: &Check<'_>, ip: IpAddr) -> Attempt {
    let mut attempt = check.attempt(ip);
    let socket = match open(ip) {
        Ok(socket) => socket,
        Err(error) => {
            attempt.errno = error.raw_os_error();
            let denied = error.kind() == io::ErrorKind::PermissionDenied;
            attempt.failure =
                Some(if denied { Failure::SelfResources } else { failure_of(&error) });
            attempt.detail = denied.then(|| {
                let needs = "CAP_NET_RAW, or its group in net.ipv4.ping_group_range";
                format!("this process may not send pings: it needs {needs}")
            });
            return attempt;
        }
    };
    match echo(check, &socket, ip, &mut attempt).await {
        Ok(true) => check.judge_text(&mut attempt, &[]),
        Ok(false) => attempt.failure = Some(Failure::IcmpNoReply),
        Err(error) => {
            attempt.errno = error.raw_os_error();
            attempt.failure = Some(failure_of(&error));
        }
    }
    attempt
}

/// tokio's datagram socket sends and receives on any connected datagram or raw socket.
fn open(ip: IpAddr) -> io::Result<UdpSocket> {
    let (domain, protocol) = match ip {
        IpAddr::V4(_) => (Domain::IPV4, Protocol::ICMPV4),
        IpAddr::V6(_) => (Domain::IPV6, Protocol::ICMPV6),
    };
    let make = |kind: Type| Socket::new(domain, kind.nonblocking().cloexec(), Some(protocol));
    let socket = make(Type::DGRAM).or_else(|_| make(Type::RAW))?;
    queue_errors(&socket, ip.is_ipv4(), true)?;
    socket.connect(&SockAddr::from(SocketAddr::new(ip, 0)))?;
    UdpSocket::from_std(socket.into())
}

/// Does the kernel give this process a socket for echo requests?
pub(super) fn is_possible() -> bool {
    open(IpAddr::from([127, 0, 0, 1])).is_ok()
}

async fn echo(
    check: &Check<'_>,
    socket: &UdpSocket,
    ip: IpAddr,
    attempt: &mut Attempt,
) -> io::Result<bool> {
    let mut token = [0_u8; TOKEN_BYTES];
    getrandom::fill(&mut token).map_err(io::Error::other)?;
    let begin = Instant::now();
    let pause = check.deadline.saturating_duration_since(begin) / u32::from(REQUESTS);
    for i in 1..=REQUESTS {
        attempt.step = Step::Send;
        let sent = Instant::now();
        socket.send(&request(ip, i, &token)).await?;
        attempt.step = Step::FirstByte;
        let until = if i == REQUESTS { check.deadline } else { begin + pause * u32::from(i) };
        match timeout_at(until, reply(socket, &token)).await {
            Err(_) => {}
            Ok(Ok(())) => {
                attempt.timing.first_byte = Some(sent.elapsed());
                return Ok(true);
            }
            Ok(Err(error)) => {
                attempt.icmp = take_icmp(socket).map(|queued| queued.icmp);
                return Err(error);
            }
        }
    }
    Ok(false)
}

/// Waits for the packet that brings our token back (and is not our own request, which a raw
/// socket sees too when we ping ourselves).
async fn reply(socket: &UdpSocket, token: &[u8]) -> io::Result<()> {
    loop {
        let mut buffer = [0_u8; PACKET_MAX_BYTES];
        let length = socket.recv(&mut buffer).await?;
        let packet = &buffer[..length.min(PACKET_MAX_BYTES)];
        let ours = packet.windows(token.len()).any(|window| window == token);
        if ours && is_reply(packet) {
            return Ok(());
        }
    }
}

/// A raw IPv4 socket gives the IP header too (raw(7)).
fn is_reply(packet: &[u8]) -> bool {
    const ECHO_REPLY_V4: u8 = 0;
    const ECHO_REPLY_V6: u8 = 129;
    let icmp = match packet.first() {
        Some(first) if first >> 4 == 4 && packet.len() > 20 => {
            packet.get(usize::from(first & 15) * 4..).unwrap_or_default()
        }
        _ => packet,
    };
    matches!(icmp.first(), Some(&ECHO_REPLY_V4 | &ECHO_REPLY_V6))
}

/// Echo request: RFC 792, RFC 4443 §4.1. The kernel sets id and checksum of datagram sockets and
/// the checksum of every ICMPv6 packet.
fn request(ip: IpAddr, sequence: u16, token: &[u8]) -> Vec<u8> {
    let kind = if ip.is_ipv4() { 8 } else { 128 };
    let mut packet = vec![kind, 0, 0, 0, token[0], token[1]];
    packet.extend_from_slice(&sequence.to_be_bytes());
    packet.extend_from_slice(token);
    let sum = checksum(&packet).to_be_bytes();
    packet[2..4].copy_from_slice(&sum);
    packet
}

/// RFC 1071.
fn checksum(packet: &[u8]) -> u16 {
    let mut sum = 0_u32;
    for pair in packet.chunks(2) {
        let low = pair.get(1).copied().unwrap_or(0);
        sum += u32::from(u16::from_be_bytes([pair[0], low]));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(0)
}
