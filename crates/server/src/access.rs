//! Who may look and act: users with passwords, sessions of browsers, scoped API tokens, and the
//! one-time set-up link for the first administrator.
//!
//! Every secret is made here, shown once, and stored as a hash. Knows nothing of HTTP.

mod key;
mod limit;
mod password;
mod session;
mod setup;
mod token;
mod user;

use jiff::Timestamp;

pub(crate) use key::{fresh as fresh_secret, hash as secret_hash};
pub use limit::{Limiter, TooMany};
pub use password::{PASSWORD_MAX_BYTES, PASSWORD_MIN_CHARS};
pub use session::{SESSION_IDLE, Session, end_other_sessions, end_session, session, sign_in};
pub use setup::{finish_setup, is_setup_link, setup_link};
pub use token::{Scope, Token, create_token, revoke_token, token, tokens};
pub use user::{NAME_MAX_BYTES, change_password, set_password, users};

/// Why access could not be given or changed.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// The store failed.
    #[error("the store failed: {0}")]
    Store(#[from] sqlx::Error),
    /// The operating system gave no random numbers.
    #[error("no random numbers: {0}")]
    Random(#[from] std::io::Error),
    /// A password could not be hashed.
    #[error("the password could not be hashed: {0}")]
    Hashing(String),
    /// User name and password do not belong together.
    #[error("user name or password is wrong")]
    Wrong,
    /// The set-up link was used, replaced, or never existed.
    #[error("this set-up link is no longer valid")]
    NoSetup,
    /// A name that cannot be used.
    #[error("{0}")]
    Name(String),
    /// A password that cannot be used.
    #[error("{0}")]
    Password(String),
    /// The name is in use.
    #[error("{0:?} exists already; choose another name")]
    Taken(String),
    /// Nothing of this name exists.
    #[error("{0:?} does not exist")]
    Missing(String),
    /// A named limit is reached.
    #[error("there are {0} already, which is the most; remove one first")]
    Full(i64),
}

/// A new random key, as text.
pub(crate) fn fresh_key() -> std::io::Result<String> {
    key::fresh()
}

/// Milliseconds since 1970 for the store.
fn ms(at: Timestamp) -> i64 {
    at.as_millisecond()
}

/// Back from the store.
fn at(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).unwrap_or_default()
}
