//! dnsmasq: a resolver as many offices have it, with names of its own.

use std::fs;
use std::ops::Deref;

use super::{Ready, Service};
use crate::fail::OrFail as _;
use crate::host::Host;

/// A running dnsmasq; see [`Service`] for stop and start.
#[derive(Debug)]
pub struct Dnsmasq(Service);

impl Deref for Dnsmasq {
    type Target = Service;

    fn deref(&self) -> &Service {
        &self.0
    }
}

impl Dnsmasq {
    /// Starts dnsmasq on a port of a host with lines of its configuration, e.g.
    /// `host-record=shop.example,10.99.2.10,fd99:2::10`, `address=/gone.example/` (NXDOMAIN),
    /// `server=10.99.2.20` (ask there). Without a `server` what it doesn't know is REFUSED.
    #[track_caller]
    pub fn start(host: &Host, port: u16, lines: &str) -> Self {
        let directory = host.directory("dnsmasq");
        let conf = format!(
            "port={port}\nno-resolv\nno-hosts\nno-daemon\nuser=root\nlog-facility=-\n\
             log-queries\npid-file=\ncache-size=150\n{lines}\n"
        );
        fs::write(directory.join("dnsmasq.conf"), conf).or_fail("cannot write a file");
        let args = ["--conf-file=dnsmasq.conf"];
        Self(Service::launch(host, &directory, "dnsmasq", &args, Ready::Port(port)))
    }
}
