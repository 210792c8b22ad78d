//! What alerting remembers, and the silences that people asked for.

use jiff::Timestamp;
use sqlx::SqliteConnection;
use whydown_core::alerting::Row;
use whydown_core::alerting::escalation::Escalation;
use whydown_core::alerting::rules::Silence;

use super::{Store, StoreError, to_ms, unreadable};

pub(super) async fn write(
    tx: &mut SqliteConnection,
    row: &Row,
    store: &Store,
) -> Result<(), StoreError> {
    let query = match &row.body {
        Some(body) => sqlx::query(
            "INSERT INTO alerting (kind, key, body) VALUES ($1, $2, $3)
             ON CONFLICT (kind, key) DO UPDATE SET body = excluded.body",
        )
        .bind(&row.kind)
        .bind(&row.key)
        .bind(body),
        None => sqlx::query("DELETE FROM alerting WHERE kind = $1 AND key = $2")
            .bind(&row.kind)
            .bind(&row.key),
    };
    query.execute(tx).await.map_err(|error| store.explain(error))?;
    Ok(())
}

impl Store {
    /// Everything that alerting remembers.
    ///
    /// # Errors
    /// A failed statement.
    pub async fn alerting(&self) -> Result<Vec<Row>, StoreError> {
        let rows: Vec<(String, String, String)> =
            sqlx::query_as("SELECT kind, key, body FROM alerting")
                .fetch_all(self.readers())
                .await
                .map_err(|error| self.explain(error))?;
        let row = |(kind, key, body)| Row { kind, key, body: Some(body) };
        Ok(rows.into_iter().map(row).collect())
    }

    /// How far alerting has come with an incident; `None`: it has ended.
    ///
    /// # Errors
    /// A failed statement, an unreadable row.
    pub async fn escalation(&self, incident: &str) -> Result<Option<Escalation>, StoreError> {
        let body: Option<String> =
            sqlx::query_scalar("SELECT body FROM alerting WHERE kind = 'escalation' AND key = $1")
                .bind(incident)
                .fetch_optional(self.readers())
                .await
                .map_err(|error| self.explain(error))?;
        let unreadable = unreadable("the state of an alert");
        body.map(|body| serde_json::from_str(&body).map_err(unreadable)).transpose()
    }

    /// The silences that have not ended at `now`, the newest last.
    ///
    /// # Errors
    /// A failed statement, an unreadable silence.
    pub async fn silences(&self, now: Timestamp) -> Result<Vec<Silence>, StoreError> {
        let rows: Vec<String> = sqlx::query_scalar(
            "SELECT body FROM silences WHERE until_ms > $1 ORDER BY until_ms, id",
        )
        .bind(to_ms(now))
        .fetch_all(self.readers())
        .await
        .map_err(|error| self.explain(error))?;
        let read = |body: String| serde_json::from_str(&body).map_err(unreadable("a silence"));
        rows.into_iter().map(read).collect()
    }

    /// Stores a silence; those that have ended go.
    ///
    /// # Errors
    /// A failed statement.
    pub async fn put_silence(&self, silence: &Silence, now: Timestamp) -> Result<(), StoreError> {
        let body = serde_json::to_string(silence).map_err(unreadable("a silence"))?;
        let explain = |error| self.explain(error);
        let mut tx = self.begin().await?;
        sqlx::query("DELETE FROM silences WHERE until_ms <= $1")
            .bind(to_ms(now))
            .execute(&mut *tx)
            .await
            .map_err(explain)?;
        sqlx::query("INSERT INTO silences (id, until_ms, body) VALUES ($1, $2, $3)")
            .bind(&silence.id)
            .bind(to_ms(silence.until))
            .bind(body)
            .execute(&mut *tx)
            .await
            .map_err(explain)?;
        tx.commit().await.map_err(explain)
    }

    /// Ends a silence.
    ///
    /// # Errors
    /// A failed statement.
    pub async fn end_silence(&self, id: &str) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM silences WHERE id = $1")
            .bind(id)
            .execute(self.writer())
            .await
            .map_err(|error| self.explain(error))?;
        Ok(())
    }
}
