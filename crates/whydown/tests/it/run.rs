//! Running the built `whydown` on a host of the lab.

use std::fmt::Display;
use std::time::Duration;

use serde_json::Value;
use whydown_lab::{Command, Host, Output};

/// Variables of the test's own surroundings that would change what a client does.
const FOREIGN: [&str; 8] = [
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
];

/// The program under test: the one just built, or `WHYDOWN_BINARY` (a release build, to measure).
pub(crate) fn program() -> String {
    std::env::var("WHYDOWN_BINARY").unwrap_or_else(|_| env!("CARGO_BIN_EXE_whydown").to_owned())
}

/// `whydown` on a host, without arguments yet.
pub(crate) fn whydown(host: &Host) -> Command {
    client(host, &program())
}

/// Any client on a host, without a proxy.
pub(crate) fn client(host: &Host, program: &str) -> Command {
    let mut command = host.command(program);
    for name in FOREIGN {
        command.env_remove(name);
    }
    command
}

/// Runs it to its end.
pub(crate) fn run(mut command: Command, arguments: &[&str]) -> Output {
    command.args(arguments);
    Output::of(command, None, Duration::from_secs(60))
}

/// A verdict as the command printed it.
pub(crate) struct Verdict {
    pub(crate) json: Value,
    pub(crate) output: Output,
}

impl Verdict {
    /// Reads the verdict from `diagnose --json`.
    #[track_caller]
    pub(crate) fn of(output: Output) -> Self {
        let json = serde_json::from_str(&output.stdout)
            .unwrap_or_else(|error| panic!("no verdict ({error}): {output}"));
        let verdict = Self { json, output };
        verdict.exits_properly();
        verdict
    }

    /// State, failure, stage, first cause and its side, in one look.
    pub(crate) fn in_short(&self) -> [String; 5] {
        let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        let cause = &self.json["causes"][0];
        [
            text(&self.json["state"]),
            text(&self.json["failure"]),
            text(&self.json["stage"]),
            text(&cause["code"]),
            text(&cause["side"]),
        ]
    }

    /// Is this cause listed, at whatever place?
    pub(crate) fn names(&self, cause: &str) -> bool {
        self.json["causes"]
            .as_array()
            .is_some_and(|causes| causes.iter().any(|c| c["code"] == cause))
    }

    /// Does a fact contain this text?
    pub(crate) fn knows(&self, text: &str) -> bool {
        let facts = self.json["evidence"].as_array().into_iter().flatten();
        text.is_empty()
            || facts.into_iter().any(|fact| fact["fact"].as_str().is_some_and(|f| f.contains(text)))
    }

    /// The exit code belongs to the state.
    #[track_caller]
    fn exits_properly(&self) {
        let code = match self.json["state"].as_str().unwrap() {
            "up" => 0,
            "inconclusive" => 3,
            _ => 1,
        };
        assert_eq!(self.output.code, Some(code), "the exit code fits the state");
    }

    pub(crate) fn story(&self) -> impl Display {
        let mut story = format!("{}\n", self.json["summary"]);
        for cause in self.json["causes"].as_array().into_iter().flatten() {
            story += &format!("  {} {} {}\n", cause["confidence"], cause["code"], cause["because"]);
        }
        for fact in self.json["evidence"].as_array().into_iter().flatten() {
            story += &format!("  {} {} ({})\n", fact["id"], fact["fact"], fact["source"]);
        }
        story
    }
}
