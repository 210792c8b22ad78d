//! One file per subcommand: reads its flags, calls the crate that does the work, prints.

pub(crate) mod admin;
pub(crate) mod agent;
pub(crate) mod check;
pub(crate) mod config;
pub(crate) mod diagnose;
pub(crate) mod explain;
pub(crate) mod from;
pub(crate) mod generate;
pub(crate) mod host;
pub(crate) mod location;
pub(crate) mod ports;
pub(crate) mod probe;
pub(crate) mod serve;
pub(crate) mod watch;

use std::io::Write as _;
use std::process::ExitCode;

use serde::Serialize;
use whydown_core::monitor::Monitor;
use whydown_core::observation::State;
use whydown_core::target::Target;

use crate::cli::How;

/// The exit code of a state, the same for every command that ends with one.
pub(crate) fn exit_code(state: State) -> ExitCode {
    ExitCode::from(match state {
        State::Up => 0,
        State::Down | State::Degraded => 1,
        State::Inconclusive => 3,
    })
}

/// Writes to standard output, without colours where it is no terminal. A closed pipe
/// (`| head`) is no error.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    let mut stdout = anstream::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        result => Ok(result?),
    }
}

/// Writes one JSON value as one line.
pub(crate) fn print_json_line(value: &impl Serialize) -> anyhow::Result<()> {
    print(&(serde_json::to_string(value)? + "\n"))
}

/// Writes one JSON value for people and programs alike.
pub(crate) fn print_json(value: &impl Serialize) -> anyhow::Result<()> {
    print(&(serde_json::to_string_pretty(value)? + "\n"))
}

/// A line on standard error that is replaced by the next one, and only on a terminal.
pub(crate) fn progress(text: &str) {
    use std::io::IsTerminal as _;
    /// A longer line would break, and only its end would be replaced.
    const WIDTH_MAX: usize = 79;
    let text: String = text.chars().take(WIDTH_MAX).collect();
    let mut stderr = std::io::stderr().lock();
    if stderr.is_terminal() {
        // Progress is decoration: whether it was seen makes no difference.
        let _ = write!(stderr, "\r\x1b[2K{text}").and_then(|()| stderr.flush());
    }
}

/// What the flags ask for, as a monitor without a schedule.
pub(crate) fn monitor(target: &Target, how: &How) -> Monitor {
    let mut monitor = Monitor::new(target.to_string(), target.clone());
    monitor.timeout = how.timeout;
    monitor.expect.status.clone_from(&how.status);
    monitor.expect.contains.clone_from(&how.contains);
    monitor.expect.certificate_days = how.certificate_days;
    monitor
}
