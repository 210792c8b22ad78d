//! How a channel is used, whatever its kind: how fast, and what takes its place.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde_json::{Map, Value};

/// Attempts that have to fail before the fallback is used, when nothing is said.
pub const FALLBACK_AFTER_DEFAULT: u32 = 3;
/// The shortest and the longest span of a rate.
const SPAN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_hours(24));
/// Messages within it.
const COUNT_MAX: u32 = 100_000;

/// How a channel is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// At most so many messages within a span.
    pub rate: Option<Rate>,
    /// The channel that is used when this one can't be reached.
    pub fallback: Option<String>,
    /// After so many failed attempts.
    pub fallback_after: u32,
}

impl Default for Terms {
    fn default() -> Self {
        Self { rate: None, fallback: None, fallback_after: FALLBACK_AFTER_DEFAULT }
    }
}

impl Terms {
    /// The keys, in the form that is read; those that have their default are left out.
    pub(crate) fn write(&self, map: &mut Map<String, Value>) {
        if let Some(rate) = self.rate {
            map.insert("rate".to_owned(), rate.to_string().into());
        }
        if let Some(fallback) = &self.fallback {
            map.insert("fallback".to_owned(), fallback.as_str().into());
            map.insert("fallback_after".to_owned(), self.fallback_after.into());
        }
    }
}

/// So many within a span: `30/1m`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// So many.
    pub count: u32,
    /// Within so long.
    pub span: Duration,
}

/// A text that is no rate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no rate; write for example 30/1m or 1/2s (1 to 100000 messages, 1s to 1d)")]
pub struct NoRate(pub String);

impl FromStr for Rate {
    type Err = NoRate;

    fn from_str(text: &str) -> Result<Self, NoRate> {
        let bad = || NoRate(text.to_owned());
        let (count, span) = text.split_once('/').ok_or_else(bad)?;
        let count = count.trim().parse().map_err(|_| bad())?;
        let span = whydown_core::units::parse(span).map_err(|_| bad())?;
        if !(1..=COUNT_MAX).contains(&count) || span < SPAN.0 || span > SPAN.1 {
            return Err(bad());
        }
        Ok(Self { count, span })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.count, whydown_core::units::show(self.span).replace(' ', ""))
    }
}
