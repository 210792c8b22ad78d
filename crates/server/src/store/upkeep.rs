//! Housekeeping in small slices, so that no lock is held for long: batches of past hours move
//! into blocks by monitor and hour, and what is too old goes.

use std::collections::BTreeMap;

use std::time::Duration;

use jiff::Timestamp;
use sqlx::SqliteConnection;

use super::batch::{Packed, pack, unpack};
use super::history::{HOUR_MS, SPANS_MS, kept};
use super::{Store, StoreError, count, to_ms};

/// Batches moved in one transaction.
const MOVED_BATCHES: i64 = 64;
/// Rows deleted in one transaction.
const DELETED_ROWS: i64 = 500;
/// Late observations (a probe that was cut off) still find their hour as a batch for so long.
const SETTLE_MS: i64 = 300_000;

/// How long things are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Single observations.
    pub observations: Duration,
    /// Rollups, ended incidents and done notices.
    pub history: Duration,
}

impl Store {
    /// Moves one slice of batches whose hour has ended into blocks. `true`: there is more.
    ///
    /// # Errors
    /// A failed statement; then nothing has moved.
    pub async fn compact_slice(&self, now: Timestamp) -> Result<bool, StoreError> {
        let explain = |error| self.explain(error);
        let now = to_ms(now) - SETTLE_MS;
        let ended = now - now.rem_euclid(HOUR_MS);
        let mut tx = self.begin().await?;
        let batches: Vec<(i64, Vec<u8>)> = sqlx::query_as(
            "SELECT id, body FROM batches WHERE to_ms < $1 ORDER BY to_ms, id LIMIT $2",
        )
        .bind(ended)
        .bind(MOVED_BATCHES)
        .fetch_all(&mut *tx)
        .await
        .map_err(explain)?;
        if batches.is_empty() {
            return Ok(false);
        }
        let mut blocks: BTreeMap<(i64, i64), Vec<Packed>> = BTreeMap::new();
        for (_, body) in &batches {
            for row in unpack(body)? {
                let at = to_ms(row.observation.at);
                let hour = at - at.rem_euclid(HOUR_MS);
                blocks.entry((row.monitor, hour)).or_default().push(row);
            }
        }
        for (key, rows) in blocks {
            self.extend_block(&mut tx, key, rows).await?;
        }
        for (id, _) in &batches {
            sqlx::query("DELETE FROM batches WHERE id = $1")
                .bind(id)
                .execute(&mut *tx)
                .await
                .map_err(explain)?;
        }
        tx.commit().await.map_err(explain)?;
        Ok(count(batches.len()) == MOVED_BATCHES)
    }

    async fn extend_block(
        &self,
        tx: &mut SqliteConnection,
        (monitor, hour): (i64, i64),
        new: Vec<Packed>,
    ) -> Result<(), StoreError> {
        let explain = |error| self.explain(error);
        let old: Option<Vec<u8>> =
            sqlx::query_scalar("SELECT body FROM blocks WHERE monitor_id = $1 AND hour_ms = $2")
                .bind(monitor)
                .bind(hour)
                .fetch_optional(&mut *tx)
                .await
                .map_err(explain)?;
        let mut rows = old.map_or_else(|| Ok(Vec::new()), |body| unpack(&body))?;
        rows.extend(new);
        rows.sort_by_key(|row| row.observation.at);
        sqlx::query(
            "INSERT INTO blocks (monitor_id, hour_ms, observations, body) VALUES ($1, $2, $3, $4)
             ON CONFLICT (monitor_id, hour_ms) DO UPDATE SET
               observations = excluded.observations, body = excluded.body",
        )
        .bind(monitor)
        .bind(hour)
        .bind(count(rows.len()))
        .bind(pack(&rows)?)
        .execute(&mut *tx)
        .await
        .map_err(explain)?;
        Ok(())
    }

    /// Deletes one slice of each kind of thing that is too old. `true`: there is more.
    ///
    /// # Errors
    /// A failed statement.
    pub async fn prune_slice(&self, keep: &Kept, now: Timestamp) -> Result<bool, StoreError> {
        let cutoff = |age: Duration| to_ms(now.checked_sub(age).unwrap_or(Timestamp::MIN));
        let observations = cutoff(keep.observations);
        let history = cutoff(keep.history);
        let mut more = false;
        for (statement, before) in [
            (
                "DELETE FROM batches WHERE id IN
                 (SELECT id FROM batches WHERE to_ms < $1 ORDER BY to_ms LIMIT $2)",
                observations,
            ),
            (
                "DELETE FROM blocks WHERE (monitor_id, hour_ms) IN
                 (SELECT monitor_id, hour_ms FROM blocks WHERE hour_ms < $1
                  ORDER BY hour_ms LIMIT $2)",
                observations - HOUR_MS,
            ),
            (
                "DELETE FROM incidents WHERE id IN
                 (SELECT id FROM incidents WHERE resolved_ms < $1
                  ORDER BY started_ms LIMIT $2)",
                history,
            ),
            (
                "DELETE FROM notices WHERE seq IN
                 (SELECT seq FROM notices WHERE state <> 0 AND done_ms < $1
                  ORDER BY done_ms LIMIT $2)",
                history,
            ),
        ] {
            let deleted = sqlx::query(statement).bind(before).bind(DELETED_ROWS);
            let deleted =
                deleted.execute(self.writer()).await.map_err(|error| self.explain(error))?;
            more |= count_rows(deleted.rows_affected()) == DELETED_ROWS;
        }
        for span in SPANS_MS {
            more |= self.prune_rollups(span, cutoff(kept(span, keep.history))).await?;
        }
        Ok(more)
    }

    async fn prune_rollups(&self, span: i64, before: i64) -> Result<bool, StoreError> {
        let deleted = sqlx::query(
            "DELETE FROM rollups WHERE (monitor_id, span_ms, start_ms) IN
             (SELECT monitor_id, span_ms, start_ms FROM rollups
              WHERE span_ms = $1 AND start_ms < $2 ORDER BY start_ms LIMIT $3)",
        )
        .bind(span)
        .bind(before)
        .bind(DELETED_ROWS)
        .execute(self.writer())
        .await
        .map_err(|error| self.explain(error))?;
        Ok(count_rows(deleted.rows_affected()) == DELETED_ROWS)
    }
}

fn count_rows(rows: u64) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}
