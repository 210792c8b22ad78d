//! One check on one line, for people and for Nagios and its heirs.

use owo_colors::OwoColorize;
use whydown_core::observation::{Attempt, Observation, State};
use whydown_core::target::Target;
use whydown_core::units::millis;

use super::state;

/// `up   https://example.com/  45 ms  HTTP 200`.
pub(crate) fn line(target: &Target, observation: &Observation) -> String {
    let what = observation.failure.map_or_else(String::new, |failure| format!("  {failure}"));
    let pad = " ".repeat(12_usize.saturating_sub(observation.state.name().len()));
    format!(
        "{}{pad} {}  {}{what}{}",
        state(observation.state),
        target,
        millis(observation.elapsed),
        details(observation).dimmed()
    )
}

/// Nagios plugin output: `STATE - text | performance data`, Monitoring Plugins guidelines.
pub(crate) fn nagios(target: &Target, observation: &Observation) -> String {
    let word = match observation.state {
        State::Up => "OK",
        State::Degraded => "WARNING",
        State::Down => "CRITICAL",
        State::Inconclusive => "UNKNOWN",
    };
    let failure = observation.failure.map_or("answers", |failure| failure.code());
    let seconds = observation.elapsed.as_secs_f64();
    format!("{word} - {target} {failure}{} | time={seconds:.6}s", details(observation))
}

fn details(observation: &Observation) -> String {
    let working = observation.attempts.iter().find(|a| a.failure.is_none());
    let attempt = observation
        .attempts
        .iter()
        .find(|a| a.failure.is_some() && a.failure == observation.failure)
        .or(working);
    let spread = match observation.attempts.len() {
        0 | 1 => String::new(),
        count => {
            let fine = observation.attempts.iter().filter(|a| a.failure.is_none()).count();
            format!("  {fine} of {count} addresses fine")
        }
    };
    format!("{}{spread}", attempt.map_or_else(String::new, answer))
}

fn answer(attempt: &Attempt) -> String {
    if let Some(http) = attempt.http.as_ref().filter(|http| http.status != 0) {
        return format!("  HTTP {}", http.status);
    }
    match (&attempt.detail, &attempt.banner) {
        (Some(detail), _) => format!("  {}", super::printable(detail)),
        (None, Some(banner)) => format!("  {:?}", super::cut(banner, 40)),
        (None, None) => String::new(),
    }
}
