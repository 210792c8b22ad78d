//! Containers that publish a port, also those that have ended: by the `docker` or `podman`
//! command, where it is there and may be used.

use std::time::Duration;

use serde_json::Value;
use whydown_core::inside::{Bond, LogLine, Unit};

use crate::{bounded, redact};

/// Containers told of.
const CONTAINERS_MAX: usize = 4;
const LINE_MAX_CHARS: usize = 240;

/// Containers that publish `port`.
pub(super) fn units(port: u16, patience: Duration) -> Vec<Unit> {
    for program in ["docker", "podman"] {
        let filter = format!("publish={port}");
        let arguments = ["ps", "--all", "--quiet", "--no-trunc", "--filter", &filter];
        let Some(text) = bounded::run(program, &arguments, patience) else { continue };
        let ids: Vec<&str> = text.lines().take(CONTAINERS_MAX).collect();
        if ids.is_empty() {
            continue;
        }
        let arguments = [&["inspect"], ids.as_slice()].concat();
        let Some(text) = bounded::run(program, &arguments, patience) else { continue };
        let Ok(Value::Array(containers)) = serde_json::from_str(&text) else { continue };
        let complete = |container: &Value| {
            let mut unit = parse(program, container)?;
            unit.log = log(program, container.get("Id")?.as_str()?, patience);
            Some(unit)
        };
        return containers.iter().filter_map(complete).collect();
    }
    Vec::new()
}

fn parse(program: &str, container: &Value) -> Option<Unit> {
    let state = container.get("State")?;
    let text = |key: &str| state.get(key).and_then(Value::as_str).unwrap_or_default();
    let time = |key: &str| text(key).parse().ok().filter(|at: &jiff::Timestamp| at.as_second() > 0);
    let runs = state.get("Running").and_then(Value::as_bool).unwrap_or(false);
    let code = state.get("ExitCode").and_then(Value::as_i64);
    Some(Unit {
        name: container.get("Name")?.as_str()?.trim_start_matches('/').to_owned(),
        bond: Bond::Configured,
        bond_source: Some(format!("{program} publishes the port")),
        supervisor: Some(program.to_owned()),
        state: text("Status").to_owned(),
        exit_code: code.filter(|_| !runs).and_then(|code| i32::try_from(code).ok()),
        restarts: container
            .get("RestartCount")
            .and_then(Value::as_u64)
            .and_then(|count| u32::try_from(count).ok())
            .unwrap_or(0),
        started_at: time("StartedAt"),
        stopped_at: time("FinishedAt").filter(|_| !runs),
        oom_killed: state.get("OOMKilled").and_then(Value::as_bool).unwrap_or(false),
        ..Unit::default()
    })
}

fn log(program: &str, id: &str, patience: Duration) -> Vec<LogLine> {
    let text = bounded::run(program, &["logs", "--tail", "12", id], patience).unwrap_or_default();
    let kept = |line: &str| redact::mask(&redact::printable(line, LINE_MAX_CHARS));
    let source = format!("{program} logs");
    text.lines()
        .map(|line| LogLine { at: None, text: kept(line), source: source.clone() })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_that_was_killed_is_read() {
        let container = serde_json::json!({
            "Id": "3f4a", "Name": "/shop", "RestartCount": 2,
            "State": {"Status": "exited", "Running": false, "OOMKilled": true, "ExitCode": 137,
                      "StartedAt": "2026-11-23T12:00:00.1Z", "FinishedAt": "2026-11-23T12:01:00Z"}
        });
        let unit = parse("docker", &container).unwrap();
        assert_eq!((unit.name.as_str(), unit.exit_code, unit.restarts), ("shop", Some(137), 2));
        assert!(unit.oom_killed && unit.has_failed());
        assert!(unit.stopped_at > unit.started_at);
    }
}
