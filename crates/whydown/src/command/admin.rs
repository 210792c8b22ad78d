//! `whydown admin`: works on a data directory, also while a server is using it.

use std::path::PathBuf;
use std::process::ExitCode;

use serde::Serialize;
use whydown_server::access;
use whydown_server::config::DATA_DIRECTORY;
use whydown_server::store::Store;

use super::{print, print_json};
use crate::cli::{Admin, Data, Scope, Token};

#[derive(Serialize)]
struct Row {
    name: String,
    scope: &'static str,
    created_at: jiff::Timestamp,
    seen_at: Option<jiff::Timestamp>,
}

pub(crate) async fn run(action: Admin) -> anyhow::Result<ExitCode> {
    match action {
        Admin::Token(action) => token(action).await?,
        Admin::Location(action) => super::location::run(action).await?,
        Admin::Agent(action) => super::host::run(action).await?,
        Admin::Probe(action) => super::location::probe(action).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn token(action: Token) -> anyhow::Result<()> {
    match action {
        Token::Create { data, name, scope } => {
            let store = open(data).await?;
            let token = access::create_token(&store, &name, scope.into()).await?;
            print(&(token + "\n"))?;
        }
        Token::List { data, json } => list(&open(data).await?, json).await?,
        Token::Revoke { data, name } => {
            access::revoke_token(&open(data).await?, &name).await?;
            print(&format!("{name} is revoked\n"))?;
        }
    }
    Ok(())
}

pub(super) async fn open(data: Data) -> anyhow::Result<Store> {
    let directory = data.directory.unwrap_or_else(|| PathBuf::from(DATA_DIRECTORY));
    Ok(Store::open(&directory).await?)
}

async fn list(store: &Store, json: bool) -> anyhow::Result<()> {
    let rows: Vec<Row> = access::tokens(store)
        .await?
        .into_iter()
        .map(|token| Row {
            name: token.name,
            scope: token.scope.name(),
            created_at: token.created_at,
            seen_at: token.seen_at,
        })
        .collect();
    if json {
        return print_json(&rows);
    }
    for row in &rows {
        let seen = row.seen_at.map_or_else(|| "never".to_owned(), |at| format!("{at:.0}"));
        print(&format!("{:<30} {:<6} last used {seen}\n", row.name, row.scope))?;
    }
    Ok(())
}

impl From<Scope> for access::Scope {
    fn from(scope: Scope) -> Self {
        match scope {
            Scope::Read => Self::Read,
            Scope::Write => Self::Write,
            Scope::Admin => Self::Admin,
        }
    }
}
