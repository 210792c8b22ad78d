//! Configuration: `whydown.yaml` → checked types. Nothing downstream validates again, and every
//! mistake in a file is reported in one go, with line, column, value and what would be valid.

mod calendar;
mod channels;
mod dependencies;
mod monitors;
mod node;
mod policies;
mod read;
mod schema;
mod show;
mod variables;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use whydown_core::alerting::rules::{Grouping, Rules};
use whydown_core::monitor::Monitor;

use crate::channel::{Address, Channel, Setting};
pub use crate::store::Kept as Retention;
pub(crate) use dependencies::check_one as check_dependencies;
pub(crate) use node::{Node, Value};
pub(crate) use read::{Fields, Problems, refuse, text};

/// The data directory when none is given, from the directory of start.
pub const DATA_DIRECTORY: &str = "whydown-data";
/// Most channels, of file and API together.
pub const CHANNELS_MAX: usize = 200;
/// The largest file that is read.
const FILE_MAX_BYTES: u64 = 64 << 20;
/// The shortest and the longest time that things are kept.
const RETENTION: (Duration, Duration) = (Duration::from_hours(1), Duration::from_hours(24 * 3_650));

/// Between two heartbeats.
const BEAT: (Duration, Duration) = (Duration::from_secs(10), Duration::from_hours(24));

/// A checked configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The file it came from.
    pub file: Option<PathBuf>,
    /// Where pages and API are served.
    pub listen: SocketAddr,
    /// The data directory.
    pub data: PathBuf,
    /// The address under which people reach the pages, without a slash at its end.
    pub base_url: Option<String>,
    /// How long things are kept.
    pub retention: Retention,
    /// Is there a probe in the server itself, location `local`?
    pub local_probe: bool,
    /// Monitors of the file.
    pub monitors: Vec<Monitor>,
    /// Channels of the file.
    pub channels: Vec<Channel>,
    /// Who is told when.
    pub rules: Rules,
    /// May channels start programs?
    pub allow_commands: bool,
    /// Channels that hear when another one can't be reached.
    pub undelivered: Vec<String>,
    /// Tells an outside service that this server lives.
    pub heartbeat: Option<Heartbeat>,
}

/// A dead man's switch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heartbeat {
    /// What is posted to.
    pub url: Address,
    /// How often.
    pub every: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            file: None,
            listen: SocketAddr::from(([127, 0, 0, 1], 8088)),
            data: PathBuf::from(DATA_DIRECTORY),
            base_url: None,
            retention: Retention {
                observations: Duration::from_hours(24 * 30),
                history: Duration::from_hours(24 * 400),
            },
            local_probe: true,
            monitors: Vec::new(),
            channels: Vec::new(),
            rules: Rules { grouping: Some(Grouping::default()), ..Rules::default() },
            allow_commands: false,
            undelivered: Vec::new(),
            heartbeat: None,
        }
    }
}

/// One mistake, for a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The path of keys to the value, such as `monitors[2].interval`; empty for the whole.
    pub key: String,
    /// What is wrong with which value, and what would be valid.
    pub message: String,
    /// Something to try.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Line and column in the file, counted from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<(u32, u32)>,
}

/// Every mistake found in one file. As text: each with the line it stands in, secrets starred.
#[derive(Clone, PartialEq, Eq)]
pub struct ConfigErrors {
    /// The file.
    pub file: PathBuf,
    /// In the order of the file; never empty.
    pub problems: Vec<Problem>,
    /// The file as written, for the lines shown.
    text: String,
    /// Texts in it that must not be shown.
    hidden: Vec<String>,
}

impl std::error::Error for ConfigErrors {}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show::write(f, self)
    }
}

impl fmt::Debug for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Reads and checks a file; `variable` answers what `${NAME}` stands for.
///
/// # Errors
/// Every mistake of the file at once.
pub fn load(
    path: &Path,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Config, ConfigErrors> {
    let errors = |text: &str, mut problems: Vec<Problem>, hidden| {
        problems.sort_by_key(|problem| problem.place);
        ConfigErrors { file: path.to_owned(), problems, text: text.to_owned(), hidden }
    };
    let text = read_file(path).map_err(|problem| errors("", vec![problem], Vec::new()))?;
    let mut problems = Problems::default();
    let mut node = match node::parse(&text) {
        Ok(node) => node,
        Err(syntax) => {
            problems.add("", syntax.place, format!("this is not YAML: {}", syntax.message));
            return Err(errors(&text, problems.0, Vec::new()));
        }
    };
    variables::expand(&mut node, variable, &mut problems);
    // A value that could not be put together has its problem already.
    let broken: Vec<_> = problems.0.iter().map(|problem| problem.place).collect();
    let mut further = Problems::default();
    let mut config = file(&node, &mut further);
    further.0.retain(|problem| !broken.contains(&problem.place));
    problems.0.append(&mut further.0);
    if problems.0.is_empty() {
        config.file = Some(path.to_owned());
        return Ok(config);
    }
    let mut hidden = Vec::new();
    show::hidden(&node, &mut hidden);
    Err(errors(&text, problems.0, hidden))
}

fn read_file(path: &Path) -> Result<String, Problem> {
    let problem = |message: String, hint: &str| Problem {
        key: String::new(),
        message,
        hint: Some(hint.to_owned()),
        place: None,
    };
    let length = std::fs::metadata(path).map_or(0, |file| file.len());
    if length > FILE_MAX_BYTES {
        let message = format!("the file has {length} bytes; at most {FILE_MAX_BYTES} are read");
        return Err(problem(message, "make the other monitors by the API"));
    }
    std::fs::read_to_string(path).map_err(|error| {
        problem(
            format!("cannot be read: {error}"),
            "`whydown config example > whydown.yaml` makes one to start from",
        )
    })
}

fn file(node: &Node, problems: &mut Problems) -> Config {
    let mut config = Config::default();
    if matches!(node.value, Value::Null) {
        return config;
    }
    let Some(mut fields) = Fields::open(node, "", problems) else { return config };
    if let Some(node) = fields.get("listen") {
        config.listen = listen(node, problems).unwrap_or(config.listen);
    }
    if let Some(data) = fields.text("data", problems) {
        config.data = PathBuf::from(data);
    }
    if let Some(node) = fields.get("base_url") {
        config.base_url = base_url(node, problems);
    }
    if let Some(node) = fields.get("retention") {
        retention(node, &mut config.retention, problems);
    }
    config.allow_commands = fields.bool("allow_commands", problems).unwrap_or_default();
    let read =
        |node: &Node, path: &str, problems: &mut Problems| channels::read(node, path, problems);
    if let Some(node) = fields.get("channels") {
        config.channels = list(node, "channels", problems, read);
        if config.channels.len() > CHANNELS_MAX {
            let message = format!("{} channels; at most {CHANNELS_MAX}", config.channels.len());
            problems.add("channels", node.place, message);
        }
        if !config.allow_commands {
            refuse_commands(node, problems);
        }
    }
    config.local_probe = fields.bool("local_probe", problems).unwrap_or(true);
    // A channel with a mistake in it exists all the same: one mistake is one message.
    let names = fields.get("channels").map(written_names).unwrap_or_default();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    if let Some(node) = fields.get("channels") {
        fallbacks(node, &names, problems);
    }
    if let Some(node) = fields.get("monitors") {
        // Where there are policies, they say who is told.
        let told: &[&str] = if fields.get("policies").is_some() { &[] } else { &names };
        let read = |node: &Node, path: &str, problems: &mut Problems| {
            monitors::read(node, path, (&names, told), problems)
        };
        config.monitors = list(node, "monitors", problems, read);
        let known = written_names(node);
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        dependencies::check(node, &config.monitors, &known, problems);
    }
    rules(&mut fields, &names, &mut config.rules, problems);
    let undelivered = "undelivered";
    config.undelivered =
        policies::check_names(&mut fields, undelivered, "channel", &names, problems);
    if let Some(node) = fields.get("heartbeat") {
        config.heartbeat = heartbeat(node, problems);
    }
    fields.close(&[], problems);
    config
}

/// Checks the fallbacks of a file's channels.
fn fallbacks(node: &Node, names: &[&str], problems: &mut Problems) {
    let Value::List(items) = &node.value else { return };
    for (i, item) in items.iter().enumerate() {
        let Value::Map(entries) = &item.value else { continue };
        let found = entries.iter().find(|(key, _)| key.text == "fallback");
        let (Some((_, node)), Some((name, _))) = (found, written_name(item)) else { continue };
        let Value::Text(fallback) = &node.value else { continue };
        if let Some(problem) = channels::no_fallback(&name, fallback, names) {
            let key = format!("channels[{i}].fallback");
            problems.0.push(Problem { key, place: node.place, ..problem });
        }
    }
}

fn heartbeat(node: &Node, problems: &mut Problems) -> Option<Heartbeat> {
    let mut fields = Fields::open(node, "heartbeat", problems)?;
    let url = fields.need("url", "\"https://hc.example.com/x\"", problems);
    let url = url.and_then(|node| <Address as Setting>::read(node, "heartbeat.url", problems));
    let every = fields.duration("every", "every_ms", BEAT, problems);
    fields.close(&[], problems);
    Some(Heartbeat { url: url?, every: every.unwrap_or(Duration::from_mins(1)) })
}

/// Checks the fallback of a channel that was made by other means.
#[must_use]
pub fn check_channel(channel: &Channel, channels: &[&str]) -> Option<Problem> {
    channels::no_fallback(&channel.name, channel.terms.fallback.as_deref()?, channels)
}

/// Everything that says who is told when.
fn rules(fields: &mut Fields<'_>, channels: &[&str], rules: &mut Rules, problems: &mut Problems) {
    let names = |node: Option<&Node>| node.map(written_names).unwrap_or_default();
    let people = names(fields.get("people"));
    let people: Vec<&str> = people.iter().map(String::as_str).collect();
    let on_call = names(fields.get("on_call"));
    let on_call: Vec<&str> = on_call.iter().map(String::as_str).collect();
    if let Some(node) = fields.get("people") {
        let read = |node: &Node, path: &str, problems: &mut Problems| {
            policies::person(node, path, channels, problems)
        };
        rules.people = list(node, "people", problems, read).into_iter().collect();
    }
    if let Some(node) = fields.get("on_call") {
        let read = |node: &Node, path: &str, problems: &mut Problems| {
            calendar::on_call(node, path, &people, problems)
        };
        rules.on_call = list(node, "on_call", problems, read);
        at_most("on_call", node, rules.on_call.len(), calendar::ON_CALL_MAX, problems);
    }
    if let Some(node) = fields.get("policies") {
        let known = policies::Known { channels, people: &people, on_call: &on_call };
        let read = |node: &Node, path: &str, problems: &mut Problems| {
            policies::read(node, path, &known, problems)
        };
        rules.policies = list(node, "policies", problems, read);
        at_most("policies", node, rules.policies.len(), policies::POLICIES_MAX, problems);
    }
    if let Some(node) = fields.get("maintenance") {
        rules.maintenance = list(node, "maintenance", problems, calendar::window);
        at_most("maintenance", node, rules.maintenance.len(), calendar::WINDOWS_MAX, problems);
    }
    if let Some(node) = fields.get("grouping") {
        rules.grouping = policies::grouping(node, problems);
    }
    if let Some(node) = fields.get("no_data") {
        rules.no_data = policies::no_data(node, channels, problems);
    }
}

fn at_most(key: &str, node: &Node, count: usize, max: usize, problems: &mut Problems) {
    if count > max {
        problems.add(key, node.place, format!("{count} entries; at most {max}"));
    }
}

/// A channel that starts a program needs the file's word.
fn refuse_commands(node: &Node, problems: &mut Problems) {
    let Value::List(items) = &node.value else { return };
    for (i, item) in items.iter().enumerate() {
        let Value::Map(entries) = &item.value else { continue };
        if let Some((key, _)) = entries.iter().find(|(key, _)| key.text == "command") {
            let path = format!("channels[{i}].command");
            problems.add(&path, key.place, "channels may not start programs here");
            problems.hint("write allow_commands: true beside channels, if that is what you want");
        }
    }
}

/// Where a key of a mapping stands, or else the mapping.
pub(crate) fn place_of(node: &Node, key: &str) -> Option<(u32, u32)> {
    let Value::Map(entries) = &node.value else { return node.place };
    let found = entries.iter().find(|(found, _)| found.text == key);
    found.map_or(node.place, |(_, node)| node.place)
}

/// Reads a list of named things; a name that was there before is a problem.
fn list<T>(
    node: &Node,
    path: &str,
    problems: &mut Problems,
    read: impl Fn(&Node, &str, &mut Problems) -> Option<T>,
) -> Vec<T> {
    let Value::List(items) = &node.value else {
        refuse(path, node, format!("{path} is a list: begin each with \"- name: …\""), problems);
        return Vec::new();
    };
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    let mut things = Vec::new();
    for (i, item) in items.iter().enumerate() {
        let path = format!("{path}[{i}]");
        things.extend(read(item, &path, problems));
        let Some((name, node)) = written_name(item) else { continue };
        let line = node.place.map_or(0, |(line, _)| line);
        if let Some(first) = seen.insert(name.clone(), line) {
            let message = format!("the name {} is used twice, first in line {first}", node.shown());
            problems.add(&format!("{path}.name"), node.place, message);
            problems.hint("names are unique: they are ids in the API");
        }
    }
    things
}

fn written_name(node: &Node) -> Option<(String, &Node)> {
    let Value::Map(entries) = &node.value else { return None };
    let (_, node) = entries.iter().find(|(key, _)| key.text == "name")?;
    let name = read::text(node, "", &mut Problems::default())?;
    Some((name, node))
}

fn written_names(node: &Node) -> Vec<String> {
    let Value::List(items) = &node.value else { return Vec::new() };
    items.iter().filter_map(written_name).map(|(name, _)| name).collect()
}

fn listen(node: &Node, problems: &mut Problems) -> Option<SocketAddr> {
    let text = read::text(node, "listen", problems)?;
    let address = text.parse().ok();
    if address.is_none() {
        let message = format!("{} is not an address with port", node.shown());
        refuse("listen", node, message, problems);
        problems.hint("write 127.0.0.1:8088, 0.0.0.0:8088 or \"[::]:8088\"; ports are 1 to 65535");
    }
    address
}

fn base_url(node: &Node, problems: &mut Problems) -> Option<String> {
    let text = read::text(node, "base_url", problems)?;
    let fits = url::Url::parse(&text).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https") && url.has_host() && url.query().is_none()
    });
    if fits {
        return Some(text.trim_end_matches('/').to_owned());
    }
    let message = format!("{} is not an address of pages", node.shown());
    refuse("base_url", node, message, problems);
    problems.hint("write for example https://status.example.com");
    None
}

fn retention(node: &Node, retention: &mut Retention, problems: &mut Problems) {
    let Some(mut fields) = Fields::open(node, "retention", problems) else { return };
    let kept = fields.duration("observations", "observations_ms", RETENTION, problems);
    retention.observations = kept.unwrap_or(retention.observations);
    let kept = fields.duration("history", "history_ms", RETENTION, problems);
    retention.history = kept.unwrap_or(retention.history);
    fields.close(&[], problems);
}

/// Checks one monitor as the API gets it: the same keys as in the file, with durations as text
/// (`interval: "30s"`) or as `…_ms` numbers. `channels` are the names that exist.
///
/// # Errors
/// Every mistake at once; `place` is `None`.
pub fn monitor(value: &serde_json::Value, channels: &[&str]) -> Result<Monitor, Vec<Problem>> {
    let mut problems = Problems::default();
    let monitor = monitors::read(&value.into(), "", (channels, channels), &mut problems);
    monitor.filter(|_| problems.0.is_empty()).ok_or(problems.0)
}

/// Checks one channel as the API gets it: the same keys as in the file.
///
/// # Errors
/// Every mistake at once; `place` is `None`.
pub fn channel(value: &serde_json::Value) -> Result<Channel, Vec<Problem>> {
    let mut problems = Problems::default();
    let channel = channels::read(&value.into(), "", &mut problems);
    channel.filter(|_| problems.0.is_empty()).ok_or(problems.0)
}

/// Checks a monitor that was made by other means than [`monitor`].
#[must_use]
pub fn check(monitor: &Monitor, channels: &[&str]) -> Vec<Problem> {
    monitors::check(monitor, channels)
}

/// Problems as one line, for an error's text.
#[must_use]
pub fn listed(problems: &[Problem]) -> String {
    let one = |problem: &Problem| match problem.key.as_str() {
        "" => problem.message.clone(),
        key => format!("{key}: {}", problem.message),
    };
    problems.iter().map(one).collect::<Vec<_>>().join("; ")
}

/// The JSON Schema of the file, for editors.
#[must_use]
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(schema::File).to_value()
}

/// A documented example file.
#[must_use]
pub fn example() -> &'static str {
    include_str!("config/example.yaml")
}
