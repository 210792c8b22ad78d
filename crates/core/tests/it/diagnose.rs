//! Scenarios: facts and expected verdict side by side, one file each in `tests/scenarios`.
//! Adding a file adds a test case.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value, json};
use whydown_core::cause::{Cause, Side};
use whydown_core::diagnose::diagnose;
use whydown_core::diagnosis::{Diagnosis, StageState};
use whydown_core::evidence::Evidence;
use whydown_core::failure::{Failure, Stage};
use whydown_core::observation::{Attempt, Observation, State};
use whydown_core::scope::ScopeKind;
use whydown_core::target::Target;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    state: State,
    failure: Option<Failure>,
    stage: Option<Stage>,
    /// The first cause.
    cause: Option<Cause>,
    side: Option<Side>,
    #[serde(default)]
    confidence_min: f64,
    confidence_max: Option<f64>,
    /// Causes that must be listed too.
    #[serde(default)]
    also: Vec<Cause>,
    scope: Option<ScopeKind>,
    /// What some clients say, by their names in `seen_as`; `-`: they show no error.
    #[serde(default)]
    seen_as: BTreeMap<String, String>,
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios")
}

/// Fills in what a scenario need not say.
fn complete(scenario: &mut Map<String, Value>) {
    let observations = scenario.entry("observations").or_insert(json!([]));
    for (i, observation) in observations.as_array_mut().unwrap().iter_mut().enumerate() {
        let observation = observation.as_object_mut().unwrap();
        let attempts = observation.entry("attempts").or_insert(json!([]));
        for attempt in attempts.as_array_mut().unwrap() {
            fill(
                attempt,
                &json!({"port": 80, "offset_ms": 0.0, "elapsed_ms": 10.4, "step": "connect"}),
            );
        }
        let judged: Vec<Attempt> = serde_json::from_value(attempts.clone()).unwrap();
        let (state, failure) = match observation.get("failure") {
            Some(_) => (State::Down, None),
            None if judged.is_empty() => (State::Up, None),
            None => Observation::judge(&judged),
        };
        if let Some(lookup) = observation.get_mut("lookup") {
            fill(lookup, &json!({"name": "shop.test", "elapsed_ms": 3.1, "source": "dns"}));
        }
        let mut defaults = json!({
            "at": format!("2026-11-23T12:00:0{i}Z"), "elapsed_ms": 12.0, "state": state,
        });
        if let Some(failure) = failure {
            defaults["failure"] = json!(failure);
        }
        let mut value = Value::Object(std::mem::take(observation));
        fill(&mut value, &defaults);
        *observation = value.as_object().unwrap().clone();
    }
    for list in ["neighbours", "name_servers"] {
        for entry in scenario.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            fill(entry, &json!({"elapsed_ms": 10.2}));
        }
    }
}

fn fill(value: &mut Value, defaults: &Value) {
    let object = value.as_object_mut().unwrap();
    for (key, default) in defaults.as_object().unwrap() {
        object.entry(key.clone()).or_insert(default.clone());
    }
}

fn run(path: &Path) -> Result<(), String> {
    #[expect(
        clippy::disallowed_methods,
        reason = "a test reads its scenarios; core itself does not"
    )]
    let text = std::fs::read_to_string(path).unwrap();
    let table: toml::Table = text.parse().map_err(|error| format!("{error}"))?;
    let Value::Object(mut scenario) = serde_json::to_value(table).unwrap() else { unreachable!() };
    let target: Target = scenario["target"].as_str().unwrap().parse().unwrap();
    let expected: Expected =
        serde_json::from_value(scenario.remove("expect").unwrap()).map_err(|e| e.to_string())?;
    assert!(scenario.contains_key("about"), "{} says what it is about", path.display());
    complete(&mut scenario);
    let evidence: Evidence =
        serde_json::from_value(Value::Object(scenario)).map_err(|error| error.to_string())?;
    let diagnosis = diagnose(&target, &evidence);
    hold_invariants(&diagnosis);
    compare(&expected, &diagnosis).map_err(|difference| {
        format!("{difference}\n{}", serde_json::to_string_pretty(&diagnosis.causes).unwrap())
    })
}

fn compare(expected: &Expected, diagnosis: &Diagnosis) -> Result<(), String> {
    let check = |what: &str, fine: bool, found: String| {
        if fine { Ok(()) } else { Err(format!("{what} is {found}")) }
    };
    let first = diagnosis.causes.first();
    let confidence = first.map_or(0.0, |cause| cause.confidence);
    check("state", diagnosis.state == expected.state, diagnosis.state.to_string())?;
    check("failure", diagnosis.failure == expected.failure, format!("{:?}", diagnosis.failure))?;
    check("stage", diagnosis.stage == expected.stage, format!("{:?}", diagnosis.stage))?;
    check(
        "cause",
        first.map(|c| c.code) == expected.cause,
        format!("{:?}", first.map(|c| c.code)),
    )?;
    if expected.side.is_some() {
        check("side", first.map(|c| c.side) == expected.side, format!("{first:?}"))?;
    }
    let range = expected.confidence_min..=expected.confidence_max.unwrap_or(1.0);
    check("confidence", range.contains(&confidence), confidence.to_string())?;
    for cause in &expected.also {
        let listed = diagnosis.causes.iter().any(|c| c.code == *cause);
        check("list", listed, format!("without {cause}"))?;
    }
    let seen = serde_json::to_value(&diagnosis.seen_as).unwrap();
    for (client, words) in &expected.seen_as {
        let found = seen[client].as_str().unwrap_or("-");
        check(client, found == words, found.to_owned())?;
    }
    match expected.scope {
        Some(scope) => {
            check("scope", diagnosis.scope.kind == scope, format!("{:?}", diagnosis.scope))
        }
        None => Ok(()),
    }
}

/// What holds for every verdict.
fn hold_invariants(diagnosis: &Diagnosis) {
    let sum: f64 = diagnosis.causes.iter().map(|cause| cause.confidence).sum();
    assert!(sum <= 1.03, "confidences sum to {sum}");
    for pair in diagnosis.causes.windows(2) {
        assert!(pair[0].confidence >= pair[1].confidence, "causes are ranked");
    }
    for cause in &diagnosis.causes {
        for id in &cause.because {
            assert!(diagnosis.evidence.iter().any(|fact| fact.id == *id), "{id} exists");
        }
        assert!(
            !cause.because.is_empty() || diagnosis.failure.is_none(),
            "{} has reasons",
            cause.code
        );
    }
    let failing = diagnosis
        .path
        .iter()
        .position(|s| matches!(s.state, StageState::Failing | StageState::Degraded));
    assert_eq!(
        failing.is_some(),
        diagnosis.failure.is_some(),
        "a failure has its place: {:?}",
        diagnosis.path
    );
    if let Some(failing) = failing {
        let after = &diagnosis.path[failing + 1..];
        assert!(
            after.iter().all(|stage| stage.state != StageState::Ok),
            "later stages are never ok"
        );
    }
    assert!(!diagnosis.summary.is_empty());
}

#[test]
fn every_scenario_gets_its_verdict() {
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(paths.len() >= 30, "only {} scenarios", paths.len());
    let failed: Vec<String> = paths
        .iter()
        .filter_map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            run(path).err().map(|difference| format!("{name}: {difference}"))
        })
        .collect();
    assert!(
        failed.is_empty(),
        "{} of {} differ:\n{}",
        failed.len(),
        paths.len(),
        failed.join("\n")
    );
}

#[test]
fn without_evidence_nothing_is_claimed() {
    let target: Target = "example.com".parse().unwrap();
    let diagnosis = diagnose(&target, &Evidence::default());
    assert_eq!(diagnosis.state, State::Inconclusive);
    assert_eq!(diagnosis.failure, None);
    assert!(diagnosis.causes.is_empty());
}

#[test]
fn every_failure_has_a_verdict_that_keeps_the_invariants() {
    let target: Target = "https://shop.test/".parse().unwrap();
    for failure in Failure::ALL {
        let mut attempt =
            Attempt::new("10.99.2.10".parse().unwrap(), 443, std::time::Duration::ZERO);
        attempt.failure = Some(*failure);
        let (state, _) = Observation::judge(std::slice::from_ref(&attempt));
        let observation = Observation {
            at: "2026-11-23T12:00:00Z".parse().unwrap(),
            elapsed: std::time::Duration::from_millis(12),
            state,
            failure: Some(*failure),
            lookup: None,
            proxy: None,
            attempts: vec![attempt],
        };
        let evidence = Evidence { observations: vec![observation], ..Evidence::default() };
        let diagnosis = diagnose(&target, &evidence);
        hold_invariants(&diagnosis);
        assert!(!diagnosis.causes.is_empty(), "{failure} has causes");
    }
}
