//! Locations that have no probe: what is not watched from there is told, and that it is watched
//! again. Locations that fell silent together are one message, and over when the last is back.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Alerting, Key, Out, View};
use crate::incident::incident_id;
use crate::notice::{Absent, NoticeEvent, absence_body};

/// Locations that are due so soon after the first are told with it.
const TOGETHER: Duration = Duration::from_secs(10);

/// A location that fell silent and was not told of. Not kept over a restart: who is silent then is
/// found again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pending {
    /// When it was heard of last.
    since: Timestamp,
    /// Since when this server waits for it in vain.
    missed: Timestamp,
}

/// Locations that were told of together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Absence {
    locations: Vec<Absent>,
    /// Who was told.
    channels: Vec<String>,
}

impl Absence {
    fn has(&self, location: &str) -> bool {
        self.locations.iter().any(|one| one.name == location && one.back_at.is_none())
    }
}

impl Alerting {
    /// A location has no probe: it was heard of last at `since`, and this server misses it since
    /// `missed`.
    pub fn absent(
        &mut self,
        view: &View<'_>,
        location: &str,
        (since, missed): (Timestamp, Timestamp),
    ) {
        if self.absences.values().any(|absence| absence.has(location)) {
            return;
        }
        self.pending.insert(location.to_owned(), Pending { since, missed });
        self.await_absences(view);
    }

    /// A location is heard of again, or nobody waits for it any more.
    pub fn present(&mut self, view: &View<'_>, location: &str) {
        self.pending.remove(location);
        let found = self.absences.iter_mut().find(|(_, absence)| absence.has(location));
        let Some((id, absence)) = found else { return };
        let id = id.clone();
        let mine = absence.locations.iter_mut().filter(|one| one.name == location);
        mine.for_each(|one| {
            one.back_at = Some(view.now);
            one.removed = (view.watched)(location).is_none();
        });
        let over = absence.locations.iter().all(|one| one.back_at.is_some());
        let absence = absence.clone();
        self.dirty.insert(Key::Absence(id.clone()));
        if over {
            self.absences.remove(&id);
            self.say(view, &id, &absence, NoticeEvent::Back);
        }
    }

    /// Waits for those that are not told yet, by the rule in force.
    pub(super) fn await_absences(&mut self, view: &View<'_>) {
        let Some(rule) = &view.rules.no_data else { return };
        for (location, pending) in &self.pending {
            let key = Key::Pending(location.clone());
            self.wakes.insert((due(pending, rule.after), key));
        }
    }

    /// Locations that were removed while nobody looked.
    pub(super) fn reconsider_absences(&mut self, view: &View<'_>) {
        let away = self.absences.values().flat_map(|absence| &absence.locations);
        let gone = away.filter(|one| (view.watched)(&one.name).is_none());
        let gone: Vec<String> = gone.map(|one| one.name.clone()).collect();
        for location in gone {
            self.present(view, &location);
        }
        self.await_absences(view);
    }

    /// A location has been silent for long enough: it is told, with those that nearly have.
    pub(super) fn tell_absent(&mut self, view: &View<'_>, location: &str) {
        let Some(rule) = &view.rules.no_data else { return };
        let soon = view.now.checked_add(TOGETHER).unwrap_or(Timestamp::MAX);
        let is_due = |pending: &Pending, by| due(pending, rule.after) <= by;
        if !self.pending.get(location).is_some_and(|pending| is_due(pending, view.now)) {
            return;
        }
        let (told, later): (BTreeMap<_, _>, _) = std::mem::take(&mut self.pending)
            .into_iter()
            .partition(|(_, pending)| is_due(pending, soon));
        self.pending = later;
        let absent = |(name, pending): (String, Pending)| {
            let monitors = (view.watched)(&name)?;
            Some(Absent { name, since: pending.since, monitors, back_at: None, removed: false })
        };
        let locations: Vec<Absent> = told.into_iter().filter_map(absent).collect();
        let Some(first) = locations.first() else { return };
        let id = format!("absence-{}", incident_id(&first.name, view.now));
        let absence = Absence { locations, channels: rule.notify.clone() };
        self.say(view, &id, &absence, NoticeEvent::NoData);
        self.dirty.insert(Key::Absence(id.clone()));
        self.absences.insert(id, absence);
    }

    fn say(&mut self, view: &View<'_>, id: &str, absence: &Absence, event: NoticeEvent) {
        let sequence = if event == NoticeEvent::NoData { 1 } else { 2 };
        let body = absence_body(event, id, &absence.locations, (view.base_url, view.now));
        let outs = absence.channels.iter().map(|channel| Out {
            channel: channel.clone(),
            sequence,
            body: body.clone(),
        });
        self.out.extend(outs);
    }
}

fn due(pending: &Pending, after: Duration) -> Timestamp {
    pending.missed.checked_add(after).unwrap_or(Timestamp::MAX)
}
