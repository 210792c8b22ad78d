//! What docs/ says of the server is what the server does: the configuration reference is made of
//! the schema and the example, and every path of the API is described.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use whydown_server::channel::{KINDS, Kind, Mark, Shape};
use whydown_server::{api, config};

fn doc(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name)
}

/// Compares what stands between `<!-- begin PART -->` and `<!-- end PART -->` with what should.
fn compare(name: &str, part: &str, generated: &str) {
    let text = std::fs::read_to_string(doc(name)).unwrap();
    let (begin, end) = (format!("<!-- begin {part} -->\n"), format!("<!-- end {part} -->"));
    let (before, rest) = text.split_once(&begin).unwrap();
    let (written, after) = rest.split_once(&end).unwrap();
    if written == generated {
        return;
    }
    let update = std::env::var("UPDATE_DOCS").is_ok_and(|value| value == "1");
    assert!(
        update,
        "docs/{name}: {part} is out of date; regenerate it with \
         UPDATE_DOCS=1 cargo nextest run --workspace docs_"
    );
    std::fs::write(doc(name), format!("{before}{begin}{generated}{end}{after}")).unwrap();
}

#[test]
fn docs_configuration_md_shows_the_example() {
    compare("configuration.md", "example", &format!("```yaml\n{}```\n", config::example()));
}

#[test]
fn docs_configuration_md_lists_every_key_of_the_schema() {
    let schema = config::schema();
    let mut text = String::new();
    tables(&schema, &schema, "", &mut text);
    compare("configuration.md", "keys", &text);
}

/// Settings that an example has besides those that must be there.
const ALSO: [(&str, &[&str]); 12] = [
    ("email", &["username", "password"]),
    ("sms-twilio", &["from"]),
    ("sms-gateway", &["headers", "body", "content_type", "secret"]),
    ("voice-vonage", &["signature_secret"]),
    ("voice-gateway", &["headers", "body"]),
    ("slack-bot", &["signing_secret"]),
    ("ntfy", &["token", "api_base"]),
    ("pushover", &["priority"]),
    ("opsgenie", &["tags", "api_base"]),
    ("alertmanager", &["token"]),
    ("webhook", &["secret"]),
    ("command", &["timeout_s"]),
];

/// A channel of a kind as it is written in the file.
fn example_of(kind: &Kind) -> String {
    let mut text = String::new();
    if kind.word == "command" {
        text.push_str("allow_commands: true\n");
    }
    let _ = write!(text, "channels:\n  - name: ops\n    {}:\n", kind.word);
    if let Mark::Provider(provider) = kind.mark {
        let _ = writeln!(text, "      provider: {provider}");
    }
    let also = ALSO.iter().find(|(slug, _)| *slug == kind.slug).map_or(&[][..], |(_, keys)| keys);
    for field in kind.fields.iter().filter(|field| field.required || also.contains(&field.key)) {
        let example = field.example;
        let plain = matches!(field.shape, Shape::Number(..) | Shape::Flag | Shape::Map);
        let value = match field.shape {
            _ if plain => example.to_owned(),
            Shape::List => format!("[\"{example}\"]"),
            _ if example.contains('"') => format!("'{example}'"),
            _ => format!("\"{example}\""),
        };
        let _ = writeln!(text, "      {}: {value}", field.key);
    }
    text
}

#[test]
fn docs_channels_md_shows_an_example_of_every_kind_that_loads() {
    let mut text = String::new();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("whydown.yaml");
    for kind in KINDS {
        let example = example_of(kind);
        std::fs::write(&file, &example).unwrap();
        let variable = |name: &str| {
            Some(match name {
                "TELEGRAM_TOKEN" => "123456:ABC".to_owned(),
                "VONAGE_PRIVATE_KEY" => crate::providers::phone::RSA.0.clone(),
                _ => format!("value-of-{name}"),
            })
        };
        let loaded = config::load(&file, &variable).unwrap_or_else(|wrong| panic!("{wrong}"));
        assert_eq!(loaded.channels[0].kind.kind().slug, kind.slug, "{example}");
        let _ = write!(text, "\n### {}\n\n{}\n\n", kind.title, kind.about());
        let _ = write!(text, "```yaml\n{example}```\n\n| key | value | |\n|---|---|---|\n");
        for field in kind.fields {
            let value = match field.shape {
                Shape::Text | Shape::Long => "text".to_owned(),
                Shape::Secret | Shape::LongSecret => "secret".to_owned(),
                Shape::Address => "address".to_owned(),
                Shape::Number(min, max) => format!("number, {min} to {max}"),
                Shape::Flag => "true or false".to_owned(),
                Shape::List => "text or list of texts".to_owned(),
                Shape::Map => "names and secret values".to_owned(),
                Shape::Choice(words) => words.join(", "),
            };
            let must = if field.required { " **required**" } else { "" };
            let _ = writeln!(text, "| `{}` | {value}{must} | {} |", field.key, field.about());
        }
    }
    compare("channels.md", "kinds", &text);
}

#[test]
fn every_example_of_docs_alerting_and_locations_md_is_a_good_configuration() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("whydown.yaml");
    for (name, least) in [("alerting.md", 6), ("locations.md", 2)] {
        let text = std::fs::read_to_string(doc(name)).unwrap();
        let examples: Vec<&str> =
            text.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
        assert!(examples.len() >= least, "{name}: {} examples", examples.len());
        for example in examples {
            std::fs::write(&file, example).unwrap();
            if let Err(errors) = config::load(&file, &|_| None) {
                panic!("{name}: {example}\n{errors}");
            }
        }
    }
}

#[test]
fn docs_api_md_describes_every_path() {
    let text = std::fs::read_to_string(doc("api.md")).unwrap();
    let mut routes = Vec::new();
    for (path, methods) in api::ROUTES {
        routes.extend(methods.iter().map(|method| format!("`{} {path}`", method.to_uppercase())));
    }
    let missing: Vec<_> = routes.iter().filter(|route| !text.contains(*route)).collect();
    assert!(missing.is_empty(), "docs/api.md does not describe {missing:?}");
    let described = text.lines().filter_map(|line| line.strip_prefix("### ")).filter_map(|line| {
        let verb = line.trim_start_matches('`').split(' ').next()?;
        matches!(verb, "GET" | "POST" | "PATCH" | "DELETE").then_some(line)
    });
    for heading in described {
        assert!(routes.iter().any(|route| route == heading), "docs/api.md: no path {heading}");
    }
}

/// A table of an object's keys, then the same for each object in it.
fn tables(schema: &Value, object: &Value, path: &str, text: &mut String) {
    let empty = Map::new();
    let properties = object["properties"].as_object().unwrap_or(&empty);
    let required: Vec<&str> =
        object["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let title = if path.is_empty() { "The file".to_owned() } else { format!("`{path}`") };
    let about = object["description"].as_str().unwrap_or_default();
    let _ = write!(text, "\n### {title}\n\n{about}\n\n| key | value | |\n|---|---|---|\n");
    let mut inner = Vec::new();
    for (key, property) in properties {
        let (kind, object, suffix) = kind(schema, property);
        let must = if required.contains(&key.as_str()) { " **required**" } else { "" };
        let about = property["description"].as_str().unwrap_or_default().replace('|', "\\|");
        let _ = writeln!(text, "| `{key}` | {kind}{must} | {about} |");
        if let Some(object) = object {
            let dot = if path.is_empty() { "" } else { "." };
            inner.push((format!("{path}{dot}{key}{suffix}"), object));
        }
    }
    for (path, object) in inner {
        tables(schema, object, &path, text);
    }
}

/// A value's kind for people; if it is an object with keys of its own, that; and what comes after
/// its name in a path.
fn kind<'a>(schema: &'a Value, property: &'a Value) -> (String, Option<&'a Value>, &'static str) {
    let choice = property["anyOf"].as_array().and_then(|any| any.first()).unwrap_or(property);
    if let Some(name) = choice["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
        let target = &schema["$defs"][name];
        return match name {
            "Span" => ("duration".to_owned(), None, ""),
            "Status" => ("status codes".to_owned(), None, ""),
            "TextOrList" => ("text or list of texts".to_owned(), None, ""),
            "TextOrNumber" => ("text".to_owned(), None, ""),
            _ => ("mapping, see below".to_owned(), Some(target), ""),
        };
    }
    let types = &choice["type"];
    let word = types.as_str().or_else(|| types[0].as_str()).unwrap_or("anything");
    let kind = match word {
        "array" => {
            let (_, object, _) = kind(schema, &choice["items"]);
            return ("list, see below".to_owned(), object, "[]");
        }
        "boolean" => "true or false".to_owned(),
        "integer" => match (choice["minimum"].as_i64(), choice["maximum"].as_i64()) {
            (Some(min), Some(max)) => format!("number, {min} to {max}"),
            _ => "number".to_owned(),
        },
        "object" => "mapping".to_owned(),
        "string" => "text".to_owned(),
        other => other.to_owned(),
    };
    (kind, None, "")
}
