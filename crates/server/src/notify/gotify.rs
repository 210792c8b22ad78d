//! Gotify: a push message (<https://gotify.net/docs/pushmsg>, <https://gotify.net/docs/msgextras>).

use hyper::header::HeaderName;
use serde_json::json;
use whydown_core::notice::message::Severity;

use super::https::Call;
use super::markup::{cut, plain};
use super::{Delivery, DeliveryError, Means, Receipt};
use crate::channel::{Address, settings};
use crate::secret::Secret;

const KEY: HeaderName = HeaderName::from_static("x-gotify-key");
/// Longest text, in characters. Gotify names no limit; phones show less.
const TEXT_MAX: usize = 8_000;

settings! {
    /// A push message by your Gotify server.
    Gotify {
        /// The server.
        server: Address = "https://gotify.example.com",
        /// The token of an application.
        token: Secret = "${GOTIFY_TOKEN}",
    }
}

impl Means for Gotify {
    fn at(&self) -> String {
        self.server.host()
    }

    async fn deliver(&self, delivery: &Delivery<'_>) -> Result<Receipt, DeliveryError> {
        let message = &delivery.message;
        let priority = match message.severity {
            Severity::Critical => 8,
            Severity::Warning => 6,
            Severity::Fine => 4,
            Severity::Info => 2,
        };
        let mut text = plain(message, TEXT_MAX);
        if let Some(page) = delivery.acknowledge_page() {
            text.push_str(&format!("\n\nAcknowledge: {page}"));
        }
        let mut body = json!({
            "title": cut(&message.title, 250),
            "message": text,
            "priority": priority,
            "extras": { "client::display": { "contentType": "text/plain" } },
        });
        if let Some(link) = &message.link {
            body["extras"]["client::notification"] = json!({ "click": { "url": link } });
        }
        let url = super::endpoint(Some(&self.server), "", "message")?;
        let call = Call::post(url).header(KEY, self.token.reveal()).json(&body);
        let answer = delivery.send(call).await?;
        if answer.status.is_success() {
            return Ok(Receipt::default());
        }
        let json = answer.json();
        let words = json["errorDescription"].as_str().unwrap_or(&answer.text);
        let advice = match answer.status.as_u16() {
            401 | 403 => "use the token of an application, not of a client",
            404 => "check the server's address and its path",
            _ => "",
        };
        Err(answer.error(words, advice))
    }
}
