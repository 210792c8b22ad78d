//! Test-only: hosts in network namespaces, peers that misbehave, real servers and browsers.
//!
//! Synchronous and without a runtime, so that any test can use it. Needs root for namespaces; what
//! cannot run ends the test with the missing package or permission, it never skips. Everything is
//! named by the test's pid, goes away on drop (also after a panic), and what killed runs left is
//! removed by the next one.
//!
//! ```no_run
//! use whydown_lab::{Answer, Behaviour, Hook, Lab, Peer, Reject, Rule};
//!
//! let lab = Lab::new(); // c ══ r1 ── r2 ── s, b, n, d; 5 ms each way between c and r1
//! let shop = Peer::start(&lab.server(), 80, Behaviour::Http(Answer::new(200).body("hello")));
//! let seen = lab.client().exec("curl", &["-sS", "http://10.99.2.10/"]);
//! assert_eq!(seen.stdout, "hello");
//!
//! drop(shop); // nothing listens any more
//! assert_eq!(lab.client().exec("curl", &["http://[fd99:2::10]/"]).code, Some(7));
//!
//! lab.r2().rule(Rule::Reject(Hook::Forward, 80, Reject::AdminProhibited));
//! let error = lab.client().enter(|| std::net::TcpStream::connect("10.99.2.10:80")).unwrap_err();
//! assert_eq!(error.kind(), std::io::ErrorKind::HostUnreachable);
//! ```
//!
//! Without root, on loopback: [`Host::machine`] takes the place of a lab's host.
//!
//! ```
//! use whydown_lab::{Host, Receiver, Reply};
//!
//! let receiver = Receiver::start(&Host::machine(), 0);
//! receiver.set_reply(Reply::status(503));
//! // … give receiver.url("/hook") to the program under test, then:
//! // let requests = receiver.wait_for(1, std::time::Duration::from_secs(2));
//! assert!(receiver.requests().is_empty());
//! ```

mod base64;
mod browser;
mod ca;
mod capture;
mod dns;
mod fail;
mod firefox;
mod host;
mod http;
mod lab;
mod mail;
mod peer;
mod process;
mod receiver;
mod scratch;
mod service;
mod systemd;
mod until;
mod wire;

pub use browser::{Browser, ConsoleLine, Element};
pub use ca::{Ca, Flavour, Identity};
pub use capture::Capture;
pub use dns::{DnsServer, Query, Say};
pub use firefox::{ErrorPage, Firefox, Shown};
pub use host::{Hook, Host, Reject, Route, Rule};
pub use http::Headers;
pub use lab::{Builder, Cable, Lab, Side, Site, Uplink};
pub use mail::{Mail, Part};
pub use peer::{Answer, Behaviour, Listen, OldTls, Peer, Proxy, TlsVersion};
pub use process::{Command, Output, Process, Signal};
pub use receiver::{Receiver, Reply, Request};
pub use service::{
    Dnsmasq, Doorman, Exim, Haproxy, Knot, Nginx, Postgres, Redis, Service, Smtp, Sshd, Unbound,
    Zone,
};
pub use systemd::Systemd;
pub use until::{try_until, until};
