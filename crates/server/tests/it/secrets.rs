//! Secrets appear nowhere: one is planted in every secret setting of every kind of channel, in
//! monitors, passwords, tokens and sessions; everything that can be seen is searched for them.

use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::http::Method;
use serde_json::{Map, Value, json};
use whydown_core::monitor::Monitor;
use whydown_lab::{Host, Receiver};
use whydown_server::access::Scope;
use whydown_server::channel::{Address, Channel, Field, KINDS, Kind, Mark, Shape};
use whydown_server::config::{self, Config, Heartbeat};
use whydown_server::outbox::Schedule;
use whydown_server::serve::{Probing, Surroundings};
use whydown_server::store::IncidentFilter;

use crate::providers::phone::RSA;
use crate::site::{Program, Site, Visitor};
use crate::support::{PATIENCE, eventually, refused, webhook};

/// Everything that is logged, at the finest level.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What was planted.
#[derive(Default)]
struct Planted(Vec<String>, usize);

impl Planted {
    fn seed(&mut self, what: &str) -> String {
        self.1 += 1;
        let seed = format!("Planted{:03}{}", self.1, what.replace(['_', ' '], ""));
        self.0.push(seed.clone());
        seed
    }

    /// A value of a setting; `origin` is where an unfriendly receiver listens.
    fn value(&mut self, kind: &Kind, field: &Field, origin: &str) -> Value {
        let what = format!("{}{}", kind.slug, field.key);
        match (field.shape, field.key) {
            (Shape::Address, "api_base" | "server" | "homeserver") => origin.into(),
            (Shape::Address, _) => {
                format!("{origin}/{}?k={}", self.seed(&what), self.seed("q")).into()
            }
            (Shape::Secret, "token") if kind.word == "telegram" => {
                format!("123456:{}", self.seed("telegram")).into()
            }
            (Shape::LongSecret, _) => {
                self.0.extend(RSA.0.lines().filter(|l| !l.starts_with("--")).map(str::to_owned));
                RSA.0.as_str().into()
            }
            (Shape::Secret, _) => self.seed(&what).into(),
            (Shape::Map, _) => json!({ "X-Key": self.seed(&what) }),
            (Shape::List, "to") if kind.word == "email" => json!(["ops@example.com"]),
            _ if field.key == "smtp" => "smtp://127.0.0.1:9".into(),
            _ => field.example.into(),
        }
    }

    fn channel(&mut self, kind: &Kind, name: &str, origin: &str) -> Value {
        let mut settings = Map::new();
        if let Mark::Provider(provider) = kind.mark {
            settings.insert("provider".to_owned(), provider.into());
        }
        let alone = |field: &Field| {
            // Either of two, or not with the receiver of this test.
            matches!(field.key, "messaging_service" | "content_type" | "template" | "body")
                || matches!(field.shape, Shape::Number(..) | Shape::Flag | Shape::Choice(_))
        };
        for field in kind.fields.iter().filter(|field| field.required || !alone(field)) {
            settings.insert(field.key.to_owned(), self.value(kind, field, origin));
        }
        json!({ "name": name, kind.word: settings })
    }
}

/// Answers everything with 400 and all that it was sent.
async fn echo() -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let answer = async |request: axum::extract::Request| {
        let (head, body) = request.into_parts();
        let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
        let seen = format!("{} {:?} {}", head.uri, head.headers, String::from_utf8_lossy(&body));
        (axum::http::StatusCode::BAD_REQUEST, seen)
    };
    let router = axum::Router::new().fallback(answer);
    tokio::spawn(async move { axum::serve(listener, router).await });
    origin
}

/// A configuration file with a mistake behind every kind of channel.
fn broken_file(planted: &mut Planted) -> String {
    let mut text = String::from("channels:\n");
    for kind in KINDS {
        let value = planted.channel(kind, "a", "http://127.0.0.1:9");
        let json = value.to_string();
        let mistake = json.replacen(
            &format!("\"{}\":{{", kind.word),
            &format!("\"{}\":{{\"zzz\":1,", kind.word),
            1,
        );
        text.push_str(&format!("  - {mistake}\n"));
    }
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("whydown.yaml");
    std::fs::write(&file, text).unwrap();
    let errors = config::load(&file, &|_| None).unwrap_err();
    format!("{errors}\n{errors:?}\n{:?}", errors.problems)
}

/// A channel made by the API, tried, looked at, changed and typed wrongly.
async fn make_own(
    kind: &Kind,
    origin: &str,
    (visitor, admin): (&Visitor<'_>, &Program<'_>),
    planted: &mut Planted,
    seen: &mut Vec<String>,
) {
    let name = format!("own {}", kind.slug);
    let value = planted.channel(kind, &name, origin);
    seen.push(admin.post("/channels", value.clone()).await.body);
    let path = format!("/channels/own%20{}", kind.slug);
    seen.push(admin.post(&format!("{path}/test"), json!({})).await.body);
    seen.push(admin.get(&path).await.body);
    seen.push(admin.ask(Method::PATCH, &path, Some(value)).await.body);
    let page = visitor.get(&format!("{path}/edit")).await;
    assert!(page.body.contains("own"), "{}", page.body);
    seen.push(page.body);
    seen.push(visitor.post(&format!("{path}/test"), &[]).await.body);
    let mut wrong: Vec<(&str, String)> = vec![("kind", kind.slug.to_owned())];
    wrong.extend(kind.fields.iter().map(|field| (field.key, planted.seed("typed"))));
    let wrong: Vec<(&str, &str)> = wrong.iter().map(|(k, v)| (*k, v.as_str())).collect();
    // What was typed into a field that is no secret is shown again; it was none.
    let typed = visitor.post("/channels", &wrong).await.body;
    let open: Vec<&str> = kind
        .fields
        .iter()
        .zip(&wrong[1..])
        .filter(|(field, _)| !matches!(field.shape, Shape::Secret | Shape::LongSecret | Shape::Map))
        .map(|(_, (_, typed))| *typed)
        .collect();
    planted.0.retain(|seed| !open.contains(&seed.as_str()));
    seen.push(typed);
    seen.push(visitor.get(&format!("/new-channel/{}", kind.slug)).await.body);
}

/// Every page and answer that has to do with channels.
async fn look(visitor: &Visitor<'_>, admin: &Program<'_>, incident: &str, seen: &mut Vec<String>) {
    let (page, export) = (format!("/incidents/{incident}"), format!("/incidents/{incident}.md"));
    let pages =
        "/ /channels /incidents /monitors/shop /account /new /diagnose /alerting /locations";
    for path in pages.split(' ').chain([page.as_str(), export.as_str()]) {
        let answer = visitor.get(path).await;
        assert!(answer.status.is_success(), "{path}: {}", answer.status);
        seen.push(answer.body);
    }
    let answers = "/channels /monitors /monitors/shop /monitors/shop/observations /incidents \
         /undelivered /silences /on-call /reliability /locations";
    for path in answers.split_ascii_whitespace().chain([page.as_str(), export.as_str()]) {
        let answer = admin.get(path).await;
        assert!(answer.status.is_success(), "{path}: {}", answer.status);
        seen.push(answer.body);
    }
}

/// Everything that the server has written to its disk.
fn on_disk(dir: &Path) -> String {
    let mut text = String::new();
    for entry in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            text += &on_disk(&entry.path());
        } else {
            text += &String::from_utf8_lossy(&std::fs::read(entry.path()).unwrap());
        }
    }
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn planted_secrets_are_found_nowhere() {
    let log = Log::default();
    let writer = log.clone();
    tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_writer(move || writer.clone())
        .init();
    let mut planted = Planted::default();
    let origin = echo().await;
    let kinds: Vec<&Kind> = KINDS.iter().filter(|kind| kind.word != "command").collect();
    let mut channels: Vec<Channel> = kinds
        .iter()
        .map(|kind| {
            let value = planted.channel(kind, kind.slug, &origin);
            config::channel(&value).unwrap_or_else(|wrong| panic!("{value}: {wrong:?}"))
        })
        .collect();
    let mut shop = Monitor::new("shop", "https://shop.example.com/".parse().unwrap());
    shop.notify = kinds.iter().map(|kind| kind.slug.to_owned()).collect();
    shop.request.headers.insert("authorization".to_owned(), planted.seed("header"));
    shop.request.body = Some(planted.seed("body"));
    let mut seen = vec![broken_file(&mut planted)];
    let base_url = Some("http://up.example.com".to_owned());
    let well = Receiver::start(&Host::machine(), 0);
    channels.push(webhook("well", &well.url("/")));
    let heartbeat = format!("{origin}/{}", planted.seed("heartbeat")).parse().unwrap();
    let file = Config {
        monitors: vec![shop],
        channels,
        base_url,
        undelivered: vec!["well".to_owned()],
        heartbeat: Some(Heartbeat { url: Address::new(heartbeat), every: Duration::from_secs(1) }),
        ..Config::default()
    };
    seen.push(format!("{file:?}"));
    // Each message is given up after one attempt, and told over the channel that is well.
    let schedule = Schedule { attempts_max: 1, ..Schedule::default() };
    let surroundings = Surroundings { schedule, probing: Probing::Off, ..Surroundings::default() };
    let site = Site::around(file, surroundings).await;
    let visitor = site.visitor().await;
    planted.0.push(crate::site::PASSWORD.to_owned());
    planted.0.push(visitor.cookie.split_once('=').unwrap().1.to_owned());
    let admin = site.program(Scope::Admin).await;
    planted.0.push(admin.token.clone());
    // Delivered to nobody: every channel's own error is stored and shown.
    site.running.report(refused("shop", 0)).await;
    let store = site.running.app().store();
    let incident = eventually("an error of every channel", async || {
        let all = store.incidents(&IncidentFilter::default(), None, 1).await.unwrap();
        let told = store.notices_of(&all.first()?.id).await.unwrap();
        let failed = told.iter().filter(|told| told.last_error.is_some()).count();
        (failed == kinds.len()).then(|| all[0].id.clone())
    })
    .await;
    seen.push(format!("{:?}", store.notices_of(&incident).await.unwrap()));
    let told = tokio::task::block_in_place(|| well.wait_for(kinds.len(), PATIENCE));
    seen.extend(told.iter().map(|request| format!("{request:?} {}", request.json())));
    // Of the file's secrets, passwords and sessions nothing is stored. What is made by the API is.
    seen.push(on_disk(site.dir.path()));
    assert_hidden(&planted, &seen);
    for kind in &kinds {
        make_own(kind, &origin, (&visitor, &admin), &mut planted, &mut seen).await;
    }
    look(&visitor, &admin, &incident, &mut seen).await;
    site.running.settled().await;
    let log = String::from_utf8_lossy(&log.0.lock().unwrap()).into_owned();
    assert!(log.contains("TRACE") || log.contains("DEBUG"), "nothing was logged");
    seen.push(log);
    assert_hidden(&planted, &seen);
}

#[expect(clippy::print_stdout, reason = "how much was searched is wanted")]
fn assert_hidden(planted: &Planted, seen: &[String]) {
    for seed in &planted.0 {
        for text in seen {
            let Some(at) = text.find(seed.as_str()) else { continue };
            let near: String =
                text[..at].chars().rev().take(300).collect::<String>().chars().rev().collect();
            panic!("{seed} is shown after: {near}");
        }
    }
    let bytes: usize = seen.iter().map(String::len).sum();
    println!("{} secrets in {} texts of {bytes} bytes: none found", planted.0.len(), seen.len());
}
