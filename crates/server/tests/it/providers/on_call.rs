//! PagerDuty, Opsgenie and Prometheus Alertmanager as they are documented.

use std::sync::Arc;

use serde_json::{Value, json};

use super::fake::{Answer, Seen};
use super::shape::{Shape, list, may, must, text};
use super::{Provider, assert_headline, channel, lasting, passing, play, usual};

const JSON: &str = "application/json";

/// <https://developer.pagerduty.com/docs/events-api-v2/trigger-events/>: a summary of 1,024
/// characters, a dedup key of 255, an event of 512 KB.
#[tokio::test(flavor = "multi_thread")]
async fn pagerduty_is_triggered_acknowledged_and_resolved_by_one_key() {
    let payload = Shape::Object(vec![
        must("summary", text(1_024)),
        must("source", text(255)),
        must("severity", Shape::One(&["critical", "error", "warning", "info"])),
        may("timestamp", Shape::Time),
        may("component", text(255)),
        may("class", text(255)),
        may("custom_details", Shape::Map(Box::new(Shape::Text(0, 500_000)))),
    ]);
    let link = Shape::Object(vec![must("href", Shape::Link(2_000)), may("text", text(200))]);
    let key = || must("routing_key", Shape::One(&["planted-routing-key"]));
    let dedup = || must("dedup_key", text(255));
    let follow = || vec![key(), must("event_action", text(20)), dedup()];
    let mut trigger = follow();
    trigger.extend([
        must("payload", payload),
        may("client", text(100)),
        may("client_url", Shape::Link(2_000)),
        may("links", list(10, link)),
    ]);
    let shape = Shape::Tagged(
        "event_action",
        vec![("trigger", trigger), ("acknowledge", follow()), ("resolve", follow())],
    );
    let check = move |seen: &Seen| {
        let mut wrong = seen.unlike("POST", "/v2/enqueue", &[("content-type", JSON)]);
        wrong.extend(shape.wrong(&seen.json()));
        if seen.body.len() > 512 << 10 {
            wrong.push(format!("{} bytes", seen.body.len()));
        }
        wrong
    };
    let invalid = json!({
        "status": "invalid event",
        "message": "Event object is invalid",
        "errors": ["'routing_key' is missing or blank"],
    });
    let throttled =
        json!({ "status": "throttle exceeded", "message": "Requests for this service" });
    let mut refusals = usual();
    refusals.extend([
        lasting(Answer::new(400, invalid), &["'routing_key' is missing", "check routing_key"]),
        passing(Answer::new(429, throttled), &["no more events"]),
    ]);
    let seen = play("PagerDuty", |origin| Provider {
        settings: channel(
            "pagerduty",
            json!({ "routing_key": "planted-routing-key", "api_base": origin }),
        ),
        check: Arc::new(check),
        good: Arc::new(|_| {
            let json = json!({ "status": "success", "message": "Event processed",
                               "dedup_key": "x" });
            Answer::new(202, json)
        }),
        refusals,
    })
    .await;
    assert_headline(&seen[0]);
    let of = |i: usize| seen[i].json();
    let actions: Vec<Value> = (0..3).map(|i| of(i)["event_action"].clone()).collect();
    assert_eq!(actions, ["trigger", "resolve", "acknowledge"]);
    assert_eq!(of(0)["dedup_key"], of(1)["dedup_key"]);
    assert_eq!(of(0)["dedup_key"], of(2)["dedup_key"]);
}

/// <https://docs.opsgenie.com/docs/alert-api>: 130 characters of message, 512 of alias, 15,000 of
/// description, 20 tags of 50, 8,000 of details, 512 of entity, 100 of source, 25,000 of note.
#[tokio::test(flavor = "multi_thread")]
async fn opsgenie_alerts_are_made_acknowledged_and_closed_by_their_alias() {
    let create = Shape::Object(vec![
        must("message", text(130)),
        must("alias", text(512)),
        may("description", text(15_000)),
        may("tags", list(20, text(50))),
        may("details", Shape::Map(Box::new(Shape::Text(0, 8_000)))),
        may("entity", text(512)),
        may("source", text(100)),
        may("priority", Shape::One(&["P1", "P2", "P3", "P4", "P5"])),
    ]);
    let note = Shape::Object(vec![may("source", text(100)), may("note", text(25_000))]);
    let check = move |seen: &Seen| {
        let headers = [("authorization", "GenieKey planted-genie"), ("content-type", JSON)];
        let (alias, action) = match seen.path.strip_prefix("/v2/alerts/") {
            Some(rest) => rest.split_once('/').unwrap_or((rest, "")),
            None => ("", ""),
        };
        let path = match action {
            "" => "/v2/alerts".to_owned(),
            _ => {
                let action = if action.starts_with("close") { "close" } else { "acknowledge" };
                format!("/v2/alerts/{alias}/{action}?identifierType=alias")
            }
        };
        let mut wrong = seen.unlike("POST", &path, &headers);
        let json = seen.json();
        wrong.extend(if action.is_empty() { create.wrong(&json) } else { note.wrong(&json) });
        let details = json["details"].as_object().into_iter().flatten();
        let size = |(key, value): (&String, &Value)| {
            key.chars().count() + value.as_str().unwrap().chars().count()
        };
        if details.map(size).sum::<usize>() > 8_000 {
            wrong.push("details of more than 8,000 characters".to_owned());
        }
        wrong
    };
    let error = |status: u16, message: &str| {
        Answer::new(status, json!({ "message": message, "took": 0.1, "requestId": "x" }))
    };
    let invalid = json!({ "message": "Request body is not processable.",
                          "errors": { "message": "Message can not be empty." } });
    let mut refusals = usual();
    refusals.extend([
        lasting(error(401, "Key format is not valid!"), &["not valid", "API integration"]),
        lasting(error(403, "You are not authorized to create alerts"), &["allow the integration"]),
        lasting(Answer::new(422, invalid), &["message: Message can not be empty.", "api_base"]),
        passing(error(429, "You are making too many requests!"), &["too many requests"]),
    ]);
    let seen = play("Opsgenie", |origin| Provider {
        settings: channel(
            "opsgenie",
            json!({ "key": "planted-genie", "tags": ["web"], "api_base": origin }),
        ),
        check: Arc::new(check),
        good: Arc::new(|_| {
            let json = json!({ "result": "Request will be processed", "took": 0.1,
                               "requestId": "43a2" });
            Answer::new(202, json)
        }),
        refusals,
    })
    .await;
    assert_headline(&seen[0]);
    let alias = seen[0].json()["alias"].as_str().unwrap().to_owned();
    assert_eq!(seen[1].path, format!("/v2/alerts/{alias}/close?identifierType=alias"));
    assert_eq!(seen[2].path, format!("/v2/alerts/{alias}/acknowledge?identifierType=alias"));
}

/// <https://prometheus.io/docs/alerting/latest/alerts_api/> and `postableAlerts` of
/// <https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml>
#[tokio::test(flavor = "multi_thread")]
async fn alertmanager_gets_alerts_as_documented_with_labels_that_stay() {
    let labels = Shape::Object(vec![
        must("alertname", Shape::One(&["MonitorDown", "LocationNoData", "WhydownTest"])),
        must("monitor", text(200_000)),
        must("instance", text(255)),
        must("incident", text(100)),
        must("severity", Shape::One(&["critical", "info"])),
        must("job", Shape::One(&["whydown"])),
    ]);
    let alert = Shape::Object(vec![
        must("labels", labels),
        must("annotations", Shape::Map(Box::new(text(1_000_000)))),
        must("startsAt", Shape::Time),
        must("endsAt", Shape::Time),
        may("generatorURL", Shape::Link(2_000)),
    ]);
    let shape = list(1, alert);
    let check = move |seen: &Seen| {
        let basic = "Basic cHJvbTpwbGFudGVkLXBhc3N3b3Jk";
        let headers = [("authorization", basic), ("content-type", JSON)];
        let mut wrong = seen.unlike("POST", "/am/api/v2/alerts", &headers);
        wrong.extend(shape.wrong(&seen.json()));
        wrong
    };
    let mut refusals = usual();
    refusals.extend([
        lasting(
            Answer::new(400, "\"start time must be before end time\""),
            &["start time must be before end time"],
        ),
        lasting(Answer::new(404, "404 page not found"), &["path prefix"]),
        lasting(Answer::new(401, "Unauthorized"), &["check token"]),
    ]);
    let seen = play("Alertmanager", |origin| Provider {
        settings: channel(
            "alertmanager",
            json!({ "url": format!("{origin}/am"), "username": "prom",
                    "password": "planted-password" }),
        ),
        check: Arc::new(check),
        good: Arc::new(|_| Answer::new(200, "")),
        refusals,
    })
    .await;
    assert_headline(&seen[0]);
    let (opened, resolved) = (seen[0].json()[0].clone(), seen[1].json()[0].clone());
    assert_eq!(opened["labels"], resolved["labels"]);
    assert!(opened["endsAt"].as_str().unwrap() > resolved["endsAt"].as_str().unwrap());
}
