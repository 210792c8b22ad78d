//! Settings of channels, declared once: [`settings!`] makes of a struct with one line per setting
//! what configuration, store, API, pages and manual need. Knows no kind of channel.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};

use super::{Address, Mailbox, Phone, SecretMap, Smtp, Template};
use crate::config::{Fields, Node, Problems, Value, refuse, text};
use crate::secret::{MASK, Secret};

/// Items of one list: recipients of a mail, words of a command.
pub const ITEMS_MAX: usize = 100;
/// Longest text of one setting, in bytes.
pub const TEXT_MAX_BYTES: usize = 16 << 10;

/// How a setting is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// One line.
    Text,
    /// One line that nobody may see.
    Secret,
    /// Several lines.
    Long,
    /// Several lines that nobody may see.
    LongSecret,
    /// An address.
    Address,
    /// A whole number between these.
    Number(u64, u64),
    /// Yes or no.
    Flag,
    /// Several texts.
    List,
    /// Names with values that nobody may see.
    Map,
    /// One of these.
    Choice(&'static [&'static str]),
}

/// One setting, for pages, schema and manual.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// The key.
    pub key: &'static str,
    /// What it is for; lines as written.
    pub about: &'static [&'static str],
    /// What one may look like.
    pub example: &'static str,
    /// How it is typed.
    pub shape: Shape,
    /// Must it be there?
    pub required: bool,
}

impl Field {
    /// What it is for, on one line.
    #[must_use]
    pub fn about(&self) -> String {
        joined(self.about)
    }
}

/// Lines of a comment as one text.
pub(crate) fn joined(lines: &[&str]) -> String {
    lines.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ")
}

/// A struct made by [`settings!`].
pub(crate) trait Settings: Sized {
    const ABOUT: &'static [&'static str];
    const FIELDS: &'static [Field];

    fn read(fields: &mut Fields<'_>, problems: &mut Problems) -> Option<Self>;
    /// With secrets, in the form that is read.
    fn stored(&self) -> Map<String, Json>;
    /// Without secrets.
    fn shown(&self) -> Map<String, Json>;
    /// Every secret in it.
    fn hidden(&self) -> Vec<String>;
}

/// A type that a setting can have.
pub(crate) trait Setting: Sized {
    const SHAPE: Shape;
    const REQUIRED: bool = true;

    fn read(node: &Node, path: &str, problems: &mut Problems) -> Option<Self>;

    fn take(
        fields: &mut Fields<'_>,
        key: &'static str,
        example: &str,
        problems: &mut Problems,
    ) -> Option<Self> {
        let node = fields.need(key, &format!("\"{example}\""), problems)?;
        Self::read(node, &fields.at(key), problems)
    }

    /// `Null`: leave the key out.
    fn stored(&self) -> Json;

    fn shown(&self) -> Json {
        self.stored()
    }

    fn hide(&self, _: &mut Vec<String>) {}
}

impl<T: Setting> Setting for Option<T> {
    const SHAPE: Shape = T::SHAPE;
    const REQUIRED: bool = false;

    fn read(node: &Node, path: &str, problems: &mut Problems) -> Option<Self> {
        T::read(node, path, problems).map(Some)
    }

    fn take(
        fields: &mut Fields<'_>,
        key: &'static str,
        _: &str,
        problems: &mut Problems,
    ) -> Option<Self> {
        match fields.get(key) {
            Some(node) => Self::read(node, &fields.at(key), problems),
            None => Some(None),
        }
    }

    fn stored(&self) -> Json {
        self.as_ref().map_or(Json::Null, T::stored)
    }

    fn shown(&self) -> Json {
        self.as_ref().map_or(Json::Null, T::shown)
    }

    fn hide(&self, texts: &mut Vec<String>) {
        if let Some(value) = self {
            value.hide(texts);
        }
    }
}

impl Setting for String {
    const SHAPE: Shape = Shape::Text;

    fn read(node: &Node, path: &str, problems: &mut Problems) -> Option<Self> {
        let written = text(node, path, problems)?;
        if written.is_empty() || written.len() > TEXT_MAX_BYTES {
            let message = format!("the text is empty or longer than {TEXT_MAX_BYTES} bytes");
            refuse(path, node, message, problems);
            return None;
        }
        if written.chars().any(char::is_control) {
            refuse(path, node, "the text has a line break or another control character", problems);
            return None;
        }
        Some(written)
    }

    fn stored(&self) -> Json {
        self.as_str().into()
    }
}

impl Setting for Secret {
    const SHAPE: Shape = Shape::Secret;

    fn read(node: &Node, path: &str, problems: &mut Problems) -> Option<Self> {
        match &node.value {
            Value::Text(text) | Value::Expanded { text, .. } if text.is_empty() => {
                problems.add(path, node.place, "the secret is empty");
                None
            }
            Value::Text(text) | Value::Expanded { text, .. } if text.len() > TEXT_MAX_BYTES => {
                let message = format!("the secret is longer than {TEXT_MAX_BYTES} bytes");
                problems.add(path, node.place, message);
                None
            }
            Value::Text(text) | Value::Expanded { text, .. } => Some(Self::new(text.clone())),
            _ => {
                problems.add(path, node.place, "the secret is not a text");
                problems.hint("put it into quotes");
                None
            }
        }
    }

    fn stored(&self) -> Json {
        self.reveal().into()
    }

    fn shown(&self) -> Json {
        MASK.into()
    }

    fn hide(&self, texts: &mut Vec<String>) {
        texts.push(self.reveal().to_owned());
    }
}

impl Setting for bool {
    const SHAPE: Shape = Shape::Flag;

    fn read(node: &Node, path: &str, problems: &mut Problems) -> Option<Self> {
        match &node.value {
            Value::Bool(value) => Some(*value),
            Value::Expanded { text, .. } if text == "true" || text == "false" => {
                Some(text == "true")
            }
            _ => {
                problems.add(path, node.place, format!("{} is not true or false", node.shown()));
                None
            }
        }
    }

    fn stored(&self) -> Json {
        (*self).into()
    }
}

/// A whole number from `MIN` to `MAX`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Number<const MIN: u64, const MAX: u64>(pub u64);

impl<const MIN: u64, const MAX: u64> Setting for Number<MIN, MAX> {
    const SHAPE: Shape = Shape::Number(MIN, MAX);

    fn read(node: &Node, path: &str, problems: &mut Problems) -> Option<Self> {
        let number = match &node.value {
            Value::Number(number) => number.as_u64(),
            Value::Text(text) | Value::Expanded { text, .. } => text.trim().parse().ok(),
            _ => None,
        };
        let fits = number.filter(|number| (MIN..=MAX).contains(number));
        if fits.is_none() {
            let message = format!("{} is not a whole number from {MIN} to {MAX}", node.shown());
            refuse(path, node, message, problems);
        }
        fits.map(Self)
    }

    fn stored(&self) -> Json {
        self.0.into()
    }
}

impl<T: Setting> Setting for Vec<T> {
    const SHAPE: Shape = Shape::List;

    fn read(node: &Node, path: &str, problems: &mut Problems) -> Option<Self> {
        let nodes = match &node.value {
            Value::List(items) => items.iter().collect(),
            _ => vec![node],
        };
        if nodes.is_empty() || nodes.len() > ITEMS_MAX {
            let message = format!("{} items; 1 to {ITEMS_MAX} are possible", nodes.len());
            problems.add(path, node.place, message);
            return None;
        }
        let mut items = Self::new();
        for (i, node) in nodes.iter().enumerate() {
            items.extend(T::read(node, &format!("{path}[{i}]"), problems));
        }
        (items.len() == nodes.len()).then_some(items)
    }

    fn stored(&self) -> Json {
        self.iter().map(T::stored).collect()
    }

    fn shown(&self) -> Json {
        self.iter().map(T::shown).collect()
    }

    fn hide(&self, texts: &mut Vec<String>) {
        self.iter().for_each(|item| item.hide(texts));
    }
}

/// A type that is read from a text by a function with an error in words and a hint.
macro_rules! read_from_text {
    ($($type:ty: $shape:expr, $hint:literal;)*) => {$(
        impl Setting for $type {
            const SHAPE: Shape = $shape;

            fn read(node: &Node, path: &str, problems: &mut Problems) -> Option<Self> {
                match Self::parse(&text(node, path, problems)?) {
                    Ok(value) => Some(value),
                    Err(wrong) => {
                        refuse(path, node, wrong, problems);
                        problems.hint($hint);
                        None
                    }
                }
            }

            fn stored(&self) -> Json {
                self.reveal().into()
            }

            fn shown(&self) -> Json {
                self.to_string().into()
            }

            fn hide(&self, texts: &mut Vec<String>) {
                self.secrets(texts);
            }
        }
    )*};
}

read_from_text! {
    Address: Shape::Address, "write for example https://hooks.example.com/x";
    Mailbox: Shape::Text, "write ops@example.com or \"Ops <ops@example.com>\"";
    Phone: Shape::Text, "write the country code and the number, such as \"+49 151 23456789\"";
    Template: Shape::Long, "known between {{ and }} are event, state, severity, title, headline, \
        summary, monitor, target, failure, cause, side, scope, started_at, incident, link, \
        acknowledge, text and to";
    Smtp: Shape::Text, "write smtp://mail.example.com:587 (STARTTLS when offered) or \
        smtps://mail.example.com:465 (TLS from the start); the account goes into username and \
        password";
}

impl Setting for SecretMap {
    const SHAPE: Shape = Shape::Map;

    fn read(node: &Node, path: &str, problems: &mut Problems) -> Option<Self> {
        let Value::Map(entries) = &node.value else {
            problems.add(path, node.place, "this is not a mapping of names and values");
            return None;
        };
        let mut map = BTreeMap::new();
        for (key, node) in entries {
            let path = format!("{path}.{}", key.text);
            if hyper::header::HeaderName::try_from(key.text.as_str()).is_err() {
                problems.add(&path, key.place, format!("{:?} is no header's name", key.text));
                continue;
            }
            if let Some(value) = text(node, &path, problems) {
                map.insert(key.text.clone(), Secret::new(value));
            }
        }
        (map.len() == entries.len()).then_some(Self(map))
    }

    fn stored(&self) -> Json {
        let entry = |(key, value): (&String, &Secret)| (key.clone(), value.reveal().into());
        Json::Object(self.0.iter().map(entry).collect())
    }

    fn shown(&self) -> Json {
        Json::Object(self.0.keys().map(|key| (key.clone(), MASK.into())).collect())
    }

    fn hide(&self, texts: &mut Vec<String>) {
        self.0.values().for_each(|value| value.hide(texts));
    }
}

/// Declares the settings of one kind of channel: documentation, name, type and an example each.
macro_rules! settings {
    (
        $(#[doc = $about:literal])+
        $name:ident {
            $( $(#[doc = $field_about:literal])+ $field:ident: $type:ty = $example:literal, )*
        }
    ) => {
        $(#[doc = $about])+
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name {
            $( $(#[doc = $field_about])+ pub $field: $type, )*
        }

        impl $crate::channel::Settings for $name {
            const ABOUT: &'static [&'static str] = &[$($about),+];
            const FIELDS: &'static [$crate::channel::Field] = &[$($crate::channel::Field {
                key: stringify!($field),
                about: &[$($field_about),+],
                example: $example,
                shape: <$type as $crate::channel::Setting>::SHAPE,
                required: <$type as $crate::channel::Setting>::REQUIRED,
            }),*];

            fn read(
                fields: &mut $crate::config::Fields<'_>,
                problems: &mut $crate::config::Problems,
            ) -> Option<Self> {
                $(
                    let key = stringify!($field);
                    let $field = <$type as $crate::channel::Setting>::take(
                        fields, key, $example, problems,
                    );
                )*
                Some(Self { $( $field: $field?, )* })
            }

            fn stored(&self) -> serde_json::Map<String, serde_json::Value> {
                let mut map = serde_json::Map::new();
                $(
                    let value = $crate::channel::Setting::stored(&self.$field);
                    if !value.is_null() {
                        map.insert(stringify!($field).to_owned(), value);
                    }
                )*
                map
            }

            fn shown(&self) -> serde_json::Map<String, serde_json::Value> {
                let mut map = serde_json::Map::new();
                $(
                    let value = $crate::channel::Setting::shown(&self.$field);
                    if !value.is_null() {
                        map.insert(stringify!($field).to_owned(), value);
                    }
                )*
                map
            }

            fn hidden(&self) -> Vec<String> {
                let mut texts = Vec::new();
                $( $crate::channel::Setting::hide(&self.$field, &mut texts); )*
                texts
            }
        }
    };
}
pub(crate) use settings;

/// Declares a setting that is one of some words.
macro_rules! choice {
    (
        $(#[$doc:meta])*
        $name:ident { $($(#[$word_doc:meta])* $variant:ident = $word:literal,)* }
    ) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[$word_doc])* $variant,)* }

        impl $crate::channel::Setting for $name {
            const SHAPE: $crate::channel::Shape = $crate::channel::Shape::Choice(&[$($word),*]);

            fn read(
                node: &$crate::config::Node,
                path: &str,
                problems: &mut $crate::config::Problems,
            ) -> Option<Self> {
                match $crate::config::text(node, path, problems)?.as_str() {
                    $($word => Some(Self::$variant),)*
                    _ => {
                        let words = [$($word),*].join(", ");
                        let message = format!("{} is not one of {words}", node.shown());
                        $crate::config::refuse(path, node, message, problems);
                        None
                    }
                }
            }

            fn stored(&self) -> serde_json::Value {
                match self { $(Self::$variant => $word.into(),)* }
            }
        }
    };
}
pub(crate) use choice;
