//! ntfy, Gotify and Pushover as they are documented.

use std::sync::Arc;

use serde_json::{Value, json};

use super::fake::{Answer, Seen};
use super::shape::{Shape, form, list, may, must, text};
use super::{Provider, assert_headline, channel, lasting, passing, play, usual};

const JSON: &str = "application/json";

/// <https://docs.ntfy.sh/publish/#publish-as-json>, <https://docs.ntfy.sh/publish/#limitations>:
/// 4,096 bytes of message; at most three actions.
#[tokio::test(flavor = "multi_thread")]
async fn ntfy_gets_messages_as_documented_with_buttons() {
    let kind = || must("action", text(10));
    let view = vec![kind(), must("label", text(100)), must("url", Shape::Link(2_000))];
    let http = vec![
        kind(),
        must("label", text(100)),
        must("url", Shape::Link(2_000)),
        may("method", Shape::One(&["POST"])),
        may("clear", Shape::Flag),
    ];
    let shape = Shape::Object(vec![
        must("topic", Shape::One(&["planted-topic"])),
        must("title", Shape::Bytes(250)),
        must("message", Shape::Bytes(4_096)),
        must("priority", Shape::Number(1.0, 5.0)),
        may("tags", list(5, text(50))),
        may("click", Shape::Link(2_000)),
        may("actions", list(3, Shape::Tagged("action", vec![("view", view), ("http", http)]))),
    ]);
    let check = move |seen: &Seen| {
        let headers = [("authorization", "Bearer tk_planted"), ("content-type", JSON)];
        let mut wrong = seen.unlike("POST", "/", &headers);
        wrong.extend(shape.wrong(&seen.json()));
        wrong
    };
    let error = |http: u16, code: u32, error: &str| {
        let link = "https://ntfy.sh/docs/publish/#authentication";
        Answer::new(http, json!({ "code": code, "http": http, "error": error, "link": link }))
    };
    let mut refusals = usual();
    refusals.extend([
        lasting(error(401, 40_101, "unauthorized"), &["unauthorized", "right to write"]),
        lasting(error(403, 40_301, "forbidden"), &["forbidden"]),
        lasting(error(400, 40_009, "invalid request: topic invalid"), &["topic invalid"]),
        passing(error(429, 42_901, "limit reached: too many requests"), &["limit reached"]),
    ]);
    let seen = play("ntfy", |origin| Provider {
        settings: channel(
            "ntfy",
            json!({ "topic": "planted-topic", "token": "tk_planted", "api_base": origin }),
        ),
        check: Arc::new(check),
        good: Arc::new(|_| Answer::new(200, json!({ "id": "x", "event": "message" }))),
        refusals,
    })
    .await;
    assert_headline(&seen[0]);
    let (opened, resolved) = (seen[0].json(), seen[1].json());
    assert_eq!((&opened["priority"], &resolved["priority"]), (&json!(5), &json!(3)));
    assert_eq!(opened["actions"][0]["method"], "POST");
}

/// <https://gotify.net/docs/pushmsg>, <https://gotify.net/docs/msgextras>
#[tokio::test(flavor = "multi_thread")]
async fn gotify_gets_messages_as_documented() {
    let display = Shape::Object(vec![must("contentType", Shape::One(&["text/plain"]))]);
    let click = Shape::Object(vec![must("url", Shape::Link(2_000))]);
    let extras = Shape::Object(vec![
        must("client::display", display),
        may("client::notification", Shape::Object(vec![must("click", click)])),
    ]);
    let shape = Shape::Object(vec![
        must("title", text(300)),
        must("message", text(100_000)),
        must("priority", Shape::Number(0.0, 10.0)),
        must("extras", extras),
    ]);
    let check = move |seen: &Seen| {
        let headers = [("x-gotify-key", "planted-app"), ("content-type", JSON)];
        let mut wrong = seen.unlike("POST", "/gotify/message", &headers);
        wrong.extend(shape.wrong(&seen.json()));
        wrong
    };
    let error = |code: u16, error: &str, words: &str| {
        Answer::new(code, json!({ "error": error, "errorCode": code, "errorDescription": words }))
    };
    let mut refusals = usual();
    refusals.extend([
        lasting(
            error(401, "Unauthorized", "you need to provide a valid access token"),
            &["valid access token", "of an application"],
        ),
        lasting(error(404, "Not Found", "page not found"), &["its path"]),
    ]);
    let seen = play("Gotify", |origin| Provider {
        settings: channel(
            "gotify",
            json!({ "server": format!("{origin}/gotify/"), "token": "planted-app" }),
        ),
        check: Arc::new(check),
        good: Arc::new(|_| Answer::new(200, json!({ "id": 25, "appid": 5 }))),
        refusals,
    })
    .await;
    assert_headline(&seen[0]);
}

/// <https://pushover.net/api>: 1,024 characters of message, 250 of title, 512 of URL, 100 of its
/// title; an emergency needs `retry` of at least 30 and `expire` of at most 10,800.
#[tokio::test(flavor = "multi_thread")]
async fn pushover_gets_messages_as_documented_and_emergencies_with_their_times() {
    let shape = Shape::Object(vec![
        must("token", Shape::One(&["planted-token"])),
        must("user", Shape::One(&["planted-user"])),
        must("message", text(1_024)),
        must("title", text(250)),
        must("priority", Shape::One(&["0", "2"])),
        must("timestamp", text(12)),
        may("url", Shape::Link(512)),
        may("url_title", text(100)),
        may("retry", Shape::One(&["60"])),
        may("expire", Shape::One(&["3600"])),
        may("sound", Shape::One(&["siren"])),
    ]);
    let check = move |seen: &Seen| {
        let headers = [("content-type", "application/x-www-form-urlencoded")];
        let mut wrong = seen.unlike("POST", "/1/messages.json", &headers);
        let form = form(&seen.body);
        wrong.extend(shape.wrong(&form));
        if (form["priority"] == "2") != (form["retry"] != Value::Null) {
            wrong.push("an emergency and its times belong together".to_owned());
        }
        wrong
    };
    let error = |status: u16, field: &str, words: &str| {
        let mut json = json!({ "status": 0, "request": "5042", "errors": [words] });
        json[field] = "invalid".into();
        Answer::new(status, json)
    };
    let mut refusals = usual();
    refusals.extend([
        lasting(error(400, "user", "user identifier is invalid"), &["user identifier is invalid"]),
        lasting(error(400, "token", "application token is invalid"), &["check token"]),
        passing(error(429, "x", "message limit reached"), &["used up"]),
        lasting(Answer::new(200, json!({ "status": 0, "errors": ["no"] })), &["no"]),
    ]);
    let seen = play("Pushover", |origin| Provider {
        settings: channel(
            "pushover",
            json!({ "token": "planted-token", "user": "planted-user", "priority": 2,
                    "sound": "siren", "api_base": origin }),
        ),
        check: Arc::new(check),
        good: Arc::new(|_| Answer::new(200, json!({ "status": 1, "request": "647d" }))),
        refusals,
    })
    .await;
    let opened = form(&seen[0].body);
    assert!(opened["message"].as_str().unwrap().contains("refuses connections"));
    assert_eq!(form(&seen[1].body)["priority"], "0");
}
