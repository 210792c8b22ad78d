//! What must not stand in code.

use super::rust::{calls, closing, line_of, without_tests};
use crate::finding::Finding;
use crate::tree::{File, Tree};

/// Macros that stand for code that isn't there, or for a look that was meant to be short.
const UNFINISHED: [&str; 3] = ["todo!", "unimplemented!", "dbg!"];

/// Ways to ask a database for the time, lower case.
const SQL_CLOCKS: [&str; 6] =
    ["now()", "current_timestamp", "current_time", "'now'", "unixepoch()", "clock_timestamp"];

/// A test that doesn't run proves nothing and looks as if it did.
pub(super) fn no_test_is_ignored(tree: &Tree) -> Vec<Finding> {
    attributes(tree, |attribute| {
        let is_ignored = calls(attribute, "ignore").next().is_some();
        is_ignored.then(|| "an ignored test; make it run, or delete it".to_owned())
    })
}

/// What is merged works.
pub(super) fn nothing_is_unfinished(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.rust() {
        let code = file.code();
        for name in UNFINISHED {
            for at in calls(code, name) {
                let message = format!("`{name}`; finish it or take it out");
                findings.push(Finding::new(&file.path, line_of(code, at), message));
            }
        }
    }
    findings
}

/// An exception to a lint says why, and `expect` reports when it is no longer needed.
pub(super) fn exceptions_have_reasons(tree: &Tree) -> Vec<Finding> {
    attributes(tree, |attribute| {
        let is_exception =
            ["allow(", "expect("].iter().any(|name| calls(attribute, name).next().is_some());
        let has_reason = calls(attribute, "reason").next().is_some();
        let message = "an exception without reason; use `#[expect(…, reason = \"…\")]`";
        (is_exception && !has_reason).then(|| message.to_owned())
    })
}

/// The findings of `fault` for each attribute of each file.
fn attributes(tree: &Tree, fault: impl Fn(&str) -> Option<String>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.rust() {
        let code = file.code();
        for (at, opening) in ["#[", "#!["].iter().flat_map(|open| code.match_indices(open)) {
            let end = closing(code, at + opening.len() - 1);
            if let Some(message) = fault(&code[at..end]) {
                findings.push(Finding::new(&file.path, line_of(code, at), message));
            }
        }
    }
    findings
}

/// A panic in a server is an outage of the tool that watches for outages.
pub(super) fn nothing_expects_outside_tests(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.rust().filter(|file| !file.is_test() && file.below_src().is_some()) {
        let code = &without_tests(file.code());
        for (at, _) in code.match_indices(".expect(") {
            let message = "`.expect(` outside of tests; return the error or make it impossible";
            findings.push(Finding::new(&file.path, line_of(code, at), message));
        }
    }
    findings
}

/// Time is an argument; two servers on one database would disagree with its clock.
pub(super) fn sql_has_no_clock(tree: &Tree) -> Vec<Finding> {
    let is_sql = |file: &&File| {
        file.path.ends_with(".sql") || file.path.starts_with("crates/server/src/store")
    };
    let mut findings = Vec::new();
    for file in tree.files().filter(is_sql) {
        for (number, line) in file.lines() {
            let line = line.split("--").next().unwrap_or("").to_lowercase();
            if let Some(clock) = SQL_CLOCKS.iter().find(|clock| line.contains(**clock)) {
                let message = format!("SQL reads the clock by `{clock}`; bind the time instead");
                findings.push(Finding::new(&file.path, number, message));
            }
        }
    }
    findings
}
