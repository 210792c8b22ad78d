//! `whydown probe`: checks from here what a server elsewhere wants to know.

use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tracing_subscriber::EnvFilter;
use whydown_probe::link::{self, Settings};
use whydown_probe::{examine, observe, runner};

use crate::cli::Probe;

pub(crate) async fn run(flags: Probe) -> anyhow::Result<ExitCode> {
    let filter = EnvFilter::try_from_env("WHYDOWN_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let check = observe::Settings { allow: flags.allow.into(), ..Default::default() };
    let settings = Settings {
        server: flags.server,
        token: flags.token,
        data: flags.data,
        spool_max_bytes: flags.spool_mib << 20,
        runner: runner::Settings {
            concurrency: flags.concurrency.get().into(),
            examine: examine::Settings { check, ..Default::default() },
            ..Default::default()
        },
    };
    let (stop, stopped) = watch::channel(false);
    let mut terminate = signal(SignalKind::terminate())?;
    let probing = link::run(settings, stopped);
    tokio::pin!(probing);
    tokio::select! {
        done = &mut probing => {
            done?;
            return Ok(ExitCode::SUCCESS);
        }
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    tracing::info!("stopping: what is left is sent");
    stop.send_replace(true);
    probing.await?;
    Ok(ExitCode::SUCCESS)
}
