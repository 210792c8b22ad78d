//! What a provider documents of a request's body, and what a body has besides or lacks.

use serde_json::{Map, Value};

/// A documented value.
#[derive(Clone)]
pub(crate) enum Shape {
    /// Characters, from and to.
    Text(usize, usize),
    /// UTF-8 bytes at most.
    Bytes(usize),
    /// One of these.
    One(&'static [&'static str]),
    /// From and to.
    Number(f64, f64),
    Flag,
    Null,
    /// Items at most.
    List(usize, Box<Shape>),
    Object(Vec<Field>),
    /// Any keys with such values.
    Map(Box<Shape>),
    /// An object that says by a key which shape it has.
    Tagged(&'static str, Vec<(&'static str, Vec<Field>)>),
    /// `http` or `https`, characters at most.
    Link(usize),
    /// RFC 3339.
    Time,
}

/// A documented key.
#[derive(Clone)]
pub(crate) struct Field {
    key: &'static str,
    required: bool,
    shape: Shape,
}

pub(crate) fn must(key: &'static str, shape: Shape) -> Field {
    Field { key, required: true, shape }
}

pub(crate) fn may(key: &'static str, shape: Shape) -> Field {
    Field { key, required: false, shape }
}

pub(crate) fn text(max: usize) -> Shape {
    Shape::Text(1, max)
}

pub(crate) fn list(max: usize, of: Shape) -> Shape {
    Shape::List(max, Box::new(of))
}

/// A form as an object of texts.
pub(crate) fn form(body: &[u8]) -> Value {
    let pairs = url::form_urlencoded::parse(body).into_owned();
    Value::Object(pairs.map(|(key, value)| (key, value.into())).collect::<Map<_, _>>())
}

impl Shape {
    /// What is not as documented.
    pub(crate) fn wrong(&self, value: &Value) -> Vec<String> {
        let mut wrong = Vec::new();
        self.look(value, "body", &mut wrong);
        wrong
    }

    fn look(&self, value: &Value, path: &str, wrong: &mut Vec<String>) {
        let fits = match (self, value) {
            (Self::Text(min, max), Value::String(text)) => {
                (*min..=*max).contains(&text.chars().count())
            }
            (Self::Bytes(max), Value::String(text)) => text.len() <= *max,
            (Self::One(words), Value::String(text)) => words.contains(&text.as_str()),
            (Self::Number(min, max), Value::Number(number)) => {
                (*min..=*max).contains(&number.as_f64().unwrap())
            }
            (Self::Flag, Value::Bool(_)) | (Self::Null, Value::Null) => true,
            (Self::Link(max), Value::String(text)) => {
                let good = url::Url::parse(text).is_ok_and(|url| url.scheme().starts_with("http"));
                good && text.chars().count() <= *max
            }
            (Self::Time, Value::String(text)) => text.parse::<jiff::Timestamp>().is_ok(),
            (Self::List(max, shape), Value::Array(items)) => {
                for (i, item) in items.iter().enumerate() {
                    shape.look(item, &format!("{path}[{i}]"), wrong);
                }
                items.len() <= *max
            }
            (Self::Map(shape), Value::Object(map)) => {
                map.iter()
                    .for_each(|(key, value)| shape.look(value, &format!("{path}.{key}"), wrong));
                true
            }
            (Self::Object(fields), Value::Object(map)) => {
                keys(fields, map, path, wrong);
                true
            }
            (Self::Tagged(tag, shapes), Value::Object(map)) => {
                let word = map.get(*tag).and_then(Value::as_str).unwrap_or_default();
                match shapes.iter().find(|(known, _)| *known == word) {
                    Some((_, fields)) => {
                        keys(fields, map, path, wrong);
                        true
                    }
                    None => false,
                }
            }
            _ => false,
        };
        if !fits {
            wrong.push(format!("{path} is not as documented: {value}"));
        }
    }
}

fn keys(fields: &[Field], map: &Map<String, Value>, path: &str, wrong: &mut Vec<String>) {
    for (key, value) in map {
        match fields.iter().find(|field| field.key == key) {
            Some(field) => field.shape.look(value, &format!("{path}.{key}"), wrong),
            None => wrong.push(format!("{path}.{key} is not documented")),
        }
    }
    for field in fields.iter().filter(|field| field.required && !map.contains_key(field.key)) {
        wrong.push(format!("{path}.{} is missing", field.key));
    }
}
