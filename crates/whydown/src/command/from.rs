//! `whydown diagnose --from`: what other places see, asked of a server, side by side as it comes.

use std::process::ExitCode;

use anyhow::Context as _;
use serde_json::{Value, json};
use whydown_core::diagnosis::Diagnosis;
use whydown_core::scope::Scope;
use whydown_core::target::Target;
use whydown_probe::link::{Client, Pin, Server};

use super::{exit_code, print, print_json_line, progress};
use crate::cli::Diagnose;
use crate::show::diagnosis::{Options, text};

/// A line of the server's answer.
#[derive(serde::Deserialize)]
struct Line {
    #[serde(default)]
    asked: Vec<String>,
    #[serde(default)]
    location: Option<String>,
    #[serde(default)]
    diagnosis: Option<Diagnosis>,
    #[serde(default)]
    scope: Option<Scope>,
}

pub(crate) async fn run(flags: &Diagnose) -> anyhow::Result<ExitCode> {
    let server = flags.server.as_deref().context("--from needs --server URL")?;
    let token = flags.token.as_deref().context("--from needs --token, an API token")?;
    let pin = match &flags.pin {
        Some(pin) => Some(Pin::parse(pin).context("--pin is no SHA-256 as a token carries it")?),
        None => None,
    };
    let client = Client::new(Server::new(server, pin)?, Some(token));
    let question = json!({ "target": flags.target.to_string(), "from": flags.from });
    let mut lines = client.stream("/api/v1/diagnose", &question).await?;
    loop {
        let value: Value = lines.next().await?;
        if flags.json {
            print_json_line(&value)?;
        }
        let line: Line = serde_json::from_value(value)?;
        if !line.asked.is_empty() {
            progress(&format!("asked {} …", line.asked.join(", ")));
        }
        if let (Some(location), Some(diagnosis)) = (&line.location, &line.diagnosis) {
            progress("");
            show(flags, location, diagnosis)?;
        }
        if let Some(scope) = &line.scope {
            return end(flags, scope, line.diagnosis.as_ref());
        }
    }
}

fn show(flags: &Diagnose, location: &str, diagnosis: &Diagnosis) -> anyhow::Result<()> {
    if flags.json {
        return Ok(());
    }
    let failure = diagnosis.failure.map_or("", whydown_core::failure::Failure::code);
    print(&format!("{location:<16} {:<12} {failure:<22} {}\n", diagnosis.state, diagnosis.summary))
}

fn end(flags: &Diagnose, scope: &Scope, diagnosis: Option<&Diagnosis>) -> anyhow::Result<ExitCode> {
    let Some(diagnosis) = diagnosis else { anyhow::bail!("no place has answered") };
    if !flags.json {
        let places = &scope.places;
        let list = |names: &[String]| match names.is_empty() {
            true => "nobody".to_owned(),
            false => names.join(", "),
        };
        print(&format!(
            "\nfails from {} of {}: {}\nfine from: {}\n\n{}",
            scope.failing,
            scope.reporting,
            list(&places.failing),
            list(&places.fine),
            text(target(flags), diagnosis, Options { all: flags.all }),
        ))?;
    }
    Ok(exit_code(diagnosis.state))
}

fn target(flags: &Diagnose) -> &Target {
    &flags.target
}
