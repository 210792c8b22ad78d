//! Everywhere it is checked from: locations, the probes there, and which of them checks what.
//!
//! The fleet knows who is there and passes things on; it holds no opinion about monitors. Its state
//! is one lock that is never held across an await.

pub(crate) mod agents;
mod allowance;
mod certificate;
mod heard;
mod hosts;
pub(crate) mod link;
mod plan;
mod register;
mod status;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::time::{Instant, MissedTickBehavior, interval};
use whydown_core::evidence::Evidence;
use whydown_core::monitor::Monitor;
use whydown_core::scope::{Location, Selector};
use whydown_core::wire::{Assignment, Order, Report};
use whydown_probe::runner::Command;

use allowance::{Allowances, Turn};
pub use certificate::{Certificate, CertificateError, certificate};
pub use heard::{AgentStatus, HostStatus, Listening};
pub use hosts::{WatchedHost, add_watched_host, remove_watched_host, watched_hosts};
use plan::{Planned, Task, owner};
pub use register::{
    Definition, FleetError, KEYS_MAX, Key, LOCAL, LOCATIONS_MAX, create_token, define_location,
    enrol, keys, locations, remove_location, revoke,
};
pub use status::{LocationStatus, ProbeStatus};

use crate::engine::Event;
use crate::roster::Roster;
use crate::store::Store;
use crate::tasks::Stop;

/// A probe that was not heard of for so long is gone, and others take over its monitors.
const GONE_AFTER: Duration = Duration::from_secs(6);
/// A location without a probe for so long has no data.
pub(crate) const NO_DATA_AFTER: Duration = Duration::from_secs(15);
/// How long all locations have to be gone before the server believes that it is not its own fault.
const ISOLATED_MAX: Duration = Duration::from_mins(10);
/// Orders that may wait for one probe; one that is slower is cut off and begins anew.
const ORDERS_MAX: usize = 1_024;
/// Assignments in one order.
const ASSIGN_MAX: usize = 1_000;
/// What `whydown admin` has changed is noticed so soon.
const REREAD_EVERY: Duration = Duration::from_secs(2);
/// When keys were heard of is noted so often.
const NOTE_EVERY: Duration = Duration::from_secs(20);
/// Checks asked for that may wait for the embedded probe.
pub(crate) const COMMANDS_MAX: usize = 8_192;

/// What a link hands to the engine.
pub(crate) struct Delivery {
    /// The key that it came with.
    pub(crate) key: String,
    /// What was seen, and whether it comes so late that nobody should be told.
    pub(crate) reports: Vec<(Report, bool)>,
    /// The last sequence in it.
    pub(crate) sequence: u64,
    /// Given when it is stored.
    pub(crate) receipt: Receipt,
}

/// Who waits for a batch to be stored. Its key may not send another one before.
#[derive(Debug)]
pub(crate) struct Receipt {
    stored: oneshot::Sender<()>,
    turn: Turn,
}

impl Receipt {
    /// It is stored.
    pub(crate) fn give(self) {
        // Before the answer, which the next batch follows at once.
        drop(self.turn);
        // Whoever waited may have gone.
        let _ = self.stored.send(());
    }
}

/// The fleet; cheap to clone.
#[derive(Clone)]
pub(crate) struct Fleet(Arc<Inner>);

struct Inner {
    state: Mutex<State>,
    /// Somebody came, went or was changed.
    changed: Notify,
    /// What the embedded probe checks.
    local: watch::Sender<Arc<Vec<Assignment>>>,
    /// What keys may send.
    allowances: Allowances,
}

#[derive(Default)]
struct State {
    locations: BTreeMap<String, Definition>,
    /// By the hash of their secret.
    keys: HashMap<String, Key>,
    /// Streams that are open, by key id.
    links: HashMap<String, Link>,
    planned: Arc<Planned>,
    /// Live probes by location.
    live: BTreeMap<String, BTreeSet<String>>,
    /// Locations that the engine knows of.
    known: Vec<String>,
    /// The last sequence taken from each key.
    taken: HashMap<String, u64>,
    /// Since when a location has no probe; `None` once that was told.
    lonely: BTreeMap<String, Option<Instant>>,
    /// Locations that have a probe, as the engine knows.
    present: BTreeSet<String>,
    /// When a location was heard of last.
    heard: BTreeMap<String, Instant>,
    /// When the embedded probe was the only one that could be heard, for the last time.
    isolated: Option<Instant>,
    commands: Option<mpsc::Sender<Command>>,
    local: bool,
    /// Checks asked for and not passed on yet, by key id; the embedded probe's under `local`.
    asks: BTreeMap<String, Vec<String>>,
    questions: HashMap<u64, Asked>,
    asked: u64,
    streams: u64,
}

/// A question that waits for its answer.
struct Asked {
    /// The key id of whoever was asked.
    whom: String,
    answers: mpsc::Sender<(String, Evidence)>,
}

/// One open stream.
struct Link {
    location: String,
    stream: u64,
    orders: mpsc::Sender<Order>,
    heard: Instant,
    /// What it has been told to check, with the numbers of the tasks.
    sent: Vec<(Arc<Monitor>, u64)>,
    /// Nothing was told yet.
    first: bool,
    /// There may be something to tell.
    fresh: bool,
}

impl Link {
    fn is_live(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.heard) < GONE_AFTER
    }
}

impl std::fmt::Debug for Fleet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Fleet")
    }
}

impl Fleet {
    pub(crate) fn new(local: watch::Sender<Arc<Vec<Assignment>>>) -> Self {
        let (state, changed) = (Mutex::default(), Notify::new());
        Self(Arc::new(Inner { state, changed, local, allowances: Allowances::default() }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes over what is stored.
    pub(crate) async fn read(&self, store: &Store) -> Result<(), FleetError> {
        let (locations, keys) = (locations(store).await?, keys(store).await?);
        let mut guard = self.state();
        let state = &mut *guard;
        let locations: BTreeMap<String, Definition> =
            locations.into_iter().map(|one| (one.location.name.clone(), one)).collect();
        let mut known = std::mem::take(&mut state.keys);
        for mut key in keys {
            // Times and sequences in memory are newer than those in the store.
            if let Some(old) = known.remove(&key.hash) {
                key.seen_at = old.seen_at.max(key.seen_at);
                key.sequence = old.sequence.max(key.sequence);
                key.introduction = old.introduction;
            }
            state.keys.insert(key.hash.clone(), key);
        }
        let ids: BTreeSet<&str> = state.keys.values().map(|key| key.id.as_str()).collect();
        state.links.retain(|id, _| ids.contains(id.as_str()));
        self.0.allowances.retain(|id| ids.contains(id));
        let changed = state.locations != locations;
        state.locations = locations;
        drop(guard);
        if changed {
            self.0.changed.notify_one();
        }
        Ok(())
    }

    /// The embedded probe takes commands.
    pub(crate) fn embed(&self, commands: mpsc::Sender<Command>) {
        self.state().commands = Some(commands);
        self.0.changed.notify_one();
    }

    /// Keeps probes and their assignments in step until `stop`; tells the engine of locations that
    /// fall silent or are removed.
    pub(crate) async fn run(
        self,
        store: Store,
        mut roster: watch::Receiver<Arc<Roster>>,
        events: mpsc::Sender<Event>,
        mut stop: Stop,
    ) {
        let mut tick = interval(Duration::from_secs(1));
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut reread, mut note) = (Instant::now() + REREAD_EVERY, Instant::now() + NOTE_EVERY);
        self.plan(&roster.borrow_and_update().clone());
        loop {
            tokio::select! {
                () = stop.wait() => break,
                changed = roster.changed() => if changed.is_err() { break },
                () = self.0.changed.notified() => {}
                _ = tick.tick() => {}
            }
            if Instant::now() >= reread {
                reread = Instant::now() + REREAD_EVERY;
                if let Err(error) = self.read(&store).await {
                    tracing::warn!("the fleet could not be read: {error}");
                }
            }
            let now = roster.borrow_and_update().clone();
            self.plan(&now);
            for event in self.watch_locations() {
                // An error means that the server is stopping.
                let _ = events.send(event).await;
            }
            if Instant::now() >= note {
                note = Instant::now() + NOTE_EVERY;
                self.note(&store).await;
            }
        }
        self.note(&store).await;
    }

    async fn note(&self, store: &Store) {
        let seen: Vec<_> = self
            .state()
            .keys
            .values()
            .filter_map(|key| Some((key.id.clone(), key.seen_at?, key.introduction.clone())))
            .collect();
        if let Err(error) = register::note_seen(store, &seen).await {
            tracing::warn!("when probes were heard of could not be noted: {error}");
        }
    }

    /// Who checks what, from now on; probes hear of what changes for them.
    fn plan(&self, roster: &Roster) {
        let mut guard = self.state();
        let state = &mut *guard;
        state.local = roster.config.local_probe && state.commands.is_some();
        let mut locations: Vec<Location> =
            state.locations.values().map(|one| one.location.clone()).collect();
        if state.local {
            locations.push(Location::local());
        }
        if !state.planned.is_of(roster, &locations) {
            state.planned = Arc::new(Planned::new(roster, locations));
            for link in state.links.values_mut() {
                link.fresh = true;
            }
            let tasks = state.planned.of(LOCAL).iter();
            let local: Arc<Vec<Assignment>> =
                Arc::new(tasks.map(|task| task.assignment.clone()).collect());
            self.0.local.send_if_modified(|known| {
                let changed = *known != local;
                *known = local;
                changed
            });
        }
        let now = Instant::now();
        let mut live: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (id, link) in state.links.iter().filter(|(_, link)| link.is_live(now)) {
            live.entry(&link.location).or_default().insert(id);
        }
        let live: BTreeMap<String, BTreeSet<String>> = live
            .into_iter()
            .map(|(place, ids)| (place.to_owned(), ids.into_iter().map(str::to_owned).collect()))
            .collect();
        // Only who shares a location has more or less to do.
        let before = std::mem::replace(&mut state.live, live);
        let moved = |location: &String| before.get(location) != state.live.get(location);
        let planned = Arc::clone(&state.planned);
        let mut slow = Vec::new();
        for (id, link) in &mut state.links {
            if !link.fresh && !moved(&link.location) {
                continue;
            }
            link.fresh = false;
            let others = state.live.get(&link.location);
            let mine = |one: &&Task| {
                let name = &one.assignment.monitor.name;
                others.is_some_and(|ids| owner(ids, name) == Some(id.as_str()))
            };
            if !link.tell(planned.of(&link.location).iter().filter(mine).collect()) {
                slow.push(id.clone());
            }
        }
        for id in slow {
            tracing::warn!(probe = id, "takes no orders any more; its link is cut");
            state.links.remove(&id);
        }
    }

    /// The locations that look at a monitor.
    pub(crate) fn members(&self, monitor: &Monitor) -> Vec<Location> {
        let state = self.state();
        let own = state.local.then(Location::local);
        let all = state.locations.values().map(|one| one.location.clone()).chain(own);
        all.filter(|location| Selector::any_covers(&monitor.locations, location)).collect()
    }

    /// Was the embedded probe the only one that could be heard, a moment after there were others,
    /// when or after a check began so long ago? Then what it sees fail may be the server's own
    /// uplink.
    pub(crate) fn is_isolated(&self, ago: Duration) -> bool {
        let mut state = self.state();
        let now = Instant::now();
        state.note_isolation(now);
        state.isolated.is_some_and(|at| now.saturating_duration_since(at) <= ago)
    }

    /// Is somebody there who can answer?
    pub(crate) fn is_live(&self, location: &str) -> bool {
        let state = self.state();
        (location == LOCAL && state.local)
            || state.live.get(location).is_some_and(|ids| !ids.is_empty())
    }

    /// Asks all live places of a monitor but `except` to check now; says which. What is asked for
    /// goes out with [`flush`](Self::flush).
    pub(crate) fn ask(&self, monitor: &Monitor, except: &str) -> Vec<String> {
        let members = self.members(monitor);
        let mut guard = self.state();
        let others = members.into_iter().filter(|location| location.name != except);
        others
            .filter(|location| guard.ask(&location.name, &monitor.name))
            .map(|location| location.name)
            .collect()
    }

    /// Asks one place.
    pub(crate) fn ask_at(&self, location: &str, monitor: &str) -> bool {
        self.state().ask(location, monitor)
    }

    /// Sends out what was asked for.
    pub(crate) fn flush(&self) {
        let mut guard = self.state();
        let state = &mut *guard;
        for (id, monitors) in std::mem::take(&mut state.asks) {
            if id == LOCAL {
                let Some(commands) = &state.commands else { continue };
                for monitor in monitors {
                    // Full: it is checked in turn.
                    let _ = commands.try_send(Command::CheckNow { monitor });
                }
            } else if let Some(link) = state.links.get(&id) {
                let _ = link.orders.try_send(Order::CheckNow { monitors });
            }
        }
    }

    /// Puts a question to the live probes of some locations; answers come with their location.
    /// Says who was asked.
    pub(crate) fn diagnose(
        &self,
        places: &[String],
        question: impl Fn(u64) -> Order,
        answers: &mpsc::Sender<(String, Evidence)>,
    ) -> Vec<String> {
        let mut guard = self.state();
        let state = &mut *guard;
        state.questions.retain(|_, asked| !asked.answers.is_closed());
        let now = Instant::now();
        let mut asked = Vec::new();
        for place in places {
            let at = |(_, link): &(&String, &Link)| link.location == *place && link.is_live(now);
            let Some((id, link)) = state.links.iter().find(at) else { continue };
            state.asked += 1;
            if link.orders.try_send(question(state.asked)).is_ok() {
                let answers = answers.clone();
                state.questions.insert(state.asked, Asked { whom: id.clone(), answers });
                asked.push(place.clone());
            }
        }
        asked
    }

    /// Who waits for the answer to a question that was put to this key.
    fn answered(&self, question: u64, key: &str) -> Option<mpsc::Sender<(String, Evidence)>> {
        let mut state = self.state();
        if state.questions.get(&question)?.whom != key {
            return None;
        }
        state.questions.remove(&question).map(|asked| asked.answers)
    }
}

impl State {
    /// To be called before somebody is heard of again, too.
    fn note_isolation(&mut self, now: Instant) {
        let recent = |at: &&Instant| now.saturating_duration_since(**at) < ISOLATED_MAX;
        let others = self.heard.values().filter(recent).count();
        if others >= 2 && !self.links.values().any(|link| link.is_live(now)) {
            self.isolated = Some(now);
        }
    }

    fn ask(&mut self, location: &str, monitor: &str) -> bool {
        let id = match self.live.get(location) {
            _ if location == LOCAL && self.local => LOCAL,
            Some(ids) => match owner(ids, monitor) {
                Some(id) => id,
                None => return false,
            },
            None => return false,
        };
        let id = id.to_owned();
        self.asks.entry(id).or_default().push(monitor.to_owned());
        true
    }
}

impl Link {
    /// Tells what has changed for this probe. False: it does not listen.
    fn tell(&mut self, mine: Vec<&Task>) -> bool {
        let sent = mine.iter().map(|one| (Arc::clone(&one.assignment.monitor), one.number));
        let before = std::mem::replace(&mut self.sent, sent.collect());
        let mut before: BTreeMap<&str, u64> =
            before.iter().map(|(monitor, number)| (monitor.name.as_str(), *number)).collect();
        let mut set = Vec::new();
        for one in mine {
            if before.remove(one.assignment.monitor.name.as_str()) != Some(one.number) {
                set.push(one.assignment.clone());
            }
        }
        let drop: Vec<String> = before.into_keys().map(str::to_owned).collect();
        let all = std::mem::take(&mut self.first);
        if set.is_empty() && drop.is_empty() && !all {
            return true;
        }
        let mut drop = Some(drop);
        let mut parts = set.chunks(ASSIGN_MAX).peekable();
        let mut begin = all;
        loop {
            let set = parts.next().unwrap_or_default().to_vec();
            let more = parts.peek().is_some();
            let (all, drop) = (std::mem::take(&mut begin), drop.take().unwrap_or_default());
            if self.orders.try_send(Order::Assign { all, set, drop, more }).is_err() {
                return false;
            }
            if !more {
                return true;
            }
        }
    }
}
