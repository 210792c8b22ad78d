//! A closer look at one failing address. What is looked at depends on what was seen: an answer is
//! asked who gave it, silence where it begins, a strange protocol what it is.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::timeout_at;
use whydown_core::evidence::AddressEvidence;
use whydown_core::failure::Failure;
use whydown_core::observation::{Attempt, Step};
use whydown_core::target::Scheme;

use super::{Around, Look, marks, neighbours, silence, speak, trace, ttl};
use crate::observe::{Check, attempts};
use crate::tls::Hello;

/// Segment size that passes every path: IPv4's smallest reassembly buffer less headers.
const SMALL_SEGMENT_BYTES: u16 = 536;

/// What is asked of an address itself, whoever its visitor is. Where two monitors ask the same,
/// one answer is for both.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Question {
    /// It says which neighbours are usual.
    scheme: Scheme,
    remote: SocketAddr,
    failure: Option<Failure>,
    neighbours: bool,
    reset: bool,
    trace: bool,
    alive: bool,
}

/// What a failure makes worth looking at.
struct Wanted {
    shared: Question,
    speaks: bool,
    small_segments: bool,
    small_hello: bool,
}

impl Wanted {
    fn after(attempt: &Attempt, look: &Look<'_>) -> Self {
        use Failure as F;
        let failure = attempt.failure.unwrap_or(F::SelfInternal);
        let unconnected = !attempt.connected();
        let unheard = matches!(failure, F::TcpTimedOut);
        let unreachable = matches!(failure, F::TcpHostUnreachable | F::TcpNetworkUnreachable);
        let strange = matches!(
            failure,
            F::TlsNotTls
                | F::TlsClosed
                | F::TlsReset
                | F::TlsTimedOut
                | F::HttpNotHttp
                | F::HttpSpokenToTls
                | F::HttpEmptyReply
                | F::HttpReset
                | F::HttpTimedOut
                | F::BannerUnexpected
                | F::TcpReset
        );
        // Our own routing said no: no packet ever left.
        let local = unconnected && attempt.icmp.is_none() && attempt.tcp.is_none() && !unheard;
        let shared = Question {
            scheme: look.monitor.target.scheme,
            remote: SocketAddr::new(attempt.ip, attempt.port),
            failure: attempt.failure,
            neighbours: !local || failure == F::TcpRefused,
            reset: failure == F::TcpRefused && attempt.icmp.is_none(),
            trace: unheard || (look.settings.deep && unconnected && !local),
            alive: unheard || (unreachable && !local) || failure == F::IcmpNoReply,
        };
        Self {
            shared,
            speaks: strange && !unconnected,
            small_hello: !unconnected
                && attempt.step == Step::TlsHandshake
                && matches!(failure, F::TlsTimedOut | F::TlsReset | F::TlsClosed),
            small_segments: !unconnected
                && failure.is_silence()
                && matches!(
                    attempt.step,
                    Step::TlsHandshake | Step::FirstByte | Step::Head | Step::Body
                ),
        }
    }
}

/// Looks at the address of a failing attempt.
pub(super) async fn look_at(look: &Look<'_>, attempt: &Attempt) -> Around {
    let wanted = Wanted::after(attempt, look);
    let remote = wanted.shared.remote;
    let (around, speaks, small, small_hello) = tokio::join!(
        look.recent.around(wanted.shared, around(look, attempt, wanted.shared)),
        when(wanted.speaks, speak::identify(look, remote)),
        when(wanted.small_segments, small_segments(look, attempt)),
        when(wanted.small_hello, speak::speaks_tls(look, remote, Hello::Small)),
    );
    let (mut found, neighbours, missing) = around;
    found.speaks = speaks.flatten();
    found.small_segments_answered = small.flatten();
    found.small_hello_answered = small_hello;
    (found, neighbours, missing)
}

/// What anybody would find.
async fn around(look: &Look<'_>, attempt: &Attempt, wanted: Question) -> Around {
    let (mut way, alive) = tokio::join!(
        the_way(look, attempt, wanted),
        when(wanted.alive, silence::alive(look, attempt.ip)),
    );
    way.0.alive = alive;
    way
}

/// What the packets to a port meet on their way, compared with those to its neighbours.
async fn the_way(look: &Look<'_>, attempt: &Attempt, wanted: Question) -> Around {
    let remote = wanted.remote;
    let mut found = AddressEvidence::new(attempt.ip);
    let mut missing = Vec::new();
    let rtt = round_trip(attempt);
    let around = async {
        let neighbours = when(wanted.neighbours, neighbours::touch(look, attempt)).await;
        let neighbours = neighbours.unwrap_or_default();
        let open = neighbours::best_open(&neighbours);
        let open = open.map(|port| SocketAddr::new(attempt.ip, port));
        let trace = match open.filter(|_| wanted.trace) {
            Some(open) => trace::trace(look, open, rtt, false).await,
            None => Vec::new(),
        };
        (neighbours, open, trace)
    };
    let silent = attempt.failure == Some(Failure::TcpTimedOut);
    let ((neighbours, open, open_trace), reset_ttl, trace) = tokio::join!(
        around,
        when(wanted.reset, ttl::of_reset(look, remote, rtt)),
        when(wanted.trace, trace::trace(look, remote, rtt, silent)),
    );
    found.reset_ttl = reset_ttl.flatten();
    found.trace = trace.unwrap_or_default();
    found.open_trace = open_trace;
    if wanted.reset {
        let closed = neighbours
            .iter()
            .find(|n| n.failure == Some(Failure::TcpRefused) && n.icmp.is_none())
            .map(|neighbour| SocketAddr::new(attempt.ip, neighbour.port));
        let (open_ttl, marks) = tokio::join!(
            open_ttl(look, open, found.reset_ttl, rtt),
            marks::of_resets(look, remote, closed, rtt)
        );
        found.open_ttl = open_ttl;
        match marks {
            Ok((here, elsewhere)) => {
                found.tos_reflected = here.map(|marks| marks.tos_reflected);
                found.flow_labelled = here.and_then(|marks| marks.flow_labelled);
                found.tos_reflected_elsewhere = elsewhere.map(|marks| marks.tos_reflected);
                found.flow_labelled_elsewhere = elsewhere.and_then(|marks| marks.flow_labelled);
            }
            Err(marks::NotPermitted) => missing.push(marks::MISSING_RIGHT.to_owned()),
        }
    }
    if silent {
        // Last, when our own other packets no longer move the counters.
        found.counters = silence::counters(look, remote).await;
    }
    (found, neighbours, missing)
}

async fn open_ttl(
    look: &Look<'_>,
    open: Option<SocketAddr>,
    guess: Option<u8>,
    rtt: Duration,
) -> Option<(u16, u8)> {
    let open = open?;
    let ttl = ttl::of_open(look, open, guess?, rtt).await?;
    Some((open.port(), ttl))
}

async fn when<T>(wanted: bool, work: impl Future<Output = T>) -> Option<T> {
    if wanted { Some(work.await) } else { None }
}

/// How long an answer from this address takes, as far as it is known.
fn round_trip(attempt: &Attempt) -> Duration {
    /// Used when none was measured; waits are several of these.
    const UNKNOWN: Duration = Duration::from_millis(75);
    const LONGEST: Duration = Duration::from_millis(500);
    let measured = match attempt.failure {
        Some(Failure::TcpRefused) => Some(attempt.elapsed),
        _ => attempt.timing.connect,
    };
    measured.unwrap_or(UNKNOWN).min(LONGEST)
}

/// Makes the same request with small segments: is it answered then?
async fn small_segments(look: &Look<'_>, attempt: &Attempt) -> Option<bool> {
    let mut monitor = look.monitor.clone();
    monitor.timeout = look.left();
    if monitor.timeout.is_zero() {
        return None;
    }
    let check =
        Check { max_segment: Some(SMALL_SEGMENT_BYTES), ..Check::new(&monitor, look.check) };
    let again = timeout_at(look.deadline, attempts(&check, &[attempt.ip])).await.ok()?;
    let failure = again.first()?.failure;
    Some(failure.is_none_or(|failure| !failure.is_silence()))
}
