//! Unbound: a validating, caching resolver.

use std::fs;
use std::ops::Deref;

use super::{Ready, Service};
use crate::fail::OrFail as _;
use crate::host::Host;

/// A running Unbound; see [`Service`] for stop and start.
#[derive(Debug)]
pub struct Unbound(Service);

impl Deref for Unbound {
    type Target = Service;

    fn deref(&self) -> &Service {
        &self.0
    }
}

impl Unbound {
    /// Starts Unbound on a port of a host with further configuration: first lines of the `server:`
    /// section, then whole sections such as `forward-zone:` or `stub-zone:`.
    #[track_caller]
    pub fn start(host: &Host, port: u16, server: &str, sections: &str) -> Self {
        let directory = host.directory("unbound");
        let at = directory.display();
        let conf = format!(
            "server:\n  interface: 0.0.0.0\n  interface: ::0\n  port: {port}\n  username: \"\"\n  \
             chroot: \"\"\n  directory: \"{at}\"\n  pidfile: \"\"\n  use-syslog: no\n  \
             logfile: \"\"\n  verbosity: 1\n  num-threads: 1\n  access-control: 0.0.0.0/0 allow\n  \
             access-control: ::0/0 allow\n  do-not-query-localhost: no\n  \
             module-config: \"validator iterator\"\n{server}\nremote-control:\n  \
             control-enable: no\n{sections}\n"
        );
        fs::write(directory.join("unbound.conf"), conf).or_fail("cannot write a file");
        let args = ["-d", "-c", "unbound.conf"];
        Self(Service::launch(host, &directory, "unbound", &args, Ready::Port(port)))
    }
}
