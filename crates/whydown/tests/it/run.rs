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

/// `whydown` on a host, without arguments yet.
pub(crate) fn whydown(host: &Host) -> Command {
    client(host, env!("CARGO_BIN_EXE_whydown"))
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
        Self { json, output }
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

    /// Is it this one? The exit code has to fit too.
    #[track_caller]
    pub(crate) fn is(&self, expected: [&str; 5]) -> &Self {
        assert_eq!(self.in_short(), expected, "\n{}", self.story());
        let code = match expected[0] {
            "up" => 0,
            "inconclusive" => 3,
            _ => 1,
        };
        assert_eq!(self.output.code, Some(code), "the exit code fits the state");
        self
    }

    /// Is this cause listed, at whatever place?
    #[track_caller]
    pub(crate) fn lists(&self, cause: &str) -> &Self {
        let causes = self.json["causes"].as_array().unwrap();
        assert!(
            causes.iter().any(|c| c["code"] == cause),
            "{cause} is not listed\n{}",
            self.story()
        );
        self
    }

    /// Does a fact contain this text?
    #[track_caller]
    pub(crate) fn knows(&self, text: &str) -> &Self {
        let facts = self.json["evidence"].as_array().unwrap();
        let known = facts.iter().any(|fact| fact["fact"].as_str().unwrap().contains(text));
        assert!(known, "no fact says {text:?}\n{}", self.story());
        self
    }

    fn story(&self) -> impl Display {
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

/// `whydown diagnose --json` on a host, with a timeout that tests can wait for.
#[track_caller]
pub(crate) fn diagnose(host: &Host, target: &str) -> Verdict {
    diagnose_with(whydown(host), target)
}

/// The same with a prepared command (environment).
#[track_caller]
pub(crate) fn diagnose_with(command: Command, target: &str) -> Verdict {
    Verdict::of(run(command, &["diagnose", target, "--json", "--timeout", "2500ms"]))
}
