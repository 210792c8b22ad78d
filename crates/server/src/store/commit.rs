//! One batch of the engine as one transaction: observations, rollups, standings, incidents and
//! outbox rows together, or none of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use sqlx::{Sqlite, SqliteConnection};
use whydown_core::alerting::Row;
use whydown_core::incident::{Incident, Standing};
use whydown_core::notice::Notice;
use whydown_core::observation::Observation;

use super::batch::{BATCH_MAX, Packed, pack, pack_ids};
use super::{Store, StoreError, count, history, to_ms, unreadable};

/// Everything that belongs together.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Commit {
    /// When it was decided: for outbox rows.
    pub at: Timestamp,
    /// What was seen.
    pub observations: Vec<Arrival>,
    /// New standings by monitor.
    pub standings: BTreeMap<String, Standing>,
    /// Incidents that began, changed or ended, by id.
    pub incidents: BTreeMap<String, Incident>,
    /// What is to be told.
    pub notices: Vec<Notice>,
    /// What alerting is to remember, by kind and key.
    pub alerting: BTreeMap<(String, String), Row>,
    /// By the key that reports came with: every one up to this sequence is here.
    pub sequences: BTreeMap<String, u64>,
}

/// One observation on its way into the store.
#[derive(Clone, Debug, PartialEq)]
pub struct Arrival {
    /// The monitor's name.
    pub monitor: Arc<str>,
    /// The location's name.
    pub location: Arc<str>,
    /// What was seen.
    pub observation: Arc<Observation>,
}

impl Commit {
    /// Nothing to write?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.observations.is_empty()
            && self.standings.is_empty()
            && self.incidents.is_empty()
            && self.notices.is_empty()
            && self.alerting.is_empty()
            && self.sequences.is_empty()
    }
}

/// Numbers given out in this transaction; they count only once it is committed.
#[derive(Default)]
struct NewNames {
    monitors: BTreeMap<String, i64>,
    locations: BTreeMap<String, i64>,
}

impl Store {
    /// Writes a batch, all or nothing. Doing it again after an error is safe, also when the error
    /// came after the commit: notices keep their key, the rest is overwritten. Only observations
    /// could then be there twice.
    ///
    /// # Errors
    /// A full disk or a failed statement; then nothing of it is there.
    pub async fn commit(&self, commit: &Commit) -> Result<(), StoreError> {
        let explain = |error| self.explain(error);
        let mut tx = self.begin().await?;
        let new = self.name(&mut tx, commit).await.map_err(explain)?;
        let packed = self.packed(&new, commit);
        write_batches(&mut tx, &packed, self).await?;
        history::add(&mut tx, &packed).await.map_err(explain)?;
        let id = |name: &str| new.monitors.get(name).copied().or(self.names().monitor(name));
        for (name, standing) in &commit.standings {
            let Some(id) = id(name) else { continue };
            write_standing(&mut tx, id, standing, self).await?;
        }
        for incident in commit.incidents.values() {
            let Some(id) = id(&incident.monitor) else { continue };
            super::incidents::write(&mut tx, id, incident, self).await?;
        }
        for row in commit.alerting.values() {
            super::alerting::write(&mut tx, row, self).await?;
        }
        super::notices::add(&mut tx, &commit.notices, commit.at, self).await?;
        for (key, sequence) in &commit.sequences {
            write_sequence(&mut tx, key, *sequence).await.map_err(explain)?;
        }
        tx.commit().await.map_err(explain)?;
        self.learn(&new);
        Ok(())
    }

    fn learn(&self, new: &NewNames) {
        let mut names = self.names();
        for (name, id) in &new.monitors {
            names.put_monitor(name, *id);
        }
        for (name, id) in &new.locations {
            names.put_location(name, *id);
        }
    }

    /// Gives numbers to names that have none.
    async fn name(
        &self,
        tx: &mut SqliteConnection,
        commit: &Commit,
    ) -> Result<NewNames, sqlx::Error> {
        let (monitors, locations) = self.unnamed(commit);
        let mut new = NewNames::default();
        for name in monitors {
            let id = name_monitor(tx, &name, commit.at).await?;
            new.monitors.insert(name, id);
        }
        for name in locations {
            let id: i64 = sqlx::query_scalar(
                "INSERT INTO locations (id, name)
                 SELECT COALESCE(MAX(id), 0) + 1, $1 FROM locations WHERE TRUE
                 ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING id",
            )
            .bind(&name)
            .fetch_one(&mut *tx)
            .await?;
            new.locations.insert(name, id);
        }
        Ok(new)
    }

    fn unnamed(&self, commit: &Commit) -> (BTreeSet<String>, BTreeSet<String>) {
        let names = self.names();
        let seen = commit.observations.iter().map(|entry| &*entry.monitor);
        let standing = commit.standings.keys().map(String::as_str);
        let incidents = commit.incidents.values().map(|incident| incident.monitor.as_str());
        let monitors = seen
            .chain(standing)
            .chain(incidents)
            .filter(|name| names.monitor(name).is_none())
            .map(str::to_owned)
            .collect();
        let locations = commit
            .observations
            .iter()
            .filter(|entry| names.location(&entry.location).is_none())
            .map(|entry| entry.location.as_ref().to_owned())
            .collect();
        (monitors, locations)
    }

    fn packed<'a>(&self, new: &NewNames, commit: &'a Commit) -> Vec<Packed<&'a Observation>> {
        let names = self.names();
        let one = |entry: &'a Arrival| {
            let monitor = new.monitors.get(&*entry.monitor).copied();
            let location = new.locations.get(&*entry.location).copied();
            Some(Packed {
                monitor: monitor.or_else(|| names.monitor(&entry.monitor))?,
                location: location.or_else(|| names.location(&entry.location))?,
                observation: &*entry.observation,
            })
        };
        commit.observations.iter().filter_map(one).collect()
    }
}

/// The number of a new monitor.
pub(super) async fn name_monitor(
    tx: &mut SqliteConnection,
    name: &str,
    at: Timestamp,
) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar(
        "INSERT INTO monitors (id, name, created_ms)
         SELECT COALESCE(MAX(id), 0) + 1, $1, $2 FROM monitors RETURNING id",
    )
    .bind(name)
    .bind(to_ms(at))
    .fetch_one(tx)
    .await
}

async fn write_batches(
    tx: &mut SqliteConnection,
    packed: &[Packed<&Observation>],
    store: &Store,
) -> Result<(), StoreError> {
    for rows in packed.chunks(BATCH_MAX) {
        let times = rows.iter().map(|row| to_ms(row.observation.at));
        sqlx::query(
            "INSERT INTO batches (id, from_ms, to_ms, observations, monitors, body)
             SELECT COALESCE(MAX(id), 0) + 1, $1, $2, $3, $4, $5 FROM batches",
        )
        .bind(times.clone().min().unwrap_or_default())
        .bind(times.max().unwrap_or_default())
        .bind(count(rows.len()))
        .bind(pack_ids(rows.iter().map(|row| row.monitor).collect()))
        .bind(pack(rows)?)
        .execute(&mut *tx)
        .await
        .map_err(|error| store.explain(error))?;
    }
    Ok(())
}

/// Written with the observations it speaks of: after a crash nothing is taken twice.
async fn write_sequence(
    tx: &mut SqliteConnection,
    key: &str,
    sequence: u64,
) -> Result<(), sqlx::Error> {
    sqlx::query("UPDATE link_keys SET sequence = $2 WHERE id = $1 AND sequence < $2")
        .bind(key)
        .bind(i64::try_from(sequence).unwrap_or(i64::MAX))
        .execute(tx)
        .await?;
    Ok(())
}

async fn write_standing(
    tx: &mut SqliteConnection,
    monitor: i64,
    standing: &Standing,
    store: &Store,
) -> Result<(), StoreError> {
    let body = serde_json::to_string(standing).map_err(unreadable("a standing"))?;
    sqlx::query::<Sqlite>(
        "INSERT INTO standings (monitor_id, body) VALUES ($1, $2)
         ON CONFLICT (monitor_id) DO UPDATE SET body = excluded.body",
    )
    .bind(monitor)
    .bind(body)
    .execute(tx)
    .await
    .map_err(|error| store.explain(error))?;
    Ok(())
}
