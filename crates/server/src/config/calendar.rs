//! `on_call` and `maintenance`: who takes turns, and when nobody is told.

use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::DateTime;
use whydown_core::alerting::calendar::{Days, Hours, MonthDay, Recurrence, When, Zone};
use whydown_core::alerting::on_call::{Duty, OnCall, Override};
use whydown_core::alerting::rules::Window;

use super::monitors::name;
use super::node::{Node, Value};
use super::policies::{at, check_names, days, each, hours, select, zone};
use super::read::{Fields, Problems, refuse, text};

/// Rotations of one file.
pub(super) const ON_CALL_MAX: usize = 100;
/// Windows of one file.
pub(super) const WINDOWS_MAX: usize = 500;
/// Turns and windows last so long.
const TURN: (Duration, Duration) = (Duration::from_hours(1), Duration::from_hours(24 * 366));
const LASTS: (Duration, Duration) = (Duration::from_mins(1), Duration::from_hours(24 * 31));
/// Shifts or overrides of one rotation.
const ENTRIES_MAX: usize = 1_000;

/// Reads one rotation.
pub(super) fn on_call(
    node: &Node,
    path: &str,
    people: &[&str],
    problems: &mut Problems,
) -> Option<OnCall> {
    let mut fields = Fields::open(node, path, problems)?;
    let before = problems.0.len();
    let name = name(&mut fields, "primary", problems);
    let zone = zone(&mut fields, problems);
    let turns = check_names(&mut fields, "people", "person", people, problems);
    let duty = match (fields.get("shifts"), turns.is_empty()) {
        (Some(node), true) => {
            Duty::Shifts(shifts(node, &fields.at("shifts"), (&zone, people), problems))
        }
        (None, false) => rotation(&mut fields, turns, problems),
        (given, _) => {
            let message = "a rotation has either people who take turns, or shifts";
            problems.add(path, given.map_or(node.place, |node| node.place), message);
            problems.hint("write for example people: [ada, bob] and every: 7d");
            Duty::Shifts(Vec::new())
        }
    };
    let overrides = match fields.get("overrides") {
        Some(node) => overrides(node, &fields.at("overrides"), (&zone, people), problems),
        None => Vec::new(),
    };
    fields.close(&[], problems);
    let name = name?;
    (problems.0.len() == before).then_some(OnCall { name, zone, duty, overrides })
}

fn rotation(fields: &mut Fields<'_>, people: Vec<String>, problems: &mut Problems) -> Duty {
    let week = Duration::from_hours(24 * 7);
    let every = fields.duration("every", "every_ms", TURN, problems).unwrap_or(week);
    let since = fields.get("since").and_then(|node| wall(node, &fields.at("since"), problems));
    if fields.need("since", "2026-01-05 09:00", problems).is_some() && every.subsec_nanos() > 0 {
        let message = "turns last whole seconds";
        problems.add(&fields.at("every"), None, message);
    }
    // A Monday; only when the file has a problem.
    let since = since.unwrap_or_else(|| jiff::civil::date(2026, 1, 5).at(9, 0, 0, 0));
    Duty::Turns { people, every, since }
}

fn entries<'a>(node: &'a Node, path: &str, problems: &mut Problems) -> &'a [Node] {
    match &node.value {
        Value::List(items) if items.len() <= ENTRIES_MAX => items,
        Value::List(items) => {
            let message = format!("{} entries; at most {ENTRIES_MAX}", items.len());
            problems.add(path, node.place, message);
            &[]
        }
        _ => {
            refuse(
                path,
                node,
                format!("{path} is a list: begin each with \"- person: …\""),
                problems,
            );
            &[]
        }
    }
}

fn person(fields: &mut Fields<'_>, people: &[&str], problems: &mut Problems) -> Option<String> {
    fields.need("person", "ada", problems)?;
    check_names(fields, "person", "person", people, problems).into_iter().next()
}

fn shifts(
    node: &Node,
    path: &str,
    (zone, people): (&Zone, &[&str]),
    problems: &mut Problems,
) -> Vec<(String, Hours)> {
    let mut shifts = Vec::new();
    for (i, item) in entries(node, path, problems).iter().enumerate() {
        let path = format!("{path}[{i}]");
        let Some(mut fields) = Fields::open(item, &path, problems) else { continue };
        let person = person(&mut fields, people, problems);
        let hours = hours(&mut fields, zone, problems);
        fields.close(&[], problems);
        let midnight = jiff::civil::Time::midnight();
        let always = || Hours { days: Days::ALL, from: midnight, to: midnight, zone: zone.clone() };
        shifts.extend(person.map(|person| (person, hours.unwrap_or_else(always))));
    }
    shifts
}

fn overrides(
    node: &Node,
    path: &str,
    (zone, people): (&Zone, &[&str]),
    problems: &mut Problems,
) -> Vec<Override> {
    let mut overrides: Vec<(Override, u32)> = Vec::new();
    for (i, item) in entries(node, path, problems).iter().enumerate() {
        let path = format!("{path}[{i}]");
        let Some(mut fields) = Fields::open(item, &path, problems) else { continue };
        let person = person(&mut fields, people, problems);
        let span = span(&mut fields, item, zone, problems);
        fields.close(&[], problems);
        let (Some(person), Some((from, to))) = (person, span) else { continue };
        let line = item.place.map_or(0, |(line, _)| line);
        let clash = overrides.iter().find(|(other, _)| other.from < to && from < other.to);
        if let Some((_, first)) = clash {
            let message = format!("this override overlaps with the one in line {first}");
            problems.add(&path, item.place, message);
            problems.hint("one person is on call at a time: shorten one of them");
        }
        overrides.push((Override { person, from, to }, line));
    }
    overrides.into_iter().map(|(entry, _)| entry).collect()
}

/// `from` and `to`, both wall-clock times of the zone.
fn span(
    fields: &mut Fields<'_>,
    node: &Node,
    zone: &Zone,
    problems: &mut Problems,
) -> Option<(Timestamp, Timestamp)> {
    let from = fields.need("from", "2026-12-24 18:00", problems);
    let from = from.and_then(|node| wall(node, &fields.at("from"), problems));
    let to = fields.need("to", "2026-12-26 09:00", problems);
    let to = to.and_then(|node| wall(node, &fields.at("to"), problems));
    let (from, to) = (zone.instant(from?), zone.instant(to?));
    if from < to {
        return Some((from, to));
    }
    let place = fields.get("to").map_or(node.place, |node| node.place);
    problems.add(&fields.at("to"), place, "it ends before it begins");
    problems.hint("to is after from");
    None
}

/// `2026-01-05 09:00`.
fn wall(node: &Node, path: &str, problems: &mut Problems) -> Option<DateTime> {
    let written = text(node, path, problems)?;
    let read = written.split_once([' ', 'T']).and_then(|(date, time)| {
        let date: jiff::civil::Date = date.parse().ok()?;
        Some(date.to_datetime(whydown_core::alerting::calendar::time(time)?))
    });
    if read.is_none() {
        let message = format!("{} is no date and time", node.shown());
        refuse(path, node, message, problems);
        problems.hint("write for example 2026-12-24 18:00; the zone is time_zone's");
    }
    read
}

/// Reads one maintenance window.
pub(super) fn window(node: &Node, path: &str, problems: &mut Problems) -> Option<Window> {
    let mut fields = Fields::open(node, path, problems)?;
    let before = problems.0.len();
    let name = name(&mut fields, "patch day", problems);
    let zone = zone(&mut fields, problems);
    let select = select(&mut fields, problems);
    let once = fields.get("from").is_some() || fields.get("to").is_some();
    let weekly = days(&mut fields, problems);
    let monthly: Vec<MonthDay> = each(&mut fields, "month_days", problems);
    let when = if once {
        if weekly.is_some() || !monthly.is_empty() {
            let message = "a window is either once (from, to) or recurs (days or month_days)";
            problems.add(path, node.place, message);
        }
        span(&mut fields, node, &zone, problems).map(|(from, to)| When::Once { from, to })
    } else {
        recurring(&mut fields, (weekly, monthly), zone, problems)
    };
    // So that they are known keys in either case.
    let _ = (fields.get("at"), fields.get("for"), fields.get("for_ms"));
    fields.close(&[], problems);
    (problems.0.len() == before).then_some(Window { name: name?, select, when: when? })
}

fn recurring(
    fields: &mut Fields<'_>,
    (weekly, monthly): (Option<Days>, Vec<MonthDay>),
    zone: Zone,
    problems: &mut Problems,
) -> Option<When> {
    let on = match (weekly, monthly.is_empty()) {
        (days, true) => Recurrence::Weekly(days.unwrap_or(Days::ALL)),
        (None, false) => Recurrence::Monthly(monthly),
        (Some(_), false) => {
            let place = fields.get("month_days").and_then(|node| node.place);
            let message = "days and month_days exclude each other";
            problems.add(&fields.at("month_days"), place, message);
            problems.hint("write month_days: [\"first sun\"] for a weekday of the month");
            return None;
        }
    };
    fields.need("at", "\"02:00\"", problems);
    let at = at(fields, problems);
    if fields.get("for_ms").is_none() {
        fields.need("for", "2h", problems);
    }
    let lasts = fields.duration("for", "for_ms", LASTS, problems);
    Some(When::Every { on, at: at?, lasts: lasts?, zone })
}
