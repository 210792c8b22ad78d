//! `whydown admin agent`: works on a data directory, also while a server is using it.

use serde::Serialize;
use whydown_core::wire::Role;
use whydown_server::fleet::{self, WatchedHost};

use super::admin::open;
use super::{print, print_json};
use crate::cli::AdminAgent;

#[derive(Serialize)]
struct Row {
    #[serde(flatten)]
    host: WatchedHost,
    agents: Vec<AgentRow>,
}

#[derive(Serialize)]
struct AgentRow {
    id: String,
    version: String,
    seen_at: Option<jiff::Timestamp>,
}

pub(super) async fn run(action: AdminAgent) -> anyhow::Result<()> {
    match action {
        AdminAgent::Add { data, name, ports, addresses } => {
            let store = open(data).await?;
            let host = WatchedHost { name, ports, addresses };
            let token = fleet::add_watched_host(&store, &host).await?;
            print(&(token + "\n"))
        }
        AdminAgent::List { data, json } => {
            let store = open(data).await?;
            let keys = fleet::keys(&store).await?;
            let agents = |name: &str| {
                let mine = keys.iter().filter(|key| key.role == Role::Agent && key.place == name);
                mine.map(|key| AgentRow {
                    id: key.id.clone(),
                    version: key.introduction.version.clone(),
                    seen_at: key.seen_at,
                })
                .collect()
            };
            let hosts = fleet::watched_hosts(&store).await?;
            let rows: Vec<Row> =
                hosts.into_iter().map(|host| Row { agents: agents(&host.name), host }).collect();
            if json { print_json(&rows) } else { rows.iter().try_for_each(line) }
        }
        AdminAgent::Remove { data, name } => {
            fleet::remove_watched_host(&open(data).await?, &name).await?;
            print(&format!("{name} is removed\n"))
        }
    }
}

fn line(row: &Row) -> anyhow::Result<()> {
    let ports: Vec<String> = row.host.ports.iter().map(ToString::to_string).collect();
    let ports = if ports.is_empty() { "all ports".to_owned() } else { ports.join(",") };
    let seen = row.agents.iter().filter_map(|agent| agent.seen_at).max();
    let seen = seen.map_or_else(|| "never".to_owned(), |at| format!("{at:.0}"));
    print(&format!("{:<24} {ports:<20} last seen {seen}\n", row.host.name))
}
