//! What channels remember between two messages: the thread of an incident, and the key that signs
//! addresses for answers.

use super::{Store, StoreError};

impl Store {
    /// How the provider names an incident's first message over a channel.
    ///
    /// # Errors
    /// A failed statement.
    pub(crate) async fn thread(
        &self,
        incident: &str,
        channel: &str,
    ) -> Result<Option<String>, StoreError> {
        sqlx::query_scalar("SELECT handle FROM threads WHERE incident_id = $1 AND channel = $2")
            .bind(incident)
            .bind(channel)
            .fetch_optional(self.readers())
            .await
            .map_err(|error| self.explain(error))
    }

    /// Remembers it; the first one stays.
    ///
    /// # Errors
    /// A failed statement.
    pub(crate) async fn keep_thread(
        &self,
        incident: &str,
        channel: &str,
        handle: &str,
    ) -> Result<(), StoreError> {
        // What was told about no incident (a digest) has no thread.
        sqlx::query(
            "INSERT INTO threads (incident_id, channel, handle)
             SELECT id, $2, $3 FROM incidents WHERE id = $1
             ON CONFLICT (incident_id, channel) DO NOTHING",
        )
        .bind(incident)
        .bind(channel)
        .bind(handle)
        .execute(self.writer())
        .await
        .map_err(|error| self.explain(error))?;
        Ok(())
    }

    /// The key that signs addresses for answers: `fresh` unless there is one.
    ///
    /// # Errors
    /// A failed statement.
    pub(crate) async fn reply_key(&self, fresh: &str) -> Result<String, StoreError> {
        sqlx::query("INSERT INTO reply_key (only, secret) VALUES (1, $1) ON CONFLICT DO NOTHING")
            .bind(fresh)
            .execute(self.writer())
            .await
            .map_err(|error| self.explain(error))?;
        sqlx::query_scalar("SELECT secret FROM reply_key WHERE only = 1")
            .fetch_one(self.writer())
            .await
            .map_err(|error| self.explain(error))
    }
}
