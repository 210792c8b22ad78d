//! The embedded probe: the one place where the server meets `whydown_probe`.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use whydown_core::diagnose::diagnose;
use whydown_core::diagnosis::Diagnosis;
use whydown_core::monitor::Monitor;
use whydown_core::scope::Location;
use whydown_core::target::Target;
use whydown_core::wire::Report;
use whydown_probe::examine::{self, Before, examine};
use whydown_probe::runner::{self, Command};

use crate::tasks::Tasks;

/// Checks asked for that may wait for the probe.
const COMMANDS_MAX: usize = 1_024;
/// A fine check during an incident is repeated so soon, instead of an interval later: recovery
/// is confirmed as quickly as failure is, and not by one lucky moment.
const RECHECK_AFTER: Duration = Duration::from_millis(400);
/// Monitors that wait for such a repeat. What comes on top is checked in turn.
const RECHECKS_MAX: usize = 4_096;

/// The embedded probe as pages and API see it.
#[derive(Clone, Debug)]
pub(crate) struct Prober {
    settings: examine::Settings,
    commands: Option<mpsc::Sender<Command>>,
}

/// What the engine can ask of the embedded probe: never waits.
#[derive(Clone, Debug)]
pub(crate) struct Rechecks(mpsc::Sender<(Instant, String)>);

/// The other end.
pub(crate) struct RecheckInbox(mpsc::Receiver<(Instant, String)>);

impl Rechecks {
    pub(crate) fn new() -> (Self, RecheckInbox) {
        let (sender, receiver) = mpsc::channel(RECHECKS_MAX);
        (Self(sender), RecheckInbox(receiver))
    }

    /// Asks for another check in a moment. Without a probe, or when too many ask, the next one
    /// in turn has to do.
    pub(crate) fn ask(&self, monitor: &str) {
        let _ = self.0.try_send((Instant::now() + RECHECK_AFTER, monitor.to_owned()));
    }
}

/// What the embedded probe is connected to.
pub(crate) struct Wires {
    pub(crate) assignments: watch::Receiver<Arc<Vec<Monitor>>>,
    pub(crate) reports: mpsc::Sender<Report>,
    pub(crate) rechecks: RecheckInbox,
}

impl Prober {
    /// Monitors are not checked; single targets are all the same.
    pub(crate) fn off() -> Self {
        Self { settings: examine::Settings::default(), commands: None }
    }

    /// Starts the embedded probe.
    pub(crate) fn start(tasks: &mut Tasks, wires: Wires) -> Self {
        let settings = examine::Settings::default();
        let (commands, inbox) = mpsc::channel(COMMANDS_MAX);
        let run = runner::run(
            Location::local().name,
            runner::Settings { examine: settings.clone(), ..runner::Settings::default() },
            wires.assignments,
            inbox,
            wires.reports,
            tasks.stop_signal().into(),
        );
        tasks.start("the embedded probe", run);
        let mut stop = tasks.stop_signal();
        let forwarding = forward(wires.rechecks, commands.clone());
        tasks.start("repeated checks", async move {
            tokio::select! {
                () = stop.wait() => {}
                () = forwarding => {}
            }
        });
        Self { settings, commands: Some(commands) }
    }

    /// Checks a target now, looks around when it fails, and judges.
    pub(crate) async fn diagnose(&self, target: &Target) -> Diagnosis {
        let monitor = Monitor::new("diagnose", target.clone());
        let examined = examine(&monitor, &self.settings, Before::default()).await;
        diagnose(target, &examined.evidence)
    }

    /// Asks for a check now.
    pub(crate) async fn check_now(&self, monitor: &str) -> Result<(), String> {
        let none = || "this server has no probe of its own".to_owned();
        let commands = self.commands.as_ref().ok_or_else(none)?;
        let command = Command::CheckNow { monitor: monitor.to_owned() };
        commands.send(command).await.map_err(|_| "the server is stopping".to_owned())
    }
}

/// Passes rechecks on when their moment has come; they come in the order of their moments.
async fn forward(mut rechecks: RecheckInbox, commands: mpsc::Sender<Command>) {
    while let Some((at, monitor)) = rechecks.0.recv().await {
        tokio::time::sleep_until(at).await;
        if commands.send(Command::CheckNow { monitor }).await.is_err() {
            return;
        }
    }
}
