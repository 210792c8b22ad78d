//! Slack, Discord, Telegram, Microsoft Teams, Matrix and Mattermost as they are documented.

use std::sync::Arc;

use serde_json::{Value, json};

use super::fake::{Answer, Seen};
use super::shape::{Field, Shape, list, may, must, text};
use super::{Provider, Refusal, assert_headline, channel, lasting, limited, passing, play, usual};

const JSON: &str = "application/json";

/// <https://docs.slack.dev/reference/block-kit/blocks>: at most 50 blocks; a header's text has 150
/// characters, a section's 3,000, each of its 10 fields 2,000, a button's 75, an action's id 255,
/// its value 2,000, a URL 3,000.
fn slack_blocks() -> Shape {
    let plain = |max| {
        let kind = must("type", Shape::One(&["plain_text"]));
        Shape::Object(vec![kind, must("text", text(max)), may("emoji", Shape::Flag)])
    };
    let words = |max| {
        let kind = || must("type", text(20));
        let plain = vec![kind(), must("text", text(max)), may("emoji", Shape::Flag)];
        let marked = vec![kind(), must("text", text(max)), may("verbatim", Shape::Flag)];
        Shape::Tagged("type", vec![("plain_text", plain), ("mrkdwn", marked)])
    };
    let button = Shape::Object(vec![
        must("type", Shape::One(&["button"])),
        must("text", plain(75)),
        must("action_id", text(255)),
        may("value", text(2_000)),
        may("url", Shape::Link(3_000)),
        may("style", Shape::One(&["primary", "danger"])),
    ]);
    let kind = || must("type", text(20));
    list(
        50,
        Shape::Tagged(
            "type",
            vec![
                ("header", vec![kind(), must("text", plain(150))]),
                (
                    "section",
                    vec![kind(), may("text", words(3_000)), may("fields", list(10, words(2_000)))],
                ),
                ("actions", vec![kind(), must("elements", list(25, button))]),
            ],
        ),
    )
}

/// Nothing outside of plain text objects may call somebody.
fn calls_nobody(value: &Value) -> Vec<String> {
    let text = value["text"].as_str().unwrap_or_default();
    let marked = value["blocks"].as_array().into_iter().flatten();
    let marked = marked.filter(|block| block["text"]["type"] == "mrkdwn");
    let marked = marked.filter_map(|block| block["text"]["text"].as_str());
    std::iter::once(text)
        .chain(marked)
        .filter(|text| text.contains("<!") || text.contains("<@") || text.contains("<script"))
        .map(|text| format!("somebody is called: {text}"))
        .collect()
}

/// <https://docs.slack.dev/reference/methods/chat.postMessage>
#[tokio::test(flavor = "multi_thread")]
async fn slack_bots_post_as_documented_in_one_thread() {
    let shape = Shape::Object(vec![
        must("channel", Shape::One(&["C0123456789"])),
        must("text", text(40_000)),
        must("blocks", slack_blocks()),
        may("thread_ts", Shape::One(&["1503435956.000247"])),
        may("reply_broadcast", Shape::Flag),
        may("unfurl_links", Shape::Flag),
        may("unfurl_media", Shape::Flag),
    ]);
    let check = move |seen: &Seen| {
        let kind = "application/json; charset=utf-8";
        let headers = [("authorization", "Bearer xoxb-planted"), ("content-type", kind)];
        let mut wrong = seen.unlike("POST", "/api/chat.postMessage", &headers);
        wrong.extend(shape.wrong(&seen.json()));
        wrong.extend(calls_nobody(&seen.json()));
        wrong
    };
    let good = |_: &Seen| {
        let ts = "1503435956.000247";
        Answer::new(200, json!({ "ok": true, "channel": "C0123456789", "ts": ts, "message": {} }))
    };
    let error = |error: &str| Answer::new(200, json!({ "ok": false, "error": error }));
    let mut refusals = usual();
    refusals.extend([
        lasting(error("channel_not_found"), &["channel_not_found", "invite the bot"]),
        lasting(error("not_in_channel"), &["invite the bot"]),
        lasting(error("is_archived"), &["archived"]),
        lasting(error("invalid_auth"), &["invalid_auth", "install the app again"]),
        lasting(error("missing_scope"), &["chat:write"]),
        lasting(error("msg_too_long"), &["msg_too_long"]),
        passing(error("fatal_error"), &["fatal_error"]),
        limited(error("ratelimited").header("Retry-After", 30), 30),
        passing(Answer::new(200, "ok?"), &["no \"ok\""]),
    ]);
    let seen = play("Slack bot", |origin| Provider {
        settings: channel(
            "slack",
            json!({
                "token": "xoxb-planted",
                "channel": "C0123456789",
                "signing_secret": "planted-signing",
                "api_base": format!("{origin}/api/"),
            }),
        ),
        check: Arc::new(check),
        good: Arc::new(good),
        refusals,
    })
    .await;
    assert_headline(&seen[0]);
    let (opened, resolved) = (seen[0].json(), seen[1].json());
    assert_eq!(opened["thread_ts"], Value::Null);
    assert_eq!(resolved["thread_ts"], "1503435956.000247");
    assert_eq!(resolved["reply_broadcast"], true);
    let buttons = opened["blocks"].as_array().unwrap().last().unwrap()["elements"].clone();
    assert_eq!(buttons[0]["action_id"], "acknowledge");
    assert_eq!(buttons[0]["value"], opened_incident(&buttons[1]["url"]));
}

fn opened_incident(url: &Value) -> &str {
    url.as_str().unwrap().rsplit('/').next().unwrap()
}

/// <https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks>
#[tokio::test(flavor = "multi_thread")]
async fn slack_webhooks_post_as_documented() {
    let shape = Shape::Object(vec![must("text", text(40_000)), must("blocks", slack_blocks())]);
    let check = move |seen: &Seen| {
        let path = "/services/T0000/B0000/planted-path";
        let mut wrong = seen.unlike("POST", path, &[("content-type", JSON)]);
        wrong.extend(shape.wrong(&seen.json()));
        wrong.extend(calls_nobody(&seen.json()));
        wrong
    };
    let mut refusals = usual();
    refusals.extend([
        lasting(Answer::new(400, "invalid_payload"), &["400 Bad Request: invalid_payload"]),
        lasting(Answer::new(403, "action_prohibited"), &["administrator"]),
        lasting(Answer::new(404, "channel_not_found"), &["another one"]),
        lasting(Answer::new(404, "no_service"), &["make a new one"]),
        lasting(Answer::new(410, "channel_is_archived"), &["410 Gone"]),
        passing(Answer::new(500, "rollup_error"), &["rollup_error"]),
    ]);
    play("Slack webhook", |origin| Provider {
        settings: channel(
            "slack",
            json!({ "url": format!("{origin}/services/T0000/B0000/planted-path") }),
        ),
        check: Arc::new(check),
        good: Arc::new(|_| Answer::new(200, "ok")),
        refusals,
    })
    .await;
}

/// <https://discord.com/developers/docs/resources/webhook#execute-webhook> and the limits of
/// <https://discord.com/developers/docs/resources/message#embed-object-embed-limits>
fn discord_body(thread: bool) -> impl Fn(&Seen) -> Vec<String> {
    let field = Shape::Object(vec![
        must("name", text(256)),
        must("value", text(1_024)),
        may("inline", Shape::Flag),
    ]);
    let embed = Shape::Object(vec![
        must("title", text(256)),
        must("description", text(4_096)),
        may("url", Shape::Link(2_048)),
        must("color", Shape::Number(0.0, 16_777_215.0)),
        must("fields", list(25, field)),
        must("timestamp", Shape::Time),
    ]);
    let nobody = Shape::Object(vec![must("parse", list(0, text(1)))]);
    let shape = Shape::Object(vec![
        must("content", text(2_000)),
        must("embeds", list(10, embed)),
        must("allowed_mentions", nobody),
        may("username", text(80)),
    ]);
    move |seen: &Seen| {
        let query = if thread { "?thread_id=42" } else { "" };
        let path = format!("/api/webhooks/1234567890/planted-token{query}");
        let mut wrong = seen.unlike("POST", &path, &[("content-type", JSON)]);
        let json = seen.json();
        wrong.extend(shape.wrong(&json));
        let embed = &json["embeds"][0];
        let size = |value: &Value| value.as_str().unwrap_or_default().chars().count();
        let fields = embed["fields"].as_array().into_iter().flatten();
        let fields: usize = fields.map(|field| size(&field["name"]) + size(&field["value"])).sum();
        if size(&embed["title"]) + size(&embed["description"]) + fields > 6_000 {
            wrong.push("an embed has more than 6,000 characters".to_owned());
        }
        wrong
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn discord_gets_embeds_as_documented_and_nobody_is_mentioned() {
    let error = |status, code: u32, message: &str| {
        Answer::new(status, json!({ "message": message, "code": code }))
    };
    let mut refusals = usual();
    refusals.extend([
        lasting(error(404, 10_015, "Unknown Webhook"), &["Unknown Webhook", "make a new one"]),
        lasting(error(401, 50_027, "Invalid Webhook Token"), &["copy it again"]),
        lasting(error(400, 50_035, "Invalid Form Body"), &["Invalid Form Body"]),
        limited(
            Answer::new(
                429,
                json!({ "message": "You are being rate limited.", "retry_after": 3.0,
                        "global": false }),
            )
            .header("Retry-After", 9),
            3,
        ),
    ]);
    let seen = play("Discord", |origin| Provider {
        settings: channel(
            "discord",
            json!({
                "url": format!("{origin}/api/webhooks/1234567890/planted-token"),
                "thread_id": "42",
                "username": "whydown",
            }),
        ),
        check: Arc::new(discord_body(true)),
        good: Arc::new(|_| Answer::new(204, "")),
        refusals,
    })
    .await;
    assert_headline(&seen[0]);
    assert!(!seen[0].json()["content"].as_str().unwrap().contains("@everyone"));
}

/// <https://core.telegram.org/bots/api#sendmessage>: 1 to 4,096 characters "after entities
/// parsing", callback data of 1 to 64 bytes.
fn telegram_message() -> Shape {
    let button = Shape::Object(vec![
        must("text", text(100)),
        may("url", Shape::Link(2_048)),
        may("callback_data", Shape::Bytes(64)),
    ]);
    let flag = |key| Shape::Object(vec![must(key, Shape::Flag)]);
    Shape::Object(vec![
        must("chat_id", Shape::One(&["-1001234567890"])),
        must("text", text(100_000)),
        must("parse_mode", Shape::One(&["HTML"])),
        must("link_preview_options", flag("is_disabled")),
        may("disable_notification", Shape::Flag),
        may("message_thread_id", Shape::Number(1.0, 1e15)),
        may(
            "reply_parameters",
            Shape::Object(vec![
                must("message_id", Shape::Number(77.0, 77.0)),
                must("allow_sending_without_reply", Shape::Flag),
            ]),
        ),
        may("reply_markup", Shape::Object(vec![must("inline_keyboard", list(1, list(8, button)))])),
    ])
}

/// The text without its entities; what is no entity of Telegram's is an error, as there.
fn parsed(html: &str) -> Result<String, String> {
    let mut plain = String::new();
    let mut rest = html;
    while let Some(at) = rest.find(['<', '&']) {
        plain.push_str(&rest[..at]);
        rest = &rest[at..];
        let marks = ["<b>", "</b>", "<i>", "</i>", "<code>", "</code>"];
        let entities =
            [("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&"), ("&quot;", "\""), ("&#39;", "'")];
        if let Some(mark) = marks.iter().find(|mark| rest.starts_with(**mark)) {
            rest = &rest[mark.len()..];
        } else if let Some((entity, text)) = entities.iter().find(|(e, _)| rest.starts_with(*e)) {
            plain.push_str(text);
            rest = &rest[entity.len()..];
        } else {
            return Err(format!(
                "can't parse entities at {}",
                rest.chars().take(20).collect::<String>()
            ));
        }
    }
    Ok(plain + rest)
}

/// <https://core.telegram.org/bots/api#making-requests>, `ResponseParameters`
fn telegram_refusals() -> Vec<Refusal> {
    let error = |status: u16, text: &str| {
        let json = json!({ "ok": false, "error_code": status, "description": text });
        Answer::new(status, json)
    };
    let mut refusals = usual();
    refusals.extend([
        lasting(
            error(403, "Forbidden: bot was blocked by the user"),
            &["bot was blocked", "unblock"],
        ),
        lasting(error(403, "Forbidden: bot was kicked from the group chat"), &["add the bot"]),
        lasting(error(400, "Bad Request: chat not found"), &["check chat_id"]),
        lasting(error(401, "Unauthorized"), &["@BotFather"]),
        lasting(error(404, "Not Found"), &["@BotFather"]),
        lasting(
            Answer::new(
                400,
                json!({ "ok": false, "error_code": 400,
                        "description": "Bad Request: group chat was upgraded to a supergroup chat",
                        "parameters": { "migrate_to_chat_id": -1_009 } }),
            ),
            &["set chat_id to -1009"],
        ),
        limited(
            Answer::new(
                429,
                json!({ "ok": false, "error_code": 429,
                        "description": "Too Many Requests: retry after 35",
                        "parameters": { "retry_after": 35 } }),
            ),
            35,
        ),
    ]);
    refusals
}

#[tokio::test(flavor = "multi_thread")]
async fn telegram_gets_messages_as_documented_and_the_webhook_with_a_test() {
    let message = telegram_message();
    // https://core.telegram.org/bots/api#setwebhook
    let webhook = Shape::Object(vec![
        must("url", Shape::One(&["https://up.example.com/answer/ops/telegram"])),
        must("secret_token", text(256)),
        must("allowed_updates", list(1, Shape::One(&["callback_query"]))),
    ]);
    let check = move |seen: &Seen| {
        let bot = "/bot123456:planted-ABC";
        let json = seen.json();
        if seen.path.ends_with("setWebhook") {
            let path = format!("{bot}/setWebhook");
            let mut wrong = seen.unlike("POST", &path, &[("content-type", JSON)]);
            wrong.extend(webhook.wrong(&json));
            return wrong;
        }
        let path = format!("{bot}/sendMessage");
        let mut wrong = seen.unlike("POST", &path, &[("content-type", JSON)]);
        wrong.extend(message.wrong(&json));
        match parsed(json["text"].as_str().unwrap_or_default()) {
            Ok(text) if text.encode_utf16().count() <= 4_096 => {}
            Ok(text) => wrong.push(format!("{} units", text.encode_utf16().count())),
            Err(error) => wrong.push(error),
        }
        wrong
    };
    let seen = play("Telegram", |origin| Provider {
        settings: channel(
            "telegram",
            json!({ "token": "123456:planted-ABC", "chat_id": "-1001234567890",
                    "thread_id": 5, "silent": true, "api_base": origin }),
        ),
        check: Arc::new(check),
        good: Arc::new(|_| {
            Answer::new(200, json!({ "ok": true, "result": { "message_id": 77, "date": 1 } }))
        }),
        refusals: telegram_refusals(),
    })
    .await;
    assert_headline(&seen[0]);
    assert_eq!(seen[1].json()["reply_parameters"]["message_id"], 77);
    let button = &seen[0].json()["reply_markup"]["inline_keyboard"][0][0];
    assert!(button["callback_data"].as_str().unwrap().starts_with("ack:"));
    assert!(seen.iter().any(|seen| seen.path.ends_with("setWebhook")));
}

/// The card of <https://adaptivecards.io/explorer/>, in the envelope and within the 28 KB of
/// <https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors>
fn teams_card() -> Shape {
    let run = Shape::Object(vec![
        must("type", Shape::One(&["TextRun"])),
        must("text", text(20_000)),
        may("weight", Shape::One(&["Default", "Lighter", "Bolder"])),
        may("size", Shape::One(&["Default", "Small", "Medium", "Large", "ExtraLarge"])),
        may("color", Shape::One(&["Default", "Accent", "Good", "Warning", "Attention"])),
        may("isSubtle", Shape::Flag),
        may("fontType", Shape::One(&["Default", "Monospace"])),
    ]);
    let block = Shape::Object(vec![
        must("type", Shape::One(&["RichTextBlock"])),
        must("inlines", list(100, run)),
        may("spacing", Shape::One(&["None", "Small", "Default", "Medium"])),
    ]);
    let action = Shape::Object(vec![
        must("type", Shape::One(&["Action.OpenUrl"])),
        must("title", text(100)),
        must("url", Shape::Link(4_000)),
    ]);
    Shape::Object(vec![
        must("$schema", Shape::One(&["http://adaptivecards.io/schemas/adaptive-card.json"])),
        must("type", Shape::One(&["AdaptiveCard"])),
        must("version", Shape::One(&["1.4"])),
        must("body", list(200, block)),
        may("actions", list(6, action)),
        may("msteams", Shape::Object(vec![must("width", Shape::One(&["Full"]))])),
    ])
}

#[tokio::test(flavor = "multi_thread")]
async fn teams_gets_adaptive_cards_as_documented() {
    let kind = "application/vnd.microsoft.card.adaptive";
    let attachment = Shape::Object(vec![
        must("contentType", Shape::Text(kind.len(), kind.len())),
        must("contentUrl", Shape::Null),
        must("content", teams_card()),
    ]);
    let shape = Shape::Object(vec![
        must("type", Shape::One(&["message"])),
        must("attachments", list(1, attachment)),
    ]);
    let check = move |seen: &Seen| {
        let path = "/workflows/planted-id/triggers/manual/paths/invoke?sig=planted-sig";
        let mut wrong = seen.unlike("POST", path, &[("content-type", JSON)]);
        wrong.extend(shape.wrong(&seen.json()));
        if seen.body.len() > 28 << 10 {
            wrong.push(format!("{} bytes", seen.body.len()));
        }
        wrong
    };
    let error = |status, code: &str, message: &str| {
        Answer::new(status, json!({ "error": { "code": code, "message": message } }))
    };
    let mut refusals = usual();
    refusals.extend([
        lasting(
            error(401, "DirectApiAuthorizationRequired", "The request must be authenticated"),
            &["must be authenticated", "copy it again"],
        ),
        lasting(error(404, "WorkflowNotFound", "The workflow could not be found."), &["deleted"]),
        lasting(error(400, "WorkflowTriggerIsNotEnabled", "not enabled"), &["not enabled"]),
    ]);
    let seen = play("Microsoft Teams", |origin| Provider {
        settings: channel(
            "teams",
            json!({ "url": format!(
                "{origin}/workflows/planted-id/triggers/manual/paths/invoke?sig=planted-sig"
            ) }),
        ),
        check: Arc::new(check),
        good: Arc::new(|_| Answer::new(202, "")),
        refusals,
    })
    .await;
    assert_headline(&seen[0]);
}

/// <https://spec.matrix.org/latest/client-server-api/>, "PUT …/send/{eventType}/{txnId}".
#[tokio::test(flavor = "multi_thread")]
async fn matrix_gets_events_as_documented_with_the_dedup_key_as_transaction() {
    let reply = Shape::Object(vec![must("event_id", Shape::One(&["$first"]))]);
    let relation = Shape::Object(vec![
        must("rel_type", Shape::One(&["m.thread"])),
        must("event_id", Shape::One(&["$first"])),
        must("is_falling_back", Shape::Flag),
        must("m.in_reply_to", reply),
    ]);
    let shape = Shape::Object(vec![
        must("msgtype", Shape::One(&["m.text"])),
        must("body", text(60_000)),
        must("format", Shape::One(&["org.matrix.custom.html"])),
        must("formatted_body", text(60_000)),
        must("m.mentions", Shape::Object(Vec::<Field>::new())),
        may("m.relates_to", relation),
    ]);
    let check = move |seen: &Seen| {
        let start = "/_matrix/client/v3/rooms/!abc:example.org/send/m.room.message/";
        let transaction = seen.path.strip_prefix(start).unwrap_or_default().to_owned();
        let headers = [("authorization", "Bearer syt_planted"), ("content-type", JSON)];
        let mut wrong = seen.unlike("PUT", &format!("{start}{transaction}"), &headers);
        wrong.extend(shape.wrong(&seen.json()));
        if !transaction.ends_with(".ops") || seen.body.len() > 65_536 {
            wrong.push(format!("transaction {transaction}, {} bytes", seen.body.len()));
        }
        if seen.json()["formatted_body"].as_str().unwrap_or_default().contains("<script") {
            wrong.push("a script".to_owned());
        }
        wrong
    };
    let error = |status, code: &str, text: &str| {
        Answer::new(status, json!({ "errcode": code, "error": text }))
    };
    let mut refusals = usual();
    refusals.extend([
        lasting(
            error(401, "M_UNKNOWN_TOKEN", "Invalid access token"),
            &["M_UNKNOWN_TOKEN", "log in"],
        ),
        lasting(error(403, "M_FORBIDDEN", "User not in room"), &["invite the account"]),
        lasting(error(404, "M_NOT_FOUND", "Unknown room"), &["check the room"]),
        lasting(error(413, "M_TOO_LARGE", "event too large"), &["too long"]),
        limited(
            Answer::new(
                429,
                json!({ "errcode": "M_LIMIT_EXCEEDED", "error": "Too many requests",
                        "retry_after_ms": 2_000 }),
            ),
            2,
        ),
    ]);
    let seen = play("Matrix", |origin| Provider {
        settings: channel(
            "matrix",
            json!({ "homeserver": origin, "token": "syt_planted", "room": "!abc:example.org" }),
        ),
        check: Arc::new(check),
        good: Arc::new(|_| Answer::new(200, json!({ "event_id": "$first" }))),
        refusals,
    })
    .await;
    assert_headline(&seen[0]);
    assert_eq!(seen[1].json()["m.relates_to"]["event_id"], "$first");
    assert!(seen[0].path.ends_with(".1.ops"), "{}", seen[0].path);
}

/// <https://developers.mattermost.com/integrate/webhooks/incoming/>,
/// <https://developers.mattermost.com/integrate/reference/message-attachments/>
#[tokio::test(flavor = "multi_thread")]
async fn mattermost_gets_attachments_as_documented() {
    let field = Shape::Object(vec![
        must("title", text(300)),
        must("value", text(4_000)),
        must("short", Shape::Flag),
    ]);
    let integration = Shape::Object(vec![
        must("url", Shape::Link(2_000)),
        must("context", Shape::Map(Box::new(text(200)))),
    ]);
    let action = Shape::Object(vec![
        must("id", Shape::One(&["acknowledge"])),
        must("type", Shape::One(&["button"])),
        must("name", text(100)),
        may("style", Shape::One(&["good", "warning", "danger", "primary", "success"])),
        must("integration", integration),
    ]);
    let attachment = Shape::Object(vec![
        must("fallback", text(4_000)),
        must("color", Shape::Text(7, 7)),
        must("title", text(4_000)),
        may("title_link", Shape::Link(2_000)),
        must("text", text(16_383)),
        must("fields", list(50, field)),
        may("actions", list(5, action)),
    ]);
    let shape = Shape::Object(vec![
        must("text", text(16_383)),
        must("attachments", list(1, attachment)),
        may("channel", Shape::One(&["alerts"])),
        may("username", Shape::One(&["whydown"])),
    ]);
    let check = move |seen: &Seen| {
        let mut wrong = seen.unlike("POST", "/hooks/planted-hook", &[("content-type", JSON)]);
        wrong.extend(shape.wrong(&seen.json()));
        let text = String::from_utf8_lossy(&seen.body);
        if text.contains("@everyone") {
            wrong.push("everyone is called".to_owned());
        }
        wrong
    };
    let error = |status: u16, id: &str, message: &str| {
        Answer::new(status, json!({ "id": id, "message": message, "status_code": status }))
    };
    let mut refusals = usual();
    refusals.extend([
        lasting(
            error(400, "web.incoming_webhook.invalid.app_error", "Invalid webhook."),
            &["Invalid webhook.", "make a new one"],
        ),
        lasting(
            error(404, "web.incoming_webhook.channel.app_error", "Couldn't find the channel."),
            &["check the channel"],
        ),
        lasting(
            error(403, "web.incoming_webhook.channel_locked.app_error", "not permitted"),
            &["leave channel out"],
        ),
    ]);
    let seen = play("Mattermost", |origin| Provider {
        settings: channel(
            "mattermost",
            json!({ "url": format!("{origin}/hooks/planted-hook"), "channel": "alerts",
                    "username": "whydown" }),
        ),
        check: Arc::new(check),
        good: Arc::new(|_| Answer::new(200, "ok")),
        refusals,
    })
    .await;
    assert_headline(&seen[0]);
}
