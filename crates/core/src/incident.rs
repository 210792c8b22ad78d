//! The course of a monitor's trouble: suspected, confirmed, open, acknowledged, recovering,
//! flapping. A pure state machine: reports and `now` in, a new [`Standing`] and effects out.
//!
//! It never wakes by itself and never decides *what* is wrong (that is
//! [`diagnose`](crate::diagnose::diagnose)); it decides whether and when somebody hears of it.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::diagnosis::Diagnosis;
use crate::failure::Failure;
use crate::observation::{Observation, State};
use crate::units::ms;

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
    pub places: BTreeMap<String, Place>,
    /// The incident that is open now.
    pub incident: Option<Incident>,
    /// Starts of the newest incidents, oldest first, for flap detection.
    pub recent: Vec<Timestamp>,
}

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
    /// The verdict in force.
    pub diagnosis: Diagnosis,
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
        /// The verdict on them; used when something fails.
        diagnosis: Box<Diagnosis>,
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

/// An incident's id: the monitor's name and the first failing check's time, both folded into
/// letters and digits that fit a URL.
#[must_use]
pub fn incident_id(monitor: &str, started_at: Timestamp) -> String {
    // FNV-1a, 32 bits: only has to tell monitors apart that fail in the same microsecond.
    let hash = monitor
        .bytes()
        .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    let micros = u64::try_from(started_at.as_microsecond()).unwrap_or_default();
    format!("{}-{}", base36(micros), base36(hash.into()))
}

fn base36(mut number: u64) -> String {
    let mut digits = Vec::new();
    loop {
        let digit = u32::try_from(number % 36).unwrap_or_default();
        digits.push(char::from_digit(digit, 36).unwrap_or('0'));
        number /= 36;
        if number == 0 {
            return digits.iter().rev().collect();
        }
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
        Input::Report { location, observations, diagnosis } => {
            for observation in observations {
                see(policy, &mut next, location, observation);
            }
            settle(policy, monitor, &mut next, location, diagnosis, now)
        }
        Input::Acknowledge { by } => acknowledge(&mut next, by, now),
        Input::Comment { by, text } => comment(&mut next, by, text, now),
        Input::Retire { reason } => retire(&mut next, reason, now),
    };
    (next, effects)
}

/// Enters one observation into its location's memory. An older one than already seen (a spool
/// that arrives late) changes nothing: history is the store's business.
fn see(policy: &Policy, standing: &mut Standing, location: &str, observation: &Observation) {
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
    let needed = if fails { policy.confirm } else { policy.recover };
    if place.streak > needed {
        place.failing = fails;
    }
}

/// Draws the monitor's state from its places, and opens, changes or ends the incident.
fn settle(
    policy: &Policy,
    monitor: &str,
    standing: &mut Standing,
    location: &str,
    diagnosis: &Diagnosis,
    now: Timestamp,
) -> Vec<Effect> {
    let place = standing.places.get(location).cloned();
    let Some(place) = place else {
        set_state(standing, State::Inconclusive, now);
        return Vec::new();
    };
    let failing = standing.places.values().filter(|place| place.failing).count();
    let speaking =
        standing.places.values().filter(|place| place.state != State::Inconclusive).count();
    if speaking == 0 {
        set_state(standing, State::Inconclusive, place.at);
        return Vec::new();
    }
    // Opens when half of the locations that can speak see it, ends when none does any more:
    // a picture that keeps tilting is one incident.
    let alerts = match standing.incident {
        None => failing > 0 && failing * 2 >= speaking,
        Some(_) => failing > 0,
    };
    match (standing.incident.take(), alerts) {
        (None, false) => {
            if failing == 0 && place.failure.is_none() {
                set_state(standing, State::Up, place.streak_since);
            }
            Vec::new()
        }
        (None, true) => open(policy, monitor, standing, &place, diagnosis, now),
        (Some(incident), true) => go_on(policy, standing, incident, &place, diagnosis, now),
        (Some(incident), false) => recover(policy, standing, incident, &place, now),
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
    monitor: &str,
    standing: &mut Standing,
    place: &Place,
    diagnosis: &Diagnosis,
    now: Timestamp,
) -> Vec<Effect> {
    let failing = standing.places.values().filter(|place| place.failing);
    let started_at = failing.map(|place| place.streak_since).min().unwrap_or(place.streak_since);
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
        diagnosis: diagnosis.clone(),
        timeline: Vec::new(),
    };
    let failure = place.failure.map_or("failed", Failure::code);
    incident.note(started_at, MomentKind::FirstFailure, format!("first failing check: {failure}"));
    incident.note(now, MomentKind::Confirmed, diagnosis.summary.clone());
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
    mut incident: Incident,
    place: &Place,
    diagnosis: &Diagnosis,
    now: Timestamp,
) -> Vec<Effect> {
    let first = |diagnosis: &Diagnosis| diagnosis.causes.first().map(|cause| cause.code);
    let known = &incident.diagnosis;
    let changed = place.failing
        && place.failure.is_some()
        && (known.state != diagnosis.state
            || known.failure != diagnosis.failure
            || first(known) != first(diagnosis)
            || known.scope.kind != diagnosis.scope.kind);
    let quiet_since = incident.told_at.checked_add(policy.update_gap).unwrap_or(Timestamp::MAX);
    let effects = if changed && now >= quiet_since {
        incident.sequence += 1;
        incident.told_at = now;
        incident.diagnosis = diagnosis.clone();
        incident.note(now, MomentKind::Changed, diagnosis.summary.clone());
        set_state(standing, diagnosis.state, place.at);
        vec![Effect::Updated(Box::new(incident.clone()))]
    } else {
        Vec::new()
    };
    standing.incident = Some(incident);
    effects
}

fn recover(
    policy: &Policy,
    standing: &mut Standing,
    mut incident: Incident,
    place: &Place,
    now: Timestamp,
) -> Vec<Effect> {
    // The end is when the last location that had failed was fine again.
    let fine_since = standing
        .places
        .values()
        .filter(|place| place.failure.is_none() && place.streak_since >= incident.started_at)
        .map(|place| place.streak_since)
        .max()
        .unwrap_or(place.streak_since);
    let calm_at = fine_since.checked_add(policy.calm).unwrap_or(Timestamp::MAX);
    if incident.flapping && now < calm_at {
        if place.streak == policy.recover.saturating_add(1) {
            incident.flaps = incident.flaps.saturating_add(1);
            incident.note(fine_since, MomentKind::Fine, "fine for a moment");
        }
        standing.incident = Some(incident);
        return Vec::new();
    }
    end(&mut incident, fine_since, now);
    let lasted = crate::units::show(rounded(incident.duration(now)));
    incident.note(fine_since, MomentKind::Resolved, format!("fine again after {lasted}"));
    set_state(standing, State::Up, fine_since);
    vec![Effect::Resolved(Box::new(incident))]
}

fn end(incident: &mut Incident, at: Timestamp, now: Timestamp) {
    incident.phase = Phase::Resolved;
    incident.resolved_at = Some(at);
    incident.sequence += 1;
    incident.told_at = now;
}

/// To a precision that a person wants to read: milliseconds below ten seconds, seconds above.
#[must_use]
pub fn rounded(duration: Duration) -> Duration {
    if duration < Duration::from_secs(10) {
        Duration::from_millis(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
    } else {
        Duration::from_secs(duration.as_secs())
    }
}

fn acknowledge(standing: &mut Standing, by: &str, now: Timestamp) -> Vec<Effect> {
    let Some(incident) = &mut standing.incident else { return Vec::new() };
    if incident.phase != Phase::Open {
        return Vec::new();
    }
    incident.phase = Phase::Acknowledged;
    incident.acknowledged = Some(Acknowledgement { at: now, by: by.to_owned() });
    incident.note(now, MomentKind::Acknowledged, format!("acknowledged by {by}"));
    vec![Effect::Acknowledged(Box::new(incident.clone()))]
}

fn comment(standing: &mut Standing, by: &str, text: &str, now: Timestamp) -> Vec<Effect> {
    let Some(incident) = &mut standing.incident else { return Vec::new() };
    incident.comment(by, text, now);
    vec![Effect::Noted(Box::new(incident.clone()))]
}

fn retire(standing: &mut Standing, reason: &str, now: Timestamp) -> Vec<Effect> {
    let incident = standing.incident.take();
    *standing = Standing { recent: std::mem::take(&mut standing.recent), ..Standing::default() };
    let Some(mut incident) = incident else { return Vec::new() };
    end(&mut incident, now, now);
    incident.ended_by = Some(format!("the monitor was {reason}"));
    incident.note(now, MomentKind::Resolved, format!("the monitor was {reason}"));
    vec![Effect::Resolved(Box::new(incident))]
}
