//! Redis, open to everyone who reaches it.

use std::ops::Deref;

use super::{Ready, Service};
use crate::host::Host;

/// A running Redis; see [`Service`] for stop and start.
#[derive(Debug)]
pub struct Redis {
    service: Service,
    port: u16,
}

impl Deref for Redis {
    type Target = Service;

    fn deref(&self) -> &Service {
        &self.service
    }
}

impl Redis {
    /// Starts Redis on a host, on all its addresses; port 0 for a free one. With a password when
    /// there is one.
    #[track_caller]
    pub fn start(host: &Host, port: u16, password: Option<&str>) -> Self {
        let port = if port == 0 { host.free_port() } else { port };
        let directory = host.directory("redis");
        let number = port.to_string();
        let mut args = vec!["--port", &number, "--bind", "*", "-::*", "--protected-mode", "no"];
        args.extend(["--save", "", "--daemonize", "no"]);
        if let Some(password) = password {
            args.extend(["--requirepass", password]);
        }
        let ready = Ready::Port(port);
        let service = Service::launch(host, &directory, "redis-server", &args, ready);
        Self { service, port }
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }
}
