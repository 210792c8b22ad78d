//! Continuous knocking: a live line, a line for each change, and a summary.

use std::fmt::Write as _;

use jiff::Timestamp;
use owo_colors::OwoColorize;
use whydown_core::knocks::{Episode, Knocks};
use whydown_core::observation::{Observation, State};
use whydown_core::target::Target;
use whydown_core::units::millis;
use whydown_core::units::show;

use super::{heading, state};

/// Newest checks drawn in the live line.
pub(crate) const STRIP_MAX: usize = 40;
/// Episodes listed in the summary.
const EPISODES_SHOWN_MAX: usize = 20;

/// One character a check: `●` fine, `✗` failed, `◐` in part, `?` cannot tell.
pub(crate) fn mark(observation: &Observation) -> String {
    match observation.state {
        State::Up => "●".green().to_string(),
        State::Down => "✗".red().to_string(),
        State::Degraded => "◐".yellow().to_string(),
        State::Inconclusive => "?".magenta().to_string(),
    }
}

/// The line that is redrawn while knocking.
pub(crate) fn live(strip: &[String], knocks: &Knocks, newest: &Observation) -> String {
    let share = knocks.failed_share() * 100.0;
    format!(
        " {} {} {}  {share:.0} % of {} failed",
        strip.concat(),
        state(newest.state),
        millis(newest.elapsed),
        knocks.checks
    )
}

/// The line that is printed when the state changes, so that a log shows the episodes too.
pub(crate) fn change(observation: &Observation) -> String {
    let failure = observation.failure.map_or_else(String::new, |failure| format!(" · {failure}"));
    format!(" {:.3}  {}{failure}", clock(observation.at), state(observation.state))
}

fn clock(at: Timestamp) -> String {
    format!("{at:.3}").replace('T', " ").replace('Z', "")
}

/// What all the knocking amounts to.
pub(crate) fn summary(target: &Target, knocks: &Knocks) -> String {
    let summary = knocks.summary();
    let mut out = format!("\n {}\n", target.bold());
    let share = summary.failed_share * 100.0;
    let blind = match knocks.inconclusive {
        0 => String::new(),
        count => format!(", {count} could not tell"),
    };
    let _ = writeln!(
        out,
        " {} checks, {} failed ({share:.1} %){blind}: {}",
        knocks.checks, knocks.failed, summary.pattern
    );
    if !knocks.episodes.is_empty() {
        out.push_str(&heading("Episodes"));
        let hidden = knocks.episodes.len().saturating_sub(EPISODES_SHOWN_MAX);
        if hidden > 0 {
            let _ = writeln!(out, "   … {hidden} earlier ones");
        }
        for episode in knocks.episodes.iter().skip(hidden) {
            out.push_str(&line(episode));
        }
    }
    if knocks.addresses.len() > 1 {
        out.push_str(&heading("Addresses"));
        for (ip, tally) in &knocks.addresses {
            let _ = writeln!(out, "   {ip:<40} {} of {} failed", tally.failed, tally.tried);
        }
    }
    out
}

fn line(episode: &Episode) -> String {
    let length = match episode.ended_at {
        Some(end) => {
            let length = end.duration_since(episode.started_at);
            let length = std::time::Duration::try_from(length).unwrap_or_default();
            show(whydown_core::incident::rounded(length))
        }
        None => "until now".to_owned(),
    };
    format!(
        "   {}  {length:<12} {} ({} checks)\n",
        clock(episode.started_at),
        episode.failure,
        episode.checks
    )
}
