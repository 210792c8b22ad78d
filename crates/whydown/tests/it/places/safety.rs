//! What somebody can do who holds a probe's key, sits between probe and server, or writes what a
//! probe is to check: as little as possible. The attacker is curl, and plain sockets.

mod flood;
mod forged;
mod held;
mod keys;
mod way;

use std::time::Duration;

use serde_json::Value;
use whydown_core::observation::{Attempt, Observation, State};
use whydown_core::wire::{Batch, Numbered, Report};
use whydown_lab::{Host, Output, until};

use super::{PATIENCE, Probe, wait_live};
use crate::outage::{Server, now};

/// Sequences that no probe of a test comes to.
const FORGED: u64 = 1_000_000;

/// The key in a probe's data directory.
fn key_of(probe: &Probe) -> String {
    let file = std::fs::read(probe.directory.join("identity.json")).unwrap();
    let identity: Value = serde_json::from_slice(&file).unwrap();
    identity["key"].as_str().unwrap().to_owned()
}

/// Posts something to the server with somebody's key: the status and what it says.
fn post(host: &Host, server: &Server, path: &str, (key, body): (&str, &str)) -> (String, String) {
    let mut command = crate::run::client(host, "curl");
    command.args(["-sk", "-m", "20", "-w", "\n%{http_code}", "--data-binary", "@-"]);
    // Or its last word may be that it was to go on.
    command.args(["-H", "Expect:"]);
    command.args(["-H", &format!("Authorization: Bearer {key}")]);
    command.args(["-H", "Content-Type: application/json"]);
    command.arg(format!("{}{path}", server.link_url()));
    let output = Output::of(command, Some(body.to_owned()), Duration::from_secs(30));
    let (said, status) = output.stdout.rsplit_once('\n').unwrap_or_default();
    (status.to_owned(), said.to_owned())
}

/// The same when the probe whose key it is may be talking at this very moment.
fn post_in_turn(host: &Host, server: &Server, path: &str, what: (&str, &str)) -> (String, String) {
    until(PATIENCE, format!("an answer to {path}"), || {
        let (status, said) = post(host, server, path, what);
        (status != "429").then_some((status, said))
    })
}

/// A report that says what somebody likes.
fn report(monitor: &str, location: &str, state: State) -> Report {
    let mut attempt = Attempt::new("10.99.2.10".parse().unwrap(), 80, Duration::ZERO);
    let failure = (state == State::Down).then_some(whydown_core::failure::Failure::TcpRefused);
    attempt.failure = failure;
    let seen = Observation {
        at: now(),
        elapsed: Duration::from_millis(1),
        state,
        failure,
        lookup: None,
        proxy: None,
        attempts: vec![attempt],
    };
    let evidence = whydown_core::evidence::Evidence {
        // A failure with two repeats is one that counts.
        observations: vec![seen; 3],
        ..Default::default()
    };
    Report { monitor: monitor.to_owned(), location: location.to_owned(), evidence }
}

/// A batch of reports as JSON, numbered from `first` on.
fn batch(first: u64, reports: Vec<Report>) -> String {
    let numbered = (first..).zip(reports);
    let reports = numbered.map(|(sequence, report)| Numbered { sequence, ahead_ms: None, report });
    let batch = Batch { reports: reports.collect(), ..Batch::default() };
    serde_json::to_string(&batch).unwrap()
}

/// The newest observation of a monitor from a location.
fn newest(server: &Server, monitor: &str, location: &str) -> Option<Value> {
    let all = server.get(&format!("/monitors/{monitor}/observations?limit=100"));
    let mut all = all["observations"].as_array()?.clone().into_iter();
    all.find(|seen| seen["location"] == location)
}
