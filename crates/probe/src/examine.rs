//! One scheduled check with everything that belongs to it: when it fails, it is at once repeated
//! with fresh sockets while the evidence is collected side by side.

use std::time::Duration;

use futures_util::future::{join, join_all};
use tokio::time::{Instant, sleep_until};
use whydown_core::evidence::Evidence;
use whydown_core::failure::Failure;
use whydown_core::monitor::Monitor;
use whydown_core::observation::{Observation, State};
use whydown_core::schedule::repeat_after;

use crate::investigate::{self, investigate};
use crate::observe::{self, observe_with};

/// How an examination is made.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// How checks are made.
    pub check: observe::Settings,
    /// How evidence is collected.
    pub investigate: investigate::Settings,
}

/// What is known from the monitor's earlier checks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Before {
    /// The failure last reported; `None` when the target was fine or is new.
    pub failure: Option<Failure>,
    /// How long ago evidence was last collected.
    pub evidence_age: Option<Duration>,
    /// Evidence younger than this is not collected again for the same failure.
    pub evidence_every: Duration,
}

impl Before {
    fn needs_repeats(&self) -> bool {
        self.failure.is_none()
    }

    fn needs_evidence(&self, failure: Option<Failure>) -> bool {
        self.failure != failure || self.evidence_age.is_none_or(|age| age >= self.evidence_every)
    }
}

/// An examination's result.
#[derive(Clone, Debug)]
pub struct Examined {
    /// All observations, the first check first, and what was found around a failure.
    pub evidence: Evidence,
    /// Evidence was collected.
    pub investigated: bool,
}

/// Checks a monitor; when the check fails, repeats it and collects evidence.
pub async fn examine(monitor: &Monitor, settings: &Settings, before: Before) -> Examined {
    let first = observe_with(monitor, &settings.check).await;
    let failing = matches!(first.state, State::Down | State::Degraded);
    if !failing {
        let evidence = Evidence { observations: vec![first], ..Evidence::default() };
        return Examined { evidence, investigated: false };
    }
    let ended = Instant::now();
    let investigated = before.needs_evidence(first.failure);
    let confirm = if before.needs_repeats() { monitor.confirm } else { 0 };
    let repeats = (1..=confirm).filter_map(|n| repeat_after(confirm, n)).map(|after| async move {
        sleep_until(ended + after).await;
        observe_with(monitor, &settings.check).await
    });
    let seen = std::slice::from_ref(&first);
    let look = async {
        match investigated {
            true => investigate(monitor, seen, settings).await,
            false => Evidence::default(),
        }
    };
    let (repeats, evidence): (Vec<Observation>, Evidence) = join(join_all(repeats), look).await;
    let mut observations = vec![first];
    observations.extend(repeats);
    Examined { evidence: Evidence { observations, ..evidence }, investigated }
}
