//! What each place has seen of a monitor, remembered and counted. Whether anybody hears of it is
//! not decided here.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Policy, Standing};
use crate::failure::Failure;
use crate::observation::{Observation, State};
use crate::quorum::AlertWhen;
use crate::scope::Extent;

/// What one location has seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Place {
    /// The state of its newest observation.
    pub state: State,
    /// Start of its newest observation.
    pub at: Timestamp,
    /// Observations of the same kind (fine or failing) in a row.
    pub streak: u32,
    /// Start of the first of them.
    pub streak_since: Timestamp,
    /// It has been confirmed that the target fails here.
    pub failing: bool,
    /// What fails there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
    /// How much of the target that is.
    #[serde(default)]
    pub extent: Extent,
}

impl Place {
    /// Can it tell?
    #[must_use]
    pub fn speaks(&self) -> bool {
        self.state != State::Inconclusive
    }

    /// Does its newest word say that the target fails?
    #[must_use]
    pub fn suspects(&self) -> bool {
        self.speaks() && self.failure.is_some()
    }
}

/// What is known about the other places at the moment of an input.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Quorum {
    /// Asked to check now, without an answer so far: their last word does not count.
    pub waiting: Vec<String>,
    /// Their answers are still waited for: they count among those that can speak.
    pub patient: bool,
    /// Nothing is opened yet, because evidence is on its way.
    pub hold: bool,
}

impl Quorum {
    pub(super) fn waits_for(&self, place: &str) -> bool {
        self.waiting.iter().any(|name| name == place)
    }
}

/// Takes in a fine check of a place that was fine before, where nothing else is going on: the
/// course of things stays the same and nothing follows. False: it has to be a
/// [`step`](super::step).
#[must_use]
pub fn steady(standing: &mut Standing, location: &str, observation: &Observation) -> bool {
    let calm = standing.incident.is_none()
        && standing.state == Some(State::Up)
        && observation.state == State::Up;
    let place = standing.places.get_mut(location).filter(|place| {
        calm && place.state == State::Up && !place.failing && place.at < observation.at
    });
    let Some(place) = place else { return false };
    place.at = observation.at;
    place.streak = place.streak.saturating_add(1);
    place.extent = Extent::of(observation);
    true
}

pub(super) fn suspects(standing: &Standing, location: &str) -> bool {
    standing.places.get(location).is_some_and(Place::suspects)
}

pub(super) fn leave_out(standing: &mut Standing, location: &str) {
    if let Some(place) = standing.places.get_mut(location) {
        place.state = State::Inconclusive;
    }
}

/// Enters one observation into its location's memory. An older one than already seen (a spool
/// that arrives late) changes nothing: history is the store's business.
pub(super) fn see(
    policy: &Policy,
    standing: &mut Standing,
    location: &str,
    observation: &Observation,
) {
    let fails = match observation.state {
        State::Up => false,
        State::Degraded | State::Down => true,
        State::Inconclusive => {
            if let Some(place) = standing.places.get_mut(location)
                && place.at < observation.at
            {
                place.at = observation.at;
                place.state = State::Inconclusive;
            }
            return;
        }
    };
    let place = standing.places.entry(location.to_owned()).or_insert_with(|| Place {
        state: observation.state,
        at: Timestamp::MIN,
        streak: 0,
        streak_since: observation.at,
        failing: false,
        failure: None,
        extent: Extent::default(),
    });
    if place.at >= observation.at {
        return;
    }
    let failed_before = place.failure.is_some();
    if place.streak == 0 || fails != failed_before {
        place.streak = 0;
        place.streak_since = observation.at;
    }
    place.streak = place.streak.saturating_add(1);
    place.at = observation.at;
    place.state = observation.state;
    place.failure = if fails { observation.failure } else { None };
    place.extent = Extent::of(observation);
    let needed = if fails { policy.confirm } else { policy.recover };
    if place.streak > needed {
        place.failing = fails;
    }
}

/// The places in numbers.
pub(super) struct Tally {
    /// Can tell, and are not asked at this moment.
    speaking: usize,
    /// It is confirmed that the target fails there.
    failing: usize,
    /// Their newest word says so, confirmed or not.
    suspecting: usize,
    /// Asked, and still waited for.
    waiting: usize,
}

impl Tally {
    pub(super) fn of(standing: &Standing, quorum: &Quorum) -> Self {
        let spoken: Vec<&Place> = standing
            .places
            .iter()
            .filter(|(name, place)| place.speaks() && !quorum.waits_for(name))
            .map(|(_, place)| place)
            .collect();
        Self {
            speaking: spoken.len(),
            failing: spoken.iter().filter(|place| place.failing).count(),
            suspecting: spoken.iter().filter(|p| p.suspects() || p.failing).count(),
            waiting: if quorum.patient { quorum.waiting.len() } else { 0 },
        }
    }

    /// Enough places fail to tell somebody. Two places that fail at the same time confirm each
    /// other: certainty is what counts, not a number of tries.
    pub(super) fn opens(&self, when: AlertWhen) -> bool {
        let needed = when.needed(self.speaking + self.waiting);
        self.failing >= needed || (self.suspecting >= 2 && self.suspecting >= needed)
    }

    /// Too few places fail to go on.
    pub(super) fn is_over(&self, when: AlertWhen, known: usize) -> bool {
        let fine = self.speaking - self.failing;
        // A place that fell silent while it failed has not said that it is over: only more than
        // half of all places can.
        self.failing < when.needed_to_go_on(self.speaking) && fine * 2 > known
    }
}
