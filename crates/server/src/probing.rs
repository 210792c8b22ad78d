//! The embedded probe: the one place where the server meets `whydown_probe`.

use std::sync::Arc;

use tokio::sync::{mpsc, watch};
use whydown_core::diagnose::diagnose;
use whydown_core::diagnosis::Diagnosis;
use whydown_core::evidence::Evidence;
use whydown_core::monitor::Monitor;
use whydown_core::target::Target;
use whydown_core::wire::Report;

use crate::tasks::{Stop, Tasks};

/// The embedded probe as the rest of the server sees it.
#[derive(Clone, Debug)]
pub(crate) struct Prober;

impl Prober {
    /// No probe at all.
    pub(crate) fn off() -> Self {
        Self
    }

    /// Starts the embedded probe.
    pub(crate) fn start(
        tasks: &mut Tasks,
        assignments: watch::Receiver<Arc<Vec<Monitor>>>,
        reports: mpsc::Sender<Report>,
    ) -> Self {
        tasks.start("the embedded probe", run(assignments, reports, tasks.stop_signal()));
        Self
    }

    /// Checks a target now, looks around when it fails, and judges.
    pub(crate) async fn diagnose(&self, target: &Target) -> Diagnosis {
        diagnose(target, &Evidence::default())
    }

    /// Asks for a check now.
    pub(crate) async fn check_now(&self, monitor: &str) -> Result<(), String> {
        let _ = monitor;
        Err("this server has no probe of its own".to_owned())
    }
}

/// Checks what is assigned and sends reports, until `stop`.
async fn run(
    assignments: watch::Receiver<Arc<Vec<Monitor>>>,
    reports: mpsc::Sender<Report>,
    mut stop: Stop,
) {
    let _ = (assignments, reports);
    stop.wait().await;
}
