//! Which processes hold which sockets: one pass over `/proc/*/fd`.

use std::collections::{HashMap, HashSet};
use std::io::ErrorKind;

use whydown_core::inside::Owner;

use crate::process;

/// Descriptors looked at, of all processes together.
const DESCRIPTORS_MAX: usize = 2_000_000;
/// Processes named for one socket: a prefork server shares it among hundreds.
const OWNERS_MAX: usize = 1_024;

/// Sockets with the processes that hold them.
#[derive(Clone, Debug, Default)]
pub struct Holders {
    owners: HashMap<u64, Vec<Owner>>,
    /// Some processes could not be looked into.
    pub hidden_processes: bool,
}

impl Holders {
    /// Looks for the holders of these sockets.
    #[must_use]
    pub fn find(wanted: &HashSet<u64>) -> Self {
        let mut holders = Self::default();
        if wanted.is_empty() {
            return holders;
        }
        let mut left = DESCRIPTORS_MAX;
        for pid in process::all() {
            let entries = match std::fs::read_dir(process::path(pid, "fd")) {
                Ok(entries) => entries,
                Err(error) => {
                    holders.hidden_processes |= error.kind() == ErrorKind::PermissionDenied;
                    continue;
                }
            };
            for entry in entries.flatten().take(left) {
                left -= 1;
                let Ok(link) = std::fs::read_link(entry.path()) else { continue };
                let Some(inode) = link.to_str().and_then(socket_inode) else { continue };
                let fd = entry.file_name().to_str().and_then(|fd| fd.parse().ok());
                if let Some(fd) = fd.filter(|_| wanted.contains(&inode)) {
                    holders.add(inode, pid, fd);
                }
            }
        }
        for owners in holders.owners.values_mut() {
            owners.sort();
        }
        holders
    }

    fn add(&mut self, inode: u64, pid: u32, fd: u32) {
        let owners = self.owners.entry(inode).or_default();
        if owners.len() < OWNERS_MAX {
            let process = process::name(pid).unwrap_or_default();
            owners.push(Owner { pid, process, fd });
        }
    }

    /// Who holds this socket.
    #[must_use]
    pub fn of(&self, inode: u64) -> Vec<Owner> {
        self.owners.get(&inode).cloned().unwrap_or_default()
    }
}

/// `socket:[4711]`.
fn socket_inode(link: &str) -> Option<u64> {
    link.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}
