//! The wording of notices.

use whydown_core::diagnose::diagnose;
use whydown_core::evidence::Evidence;
use whydown_core::incident::{Effect, Input, Policy, Quorum, Standing, step};
use whydown_core::monitor::Monitor;
use whydown_core::notice::{NoticeBody, NoticeEvent, body};

use crate::incident::{at, fails, fine};

fn told() -> Vec<NoticeBody> {
    let mut monitor = Monitor::new("shop", "https://shop.test/".parse().unwrap());
    monitor.request.headers.insert("authorization".into(), "Bearer planted-secret".into());
    let policy = Policy::confirming(0);
    let mut all = Vec::new();
    let mut standing = Standing::default();
    for observation in [fails(100), fine(190)] {
        let now = observation.at;
        let evidence = Evidence { observations: vec![observation], ..Evidence::default() };
        let input = Input::Report {
            location: "local".into(),
            diagnosis: Some(Box::new(diagnose(&monitor.target, &evidence))),
            quorum: Quorum::default(),
            observations: evidence.observations,
        };
        let (next, effects) = step(&policy, &monitor.name, &standing, &input, now);
        standing = next;
        for effect in &effects {
            let event = match effect {
                Effect::Opened(_) => NoticeEvent::Opened,
                _ => NoticeEvent::Resolved,
            };
            all.push(body(event, effect.incident(), Some("https://up.test/"), now));
        }
    }
    all
}

#[test]
fn the_wording_says_what_where_why_who_and_since_when() {
    let all = told();
    let opened = &all[0];
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
    let resolved = &all[1];
    assert_eq!(resolved.subject(), "shop is up again after 1m 30s");
    assert!(resolved.text().contains("Until     2026-11-23 12:03:10 (UTC) (1m 30s)"));
}

#[test]
fn the_body_is_the_contract_and_holds_no_secrets() {
    let all = told();
    let json = serde_json::to_value(&all[0]).unwrap();
    assert_eq!(json["schema"], "whydown.notice/1");
    assert_eq!(json["event"], "incident.opened");
    assert_eq!(json["incident"]["started_at"], "2026-11-23T12:01:40Z");
    assert_eq!(json["monitor"]["name"], "shop");
    assert_eq!(json["diagnosis"]["schema"], "whydown.diagnosis/1");
    assert_eq!(json["diagnosis"]["failure"], "tcp.refused");
    assert!(!json.to_string().contains("planted-secret"));
    assert_eq!(at(100), all[0].incident.started_at);
}
