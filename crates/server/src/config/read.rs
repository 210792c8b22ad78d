//! Reading checked values out of [`Node`]s: every mistake is noted and reading goes on, so that a
//! person sees all of them at once.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::time::Duration;

use whydown_core::target::edit_distance;
use whydown_core::units;

use super::Problem;
use super::node::{Key, Node, Place, Value};

/// Names that look alike up to here are suggested.
const ALIKE_MAX: usize = 3;

/// What was found wrong so far.
#[derive(Debug, Default)]
pub(crate) struct Problems(pub(crate) Vec<Problem>);

impl Problems {
    pub(crate) fn add(&mut self, key: &str, place: Place, message: impl Into<String>) {
        let problem = Problem { key: key.to_owned(), message: message.into(), hint: None, place };
        self.0.push(problem);
    }

    pub(crate) fn hint(&mut self, hint: impl Into<String>) {
        if let Some(last) = self.0.last_mut() {
            last.hint = Some(hint.into());
        }
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// A value that can't be. Errors about a value that a variable stands for are not repeated,
    /// as they quote it.
    fn refuse(&mut self, key: &str, node: &Node, error: impl Display) {
        let message = match &node.value {
            Value::Expanded { .. } => {
                format!("what {} stands for is not valid here", node.shown())
            }
            _ => error.to_string(),
        };
        self.add(key, node.place, message);
    }

    fn expected(&mut self, key: &str, node: &Node, what: &str) {
        self.add(key, node.place, format!("{} is not {what}", node.shown()));
    }
}

/// A mapping whose keys are taken one by one; what is left over is unknown.
pub(crate) struct Fields<'a> {
    path: String,
    place: Place,
    entries: Vec<(&'a Key, &'a Node)>,
    known: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    /// The entries of a mapping; `None` (and a problem) when it is none.
    pub(crate) fn open(node: &'a Node, path: &str, problems: &mut Problems) -> Option<Self> {
        let Value::Map(entries) = &node.value else {
            problems.expected(path, node, "a mapping of keys and values");
            return None;
        };
        let fields = Self {
            path: path.to_owned(),
            place: node.place,
            entries: entries.iter().map(|(key, node)| (key, node)).collect(),
            known: Vec::new(),
        };
        fields.refuse_repeated(problems);
        Some(fields)
    }

    fn refuse_repeated(&self, problems: &mut Problems) {
        let mut seen: BTreeMap<&str, Place> = BTreeMap::new();
        for (key, _) in &self.entries {
            if let Some(first) = seen.insert(&key.text, key.place) {
                let first =
                    first.map_or(String::new(), |(line, _)| format!(", first in line {line}"));
                let message = format!("{:?} stands here twice{first}; remove one", key.text);
                problems.add(&self.at(&key.text), key.place, message);
            }
        }
    }

    /// The path of a key.
    pub(crate) fn at(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// The mapping's own path.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// The value of a key; `None` when it isn't there or empty.
    pub(crate) fn get(&mut self, key: &'static str) -> Option<&'a Node> {
        if !self.known.contains(&key) {
            self.known.push(key);
        }
        let found = self.entries.iter().find(|(written, _)| written.text == key);
        found.map(|(_, node)| *node).filter(|node| !matches!(node.value, Value::Null))
    }

    /// The same, missing being a problem.
    pub(crate) fn need(
        &mut self,
        key: &'static str,
        example: &str,
        problems: &mut Problems,
    ) -> Option<&'a Node> {
        let node = self.get(key);
        if node.is_none() {
            problems.add(&self.path, self.place, format!("{key:?} is missing"));
            problems.hint(format!("write for example {key}: {example}"));
        }
        node
    }

    pub(crate) fn text(&mut self, key: &'static str, problems: &mut Problems) -> Option<String> {
        let path = self.at(key);
        text(self.get(key)?, &path, problems)
    }

    pub(crate) fn bool(&mut self, key: &'static str, problems: &mut Problems) -> Option<bool> {
        let node = self.get(key)?;
        match &node.value {
            Value::Bool(value) => Some(*value),
            Value::Expanded { text, .. } if text == "true" || text == "false" => {
                Some(text == "true")
            }
            _ => {
                problems.expected(&self.at(key), node, "true or false");
                None
            }
        }
    }

    /// A whole number from `min` to `max`.
    pub(crate) fn number(
        &mut self,
        key: &'static str,
        (min, max): (u64, u64),
        problems: &mut Problems,
    ) -> Option<u64> {
        let node = self.get(key)?;
        let number = match &node.value {
            Value::Number(number) => number.as_u64(),
            Value::Expanded { text, .. } => text.parse().ok(),
            _ => None,
        };
        let fits = number.filter(|number| (min..=max).contains(number));
        if fits.is_none() {
            let what = format!("a whole number from {min} to {max}");
            problems.expected(&self.at(key), node, &what);
        }
        fits
    }

    /// A duration within limits: `30s`, or milliseconds under `key_ms`.
    pub(crate) fn duration(
        &mut self,
        key: &'static str,
        key_ms: &'static str,
        (min, max): (Duration, Duration),
        problems: &mut Problems,
    ) -> Option<Duration> {
        let (node, path, read) = match (self.get(key), self.get(key_ms)) {
            (None, None) => return None,
            (Some(node), _) => (node, self.at(key), duration_text(node)),
            (None, Some(node)) => (node, self.at(key_ms), duration_ms(node)),
        };
        match read {
            Ok(duration) if duration >= min && duration <= max => Some(duration),
            Ok(_) => {
                let (min, max) = (units::show(min), units::show(max));
                problems.expected(&path, node, &format!("between {min} and {max}"));
                None
            }
            Err(error) => {
                problems.refuse(&path, node, error);
                if let Value::Number(number) = &node.value {
                    problems.hint(format!("write {number}s for {number} seconds"));
                }
                None
            }
        }
    }

    /// One text or a list of texts.
    pub(crate) fn texts(
        &mut self,
        key: &'static str,
        problems: &mut Problems,
    ) -> Option<Vec<String>> {
        let path = self.at(key);
        let node = self.get(key)?;
        let Value::List(items) = &node.value else {
            return text(node, &path, problems).map(|text| vec![text]);
        };
        let one = |(i, node): (usize, &Node)| text(node, &format!("{path}[{i}]"), problems);
        Some(items.iter().enumerate().filter_map(one).collect())
    }

    /// A mapping of texts.
    pub(crate) fn text_map(
        &mut self,
        key: &'static str,
        problems: &mut Problems,
    ) -> BTreeMap<String, String> {
        let path = self.at(key);
        let Some(node) = self.get(key) else { return BTreeMap::new() };
        let Some(fields) = Fields::open(node, &path, problems) else { return BTreeMap::new() };
        let mut map = BTreeMap::new();
        for (key, node) in fields.entries {
            if let Some(text) = text(node, &format!("{path}.{}", key.text), problems) {
                map.insert(key.text.clone(), text);
            }
        }
        map
    }

    /// Keys that nobody asked for. `moved` says where a misplaced key belongs.
    pub(crate) fn close(self, moved: &[(&str, &str)], problems: &mut Problems) {
        for (key, _) in &self.entries {
            let name = key.text.as_str();
            if self.known.contains(&name) {
                continue;
            }
            problems.add(&self.at(name), key.place, format!("unknown key {name:?}"));
            if let Some((_, place)) = moved.iter().find(|(moved, _)| *moved == name) {
                problems.hint(format!("{name} belongs under {place}"));
                continue;
            }
            let known = self.known.iter().copied().filter(|known| !known.ends_with("_ms"));
            problems.hint(match alike(name, known.clone()) {
                Some(known) => format!("did you mean {known}?"),
                None => format!("known here are {}", known.collect::<Vec<_>>().join(", ")),
            });
        }
    }
}

/// Checks one value by parsing its text.
pub(crate) fn parsed<T: std::str::FromStr<Err: Display>>(
    node: &Node,
    path: &str,
    problems: &mut Problems,
) -> Option<T> {
    match text(node, path, problems)?.parse() {
        Ok(value) => Some(value),
        Err(error) => {
            problems.refuse(path, node, error);
            None
        }
    }
}

/// A text; a number is taken as it was written.
pub(crate) fn text(node: &Node, path: &str, problems: &mut Problems) -> Option<String> {
    match &node.value {
        Value::Text(text) | Value::Expanded { text, .. } => Some(text.clone()),
        Value::Number(number) if !number.is_f64() => Some(number.to_string()),
        _ => {
            problems.expected(path, node, "a text");
            if matches!(node.value, Value::Bool(_) | Value::Number(_)) {
                problems.hint("put it into quotes");
            }
            None
        }
    }
}

/// Notes what another check says of a value.
pub(crate) fn refuse(key: &str, node: &Node, error: impl Display, problems: &mut Problems) {
    problems.refuse(key, node, error);
}

fn duration_text(node: &Node) -> Result<Duration, String> {
    match &node.value {
        Value::Text(text) | Value::Expanded { text, .. } => {
            units::parse(text).map_err(|error| error.to_string())
        }
        Value::Number(number) => Err(format!("{number} has no unit")),
        _ => Err(format!("{} is not a duration such as 30s", node.shown())),
    }
}

fn duration_ms(node: &Node) -> Result<Duration, String> {
    let Value::Number(number) = &node.value else {
        return Err(format!("{} is not a number of milliseconds", node.shown()));
    };
    let seconds = number.as_f64().unwrap_or(-1.0) / 1_000.0;
    Duration::try_from_secs_f64(seconds).map_err(|_| format!("{number} is not a duration"))
}

/// The known name that looks most like `name`.
pub(crate) fn alike<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let limit = ALIKE_MAX.min(name.chars().count() / 2);
    known
        .map(|known| (edit_distance(known, name), known))
        .min()
        .filter(|(distance, _)| *distance <= limit)
        .map(|(_, known)| known)
}
