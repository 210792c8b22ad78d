//! What is said of locations that have no probe.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{IncidentBrief, MonitorBrief, NoticeBody, NoticeEvent, SCHEMA, second};
use crate::diagnose::diagnose;
use crate::evidence::Evidence;
use crate::incident::{Phase, rounded};
use crate::observation::State;
use crate::target::{Host, PortSource, Scheme, Target};
use crate::units::show;

/// Locations that the first line names.
const NAMED_MAX: usize = 3;

/// A location that has, or had, no probe.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Absent {
    /// Its name.
    pub name: String,
    /// When it was heard of last.
    pub since: Timestamp,
    /// Monitors that are checked from there when somebody is.
    pub monitors: usize,
    /// When it was heard of again, or removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub back_at: Option<Timestamp>,
    /// It does not exist any more.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub removed: bool,
}

impl Absent {
    fn lasted(&self, now: Timestamp) -> String {
        let lasted = self.back_at.unwrap_or(now).duration_since(self.since);
        show(rounded(Duration::try_from(lasted).unwrap_or_default()))
    }

    fn unwatched(&self) -> String {
        match self.monitors {
            1 => "1 monitor is not watched from there".to_owned(),
            count => format!("{count} monitors are not watched from there"),
        }
    }

    /// `12:03 (UTC)`, with the day when that is another one.
    fn since(&self, now: Timestamp) -> String {
        let day = |at: Timestamp| at.as_second().div_euclid(86_400);
        let text = second(self.since);
        if day(self.since) != day(now) {
            return text;
        }
        let minute = text.get(11..16).unwrap_or(&text);
        format!("{minute} (UTC)")
    }

    /// What a list says of it.
    fn line(&self, now: Timestamp) -> String {
        let (name, since) = (&self.name, second(self.since));
        match self.back_at {
            Some(_) if self.removed => format!("{name}: removed"),
            Some(_) => format!("{name}: no probe for {}", self.lasted(now)),
            None => format!("{name}: no probe since {since}; {}", self.unwatched()),
        }
    }
}

/// A notice about locations, of which there is at least one.
pub(crate) fn absence_body(
    event: NoticeEvent,
    id: &str,
    locations: &[Absent],
    (base_url, now): (Option<&str>, Timestamp),
) -> NoticeBody {
    let over = event == NoticeEvent::Back;
    let since = locations.iter().map(|one| one.since).min().unwrap_or(now);
    let lasted = Duration::try_from(now.duration_since(since)).unwrap_or_default();
    // It says for whom and why something fails; of a place there is only that it is silent.
    let mut diagnosis = diagnose(&place(locations), &Evidence::default());
    diagnosis.state = if over { State::Up } else { State::Inconclusive };
    diagnosis.summary = if over { back(locations, now) } else { away(locations, now) };
    let many = locations.len() > 1;
    let notes = locations.iter().filter(|_| many).map(|one| one.line(now)).collect();
    NoticeBody {
        schema: SCHEMA.to_owned(),
        event,
        incident: IncidentBrief {
            id: id.to_owned(),
            phase: if over { Phase::Resolved } else { Phase::Open },
            started_at: since,
            opened_at: now,
            resolved_at: over.then_some(now),
            ended_by: None,
            duration: lasted,
            flapping: false,
            url: base_url.map(|base| format!("{}/locations", base.trim_end_matches('/'))),
        },
        monitor: MonitorBrief { name: subject(locations), target: named(locations) },
        diagnosis,
        notes,
        group: None,
        locations: locations.to_vec(),
        instead_of: None,
    }
}

/// What stands where other messages have their target.
fn place(locations: &[Absent]) -> Target {
    Target {
        scheme: Scheme::Icmp,
        host: Host::Name(locations.first().map(|one| one.name.clone()).unwrap_or_default()),
        port: 0,
        port_source: PortSource::None,
        path: String::new(),
    }
}

fn subject(locations: &[Absent]) -> String {
    let word = if locations.len() == 1 { "location" } else { "locations" };
    format!("{word} {}", named(locations))
}

fn named(locations: &[Absent]) -> String {
    let names = locations.iter().take(NAMED_MAX).map(|one| one.name.as_str());
    let names = names.collect::<Vec<_>>().join(", ");
    if locations.len() > NAMED_MAX { format!("{names}, …") } else { names }
}

fn away(locations: &[Absent], now: Timestamp) -> String {
    match locations {
        [one] => {
            format!("{} has no probe since {}: {}", one.name, one.since(now), one.unwatched())
        }
        all => format!("{} locations have no probe: {}", all.len(), named(all)),
    }
}

fn back(locations: &[Absent], now: Timestamp) -> String {
    match locations {
        [one] if one.removed => format!("{} was removed: nobody waits for its probe", one.name),
        [one] => format!("{} has a probe again after {}", one.name, one.lasted(now)),
        all => format!("all {} locations have a probe again: {}", all.len(), named(all)),
    }
}
