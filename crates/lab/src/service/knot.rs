//! Knot DNS: an authoritative server for any zones.

use std::fmt::Write as _;
use std::fs;
use std::ops::Deref;

use super::{Ready, Service};
use crate::fail::OrFail as _;
use crate::host::Host;

/// A zone of an authoritative server.
#[derive(Clone, Debug)]
pub struct Zone {
    name: String,
    text: String,
    signed: bool,
}

impl Zone {
    /// A zone by its name and the records of its zone file; SOA and NS are added.
    /// A record looks like `www 60 A 10.99.2.10`.
    pub fn new(name: &str, records: &str) -> Self {
        Self { name: name.into(), text: records.into(), signed: false }
    }

    /// Signed by the server with keys of its own (DNSSEC).
    #[must_use]
    pub fn signed(mut self) -> Self {
        self.signed = true;
        self
    }

    fn file(&self) -> String {
        format!(
            "$ORIGIN {}.\n$TTL 60\n@ SOA ns admin 1 3600 600 86400 60\n@ NS ns\n\
             ns A 127.0.0.1\n{}\n",
            self.name, self.text
        )
    }
}

/// A running Knot DNS; see [`Service`] for stop and start.
#[derive(Debug)]
pub struct Knot(Service);

impl Deref for Knot {
    type Target = Service;

    fn deref(&self) -> &Service {
        &self.0
    }
}

impl Knot {
    /// Starts Knot on a port of a host. It REFUSES every name outside its zones.
    #[track_caller]
    pub fn start(host: &Host, port: u16, zones: &[Zone]) -> Self {
        let directory = host.directory("knot");
        fs::create_dir(directory.join("db")).or_fail("cannot make a directory");
        let at = directory.display();
        let mut conf = format!(
            "server:\n  listen: [ 0.0.0.0@{port}, ::@{port} ]\n  rundir: {at}\n  user: root\n  \
             udp-workers: 1\n  tcp-workers: 1\n  background-workers: 1\n\
             log:\n  - target: stderr\n    any: info\n\
             database:\n  storage: {at}/db\n  journal-db-max-size: 10M\n\
             template:\n  - id: default\n    storage: {at}\n\
             policy:\n  - id: lab\n    algorithm: ecdsap256sha256\n    single-type-signing: on\n\
             zone:\n"
        );
        for zone in zones {
            let name = &zone.name;
            let signing = if zone.signed { "on\n    dnssec-policy: lab" } else { "off" };
            let _ = write!(
                conf,
                "  - domain: {name}\n    file: {name}.zone\n    dnssec-signing: {signing}\n"
            );
            fs::write(directory.join(format!("{name}.zone")), zone.file())
                .or_fail("cannot write a file");
        }
        fs::write(directory.join("knot.conf"), conf).or_fail("cannot write a file");
        let args = ["-c", "knot.conf"];
        // It listens before its zones are there, and signed.
        let loaded = |zone: &Zone| format!("[{}.] loaded", zone.name);
        let ready = Ready::Said(zones.iter().map(loaded).collect());
        Self(Service::launch(host, &directory, "knotd", &args, ready))
    }
}
