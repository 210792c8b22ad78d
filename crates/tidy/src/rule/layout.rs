//! Where files stand and how they begin: the flow of the product is the layout of the tree.

use crate::finding::Finding;
use crate::tree::{File, Tree};

/// Folders and files below `src`, at most.
const DEPTH_MAX: usize = 3;
/// Lines of prose that open a file, at most.
const HEADER_LINES_MAX: usize = 6;

/// `foo.rs` beside `foo/`, never `foo/mod.rs`: an editor full of tabs called "mod" helps nobody.
pub(super) fn modules_are_files(tree: &Tree) -> Vec<Finding> {
    let is_mod = |file: &&File| file.path.ends_with("/mod.rs") && !file.path.contains("/tests/");
    tree.rust()
        .filter(is_mod)
        .map(|file| {
            let better = file.path.replace("/mod.rs", ".rs");
            Finding::new(&file.path, 1, format!("a `mod.rs`; move it to `{better}`"))
        })
        .collect()
}

/// A deep tree hides the room one is looking for.
pub(super) fn modules_are_shallow(tree: &Tree) -> Vec<Finding> {
    let depth = |file: &&File| file.below_src().map_or(0, |below| below.split('/').count());
    tree.rust()
        .filter(|file| depth(file) > DEPTH_MAX)
        .map(|file| {
            let message = format!(
                "{} levels below src, at most {DEPTH_MAX}; move it up or merge it",
                depth(&file)
            );
            Finding::new(&file.path, 1, message)
        })
        .collect()
}

/// Whoever opens a file learns first what it is for and what it deliberately doesn't do.
pub(super) fn files_say_what_they_are(tree: &Tree) -> Vec<Finding> {
    tree.rust().filter_map(header_fault).collect()
}

fn header_fault(file: &File) -> Option<Finding> {
    let mut is_example = false;
    let mut prose = 0;
    for line in file.text.lines() {
        let Some(line) = line.strip_prefix("//!") else { break };
        if line.trim_start().starts_with("```") {
            is_example = !is_example;
        } else if !is_example && !line.trim().is_empty() {
            prose += 1;
        }
    }
    let message = match prose {
        0 => "opens without `//!`; begin with what the file is for and doesn't do".to_owned(),
        1..=HEADER_LINES_MAX => return None,
        lines => format!("opens with {lines} lines of `//!`, at most {HEADER_LINES_MAX}; shorten"),
    };
    Some(Finding::new(&file.path, 1, message))
}

/// A second binary links everything again at every edit.
pub(super) fn each_crate_has_one_test_binary(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.rust() {
        let Some((_, below)) = file.path.split_once("/tests/") else { continue };
        if !below.contains('/') {
            let message = "a test binary of its own; move it to tests/it/ and name it in main.rs";
            findings.push(Finding::new(&file.path, 1, message));
        }
    }
    for file in tree.files().filter(|file| file.path.ends_with("/Cargo.toml")) {
        if !file.text.lines().any(|line| line.trim() == "autotests = false") {
            let message = "lacks `autotests = false`; name the one binary under [[test]]";
            findings.push(Finding::new(&file.path, 1, message));
        }
    }
    findings
}
