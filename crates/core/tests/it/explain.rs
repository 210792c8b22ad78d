//! `explain` recognises what clients print, and leaves everything else alone.

use std::sync::OnceLock;

use proptest::prelude::*;
use serde::Deserialize;
use whydown_core::cause::Cause;
use whydown_core::explain::{explain, list};
use whydown_core::failure::Failure;

const TEXTS: &str = include_str!("../../data/error_texts.toml");
const UNRELATED: &str = include_str!("../../data/unrelated_lines.txt");

#[derive(Deserialize)]
struct File {
    text: Vec<Text>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    text: String,
    failure: Option<Failure>,
    cause: Option<Cause>,
    client: Option<String>,
    host: Option<String>,
    port: Option<u16>,
    source: String,
}

fn texts() -> &'static [Text] {
    static PARSED: OnceLock<Vec<Text>> = OnceLock::new();
    PARSED.get_or_init(|| toml::from_str::<File>(TEXTS).expect("error_texts.toml is TOML").text)
}

#[test]
fn at_least_200_real_texts_are_recognised() {
    let texts = texts();
    assert!(texts.len() >= 200, "only {} texts", texts.len());
    let mut wrong = Vec::new();
    for text in texts {
        let got = explain(&text.text);
        let client = text.client.is_none() || got.client == text.client;
        let host = text.host.is_none() || got.host == text.host;
        let port = text.port.is_none() || got.port == text.port;
        if got.failure != text.failure
            || text.cause.is_some() && got.cause != text.cause
            || !(client && host && port)
            || text.source.is_empty()
        {
            wrong.push(format!(
                "{:?}\n  expected {:?} {:?} {:?} {:?} {:?}\n  got      {:?} {:?} {:?} {:?} {:?} \
                    by {:?}",
                text.text,
                text.failure,
                text.cause,
                text.client,
                text.host,
                text.port,
                got.failure,
                got.cause,
                got.client,
                got.host,
                got.port,
                got.matched,
            ));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), texts.len(), wrong.join("\n"));
}

#[test]
fn unrelated_lines_are_not_recognised() {
    let lines: Vec<&str> = UNRELATED.lines().filter(|line| !line.is_empty()).collect();
    assert!(lines.len() >= 50, "only {} lines", lines.len());
    let wrong: Vec<String> = lines
        .iter()
        .map(|line| (line, explain(line)))
        .filter(|(_, got)| got.recognised())
        .map(|(line, got)| {
            format!("{line}\n  as {:?} {:?} by {:?}", got.failure, got.cause, got.matched)
        })
        .collect();
    assert!(wrong.is_empty(), "{} lines:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_code_explains_itself() {
    for listed in list() {
        let got = explain(listed.code);
        assert!(got.recognised(), "{}", listed.code);
        assert_eq!(got.title, listed.title, "{}", listed.code);
        assert!(!got.meaning.is_empty(), "{}", listed.code);
    }
}

#[test]
fn the_commands_hold_the_host_and_port_of_the_text() {
    let got = explain("ssh: connect to host build7.example.net port 2222: Connection refused");
    assert_eq!(got.client.as_deref(), Some("ssh"));
    assert_eq!((got.host.as_deref(), got.port), (Some("build7.example.net"), Some(2222)));
    let commands: Vec<&str> = got.next.iter().filter_map(|step| step.command.as_deref()).collect();
    assert_eq!(commands[0], "whydown diagnose tcp://build7.example.net:2222");
    assert!(commands.iter().any(|command| command.contains("sport = :2222")), "{commands:?}");
}

#[test]
fn ambiguous_texts_say_what_else_they_can_mean() {
    let got = explain("Operation timed out");
    assert_eq!(got.failure, Some(Failure::TcpTimedOut));
    assert!(got.could_also_be.contains(&Failure::HttpTimedOut));
    assert!(got.look_alikes.iter().any(|other| other.failure == Failure::TcpRefused));
}

#[test]
fn a_text_that_may_speak_of_a_proxy_says_so() {
    let got = explain(
        "curl: (7) Failed to connect to 10.0.0.4 port 3128 after 2 ms: Couldn't connect to server",
    );
    assert_eq!(got.failure, Some(Failure::TcpRefused));
    assert!(got.could_also_be.contains(&Failure::ProxyRefused));
    assert!(got.note.unwrap().contains("3128"));
}

#[test]
fn credentials_of_a_pasted_url_are_not_repeated() {
    let got = explain("GET https://user:hunter2@shop.example.com/x failed: Connection refused");
    assert_eq!(got.url.as_deref(), Some("https://shop.example.com/x"));
    assert!(!serde_json::to_string(&got).unwrap().contains("hunter2"));
}

#[test]
fn every_field_is_in_the_json_also_of_an_unrecognised_text() {
    let json = serde_json::to_value(explain("hello")).unwrap();
    for key in ["failure", "client", "matched", "title", "causes", "next", "look_alikes"] {
        assert!(json.get(key).is_some(), "{key}");
    }
    assert!(json["failure"].is_null());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Any paste is survived, and what is called recognised stands in it.
    #[test]
    fn no_paste_makes_it_panic(before in ".{0,40}", after in ".{0,40}", which in 0_usize..1_000) {
        let texts = texts();
        let text = &texts[which % texts.len()].text;
        let paste = format!("{before}\n{text}\n{after}");
        let got = explain(&paste);
        if let Some(matched) = got.matched {
            prop_assert!(paste.contains(&matched), "{matched:?}");
        }
    }
}
