//! ntfy: a push message, published as JSON (<https://docs.ntfy.sh/publish/#publish-as-json>).

use serde_json::{Value, json};
use whydown_core::notice::message::Severity;

use super::https::Call;
use super::markup::{cut_bytes, plain};
use super::{Delivery, DeliveryError, Means, Receipt, Wrong};
use crate::channel::{Address, Number, settings};
use crate::secret::Secret;

const API: &str = "https://ntfy.sh/";
/// Bytes of a message; more becomes an attachment.
const MESSAGE_MAX_BYTES: usize = 4_096;
const TITLE_MAX_BYTES: usize = 250;

settings! {
    /// A push message by ntfy.sh or an ntfy server of your own, with a button that acknowledges.
    Ntfy {
        /// The topic. On ntfy.sh whoever knows it can read: choose one that nobody guesses.
        topic: Secret = "whydown-8f3kq0z2",
        /// An access token, where the topic needs one.
        token: Option<Secret> = "${NTFY_TOKEN}",
        /// Instead of a token.
        username: Option<String> = "phil",
        /// Its password.
        password: Option<Secret> = "${NTFY_PASSWORD}",
        /// 1 (min) to 5 (max) for what is down. Default: 5.
        priority: Option<Number<1, 5>> = "5",
        /// Default: https://ntfy.sh/.
        api_base: Option<Address> = "https://ntfy.example.com/",
    }
}

impl Means for Ntfy {
    fn at(&self) -> String {
        self.api_base.as_ref().map_or_else(|| "ntfy.sh".to_owned(), Address::host)
    }

    fn check(&self) -> Result<(), Wrong> {
        let topic = self.topic.reveal();
        let fits = topic.len() <= 64
            && topic.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
        if !fits {
            let message = "a topic has at most 64 letters, digits, _ and -".to_owned();
            return Err(("topic", message, "write the topic alone, not its address"));
        }
        if self.username.is_some() != self.password.is_some() {
            let message = "username and password belong together: one is missing".to_owned();
            return Err(("", message, "or use a token instead of both"));
        }
        Ok(())
    }

    async fn deliver(&self, delivery: &Delivery<'_>) -> Result<Receipt, DeliveryError> {
        let message = &delivery.message;
        let usual = match message.severity {
            Severity::Critical => 5,
            Severity::Warning => 4,
            Severity::Fine | Severity::Info => 3,
        };
        let priority = match (message.severity, self.priority) {
            (Severity::Critical | Severity::Warning, Some(Number(priority))) => priority,
            _ => usual,
        };
        let tag = match message.severity {
            Severity::Critical => "red_circle",
            Severity::Warning => "warning",
            Severity::Fine => "white_check_mark",
            Severity::Info => "information_source",
        };
        let mut body = json!({
            "topic": self.topic.reveal(),
            "title": cut_bytes(&message.title, TITLE_MAX_BYTES),
            "message": cut_bytes(&plain(message, MESSAGE_MAX_BYTES), MESSAGE_MAX_BYTES),
            "priority": priority,
            "tags": [tag],
        });
        if let Some(link) = &message.link {
            body["click"] = link.as_str().into();
        }
        let actions = actions(delivery);
        if !actions.is_empty() {
            body["actions"] = actions.into();
        }
        let url = super::endpoint(self.api_base.as_ref(), API, "")?;
        let mut call = Call::post(url).json(&body);
        if let Some(token) = &self.token {
            call = call.authorization("Bearer", token.reveal());
        } else if let (Some(user), Some(password)) = (&self.username, &self.password) {
            call = call.basic(user, password.reveal());
        }
        let answer = delivery.send(call).await?;
        if answer.status.is_success() {
            return Ok(Receipt::default());
        }
        let json = answer.json();
        let words = json["error"].as_str().unwrap_or(&answer.text);
        let advice = match answer.status.as_u16() {
            401 | 403 => "give the account or token the right to write to the topic",
            413 => "the server takes no messages of this size",
            _ => "",
        };
        Err(answer.error(words, advice))
    }
}

/// A press posts to the address and needs no browser.
fn actions(delivery: &Delivery<'_>) -> Vec<Value> {
    let mut actions = Vec::new();
    if let Some(url) = delivery.acknowledge_page() {
        actions.push(json!({
            "action": "http",
            "label": "Acknowledge",
            "url": url,
            "method": "POST",
            "clear": true,
        }));
    }
    if let Some(link) = &delivery.message.link {
        actions.push(json!({ "action": "view", "label": "Open the incident", "url": link }));
    }
    actions
}
