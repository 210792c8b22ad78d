//! `depends_on`: names that exist, and no circles.

use std::collections::BTreeMap;

use whydown_core::alerting::dependency::circle;
use whydown_core::monitor::Monitor;

use super::monitors::no_such;
use super::node::{Node, Value};
use super::read::Problems;

/// Checks the monitors of a file, each with the node that it was written as.
pub(super) fn check(node: &Node, monitors: &[Monitor], names: &[&str], problems: &mut Problems) {
    let Value::List(items) = &node.value else { return };
    let direct: BTreeMap<&str, &[String]> =
        monitors.iter().map(|m| (m.name.as_str(), m.depends_on.as_slice())).collect();
    let mut told: Vec<Vec<&str>> = Vec::new();
    for (i, item) in items.iter().enumerate() {
        let (Some(name), Some(listed)) = (value(item, "name"), value(item, "depends_on")) else {
            continue;
        };
        let Value::Text(name) = &name.value else { continue };
        let path = format!("monitors[{i}].depends_on");
        for parent in items_of(listed) {
            let Value::Text(parent_name) = &parent.value else { continue };
            if !names.contains(&parent_name.as_str()) {
                let message = format!("there is no monitor {parent_name:?}");
                problems.add(&path, parent.place, message);
                problems.hint(no_such(parent_name, "monitor", names));
            }
        }
        let Some(way) = circle(name, &direct) else { continue };
        let mut members = way.clone();
        members.sort_unstable();
        members.dedup();
        if !told.contains(&members) {
            let message = format!("monitors depend on each other in a circle: {}", way.join(" → "));
            problems.add(&path, listed.place, message);
            problems.hint("leave out one of them: nothing in a circle would ever be told");
            told.push(members);
        }
    }
}

/// The same for one monitor among others, made by other means.
pub(crate) fn check_one<'a>(
    monitor: &'a Monitor,
    others: impl Iterator<Item = &'a Monitor>,
    problems: &mut Vec<super::Problem>,
) {
    let mut found = Problems::default();
    let mut direct: BTreeMap<&str, &[String]> =
        others.map(|other| (other.name.as_str(), other.depends_on.as_slice())).collect();
    direct.insert(&monitor.name, &monitor.depends_on);
    let names: Vec<&str> = direct.keys().copied().collect();
    for (i, parent) in monitor.depends_on.iter().enumerate() {
        if !direct.contains_key(parent.as_str()) {
            let message = format!("there is no monitor {parent:?}");
            found.add(&format!("depends_on[{i}]"), None, message);
            found.hint(no_such(parent, "monitor", &names));
        }
    }
    if let Some(way) = circle(&monitor.name, &direct) {
        let message = format!("monitors depend on each other in a circle: {}", way.join(" → "));
        found.add("depends_on", None, message);
    }
    problems.extend(found.0);
}

fn value<'a>(node: &'a Node, key: &str) -> Option<&'a Node> {
    let Value::Map(entries) = &node.value else { return None };
    entries.iter().find(|(written, _)| written.text == key).map(|(_, node)| node)
}

fn items_of(node: &Node) -> Vec<&Node> {
    match &node.value {
        Value::List(items) => items.iter().collect(),
        _ => vec![node],
    }
}
