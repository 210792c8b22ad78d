//! Tokens of programs: `wd_` and 256 random bits, shown once, with a scope.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;
use sqlx::Row as _;

use super::{AccessError, at, key, ms, user};
use crate::store::Store;

/// Every token begins so, so that leaked ones are recognised by scanners.
const PREFIX: &str = "wd_";
/// Most tokens.
const TOKENS_MAX: i64 = 1_000;
/// A use is noted only when the last note is older.
const SEEN_STEP: Duration = Duration::from_mins(1);

/// What a token may do. Each scope includes the ones before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Look at everything but secrets.
    Read,
    /// Besides: monitors, acknowledgements, checks and test notices.
    Write,
    /// Besides: channels.
    Admin,
}

impl Scope {
    /// All, the narrowest first.
    pub const ALL: [Self; 3] = [Self::Read, Self::Write, Self::Admin];

    /// The word used on the command line and in the store.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Scope {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|scope| scope.name() == text);
        found.ok_or_else(|| format!("{text:?} is not a scope; write read, write or admin"))
    }
}

/// A token without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Unique.
    pub name: String,
    /// What it may do.
    pub scope: Scope,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was used last.
    pub seen_at: Option<Timestamp>,
}

impl Token {
    fn from_row(row: &sqlx::sqlite::SqliteRow) -> Self {
        let scope: String = row.get("scope");
        Self {
            name: row.get("name"),
            // A scope of a later version that we do not know gives the least.
            scope: scope.parse().unwrap_or(Scope::Read),
            created_at: at(row.get("created_at_ms")),
            seen_at: row.get::<Option<i64>, _>("seen_at_ms").map(at),
        }
    }
}

/// Makes a token and gives its text, which is not stored and never shown again.
///
/// # Errors
/// [`AccessError::Name`], [`AccessError::Taken`], [`AccessError::Full`], or the store's.
pub async fn create_token(store: &Store, name: &str, scope: Scope) -> Result<String, AccessError> {
    user::check_name(name)?;
    let row =
        sqlx::query("SELECT COUNT(*) AS tokens FROM tokens").fetch_one(store.readers()).await?;
    if row.get::<i64, _>("tokens") >= TOKENS_MAX {
        return Err(AccessError::Full(TOKENS_MAX));
    }
    let token = format!("{PREFIX}{}", key::fresh()?);
    let done = sqlx::query(
        "INSERT INTO tokens (name, secret_hash, scope, created_at_ms) VALUES ($1, $2, $3, $4) \
         ON CONFLICT DO NOTHING",
    )
    .bind(name)
    .bind(key::hash(&token))
    .bind(scope.name())
    .bind(ms(Timestamp::now()))
    .execute(store.writer())
    .await?;
    if done.rows_affected() == 0 {
        return Err(AccessError::Taken(name.to_owned()));
    }
    Ok(token)
}

/// All tokens, by name.
///
/// # Errors
/// The store's.
pub async fn tokens(store: &Store) -> Result<Vec<Token>, AccessError> {
    let rows = sqlx::query(
        "SELECT name, scope, created_at_ms, seen_at_ms FROM tokens ORDER BY name LIMIT $1",
    )
    .bind(TOKENS_MAX)
    .fetch_all(store.readers())
    .await?;
    Ok(rows.iter().map(Token::from_row).collect())
}

/// Ends a token.
///
/// # Errors
/// [`AccessError::Missing`] or the store's.
pub async fn revoke_token(store: &Store, name: &str) -> Result<(), AccessError> {
    let done = sqlx::query("DELETE FROM tokens WHERE name = $1")
        .bind(name)
        .execute(store.writer())
        .await?;
    if done.rows_affected() == 0 {
        return Err(AccessError::Missing(name.to_owned()));
    }
    Ok(())
}

/// The token that this text is; notes the use.
///
/// # Errors
/// The store's.
pub async fn token(
    store: &Store,
    text: &str,
    now: Timestamp,
) -> Result<Option<Token>, AccessError> {
    let Some(hash) = text.starts_with(PREFIX).then(|| key::hash(text)).flatten() else {
        return Ok(None);
    };
    let row = sqlx::query(
        "SELECT name, scope, created_at_ms, seen_at_ms FROM tokens WHERE secret_hash = $1",
    )
    .bind(&hash)
    .fetch_optional(store.readers())
    .await?;
    let Some(row) = row else { return Ok(None) };
    let token = Token::from_row(&row);
    let noted = now.checked_sub(SEEN_STEP).unwrap_or(Timestamp::MIN);
    if token.seen_at.is_none_or(|seen| seen < noted) {
        sqlx::query("UPDATE tokens SET seen_at_ms = $2 WHERE secret_hash = $1")
            .bind(&hash)
            .bind(ms(now))
            .execute(store.writer())
            .await?;
    }
    Ok(Some(token))
}
