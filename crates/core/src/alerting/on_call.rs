//! Who is on call: people who take turns or have their shifts, and overrides that win over both.

use std::time::Duration;

use jiff::civil::DateTime;
use jiff::{SignedDuration, Timestamp};

use super::calendar::{Hours, Zone};

/// Who is on call when.
#[derive(Clone, Debug, PartialEq)]
pub struct OnCall {
    /// Unique; steps name it.
    pub name: String,
    /// Where its times are meant.
    pub zone: Zone,
    /// The rule.
    pub duty: Duty,
    /// Exceptions; of several the last one written counts.
    pub overrides: Vec<Override>,
}

/// By which rule.
#[derive(Clone, Debug, PartialEq)]
pub enum Duty {
    /// One after the other, round and round.
    Turns {
        /// In their order.
        people: Vec<String>,
        /// How long each has it, by the clock on the wall: whole days end at the same time of
        /// day, also when daylight saving begins or ends.
        every: Duration,
        /// When the first person's first turn began.
        since: DateTime,
    },
    /// Each at their hours; of several the first one written counts, and there may be gaps.
    Shifts(Vec<(String, Hours)>),
}

/// Somebody stands in.
#[derive(Clone, Debug, PartialEq)]
pub struct Override {
    /// Who.
    pub person: String,
    /// From then.
    pub from: Timestamp,
    /// Until then.
    pub to: Timestamp,
}

impl OnCall {
    /// Who has it at `at`. `None`: nobody.
    #[must_use]
    pub fn who(&self, at: Timestamp) -> Option<&str> {
        let stands_in = |entry: &&Override| entry.from <= at && at < entry.to;
        if let Some(entry) = self.overrides.iter().rev().find(stands_in) {
            return Some(&entry.person);
        }
        match &self.duty {
            Duty::Turns { people, .. } => {
                let count = i64::try_from(people.len()).ok().filter(|count| *count > 0)?;
                let index = usize::try_from(self.turn(at).rem_euclid(count)).ok()?;
                people.get(index).map(String::as_str)
            }
            Duty::Shifts(shifts) => shifts
                .iter()
                .find(|(_, hours)| hours.contain(at))
                .map(|(person, _)| person.as_str()),
        }
    }

    /// When the next turn of a rotation begins.
    #[must_use]
    pub fn next_turn(&self, at: Timestamp) -> Option<Timestamp> {
        matches!(self.duty, Duty::Turns { .. }).then(|| self.begins(self.turn(at) + 1))
    }

    /// Everybody who can be on call.
    #[must_use]
    pub fn people(&self) -> Vec<&str> {
        let rule: Vec<&str> = match &self.duty {
            Duty::Turns { people, .. } => people.iter().map(String::as_str).collect(),
            Duty::Shifts(shifts) => shifts.iter().map(|(person, _)| person.as_str()).collect(),
        };
        let others = self.overrides.iter().map(|entry| entry.person.as_str());
        rule.into_iter().chain(others).collect()
    }

    /// The number of the turn at `at`; negative before the first.
    fn turn(&self, at: Timestamp) -> i64 {
        let Duty::Turns { every, since, .. } = &self.duty else { return 0 };
        let every = i64::try_from(every.as_secs()).unwrap_or(i64::MAX).max(1);
        let passed = self.zone.wall(at).duration_since(*since).as_secs();
        let guess = passed.div_euclid(every);
        // Where clocks are set back, the wall shows a time from before a handover again.
        let begun = |turn: &i64| self.begins(*turn) <= at;
        [guess + 1, guess, guess - 1].into_iter().find(begun).unwrap_or(guess)
    }

    fn begins(&self, turn: i64) -> Timestamp {
        let Duty::Turns { every, since, .. } = &self.duty else { return Timestamp::MIN };
        let every = i64::try_from(every.as_secs()).unwrap_or(i64::MAX);
        let offset = SignedDuration::from_secs(every.saturating_mul(turn));
        since.checked_add(offset).map_or(Timestamp::MAX, |wall| self.zone.instant(wall))
    }
}
