//! Many places: `whydown probe` as real processes in networks of their own, linked to one server.

mod apart;
mod asked;
mod cut;
mod killed;
mod link;
mod load;
mod safety;
mod several;
mod sixteen;
mod storm;
mod world;

use std::path::{Path, PathBuf};
use std::time::Duration;

use whydown_lab::{Host, Process, until};

use crate::outage::Server;
use crate::run::whydown;

/// Longer than anything takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until a probe of a location is linked; its id.
fn wait_live(server: &Server, location: &str) -> String {
    until(PATIENCE, format!("{location} to be live: {}", server.output()), || {
        let all = server.get("/locations")["locations"].as_array()?.clone();
        let place = all.into_iter().find(|place| place["name"] == location)?;
        let probe = place["probes"].as_array()?.iter().find(|probe| probe["live"] == true)?.clone();
        Some(probe["id"].as_str()?.to_owned())
    })
}

/// A `whydown probe` that can be killed and started again.
pub(crate) struct Probe {
    host: Host,
    server: String,
    directory: PathBuf,
    token: String,
    /// Words before the command, such as another clock.
    wrapper: Vec<String>,
    flags: Vec<String>,
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
        Self::of(host, server.link_url(), token, (wrapper, Vec::new()))
    }

    /// With words before the command and flags after it.
    fn of(
        host: &Host,
        server: String,
        token: String,
        (wrapper, flags): (Vec<String>, Vec<String>),
    ) -> Self {
        let directory = host.directory("probe");
        let process = spawn(host, (&server, &directory, &token), &wrapper, &flags);
        Self { host: host.clone(), server, directory, token, wrapper, flags, process }
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.process.kill();
    }

    /// The same command line again.
    pub(crate) fn start_again(&mut self) {
        let Self { host, server, directory, token, wrapper, flags, .. } = self;
        self.process = spawn(host, (server, directory, token), wrapper, flags);
    }

    pub(crate) fn output(&self) -> String {
        self.process.output()
    }
}

fn spawn(
    host: &Host,
    (server, directory, token): (&str, &Path, &str),
    wrapper: &[String],
    flags: &[String],
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
    command.args(flags);
    host.spawn_command(command)
}
