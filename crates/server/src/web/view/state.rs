//! A monitor's state as pages show it: a word and a shape, never a colour alone.

use whydown_core::incident::Phase;
use whydown_core::observation::State;

use crate::app::MonitorStatus;

/// What a badge says. Ordered: what needs somebody comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Shown {
    /// It does not work.
    Down,
    /// It works in part.
    Degraded,
    /// Nothing is known.
    Inconclusive,
    /// Not checked yet.
    Pending,
    /// It works.
    Up,
    /// Not checked for now.
    Paused,
}

impl Shown {
    /// All, in the order of the overview's filters.
    pub(crate) const ALL: [Self; 6] =
        [Self::Down, Self::Degraded, Self::Inconclusive, Self::Pending, Self::Up, Self::Paused];

    /// The state of a monitor.
    pub(crate) fn of(status: &MonitorStatus) -> Self {
        if status.entry.monitor.paused {
            return Self::Paused;
        }
        status.standing.state.map_or(Self::Pending, Self::from)
    }

    /// The word in classes, icons and query parameters.
    pub(crate) const fn key(self) -> &'static str {
        match self {
            Self::Down => "down",
            Self::Degraded => "degraded",
            Self::Inconclusive => "inconclusive",
            Self::Pending => "pending",
            Self::Up => "up",
            Self::Paused => "paused",
        }
    }

    /// The word for eyes.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Down => "Down",
            Self::Degraded => "Degraded",
            Self::Inconclusive => "Unclear",
            Self::Pending => "Waiting",
            Self::Up => "Up",
            Self::Paused => "Paused",
        }
    }

    /// From a query parameter.
    pub(crate) fn from_key(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|shown| shown.key() == key)
    }

    /// Does somebody have to look?
    pub(crate) const fn is_trouble(self) -> bool {
        matches!(self, Self::Down | Self::Degraded | Self::Inconclusive)
    }
}

impl From<State> for Shown {
    fn from(state: State) -> Self {
        match state {
            State::Up => Self::Up,
            State::Degraded => Self::Degraded,
            State::Down => Self::Down,
            State::Inconclusive => Self::Inconclusive,
        }
    }
}

/// A phase's word for eyes.
pub(crate) const fn phase_word(phase: Phase) -> &'static str {
    match phase {
        Phase::Open => "Open",
        Phase::Acknowledged => "Acknowledged",
        Phase::Resolved => "Resolved",
    }
}
