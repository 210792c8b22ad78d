//! Looking around at the moment of failure: facts that tell causes apart, collected side by side
//! within a budget, without privileges where the kernel allows it. No verdict is given here.
//!
//! Polite: a handful of connections per failing address, however many monitors it has, one
//! datagram, no port scan; ICMP answers are rate-limited everywhere, so few are asked for.

mod address;
mod clock;
mod controls;
mod inside;
mod marks;
mod names;
mod neighbours;
mod recent;
mod silence;
mod speak;
mod trace;
mod ttl;

use std::net::IpAddr;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, timeout_at};
use whydown_core::evidence::{AddressEvidence, Environment, Evidence, Neighbour};
use whydown_core::failure::Failure;
use whydown_core::monitor::Monitor;
use whydown_core::observation::{Attempt, Observation};
use whydown_core::target::Host;

use crate::{examine, observe};

pub use recent::Recent;

/// Failing addresses looked at more closely.
pub const ADDRESSES_MAX: usize = 3;

/// Limits and choices of an investigation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// When the investigation ends, whatever is still missing.
    pub budget: Duration,
    /// Ports of a failing address that are tried too, besides those of the scheme's family.
    /// Empty: no neighbour is touched at all (public check tools).
    pub neighbour_ports: Vec<u16>,
    /// Trace the path with TTL-limited SYNs even when the failure is an answer, not silence.
    pub deep: bool,
    /// Look inside too when the target is an address of this very machine. For whoever sits at it;
    /// a check that others ask for would tell them what runs here.
    pub inside: bool,
    /// Hosts, `name` or `name:port` (443 by default), that should work whatever the target does.
    pub controls: Vec<String>,
    /// Public resolvers to compare DNS answers with.
    pub public_resolvers: Vec<IpAddr>,
}

impl Default for Settings {
    /// Three seconds, the usual neighbours, and nobody outside the target's own path.
    fn default() -> Self {
        Self {
            budget: Duration::from_secs(3),
            neighbour_ports: vec![80, 443, 22, 8080, 8443],
            deep: false,
            inside: false,
            controls: Vec::new(),
            public_resolvers: Vec::new(),
        }
    }
}

/// An investigation under way.
#[derive(Clone, Copy)]
struct Look<'a> {
    monitor: &'a Monitor,
    settings: &'a Settings,
    check: &'a observe::Settings,
    recent: &'a Recent,
    deadline: Instant,
}

impl Look<'_> {
    /// So long from now, but not beyond the budget.
    fn within(&self, wait: Duration) -> Instant {
        self.deadline.min(Instant::now() + wait)
    }

    fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}

/// Collects evidence around the failures of `observations`, which are part of the result.
pub async fn investigate(
    monitor: &Monitor,
    observations: &[Observation],
    settings: &examine::Settings,
) -> Evidence {
    let begin = Instant::now();
    let deadline = begin + settings.investigate.budget;
    let examine::Settings { check, investigate: settings, recent, .. } = settings;
    let look = Look { monitor, settings, check, recent, deadline };
    let failing = failing_attempts(observations);
    let addresses: Vec<IpAddr> = failing.iter().map(|attempt| attempt.ip).collect();
    let around = join_all(failing.iter().map(|attempt| address::look_at(&look, attempt)));
    let (around, inside, name_servers, controls, environment) = tokio::join!(
        around,
        inside::look_inside(&look, &failing),
        names::compare(&look, observations),
        recent.controls(controls::touch(&look)),
        own_side(&look, addresses, observations),
    );
    let mut evidence = Evidence {
        observations: observations.to_vec(),
        name_servers,
        controls,
        environment,
        inside,
        ..Evidence::default()
    };
    for (address, neighbours, missing) in around {
        evidence.addresses.push(address);
        evidence.neighbours.extend(neighbours);
        for right in missing {
            if !evidence.environment.missing_rights.contains(&right) {
                evidence.environment.missing_rights.push(right);
            }
        }
    }
    evidence
}

/// What was found around one address: the address itself, its neighbours, missing rights.
type Around = (AddressEvidence, Vec<Neighbour>, Vec<String>);

/// The newest failing attempt of each address. Attempts through a proxy say nothing about the
/// target's own addresses.
fn failing_attempts(observations: &[Observation]) -> Vec<Attempt> {
    let mut found: Vec<Attempt> = Vec::new();
    for observation in observations.iter().rev().filter(|o| o.proxy.is_none()) {
        for attempt in &observation.attempts {
            let failing = attempt.failure.is_some_and(|failure| !failure.is_own_fault());
            let known = found.iter().any(|a| a.ip == attempt.ip);
            if failing && !known && found.len() < ADDRESSES_MAX {
                found.push(attempt.clone());
            }
        }
    }
    found
}

/// This machine's own side, and how wrong its clock is.
async fn own_side(
    look: &Look<'_>,
    addresses: Vec<IpAddr>,
    observations: &[Observation],
) -> Environment {
    let target = look.monitor.target.clone();
    let resolvers = whydown_host::resolver::resolvers();
    let mut interesting = addresses;
    if let Host::Ip(ip) = target.host
        && !interesting.contains(&ip)
    {
        interesting.push(ip);
    }
    let unresolved = observations.iter().any(|o| o.failure.is_some_and(is_dns));
    if unresolved {
        // The route that matters is the one to the resolver.
        interesting.extend(resolvers.servers.iter().map(std::net::SocketAddr::ip));
    }
    let work = move || whydown_host::environment(&target, &interesting);
    let (environment, ahead) = tokio::join!(
        timeout_at(look.deadline, tokio::task::spawn_blocking(work)),
        clock::ahead(look, observations),
    );
    let mut environment = match environment {
        Ok(Ok(environment)) => environment,
        _ => Environment::default(),
    };
    environment.clock_ahead_s = ahead;
    environment
}

fn is_dns(failure: Failure) -> bool {
    failure.stage() == whydown_core::failure::Stage::Dns
}
