//! One check: every address of a target on its own, side by side, each over a fresh connection.
//! Never fails with an error and never takes longer than the monitor's timeout.
//!
//! An IP family that this machine has no route for is left out (its addresses stay in the
//! lookup) as long as another family can be tried: it says nothing about the target.

mod allow;
pub(crate) mod banner;
mod http;
mod icmp;
mod names;
pub(crate) mod open;
pub(crate) mod proxy;
mod redirects;
mod stall;
mod udp;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use futures_util::future::join_all;
use jiff::Timestamp;
use tokio::time::{Instant, timeout_at};
use whydown_core::failure::Failure;
use whydown_core::monitor::Monitor;
use whydown_core::observation::{Attempt, Lookup, Observation, State, Step};
use whydown_core::target::{Host, Scheme};
use whydown_host::proxy::Proxy;

pub use allow::{Allow, Destination};

use crate::connect;
use crate::expect::{Judged, unmet};
use crate::tap::StreamError;
use crate::tls::Trust;

/// Addresses of one target checked at most.
pub const ADDRESSES_MAX: usize = 16;
/// What a check calls itself in HTTP.
pub const USER_AGENT: &str = "whydown/0.1";

/// How checks are made, the same for all monitors.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Which forward proxy is used.
    pub proxy: ProxyChoice,
    /// Which certificate authorities are trusted.
    pub trust: Trust,
    /// Where checks may go.
    pub allow: Allow,
}

impl Default for Settings {
    /// No proxy (a monitor checks its target, not the probe's environment), and the authorities
    /// that this machine trusts.
    fn default() -> Self {
        Self { proxy: ProxyChoice::None, trust: Trust::native(), allow: Allow::default() }
    }
}

/// Which forward proxy is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProxyChoice {
    /// None, whatever the environment says.
    None,
    /// The one that `http_proxy` and its like name, as for any command-line client.
    Environment,
    /// This one.
    Use(Proxy),
}

/// A check under way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Check<'a> {
    pub(crate) monitor: &'a Monitor,
    pub(crate) settings: &'a Settings,
    pub(crate) begin: Instant,
    pub(crate) deadline: Instant,
    /// Largest segment, to get below a path's MTU.
    pub(crate) max_segment: Option<u16>,
}

impl<'a> Check<'a> {
    pub(crate) fn new(monitor: &'a Monitor, settings: &'a Settings) -> Self {
        let begin = Instant::now();
        let deadline = begin + monitor.timeout;
        Self { monitor, settings, begin, deadline, max_segment: None }
    }

    /// A new attempt at one address, beginning now.
    pub(crate) fn attempt(&self, ip: IpAddr) -> Attempt {
        Attempt::new(ip, self.monitor.target.port, self.begin.elapsed())
    }

    pub(crate) fn remote(&self, ip: IpAddr) -> SocketAddr {
        SocketAddr::new(ip, self.monitor.target.port)
    }

    /// The last step of services without HTTP: do text, certificate and latency meet the
    /// expectations?
    pub(crate) fn judge_text(&self, attempt: &mut Attempt, text: &[u8]) {
        let answer = Judged {
            text: Some(text),
            tls: attempt.tls.as_ref(),
            elapsed: self.begin.elapsed(),
            ..Judged::default()
        };
        match unmet(&self.monitor.expect, &answer, Timestamp::now()) {
            Some((failure, detail)) => {
                attempt.step = Step::Assert;
                attempt.failure = Some(failure);
                attempt.detail = Some(detail);
            }
            None => attempt.step = Step::Done,
        }
    }
}

/// Checks a monitor's target once, with default [`Settings`].
pub async fn observe(monitor: &Monitor) -> Observation {
    observe_with(monitor, &Settings::default()).await
}

/// Checks a monitor's target once.
pub async fn observe_with(monitor: &Monitor, settings: &Settings) -> Observation {
    let at = Timestamp::now();
    let check = Check::new(monitor, settings);
    let (mut observation, stall) = stall::watched(monitor.timeout, look(&check)).await;
    stall::blame(&mut observation, stall, monitor.timeout);
    observation.at = at;
    observation.elapsed = match monitor.target.scheme {
        Scheme::Tcp if !observation.attempts.is_empty() => {
            observation.attempts.iter().map(|a| a.offset + a.elapsed).max().unwrap_or_default()
        }
        _ => check.begin.elapsed(),
    };
    observation
}

async fn look(check: &Check<'_>) -> Observation {
    if check.monitor.target.scheme == Scheme::Dns {
        return names::observe(check).await;
    }
    if let Some(proxy) = proxy::chosen(check) {
        return proxy::observe(check, &proxy).await;
    }
    let (lookup, addresses) = resolve(&check.monitor.target.host, check.deadline).await;
    if let Some(failure) = lookup.as_ref().and_then(|lookup| lookup.failure) {
        return unresolved(lookup, failure);
    }
    let host = &check.monitor.target.host;
    let allowed = |ip: &IpAddr| check.settings.allow.covers(host, *ip);
    let addresses: Vec<IpAddr> =
        addresses.into_iter().filter(allowed).take(ADDRESSES_MAX).collect();
    if addresses.is_empty() {
        return not_allowed();
    }
    let addresses = addresses.as_slice();
    let attempts = attempts(check, addresses).await;
    concluded(check, lookup, without_unrouted_family(attempts))
}

/// One attempt at each address.
pub(crate) async fn attempts(check: &Check<'_>, addresses: &[IpAddr]) -> Vec<Attempt> {
    match check.monitor.target.scheme {
        Scheme::Http | Scheme::Https => redirects::attempts(check, addresses).await,
        _ => join_all(addresses.iter().map(|ip| attempt(check, *ip))).await,
    }
}

/// The addresses of a host, and how they were found when it is a name.
pub(crate) async fn resolve(host: &Host, deadline: Instant) -> (Option<Lookup>, Vec<IpAddr>) {
    match host {
        Host::Ip(ip) => (None, vec![*ip]),
        Host::Name(name) => {
            let lookup = crate::dns::lookup(name, deadline).await;
            let addresses = lookup.addresses.clone();
            (Some(lookup), addresses)
        }
    }
}

async fn attempt(check: &Check<'_>, ip: IpAddr) -> Attempt {
    let begin = Instant::now();
    let mut attempt = match check.monitor.target.scheme {
        Scheme::Tls => {
            let mut attempt = open::tls_only(check, ip).await;
            if attempt.failure.is_none() {
                check.judge_text(&mut attempt, &[]);
            }
            attempt
        }
        Scheme::Tcp => tcp(check, ip).await,
        Scheme::Udp => udp::attempt(check, ip).await,
        Scheme::Icmp => icmp::attempt(check, ip).await,
        _ => banner::attempt(check, ip).await,
    };
    if attempt.elapsed.is_zero() {
        attempt.elapsed = begin.elapsed();
    }
    attempt
}

/// A connect, and a short wait for a RST after it: a proxy without a backend, or a guard at the
/// door, accepts first and throws out then.
async fn tcp(check: &Check<'_>, ip: IpAddr) -> Attempt {
    const WAIT_MIN: Duration = Duration::from_millis(100);
    const WAIT_MAX: Duration = Duration::from_millis(300);
    let mut attempt = check.attempt(ip);
    let target = &check.monitor.target;
    let way = open::Way { target, remote: check.remote(ip), alpn: &[] };
    let Some(connection) = open::tcp(check, &way, &mut attempt).await else { return attempt };
    check.judge_text(&mut attempt, &[]);
    // Waiting for what should not come is no part of how long the target takes.
    attempt.elapsed = check.begin.elapsed().saturating_sub(attempt.offset);
    let wait = (connection.elapsed * 2).clamp(WAIT_MIN, WAIT_MAX);
    let until = check.deadline.min(Instant::now() + wait);
    let heard = timeout_at(until, connection.stream.peek(&mut [0; 1])).await;
    match heard {
        Ok(Err(error)) => {
            attempt.errno = error.raw_os_error();
            attempt.failure = Some(connect::failure_of(&error));
        }
        _ if connection.reset => {
            attempt.errno = Some(libc::ECONNRESET);
            attempt.failure = Some(Failure::TcpReset);
        }
        _ => return attempt,
    }
    attempt.step = Step::FirstByte;
    attempt.detail = Some("accepted, then reset before a word was said".to_owned());
    attempt
}

fn unresolved(lookup: Option<Lookup>, failure: Failure) -> Observation {
    let state = if failure.is_own_fault() { State::Inconclusive } else { State::Down };
    Observation { state, failure: Some(failure), lookup, ..blank() }
}

fn concluded(check: &Check<'_>, lookup: Option<Lookup>, attempts: Vec<Attempt>) -> Observation {
    let (mut state, failure) = Observation::judge(&attempts);
    let unanswerable = check.monitor.target.scheme == Scheme::Udp && !udp::expects_answer(check);
    if unanswerable && state == State::Down && failure == Some(Failure::UdpNoReply) {
        // Silence after a datagram that nobody needs to answer says neither up nor down.
        state = State::Inconclusive;
    }
    Observation { state, failure, lookup, attempts, ..blank() }
}

/// An observation of nothing; `at` and `elapsed` are filled in at the end.
fn blank() -> Observation {
    Observation {
        at: Timestamp::UNIX_EPOCH,
        elapsed: Duration::ZERO,
        state: State::Inconclusive,
        failure: None,
        lookup: None,
        proxy: None,
        attempts: Vec::new(),
    }
}

/// A destination that is none of those that this place is held to: that says nothing about the
/// target, and what its name stands for here is nobody's business.
fn not_allowed() -> Observation {
    Observation { failure: Some(Failure::SelfNotAllowed), ..blank() }
}

/// May this process send echo requests?
#[must_use]
pub fn can_ping() -> bool {
    icmp::is_possible()
}

/// What is known when a check could not be made at all.
#[must_use]
pub fn own_fault(at: Timestamp, elapsed: Duration) -> Observation {
    Observation { at, elapsed, failure: Some(Failure::SelfInternal), ..blank() }
}

/// Leaves out the attempts of a family that this machine cannot send to, when there is another
/// family left.
fn without_unrouted_family(attempts: Vec<Attempt>) -> Vec<Attempt> {
    let unrouted = |v4: bool| {
        let mut family = attempts.iter().filter(|a| a.ip.is_ipv4() == v4).peekable();
        family.peek().is_some() && family.all(has_no_route) && !has_default_route(v4)
    };
    let (no_v4, no_v6) = (unrouted(true), unrouted(false));
    let mixed = attempts.iter().any(|a| a.ip.is_ipv4()) && attempts.iter().any(|a| a.ip.is_ipv6());
    if !mixed || no_v4 == no_v6 {
        return attempts;
    }
    attempts.into_iter().filter(|a| a.ip.is_ipv4() != no_v4).collect()
}

/// With a default route, a network that has none is a choice of this machine's (a throw route).
fn has_default_route(v4: bool) -> bool {
    let routes = whydown_host::route::default_routes();
    if v4 { routes.v4 } else { routes.v6 }
}

/// Did the system call itself say that there is no way out to this address: no packet sent, no
/// ICMP received?
fn has_no_route(attempt: &Attempt) -> bool {
    /// A routing decision takes microseconds, an answer from afar longer.
    const DECISION_MAX: Duration = Duration::from_millis(1);
    let says_so =
        matches!(attempt.errno, Some(libc::ENETUNREACH | libc::EAFNOSUPPORT | libc::EADDRNOTAVAIL));
    let quickly = attempt.elapsed <= DECISION_MAX || attempt.local.is_none();
    says_so && attempt.icmp.is_none() && quickly
}

/// What an error on an established plain connection means.
pub(crate) fn socket_failure(error: &StreamError) -> Failure {
    match error.errno {
        Some(errno) => connect::failure_of_errno(errno),
        None if error.is_reset() => Failure::TcpReset,
        None => Failure::BannerUnexpected,
    }
}
