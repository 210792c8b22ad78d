//! The embedded probe: the one place where the server meets `whydown_probe`.

use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use whydown_core::diagnose::diagnose;
use whydown_core::diagnosis::Diagnosis;
use whydown_core::evidence::Evidence;
use whydown_core::monitor::Monitor;
use whydown_core::scope::Location;
use whydown_core::target::Target;
use whydown_core::wire::{Assignment, Report};
use whydown_probe::examine::{self, Before, examine};
use whydown_probe::runner;

use crate::fleet::{COMMANDS_MAX, Fleet};
use crate::tasks::Tasks;

/// The embedded probe as pages and API see it.
#[derive(Clone, Debug)]
pub(crate) struct Prober {
    settings: examine::Settings,
}

/// What the embedded probe is connected to.
pub(crate) struct Wires<'a> {
    pub(crate) assignments: watch::Receiver<Arc<Vec<Assignment>>>,
    pub(crate) reports: mpsc::Sender<Report>,
    pub(crate) early: mpsc::Sender<Report>,
    pub(crate) fleet: &'a Fleet,
}

impl Prober {
    /// Monitors are not checked; single targets are all the same.
    pub(crate) fn off() -> Self {
        Self { settings: examine::Settings::default() }
    }

    /// Starts the embedded probe.
    pub(crate) fn start(tasks: &mut Tasks, wires: Wires<'_>) -> Self {
        let settings = examine::Settings::default();
        let (commands, inbox) = mpsc::channel(COMMANDS_MAX);
        let run = runner::run(
            Location::local().name,
            runner::Settings { examine: settings.clone(), ..runner::Settings::default() },
            runner::Wires {
                assignments: wires.assignments,
                commands: inbox,
                reports: wires.reports,
                early: Some(wires.early),
            },
            tasks.stop_signal().into(),
        );
        tasks.start("the embedded probe", run);
        wires.fleet.embed(commands);
        Self { settings }
    }

    /// Checks a target now, and looks around when it fails.
    pub(crate) async fn look(&self, target: &Target) -> Evidence {
        let monitor = Monitor::new("diagnose", target.clone());
        examine(&monitor, &self.settings, Before::default()).await.evidence
    }

    /// The same, judged.
    pub(crate) async fn diagnose(&self, target: &Target) -> Diagnosis {
        diagnose(target, &self.look(target).await)
    }
}
