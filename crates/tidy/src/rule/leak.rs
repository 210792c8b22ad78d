//! What must not leave a developer's machine: secrets, and the machine's own paths.

use crate::finding::Finding;
use crate::tree::{BUILT, Tree};

/// How a secret begins, and how many characters of it must follow to be one.
const SECRETS: [(&str, usize); 9] = [
    ("AKIA", 16),
    ("ghp_", 36),
    ("github_pat_", 60),
    ("glpat-", 20),
    ("xoxb-", 24),
    ("xoxp-", 24),
    ("sk_live_", 24),
    ("SG.", 60),
    ("whsec_", 32),
];

/// Paths that only one machine has. Split, so that this file doesn't name them either.
const MACHINE_PATHS: [&str; 3] =
    [concat!("/wo", "rk/"), concat!("/tmp/", "bash_jobs"), concat!("/tmp/", "wt/")];

/// A secret in the history is a secret no more; it can only be revoked.
pub(super) fn no_secret_is_kept(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.files().filter(|file| file.path != BUILT && file.path != "Cargo.lock") {
        let mut is_key = false;
        for (number, line) in file.lines() {
            // A private key in PEM: the header alone is what a parser or a test looks for.
            let is_base64 =
                line.trim().bytes().all(|b| b.is_ascii_alphanumeric() || b"+/=".contains(&b));
            let is_body = is_key && is_base64 && line.trim().len() >= 48;
            is_key = line.contains("PRIVATE KEY-----") && line.contains("BEGIN");
            if is_body || SECRETS.iter().any(|(start, length)| has_secret(line, start, *length)) {
                let message = "looks like a secret; take it out, revoke it, make one at run time";
                findings.push(Finding::new(&file.path, number, message));
            }
        }
    }
    findings
}

fn has_secret(line: &str, start: &str, length: usize) -> bool {
    let is_part = |char: &char| char.is_ascii_alphanumeric() || "+/=_-.".contains(*char);
    line.match_indices(start).any(|(at, _)| {
        let rest = &line[at + start.len()..];
        let body: Vec<char> = rest.chars().take_while(is_part).collect();
        // An example is all letters or one letter many times; what a machine makes is mixed.
        let has_digit = body.iter().any(char::is_ascii_digit);
        let mut different = body.clone();
        different.sort_unstable();
        different.dedup();
        body.len() >= length && has_digit && different.len() > 8
    })
}

/// The tree is the same for everybody who clones it.
pub(super) fn no_machine_is_named(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.files().filter(|file| file.path != BUILT) {
        for (number, line) in file.lines() {
            if let Some(path) = MACHINE_PATHS.iter().find(|path| line.contains(**path)) {
                let message = format!("names `{path}`, which only one machine has; take it out");
                findings.push(Finding::new(&file.path, number, message));
            }
        }
    }
    findings
}
