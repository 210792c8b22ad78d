//! Keeps an eye on listening sockets: one that goes away is told of within milliseconds where the
//! kernel tells of it (netlink), else within a second.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::os::fd::AsFd as _;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use whydown_core::inside::{Listener, Transport};

use crate::sockets::destroyed::{Ear, Heard};
use crate::sockets::{Which, ports_in_use, read};

/// How often the tables are read when the kernel tells of what goes.
const CALM: Duration = Duration::from_secs(10);
/// And when it doesn't.
const DEAF: Duration = Duration::from_secs(1);
/// After a change: a service that is being restarted comes back.
const EXCITED: Duration = Duration::from_millis(250);
const EXCITED_FOR: Duration = Duration::from_secs(5);
/// A single port is asked for by itself up to this many; beyond it the whole table is cheaper.
const SINGLE_MAX: usize = 8;

/// A change of what listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is gone; told as it was.
    Gone(Listener),
    /// It is new.
    Came(Listener),
}

/// One place to listen at.
type Spot = (Transport, IpAddr, u16);

/// Watches the calling thread's network namespace.
#[derive(Debug)]
pub struct Watcher {
    ear: Option<Ear>,
    /// The ports that matter; all when empty.
    ports: BTreeSet<u16>,
    known: Vec<Listener>,
    next_look: Instant,
    excited_until: Instant,
}

impl Watcher {
    /// Begins to watch these ports, or all when there are none.
    #[must_use]
    pub fn new(ports: &[u16]) -> Self {
        let now = Instant::now();
        let mut watcher = Self {
            ear: Ear::open().ok(),
            ports: ports.iter().copied().collect(),
            known: Vec::new(),
            next_look: now,
            excited_until: now,
        };
        watcher.known = watcher.owners_of(None);
        watcher.plan(now);
        watcher
    }

    /// Does the kernel tell of sockets that go away?
    #[must_use]
    pub fn hears(&self) -> bool {
        self.ear.is_some()
    }

    /// What listens, as far as is known.
    #[must_use]
    pub fn listeners(&self) -> &[Listener] {
        &self.known
    }

    /// Waits until something changes, at most so long.
    pub fn wait(&mut self, at_most: Duration) -> Vec<Change> {
        let end = Instant::now() + at_most;
        loop {
            let now = Instant::now();
            let until = self.next_look.min(end);
            if self.is_told(until.saturating_duration_since(now))
                || Instant::now() >= self.next_look
            {
                let changes = self.look();
                if !changes.is_empty() {
                    return changes;
                }
            }
            if Instant::now() >= end {
                return Vec::new();
            }
        }
    }

    /// Waits for the kernel's word on a socket that matters.
    fn is_told(&self, wait: Duration) -> bool {
        // One more, so that no time is spent spinning below a millisecond.
        let timeout = u16::try_from(wait.as_millis() + 1).unwrap_or(u16::MAX);
        let Some(ear) = &self.ear else {
            let _ = poll(&mut [], PollTimeout::from(timeout));
            return false;
        };
        let mut fds = [PollFd::new(ear.as_fd(), PollFlags::POLLIN)];
        let _ = poll(&mut fds, PollTimeout::from(timeout));
        let mut told = false;
        while let Some(heard) = ear.next() {
            told |= heard.iter().any(|heard| match heard {
                Heard::Gone(port) => self.known.iter().any(|listener| listener.port == *port),
                Heard::Lost => true,
            });
        }
        told
    }

    /// Compares what listens with what is known.
    fn look(&mut self) -> Vec<Change> {
        let now = Instant::now();
        let Some(spots) = self.spots() else {
            self.plan(now);
            return Vec::new();
        };
        let spot = |l: &Listener| (l.transport, l.address, l.port);
        let (kept, gone): (Vec<Listener>, Vec<Listener>) =
            std::mem::take(&mut self.known).into_iter().partition(|l| spots.contains(&spot(l)));
        self.known = kept;
        let known: BTreeSet<Spot> = self.known.iter().map(spot).collect();
        let fresh: BTreeSet<Spot> = spots.difference(&known).copied().collect();
        let mut changes: Vec<Change> = gone.into_iter().map(Change::Gone).collect();
        if !fresh.is_empty() {
            let ports: BTreeSet<u16> = fresh.iter().map(|(_, _, port)| *port).collect();
            let single = ports.first().copied().filter(|_| ports.len() == 1);
            let came = self.owners_of(single).into_iter().filter(|l| fresh.contains(&spot(l)));
            let came: Vec<Listener> = came.collect();
            self.known.extend(came.iter().cloned());
            changes.extend(came.into_iter().map(Change::Came));
        }
        if !changes.is_empty() {
            self.excited_until = now + EXCITED_FOR;
        }
        self.plan(now);
        changes
    }

    fn plan(&mut self, now: Instant) {
        let pause = match &self.ear {
            _ if now < self.excited_until => EXCITED,
            Some(_) => CALM,
            None => DEAF,
        };
        self.next_look = now + pause;
    }

    /// Who listens now, without owners; `None`: can't be read.
    fn spots(&self) -> Option<BTreeSet<Spot>> {
        if (1..=SINGLE_MAX).contains(&self.ports.len()) {
            let mut spots = BTreeSet::new();
            for port in &self.ports {
                spots.extend(ports_in_use(Some(*port))?);
            }
            return Some(spots);
        }
        let matters = |spot: &Spot| self.ports.is_empty() || self.ports.contains(&spot.2);
        Some(ports_in_use(None)?.into_iter().filter(matters).collect())
    }

    fn owners_of(&self, port: Option<u16>) -> Vec<Listener> {
        let single = self.ports.first().copied().filter(|_| self.ports.len() == 1);
        let found = read(Which { port: port.or(single), everywhere: false });
        let matters = |l: &Listener| self.ports.is_empty() || self.ports.contains(&l.port);
        found.listeners.into_iter().filter(matters).collect()
    }
}
