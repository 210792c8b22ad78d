//! Who is told, when, and how: from the effects of incidents to notices. A pure state machine:
//! happenings and `now` in, notices and the next moment to wake out. What it remembers is written
//! in the transaction that writes the notices, so a crash neither loses nor repeats a step.
//!
//! It decides nothing about what is wrong, and does not deliver.

mod absence;
pub mod calendar;
pub mod dependency;
pub mod escalation;
mod gather;
pub mod on_call;
mod quiet;
pub mod rules;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;

use crate::incident::{Effect, Incident, Moment, MomentKind, Standing};
use crate::monitor::Monitor;
use crate::notice::{Member, Notice, NoticeBody, NoticeEvent, body};
use absence::{Absence, Pending};
use dependency::Dependencies;
use escalation::{Escalation, Heard};
use gather::{Digest, Group, Recent};
use rules::{Rules, Silence};

pub use quiet::Quiet;

/// What the machine may look at.
#[derive(Clone, Copy)]
pub struct View<'a> {
    /// The configuration's.
    pub rules: &'a Rules,
    /// Those in force or to come.
    pub silences: &'a [Silence],
    /// Of all monitors.
    pub dependencies: &'a Dependencies,
    /// A monitor by name; `None` when it is gone or paused.
    pub monitor: &'a dyn Fn(&str) -> Option<&'a Monitor>,
    /// How many monitors are checked from a location; `None` when it is gone.
    pub watched: &'a dyn Fn(&str) -> Option<usize>,
    /// What is known of each monitor; open incidents are in there.
    pub standings: &'a HashMap<String, Standing>,
    /// The address of the server's pages.
    pub base_url: Option<&'a str>,
    /// The time.
    pub now: Timestamp,
}

impl<'a> View<'a> {
    fn incident(&self, monitor: &str, id: &str) -> Option<&'a Incident> {
        let incident = self.standings.get(monitor)?.incident.as_ref()?;
        (incident.id == id).then_some(incident)
    }
}

/// What is remembered of alerts.
#[derive(Clone, Debug, Default)]
pub struct Alerting {
    escalations: BTreeMap<String, Escalation>,
    groups: BTreeMap<String, Group>,
    digests: BTreeMap<String, Digest>,
    /// Locations without a probe that were told of, by id.
    absences: BTreeMap<String, Absence>,
    /// Those that were not, by location. Not kept over a restart.
    pending: BTreeMap<String, Pending>,
    /// By channel: what was told one by one. Not kept over a restart.
    recent: BTreeMap<String, Recent>,
    wakes: BTreeSet<(Timestamp, Key)>,
    /// By monitor: the incidents to look at again when it is seen.
    watched: BTreeMap<String, BTreeSet<String>>,
    dirty: BTreeSet<Key>,
    /// What this round has to say.
    out: Vec<Out>,
    moments: Vec<Noted>,
    rechecks: BTreeSet<String>,
}

/// One thing that is remembered.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Escalation(String),
    Group(String),
    Digest(String),
    Absence(String),
    /// A location; never stored.
    Pending(String),
}

/// One thing as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// `escalation`, `group`, `digest` or `absence`.
    pub kind: String,
    /// Its name among its kind.
    pub key: String,
    /// As JSON; `None`: it is gone.
    pub body: Option<String>,
}

/// One message before it is known whether it goes alone.
#[derive(Clone, Debug)]
struct Out {
    channel: String,
    sequence: u32,
    body: NoticeBody,
}

/// An entry for the time line of an incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Noted {
    /// The monitor's name.
    pub monitor: String,
    /// The incident's id.
    pub incident: String,
    /// What to add.
    pub moment: Moment,
}

/// What a round has come to.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// For the outbox.
    pub notices: Vec<Notice>,
    /// For time lines.
    pub moments: Vec<Noted>,
    /// Monitors that should be checked soon.
    pub rechecks: Vec<String>,
    /// What is to be remembered.
    pub rows: Vec<Row>,
}

impl Alerting {
    /// From what was stored. Call [`reconsider`](Self::reconsider) next.
    ///
    /// # Errors
    /// A body that can't be read.
    pub fn load(rows: impl IntoIterator<Item = Row>) -> Result<Self, serde_json::Error> {
        let mut alerting = Self::default();
        for row in rows {
            let Some(body) = row.body else { continue };
            match row.kind.as_str() {
                "escalation" => {
                    let escalation: Escalation = serde_json::from_str(&body)?;
                    alerting.file(None, escalation);
                }
                "group" => {
                    let group: Group = serde_json::from_str(&body)?;
                    alerting
                        .wakes
                        .extend(group.flush_at.map(|at| (at, Key::Group(row.key.clone()))));
                    alerting.groups.insert(row.key, group);
                }
                "absence" => {
                    alerting.absences.insert(row.key, serde_json::from_str(&body)?);
                }
                _ => {
                    let digest: Digest = serde_json::from_str(&body)?;
                    alerting.wakes.insert((digest.due, Key::Digest(row.key.clone())));
                    alerting.digests.insert(row.key, digest);
                }
            }
        }
        alerting.dirty.clear();
        Ok(alerting)
    }

    /// When [`wake`](Self::wake) has something to do.
    #[must_use]
    pub fn next_wake(&self) -> Option<Timestamp> {
        self.wakes.first().map(|(at, _)| *at)
    }

    /// Has something happened that [`finish`](Self::finish) has not taken yet?
    #[must_use]
    pub fn has_news(&self) -> bool {
        !self.out.is_empty()
            || !self.moments.is_empty()
            || !self.rechecks.is_empty()
            || !self.dirty.is_empty()
    }

    /// The open incidents that a group's message spoke of.
    #[must_use]
    pub fn members(&self, group: &str) -> Vec<String> {
        let of = |escalation: &&Escalation| escalation.in_group(group);
        self.escalations.values().filter(of).map(|e| e.incident.clone()).collect()
    }

    /// Why nobody is told of an incident at the moment.
    #[must_use]
    pub fn quiet(&self, incident: &str) -> Option<&Quiet> {
        self.escalations.get(incident)?.quiet.as_ref()
    }

    /// What follows from an effect of the incident machine, whose standing is the new one already.
    pub fn follow(&mut self, view: &View<'_>, effect: &Effect) {
        let incident = effect.incident();
        match effect {
            Effect::Opened(_) => {
                self.file(None, Escalation::new(incident));
                self.consider(view, &incident.id);
            }
            Effect::Updated(_) => {
                self.update(view, incident);
                self.consider(view, &incident.id);
            }
            Effect::Acknowledged(_) => self.consider(view, &incident.id),
            Effect::Noted(_) => return,
            Effect::Resolved(_) => self.end(view, incident),
        }
        self.seen(view, &incident.monitor);
    }

    /// A monitor was seen: incidents that waited for it are looked at again.
    pub fn seen(&mut self, view: &View<'_>, monitor: &str) {
        let Some(waiting) = self.watched.get(monitor) else { return };
        for id in waiting.clone() {
            self.consider(view, &id);
        }
    }

    /// Everything whose time has come.
    pub fn wake(&mut self, view: &View<'_>) {
        while let Some((at, key)) = self.wakes.first().cloned() {
            if at > view.now {
                break;
            }
            self.wakes.pop_first();
            match key {
                Key::Escalation(id) => self.consider(view, &id),
                // Told by `finish`.
                Key::Group(_) | Key::Absence(_) => {}
                Key::Digest(key) => self.tell_digest(view, &key),
                Key::Pending(location) => self.tell_absent(view, &location),
            }
        }
    }

    /// Looks at every open incident again: rules, silences or monitors have changed. An incident
    /// that is not known yet is taken in.
    pub fn reconsider(&mut self, view: &View<'_>) {
        for incident in view.standings.values().filter_map(|standing| standing.incident.as_ref()) {
            if !self.escalations.contains_key(&incident.id) {
                self.file(None, Escalation::new(incident));
            }
        }
        let all: Vec<String> = self.escalations.keys().cloned().collect();
        for id in all {
            self.consider(view, &id);
        }
        self.reconsider_absences(view);
    }

    /// A monitor has another name.
    pub fn rename(&mut self, from: &str, to: &str) {
        let mine = self.escalations.values().filter(|escalation| escalation.monitor == from);
        let mine: Vec<Escalation> = mine.cloned().collect();
        for before in mine {
            let mut after = before.clone();
            to.clone_into(&mut after.monitor);
            self.file(Some(&before), after);
        }
    }

    /// Ends a round: what is to be told, singly or in groups, and what is to be remembered.
    pub fn finish(&mut self, view: &View<'_>) -> Told {
        let notices = self.gather(view);
        let rows = std::mem::take(&mut self.dirty).into_iter().map(|key| self.row(key)).collect();
        Told {
            notices,
            moments: std::mem::take(&mut self.moments),
            rechecks: std::mem::take(&mut self.rechecks).into_iter().collect(),
            rows,
        }
    }

    /// Looks at one incident: is there a reason to be quiet, and if not, who is told now?
    fn consider(&mut self, view: &View<'_>, id: &str) {
        let Some(before) = self.escalations.get(id).cloned() else { return };
        let Some(incident) = view.incident(&before.monitor, id) else {
            self.forget(&before);
            return;
        };
        let Some(monitor) = (view.monitor)(&before.monitor) else { return };
        let mut after = before.clone();
        let quiet = quiet::find(view, &after, incident, monitor);
        if quiet != after.quiet {
            self.turn_quiet(view, &mut after, quiet);
        }
        match &after.quiet {
            Some(quiet) => after.wake = quiet.until(),
            None => self.climb(view, &mut after, incident, monitor),
        }
        self.file(Some(&before), after);
    }

    fn turn_quiet(&mut self, view: &View<'_>, escalation: &mut Escalation, quiet: Option<Quiet>) {
        if let Some(Quiet::Asking { above, .. }) = &quiet {
            self.rechecks.extend(above.iter().cloned());
        }
        if let Some(Quiet::Settling { .. }) = &quiet {
            self.rechecks.insert(escalation.monitor.clone());
        }
        let text = match (&quiet, &escalation.quiet) {
            (Some(quiet), _) => quiet.said(),
            (None, Some(before)) => before.over(),
            (None, None) => None,
        };
        if let (None, Some(before)) = (&quiet, &escalation.quiet) {
            escalation.because = before.over();
        }
        if let Some(text) = text {
            self.note(view, escalation, MomentKind::Quiet, text);
        }
        escalation.quiet = quiet;
    }

    /// Goes up the steps of every policy that applies.
    fn climb(
        &mut self,
        view: &View<'_>,
        escalation: &mut Escalation,
        incident: &Incident,
        monitor: &Monitor,
    ) {
        let climbed = escalation::climb(view, escalation, incident, monitor);
        escalation.wake = climbed.wake;
        for text in climbed.moments {
            self.note(view, escalation, MomentKind::Escalated, text);
        }
        for (key, channel) in climbed.collect {
            if escalation.collected.insert(key.clone()) {
                self.collect(view, &key, &channel, incident);
            }
        }
        if climbed.tell.is_empty() {
            return;
        }
        escalation.told = escalation.told.saturating_add(1);
        let because = escalation.because.take();
        for (channel, telling) in climbed.tell {
            let heard = escalation.heard.contains_key(&channel);
            let event = if heard { NoticeEvent::Reminded } else { NoticeEvent::Opened };
            let mut body = body(event, incident, view.base_url, view.now);
            if !heard {
                body.notes.extend(because.clone());
                body.notes.extend(flapping_note(incident));
                body.notes.extend(below_note(view.dependencies.below(&monitor.name)));
            }
            body.notes.extend(telling.note);
            let heard = escalation.heard.entry(channel.clone()).or_default();
            heard.recovery |= telling.recovery;
            self.out.push(Out { channel, sequence: escalation.told, body });
        }
    }

    fn update(&mut self, view: &View<'_>, incident: &Incident) {
        let Some(before) = self.escalations.get(&incident.id).cloned() else { return };
        if before.quiet.is_some() || before.heard.is_empty() {
            return;
        }
        let mut after = before.clone();
        after.told = after.told.saturating_add(1);
        for channel in after.heard.keys() {
            let body = body(NoticeEvent::Updated, incident, view.base_url, view.now);
            self.out.push(Out { channel: channel.clone(), sequence: after.told, body });
        }
        self.file(Some(&before), after);
    }

    /// The end is told to whoever heard of the beginning, however quiet it is now.
    fn end(&mut self, view: &View<'_>, incident: &Incident) {
        let Some(escalation) = self.escalations.get(&incident.id).cloned() else { return };
        let told = escalation.told.saturating_add(1);
        for (channel, heard) in &escalation.heard {
            match &heard.group {
                Some(group) => self.leave(view, group, incident),
                None if heard.recovery => {
                    let mut body = body(NoticeEvent::Resolved, incident, view.base_url, view.now);
                    body.notes.extend(flapped_note(incident));
                    self.out.push(Out { channel: channel.clone(), sequence: told, body });
                }
                None => {}
            }
        }
        for key in &escalation.collected {
            self.collect_end(view, key, incident);
        }
        self.forget(&escalation);
    }

    fn note(
        &mut self,
        view: &View<'_>,
        escalation: &Escalation,
        kind: MomentKind,
        text: impl Into<String>,
    ) {
        self.moments.push(Noted {
            monitor: escalation.monitor.clone(),
            incident: escalation.incident.clone(),
            moment: Moment { at: view.now, kind, text: text.into() },
        });
    }

    /// Puts an escalation in its place, with its wake and what it watches.
    fn file(&mut self, before: Option<&Escalation>, after: Escalation) {
        let key = Key::Escalation(after.incident.clone());
        if before == Some(&after) {
            // The wake that brought us here was taken from the list.
            self.wakes.extend(after.wake.map(|at| (at, key)));
            return;
        }
        if let Some(before) = before {
            self.unlink(before);
        }
        self.wakes.extend(after.wake.map(|at| (at, key.clone())));
        for monitor in after.watches() {
            self.watched.entry(monitor.clone()).or_default().insert(after.incident.clone());
        }
        self.dirty.insert(key);
        self.escalations.insert(after.incident.clone(), after);
    }

    fn unlink(&mut self, escalation: &Escalation) {
        if let Some(at) = escalation.wake {
            self.wakes.remove(&(at, Key::Escalation(escalation.incident.clone())));
        }
        for monitor in escalation.watches() {
            if let Some(waiting) = self.watched.get_mut(monitor) {
                waiting.remove(&escalation.incident);
                if waiting.is_empty() {
                    self.watched.remove(monitor);
                }
            }
        }
    }

    fn forget(&mut self, escalation: &Escalation) {
        self.unlink(escalation);
        self.escalations.remove(&escalation.incident);
        self.dirty.insert(Key::Escalation(escalation.incident.clone()));
    }

    fn row(&self, key: Key) -> Row {
        fn json<T: serde::Serialize>(found: Option<&T>) -> Option<String> {
            // These hold nothing that JSON can't.
            found.and_then(|found| serde_json::to_string(found).ok())
        }
        let (kind, key, body) = match key {
            Key::Escalation(key) => {
                let body = json(self.escalations.get(&key));
                ("escalation", key, body)
            }
            Key::Group(key) => {
                let body = json(self.groups.get(&key));
                ("group", key, body)
            }
            Key::Digest(key) => {
                let body = json(self.digests.get(&key));
                ("digest", key, body)
            }
            Key::Absence(key) | Key::Pending(key) => {
                let body = json(self.absences.get(&key));
                ("absence", key, body)
            }
        };
        Row { kind: kind.to_owned(), key, body }
    }

    fn collect(&mut self, view: &View<'_>, key: &str, channel: &str, incident: &Incident) {
        let Some(due) = digest_due(view, key) else { return };
        if !self.digests.contains_key(key) {
            self.wakes.insert((due, Key::Digest(key.to_owned())));
            self.digests.insert(key.to_owned(), Digest::new(key, channel, due, incident));
        }
        if let Some(digest) = self.digests.get_mut(key) {
            digest.add(Member::of(incident));
        }
        self.dirty.insert(Key::Digest(key.to_owned()));
    }

    fn collect_end(&mut self, view: &View<'_>, key: &str, incident: &Incident) {
        match self.digests.get_mut(key) {
            Some(digest) => {
                digest.end(Member::of(incident));
                self.dirty.insert(Key::Digest(key.to_owned()));
            }
            None => {
                let channel = escalation::digest_channel(key).to_owned();
                self.collect(view, key, &channel, incident);
            }
        }
    }

    fn tell_digest(&mut self, view: &View<'_>, key: &str) {
        let Some(digest) = self.digests.remove(key) else { return };
        self.dirty.insert(Key::Digest(key.to_owned()));
        let channel = digest.channel.clone();
        self.out.push(Out { channel, sequence: 1, body: digest.body(view) });
    }

    /// A heard channel learns of a group: the incident has no message of its own there.
    fn joined(&mut self, view: &View<'_>, incident: &str, channel: &str, group: &str) {
        let Some(before) = self.escalations.get(incident).cloned() else { return };
        let mut after = before.clone();
        let text = format!("{channel}: told together with others");
        self.note(view, &before, MomentKind::Escalated, text);
        if let Some(heard) = after.heard.get_mut(channel) {
            *heard = Heard { group: Some(group.to_owned()), ..heard.clone() };
        }
        self.file(Some(&before), after);
    }
}

fn digest_due(view: &View<'_>, key: &str) -> Option<Timestamp> {
    let name = escalation::digest_policy(key);
    let policy = view.rules.policies.iter().find(|policy| policy.name == name)?;
    policy.digest.as_ref().map(|digest| digest.due(view.now))
}

fn below_note(below: &[String]) -> Option<String> {
    let (first, more) = match below {
        [] => return None,
        [one] => return Some(format!("{one} depends on it: while this lasts, it is not told.")),
        [first @ .., _] if first.len() < 3 => (below, 0),
        _ => (below.get(..3)?, below.len() - 3),
    };
    let list = first.join(", ");
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    Some(format!(
        "{} monitors depend on it: while this lasts, they are not told ({list}{more}).",
        below.len()
    ))
}

fn flapping_note(incident: &Incident) -> Option<String> {
    let text = "It comes and goes: told again when it has been fine for a while, with a summary.";
    incident.flapping.then(|| text.to_owned())
}

fn flapped_note(incident: &Incident) -> Option<String> {
    let times = incident.flaps;
    incident.flapping.then(|| format!("It came and went: fine {times} times, now for good."))
}
