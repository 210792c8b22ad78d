//! What each place has seen of a monitor, remembered and counted. Whether anybody hears of it is
//! not decided here.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Incident, Policy, Standing};
use crate::failure::Failure;
use crate::observation::{Observation, State};
use crate::quorum::AlertWhen;
use crate::scope::Extent;

/// A place that failed is shown as fine in an open incident when it has been fine for so long,
/// checked more than once: while the others go on failing it may be luck.
const FINE_AFTER: Duration = Duration::from_secs(10);
/// The last word of places that saw it fail and fell silent stands for so long.
const WITNESS_FOR: Duration = Duration::from_mins(10);

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
    /// What it counts as in the open incident until its newest word is confirmed, where that is
    /// something else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<Word>,
    /// Since when it can't tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silent_since: Option<Timestamp>,
}

/// What a place says in few words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Word {
    /// The state there.
    pub state: State,
    /// How much of the target that is.
    pub extent: Extent,
}

impl Word {
    /// Of a place that can't tell.
    #[must_use]
    pub fn none() -> Self {
        Self { state: State::Inconclusive, extent: Extent::default() }
    }

    fn fails(self) -> bool {
        matches!(self.state, State::Degraded | State::Down)
    }
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

    /// What it counts as in an open incident: one blip makes it neither join nor leave.
    #[must_use]
    pub fn counted(&self) -> Word {
        let newest = Word { state: self.state, extent: self.extent };
        if self.speaks() { self.held.unwrap_or(newest) } else { Word::none() }
    }

    /// What it counted as stays until its newest word, which needs so many repeats, is confirmed.
    fn hold(&mut self, before: Word, repeats: u32) {
        let newest = Word { state: self.state, extent: self.extent };
        let proven = self.streak > repeats;
        let moment = self.streak_since.checked_add(FINE_AFTER).unwrap_or(Timestamp::MAX);
        let holds = match (before.fails(), newest.fails()) {
            (false, true) => !proven,
            (true, false) => !proven || self.at < moment,
            _ => false,
        };
        self.held = holds.then_some(before);
    }

    fn fall_silent(&mut self, at: Timestamp) {
        if self.speaks() {
            self.silent_since = Some(at);
        }
        self.state = State::Inconclusive;
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

/// Enters a report. When the first cause of its failure is on the place's `own` side, the place has
/// seen nothing of the target.
pub(super) fn enter(
    policy: &Policy,
    standing: &mut Standing,
    (location, observations): (&str, &[Observation]),
    own: bool,
    now: Timestamp,
) {
    let fails = observations.last().is_some_and(|last| last.failure.is_some());
    let blind = own && fails && standing.places.contains_key(location);
    for seen in observations {
        if blind {
            let nothing = Observation { state: State::Inconclusive, ..seen.clone() };
            see(policy, standing, location, &nothing);
        } else {
            see(policy, standing, location, seen);
        }
    }
    let open = standing.incident.is_some();
    if let Some(place) = standing.places.get_mut(location).filter(|_| blind && !open) {
        // What it saw a moment before was most likely the same.
        place.streak = 0;
        place.failing = false;
    }
    if own && standing.places.get(location).is_some_and(Place::suspects) {
        leave_out(standing, location, now);
    }
}

pub(super) fn leave_out(standing: &mut Standing, location: &str, now: Timestamp) {
    if let Some(place) = standing.places.get_mut(location) {
        place.fall_silent(now);
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
                place.fall_silent(observation.at);
            }
            return;
        }
    };
    let open = standing.incident.is_some();
    let before = standing.places.get(location).map_or_else(Word::none, Place::counted);
    let place = standing.places.get_or_insert_with(location, || Place {
        state: observation.state,
        at: Timestamp::MIN,
        streak: 0,
        streak_since: observation.at,
        failing: false,
        failure: None,
        extent: Extent::default(),
        held: None,
        silent_since: None,
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
    place.silent_since = None;
    let needed = if fails { policy.confirm } else { policy.recover };
    if place.streak > needed {
        place.failing = fails;
    }
    if open {
        place.hold(before, needed);
    } else {
        place.held = None;
    }
}

/// Have those who saw it fail fallen silent, at most a while ago, so that nobody has seen it work
/// again?
pub(super) fn lacks_witness(standing: &Standing, incident: &Incident, now: Timestamp) -> bool {
    let line = now.checked_sub(WITNESS_FOR).unwrap_or(Timestamp::MIN);
    let scopes = [Some(&incident.diagnosis.scope), incident.peak.as_ref()];
    let saw_it = |name: &str| {
        let mut failing = scopes.iter().flatten().flat_map(|scope| &scope.places.failing);
        failing.any(|failing| failing == name)
    };
    let witnesses = || standing.places.iter().filter(|(name, _)| saw_it(name));
    let silent = |place: &Place| place.failing && place.silent_since.is_some_and(|at| at > line);
    let recovered = |place: &Place| place.speaks() && !place.failing;
    witnesses().any(|(_, place)| silent(place)) && !witnesses().any(|(_, place)| recovered(place))
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
