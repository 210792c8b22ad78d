//! How long and how large things may be.

use super::rust::{line_of, test_ranges};
use crate::finding::Finding;
use crate::tree::{BUILT, File, Tree};

/// Lines of a Rust file outside of its tests.
const FILE_LINES_MAX: usize = 600;
/// Characters of a line.
const LINE_CHARS_MAX: usize = 100;
/// Lines of the README.
const README_LINES_MAX: usize = 150;
/// Bytes of any file: the history keeps each version for ever.
const FILE_BYTES_MAX: usize = 1 << 20;

/// A file is one thing, read in one go.
pub(super) fn files_are_short(tree: &Tree) -> Vec<Finding> {
    let fault = |file: &File| {
        let lines = lines_without_tests(file);
        let message = format!("{lines} lines, at most {FILE_LINES_MAX}; split it by concept");
        (lines > FILE_LINES_MAX).then(|| Finding::new(&file.path, FILE_LINES_MAX, message))
    };
    tree.rust().filter(|file| !file.is_test()).filter_map(fault).collect()
}

fn lines_without_tests(file: &File) -> usize {
    let code = file.code();
    let of_tests: usize = test_ranges(code)
        .iter()
        .map(|range| line_of(code, range.end) - line_of(code, range.start) + 1)
        .sum();
    file.text.lines().count() - of_tests
}

/// Two files side by side fit on a screen. rustfmt leaves literals and comments alone.
pub(super) fn lines_are_short(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.rust() {
        for ((number, line), code) in file.lines().zip(file.code().lines()) {
            let chars = line.chars().count();
            // What lies wholly within a literal is as long as what it quotes.
            let is_quoted = code.trim().is_empty() && !line.trim_start().starts_with("//");
            if chars > LINE_CHARS_MAX && !is_quoted {
                let message = format!("{chars} characters, at most {LINE_CHARS_MAX}; break it");
                findings.push(Finding::new(&file.path, number, message));
            }
        }
    }
    findings
}

/// What it is, a picture, two commands, links; the rest belongs into docs/.
pub(super) fn readme_is_short(tree: &Tree) -> Vec<Finding> {
    let Some(readme) = tree.file("README.md") else {
        return vec![Finding::new("README.md", 1, "is missing")];
    };
    let lines = readme.text.lines().count();
    let message = format!("{lines} lines, at most {README_LINES_MAX}; move details to docs/");
    let is_long = lines > README_LINES_MAX;
    is_long.then(|| Finding::new("README.md", README_LINES_MAX, message)).into_iter().collect()
}

/// Large files make every clone slow.
pub(super) fn files_are_small(tree: &Tree) -> Vec<Finding> {
    let is_large = |file: &&File| file.bytes > FILE_BYTES_MAX && file.path != BUILT;
    tree.files()
        .filter(is_large)
        .map(|file| {
            let kib = file.bytes / 1024;
            let message = format!("{kib} KiB, at most {} KiB; shrink it", FILE_BYTES_MAX / 1024);
            Finding::new(&file.path, 1, message)
        })
        .collect()
}
