//! Webhooks with a template, and programs of one's own.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::{Value, json};
use whydown_server::channel::Channel;
use whydown_server::config;
use whydown_server::notify::DeliveryError;
use whydown_server::serve::Running;

use super::fake::{Answer, Seen};
use super::shape::{Shape, may, must, text};
use super::{Provider, channel, lasting, play, usual};
use crate::support::{config as configuration, eventually, scratch, start};

/// <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>,
/// with a body of one's own.
#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_with_a_template_stays_json_whatever_the_names() {
    let shape = Shape::Object(vec![
        must("text", text(1_000_000)),
        must("who", Shape::Text(0, 20)),
        may("more", Shape::Text(0, 20_000)),
    ]);
    let check = move |seen: &Seen| {
        let signed = ["webhook-id", "webhook-timestamp", "webhook-signature"];
        let values: Vec<String> = signed.iter().map(|name| seen.header(name).to_owned()).collect();
        let mut headers: Vec<(&str, &str)> =
            signed.iter().zip(&values).map(|(name, value)| (*name, value.as_str())).collect();
        headers.extend([
            ("content-type", "application/vnd.example+json"),
            ("authorization", "Bearer planted-header"),
        ]);
        let mut wrong = seen.unlike("POST", "/planted/path", &headers);
        wrong.extend(shape.wrong(&seen.json()));
        if values.iter().any(String::is_empty) || !values[2].starts_with("v1,") {
            wrong.push(format!("not signed: {values:?}"));
        }
        wrong
    };
    let seen = play("webhook with template", |origin| Provider {
        settings: channel(
            "webhook",
            json!({
                "url": format!("{origin}/planted/path"),
                "secret": "planted-secret",
                "headers": { "Authorization": "Bearer planted-header" },
                "template": "{\"text\": \"{{headline}}\", \"who\": \"{{ side }}\", \
                             \"more\": \"{{text}}\"}",
                "content_type": "application/vnd.example+json",
            }),
        ),
        check: Arc::new(check),
        good: Arc::new(|_| Answer::new(204, "")),
        refusals: usual()
            .into_iter()
            .chain([lasting(Answer::new(404, "no $ECHO"), &["404 Not Found: no "])])
            .collect(),
    })
    .await;
    let json = seen[0].json();
    assert_eq!(json["who"], "owner");
    assert!(json["text"].as_str().unwrap().contains("<script>alert(1)<\\script> @everyone"));
}

/// A program of that text.
fn program(dir: &Path, text: &str) -> PathBuf {
    let path = dir.join("program");
    std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

struct Setup {
    running: Running,
    channel: Channel,
    dir: tempfile::TempDir,
}

async fn command(text: &str, settings: Value, allowed: bool) -> Setup {
    let dir = scratch();
    let program = program(dir.path(), text);
    let mut value = json!({ "name": "ops", "command": settings });
    value["command"]["argv"] = json!([program, "$(id)", "`id`; x", dir.path()]);
    let channel = config::channel(&value).unwrap();
    let data = dir.path().join("data");
    let mut file = configuration(&data, &[], std::slice::from_ref(&channel));
    file.allow_commands = allowed;
    Setup { running: start(file).await, channel, dir }
}

impl Setup {
    async fn run(&self) -> Result<(), DeliveryError> {
        self.running.app().notifier().send_test(&self.channel, Timestamp::now()).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_gets_the_notice_without_a_shell_and_without_our_environment() {
    let text = "cat > \"$3/stdin\"; printf '%s|%s' \"$1\" \"$2\" > \"$3/args\"; env > \"$3/env\"";
    let setup = command(text, json!({}), true).await;
    setup.run().await.unwrap();
    let read = |name: &str| std::fs::read_to_string(setup.dir.path().join(name)).unwrap();
    let notice: Value = serde_json::from_str(&read("stdin")).unwrap();
    assert_eq!(notice["event"], "test");
    assert_eq!(read("args"), "$(id)|`id`; x");
    let env = read("env");
    assert!(env.contains("WHYDOWN_EVENT=test") && !env.contains("CARGO"), "{env}");
    setup.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_fails_says_why_and_75_means_again() {
    for (text, retry, words) in [
        ("echo 'no paper' >&2; exit 3", false, "ended with exit code 3: no paper"),
        ("echo 'line busy' >&2; exit 75", true, "(exit code 75): line busy"),
        ("kill -9 $$", true, "was killed"),
        ("yes | head -c 3000000 >&2; exit 1", false, "exit code 1: y y y"),
    ] {
        let setup = command(text, json!({}), true).await;
        let error = setup.run().await.unwrap_err();
        assert_eq!(error.retry, retry, "{error}");
        assert!(error.message.contains(words), "{error}");
        setup.running.stop().await;
    }
    let setup = command("exit 0", json!({}), false).await;
    let error = setup.run().await.unwrap_err();
    assert!(error.message.contains("allow_commands: true"), "{error}");
    setup.running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_hangs_is_killed_with_everything_that_it_started() {
    let text = "sleep 1000 & echo $! > \"$3/child\"; sleep 1000";
    let setup = command(text, json!({ "timeout_s": 1 }), true).await;
    let begun = Instant::now();
    let error = setup.run().await.unwrap_err();
    assert!(error.retry && error.message.contains("killed after 1s"), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(10));
    let child = std::fs::read_to_string(setup.dir.path().join("child")).unwrap();
    let status = PathBuf::from(format!("/proc/{}/stat", child.trim()));
    eventually("the child's end", async || {
        let stat = std::fs::read_to_string(&status).unwrap_or_default();
        (stat.is_empty() || stat.contains(") Z ")).then_some(())
    })
    .await;
    setup.running.stop().await;
}
