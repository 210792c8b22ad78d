//! A value of the file (or of the API's JSON) with the place where it stands. The only file that
//! knows the YAML library.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::budget::Budget;
use serde_saphyr::options::DuplicateKeyPolicy;
use serde_saphyr::{Error, Options, Spanned};

/// Line and column, counted from 1.
pub(crate) type Place = Option<(u32, u32)>;
/// Mappings, lists and values in one file; enough for 100,000 monitors.
const NODES_MAX: usize = 4_000_000;

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) place: Place,
    pub(crate) value: Value,
}

/// What a value can be.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Number(serde_json::Number),
    Text(String),
    /// A text in which `${…}` was replaced; how it was written.
    Expanded {
        text: String,
        written: String,
    },
    List(Vec<Node>),
    /// In the order written; keys can be there twice.
    Map(Vec<(Key, Node)>),
}

/// A key and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) place: Place,
    pub(crate) text: String,
}

/// What keeps a text from being YAML.
pub(crate) struct Syntax {
    pub(crate) place: Place,
    pub(crate) message: String,
}

impl Node {
    /// As it may be shown: never what a variable stands for.
    pub(crate) fn shown(&self) -> String {
        match &self.value {
            Value::Null => "nothing".to_owned(),
            Value::Bool(value) => value.to_string(),
            Value::Number(value) => value.to_string(),
            Value::Text(text) | Value::Expanded { written: text, .. } => format!("{text:?}"),
            Value::List(_) => "a list".to_owned(),
            Value::Map(_) => "a mapping".to_owned(),
        }
    }

    /// Every text in it, keys left out.
    pub(crate) fn each_text(&mut self, change: &mut dyn FnMut(Place, &mut Value)) {
        match &mut self.value {
            Value::Text(_) => change(self.place, &mut self.value),
            Value::List(items) => items.iter_mut().for_each(|node| node.each_text(change)),
            Value::Map(entries) => {
                entries.iter_mut().for_each(|(_, node)| node.each_text(change));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Expanded { .. } => {}
        }
    }

    /// As JSON, for values that are compared and not read.
    pub(crate) fn json(&self) -> serde_json::Value {
        match &self.value {
            Value::Null => serde_json::Value::Null,
            Value::Bool(value) => (*value).into(),
            Value::Number(value) => value.clone().into(),
            Value::Text(text) | Value::Expanded { text, .. } => text.clone().into(),
            Value::List(items) => items.iter().map(Self::json).collect(),
            Value::Map(entries) => {
                let entry = |(key, node): &(Key, Self)| (key.text.clone(), node.json());
                entries.iter().map(entry).collect::<serde_json::Map<_, _>>().into()
            }
        }
    }
}

impl From<&serde_json::Value> for Node {
    fn from(json: &serde_json::Value) -> Self {
        let value = match json {
            serde_json::Value::Null => Value::Null,
            serde_json::Value::Bool(value) => Value::Bool(*value),
            serde_json::Value::Number(value) => Value::Number(value.clone()),
            serde_json::Value::String(text) => Value::Text(text.clone()),
            serde_json::Value::Array(items) => Value::List(items.iter().map(Self::from).collect()),
            serde_json::Value::Object(entries) => {
                let key = |text: &String| Key { place: None, text: text.clone() };
                Value::Map(entries.iter().map(|(k, v)| (key(k), v.into())).collect())
            }
        };
        Self { place: None, value }
    }
}

/// Reads YAML. An empty file is `Null`.
pub(crate) fn parse(text: &str) -> Result<Node, Syntax> {
    let mut budget = Budget::default();
    budget.max_nodes = NODES_MAX;
    budget.max_events = 2 * NODES_MAX;
    let options: Options = serde_saphyr::options! {
        budget: Some(budget),
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        with_snippet: false,
        strict_booleans: true,
    };
    let read: Result<Option<Spanned<Value>>, Error> =
        serde_saphyr::from_str_with_options(text, options);
    match read {
        Ok(Some(spanned)) => Ok(spanned.into()),
        Ok(None) => Ok(Node { place: Some((1, 1)), value: Value::Null }),
        Err(error) => {
            let place = error.location().as_ref().and_then(place);
            Err(Syntax { place, message: said(&error) })
        }
    }
}

/// The library's words without the place, which is shown anyway.
fn said(error: &Error) -> String {
    let text = error.to_string();
    let text = text.lines().next().unwrap_or_default();
    let text = text.strip_prefix("error: ").unwrap_or(text);
    let end = text.find(" at line ").unwrap_or(text.len());
    text[..end].trim_end_matches([',', ':']).to_owned()
}

impl From<Spanned<Value>> for Node {
    fn from(spanned: Spanned<Value>) -> Self {
        Self { place: place(&spanned.referenced), value: spanned.value }
    }
}

fn place(location: &serde_saphyr::Location) -> Place {
    let number = |number| u32::try_from(number).ok().filter(|number| *number > 0);
    Some((number(location.line())?, number(location.column())?))
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        Value::deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Value, E> {
        Ok(Value::Text(value.to_string()))
    }

    fn visit_u128<E>(self, value: u128) -> Result<Value, E> {
        Ok(Value::Text(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        let number = serde_json::Number::from_f64(value);
        Ok(number.map_or_else(|| Value::Text(value.to_string()), Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element::<Spanned<Value>>()? {
            items.push(item.into());
        }
        Ok(Value::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = access.next_key::<Spanned<Value>>()? {
            let value = access.next_value::<Spanned<Value>>()?;
            let key: Node = key.into();
            let text = match &key.value {
                Value::Text(text) => text.clone(),
                _ => key.shown(),
            };
            entries.push((Key { place: key.place, text }, value.into()));
        }
        Ok(Value::Map(entries))
    }
}
