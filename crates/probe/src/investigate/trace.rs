//! TTL-limited connects to one port: which hop answers last, and how. No privileges are needed
//! (`IP_TTL` and the error queue, Linux 5.9).

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::future::join_all;
use whydown_core::evidence::{Hop, HopAnswer};
use whydown_core::failure::Failure;

use super::Look;
use crate::connect::{Options, connect};

/// Longest path looked at.
const HOPS_MAX: u8 = 30;
/// Hops asked at the same time: few, because SYNs that arrive open connections.
const BATCH: u8 = 4;
/// The same for a port that is known to be silent.
const SILENT_BATCH: u8 = 8;
/// Silent hops in a row after which nothing more is expected.
const SILENT_HOPS_MAX: u8 = 8;
/// Added to four round trips: routers answer late, as it is not their job.
const SLACK: Duration = Duration::from_millis(250);

/// Traces the path to a port, up to the first hop that is no router on the way. `silent`: the
/// port itself answers nobody.
pub(super) async fn trace(
    look: &Look<'_>,
    remote: SocketAddr,
    rtt: Duration,
    silent: bool,
) -> Vec<Hop> {
    let size = if silent { SILENT_BATCH } else { BATCH };
    let mut hops: Vec<Hop> = Vec::new();
    let mut first = 1;
    while first <= HOPS_MAX && !look.left().is_zero() {
        let batch = (first..first + size).map(|ttl| one(look, remote, ttl, rtt));
        let batch = join_all(batch).await;
        let arrived = batch.iter().position(is_end);
        hops.extend(&batch[..arrived.map_or(batch.len(), |at| at + 1)]);
        let unheard = hops.iter().rev().take_while(|hop| hop.answer == HopAnswer::Silence).count();
        if arrived.is_some() || unheard >= usize::from(SILENT_HOPS_MAX.min(size)) {
            break;
        }
        first += size;
    }
    // One silent hop says all that a row of them would.
    let heard = hops.iter().rposition(|hop| hop.answer != HopAnswer::Silence);
    hops.truncate(heard.map_or(1, |at| at + 2));
    hops
}

fn is_end(hop: &Hop) -> bool {
    !matches!(hop.answer, HopAnswer::TimeExceeded | HopAnswer::Silence)
}

async fn one(look: &Look<'_>, remote: SocketAddr, ttl: u8, rtt: Duration) -> Hop {
    let options = Options { ttl: Some(ttl), ..Options::default() };
    match connect(remote, &options, look.within(rtt * 4 + SLACK)).await {
        Ok(connection) => Hop {
            ttl,
            answer: HopAnswer::Open,
            sender: Some(remote.ip()),
            elapsed: connection.elapsed,
        },
        Err(not) => {
            let (answer, sender) = match not.icmp {
                // Time exceeded: RFC 792 type 11, RFC 4443 type 3.
                Some(icmp) if icmp.kind == if remote.is_ipv4() { 11 } else { 3 } => {
                    (HopAnswer::TimeExceeded, icmp.sender)
                }
                Some(icmp) => (HopAnswer::Icmp { kind: icmp.kind, code: icmp.code }, icmp.sender),
                None if not.failure == Failure::TcpRefused => (HopAnswer::Reset, Some(remote.ip())),
                None => (HopAnswer::Silence, None),
            };
            Hop { ttl, answer, sender, elapsed: not.elapsed }
        }
    }
}
