//! The evidence seen from the side of the rules: the questions that several of them ask.

use std::net::IpAddr;
use std::time::Duration;

use crate::evidence::{AddressEvidence, Evidence, HopAnswer, Neighbour};
use crate::failure::Failure;
use crate::observation::{Attempt, IcmpError, Observation, State};
use crate::target::{PortSource, Target};

/// Linux's errno numbers that decide something (asm-generic/errno.h).
pub(super) mod errno {
    pub(crate) const EPERM: i32 = 1;
    pub(crate) const EACCES: i32 = 13;
    pub(crate) const EINVAL: i32 = 22;
}

/// A failed ARP or neighbour discovery takes three tries a second apart; with two earlier
/// probes still running a second client may see the end of it after one second.
pub(super) const NEIGHBOUR_DISCOVERY_MIN: Duration = Duration::from_millis(900);

/// Services that greet do so within a few round trips.
const SILENCE_MIN: Duration = Duration::from_millis(900);

/// Faster than any packet that leaves the machine and comes back over a cable.
pub(super) const LOCAL_DECISION_MAX: Duration = Duration::from_micros(300);

/// A target with the evidence about it.
pub(super) struct Case<'a> {
    pub(super) target: &'a Target,
    pub(super) evidence: &'a Evidence,
    /// The newest failing observation, else the newest.
    pub(super) observation: Option<&'a Observation>,
    /// Its first failing attempt, else its first.
    pub(super) attempt: Option<&'a Attempt>,
    pub(super) failure: Option<Failure>,
    pub(super) state: State,
}

impl<'a> Case<'a> {
    pub(super) fn new(target: &'a Target, evidence: &'a Evidence) -> Self {
        let seen = &evidence.observations;
        let fails = |o: &&Observation| o.failure.is_some();
        // The first failing check is preferred: a later one may be slowed down or sped up by
        // what the first one taught the network (ICMP rate limits, cached ARP failures).
        let observation = seen.iter().find(fails).or(seen.last());
        let failure = observation.and_then(|o| o.failure);
        let attempt = observation.and_then(|o| {
            let failing = o.attempts.iter().find(|a| a.failure.is_some() && a.failure == failure);
            failing.or_else(|| o.attempts.first())
        });
        let mut case = Self {
            target,
            evidence,
            observation,
            attempt,
            failure,
            state: observation.map_or(State::Inconclusive, |o| o.state),
        };
        if case.alternates() {
            case.state = State::Degraded;
        }
        case
    }

    /// Did some of the checks work and others not?
    pub(super) fn alternates(&self) -> bool {
        let seen = &self.evidence.observations;
        seen.iter().any(|o| o.state == State::Up) && seen.iter().any(|o| o.failure.is_some())
    }

    pub(super) fn failed_with(&self, failures: &[Failure]) -> bool {
        self.failure.is_some_and(|failure| failures.contains(&failure))
    }

    /// A failure of `connect()` itself.
    pub(super) fn failed_to_connect(&self) -> bool {
        self.failed_with(&[
            Failure::TcpRefused,
            Failure::TcpTimedOut,
            Failure::TcpHostUnreachable,
            Failure::TcpNetworkUnreachable,
            Failure::TcpNotPermitted,
            Failure::TcpProtocolUnreachable,
            Failure::UdpRefused,
        ])
    }

    /// Was the connection open for long without a single byte of an answer?
    pub(super) fn said_nothing(&self) -> bool {
        self.attempt.is_some_and(|attempt| {
            let open = attempt.timing.connect.and_then(|at| attempt.elapsed.checked_sub(at));
            attempt.banner.is_none() && open.is_some_and(|open| open >= SILENCE_MIN)
        })
    }

    pub(super) fn icmp(&self) -> Option<IcmpError> {
        self.attempt.and_then(|attempt| attempt.icmp)
    }

    /// Who sent the ICMP error that ended the attempt.
    pub(super) fn icmp_sender(&self) -> Option<Sender> {
        let attempt = self.attempt?;
        let sender = attempt.icmp?.sender?;
        Some(if attempt.local.is_some_and(|local| local.ip() == sender) && sender != attempt.ip {
            Sender::Ourselves
        } else if sender == attempt.ip {
            Sender::Destination
        } else {
            Sender::Router(sender)
        })
    }

    /// Did the target itself say no, as far as the answer tells? A reset has no other sender.
    pub(super) fn target_answers(&self) -> bool {
        match self.icmp() {
            None => self.failed_with(&[Failure::TcpRefused]),
            Some(_) => self.icmp_sender() == Some(Sender::Destination),
        }
    }

    /// The last router that answers on the way to a silent port.
    pub(super) fn last_hop(&self) -> Option<IpAddr> {
        let trace = &self.closer_look()?.trace;
        trace.iter().rev().find(|hop| hop.answer == HopAnswer::TimeExceeded)?.sender
    }

    /// Was the attempt ended by this machine, without a packet?
    pub(super) fn decided_locally(&self) -> bool {
        self.attempt.is_some_and(|attempt| {
            attempt.icmp.is_none()
                && attempt.elapsed <= LOCAL_DECISION_MAX
                && !attempt.ip.is_loopback()
        })
    }

    /// Is the target this machine itself?
    pub(super) fn is_this_machine(&self) -> bool {
        self.attempt.is_some_and(|attempt| {
            attempt.ip.is_loopback() || attempt.local.is_some_and(|local| local.ip() == attempt.ip)
        })
    }

    /// Is the target in a private network (RFC 1918, RFC 4193), and so perhaps next door?
    pub(super) fn is_private(&self) -> bool {
        self.attempt.is_some_and(|attempt| match attempt.ip {
            IpAddr::V4(ip) => ip.is_private() || ip.is_link_local(),
            IpAddr::V6(ip) => ip.is_unique_local() || ip.is_unicast_link_local(),
        })
    }

    pub(super) fn closer_look(&self) -> Option<&'a AddressEvidence> {
        let ip = self.attempt?.ip;
        self.evidence.addresses.iter().find(|address| address.ip == ip)
    }

    /// Other ports of the failing address.
    pub(super) fn neighbours(&self) -> impl Iterator<Item = &'a Neighbour> {
        let ip = self.attempt.map(|attempt| attempt.ip);
        self.evidence.neighbours.iter().filter(move |neighbour| Some(neighbour.ip) == ip)
    }

    /// Ports of the failing address that accept connections.
    pub(super) fn open_neighbours(&self) -> Vec<u16> {
        self.neighbours().filter(|n| n.failure.is_none()).map(|n| n.port).collect()
    }

    /// Does the failing address itself answer anything at all? `None`: not looked at.
    pub(super) fn host_answers(&self) -> Option<bool> {
        let look = self.closer_look();
        let alive = look.and_then(|look| look.alive).map(|alive| {
            alive.icmp.is_some_and(|icmp| icmp.sender == self.attempt.map(|attempt| attempt.ip))
        });
        let mut neighbours = self.neighbours().peekable();
        if neighbours.peek().is_none() && alive.is_none() {
            return None;
        }
        let answered = neighbours.any(|n| match n.failure {
            None => true,
            Some(Failure::TcpRefused) => n.icmp.is_none() || self.is_own(n.icmp),
            Some(_) => false,
        });
        Some(answered || alive == Some(true))
    }

    fn is_own(&self, icmp: Option<IcmpError>) -> bool {
        icmp.and_then(|icmp| icmp.sender) == self.attempt.map(|attempt| attempt.ip)
    }

    /// The port was written by hand and is not the scheme's own.
    pub(super) fn port_is_unusual(&self) -> bool {
        self.target.port_source == PortSource::Given
            && self.target.scheme.default_port().is_some_and(|port| port != self.target.port)
    }

    /// `host:port`, for facts.
    pub(super) fn place(&self) -> String {
        match self.attempt {
            Some(attempt) if attempt.port != 0 => match attempt.ip {
                IpAddr::V6(ip) => format!("[{ip}]:{}", attempt.port),
                IpAddr::V4(ip) => format!("{ip}:{}", attempt.port),
            },
            Some(attempt) => attempt.ip.to_string(),
            None => self.target.authority(),
        }
    }
}

/// Who sent an ICMP error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sender {
    /// This machine.
    Ourselves,
    /// The address we wanted to reach.
    Destination,
    /// Somebody between.
    Router(IpAddr),
}
