//! Telegram: a bot's message with a button that acknowledges
//! (<https://core.telegram.org/bots/api#sendmessage>). The button works when the bot's webhook
//! leads here; "send a test" sets it.

use serde_json::{Value, json};

use super::https::{Answer, Call};
use super::markup::{cut_utf16, html};
use super::{Delivery, DeliveryError, Means, Receipt, Wrong};
use crate::channel::{Address, settings};
use crate::secret::Secret;
use whydown_core::notice::NoticeEvent;

const API: &str = "https://api.telegram.org/";
/// UTF-16 units of a message "after entities parsing"; what is escaped counts once.
const TEXT_MAX: usize = 4_096;
/// Before the incident's id in the button's data, of at most 64 bytes.
pub(crate) const ACTION: &str = "ack:";
/// The path under which Telegram calls.
pub(crate) const CALLBACK: &str = "telegram";

settings! {
    /// A message of your own Telegram bot, with a button that acknowledges. Talk to @BotFather
    /// for a token, then to the bot once, or add it to the group.
    Telegram {
        /// The bot's token.
        token: Secret = "${TELEGRAM_TOKEN}",
        /// The chat's id, or @name of a public channel.
        chat_id: String = "-1001234567890",
        /// A topic of a group with topics.
        thread_id: Option<crate::channel::Number<1, 9_007_199_254_740_991>> = "2",
        /// Without a sound. Default: false.
        silent: Option<bool> = "true",
        /// Default: https://api.telegram.org/.
        api_base: Option<Address> = "https://api.telegram.org/",
    }
}

impl Telegram {
    fn method(&self, name: &str) -> Result<url::Url, DeliveryError> {
        let path = format!("bot{}/{name}", self.token.reveal());
        super::endpoint(self.api_base.as_ref(), API, &path)
    }
}

impl Means for Telegram {
    fn at(&self) -> String {
        self.api_base.as_ref().map_or_else(|| "api.telegram.org".to_owned(), Address::host)
    }

    fn reaches(&self) -> String {
        format!("chat {}", self.chat_id)
    }

    fn check(&self) -> Result<(), Wrong> {
        let token = self.token.reveal();
        let fits = token.split_once(':').is_some_and(|(id, rest)| {
            !id.is_empty()
                && id.bytes().all(|byte| byte.is_ascii_digit())
                && !rest.is_empty()
                && rest.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
        });
        if !fits {
            let message = "this is not a bot's token".to_owned();
            return Err((
                "token",
                message,
                "it looks like 123456:ABC-DEF and comes from @BotFather",
            ));
        }
        let id = self.chat_id.strip_prefix('-').unwrap_or(&self.chat_id);
        if self.chat_id.starts_with('@') || id.bytes().all(|byte| byte.is_ascii_digit()) {
            return Ok(());
        }
        let message = format!("{:?} is neither a chat's number nor an @name", self.chat_id);
        Err(("chat_id", message, "write to the bot and ask it for getUpdates: chat.id is there"))
    }

    async fn deliver(&self, delivery: &Delivery<'_>) -> Result<Receipt, DeliveryError> {
        if delivery.message.event == NoticeEvent::Test {
            self.connect(delivery).await?;
        }
        let mut body = json!({
            "chat_id": self.chat_id,
            "text": text(delivery),
            "parse_mode": "HTML",
            "link_preview_options": { "is_disabled": true },
        });
        if let Some(crate::channel::Number(thread)) = self.thread_id {
            body["message_thread_id"] = thread.into();
        }
        if self.silent == Some(true) {
            body["disable_notification"] = true.into();
        }
        let first = delivery.thread.as_deref().and_then(|thread| thread.parse::<i64>().ok());
        if let Some(first) = first {
            let reply = json!({ "message_id": first, "allow_sending_without_reply": true });
            body["reply_parameters"] = reply;
        }
        let buttons = buttons(delivery);
        if !buttons.is_empty() {
            body["reply_markup"] = json!({ "inline_keyboard": [buttons] });
        }
        let answer = delivery.send(Call::post(self.method("sendMessage")?).json(&body)).await?;
        let json = judge(answer)?;
        let thread = json["result"]["message_id"].as_i64().map(|id| id.to_string());
        Ok(Receipt { thread })
    }
}

impl Telegram {
    /// Tells Telegram where to call when somebody presses the button. It only calls HTTPS.
    async fn connect(&self, delivery: &Delivery<'_>) -> Result<(), DeliveryError> {
        let Some((url, secret)) = delivery.callback_secret(CALLBACK) else { return Ok(()) };
        if !url.starts_with("https://") {
            return Ok(());
        }
        let body = json!({
            "url": url,
            "secret_token": secret,
            "allowed_updates": ["callback_query"],
        });
        judge(delivery.send(Call::post(self.method("setWebhook")?).json(&body)).await?)?;
        Ok(())
    }
}

fn buttons(delivery: &Delivery<'_>) -> Vec<Value> {
    let message = &delivery.message;
    let mut buttons = Vec::new();
    let calls = delivery.base_url.as_deref().is_some_and(|base| base.starts_with("https://"));
    match delivery.acknowledge_page() {
        Some(_) if calls => buttons.push(json!({
            "text": "Acknowledge",
            "callback_data": format!("{ACTION}{}", message.thread),
        })),
        _ => {}
    }
    // Telegram takes no links to hosts without a dot, and refuses the whole message for one.
    let reachable = |link: &&String| {
        url::Url::parse(link).is_ok_and(|url| url.domain().is_some_and(|name| name.contains('.')))
    };
    if let Some(link) = message.link.as_ref().filter(reachable) {
        buttons.push(json!({ "text": "Open the incident", "url": link }));
    }
    buttons
}

/// Lines are added while they fit: entities must not be cut in half.
fn text(delivery: &Delivery<'_>) -> String {
    let message = &delivery.message;
    let title = cut_utf16(&message.title, 200);
    let headline = cut_utf16(&message.headline, 1_500);
    let mut text =
        format!("{} <b>{}</b>\n{}", message.severity.sign(), html(&title), html(&headline));
    let mut units = title.encode_utf16().count() + headline.encode_utf16().count() + 4;
    let mut add = |plain: usize, line: String| {
        if units + plain < TEXT_MAX {
            units += plain;
            text.push_str(&line);
        }
    };
    let size = |text: &str| text.encode_utf16().count();
    for line in message.lines() {
        add(size(&line) + 1, format!("\n{}", html(&line)));
    }
    add(1, "\n".to_owned());
    for (label, value) in &message.facts {
        let line = format!("\n<i>{}</i>: {}", html(label), html(value));
        add(size(label) + size(value) + 3, line);
    }
    for (title, steps) in [("To make sure", &message.confirm), ("To fix it", &message.fix)] {
        if !steps.is_empty() {
            add(size(title) + 3, format!("\n\n<b>{title}</b>"));
        }
        for step in steps {
            add(size(&step.text) + 3, format!("\n• {}", html(&step.text)));
            if let Some(command) = &step.command {
                add(size(command) + 1, format!("\n<code>{}</code>", html(command)));
            }
        }
    }
    text
}

fn judge(mut answer: Answer) -> Result<Value, DeliveryError> {
    let json = answer.json();
    if answer.status.is_success() && json["ok"] == true {
        return Ok(json);
    }
    answer.wait(json["parameters"]["retry_after"].as_f64());
    let words = json["description"].as_str().unwrap_or(&answer.text).to_owned();
    let advice = advice(&words, answer.status.as_u16());
    let moved = json["parameters"]["migrate_to_chat_id"].as_i64();
    let advice = match moved {
        Some(chat) => format!("the group became a supergroup: set chat_id to {chat}"),
        None => advice.to_owned(),
    };
    let passes = answer.passes() || answer.status.is_success();
    Err(answer.error_that(passes, &words, &advice))
}

fn advice(words: &str, status: u16) -> &'static str {
    for (part, advice) in [
        ("bot was blocked by the user", "unblock the bot in Telegram, or choose another chat"),
        ("bot was kicked", "add the bot to the group again"),
        ("bot is not a member", "add the bot to the channel as an administrator"),
        ("can't initiate conversation", "write to the bot first: it may not begin a chat"),
        ("user is deactivated", "the account was deleted: choose another chat"),
        ("chat not found", "check chat_id, and write to the bot or add it to the chat first"),
        ("message thread not found", "check thread_id"),
        ("not enough rights", "allow the bot to write in the chat"),
    ] {
        if words.contains(part) {
            return advice;
        }
    }
    match status {
        401 | 404 => "the token is not valid: ask @BotFather for it again",
        _ => "",
    }
}

/// What answers a press of the button: Telegram takes a method call as the answer
/// (<https://core.telegram.org/bots/api#making-requests-when-getting-updates>).
pub(crate) fn answer(query: &str, words: &str) -> Value {
    json!({
        "method": "answerCallbackQuery",
        "callback_query_id": query,
        "text": super::markup::cut(words, 200),
        "show_alert": false,
    })
}
