//! `whydown check`: every target once, side by side, printed in the order given.

use std::process::ExitCode;

use futures_util::future::join_all;
use serde::Serialize;
use whydown_core::observation::{Observation, State};
use whydown_core::target::Target;
use whydown_probe::observe::observe_with;

use super::{exit_code, monitor, print, print_json_line};
use crate::cli::Check;
use crate::show::check::{line, nagios};

/// An observation with its target, as one line of JSON.
#[derive(Serialize)]
struct Line<'a> {
    target: &'a Target,
    #[serde(flatten)]
    observation: &'a Observation,
}

pub(crate) async fn run(flags: Check) -> anyhow::Result<ExitCode> {
    let settings = super::diagnose::settings(&flags.how);
    let monitors: Vec<_> = flags.targets.iter().map(|t| monitor(t, &flags.how)).collect();
    let checks = monitors.iter().map(|monitor| observe_with(monitor, &settings));
    let observations = join_all(checks).await;
    for (target, observation) in flags.targets.iter().zip(&observations) {
        if flags.json {
            print_json_line(&Line { target, observation })?;
        } else if flags.nagios {
            print(&(nagios(target, observation) + "\n"))?;
        } else {
            print(&(line(target, observation) + "\n"))?;
        }
    }
    let worst = worst(observations.iter().map(|observation| observation.state));
    Ok(if flags.nagios { nagios_code(worst) } else { exit_code(worst) })
}

/// A failing target outweighs one of which nothing is known.
fn worst(states: impl Iterator<Item = State>) -> State {
    let rank = |state: &State| match state {
        State::Up => 0,
        State::Inconclusive => 1,
        State::Degraded => 2,
        State::Down => 3,
    };
    states.max_by_key(rank).unwrap_or(State::Inconclusive)
}

/// Monitoring Plugins guidelines, "Plugin Return Codes".
fn nagios_code(state: State) -> ExitCode {
    ExitCode::from(match state {
        State::Up => 0,
        State::Degraded => 1,
        State::Down => 2,
        State::Inconclusive => 3,
    })
}
