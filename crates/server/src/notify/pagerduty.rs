//! PagerDuty Events API v2 (<https://developer.pagerduty.com/docs/events-api-v2/overview/>): an
//! incident here is an incident there, by its dedup key.

use serde_json::{Value, json};
use whydown_core::incident::Phase;
use whydown_core::notice::message::Severity;

use super::https::Call;
use super::markup::cut;
use super::{Delivery, DeliveryError, Means, Receipt};
use crate::channel::{Address, settings};
use crate::secret::Secret;

const API: &str = "https://events.pagerduty.com/";
/// Characters of the summary.
const SUMMARY_MAX: usize = 1_024;

settings! {
    /// An incident at PagerDuty: triggered, acknowledged and resolved together with the one here.
    PagerDuty {
        /// The integration key of a service (Events API v2).
        routing_key: Secret = "${PAGERDUTY_KEY}",
        /// Default: https://events.pagerduty.com/; for the EU https://events.eu.pagerduty.com/.
        api_base: Option<Address> = "https://events.eu.pagerduty.com/",
    }
}

impl Means for PagerDuty {
    fn at(&self) -> String {
        self.api_base.as_ref().map_or_else(|| "events.pagerduty.com".to_owned(), Address::host)
    }

    async fn deliver(&self, delivery: &Delivery<'_>) -> Result<Receipt, DeliveryError> {
        let url = super::endpoint(self.api_base.as_ref(), API, "v2/enqueue")?;
        let answer = delivery.send(Call::post(url).json(&self.event(delivery))).await?;
        if answer.status.is_success() {
            return Ok(Receipt::default());
        }
        let json = answer.json();
        let errors: Vec<&str> = json["errors"]
            .as_array()
            .map(|errors| errors.iter().filter_map(Value::as_str).collect())
            .unwrap_or_default();
        let words = match (json["message"].as_str(), errors.is_empty()) {
            (Some(message), true) => message.to_owned(),
            (Some(message), false) => format!("{message}: {}", errors.join(", ")),
            (None, _) => answer.text.clone(),
        };
        let advice = match answer.status.as_u16() {
            400 => "check routing_key: it is the integration key of a service",
            429 => "PagerDuty takes no more events at the moment",
            _ => "",
        };
        Err(answer.error(&words, advice))
    }
}

impl PagerDuty {
    fn event(&self, delivery: &Delivery<'_>) -> Value {
        let message = &delivery.message;
        let body = &delivery.notice.body;
        let action = match (message.is_over(), message.severity, body.incident.phase) {
            (true, _, _) => "resolve",
            (false, Severity::Info, _) => "trigger",
            (false, _, Phase::Acknowledged) => "acknowledge",
            (false, _, _) => "trigger",
        };
        let mut event = json!({
            "routing_key": self.routing_key.reveal(),
            "event_action": action,
            "dedup_key": message.thread,
        });
        if action != "trigger" {
            return event;
        }
        let severity = match message.severity {
            Severity::Critical => "critical",
            Severity::Warning => "warning",
            Severity::Fine | Severity::Info => "info",
        };
        let details: serde_json::Map<String, Value> = message
            .facts
            .iter()
            .map(|(label, value)| ((*label).to_owned(), value.as_str().into()))
            .chain([("Evidence".to_owned(), message.evidence.join("\n").into())])
            .collect();
        event["payload"] = json!({
            "summary": cut(&message.headline, SUMMARY_MAX),
            "source": cut(&body.diagnosis.target.host, 255),
            "severity": severity,
            "timestamp": message.started_at.to_string(),
            "component": cut(&body.monitor.name, 255),
            "class": body.diagnosis.failure.map_or("test", |failure| failure.code()),
            "custom_details": details,
        });
        event["client"] = "whydown".into();
        if let Some(link) = &message.link {
            event["client_url"] = link.as_str().into();
            event["links"] = json!([{ "href": link, "text": "Open the incident" }]);
        }
        event
    }
}
