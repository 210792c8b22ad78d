//! Which monitor is checked from where, on which beat, and by which probe of a place. Pure.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use whydown_core::monitor::Monitor;
use whydown_core::schedule::phase_at;
use whydown_core::scope::{Location, Selector};
use whydown_core::wire::Assignment;

use crate::roster::{Entry, Roster};

/// Everything that is to be checked, by location.
#[derive(Debug, Default)]
pub(super) struct Planned {
    entries: Arc<Vec<Arc<Entry>>>,
    locations: Vec<Location>,
    by_location: BTreeMap<String, Vec<Task>>,
    /// Which of `locations` check a monitor, in ascending order.
    by_monitor: HashMap<String, Box<[usize]>>,
}

/// A monitor that is checked from a location.
#[derive(Clone, Debug)]
pub(super) struct Task {
    pub(super) assignment: Assignment,
    /// Another one when the assignment is. Only compared within one process.
    pub(super) number: u64,
}

impl Planned {
    /// Of the monitors that are not paused.
    pub(super) fn new(roster: &Roster, locations: Vec<Location>) -> Self {
        let mut by_location: BTreeMap<String, Vec<Task>> = BTreeMap::new();
        let mut by_monitor = HashMap::new();
        let active = roster.entries.iter().filter(|entry| !entry.monitor.paused);
        for entry in active {
            let monitor = &entry.monitor;
            let from = |location: &Location| Selector::any_covers(&monitor.locations, location);
            let places: Box<[usize]> =
                (0..locations.len()).filter(|index| from(&locations[*index])).collect();
            let mut names: Vec<&str> =
                places.iter().map(|index| locations[*index].name.as_str()).collect();
            by_monitor.insert(monitor.name.clone(), places);
            names.sort_unstable();
            let bare = Arc::new(bare(monitor));
            let text = serde_json::to_vec(&*bare).unwrap_or_default();
            for (rank, name) in names.iter().enumerate() {
                let phase = phase_at(&monitor.name, monitor.interval, rank, names.len());
                let mut hasher = DefaultHasher::new();
                (&text, phase).hash(&mut hasher);
                let assignment = Assignment { monitor: Arc::clone(&bare), phase };
                let task = Task { assignment, number: hasher.finish() };
                by_location.entry((*name).to_owned()).or_default().push(task);
            }
        }
        Self { entries: Arc::clone(&roster.entries), locations, by_location, by_monitor }
    }

    /// Was it made of these?
    pub(super) fn is_of(&self, roster: &Roster, locations: &[Location]) -> bool {
        Arc::ptr_eq(&self.entries, &roster.entries) && self.locations == locations
    }

    /// What is checked from a location, by name.
    pub(super) fn of(&self, location: &str) -> &[Task] {
        self.by_location.get(location).map_or(&[], Vec::as_slice)
    }

    /// Says of a monitor whether it is checked from this location.
    pub(super) fn checked_from(&self, location: &str) -> impl Fn(&str) -> bool {
        let here = self.locations.iter().position(|one| one.name == location);
        move |monitor| {
            let places = here.and_then(|here| Some((here, self.by_monitor.get(monitor)?)));
            places.is_some_and(|(here, places)| places.binary_search(&here).is_ok())
        }
    }
}

/// A monitor without what is none of a probe's business.
fn bare(monitor: &Monitor) -> Monitor {
    let mut bare = Monitor::new(monitor.name.clone(), monitor.target.clone());
    bare.interval = monitor.interval;
    bare.timeout = monitor.timeout;
    bare.confirm = monitor.confirm;
    bare.request = monitor.request.clone();
    bare.expect = monitor.expect.clone();
    bare
}

/// Which of several probes checks a monitor (rendezvous hashing): when one goes, only its monitors
/// move, and when it comes back only they return.
pub(super) fn owner<'a>(probes: &'a BTreeSet<String>, monitor: &str) -> Option<&'a str> {
    let weight = |probe: &str| {
        let mut hasher = DefaultHasher::new();
        (probe, monitor).hash(&mut hasher);
        hasher.finish()
    };
    probes.iter().map(String::as_str).max_by_key(|probe| weight(probe))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::owner;

    #[test]
    fn only_the_monitors_of_a_probe_that_goes_move() {
        let all: BTreeSet<String> = ["a", "b", "c"].map(str::to_owned).into();
        let left: BTreeSet<String> = ["a", "c"].map(str::to_owned).into();
        let mut counts = [0; 3];
        for i in 0..3_000 {
            let monitor = format!("shop-{i}");
            let before = owner(&all, &monitor).unwrap();
            counts[usize::from(before.as_bytes()[0] - b'a')] += 1;
            let after = owner(&left, &monitor).unwrap();
            assert!(before == "b" || before == after, "{monitor} moved from {before} to {after}");
        }
        assert!(counts.iter().all(|count| (900..1_100).contains(count)), "{counts:?}");
        assert_eq!(owner(&BTreeSet::new(), "shop"), None);
    }
}
