//! Slack: an incoming webhook, or a bot with `chat.postMessage`, one thread per incident and a
//! button that acknowledges (<https://docs.slack.dev/reference/methods/chat.postMessage>,
//! <https://docs.slack.dev/reference/block-kit/blocks>).

use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::Sha256;
use whydown_core::notice::message::Message;

use super::https::{Answer, Call};
use super::markup::{code, cut};
use super::reply::same;
use super::{Delivery, DeliveryError, Means, Notifier, Receipt};
use crate::channel::{Address, settings};
use crate::secret::Secret;

const API: &str = "https://slack.com/api/";
/// Characters of a `plain_text` header, of a section's text, of a field, of the whole text.
const HEADER_MAX: usize = 150;
const SECTION_MAX: usize = 3_000;
const FIELD_MAX: usize = 2_000;
const FIELDS_MAX: usize = 10;
const TEXT_MAX: usize = 4_000;
/// A signature older than this is somebody's recording.
const SIGNATURE_AGE_MAX_S: i64 = 300;
/// The path under which Slack calls.
pub(crate) const CALLBACK: &str = "slack";
/// Slack waits three seconds for an answer to a press of a button.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
/// The button's action.
pub(crate) const ACTION: &str = "acknowledge";

settings! {
    /// A message in a Slack channel by an incoming webhook: the quick way, without threads and
    /// without a button.
    SlackHook {
        /// The webhook's address, https://hooks.slack.com/services/….
        url: Address = "https://hooks.slack.com/services/T000/B000/XXXX",
    }
}

settings! {
    /// A message by your own Slack app, one thread per incident, with a button that
    /// acknowledges. The app needs the scope chat:write and has to be invited to the channel.
    SlackBot {
        /// The bot's token, xoxb-….
        token: Secret = "${SLACK_TOKEN}",
        /// The channel's id or name.
        channel: String = "C0123456789",
        /// The app's signing secret; with it and a base_url the message has a button. The
        /// app's interactivity request URL is BASE_URL/answer/NAME/slack.
        signing_secret: Option<Secret> = "${SLACK_SIGNING_SECRET}",
        /// Default: https://slack.com/api/.
        api_base: Option<Address> = "https://slack.com/api/",
    }
}

impl Means for SlackHook {
    fn at(&self) -> String {
        self.url.to_string()
    }

    async fn deliver(&self, delivery: &Delivery<'_>) -> Result<Receipt, DeliveryError> {
        let body = json!({
            "text": fallback(&delivery.message),
            "blocks": blocks(delivery, false),
        });
        let answer = delivery.send(Call::post(self.url.url().clone()).json(&body)).await?;
        if answer.status.is_success() {
            return Ok(Receipt::default());
        }
        let advice = match answer.text.trim() {
            "no_service" | "invalid_token" | "no_active_hooks" => {
                "the webhook was removed or is switched off: make a new one"
            }
            "channel_not_found" | "channel_is_archived" => {
                "the webhook's channel is gone: make a webhook for another one"
            }
            "action_prohibited" | "posting_to_general_channel_denied" => {
                "an administrator does not allow this message there"
            }
            _ => "",
        };
        Err(answer.error(&answer.text, advice))
    }
}

impl Means for SlackBot {
    fn at(&self) -> String {
        self.api_base.as_ref().map_or_else(|| "slack.com".to_owned(), Address::host)
    }

    fn reaches(&self) -> String {
        format!("{} at {}", self.channel, self.at())
    }

    async fn deliver(&self, delivery: &Delivery<'_>) -> Result<Receipt, DeliveryError> {
        let button = self.signing_secret.is_some();
        let mut body = json!({
            "channel": self.channel,
            "text": fallback(&delivery.message),
            "blocks": blocks(delivery, button),
            "unfurl_links": false,
            "unfurl_media": false,
        });
        if let Some(thread) = &delivery.thread {
            body["thread_ts"] = thread.as_str().into();
            // The end is worth saying to the whole channel.
            body["reply_broadcast"] = delivery.message.is_over().into();
        }
        let url = super::endpoint(self.api_base.as_ref(), API, "chat.postMessage")?;
        let call = Call::post(url)
            .authorization("Bearer", self.token.reveal())
            .body("application/json; charset=utf-8", body.to_string());
        let answer = delivery.send(call).await?;
        judge(&answer)
    }
}

impl SlackBot {
    /// Says below the message what became of a press of its button.
    pub(crate) async fn answer(
        &self,
        notifier: &Notifier,
        payload: &Value,
        taken: Result<(), &str>,
    ) {
        let url = payload["response_url"].as_str().and_then(|url| url::Url::parse(url).ok());
        let Some(url) = url.filter(|url| self.is_slack(url)) else { return };
        let user = payload["user"]["id"].as_str().unwrap_or_default();
        let (kind, text) = match taken {
            Ok(()) => ("in_channel", format!("Acknowledged by <@{}>.", escape(user))),
            Err(why) => ("ephemeral", format!("Not acknowledged: {why}.")),
        };
        let mut body = json!({ "replace_original": false, "response_type": kind, "text": text });
        if let Some(thread) = payload["message"]["thread_ts"].as_str() {
            body["thread_ts"] = thread.into();
        }
        let sending = notifier.call(Call::post(url).json(&body), &[]);
        match tokio::time::timeout(ANSWER_TIMEOUT, sending).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::debug!("Slack was not told: {error}"),
            Err(_) => tracing::debug!("Slack was not told within {ANSWER_TIMEOUT:?}"),
        }
    }

    /// The request is signed, and yet nobody shall be sent anywhere else.
    fn is_slack(&self, url: &url::Url) -> bool {
        let own = self.api_base.as_ref().map(|base| base.url().origin());
        (url.scheme() == "https" && url.host_str() == Some("hooks.slack.com"))
            || own.is_some_and(|own| own == url.origin())
    }
}

/// Slack answers 200 also to what it refuses.
fn judge(answer: &Answer) -> Result<Receipt, DeliveryError> {
    answer.judge()?;
    let json = answer.json();
    if json["ok"] == true {
        let thread = json["ts"].as_str().map(str::to_owned);
        return Ok(Receipt { thread });
    }
    let Some(error) = json["error"].as_str() else {
        return Err(answer.error_that(true, "no \"ok\" in the answer", ""));
    };
    let (passes, advice) = match error {
        "channel_not_found" => (false, "check the channel's id, and invite the bot to it"),
        "not_in_channel" => (false, "invite the bot to the channel"),
        "is_archived" => (false, "the channel is archived: choose another one"),
        "invalid_auth" | "not_authed" | "account_inactive" | "token_revoked" | "token_expired" => {
            (false, "the token is not valid any more: install the app again and copy its token")
        }
        "missing_scope" | "no_permission" => (false, "give the app the scope chat:write"),
        "ratelimited"
        | "rate_limited"
        | "internal_error"
        | "fatal_error"
        | "service_unavailable"
        | "request_timeout" => (true, ""),
        "thread_not_found" => (false, "the incident's first message was deleted"),
        _ => (false, ""),
    };
    Err(answer.error_that(passes, error, advice))
}

/// For the notification and for readers that show no blocks.
fn fallback(message: &Message) -> String {
    cut(&escape(&format!("{} {}", message.severity.sign(), message.headline)), TEXT_MAX)
}

/// `&`, `<` and `>` are all that Slack gives a meaning
/// (<https://docs.slack.dev/messaging/formatting-message-text>).
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Names stand in `plain_text`, where nothing is markup.
fn plain(text: &str, max: usize) -> Value {
    json!({ "type": "plain_text", "text": cut(text, max), "emoji": false })
}

fn blocks(delivery: &Delivery<'_>, button: bool) -> Vec<Value> {
    let message = &delivery.message;
    let title = format!("{} {}", message.severity.sign(), message.title);
    let mut blocks = vec![
        json!({ "type": "header", "text": plain(&title, HEADER_MAX) }),
        json!({ "type": "section", "text": plain(&message.headline, SECTION_MAX) }),
    ];
    let lines: Vec<String> = message.lines().collect();
    if !lines.is_empty() {
        let text = plain(&lines.join("\n"), SECTION_MAX);
        blocks.push(json!({ "type": "section", "text": text }));
    }
    let fields: Vec<Value> = message
        .facts
        .iter()
        .take(FIELDS_MAX)
        .map(|(label, value)| plain(&format!("{label}\n{value}"), FIELD_MAX))
        .collect();
    if !fields.is_empty() {
        blocks.push(json!({ "type": "section", "fields": fields }));
    }
    let mut commands = String::new();
    for step in message.fix.iter().chain(&message.confirm) {
        let command = step.command.as_deref().map(|c| format!("\n```{}```", escape(&code(c))));
        let line = format!("• {}{}\n", escape(&step.text), command.unwrap_or_default());
        if commands.chars().count() + line.chars().count() <= SECTION_MAX {
            commands.push_str(&line);
        }
    }
    if !commands.is_empty() {
        let text = json!({ "type": "mrkdwn", "text": commands, "verbatim": true });
        blocks.push(json!({ "type": "section", "text": text }));
    }
    let elements = actions(delivery, button);
    if !elements.is_empty() {
        blocks.push(json!({ "type": "actions", "elements": elements }));
    }
    blocks
}

fn actions(delivery: &Delivery<'_>, button: bool) -> Vec<Value> {
    let message = &delivery.message;
    let mut elements = Vec::new();
    if button && delivery.acknowledge_page().is_some() {
        elements.push(json!({
            "type": "button",
            "text": plain("Acknowledge", 75),
            "action_id": ACTION,
            "value": message.thread,
            "style": "primary",
        }));
    } else if let Some(page) = delivery.acknowledge_page() {
        let text = plain("Acknowledge", 75);
        elements.push(json!({ "type": "button", "text": text, "action_id": "page", "url": page }));
    }
    if let Some(link) = &message.link {
        let text = plain("Open the incident", 75);
        elements.push(json!({ "type": "button", "text": text, "action_id": "open", "url": link }));
    }
    elements
}

/// Is a request really Slack's? `v0=` and HMAC-SHA256 over `v0:timestamp:body`
/// (<https://docs.slack.dev/authentication/verifying-requests-from-slack>).
pub(crate) fn verifies(
    secret: &Secret,
    timestamp: &str,
    signature: &str,
    body: &[u8],
    now: Timestamp,
) -> bool {
    let Ok(seconds) = timestamp.parse::<i64>() else { return false };
    if now.as_second().abs_diff(seconds) > SIGNATURE_AGE_MAX_S.unsigned_abs() {
        return false;
    }
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.reveal().as_bytes()) else {
        return false;
    };
    mac.update(format!("v0:{timestamp}:").as_bytes());
    mac.update(body);
    let hex: String =
        mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    same(format!("v0={hex}").as_bytes(), signature.as_bytes())
}
