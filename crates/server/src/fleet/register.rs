//! What is stored of the fleet: locations, one-time tokens, and the keys of those who dial in.
//! Used by the running server and, beside it, by `whydown admin`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;
use whydown_core::scope::{Location, check_label};
use whydown_core::wire::{Introduction, Role};

use crate::access::{fresh_secret, secret_hash};
use crate::store::Store;

/// Every one-time token begins so, so that leaked ones are recognised by scanners.
const TOKEN_PREFIX: &str = "wdt_";
/// Most locations.
pub const LOCATIONS_MAX: usize = 500;
/// Most keys, of probes and agents together.
pub const KEYS_MAX: usize = 20_000;
/// Most tokens that nobody has used.
const TOKENS_MAX: i64 = 20_000;
/// The server's own location.
pub const LOCAL: &str = "local";

/// Why the fleet was not changed.
#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    /// The store failed.
    #[error("the store failed: {0}")]
    Store(#[from] sqlx::Error),
    /// The operating system gave no random numbers.
    #[error("no random numbers: {0}")]
    Random(#[from] std::io::Error),
    /// The server's certificate can't be made or read.
    #[error(transparent)]
    Certificate(#[from] super::CertificateError),
    /// A value that can't be.
    #[error("{0}")]
    Invalid(String),
    /// Nothing of this name exists.
    #[error("there is no {what} {name:?}; {known}")]
    Missing {
        /// `location` or `probe`.
        what: &'static str,
        /// As asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// A named limit is reached.
    #[error("there are {0} already, which is the most; remove one first")]
    Full(usize),
    /// A token or key that is not good for it, said to whoever showed it.
    #[error("{0}")]
    Refused(String),
}

/// A location as it is defined.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Definition {
    /// Name, region, network and labels.
    #[serde(flatten)]
    pub location: Location,
    /// Degrees north and east.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub coordinates: Option<(f64, f64)>,
}

impl Definition {
    fn check(&self) -> Result<(), FleetError> {
        let Location { name, region, network, labels } = &self.location;
        if name == LOCAL {
            let text = "local is the server's own location and always there; choose another name";
            return Err(FleetError::Invalid(text.to_owned()));
        }
        let all = [name].into_iter().chain(region).chain(network).chain(labels);
        for label in all {
            check_label(label).map_err(FleetError::Invalid)?;
        }
        match self.coordinates {
            Some((north, east)) if !(north.abs() <= 90.0 && east.abs() <= 180.0) => {
                let text =
                    format!("{north},{east} is no place on earth; write for example 50.1,8.7");
                Err(FleetError::Invalid(text))
            }
            _ => Ok(()),
        }
    }
}

/// Somebody who dials in.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    /// What the key is called.
    pub id: String,
    /// Probe or agent.
    pub role: Role,
    /// The location of a probe, or the host of an agent.
    pub place: String,
    /// What it said of itself last.
    pub introduction: Introduction,
    /// When it enrolled.
    pub created_at: Timestamp,
    /// When it was heard of last.
    pub seen_at: Option<Timestamp>,
    /// Every report up to it is stored.
    pub sequence: u64,
    /// The SHA-256 of its secret.
    pub(crate) hash: String,
}

impl Key {
    fn from_row(row: &SqliteRow) -> Option<Self> {
        let role = match row.get::<String, _>("role").as_str() {
            "probe" => Role::Probe,
            "agent" => Role::Agent,
            _ => return None,
        };
        let introduction: String = row.get("introduction");
        let time = |ms| Timestamp::from_millisecond(ms).unwrap_or_default();
        Some(Self {
            id: row.get("id"),
            role,
            place: row.get("place"),
            introduction: serde_json::from_str(&introduction).ok()?,
            created_at: time(row.get("created_at_ms")),
            seen_at: row.get::<Option<i64>, _>("seen_at_ms").map(time),
            sequence: u64::try_from(row.get::<i64, _>("sequence")).unwrap_or_default(),
            hash: row.get("key_hash"),
        })
    }
}

fn json(value: &impl Serialize) -> Result<String, FleetError> {
    serde_json::to_string(value).map_err(|error| FleetError::Invalid(error.to_string()))
}

/// All locations that are defined, by name; `local` is not among them.
///
/// # Errors
/// The store's.
pub async fn locations(store: &Store) -> Result<Vec<Definition>, FleetError> {
    let rows = sqlx::query(
        "SELECT name, definition FROM locations WHERE definition IS NOT NULL ORDER BY name",
    )
    .fetch_all(store.readers())
    .await?;
    let read = |row: &SqliteRow| {
        let mut definition: Definition =
            serde_json::from_str(&row.get::<String, _>("definition")).ok()?;
        definition.location.name = row.get("name");
        Some(definition)
    };
    Ok(rows.iter().filter_map(read).collect())
}

/// Defines a location, or changes what is known about it.
///
/// # Errors
/// `Invalid`, `Full`, or the store's.
pub async fn define_location(store: &Store, definition: &Definition) -> Result<(), FleetError> {
    definition.check()?;
    let known = locations(store).await?;
    let name = &definition.location.name;
    if known.len() >= LOCATIONS_MAX && !known.iter().any(|one| one.location.name == *name) {
        return Err(FleetError::Full(LOCATIONS_MAX));
    }
    sqlx::query(
        "INSERT INTO locations (id, name, definition)
         SELECT COALESCE(MAX(id), 0) + 1, $1, $2 FROM locations WHERE TRUE
         ON CONFLICT (name) DO UPDATE SET definition = excluded.definition",
    )
    .bind(name)
    .bind(json(definition)?)
    .execute(store.writer())
    .await?;
    Ok(())
}

/// Removes a location with its tokens and keys; its history stays until retention takes it.
///
/// # Errors
/// `Missing` or the store's.
pub async fn remove_location(store: &Store, name: &str) -> Result<(), FleetError> {
    let done = sqlx::query(
        "UPDATE locations SET definition = NULL WHERE name = $1 AND definition IS NOT NULL",
    )
    .bind(name)
    .execute(store.writer())
    .await?;
    if done.rows_affected() == 0 {
        let known = locations(store).await?.into_iter().map(|one| one.location.name);
        let known: Vec<String> = known.collect();
        let known = match known.is_empty() {
            true => "none is defined".to_owned(),
            false => format!("defined are {}", known.join(", ")),
        };
        return Err(FleetError::Missing { what: "location", name: name.to_owned(), known });
    }
    for text in [
        "DELETE FROM link_tokens WHERE role = 'probe' AND place = $1",
        "DELETE FROM link_keys WHERE role = 'probe' AND place = $1",
    ] {
        sqlx::query(text).bind(name).execute(store.writer()).await?;
    }
    Ok(())
}

/// Makes a one-time token and gives its text, which is not stored and never shown again. Whoever
/// shows it first gets a key for `role` at `place`.
///
/// # Errors
/// `Full`, or the store's.
pub async fn create_token(store: &Store, role: Role, place: &str) -> Result<String, FleetError> {
    let unused: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM link_tokens WHERE used_by IS NULL")
        .fetch_one(store.readers())
        .await?;
    if unused >= TOKENS_MAX {
        return Err(FleetError::Full(usize::try_from(unused).unwrap_or(usize::MAX)));
    }
    let secret = format!("{TOKEN_PREFIX}{}", fresh_secret()?);
    sqlx::query(
        "INSERT INTO link_tokens (secret_hash, role, place, created_at_ms) VALUES ($1, $2, $3, $4)",
    )
    .bind(secret_hash(&secret))
    .bind(role.name())
    .bind(place)
    .bind(Timestamp::now().as_millisecond())
    .execute(store.writer())
    .await?;
    let pin = super::certificate(store.dir())?.pin;
    Ok(format!("{secret}.{pin}"))
}

/// Trades a one-time token for a key. The same token and key again give the same answer.
///
/// # Errors
/// `Refused`, `Full`, or the store's.
pub async fn enrol(
    store: &Store,
    enrolment: &whydown_core::wire::Enrolment,
    now: Timestamp,
) -> Result<Key, FleetError> {
    let refused = |text: &str| Err(FleetError::Refused(text.to_owned()));
    let hashes = (secret_hash(&enrolment.token), secret_hash(&enrolment.key));
    let (Some(token), Some(key)) = hashes else {
        return refused("this token is not known, or was removed");
    };
    let row = sqlx::query("SELECT role, place, used_by FROM link_tokens WHERE secret_hash = $1")
        .bind(&token)
        .fetch_optional(store.readers())
        .await?;
    let Some(row) = row else { return refused("this token is not known, or was removed") };
    let role: String = row.get("role");
    if role != enrolment.role.name() {
        let wanted = enrolment.role.name();
        return refused(&format!("this token is for a {role}, not for a {wanted}"));
    }
    match row.get::<Option<String>, _>("used_by") {
        Some(by) if by == key => match find(store, &key).await? {
            Some(known) => return Ok(known),
            None => return refused("the key of this token was revoked; make a new token"),
        },
        Some(_) => return refused("this token was used already; make a new one"),
        None => {}
    }
    let count: i64 =
        sqlx::query_scalar("SELECT COUNT(*) FROM link_keys").fetch_one(store.readers()).await?;
    if usize::try_from(count).unwrap_or(usize::MAX) >= KEYS_MAX {
        return Err(FleetError::Full(KEYS_MAX));
    }
    let place: String = row.get("place");
    let introduction = json(&enrolment.introduction)?;
    let suffix: String = key.chars().filter(char::is_ascii_alphanumeric).take(6).collect();
    let mut tx = store.begin().await.map_err(|error| FleetError::Invalid(error.to_string()))?;
    let used = sqlx::query(
        "UPDATE link_tokens SET used_by = $2 WHERE secret_hash = $1 AND used_by IS NULL",
    )
    .bind(&token)
    .bind(&key)
    .execute(&mut *tx)
    .await?;
    if used.rows_affected() == 0 {
        return refused("this token was used already; make a new one");
    }
    sqlx::query(
        "INSERT INTO link_keys
         (id, role, place, key_hash, introduction, created_at_ms, seen_at_ms, sequence)
         VALUES ($1, $2, $3, $4, $5, $6, $6, 0)",
    )
    .bind(format!("{place}-{suffix}"))
    .bind(&role)
    .bind(&place)
    .bind(&key)
    .bind(introduction)
    .bind(now.as_millisecond())
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    let found = find(store, &key).await?;
    found.ok_or_else(|| FleetError::Refused("the key was revoked at once".to_owned()))
}

/// The key with this hash.
///
/// # Errors
/// The store's.
pub(super) async fn find(store: &Store, hash: &str) -> Result<Option<Key>, FleetError> {
    let row = sqlx::query("SELECT * FROM link_keys WHERE key_hash = $1")
        .bind(hash)
        .fetch_optional(store.readers())
        .await?;
    Ok(row.as_ref().and_then(Key::from_row))
}

/// All keys, by place and name.
///
/// # Errors
/// The store's.
pub async fn keys(store: &Store) -> Result<Vec<Key>, FleetError> {
    let rows = sqlx::query("SELECT * FROM link_keys ORDER BY role, place, id")
        .fetch_all(store.readers())
        .await?;
    Ok(rows.iter().filter_map(Key::from_row).collect())
}

/// Ends a key at once.
///
/// # Errors
/// `Missing` or the store's.
pub async fn revoke(store: &Store, id: &str) -> Result<(), FleetError> {
    let done =
        sqlx::query("DELETE FROM link_keys WHERE id = $1").bind(id).execute(store.writer()).await?;
    if done.rows_affected() == 0 {
        let known: Vec<String> = keys(store).await?.into_iter().map(|key| key.id).collect();
        let known = match known.is_empty() {
            true => "none has enrolled".to_owned(),
            false => format!("enrolled are {}", known.join(", ")),
        };
        return Err(FleetError::Missing { what: "probe", name: id.to_owned(), known });
    }
    Ok(())
}

/// Notes when keys were heard of, and what they are.
///
/// # Errors
/// The store's.
pub(super) async fn note_seen(
    store: &Store,
    seen: &[(String, Timestamp, Introduction)],
) -> Result<(), FleetError> {
    for (id, at, introduction) in seen {
        sqlx::query("UPDATE link_keys SET seen_at_ms = $2, introduction = $3 WHERE id = $1")
            .bind(id)
            .bind(at.as_millisecond())
            .bind(json(introduction)?)
            .execute(store.writer())
            .await?;
    }
    Ok(())
}
