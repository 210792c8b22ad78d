//! Test-only: hosts in network namespaces, peers that misbehave, real servers and a browser.
mod ca;
mod fail;
mod host;
mod http;
mod lab;
mod peer;
mod process;
mod scratch;
mod service;
mod until;
mod wire;

pub use ca::{Ca, Flavour, Identity};
pub use host::{Hook, Host, Reject, Route, Rule};
pub use http::Headers;
pub use lab::{Builder, Cable, Lab, Side};
pub use peer::{Answer, Behaviour, Listen, OldTls, Peer, Proxy, TlsVersion};
pub use process::{Command, Output, Process, Signal};
pub use service::{Haproxy, Nginx, Service};
pub use until::{try_until, until};
