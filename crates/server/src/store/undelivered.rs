//! Notices that were given up: listed, and tried again when somebody asks for it.

use jiff::Timestamp;
use sqlx::FromRow;
use whydown_core::notice::NoticeBody;

use super::{PAGE_MAX, Store, StoreError, count, from_ms, to_ms, unreadable};

/// A notice that was given up.
#[derive(Clone, Debug, PartialEq)]
pub struct Undelivered {
    /// Its dedup key.
    pub key: String,
    /// The channel's name.
    pub channel: String,
    /// What it says.
    pub body: NoticeBody,
    /// When it was written.
    pub created_at: Timestamp,
    /// When it was given up.
    pub given_up_at: Timestamp,
    /// Times it was tried.
    pub attempts: u32,
    /// What the last attempt said.
    pub last_error: String,
}

#[derive(FromRow)]
struct Row {
    key: String,
    channel: String,
    body: String,
    created_ms: i64,
    done_ms: i64,
    attempts: i64,
    last_error: Option<String>,
}

impl Store {
    /// Notices that were given up before `before`, the newest first; at most [`PAGE_MAX`].
    ///
    /// # Errors
    /// A failed statement, an unreadable notice.
    pub async fn undelivered(
        &self,
        before: Option<Timestamp>,
        limit: usize,
    ) -> Result<Vec<Undelivered>, StoreError> {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT key, channel, body, created_ms, done_ms, attempts, last_error FROM notices
             WHERE state = 2 AND done_ms < $1 ORDER BY done_ms DESC, seq DESC LIMIT $2",
        )
        .bind(before.map_or(i64::MAX, to_ms))
        .bind(count(limit.clamp(1, PAGE_MAX)))
        .fetch_all(self.readers())
        .await
        .map_err(|error| self.explain(error))?;
        let read = |row: Row| {
            Ok(Undelivered {
                key: row.key,
                channel: row.channel,
                body: serde_json::from_str(&row.body).map_err(unreadable("a notice"))?,
                created_at: from_ms(row.created_ms),
                given_up_at: from_ms(row.done_ms),
                attempts: u32::try_from(row.attempts).unwrap_or(u32::MAX),
                last_error: row.last_error.unwrap_or_default(),
            })
        };
        rows.into_iter().map(read).collect()
    }

    /// Puts a given-up notice back into the outbox, as if it were new. `false`: there is none.
    ///
    /// # Errors
    /// A failed statement.
    pub async fn revive(&self, key: &str, now: Timestamp) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "UPDATE notices SET state = 0, due_ms = $2, created_ms = $2, attempts = 0,
                                done_ms = NULL, claimed_until_ms = NULL
             WHERE key = $1 AND state = 2",
        )
        .bind(key)
        .bind(to_ms(now))
        .execute(self.writer())
        .await
        .map_err(|error| self.explain(error))?;
        Ok(done.rows_affected() > 0)
    }
}
