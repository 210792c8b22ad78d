//! Reasons to tell nobody of an incident for now.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::View;
use super::escalation::Escalation;
use crate::incident::{Incident, Standing};
use crate::monitor::Monitor;

/// A monitor that depends on others waits so long for their word, while they look fine.
pub(super) const ASK_MAX: Duration = Duration::from_secs(10);
/// And so long while one of them seems to fail too.
pub(super) const SUSPECT_MAX: Duration = Duration::from_mins(1);
/// After what it depends on is back, a monitor may take so long to come back itself.
pub(super) const SETTLE_MAX: Duration = Duration::from_mins(1);

/// Why nobody is told of an incident.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum Quiet {
    /// The monitor is in a maintenance window.
    Maintenance {
        /// The window's name.
        window: String,
        /// Its end.
        until: Timestamp,
    },
    /// Somebody has silenced it.
    Silence {
        /// Who.
        by: String,
        /// Until when.
        until: Timestamp,
    },
    /// What it depends on is down.
    Dependency {
        /// The nearest that is.
        parent: String,
        /// All that it depends on.
        above: Vec<String>,
    },
    /// What it depends on is being asked.
    Asking {
        /// All that it depends on.
        above: Vec<String>,
        /// At most so long.
        until: Timestamp,
    },
    /// What it depends on is back, it may follow.
    Settling {
        /// What was down.
        parent: String,
        /// The monitor itself, which is looked at.
        monitor: String,
        /// Since when it is back.
        since: Timestamp,
        /// At most so long.
        until: Timestamp,
    },
}

impl Quiet {
    /// When to look again at the latest.
    #[must_use]
    pub fn until(&self) -> Option<Timestamp> {
        match self {
            Self::Maintenance { until, .. }
            | Self::Silence { until, .. }
            | Self::Asking { until, .. }
            | Self::Settling { until, .. } => Some(*until),
            Self::Dependency { .. } => None,
        }
    }

    /// The monitors whose reports matter.
    pub(super) fn watches(&self) -> &[String] {
        match self {
            Self::Dependency { above, .. } | Self::Asking { above, .. } => above,
            Self::Settling { monitor, .. } => std::slice::from_ref(monitor),
            Self::Maintenance { .. } | Self::Silence { .. } => &[],
        }
    }

    /// For the time line; asking goes without saying.
    #[must_use]
    pub fn said(&self) -> Option<String> {
        match self {
            Self::Maintenance { window, until } => {
                Some(format!("not told: maintenance {window:?} until {until:.0}"))
            }
            Self::Silence { by, until } => {
                Some(format!("not told: silenced by {by} until {until:.0}"))
            }
            Self::Dependency { parent, .. } => {
                Some(format!("not told: {parent}, on which it depends, is down"))
            }
            Self::Settling { parent, .. } => {
                Some(format!("{parent} is up again; whether this follows is being checked"))
            }
            Self::Asking { .. } => None,
        }
    }

    /// What to say when it is over and the incident is not.
    #[must_use]
    pub fn over(&self) -> Option<String> {
        match self {
            Self::Maintenance { window, .. } => {
                Some(format!("Maintenance {window:?} has ended, and it still fails."))
            }
            Self::Silence { by, .. } => {
                Some(format!("The silence that {by} asked for is over, and it still fails."))
            }
            Self::Dependency { parent, .. } | Self::Settling { parent, .. } => {
                Some(format!("{parent}, on which it depends, is up again, and it still fails."))
            }
            Self::Asking { .. } => None,
        }
    }
}

/// The reason that holds now, if any.
pub(super) fn find(
    view: &View<'_>,
    escalation: &Escalation,
    incident: &Incident,
    monitor: &Monitor,
) -> Option<Quiet> {
    if let Some((window, until)) = view.rules.in_maintenance(monitor, view.now) {
        return Some(Quiet::Maintenance { window: window.name.clone(), until });
    }
    let mine =
        |silence: &&super::rules::Silence| silence.holds(view.now) && silence.select.has(monitor);
    if let Some(silence) = view.silences.iter().filter(mine).max_by_key(|silence| silence.until) {
        return Some(Quiet::Silence { by: silence.by.clone(), until: silence.until });
    }
    let above = view.dependencies.above(&monitor.name);
    let down = |name: &&String| {
        let watched = (view.monitor)(name).is_some();
        watched && view.standings.get(*name).is_some_and(|standing| standing.incident.is_some())
    };
    if let Some(parent) = above.iter().find(down) {
        return Some(Quiet::Dependency { parent: parent.clone(), above: above.to_vec() });
    }
    match &escalation.quiet {
        Some(Quiet::Dependency { parent, .. }) => Some(Quiet::Settling {
            parent: parent.clone(),
            monitor: monitor.name.clone(),
            since: view.now,
            until: later(view.now, SETTLE_MAX),
        }),
        Some(settling @ Quiet::Settling { since, until, .. }) => {
            let standing = view.standings.get(&monitor.name);
            let again = standing.is_some_and(|standing| fails_since(standing, *since));
            (!again && view.now < *until).then(|| settling.clone())
        }
        _ if escalation.told > 0 => None,
        _ => asking(view, incident, above),
    }
}

/// Whoever depends on others is told only when they have been seen fine since it began to fail.
fn asking(view: &View<'_>, incident: &Incident, above: &[String]) -> Option<Quiet> {
    let mut suspect = false;
    let mut open = false;
    for name in above {
        let standing = (view.monitor)(name).and_then(|_| view.standings.get(name));
        let Some(standing) = standing.filter(|standing| !standing.places.is_empty()) else {
            continue;
        };
        let mut places = standing.places.values();
        suspect |= places.clone().any(|place| place.failure.is_some());
        open |= !places.any(|place| place.failure.is_none() && place.at >= incident.started_at);
    }
    if !open && !suspect {
        return None;
    }
    let until = later(incident.opened_at, if suspect { SUSPECT_MAX } else { ASK_MAX });
    (view.now < until).then(|| Quiet::Asking { above: above.to_vec(), until })
}

fn fails_since(standing: &Standing, since: Timestamp) -> bool {
    standing.places.values().any(|place| place.failure.is_some() && place.at >= since)
}

fn later(at: Timestamp, by: Duration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}
