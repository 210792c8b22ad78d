//! What a Linux machine knows about itself. For now the visitor's own side: routes, tunnels,
//! proxy variables, resolvers, hosts file, packet filter and kernel counters. Synchronous: call
//! it through `spawn_blocking`. It only reads, and what it may not read it says so.

pub mod counters;
mod environment;
pub mod firewall;
pub mod netlink;
pub mod proxy;
pub mod resolver;
pub mod route;

pub use environment::environment;
