//! The JSON API: every route, scopes, problems by field, and the document that describes it.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use serde_json::{Value, json};
use whydown_core::monitor::Monitor;
use whydown_server::access::Scope;
use whydown_server::api::ROUTES;

use crate::demo;
use crate::site::{Answer, Site};

fn problem(answer: &Answer, status: StatusCode) -> Value {
    assert_eq!(answer.status, status, "{}", answer.body);
    assert_eq!(answer.header(header::CONTENT_TYPE), "application/problem+json");
    let problem = answer.json();
    assert_eq!(problem["status"], status.as_u16());
    for key in ["type", "title", "detail"] {
        assert!(problem[key].is_string(), "{key} in {problem}");
    }
    problem
}

fn fields(problem: &Value) -> Vec<&str> {
    let problems = problem["problems"].as_array().unwrap();
    problems.iter().map(|problem| problem["field"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_monitor_is_made_read_changed_and_deleted() {
    let site = Site::empty().await;
    let program = site.program(Scope::Write).await;
    let body = json!({
        "name": "shop",
        "target": "https://shop.example.com",
        "interval": "1m",
        "timeout_ms": 5000,
        "request": {"headers": {"Authorization": "Bearer very-secret"}},
        "expect": {"status": "200-399", "contains": ["basket"], "latency": "2s"},
    });
    let made = program.post("/monitors", body).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
    assert_eq!(made.header(header::LOCATION), "/api/v1/monitors/shop");
    let shop = made.json();
    assert_eq!(shop["target"], "https://shop.example.com/");
    assert_eq!(shop["interval_ms"], 60_000.0);
    assert_eq!(shop["timeout_ms"], 5_000.0);
    assert_eq!(shop["expect"]["latency_ms"], 2_000.0);
    assert_eq!(shop["request"]["headers"]["Authorization"], "***");
    assert_eq!(shop["origin"], "api");
    assert_eq!(shop["state"], Value::Null);
    assert_eq!(shop["incident"], Value::Null);
    assert_eq!(shop["last_check"], Value::Null);

    let patch = json!({"interval": "30s", "expect": {"contains": null}, "paused": true});
    let changed = program.ask(Method::PATCH, "/monitors/shop", Some(patch)).await;
    assert_eq!(changed.status, StatusCode::OK, "{}", changed.body);
    let changed = changed.json();
    assert_eq!(changed["interval_ms"], 30_000.0);
    assert_eq!(changed["timeout_ms"], 5_000.0);
    assert_eq!(changed["paused"], true);
    assert_eq!(changed["expect"].get("contains"), None);
    assert_eq!(changed["expect"]["status"], "200-399");
    // The masked header keeps what it was.
    let kept = site.running.app().status("shop").unwrap();
    assert_eq!(kept.entry.monitor.request.headers["Authorization"], "Bearer very-secret");

    assert_eq!(program.get("/monitors/shop").await.json(), changed);
    let renamed = json!({"name": "store"});
    let renamed = program.ask(Method::PATCH, "/monitors/shop", Some(renamed)).await;
    assert_eq!(renamed.json()["name"], "store");
    problem(&program.get("/monitors/shop").await, StatusCode::NOT_FOUND);
    let gone = program.ask(Method::DELETE, "/monitors/store", None).await;
    assert_eq!((gone.status, gone.body.as_str()), (StatusCode::NO_CONTENT, ""));
    problem(&program.get("/monitors/store").await, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn wrong_fields_are_all_named() {
    let site = Site::empty().await;
    let program = site.program(Scope::Write).await;
    let body = json!({
        "name": "shop",
        "target": "https://shop.example.com:99999",
        "intervall": "30s",
        "timeout": "forever",
        "expect": {"status": "wrong"},
        "notify": ["nobody"],
    });
    let answer = program.post("/monitors", body).await;
    let problem = problem(&answer, StatusCode::UNPROCESSABLE_ENTITY);
    let named = fields(&problem).join(" ");
    for field in ["target", "intervall", "timeout", "expect.status", "notify"] {
        assert!(named.contains(field), "{field} is not in {named}");
    }
    assert!(site.running.app().monitors().is_empty());
}

#[tokio::test]
async fn names_are_unique_and_the_file_is_read_only() {
    let site =
        Site::watching(vec![Monitor::new("shop", "https://shop.test".parse().unwrap())]).await;
    let program = site.program(Scope::Write).await;
    let body = json!({"name": "shop", "target": "https://shop.test"});
    problem(&program.post("/monitors", body).await, StatusCode::CONFLICT);
    let patch = program.ask(Method::PATCH, "/monitors/shop", Some(json!({"interval": "?"}))).await;
    let detail = problem(&patch, StatusCode::CONFLICT)["detail"].to_string();
    assert!(detail.contains("/etc/whydown/whydown.yaml"), "{detail}");
    problem(&program.ask(Method::DELETE, "/monitors/shop", None).await, StatusCode::CONFLICT);
    assert_eq!(program.get("/monitors/shop").await.json()["origin"], "file");
}

#[tokio::test]
async fn scopes_allow_what_they_say_and_no_more() {
    let site = Site::empty().await;
    let reader = site.program(Scope::Read).await;
    let writer = site.program(Scope::Write).await;
    let admin = site.program(Scope::Admin).await;
    let monitor = json!({"name": "shop", "target": "https://shop.test"});
    let channel = json!({"name": "ops", "webhook": {"url": "https://hooks.example.com/secret"}});
    let refused = reader.post("/monitors", monitor.clone()).await;
    let detail = problem(&refused, StatusCode::FORBIDDEN)["detail"].to_string();
    assert!(detail.contains("scope write") && detail.contains("scope read"), "{detail}");
    for (method, path) in [
        (Method::PATCH, "/monitors/shop"),
        (Method::DELETE, "/monitors/shop"),
        (Method::POST, "/monitors/shop/check"),
        (Method::POST, "/incidents/x/acknowledge"),
        (Method::POST, "/diagnose"),
        (Method::POST, "/channels"),
        (Method::DELETE, "/channels/ops"),
        (Method::POST, "/channels/ops/test"),
    ] {
        let answer = reader.ask(method, path, Some(json!({"target": "127.0.0.1:1"}))).await;
        problem(&answer, StatusCode::FORBIDDEN);
    }
    assert_eq!(writer.post("/monitors", monitor).await.status, StatusCode::CREATED);
    problem(&writer.post("/channels", channel.clone()).await, StatusCode::FORBIDDEN);
    let made = admin.post("/channels", channel).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.body);
    assert_eq!(made.json()["webhook"]["url"], "https://hooks.example.com/***");
    assert_eq!(reader.get("/channels").await.json()["channels"][0]["name"], "ops");
    assert_eq!(reader.get("/channels/ops").await.json()["origin"], "api");
    problem(&reader.get("/channels/nobody").await, StatusCode::NOT_FOUND);
    let gone = admin.ask(Method::DELETE, "/channels/ops", None).await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn without_a_known_token_nothing_is_told() {
    let site = Site::empty().await;
    let visitor = site.visitor().await;
    for header_value in ["", "Bearer", "Bearer wd_unknown", "Basic YTpi", "Bearer ../../etc"] {
        for path in ["/monitors", "/monitors/x", "/no-such-path"] {
            let request =
                Request::get(format!("/api/v1{path}")).header("authorization", header_value);
            let answer = site.send(request.body(Body::empty()).unwrap()).await;
            problem(&answer, StatusCode::UNAUTHORIZED);
            assert!(answer.header(header::WWW_AUTHENTICATE).starts_with("Bearer"));
        }
    }
    // A browser's session is no token: a foreign page could use it.
    problem(&visitor.get("/api/v1/monitors").await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn bodies_are_json_objects_of_a_limited_size() {
    let site = Site::empty().await;
    let program = site.program(Scope::Write).await;
    let send = async |kind: &str, body: String| {
        let request = Request::post("/api/v1/monitors")
            .header("authorization", format!("Bearer {}", program.token))
            .header("content-type", kind)
            .body(Body::from(body));
        site.send(request.unwrap()).await
    };
    problem(&send("text/plain", "{}".into()).await, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    problem(&send("application/json", "{\"a\":".into()).await, StatusCode::BAD_REQUEST);
    problem(&send("application/json", "[]".into()).await, StatusCode::BAD_REQUEST);
    problem(&send("application/json", "[".repeat(10_000)).await, StatusCode::BAD_REQUEST);
    let large = json!({"name": "x".repeat(70_000)}).to_string();
    problem(&send("application/json", large).await, StatusCode::PAYLOAD_TOO_LARGE);
    problem(&program.get("/no-such-path").await, StatusCode::NOT_FOUND);
    let method = program.ask(Method::PUT, "/monitors", Some(json!({}))).await;
    problem(&method, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn lists_come_in_pages() {
    let names: Vec<String> = (0..5).map(|i| format!("m{i}")).collect();
    let target = || "https://example.com".parse().unwrap();
    let site =
        Site::watching(names.iter().map(|name| Monitor::new(name, target())).collect()).await;
    let program = site.program(Scope::Read).await;
    let (mut seen, mut path) = (Vec::new(), "/monitors?limit=2".to_owned());
    loop {
        let page = program.get(&path).await.json();
        let monitors = page["monitors"].as_array().unwrap();
        seen.extend(monitors.iter().map(|m| m["name"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/monitors?limit=2&after={next}");
    }
    assert_eq!(seen, names);
    for path in ["/monitors?limit=0", "/monitors?limit=1001", "/monitors?limit=many"] {
        let answer = program.get(path).await;
        assert_eq!(fields(&problem(&answer, StatusCode::UNPROCESSABLE_ENTITY)), ["limit"]);
    }
    let answer = program.get("/incidents?stat=open").await;
    assert_eq!(fields(&problem(&answer, StatusCode::UNPROCESSABLE_ENTITY)), ["stat"]);
    let answer = program.get("/incidents?before=yesterday").await;
    assert_eq!(fields(&problem(&answer, StatusCode::UNPROCESSABLE_ENTITY)), ["before"]);
}

#[tokio::test]
async fn observations_come_newest_first_with_a_cursor() {
    let site = Site::watching(demo::monitors(&[])).await;
    let now = jiff::Timestamp::now();
    for seconds in (0..5).rev() {
        let at = now - std::time::Duration::from_secs(seconds * 30);
        demo::report(&site, "www", "local", demo::fine_evidence(3, at)).await;
    }
    site.running.settled().await;
    let program = site.program(Scope::Read).await;
    let first = program.get("/monitors/www/observations?limit=3").await.json();
    let times = |page: &Value| -> Vec<String> {
        let all = page["observations"].as_array().unwrap().iter();
        all.map(|o| o["at"].as_str().unwrap().to_owned()).collect()
    };
    let mut all = times(&first);
    assert_eq!(all.len(), 3);
    assert_eq!(first["observations"][0]["location"], "local");
    assert_eq!(first["observations"][0]["attempts"][0]["http"]["status"], 200);
    let next = first["next"].as_str().unwrap();
    let rest =
        program.get(&format!("/monitors/www/observations?limit=3&before={next}")).await.json();
    assert_eq!(rest["next"], Value::Null);
    all.extend(times(&rest));
    assert_eq!(all.len(), 5);
    assert!(all.windows(2).all(|pair| pair[0] > pair[1]), "{all:?}");
    problem(&program.get("/monitors/none/observations").await, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn an_incident_is_listed_read_and_acknowledged() {
    let site = Site::watching(demo::monitors(&[])).await;
    demo::trouble(&site, jiff::Timestamp::now(), 120).await;
    let program = site.program(Scope::Write).await;
    let monitor = program.get("/monitors/shop").await.json();
    assert_eq!(monitor["state"], "down");
    assert_eq!(monitor["last_check"]["failure"], "tcp.refused");
    let id = monitor["incident"].as_str().unwrap();
    let open = program.get("/incidents?state=open").await.json();
    assert_eq!(open["incidents"].as_array().unwrap().len(), 3);
    let mine = program.get("/incidents?state=all&monitor=shop").await.json();
    assert_eq!(mine["incidents"][0]["id"], id);

    let incident = program.get(&format!("/incidents/{id}")).await.json();
    assert_eq!(incident["monitor"], "shop");
    assert_eq!(incident["phase"], "open");
    assert!(incident["duration_ms"].as_f64().unwrap() > 100_000.0);
    assert_eq!(incident["flapping"], false);
    assert_eq!(incident["diagnosis"]["schema"], "whydown.diagnosis/1");
    assert_eq!(incident["diagnosis"]["causes"][0]["code"], "service.not_listening");
    assert_eq!(incident["timeline"][0]["kind"], "first_failure");
    assert!(incident["notices"].is_array());
    let started = incident["started_at"].as_str().unwrap();
    assert!(started.ends_with('Z'), "{started}");

    let path = format!("/incidents/{id}/acknowledge");
    let taken = program.ask(Method::POST, &path, None).await.json();
    assert_eq!(taken["phase"], "acknowledged");
    assert_eq!(taken["acknowledged"]["by"], "write");
    problem(&program.ask(Method::POST, &path, None).await, StatusCode::CONFLICT);
    let none = program.ask(Method::POST, "/incidents/none/acknowledge", None).await;
    problem(&none, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn diagnose_takes_a_target_and_nothing_else() {
    let site = Site::empty().await;
    let program = site.program(Scope::Write).await;
    let field = async |body: Value| {
        let answer = program.post("/diagnose", body).await;
        fields(&problem(&answer, StatusCode::UNPROCESSABLE_ENTITY))[0].to_owned()
    };
    assert_eq!(field(json!({})).await, "target");
    assert_eq!(field(json!({"target": 5})).await, "target");
    assert_eq!(field(json!({"target": "tcp://example.com"})).await, "target");
    assert_eq!(field(json!({"target": "example.com", "deep": true})).await, "deep");
    let port = closed_port();
    let answer =
        program.post("/diagnose", json!({"target": format!("tcp://127.0.0.1:{port}")})).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.json()["schema"], "whydown.diagnosis/1");
}

/// A port of this machine on which nobody listens.
fn closed_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[tokio::test]
async fn the_document_describes_every_route() {
    let site = Site::empty().await;
    let answer = site.get("/api/v1/openapi.json").await;
    assert_eq!(answer.status, StatusCode::OK);
    let document = answer.json();
    let paths = document["paths"].as_object().unwrap();
    for (path, methods) in ROUTES {
        let described = paths.get(path).unwrap_or_else(|| panic!("{path} is not described"));
        for method in methods {
            let operation = &described[method];
            assert!(operation["summary"].is_string(), "{method} {path}");
            assert!(operation["responses"].is_object(), "{method} {path}");
        }
        let described = described.as_object().unwrap().keys().filter(|key| *key != "parameters");
        assert_eq!(described.count(), methods.len(), "{path}");
    }
    assert_eq!(paths.len(), ROUTES.len());
    references_exist(&document, &document);
}

/// Every `$ref` leads somewhere.
fn references_exist(document: &Value, part: &Value) {
    match part {
        Value::Object(object) => {
            if let Some(Value::String(reference)) = object.get("$ref") {
                let pointer = reference.trim_start_matches('#');
                assert!(document.pointer(pointer).is_some(), "{reference}");
            }
            object.values().for_each(|value| references_exist(document, value));
        }
        Value::Array(array) => array.iter().for_each(|value| references_exist(document, value)),
        _ => {}
    }
}

#[tokio::test]
async fn every_route_of_the_list_is_served() {
    let site = Site::empty().await;
    let program = site.program(Scope::Admin).await;
    for (path, methods) in ROUTES {
        let path = path.replace("{name}", "x").replace("{id}", "x");
        for method in methods {
            let method: Method = method.to_uppercase().parse().unwrap();
            let answer = program.ask(method.clone(), &path, Some(json!({}))).await;
            assert_ne!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
            assert!(!answer.body.contains("this path does not exist"), "{method} {path}");
        }
    }
}
