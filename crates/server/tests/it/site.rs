//! A server in a directory of its own, asked without a socket.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use jiff::Timestamp;
use tempfile::TempDir;
use tower::ServiceExt as _;
use whydown_core::monitor::Monitor;
use whydown_core::wire::{
    Abilities, ENROL_PATH, Enrolled, Enrolment, Introduction, PROTOCOL, Role,
};
use whydown_server::access::{self, Scope};
use whydown_server::clock::Clock;
use whydown_server::config::Config;
use whydown_server::serve::{Probing, Running, Surroundings};

/// The administrator's password in every test.
pub(crate) const PASSWORD: &str = "correct horse battery";

/// A running server whose clock the test may set.
pub(crate) struct Site {
    pub(crate) running: Running,
    pub(crate) router: Router,
    now_us: Arc<AtomicI64>,
    /// Where it keeps its data.
    pub(crate) dir: TempDir,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: impl header::AsHeaderName) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The `name=value` of the cookie set.
    pub(crate) fn cookie(&self) -> String {
        let line = self.header(header::SET_COOKIE);
        line.split(';').next().unwrap().to_owned()
    }
}

impl Site {
    /// A server without monitors.
    pub(crate) async fn empty() -> Self {
        Self::with(Config::default()).await
    }

    /// A server with monitors from its file.
    pub(crate) async fn watching(monitors: Vec<Monitor>) -> Self {
        let file = Some("/etc/whydown/whydown.yaml".into());
        Self::with(Config { monitors, file, ..Config::default() }).await
    }

    pub(crate) async fn with(config: Config) -> Self {
        Self::around(config, Surroundings { probing: Probing::Off, ..Surroundings::default() })
            .await
    }

    /// A server whose own probe checks.
    pub(crate) async fn probing(config: Config) -> Self {
        let probing = Probing::Embedded;
        Self::around(config, Surroundings { probing, ..Surroundings::default() }).await
    }

    /// A server in the surroundings given, but for its clock.
    pub(crate) async fn around(config: Config, around: Surroundings) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = Config { data: dir.path().join("data"), ..config };
        // 0 stands for the machine's clock.
        let now_us = Arc::new(AtomicI64::new(0));
        let hands = Arc::clone(&now_us);
        let clock = Clock::new(move || match hands.load(Ordering::Relaxed) {
            0 => Timestamp::now(),
            us => Timestamp::from_microsecond(us).unwrap(),
        });
        let around = Surroundings { clock, ..around };
        let running = Running::start_in(config, around).await.unwrap();
        let router = whydown_server::web::router(running.app().clone());
        Self { running, router, now_us, dir }
    }

    /// Sets the engine's clock; `None` gives it back to the machine.
    pub(crate) fn set_clock(&self, now: Option<Timestamp>) {
        self.now_us.store(now.map_or(0, Timestamp::as_microsecond), Ordering::Relaxed);
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let body = String::from_utf8(bytes.to_vec()).unwrap();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    /// A request without a session.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path).body(Body::empty()).unwrap()).await
    }

    /// A form without a session.
    pub(crate) async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.send(form(path, fields, "")).await
    }

    /// The path of a fresh set-up link.
    pub(crate) async fn setup_path(&self) -> String {
        let link = access::setup_link(self.running.app().store(), "").await.unwrap();
        link.expect("there is no user yet")
    }

    /// Makes the administrator and signs in.
    pub(crate) async fn visitor(&self) -> Visitor<'_> {
        let fields = [("name", "ada"), ("password", PASSWORD), ("again", PASSWORD)];
        let answer = self.post(&self.setup_path().await, &fields).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
        Visitor { site: self, cookie: answer.cookie() }
    }

    /// A program with a token of that scope.
    pub(crate) async fn program(&self, scope: Scope) -> Program<'_> {
        let store = self.running.app().store();
        let token = access::create_token(store, scope.name(), scope).await.unwrap();
        Program { site: self, token }
    }
}

/// A form as a browser submits it, without the headers that only browsers send.
pub(crate) fn form(path: &str, fields: &[(&str, &str)], cookie: &str) -> Request<Body> {
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    Request::post(path)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(header::COOKIE, cookie)
        .body(Body::from(body))
        .unwrap()
}

/// Somebody who is signed in.
pub(crate) struct Visitor<'a> {
    pub(crate) site: &'a Site,
    pub(crate) cookie: String,
}

impl Visitor<'_> {
    pub(crate) async fn get(&self, path: &str) -> Answer {
        let request = Request::get(path).header(header::COOKIE, &self.cookie);
        self.site.send(request.body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.site.send(form(path, fields, &self.cookie)).await
    }

    /// Makes a location and a probe for it that has made itself a key.
    pub(crate) async fn enrol(&self, location: &str, key: &str) -> Enrolled {
        let page = self.post("/locations", &[("name", location)]).await;
        let (_, token) = page.body.split_once("--token ").unwrap();
        let enrolment = Enrolment {
            token: token.split('.').next().unwrap().to_owned(),
            key: key.to_owned(),
            role: Role::Probe,
            introduction: introduction(),
        };
        let request = Request::post(ENROL_PATH).header(header::CONTENT_TYPE, "application/json");
        let body = serde_json::to_vec(&enrolment).unwrap();
        let enrolled = self.site.send(request.body(body.into()).unwrap()).await;
        assert_eq!(enrolled.status, StatusCode::OK, "{}", enrolled.body);
        serde_json::from_str(&enrolled.body).unwrap()
    }
}

/// How a probe of this version begins.
pub(crate) fn introduction() -> Introduction {
    Introduction {
        protocol: PROTOCOL,
        version: "0.1.0".to_owned(),
        abilities: Abilities::default(),
    }
}

/// A caller of the API.
pub(crate) struct Program<'a> {
    pub(crate) site: &'a Site,
    pub(crate) token: String,
}

impl Program<'_> {
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: serde_json::Value) -> Answer {
        self.ask(Method::POST, path, Some(body)).await
    }

    pub(crate) async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<serde_json::Value>,
    ) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(format!("/api/v1{path}"))
            .header(header::AUTHORIZATION, format!("Bearer {}", self.token));
        let request = match body {
            Some(body) => request
                .header(header::CONTENT_TYPE, "application/json")
                .body(Body::from(body.to_string())),
            None => request.body(Body::empty()),
        };
        self.site.send(request.unwrap()).await
    }
}
