//! The one-time set-up link: whoever opens it becomes the first administrator. Valid once, and
//! only while there is no user.

use jiff::Timestamp;
use sqlx::Row as _;

use super::{AccessError, key, ms, password, session, user};
use crate::store::{Store, StoreError};

/// A fresh one-time link by which the first administrator is made, to be printed once; `None`
/// when there are users already. An older link ends. `base` is the address of the pages, without
/// a slash at its end.
///
/// # Errors
/// The store's.
pub async fn setup_link(store: &Store, base: &str) -> Result<Option<String>, StoreError> {
    match fresh_link(store).await {
        Ok(link) => Ok(link.map(|link| format!("{base}/setup/{link}"))),
        Err(AccessError::Store(error)) => Err(StoreError::Database(error)),
        Err(error) => {
            // Only the operating system's random numbers are left to fail.
            Err(StoreError::Database(sqlx::Error::Protocol(error.to_string())))
        }
    }
}

async fn fresh_link(store: &Store) -> Result<Option<String>, AccessError> {
    if has_users(store).await? {
        sqlx::query("DELETE FROM setup_link").execute(store.writer()).await?;
        return Ok(None);
    }
    let link = key::fresh()?;
    sqlx::query(
        "INSERT INTO setup_link (only, secret_hash, created_at_ms) VALUES (1, $1, $2) \
         ON CONFLICT (only) DO UPDATE SET secret_hash = excluded.secret_hash, \
         created_at_ms = excluded.created_at_ms",
    )
    .bind(key::hash(&link))
    .bind(ms(Timestamp::now()))
    .execute(store.writer())
    .await?;
    Ok(Some(link))
}

async fn has_users(store: &Store) -> Result<bool, sqlx::Error> {
    let row = sqlx::query("SELECT COUNT(*) AS users FROM users").fetch_one(store.readers()).await?;
    Ok(row.get::<i64, _>("users") > 0)
}

/// Is this the secret of the link that is valid now?
///
/// # Errors
/// The store's.
pub async fn is_setup_link(store: &Store, link: &str) -> Result<bool, AccessError> {
    let Some(hash) = key::hash(link) else { return Ok(false) };
    let row = sqlx::query("SELECT 1 AS found FROM setup_link WHERE secret_hash = $1")
        .bind(hash)
        .fetch_optional(store.readers())
        .await?;
    Ok(row.is_some() && !has_users(store).await?)
}

/// Uses the link up: creates the administrator and signs them in. Gives the session's secret.
///
/// # Errors
/// [`AccessError::NoSetup`] when the link is not valid, [`AccessError::Name`],
/// [`AccessError::Password`] (the link stays valid), or the store's.
pub async fn finish_setup(
    store: &Store,
    link: &str,
    name: &str,
    password: String,
    now: Timestamp,
) -> Result<String, AccessError> {
    // Nobody without the link makes us hash passwords.
    if !is_setup_link(store, link).await? {
        return Err(AccessError::NoSetup);
    }
    user::check_name(name)?;
    password::check(&password, name)?;
    let password_hash = password::hash(password).await?;
    let mut tx = store.writer().begin().await?;
    // The delete decides who of two that come at the same moment wins.
    let used = sqlx::query("DELETE FROM setup_link WHERE secret_hash = $1")
        .bind(key::hash(link))
        .execute(&mut *tx)
        .await?;
    if used.rows_affected() != 1 {
        return Err(AccessError::NoSetup);
    }
    user::insert(&mut tx, name, &password_hash, now).await?;
    tx.commit().await?;
    session::begin(store, name, now).await
}
