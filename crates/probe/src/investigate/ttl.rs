//! The TTL left in an answer, read without privileges: with `IP_MINTTL` the kernel ignores answers
//! below a threshold, so connects with different thresholds find it (TRUTH: exact, IPv4 and v6).

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::future::join_all;
use whydown_core::failure::Failure;

use super::Look;
use crate::connect::{Options, connect};

/// Thresholds tried at the same time: two rounds of these find any value.
const STEP: u8 = 16;
/// Added to twice the round trip: an answer that is not there by then was ignored.
const SLACK: Duration = Duration::from_millis(60);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Reset,
    Open,
}

/// The TTL of the RST that refuses connections.
pub(super) async fn of_reset(look: &Look<'_>, remote: SocketAddr, rtt: Duration) -> Option<u8> {
    let coarse: Vec<u8> = (1..STEP).map(|i| i * STEP).collect();
    let at_least = highest(look, remote, rtt, &coarse).await.unwrap_or(0);
    let fine: Vec<u8> = (1..STEP).map(|i| at_least + i).collect();
    let exact = highest(look, remote, rtt, &fine).await.unwrap_or(at_least);
    (exact > 0).then_some(exact)
}

async fn highest(
    look: &Look<'_>,
    remote: SocketAddr,
    rtt: Duration,
    thresholds: &[u8],
) -> Option<u8> {
    let tries = thresholds.iter().map(|ttl| async move {
        reaches(look, remote, *ttl, Wanted::Reset, rtt).await.then_some(*ttl)
    });
    join_all(tries).await.into_iter().flatten().max()
}

/// The TTL of the SYN-ACK of an open port. Nearly always that of the RST, so two connections
/// settle it; otherwise the difference is looked for with a few more.
pub(super) async fn of_open(
    look: &Look<'_>,
    remote: SocketAddr,
    guess: u8,
    rtt: Duration,
) -> Option<u8> {
    let reaches = |ttl| reaches(look, remote, ttl, Wanted::Open, rtt);
    let (here, above) = match guess.checked_add(1) {
        Some(above) => tokio::join!(reaches(guess), reaches(above)),
        None => (reaches(guess).await, false),
    };
    let (mut low, mut high) = match (here, above) {
        (true, false) => return Some(guess),
        // From `low` an answer is known to come, from `high` on not.
        (_, true) => (guess + 1, 256_u16),
        (false, false) => (0, u16::from(guess)),
    };
    while u16::from(low) + 1 < high {
        let middle = u8::try_from(u16::midpoint(low.into(), high)).ok()?;
        if reaches(middle).await {
            low = middle;
        } else {
            high = middle.into();
        }
    }
    (low > 0).then_some(low)
}

/// Does the wanted answer arrive with at least this TTL?
async fn reaches(
    look: &Look<'_>,
    remote: SocketAddr,
    ttl: u8,
    wanted: Wanted,
    rtt: Duration,
) -> bool {
    let options = Options { min_ttl: Some(ttl), ..Options::default() };
    match connect(remote, &options, look.within(rtt * 2 + SLACK)).await {
        Ok(_) => wanted == Wanted::Open,
        Err(not) => {
            let reset = not.failure == Failure::TcpRefused && not.icmp.is_none();
            wanted == Wanted::Reset && reset
        }
    }
}
