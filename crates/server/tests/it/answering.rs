//! Acknowledging from a message: its link, the buttons of Slack, Telegram and Mattermost, a key
//! pressed in a call. Signatures are made by openssl(1), which shares no code with us.

use std::io::Write as _;
use std::process::{Command, Stdio};

use axum::body::Body;
use axum::http::{Request, StatusCode};
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde_json::{Value, json};
use whydown_core::alerting::rules::{Grouping, Rules};
use whydown_core::incident::{Incident, Phase};
use whydown_lab::{Answer, Host, Receiver, Reply};
use whydown_server::config::{self, Config};
use whydown_server::store::IncidentFilter;

use crate::providers::phone::RSA;
use crate::site::{Answer as Page, Site};
use crate::support::{PATIENCE, eventually, monitor, refused};

const BASE: &str = "https://up.example.com";

/// A server that has told one incident over one channel, and what the provider was sent.
struct Stage {
    site: Site,
    receiver: Receiver,
    incident: Incident,
    /// The body of the message, as text.
    sent: String,
}

async fn stage(kind: &str, settings: impl FnOnce(&str) -> Value) -> Stage {
    stage_of(Rules::default(), kind, settings).await
}

async fn stage_of(rules: Rules, kind: &str, settings: impl FnOnce(&str) -> Value) -> Stage {
    let receiver = Receiver::start(&Host::machine(), 0);
    let good = r#"{"ok": true, "ts": "1.2", "result": {"message_id": 7}}"#;
    receiver.set_reply(Reply::Answer(Answer::new(200).body(good)));
    let value = json!({ "name": "on call", kind: settings(&receiver.url("")) });
    let channel = config::channel(&value).unwrap_or_else(|wrong| panic!("{wrong:?}"));
    let config = Config {
        base_url: Some(BASE.to_owned()),
        rules,
        monitors: vec![monitor("shop", &["on call"]), monitor("blog", &["on call"])],
        channels: vec![channel],
        ..Config::default()
    };
    let site = Site::with(config).await;
    site.set_clock(Some(crate::support::at(10)));
    site.running.report(refused("shop", 0)).await;
    let request = receiver.wait_for(1, PATIENCE).remove(0);
    let store = site.running.app().store().clone();
    let incident = eventually("the incident", async || {
        store.incidents(&IncidentFilter::default(), None, 1).await.unwrap().pop()
    })
    .await;
    let sent = String::from_utf8(request.body).unwrap();
    Stage { site, receiver, incident, sent }
}

impl Stage {
    async fn post(&self, path: &str, headers: &[(&str, &str)], body: &str) -> Page {
        let path = path.strip_prefix(BASE).unwrap_or(path);
        let mut request = Request::post(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.site.send(request.body(Body::from(body.to_owned())).unwrap()).await
    }

    /// Who has it, by the time line.
    async fn taken_by(&self) -> Option<String> {
        let store = self.site.running.app().store();
        let incident = store.incident(&self.incident.id).await.unwrap().unwrap();
        assert_eq!(incident.acknowledged.is_some(), incident.phase == Phase::Acknowledged);
        incident.acknowledged.map(|taken| taken.by)
    }
}

/// HMAC by openssl(1).
fn hmac(digest: &str, key: &str, text: &str) -> Vec<u8> {
    let hex: String = key.bytes().map(|byte| format!("{byte:02x}")).collect();
    let mut openssl = Command::new("openssl")
        .args(["dgst", digest, "-mac", "HMAC", "-macopt", &format!("hexkey:{hex}"), "-binary"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    openssl.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    openssl.wait_with_output().unwrap().stdout
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn form(pairs: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

/// The first address of ours in a text.
fn address(text: &str) -> String {
    let start = text.find(&format!("{BASE}/answer/")).unwrap_or_else(|| panic!("none in {text}"));
    let rest = &text[start..];
    let end = rest.find(['"', '\\', '<', '&', ' ', '\n']).unwrap_or(rest.len());
    rest[..end].to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_link_of_a_message_asks_before_it_acknowledges_and_works_once() {
    let stage =
        stage("webhook", |url| json!({ "url": url, "template": "{\"a\": \"{{acknowledge}}\"}" }))
            .await;
    let page = address(&stage.sent);
    let path = page.strip_prefix(BASE).unwrap();
    let asked = stage.site.get(path).await;
    assert_eq!(asked.status, StatusCode::OK, "{}", asked.body);
    assert!(asked.body.contains("shop") && asked.body.contains("<button"), "{}", asked.body);
    assert_eq!(stage.taken_by().await, None, "looking is not taking");
    let wrong = format!("{}x", &path[..path.len() - 1]);
    assert_eq!(stage.site.get(&wrong).await.status, StatusCode::NOT_FOUND);
    assert_eq!(stage.post(&wrong, &[], "").await.status, StatusCode::NOT_FOUND);
    let other = path.replace(&stage.incident.id, "another");
    assert_eq!(stage.post(&other, &[], "").await.status, StatusCode::NOT_FOUND);
    let taken = stage.post(path, &[], "").await;
    assert!(taken.status == StatusCode::OK && taken.body.contains("Acknowledged."));
    assert_eq!(stage.taken_by().await.as_deref(), Some("via on call"));
    assert_eq!(stage.post(path, &[], "").await.status, StatusCode::CONFLICT);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_takes_the_message_of_a_storm_takes_all_that_is_in_it() {
    // Every incident is part of a storm.
    let grouping = Some(Grouping { after: 0, ..Grouping::default() });
    let rules = Rules { grouping, ..Rules::default() };
    let template = "{\"a\": \"{{acknowledge}}\", \"b\": \"{{title}}\"}";
    let settings = |url: &str| json!({ "url": url, "template": template });
    let stage = stage_of(rules, "webhook", settings).await;
    assert!(stage.sent.contains("1 monitor of shop.example.com is down"), "{}", stage.sent);
    let app = stage.site.running.app();
    stage.site.running.report(refused("blog", 0)).await;
    stage.site.running.settled().await;
    let page = address(&stage.sent);
    let path = page.strip_prefix(BASE).unwrap();
    assert!(path.contains("/group-"), "{path}");
    let asked = stage.site.get(path).await;
    assert!(asked.status == StatusCode::OK && asked.body.contains("<button"), "{}", asked.body);
    assert!(asked.body.contains("of shop.example.com is down"), "{}", asked.body);
    let taken = stage.post(path, &[], "").await;
    assert!(taken.body.contains("Acknowledged."), "{}", taken.body);
    let all = app.store().incidents(&IncidentFilter::default(), None, 10).await.unwrap();
    let taken: Vec<_> = all.iter().map(|incident| incident.acknowledged.clone().unwrap()).collect();
    assert_eq!(taken.iter().map(|taken| taken.by.as_str()).collect::<Vec<_>>(), ["via on call"; 2]);
    let told = all[0].timeline.iter().any(|m| m.text == "on call: told together with others");
    assert!(told, "{:?}", all[0].timeline);
    assert_eq!(stage.post(path, &[], "").await.status, StatusCode::CONFLICT);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_press_of_slacks_button_counts_with_slacks_signature_only() {
    let stage = stage("slack", |url| {
        json!({ "token": "xoxb-1", "channel": "C1", "signing_secret": "signing", "api_base": url })
    })
    .await;
    let payload = json!({
        "type": "block_actions",
        "user": { "id": "U1", "username": "ada" },
        "actions": [{ "action_id": "acknowledge", "value": stage.incident.id }],
        "response_url": stage.receiver.url("/actions/1"),
        "message": { "thread_ts": "1.2" },
    });
    let body = form(&[("payload", &payload.to_string())]);
    let path = "/answer/on%20call/slack";
    let send = async |time: i64, key: &str| {
        let time = time.to_string();
        let signature = format!("v0={}", hex(&hmac("-sha256", key, &format!("v0:{time}:{body}"))));
        let headers =
            [("x-slack-request-timestamp", time.as_str()), ("x-slack-signature", &signature)];
        stage.post(path, &headers, &body).await.status
    };
    let now = Timestamp::now().as_second();
    assert_eq!(stage.post(path, &[], &body).await.status, StatusCode::FORBIDDEN);
    assert_eq!(send(now, "another").await, StatusCode::FORBIDDEN);
    assert_eq!(send(now - 600, "signing").await, StatusCode::FORBIDDEN, "a recording");
    assert_eq!(stage.taken_by().await, None);
    assert_eq!(send(now, "signing").await, StatusCode::OK);
    assert_eq!(stage.taken_by().await.as_deref(), Some("ada via on call"));
    let told = stage.receiver.wait_for(2, PATIENCE).remove(1);
    assert_eq!(
        (told.path.as_str(), told.json()["thread_ts"].clone()),
        ("/actions/1", json!("1.2"))
    );
    assert_eq!(told.json()["text"], "Acknowledged by <@U1>.");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_press_of_telegrams_button_counts_with_the_webhooks_secret_only() {
    let stage =
        stage("telegram", |url| json!({ "token": "1:a", "chat_id": "5", "api_base": url })).await;
    stage.site.running.app().send_test("on call").await.unwrap();
    let calls = stage.receiver.wait_for(3, PATIENCE);
    let webhook = calls.iter().find(|call| call.path.ends_with("/setWebhook")).unwrap().json();
    assert_eq!(webhook["url"], format!("{BASE}/answer/on%20call/telegram"));
    let secret = webhook["secret_token"].as_str().unwrap();
    let sent: Value = serde_json::from_str(&stage.sent).unwrap();
    let data = sent["reply_markup"]["inline_keyboard"][0][0]["callback_data"].clone();
    let update = json!({
        "update_id": 1,
        "callback_query": { "id": "q1", "from": { "id": 5, "username": "ada" }, "data": data },
    });
    let path = "/answer/on%20call/telegram";
    for wrong in ["", "x", &secret[1..]] {
        let headers = [("x-telegram-bot-api-secret-token", wrong)];
        let answer = stage.post(path, &headers, &update.to_string()).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
    }
    assert_eq!(stage.taken_by().await, None);
    let headers = [("x-telegram-bot-api-secret-token", secret)];
    let answer = stage.post(path, &headers, &update.to_string()).await.json();
    assert_eq!(answer["method"], "answerCallbackQuery");
    assert_eq!(
        (&answer["callback_query_id"], &answer["text"]),
        (&json!("q1"), &json!("Acknowledged."))
    );
    assert_eq!(stage.taken_by().await.as_deref(), Some("ada via on call"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_press_of_mattermosts_button_counts_at_its_own_address_only() {
    let stage = stage("mattermost", |url| json!({ "url": format!("{url}/hooks/x") })).await;
    let url = address(&stage.sent);
    let body = json!({ "user_name": "ada", "context": {} }).to_string();
    let wrong = url.replace(&stage.incident.id, "another");
    assert_eq!(stage.post(&wrong, &[], &body).await.status, StatusCode::NOT_FOUND);
    let answer = stage.post(&url, &[], &body).await.json();
    assert!(answer["ephemeral_text"].as_str().unwrap().starts_with("Acknowledged."));
    assert_eq!(stage.taken_by().await.as_deref(), Some("ada via on call"));
}

#[tokio::test(flavor = "multi_thread")]
async fn pressing_1_in_twilios_call_counts_with_twilios_signature_only() {
    let account = "AC0123456789abcdef0123456789abcdef";
    let stage = stage("voice", |url| {
        json!({ "provider": "twilio", "account": account, "token": "auth", "from": "+15005550006",
                "to": "+15005550001", "api_base": url })
    })
    .await;
    let (_, twiml) =
        url::form_urlencoded::parse(stage.sent.as_bytes()).find(|(key, _)| key == "Twiml").unwrap();
    let url = address(&twiml);
    let press = async |digit: &str, key: &str| {
        let fields = [("CallSid", "CA1"), ("Digits", digit), ("To", "+15005550001")];
        // Sorted by name, without separators.
        let signed = format!("{url}CallSidCA1Digits{digit}To+15005550001");
        let signature = BASE64_STANDARD.encode(hmac("-sha1", key, &signed));
        let headers = [("x-twilio-signature", signature.as_str())];
        stage.post(&url, &headers, &form(&fields)).await
    };
    assert_eq!(press("1", "another").await.status, StatusCode::FORBIDDEN);
    let other = press("2", "auth").await;
    assert!(other.body.contains("Not acknowledged"), "{}", other.body);
    assert_eq!(stage.taken_by().await, None);
    let answer = press("1", "auth").await;
    assert_eq!(answer.header("content-type"), "text/xml");
    assert!(answer.body.contains("<Say language=\"en-US\">Acknowledged."), "{}", answer.body);
    assert_eq!(stage.taken_by().await.as_deref(), Some("+15005550001 via on call"));
}

#[tokio::test(flavor = "multi_thread")]
async fn pressing_1_in_vonages_call_counts_with_vonages_token_only() {
    let stage = stage("voice", |url| {
        json!({ "provider": "vonage", "application": "a", "private_key": RSA.0,
                "from": "+15005550006", "to": "+15005550001", "api_base": url,
                "signature_secret": "signing" })
    })
    .await;
    let url = address(&stage.sent);
    let body = json!({ "dtmf": { "digits": "1", "timed_out": false }, "to": "15005550001" });
    let body = body.to_string();
    let press = async |key: &str, of: &str| {
        let hash = sha256(of);
        let part = |json: Value| BASE64_URL_SAFE_NO_PAD.encode(json.to_string());
        let claims = json!({ "iat": Timestamp::now().as_second(), "payload_hash": hash });
        let signed = format!("{}.{}", part(json!({ "alg": "HS256", "typ": "JWT" })), part(claims));
        let signature = BASE64_URL_SAFE_NO_PAD.encode(hmac("-sha256", key, &signed));
        let authorization = format!("Bearer {signed}.{signature}");
        stage.post(&url, &[("authorization", authorization.as_str())], &body).await
    };
    assert_eq!(stage.post(&url, &[], &body).await.status, StatusCode::FORBIDDEN);
    assert_eq!(press("another", &body).await.status, StatusCode::FORBIDDEN);
    assert_eq!(press("signing", "another body").await.status, StatusCode::FORBIDDEN);
    assert_eq!(stage.taken_by().await, None);
    let answer = press("signing", &body).await.json();
    assert_eq!(answer[0]["action"], "talk");
    assert_eq!(stage.taken_by().await.as_deref(), Some("15005550001 via on call"));
}

fn sha256(text: &str) -> String {
    let mut openssl = Command::new("openssl")
        .args(["dgst", "-sha256", "-r"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    openssl.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = openssl.wait_with_output().unwrap().stdout;
    String::from_utf8(output).unwrap().split(' ').next().unwrap().to_owned()
}
