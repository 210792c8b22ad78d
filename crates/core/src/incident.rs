//! The course of a monitor's trouble: suspected, confirmed, open, acknowledged, recovering,
//! flapping. A pure state machine: reports and `now` in, a new [`Standing`] and effects out.
//!
//! It never wakes by itself and never decides *what* is wrong (that is
//! [`diagnose`](crate::diagnose::diagnose)); it decides whether and when somebody hears of it.

mod by_place;
mod ending;
mod id;
mod inside;
mod late;
mod people;
mod places;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::diagnosis::Diagnosis;
use crate::failure::Failure;
use crate::observation::{Observation, State};
use crate::quorum::AlertWhen;
use crate::scope::Scope;
use crate::units::ms;
pub use by_place::Places;
use ending::{is_over, recover};
pub use id::{incident_id, rounded};
use inside::{enter_inside, refine};
pub use late::Gist;
use late::{correct, leave};
use people::{acknowledge, comment, retire};
pub use places::{Place, Quorum, Word, steady};
use places::{Tally, enter, leave_out, see};

/// Entries kept in an incident's time line; beyond it the middle is thinned out.
pub const TIMELINE_MAX: usize = 200;

/// When a failure counts, and when it is over.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    /// Failing repeats needed besides the first failing check.
    pub confirm: u32,
    /// Fine repeats needed besides the first fine check before an incident ends.
    pub recover: u32,
    /// So many incidents within `flap_window` make a monitor flapping.
    pub flap_incidents: usize,
    /// The window in which incidents are counted.
    #[serde(rename = "flap_window_ms", with = "ms")]
    pub flap_window: Duration,
    /// A flapping monitor must be fine for so long before its incident ends.
    #[serde(rename = "calm_ms", with = "ms")]
    pub calm: Duration,
    /// Two updates of one incident are told at least so far apart.
    #[serde(rename = "update_gap_ms", with = "ms")]
    pub update_gap: Duration,
    /// How many locations have to see it.
    #[serde(default)]
    pub alert_when: AlertWhen,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            confirm: crate::monitor::CONFIRM_DEFAULT,
            recover: crate::monitor::CONFIRM_DEFAULT,
            flap_incidents: 4,
            flap_window: Duration::from_mins(30),
            calm: Duration::from_mins(5),
            update_gap: Duration::from_mins(1),
            alert_when: AlertWhen::default(),
        }
    }
}

impl Policy {
    /// The default policy with a monitor's own number of repeats.
    #[must_use]
    pub fn confirming(confirm: u32) -> Self {
        Self { confirm, recover: confirm, ..Self::default() }
    }
}

/// What is remembered of a monitor between two reports.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Standing {
    /// The monitor's state as pages show it; `None` before the first report.
    pub state: Option<State>,
    /// Since when.
    pub since: Option<Timestamp>,
    /// What each location saw last.
    pub places: Places,
    /// The incident that is open now.
    pub incident: Option<Incident>,
    /// Starts of the newest incidents, oldest first, for flap detection.
    pub recent: Vec<Timestamp>,
}

/// A monitor's continuous trouble.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    /// Derived from the monitor and the first failing check, so that replaying a report after a
    /// crash names the same incident.
    pub id: String,
    /// The monitor's name.
    pub monitor: String,
    /// Where in its course it is.
    pub phase: Phase,
    /// Start of the first failing check.
    pub started_at: Timestamp,
    /// When it was confirmed.
    pub opened_at: Timestamp,
    /// When somebody took it, and who.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged: Option<Acknowledgement>,
    /// Start of the first fine check after the last failing one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved_at: Option<Timestamp>,
    /// Why it ended, when not by recovery.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_by: Option<String>,
    /// It comes and goes.
    #[serde(default)]
    pub flapping: bool,
    /// Opened, changed and ended so many times.
    pub sequence: u32,
    /// Times it was fine for a moment while it was flapping.
    #[serde(default)]
    pub flaps: u32,
    /// When something was told last.
    pub told_at: Timestamp,
    /// What was told last, where something else is shown by now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told: Option<Gist>,
    /// The verdict in force. Shared, as every report makes a new standing of the one before.
    pub diagnosis: Arc<Diagnosis>,
    /// For whom it failed at its widest, while fewer places fail by now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak: Option<Scope>,
    /// What happened, oldest first.
    pub timeline: Vec<Moment>,
}

/// Where in its course an incident is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Nobody has taken it.
    Open,
    /// Somebody has.
    Acknowledged,
    /// It is over.
    Resolved,
}

/// Who took an incident, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledgement {
    /// When.
    pub at: Timestamp,
    /// Who: a user's or token's name.
    pub by: String,
}

/// One entry of an incident's time line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// When it happened.
    pub at: Timestamp,
    /// What kind of thing.
    pub kind: MomentKind,
    /// In words.
    pub text: String,
}

/// What can stand in a time line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MomentKind {
    /// The first failing check.
    FirstFailure,
    /// A location's failure was confirmed.
    Confirmed,
    /// The verdict changed.
    Changed,
    /// It began to come and go.
    Flapping,
    /// Something happened on the failing machine, as its host agent tells.
    Inside,
    /// A fine check during the incident.
    Fine,
    /// Nobody is told for now, or the reason for that is over.
    Quiet,
    /// More people are told, as nobody took it.
    Escalated,
    /// Somebody took it.
    Acknowledged,
    /// Somebody wrote something down.
    Comment,
    /// It ended.
    Resolved,
}

/// What can happen to a monitor.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// A location reports a check with its repeats, judged as a whole.
    Report {
        /// The location's name.
        location: String,
        /// At least one, in the order made.
        observations: Vec<Observation>,
        /// The verdict on them and on what others see; without one nothing is opened or changed,
        /// only remembered or ended.
        diagnosis: Option<Box<Diagnosis>>,
        /// What is known of the other places.
        quorum: Quorum,
    },
    /// The places that were asked have answered, or their time is up.
    Decide {
        /// The verdict on everything that was seen.
        diagnosis: Box<Diagnosis>,
        /// Who is still missing.
        quorum: Quorum,
    },
    /// Places that could not tell when the incident was opened have spoken since, or won't.
    Answered {
        /// The verdict on everything that was seen.
        diagnosis: Box<Diagnosis>,
    },
    /// A place that failed is fine again for a while, and others are not.
    Recovering {
        /// For whom it fails now.
        scope: Scope,
    },
    /// What a location saw long ago, and tells only now: it is remembered, nobody is told.
    Late {
        /// The location's name.
        location: String,
        /// In the order made.
        observations: Vec<Observation>,
    },
    /// A location can't be heard any more: it counts neither way.
    Silent {
        /// The location's name.
        location: String,
    },
    /// A location does not look at this monitor any more.
    Leave {
        /// The location's name.
        location: String,
    },
    /// Somebody takes the open incident.
    Acknowledge {
        /// Who.
        by: String,
    },
    /// Somebody writes something down.
    Comment {
        /// Who.
        by: String,
        /// What.
        text: String,
    },
    /// The monitor is no longer checked; why, for the time line.
    Retire {
        /// `paused` or `removed`.
        reason: String,
    },
}

/// What follows from an input, besides the new standing.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// An incident was opened: tell.
    Opened(Box<Incident>),
    /// Its verdict changed: tell.
    Updated(Box<Incident>),
    /// Somebody took it: keep, tell nobody.
    Acknowledged(Box<Incident>),
    /// Its time line grew: keep, tell nobody.
    Noted(Box<Incident>),
    /// It ended: tell.
    Resolved(Box<Incident>),
}

impl Effect {
    /// The incident concerned.
    #[must_use]
    pub fn incident(&self) -> &Incident {
        match self {
            Self::Opened(incident)
            | Self::Updated(incident)
            | Self::Acknowledged(incident)
            | Self::Noted(incident)
            | Self::Resolved(incident) => incident,
        }
    }
}

impl Incident {
    /// How long it lasted, or has lasted at `now`.
    #[must_use]
    pub fn duration(&self, now: Timestamp) -> Duration {
        let end = self.resolved_at.unwrap_or(now);
        Duration::try_from(end.duration_since(self.started_at)).unwrap_or_default()
    }

    /// Writes down what somebody says.
    pub fn comment(&mut self, by: &str, text: &str, now: Timestamp) {
        self.note(now, MomentKind::Comment, format!("{by}: {text}"));
    }

    /// Adds to the time line.
    pub fn note(&mut self, at: Timestamp, kind: MomentKind, text: impl Into<String>) {
        if self.timeline.len() >= TIMELINE_MAX {
            self.timeline.remove(TIMELINE_MAX / 2);
        }
        self.timeline.push(Moment { at, kind, text: text.into() });
    }
}

/// The next standing of `monitor`, and what follows.
#[must_use]
pub fn step(
    policy: &Policy,
    monitor: &str,
    standing: &Standing,
    input: &Input,
    now: Timestamp,
) -> (Standing, Vec<Effect>) {
    let mut next = standing.clone();
    let effects = match input {
        Input::Report { location, observations, diagnosis, quorum } => {
            let own = diagnosis.as_ref().is_some_and(|d| d.state == State::Inconclusive);
            enter(policy, &mut next, (location, observations), own, now);
            let diagnosis = diagnosis.as_deref();
            let verdict = Verdict { monitor, diagnosis, quorum, place: Some(location) };
            settle(policy, &verdict, &mut next, now)
        }
        Input::Decide { diagnosis, quorum } => {
            let diagnosis = Some(&**diagnosis);
            let verdict = Verdict { monitor, diagnosis, quorum, place: None };
            settle(policy, &verdict, &mut next, now)
        }
        Input::Answered { diagnosis } => correct(policy, &mut next, diagnosis, now),
        Input::Recovering { scope } => leave(&mut next, scope),
        Input::Late { location, observations } => {
            for observation in observations {
                see(policy, &mut next, location, observation);
            }
            Vec::new()
        }
        Input::Silent { location } => {
            leave_out(&mut next, location, now);
            reconsider(policy, &mut next, now)
        }
        Input::Leave { location } => {
            next.places.remove(location);
            reconsider(policy, &mut next, now)
        }
        Input::Acknowledge { by } => acknowledge(&mut next, by, now),
        Input::Comment { by, text } => comment(&mut next, by, text, now),
        Input::Retire { reason } => retire(&mut next, reason, now),
    };
    (next, effects)
}

/// A verdict to act on.
struct Verdict<'a> {
    monitor: &'a str,
    diagnosis: Option<&'a Diagnosis>,
    quorum: &'a Quorum,
    /// Who has just spoken.
    place: Option<&'a str>,
}

/// Draws the monitor's state from its places, and opens, changes or ends the incident.
fn settle(
    policy: &Policy,
    verdict: &Verdict<'_>,
    standing: &mut Standing,
    now: Timestamp,
) -> Vec<Effect> {
    let place = verdict.place.and_then(|name| standing.places.get(name)).cloned();
    if verdict.place.is_some() && place.is_none() && standing.places.is_empty() {
        set_state(standing, State::Inconclusive, now);
        return Vec::new();
    }
    if !standing.places.values().any(Place::speaks) {
        let at = place.map_or(now, |place| place.at);
        set_state(standing, State::Inconclusive, at);
        return Vec::new();
    }
    let tally = Tally::of(standing, verdict.quorum);
    let told = verdict.diagnosis.filter(|d| matches!(d.state, State::Down | State::Degraded));
    match (standing.incident.take(), told) {
        (None, Some(diagnosis)) if !verdict.quorum.hold && tally.opens(policy.alert_when) => {
            open(policy, (verdict, diagnosis), standing, now)
        }
        (None, _) => {
            calm_down(standing);
            Vec::new()
        }
        (Some(incident), told) => go_on_or_end(policy, (verdict, told), standing, incident, now),
    }
}

/// Would a verdict open an incident now?
#[must_use]
pub fn opens(policy: &Policy, standing: &Standing, quorum: &Quorum) -> bool {
    let tally = Tally::of(standing, quorum);
    standing.incident.is_none() && !quorum.hold && tally.opens(policy.alert_when)
}

/// Without an incident and with nobody suspecting anything the monitor is up.
fn calm_down(standing: &mut Standing) {
    let fine = |place: &&Place| place.speaks() && place.failure.is_none() && !place.failing;
    let speaking = standing.places.values().filter(|place| place.speaks()).count();
    let since = standing.places.values().filter(fine).map(|place| place.streak_since);
    let fine = since.clone().count();
    // A minority that fails is shown with its places; the monitor as a whole is up.
    if fine > 0
        && fine * 2 >= speaking
        && let Some(since) = since.max()
    {
        set_state(standing, State::Up, since);
    }
}

/// After somebody fell silent or left.
fn reconsider(policy: &Policy, standing: &mut Standing, now: Timestamp) -> Vec<Effect> {
    let Some(incident) = standing.incident.take() else {
        if !standing.places.is_empty() && !standing.places.values().any(Place::speaks) {
            set_state(standing, State::Inconclusive, now);
        }
        return Vec::new();
    };
    if is_over(policy, standing, &incident, now) {
        return recover(policy, standing, (incident, false), now);
    }
    standing.incident = Some(incident);
    Vec::new()
}

fn go_on_or_end(
    policy: &Policy,
    (verdict, told): (&Verdict<'_>, Option<&Diagnosis>),
    standing: &mut Standing,
    incident: Incident,
    now: Timestamp,
) -> Vec<Effect> {
    let place = verdict.place.and_then(|name| standing.places.get(name));
    if is_over(policy, standing, &incident, now) {
        let just = place.is_some_and(|place| place.streak == policy.recover.saturating_add(1));
        return recover(policy, standing, (incident, just), now);
    }
    let worth = place.is_none_or(|place| place.failing && place.failure.is_some());
    match told.filter(|_| worth) {
        Some(diagnosis) => go_on(policy, standing, (incident, diagnosis), now),
        None => {
            standing.incident = Some(incident);
            Vec::new()
        }
    }
}

fn set_state(standing: &mut Standing, state: State, since: Timestamp) {
    if standing.state != Some(state) {
        standing.state = Some(state);
        standing.since = Some(since);
    }
}

fn open(
    policy: &Policy,
    (verdict, diagnosis): (&Verdict<'_>, &Diagnosis),
    standing: &mut Standing,
    now: Timestamp,
) -> Vec<Effect> {
    let Verdict { monitor, quorum, .. } = *verdict;
    for (name, place) in standing.places.iter_mut() {
        // Places that fail together have confirmed each other.
        place.failing |= place.suspects() && !quorum.waits_for(name);
        place.held = None;
    }
    let failing = || standing.places.values().filter(|place| place.failing && place.speaks());
    let started_at = failing().map(|place| place.streak_since).min().unwrap_or(now);
    let failure = failing().find_map(|place| place.failure).map_or("failed", Failure::code);
    standing.recent.push(started_at);
    let window_start = started_at.checked_sub(policy.flap_window).unwrap_or(Timestamp::MIN);
    standing.recent.retain(|at| *at >= window_start);
    let flapping = standing.recent.len() >= policy.flap_incidents;
    let mut incident = Incident {
        id: incident_id(monitor, started_at),
        monitor: monitor.to_owned(),
        phase: Phase::Open,
        started_at,
        opened_at: now,
        acknowledged: None,
        resolved_at: None,
        ended_by: None,
        flapping,
        sequence: 1,
        flaps: 0,
        told_at: now,
        told: None,
        diagnosis: Arc::new(diagnosis.clone()),
        peak: None,
        timeline: Vec::new(),
    };
    incident.note(started_at, MomentKind::FirstFailure, format!("first failing check: {failure}"));
    incident.note(now, MomentKind::Confirmed, diagnosis.summary.clone());
    enter_inside(&mut incident, diagnosis);
    if flapping {
        let text = format!("incident {} within half an hour: flapping", standing.recent.len());
        incident.note(now, MomentKind::Flapping, text);
    }
    set_state(standing, diagnosis.state, started_at);
    standing.incident = Some(incident.clone());
    vec![Effect::Opened(Box::new(incident))]
}

fn go_on(
    policy: &Policy,
    standing: &mut Standing,
    (mut incident, diagnosis): (Incident, &Diagnosis),
    now: Timestamp,
) -> Vec<Effect> {
    let known = &incident.diagnosis;
    let other = known.state != diagnosis.state || known.failure != diagnosis.failure;
    let changed = other || incident.gist_told() != Gist::of(diagnosis);
    let moved = known.scope.places != diagnosis.scope.places;
    let news = refine(&mut incident, diagnosis, changed || moved);
    let due = now >= incident.told_at.checked_add(policy.update_gap).unwrap_or(Timestamp::MAX);
    let effects = if due && changed {
        vec![incident.retell(diagnosis, now)]
    } else if moved {
        // What else fails there is told later; for whom is shown at once.
        let mut shown = diagnosis.clone();
        if other {
            shown = Diagnosis::clone(&incident.diagnosis);
            shown.widen(&diagnosis.scope);
        }
        incident.rescope(policy, &shown, now).into_iter().collect()
    } else if news {
        vec![Effect::Noted(Box::new(incident.clone()))]
    } else {
        Vec::new()
    };
    if let Some(Effect::Updated(incident)) = effects.first() {
        set_state(standing, incident.diagnosis.state, now);
    }
    standing.incident = Some(incident);
    effects
}
