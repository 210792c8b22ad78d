//! What is stored of watched hosts: the ports that their agents may speak of, and addresses that
//! the hosts don't know themselves (behind address translation).

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;
use whydown_core::scope::check_label;
use whydown_core::wire::Role;

use super::register::{FleetError, KEYS_MAX, create_token};
use crate::store::Store;

/// Ports or addresses of one host.
const LIST_MAX: usize = 1_000;

/// A watched host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WatchedHost {
    /// Its name.
    pub name: String,
    /// The ports that its agent may speak of; empty: of all.
    #[serde(default)]
    pub ports: Vec<u16>,
    /// Addresses at which visitors reach it, besides those of its own interfaces.
    #[serde(default)]
    pub addresses: Vec<IpAddr>,
}

/// All watched hosts, by name.
///
/// # Errors
/// The store's.
pub async fn watched_hosts(store: &Store) -> Result<Vec<WatchedHost>, FleetError> {
    let rows = sqlx::query("SELECT name, ports, addresses FROM agent_hosts ORDER BY name")
        .fetch_all(store.readers())
        .await?;
    let read = |row: &SqliteRow| {
        Some(WatchedHost {
            name: row.get("name"),
            ports: serde_json::from_str(&row.get::<String, _>("ports")).ok()?,
            addresses: serde_json::from_str(&row.get::<String, _>("addresses")).ok()?,
        })
    };
    Ok(rows.iter().filter_map(read).collect())
}

/// Defines a host, or changes what is known about it, and makes a one-time token for its agent.
///
/// # Errors
/// `Invalid`, `Full`, or the store's.
pub async fn add_watched_host(store: &Store, host: &WatchedHost) -> Result<String, FleetError> {
    check_label(&host.name).map_err(FleetError::Invalid)?;
    if host.ports.len() > LIST_MAX || host.addresses.len() > LIST_MAX {
        let text = format!("a host has at most {LIST_MAX} ports and addresses");
        return Err(FleetError::Invalid(text));
    }
    let known = watched_hosts(store).await?;
    if known.len() >= KEYS_MAX && !known.iter().any(|one| one.name == host.name) {
        return Err(FleetError::Full(KEYS_MAX));
    }
    let json = |value: Result<String, serde_json::Error>| {
        value.map_err(|error| FleetError::Invalid(error.to_string()))
    };
    sqlx::query(
        "INSERT INTO agent_hosts (name, ports, addresses) VALUES ($1, $2, $3)
         ON CONFLICT (name) DO UPDATE SET ports = excluded.ports, addresses = excluded.addresses",
    )
    .bind(&host.name)
    .bind(json(serde_json::to_string(&host.ports))?)
    .bind(json(serde_json::to_string(&host.addresses))?)
    .execute(store.writer())
    .await?;
    create_token(store, Role::Agent, &host.name).await
}

/// Removes a host with its tokens and keys.
///
/// # Errors
/// `Missing` or the store's.
pub async fn remove_watched_host(store: &Store, name: &str) -> Result<(), FleetError> {
    let done = sqlx::query("DELETE FROM agent_hosts WHERE name = $1")
        .bind(name)
        .execute(store.writer())
        .await?;
    if done.rows_affected() == 0 {
        let known: Vec<String> =
            watched_hosts(store).await?.into_iter().map(|host| host.name).collect();
        let known = match known.is_empty() {
            true => "none is defined".to_owned(),
            false => format!("defined are {}", known.join(", ")),
        };
        return Err(FleetError::Missing { what: "host", name: name.to_owned(), known });
    }
    for text in [
        "DELETE FROM link_tokens WHERE role = 'agent' AND place = $1",
        "DELETE FROM link_keys WHERE role = 'agent' AND place = $1",
    ] {
        sqlx::query(text).bind(name).execute(store.writer()).await?;
    }
    Ok(())
}
