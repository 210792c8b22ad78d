//! The machine itself: what runs short, and what happened lately.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The state of a machine.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// When it was started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub booted_at: Option<Timestamp>,
    /// File systems without room.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub full_disks: Vec<FullDisk>,
    /// Share of the last ten seconds in which some task waited for memory (PSI `some avg10`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_pressure_percent: Option<f64>,
    /// Memory that is available, of all there is, in MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_mib: Option<(u64, u64)>,
    /// Kernel counters of connections that found no room.
    #[serde(default)]
    pub rise: Rise,
}

/// How kernel counters rose between two looks; the time between them is the asker's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rise {
    /// `TcpExtListenOverflows`: the accept queue was full.
    #[serde(default)]
    pub listen_overflows: u64,
    /// `TcpExtListenDrops`: connections lost for whatever reason.
    #[serde(default)]
    pub listen_drops: u64,
}

/// A file system without room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FullDisk {
    /// Where it is mounted.
    pub mount: String,
    /// Bytes that an ordinary user may still write, in MiB.
    pub free_mib: u64,
    /// Out of inodes, not of bytes.
    #[serde(default)]
    pub inodes: bool,
}

/// One thing that happened, for the time line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Happening {
    /// When.
    pub at: Timestamp,
    /// What kind.
    pub kind: HappeningKind,
    /// In words: `nginx.service: main process exited, code 1`.
    pub text: String,
}

/// Kinds of happenings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HappeningKind {
    /// The machine was started.
    Boot,
    /// Its clock jumped.
    ClockStep,
    /// A listening socket went away.
    ListenerGone,
    /// A listening socket came.
    ListenerCame,
    /// A service ended.
    Exit,
    /// A service was started.
    Start,
    /// The kernel killed a process for want of memory.
    OomKill,
    /// A package or a configuration file changed.
    Change,
    /// A disk is full.
    DiskFull,
    /// Memory is short.
    MemoryShort,
    /// A process has no descriptors left.
    DescriptorsOut,
}

/// What a caller of the inside view already knows, so that it is found again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Clues {
    /// The unit or program that was seen to own the port, and when.
    pub last_owner: Option<(String, Timestamp)>,
    /// The processes that held the socket then.
    pub last_pids: Vec<u32>,
    /// The server name that visitors use: which site of a reverse proxy is meant.
    pub server_name: Option<String>,
}
