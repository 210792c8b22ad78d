//! The page of watched hosts, and the same by the API.

use axum::http::{Method, StatusCode};
use serde_json::json;
use whydown_server::access::Scope;

use crate::site::Site;

#[tokio::test]
async fn a_host_is_added_and_removed_on_the_page() {
    let site = Site::empty().await;
    let visitor = site.visitor().await;
    let wrong = visitor.post("/hosts", &[("name", "web1"), ("ports", "80, http")]).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(wrong.body.contains("&#34;http&#34; is no port"), "{}", wrong.body);

    let fields = [("name", "web1"), ("ports", "80, 443"), ("addresses", "203.0.113.7")];
    let added = visitor.post("/hosts", &fields).await;
    assert_eq!(added.status, StatusCode::OK);
    for part in ["whydown agent --unit --server ", "WHYDOWN_TOKEN=wdt_", "shown again"] {
        assert!(added.body.contains(part), "{part} is missing in {}", added.body);
    }
    let page = visitor.get("/hosts").await;
    for part in ["<b class=\"name\">web1</b>", "ports 80, 443 · 203.0.113.7", "Not yet seen"] {
        assert!(page.body.contains(part), "{part} is missing in {}", page.body);
    }
    assert!(!page.body.contains("wdt_"), "a token is shown once only");

    visitor.post("/hosts/web1/remove", &[]).await;
    assert!(!visitor.get("/hosts").await.body.contains("web1</b>"));
    let missing = visitor.post("/hosts/web1/remove", &[]).await;
    assert_eq!(missing.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn programs_add_list_and_remove_hosts() {
    let site = Site::empty().await;
    let admin = site.program(Scope::Admin).await;
    let host = json!({ "name": "web1", "ports": [443] });
    let made = admin.ask(Method::POST, "/hosts", Some(host)).await;
    assert_eq!(made.status, StatusCode::CREATED);
    assert!(made.json()["token"].as_str().unwrap().starts_with("wdt_"));
    let listed = admin.ask(Method::GET, "/hosts", None).await.json();
    let expected = json!({ "hosts": [{
        "name": "web1", "ports": [443], "addresses": [], "state": "new",
        "agents": [], "listeners": [], "happenings": [],
    }] });
    assert_eq!(listed, expected);
    let odd = json!({ "name": "web1", "ports": [70_000] });
    let refused = admin.ask(Method::POST, "/hosts", Some(odd)).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    let gone = admin.ask(Method::DELETE, "/hosts/web1", None).await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
}
