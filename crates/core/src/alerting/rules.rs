//! Who is told what and when, as the configuration says it. Values only; the course of an
//! incident through them is [`escalation`](super::escalation)'s.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Time;
use serde::{Deserialize, Serialize};

use super::calendar::{Days, Hours, Recurrence, When, Zone};
use super::on_call::OnCall;
use crate::incident::Incident;
use crate::monitor::{Monitor, Severity};
use crate::observation::State;
use crate::scope::ScopeKind;

/// Everything that the configuration says about telling.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rules {
    /// In the order written; every one that matches applies.
    pub policies: Vec<Policy>,
    /// Each person's channels.
    pub people: BTreeMap<String, Vec<String>>,
    /// Who is on call.
    pub on_call: Vec<OnCall>,
    /// When nobody is told.
    pub maintenance: Vec<Window>,
    /// When several messages become one; `None`: never.
    pub grouping: Option<Grouping>,
    /// Who hears that a location has no probe.
    pub no_data: Option<Absences>,
}

/// Who hears that a location has no probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Absences {
    /// So long after it fell silent.
    pub after: Duration,
    /// Channels.
    pub notify: Vec<String>,
}

/// Who is told of what, and in which steps.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// Unique.
    pub name: String,
    /// What it applies to.
    pub applies: Applies,
    /// In the order of their times.
    pub steps: Vec<Step>,
    /// Said again after the last step until somebody takes it.
    pub repeat: Option<Repeat>,
    /// Collected instead of told at once.
    pub digest: Option<Digest>,
    /// Is the end told as well?
    pub recovery: bool,
}

/// Which incidents. What is empty does not matter; everything that is given must hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Applies {
    /// Of which monitors.
    pub select: Select,
    /// How bad the monitor is.
    pub severity: Vec<Severity>,
    /// Down, degraded.
    pub states: Vec<State>,
    /// For whom it fails.
    pub scopes: Vec<ScopeKind>,
    /// When. An incident that goes on is told when they begin.
    pub hours: Option<Hours>,
}

/// Monitors by name and tag. What is empty does not matter; both must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Select {
    /// One of these names; `*` stands for any text, `?` for one character.
    pub monitors: Vec<String>,
    /// One of these tags.
    pub tags: Vec<String>,
}

/// Somebody is told so long after an incident was opened, unless somebody took it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// So long after.
    pub after: Duration,
    /// Who.
    pub who: Targets,
}

/// Who is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Targets {
    /// Channels.
    pub channels: Vec<String>,
    /// People, over all their channels.
    pub people: Vec<String>,
    /// Whoever is on call then.
    pub on_call: Vec<String>,
}

/// Said again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Repeat {
    /// So long after the time before.
    pub every: Duration,
    /// So often at most.
    pub times: u32,
}

/// When what was collected is told.
#[derive(Clone, Debug, PartialEq)]
pub enum Digest {
    /// At each full hour.
    Hourly(Zone),
    /// Every day at a time.
    Daily(Time, Zone),
}

/// A maintenance window.
#[derive(Clone, Debug, PartialEq)]
pub struct Window {
    /// Unique.
    pub name: String,
    /// Of which monitors.
    pub select: Select,
    /// When.
    pub when: When,
}

/// Several messages over one channel become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grouping {
    /// So many incidents within `window` are told one by one.
    pub after: usize,
    /// Within so long.
    pub window: Duration,
}

impl Default for Grouping {
    fn default() -> Self {
        Self { after: 3, window: Duration::from_secs(10) }
    }
}

/// Somebody wants to hear nothing for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Silence {
    /// Given out by the server.
    pub id: String,
    /// Who.
    pub by: String,
    /// Why.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub comment: String,
    /// Of which monitors.
    #[serde(flatten)]
    pub select: Select,
    /// From then.
    pub from: Timestamp,
    /// Until then.
    pub until: Timestamp,
}

impl Silence {
    /// Does it hold at `at`?
    #[must_use]
    pub fn holds(&self, at: Timestamp) -> bool {
        self.from <= at && at < self.until
    }
}

impl Rules {
    /// The maintenance window that a monitor is in, and its end: of several the one that ends
    /// last.
    #[must_use]
    pub fn in_maintenance(&self, monitor: &Monitor, at: Timestamp) -> Option<(&Window, Timestamp)> {
        let mine = self.maintenance.iter().filter(|window| window.select.has(monitor));
        let open = mine.filter_map(|window| Some((window, window.when.open(at)?)));
        open.max_by_key(|(_, until)| *until)
    }

    /// The channels of a step at `at`, each once; and which rotations had nobody.
    #[must_use]
    pub fn channels(&self, who: &Targets, at: Timestamp) -> (Vec<String>, Vec<String>) {
        let mut channels = who.channels.clone();
        let mut nobody = Vec::new();
        let mut people: Vec<&str> = who.people.iter().map(String::as_str).collect();
        for name in &who.on_call {
            let on_call = self.on_call.iter().find(|on_call| on_call.name == *name);
            match on_call.and_then(|on_call| on_call.who(at)) {
                Some(person) => people.push(person),
                None => nobody.push(name.clone()),
            }
        }
        for person in people {
            channels.extend(self.people.get(person).into_iter().flatten().cloned());
        }
        let mut seen = std::collections::BTreeSet::new();
        channels.retain(|channel| seen.insert(channel.clone()));
        (channels, nobody)
    }
}

impl Applies {
    /// Does it apply, but for the hours?
    #[must_use]
    pub fn to(&self, monitor: &Monitor, incident: &Incident) -> bool {
        let scope = incident.diagnosis.scope.kind;
        self.select.has(monitor)
            && (self.severity.is_empty() || self.severity.contains(&monitor.severity))
            && (self.states.is_empty() || self.states.contains(&incident.diagnosis.state))
            && (self.scopes.is_empty() || self.scopes.contains(&scope))
    }
}

impl Select {
    /// Is this monitor one of them?
    #[must_use]
    pub fn has(&self, monitor: &Monitor) -> bool {
        let named = |pattern: &String| glob(pattern, &monitor.name);
        (self.monitors.is_empty() || self.monitors.iter().any(named))
            && (self.tags.is_empty() || self.tags.iter().any(|tag| monitor.tags.contains(tag)))
    }
}

impl fmt::Display for Select {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tags = self.tags.iter().map(|tag| format!("tag {tag}"));
        let all: Vec<String> = self.monitors.iter().cloned().chain(tags).collect();
        f.write_str(if all.is_empty() { "all monitors" } else { "" })?;
        f.write_str(&all.join(", "))
    }
}

impl Digest {
    /// When what is collected at `at` is told.
    #[must_use]
    pub fn due(&self, at: Timestamp) -> Timestamp {
        let (days, time, zone, step) = match self {
            Self::Hourly(zone) => {
                // By the clock on the wall: some zones are half an hour off.
                let past =
                    i64::from(zone.wall(at).minute()) * 60 + i64::from(zone.wall(at).second());
                let rest = Duration::from_secs(u64::try_from(3_600 - past).unwrap_or(3_600));
                let whole = Timestamp::from_second(at.as_second()).unwrap_or(at);
                return whole.checked_add(rest).unwrap_or(Timestamp::MAX);
            }
            Self::Daily(time, zone) => (Days::ALL, *time, zone, Duration::from_secs(1)),
        };
        let daily =
            When::Every { on: Recurrence::Weekly(days), at: time, lasts: step, zone: zone.clone() };
        daily.next(at).map_or(Timestamp::MAX, |(from, _)| from)
    }
}

/// `*` stands for any text, `?` for one character.
fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), text.chars().collect());
    // The classic walk: on a mismatch the last star takes one character more.
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some('?') => (p, t) = (p + 1, t + 1),
            Some(c) if Some(c) == text.get(t) => (p, t) = (p + 1, t + 1),
            _ => {
                let Some((at, taken)) = star else { return false };
                star = Some((at, taken + 1));
                (p, t) = (at + 1, taken + 1);
            }
        }
    }
    pattern.iter().skip(p).all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::glob;

    #[test]
    fn patterns_match_as_in_a_shell() {
        for (pattern, text, fits) in [
            ("*", "", true),
            ("web *", "web 1", true),
            ("web *", "web", false),
            ("*.example.com", "a.b.example.com", true),
            ("a*b*c", "a1b2b3c", true),
            ("a*b*c", "a1b2b3", false),
            ("m?", "m1", true),
            ("m?", "m12", false),
            ("m", "M", false),
        ] {
            assert_eq!(glob(pattern, text), fits, "{pattern} {text}");
        }
    }
}
