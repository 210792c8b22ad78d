//! Checks against real sockets: misbehaving servers on loopback, and the lab's networks.

#![expect(clippy::unwrap_used, reason = "a test may end at any surprise")]

mod connecting;
mod encrypting;
mod investigating;
mod looking;
mod names;
mod resolving;
mod speaking;
mod watching;
