//! The network namespaces of this machine: one's own, and those of containers where permitted.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::path::{Path, PathBuf};

use nix::sched::{CloneFlags, setns};
use whydown_core::inside::Transport;

use crate::process;

use super::{Bare, diag, interfaces, table};

/// Namespaces looked into.
const NAMESPACES_MAX: usize = 256;

/// The sockets of one namespace.
#[derive(Debug, Default)]
pub(super) struct Space {
    /// `net:[4026532281]`; `None` for the caller's own.
    pub(super) name: Option<String>,
    pub(super) listeners: Vec<Bare>,
    /// The tables were read.
    pub(super) read: bool,
    interfaces: HashMap<u32, String>,
}

/// Other namespaces.
#[derive(Debug, Default)]
pub(super) struct Others {
    pub(super) spaces: Vec<Space>,
    pub(super) missing_right: Option<String>,
}

impl Space {
    /// The calling thread's namespace.
    pub(super) fn here(port: Option<u16>) -> Self {
        let mut space = Self { read: true, ..Self::default() };
        for (transport, v4) in [
            (Transport::Tcp, true),
            (Transport::Tcp, false),
            (Transport::Udp, true),
            (Transport::Udp, false),
        ] {
            if let Ok(found) = diag::listeners(transport, v4, port) {
                space.listeners.extend(found);
            } else {
                return Self::of_tables(Path::new("/proc/thread-self/net"), port);
            }
        }
        if space.listeners.iter().any(|bare| bare.interface != 0) {
            space.interfaces = interfaces();
        }
        space
    }

    fn of_tables(directory: &Path, port: Option<u16>) -> Self {
        let listeners = table::listeners(directory, port);
        Self {
            read: listeners.is_some(),
            listeners: listeners.unwrap_or_default(),
            ..Self::default()
        }
    }

    pub(super) fn interface(&self, index: u32) -> Option<String> {
        let named = || self.interfaces.get(&index).cloned();
        (index != 0).then(|| named().unwrap_or_else(|| format!("if{index}")))
    }
}

/// All namespaces besides the caller's that some process lives in.
pub(super) fn others(port: Option<u16>) -> Others {
    let own = std::fs::read_link("/proc/thread-self/ns/net").unwrap_or_default();
    let mut seen = HashSet::from([own]);
    let mut found = Others::default();
    for pid in process::all() {
        let Ok(link) = std::fs::read_link(process::path(pid, "ns/net")) else {
            let text = "other network namespaces, such as those of containers (root)";
            found.missing_right = Some(text.to_owned());
            continue;
        };
        if found.spaces.len() >= NAMESPACES_MAX || !seen.insert(link.clone()) {
            continue;
        }
        let name = link.to_string_lossy().into_owned();
        let entered = enter(process::path(pid, "ns/net"), port);
        let mut space =
            entered.unwrap_or_else(|| Space::of_tables(&process::path(pid, "net"), port));
        space.name = Some(name);
        found.spaces.push(space);
    }
    found
}

/// Looks from inside, on a thread that ends right afterwards: a thread can't be trusted to find
/// back when it may enter but not return.
fn enter(path: PathBuf, port: Option<u16>) -> Option<Space> {
    let look = move || {
        setns(File::open(path).ok()?, CloneFlags::CLONE_NEWNET).ok()?;
        Some(Space::here(port))
    };
    std::thread::spawn(look).join().ok()?
}
