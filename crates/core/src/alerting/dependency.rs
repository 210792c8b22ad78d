//! Which monitor can't work without which others: one step or several away.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// The dependencies of all monitors, followed to their ends. Circles (which the configuration
/// refuses) end where they begin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dependencies {
    above: BTreeMap<String, Vec<String>>,
    below: BTreeMap<String, Vec<String>>,
}

impl Dependencies {
    /// From each monitor's name and the names that it depends on.
    #[must_use]
    pub fn new<'a>(monitors: impl Iterator<Item = (&'a str, &'a [String])>) -> Self {
        let direct: BTreeMap<&str, &[String]> =
            monitors.filter(|(_, parents)| !parents.is_empty()).collect();
        let mut dependencies = Self::default();
        for name in direct.keys() {
            let all = follow(&direct, name);
            for parent in &all {
                let below = dependencies.below.entry(parent.clone()).or_default();
                below.push((*name).to_owned());
            }
            dependencies.above.insert((*name).to_owned(), all);
        }
        dependencies
    }

    /// What a monitor depends on, the nearest first.
    #[must_use]
    pub fn above(&self, monitor: &str) -> &[String] {
        self.above.get(monitor).map_or(&[], Vec::as_slice)
    }

    /// What depends on a monitor.
    #[must_use]
    pub fn below(&self, monitor: &str) -> &[String] {
        self.below.get(monitor).map_or(&[], Vec::as_slice)
    }
}

fn follow(direct: &BTreeMap<&str, &[String]>, name: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut seen = BTreeSet::from([name]);
    let mut queue = VecDeque::from([name]);
    while let Some(next) = queue.pop_front() {
        for parent in direct.get(next).copied().unwrap_or_default() {
            if seen.insert(parent) {
                found.push(parent.clone());
                queue.push_back(parent);
            }
        }
    }
    found
}

/// A way from a monitor back to itself, when there is one.
#[must_use]
pub fn circle<'a>(name: &'a str, direct: &BTreeMap<&'a str, &'a [String]>) -> Option<Vec<&'a str>> {
    let mut from: BTreeMap<&str, &str> = BTreeMap::new();
    let mut queue = VecDeque::from([name]);
    while let Some(next) = queue.pop_front() {
        for parent in direct.get(next).copied().unwrap_or_default() {
            let parent = parent.as_str();
            if parent == name {
                let back = std::iter::successors(Some(next), |at| from.get(at).copied());
                let mut way: Vec<&str> = std::iter::once(name).chain(back).collect();
                way.reverse();
                return Some(way);
            }
            if !from.contains_key(parent) {
                from.insert(parent, next);
                queue.push_back(parent);
            }
        }
    }
    None
}
