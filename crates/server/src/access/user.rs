//! Users: a name and a password. Everyone who can sign in is an administrator.

use jiff::Timestamp;
use sqlx::Row as _;

use super::{AccessError, ms, password};
use crate::store::Store;

/// Longest name of a user or token, in bytes.
pub const NAME_MAX_BYTES: usize = 64;
/// Most users.
const USERS_MAX: i64 = 1_000;

/// Can this be the name of a user or token?
pub(super) fn check_name(name: &str) -> Result<(), AccessError> {
    let problem = if name.is_empty() {
        "the name is empty".to_owned()
    } else if name.len() > NAME_MAX_BYTES {
        format!("the name is longer than {NAME_MAX_BYTES} bytes")
    } else if name.chars().any(char::is_control) {
        "the name contains a control character".to_owned()
    } else if name.trim() != name {
        "the name begins or ends with a blank".to_owned()
    } else {
        return Ok(());
    };
    Err(AccessError::Name(problem))
}

/// All users' names.
///
/// # Errors
/// The store's.
pub async fn users(store: &Store) -> Result<Vec<String>, AccessError> {
    let rows = sqlx::query("SELECT name FROM users ORDER BY name LIMIT $1")
        .bind(USERS_MAX)
        .fetch_all(store.readers())
        .await?;
    Ok(rows.iter().map(|row| row.get("name")).collect())
}

pub(super) async fn password_hash(
    store: &Store,
    name: &str,
) -> Result<Option<String>, AccessError> {
    let row = sqlx::query("SELECT password_hash FROM users WHERE name = $1")
        .bind(name)
        .fetch_optional(store.readers())
        .await?;
    Ok(row.map(|row| row.get("password_hash")))
}

pub(super) async fn insert(
    tx: &mut sqlx::SqliteConnection,
    name: &str,
    password_hash: &str,
    now: Timestamp,
) -> Result<(), AccessError> {
    sqlx::query("INSERT INTO users (name, password_hash, created_at_ms) VALUES ($1, $2, $3)")
        .bind(name)
        .bind(password_hash)
        .bind(ms(now))
        .execute(tx)
        .await?;
    Ok(())
}

/// Changes a user's own password; the old one must be right.
///
/// # Errors
/// [`AccessError::Wrong`], [`AccessError::Password`], or the store's.
pub async fn change_password(
    store: &Store,
    name: &str,
    old: String,
    new: String,
) -> Result<(), AccessError> {
    let stored = password_hash(store, name).await?;
    if !password::fits(old, stored).await? {
        return Err(AccessError::Wrong);
    }
    set_password(store, name, new).await
}

/// Sets a user's password without asking for the old one (for the command line), and ends the
/// user's sessions.
///
/// # Errors
/// [`AccessError::Missing`], [`AccessError::Password`], or the store's.
pub async fn set_password(store: &Store, name: &str, new: String) -> Result<(), AccessError> {
    password::check(&new, name)?;
    let hash = password::hash(new).await?;
    let done = sqlx::query("UPDATE users SET password_hash = $2 WHERE name = $1")
        .bind(name)
        .bind(hash)
        .execute(store.writer())
        .await?;
    if done.rows_affected() == 0 {
        return Err(AccessError::Missing(name.to_owned()));
    }
    sqlx::query("DELETE FROM sessions WHERE user_name = $1")
        .bind(name)
        .execute(store.writer())
        .await?;
    Ok(())
}
