//! The tools around the code keep up with it.

use toml::{Table, Value};

use crate::finding::Finding;
use crate::tree::Tree;

const CHECK: &str = "check";
const LAB_PACKAGES: &str = "crates/lab/src/fail.rs";
const NEXTEST: &str = ".config/nextest.toml";

/// Every Debian package that the lab takes a program from is one that `./check` installs.
pub(super) fn packages_are_installed(tree: &Tree) -> Vec<Finding> {
    let (Some(check), Some(lab)) = (tree.file(CHECK), tree.file(LAB_PACKAGES)) else {
        return vec![Finding::new(CHECK, 1, format!("`{CHECK}` or `{LAB_PACKAGES}` is missing"))];
    };
    let list = check.text.split("packages=(").nth(1).and_then(|rest| rest.split(')').next());
    let installed: Vec<&str> = list.unwrap_or("").split_whitespace().collect();
    let mut findings = Vec::new();
    for (number, line) in lab.lines().skip_while(|(_, line)| !line.contains("const PACKAGES")) {
        // ("program", "package"),
        let quoted: Vec<&str> = line.split('"').collect();
        let [_, _, _, package, _] = quoted[..] else {
            if line.starts_with("];") {
                break;
            }
            continue;
        };
        if !installed.contains(&package) {
            let message = format!("{package} is not in the list of `./{CHECK}`; add it there");
            findings.push(Finding::new(LAB_PACKAGES, number, message));
        }
    }
    findings
}

/// A test that passes at the second attempt has found something.
pub(super) fn tests_are_not_retried(tree: &Tree) -> Vec<Finding> {
    let Some(file) = tree.file(NEXTEST) else {
        return vec![Finding::new(NEXTEST, 1, "is missing")];
    };
    let settings: Table = file.text.parse().unwrap_or_default();
    let has_retries =
        |value: &Value| value.get("retries").is_some_and(|n| n.as_integer() != Some(0));
    let overrides = |profile: &Value| {
        let list = profile.get("overrides").and_then(Value::as_array).cloned();
        list.unwrap_or_default().iter().any(has_retries)
    };
    let profiles = settings.get("profile").and_then(Value::as_table).cloned().unwrap_or_default();
    let is_retried = profiles.values().any(|profile| has_retries(profile) || overrides(profile));
    let line = file.text.lines().position(|line| line.trim_start().starts_with("retries"));
    let message = "retries tests; mend the test or the code that makes it fail at times";
    let finding = Finding::new(NEXTEST, line.map_or(1, |index| index + 1), message);
    is_retried.then_some(finding).into_iter().collect()
}
