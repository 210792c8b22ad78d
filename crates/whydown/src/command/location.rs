//! `whydown admin location` and `whydown admin probe`: work on a data directory, also while a
//! server is using it.

use jiff::Timestamp;
use serde::Serialize;
use whydown_core::wire::Role;
use whydown_server::fleet::{self, Definition, Key};
use whydown_server::store::Store;

use super::admin::open;
use super::{print, print_json};
use crate::cli::{AdminProbe, Location};

#[derive(Serialize)]
struct Row {
    #[serde(flatten)]
    definition: Definition,
    probes: Vec<ProbeRow>,
}

#[derive(Serialize)]
struct ProbeRow {
    id: String,
    location: String,
    version: String,
    created_at: Timestamp,
    seen_at: Option<Timestamp>,
}

impl From<Key> for ProbeRow {
    fn from(key: Key) -> Self {
        Self {
            id: key.id,
            location: key.place,
            version: key.introduction.version,
            created_at: key.created_at,
            seen_at: key.seen_at,
        }
    }
}

impl ProbeRow {
    fn seen(&self) -> String {
        self.seen_at.map_or_else(|| "never".to_owned(), |at| format!("{at:.0}"))
    }
}

pub(super) async fn run(action: Location) -> anyhow::Result<()> {
    match action {
        Location::Add { data, name, region, network, labels, coordinates } => {
            let store = open(data).await?;
            let known = fleet::locations(&store).await?;
            let known = known.into_iter().find(|one| one.location.name == name);
            // One more probe of a known location need not repeat what is known about it.
            let mut definition = known.unwrap_or_default();
            definition.location.name.clone_from(&name);
            definition.location.region = region.or(definition.location.region);
            definition.location.network = network.or(definition.location.network);
            if !labels.is_empty() {
                definition.location.labels = labels;
            }
            definition.coordinates = coordinates.or(definition.coordinates);
            fleet::define_location(&store, &definition).await?;
            let token = fleet::create_token(&store, Role::Probe, &name).await?;
            print(&(token + "\n"))
        }
        Location::List { data, json } => list(&open(data).await?, json).await,
        Location::Remove { data, name } => {
            fleet::remove_location(&open(data).await?, &name).await?;
            print(&format!("{name} is removed\n"))
        }
    }
}

async fn probes(store: &Store) -> anyhow::Result<Vec<ProbeRow>> {
    let keys = fleet::keys(store).await?.into_iter().filter(|key| key.role == Role::Probe);
    Ok(keys.map(ProbeRow::from).collect())
}

async fn list(store: &Store, json: bool) -> anyhow::Result<()> {
    let mut probes = probes(store).await?;
    let mut rows = Vec::new();
    for definition in fleet::locations(store).await? {
        let here = |probe: &mut ProbeRow| probe.location == definition.location.name;
        let probes = probes.extract_if(.., here).collect();
        rows.push(Row { definition, probes });
    }
    if json {
        return print_json(&rows);
    }
    for Row { definition, probes } in &rows {
        let at = &definition.location;
        let text = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
        let (region, network) = (text(&at.region), text(&at.network));
        print(&format!("{:<16} {region:<10} {network:<16} {} probes\n", at.name, probes.len()))?;
    }
    Ok(())
}

pub(super) async fn probe(action: AdminProbe) -> anyhow::Result<()> {
    match action {
        AdminProbe::List { data, json } => {
            let rows = probes(&open(data).await?).await?;
            if json {
                return print_json(&rows);
            }
            for row in &rows {
                let (seen, version) = (row.seen(), &row.version);
                print(&format!("{:<24} {:<16} {version:<8} {seen}\n", row.id, row.location))?;
            }
            Ok(())
        }
        AdminProbe::Revoke { data, id } => {
            fleet::revoke(&open(data).await?, &id).await?;
            print(&format!("{id} is revoked\n"))
        }
    }
}
