//! Who is told what and when: `policies`, `people` and `grouping`, from what a person wrote to
//! rules that name only what exists.

use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use whydown_core::alerting::calendar::{self, Days, Hours, Zone};
use whydown_core::alerting::rules::{
    Absences, Applies, Digest, Grouping, Policy, Repeat, Select, Step, Targets,
};
use whydown_core::monitor::Severity;
use whydown_core::observation::State;
use whydown_core::scope::ScopeKind;

use super::monitors::{name, no_such};
use super::node::{Node, Value};
use super::read::{Fields, Problems, alike, parsed, refuse, text};

/// Policies of one file.
pub(super) const POLICIES_MAX: usize = 200;
/// Steps of one policy.
const STEPS_MAX: usize = 20;
/// The latest step.
const AFTER_MAX: Duration = Duration::from_hours(24 * 7);
/// Between two reminders.
const EVERY: (Duration, Duration) = (Duration::from_mins(1), Duration::from_hours(24 * 7));
/// Reminders at most.
const TIMES_MAX: u64 = 100;
/// Reminders when nothing is said.
const TIMES_DEFAULT: u32 = 10;
/// The window of a storm.
const WINDOW: (Duration, Duration) = (Duration::from_secs(1), Duration::from_hours(1));

/// How long a location may have no probe.
const NO_DATA_AFTER: (Duration, Duration) = (Duration::from_secs(15), Duration::from_hours(24 * 7));
/// When nothing is said.
const NO_DATA_AFTER_DEFAULT: Duration = Duration::from_mins(2);

/// What policies may name.
pub(super) struct Known<'a> {
    pub(super) channels: &'a [&'a str],
    pub(super) people: &'a [&'a str],
    pub(super) on_call: &'a [&'a str],
}

/// A name that is none of those that exist.
pub(super) fn check_names(
    fields: &mut Fields<'_>,
    key: &'static str,
    what: &str,
    known: &[&str],
    problems: &mut Problems,
) -> Vec<String> {
    let Some(node) = fields.get(key) else { return Vec::new() };
    let path = fields.at(key);
    let names = fields.texts(key, problems).unwrap_or_default();
    for (i, name) in names.iter().enumerate() {
        if !known.contains(&name.as_str()) {
            let place = item(node, i);
            let message = format!("there is no {what} {}", place.shown());
            problems.add(&format!("{path}[{i}]"), place.place, message);
            problems.hint(no_such(name, what, known));
        }
    }
    names
}

fn item(node: &Node, i: usize) -> &Node {
    match &node.value {
        Value::List(items) => items.get(i).unwrap_or(node),
        _ => node,
    }
}

/// One text or a list, each parsed.
pub(super) fn each<T: FromStr<Err: Display>>(
    fields: &mut Fields<'_>,
    key: &'static str,
    problems: &mut Problems,
) -> Vec<T> {
    let Some(node) = fields.get(key) else { return Vec::new() };
    let path = fields.at(key);
    match &node.value {
        Value::List(items) => {
            let one = |(i, node): (usize, &Node)| parsed(node, &format!("{path}[{i}]"), problems);
            items.iter().enumerate().filter_map(one).collect()
        }
        _ => parsed(node, &path, problems).into_iter().collect(),
    }
}

/// A time zone; UTC when nothing is said.
pub(super) fn zone(fields: &mut Fields<'_>, problems: &mut Problems) -> Zone {
    let Some(node) = fields.get("time_zone") else { return Zone::default() };
    let path = fields.at("time_zone");
    let Some(written) = text(node, &path, problems) else { return Zone::default() };
    match written.parse() {
        Ok(zone) => zone,
        Err(error) => {
            refuse(&path, node, error, problems);
            let names = Zone::names();
            if let Some(near) = alike(&written, names.iter().map(String::as_str)) {
                problems.hint(format!("did you mean {near}?"));
            }
            Zone::default()
        }
    }
}

/// Days of the week; `None` when nothing is said.
pub(super) fn days(fields: &mut Fields<'_>, problems: &mut Problems) -> Option<Days> {
    fields.get("days")?;
    let parts: Vec<Days> = each(fields, "days", problems);
    Some(parts.into_iter().fold(Days::NONE, Days::with))
}

/// `hours`, with `days` and `time_zone` beside it.
pub(super) fn hours(
    fields: &mut Fields<'_>,
    zone: &Zone,
    problems: &mut Problems,
) -> Option<Hours> {
    let days = days(fields, problems);
    let node = fields.get("hours");
    if days.is_none() && node.is_none() {
        return None;
    }
    let midnight = jiff::civil::Time::midnight();
    let path = fields.at("hours");
    let span = node.and_then(|node| {
        let written = text(node, &path, problems)?;
        let span = calendar::span(&written);
        span.map_err(|error| refuse(&path, node, error, problems)).ok()
    });
    let (from, to) = span.unwrap_or((midnight, midnight));
    Some(Hours { days: days.unwrap_or(Days::ALL), from, to, zone: zone.clone() })
}

/// `monitors` and `tags`.
pub(super) fn select(fields: &mut Fields<'_>, problems: &mut Problems) -> Select {
    Select {
        monitors: fields.texts("monitors", problems).unwrap_or_default(),
        tags: fields.texts("tags", problems).unwrap_or_default(),
    }
}

/// Who hears that a location has no probe.
pub(super) fn no_data(node: &Node, channels: &[&str], problems: &mut Problems) -> Option<Absences> {
    let mut fields = Fields::open(node, "no_data", problems)?;
    let after = fields.duration("after", "after_ms", NO_DATA_AFTER, problems);
    fields.need("notify", "[ops]", problems);
    let notify = check_names(&mut fields, "notify", "channel", channels, problems);
    fields.close(&[], problems);
    Some(Absences { after: after.unwrap_or(NO_DATA_AFTER_DEFAULT), notify })
}

/// Reads one policy.
pub(super) fn read(
    node: &Node,
    path: &str,
    known: &Known<'_>,
    problems: &mut Problems,
) -> Option<Policy> {
    let mut fields = Fields::open(node, path, problems)?;
    let before = problems.0.len();
    let name = name(&mut fields, "urgent", problems);
    let applies = match fields.get("match") {
        Some(node) => applies(node, &fields.at("match"), problems),
        None => Applies::default(),
    };
    let own = targets(&mut fields, known, problems);
    let mut steps = Vec::new();
    if own != Targets::default() {
        steps.push(Step { after: Duration::ZERO, who: own });
    }
    match (fields.get("steps"), steps.is_empty()) {
        (Some(node), true) => steps = read_steps(node, &fields.at("steps"), known, problems),
        (None, true) => {
            problems.add(path, node.place, "the policy tells nobody");
            problems.hint("write for example steps: [{ after: 0s, notify: [mail] }]");
        }
        (Some(node), false) => {
            problems.add(&fields.at("steps"), node.place, "notify and steps exclude each other");
            problems.hint("make notify the first step: { after: 0s, notify: … }");
        }
        (None, false) => {}
    }
    let repeat = fields.get("repeat").and_then(|node| {
        let path = fields.at("repeat");
        repeat(node, &path, problems)
    });
    let digest = fields.get("digest").and_then(|node| {
        let path = fields.at("digest");
        digest(node, &path, problems)
    });
    if digest.is_some() && (steps.len() > 1 || repeat.is_some()) {
        let place = fields.get("digest").and_then(|node| node.place);
        problems.add(&fields.at("digest"), place, "a digest has one step and is not repeated");
        problems.hint("make a second policy for what is told at once");
    }
    let recovery = fields.bool("recovery", problems).unwrap_or(true);
    fields.close(&MOVED, problems);
    (problems.0.len() == before).then_some(Policy {
        name: name?,
        applies,
        steps,
        repeat,
        digest,
        recovery,
    })
}

/// Keys that people look for in another place.
const MOVED: [(&str, &str); 8] = [
    ("monitors", "match"),
    ("tags", "match"),
    ("severity", "match"),
    ("state", "match"),
    ("scope", "match"),
    ("hours", "match"),
    ("days", "match"),
    ("time_zone", "match"),
];

fn applies(node: &Node, path: &str, problems: &mut Problems) -> Applies {
    let Some(mut fields) = Fields::open(node, path, problems) else { return Applies::default() };
    let zone = zone(&mut fields, problems);
    let applies = Applies {
        select: select(&mut fields, problems),
        severity: words(&mut fields, "severity", &SEVERITIES, problems),
        states: words(&mut fields, "state", &STATES, problems),
        scopes: words(&mut fields, "scope", &SCOPES, problems),
        hours: hours(&mut fields, &zone, problems),
    };
    fields.close(&[], problems);
    applies
}

pub(super) const SEVERITIES: [(&str, Severity); 3] =
    [("info", Severity::Info), ("warning", Severity::Warning), ("critical", Severity::Critical)];
const STATES: [(&str, State); 2] = [("down", State::Down), ("degraded", State::Degraded)];
const SCOPES: [(&str, ScopeKind); 7] = [
    ("global", ScopeKind::Global),
    ("regional", ScopeKind::Regional),
    ("network", ScopeKind::Network),
    ("local", ScopeKind::Local),
    ("family", ScopeKind::Family),
    ("address", ScopeKind::Address),
    ("flapping", ScopeKind::Flapping),
];

/// One or several of some words.
pub(super) fn words<T: Copy>(
    fields: &mut Fields<'_>,
    key: &'static str,
    known: &[(&str, T)],
    problems: &mut Problems,
) -> Vec<T> {
    let Some(node) = fields.get(key) else { return Vec::new() };
    let path = fields.at(key);
    let mut found = Vec::new();
    for (i, word) in fields.texts(key, problems).unwrap_or_default().iter().enumerate() {
        match known.iter().find(|(known, _)| known == word) {
            Some((_, value)) => found.push(*value),
            None => {
                let list: Vec<&str> = known.iter().map(|(word, _)| *word).collect();
                let place = item(node, i);
                let message = format!("{} is none of {}", place.shown(), list.join(", "));
                refuse(&path, place, message, problems);
            }
        }
    }
    found
}

fn targets(fields: &mut Fields<'_>, known: &Known<'_>, problems: &mut Problems) -> Targets {
    Targets {
        channels: check_names(fields, "notify", "channel", known.channels, problems),
        people: check_names(fields, "people", "person", known.people, problems),
        on_call: check_names(fields, "on_call", "rotation", known.on_call, problems),
    }
}

fn read_steps(node: &Node, path: &str, known: &Known<'_>, problems: &mut Problems) -> Vec<Step> {
    let Value::List(items) = &node.value else {
        refuse(path, node, "steps is a list", problems);
        problems.hint("write for example steps: [{ after: 0s, notify: [mail] }]");
        return Vec::new();
    };
    if items.is_empty() || items.len() > STEPS_MAX {
        let message = format!("{} steps; 1 to {STEPS_MAX} are possible", items.len());
        problems.add(path, node.place, message);
    }
    let mut steps: Vec<Step> = Vec::new();
    for (i, item) in items.iter().enumerate() {
        let path = format!("{path}[{i}]");
        let Some(mut fields) = Fields::open(item, &path, problems) else { continue };
        let limits = (Duration::ZERO, AFTER_MAX);
        let after = fields.duration("after", "after_ms", limits, problems).unwrap_or_default();
        let who = targets(&mut fields, known, problems);
        if who == Targets::default() {
            problems.add(&path, item.place, "the step tells nobody");
            problems.hint("give it notify (channels), people or on_call");
        }
        if let Some(before) = steps.last().filter(|before| before.after >= after) {
            let (was, now) = (show(before.after), show(after));
            let message = format!("a step after {now} comes behind one after {was}");
            let place = fields.get("after").map_or(item.place, |node| node.place);
            problems.add(&fields.at("after"), place, message);
            problems.hint("write the steps in the order of their times");
        }
        fields.close(&[], problems);
        steps.push(Step { after, who });
    }
    steps
}

fn show(duration: Duration) -> String {
    whydown_core::units::show(duration)
}

fn repeat(node: &Node, path: &str, problems: &mut Problems) -> Option<Repeat> {
    let mut fields = Fields::open(node, path, problems)?;
    if fields.get("every").is_none() {
        fields.need("every", "15m", problems);
    }
    let every = fields.duration("every", "every_ms", EVERY, problems);
    let times = fields.number("times", (1, TIMES_MAX), problems);
    fields.close(&[], problems);
    let times = times.and_then(|times| u32::try_from(times).ok()).unwrap_or(TIMES_DEFAULT);
    Some(Repeat { every: every?, times })
}

fn digest(node: &Node, path: &str, problems: &mut Problems) -> Option<Digest> {
    let mut fields = Fields::open(node, path, problems)?;
    let zone = zone(&mut fields, problems);
    fields.need("every", "day", problems);
    let every = words(&mut fields, "every", &[("hour", false), ("day", true)], problems);
    let at = at(&mut fields, problems);
    if let (Some(false), Some(node)) = (every.first(), fields.get("at")) {
        problems.add(&fields.at("at"), node.place, "an hourly digest has no time of day");
    }
    fields.close(&[], problems);
    let eight = jiff::civil::Time::constant(8, 0, 0, 0);
    match every.first()? {
        true => Some(Digest::Daily(at.unwrap_or(eight), zone)),
        false => Some(Digest::Hourly(zone)),
    }
}

/// A time of day under `at`.
pub(super) fn at(fields: &mut Fields<'_>, problems: &mut Problems) -> Option<jiff::civil::Time> {
    let node = fields.get("at")?;
    let path = fields.at("at");
    let written = text(node, &path, problems)?;
    let time = calendar::time(&written);
    if time.is_none() {
        let message = format!("{} is no time of day", node.shown());
        refuse(&path, node, message, problems);
        problems.hint("write for example \"08:00\" or \"22:30\", in quotes");
    }
    time
}

/// Reads one person.
pub(super) fn person(
    node: &Node,
    path: &str,
    channels: &[&str],
    problems: &mut Problems,
) -> Option<(String, Vec<String>)> {
    let mut fields = Fields::open(node, path, problems)?;
    let name = name(&mut fields, "ada", problems);
    fields.need("notify", "[ada phone]", problems);
    let notify = check_names(&mut fields, "notify", "channel", channels, problems);
    fields.close(&[], problems);
    Some((name?, notify))
}

/// When several messages become one.
pub(super) fn grouping(node: &Node, problems: &mut Problems) -> Option<Grouping> {
    let mut grouping = Grouping::default();
    let mut fields = Fields::open(node, "grouping", problems)?;
    let enabled = fields.bool("enabled", problems).unwrap_or(true);
    if let Some(after) = fields.number("after", (0, 1_000), problems) {
        grouping.after = usize::try_from(after).unwrap_or_default();
    }
    if let Some(window) = fields.duration("window", "window_ms", WINDOW, problems) {
        grouping.window = window;
    }
    fields.close(&[], problems);
    enabled.then_some(grouping)
}
