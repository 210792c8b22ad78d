//! Pushover: a push message (<https://pushover.net/api>).

use whydown_core::notice::message::Severity;

use super::https::Call;
use super::markup::{cut, plain};
use super::{Delivery, DeliveryError, Means, Receipt};
use crate::channel::{Address, Number, settings};
use crate::secret::Secret;

const API: &str = "https://api.pushover.net/";
/// Characters of message, title, link and its words.
const MESSAGE_MAX: usize = 1_024;
const TITLE_MAX: usize = 250;
const URL_MAX: usize = 512;
/// An emergency is repeated so often (at least 30 s) and for so long (at most 10,800 s).
const RETRY_S: &str = "60";
const EXPIRE_S: &str = "3600";

settings! {
    /// A push message by Pushover.
    Pushover {
        /// The token of your application at Pushover.
        token: Secret = "${PUSHOVER_TOKEN}",
        /// The key of a user or a group.
        user: Secret = "${PUSHOVER_USER}",
        /// Only this device.
        device: Option<String> = "phone",
        /// 0 (normal), 1 (high) or 2 (emergency: repeated until somebody confirms) for what is
        /// down. Default: 1.
        priority: Option<Number<0, 2>> = "2",
        /// The sound.
        sound: Option<String> = "siren",
        /// Default: https://api.pushover.net/.
        api_base: Option<Address> = "https://api.pushover.net/",
    }
}

impl Means for Pushover {
    fn at(&self) -> String {
        self.api_base.as_ref().map_or_else(|| "api.pushover.net".to_owned(), Address::host)
    }

    async fn deliver(&self, delivery: &Delivery<'_>) -> Result<Receipt, DeliveryError> {
        let message = &delivery.message;
        let priority = match message.severity {
            Severity::Critical | Severity::Warning => {
                self.priority.map_or(1, |Number(priority)| priority)
            }
            Severity::Fine | Severity::Info => 0,
        };
        let priority = priority.to_string();
        let title = cut(&message.title, TITLE_MAX);
        let text = plain(message, MESSAGE_MAX);
        let timestamp = message.ended_at.unwrap_or(message.started_at).as_second().to_string();
        let mut form = vec![
            ("token", self.token.reveal()),
            ("user", self.user.reveal()),
            ("title", title.as_str()),
            ("message", text.as_str()),
            ("priority", priority.as_str()),
            ("timestamp", timestamp.as_str()),
        ];
        if priority == "2" {
            form.extend([("retry", RETRY_S), ("expire", EXPIRE_S)]);
        }
        let page = delivery.acknowledge_page().map(|page| (page, "Acknowledge"));
        let link = page.or_else(|| Some((message.link.clone()?, "Open the incident")));
        if let Some((url, words)) = link.as_ref().filter(|(url, _)| url.len() <= URL_MAX) {
            form.extend([("url", url.as_str()), ("url_title", *words)]);
        }
        form.extend(self.device.as_deref().map(|device| ("device", device)));
        form.extend(self.sound.as_deref().map(|sound| ("sound", sound)));
        let url = super::endpoint(self.api_base.as_ref(), API, "1/messages.json")?;
        let answer = delivery.send(Call::post(url).form(&form)).await?;
        let json = answer.json();
        if answer.status.is_success() && json["status"] == 1 {
            return Ok(Receipt::default());
        }
        let errors: Vec<&str> = json["errors"]
            .as_array()
            .map(|errors| errors.iter().filter_map(|error| error.as_str()).collect())
            .unwrap_or_default();
        let words = if errors.is_empty() { answer.text.clone() } else { errors.join(", ") };
        let advice = if json["token"] == "invalid" {
            "check token: it is the application's"
        } else if json["user"] == "invalid" {
            "check user: it is the user's or the group's key"
        } else if answer.status.as_u16() == 429 {
            "the application's messages of this month are used up"
        } else {
            ""
        };
        // "status" other than 1 is final whatever the HTTP status says, but for 429 and 5xx.
        Err(answer.error_that(answer.passes(), &words, advice))
    }
}
