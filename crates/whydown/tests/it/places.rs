//! Many places: `whydown probe` as real processes in networks of their own, linked to one server.

mod apart;
mod cut;
mod killed;
mod link;
mod load;
mod sixteen;

use std::path::PathBuf;

use whydown_lab::{Host, Process};

use crate::outage::Server;
use crate::run::whydown;

/// A `whydown probe` that can be killed and started again.
pub(crate) struct Probe {
    host: Host,
    server: String,
    directory: PathBuf,
    token: String,
    /// Words before the command, such as another clock.
    wrapper: Vec<String>,
    pub(crate) process: Process,
}

impl Probe {
    /// Defines the location at the server and starts a probe for it on `host`.
    pub(crate) fn start(server: &Server, host: &Host, location: &[&str]) -> Self {
        let token = server.add_location(location);
        Self::with_token(server, host, token, Vec::new())
    }

    pub(crate) fn with_token(
        server: &Server,
        host: &Host,
        token: String,
        wrapper: Vec<String>,
    ) -> Self {
        let directory = host.directory("probe");
        let server = server.link_url();
        let process = spawn(host, &server, &directory, &token, &wrapper);
        Self { host: host.clone(), server, directory, token, wrapper, process }
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.process.kill();
    }

    /// The same command line again.
    pub(crate) fn start_again(&mut self) {
        let Self { host, server, directory, token, wrapper, .. } = self;
        self.process = spawn(host, server, directory, token, wrapper);
    }

    pub(crate) fn output(&self) -> String {
        self.process.output()
    }
}

fn spawn(
    host: &Host,
    server: &str,
    directory: &std::path::Path,
    token: &str,
    wrapper: &[String],
) -> Process {
    let mut command = match wrapper.split_first() {
        None => whydown(host),
        Some((program, words)) => {
            let mut command = crate::run::client(host, program);
            command.args(words).arg(crate::run::program());
            command
        }
    };
    command.args(["probe", "--server", server, "--token", token, "--data"]).arg(directory);
    host.spawn_command(command)
}
