//! Names and directories that are unique per lab, and the removal of what killed runs left behind.
//!
//! Everything that outlives a process carries its owner's pid: namespaces and directories are
//! called `wd<pid>-<n>…`, children have it in their environment. A living owner's are not touched.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::fail::OrFail as _;

/// The environment variable that marks every child with its lab's stem. Not `WHYDOWN_…`: the
/// program under test takes those for its own.
pub(crate) const OWNER: &str = "WD_LAB_OWNER";

/// A directory of its own and a name stem for everything else that must be unique.
#[derive(Debug)]
pub(crate) struct Scratch {
    stem: String,
    directory: TempDir,
    next: AtomicU32,
}

impl Scratch {
    /// A fresh one; the first of a process also clears what killed runs left.
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        static REAP: Once = Once::new();
        REAP.call_once(reap);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let stem = format!("wd{}-{count}", std::process::id());
        let directory = tempfile::Builder::new()
            .prefix(&format!("{stem}-"))
            .tempdir()
            .or_fail("cannot make a temporary directory");
        // Daemons that drop root (exim, postgres, knot) must be able to reach their files in it.
        let open = fs::Permissions::from_mode(0o755);
        fs::set_permissions(directory.path(), open).or_fail("cannot open the temporary directory");
        Self { stem, directory, next: AtomicU32::new(0) }
    }

    /// `wd<pid>-<n>`.
    pub(crate) fn stem(&self) -> &str {
        &self.stem
    }

    /// A path in the directory that nobody else was given.
    pub(crate) fn unused(&self, name: &str) -> PathBuf {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.directory.path().join(format!("{number}-{name}"))
    }

    /// A new directory in it.
    pub(crate) fn subdirectory(&self, name: &str) -> PathBuf {
        let path = self.unused(name);
        fs::create_dir(&path).or_fail(format_args!("cannot make {}", path.display()));
        path
    }
}

impl Drop for Scratch {
    /// Ends what a child has put into a process group of its own, as browsers do.
    fn drop(&mut self) {
        if self.next.load(Ordering::Relaxed) > 0 {
            kill_where(|mark, _| mark == Some(self.stem()));
        }
    }
}

/// The owner's pid in a name such as `wd4711-0-c`.
fn owner(name: &OsStr) -> Option<i32> {
    name.to_str()?.strip_prefix("wd")?.split_once('-')?.0.parse().ok()
}

fn is_gone(pid: i32) -> bool {
    !Path::new("/proc").join(pid.to_string()).exists()
}

/// Entries of a directory whose names carry the pid of a process that is gone.
fn orphans(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = directory.read_dir() else {
        return Vec::new();
    };
    let orphaned = |path: &PathBuf| path.file_name().and_then(owner).is_some_and(is_gone);
    entries.flatten().map(|entry| entry.path()).filter(orphaned).collect()
}

/// Removes what killed runs left. Two test processes may do it at once: whatever the other one was
/// faster at is an error here that means nothing.
fn reap() {
    reap_children();
    for namespace in orphans(Path::new("/run/netns")) {
        if let Some(name) = namespace.file_name() {
            let _ = Command::new("ip").args(["netns", "del"]).arg(name).output();
        }
    }
    for directory in orphans(Path::new("/etc/netns")).iter().chain(&orphans(&std::env::temp_dir()))
    {
        let _ = fs::remove_dir_all(directory);
    }
}

/// Kills processes that a lab started whose own process is gone.
fn reap_children() {
    kill_where(|mark, _| mark.and_then(|mark| owner(OsStr::new(mark))).is_some_and(is_gone));
}

/// Kills every process that `chosen` picks by its lab's stem (if it has one) and its `/proc` entry.
pub(crate) fn kill_where(chosen: impl Fn(Option<&str>, &Path) -> bool) {
    let Ok(entries) = Path::new("/proc").read_dir() else {
        return;
    };
    let prefix = format!("{OWNER}=");
    for entry in entries.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        // Unreadable means another user's or just ended: not ours either way.
        let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
        let mark = environment
            .split(|byte| *byte == 0)
            .find_map(|line| std::str::from_utf8(line).ok()?.strip_prefix(&prefix));
        let is_own = u32::try_from(pid) == Ok(std::process::id());
        if !is_own && chosen(mark, &entry.path()) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }
}
