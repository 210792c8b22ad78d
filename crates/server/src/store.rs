//! What lasts: observations, rollups, standings, incidents and the outbox, in SQLite.
//!
//! One connection writes, a pool reads. No statement calls a clock, and every change that belongs
//! together is one transaction.

mod alerting;
mod batch;
mod commit;
mod definitions;
mod history;
mod incidents;
mod lock;
mod names;
mod notices;
mod observations;
mod open;
mod reliability;
mod threads;
mod traffic;
mod undelivered;
mod upkeep;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use sqlx::sqlite::SqlitePool;
use sqlx::{Sqlite, Transaction};

pub use commit::{Arrival, Commit};
pub use definitions::{ChannelRow, MonitorRow};
pub use history::Bucket;
pub use incidents::IncidentFilter;
pub use lock::Lock;
pub use notices::{Claimed, Delivery, DeliveryState, Due, Outcome};
pub use observations::Seen;
pub use reliability::Reliability;
pub use traffic::Traffic;
pub use undelivered::Undelivered;
pub use upkeep::Kept;

use names::Names;

/// The database's name in the data directory.
pub const DATABASE: &str = "whydown.db";
/// Most rows of one query: a page of a thousand, and one that says whether there is more.
pub const PAGE_MAX: usize = 1_001;

/// The store; cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    dir: PathBuf,
    writer: SqlitePool,
    readers: SqlitePool,
    names: Arc<Mutex<Names>>,
}

/// Why the store can't be used. Each message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The data directory or the database can't be used.
    #[error("cannot {action} {}: {source}; {hint}", .path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// With what.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
        /// What to do.
        hint: &'static str,
    },
    /// Another server uses the data directory.
    #[error(
        "{} is in use by another whydown serve (process {pid}); stop it, or give this one its own \
         --data directory",
        .dir.display()
    )]
    InUse {
        /// The directory.
        dir: PathBuf,
        /// The other server, `unknown` when it can't be told.
        pid: String,
    },
    /// The file is no database, or a damaged one.
    #[error(
        "{} is damaged ({detail}); nothing was changed. Restore it from a backup, or move it away \
         together with its -wal and -shm files to start empty; \
         `sqlite3 {} .recover | sqlite3 recovered.db` saves what is readable",
        .file.display(), .file.display()
    )]
    Corrupt {
        /// Which.
        file: PathBuf,
        /// What the check said.
        detail: String,
    },
    /// No room on the disk.
    #[error("the disk that holds {} is full; make room", .dir.display())]
    Full {
        /// The data directory.
        dir: PathBuf,
    },
    /// The database could not be brought to this version's schema.
    #[error("the database could not be brought up to date: {0}; was it used by a newer whydown?")]
    Migration(sqlx::migrate::MigrateError),
    /// A statement failed.
    #[error("the database failed: {0}")]
    Database(sqlx::Error),
    /// A stored value can't be read.
    #[error("{what} in the database cannot be read: {detail}")]
    Unreadable {
        /// Which kind of value.
        what: &'static str,
        /// Why.
        detail: String,
    },
}

impl Store {
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

    /// A transaction that takes the write lock at once: one that began by reading could not wait
    /// for another process's lock any more.
    pub(crate) async fn begin(&self) -> Result<Transaction<'static, Sqlite>, StoreError> {
        self.writer.begin_with("BEGIN IMMEDIATE").await.map_err(|error| self.explain(error))
    }

    fn names(&self) -> std::sync::MutexGuard<'_, Names> {
        // A panic while holding it can't leave it half changed: every change is one insertion.
        self.names.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Gives the database's own words their meaning.
    fn explain(&self, error: sqlx::Error) -> StoreError {
        open::explain(&self.dir, error)
    }
}

/// Milliseconds since 1970, rounded down.
pub(crate) fn to_ms(at: Timestamp) -> i64 {
    at.as_millisecond()
}

/// The reverse; times that `jiff` can't hold don't occur, and would become 1970.
pub(crate) fn from_ms(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH)
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn unreadable(what: &'static str) -> impl Fn(serde_json::Error) -> StoreError {
    move |error| StoreError::Unreadable { what, detail: error.to_string() }
}
