//! The pages as HTML: what they say, what they escape, and what their forms do.

use axum::http::{StatusCode, header};
use whydown_core::monitor::Monitor;
use whydown_server::channel::Channel;
use whydown_server::config::Config;

use crate::demo;
use crate::site::Site;

const HOSTILE: &str = "<script>alert(\"1\")</script> & 'co'";

fn monitor(name: &str, target: &str) -> Monitor {
    Monitor::new(name, target.parse().unwrap())
}

fn hook(name: &str) -> Channel {
    let url = "https://hooks.example.com/very-secret-path";
    let value = serde_json::json!({ "name": "hook", "webhook": { "url": url } });
    Channel { name: name.to_owned(), ..whydown_server::config::channel(&value).unwrap() }
}

#[tokio::test]
async fn an_empty_overview_helps_to_begin() {
    let site = Site::empty().await;
    let page = site.visitor().await.get("/").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.body.contains("Nothing is watched yet"));
    assert!(page.body.contains("Add your first monitor"));
    assert!(page.body.contains("monitors:\n  - name: shop"));
}

#[tokio::test]
async fn the_overview_says_why_right_there() {
    let site = Site::watching(demo::monitors(&[])).await;
    demo::fill(&site, 1).await;
    let page = site.visitor().await.get("/").await;
    assert!(page.body.contains("<h1>2 of 11 are down</h1>"));
    assert!(page.body.contains("refuses connections"));
    assert!(page.body.contains("<span class=\"code\">tcp.refused</span>"));
    assert!(page.body.contains("The owner of the service"));
    assert!(page.body.contains("Why, and what to do"));
    // What needs somebody stands first.
    let place = |name: &str| page.body.find(&format!("data-monitor=\"{name}\"")).unwrap();
    assert!(place("shop") < place("mail") && place("mail") < place("cache"));
    assert!(page.body.contains("aria-label=\"Last 24 hours: "));
}

#[tokio::test]
async fn the_overview_is_filtered_by_text_and_state() {
    let site = Site::watching(demo::monitors(&[])).await;
    demo::trouble(&site, jiff::Timestamp::now(), 120).await;
    let visitor = site.visitor().await;
    let names = |body: &str| body.matches("data-monitor=").count();
    assert_eq!(names(&visitor.get("/?q=SHOP").await.body), 1);
    assert_eq!(names(&visitor.get("/?q=internal").await.body), 2);
    assert_eq!(names(&visitor.get("/?state=down").await.body), 2);
    assert_eq!(names(&visitor.get("/?state=paused").await.body), 1);
    let nothing = visitor.get("/?q=no-such-thing&state=nonsense&page=99&window=5y").await;
    assert!(nothing.body.contains("No monitor fits this filter"));
    let hostile = visitor.get("/?q=%22%3E%3Cscript%3E").await;
    assert!(hostile.body.contains("value=\"&#34;&#62;&#60;script&#62;\""), "{}", hostile.body);
}

#[tokio::test]
async fn many_monitors_come_in_pages() {
    let all = (0..120).map(|i| monitor(&format!("m{i:03}"), "https://example.com")).collect();
    let site = Site::watching(all).await;
    let visitor = site.visitor().await;
    let first = visitor.get("/").await;
    assert_eq!(first.body.matches("data-monitor=").count(), 50);
    assert!(first.body.contains("1 to 50 of 120"));
    assert!(first.body.contains("href=\"/?page=2\""));
    let last = visitor.get("/?page=3").await;
    assert_eq!(last.body.matches("data-monitor=").count(), 20);
    assert!(last.body.contains("m119"));
}

#[tokio::test]
async fn hostile_names_are_text_everywhere() {
    let mut bad = monitor(HOSTILE, "https://example.com/?a=%3Cscript%3E");
    bad.notify = vec![HOSTILE.to_owned()];
    bad.expect.contains = vec![HOSTILE.to_owned()];
    let config = Config { monitors: vec![bad], channels: vec![hook(HOSTILE)], ..Config::default() };
    let site = Site::with(config).await;
    let now = jiff::Timestamp::now();
    for seconds in [90, 60, 30] {
        let at = now - std::time::Duration::from_secs(seconds);
        demo::report(&site, HOSTILE, HOSTILE, demo::shop_refused(at)).await;
    }
    site.running.settled().await;
    let visitor = site.visitor().await;
    let encoded: String = url::form_urlencoded::byte_serialize(HOSTILE.as_bytes()).collect();
    let path = format!("/monitors/{}", encoded.replace('+', "%20"));
    let incident = site.running.app().status(HOSTILE).unwrap().standing.incident.clone().unwrap();
    let incident = format!("/incidents/{}", incident.id);
    for path in ["/", &path, "/channels", "/incidents", &incident, &format!("{path}/delete")] {
        let page = visitor.get(path).await;
        assert_eq!(page.status, StatusCode::OK, "{path}");
        assert!(!page.body.contains("<script>alert"), "{path}");
        assert!(page.body.contains("&#60;script&#62;alert"), "{path}");
    }
}

#[tokio::test]
async fn the_incident_page_tells_the_whole_story() {
    let config = Config {
        monitors: demo::monitors(&["ops"]),
        channels: vec![hook("ops")],
        base_url: Some("https://status.example.com".to_owned()),
        ..Config::default()
    };
    let site = Site::with(config).await;
    demo::trouble(&site, jiff::Timestamp::now(), 120).await;
    let visitor = site.visitor().await;
    let incident = site.running.app().status(demo::SHOP).unwrap().standing.incident.clone();
    let id = incident.unwrap().id;
    let page = visitor.get(&format!("/incidents/{id}")).await;
    for words in [
        "<h1>shop.example.com:443 refuses connections",
        "class=\"s-failing\"",
        "class=\"s-not_reached\"",
        "not reached",
        "service.not_listening",
        "% sure",
        "href=\"#e2\"",
        "id=\"e2\"",
        "sudo ss -tlnp",
        "type=\"radio\"",
        "ERR_CONNECTION_REFUSED",
        "first failing check: tcp.refused",
        "https://status.example.com/incidents/",
        "<b>ops</b>",
    ] {
        assert!(page.body.contains(words), "{words} is missing in {}", page.body);
    }
    assert!(!page.body.contains("very-secret-path"));

    let taken = visitor.post(&format!("/incidents/{id}/acknowledge"), &[]).await;
    assert_eq!(taken.header(header::LOCATION), format!("/incidents/{id}?done=acknowledged"));
    let page = visitor.get(&format!("/incidents/{id}")).await;
    assert!(page.body.contains("Acknowledged by <b>ada</b>"), "{}", page.body);
    assert!(!page.body.contains("/acknowledge\""));
    let again = visitor.post(&format!("/incidents/{id}/acknowledge"), &[]).await;
    assert_eq!(again.status, StatusCode::CONFLICT);
    assert!(again.body.contains("is not open"), "{}", again.body);
}

#[tokio::test]
async fn a_monitor_is_made_changed_paused_and_deleted_with_forms() {
    let site = Site::empty().await;
    let visitor = site.visitor().await;
    let made = visitor.post("/monitors", &[("target", "https://example.com")]).await;
    assert_eq!(made.header(header::LOCATION), "/monitors/example.com?done=created");
    let second = visitor.post("/monitors", &[("target", "https://example.com/b")]).await;
    assert_eq!(second.header(header::LOCATION), "/monitors/example.com%202?done=created");

    let fields = [
        ("name", "shop & more"),
        ("target", "https://example.com/x"),
        ("interval", "1m"),
        ("confirm", "0"),
        ("contains", "basket\r\ncheckout"),
    ];
    let saved = visitor.post("/monitors/example.com/edit", &fields).await;
    assert_eq!(saved.header(header::LOCATION), "/monitors/shop%20%26%20more?done=saved");
    let page = visitor.get("/monitors/shop%20%26%20more").await;
    assert!(page.body.contains("shop &#38; more"));
    assert!(page.body.contains("basket, checkout"));
    let form = visitor.get("/monitors/shop%20%26%20more/edit").await;
    assert!(form.body.contains("value=\"1m\"") && form.body.contains("basket\ncheckout"));

    let paused = visitor.post("/monitors/shop%20%26%20more/pause", &[]).await;
    assert_eq!(paused.status, StatusCode::SEE_OTHER);
    assert!(site.running.app().status("shop & more").unwrap().entry.monitor.paused);
    visitor.post("/monitors/shop%20%26%20more/resume", &[]).await;
    assert!(!site.running.app().status("shop & more").unwrap().entry.monitor.paused);

    let gone = visitor.post("/monitors/shop%20%26%20more/delete", &[]).await;
    assert_eq!(gone.header(header::LOCATION), "/?done=deleted");
    assert_eq!(visitor.get("/monitors/shop%20%26%20more").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn wrong_fields_are_marked_and_keep_what_was_typed() {
    let site = Site::empty().await;
    let visitor = site.visitor().await;
    let fields = [("name", "shop"), ("target", "htp://x"), ("interval", "soon"), ("status", "999")];
    let page = visitor.post("/monitors", &fields).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(page.body.contains("value=\"htp://x\"") && page.body.contains("value=\"soon\""));
    assert_eq!(page.body.matches("aria-invalid=\"true\"").count(), 3, "{}", page.body);
    assert!(page.body.contains("unknown scheme"));
    assert!(site.running.app().monitors().is_empty());
}

#[tokio::test]
async fn a_monitor_made_here_chooses_its_locations_and_when_they_alert() {
    let site = Site::empty().await;
    let visitor = site.visitor().await;
    let place = [("name", "fra1"), ("region", "eu"), ("network", "AS 64500"), ("labels", "edge")];
    let page = visitor.post("/locations", &place).await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.body.contains("Nobody is told: name channels under no_data"), "{}", page.body);
    let form = visitor.get("/new").await;
    for choice in ["fra1", "region:eu", "network:AS 64500", "label:edge"] {
        assert!(form.body.contains(choice), "{choice} is missing in {}", form.body);
    }
    let shop = ("target", "https://shop.example.com");
    for (locations, alert_when, said) in [
        ("nyc1", "", "nyc1 is no location that there is. There are fra1, region:eu,"),
        ("fra1, place:eu", "", "&#34;place:eu&#34; is no location; write a name such as fra1"),
        ("fra1", "most", "is no number of locations; write majority, any, all"),
        ("fra1", "101%", "is no number of locations; write majority, any, all"),
    ] {
        let fields = [shop, ("locations", locations), ("alert_when", alert_when)];
        let page = visitor.post("/monitors", &fields).await;
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY, "{locations} {alert_when}");
        assert!(page.body.contains(said), "{said} is missing in {}", page.body);
        assert_eq!(page.body.matches("aria-invalid=\"true\"").count(), 1, "{}", page.body);
        assert!(page.body.contains(&format!("value=\"{locations}\"")), "what was typed is kept");
    }
    let fields = [shop, ("locations", "region:eu, label:edge"), ("alert_when", "30%")];
    let made = visitor.post("/monitors", &fields).await;
    assert_eq!(made.header(header::LOCATION), "/monitors/shop.example.com?done=created");
    let monitor = site.running.app().status("shop.example.com").unwrap().entry.monitor.clone();
    let chosen: Vec<String> = monitor.locations.iter().map(ToString::to_string).collect();
    assert_eq!(
        (chosen.join(" "), monitor.alert_when.to_string()),
        ("region:eu label:edge".to_owned(), "30%".to_owned())
    );
    let form = visitor.get("/monitors/shop.example.com/edit").await;
    assert!(form.body.contains("value=\"region:eu, label:edge\""), "{}", form.body);
    assert!(form.body.contains("value=\"30%\""), "{}", form.body);

    // A location that is gone meanwhile does not keep the rest from being changed.
    visitor.post("/locations/fra1/remove", &[]).await;
    let fields = [shop, ("name", "shop"), ("locations", "region:eu"), ("interval", "1m")];
    let saved = visitor.post("/monitors/shop.example.com/edit", &fields).await;
    assert_eq!(saved.header(header::LOCATION), "/monitors/shop?done=saved", "{}", saved.body);
    let fields = [shop, ("name", "shop")];
    visitor.post("/monitors/shop/edit", &fields).await;
    let monitor = site.running.app().status("shop").unwrap().entry.monitor.clone();
    assert!(monitor.locations.is_empty() && monitor.alert_when.is_default());
}

#[tokio::test]
async fn one_probe_of_a_location_is_cut_off_here() {
    let site = Site::empty().await;
    let visitor = site.visitor().await;
    let enrolled = visitor.enrol("fra1", "a key that the probe made").await;
    let path = format!("/probes/{}/revoke", enrolled.id);
    assert!(visitor.get("/locations").await.body.contains(&path));

    let answer = visitor.post(&path, &[]).await;
    assert_eq!(answer.header(header::LOCATION), "/locations?done=unlinked", "{}", answer.body);
    let page = visitor.get("/locations").await;
    assert!(page.body.contains("fra1") && !page.body.contains(&path), "{}", page.body);
    assert_eq!(visitor.post(&path, &[]).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn monitors_of_the_file_are_not_changed_here() {
    let site = Site::watching(vec![monitor("shop", "https://shop.example.com")]).await;
    let visitor = site.visitor().await;
    let page = visitor.get("/monitors/shop").await;
    assert!(page.body.contains("/etc/whydown/whydown.yaml"));
    assert!(!page.body.contains("/monitors/shop/edit"));
    for path in ["/monitors/shop/edit", "/monitors/shop/pause", "/monitors/shop/delete"] {
        let answer = visitor.post(path, &[("name", "x"), ("target", "https://x.test")]).await;
        assert_eq!(answer.status, StatusCode::CONFLICT, "{path}");
        assert!(answer.body.contains("whydown.yaml"), "{path}: {}", answer.body);
    }
}

#[tokio::test]
async fn channels_are_made_listed_without_secrets_and_deleted() {
    let site = Site::empty().await;
    let visitor = site.visitor().await;
    let fields = [
        ("kind", "webhook"),
        ("name", "ops"),
        ("url", "https://hooks.example.com/very-secret-path"),
        ("secret", "a very secret key"),
    ];
    let made = visitor.post("/channels", &fields).await;
    assert_eq!(made.header(header::LOCATION), "/channels?done=created", "{}", made.body);
    let page = visitor.get("/channels").await;
    assert!(page.body.contains("https://hooks.example.com/***"));
    assert!(!page.body.contains("very-secret-path") && !page.body.contains("a very secret key"));
    let twice = visitor.post("/channels", &fields).await;
    assert_eq!(twice.status, StatusCode::CONFLICT);
    let wrong = visitor.post("/channels", &[("kind", "email"), ("name", "mail")]).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    let gone = visitor.post("/channels/ops/delete", &[]).await;
    assert_eq!(gone.header(header::LOCATION), "/channels?done=deleted");
}

#[tokio::test]
async fn a_channel_has_a_rate_and_a_fallback_that_stays_as_long_as_it_is_named() {
    let site = Site::empty().await;
    let visitor = site.visitor().await;
    let hook = |name: &'static str, rate: &'static str, fallback: &'static str| {
        [
            ("kind", "webhook"),
            ("name", name),
            ("url", "https://hooks.example.com/x"),
            ("rate", rate),
            ("fallback", fallback),
            ("fallback_after", if fallback.is_empty() { "" } else { "2" }),
        ]
    };
    visitor.post("/channels", &hook("spare", "", "")).await;
    let wrong = visitor.post("/channels", &hook("ops", "fast", "spare")).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(wrong.body.contains("is no rate; write for example 30/1m"), "{}", wrong.body);
    assert!(wrong.body.contains("<option selected>spare</option>"), "{}", wrong.body);
    let made = visitor.post("/channels", &hook("ops", "30/1m", "spare")).await;
    assert_eq!(made.header(header::LOCATION), "/channels?done=created", "{}", made.body);
    let page = visitor.get("/channels").await.body;
    for part in ["at most 30/1m · spare stands in for it", "used by channel ops"] {
        assert!(page.contains(part), "{part} is missing in {page}");
    }
    let kept = visitor.post("/channels/spare/delete", &[]).await;
    assert_eq!(kept.status, StatusCode::CONFLICT, "{}", kept.body);
    let form = visitor.get("/channels/ops/edit").await.body;
    assert!(form.contains("value=\"30/1m\"") && form.contains("value=\"2\""), "{form}");
    visitor.post("/channels/ops/edit", &hook("ops", "", "")).await;
    let page = visitor.get("/channels").await.body;
    assert!(!page.contains("30/1m") && !page.contains("stands in"), "{page}");
    let gone = visitor.post("/channels/spare/delete", &[]).await;
    assert_eq!(gone.header(header::LOCATION), "/channels?done=deleted");
}

#[tokio::test]
async fn a_target_that_cannot_be_read_is_explained() {
    let site = Site::empty().await;
    let visitor = site.visitor().await;
    let page = visitor.post("/diagnose", &[("target", "tcp://example.com")]).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(page.body.contains("needs a port"), "{}", page.body);
    let form = visitor.get("/diagnose?target=example.com").await;
    assert!(form.body.contains("value=\"example.com\""));
}

#[tokio::test]
async fn pages_that_do_not_exist_lead_back() {
    let site = Site::empty().await;
    let visitor = site.visitor().await;
    for path in ["/nowhere", "/monitors/nobody", "/incidents/nothing", "/monitors/nobody/edit"] {
        let page = visitor.get(path).await;
        assert_eq!(page.status, StatusCode::NOT_FOUND, "{path}");
        assert!(page.body.contains("does not exist") && page.body.contains("To the monitors"));
        assert!(page.body.contains("Sign out"), "{path}");
    }
    let method = visitor.get("/account/password").await;
    assert_eq!(method.status, StatusCode::METHOD_NOT_ALLOWED);
    assert!(method.body.contains("To the monitors"));
}

#[tokio::test]
async fn the_theme_is_remembered_without_a_script() {
    let site = Site::empty().await;
    let answer = site.post("/theme", &[("theme", "dark"), ("next", "/sign-in")]).await;
    assert_eq!(answer.header(header::LOCATION), "/sign-in");
    assert!(answer.header(header::SET_COOKIE).starts_with("whydown_theme=dark;"));
    let request = axum::http::Request::get("/sign-in").header("cookie", "whydown_theme=dark");
    let page = site.send(request.body(axum::body::Body::empty()).unwrap()).await;
    assert!(page.body.contains("data-theme=\"dark\""));
    let foreign = site.post("/theme", &[("theme", "x\"y"), ("next", "//evil.example")]).await;
    assert_eq!(foreign.header(header::LOCATION), "/");
    assert!(foreign.header(header::SET_COOKIE).starts_with("whydown_theme=auto;"));
}

#[tokio::test]
async fn assets_may_be_kept_forever_and_other_names_are_not_found() {
    let site = Site::empty().await;
    let page = site.get("/sign-in").await;
    let start = page.body.find("/assets/").unwrap();
    let path = page.body[start..].split('"').next().unwrap();
    let asset = site.get(path).await;
    assert_eq!(asset.status, StatusCode::OK);
    assert!(asset.header(header::CACHE_CONTROL).contains("immutable"));
    assert!(asset.header(header::CONTENT_TYPE).starts_with("text/css"));
    for path in ["/assets/whydown.css", "/assets/..%2fCargo.toml", "/assets/"] {
        assert_ne!(site.get(path).await.status, StatusCode::OK, "{path}");
    }
}

#[tokio::test]
async fn pages_hold_no_inline_style_or_script() {
    let site = Site::watching(demo::monitors(&[])).await;
    demo::trouble(&site, jiff::Timestamp::now(), 120).await;
    let visitor = site.visitor().await;
    for path in ["/", "/monitors/shop", "/incidents", "/channels", "/diagnose", "/account", "/new"]
    {
        let body = visitor.get(path).await.body;
        for bad in [" style=", "<style", "onclick=", "javascript:", "<script>"] {
            assert!(!body.contains(bad), "{bad} in {path}");
        }
    }
}
