//! Discord: an embed by a channel's webhook
//! (<https://discord.com/developers/docs/resources/webhook#execute-webhook>).

use serde_json::{Value, json};
use whydown_core::notice::message::Message;

use super::https::Call;
use super::markup::{code, cut, markdown};
use super::{Delivery, DeliveryError, Means, Receipt};
use crate::channel::{Address, settings};

/// Limits of an embed in characters; all of its texts together may have 6,000
/// (<https://discord.com/developers/docs/resources/message#embed-object-embed-limits>).
const TITLE_MAX: usize = 256;
const DESCRIPTION_MAX: usize = 3_000;
const FIELD_NAME_MAX: usize = 256;
const FIELD_VALUE_MAX: usize = 1_024;
const FIELDS_MAX: usize = 10;
const EMBED_MAX: usize = 6_000;
/// Of the message's own text.
const CONTENT_MAX: usize = 2_000;

settings! {
    /// A message in a Discord channel by its webhook: channel settings, Integrations, Webhooks.
    Discord {
        /// The webhook's address, https://discord.com/api/webhooks/….
        url: Address = "https://discord.com/api/webhooks/1234/XXXX",
        /// The name shown as the sender. Default: the webhook's.
        username: Option<String> = "whydown",
        /// A thread of the channel, by its id.
        thread_id: Option<String> = "1234567890",
    }
}

impl Means for Discord {
    fn at(&self) -> String {
        self.url.to_string()
    }

    async fn deliver(&self, delivery: &Delivery<'_>) -> Result<Receipt, DeliveryError> {
        let message = &delivery.message;
        let opening = if message.opening.is_empty() { &message.title } else { &message.opening };
        let line = format!("{} {}", message.severity.sign(), markdown(opening));
        let mut body = json!({
            "content": cut(&line, CONTENT_MAX),
            "embeds": [embed(delivery)],
            // Nobody is called by a name in a text.
            "allowed_mentions": { "parse": [] },
        });
        if let Some(username) = &self.username {
            body["username"] = username.as_str().into();
        }
        let mut url = self.url.url().clone();
        if let Some(thread) = &self.thread_id {
            url.query_pairs_mut().append_pair("thread_id", thread);
        }
        let mut answer = delivery.send(Call::post(url).json(&body)).await?;
        let json = answer.json();
        answer.wait(json["retry_after"].as_f64());
        let advice = match json["code"].as_u64() {
            Some(10_015) => "the webhook was deleted: make a new one",
            Some(50_027) => "the webhook's address is not complete: copy it again",
            Some(10_003) => "the thread does not exist any more",
            _ => "",
        };
        if answer.status.is_success() {
            return Ok(Receipt::default());
        }
        let words = json["message"].as_str().unwrap_or(&answer.text);
        Err(answer.error(words, advice))
    }
}

fn embed(delivery: &Delivery<'_>) -> Value {
    let message = &delivery.message;
    let title = cut(&markdown(&message.title), TITLE_MAX);
    let description = description(delivery);
    let mut room = EMBED_MAX.saturating_sub(title.chars().count() + description.chars().count());
    let mut fields = Vec::new();
    for (label, value) in message.facts.iter().take(FIELDS_MAX) {
        let name = cut(label, FIELD_NAME_MAX);
        let value = cut(&markdown(value), FIELD_VALUE_MAX);
        let size = name.chars().count() + value.chars().count();
        if size > room {
            break;
        }
        room -= size;
        fields.push(json!({ "name": name, "value": value, "inline": value.len() < 40 }));
    }
    let mut embed = json!({
        "title": title,
        "description": description,
        "color": message.severity.colour(),
        "fields": fields,
        "timestamp": message.ended_at.unwrap_or(message.started_at).to_string(),
    });
    if let Some(link) = &message.link {
        embed["url"] = link.as_str().into();
    }
    embed
}

fn description(delivery: &Delivery<'_>) -> String {
    let message: &Message = &delivery.message;
    let mut text = cut(&markdown(&message.summary), DESCRIPTION_MAX);
    let mut add = |line: String| {
        if text.chars().count() + line.chars().count() <= DESCRIPTION_MAX {
            text.push_str(&line);
        }
    };
    for line in message.lines() {
        add(format!("\n{}", markdown(&line)));
    }
    if let Some(page) = delivery.acknowledge_page() {
        add(format!("\n\n[Acknowledge]({page})"));
    }
    for step in message.fix.iter().chain(&message.confirm) {
        let command = step.command.as_deref().map(|c| format!("\n```\n{}\n```", code(c)));
        add(format!("\n- {}{}", markdown(&step.text), command.unwrap_or_default()));
    }
    text
}
