//! What pages show of every monitor, in memory: standing, last observation, newest checks. The
//! engine writes it after each batch; locks are held for a copy, never across an await.

use std::collections::{BTreeMap, HashMap, VecDeque};
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
    /// By location.
    pub(crate) last: BTreeMap<Arc<str>, Arc<Observation>>,
    pub(crate) recent: VecDeque<Sample>,
}

impl Shown {
    fn see(&mut self, location: &Arc<str>, observation: &Arc<Observation>) {
        if self.recent.len() >= RECENT_MAX {
            self.recent.pop_front();
        }
        self.recent.push_back(Sample::from(&**observation));
        // As long as all stays as it is the engine tells of no new standing.
        if let Some(place) = Arc::make_mut(&mut self.standing).places.get_mut(&**location) {
            place.at = place.at.max(observation.at);
        }
        let newer = self.last.get(location).is_none_or(|last| last.at < observation.at);
        if newer {
            self.last.insert(Arc::clone(location), Arc::clone(observation));
        }
    }

    pub(crate) fn newest(&self) -> Option<&Arc<Observation>> {
        self.last.values().max_by_key(|observation| observation.at)
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
    pub(crate) fn enter(&self, news: &BTreeMap<Arc<str>, News>) {
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
