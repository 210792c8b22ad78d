//! The whydown command: parses the command line, runs one subcommand, maps its end to an exit
//! code. Exit codes: 0 up or done, 1 down or failed, 2 wrong usage, 3 inconclusive.

mod cli;
mod command;
mod show;

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;

use cli::{Cli, Command};

fn main() -> ExitCode {
    let cli = Cli::parse_from(cli::with_default_command(std::env::args_os().collect()));
    let mut builder = match &cli.command {
        // It waits nearly always, and every thread costs the watched machine memory.
        Command::Agent(_) => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    let runtime = match builder.enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return complain(&error.into()),
    };
    match runtime.block_on(run(cli.command)) {
        Ok(code) => code,
        Err(error) => complain(&error),
    }
}

async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Diagnose(flags) => command::diagnose::run(flags).await,
        Command::Check(flags) => command::check::run(flags).await,
        Command::Watch(flags) => command::watch::run(flags).await,
        Command::Agent(flags) => command::agent::run(flags).await,
        Command::Ports(flags) => command::ports::run(flags).await,
        Command::Serve(flags) => command::serve::run(flags).await,
        Command::Probe(flags) => command::probe::run(flags).await,
        Command::Config(action) => command::config::run(&action),
        Command::Admin(action) => command::admin::run(action).await,
        Command::Explain(flags) => command::explain::run(&flags),
        Command::Completions { shell } => command::generate::completions(shell),
        Command::Man { directory } => command::generate::man(&directory),
    }
}

/// Prints an error with everything behind it, on standard error.
fn complain(error: &anyhow::Error) -> ExitCode {
    use owo_colors::OwoColorize as _;
    let mut stderr = anstream::stderr();
    // Nothing is left to tell when standard error is gone.
    let _ = writeln!(stderr, "{} {error:#}", "error:".red().bold());
    ExitCode::from(1)
}
