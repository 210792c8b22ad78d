//! Every TCP and UDP listener of this machine, with its owner: socket diagnostics over netlink,
//! as ss(8) asks, and `/proc/net` where that is not to be had. A listener whose owner may not be
//! seen is listed all the same.

mod cgroup;
pub mod container;
pub mod destroyed;
mod diag;
mod namespace;
mod owners;
mod table;

use std::collections::HashMap;
use std::net::IpAddr;

use nix::unistd::geteuid;
use whydown_core::inside::{Listener, Queue, Transport};

use crate::netlink;
use crate::process;

pub use owners::Holders;

/// Listeners kept; a machine with more is read in part, and says so.
pub const LISTENERS_MAX: usize = 65_536;

/// Which sockets to read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Which {
    /// One port only.
    pub port: Option<u16>,
    /// Other network namespaces (containers) too.
    pub everywhere: bool,
}

/// All listeners that could be read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sockets {
    /// The listeners: TCP before UDP, by port, then by address.
    pub listeners: Vec<Listener>,
    /// The tables were read; without it an empty list says nothing.
    pub read: bool,
    /// What would have been known with more rights, in words.
    pub missing_rights: Vec<String>,
}

/// A listener as the kernel's tables tell, before anybody looks for its owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Bare {
    pub(crate) transport: Transport,
    pub(crate) address: IpAddr,
    pub(crate) port: u16,
    pub(crate) v6_only: Option<bool>,
    pub(crate) interface: u32,
    pub(crate) queue: Option<Queue>,
    pub(crate) uid: u32,
    pub(crate) inode: u64,
    pub(crate) cgroup: Option<u64>,
}

impl Bare {
    fn dual_stack(&self) -> Option<bool> {
        match self.address {
            IpAddr::V6(ip) if ip.is_unspecified() => self.v6_only.map(|only| !only),
            _ => Some(false),
        }
    }
}

/// Reads the sockets of the calling thread's network namespace, and of others if asked.
#[must_use]
pub fn read(which: Which) -> Sockets {
    let here = namespace::Space::here(which.port);
    let mut sockets = Sockets { read: here.read, ..Sockets::default() };
    let mut spaces = vec![here];
    if which.everywhere {
        let others = namespace::others(which.port);
        spaces.extend(others.spaces);
        sockets.missing_rights.extend(others.missing_right);
    }
    let wanted = spaces.iter().flat_map(|space| &space.listeners).map(|bare| bare.inode);
    let holders = Holders::find(&wanted.filter(|inode| *inode != 0).collect());
    let known = Known { holders: &holders, users: process::users(), units: cgroup::Units::new() };
    for space in &spaces {
        sockets.listeners.extend(space.listeners.iter().map(|bare| known.complete(space, bare)));
    }
    sockets.listeners.truncate(LISTENERS_MAX);
    sockets.listeners.sort_by_key(|l| (l.namespace.clone(), l.transport, l.port, l.address));
    if holders.hidden_processes && sockets.listeners.iter().any(|l| l.owners.is_empty()) {
        let who = if geteuid().is_root() { "CAP_SYS_PTRACE" } else { "root or CAP_SYS_PTRACE" };
        sockets
            .missing_rights
            .push(format!("the processes of other users behind some of the ports ({who})"));
    }
    sockets
}

/// Listeners on one port, without their owners: cheap enough to ask every second.
#[must_use]
pub fn ports_in_use(port: Option<u16>) -> Option<Vec<(Transport, IpAddr, u16)>> {
    let here = namespace::Space::here(port);
    let place = |bare: &Bare| (bare.transport, bare.address, bare.port);
    here.read.then(|| here.listeners.iter().map(place).collect())
}

/// What turns a bare socket into a listener with a name.
struct Known<'a> {
    holders: &'a Holders,
    users: HashMap<u32, String>,
    units: cgroup::Units,
}

impl Known<'_> {
    fn complete(&self, space: &namespace::Space, bare: &Bare) -> Listener {
        let owners = self.holders.of(bare.inode);
        let first = owners.first().map(|owner| owner.pid);
        let group = first
            .and_then(process::cgroup)
            .or_else(|| bare.cgroup.and_then(|id| self.units.path(id)).map(str::to_owned));
        let container = group.as_deref().and_then(container::of_cgroup);
        let published = owners
            .iter()
            .filter(|owner| owner.process == "docker-proxy")
            .find_map(|owner| container::backend_of_proxy(&process::command_line(owner.pid)));
        Listener {
            transport: bare.transport,
            address: bare.address,
            port: bare.port,
            dual_stack: bare.dual_stack(),
            interface: space.interface(bare.interface),
            queue: bare.queue,
            uid: bare.uid,
            user: self.users.get(&bare.uid).cloned(),
            inode: bare.inode,
            owners,
            unit: group.as_deref().and_then(process::unit_of_cgroup),
            container,
            namespace: space.name.clone(),
            published,
        }
    }
}

/// Names of the calling thread's interfaces, by index.
fn interfaces() -> HashMap<u32, String> {
    netlink::links().into_iter().map(|link| (link.index, link.name)).collect()
}
