//! Opening the data directory: each thing that can be wrong with it has one clear error.

use std::fs::{DirBuilder, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sqlx::Connection;
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};

use super::names::Names;
use super::{DATABASE, Store, StoreError};

/// Connections that read at the same time.
const READERS_MAX: u32 = 4;
/// How long a statement waits for another process's lock (`admin` commands).
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest wait for a free connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(20);
/// A larger database is not read from end to end at every start.
const CHECK_MAX_BYTES: u64 = 1 << 30;

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("./migrations");

impl Store {
    /// Opens the database in `dir`, making both when they don't exist. Several processes may do
    /// so at once; only the holder of the [`Lock`](super::Lock) is the server.
    ///
    /// # Errors
    /// A directory that can't be used, a damaged database, a full disk, a failed migration.
    pub async fn open(dir: &Path) -> Result<Self, StoreError> {
        prepare(dir)?;
        // FULL, not NORMAL: what was acknowledged to a probe must survive a power cut.
        let options = SqliteConnectOptions::new()
            .filename(dir.join(DATABASE))
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full);
        let explained = |error| explain(dir, error);
        let writer = pool(1).connect_with(options.clone()).await.map_err(explained)?;
        // Reads the header and the schema: garbage is found here, before anything is written.
        sqlx::query("SELECT COUNT(*) FROM sqlite_master")
            .execute(&writer)
            .await
            .map_err(explained)?;
        MIGRATIONS.run(&writer).await.map_err(|error| match error {
            sqlx::migrate::MigrateError::Execute(error) => explain(dir, error),
            error => StoreError::Migration(error),
        })?;
        let readers = pool(READERS_MAX).connect_lazy_with(options.read_only(true));
        let names = Names::load(&writer).await.map_err(explained)?;
        let names = Arc::new(Mutex::new(names));
        Ok(Self { dir: dir.to_owned(), writer, readers, names })
    }

    /// Reads the database from end to end (up to 1 GiB), looking for damage.
    ///
    /// # Errors
    /// `Corrupt`, with what was found first.
    pub async fn verify(&self) -> Result<(), StoreError> {
        let file = self.dir.join(DATABASE);
        if std::fs::metadata(&file).is_ok_and(|file| file.len() > CHECK_MAX_BYTES) {
            return Ok(());
        }
        let said: String = sqlx::query_scalar("PRAGMA quick_check(1)")
            .fetch_one(&self.writer)
            .await
            .map_err(|error| self.explain(error))?;
        if said == "ok" { Ok(()) } else { Err(StoreError::Corrupt { file, detail: said }) }
    }

    /// Closes every connection; what is in the write-ahead log moves into the database.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

fn pool(connections: u32) -> SqlitePoolOptions {
    SqlitePoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .test_before_acquire(false)
        .idle_timeout(None)
        .max_lifetime(None)
        // SQLite itself ends a transaction when the disk is full; sqlx (0.9.0) then counts it as
        // open for ever. Such a connection is replaced.
        .after_release(|connection, _| {
            Box::pin(async move {
                connection.ping().await?;
                Ok(!connection.is_in_transaction())
            })
        })
}

/// What the operating system said about the data directory.
pub(super) fn io(action: &'static str, path: &Path, source: std::io::Error) -> StoreError {
    let path = path.to_owned();
    let hint = "give another --data directory, or one that this user may write to";
    match source.kind() {
        std::io::ErrorKind::StorageFull => StoreError::Full { dir: path },
        _ => StoreError::Io { action, path, source, hint },
    }
}

/// The data directory, for its owner only.
pub(super) fn make_dir(dir: &Path) -> Result<(), StoreError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.map_err(|error| io("make", dir, error))
}

/// The directory and an empty database that only we may read (SQLite gives its `-wal` and `-shm`
/// files the database's own mode).
fn prepare(dir: &Path) -> Result<(), StoreError> {
    make_dir(dir)?;
    let file = dir.join(DATABASE);
    let opened = OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(&file);
    opened.map(drop).map_err(|error| io("write to", &file, error))
}

/// SQLite's primary result codes, <https://www.sqlite.org/rescode.html>.
pub(super) fn explain(dir: &Path, error: sqlx::Error) -> StoreError {
    let code =
        error.as_database_error().and_then(sqlx::error::DatabaseError::code).and_then(|code| {
            let code: i32 = code.parse().ok()?;
            Some(code & 0xff)
        });
    match code {
        Some(13) => StoreError::Full { dir: dir.to_owned() },
        Some(11 | 26) => {
            StoreError::Corrupt { file: dir.join(DATABASE), detail: error.to_string() }
        }
        _ => StoreError::Database(error),
    }
}

impl Names {
    async fn load(pool: &SqlitePool) -> Result<Self, sqlx::Error> {
        let monitors = sqlx::query_as("SELECT id, name FROM monitors").fetch_all(pool).await?;
        let locations = sqlx::query_as("SELECT id, name FROM locations").fetch_all(pool).await?;
        Ok(Self::new(monitors, locations))
    }
}
