//! One scheduled check with everything that belongs to it: when it fails, it is at once repeated
//! with fresh sockets while the evidence is collected side by side.

use std::sync::{Mutex, PoisonError};
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

/// A check is not called silent before, nor before half of its timeout has passed.
const EARLY_AFTER_MIN: Duration = Duration::from_millis(400);
/// When the repeats of a check that is still silent begin, after it was first called silent.
const EARLY_REPEATS_AFTER: [Duration; 2] = [Duration::ZERO, Duration::from_millis(350)];
/// How long before the evidence the repeats of a silent check are at their end.
const EARLY_REPEATS_MARGIN: Duration = Duration::from_millis(100);
/// Patience of the short check that shows at which step a silent target is silent.
const SHORT_LOOK_MAX: Duration = Duration::from_secs(1);
/// When evidence about silence is complete, after the check's own timeout: the verdict is to be
/// read within a second.
const VERDICT_AFTER_TIMEOUT: Duration = Duration::from_millis(750);

/// How an examination is made.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// How checks are made.
    pub check: observe::Settings,
    /// How evidence is collected.
    pub investigate: investigate::Settings,
    /// What examinations with these settings have found a moment ago, and share.
    pub recent: investigate::Recent,
    /// Begin to look around while a check is still waiting in silence, so that the verdict comes
    /// soon after its timeout. Costs a second connection to targets that are only slow; for
    /// somebody who waits at a terminal, not for monitors.
    pub early: bool,
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

/// Checks a monitor; when the check fails, repeats it and collects evidence. When it is fine after
/// it failed, it is repeated as well: recovery is confirmed as quickly as failure is, and not by
/// one lucky moment.
pub async fn examine(monitor: &Monitor, settings: &Settings, before: Before) -> Examined {
    examine_telling(monitor, settings, before, &|_| {}).await
}

/// The same, for somebody who can act on less: `tell` hears of the first failing check at once,
/// and of the evidence when it is complete before the repeats are.
pub async fn examine_telling(
    monitor: &Monitor,
    settings: &Settings,
    before: Before,
    tell: &(dyn Fn(Evidence) + Sync),
) -> Examined {
    let (first, early) = first_look(monitor, settings, before).await;
    let failing = matches!(first.state, State::Down | State::Degraded);
    if !failing {
        let again = first.state == State::Up && before.failure.is_some();
        let seen = Mutex::new(vec![first]);
        if again {
            repeat(monitor, settings, monitor.confirm, &seen).await;
        }
        let evidence = Evidence { observations: taken(&seen), ..Evidence::default() };
        return Examined { evidence, investigated: false };
    }
    if before.needs_repeats() {
        tell(Evidence { observations: vec![first.clone()], ..Evidence::default() });
    }
    let investigated = before.needs_evidence(first.failure);
    if let Some(Early { repeats, evidence }) = early {
        let mut observations = vec![first];
        observations.extend(repeats);
        return Examined { evidence: Evidence { observations, ..evidence }, investigated };
    }
    let confirm = if before.needs_repeats() { monitor.confirm } else { 0 };
    let seen = Mutex::new(vec![first.clone()]);
    let look = async {
        if !investigated {
            return Evidence::default();
        }
        let evidence = investigate(monitor, std::slice::from_ref(&first), settings).await;
        let observations = taken(&seen);
        if observations.len() <= confirm as usize {
            tell(Evidence { observations, ..evidence.clone() });
        }
        evidence
    };
    let ((), evidence) = join(repeat(monitor, settings, confirm, &seen), look).await;
    Examined { evidence: Evidence { observations: taken(&seen), ..evidence }, investigated }
}

/// Repeats a check from now on, with fresh sockets.
async fn repeat(
    monitor: &Monitor,
    settings: &Settings,
    times: u32,
    seen: &Mutex<Vec<Observation>>,
) {
    let begin = Instant::now();
    let repeats = (1..=times).filter_map(|n| repeat_after(times, n)).map(|after| async move {
        sleep_until(begin + after).await;
        let observation = observe_with(monitor, &settings.check).await;
        seen.lock().unwrap_or_else(PoisonError::into_inner).push(observation);
    });
    join_all(repeats).await;
}

/// What has been seen so far, in the order of the checks' beginnings.
fn taken(seen: &Mutex<Vec<Observation>>) -> Vec<Observation> {
    let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
    seen.sort_by_key(|observation| observation.at);
    seen
}

/// What was learnt while the first check still waited in silence.
struct Early {
    repeats: Vec<Observation>,
    evidence: Evidence,
}

/// The first check, and what was learnt while it waited in silence.
async fn first_look(
    monitor: &Monitor,
    settings: &Settings,
    before: Before,
) -> (Observation, Option<Early>) {
    let begin = Instant::now();
    let check = observe_with(monitor, &settings.check);
    if !settings.early {
        return (check.await, None);
    }
    let ahead = async {
        let (repeats, evidence) =
            join(early_repeats(monitor, settings, before, begin), ahead(monitor, settings, begin))
                .await;
        Some(Early { repeats, evidence: evidence? })
    };
    let (mut check, mut ahead) = (std::pin::pin!(check), std::pin::pin!(ahead));
    tokio::select! {
        biased;
        first = &mut check => {
            let silent = first.failure.is_some_and(Failure::is_silence);
            match silent {
                true => (first, ahead.await),
                // An answer is better looked at than guessed about.
                false => (first, None),
            }
        }
        early = &mut ahead => {
            let first = check.await;
            let silent = first.failure.is_some_and(Failure::is_silence);
            (first, early.filter(|_| silent))
        }
    }
}

/// Evidence around a check that is still silent: a short check shows at which step it is.
async fn ahead(monitor: &Monitor, settings: &Settings, begin: Instant) -> Option<Evidence> {
    sleep_until(begin + early_after(monitor, settings)).await;
    let patience = SHORT_LOOK_MAX.min(monitor.timeout / 5);
    let short = Monitor { timeout: patience, ..monitor.clone() };
    let seen = observe_with(&short, &settings.check).await;
    let mut settings = settings.clone();
    let end = begin + monitor.timeout + VERDICT_AFTER_TIMEOUT;
    let left = end.saturating_duration_since(Instant::now());
    settings.investigate.budget = settings.investigate.budget.min(left);
    seen.failure?;
    Some(investigate(monitor, &[seen], &settings).await)
}

/// Repeats side by side with the silent check, each with nearly the same patience.
async fn early_repeats(
    monitor: &Monitor,
    settings: &Settings,
    before: Before,
    begin: Instant,
) -> Vec<Observation> {
    let confirm = if before.needs_repeats() { monitor.confirm as usize } else { 0 };
    let silent = EARLY_AFTER_MIN.min(monitor.timeout / 2);
    let end = begin + monitor.timeout + VERDICT_AFTER_TIMEOUT - EARLY_REPEATS_MARGIN;
    let repeats = EARLY_REPEATS_AFTER.iter().take(confirm).map(|after| async move {
        sleep_until(begin + silent + *after).await;
        let left = end.saturating_duration_since(Instant::now());
        let again = Monitor { timeout: monitor.timeout.min(left), ..monitor.clone() };
        observe_with(&again, &settings.check).await
    });
    join_all(repeats).await
}

/// When to look around without waiting for the end of a silent check.
fn early_after(monitor: &Monitor, settings: &Settings) -> Duration {
    let enough = settings.investigate.budget;
    EARLY_AFTER_MIN.min(monitor.timeout / 2).max(monitor.timeout.saturating_sub(enough))
}
