//! What a stranger would meet at the port, by what the machine itself knows: so that the rules
//! that judge an outside failure can also tell the story of a port that nobody has knocked at.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use jiff::Timestamp;

use crate::evidence::Evidence;
use crate::failure::Failure;
use crate::observation::{Attempt, HttpFacts, Observation, Step};

use super::{FilterVerdict, InsideView, Listener, Queue, Reach, Transport};

/// Of a gateway that can't reach its upstream (RFC 9110 §15.6.3).
const BAD_GATEWAY: u16 = 502;
/// Of one that waits for it in vain (RFC 9110 §15.6.5).
const GATEWAY_TIMEOUT: u16 = 504;

impl InsideView {
    /// The evidence of a stranger's attempt at one of the machine's addresses: of the first
    /// address at which it would fail, else of the first.
    #[must_use]
    pub fn foreseen(&self) -> Evidence {
        let fallback = [IpAddr::V4(Ipv4Addr::UNSPECIFIED)];
        let addresses = if self.addresses.is_empty() { &fallback[..] } else { &self.addresses };
        let attempts: Vec<Attempt> = addresses.iter().map(|ip| self.attempt(*ip)).collect();
        let (state, failure) = Observation::judge(&attempts);
        let observation = Observation {
            at: self.at.unwrap_or(Timestamp::UNIX_EPOCH),
            elapsed: Duration::ZERO,
            state,
            failure,
            lookup: None,
            proxy: None,
            attempts,
        };
        Evidence {
            observations: vec![observation],
            inside: Some(self.clone()),
            ..Evidence::default()
        }
    }

    fn attempt(&self, ip: IpAddr) -> Attempt {
        let mut attempt = Attempt::new(ip, self.port, Duration::ZERO);
        attempt.step = Step::Connect;
        attempt.failure = self.refusal(ip);
        if attempt.failure.is_none() {
            attempt.timing.connect = Some(Duration::ZERO);
            attempt.step = Step::FirstByte;
            attempt.failure = self.silence();
        }
        if let (None, Some(status)) = (attempt.failure, self.gateway_error()) {
            attempt.step = Step::Head;
            attempt.failure = Some(Failure::HttpStatus);
            let version = "HTTP/1.1".to_owned();
            attempt.http = Some(HttpFacts { status, version, ..HttpFacts::default() });
        }
        attempt
    }

    /// Why no connection would come about.
    fn refusal(&self, ip: IpAddr) -> Option<Failure> {
        let udp = self.transport == Transport::Udp;
        let family = |to: IpAddr| to.is_ipv4() == ip.is_ipv4();
        let filter = self.firewall.iter().find(|judgement| judgement.to == ip);
        let filter = filter.or_else(|| self.firewall.iter().find(|j| family(j.to)));
        let refused = if udp { Failure::UdpRefused } else { Failure::TcpRefused };
        match filter.map(|judgement| judgement.verdict) {
            Some(FilterVerdict::Reject) => return Some(refused),
            Some(FilterVerdict::Drop) if udp => return Some(Failure::UdpNoReply),
            Some(FilterVerdict::Drop) => return Some(Failure::TcpTimedOut),
            Some(FilterVerdict::Accept | FilterVerdict::Undecided) | None => {}
        }
        if let Some(dead) = self.forwarded_to_nobody() {
            return Some(dead);
        }
        let takes =
            |listener: &&Listener| listener.reach() != Reach::ThisMachine && listener.takes(ip);
        let listener = self.listeners.iter().find(takes);
        let forwarded = self.passages.iter().any(|passage| passage.proxy == "dnat");
        match listener {
            Some(listener) if !udp && listener.queue.is_some_and(Queue::is_full) => {
                Some(Failure::TcpTimedOut)
            }
            Some(_) => None,
            None if forwarded => None,
            // Without the tables nothing is known, and so nothing foreseen.
            None => self.sockets_read.then_some(refused),
        }
    }

    fn forwarded_to_nobody(&self) -> Option<Failure> {
        let forwarded = self.passages.iter().filter(|passage| passage.proxy == "dnat");
        forwarded.flat_map(|passage| &passage.upstreams).find_map(|upstream| upstream.failure)
    }

    /// Why a connection would stay silent.
    fn silence(&self) -> Option<Failure> {
        let owners = self.units.iter().filter(|unit| unit.bond == super::Bond::Owns);
        let stuck = owners
            .flat_map(|unit| &unit.processes)
            .any(|process| matches!(process.state, 'T' | 't') || process.is_short_of_descriptors());
        (stuck && self.transport == Transport::Tcp).then_some(Failure::HttpTimedOut)
    }

    /// What a gateway says for an upstream that refuses, or that never answers.
    fn gateway_error(&self) -> Option<u16> {
        let upstreams = || self.passages.iter().flat_map(|passage| &passage.upstreams);
        if upstreams().any(|upstream| upstream.failure.is_some()) {
            return Some(BAD_GATEWAY);
        }
        let is_stuck = upstreams().any(|upstream| upstream.tried && upstream.detail.is_some());
        is_stuck.then_some(GATEWAY_TIMEOUT)
    }
}
