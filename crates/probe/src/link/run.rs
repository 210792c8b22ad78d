//! A whole probe: enrols, checks what it is told to, reports. It ends when it is told to stop, or
//! when the server refuses it for good.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use whydown_core::wire::{Abilities, Introduction, PROTOCOL, Role};
use whydown_host::route;

use super::keep::{Keeper, Shared, ahead, send_ahead};
use super::orders::{Listener, remembered};
use super::{Client, LinkError, ServerClock, Token, enrol};
use crate::runner::{self, Wires};
use crate::spool::Spool;

/// Orders that may wait for the runner.
const COMMANDS_MAX: usize = 8_192;
/// Reports that may wait for the disk.
const REPORTS_MAX: usize = 4_096;

/// What a probe has to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The server's address.
    pub server: String,
    /// The one-time token; not needed again once the data directory holds a registered key.
    pub token: Option<Token>,
    /// The data directory.
    pub data: PathBuf,
    /// What the spool may take on disk.
    pub spool_max_bytes: u64,
    /// How checks are made.
    pub runner: runner::Settings,
}

/// What this machine can do.
fn abilities() -> Abilities {
    let mut families = route::default_routes();
    // A machine that has no way out at all still reaches its own network.
    if !families.v4 && !families.v6 {
        families.v4 = true;
        families.v6 = true;
    }
    Abilities { families, icmp: crate::observe::can_ping() }
}

/// Runs a probe until `stop` becomes true.
///
/// # Errors
/// `Refused`: the server does not want this probe. `Unusable`: address, token or data directory.
pub async fn run(settings: Settings, stop: watch::Receiver<bool>) -> Result<(), LinkError> {
    run_with(settings, stop, runner::run).await
}

/// The same with something else that checks in place of [`runner::run`]: a server is measured with
/// more probes than there are machines.
///
/// # Errors
/// As [`run`].
pub async fn run_with<C, F>(
    settings: Settings,
    stop: watch::Receiver<bool>,
    check: C,
) -> Result<(), LinkError>
where
    C: FnOnce(String, runner::Settings, Wires, watch::Receiver<bool>) -> F,
    F: Future<Output = ()> + Send + 'static,
{
    let introduction = Introduction {
        protocol: PROTOCOL,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        abilities: abilities(),
    };
    let mut stopped = stop.clone();
    let enrolling = enrol(
        &settings.data,
        &settings.server,
        settings.token.as_ref(),
        Role::Probe,
        introduction.clone(),
    );
    let identity = tokio::select! {
        identity = enrolling => identity?,
        _ = stopped.wait_for(|stop| *stop) => return Ok(()),
    };
    let server = identity.server()?;
    if server.is_exposed() {
        tracing::warn!(
            "{} is not encrypted: everybody on the way sees this probe's key and the monitors' \
             request headers; use https://",
            settings.server
        );
    }
    let unusable = |error: std::io::Error| {
        let path = settings.data.display();
        LinkError::Unusable(format!("cannot use {path}: {error}; give another --data directory"))
    };
    let spool = Spool::open(&settings.data.join("spool"), settings.spool_max_bytes);
    let spool = spool.map_err(unusable)?;
    let shared = Arc::new(Shared {
        clock: Mutex::new(ServerClock::default()),
        welcomed: watch::Sender::new((0, 0)),
    });
    let client = || identity.client().map(Arc::new);
    let (ahead_sender, ahead_inbox) = ahead();
    let keeper =
        Keeper { spool, client: client()?, shared: Arc::clone(&shared), ahead: ahead_sender };
    let (reports, report_inbox) = mpsc::channel(REPORTS_MAX);
    let (early, early_inbox) = mpsc::channel(REPORTS_MAX);
    let (commands, command_inbox) = mpsc::channel(COMMANDS_MAX);
    let (assignments, assigned) = watch::channel(Arc::default());
    let listener = Listener {
        client: client()?,
        shared: Arc::clone(&shared),
        introduction,
        settings: settings.runner.examine.clone(),
        assignments,
        commands,
        known: remembered(&settings.data),
        data: settings.data,
    };
    let wires =
        Wires { assignments: assigned, commands: command_inbox, reports, early: Some(early) };
    let fast: Client = identity.client()?;
    let mut beside = JoinSet::new();
    beside.spawn(check(identity.place.clone(), settings.runner, wires, stop));
    beside.spawn(send_ahead(fast, shared, early_inbox, ahead_inbox));
    // The runner ends when told to, and with it the keeper, after it has sent what is left.
    tokio::select! {
        refused = listener.run() => Err(refused),
        done = keeper.run(report_inbox) => done,
    }
}
