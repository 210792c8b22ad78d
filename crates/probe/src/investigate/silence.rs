//! When nothing comes back: is the host alive, and does this machine itself lose the packets?

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use whydown_core::evidence::{Liveness, OwnCounters};
use whydown_core::observation::IcmpError;
use whydown_host::counters::{own_counters, rise};

use super::Look;
use crate::connect::{Options, connect};
use crate::dns::udp_socket;
use crate::socket::take_icmp;

/// First of the ports that traceroute uses because nothing listens there.
const UNUSED_PORT_FIRST: u16 = 33_434;
/// How many of them there are.
const UNUSED_PORTS: u16 = 90;
/// Datagrams sent; a second one in case the first was lost.
const DATAGRAMS: u32 = 2;
/// Long enough for a router to give up on ARP (three seconds), when the budget allows it.
const ALIVE_WAIT: Duration = Duration::from_millis(3_300);
/// Long enough for the first repetition of a SYN (after one second), which is what the counters
/// count.
const COUNT_WAIT: Duration = Duration::from_millis(1_250);

/// The least that lets a repetition be counted.
const COUNT_WAIT_MIN: Duration = Duration::from_millis(1_050);

/// Sends a datagram to an unused port: a living host answers "port unreachable".
pub(super) async fn alive(look: &Look<'_>, ip: IpAddr) -> Liveness {
    let begin = Instant::now();
    let icmp = ask(look, ip).await;
    Liveness { icmp, elapsed: begin.elapsed() }
}

async fn ask(look: &Look<'_>, ip: IpAddr) -> Option<IcmpError> {
    let random = getrandom::u32().ok()?;
    let port = UNUSED_PORT_FIRST + u16::try_from(random % u32::from(UNUSED_PORTS)).ok()?;
    let socket = udp_socket(SocketAddr::new(ip, port)).ok()?;
    let end = look.within(ALIVE_WAIT);
    let half = end.saturating_duration_since(Instant::now()) / DATAGRAMS;
    for i in 1..=DATAGRAMS {
        socket.send(&[]).await.ok()?;
        let until = if i == DATAGRAMS { end } else { Instant::now() + half };
        let mut buffer = [0; 1];
        if let Ok(answer) = timeout_at(until, socket.recv(&mut buffer)).await {
            return answer.err().and_then(|_| take_icmp(&socket)).map(|queued| queued.icmp);
        }
    }
    None
}

/// Counts what moves in this machine's kernel while one more connect meets silence.
pub(super) async fn counters(look: &Look<'_>, remote: SocketAddr) -> Option<OwnCounters> {
    if look.left() < COUNT_WAIT_MIN {
        return None;
    }
    let before = own_counters()?;
    // Only the silence matters here; an answer would come too late to change the failure seen.
    let _ = connect(remote, &Options::default(), look.within(COUNT_WAIT)).await;
    Some(rise(before, own_counters()?))
}
