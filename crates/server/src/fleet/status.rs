//! How it is with locations and probes: for pages and API, and for the engine when one falls silent
//! or is heard again.

use jiff::Timestamp;
use tokio::time::Instant;
use whydown_core::scope::Location;
use whydown_core::wire::{Introduction, Role};

use super::{Definition, Fleet, Key, LOCAL, NO_DATA_AFTER, State};
use crate::engine::Event;

/// A location as pages and API show it.
#[derive(Clone, Debug, PartialEq)]
pub struct LocationStatus {
    /// What is known about it.
    pub definition: Definition,
    /// The server's own.
    pub local: bool,
    /// Those who have enrolled there.
    pub probes: Vec<ProbeStatus>,
    /// Monitors that are checked from there.
    pub monitors: usize,
}

impl LocationStatus {
    /// Is somebody there?
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.local || self.probes.iter().any(|probe| probe.live)
    }
}

/// A probe as pages and API show it.
#[derive(Clone, Debug, PartialEq)]
pub struct ProbeStatus {
    /// What its key is called.
    pub id: String,
    /// Linked, and heard of a moment ago.
    pub live: bool,
    /// Its version, and what it can do.
    pub introduction: Introduction,
    /// When it was heard of last.
    pub seen_at: Option<Timestamp>,
    /// Monitors that it checks.
    pub monitors: usize,
}

impl Fleet {
    /// The keys of agents, with when they were heard of.
    pub(crate) fn agents(&self) -> Vec<Key> {
        let state = self.state();
        let agents = state.keys.values().filter(|key| key.role == Role::Agent);
        let mut agents: Vec<Key> = agents.cloned().collect();
        agents.sort_by(|a, b| a.id.cmp(&b.id));
        agents
    }

    /// All locations with their probes, the server's own first.
    pub(crate) fn statuses(&self) -> Vec<LocationStatus> {
        let state = self.state();
        let now = Instant::now();
        let local = Definition { location: Location::local(), coordinates: None };
        let own = state.local.then_some(local);
        let all = own.into_iter().chain(state.locations.values().cloned());
        let status = |definition: Definition| {
            let name = &definition.location.name;
            let local = *name == LOCAL;
            let keys = state.keys.values().filter(|key| key.place == *name);
            let mut probes: Vec<ProbeStatus> = keys
                .filter(|key| key.role == Role::Probe)
                .map(|key| {
                    let link = state.links.get(&key.id);
                    ProbeStatus {
                        id: key.id.clone(),
                        live: link.is_some_and(|link| link.is_live(now)),
                        introduction: key.introduction.clone(),
                        seen_at: key.seen_at,
                        monitors: link.map_or(0, |link| link.sent.len()),
                    }
                })
                .collect();
            probes.sort_by(|a, b| a.id.cmp(&b.id));
            let monitors = state.planned.of(name).len();
            LocationStatus { definition, local, probes, monitors }
        };
        all.map(status).collect()
    }

    /// How many monitors are checked from a location; `None` when there is no such location.
    pub(crate) fn watched(&self, location: &str) -> Option<usize> {
        let state = self.state();
        state.locations.contains_key(location).then(|| state.planned.of(location).len())
    }

    /// Locations that have a probe now, that have none, or that are gone: what the engine does not
    /// know yet.
    pub(super) fn watch_locations(&self) -> Vec<Event> {
        let mut guard = self.state();
        let state = &mut *guard;
        let now = Instant::now();
        for link in state.links.values().filter(|link| link.is_live(now)) {
            state.heard.insert(link.location.clone(), link.heard);
        }
        let mut events = Vec::new();
        let names: Vec<String> = state.locations.keys().cloned().collect();
        for name in &names {
            if state.live.get(name).is_some_and(|ids| !ids.is_empty()) {
                state.lonely.remove(name);
                if state.present.insert(name.clone()) {
                    events.push(Event::Present { location: name.clone() });
                }
                continue;
            }
            let since = state.lonely.entry(name.clone()).or_insert(Some(now));
            if since.is_some_and(|since| now.saturating_duration_since(since) >= NO_DATA_AFTER) {
                *since = None;
                state.present.remove(name);
                tracing::warn!(location = name, "has no probe: no data");
                events.push(state.silent(name));
            }
        }
        state.lonely.retain(|name, _| names.contains(name));
        for name in state.known.iter().filter(|name| !names.contains(name)) {
            state.present.remove(name);
            events.push(Event::Gone { location: name.clone() });
        }
        state.known = names;
        events
    }
}

impl State {
    fn silent(&self, location: &str) -> Event {
        let here = |key: &&Key| key.role == Role::Probe && key.place == location;
        let heard_at: Option<Timestamp> =
            self.keys.values().filter(here).filter_map(|key| key.seen_at).max();
        // Its last key may have been revoked.
        let had_probe = heard_at.is_some() || self.heard.contains_key(location);
        Event::Silent { location: location.to_owned(), had_probe, heard_at }
    }
}
