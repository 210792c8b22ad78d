//! The way of a report: entered into its place's memory, judged together with what the other
//! places see, and followed by whatever that means. A first failure anywhere makes all other
//! places of the monitor check now; for a moment a verdict waits for them.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::sync::atomic::Ordering;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;
use whydown_core::diagnose::diagnose;
use whydown_core::diagnosis::Diagnosis;
use whydown_core::evidence::{Environment, Evidence, Families};
use whydown_core::failure::Stage as FailureStage;
use whydown_core::incident::{Input, Place, Places, Policy, Quorum, Word, opens, steady};
use whydown_core::inquiry::{Inquiry, Stage};
use whydown_core::monitor::Monitor;
use whydown_core::observation::{Observation, State};
use whydown_core::scope::{Extent, Location, Scope, Sight, is_settled, scope_of};
use whydown_core::target::Target;
use whydown_core::wire::Report;

use super::Engine;
use crate::fleet::{Delivery, LOCAL};

/// When one place has recovered the others are asked to check now, but not more often than this.
const RECOVERY_ASK_EVERY: Duration = Duration::from_secs(2);

/// A round of a large batch takes so long; then what it came to is written.
const ROUND_MAX: Duration = Duration::from_millis(100);

/// How a report came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// To be judged and stored.
    InTurn,
    /// To be judged; it comes again to be stored.
    Ahead,
    /// To be stored; nobody is told of it.
    Late,
}

/// Questions to all places, and what their answers brought.
#[derive(Default)]
pub(super) struct Inquiries {
    open: HashMap<String, Open>,
    /// When to look at them; a monitor may stand here more than once.
    wakes: BinaryHeap<Reverse<(Timestamp, String)>>,
    /// When the places of a monitor were asked last because one had recovered.
    recovering: HashMap<String, Timestamp>,
}

struct Open {
    inquiry: Inquiry,
    /// The best evidence of each failing place.
    evidence: BTreeMap<String, Evidence>,
}

impl Inquiries {
    /// When one of them has to be looked at.
    pub(super) fn next_at(&self) -> Option<Timestamp> {
        self.wakes.peek().map(|Reverse((at, _))| *at)
    }

    /// A place that can't answer any more.
    pub(super) fn gone(&mut self, location: &str) {
        for open in self.open.values_mut() {
            open.inquiry.gone(location);
        }
    }

    pub(super) fn forget(&mut self, monitor: &str) {
        self.open.remove(monitor);
        self.recovering.remove(monitor);
    }
}

/// Was there a look around?
fn is_investigated(evidence: &Evidence) -> bool {
    evidence.inside.is_some()
        || !evidence.addresses.is_empty()
        || !evidence.name_servers.is_empty()
        || !evidence.controls.is_empty()
        || evidence.environment != Environment::default()
}

/// Could the first cause be on the checking machine's own side? Most evidence says no at a glance.
fn may_be_own_fault(evidence: &Evidence) -> bool {
    let own = &evidence.environment;
    let failure = evidence.observations.last().and_then(|seen| seen.failure);
    evidence.controls.iter().any(|control| control.failure.is_some())
        || own.route.is_some()
        || own.no_interface
        || own.proxy.is_some()
        || own.tunnel.is_some()
        || own.hosts_line.is_some()
        || own.clock_ahead_s.is_some()
        || !own.output_rules.is_empty()
        || (is_investigated(evidence) && !own.default_route.v4 && !own.default_route.v6)
        || failure.is_some_and(|failure| {
            failure.is_own_fault()
                || failure.stage() == FailureStage::Dns
                || matches!(failure.code(), "tcp.not_permitted" | "tcp.network_unreachable")
        })
}

impl Engine {
    /// Judges reports for a while: a storm must not hold back its own first message.
    pub(super) fn reports(&mut self, batch: &mut impl Iterator<Item = Report>) {
        let now = self.shared.clock.now();
        let begun = Instant::now();
        for report in batch {
            self.report(report, Way::InTurn, now);
            if begun.elapsed() >= ROUND_MAX {
                break;
            }
        }
        self.shared.heard.store(now.as_millisecond(), Ordering::Relaxed);
        self.end_round(now);
    }

    /// Sends out what follows from a batch.
    pub(super) fn end_round(&mut self, now: Timestamp) {
        self.tell(now);
        self.shared.fleet.flush();
    }

    /// What came ahead of its batch.
    pub(super) fn ahead(&mut self, batch: impl Iterator<Item = Report>) {
        let now = self.shared.clock.now();
        for report in batch {
            self.report(report, Way::Ahead, now);
        }
        self.end_round(now);
    }

    /// A batch of a link.
    pub(super) fn delivered(&mut self, delivery: Delivery) {
        let now = self.shared.clock.now();
        for (report, late) in delivery.reports {
            self.report(report, if late { Way::Late } else { Way::InTurn }, now);
        }
        self.shared.heard.store(now.as_millisecond(), Ordering::Relaxed);
        self.draft.receipt(delivery.key, delivery.sequence, delivery.receipt);
        self.end_round(now);
    }

    fn report(&mut self, report: Report, way: Way, now: Timestamp) {
        let roster = self.roster();
        let Some(entry) = roster.entry(&report.monitor).filter(|entry| !entry.monitor.paused)
        else {
            tracing::debug!(monitor = report.monitor, "report of a monitor that is not watched");
            return;
        };
        if let Some(report) = self.with_inside(&entry.monitor, report, way, now) {
            self.report_joined(&entry.monitor, report, way, now);
        }
    }

    /// A report with what was seen inside, as far as it is known.
    pub(super) fn report_joined(
        &mut self,
        monitor: &Monitor,
        report: Report,
        way: Way,
        now: Timestamp,
    ) {
        let Some(last) = report.evidence.observations.last() else { return };
        let fine = report.evidence.observations.iter().all(|seen| seen.state == State::Up);
        let calm = fine && report.evidence.observations.len() == 1;
        let steady = calm
            && !self.inquiries.open.contains_key(&monitor.name)
            && self
                .standings
                .get_mut(&monitor.name)
                .is_some_and(|standing| steady(standing, &report.location, last));
        if steady {
            self.follow(&monitor.name, &[], now);
        } else {
            if way == Way::Late {
                self.remember(monitor, &report, now);
            } else {
                self.judge_report(monitor, &report, now);
            }
            if !fine {
                self.draft.hurry();
            }
        }
        if way != Way::Ahead {
            let Report { location, evidence, .. } = report;
            self.draft.see(&monitor.name, &location, evidence.observations);
        }
    }

    /// History: nobody is told of it. When it ends with a failure, a look now tells how it is,
    /// unless a newer one has: the answer to that look comes ahead, and then late as well.
    fn remember(&mut self, monitor: &Monitor, report: &Report, now: Timestamp) {
        let location = report.location.clone();
        let observations = report.evidence.observations.clone();
        let known = self.place(monitor, &location).map(|place| place.at);
        let is_news = observations.iter().map(|seen| seen.at).max() > known;
        self.advance(monitor, &Input::Late { location, observations }, now);
        if is_news && self.place(monitor, &report.location).is_some_and(Place::suspects) {
            self.shared.fleet.ask_at(&report.location, &monitor.name);
        }
    }

    fn place(&self, monitor: &Monitor, location: &str) -> Option<&Place> {
        self.standings.get(&monitor.name)?.places.get(location)
    }

    fn judge_report(&mut self, monitor: &Monitor, report: &Report, now: Timestamp) {
        let Report { location, evidence, .. } = report;
        let before = self.place(monitor, location).cloned();
        let Some(last) = evidence.observations.last() else { return };
        let fails = matches!(last.state, State::Down | State::Degraded);
        if fails && before.as_ref().is_none_or(|place| !place.suspects()) {
            self.ask_others(monitor, location, last.elapsed, now);
        }
        self.answered(monitor, location, evidence, fails);
        let diagnosis = self.diagnosis_of(monitor, report, before.as_ref(), fails);
        let input = Input::Report {
            location: location.clone(),
            observations: evidence.observations.clone(),
            diagnosis: diagnosis.map(Box::new),
            quorum: self.quorum(monitor, now),
        };
        self.advance(monitor, &input, now);
        self.decide(monitor, Some(report), now);
        self.speaks_now(monitor, location, now);
        if !fails && before.is_some_and(|place| place.failing) {
            self.ask_failing(monitor, location, now);
        }
    }

    /// The verdict that a report needs by itself: when the cause may be on its place's own side,
    /// or when an open incident may look different now.
    fn diagnosis_of(
        &self,
        monitor: &Monitor,
        report: &Report,
        before: Option<&Place>,
        fails: bool,
    ) -> Option<Diagnosis> {
        if !fails {
            return None;
        }
        let Report { location, evidence, .. } = report;
        let last = evidence.observations.last()?;
        let standing = self.standings.get(&monitor.name);
        let incident = standing.and_then(|standing| standing.incident.as_ref());
        let news = incident.is_some_and(|incident| {
            is_investigated(evidence)
                || incident.diagnosis.failure != last.failure
                || !incident.diagnosis.scope.places.failing.contains(location)
                || before.is_none_or(|place| place.extent.bad != bad(last))
        });
        let isolated = location == LOCAL && self.shared.fleet.is_isolated(self.age(evidence));
        if !news && !isolated && !may_be_own_fault(evidence) {
            return None;
        }
        let mut evidence = evidence.clone();
        if evidence.scope.is_none() {
            evidence.scope = self.scope(monitor, Some((location, last)), &Quorum::default());
        }
        let mut diagnosis = judge(&monitor.target, &evidence)?;
        if isolated {
            // Everybody else fell silent at the same time: this is most likely our own uplink.
            diagnosis.state = State::Inconclusive;
        }
        Some(diagnosis)
    }

    /// How long ago the first of these checks began.
    fn age(&self, evidence: &Evidence) -> Duration {
        let now = self.shared.clock.now();
        let began = evidence.observations.first().map_or(now, |first| first.at);
        Duration::try_from(now.duration_since(began)).unwrap_or_default()
    }

    /// Opens an incident when enough places fail, with the best evidence of all of them.
    fn decide(&mut self, monitor: &Monitor, report: Option<&Report>, now: Timestamp) {
        let quorum = self.quorum(monitor, now);
        let policy = self.policy(monitor, now);
        let Some(standing) = self.standings.get(&monitor.name) else { return };
        if opens(&policy, standing, &quorum)
            && let Some(diagnosis) = self.verdict(monitor, report, &quorum)
        {
            let diagnosis = Box::new(diagnosis);
            self.advance(monitor, &Input::Decide { diagnosis, quorum: quorum.clone() }, now);
        }
        let opened = self.standings.get(&monitor.name).is_some_and(|s| s.incident.is_some());
        let Some(open) = self.inquiries.open.get(&monitor.name) else { return };
        // An incident that was opened before all have answered takes their answers in as well.
        let over = match opened {
            true => !open.inquiry.corrects(now),
            false => open.inquiry.stage(now) != Stage::Open && !quorum.hold,
        };
        if !over {
            return;
        }
        // Who never answered is not said to be fine.
        let quorum = Quorum { waiting: open.inquiry.unanswered(), ..quorum };
        if opened && let Some(diagnosis) = self.verdict(monitor, report, &quorum) {
            self.advance(monitor, &Input::Answered { diagnosis: Box::new(diagnosis) }, now);
        }
        self.inquiries.open.remove(&monitor.name);
    }

    /// A place that could not tell when the incident was opened, and can now, completes its scope;
    /// one that is fine again while others go on failing leaves it.
    fn speaks_now(&mut self, monitor: &Monitor, location: &String, now: Timestamp) {
        let Some(standing) = self.standings.get(&monitor.name) else { return };
        let Some(incident) = &standing.incident else { return };
        let Some(place) = standing.places.get(location) else { return };
        let known = &incident.diagnosis.scope.places;
        let counted = place.counted().state;
        let completes = known.silent.contains(location) && counted != State::Inconclusive;
        let leaves = known.failing.contains(location) && counted == State::Up;
        if !(completes || leaves) || self.inquiries.open.contains_key(&monitor.name) {
            return;
        }
        let mut diagnosis = Diagnosis::clone(&incident.diagnosis);
        let Some(scope) = self.scope(monitor, None, &Quorum::default()) else { return };
        let input = if completes {
            diagnosis.widen(&scope);
            Input::Answered { diagnosis: Box::new(diagnosis) }
        } else {
            Input::Recovering { scope }
        };
        self.advance(monitor, &input, now);
    }

    /// What is known of those who were asked about this monitor.
    fn quorum(&mut self, monitor: &Monitor, now: Timestamp) -> Quorum {
        let Some(open) = self.inquiries.open.get_mut(&monitor.name) else {
            return Quorum::default();
        };
        for name in open.inquiry.unanswered() {
            if !self.shared.fleet.is_live(&name) {
                open.inquiry.gone(&name);
            }
        }
        let inquiry = &open.inquiry;
        let stage = inquiry.stage(now);
        let waiting = match stage {
            Stage::Open | Stage::Over => inquiry.unanswered(),
            // The last word of the others has to do.
            Stage::TimeUp => Vec::new(),
        };
        let unheard = stage == Stage::Open && inquiry.nobody_has_answered();
        let (a_moment, the_window) = (inquiry.holds(now, true), inquiry.holds(now, false));
        let mut quorum = Quorum { waiting, patient: stage == Stage::Open, hold: true };
        // Most answers come at once: only when they don't it matters what the others could say.
        quorum.hold = a_moment
            || (the_window && !self.is_settled(monitor, &quorum))
            // Soon it will show whether it is our own uplink.
            || (unheard && self.is_alone(monitor));
        quorum
    }

    /// Does only the embedded probe see it fail?
    fn is_alone(&self, monitor: &Monitor) -> bool {
        let places = self.standings.get(&monitor.name).map(|standing| &standing.places);
        let all = || places.into_iter().flat_map(Places::iter);
        let suspects = || all().filter(|(_, place)| place.suspects());
        suspects().all(|(name, _)| name == LOCAL)
    }

    fn is_settled(&self, monitor: &Monitor, quorum: &Quorum) -> bool {
        let sights = self.sights(monitor, None, quorum);
        sights.is_none_or(|sights| is_settled(&sights, &quorum.waiting))
    }

    /// The verdict on everything that is known at this moment.
    fn verdict(
        &self,
        monitor: &Monitor,
        report: Option<&Report>,
        quorum: &Quorum,
    ) -> Option<Diagnosis> {
        if self.shared.fleet.is_isolated(Duration::ZERO) {
            // Nobody else is heard of: what is known is our own word, or an old one.
            return None;
        }
        let here = report.map(|report| &report.evidence).filter(|evidence| {
            let last = evidence.observations.last();
            last.is_some_and(|seen| matches!(seen.state, State::Down | State::Degraded))
        });
        let others = self.inquiries.open.get(&monitor.name);
        let others = others.into_iter().flat_map(|open| open.evidence.values());
        let all: Vec<&Evidence> = here.into_iter().chain(others).collect();
        let mut ranked: Vec<&Evidence> =
            all.iter().copied().filter(|evidence| is_investigated(evidence)).collect();
        ranked.extend(all.iter().copied().filter(|evidence| !is_investigated(evidence)));
        // A place whose own side is at fault says nothing about the target.
        for evidence in ranked.into_iter().take(3) {
            let mut evidence = evidence.clone();
            if evidence.scope.is_none() {
                evidence.scope = self.scope(monitor, None, quorum);
            }
            let diagnosis = judge(&monitor.target, &evidence)?;
            if diagnosis.state != State::Inconclusive {
                return Some(diagnosis);
            }
        }
        None
    }

    /// What all places see; `None` when only one place looks.
    fn scope(
        &self,
        monitor: &Monitor,
        newest: Option<(&str, &Observation)>,
        quorum: &Quorum,
    ) -> Option<Scope> {
        self.sights(monitor, newest, quorum).map(|sights| scope_of(&sights))
    }

    fn sights(
        &self,
        monitor: &Monitor,
        newest: Option<(&str, &Observation)>,
        quorum: &Quorum,
    ) -> Option<Vec<Sight>> {
        let standing = self.standings.get(&monitor.name);
        // To those who were asked one answer is enough; whoever joins or leaves later needs more.
        let joins = standing.is_some_and(|standing| standing.incident.is_some())
            && !self.inquiries.open.contains_key(&monitor.name);
        let mut members = self.shared.fleet.members(monitor);
        let places = standing.map(|standing| &standing.places);
        for name in places.into_iter().flat_map(Places::keys) {
            if !members.iter().any(|member| member.name == name) {
                members.push(Location::named(name));
            }
        }
        if let Some((name, _)) = newest
            && !members.iter().any(|member| member.name == name)
        {
            members.push(Location::named(name));
        }
        if members.iter().all(|member| member.name == LOCAL) {
            return None;
        }
        let sights = members.into_iter().map(|location| {
            if let Some((_, seen)) = newest.filter(|(name, _)| *name == location.name) {
                return Sight::of(location, seen);
            }
            let asked = quorum.waiting.contains(&location.name);
            match places.and_then(|places| places.get(&location.name)).filter(|_| !asked) {
                Some(place) if joins => {
                    let Word { state, extent } = place.counted();
                    Sight { location, state, extent }
                }
                Some(place) => Sight { state: place.state, extent: place.extent, location },
                None => Sight::silent(location),
            }
        });
        Some(sights.collect())
    }

    /// A first failure: do the others see it too?
    fn ask_others(&mut self, monitor: &Monitor, location: &str, elapsed: Duration, now: Timestamp) {
        let standing = self.standings.get(&monitor.name);
        let open = standing.is_some_and(|standing| standing.incident.is_some());
        if open || self.inquiries.open.contains_key(&monitor.name) {
            return;
        }
        let asked = self.shared.fleet.ask(monitor, location);
        if asked.is_empty() {
            return;
        }
        let inquiry = Inquiry::new(now, elapsed.min(monitor.timeout), asked);
        let wake = Reverse((inquiry.next_at(now), monitor.name.clone()));
        self.inquiries.wakes.push(wake);
        let open = Open { inquiry, evidence: BTreeMap::new() };
        self.inquiries.open.insert(monitor.name.clone(), open);
    }

    /// One place has recovered: perhaps the others have as well.
    fn ask_failing(&mut self, monitor: &Monitor, location: &str, now: Timestamp) {
        let Some(standing) = self.standings.get(&monitor.name) else { return };
        if standing.incident.is_none() {
            self.inquiries.recovering.remove(&monitor.name);
            return;
        }
        let before = now.checked_sub(RECOVERY_ASK_EVERY).unwrap_or(Timestamp::MIN);
        let known = self.inquiries.recovering.get(&monitor.name);
        if known.is_some_and(|at| *at > before) {
            return;
        }
        let failing = standing
            .places
            .iter()
            .filter(|(name, place)| place.failing && place.speaks() && *name != location);
        for (name, _) in failing {
            self.shared.fleet.ask_at(name, &monitor.name);
        }
        self.inquiries.recovering.insert(monitor.name.clone(), now);
    }

    fn answered(&mut self, monitor: &Monitor, location: &str, evidence: &Evidence, fails: bool) {
        let Some(open) = self.inquiries.open.get_mut(&monitor.name) else { return };
        open.inquiry.heard(location);
        if !fails {
            open.evidence.remove(location);
            return;
        }
        let better = is_investigated(evidence);
        if better {
            open.inquiry.learnt();
        }
        if better || !open.evidence.contains_key(location) {
            open.evidence.insert(location.to_owned(), evidence.clone());
        }
    }

    /// Looks at inquiries whose time has come.
    pub(super) fn look_at_inquiries(&mut self) {
        let now = self.shared.clock.now();
        let roster = self.roster();
        while let Some(Reverse((at, _))) = self.inquiries.wakes.peek()
            && *at <= now
        {
            let Some(Reverse((_, name))) = self.inquiries.wakes.pop() else { break };
            let Some(entry) = roster.entry(&name).filter(|entry| !entry.monitor.paused) else {
                self.inquiries.forget(&name);
                continue;
            };
            self.decide(&entry.monitor, None, now);
            if let Some(open) = self.inquiries.open.get(&name) {
                let next = open.inquiry.next_at(now);
                if next > now {
                    self.inquiries.wakes.push(Reverse((next, name)));
                } else {
                    self.inquiries.open.remove(&name);
                }
            }
        }
        self.end_round(now);
    }

    /// When something has to be done although nothing comes in.
    pub(super) fn inquiry_wake(&self) -> Option<Instant> {
        let at = self.inquiries.next_at()?;
        let wait = at.duration_since(self.shared.clock.now());
        Some(Instant::now() + Duration::try_from(wait).unwrap_or_default())
    }
}

fn bad(observation: &Observation) -> Families {
    Extent::of(observation).bad
}

/// How this monitor's incidents go as long as nobody has said more.
pub(super) fn policy(monitor: &Monitor) -> Policy {
    Policy { alert_when: monitor.alert_when, ..Policy::confirming(monitor.confirm) }
}

/// A defect in judging one report must not take the other monitors down.
fn judge(target: &Target, evidence: &Evidence) -> Option<Diagnosis> {
    let verdict = std::panic::catch_unwind(|| diagnose(target, evidence));
    if verdict.is_err() {
        tracing::error!(%target, "judging a report failed; the report is dropped");
    }
    verdict.ok()
}
