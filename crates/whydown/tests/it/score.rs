//! How right the verdicts are: every fault's mark is a file below `target/`, and the last test of a
//! run adds them up and prints the score.
//!
//! `cargo nextest run --workspace --no-fail-fast -E 'test(/^(fault|score)::/)'`; with all real
//! clients in every scenario, which takes a quarter of an hour, `WHYDOWN_CLIENTS=all` before it.

use std::fmt::{self, Display};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use whydown_lab::until;

use crate::fault;
use crate::run::Verdict;
use crate::scene::{Comparison, Comparisons, Guilty, Scenario};

mod clients;

/// Upper ends of the confidence buckets, in per cent.
const BUCKETS: [u32; 6] = [30, 50, 70, 80, 90, 100];
/// The shares that have to be right, in per cent.
const FAILURE_MIN: f64 = 100.0;
const STAGE_MIN: f64 = 100.0;
const SIDE_MIN: f64 = 98.0;
const CAUSE_MIN: f64 = 95.0;

/// What was right about one verdict.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Mark {
    name: String,
    expected: String,
    found: String,
    state: bool,
    failure: bool,
    stage: bool,
    side: bool,
    /// The first cause is the right one, or both of an undecidable pair are listed, one of them
    /// first.
    cause: bool,
    /// Of the first cause; `None` when none was named.
    confidence: Option<f64>,
    /// What the real clients say, beside `seen_as`.
    clients: Comparisons,
}

impl Mark {
    pub(crate) fn of(scenario: &Scenario, verdict: &Verdict, clients: Comparisons) -> Self {
        let [state, failure, stage, code, side] = verdict.in_short();
        let right = &scenario.right;
        let candidates: Vec<&Guilty> =
            [Some(&right.cause), right.or.as_ref()].into_iter().flatten().collect();
        let listed =
            candidates.iter().all(|guilty| guilty.code == "-" || verdict.names(guilty.code));
        let first = candidates.iter().find(|guilty| guilty.code == code);
        let blamed = first.unwrap_or(&candidates[0]);
        let pair = right.or.map_or_else(String::new, |or| format!(" or {}", or.code));
        let failures = [&[right.failure], right.or_failures].concat().join("/");
        Self {
            name: scenario.name.to_owned(),
            expected: format!(
                "{} {} {} {}{pair}",
                right.state, failures, blamed.stage, right.cause.code
            ),
            found: format!("{state} {failure} {stage} {code}"),
            state: state == right.state,
            failure: right.has_failure(&failure),
            stage: stage == blamed.stage,
            side: side == blamed.side,
            cause: first.is_some() && listed,
            confidence: verdict.json["causes"][0]["confidence"].as_f64(),
            clients,
        }
    }

    pub(crate) fn all_right(&self) -> bool {
        self.state && self.failure && self.stage && self.side && self.cause
    }

    /// Where a client says something else than `seen_as`.
    pub(crate) fn differences(&self) -> Vec<String> {
        let differs = |(client, answer): (&String, &Comparison)| match answer {
            Comparison::Differs { seen_as, really } => Some(format!(
                "{}, {client}: seen_as {}, really {really}",
                self.short_name(),
                seen_as.as_deref().unwrap_or("no error")
            )),
            _ => None,
        };
        self.clients.iter().filter_map(differs).collect()
    }

    fn short_name(&self) -> &str {
        self.name.split_once("fault::").map_or(self.name.as_str(), |(_, name)| name)
    }
}

impl Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.short_name();
        let confidence = self.confidence.unwrap_or_default();
        write!(f, "{name}: {} ({confidence:.2}), expected {}", self.found, self.expected)
    }
}

/// Where the marks of this run are: nextest's tests are processes that share a run's number.
fn folder() -> PathBuf {
    let run = std::env::var("NEXTEST_RUN_ID").unwrap_or_else(|_| std::process::id().to_string());
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("score").join(run)
}

pub(crate) fn write(mark: &Mark) {
    let folder = folder();
    fs::create_dir_all(&folder).unwrap();
    let text = serde_json::to_string(mark).unwrap();
    // Renamed into place, so that a mark that is seen is whole.
    let name = mark.name.replace("::", ".");
    fs::write(folder.join(format!("{name}.tmp")), text).unwrap();
    fs::rename(folder.join(format!("{name}.tmp")), folder.join(format!("{name}.json"))).unwrap();
}

fn marks() -> Vec<Mark> {
    let files = fs::read_dir(folder()).into_iter().flatten().filter_map(Result::ok);
    let paths =
        files.map(|file| file.path()).filter(|path| path.extension().is_some_and(|e| e == "json"));
    let mut marks: Vec<Mark> = paths
        .map(|path| serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap())
        .collect();
    marks.sort_by(|a, b| a.name.cmp(&b.name));
    marks
}

/// Which share is right, in per cent.
#[expect(clippy::cast_precision_loss, reason = "a few hundred scenarios")]
fn share(marks: &[&Mark], right: impl Fn(&Mark) -> bool) -> f64 {
    let count = marks.iter().filter(|mark| right(mark)).count();
    100.0 * count as f64 / marks.len().max(1) as f64
}

/// Of the verdicts given with so much confidence, so many are right.
fn calibration(marks: &[Mark]) -> String {
    let mut table = "confidence   verdicts   right\n".to_owned();
    let mut from = 0;
    for to in BUCKETS {
        let within = |mark: &&Mark| {
            mark.confidence.is_some_and(|c| {
                let percent = c * 100.0;
                percent > f64::from(from) && percent <= f64::from(to)
            })
        };
        let those: Vec<&Mark> = marks.iter().filter(within).collect();
        let right = share(&those, |mark| mark.cause);
        let right = if those.is_empty() { "     -".to_owned() } else { format!("{right:5.1} %") };
        table += &format!("{from:3}-{to:3} %    {:8}   {right}\n", those.len());
        from = to;
    }
    table
}

#[test]
fn the_verdicts_on_all_faults_are_right_often_enough() {
    let marks = until(Duration::from_secs(110), "the marks of all faults", || {
        Some(marks()).filter(|marks| marks.len() >= fault::COUNT)
    });
    let all: Vec<&Mark> = marks.iter().collect();
    let failure = share(&all, |mark| mark.failure && mark.state);
    let stage = share(&all, |mark| mark.stage);
    let side = share(&all, |mark| mark.side);
    let cause = share(&all, |mark| mark.cause);
    println!(
        "{} faults\nfailure and state {failure:5.1} %\nstage             {stage:5.1} %",
        marks.len()
    );
    println!("side              {side:5.1} %\nfirst cause       {cause:5.1} %\n");
    println!("{}", calibration(&marks));
    if std::env::var_os("WHYDOWN_CLIENTS").is_some() {
        println!("{}", clients::summary(&marks));
    }
    for mark in marks.iter().filter(|mark| !mark.all_right()) {
        println!("wrong: {mark}");
    }
    let _ = fs::remove_dir_all(folder());
    assert!(marks.iter().all(|mark| mark.differences().is_empty()), "real clients disagree");
    assert!(failure >= FAILURE_MIN && stage >= STAGE_MIN && side >= SIDE_MIN && cause >= CAUSE_MIN);
}
