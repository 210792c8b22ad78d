//! What a Linux machine knows about itself: the visitor's own side (routes, tunnels, proxy
//! variables, resolvers, hosts file, packet filter, kernel counters), and the inside view of a
//! server (sockets, firewall, services, reverse proxies). Synchronous: call it through
//! `spawn_blocking`. It only reads, and what it may not read it says so.

pub mod bounded;
pub mod counters;
mod environment;
mod files;
pub mod firewall;
pub mod footprint;
pub mod inside;
pub mod kernel_log;
pub mod machine;
pub mod netlink;
pub mod passages;
pub mod process;
pub mod proxy;
pub mod redact;
pub mod resolver;
pub mod route;
pub mod sockets;
mod units;
pub mod watch;

pub use environment::environment;
