//! What the agent sees without being asked: listeners that come and go, boots, steps of the
//! clock, and what runs short. One thread of its own, since watching waits.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::mpsc;
use whydown_core::inside::wire::LISTENERS_MAX;
use whydown_core::inside::{Clues, Happening, HappeningKind, InsideView, Listener};
use whydown_host::footprint::Code;
use whydown_host::inside::first_word;
use whydown_host::watch::{Change, Watcher};
use whydown_host::{machine, process};

/// How often the machine itself is looked at.
const MACHINE_EVERY: Duration = Duration::from_secs(15);
/// The longest sleep of the watching thread: so soon it notices that it is to end.
const WAIT_MAX: Duration = Duration::from_secs(5);
/// Changes that may wait to be told.
const TOLD_MAX: usize = 256;
/// The clock was set when it moved by more than this against the monotonic one.
const STEP_MIN: SignedDuration = SignedDuration::from_secs(1);
/// Less than this share of memory left, or so much waiting for it, is short.
const MEMORY_MIN_SHARE: u64 = 20;
const PRESSURE_MIN_PERCENT: f64 = 40.0;
/// Owners remembered of ports that nobody listens on any more.
const REMEMBERED_MAX: usize = 4_096;

/// The ports that may be spoken of: those that both sides allow. Nothing given allows all.
#[derive(Clone, Debug, Default)]
pub struct Allowed(Arc<Mutex<Ports>>);

#[derive(Debug, Default)]
struct Ports {
    own: BTreeSet<u16>,
    granted: BTreeSet<u16>,
}

impl Allowed {
    /// What the machine's owner allows.
    #[must_use]
    pub fn new(own: &[u16]) -> Self {
        let own = own.iter().copied().collect();
        Self(Arc::new(Mutex::new(Ports { own, granted: BTreeSet::new() })))
    }

    fn lock(&self) -> MutexGuard<'_, Ports> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn own(&self) -> Vec<u16> {
        self.lock().own.iter().copied().collect()
    }

    /// What the server allows on top: never more than the owner does.
    pub(super) fn grant(&self, ports: &[u16]) {
        self.lock().granted = ports.iter().copied().collect();
    }

    /// May this port be spoken of?
    #[must_use]
    pub fn has(&self, port: u16) -> bool {
        let ports = self.lock();
        (ports.own.is_empty() || ports.own.contains(&port))
            && (ports.granted.is_empty() || ports.granted.contains(&port))
    }
}

/// Something to tell.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Seen {
    /// A listener is gone; and the first word on its port.
    Gone(Listener, Timestamp, Box<InsideView>),
    /// A listener is new.
    Came(Listener, Timestamp),
    /// Something happened to the machine.
    Happened(Happening),
    /// What listens has changed.
    Listening,
}

/// The thread that watches, and what it remembers.
#[derive(Debug)]
pub struct Sight {
    seen: mpsc::Receiver<Seen>,
    memory: Memory,
}

/// Who owned which port until when, and what listens.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    owners: Arc<Mutex<BTreeMap<u16, Owned>>>,
    listeners: Arc<Mutex<Vec<Listener>>>,
}

/// Name of the unit or program, when it was seen last, and its processes.
type Owned = (String, Timestamp, Vec<u32>);

impl Memory {
    fn keep(&self, listener: &Listener, at: Timestamp) {
        let named = listener.unit.clone().filter(|unit| !unit.ends_with(".scope"));
        let name = named.or_else(|| Some(listener.owner()?.process.clone()));
        let mut owners = self.owners.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(name) = name.filter(|_| owners.len() < REMEMBERED_MAX) {
            let pids = listener.owners.iter().map(|owner| owner.pid).collect();
            owners.insert(listener.port, (name, at, pids));
        }
    }

    /// What is known already when somebody asks for a port.
    pub(super) fn clues(&self, port: u16, server_name: Option<String>) -> Clues {
        let owners = self.owners.lock().unwrap_or_else(PoisonError::into_inner);
        let (last_owner, last_pids) = match owners.get(&port) {
            Some((name, at, pids)) => (Some((name.clone(), *at)), pids.clone()),
            None => (None, Vec::new()),
        };
        Clues { last_owner, last_pids, server_name }
    }

    /// Keeps what listens, as far as others need to know it. False: it is what was kept.
    fn keep_all(&self, listeners: &[Listener]) -> bool {
        let plain = |listener: &Listener| Listener {
            queue: None,
            inode: 0,
            owners: listener.owners.first().cloned().into_iter().collect(),
            ..listener.clone()
        };
        let mut all: Vec<Listener> = listeners.iter().map(plain).collect();
        all.sort_by_key(|listener| (listener.transport, listener.port, listener.address));
        let mut kept = self.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = *kept != all;
        *kept = all;
        changed
    }

    /// What listens, as far as it may be spoken of.
    pub(super) fn listeners(&self, allowed: &Allowed) -> Vec<Listener> {
        let kept = self.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        let spoken_of = kept.iter().filter(|listener| allowed.has(listener.port));
        spoken_of.take(LISTENERS_MAX).cloned().collect()
    }
}

impl Sight {
    /// Begins to watch.
    #[must_use]
    pub fn start(allowed: Allowed) -> Self {
        let (tell, seen) = mpsc::channel(TOLD_MAX);
        let memory = Memory::default();
        let remember = memory.clone();
        std::thread::spawn(move || watch(&allowed, &tell, &remember));
        Self { seen, memory }
    }

    pub(super) async fn next(&mut self) -> Option<Seen> {
        self.seen.recv().await
    }

    pub(super) fn memory(&self) -> &Memory {
        &self.memory
    }
}

fn watch(allowed: &Allowed, tell: &mpsc::Sender<Seen>, memory: &Memory) {
    let mut watcher = Watcher::new(&allowed.own());
    if !watcher.hears() {
        tracing::warn!(
            "netlink is not to be had: the end of a listener is noticed within a second"
        );
    }
    for listener in watcher.listeners() {
        memory.keep(listener, Timestamp::now());
    }
    memory.keep_all(watcher.listeners());
    let code = Code::mapped();
    let mut health = Health::new();
    let mut next = Instant::now();
    while !tell.is_closed() {
        let changes = watcher.wait(WAIT_MAX);
        let is_calm = changes.is_empty();
        for change in changes {
            let at = Timestamp::now();
            let (Change::Gone(listener) | Change::Came(listener)) = &change;
            if !allowed.has(listener.port) {
                continue;
            }
            memory.keep(listener, at);
            let seen = match change {
                Change::Gone(listener) => {
                    let on_port = |l: &&Listener| {
                        l.port == listener.port && l.transport == listener.transport
                    };
                    let rest = watcher.listeners().iter().filter(on_port).cloned().collect();
                    let word = first_word(&listener, rest, at);
                    Seen::Gone(listener, at, Box::new(word))
                }
                Change::Came(listener) => Seen::Came(listener, at),
            };
            // Whoever is too slow to hear it sees it when it asks.
            let _ = tell.try_send(seen);
        }
        if Instant::now() >= next {
            next = Instant::now() + MACHINE_EVERY;
            if memory.keep_all(watcher.listeners()) {
                let _ = tell.try_send(Seen::Listening);
            }
            for happening in health.look(watcher.listeners()) {
                let _ = tell.try_send(Seen::Happened(happening));
            }
        }
        if is_calm {
            // Hardly anything of what has just run is needed before the next change.
            code.release();
        }
    }
}

/// What was in order when it was last looked at.
#[derive(Debug)]
struct Health {
    wall: Timestamp,
    steady: Instant,
    told_boot: bool,
    full: BTreeSet<String>,
    memory_short: bool,
    short_of_descriptors: BTreeSet<u32>,
}

impl Health {
    fn new() -> Self {
        Self {
            wall: Timestamp::now(),
            steady: Instant::now(),
            told_boot: false,
            full: BTreeSet::new(),
            memory_short: false,
            short_of_descriptors: BTreeSet::new(),
        }
    }

    /// What has become worse since the last look.
    fn look(&mut self, listeners: &[Listener]) -> Vec<Happening> {
        let now = Timestamp::now();
        let mut found = Vec::new();
        let mut add = |at, kind, text| found.push(Happening { at, kind, text });
        if !self.told_boot {
            self.told_boot = true;
            if let Some(at) = machine::booted_at() {
                add(at, HappeningKind::Boot, "the machine was started".to_owned());
            }
        }
        if let Some(step) = self.clock_step(now) {
            let text = format!("the clock was set by {:.1} s", step.as_secs_f64());
            add(now, HappeningKind::ClockStep, text);
        }
        let disks = machine::full_disks();
        for disk in disks.iter().filter(|disk| !self.full.contains(&disk.mount)) {
            add(now, HappeningKind::DiskFull, format!("the disk at {} is full", disk.mount));
        }
        self.full = disks.into_iter().map(|disk| disk.mount).collect();
        let short = is_memory_short();
        if short && !self.memory_short {
            add(now, HappeningKind::MemoryShort, "memory is short".to_owned());
        }
        self.memory_short = short;
        let (pids, texts) = short_of_descriptors(listeners);
        for (pid, text) in pids.iter().zip(texts) {
            if !self.short_of_descriptors.contains(pid) {
                add(now, HappeningKind::DescriptorsOut, text);
            }
        }
        self.short_of_descriptors = pids.into_iter().collect();
        found
    }

    /// How far the wall clock moved against the monotonic one.
    fn clock_step(&mut self, now: Timestamp) -> Option<SignedDuration> {
        let passed = SignedDuration::try_from(self.steady.elapsed()).ok()?;
        let step = now.duration_since(self.wall) - passed;
        (self.wall, self.steady) = (now, Instant::now());
        (step.abs() >= STEP_MIN).then_some(step)
    }
}

fn is_memory_short() -> bool {
    let machine = machine::memory_now();
    let full = machine.memory_mib.is_some_and(|(free, all)| free < all / MEMORY_MIN_SHARE);
    full && machine.memory_pressure_percent.is_some_and(|percent| percent >= PRESSURE_MIN_PERCENT)
}

/// Processes behind the ports that have no descriptors left.
fn short_of_descriptors(listeners: &[Listener]) -> (Vec<u32>, Vec<String>) {
    let owners = listeners.iter().flat_map(|listener| &listener.owners);
    let names: BTreeMap<u32, &str> =
        owners.map(|owner| (owner.pid, owner.process.as_str())).collect();
    let mut found = (Vec::new(), Vec::new());
    for (pid, name) in names {
        let Some((used, limit)) = process::descriptors(pid) else { continue };
        if used.saturating_add(3) >= limit {
            found.0.push(pid);
            found.1.push(format!("{name} (pid {pid}) uses {used} of {limit} descriptors"));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ports_that_both_sides_allow_are_spoken_of() {
        let all = Allowed::new(&[]);
        assert!(all.has(80) && all.has(22));
        all.grant(&[80]);
        assert!(all.has(80) && !all.has(22));
        let some = Allowed::new(&[80, 443]);
        some.grant(&[443, 22]);
        assert!(some.has(443) && !some.has(80) && !some.has(22));
    }

    #[test]
    fn a_clock_that_was_set_is_noticed() {
        let mut health = Health::new();
        assert_eq!(health.clock_step(Timestamp::now()), None);
        let later = Timestamp::now() + SignedDuration::from_secs(90);
        assert!(health.clock_step(later).is_some_and(|step| step.as_secs() >= 89));
    }
}
