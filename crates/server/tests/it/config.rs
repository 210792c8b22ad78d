//! The configuration file: what is good, and what every mistake says.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;
use whydown_core::monitor::Monitor;
use whydown_server::channel::ChannelKind;
use whydown_server::config::{self, Config};

const PLANTED: &str = "planted-zero";

fn variable(name: &str) -> Option<String> {
    match name {
        "PLANTED" => Some(PLANTED.to_owned()),
        "SHOP_TOKEN" | "WHYDOWN_HOOK_SECRET" | "WHYDOWN_MAIL_PASSWORD" => {
            Some(format!("value of {name}"))
        }
        "COUNT" => Some("5".to_owned()),
        _ => None,
    }
}

fn fixtures() -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config");
    let files = dir.read_dir().unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = files.filter(|file| file.extension().unwrap() == "yaml").collect();
    files.sort();
    files
}

fn load(text: &str) -> Result<Config, String> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("whydown.yaml");
    std::fs::write(&file, text).unwrap();
    config::load(&file, &variable).map_err(|errors| errors.to_string())
}

/// The file's messages with the file's name alone.
fn messages(file: &Path) -> String {
    let errors = config::load(file, &variable).expect_err("the file should be refused");
    let dir = format!("{}/", file.parent().unwrap().display());
    errors.to_string().replace(&dir, "") + "\n"
}

#[test]
fn every_broken_file_says_all_that_is_wrong_with_line_value_and_hint() {
    let update = std::env::var_os("WHYDOWN_UPDATE_FIXTURES").is_some();
    let mut differing = Vec::new();
    for file in fixtures() {
        let seen = messages(&file);
        let expected_file = file.with_extension("txt");
        if update {
            std::fs::write(&expected_file, &seen).unwrap();
        }
        let expected = std::fs::read_to_string(&expected_file).unwrap_or_default();
        if seen != expected {
            differing.push(format!("{}\n{seen}", file.display()));
        }
    }
    assert!(
        differing.is_empty(),
        "WHYDOWN_UPDATE_FIXTURES=1 writes what is said now; look at the difference\n{}",
        differing.join("\n")
    );
}

#[test]
fn no_message_shows_a_secret() {
    for file in fixtures() {
        let shown = messages(&file);
        let errors = config::load(&file, &variable).unwrap_err();
        let everything = format!("{shown} {errors:?} {:?}", errors.problems);
        assert!(!everything.contains("planted-"), "{everything}");
        assert!(!everything.contains("hunter2"), "{everything}");
    }
}

#[test]
fn the_example_is_a_good_configuration_and_matches_the_schema() {
    let config = load(config::example()).unwrap();
    assert_eq!(config.monitors.len(), 6);
    let shop = &config.monitors[1];
    assert_eq!(shop.request.headers["Authorization"], "Bearer value of SHOP_TOKEN");
    assert_eq!(shop.expect.contains, ["Add to basket"]);
    assert!(shop.expect.accepts(399) && !shop.expect.accepts(400));
    assert!(config.monitors[0].notify.is_empty(), "policies say who is told");
    assert_eq!(config.base_url.as_deref(), Some("https://status.example.com"));
    let ChannelKind::Email(email) = &config.channels[1].kind else { panic!("not a mail") };
    assert_eq!(email.smtp.to_string(), "smtp://mail.example.com:587");
    assert!(email.requires_tls());
}

#[test]
fn the_schema_knows_exactly_the_keys_that_the_reader_knows() {
    let schema = config::schema();
    let keys = |of: &serde_json::Value| {
        let keys = of["properties"].as_object().unwrap().keys().cloned();
        keys.collect::<Vec<String>>()
    };
    // An unknown key's hint lists what is known there.
    let known = |text: &str| {
        let message = load(text).unwrap_err();
        let (_, list) = message.rsplit_once("known here are ").expect("a list of known keys");
        let mut keys: Vec<String> =
            list.lines().next().unwrap().split(", ").map(str::to_owned).collect();
        keys.sort();
        keys
    };
    let monitor = "monitors:\n  - name: a\n    target: https://example.com\n    ";
    let channel = "channels:\n  - name: a\n    ";
    let url = "url: 'https://example.com'";
    let email = "smtp: 'smtp://a', from: a@b.example, to: a@b.example";
    let policy = "policies:\n  - name: a\n    ";
    let on_call = "on_call:\n  - name: a\n    ";
    let defs = &schema["$defs"];
    for (of, text) in [
        (&schema, "qqqqqqqq: 1".to_owned()),
        (&defs["Retention"], "retention: { qqqqqqqq: 1 }".to_owned()),
        (&defs["Monitor"], format!("{monitor}qqqqqqqq: 1")),
        (&defs["Request"], format!("{monitor}request: {{ qqqqqqqq: 1 }}")),
        (&defs["Expect"], format!("{monitor}expect: {{ qqqqqqqq: 1 }}")),
        (&defs["Channel"], format!("{channel}webhook: {{ {url} }}\n    qqqqqqqq: 1")),
        (&defs["Policy"], format!("{policy}qqqqqqqq: 1")),
        (&defs["Match"], format!("{policy}match: {{ qqqqqqqq: 1 }}")),
        (&defs["Step"], format!("{policy}steps: [{{ qqqqqqqq: 1 }}]")),
        (&defs["Repeat"], format!("{policy}repeat: {{ every: 5m, qqqqqqqq: 1 }}")),
        (&defs["Digest"], format!("{policy}digest: {{ every: day, qqqqqqqq: 1 }}")),
        (&defs["Person"], "people: [{ name: ada, notify: [], qqqqqqqq: 1 }]".to_owned()),
        (&defs["OnCall"], format!("{on_call}people: [ada]\n    qqqqqqqq: 1")),
        (&defs["Shift"], format!("{on_call}shifts: [{{ qqqqqqqq: 1 }}]")),
        (&defs["Override"], format!("{on_call}overrides: [{{ qqqqqqqq: 1 }}]")),
        (&defs["Maintenance"], "maintenance: [{ name: a, qqqqqqqq: 1 }]".to_owned()),
        (&defs["Heartbeat"], format!("heartbeat: {{ {url}, qqqqqqqq: 1 }}")),
        (&defs["Grouping"], "grouping: { qqqqqqqq: 1 }".to_owned()),
        (
            &defs["Channel"]["properties"]["webhook"],
            format!("{channel}webhook: {{ {url}, qqqqqqqq: 1 }}"),
        ),
        (
            &defs["Channel"]["properties"]["email"],
            format!("{channel}email: {{ {email}, qqqqqqqq: 1 }}"),
        ),
    ] {
        let mut expected = keys(of);
        expected.sort();
        assert_eq!(known(&text), expected, "{text}");
    }
}

#[test]
fn an_empty_file_is_a_configuration() {
    for text in ["", "# nothing yet\n", "monitors:\nchannels:\n"] {
        let config = load(text).unwrap();
        assert_eq!((config.monitors.len(), config.listen.port()), (0, 8088), "{text:?}");
    }
}

#[test]
fn every_channel_is_told_when_nothing_is_said_and_there_are_no_policies() {
    let text = "channels:\n  - { name: ops, webhook: { url: 'https://a.example/' } }\n\
                monitors:\n  - { name: a, target: 'https://example.com' }\n";
    assert_eq!(load(text).unwrap().monitors[0].notify, ["ops"]);
    let text = format!("{text}policies:\n  - {{ name: all, notify: ops }}\n");
    assert!(load(&text).unwrap().monitors[0].notify.is_empty());
}

#[test]
fn a_single_value_is_as_good_as_a_list() {
    let text = "monitors:\n  - name: a\n    target: https://example.com\n    \
                expect: { status: 200, contains: 404 }\n  - name: b\n    \
                target: https://example.com\n    \
                expect: { status: [200, '300-304'], contains: [a, b] }\n";
    let config = load(text).unwrap();
    let [a, b] = &config.monitors[..] else { panic!("two monitors") };
    assert!(a.expect.accepts(200) && !a.expect.accepts(201));
    assert_eq!(a.expect.contains, ["404"]);
    assert!(b.expect.accepts(304) && b.expect.accepts(200) && !b.expect.accepts(201));
    assert_eq!(b.expect.contains, ["a", "b"]);
}

#[test]
fn variables_stand_for_values_and_a_doubled_dollar_for_itself() {
    let text = "monitors:\n  - name: a\n    target: https://example.com\n    \
                confirm: \"${COUNT}\"\n    \
                expect: { matches: \"^a$\", contains: [\"$${COUNT}\", \"x${COUNT}y\"] }\n";
    let monitor = &load(text).unwrap().monitors[0];
    assert_eq!(monitor.confirm, 5);
    assert_eq!(monitor.expect.matches.as_deref(), Some("^a$"));
    assert_eq!(monitor.expect.contains, ["${COUNT}", "x5y"]);
}

#[test]
fn a_file_that_is_not_there_says_how_to_make_one() {
    let error = config::load(Path::new("/nonexistent/whydown.yaml"), &variable).unwrap_err();
    let text = error.to_string();
    assert!(text.starts_with("/nonexistent/whydown.yaml: cannot be read: No such file"), "{text}");
    assert!(text.contains("whydown config example"), "{text}");
}

#[test]
fn the_api_takes_durations_as_text_and_as_milliseconds() {
    let value =
        json!({ "name": "a", "target": "example.com", "interval": "1m", "timeout_ms": 500 });
    let monitor: Monitor = config::monitor(&value, &["ops"]).unwrap();
    assert_eq!(monitor.interval, Duration::from_secs(60));
    assert_eq!(monitor.timeout, Duration::from_millis(500));
    assert_eq!(monitor.notify, ["ops"]);
    // What the API shows can be sent back.
    let shown = serde_json::to_value(&monitor).unwrap();
    assert_eq!(config::monitor(&shown, &["ops"]).unwrap(), monitor);
}

#[test]
fn a_channel_never_shows_its_secrets() {
    let value = json!({ "name": "ops", "webhook": {
        "url": "https://hooks.example.com/planted-1?key=planted-2", "secret": "planted-3" } });
    let webhook = config::channel(&value).unwrap();
    let value = json!({ "name": "mail", "email": { "smtp": "smtps://mail.example.com",
        "from": "a@example.com", "to": "b@example.com", "username": "u",
        "password": "planted-4" } });
    let email = config::channel(&value).unwrap();
    let shown = BTreeMap::from([("a", &webhook), ("b", &email)]);
    let text = format!("{shown:?} {}", serde_json::to_string(&shown).unwrap());
    assert!(!text.contains("planted"), "{text}");
    assert!(text.contains("https://hooks.example.com/***"), "{text}");
    assert!(text.contains("smtps://mail.example.com:465"), "{text}");
}

#[test]
fn problems_are_in_the_order_of_the_file() {
    let text = "channels:\n  - name: x\nmonitors:\n  - name: a\n    target: ftpx://b\n  - nam: c\n";
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("whydown.yaml");
    std::fs::write(&file, text).unwrap();
    let errors = config::load(&file, &variable).unwrap_err();
    let lines: Vec<u32> = errors.problems.iter().map(|problem| problem.place.unwrap().0).collect();
    assert_eq!(lines, [2, 5, 6, 6, 6]);
}
