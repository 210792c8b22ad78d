//! Webhooks: what arrives, that its signature can be verified by other code, and what errors say.

use std::process::{Command, Stdio};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jiff::Timestamp;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::json;
use whydown_core::notice::NoticeBody;
use whydown_lab::{Answer, Ca, Flavour, Host, Receiver, Reply, Request};
use whydown_server::config;
use whydown_server::serve::{Running, Surroundings};
use whydown_server::store::DeliveryState;

use crate::support::{
    PATIENCE, around, config as configuration, eventually, monitor, refused, scratch, start,
    webhook,
};

/// HMAC-SHA256 by openssl(1), which shares no code with us.
fn hmac(key: &[u8], text: &str) -> String {
    use std::io::Write;
    let hex: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut openssl = Command::new("openssl")
        .args(["dgst", "-sha256", "-mac", "HMAC", "-macopt", &format!("hexkey:{hex}"), "-binary"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    openssl.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    BASE64_STANDARD.encode(openssl.wait_with_output().unwrap().stdout)
}

fn verify(request: &Request, key: &[u8]) {
    let header = |name: &str| request.headers.get(name).unwrap().to_owned();
    let body = String::from_utf8(request.body.clone()).unwrap();
    let signed = format!("{}.{}.{body}", header("webhook-id"), header("webhook-timestamp"));
    assert_eq!(header("webhook-signature"), format!("v1,{}", hmac(key, &signed)));
    let age = Timestamp::now().as_second() - header("webhook-timestamp").parse::<i64>().unwrap();
    assert!((0..20).contains(&age), "{age} s old");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notice_arrives_signed_and_says_what_failed() {
    let key = b"0123456789abcdef0123456789abcdef";
    let encoded = format!("whsec_{}", BASE64_STANDARD.encode(key));
    for (secret, key) in [(encoded.as_str(), &key[..]), ("any text", b"any text")] {
        let dir = scratch();
        let receiver = Receiver::start(&Host::machine(), 0);
        let url = receiver.url("/a/b?c=d");
        let value = json!({ "name": "ops", "webhook": { "url": url, "secret": secret } });
        let channel = config::channel(&value).unwrap();
        let running =
            start(configuration(dir.path(), &[monitor("shop", &["ops"])], &[channel])).await;
        running.report(refused("shop", 0)).await;
        let request = receiver.wait_for(1, PATIENCE).remove(0);
        assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/a/b?c=d"));
        assert_eq!(request.headers.get("content-type"), Some("application/json"));
        verify(&request, key);
        let body: NoticeBody = serde_json::from_slice(&request.body).unwrap();
        let json = request.json();
        assert_eq!(json["schema"], "whydown.notice/1");
        assert_eq!(json["event"], "incident.opened");
        assert_eq!(json["monitor"]["name"], "shop");
        assert_eq!(json["diagnosis"]["failure"], "tcp.refused");
        assert_eq!(
            request.headers.get("webhook-id"),
            Some(&*format!("{}.1.ops", body.incident.id))
        );
        running.stop().await;
        assert_eq!(receiver.requests().len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_delivery_is_repeated_with_the_same_id() {
    let dir = scratch();
    let receiver = Receiver::start(&Host::machine(), 0);
    receiver.set_reply(Reply::status(503));
    let channel = webhook("ops", &receiver.url("/"));
    let running = start(configuration(dir.path(), &[monitor("shop", &["ops"])], &[channel])).await;
    running.report(refused("shop", 0)).await;
    let seen = receiver.wait_for(3, PATIENCE);
    receiver.set_reply(Reply::status(204));
    let id = seen[0].headers.get("webhook-id").unwrap().to_owned();
    let incident = id.split('.').next().unwrap();
    let told = eventually("the delivery", async || {
        let told = running.app().store().notices_of(incident).await.unwrap();
        told.into_iter().find(|told| told.state == DeliveryState::Delivered)
    })
    .await;
    assert!(told.attempts >= 4 && told.last_error.is_none(), "{told:?}");
    let seen = receiver.requests();
    assert_eq!(seen.len(), usize::try_from(told.attempts).unwrap());
    assert!(seen.iter().all(|request| request.headers.get("webhook-id") == Some(&id)));
    running.stop().await;
}

/// What "send test" says of a receiver.
async fn tried(receiver: &Receiver) -> Result<(), String> {
    let dir = scratch();
    let channel = webhook("ops", &receiver.url("/planted"));
    let running = start(configuration(dir.path(), &[], &[channel])).await;
    let result = running.app().send_test("ops").await;
    running.stop().await;
    result.map_err(|error| error.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_message_says_that_it_is_one() {
    let receiver = Receiver::start(&Host::machine(), 0);
    tried(&receiver).await.unwrap();
    let json = receiver.requests()[0].json();
    assert_eq!(json["event"], "test");
    assert_eq!(
        json["diagnosis"]["summary"],
        "This is a test message from whydown. Nothing is wrong."
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn who_says_yes_and_never_ends_is_not_told_again() {
    let dir = scratch();
    let receiver = Receiver::start(&Host::machine(), 0);
    receiver.set_reply(Reply::Unfinished);
    let channel = webhook("ops", &receiver.url("/"));
    let running = start(configuration(dir.path(), &[monitor("shop", &["ops"])], &[channel])).await;
    running.report(refused("shop", 0)).await;
    let seen = receiver.wait_for(1, PATIENCE);
    let incident = seen[0].headers.get("webhook-id").unwrap().split('.').next().unwrap();
    let told = eventually("what became of it", async || {
        let told = running.app().store().notices_of(incident).await.unwrap();
        told.into_iter().find(|told| told.attempts > 0)
    })
    .await;
    assert_eq!((told.state, told.attempts), (DeliveryState::Delivered, 1), "{told:?}");
    running.stop().await;
    assert_eq!(receiver.requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_to_fail_has_its_words_and_none_shows_the_path() {
    let receiver = Receiver::start(&Host::machine(), 0);
    let at = format!("127.0.0.1:{}", receiver.port());
    for (reply, words) in [
        (
            Reply::Answer(Answer::new(404).body("no such hook\n")),
            format!("{at} answered 404 Not Found: no such hook"),
        ),
        (Reply::status(302), format!("{at} answered 302 Found")),
        (Reply::Hang, format!("http://{at}/*** did not answer within 2s")),
    ] {
        receiver.set_reply(reply);
        assert_eq!(tried(&receiver).await, Err(words));
    }
    for reply in [Reply::Reset, Reply::Close] {
        receiver.set_reply(reply);
        let words = tried(&receiver).await.unwrap_err();
        assert!(words.starts_with(&format!("{at} did not answer: ")), "{words}");
        assert!(!words.contains("planted"), "{words}");
    }
    let url = receiver.url("/planted");
    drop(receiver);
    let dir = scratch();
    let running = start(configuration(dir.path(), &[], &[webhook("ops", &url)])).await;
    let words = running.app().send_test("ops").await.unwrap_err().to_string();
    assert_eq!(words, format!("cannot connect to {at}: Connection refused (os error 111)"));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn retry_after_is_honoured() {
    let dir = scratch();
    let receiver = Receiver::start(&Host::machine(), 0);
    receiver.set_reply(Reply::Answer(Answer::new(429).header("Retry-After", "1")));
    let channel = webhook("ops", &receiver.url("/"));
    let running = start(configuration(dir.path(), &[monitor("shop", &["ops"])], &[channel])).await;
    running.report(refused("shop", 0)).await;
    receiver.wait_for(1, PATIENCE);
    receiver.set_reply(Reply::status(200));
    let seen = receiver.wait_for(2, PATIENCE);
    let gap = seen[1].at - seen[0].at;
    assert!(gap >= Duration::from_millis(950), "repeated after {gap:?}");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn https_is_verified_against_the_authorities_that_are_trusted() {
    let ca = Ca::new();
    let identity = ca.identity(Flavour::Good, &["127.0.0.1"]);
    let receiver = Receiver::start_tls(&Host::machine(), 0, &identity);
    let bundle = CertificateDer::pem_file_iter(ca.bundle()).unwrap().map(Result::unwrap);
    for (authorities, good) in [(bundle.collect(), true), (Vec::new(), false)] {
        let dir = scratch();
        let channel = webhook("ops", &receiver.url("/planted"));
        let file = configuration(dir.path(), &[], &[channel]);
        let around = Surroundings { authorities, ..around() };
        let running = Running::start_in(file, around).await.unwrap();
        let result = running.app().send_test("ops").await;
        running.stop().await;
        if good {
            result.unwrap();
            continue;
        }
        let words = result.unwrap_err().to_string();
        let at = format!("TLS with 127.0.0.1:{} failed: ", receiver.port());
        assert_eq!(words, at + "invalid peer certificate: UnknownIssuer");
    }
    assert_eq!(receiver.requests().len(), 1);
}
