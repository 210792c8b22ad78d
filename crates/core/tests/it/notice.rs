//! The wording of notices, and their keys.

use whydown_core::diagnose::diagnose;
use whydown_core::evidence::Evidence;
use whydown_core::incident::{Input, Policy, Standing, step};
use whydown_core::monitor::Monitor;
use whydown_core::notice::{Notice, NoticeEvent, notices};

use crate::incident::{at, fails, fine};

fn told() -> Vec<Notice> {
    let mut monitor = Monitor::new("shop", "https://shop.test/".parse().unwrap());
    monitor.notify = vec!["mail".into(), "hook".into(), "mail".into()];
    monitor.request.headers.insert("authorization".into(), "Bearer planted-secret".into());
    let policy = Policy::confirming(0);
    let mut all = Vec::new();
    let mut standing = Standing::default();
    for observation in [fails(100), fine(190)] {
        let now = observation.at;
        let evidence = Evidence { observations: vec![observation], ..Evidence::default() };
        let input = Input::Report {
            location: "local".into(),
            diagnosis: Box::new(diagnose(&monitor.target, &evidence)),
            observations: evidence.observations,
        };
        let (next, effects) = step(&policy, &monitor.name, &standing, &input, now);
        standing = next;
        for effect in &effects {
            all.extend(notices(&monitor, effect, Some("https://up.test/"), now));
        }
    }
    all
}

#[test]
fn each_channel_is_told_once_of_each_event() {
    let all = told();
    let events: Vec<(NoticeEvent, &str)> =
        all.iter().map(|n| (n.body.event, n.channel.as_str())).collect();
    assert_eq!(
        events,
        [
            (NoticeEvent::Opened, "hook"),
            (NoticeEvent::Opened, "mail"),
            (NoticeEvent::Resolved, "hook"),
            (NoticeEvent::Resolved, "mail"),
        ]
    );
    let mut keys: Vec<&str> = all.iter().map(|notice| notice.key.as_str()).collect();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), 4, "keys are unique");
}

#[test]
fn the_wording_says_what_where_why_who_and_since_when() {
    let all = told();
    let opened = &all[0].body;
    assert_eq!(opened.subject(), "shop is down: tcp.refused");
    let text = opened.text();
    for part in [
        "shop.test:443",
        "tcp.refused at stage server",
        "service.not_listening",
        "owner",
        "Since     2026-11-23 12:01:40 (UTC)",
        "https://up.test/incidents/",
    ] {
        assert!(text.contains(part), "{part} is missing in:\n{text}");
    }
    let resolved = &all[2].body;
    assert_eq!(resolved.subject(), "shop is up again after 1m 30s");
    assert!(resolved.text().contains("Until     2026-11-23 12:03:10 (UTC) (1m 30s)"));
}

#[test]
fn the_body_is_the_contract_and_holds_no_secrets() {
    let all = told();
    let json = serde_json::to_value(&all[0].body).unwrap();
    assert_eq!(json["schema"], "whydown.notice/1");
    assert_eq!(json["event"], "incident.opened");
    assert_eq!(json["incident"]["started_at"], "2026-11-23T12:01:40Z");
    assert_eq!(json["monitor"]["name"], "shop");
    assert_eq!(json["diagnosis"]["schema"], "whydown.diagnosis/1");
    assert_eq!(json["diagnosis"]["failure"], "tcp.refused");
    assert!(!json.to_string().contains("planted-secret"));
    assert_eq!(at(100), all[0].body.incident.started_at);
}
