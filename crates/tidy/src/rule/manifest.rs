//! What a crate may depend on: `core ← host ← probe ← server ← whydown`, seen in the manifests.
//! What a module may use of another is a matter of visibility, not of this.

use toml::{Table, Value};

use crate::finding::Finding;
use crate::tree::{File, Tree};

/// The product's crates, each of which may depend on those before it.
const LINE: [&str; 5] =
    ["whydown-core", "whydown-host", "whydown-probe", "whydown-server", "whydown"];

/// Crates that only tests use, and that know nothing of the product.
const TEST_CRATES: [&str; 2] = ["whydown-lab", "whydown-tidy"];

/// All that `core` may use: values, text and serialisation; no clock, no I/O, no randomness.
const PURE: [&str; 5] = ["jiff", "serde", "serde_json", "thiserror", "url"];

/// Later stages know earlier ones, never the reverse.
pub(super) fn dependencies_point_left(tree: &Tree) -> Vec<Finding> {
    let place = |name: &str| LINE.iter().position(|member| *member == name);
    faults(tree, |name, section, dependency| {
        let message = match (place(name), place(dependency)) {
            (Some(own), Some(other)) if other >= own => {
                format!("{name} depends on {dependency}; the line is {}", LINE.join(" ← "))
            }
            (None, Some(_)) if section != "dev-dependencies" => {
                format!("{name} depends on {dependency}; test crates know nothing of the product")
            }
            _ => return None,
        };
        Some(message)
    })
}

/// What is made for tests never reaches a user.
pub(super) fn test_crates_stay_in_tests(tree: &Tree) -> Vec<Finding> {
    faults(tree, |name, section, dependency| {
        let is_leak = TEST_CRATES.contains(&dependency) && section != "dev-dependencies";
        is_leak.then(|| format!("{name} uses {dependency}; move it to [dev-dependencies]"))
    })
}

/// The heart runs anywhere, at any time, with the same result.
pub(super) fn core_is_pure(tree: &Tree) -> Vec<Finding> {
    faults(tree, |name, section, dependency| {
        let is_foreign = name == LINE[0] && section != "dev-dependencies";
        let is_impure = is_foreign && !PURE.contains(&dependency);
        is_impure.then(|| format!("core uses {dependency}; it is pure: only {}", PURE.join(", ")))
    })
}

/// A crate without them would be a crate without rules.
pub(super) fn lints_are_the_workspaces(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (file, manifest) in manifests(tree) {
        let inherits = manifest.get("lints").and_then(|lints| lints.get("workspace"));
        if inherits != Some(&Value::Boolean(true)) {
            let message = "lacks `[lints] workspace = true`";
            findings.push(Finding::new(&file.path, 1, message));
        }
    }
    findings
}

/// The crates' manifests; the workspace's own has no `[package]`.
fn manifests(tree: &Tree) -> impl Iterator<Item = (&File, Table)> {
    tree.files()
        .filter(|file| file.path.starts_with("crates/") && file.path.ends_with("/Cargo.toml"))
        .filter_map(|file| Some((file, file.text.parse().ok()?)))
}

/// What `fault` says of each dependency: crate, section, dependency.
fn faults(tree: &Tree, fault: impl Fn(&str, &str, &str) -> Option<String>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (file, manifest) in manifests(tree) {
        let package = manifest.get("package").and_then(|package| package.get("name"));
        let name = package.and_then(Value::as_str).unwrap_or("");
        for (section, dependency) in dependencies(&manifest) {
            if let Some(message) = fault(name, &section, &dependency) {
                let is_it = |line: &str| line.trim_start().starts_with(&dependency);
                let line = file.text.lines().position(is_it).map_or(1, |index| index + 1);
                findings.push(Finding::new(&file.path, line, message));
            }
        }
    }
    findings
}

/// Section and crate of every dependency, those of single platforms too.
fn dependencies(manifest: &Table) -> Vec<(String, String)> {
    let platforms = manifest.get("target").and_then(Value::as_table).into_iter();
    let tables = platforms.flat_map(Table::values).filter_map(Value::as_table);
    let mut all = Vec::new();
    for table in tables.chain([manifest]) {
        for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
            for (name, value) in table.get(section).and_then(Value::as_table).into_iter().flatten()
            {
                let renamed = value.get("package").and_then(Value::as_str);
                all.push((section.to_owned(), renamed.unwrap_or(name).to_owned()));
            }
        }
    }
    all
}
