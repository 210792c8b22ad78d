//! `whydown agent`: tells a server what this machine sees behind its doors.

use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tracing_subscriber::EnvFilter;
use whydown_host::inside::{Question, look};
use whydown_host::sockets::destroyed::Ear;
use whydown_probe::agent::{self, Settings};
use whydown_probe::link::Token;

use super::{print, print_json};
use crate::cli::{Agent, Secret};

/// What the agent may, besides what everybody may; each line of docs/agent.md's table that the
/// unit can tell and an ordinary user can't comes from one of them.
const UNIT: &str = include_str!("agent.service");

/// What `--show` prints.
#[derive(serde::Serialize)]
struct Shown {
    /// Does the kernel tell of sockets that go away?
    hears_sockets: bool,
    view: whydown_core::inside::InsideView,
}

pub(crate) async fn run(flags: Agent) -> anyhow::Result<ExitCode> {
    anyhow::ensure!(cfg!(target_os = "linux"), "not supported on this system, only on Linux");
    if flags.unit {
        let server = flags.server.as_deref().unwrap_or("https://status.example.com:8088");
        print(&UNIT.replace("{server}", server))?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(port) = flags.show {
        let seen = tokio::task::spawn_blocking(move || Shown {
            hears_sockets: Ear::open().is_ok(),
            view: look(&Question::tcp(port)),
        });
        print_json(&seen.await?)?;
        return Ok(ExitCode::SUCCESS);
    }
    let Some(server) = flags.server else {
        anyhow::bail!("give the server's address: --server https://status.example.com:8088");
    };
    let filter = EnvFilter::try_from_env("WHYDOWN_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let settings =
        Settings { server, token: token(flags.token)?, data: flags.data, ports: flags.ports };
    let (stop, stopped) = watch::channel(false);
    let mut terminate = signal(SignalKind::terminate())?;
    let watching = agent::run(settings, stopped);
    tokio::pin!(watching);
    tokio::select! {
        done = &mut watching => {
            done?;
            return Ok(ExitCode::SUCCESS);
        }
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    stop.send_replace(true);
    watching.await?;
    Ok(ExitCode::SUCCESS)
}

/// A unit gives an empty variable when nothing is set.
fn token(text: Option<Secret>) -> anyhow::Result<Option<Token>> {
    let text = text.filter(|text| !text.0.trim().is_empty());
    text.map(|text| text.0.parse().map_err(anyhow::Error::msg)).transpose()
}
