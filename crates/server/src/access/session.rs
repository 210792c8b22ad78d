//! Sessions of browsers: 256 random bits in a cookie, their SHA-256 in the store, ended after 30
//! days without a visit.

use std::time::Duration;

use jiff::Timestamp;
use sqlx::Row as _;

use super::{AccessError, at, key, ms, password, user};
use crate::store::Store;

/// A session ends after so long without a visit.
pub const SESSION_IDLE: Duration = Duration::from_hours(30 * 24);
/// A visit is noted only when the last note is older, so that reading pages rarely writes.
const SEEN_STEP: Duration = Duration::from_hours(1);
/// Sessions of one user; the one unused for longest makes room.
const SESSIONS_MAX: i64 = 50;

/// A signed-in browser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Who.
    pub user: String,
    /// The note of the last visit was renewed: the cookie should be, too.
    pub renewed: bool,
    id_hash: String,
}

/// Signs in: the session's secret for the cookie.
///
/// # Errors
/// [`AccessError::Wrong`] after the same work whether or not the user exists; the store's.
pub async fn sign_in(
    store: &Store,
    name: &str,
    password: String,
    now: Timestamp,
) -> Result<String, AccessError> {
    let stored = match user::check_name(name) {
        Ok(()) => user::password_hash(store, name).await?,
        Err(_) => None,
    };
    if !password::fits(password, stored).await? {
        return Err(AccessError::Wrong);
    }
    begin(store, name, now).await
}

/// A new session of `name`, and the end of those that have run out.
pub(super) async fn begin(
    store: &Store,
    name: &str,
    now: Timestamp,
) -> Result<String, AccessError> {
    let id = key::fresh()?;
    let hash = key::hash(&id).unwrap_or_default();
    sqlx::query("DELETE FROM sessions WHERE seen_at_ms < $1")
        .bind(ms(oldest(now)))
        .execute(store.writer())
        .await?;
    sqlx::query(
        "DELETE FROM sessions WHERE user_name = $1 AND id_hash NOT IN (SELECT id_hash FROM \
         sessions WHERE user_name = $1 ORDER BY seen_at_ms DESC LIMIT $2)",
    )
    .bind(name)
    .bind(SESSIONS_MAX - 1)
    .execute(store.writer())
    .await?;
    sqlx::query(
        "INSERT INTO sessions (id_hash, user_name, created_at_ms, seen_at_ms) \
         VALUES ($1, $2, $3, $3)",
    )
    .bind(hash)
    .bind(name)
    .bind(ms(now))
    .execute(store.writer())
    .await?;
    Ok(id)
}

fn oldest(now: Timestamp) -> Timestamp {
    now.checked_sub(SESSION_IDLE).unwrap_or(Timestamp::MIN)
}

/// The session of a cookie's secret, if it is alive; notes the visit.
///
/// # Errors
/// The store's.
pub async fn session(
    store: &Store,
    id: &str,
    now: Timestamp,
) -> Result<Option<Session>, AccessError> {
    let Some(id_hash) = key::hash(id) else { return Ok(None) };
    let row = sqlx::query("SELECT user_name, seen_at_ms FROM sessions WHERE id_hash = $1")
        .bind(&id_hash)
        .fetch_optional(store.readers())
        .await?;
    let Some(row) = row else { return Ok(None) };
    let seen = at(row.get("seen_at_ms"));
    if seen < oldest(now) {
        return Ok(None);
    }
    let renewed = now.checked_sub(SEEN_STEP).is_ok_and(|step| seen < step);
    if renewed {
        sqlx::query("UPDATE sessions SET seen_at_ms = $2 WHERE id_hash = $1")
            .bind(&id_hash)
            .bind(ms(now))
            .execute(store.writer())
            .await?;
    }
    Ok(Some(Session { user: row.get("user_name"), renewed, id_hash }))
}

/// Signs out.
///
/// # Errors
/// The store's.
pub async fn end_session(store: &Store, session: &Session) -> Result<(), AccessError> {
    sqlx::query("DELETE FROM sessions WHERE id_hash = $1")
        .bind(&session.id_hash)
        .execute(store.writer())
        .await?;
    Ok(())
}

/// Signs the user out everywhere else.
///
/// # Errors
/// The store's.
pub async fn end_other_sessions(store: &Store, session: &Session) -> Result<u64, AccessError> {
    let done = sqlx::query("DELETE FROM sessions WHERE user_name = $1 AND id_hash <> $2")
        .bind(&session.user)
        .bind(&session.id_hash)
        .execute(store.writer())
        .await?;
    Ok(done.rows_affected())
}
