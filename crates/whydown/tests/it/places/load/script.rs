//! Probes whose checks are made up: enrolment, link, spool, batches and what is sent ahead are
//! those of `whydown probe`, in one process, and so are the beat and the evidence, which are copies
//! of one real fine check and one real failing one. Only nobody knocks at the targets.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use jiff::Timestamp;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval};
use whydown_core::evidence::Evidence;
use whydown_core::monitor::{CONFIRM_DEFAULT, Monitor};
use whydown_core::observation::State;
use whydown_core::schedule::{Due, LAST_REPEAT_AFTER, due, phase};
use whydown_core::wire::{Assignment, Report};
use whydown_lab::Host;
use whydown_probe::examine::{Before, Settings as Examination, examine};
use whydown_probe::link::{Settings, run_with};
use whydown_probe::runner::{self, Command, Wires};
use whydown_probe::spool::SPOOL_MAX_BYTES;

/// As the real runner starts new monitors.
const FIRST_CHECK_APART: Duration = Duration::from_millis(2);
/// How exactly a beat is kept.
const TICK: Duration = Duration::from_millis(10);
/// Monitors from one outage to the next: it is a prime, so that all have their turn.
const STRIDE: u64 = 7_919;

/// What happens to the monitors, which are called `m0`, `m1` and so on.
pub(super) struct Script {
    fine: Evidence,
    failing: Evidence,
    monitors: u64,
    /// Something breaks so often: in turn one monitor for everybody, and one at a single place.
    gap: Duration,
    /// And stays so for so long.
    lasts: Duration,
    begun: OnceLock<Instant>,
    /// The first so many are down for everybody.
    pub(super) broken: AtomicUsize,
    /// When a monitor was first seen to fail, by its name.
    first: Mutex<HashMap<String, Timestamp>>,
    reports: AtomicU64,
}

impl Script {
    /// Looks at a port that works and at one that refuses, from `host`, and tells both of all.
    pub(super) fn new(
        (runtime, works, refuses): (&Runtime, &str, &str),
        monitors: u64,
        (gap, lasts): (Duration, Duration),
    ) -> Self {
        let look = |target: &str| {
            let monitor = Monitor::new("m0", target.parse().unwrap());
            let look = runtime.spawn(async move {
                examine(&monitor, &Examination::default(), Before::default()).await.evidence
            });
            runtime.block_on(look).unwrap()
        };
        let (fine, failing) = (look(works), look(refuses));
        let states = |evidence: &Evidence| -> Vec<State> {
            evidence.observations.iter().map(|seen| seen.state).collect()
        };
        assert_eq!(states(&fine), [State::Up]);
        assert_eq!(states(&failing), [State::Down; CONFIRM_DEFAULT as usize + 1]);
        let (first, reports) = (Mutex::default(), AtomicU64::default());
        let (begun, broken) = (OnceLock::new(), AtomicUsize::default());
        Self { fine, failing, monitors, gap, lasts, begun, broken, first, reports }
    }

    /// From now on things break.
    pub(super) fn begin(&self) {
        self.begun.set(Instant::now()).unwrap();
    }

    /// Reports made so far.
    pub(super) fn reports(&self) -> u64 {
        self.reports.load(Ordering::Relaxed)
    }

    /// When a monitor was first seen to fail.
    pub(super) fn first_failure(&self, monitor: &str) -> Option<Timestamp> {
        self.first.lock().unwrap().get(monitor).copied()
    }

    fn fails(&self, monitor: &str, place: usize) -> bool {
        let number: u64 = monitor[1..].parse().unwrap();
        if number < self.broken.load(Ordering::Relaxed) as u64 {
            return true;
        }
        let Some(age) = self.begun.get().map(Instant::elapsed) else { return false };
        let ordinal =
            |age: Duration| u64::try_from(age.as_millis() / self.gap.as_millis()).unwrap();
        let ended = age.checked_sub(self.lasts).map_or(0, |age| ordinal(age) + 1);
        (ended..=ordinal(age)).any(|one| {
            let for_all = one % 2 == 0;
            let alone = one / 2 % 10 == place as u64;
            one * STRIDE % self.monitors == number && (for_all || alone)
        })
    }
}

/// `evidence`, as if it were seen now, a little faster or slower than it was.
fn now_seen(evidence: &Evidence, at: Timestamp, salt: u64) -> Evidence {
    let mut evidence = evidence.clone();
    let began = evidence.observations[0].at;
    let share = 75 + u32::try_from(salt % 50).unwrap();
    let scaled = |duration: Duration| duration * share / 100;
    for seen in &mut evidence.observations {
        seen.at = at + seen.at.duration_since(began);
        seen.elapsed = scaled(seen.elapsed);
        for attempt in &mut seen.attempts {
            attempt.elapsed = scaled(attempt.elapsed);
            attempt.timing.connect = attempt.timing.connect.map(scaled);
            attempt.timing.first_byte = attempt.timing.first_byte.map(scaled);
            if let Some(local) = &mut attempt.local {
                local.set_port(32_768 + u16::try_from(salt % 28_000).unwrap());
            }
        }
    }
    evidence
}

/// Of a check that is told before it was repeated, or needs no repeats.
fn first_of(mut evidence: Evidence) -> Evidence {
    evidence.observations.truncate(1);
    Evidence { observations: evidence.observations, ..Evidence::default() }
}

struct Known {
    assignment: Assignment,
    /// The one wake-up that counts.
    wake_at: Instant,
    failing: bool,
    /// When its first failing check began, while it is repeated.
    repeating: Option<Timestamp>,
}

/// The checks of one place.
struct Checks {
    script: Arc<Script>,
    place: usize,
    location: String,
    known: HashMap<String, Known>,
    wakes: BinaryHeap<Reverse<(Instant, String)>>,
    wires: Wires,
    salt: u64,
}

impl Checks {
    fn assign(&mut self) {
        let all = self.wires.assignments.borrow_and_update().clone();
        let spread = FIRST_CHECK_APART * u32::try_from(all.len()).unwrap();
        for assignment in all.iter().cloned() {
            let name = assignment.monitor.name.clone();
            if self.known.contains_key(&name) {
                continue;
            }
            let wait = phase(&name, spread.min(assignment.monitor.interval));
            let wake_at = Instant::now();
            let fresh = Known { assignment, wake_at, failing: false, repeating: None };
            self.known.insert(name.clone(), fresh);
            self.wake_after(name, wait);
        }
    }

    fn wake_after(&mut self, name: String, wait: Duration) {
        let Some(known) = self.known.get_mut(&name) else { return };
        known.wake_at = Instant::now() + wait;
        self.wakes.push(Reverse((known.wake_at, name)));
    }

    /// What is due, in the order of its beats.
    async fn wake(&mut self) {
        while let Some(Reverse((at, _))) = self.wakes.peek()
            && *at <= Instant::now()
        {
            let Reverse((at, name)) = self.wakes.pop().unwrap();
            if self.known.get(&name).is_some_and(|known| known.wake_at == at) {
                self.check(name, false).await;
            }
        }
    }

    async fn check(&mut self, name: String, asked: bool) {
        let fails = self.script.fails(&name, self.place);
        let Some(known) = self.known.get_mut(&name) else { return };
        if asked && known.repeating.is_some() {
            // Its report comes soon.
            return;
        }
        let now = Timestamp::now();
        let began = known.repeating.take();
        self.salt = self.salt.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let of = if fails { &self.script.failing } else { &self.script.fine };
        let mut evidence = now_seen(of, began.unwrap_or(now), self.salt >> 33);
        if fails && !known.failing && began.is_none() {
            // The first failing check is told at once, and reported with its repeats.
            known.repeating = Some(now);
            self.script.first.lock().unwrap().entry(name.clone()).or_insert(now);
            self.tell(&name, first_of(evidence));
            self.wake_after(name, LAST_REPEAT_AFTER);
            return;
        }
        if fails && known.failing {
            evidence = first_of(evidence);
        } else if !fails && known.failing {
            let apart = LAST_REPEAT_AFTER / CONFIRM_DEFAULT;
            let first = evidence.observations[0].clone();
            evidence.observations.extend((1..=CONFIRM_DEFAULT).map(|repeat| {
                let mut seen = first.clone();
                seen.at += apart * repeat;
                seen
            }));
        }
        known.failing = fails;
        let Assignment { monitor, phase } = &known.assignment;
        let wait = match due(monitor.interval, *phase, Some(now), now) {
            Due::Now => Duration::ZERO,
            Due::At(at) => at.duration_since(now).unsigned_abs(),
        };
        if asked && !fails {
            self.tell(&name, evidence.clone());
        }
        self.wake_after(name.clone(), wait);
        self.script.reports.fetch_add(1, Ordering::Relaxed);
        let report = Report { monitor: name, location: self.location.clone(), evidence };
        // An error means that the keeper is stopping.
        let _ = self.wires.reports.send(report).await;
    }

    fn tell(&self, name: &str, evidence: Evidence) {
        let (monitor, location) = (name.to_owned(), self.location.clone());
        if let Some(early) = &self.wires.early {
            let _ = early.try_send(Report { monitor, location, evidence });
        }
    }
}

async fn check_all(
    (script, place): (Arc<Script>, usize),
    location: String,
    wires: Wires,
    mut stop: watch::Receiver<bool>,
) {
    let (known, wakes) = (HashMap::new(), BinaryHeap::new());
    let salt = place as u64 + 1;
    let mut checks = Checks { script, place, location, known, wakes, wires, salt };
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    checks.assign();
    let mut over = pin!(async move { drop(stop.wait_for(|stop| *stop).await) });
    loop {
        tokio::select! {
            () = &mut over => return,
            Ok(()) = checks.wires.assignments.changed() => checks.assign(),
            Some(Command::CheckNow { monitor }) = checks.wires.commands.recv() => {
                checks.check(monitor, true).await;
            }
            _ = tick.tick() => checks.wake().await,
        }
    }
}

/// Probes that follow a script, in one process, on one host.
pub(super) struct Scripted {
    runtime: Runtime,
    stop: watch::Sender<bool>,
}

impl Scripted {
    /// Threads whose sockets are `host`'s.
    pub(super) fn on(host: &Host) -> Self {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let builder = builder.worker_threads(2).enable_all();
        let runtime = host.enter(|| builder.build().unwrap());
        Self { runtime, stop: watch::Sender::new(false) }
    }

    pub(super) fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// One more probe.
    pub(super) fn start(
        &self,
        host: &Host,
        (server, token): (&str, &str),
        script: &Arc<Script>,
        place: usize,
    ) {
        let settings = Settings {
            server: server.to_owned(),
            token: Some(token.parse().unwrap()),
            data: host.directory(&format!("probe{place}")),
            spool_max_bytes: SPOOL_MAX_BYTES,
            runner: runner::Settings::default(),
        };
        let (stop, script) = (self.stop.subscribe(), Arc::clone(script));
        self.runtime.spawn(async move {
            let checks =
                |location, _, wires, stop| check_all((script, place), location, wires, stop);
            let done = run_with(settings, stop, checks).await;
            done.unwrap_or_else(|error| panic!("the link of probe {place}: {error}"));
        });
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}
