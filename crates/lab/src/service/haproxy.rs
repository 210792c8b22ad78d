//! HAProxy, with any `frontend` and `backend` sections.

use std::fs;
use std::ops::Deref;

use super::{Ready, Service};
use crate::fail::OrFail as _;
use crate::host::Host;

/// A running HAProxy; see [`Service`] for stop and start.
#[derive(Debug)]
pub struct Haproxy(Service);

impl Deref for Haproxy {
    type Target = Service;

    fn deref(&self) -> &Service {
        &self.0
    }
}

impl Haproxy {
    /// Starts HAProxy on a host with the given sections; `defaults` are HTTP with timeouts of 5 s.
    #[track_caller]
    pub fn start(host: &Host, sections: &str) -> Self {
        let directory = host.directory("haproxy");
        let conf = format!(
            "global\n    log stdout format raw local0\n    tune.ssl.default-dh-param 2048\n\
             defaults\n    mode http\n    log global\n    option httplog\n    \
             timeout connect 5s\n    timeout client 5s\n    timeout server 5s\n{sections}\n"
        );
        fs::write(directory.join("haproxy.cfg"), conf).or_fail("cannot write a file");
        let port = first_port(sections).or_fail("haproxy needs a line `bind ADDRESS:PORT`");
        let args = ["-db", "-f", "haproxy.cfg"];
        Self(Service::launch(host, &directory, "haproxy", &args, Ready::Port(port)))
    }

    pub(crate) fn into_service(self) -> Service {
        self.0
    }
}

/// The port of the first `bind` line.
fn first_port(sections: &str) -> Option<u16> {
    let bind = sections.lines().find_map(|line| line.trim().strip_prefix("bind "))?;
    bind.split_whitespace().next()?.rsplit_once(':')?.1.parse().ok()
}
