//! From a refused port to a delivered alert: `whydown serve` as a real process against real
//! servers and receivers.

mod delivered;
mod killed;
mod slow_channel;

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use serde_json::Value;
use whydown_lab::{Host, Process, Request, until};

use crate::run::{run, whydown};

/// Where the server under test listens, in its own network namespace.
const LISTEN: &str = "127.0.0.1:8088";

/// A `whydown serve` with its configuration and data, which can be killed and started again.
pub(crate) struct Server {
    host: Host,
    directory: PathBuf,
    listen: &'static str,
    process: Process,
    token: String,
}

impl Server {
    /// Writes the configuration, makes a token, starts the server and waits until it answers.
    pub(crate) fn start(host: &Host, config: &str) -> Self {
        Self::start_at(host, config, LISTEN)
    }

    fn start_at(host: &Host, config: &str, listen: &'static str) -> Self {
        let directory = host.directory("whydown");
        std::fs::write(directory.join("whydown.yaml"), config).unwrap();
        let data = directory.join("data");
        let create = ["admin", "token", "create", "--name", "test", "--scope", "admin", "--data"];
        let mut arguments = create.to_vec();
        arguments.push(data.to_str().unwrap());
        let token = run(whydown(host), &arguments).success().trim().to_owned();
        let process = spawn(host, &directory, listen);
        let mut server = Self { host: host.clone(), directory, listen, process, token };
        server.wait_ready();
        server
    }

    /// The same, listening where probes can reach it.
    pub(crate) fn start_open(host: &Host, config: &str) -> Self {
        Self::start_at(host, config, "0.0.0.0:8088")
    }

    /// Where probes reach it.
    pub(crate) fn link_url(&self) -> String {
        format!("https://{}:8088", self.host.v4())
    }

    /// `admin location add`, beside the running server: the token.
    pub(crate) fn add_location(&self, location: &[&str]) -> String {
        self.admin(&[&["location", "add"], location].concat()).trim().to_owned()
    }

    /// `whydown admin`, beside the running server: what it prints.
    pub(crate) fn admin(&self, words: &[&str]) -> String {
        let data = self.directory.join("data");
        let arguments = [&["admin"], words, &["--data", data.to_str().unwrap()]].concat();
        run(whydown(&self.host), &arguments).success()
    }

    /// The API token.
    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    fn wait_ready(&mut self) {
        until(Duration::from_secs(20), format!("the server: {}", self.process.output()), || {
            if let Some(status) = self.process.ended() {
                panic!("the server ended ({status}): {}", self.process.output());
            }
            let answer = self.host.exec("curl", &["-sf", "-m", "2", &url("/healthz")]);
            (answer.code == Some(0)).then_some(())
        });
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again on the same data, without waiting.
    pub(crate) fn start_again(&mut self) {
        self.process = spawn(&self.host, &self.directory, self.listen);
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// What it has printed.
    pub(crate) fn output(&self) -> String {
        self.process.output()
    }

    /// `GET` of the API of a server that may be starting.
    pub(crate) fn try_get(&self, path: &str) -> Option<Value> {
        let bearer = format!("Authorization: Bearer {}", self.token);
        let url = url(&format!("/api/v1{path}"));
        let output = self.host.exec("curl", &["-sS", "-m", "10", "-H", &bearer, &url]);
        (output.code == Some(0)).then(|| serde_json::from_str(&output.stdout).ok())?
    }

    /// `GET` of the API.
    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Value {
        let bearer = format!("Authorization: Bearer {}", self.token);
        let url = url(&format!("/api/v1{path}"));
        let text = self.host.exec("curl", &["-sS", "-m", "10", "-H", &bearer, &url]).success();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}: {text}"))
    }

    /// Waits until a monitor is in a state.
    #[track_caller]
    pub(crate) fn wait_state(&self, monitor: &str, state: &str) {
        until(Duration::from_secs(20), format!("{monitor} to be {state}"), || {
            (self.get(&format!("/monitors/{monitor}"))["state"] == state).then_some(())
        });
    }
}

fn url(path: &str) -> String {
    format!("http://{LISTEN}{path}")
}

fn spawn(host: &Host, directory: &std::path::Path, listen: &str) -> Process {
    let mut command = whydown(host);
    command.arg("serve").args(["--listen", listen]);
    command.arg("--config").arg(directory.join("whydown.yaml"));
    command.arg("--data").arg(directory.join("data"));
    host.spawn_command(command)
}

/// Milliseconds from one moment to another, negative when it came before.
pub(crate) fn millis_between(from: Timestamp, to: Timestamp) -> i64 {
    i64::try_from(to.duration_since(from).as_millis()).unwrap()
}

/// When a request arrived.
pub(crate) fn arrival(request: &Request) -> Timestamp {
    Timestamp::try_from(request.time).unwrap()
}

/// The wall clock, as the server under test sees it.
pub(crate) fn now() -> Timestamp {
    Timestamp::try_from(SystemTime::now()).unwrap()
}

/// A time in JSON.
#[track_caller]
pub(crate) fn time(value: &Value) -> Timestamp {
    value.as_str().unwrap_or_else(|| panic!("{value} is no time")).parse().unwrap()
}
