//! What the engine has decided and not yet written.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;
use whydown_core::alerting::Row;
use whydown_core::incident::{Incident, Policy, Standing};
use whydown_core::notice::Notice;
use whydown_core::observation::Observation;

use crate::board::News;
use crate::fleet::Receipt;
use crate::store::{Arrival, Commit};

pub(super) type NewsMap = HashMap<Arc<str>, News>;

/// One transaction in the making.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) commit: Commit,
    /// What pages have not seen yet.
    pub(super) news: NewsMap,
    since: Option<Instant>,
    urgent: bool,
    /// Who waits for it to be stored.
    receipts: Vec<Receipt>,
}

impl Draft {
    pub(super) fn is_empty(&self) -> bool {
        self.commit.is_empty() && self.news.is_empty()
    }

    /// When to write; `None` when there is nothing to.
    pub(super) fn due(&self, linger: Duration) -> Option<Instant> {
        let since = self.since.filter(|_| !self.is_empty())?;
        Some(if self.urgent { since } else { since + linger })
    }

    /// Does somebody wait for it?
    pub(super) fn is_urgent(&self) -> bool {
        self.urgent && !self.is_empty()
    }

    /// Write as soon as possible.
    pub(super) fn hurry(&mut self) {
        self.since.get_or_insert_with(Instant::now);
        self.urgent = true;
    }

    /// A batch that a probe wants to forget once it is stored.
    pub(super) fn receipt(&mut self, key: String, sequence: u64, receipt: Receipt) {
        self.since.get_or_insert_with(Instant::now);
        self.commit.sequences.insert(key, sequence);
        self.receipts.push(receipt);
    }

    /// It is stored.
    pub(super) fn hand_out_receipts(&mut self) {
        self.receipts.drain(..).for_each(Receipt::give);
    }

    pub(super) fn see(&mut self, monitor: &str, location: &str, observations: Vec<Observation>) {
        self.since.get_or_insert_with(Instant::now);
        let monitor: Arc<str> = monitor.into();
        let location: Arc<str> = location.into();
        let news = self.news.entry(Arc::clone(&monitor)).or_default();
        for observation in observations {
            let observation = Arc::new(observation);
            news.observations.push((Arc::clone(&location), Arc::clone(&observation)));
            self.commit.observations.push(Arrival {
                monitor: Arc::clone(&monitor),
                location: Arc::clone(&location),
                observation,
            });
        }
    }

    pub(super) fn stand(&mut self, policy: &Policy, name: &str, old: &Standing, new: &Standing) {
        self.since.get_or_insert_with(Instant::now);
        self.news.entry(name.into()).or_default().standing = Some(new.clone());
        if !same_course(policy, old, new) {
            self.commit.standings.insert(name.to_owned(), new.clone());
        }
    }

    /// An incident that began, changed or ended.
    pub(super) fn keep(&mut self, incident: &Incident, now: Timestamp) {
        self.commit.at = now;
        self.commit.incidents.insert(incident.id.clone(), incident.clone());
        self.hurry();
    }

    /// A standing whose incident has another time line.
    pub(super) fn restand(&mut self, name: &str, standing: &Standing) {
        self.news.entry(name.into()).or_default().standing = Some(standing.clone());
        self.commit.standings.insert(name.to_owned(), standing.clone());
    }

    /// What is to be told and remembered.
    pub(super) fn tell(&mut self, notices: Vec<Notice>, rows: Vec<Row>, now: Timestamp) {
        if notices.is_empty() && rows.is_empty() {
            return;
        }
        self.commit.at = now;
        self.commit.notices.extend(notices);
        let keyed = rows.into_iter().map(|row| ((row.kind.clone(), row.key.clone()), row));
        self.commit.alerting.extend(keyed);
        self.hurry();
    }

    /// After a failed attempt: what pages may show all the same. The rest stays.
    pub(super) fn published(&mut self) -> Self {
        Self { news: std::mem::take(&mut self.news), ..Self::default() }
    }

    /// Gives up the oldest observations beyond `max`; how many.
    pub(super) fn trim(&mut self, max: usize) -> u64 {
        let excess = self.commit.observations.len().saturating_sub(max);
        self.commit.observations.drain(..excess);
        u64::try_from(excess).unwrap_or(u64::MAX)
    }
}

/// Do the two differ only in how long everything has been as it is? Then there is nothing to
/// write: after a restart the old one leads to the same decisions.
fn same_course(policy: &Policy, old: &Standing, new: &Standing) -> bool {
    let settled = policy.confirm.max(policy.recover);
    let quiet = |standing: &Standing| {
        let mut standing = standing.clone();
        for place in standing.places.values_mut() {
            place.at = Timestamp::UNIX_EPOCH;
            place.streak = place.streak.min(settled.saturating_add(1));
            // That it is silent matters, not that it has said so again.
            place.silent_since = place.silent_since.map(|_| Timestamp::UNIX_EPOCH);
        }
        standing
    };
    old.state == new.state && old.places.len() == new.places.len() && quiet(old) == quiet(new)
}
