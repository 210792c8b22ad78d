//! This machine's own side, on hosts of the lab whose configuration is known.

#![expect(clippy::unwrap_used, reason = "a test may end at any surprise")]

mod firewall;
mod inside;
mod names;
mod proxies;
mod routes;
mod sockets;
