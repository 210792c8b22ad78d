//! `whydown diagnose`: check, repeat, look around, judge, print.

use std::process::ExitCode;

use whydown_core::advice::headline;
use whydown_core::diagnose::diagnose;
use whydown_core::evidence::Evidence;
use whydown_core::monitor::Monitor;
use whydown_core::observation::Observation;
use whydown_probe::examine::{self, Before, examine_telling};
use whydown_probe::observe::{self, ProxyChoice, observe_with};

use super::{exit_code, monitor, print, print_json, progress};
use crate::cli::{Diagnose, How};
use crate::show::diagnosis::{Options, text};

pub(crate) async fn run(flags: Diagnose) -> anyhow::Result<ExitCode> {
    if !flags.from.is_empty() {
        return super::from::run(&flags).await;
    }
    let monitor = monitor(&flags.target, &flags.how);
    progress(&format!("checking {} …", flags.target));
    let evidence = gather(&monitor, &flags).await;
    progress("");
    let diagnosis = diagnose(&flags.target, &evidence);
    if flags.json {
        print_json(&diagnosis)?;
    } else {
        print(&text(&flags.target, &diagnosis, Options { all: flags.all }))?;
    }
    Ok(exit_code(diagnosis.state))
}

async fn gather(monitor: &Monitor, flags: &Diagnose) -> Evidence {
    // Somebody waits: while a check is still silent, the rest goes on beside it.
    let check = settings(&flags.how);
    let mut settings = examine::Settings { check, early: true, ..Default::default() };
    settings.investigate.deep = flags.deep;
    settings.investigate.inside = true;
    if flags.quick {
        let observation = observe_with(monitor, &settings.check).await;
        return Evidence { observations: vec![observation], ..Evidence::default() };
    }
    let tell = |first: &Observation| {
        if let Some(failure) = first.failure {
            let known = headline(failure, &monitor.target);
            progress(&format!("{known}; looking for the cause …"));
        }
    };
    let tell = |evidence: Evidence| evidence.observations.iter().take(1).for_each(&tell);
    examine_telling(monitor, &settings, Before::default(), &tell).await.evidence
}

/// A person at a terminal expects what other command-line clients do: the environment's proxy.
pub(crate) fn settings(how: &How) -> observe::Settings {
    let proxy = if how.no_proxy { ProxyChoice::None } else { ProxyChoice::Environment };
    observe::Settings { proxy, ..Default::default() }
}
