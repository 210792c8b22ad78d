//! Mattermost: an attachment by an incoming webhook, with a button that acknowledges
//! (<https://developers.mattermost.com/integrate/webhooks/incoming/>,
//! <https://developers.mattermost.com/integrate/plugins/interactive-messages/>).

use serde_json::{Value, json};

use super::https::Call;
use super::markup::{code, cut, markdown};
use super::{Delivery, DeliveryError, Means, Receipt};
use crate::channel::{Address, settings};

/// Characters of a post.
const TEXT_MAX: usize = 16_383;
/// Of one part of an attachment, so that all together fit the 800,000 bytes of a post's properties.
const PART_MAX: usize = 8_000;
/// The last segment of the address that Mattermost calls when the button is pressed.
pub(crate) const CALLBACK: &str = "mattermost";

settings! {
    /// A message in a Mattermost channel by an incoming webhook, with a button that acknowledges
    /// when base_url is an address that Mattermost reaches.
    Mattermost {
        /// The webhook's address, https://…/hooks/….
        url: Address = "https://chat.example.com/hooks/xxxxxxxxxxxxxxxxxxxxxxxxxx",
        /// Another channel than the webhook's own.
        channel: Option<String> = "town-square",
        /// The name shown as the sender, where the server allows it.
        username: Option<String> = "whydown",
    }
}

impl Means for Mattermost {
    fn at(&self) -> String {
        self.url.to_string()
    }

    async fn deliver(&self, delivery: &Delivery<'_>) -> Result<Receipt, DeliveryError> {
        let message = &delivery.message;
        let opening = if message.opening.is_empty() { &message.title } else { &message.opening };
        let text = format!("{} {}", message.severity.sign(), markdown(opening));
        let mut body = json!({
            "text": cut(&text, TEXT_MAX),
            "attachments": [attachment(delivery)],
        });
        if let Some(channel) = &self.channel {
            body["channel"] = channel.as_str().into();
        }
        if let Some(username) = &self.username {
            body["username"] = username.as_str().into();
        }
        let answer = delivery.send(Call::post(self.url.url().clone()).json(&body)).await?;
        if answer.status.is_success() {
            return Ok(Receipt::default());
        }
        let json = answer.json();
        let words = json["message"].as_str().unwrap_or(&answer.text);
        let advice = match json["id"].as_str() {
            Some("web.incoming_webhook.invalid.app_error") => {
                "the webhook was deleted: make a new one"
            }
            Some("web.incoming_webhook.channel.app_error") => "check the channel's name",
            Some("web.incoming_webhook.channel_locked.app_error") => {
                "the webhook is locked to its channel: leave channel out"
            }
            Some("web.incoming_webhook.disabled.app_error") => {
                "an administrator has to allow incoming webhooks"
            }
            _ => "",
        };
        Err(answer.error(words, advice))
    }
}

fn attachment(delivery: &Delivery<'_>) -> Value {
    let message = &delivery.message;
    let fields: Vec<Value> = message
        .facts
        .iter()
        .map(|(label, value)| {
            let value = cut(&markdown(value), 1_000);
            json!({ "short": value.len() < 40, "title": label, "value": value })
        })
        .collect();
    let mut text = markdown(&message.summary);
    for line in message.lines() {
        text.push_str(&format!("\n{}", markdown(&line)));
    }
    for step in message.fix.iter().chain(&message.confirm) {
        let command = step.command.as_deref().map(|c| format!("\n  `{}`", code(c)));
        text.push_str(&format!("\n- {}{}", markdown(&step.text), command.unwrap_or_default()));
    }
    let mut attachment = json!({
        "fallback": cut(&markdown(&message.headline), 1_000),
        "color": message.severity.hex(),
        "title": cut(&markdown(&message.title), 300),
        "text": cut(&text, PART_MAX),
        "fields": fields,
    });
    if let Some(link) = &message.link {
        attachment["title_link"] = link.as_str().into();
    }
    if let Some(url) = delivery.callback(CALLBACK) {
        attachment["actions"] = json!([{
            "id": "acknowledge",
            "type": "button",
            "name": "Acknowledge",
            "style": "primary",
            "integration": { "url": url, "context": { "incident": message.thread } },
        }]);
    }
    attachment
}
