//! What continuous knocking amounts to: how many checks failed, in which episodes, and whether
//! there is a rhythm in them.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use crate::failure::Failure;
use crate::observation::{Observation, State};
use crate::units::{ms, ms_option, show};

/// Episodes kept; of older ones only the sums remain.
pub const EPISODES_MAX: usize = 1_000;
/// Episodes needed before a rhythm is claimed.
const RHYTHM_EPISODES_MIN: usize = 3;
/// A rhythm's gaps may differ from their mean by this share.
const RHYTHM_TOLERANCE: f64 = 0.2;

/// One continuous stretch of failing checks.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Episode {
    /// Start of the first failing check.
    pub started_at: Timestamp,
    /// Start of the first fine check after it; `None` while it lasts.
    pub ended_at: Option<Timestamp>,
    /// What failed first.
    pub failure: Failure,
    /// Failing checks in it.
    pub checks: u64,
}

/// The sums of all knocking so far.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Knocks {
    /// Checks made.
    pub checks: u64,
    /// Checks that failed, wholly or in part.
    pub failed: u64,
    /// Checks that could not tell.
    pub inconclusive: u64,
    /// Stretches of failing checks, oldest first.
    pub episodes: Vec<Episode>,
    /// Checks and failures by address.
    pub addresses: BTreeMap<IpAddr, Tally>,
}

/// How often an address was tried, and failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Attempts.
    pub tried: u64,
    /// Failed attempts.
    pub failed: u64,
}

/// A regular return of failures.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Rhythm {
    /// From start to start.
    #[serde(rename = "every_ms", with = "ms")]
    pub every: Duration,
    /// Mean length of an episode.
    #[serde(rename = "lasting_ms", with = "ms")]
    pub lasting: Duration,
}

/// The part of [`Knocks`] that a summary shows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct KnocksSummary {
    /// Share of the checks that could tell and failed, 0 to 1.
    pub failed_share: f64,
    /// The longest episode.
    #[serde(rename = "longest_ms", skip_serializing_if = "Option::is_none", with = "ms_option")]
    pub longest: Option<Duration>,
    /// The rhythm, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rhythm: Option<Rhythm>,
    /// What it looks like, in a sentence.
    pub pattern: String,
}

impl Knocks {
    /// Enters one check.
    pub fn add(&mut self, observation: &Observation) {
        self.checks += 1;
        for attempt in &observation.attempts {
            let tally = self.addresses.entry(attempt.ip).or_default();
            tally.tried += 1;
            tally.failed += u64::from(attempt.failure.is_some());
        }
        let open = self.episodes.last_mut().filter(|episode| episode.ended_at.is_none());
        match (observation.state, observation.failure) {
            (State::Inconclusive, _) => self.inconclusive += 1,
            (_, Some(failure)) => {
                self.failed += 1;
                match open {
                    Some(episode) => episode.checks += 1,
                    None => self.begin(observation.at, failure),
                }
            }
            (_, None) => {
                if let Some(episode) = open {
                    episode.ended_at = Some(observation.at);
                }
            }
        }
    }

    fn begin(&mut self, started_at: Timestamp, failure: Failure) {
        if self.episodes.len() == EPISODES_MAX {
            self.episodes.remove(0);
        }
        self.episodes.push(Episode { started_at, ended_at: None, failure, checks: 1 });
    }

    /// The summary, as of the newest check.
    #[must_use]
    pub fn summary(&self) -> KnocksSummary {
        let rhythm = self.rhythm();
        KnocksSummary {
            failed_share: self.failed_share(),
            longest: self.lengths().max(),
            rhythm,
            pattern: self.pattern(rhythm),
        }
    }

    /// Share of the checks that could tell and failed, 0 to 1.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a share needs no more than 52 bits")]
    pub fn failed_share(&self) -> f64 {
        let told = self.checks - self.inconclusive;
        if told == 0 { 0.0 } else { self.failed as f64 / told as f64 }
    }

    fn lengths(&self) -> impl Iterator<Item = Duration> {
        self.episodes.iter().filter_map(|e| Some(between(e.started_at, e.ended_at?)))
    }

    /// Episodes that return after equal times.
    fn rhythm(&self) -> Option<Rhythm> {
        if self.episodes.len() < RHYTHM_EPISODES_MIN {
            return None;
        }
        let gaps: Vec<f64> = self
            .episodes
            .windows(2)
            .map(|pair| between(pair[0].started_at, pair[1].started_at).as_secs_f64())
            .collect();
        let every = mean(&gaps);
        let even = gaps.iter().all(|gap| (gap - every).abs() <= every * RHYTHM_TOLERANCE);
        let lengths: Vec<f64> = self.lengths().map(|length| length.as_secs_f64()).collect();
        even.then(|| Rhythm {
            every: Duration::from_secs_f64(every),
            lasting: Duration::from_secs_f64(mean(&lengths)),
        })
    }

    fn pattern(&self, rhythm: Option<Rhythm>) -> String {
        if self.failed == 0 {
            return "never failed".to_owned();
        }
        if let Some(part) = self.some_addresses() {
            return part;
        }
        let second = |duration: Duration| show(Duration::from_secs(duration.as_secs().max(1)));
        match (rhythm, self.episodes.len()) {
            (Some(rhythm), _) => format!(
                "fails for about {} every {}: looks like a restart timer",
                second(rhythm.lasting),
                second(rhythm.every)
            ),
            (None, _) if self.failed + self.inconclusive == self.checks => {
                "always failed".to_owned()
            }
            (None, 1) => "failed in one stretch".to_owned(),
            (None, count) => format!("failed in {count} stretches without a rhythm"),
        }
    }

    /// Some addresses always work and others never do: a balancer.
    fn some_addresses(&self) -> Option<String> {
        let fine = self.addresses.values().filter(|tally| tally.failed == 0).count();
        let dead = self.addresses.values().filter(|tally| tally.failed == tally.tried).count();
        (fine > 0 && dead > 0 && fine + dead == self.addresses.len()).then(|| {
            let all = self.addresses.len();
            format!(
                "{fine} of {all} addresses are always fine, {dead} never: the name cycles \
                 through them"
            )
        })
    }
}

fn between(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or_default()
}

#[expect(clippy::cast_precision_loss, reason = "there are at most a thousand episodes")]
fn mean(values: &[f64]) -> f64 {
    if values.is_empty() { 0.0 } else { values.iter().sum::<f64>() / values.len() as f64 }
}
