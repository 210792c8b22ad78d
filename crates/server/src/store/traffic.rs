//! How each channel fares: what it took lately, what waits, what was given up.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{Store, StoreError, from_ms, to_ms};

/// How one channel fares.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Messages that are to be sent.
    pub waiting: u64,
    /// Those of them that have failed before.
    pub failing: u64,
    /// Messages that were given up.
    pub given_up: u64,
    /// When one was taken last.
    pub delivered_at: Option<Timestamp>,
    /// What one of those that fail was answered.
    pub error: Option<String>,
}

impl Store {
    /// By channel, what happened after `since`; what waits counts whatever its age.
    ///
    /// # Errors
    /// A failed statement.
    pub async fn traffic(&self, since: Timestamp) -> Result<BTreeMap<String, Traffic>, StoreError> {
        let whole = |number: i64| u64::try_from(number).unwrap_or_default();
        let mut all: BTreeMap<String, Traffic> = BTreeMap::new();
        let done: Vec<(String, i64, Option<i64>)> = sqlx::query_as(
            "SELECT channel, SUM(CASE WHEN state = 2 THEN 1 ELSE 0 END),
                    MAX(CASE WHEN state = 1 THEN done_ms END)
             FROM notices WHERE state <> 0 AND done_ms > $1 GROUP BY channel",
        )
        .bind(to_ms(since))
        .fetch_all(self.readers())
        .await
        .map_err(|error| self.explain(error))?;
        for (channel, given_up, delivered_ms) in done {
            let traffic = all.entry(channel).or_default();
            traffic.given_up = whole(given_up);
            traffic.delivered_at = delivered_ms.map(from_ms);
        }
        let waiting: Vec<(String, i64, i64, Option<String>)> = sqlx::query_as(
            "SELECT channel, COUNT(*), SUM(CASE WHEN attempts > 0 THEN 1 ELSE 0 END),
                    MAX(last_error)
             FROM notices WHERE state = 0 GROUP BY channel",
        )
        .fetch_all(self.readers())
        .await
        .map_err(|error| self.explain(error))?;
        for (channel, waiting, failing, error) in waiting {
            let traffic = all.entry(channel).or_default();
            traffic.waiting = whole(waiting);
            traffic.failing = whole(failing);
            traffic.error = error;
        }
        Ok(all)
    }
}
