//! Control groups by number: the kernel tells the group that a socket was made in also to those
//! who may not see its process, and the group's path names the systemd unit.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::os::unix::fs::DirEntryExt as _;
use std::path::{Path, PathBuf};

/// Where the unified hierarchy is mounted: alone, or beside version 1.
const ROOTS: [&str; 2] = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"];
/// Groups looked at.
const GROUPS_MAX: usize = 20_000;

/// Paths of control groups, read when somebody first asks.
#[derive(Debug)]
pub(super) struct Units(OnceCell<HashMap<u64, String>>);

impl Units {
    pub(super) fn new() -> Self {
        Self(OnceCell::new())
    }

    /// The path of a group: `/system.slice/nginx.service`. A group's number is the inode number
    /// of its directory (`cgroup_id`, linux/cgroup.h).
    pub(super) fn path(&self, id: u64) -> Option<&str> {
        self.0.get_or_init(read).get(&id).map(String::as_str)
    }
}

fn read() -> HashMap<u64, String> {
    let mut found = HashMap::new();
    let root = ROOTS.iter().map(Path::new).find(|root| root.join("cgroup.procs").exists());
    let Some(root) = root else { return found };
    let mut open: Vec<PathBuf> = vec![root.to_owned()];
    while let Some(directory) = open.pop() {
        let Ok(entries) = std::fs::read_dir(&directory) else { continue };
        for entry in entries.flatten() {
            if found.len() >= GROUPS_MAX || !entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                continue;
            }
            let path = entry.path();
            if let Ok(below) = path.strip_prefix(root) {
                found.insert(entry.ino(), format!("/{}", below.display()));
            }
            open.push(path);
        }
    }
    found
}
