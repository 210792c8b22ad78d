//! A monitor: a named target with how often, how patiently and with which expectations it is
//! checked, and whom to tell.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::quorum::AlertWhen;
use crate::scope::Selector;
use crate::target::Target;
use crate::units::{ms, ms_option};

/// Shortest interval between checks.
pub const INTERVAL_MIN: Duration = Duration::from_secs(1);
/// Longest interval between checks.
pub const INTERVAL_MAX: Duration = Duration::from_hours(24);
/// Interval when none is given.
pub const INTERVAL_DEFAULT: Duration = Duration::from_secs(30);
/// Deadline of a check when none is given.
pub const TIMEOUT_DEFAULT: Duration = Duration::from_secs(10);
/// Longest deadline of a check.
pub const TIMEOUT_MAX: Duration = Duration::from_secs(120);
/// Repeats before a failure counts, when nothing is given.
pub const CONFIRM_DEFAULT: u32 = 2;
/// Most repeats before a failure counts.
pub const CONFIRM_MAX: u32 = 10;
/// Redirects followed when nothing is given.
pub const REDIRECTS_DEFAULT: u32 = 10;
/// Body bytes read when nothing is given.
pub const BODY_MAX_BYTES_DEFAULT: u64 = 1 << 20;

/// What is watched, and how. In JSON durations are `…_ms` numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Monitor {
    /// Unique; also its id in the API.
    pub name: String,
    /// What to check.
    pub target: Target,
    /// Time between the starts of two checks.
    #[serde(rename = "interval_ms", with = "ms")]
    pub interval: Duration,
    /// Deadline of one check.
    #[serde(rename = "timeout_ms", with = "ms")]
    pub timeout: Duration,
    /// Extra attempts from the same place before a failure counts.
    pub confirm: u32,
    /// How to ask.
    #[serde(default)]
    pub request: Request,
    /// What the answer must be like.
    #[serde(default)]
    pub expect: Expect,
    /// From where it is checked: names of locations, `region:eu`, `network:AS 64500`,
    /// `label:edge`. Empty: from everywhere.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub locations: Vec<Selector>,
    /// How many locations have to see a failure before somebody is told.
    #[serde(default, skip_serializing_if = "AlertWhen::is_default")]
    pub alert_when: AlertWhen,
    /// Names of the channels to tell.
    #[serde(default)]
    pub notify: Vec<String>,
    /// Words by which policies, maintenance windows and silences find it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// How bad it is when it fails.
    #[serde(default)]
    pub severity: Severity,
    /// Monitors without which it can't work: while one of them is down, only that one is told.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<String>,
    /// Not checked for now.
    #[serde(default)]
    pub paused: bool,
}

/// How bad a monitor's failure is, for policies.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Good to know.
    Info,
    /// To be looked at during the day.
    Warning,
    /// Somebody has to come now.
    #[default]
    Critical,
}

impl Severity {
    /// All, mildest first.
    pub const ALL: [Self; 3] = [Self::Info, Self::Warning, Self::Critical];

    /// The word used in configuration and JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

impl Monitor {
    /// A monitor of `target` with every default.
    #[must_use]
    pub fn new(name: impl Into<String>, target: Target) -> Self {
        Self {
            name: name.into(),
            target,
            interval: INTERVAL_DEFAULT,
            timeout: TIMEOUT_DEFAULT,
            confirm: CONFIRM_DEFAULT,
            request: Request::default(),
            expect: Expect::default(),
            locations: Vec::new(),
            alert_when: AlertWhen::default(),
            notify: Vec::new(),
            tags: Vec::new(),
            severity: Severity::default(),
            depends_on: Vec::new(),
            paused: false,
        }
    }
}

/// How an HTTP target is asked. Header values may be secrets: never shown, never stored with an
/// observation.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// `GET`, `HEAD`, `POST`, …
    pub method: String,
    /// Sent besides `Host`, `User-Agent` and `Accept`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Sent as the request's body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// Redirects followed; 0 takes a redirect as the answer.
    pub redirects: u32,
    /// Bytes of body read at most; what lies behind is not looked at.
    pub body_max_bytes: u64,
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("headers", &self.headers.keys())
            .field("body", &self.body.as_ref().map(|_| "***"))
            .field("redirects", &self.redirects)
            .field("body_max_bytes", &self.body_max_bytes)
            .finish()
    }
}

impl Default for Request {
    fn default() -> Self {
        Self {
            method: "GET".to_owned(),
            headers: BTreeMap::new(),
            body: None,
            redirects: REDIRECTS_DEFAULT,
            body_max_bytes: BODY_MAX_BYTES_DEFAULT,
        }
    }
}

/// What an answer must be like. Everything that is given must hold.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Expect {
    /// Accepted status codes; `200-399` when not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<StatusRanges>,
    /// Texts that must be present in the body (or banner).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub contains: Vec<String>,
    /// Texts that must be absent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_contains: Vec<String>,
    /// A regular expression that must match the body (or banner).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub matches: Option<String>,
    /// JSONPath (RFC 9535) → the value that must be found there.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub json: BTreeMap<String, serde_json::Value>,
    /// Header name → text that its value must contain.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// The whole check must not take longer.
    #[serde(rename = "latency_ms", skip_serializing_if = "Option::is_none", with = "ms_option")]
    pub latency: Option<Duration>,
    /// The certificate must be valid for at least so many days more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate_days: Option<u32>,
}

impl Expect {
    /// Is this status accepted?
    #[must_use]
    pub fn accepts(&self, status: u16) -> bool {
        match &self.status {
            Some(ranges) => ranges.contains(status),
            None => (200..=399).contains(&status),
        }
    }
}

/// Status codes such as `200-299, 401`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusRanges(Vec<(u16, u16)>);

/// A text that is no list of status codes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a list of status codes; write for example 200, 200-399 or \
     \"200-299, 401\" (100 to 599)"
)]
pub struct NotStatusRanges(pub String);

impl StatusRanges {
    /// Is this status in one of the ranges?
    #[must_use]
    pub fn contains(&self, status: u16) -> bool {
        self.0.iter().any(|(first, last)| (*first..=*last).contains(&status))
    }
}

impl std::str::FromStr for StatusRanges {
    type Err = NotStatusRanges;

    fn from_str(text: &str) -> Result<Self, NotStatusRanges> {
        let bad = || NotStatusRanges(text.to_owned());
        let code = |text: &str| {
            let code: u16 = text.trim().parse().map_err(|_| bad())?;
            if (100..=599).contains(&code) { Ok(code) } else { Err(bad()) }
        };
        let mut ranges = Vec::new();
        for part in text.split(',') {
            let (first, last) = match part.split_once('-') {
                Some((first, last)) => (code(first)?, code(last)?),
                None => (code(part)?, code(part)?),
            };
            if first > last {
                return Err(bad());
            }
            ranges.push((first, last));
        }
        Ok(Self(ranges))
    }
}

impl std::fmt::Display for StatusRanges {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (i, (first, last)) in self.0.iter().enumerate() {
            let comma = if i == 0 { "" } else { ", " };
            if first == last {
                write!(f, "{comma}{first}")?;
            } else {
                write!(f, "{comma}{first}-{last}")?;
            }
        }
        Ok(())
    }
}

impl Serialize for StatusRanges {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for StatusRanges {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
