//! How many locations have to see a failure before somebody is told, and how few before it is
//! called over.

use serde::{Deserialize, Serialize};

/// The share of locations that has to fail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AlertWhen {
    /// Half of the locations that can speak: an even split counts.
    #[default]
    Majority,
    /// One.
    Any,
    /// Every one that can speak.
    All,
    /// So many, or all that can speak when fewer can.
    Count(u16),
    /// So many of a hundred that can speak, rounded up.
    Percent(u8),
}

/// A text that names no number of locations.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no number of locations; write majority, any, all, a number such as 3, or \"30%\""
)]
pub struct NotAlertWhen(pub String);

impl AlertWhen {
    /// So many locations have to fail of `speaking`; at least one.
    #[must_use]
    pub fn needed(self, speaking: usize) -> usize {
        let needed = match self {
            Self::Majority => speaking.div_ceil(2),
            Self::Any => 1,
            Self::All => speaking,
            Self::Count(count) => usize::from(count).min(speaking),
            Self::Percent(percent) => (speaking * usize::from(percent)).div_ceil(100),
        };
        needed.max(1)
    }

    /// An incident goes on while so many fail: half of what opened it, so that a picture that
    /// keeps tilting around the threshold is one incident.
    #[must_use]
    pub fn needed_to_go_on(self, speaking: usize) -> usize {
        self.needed(speaking).div_ceil(2)
    }

    /// Nothing else was asked for.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl std::str::FromStr for AlertWhen {
    type Err = NotAlertWhen;

    fn from_str(text: &str) -> Result<Self, NotAlertWhen> {
        let bad = || NotAlertWhen(text.to_owned());
        match text {
            "majority" => return Ok(Self::Majority),
            "any" => return Ok(Self::Any),
            "all" => return Ok(Self::All),
            _ => {}
        }
        if let Some(percent) = text.strip_suffix('%') {
            let percent: u8 = percent.trim().parse().map_err(|_| bad())?;
            return if (1..=100).contains(&percent) {
                Ok(Self::Percent(percent))
            } else {
                Err(bad())
            };
        }
        match text.parse() {
            Ok(0) | Err(_) => Err(bad()),
            Ok(count) => Ok(Self::Count(count)),
        }
    }
}

impl std::fmt::Display for AlertWhen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Majority => f.write_str("majority"),
            Self::Any => f.write_str("any"),
            Self::All => f.write_str("all"),
            Self::Count(count) => write!(f, "{count}"),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

impl Serialize for AlertWhen {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for AlertWhen {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::AlertWhen;

    #[test]
    fn so_many_have_to_fail() {
        for (text, of, needed, to_go_on) in [
            ("majority", 1, 1, 1),
            ("majority", 2, 1, 1),
            ("majority", 3, 2, 1),
            ("majority", 16, 8, 4),
            ("any", 16, 1, 1),
            ("all", 16, 16, 8),
            ("all", 0, 1, 1),
            ("3", 16, 3, 2),
            ("3", 2, 2, 1),
            ("30%", 16, 5, 3),
            ("1%", 2, 1, 1),
        ] {
            let policy: AlertWhen = text.parse().unwrap();
            assert_eq!(policy.to_string(), text);
            let found = (policy.needed(of), policy.needed_to_go_on(of));
            assert_eq!(found, (needed, to_go_on), "{text} of {of}");
        }
        for bad in ["", "0", "some", "0%", "101%", "-1", "1.5"] {
            assert!(bad.parse::<AlertWhen>().is_err(), "{bad}");
        }
    }
}
