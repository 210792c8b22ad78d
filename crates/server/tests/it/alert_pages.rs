//! The page of alerts, comments, exports, and the same by the API.

use axum::http::{Method, StatusCode, header};
use serde_json::json;
use whydown_server::access::Scope;
use whydown_server::config::{self, Config};

use crate::site::Site;
use crate::support::refused;

const FILE: &str = "
channels:
  - { name: mail, webhook: { url: 'http://127.0.0.1:9/' } }
monitors:
  - { name: shop, target: 'https://shop.example.com/', tags: [front] }
people: [{ name: ada, notify: mail }, { name: bob, notify: mail }]
on_call: [{ name: primary, people: [ada, bob], since: 2026-01-05 09:00 }]
policies: [{ name: urgent, steps: [{ after: 0s, notify: mail }, { after: 5m, on_call: primary }] }]
maintenance: [{ name: nightly, tags: back, at: '02:00', for: 1h }]
";

async fn site() -> Site {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("whydown.yaml");
    std::fs::write(&file, FILE).unwrap();
    Site::with(Config { file: None, ..config::load(&file, &|_| None).unwrap() }).await
}

/// The id of an incident that has just been opened.
async fn open(site: &Site) -> String {
    let since = jiff::Timestamp::now().as_second() - 1_767_225_600 - 60;
    site.running.report(refused("shop", since)).await;
    site.running.settled().await;
    let status = site.running.app().status("shop").unwrap();
    status.standing.incident.as_ref().unwrap().id.clone()
}

#[tokio::test]
async fn the_page_says_who_is_on_call_and_what_is_planned() {
    let site = site().await;
    let page = site.visitor().await.get("/alerting").await;
    assert_eq!(page.status, StatusCode::OK);
    for part in [
        "<b>primary</b>: ",
        "<b>nightly</b> <span class=\"soft\">tag back</span>",
        "<b>urgent</b> <span class=\"soft\">all monitors</span>",
        "after 5m: on call: primary",
        "Every message was delivered",
        "Nothing is silenced",
    ] {
        assert!(page.body.contains(part), "{part} is missing in {}", page.body);
    }
}

#[tokio::test]
async fn a_silence_is_made_and_ended_on_the_page() {
    let site = site().await;
    let visitor = site.visitor().await;
    let wrong = visitor.post("/alerting/silences", &[("monitors", "shop"), ("for", "soon")]).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(wrong.body.contains("is not a duration") && wrong.body.contains("value=\"shop\""));
    let fields = [("monitors", "shop, bl*g"), ("for", "2h"), ("comment", "<b>moving</b>")];
    let made = visitor.post("/alerting/silences", &fields).await;
    assert_eq!(made.header(header::LOCATION), "/alerting?done=silenced");
    let page = visitor.get("/alerting").await;
    assert!(page.body.contains("<b>shop, bl*g</b>"), "{}", page.body);
    assert!(page.body.contains("by ada: &#60;b&#62;moving"), "escaped");
    let id = site.running.app().silences()[0].id.clone();
    let ended = visitor.post(&format!("/alerting/silences/{id}/end"), &[]).await;
    assert_eq!(ended.header(header::LOCATION), "/alerting?done=unsilenced");
    assert!(site.running.app().silences().is_empty());
}

#[tokio::test]
async fn a_comment_stands_in_the_time_line_and_in_the_export() {
    let site = site().await;
    let id = open(&site).await;
    let visitor = site.visitor().await;
    let path = format!("/incidents/{id}/comments");
    let said = visitor.post(&path, &[("text", "the *switch* <x>")]).await;
    assert_eq!(said.header(header::LOCATION), format!("/incidents/{id}?done=commented"));
    let page = visitor.get(&format!("/incidents/{id}")).await;
    assert!(page.body.contains("ada: the *switch* &#60;x&#62;"), "{}", page.body);
    assert!(page.body.contains("mail (opened): "), "the notice stands in the time line");
    assert!(page.body.contains("unless somebody takes it: <b>mail</b>"), "{}", page.body);
    let export = visitor.get(&format!("/incidents/{id}.md")).await;
    assert_eq!(export.header(header::CONTENT_TYPE), "text/markdown; charset=utf-8");
    assert!(export.body.starts_with("# shop: "), "{}", export.body);
    for part in ["ada: the \\*switch\\* \\<x\\>", "## Why", "## Time line", "mail (opened)"] {
        assert!(export.body.contains(part), "{part} is missing in {}", export.body);
    }
    assert_eq!(visitor.get("/incidents/none.md").await.status, StatusCode::NOT_FOUND);
    let empty = visitor.post(&path, &[("text", " ")]).await;
    assert!(empty.status.is_client_error(), "{}", empty.status);
}

#[tokio::test]
async fn programs_silence_comment_export_and_count() {
    let site = site().await;
    let id = open(&site).await;
    let program = site.program(Scope::Write).await;
    let wanted = json!({ "monitors": ["shop*"], "for": "2h", "comment": "moving" });
    let made = program.ask(Method::POST, "/silences", Some(wanted)).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
    let silence = made.json();
    assert_eq!((&silence["by"], &silence["monitors"][0]), (&json!("write"), &json!("shop*")));
    let all = program.ask(Method::GET, "/silences", None).await.json();
    assert_eq!(all["silences"].as_array().unwrap().len(), 1);
    let wrong = json!({ "monitors": "shop", "for": "2h" });
    let wrong = program.ask(Method::POST, "/silences", Some(wrong)).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY, "{}", wrong.body);
    let path = format!("/silences/{}", silence["id"].as_str().unwrap());
    assert_eq!(program.ask(Method::DELETE, &path, None).await.status, StatusCode::NO_CONTENT);
    assert_eq!(program.ask(Method::DELETE, &path, None).await.status, StatusCode::NOT_FOUND);
    let path = format!("/incidents/{id}/comments");
    let said = program.ask(Method::POST, &path, Some(json!({ "text": "cable" }))).await;
    assert_eq!(said.status, StatusCode::CREATED, "{}", said.body);
    let export = program.ask(Method::GET, &format!("/incidents/{id}.md"), None).await;
    assert!(export.body.contains("write: cable"), "{}", export.body);
    let figures = program.ask(Method::GET, "/reliability?monitor=shop&days=7", None).await.json();
    assert_eq!((&figures["incidents"], &figures["mttr_ms"]), (&json!(1), &json!(null)));
    let duty = program.ask(Method::GET, "/on-call", None).await.json();
    assert_eq!(duty["on_call"][0]["name"], "primary");
    let none = program.ask(Method::GET, "/undelivered", None).await.json();
    assert_eq!(none, json!({ "undelivered": [], "next": null }));
    let retry = program.ask(Method::POST, "/undelivered/none/retry", Some(json!({}))).await;
    assert_eq!(retry.status, StatusCode::NOT_FOUND);
    let reader = site.program(Scope::Read).await;
    let denied = reader.ask(Method::POST, "/silences", Some(json!({ "for": "2h" }))).await;
    assert_eq!(denied.status, StatusCode::FORBIDDEN);
}
