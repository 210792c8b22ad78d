//! Which monitor is due when: the runner's state, without tasks or channels.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::task::AbortHandle;
use tokio::time::Instant;
use whydown_core::failure::Failure;
use whydown_core::monitor::Monitor;
use whydown_core::schedule::{Due, due, phase};
use whydown_core::wire::Assignment;

use crate::examine::Before;

/// New monitors are started so far apart on average: thousands of them that begin at once, at
/// sixteen places, would be a flood to the hosts that many of them share.
const FIRST_CHECK_APART: Duration = Duration::from_millis(5);

/// One version of one monitor: results of an older version are not believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ticket {
    pub(super) name: Arc<str>,
    version: u64,
}

/// A check to be started.
pub(super) struct Start {
    pub(super) ticket: Ticket,
    pub(super) monitor: Arc<Monitor>,
    pub(super) known: Before,
    /// Somebody waits for it.
    pub(super) asked: bool,
}

struct Entry {
    monitor: Arc<Monitor>,
    version: u64,
    phase: Duration,
    /// Start of the last check.
    last: Option<Timestamp>,
    running: Option<AbortHandle>,
    /// The one wake-up that counts; a check out of turn makes an earlier one void.
    wake_at: Option<Instant>,
    /// In the ready queue.
    queued: bool,
    /// Asked for while a check was under way.
    again: bool,
    /// Somebody waits for the next check.
    asked: bool,
    failure: Option<Failure>,
    evidence_at: Option<Instant>,
}

pub(super) struct Plan {
    entries: HashMap<Arc<str>, Entry>,
    /// Wake-ups; those of older versions are passed over when they come up.
    wakes: BinaryHeap<Reverse<(Instant, Arc<str>, u64)>>,
    ready: VecDeque<Ticket>,
    versions: u64,
    /// Wall clock and monotonic clock at the same moment: the wall clock may be set.
    anchor: (Timestamp, Instant),
}

impl Plan {
    pub(super) fn new(wall: Timestamp, now: Instant) -> Self {
        Self {
            entries: HashMap::new(),
            wakes: BinaryHeap::new(),
            ready: VecDeque::new(),
            versions: 0,
            anchor: (wall, now),
        }
    }

    fn wall(&self, now: Instant) -> Timestamp {
        let since = now.saturating_duration_since(self.anchor.1);
        self.anchor.0.checked_add(since).unwrap_or(self.anchor.0)
    }

    /// Takes over a new set of monitors. Unchanged ones go on as if nothing had happened.
    pub(super) fn assign(&mut self, assignments: &[Assignment], now: Instant) {
        let wanted: HashMap<&str, &Assignment> = assignments
            .iter()
            .filter(|one| !one.monitor.paused)
            .map(|one| (one.monitor.name.as_str(), one))
            .collect();
        self.entries.retain(|name, entry| {
            let wanted = wanted.get(&**name);
            let same = wanted.is_some_and(|one| one.monitor == entry.monitor);
            if let Some(one) = wanted.filter(|_| same) {
                entry.phase = one.phase;
            } else if let Some(running) = entry.running.take() {
                running.abort();
            }
            wanted.is_some()
        });
        let fresh: Vec<&Assignment> =
            wanted.into_values().filter(|one| !self.has(&one.monitor)).collect();
        let apart = FIRST_CHECK_APART * u32::try_from(fresh.len()).unwrap_or(u32::MAX);
        for Assignment { monitor, phase: beat } in fresh {
            self.versions += 1;
            let known = self.entries.contains_key(monitor.name.as_str());
            let spread = apart.min(monitor.interval);
            let wait = match known || spread.is_zero() {
                // A changed definition takes effect at once.
                true => Duration::ZERO,
                false => phase(&monitor.name, spread),
            };
            let name: Arc<str> = monitor.name.as_str().into();
            self.entries.insert(
                name.clone(),
                Entry {
                    monitor: Arc::clone(monitor),
                    version: self.versions,
                    phase: *beat,
                    last: None,
                    running: None,
                    wake_at: Some(now + wait),
                    queued: false,
                    again: false,
                    asked: false,
                    failure: None,
                    evidence_at: None,
                },
            );
            self.wakes.push(Reverse((now + wait, name, self.versions)));
        }
    }

    fn has(&self, monitor: &Monitor) -> bool {
        let entry = self.entries.get(monitor.name.as_str());
        entry.is_some_and(|entry| *entry.monitor == *monitor)
    }

    /// When [`wake`](Self::wake) has something to do.
    pub(super) fn next_at(&self) -> Option<Instant> {
        self.wakes.peek().map(|Reverse((at, _, _))| *at)
    }

    /// Moves what is due into the ready queue.
    pub(super) fn wake(&mut self, now: Instant) {
        while self.next_at().is_some_and(|at| at <= now) {
            let Some(Reverse((at, name, version))) = self.wakes.pop() else { break };
            let current = self
                .entries
                .get(&name)
                .is_some_and(|entry| entry.version == version && entry.wake_at == Some(at));
            if current {
                self.enqueue(&name);
            }
        }
    }

    pub(super) fn check_now(&mut self, name: &str) {
        if let Some(entry) = self.entries.get_mut(name) {
            entry.asked = true;
        }
        match self.entries.get_mut(name) {
            Some(entry) if entry.running.is_some() => entry.again = true,
            Some(_) => self.enqueue(name),
            None => tracing::debug!(monitor = name, "asked to check an unknown monitor"),
        }
    }

    fn enqueue(&mut self, name: &str) {
        let Some((name, entry)) = self.entries.get_key_value(name) else { return };
        if entry.queued || entry.running.is_some() {
            return;
        }
        let ticket = Ticket { name: name.clone(), version: entry.version };
        if let Some(entry) = self.entries.get_mut(&ticket.name) {
            entry.queued = true;
        }
        self.ready.push_back(ticket);
    }

    /// The next check to start, if any.
    pub(super) fn take_ready(&mut self, now: Instant) -> Option<Start> {
        let wall = self.wall(now);
        while let Some(ticket) = self.ready.pop_front() {
            let Some(entry) = self.current(&ticket) else { continue };
            entry.queued = false;
            entry.again = false;
            entry.wake_at = None;
            entry.last = Some(wall);
            let known = Before {
                failure: entry.failure,
                evidence_age: entry.evidence_at.map(|at| now.saturating_duration_since(at)),
                ..Before::default()
            };
            let asked = std::mem::take(&mut entry.asked);
            return Some(Start { monitor: entry.monitor.clone(), known, ticket, asked });
        }
        None
    }

    fn current(&mut self, ticket: &Ticket) -> Option<&mut Entry> {
        self.entries.get_mut(&ticket.name).filter(|entry| entry.version == ticket.version)
    }

    pub(super) fn started(&mut self, ticket: &Ticket, handle: AbortHandle) {
        if let Some(entry) = self.current(ticket) {
            entry.running = Some(handle);
        }
    }

    /// Takes note of a check's end and plans the next one. False: the monitor is gone or changed.
    pub(super) fn ended(
        &mut self,
        ticket: &Ticket,
        failure: Option<Failure>,
        investigated: bool,
        now: Instant,
    ) -> bool {
        let wall = self.wall(now);
        let Some(entry) = self.current(ticket) else { return false };
        entry.running = None;
        entry.failure = failure;
        if failure.is_none() {
            entry.evidence_at = None;
        } else if investigated {
            entry.evidence_at = Some(now);
        }
        let next = match due(entry.monitor.interval, entry.phase, entry.last, wall) {
            _ if entry.again => now,
            Due::Now => now,
            Due::At(at) => now + at.duration_since(wall).unsigned_abs(),
        };
        entry.wake_at = Some(next);
        self.wakes.push(Reverse((next, ticket.name.clone(), ticket.version)));
        true
    }
}
