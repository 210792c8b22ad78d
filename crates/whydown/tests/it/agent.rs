//! The host agent as a real process beside a real server: what it may tell, how soon a killed
//! process is told, and what it costs.

mod hosts;
mod late;
mod rights;
mod timing;

use std::path::PathBuf;
use std::time::Duration;

use whydown_lab::{Command, Host, Process, until};

use crate::run::{run, whydown};

/// Real processes start slowly on a busy machine.
const WAIT: Duration = Duration::from_secs(30);

/// A server that agents elsewhere can dial.
struct Centre {
    host: Host,
    data: PathBuf,
    address: String,
    config: PathBuf,
    process: Option<Process>,
    token: String,
}

impl Centre {
    fn start(host: &Host, config: &str) -> Self {
        let directory = host.directory("centre");
        let file = directory.join("whydown.yaml");
        std::fs::write(&file, config).unwrap();
        let data = directory.join("data");
        let address = format!("{}:8088", host.v4());
        let create = ["admin", "token", "create", "--name", "test", "--scope", "admin", "--data"];
        let create = [&create[..], &[data.to_str().unwrap()]].concat();
        let token = run(whydown(host), &create).success().trim().to_owned();
        let mut centre =
            Self { host: host.clone(), data, address, process: None, token, config: file };
        centre.start_again();
        centre
    }

    /// Ends the server.
    fn stop(&mut self) {
        self.process = None;
    }

    /// Starts the server and waits until it answers.
    fn start_again(&mut self) {
        let mut command = whydown(&self.host);
        command.arg("serve").args(["--listen", &self.address]);
        command.arg("--config").arg(&self.config).arg("--data").arg(&self.data);
        let mut process = self.host.spawn_command(command);
        until(WAIT, "the server to answer", || {
            if let Some(status) = process.ended() {
                panic!("the server ended ({status}): {}", process.output());
            }
            let url = format!("http://{}/healthz", self.address);
            (self.host.exec("curl", &["-sf", "-m", "2", &url]).code == Some(0)).then_some(())
        });
        self.process = Some(process);
    }

    /// What the server has printed.
    fn output(&self) -> String {
        self.process.as_ref().map(Process::output).unwrap_or_default()
    }

    /// `GET` of the API.
    fn get(&self, path: &str) -> serde_json::Value {
        let bearer = format!("Authorization: Bearer {}", self.token);
        let url = format!("http://{}/api/v1{path}", self.address);
        let text = self.host.exec("curl", &["-sS", "-m", "10", "-H", &bearer, &url]).success();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}: {text}"))
    }

    /// Starts an agent on a host and waits until it is linked.
    fn agent(&self, host: &Host) -> Process {
        self.agent_by(host, |_| {})
    }

    /// The same with a command that is changed before.
    fn agent_by(&self, host: &Host, change: impl FnOnce(&mut Command)) -> Process {
        let data = self.data.to_str().unwrap();
        let add = ["admin", "agent", "add", "--data", data, "--name", "web1"];
        let token = run(whydown(&self.host), &add).success().trim().to_owned();
        let mut command = whydown(host);
        command.args(["agent", "--server", &format!("https://{}", self.address)]);
        command.arg("--data").arg(host.directory("agent")).args(["--token", &token]);
        change(&mut command);
        let mut agent = host.spawn_command(command);
        until(WAIT, "the agent to be linked", || {
            if let Some(status) = agent.ended() {
                panic!("the agent ended ({status}): {}", agent.output());
            }
            agent.output().contains("linked").then_some(())
        });
        agent
    }
}
