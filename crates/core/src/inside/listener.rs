//! A socket that waits for others, and who holds it.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

/// The transport protocol of a port.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    /// TCP.
    #[default]
    Tcp,
    /// UDP.
    Udp,
}

impl Transport {
    /// The word used in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A TCP socket that listens, or a UDP socket that is bound and not connected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listener {
    /// Protocol.
    pub transport: Transport,
    /// The address it is bound to.
    pub address: IpAddr,
    /// The port.
    pub port: u16,
    /// Bound to `::` and takes IPv4 connections too; `None`: not told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dual_stack: Option<bool>,
    /// The interface it is bound to (`SO_BINDTODEVICE`, or the scope of a link-local address).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
    /// Connections (TCP) or bytes (UDP) that wait for the program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<Queue>,
    /// The user it was made by.
    pub uid: u32,
    /// That user's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The socket's inode number.
    #[serde(default)]
    pub inode: u64,
    /// The processes that hold it, the smallest pid first; empty when they may not be seen.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub owners: Vec<Owner>,
    /// The systemd unit it was made in, also known when the processes may not be seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// The container it was made in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// The network namespace, when it is not the one of whoever asks: `net:[4026532281]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The backend of a published container port (`docker-proxy`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published: Option<SocketAddr>,
}

/// What waits in a socket's queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Queue {
    /// How much waits now.
    pub length: u32,
    /// How much may wait (TCP: the listen backlog); `None` where the kernel doesn't say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

impl Queue {
    /// Is there no room? The kernel lets one more in than the limit says
    /// (`sk_acceptq_is_full`, net/sock.h).
    #[must_use]
    pub fn is_full(self) -> bool {
        self.limit.is_some_and(|limit| self.length > limit)
    }
}

/// A process that holds a socket.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Owner {
    /// Its number.
    pub pid: u32,
    /// Its name, as the kernel cuts it (15 bytes).
    pub process: String,
    /// The file descriptor.
    pub fd: u32,
}

/// Who can reach a listener, as far as its address says: the packet filter has its own word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Every network that reaches the machine.
    Everyone,
    /// Programs on the machine itself.
    ThisMachine,
    /// Whoever is on the same link.
    OwnLink,
    /// Private networks (RFC 1918, RFC 4193, RFC 6598).
    PrivateNetwork,
}

impl fmt::Display for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Everyone => "everyone",
            Self::ThisMachine => "this machine",
            Self::OwnLink => "own link",
            Self::PrivateNetwork => "private network",
        })
    }
}

impl Listener {
    /// Who can reach it, by its address and interface.
    #[must_use]
    pub fn reach(&self) -> Reach {
        if self.interface.as_deref() == Some("lo") {
            return Reach::ThisMachine;
        }
        match self.address.to_canonical() {
            ip if ip.is_loopback() => Reach::ThisMachine,
            IpAddr::V4(ip) if ip.is_link_local() => Reach::OwnLink,
            IpAddr::V6(ip) if ip.is_unicast_link_local() => Reach::OwnLink,
            IpAddr::V4(ip) if ip.is_private() || is_shared(ip) => Reach::PrivateNetwork,
            IpAddr::V6(ip) if ip.is_unique_local() => Reach::PrivateNetwork,
            _ => Reach::Everyone,
        }
    }

    /// Does it take connections to this address?
    #[must_use]
    pub fn takes(&self, ip: IpAddr) -> bool {
        match (self.address, ip) {
            (IpAddr::V4(own), IpAddr::V4(_)) if own.is_unspecified() => true,
            (IpAddr::V6(own), IpAddr::V6(_)) if own.is_unspecified() => true,
            (IpAddr::V6(own), IpAddr::V4(_)) if own.is_unspecified() => {
                self.dual_stack.unwrap_or(true)
            }
            (own, ip) => own.to_canonical() == ip.to_canonical(),
        }
    }

    /// The first process that holds it.
    #[must_use]
    pub fn owner(&self) -> Option<&Owner> {
        self.owners.first()
    }

    /// `0.0.0.0:443`, `[::1]:25`, with the interface where it matters.
    #[must_use]
    pub fn place(&self) -> String {
        let scope = self.interface.as_deref().map_or_else(String::new, |name| format!("%{name}"));
        match self.address {
            IpAddr::V6(ip) => format!("[{ip}{scope}]:{}", self.port),
            IpAddr::V4(ip) => format!("{ip}{scope}:{}", self.port),
        }
    }

    /// Whom to name for it: `nginx (pid 812)`, its unit, or its user.
    #[must_use]
    pub fn holder(&self) -> String {
        match (self.owner(), &self.unit, &self.user) {
            (Some(owner), ..) => format!("{} (pid {})", owner.process, owner.pid),
            (None, Some(unit), _) => unit.clone(),
            (None, None, Some(user)) => format!("a program of user {user}"),
            (None, None, None) => format!("a program of user {}", self.uid),
        }
    }
}

/// 100.64.0.0/10, RFC 6598.
fn is_shared(ip: std::net::Ipv4Addr) -> bool {
    ip.octets()[0] == 100 && ip.octets()[1] & 0xc0 == 64
}
