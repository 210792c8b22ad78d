//! `udp://` targets: one datagram, repeated while nothing comes back. Ports of DNS and NTP get a
//! question that those servers answer; others get the monitor's body, or an empty datagram, to
//! which silence is no failure.

use std::net::{IpAddr, SocketAddr};

use hickory_proto::op::{Message, MessageType, OpCode, Query};
use hickory_proto::rr::{Name, RecordType};
use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout_at};
use whydown_core::failure::Failure;
use whydown_core::observation::{Attempt, Step};

use super::Check;
use crate::connect::failure_of;
use crate::dns::udp_socket;
use crate::redact;
use crate::socket::take_icmp;

/// Datagrams sent at most, spread over the timeout.
const DATAGRAMS: u32 = 3;
/// Bytes of an answer looked at.
const ANSWER_MAX_BYTES: usize = 2_048;

/// Is what we send a question that a healthy service answers?
pub(super) fn expects_answer(check: &Check<'_>) -> bool {
    let expect = &check.monitor.expect;
    let words = !expect.contains.is_empty() || expect.matches.is_some();
    words || check.monitor.request.body.is_some() || known(check.monitor.target.port).is_some()
}

pub(super) async fn attempt(check: &Check<'_>, ip: IpAddr) -> Attempt {
    let mut attempt = check.attempt(ip);
    attempt.step = Step::Socket;
    let remote = check.remote(ip);
    match exchange(check, remote, &mut attempt).await {
        Ok(Some(answer)) => {
            attempt.banner = Some(redact::banner(&answer)).filter(|text| !text.is_empty());
            check.judge_text(&mut attempt, &answer);
        }
        Ok(None) => attempt.failure = Some(Failure::UdpNoReply),
        Err(error) => {
            attempt.errno = error.raw_os_error();
            attempt.failure = Some(match failure_of(&error) {
                Failure::TcpRefused => Failure::UdpRefused,
                other => other,
            });
        }
    }
    attempt
}

async fn exchange(
    check: &Check<'_>,
    remote: SocketAddr,
    attempt: &mut Attempt,
) -> std::io::Result<Option<Vec<u8>>> {
    let socket = udp_socket(remote)?;
    attempt.local = socket.local_addr().ok();
    let body = check.monitor.request.body.clone().map(String::into_bytes);
    let payload = body.or_else(|| known(remote.port())).unwrap_or_default();
    let begin = Instant::now();
    let pause = check.deadline.saturating_duration_since(begin) / DATAGRAMS;
    for i in 1..=DATAGRAMS {
        attempt.step = Step::Send;
        let received = async {
            socket.send(&payload).await?;
            attempt.step = Step::FirstByte;
            receive(&socket).await
        };
        let until = if i == DATAGRAMS { check.deadline } else { begin + pause * i };
        match timeout_at(until, received).await {
            Err(_) => {}
            Ok(Ok(answer)) => {
                attempt.timing.first_byte = Some(begin.elapsed());
                return Ok(Some(answer));
            }
            Ok(Err(error)) => {
                attempt.icmp = take_icmp(&socket).map(|queued| queued.icmp);
                return Err(error);
            }
        }
    }
    Ok(None)
}

async fn receive(socket: &UdpSocket) -> std::io::Result<Vec<u8>> {
    let mut buffer = vec![0_u8; ANSWER_MAX_BYTES];
    let length = socket.recv(&mut buffer).await?;
    buffer.truncate(length);
    Ok(buffer)
}

/// A question for well-known services.
fn known(port: u16) -> Option<Vec<u8>> {
    match port {
        53 | 5353 => {
            let id = getrandom::u32().ok()?.to_ne_bytes();
            let id = u16::from_ne_bytes([id[0], id[1]]);
            let mut message = Message::new(id, MessageType::Query, OpCode::Query);
            message.add_query(Query::query(Name::root(), RecordType::NS));
            message.to_vec().ok()
        }
        123 => {
            // Version 4, mode 3 "client" (RFC 5905 §7.3).
            let mut packet = vec![0_u8; 48];
            packet[0] = 0x23;
            Some(packet)
        }
        _ => None,
    }
}
