//! `whydown config`: check a file, print the schema or an example.

use std::path::Path;
use std::process::ExitCode;

use crate::cli::Config;

pub(crate) fn run(action: &Config) -> anyhow::Result<ExitCode> {
    match action {
        Config::Check { file } => check(file),
        Config::Schema => {
            super::print_json(&whydown_server::config::schema())?;
            Ok(ExitCode::SUCCESS)
        }
        Config::Example => {
            super::print(whydown_server::config::example())?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn check(file: &Path) -> anyhow::Result<ExitCode> {
    let config = whydown_server::config::load(file, &|name| std::env::var(name).ok())?;
    super::print(&format!(
        "{}: fine, {} monitors and {} channels\n",
        file.display(),
        config.monitors.len(),
        config.channels.len()
    ))?;
    Ok(ExitCode::SUCCESS)
}
