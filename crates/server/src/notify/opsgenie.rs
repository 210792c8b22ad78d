//! Opsgenie alerts (<https://docs.opsgenie.com/docs/alert-api>): an incident here is an alert
//! there, by its alias.

use serde_json::{Value, json};
use whydown_core::incident::Phase;
use whydown_core::notice::message::Severity;

use super::https::Call;
use super::markup::{cut, plain};
use super::{Delivery, DeliveryError, Means, Receipt};
use crate::channel::{Address, settings};
use crate::secret::Secret;

const API: &str = "https://api.opsgenie.com/";
/// Characters of the message, the description, the entity, a note.
const MESSAGE_MAX: usize = 130;
const DESCRIPTION_MAX: usize = 15_000;
const ENTITY_MAX: usize = 512;
const NOTE_MAX: usize = 25_000;
/// Of all details together.
const DETAILS_MAX: usize = 8_000;

settings! {
    /// An alert at Opsgenie: made, acknowledged and closed together with the incident here.
    Opsgenie {
        /// The key of an API integration.
        key: Secret = "${OPSGENIE_KEY}",
        /// Tags of the alert, at most 20.
        tags: Option<Vec<String>> = "web",
        /// Default: https://api.opsgenie.com/; for the EU https://api.eu.opsgenie.com/.
        api_base: Option<Address> = "https://api.eu.opsgenie.com/",
    }
}

impl Means for Opsgenie {
    fn at(&self) -> String {
        self.api_base.as_ref().map_or_else(|| "api.opsgenie.com".to_owned(), Address::host)
    }

    fn check(&self) -> Result<(), super::Wrong> {
        let tags = self.tags.as_deref().unwrap_or_default();
        if tags.len() <= 20 && tags.iter().all(|tag| tag.chars().count() <= 50) {
            return Ok(());
        }
        let message = "an alert has at most 20 tags of at most 50 characters".to_owned();
        Err(("tags", message, "leave some out"))
    }

    async fn deliver(&self, delivery: &Delivery<'_>) -> Result<Receipt, DeliveryError> {
        let (path, body) = self.request(delivery);
        let mut url = super::endpoint(self.api_base.as_ref(), API, &path)?;
        if path != "v2/alerts" {
            url.query_pairs_mut().append_pair("identifierType", "alias");
        }
        let call = Call::post(url).authorization("GenieKey", self.key.reveal()).json(&body);
        let answer = delivery.send(call).await?;
        if answer.status.is_success() {
            return Ok(Receipt::default());
        }
        let json = answer.json();
        let mut words = json["message"].as_str().unwrap_or(&answer.text).to_owned();
        for (field, wrong) in json["errors"].as_object().into_iter().flatten() {
            words.push_str(&format!(", {field}: {}", wrong.as_str().unwrap_or_default()));
        }
        let advice = match answer.status.as_u16() {
            401 => "check key: it is that of an API integration",
            403 => "allow the integration to create and update alerts",
            402 => "the plan does not include this",
            422 => "the account has no alerts on this address: use api_base for the EU",
            _ => "",
        };
        Err(answer.error(&words, advice))
    }
}

impl Opsgenie {
    fn request(&self, delivery: &Delivery<'_>) -> (String, Value) {
        let message = &delivery.message;
        let body = &delivery.notice.body;
        let action = match (message.is_over(), message.severity, body.incident.phase) {
            (true, _, _) => Some("close"),
            (false, Severity::Critical | Severity::Warning, Phase::Acknowledged) => {
                Some("acknowledge")
            }
            (false, _, _) => None,
        };
        if let Some(action) = action {
            let note = cut(&message.headline, NOTE_MAX);
            let path = format!("v2/alerts/{}/{action}", message.thread);
            return (path, json!({ "source": "whydown", "note": note }));
        }
        let priority = match message.severity {
            Severity::Critical => "P1",
            Severity::Warning => "P3",
            Severity::Fine | Severity::Info => "P5",
        };
        let mut room = DETAILS_MAX;
        let mut details = serde_json::Map::new();
        for (label, value) in message
            .facts
            .iter()
            .map(|(label, value)| (*label, value.clone()))
            .chain(message.link.clone().map(|link| ("Incident", link)))
        {
            let size = label.chars().count() + value.chars().count();
            if size <= room {
                room -= size;
                details.insert(label.to_owned(), value.into());
            }
        }
        let alert = json!({
            "message": cut(&message.title, MESSAGE_MAX),
            "alias": message.thread,
            "description": plain(message, DESCRIPTION_MAX),
            "tags": self.tags.clone().unwrap_or_default(),
            "details": details,
            "entity": cut(&body.diagnosis.target.host, ENTITY_MAX),
            "source": "whydown",
            "priority": priority,
        });
        ("v2/alerts".to_owned(), alert)
    }
}
