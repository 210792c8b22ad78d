//! Housekeeping in small slices, so that no lock is held for long: batches of past hours move
//! into blocks by monitor and hour, and what is too old goes.

use std::collections::BTreeMap;

use std::time::Duration;

use jiff::Timestamp;
use sqlx::SqliteConnection;

use super::batch::{Rows, unpack};
use super::history::{HOUR_MS, SPANS_MS, kept};
use super::{Store, StoreError, count, to_ms};

/// Batches moved in one transaction, and observations in them.
const MOVED_BATCHES: i64 = 64;
const MOVED_OBSERVATIONS: i64 = 131_072;
/// A block with so many observations is full: what comes next of its hour begins another one. To
/// pack an hour of many places again with every slice would take hours.
const BLOCK_FULL: i64 = 64;
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

/// A block of past observations as it is to be written.
struct Block {
    monitor: i64,
    from_ms: i64,
    count: i64,
    body: Vec<u8>,
}

/// Observations of a monitor's hour, and the newest block of it: its name, how many it holds, and
/// its body.
type Part = (i64, i64, Rows, Option<(i64, i64, Vec<u8>)>);

fn join((monitor, hour, rows, last): Part) -> Result<Block, StoreError> {
    let (from_ms, count, body) = match last {
        None => (hour, rows.count, rows.pack(None)?),
        Some((from_ms, old, body)) if old < BLOCK_FULL || from_ms + 1 >= hour + HOUR_MS => {
            (from_ms, old + rows.count, rows.pack(Some(&body))?)
        }
        // The name of a block is its own.
        Some((from_ms, ..)) => (rows.from_ms.max(from_ms + 1), rows.count, rows.pack(None)?),
    };
    Ok(Block { monitor, from_ms, count, body })
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
        let batches: Vec<(i64, i64)> = sqlx::query_as(
            "SELECT id, observations FROM batches WHERE to_ms < $1 ORDER BY to_ms, id LIMIT $2",
        )
        .bind(ended)
        .bind(MOVED_BATCHES)
        .fetch_all(self.readers())
        .await
        .map_err(explain)?;
        let (mut ids, mut rows) = (Vec::new(), BTreeMap::new());
        let mut left = MOVED_OBSERVATIONS;
        for (id, observations) in &batches {
            rows = self.sort_out(*id, rows).await?;
            ids.push(*id);
            left -= observations;
            if left <= 0 {
                break;
            }
        }
        if ids.is_empty() {
            return Ok(false);
        }
        let blocks = self.blocks(rows).await?;
        let mut tx = self.begin().await?;
        for block in blocks {
            write_block(&mut tx, block).await.map_err(explain)?;
        }
        for id in &ids {
            sqlx::query("DELETE FROM batches WHERE id = $1")
                .bind(id)
                .execute(&mut *tx)
                .await
                .map_err(explain)?;
        }
        tx.commit().await.map_err(explain)?;
        Ok(left <= 0 || count(batches.len()) == MOVED_BATCHES)
    }

    /// Adds a batch's observations to those of their monitor and hour.
    async fn sort_out(&self, id: i64, mut rows: ByHour) -> Result<ByHour, StoreError> {
        let body: Vec<u8> = sqlx::query_scalar("SELECT body FROM batches WHERE id = $1")
            .bind(id)
            .fetch_one(self.readers())
            .await
            .map_err(|error| self.explain(error))?;
        apart(move || {
            for row in unpack(&body)? {
                let at = to_ms(row.observation.at);
                rows.entry((row.monitor, at - at.rem_euclid(HOUR_MS))).or_default().push(&row)?;
            }
            Ok(rows)
        })
        .await
    }

    /// What is to be written: every hour's newest block goes on until it is full. Nobody else
    /// writes blocks, so that no lock is needed yet.
    async fn blocks(&self, rows: ByHour) -> Result<Vec<Block>, StoreError> {
        let mut parts: Vec<Part> = Vec::with_capacity(rows.len());
        for ((monitor, hour), rows) in rows {
            let last = sqlx::query_as(
                "SELECT hour_ms, observations, body FROM blocks
                 WHERE monitor_id = $1 AND hour_ms BETWEEN $2 AND $3
                 ORDER BY hour_ms DESC LIMIT 1",
            )
            .bind(monitor)
            .bind(hour)
            .bind(hour + HOUR_MS - 1)
            .fetch_optional(self.readers())
            .await
            .map_err(|error| self.explain(error))?;
            parts.push((monitor, hour, rows, last));
        }
        apart(move || parts.into_iter().map(join).collect()).await
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

/// Observations by monitor and beginning of the hour.
type ByHour = BTreeMap<(i64, i64), Rows>;

/// Packing takes a processor for a while, and the engine has no time to wait for it.
async fn apart<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| {
        let detail = error.to_string();
        Err(StoreError::Unreadable { what: "a batch of observations", detail })
    })
}

async fn write_block(tx: &mut SqliteConnection, block: Block) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO blocks (monitor_id, hour_ms, observations, body) VALUES ($1, $2, $3, $4)
         ON CONFLICT (monitor_id, hour_ms) DO UPDATE SET
           observations = excluded.observations, body = excluded.body",
    )
    .bind(block.monitor)
    .bind(block.from_ms)
    .bind(block.count)
    .bind(block.body)
    .execute(tx)
    .await?;
    Ok(())
}

fn count_rows(rows: u64) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}
