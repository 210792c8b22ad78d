//! What pages show of every monitor, in memory: standing, last observation, newest checks. The
//! engine writes it after each batch; locks are held for a copy, never across an await.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};

use jiff::Timestamp;
use whydown_core::incident::Standing;
use whydown_core::observation::{Observation, State};

/// Checks remembered per monitor for a sparkline: 16 bytes each.
pub(crate) const RECENT_MAX: usize = 60;

/// One check in a few bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Start of the check.
    pub at: Timestamp,
    /// How long it took, in microseconds.
    pub elapsed_us: u32,
    /// What came of it.
    pub state: State,
}

impl From<&Observation> for Sample {
    fn from(observation: &Observation) -> Self {
        Self {
            at: observation.at,
            elapsed_us: u32::try_from(observation.elapsed.as_micros()).unwrap_or(u32::MAX),
            state: observation.state,
        }
    }
}

/// One monitor.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shown {
    pub(crate) standing: Arc<Standing>,
    /// The newest of all locations. One each would take most of the server's memory.
    pub(crate) last: Option<Arc<Observation>>,
    /// The addresses that each location tried last, by its name; mostly they are the same.
    tried: Vec<(Arc<str>, Arc<[IpAddr]>)>,
    pub(crate) recent: VecDeque<Sample>,
}

impl Shown {
    fn see(&mut self, location: &Arc<str>, observation: &Arc<Observation>) {
        if self.recent.len() >= RECENT_MAX {
            self.recent.pop_front();
        }
        self.recent.push_back(Sample::from(&**observation));
        // As long as all stays as it is the engine tells of no new standing.
        let place = Arc::make_mut(&mut self.standing).places.get_mut(location);
        let newer = place.as_ref().is_none_or(|place| place.at <= observation.at);
        if let Some(place) = place.filter(|_| newer) {
            place.at = observation.at;
        }
        if newer {
            self.note_tried(location, observation);
        }
        if self.last.as_ref().is_none_or(|last| last.at < observation.at) {
            self.last = Some(Arc::clone(observation));
        }
    }

    fn note_tried(&mut self, location: &Arc<str>, observation: &Observation) {
        let tried = || observation.attempts.iter().map(|attempt| attempt.ip);
        let same = |known: &&Arc<[IpAddr]>| known.iter().copied().eq(tried());
        let found = self.tried.binary_search_by(|(name, _)| (**name).cmp(location));
        if let Ok(index) = found
            && same(&&self.tried[index].1)
        {
            return;
        }
        let shared = self.tried.iter().map(|(_, known)| known).find(same).cloned();
        let addresses = shared.unwrap_or_else(|| tried().collect());
        match found {
            Ok(index) => self.tried[index].1 = addresses,
            Err(index) => self.tried.insert(index, (Arc::clone(location), addresses)),
        }
    }

    /// Did any location find the target at one of these addresses?
    pub(crate) fn leads_to(&self, addresses: &[IpAddr]) -> bool {
        self.tried.iter().flat_map(|(_, tried)| &**tried).any(|one| addresses.contains(one))
    }
}

/// What one batch says of one monitor.
#[derive(Debug, Default)]
pub(crate) struct News {
    pub(crate) standing: Option<Standing>,
    pub(crate) observations: Vec<(Arc<str>, Arc<Observation>)>,
}

/// All monitors.
#[derive(Debug, Default)]
pub(crate) struct Board(RwLock<HashMap<String, Shown>>);

impl Board {
    pub(crate) fn enter(&self, news: &HashMap<Arc<str>, News>) {
        let mut board = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for (name, news) in news {
            let shown = board.entry(name.as_ref().to_owned()).or_default();
            if let Some(standing) = &news.standing {
                shown.standing = Arc::new(standing.clone());
            }
            for (location, observation) in &news.observations {
                shown.see(location, observation);
            }
        }
    }

    pub(crate) fn get(&self, name: &str) -> Option<Shown> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// Keeps what `wanted` says yes to.
    pub(crate) fn retain(&self, wanted: impl Fn(&str) -> bool) {
        let mut board = self.0.write().unwrap_or_else(PoisonError::into_inner);
        board.retain(|name, _| wanted(name));
    }

    pub(crate) fn rename(&self, from: &str, to: &str) {
        let mut board = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(shown) = board.remove(from) {
            board.insert(to.to_owned(), shown);
        }
    }
}
