//! Who gets in: set-up link, sign-in, sessions, tokens, limits, and requests of foreign sites.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use jiff::Timestamp;
use whydown_core::monitor::Monitor;
use whydown_server::access::{self, AccessError, Limiter, Scope};
use whydown_server::config::Config;

use crate::site::{PASSWORD, Site, Visitor, form};

const INSIDE: [&str; 9] = [
    "/",
    "/incidents",
    "/incidents/abc",
    "/channels",
    "/diagnose",
    "/account",
    "/new",
    "/monitors/shop",
    "/no/such/page",
];

#[tokio::test]
async fn nothing_is_visible_without_signing_in() {
    let site = Site::empty().await;
    for path in INSIDE {
        let answer = site.get(path).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{path}");
        assert!(answer.header(header::LOCATION).starts_with("/sign-in"), "{path}");
        assert_eq!(answer.body, "", "{path}");
    }
    assert_eq!(site.get("/live").await.status, StatusCode::UNAUTHORIZED);
    for path in ["/monitors", "/channels", "/diagnose", "/account/tokens", "/monitors/a/delete"] {
        let answer = site.post(path, &[("name", "a"), ("target", "https://example.com")]).await;
        assert_eq!(answer.header(header::LOCATION), "/sign-in", "{path}");
    }
    assert!(site.running.app().monitors().is_empty());
    assert_eq!(site.get("/healthz").await.status, StatusCode::OK);
}

#[tokio::test]
async fn the_set_up_link_works_once_and_replaces_older_ones() {
    let site = Site::empty().await;
    let old = site.setup_path().await;
    let link = site.setup_path().await;
    assert_eq!(site.get(&old).await.status, StatusCode::NOT_FOUND);
    assert_eq!(site.get(&link).await.status, StatusCode::OK);
    let fields =
        |password: &'static str| [("name", "ada"), ("password", password), ("again", password)];
    let weak = site.post(&link, &fields("short")).await;
    assert_eq!(weak.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(weak.body.contains("at least 10 characters"), "{}", weak.body);
    let differ = [("name", "ada"), ("password", PASSWORD), ("again", "something else")];
    assert_eq!(site.post(&link, &differ).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    let made = site.post(&link, &fields(PASSWORD)).await;
    assert_eq!(made.header(header::LOCATION), "/?done=welcome");
    let again = site.post(&link, &fields("another password")).await;
    assert_eq!(again.status, StatusCode::NOT_FOUND);
    let store = site.running.app().store();
    assert_eq!(access::users(store).await.unwrap(), ["ada"]);
    assert_eq!(access::setup_link(store, "http://x").await.unwrap(), None);
}

#[tokio::test]
async fn two_who_use_the_link_at_once_make_one_administrator() {
    let site = Site::empty().await;
    let link = site.setup_path().await;
    let fields = |name: &'static str| [("name", name), ("password", PASSWORD), ("again", PASSWORD)];
    let (a, b) = (fields("ada"), fields("grace"));
    let (a, b) = tokio::join!(site.post(&link, &a), site.post(&link, &b));
    let made = [a.status, b.status].iter().filter(|s| **s == StatusCode::SEE_OTHER).count();
    assert_eq!(made, 1);
    assert_eq!(access::users(site.running.app().store()).await.unwrap().len(), 1);
}

#[tokio::test]
async fn signing_in_leads_to_where_one_wanted_to_go_and_nowhere_else() {
    let site = Site::empty().await;
    let _ = site.visitor().await;
    let sign_in = async |next: &str| {
        let fields = [("name", "ada"), ("password", PASSWORD), ("next", next)];
        site.post("/sign-in", &fields).await
    };
    let wanted = site.get("/incidents?state=open").await;
    assert_eq!(wanted.header(header::LOCATION), "/sign-in?next=%2Fincidents%3Fstate%3Dopen");
    let answer = sign_in("/incidents?state=open").await;
    assert_eq!(answer.header(header::LOCATION), "/incidents?state=open");
    assert_eq!(sign_in("//evil.example").await.header(header::LOCATION), "/");
    assert_eq!(sign_in("https://evil.example").await.header(header::LOCATION), "/");
}

#[tokio::test]
async fn a_wrong_name_and_a_wrong_password_are_told_alike() {
    let site = Site::empty().await;
    let _ = site.visitor().await;
    let wrong = site.post("/sign-in", &[("name", "ada"), ("password", "wrong password")]).await;
    let nobody = site.post("/sign-in", &[("name", "bob"), ("password", "wrong password")]).await;
    assert_eq!(wrong.status, StatusCode::FORBIDDEN);
    assert_eq!(wrong.body, nobody.body.replace("value=\"bob\"", "value=\"ada\""));
    assert!(!wrong.headers.contains_key(header::SET_COOKIE));
}

#[tokio::test]
async fn guessing_is_slowed_down() {
    let site = Site::empty().await;
    let _ = site.visitor().await;
    let mut stopped = None;
    for _ in 0..12 {
        let answer = site.post("/sign-in", &[("name", "ada"), ("password", "a wrong guess")]).await;
        if answer.status == StatusCode::TOO_MANY_REQUESTS {
            stopped = Some(answer);
            break;
        }
    }
    let stopped = stopped.expect("twelve guesses are too many");
    assert!(stopped.header(header::RETRY_AFTER).parse::<u64>().unwrap() > 0);
    assert!(stopped.body.contains("Too many attempts"));
    // Even the right password has to wait.
    let right = site.post("/sign-in", &[("name", "ada"), ("password", PASSWORD)]).await;
    assert_eq!(right.status, StatusCode::TOO_MANY_REQUESTS);
}

#[test]
fn the_limit_counts_each_caller_on_its_own() {
    let mut limiter = Limiter::default();
    let now: Timestamp = "2026-11-23T05:00:00Z".parse().unwrap();
    for _ in 0..10 {
        limiter.take("192.0.2.1".parse().unwrap(), "ada", now).unwrap();
    }
    assert!(limiter.take("192.0.2.1".parse().unwrap(), "ada", now).is_err());
    assert!(limiter.take("192.0.2.2".parse().unwrap(), "ada", now).is_ok());
}

#[tokio::test]
async fn sessions_end_by_sign_out_by_age_and_by_a_new_password() {
    let site = Site::empty().await;
    let visitor = site.visitor().await;
    let store = site.running.app().store();
    let secret = visitor.cookie.split_once('=').unwrap().1.to_owned();
    let later = |days: u64| Timestamp::now() + Duration::from_hours(24 * days);
    assert!(access::session(store, &secret, later(29)).await.unwrap().unwrap().renewed);
    // The visit on day 29 has moved the end.
    assert!(access::session(store, &secret, later(58)).await.unwrap().is_some());
    assert!(access::session(store, &secret, later(89)).await.unwrap().is_none());

    let other = access::sign_in(store, "ada", PASSWORD.to_owned(), Timestamp::now()).await.unwrap();
    let fields = [("old", PASSWORD), ("new", "a better password"), ("again", "a better password")];
    let changed = visitor.post("/account/password", &fields).await;
    assert_eq!(changed.header(header::LOCATION), "/account?done=password");
    assert!(access::session(store, &other, Timestamp::now()).await.unwrap().is_none());
    assert_eq!(visitor.get("/account").await.status, StatusCode::SEE_OTHER);
    let visitor = Visitor { site: &site, cookie: changed.cookie() };
    assert_eq!(visitor.get("/account").await.status, StatusCode::OK);
    let out = visitor.post("/sign-out", &[]).await;
    assert!(out.header(header::SET_COOKIE).contains("Max-Age=0"));
    assert_eq!(visitor.get("/account").await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn the_current_password_is_asked_for_before_a_change() {
    let site = Site::empty().await;
    let visitor = site.visitor().await;
    let fields =
        [("old", "not this one"), ("new", "a better password"), ("again", "a better password")];
    let refused = visitor.post("/account/password", &fields).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.body.contains("the current password is wrong"));
}

#[tokio::test]
async fn cookies_are_strict_and_secure_where_pages_are() {
    let site = Site::empty().await;
    let fields = [("name", "ada"), ("password", PASSWORD), ("again", PASSWORD)];
    let line = site.post(&site.setup_path().await, &fields).await;
    let line = line.header(header::SET_COOKIE).to_owned();
    assert!(line.contains("HttpOnly") && line.contains("SameSite=Lax"), "{line}");
    assert!(!line.contains("Secure"), "{line}");

    let base_url = Some("https://status.example.com".to_owned());
    let site = Site::with(Config { base_url, ..Config::default() }).await;
    let made = site.post(&site.setup_path().await, &fields).await;
    let line = made.header(header::SET_COOKIE);
    assert!(line.starts_with("__Host-whydown_session="), "{line}");
    assert!(line.contains("; Secure") && line.contains("Path=/"), "{line}");
    let visitor = Visitor { site: &site, cookie: made.cookie() };
    assert_eq!(visitor.get("/").await.status, StatusCode::OK);
}

#[tokio::test]
async fn changes_asked_for_by_foreign_sites_are_refused() {
    let site = Site::empty().await;
    let visitor = site.visitor().await;
    let ask = async |headers: &[(&str, &str)]| {
        let mut request = form("/account/sessions/end", &[], &visitor.cookie);
        for (name, value) in headers {
            let name = header::HeaderName::try_from(*name).unwrap();
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        site.send(request).await
    };
    let foreign: [&[(&str, &str)]; 4] = [
        &[("sec-fetch-site", "cross-site"), ("host", "whydown.test")],
        &[("sec-fetch-site", "same-site"), ("host", "whydown.test")],
        &[("origin", "https://evil.example"), ("host", "whydown.test")],
        &[("origin", "null"), ("host", "whydown.test")],
    ];
    for headers in foreign {
        let answer = ask(headers).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{headers:?}");
        assert!(answer.body.contains("came from another site"), "{headers:?}");
    }
    let own: [&[(&str, &str)]; 2] = [
        &[("sec-fetch-site", "same-origin"), ("host", "whydown.test")],
        &[("origin", "http://whydown.test"), ("host", "whydown.test")],
    ];
    for headers in own {
        assert_eq!(ask(headers).await.status, StatusCode::SEE_OTHER, "{headers:?}");
    }
}

#[tokio::test]
async fn behind_a_proxy_that_changes_host_the_configured_address_is_trusted() {
    let base_url = Some("https://status.example.com".to_owned());
    let site = Site::with(Config { base_url, ..Config::default() }).await;
    let mut request = form("/theme", &[("theme", "dark")], "");
    request.headers_mut().insert("origin", "https://status.example.com".parse().unwrap());
    request.headers_mut().insert("host", "10.0.0.5:8088".parse().unwrap());
    assert_eq!(site.send(request).await.status, StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn every_answer_carries_the_headers_that_protect_it() {
    let site = Site::empty().await;
    let visitor = site.visitor().await;
    for answer in [
        visitor.get("/").await,
        visitor.get("/nowhere").await,
        site.get("/sign-in").await,
        site.get("/api/v1/monitors").await,
        site.get("/healthz").await,
    ] {
        let policy = answer.header(header::CONTENT_SECURITY_POLICY);
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"));
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(answer.header(header::X_CONTENT_TYPE_OPTIONS), "nosniff");
        assert_eq!(answer.header(header::REFERRER_POLICY), "same-origin");
        assert_eq!(answer.header(header::CACHE_CONTROL), "no-store");
    }
}

#[tokio::test]
async fn tokens_are_shown_once_stored_hashed_and_revoked() {
    let site = Site::empty().await;
    let store = site.running.app().store();
    let text = access::create_token(store, "deploy", Scope::Write).await.unwrap();
    assert!(text.starts_with("wd_") && text.len() == 46, "{text}");
    let known = access::token(store, &text, Timestamp::now()).await.unwrap().unwrap();
    assert_eq!((known.name.as_str(), known.scope), ("deploy", Scope::Write));
    let listed = access::tokens(store).await.unwrap();
    assert!(listed[0].seen_at.is_some());
    assert!(!format!("{listed:?}").contains(&text[3..]));
    let twice = access::create_token(store, "deploy", Scope::Read).await;
    assert!(matches!(twice, Err(AccessError::Taken(_))), "{twice:?}");
    access::revoke_token(store, "deploy").await.unwrap();
    assert_eq!(access::token(store, &text, Timestamp::now()).await.unwrap(), None);
    let gone = access::revoke_token(store, "deploy").await;
    assert!(matches!(gone, Err(AccessError::Missing(_))), "{gone:?}");
    for bad in ["", " ", "a\nb", &"x".repeat(65)] {
        let refused = access::create_token(store, bad, Scope::Read).await;
        assert!(matches!(refused, Err(AccessError::Name(_))), "{bad:?}");
    }
}

#[tokio::test]
async fn secrets_are_not_in_the_database() {
    let site = Site::empty().await;
    let visitor = site.visitor().await;
    let store = site.running.app().store();
    let token = access::create_token(store, "deploy", Scope::Read).await.unwrap();
    let session = visitor.cookie.split_once('=').unwrap().1.to_owned();
    site.running.settled().await;
    let mut files = String::new();
    for entry in std::fs::read_dir(store.dir()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        files.push_str(&String::from_utf8_lossy(&bytes));
    }
    assert!(files.contains("$argon2id$"));
    for secret in [token.as_str(), session.as_str(), PASSWORD] {
        assert!(!files.contains(secret));
    }
}

#[tokio::test]
async fn the_page_of_a_token_shows_it_once() {
    let site = Site::empty().await;
    let visitor = site.visitor().await;
    let made = visitor.post("/account/tokens", &[("name", "ci"), ("scope", "read")]).await;
    assert_eq!(made.status, StatusCode::CREATED);
    let start = made.body.find("wd_").unwrap();
    let token = &made.body[start..start + 46];
    let request =
        Request::get("/api/v1/monitors").header("authorization", format!("Bearer {token}"));
    let answer = site.send(request.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(!visitor.get("/account").await.body.contains(token));
    let revoked = visitor.post("/account/tokens/revoke", &[("name", "ci")]).await;
    assert_eq!(revoked.header(header::LOCATION), "/account?done=revoked");
}

#[tokio::test]
async fn too_large_a_form_is_refused() {
    let site =
        Site::watching(vec![Monitor::new("shop", "https://shop.test".parse().unwrap())]).await;
    let visitor = site.visitor().await;
    let large = "x".repeat(70_000);
    let answer = visitor.post("/monitors", &[("name", &large)]).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(answer.body.contains("64 KiB"), "{}", answer.body);
}
