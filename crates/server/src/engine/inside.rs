//! The inside joins the outside. A host agent's word that a listener is gone makes all places
//! check now; a failure at an address with an agent waits a moment for what the agent sees, and
//! what it sees later makes them look once more.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;
use whydown_core::incident::Policy;
use whydown_core::inside::{InsideView, Transport};
use whydown_core::monitor::Monitor;
use whydown_core::observation::{Observation, State};
use whydown_core::wire::Report;

use super::Engine;
use super::report::{self, Way};
use crate::fleet::agents::Word;

/// How long a failure waits for the whole view, counted from the first word …
const AFTER_WORD: Duration = Duration::from_millis(100);
/// … and when the agent has to be asked.
const AFTER_ASKING: Duration = Duration::from_millis(600);
/// A view so old says nothing about a failure any more.
const FRESH_FOR: Duration = Duration::from_secs(5);
/// A whole view that comes so much later than the verdict makes the places look once more …
const LATE_MAX: Duration = Duration::from_secs(15);
/// … but not more often than this, however slow the agent is.
const AGAIN_EVERY: Duration = Duration::from_secs(30);
/// Views kept.
const VIEWS_MAX: usize = 4_096;
/// Failures that wait; what comes on top is judged without a view.
const WAITING_MAX: usize = 1_024;

/// A port of a host.
type Spot = (String, u16);

/// What agents have said lately, and who waits for more.
#[derive(Default)]
pub(super) struct Insides {
    views: HashMap<Spot, (Timestamp, InsideView)>,
    /// By monitor and location.
    waiting: HashMap<(String, String), Waiting>,
    /// Ports that were judged without the whole view.
    missed: HashMap<Spot, Missed>,
}

struct Missed {
    at: Timestamp,
    /// The view has come, and the places were asked again.
    made_good: bool,
}

struct Waiting {
    spot: Spot,
    report: Report,
    until: Timestamp,
}

impl Insides {
    fn next_at(&self) -> Option<Timestamp> {
        self.waiting.values().map(|waiting| waiting.until).min()
    }

    /// The view of a port, unless it is too old to speak of this check.
    fn view(&self, spot: &Spot, now: Timestamp) -> Option<&InsideView> {
        let (at, view) = self.views.get(spot)?;
        let fresh = Duration::try_from(now.duration_since(*at)).unwrap_or_default() <= FRESH_FOR;
        fresh.then_some(view)
    }

    /// When the newest word on a port came.
    fn heard_at(&self, spot: &Spot) -> Option<Timestamp> {
        self.views.get(spot).map(|(at, _)| *at)
    }

    fn keep(&mut self, spot: Spot, view: InsideView, now: Timestamp) {
        if self.views.len() >= VIEWS_MAX {
            let line = now.checked_sub(FRESH_FOR).unwrap_or(Timestamp::MIN);
            self.views.retain(|_, (at, _)| *at >= line);
        }
        // A first word does not replace what is known in whole from the same moment.
        let whole =
            self.view(&spot, now).is_some_and(|known| !known.partial && known.at >= view.at);
        if self.views.len() < VIEWS_MAX && !(view.partial && whole) {
            self.views.insert(spot, (now, view));
        }
    }
}

impl Insides {
    /// A port was judged without the whole view.
    fn miss(&mut self, spot: Spot, now: Timestamp) {
        let line = now.checked_sub(AGAIN_EVERY).unwrap_or(Timestamp::MIN);
        self.missed.retain(|_, missed| missed.at >= line);
        if self.missed.len() < VIEWS_MAX {
            self.missed.entry(spot).or_insert(Missed { at: now, made_good: false });
        }
    }

    /// Does a whole view that comes now make good what a verdict lacked?
    fn makes_good(&mut self, spot: &Spot, now: Timestamp) -> bool {
        let line = now.checked_sub(LATE_MAX).unwrap_or(Timestamp::MIN);
        let missed = self.missed.get_mut(spot);
        let Some(missed) = missed.filter(|missed| !missed.made_good && missed.at >= line) else {
            return false;
        };
        *missed = Missed { at: now, made_good: true };
        true
    }
}

/// The first address that fails, with its port.
fn failing(observation: &Observation) -> Option<(IpAddr, u16)> {
    let attempt = observation.attempts.iter().find(|attempt| attempt.failure.is_some())?;
    Some((attempt.ip, attempt.port))
}

impl Engine {
    /// How a monitor's incidents go: where an agent has said that nobody listens, one refusal is
    /// as good as several.
    pub(super) fn policy(&self, monitor: &Monitor, now: Timestamp) -> Policy {
        let mut policy = report::policy(monitor);
        if self.is_certain(monitor, now) {
            policy.confirm = 0;
        }
        policy
    }

    /// When a failure has waited long enough for a view.
    pub(super) fn inside_wake(&self) -> Option<Instant> {
        let wait = self.insides.next_at()?.duration_since(self.shared.clock.now());
        Some(Instant::now() + Duration::try_from(wait).unwrap_or_default())
    }

    /// Has an agent said that nobody listens where this monitor's target was found?
    fn is_certain(&self, monitor: &Monitor, now: Timestamp) -> bool {
        let views = &self.insides.views;
        views.iter().any(|((_, port), (at, view))| {
            *port == monitor.target.port
                && Duration::try_from(now.duration_since(*at)).unwrap_or_default() <= FRESH_FOR
                && view.sockets_read
                && view.listeners.is_empty()
                && self.leads_to(monitor, &view.addresses, *port)
        })
    }

    /// Was the target found at one of these addresses?
    fn leads_to(&self, monitor: &Monitor, addresses: &[IpAddr], port: u16) -> bool {
        if monitor.target.port != port {
            return false;
        }
        if let Some(ip) = monitor.target.host.ip() {
            return addresses.contains(&ip);
        }
        self.shared.board.get(&monitor.name).is_some_and(|shown| shown.leads_to(addresses))
    }

    /// A host agent has spoken.
    pub(super) fn inside(&mut self, word: Word) {
        let now = self.shared.clock.now();
        let Word { host, addresses, gone, views } = word;
        let addresses: Vec<IpAddr> = addresses.into_iter().collect();
        let of_tcp = |(transport, _): &&(Transport, u16)| *transport == Transport::Tcp;
        let mut ports: BTreeSet<u16> = gone.iter().filter(of_tcp).map(|(_, port)| *port).collect();
        for mut view in views {
            // Behind address translation the host does not know all its addresses.
            view.addresses.clone_from(&addresses);
            let spot = (host.clone(), view.port);
            if !view.partial && self.insides.makes_good(&spot, now) {
                ports.insert(view.port);
            }
            self.insides.keep(spot, view, now);
        }
        for port in ports {
            let roster = self.roster();
            let active = roster.entries.iter().filter(|entry| !entry.monitor.paused);
            for entry in active.filter(|entry| self.leads_to(&entry.monitor, &addresses, port)) {
                self.shared.fleet.ask(&entry.monitor, "");
            }
        }
        self.release(now);
        self.shared.fleet.flush();
    }

    /// Gives a failing report the view of the port that fails. `None`: it waits for one.
    pub(super) fn with_inside(
        &mut self,
        monitor: &Monitor,
        mut report: Report,
        way: Way,
        now: Timestamp,
    ) -> Option<Report> {
        let place = (monitor.name.clone(), report.location.clone());
        // What comes later of the same place ends the wait: the order of reports stays.
        if let Some(earlier) = self.insides.waiting.remove(&place) {
            self.judge_waiting(earlier, now);
        }
        let last = report.evidence.observations.last()?;
        let fails = matches!(last.state, State::Down | State::Degraded);
        let Some((ip, port)) = failing(last).filter(|_| fails && way != Way::Late) else {
            return Some(report);
        };
        let Some(host) = self.shared.agents.host_of(ip, port) else { return Some(report) };
        let began = report.evidence.observations.first().map_or(last.at, |first| first.at);
        let spot = (host, port);
        let known = self.insides.view(&spot, now);
        if let Some(view) = known.filter(|view| !view.partial && speaks_of(view, began)) {
            report.evidence.inside = Some(view.clone());
            return Some(report);
        }
        let word = known.filter(|view| view.partial).and_then(|_| self.insides.heard_at(&spot));
        if word.is_none() {
            let name = monitor.target.host.name();
            self.shared.agents.ask(&spot.0, port, Transport::Tcp, name);
        }
        if self.insides.waiting.len() >= WAITING_MAX {
            return Some(report);
        }
        if way == Way::InTurn {
            // What was seen is stored in turn; only the verdict waits.
            let seen = report.evidence.observations.clone();
            self.draft.see(&monitor.name, &report.location, seen);
            self.draft.hurry();
        }
        let until = match word {
            Some(heard) => heard.checked_add(AFTER_WORD),
            None => now.checked_add(AFTER_ASKING),
        };
        let until = until.unwrap_or(now);
        self.insides.waiting.insert(place, Waiting { spot, report, until });
        None
    }

    /// Judges what has waited long enough, or for what is here now.
    pub(super) fn release(&mut self, now: Timestamp) {
        let is_done = |waiting: &Waiting, insides: &Insides| {
            let view = insides.view(&waiting.spot, now);
            waiting.until <= now || view.is_some_and(|view| !view.partial)
        };
        let done: Vec<(String, String)> = self
            .insides
            .waiting
            .iter()
            .filter(|(_, waiting)| is_done(waiting, &self.insides))
            .map(|(place, _)| place.clone())
            .collect();
        for place in done {
            if let Some(waiting) = self.insides.waiting.remove(&place) {
                self.judge_waiting(waiting, now);
            }
        }
    }

    fn judge_waiting(&mut self, waiting: Waiting, now: Timestamp) {
        let Waiting { spot, mut report, .. } = waiting;
        report.evidence.inside = self.insides.view(&spot, now).cloned();
        if report.evidence.inside.as_ref().is_none_or(|view| view.partial) {
            self.insides.miss(spot, now);
        }
        let roster = self.roster();
        let entry = roster.entry(&report.monitor).filter(|entry| !entry.monitor.paused);
        if let Some(entry) = entry {
            self.report_joined(&entry.monitor, report, Way::Ahead, now);
        }
    }
}

/// Was the view made during or after the check, or so shortly before that it is about the same?
fn speaks_of(view: &InsideView, began: Timestamp) -> bool {
    let line = began.checked_sub(Duration::from_secs(1)).unwrap_or(began);
    view.at.is_none_or(|at| at >= line)
}
