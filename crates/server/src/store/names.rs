//! Names of monitors and locations and their small numbers, in memory. Numbers are what batches,
//! blocks and rollups hold, so that a long name costs nothing per observation.

use std::collections::HashMap;

/// Both directions, for monitors and locations.
#[derive(Debug, Default)]
pub(super) struct Names {
    monitors: HashMap<String, i64>,
    locations: HashMap<String, i64>,
    location_names: HashMap<i64, String>,
}

impl Names {
    pub(super) fn new(monitors: Vec<(i64, String)>, locations: Vec<(i64, String)>) -> Self {
        Self {
            monitors: monitors.into_iter().map(|(id, name)| (name, id)).collect(),
            location_names: locations.iter().cloned().collect(),
            locations: locations.into_iter().map(|(id, name)| (name, id)).collect(),
        }
    }

    pub(super) fn monitor(&self, name: &str) -> Option<i64> {
        self.monitors.get(name).copied()
    }

    pub(super) fn location(&self, name: &str) -> Option<i64> {
        self.locations.get(name).copied()
    }

    pub(super) fn location_name(&self, id: i64) -> Option<&str> {
        self.location_names.get(&id).map(String::as_str)
    }

    pub(super) fn monitors_by_id(&self) -> HashMap<i64, String> {
        self.monitors.iter().map(|(name, id)| (*id, name.clone())).collect()
    }

    pub(super) fn put_monitor(&mut self, name: &str, id: i64) {
        self.monitors.insert(name.to_owned(), id);
    }

    pub(super) fn rename_monitor(&mut self, from: &str, to: &str) {
        if let Some(id) = self.monitors.remove(from) {
            self.monitors.insert(to.to_owned(), id);
        }
    }

    pub(super) fn put_location(&mut self, name: &str, id: i64) {
        self.locations.insert(name.to_owned(), id);
        self.location_names.insert(id, name.to_owned());
    }
}
