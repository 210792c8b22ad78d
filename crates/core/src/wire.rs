//! What probes and host agents tell the server, and the server them: JSON over one dial-out link.
//!
//! Unknown fields are ignored and missing ones have defaults, so that neighbours of one
//! [`PROTOCOL`] step understand each other. Nothing here says how it travels.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::evidence::{Evidence, Families};
use crate::monitor::Monitor;
use crate::scope::Location;
use crate::target::Target;
use crate::units::ms;

/// The protocol of this version. Both sides accept one more and one less.
pub const PROTOCOL: u32 = 1;
/// Where one trades a one-time token for a registered key.
pub const ENROL_PATH: &str = "/link/enrol";
/// The long answer that carries [`Order`]s, one JSON value a line.
pub const STREAM_PATH: &str = "/link/stream";
/// Where batches of reports go, answered when they are durable.
pub const REPORTS_PATH: &str = "/link/reports";
/// Where reports go that somebody should judge at once; they are not stored.
pub const NOW_PATH: &str = "/link/now";
/// Where the answers to [`Order::Diagnose`] go.
pub const ANSWER_PATH: &str = "/link/answer";
/// Where the server's clock is read.
pub const TIME_PATH: &str = "/link/time";

/// Reports in one batch at most.
pub const BATCH_MAX: usize = 2_000;
/// A packed batch has at most so many bytes.
pub const BATCH_MAX_BYTES: usize = 4 << 20;
/// An unpacked batch has at most so many bytes.
pub const BATCH_UNPACKED_MAX_BYTES: usize = 64 << 20;
/// Whoever has nothing to report says so this often, so that silence means something.
pub const HEARTBEAT: Duration = Duration::from_secs(2);

/// Do two protocol numbers understand each other?
#[must_use]
pub const fn understands(protocol: u32) -> bool {
    protocol.abs_diff(PROTOCOL) <= 1
}

/// One scheduled check with its repeats and the evidence collected around a failure.
/// `evidence.observations` is never empty; of a check that was fine it is all there is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The monitor's name.
    pub monitor: String,
    /// The location's name. What comes over a link has the location of the link's key, whatever
    /// stands here.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub location: String,
    /// What was seen.
    pub evidence: Evidence,
}

/// A monitor as a probe needs it: what to check and when, nothing about who is told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Assignment {
    /// What to check; shared by all places that check it.
    #[serde(with = "shared")]
    pub monitor: Arc<Monitor>,
    /// The beat: so long after every whole multiple of the interval since 1970.
    #[serde(rename = "phase_ms", with = "ms")]
    pub phase: Duration,
}

/// A shared value as what it is.
mod shared {
    use std::sync::Arc;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<T: Serialize, S: Serializer>(
        value: &Arc<T>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        T::serialize(value, serializer)
    }

    pub(super) fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Arc<T>, D::Error> {
        T::deserialize(deserializer).map(Arc::new)
    }
}

/// Who dials in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Checks monitors from a location.
    Probe,
    /// Looks at the inside of a watched host.
    Agent,
}

impl Role {
    /// The word in JSON and in the store.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Probe => "probe",
            Self::Agent => "agent",
        }
    }
}

/// What the dialling side is and can.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Introduction {
    /// Its [`PROTOCOL`].
    pub protocol: u32,
    /// Its version, for people.
    pub version: String,
    /// What it can do.
    #[serde(default)]
    pub abilities: Abilities,
}

/// What a probe can do; what it can't, it says nothing about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Abilities {
    /// Which IP families have a route to other networks.
    #[serde(default)]
    pub families: Families,
    /// Echo requests.
    #[serde(default)]
    pub icmp: bool,
}

/// A one-time token traded for a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enrolment {
    /// The one-time token, without the pin.
    pub token: String,
    /// The key that the dialling side made for itself. The server keeps its hash.
    pub key: String,
    /// What it wants to be.
    pub role: Role,
    /// Who is asking.
    #[serde(flatten)]
    pub introduction: Introduction,
}

/// The answer to an [`Enrolment`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enrolled {
    /// What the key is called from now on.
    pub id: String,
    /// The role that the token gives.
    pub role: Role,
    /// The location of a probe, or the host of an agent.
    pub place: String,
    /// The server's [`PROTOCOL`].
    pub protocol: u32,
}

/// What the server says to a probe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "snake_case")]
pub enum Order {
    /// The first line of every stream.
    Welcome {
        /// The server's [`PROTOCOL`].
        protocol: u32,
        /// The server's version.
        version: String,
        /// Where the probe is.
        location: Location,
        /// Every report up to this sequence is stored.
        acknowledged: u64,
    },
    /// Changes of what is to be checked. The first of a stream replaces everything.
    Assign {
        /// Forget everything else.
        #[serde(default)]
        all: bool,
        /// New or changed.
        #[serde(default)]
        set: Vec<Assignment>,
        /// Not to be checked any more, by name.
        #[serde(default)]
        drop: Vec<String>,
        /// More of the same change follows.
        #[serde(default)]
        more: bool,
    },
    /// Check these now, out of turn.
    CheckNow {
        /// By name.
        monitors: Vec<String>,
    },
    /// Check a target once, look around when it fails, and answer.
    Diagnose {
        /// Comes back with the answer.
        id: u64,
        /// What to look at.
        target: Target,
        /// Deadline of the check.
        #[serde(rename = "timeout_ms", with = "ms")]
        timeout: Duration,
    },
    /// The server is there.
    Ping,
    /// An order of a later version: passed over.
    #[serde(other)]
    Unknown,
}

/// Reports on their way, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Batch {
    /// What is reported; empty as a sign of life.
    #[serde(default)]
    pub reports: Vec<Numbered>,
    /// How far the probe's clock is ahead of the server's now.
    #[serde(default)]
    pub ahead_ms: i64,
    /// Fine reports that were thinned out while the server was away, since the last batch.
    #[serde(default)]
    pub thinned: u64,
}

/// A report with its place in the sequence of its probe.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Numbered {
    /// Ascending, never given twice by one key. 0 for reports that are not stored.
    #[serde(default)]
    pub sequence: u64,
    /// How far the probe's clock was ahead of the server's when this was seen; `None` when it was
    /// not known then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ahead_ms: Option<i64>,
    /// What was seen.
    pub report: Report,
}

/// Everything up to here is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledgement {
    /// The sequence of the last stored report.
    pub sequence: u64,
}

/// The answer to [`Order::Diagnose`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// Which question.
    pub id: u64,
    /// What was found.
    pub evidence: Evidence,
}

/// The server's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Time {
    /// When it answered.
    pub at: Timestamp,
}
