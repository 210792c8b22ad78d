//! For whom it fails: everyone, a region, a network, one place, one IP family, some addresses.

use serde::{Deserialize, Serialize};

use crate::observation::{Observation, State};

/// A named vantage point.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Location {
    /// Unique name, such as `fra1`; the server's own is `local`.
    pub name: String,
    /// Region label, such as `eu`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Network label, such as `AS 64500` or an office.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<String>,
}

impl Location {
    /// The location of the server's embedded probe.
    #[must_use]
    pub fn local() -> Self {
        Self { name: "local".to_owned(), region: None, network: None }
    }
}

/// For whom a target fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScopeKind {
    /// Every location that can speak, and more than one can.
    Global,
    /// All of one region, and no other.
    Regional,
    /// All of one network, and no other.
    Network,
    /// One location (also: the only one that looked).
    Local,
    /// One IP family.
    Family,
    /// Some of the target's addresses.
    Address,
    /// It comes and goes.
    Flapping,
    /// Nobody can tell.
    Inconclusive,
}

/// A scope with its counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scope {
    /// For whom.
    pub kind: ScopeKind,
    /// Locations that see the failure.
    pub failing: usize,
    /// Locations that could tell.
    pub reporting: usize,
    /// The locations by name.
    pub places: Places,
}

/// Locations by what they see.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Places {
    /// See the failure.
    pub failing: Vec<String>,
    /// See nothing wrong.
    pub fine: Vec<String>,
    /// Cannot tell.
    pub silent: Vec<String>,
}

/// What the newest observation of each location says about the scope.
#[must_use]
pub fn correlate(seen: &[(Location, Observation)]) -> Scope {
    let mut places = Places::default();
    for (location, observation) in seen {
        let list = match observation.state {
            State::Up => &mut places.fine,
            State::Degraded | State::Down => &mut places.failing,
            State::Inconclusive => &mut places.silent,
        };
        list.push(location.name.clone());
    }
    let failing: Vec<&(Location, Observation)> =
        seen.iter().filter(|(_, o)| matches!(o.state, State::Degraded | State::Down)).collect();
    let kind = kind(seen, &failing, &places);
    Scope { kind, failing: failing.len(), reporting: failing.len() + places.fine.len(), places }
}

fn kind(
    seen: &[(Location, Observation)],
    failing: &[&(Location, Observation)],
    places: &Places,
) -> ScopeKind {
    if failing.is_empty() {
        return ScopeKind::Inconclusive;
    }
    if let Some(part) = common_part(failing) {
        return part;
    }
    if places.fine.is_empty() {
        return if failing.len() == 1 { ScopeKind::Local } else { ScopeKind::Global };
    }
    if failing.len() == 1 {
        return ScopeKind::Local;
    }
    if alone_in(seen, failing, |location| location.network.as_deref()) {
        return ScopeKind::Network;
    }
    if alone_in(seen, failing, |location| location.region.as_deref()) {
        return ScopeKind::Regional;
    }
    // A mixed picture without a common label is still "some places": the larger half names it.
    if failing.len() > places.fine.len() { ScopeKind::Global } else { ScopeKind::Regional }
}

/// When every failing location sees only a part of the addresses fail: which part.
fn common_part(failing: &[&(Location, Observation)]) -> Option<ScopeKind> {
    let mut whole_family = true;
    for (_, observation) in failing {
        if observation.state != State::Degraded {
            return None;
        }
        let bad = |v4: bool, failed: bool| {
            let same = |a: &&crate::observation::Attempt| {
                a.ip.is_ipv4() == v4 && a.failure.is_some() == failed
            };
            observation.attempts.iter().filter(same).count()
        };
        let v4_only = bad(true, true) > 0 && bad(true, false) == 0 && bad(false, true) == 0;
        let v6_only = bad(false, true) > 0 && bad(false, false) == 0 && bad(true, true) == 0;
        whole_family &= v4_only || v6_only;
    }
    Some(if whole_family { ScopeKind::Family } else { ScopeKind::Address })
}

/// Do the failing locations share one label that no working location carries?
fn alone_in(
    seen: &[(Location, Observation)],
    failing: &[&(Location, Observation)],
    label: impl Fn(&Location) -> Option<&str>,
) -> bool {
    let Some(first) = label(&failing[0].0) else { return false };
    let shared = failing.iter().all(|(location, _)| label(location) == Some(first));
    let elsewhere =
        seen.iter().any(|(location, o)| o.state == State::Up && label(location) == Some(first));
    shared && !elsewhere
}
