//! `whydown watch`: keeps knocking until a limit, a state or Ctrl-C, then sums up.

use std::collections::VecDeque;
use std::process::ExitCode;
use std::time::Duration;

use serde::Serialize;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use whydown_core::knocks::{Knocks, KnocksSummary};
use whydown_core::observation::{Observation, State};
use whydown_probe::observe::observe_with;

use super::{exit_code, monitor, print, print_json_line, progress};
use crate::cli::{Until, Watch};
use crate::show::watch::{STRIP_MAX, change, live, mark, summary};

/// Longer than anybody watches.
const FOR_EVER: Duration = Duration::from_hours(24 * 365);

#[derive(Serialize)]
struct Sum<'a> {
    summary: KnocksSummary,
    #[serde(flatten)]
    knocks: &'a Knocks,
}

/// What has been seen, and what is drawn of it.
struct Session {
    json: bool,
    knocks: Knocks,
    strip: VecDeque<String>,
    state: Option<State>,
}

impl Session {
    fn see(&mut self, observation: &Observation) -> anyhow::Result<()> {
        self.knocks.add(observation);
        let before = self.state.replace(observation.state);
        if self.json {
            return print_json_line(observation);
        }
        if before != Some(observation.state) {
            progress("");
            print(&(change(observation) + "\n"))?;
        }
        if self.strip.len() == STRIP_MAX {
            self.strip.pop_front();
        }
        self.strip.push_back(mark(observation));
        progress(&live(self.strip.make_contiguous(), &self.knocks, observation));
        Ok(())
    }
}

pub(crate) async fn run(flags: Watch) -> anyhow::Result<ExitCode> {
    let monitor = monitor(&flags.target, &flags.how);
    let settings = super::diagnose::settings(&flags.how);
    let end = Instant::now() + flags.limit.unwrap_or(FOR_EVER);
    let mut session = Session {
        json: flags.json,
        knocks: Knocks::default(),
        strip: VecDeque::new(),
        state: None,
    };
    let mut ticks = interval(flags.every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut interrupt = std::pin::pin!(tokio::signal::ctrl_c());
    let mut reached = false;
    while !reached {
        let knock = async {
            ticks.tick().await;
            observe_with(&monitor, &settings).await
        };
        let observation = tokio::select! {
            observation = knock => observation,
            () = sleep_until(end) => break,
            signal = &mut interrupt => { signal?; break }
        };
        session.see(&observation)?;
        reached = flags.until.is_some_and(|until| is_reached(until, observation.state));
    }
    progress("");
    let sum = Sum { summary: session.knocks.summary(), knocks: &session.knocks };
    if flags.json {
        print_json_line(&sum)?;
    } else {
        print(&summary(&flags.target, &session.knocks))?;
    }
    Ok(if reached {
        ExitCode::SUCCESS
    } else {
        exit_code(session.state.unwrap_or(State::Inconclusive))
    })
}

fn is_reached(until: Until, state: State) -> bool {
    match until {
        Until::Up => state == State::Up,
        Until::Down => matches!(state, State::Down | State::Degraded),
    }
}
