//! Monitors and channels made in the pages or by the API, and the standings of all monitors.
//!
//! Definitions hold the secrets in clear: the database is readable by its owner only.

use std::collections::HashMap;

use jiff::Timestamp;
use whydown_core::incident::Standing;

use super::commit::name_monitor;
use super::{Store, StoreError, to_ms, unreadable};

/// A monitor as stored: its JSON.
#[derive(Clone, Debug, PartialEq)]
pub struct MonitorRow {
    /// Its name.
    pub name: String,
    /// Its definition, as the engine wrote it.
    pub definition: serde_json::Value,
}

/// A channel as stored: its JSON.
#[derive(Clone, PartialEq)]
pub struct ChannelRow {
    /// Its name.
    pub name: String,
    /// Its definition, secrets included: hence no `Debug`.
    pub definition: serde_json::Value,
}

impl Store {
    /// Every monitor that is defined here, by name.
    ///
    /// # Errors
    /// A failed statement, an unreadable definition.
    pub async fn defined_monitors(&self) -> Result<Vec<MonitorRow>, StoreError> {
        let rows: Vec<(String, String)> = sqlx::query_as(
            "SELECT name, definition FROM monitors WHERE definition IS NOT NULL ORDER BY name",
        )
        .fetch_all(self.readers())
        .await
        .map_err(|error| self.explain(error))?;
        let read = |(name, body): (String, String)| {
            let definition = serde_json::from_str(&body).map_err(unreadable("a monitor"))?;
            Ok(MonitorRow { name, definition })
        };
        rows.into_iter().map(read).collect()
    }

    /// Every channel that is defined here, by name.
    ///
    /// # Errors
    /// A failed statement, an unreadable definition.
    pub async fn defined_channels(&self) -> Result<Vec<ChannelRow>, StoreError> {
        let rows: Vec<(String, String)> =
            sqlx::query_as("SELECT name, definition FROM channels ORDER BY name")
                .fetch_all(self.readers())
                .await
                .map_err(|error| self.explain(error))?;
        let read = |(name, body): (String, String)| {
            let definition = serde_json::from_str(&body).map_err(unreadable("a channel"))?;
            Ok(ChannelRow { name, definition })
        };
        rows.into_iter().map(read).collect()
    }

    /// What is remembered of every monitor, by name.
    ///
    /// # Errors
    /// A failed statement, an unreadable standing.
    pub async fn standings(&self) -> Result<HashMap<String, Standing>, StoreError> {
        let rows: Vec<(String, String)> = sqlx::query_as(
            "SELECT monitors.name, standings.body FROM standings
             JOIN monitors ON monitors.id = standings.monitor_id",
        )
        .fetch_all(self.readers())
        .await
        .map_err(|error| self.explain(error))?;
        let read = |(name, body): (String, String)| {
            let mut standing: Standing =
                serde_json::from_str(&body).map_err(unreadable("a standing"))?;
            if let Some(incident) = &mut standing.incident {
                incident.monitor.clone_from(&name);
            }
            Ok((name, standing))
        };
        rows.into_iter().map(read).collect()
    }

    /// Stores the definition of a monitor; `was` is its name until now, for a new one its own.
    /// A monitor that is gone and had the new name keeps its history under another.
    ///
    /// # Errors
    /// A failed statement; then nothing is changed.
    pub async fn define_monitor(
        &self,
        was: &str,
        row: &MonitorRow,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let explain = |error| self.explain(error);
        let known = self.names().monitor(was);
        let mut tx = self.begin().await?;
        let id = match known {
            Some(id) => id,
            None => name_monitor(&mut tx, &row.name, at).await.map_err(explain)?,
        };
        if was != row.name {
            sqlx::query(
                "UPDATE monitors SET name = $1 || ' (gone, ' || CAST(id AS TEXT) || ')'
                 WHERE name = $1 AND id <> $2",
            )
            .bind(&row.name)
            .bind(id)
            .execute(&mut *tx)
            .await
            .map_err(explain)?;
        }
        sqlx::query("UPDATE monitors SET name = $2, definition = $3 WHERE id = $1")
            .bind(id)
            .bind(&row.name)
            .bind(row.definition.to_string())
            .execute(&mut *tx)
            .await
            .map_err(explain)?;
        tx.commit().await.map_err(explain)?;
        let mut names = self.names();
        if known.is_some() {
            names.rename_monitor(was, &row.name);
        } else {
            names.put_monitor(&row.name, id);
        }
        Ok(())
    }

    /// Forgets a monitor's definition; its history stays.
    ///
    /// # Errors
    /// A failed statement.
    pub async fn undefine_monitor(&self, name: &str) -> Result<(), StoreError> {
        sqlx::query("UPDATE monitors SET definition = NULL WHERE name = $1")
            .bind(name)
            .execute(self.writer())
            .await
            .map_err(|error| self.explain(error))?;
        Ok(())
    }

    /// Stores a channel.
    ///
    /// # Errors
    /// A failed statement.
    pub async fn define_channel(&self, row: &ChannelRow, at: Timestamp) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO channels (name, definition, created_ms) VALUES ($1, $2, $3)
             ON CONFLICT (name) DO UPDATE SET definition = excluded.definition",
        )
        .bind(&row.name)
        .bind(row.definition.to_string())
        .bind(to_ms(at))
        .execute(self.writer())
        .await
        .map_err(|error| self.explain(error))?;
        Ok(())
    }

    /// Removes a channel.
    ///
    /// # Errors
    /// A failed statement.
    pub async fn undefine_channel(&self, name: &str) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM channels WHERE name = $1")
            .bind(name)
            .execute(self.writer())
            .await
            .map_err(|error| self.explain(error))?;
        Ok(())
    }
}
