//! What runs, or should run, behind a port: a systemd unit, a container, or a bare process.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A service with its state and its last words.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unit {
    /// `nginx.service`; without systemd, the program's name.
    pub name: String,
    /// What ties it to the port.
    #[serde(default)]
    pub bond: Bond,
    /// Where that is said: `/etc/nginx/sites-enabled/shop:3`, `systemd`, `seen at 12:00:03`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bond_source: Option<String>,
    /// Who runs it: `systemd`, `docker`, `supervisord`, `runit`; `None`: nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supervisor: Option<String>,
    /// `active`, `activating`, `inactive`, `failed` …; empty: not known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub state: String,
    /// `running`, `dead`, `auto-restart` …
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub sub_state: String,
    /// `success`, `exit-code`, `signal`, `oom-kill`, `start-limit-hit`, `timeout` …
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub result: String,
    /// Exit code of its main process, if that has ended by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// The signal that ended its main process: `SIGKILL`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<String>,
    /// How often it was started again by its supervisor.
    #[serde(default)]
    pub restarts: u32,
    /// Will it be started at the next boot? `None`: not told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// It is masked: nobody can start it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub masked: bool,
    /// It runs, and has refused the configuration of its last reload.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reload_failed: bool,
    /// When it was last started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When its main process ended, or it left the active state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped_at: Option<Timestamp>,
    /// The kernel killed one of its processes for want of memory.
    #[serde(default)]
    pub oom_killed: bool,
    /// Its last log lines, the oldest first, redacted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub log: Vec<LogLine>,
    /// What was changed near its last start or end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
    /// Its processes that say something: stopped, or out of descriptors.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub processes: Vec<ProcessFacts>,
}

impl Unit {
    /// Does it run, as far as its supervisor knows?
    #[must_use]
    pub fn is_running(&self) -> bool {
        matches!(self.state.as_str(), "active" | "running" | "reloading")
            && self.sub_state != "exited"
    }

    /// Is it merely installed: never started, never wanted?
    #[must_use]
    pub fn is_dormant(&self) -> bool {
        let has_lived = self.started_at.is_some() || self.stopped_at.is_some();
        let is_wanted = self.enabled == Some(true) || self.masked;
        !(self.is_running() || self.has_failed() || has_lived || is_wanted)
    }

    /// How it ended, in words: `was killed by the kernel for want of memory`.
    #[must_use]
    pub fn ending(&self) -> String {
        match (self.oom_killed, &self.signal, self.exit_code) {
            (true, ..) => "was killed by the kernel for want of memory".to_owned(),
            (false, Some(signal), _) => match self.result.as_str() {
                "timeout" => format!("took too long and was ended by {signal}"),
                "watchdog" => format!("did not answer its watchdog and was ended by {signal}"),
                _ => format!("was ended by {signal}"),
            },
            (false, None, Some(0)) => "ended by itself, with code 0".to_owned(),
            (false, None, Some(code)) => format!("ended by itself, with code {code}"),
            (false, None, None) => match self.result.as_str() {
                "" | "success" => "was stopped".to_owned(),
                result => format!("failed: {}", result.replace('-', " ")),
            },
        }
    }

    /// Has it ended in a way that nobody asked for?
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.state == "failed"
            || (!self.result.is_empty() && self.result != "success")
            || self.exit_code.is_some_and(|code| code != 0)
            || self.signal.as_deref().is_some_and(|signal| signal != "SIGTERM")
    }
}

/// What ties a unit to a port, the strongest first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bond {
    /// It holds the socket.
    Owns,
    /// It was seen to hold the socket.
    LastOwned,
    /// Its configuration names the port.
    Configured,
    /// Programs of its kind usually serve the port.
    #[default]
    Usual,
}

impl Bond {
    /// Smaller is stronger.
    #[must_use]
    pub const fn rank(self) -> u8 {
        match self {
            Self::Owns => 0,
            Self::LastOwned => 1,
            Self::Configured => 2,
            Self::Usual => 3,
        }
    }
}

/// One line of a log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// When, where the log says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// What, redacted and cut.
    pub text: String,
    /// `journal` or the file.
    pub source: String,
}

/// Something that was changed on the machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// When.
    pub at: Timestamp,
    /// `package nginx upgraded from 1.22.1-9 to 1.24.0-2`, `/etc/nginx/nginx.conf was written`.
    pub what: String,
}

/// A process in a state of interest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessFacts {
    /// Number.
    pub pid: u32,
    /// Name.
    pub name: String,
    /// State letter of proc(5): `T` stopped, `D` waits for a device, `Z` ended.
    pub state: char,
    /// Descriptors in use and the limit, where they may be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub descriptors: Option<(u32, u32)>,
}

impl ProcessFacts {
    /// Nine of ten descriptors are in use (or all but a handful).
    #[must_use]
    pub fn is_short_of_descriptors(&self) -> bool {
        self.descriptors.is_some_and(|(used, limit)| used.saturating_add(3) >= limit)
    }
}
