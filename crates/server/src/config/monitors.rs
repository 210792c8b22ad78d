//! Monitors: from what a person wrote to a [`Monitor`] that a probe can use.

use std::collections::BTreeMap;
use std::time::Duration;

use whydown_core::monitor::{
    CONFIRM_MAX, Expect, INTERVAL_MAX, INTERVAL_MIN, Monitor, Request, StatusRanges, TIMEOUT_MAX,
};
use whydown_core::scope::{NotSelector, Selector};
use whydown_core::target::Target;
use whydown_core::units;
use whydown_probe::{check_expect, check_request};

use super::Problem;
use super::node::{Node, Value};
use super::policies::{SEVERITIES, words};
use super::read::{Fields, Problems, alike, parsed, refuse, text};

/// Shortest deadline of a check.
const TIMEOUT_MIN: Duration = Duration::from_millis(10);
/// Longest name of a monitor or channel, in characters.
const NAME_MAX: usize = 100;
/// Redirects that can be asked for.
const REDIRECTS_MAX: u64 = 50;
/// Bytes of body that can be asked for.
const BODY_MAX_BYTES: u64 = 64 << 20;
/// Tags of one monitor.
const TAGS_MAX: usize = 50;
/// Names that a hint lists.
const NAMES_MAX: usize = 20;
/// Days of a certificate that can be asked for: none is valid longer.
const CERTIFICATE_DAYS_MAX: u64 = 3_650;
/// Keys that people look for in another place.
const MOVED: [(&str, &str); 11] = [
    ("method", "request"),
    ("headers", "request"),
    ("body", "request"),
    ("redirects", "request"),
    ("status", "expect"),
    ("contains", "expect"),
    ("not_contains", "expect"),
    ("matches", "expect"),
    ("json", "expect"),
    ("latency", "expect"),
    ("certificate_days", "expect"),
];

/// Reads one monitor. `channels` are the names that exist, `told` those that are told when the
/// monitor names none.
pub(super) fn read(
    node: &Node,
    path: &str,
    (channels, told): (&[&str], &[&str]),
    problems: &mut Problems,
) -> Option<Monitor> {
    let mut fields = Fields::open(node, path, problems)?;
    let before = problems.0.len();
    let name = name(&mut fields, "shop", problems);
    let target = fields.need("target", "https://example.com/", problems);
    let target: Option<Target> =
        target.and_then(|node| parsed(node, &fields.at("target"), problems));
    let mut monitor = Monitor::new(name.unwrap_or_default(), target.unwrap_or_else(example));
    let limits = (INTERVAL_MIN, INTERVAL_MAX);
    if let Some(interval) = fields.duration("interval", "interval_ms", limits, problems) {
        monitor.interval = interval;
    }
    let limits = (TIMEOUT_MIN, TIMEOUT_MAX);
    if let Some(timeout) = fields.duration("timeout", "timeout_ms", limits, problems) {
        monitor.timeout = timeout;
    }
    if let Some(confirm) = fields.number("confirm", (0, CONFIRM_MAX.into()), problems) {
        monitor.confirm = u32::try_from(confirm).unwrap_or(CONFIRM_MAX);
    }
    if let Some(node) = fields.get("request") {
        monitor.request = request(node, &fields.at("request"), problems).unwrap_or_default();
    }
    if let Some(node) = fields.get("expect") {
        monitor.expect = expect(node, &fields.at("expect"), problems).unwrap_or_default();
    }
    monitor.locations = locations(&mut fields, problems);
    if let Some(node) = fields.get("alert_when") {
        let path = fields.at("alert_when");
        monitor.alert_when = parsed(node, &path, problems).unwrap_or_default();
    }
    monitor.notify = notify(&mut fields, channels, told, problems);
    monitor.tags = tags(&mut fields, problems);
    let severity = words(&mut fields, "severity", &SEVERITIES, problems);
    monitor.severity = severity.first().copied().unwrap_or_default();
    monitor.depends_on = fields.texts("depends_on", problems).unwrap_or_default();
    monitor.paused = fields.bool("paused", problems).unwrap_or_default();
    fields.close(&MOVED, problems);
    (problems.0.len() == before).then_some(monitor)
}

/// Takes the place of a target that can't be read, so that reading goes on.
fn example() -> Target {
    Target {
        scheme: whydown_core::target::Scheme::Https,
        host: whydown_core::target::Host::Name("example.com".to_owned()),
        port: 443,
        port_source: whydown_core::target::PortSource::Default,
        path: "/".to_owned(),
    }
}

/// The name of a monitor or channel.
pub(super) fn name(
    fields: &mut Fields<'_>,
    example: &str,
    problems: &mut Problems,
) -> Option<String> {
    let node = fields.need("name", example, problems)?;
    let path = fields.at("name");
    let name = text(node, &path, problems)?;
    match check_name(&name) {
        Ok(()) => Some(name),
        Err(error) => {
            refuse(&path, node, error, problems);
            None
        }
    }
}

fn check_name(name: &str) -> Result<(), String> {
    let length = name.chars().count();
    if name.trim() != name || name.is_empty() {
        Err(format!("{name:?} is empty or has blanks at its ends"))
    } else if length > NAME_MAX {
        Err(format!("a name has at most {NAME_MAX} characters, this one has {length}"))
    } else if name.chars().any(|c| c.is_control() || c == '/') || matches!(name, "." | "..") {
        Err(format!(
            "{name:?} is no name: it stands in addresses, so it has no slash, line break or tab"
        ))
    } else {
        Ok(())
    }
}

fn request(node: &Node, path: &str, problems: &mut Problems) -> Option<Request> {
    let mut fields = Fields::open(node, path, problems)?;
    let mut request = Request::default();
    if let Some(method) = fields.text("method", problems) {
        request.method = method.to_ascii_uppercase();
    }
    request.headers = fields.text_map("headers", problems);
    request.body = fields.text("body", problems);
    if let Some(redirects) = fields.number("redirects", (0, REDIRECTS_MAX), problems) {
        request.redirects = u32::try_from(redirects).unwrap_or_default();
    }
    if let Some(bytes) = fields.number("body_max_bytes", (1, BODY_MAX_BYTES), problems) {
        request.body_max_bytes = bytes;
    }
    // Method first, then all headers: two separate checks find two mistakes.
    let with_method = Request { method: request.method.clone(), ..Request::default() };
    let with_headers = Request { headers: request.headers.clone(), ..Request::default() };
    for (key, check) in [("method", with_method), ("headers", with_headers)] {
        if let Err(error) = check_request(&check) {
            let place = fields.get(key).unwrap_or(node);
            refuse(&fields.at(key), place, unprefixed(&error.to_string()), problems);
        }
    }
    fields.close(&[], problems);
    Some(request)
}

fn expect(node: &Node, path: &str, problems: &mut Problems) -> Option<Expect> {
    let mut fields = Fields::open(node, path, problems)?;
    let mut expect = Expect {
        status: status(&mut fields, problems),
        contains: fields.texts("contains", problems).unwrap_or_default(),
        not_contains: fields.texts("not_contains", problems).unwrap_or_default(),
        matches: fields.text("matches", problems),
        json: BTreeMap::new(),
        headers: fields.text_map("headers", problems),
        latency: None,
        certificate_days: None,
    };
    if let Some(node) = fields.get("json") {
        expect.json = json(node, &fields.at("json"), problems);
    }
    let limits = (Duration::from_millis(1), TIMEOUT_MAX);
    expect.latency = fields.duration("latency", "latency_ms", limits, problems);
    let days = fields.number("certificate_days", (0, CERTIFICATE_DAYS_MAX), problems);
    expect.certificate_days = days.and_then(|days| u32::try_from(days).ok());
    let with_pattern = Expect { matches: expect.matches.clone(), ..Expect::default() };
    let with_headers = Expect { headers: expect.headers.clone(), ..Expect::default() };
    for (key, check) in [("matches", with_pattern), ("headers", with_headers)] {
        if let Err(error) = check_expect(&check) {
            let place = fields.get(key).unwrap_or(node);
            refuse(&fields.at(key), place, unprefixed(&error.to_string()), problems);
        }
    }
    fields.close(&[], problems);
    Some(expect)
}

/// `200`, `"200-399"`, `"200-299, 401"` or a list of such.
fn status(fields: &mut Fields<'_>, problems: &mut Problems) -> Option<StatusRanges> {
    let node = fields.get("status")?;
    let path = fields.at("status");
    if !matches!(node.value, Value::List(_)) {
        return parsed(node, &path, problems);
    }
    let parts = fields.texts("status", problems)?;
    match parts.join(",").parse() {
        Ok(ranges) => Some(ranges),
        Err(error) => {
            refuse(&path, node, error, problems);
            None
        }
    }
}

fn json(node: &Node, path: &str, problems: &mut Problems) -> BTreeMap<String, serde_json::Value> {
    let Value::Map(entries) = &node.value else {
        refuse(path, node, "json is a mapping from JSONPath to value", problems);
        problems.hint("write for example json: { $.status: ok }");
        return BTreeMap::new();
    };
    let mut json = BTreeMap::new();
    for (key, value) in entries {
        json.insert(key.text.clone(), value.json());
        let alone = BTreeMap::from([(key.text.clone(), serde_json::Value::Null)]);
        if let Err(error) = check_expect(&Expect { json: alone, ..Expect::default() }) {
            problems.add(
                &format!("{path}.{}", key.text),
                key.place,
                unprefixed(&error.to_string()),
            );
        }
    }
    json
}

/// The probe names the field; we say it with its whole path.
fn unprefixed(error: &str) -> String {
    error.split_once(": ").map_or(error, |(_, rest)| rest).to_owned()
}

/// From where: names of locations, or `region:eu` and the like.
fn locations(fields: &mut Fields<'_>, problems: &mut Problems) -> Vec<Selector> {
    let Some(node) = fields.get("locations") else { return Vec::new() };
    let path = fields.at("locations");
    let texts = fields.texts("locations", problems).unwrap_or_default();
    let mut selectors = Vec::new();
    for (i, text) in texts.iter().enumerate() {
        match text.parse() {
            Ok(selector) => selectors.push(selector),
            Err(error) => {
                let place = match &node.value {
                    Value::List(items) => items.get(i).unwrap_or(node),
                    _ => node,
                };
                let error: NotSelector = error;
                problems.add(&format!("{path}[{i}]"), place.place, error.to_string());
            }
        }
    }
    selectors
}

fn tags(fields: &mut Fields<'_>, problems: &mut Problems) -> Vec<String> {
    let tags = fields.texts("tags", problems).unwrap_or_default();
    if tags.len() > TAGS_MAX {
        let place = fields.get("tags").and_then(|node| node.place);
        let message = format!("{} tags; at most {TAGS_MAX}", tags.len());
        problems.add(&fields.at("tags"), place, message);
    }
    tags
}

/// Who is told: the channels named; `told` when nothing is said.
fn notify(
    fields: &mut Fields<'_>,
    channels: &[&str],
    told: &[&str],
    problems: &mut Problems,
) -> Vec<String> {
    let Some(node) = fields.get("notify") else {
        return told.iter().map(|&name| name.to_owned()).collect();
    };
    let path = fields.at("notify");
    let names = fields.texts("notify", problems).unwrap_or_default();
    for (i, name) in names.iter().enumerate() {
        if channels.contains(&name.as_str()) {
            continue;
        }
        let place = match &node.value {
            Value::List(items) => items.get(i).unwrap_or(node),
            _ => node,
        };
        let message = format!("there is no channel {}", place.shown());
        problems.add(&format!("{path}[{i}]"), place.place, message);
        problems.hint(no_such(name, "channel", channels));
    }
    names
}

/// What to do about a name that does not exist.
pub(super) fn no_such(name: &str, what: &str, known: &[&str]) -> String {
    let section = match what {
        "person" => "people",
        "rotation" => "on_call",
        "monitor" => "monitors",
        _ => "channels",
    };
    match alike(name, known.iter().copied()) {
        Some(known) => format!("did you mean {known}?"),
        None if known.is_empty() => format!("define it under {section}"),
        None if known.len() > NAMES_MAX => {
            let first = known.iter().take(NAMES_MAX).copied().collect::<Vec<_>>().join(", ");
            format!("defined are {first} and {} more", known.len() - NAMES_MAX)
        }
        None => format!("defined are {}", known.join(", ")),
    }
}

/// Limits of a monitor that was made by other means.
pub(super) fn check(monitor: &Monitor, channels: &[&str]) -> Vec<Problem> {
    let mut problems = Problems::default();
    let mut add = |key: &str, message: String| problems.add(key, None, message);
    if let Err(error) = check_name(&monitor.name) {
        add("name", error);
    }
    for (key, value, min, max) in [
        ("interval", monitor.interval, INTERVAL_MIN, INTERVAL_MAX),
        ("timeout", monitor.timeout, TIMEOUT_MIN, TIMEOUT_MAX),
    ] {
        if value < min || value > max {
            let (value, min, max) = (units::show(value), units::show(min), units::show(max));
            add(key, format!("{value} is not between {min} and {max}"));
        }
    }
    if monitor.confirm > CONFIRM_MAX {
        add("confirm", format!("{} is more than {CONFIRM_MAX}", monitor.confirm));
    }
    if let Err(error) = check_request(&monitor.request) {
        add("request", error.to_string());
    }
    if let Err(error) = check_expect(&monitor.expect) {
        add("expect", error.to_string());
    }
    for (i, name) in monitor.notify.iter().enumerate() {
        if !channels.contains(&name.as_str()) {
            problems.add(&format!("notify[{i}]"), None, format!("there is no channel {name:?}"));
            problems.hint(no_such(name, "channel", channels));
        }
    }
    problems.0
}
