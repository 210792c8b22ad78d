//! Looking around at the moment of failure: facts that tell causes apart, collected side by side
//! within a budget, without privileges where the kernel allows it. No verdict is given here.

use std::net::IpAddr;
use std::time::Duration;

use whydown_core::evidence::Evidence;
use whydown_core::monitor::Monitor;
use whydown_core::observation::Observation;

use crate::examine;

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
    /// Hosts, `name` or `name:port`, that should work whatever the target does.
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
            controls: Vec::new(),
            public_resolvers: Vec::new(),
        }
    }
}

/// Collects evidence around the failures of `observations`.
pub async fn investigate(
    monitor: &Monitor,
    observations: &[Observation],
    settings: &examine::Settings,
) -> Evidence {
    let _ = (monitor, settings);
    Evidence { observations: observations.to_vec(), ..Evidence::default() }
}
