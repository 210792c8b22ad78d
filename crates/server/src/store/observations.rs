//! Finding a monitor's observations: first in the batches of the last hours, as they arrived,
//! then in the blocks of the hours before.

use std::collections::HashMap;

use jiff::Timestamp;
use sqlx::{FromRow, SqliteConnection};
use whydown_core::observation::Observation;

use super::batch::{Packed, ids_contain, unpack};
use super::{PAGE_MAX, Store, StoreError, from_ms, to_ms};

/// Batches whose lists of monitors are read at once.
const PAGE_BATCHES: i64 = 512;
/// Blocks (hours of one monitor) read at once.
const PAGE_BLOCKS: i64 = 8;

/// One stored observation.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// The location's name.
    pub location: String,
    /// What it saw.
    pub observation: Observation,
}

#[derive(FromRow)]
struct BatchRow {
    id: i64,
    to_ms: i64,
    monitors: Vec<u8>,
}

/// Collects the newest observations of one monitor.
struct Search {
    monitor: i64,
    before: Timestamp,
    limit: usize,
    found: Vec<Packed>,
}

impl Search {
    fn take(&mut self, rows: Vec<Packed>) {
        let wanted = |row: &Packed| row.monitor == self.monitor && row.observation.at < self.before;
        self.found.extend(rows.into_iter().filter(wanted));
        self.found.sort_by_key(|row| std::cmp::Reverse(row.observation.at));
        self.found.truncate(self.limit);
    }

    /// Is there enough, so that nothing that ended before `to_ms` can matter any more?
    fn done(&self, to_ms: i64) -> bool {
        let oldest = self.found.last().filter(|_| self.found.len() >= self.limit);
        oldest.is_some_and(|row| super::to_ms(row.observation.at) > to_ms)
    }
}

impl Store {
    /// Observations of a monitor that began before `before`, newest first; at most
    /// [`PAGE_MAX`].
    ///
    /// # Errors
    /// A failed statement, an unreadable batch.
    pub async fn observations(
        &self,
        monitor: &str,
        before: Option<Timestamp>,
        limit: usize,
    ) -> Result<Vec<Seen>, StoreError> {
        let Some(monitor) = self.names().monitor(monitor) else { return Ok(Vec::new()) };
        let before = before.unwrap_or(Timestamp::MAX);
        let limit = limit.clamp(1, PAGE_MAX);
        let mut search = Search { monitor, before, limit, found: Vec::new() };
        // One snapshot of both tables, as housekeeping moves rows from one into the other.
        let mut tx = self.readers().begin().await.map_err(|error| self.explain(error))?;
        self.search_batches(&mut tx, &mut search).await?;
        self.search_blocks(&mut tx, &mut search).await?;
        drop(tx);
        let names = self.names();
        let named = |row: Packed| Seen {
            location: names.location_name(row.location).unwrap_or("unknown").to_owned(),
            observation: row.observation,
        };
        Ok(search.found.into_iter().map(named).collect())
    }

    async fn search_batches(
        &self,
        tx: &mut SqliteConnection,
        search: &mut Search,
    ) -> Result<(), StoreError> {
        let explain = |error| self.explain(error);
        let mut place = (i64::MAX, i64::MAX);
        loop {
            let page: Vec<BatchRow> = sqlx::query_as(
                "SELECT id, to_ms, monitors FROM batches
                 WHERE (to_ms < $1 OR (to_ms = $1 AND id < $2)) AND from_ms < $3
                 ORDER BY to_ms DESC, id DESC LIMIT $4",
            )
            .bind(place.0)
            .bind(place.1)
            .bind(to_ms(search.before).saturating_add(1))
            .bind(PAGE_BATCHES)
            .fetch_all(&mut *tx)
            .await
            .map_err(explain)?;
            let Some(last) = page.last() else { return Ok(()) };
            place = (last.to_ms, last.id);
            for row in &page {
                if search.done(row.to_ms) {
                    return Ok(());
                }
                if ids_contain(&row.monitors, search.monitor) {
                    search.take(self.batch(tx, row.id).await?);
                }
            }
        }
    }

    async fn batch(&self, tx: &mut SqliteConnection, id: i64) -> Result<Vec<Packed>, StoreError> {
        let body: Vec<u8> = sqlx::query_scalar("SELECT body FROM batches WHERE id = $1")
            .bind(id)
            .fetch_one(tx)
            .await
            .map_err(|error| self.explain(error))?;
        unpack(&body)
    }

    async fn search_blocks(
        &self,
        tx: &mut SqliteConnection,
        search: &mut Search,
    ) -> Result<(), StoreError> {
        let mut hour = to_ms(search.before).saturating_add(1);
        loop {
            let page: Vec<(i64, Vec<u8>)> = sqlx::query_as(
                "SELECT hour_ms, body FROM blocks WHERE monitor_id = $1 AND hour_ms < $2
                 ORDER BY hour_ms DESC LIMIT $3",
            )
            .bind(search.monitor)
            .bind(hour)
            .bind(PAGE_BLOCKS)
            .fetch_all(&mut *tx)
            .await
            .map_err(|error| self.explain(error))?;
            if page.is_empty() {
                return Ok(());
            }
            for (hour_ms, body) in page {
                if search.done(hour_ms.saturating_add(super::history::HOUR_MS)) {
                    return Ok(());
                }
                hour = hour_ms;
                search.take(unpack(&body)?);
            }
        }
    }

    /// The newest batches' observations by monitor's name, oldest first: what memory holds after
    /// a start. Reads at most `batches` rows.
    ///
    /// # Errors
    /// A failed statement, an unreadable batch.
    pub async fn newest(&self, batches: u32) -> Result<HashMap<String, Vec<Seen>>, StoreError> {
        let bodies: Vec<Vec<u8>> =
            sqlx::query_scalar("SELECT body FROM batches ORDER BY to_ms DESC, id DESC LIMIT $1")
                .bind(i64::from(batches))
                .fetch_all(self.readers())
                .await
                .map_err(|error| self.explain(error))?;
        let by_id: HashMap<i64, String> = self.names().monitors_by_id();
        let mut newest: HashMap<String, Vec<Seen>> = HashMap::new();
        for body in bodies.iter().rev() {
            for row in unpack(body)? {
                let Some(monitor) = by_id.get(&row.monitor) else { continue };
                let location = self.names().location_name(row.location).unwrap_or("").to_owned();
                let seen = Seen { location, observation: row.observation };
                newest.entry(monitor.clone()).or_default().push(seen);
            }
        }
        Ok(newest)
    }

    /// The time of the oldest stored observation's batch or block.
    ///
    /// # Errors
    /// A failed statement.
    pub async fn oldest_observation(&self) -> Result<Option<Timestamp>, StoreError> {
        let oldest: Option<i64> = sqlx::query_scalar(
            "SELECT MIN(oldest) FROM (SELECT MIN(hour_ms) AS oldest FROM blocks
             UNION ALL SELECT MIN(from_ms) FROM batches) AS both_tables",
        )
        .fetch_one(self.readers())
        .await
        .map_err(|error| self.explain(error))?;
        Ok(oldest.map(from_ms))
    }
}
