//! The verdict: failure, stage, scope, ranked causes, path, addresses, evidence and how clients
//! show it. Its JSON is a public contract (`whydown.diagnosis/1`); fields are only ever added.

use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::cause::{Cause, Side};
use crate::client::SeenAs;
use crate::failure::{Failure, Stage};
use crate::inside::Happening;
use crate::observation::State;
use crate::scope::{OTHER_LOCATIONS, Scope};
use crate::target::{PortSource, Target};
use crate::units::{ms, ms_option};

/// The schema of [`Diagnosis`].
pub const SCHEMA: &str = "whydown.diagnosis/1";

/// What is wrong, where, for whom, why, and what to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Diagnosis {
    /// Always [`SCHEMA`].
    pub schema: String,
    /// What was checked.
    pub target: Subject,
    /// The state.
    pub state: State,
    /// What failed; `None` when nothing did.
    pub failure: Option<Failure>,
    /// Where on the path it failed; `None` when nothing did.
    pub stage: Option<Stage>,
    /// For whom.
    pub scope: Scope,
    /// One sentence for a person.
    pub summary: String,
    /// Ranked, the most likely first.
    pub causes: Vec<RankedCause>,
    /// The way from client to application.
    pub path: Vec<PathStage>,
    /// One per address.
    pub addresses: Vec<AddressVerdict>,
    /// How other clients word this failure; `None` when nothing stops them.
    pub seen_as: Option<SeenAs>,
    /// The facts that the causes point to.
    pub evidence: Vec<Fact>,
    /// What happened lately on the failing machine, when its host agent tells; oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub happenings: Vec<Happening>,
    /// How long it took to find out.
    #[serde(rename = "elapsed_ms", with = "ms")]
    pub elapsed: Duration,
}

impl Diagnosis {
    /// The same verdict, seen from more places or from other ones.
    pub fn widen(&mut self, scope: &Scope) {
        self.scope = scope.clone();
        let from_places = self.evidence.iter_mut().find(|fact| fact.source == OTHER_LOCATIONS);
        if let Some(fact) = from_places {
            fact.fact = scope.to_string();
        }
    }
}

/// The target as other programs want it: in parts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// Canonical URL.
    pub url: String,
    /// Host name or address.
    pub host: String,
    /// Port; 0 when the scheme has none.
    pub port: u16,
    /// Where the port came from.
    pub port_source: PortSource,
}

impl From<&Target> for Subject {
    fn from(target: &Target) -> Self {
        Self {
            url: target.to_string(),
            host: target.host.to_string(),
            port: target.port,
            port_source: target.port_source,
        }
    }
}

/// A cause with how sure we are, why, and what to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RankedCause {
    /// The cause.
    pub code: Cause,
    /// Who can end it.
    pub side: Side,
    /// 0 to 1. Of verdicts given with 0.9, at least nine in ten are right.
    pub confidence: f64,
    /// Ids of the facts that speak for it.
    pub because: Vec<String>,
    /// How to make sure.
    pub confirm: Vec<Instruction>,
    /// How to end it.
    pub fix: Vec<Instruction>,
}

/// One thing a person can do, on one kind of machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instruction {
    /// Whose machine: `server`, `client`, `router`, `dns`, `browser`.
    pub on: String,
    /// `linux`, `windows`, `macos`, or `any`.
    pub os: String,
    /// What to do and why, one or two sentences.
    pub text: String,
    /// The command to paste, with the user's own host and port filled in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
}

/// One stage of the drawn path.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PathStage {
    /// Which.
    pub stage: Stage,
    /// How it did.
    pub state: StageState,
    /// Time spent there, where it was measured.
    #[serde(rename = "ms", default, skip_serializing_if = "Option::is_none", with = "ms_option")]
    pub elapsed: Option<Duration>,
}

/// How a stage did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StageState {
    /// Passed.
    Ok,
    /// The failure happened here.
    Failing,
    /// Works in part.
    Degraded,
    /// Never tried, because an earlier stage failed.
    NotReached,
    /// Not part of this path (no proxy set, an address instead of a name, no application).
    Absent,
    /// Passed through, but nothing was learnt about it.
    Unknown,
}

/// How one address did.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct AddressVerdict {
    /// The address.
    pub ip: IpAddr,
    /// What failed there; `None` when it works.
    pub failure: Option<Failure>,
    /// How long its attempt took.
    #[serde(rename = "ms", with = "ms")]
    pub elapsed: Duration,
}

/// One fact, in words, with where it came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    /// `e1`, `e2`, … in the order found.
    pub id: String,
    /// The stage it speaks of.
    pub stage: Stage,
    /// A short sentence without opinion.
    pub fact: String,
    /// The system call, protocol step, file or command it comes from.
    pub source: String,
}
