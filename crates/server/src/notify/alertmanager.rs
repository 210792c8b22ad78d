//! Prometheus Alertmanager: alerts by its API v2
//! (<https://prometheus.io/docs/alerting/latest/alerts_api/>), which routes and groups them.

use std::time::Duration;

use serde_json::json;
use whydown_core::notice::NoticeEvent;
use whydown_core::notice::message::Severity;

use super::https::Call;
use super::{Delivery, DeliveryError, Means, Receipt, Wrong};
use crate::channel::{Address, settings};
use crate::secret::Secret;

/// An alert that nobody repeats ends by itself; whydown speaks only when something changes.
const LIFE: Duration = Duration::from_hours(24 * 30);

settings! {
    /// An alert at a Prometheus Alertmanager, which routes, groups and silences it.
    Alertmanager {
        /// The Alertmanager, with its path prefix if it has one.
        url: Address = "http://alertmanager.example.com:9093",
        /// A bearer token, where a proxy asks for one.
        token: Option<Secret> = "${ALERTMANAGER_TOKEN}",
        /// A user name instead, for basic authentication.
        username: Option<String> = "whydown",
        /// Its password.
        password: Option<Secret> = "${ALERTMANAGER_PASSWORD}",
    }
}

impl Means for Alertmanager {
    fn at(&self) -> String {
        self.url.host()
    }

    fn check(&self) -> Result<(), Wrong> {
        if self.username.is_some() == self.password.is_some() {
            return Ok(());
        }
        let message = "username and password belong together: one is missing".to_owned();
        Err(("", message, "or use a token instead of both"))
    }

    async fn deliver(&self, delivery: &Delivery<'_>) -> Result<Receipt, DeliveryError> {
        let url = super::endpoint(Some(&self.url), "", "api/v2/alerts")?;
        let mut call = Call::post(url).json(&json!([alert(delivery)]));
        if let Some(token) = &self.token {
            call = call.authorization("Bearer", token.reveal());
        } else if let (Some(user), Some(password)) = (&self.username, &self.password) {
            call = call.basic(user, password.reveal());
        }
        let answer = delivery.send(call).await?;
        let advice = match answer.status.as_u16() {
            404 => "check the url and its path prefix",
            401 | 403 => "check token, username and password",
            _ => "",
        };
        if answer.status.is_success() {
            return Ok(Receipt::default());
        }
        let json = answer.json();
        Err(answer.error(json.as_str().unwrap_or(&answer.text), advice))
    }
}

fn alert(delivery: &Delivery<'_>) -> serde_json::Value {
    let message = &delivery.message;
    let body = &delivery.notice.body;
    let ends = match (message.is_over(), message.event) {
        (true, _) | (_, NoticeEvent::Test) => message.ended_at.unwrap_or(delivery.now),
        _ => delivery.now.checked_add(LIFE).unwrap_or(delivery.now),
    };
    // Labels name the alert: what changes in its course stands in annotations.
    let mut alert = json!({
        "labels": {
            "alertname": match message.event {
                NoticeEvent::Test => "WhydownTest",
                NoticeEvent::NoData | NoticeEvent::Back => "LocationNoData",
                _ => "MonitorDown",
            },
            "monitor": body.monitor.name,
            "instance": body.diagnosis.target.host,
            "incident": message.thread,
            "severity": if message.severity == Severity::Info { "info" } else { "critical" },
            "job": "whydown",
        },
        "annotations": {
            "summary": message.title,
            "description": message.headline,
            "target": body.monitor.target,
        },
        "startsAt": message.started_at.to_string(),
        "endsAt": ends.to_string(),
    });
    if let Some(failure) = body.diagnosis.failure {
        alert["annotations"]["failure"] = failure.code().into();
    }
    if let Some(cause) = body.diagnosis.causes.first() {
        alert["annotations"]["cause"] = cause.code.code().into();
        alert["annotations"]["side"] = cause.side.name().into();
    }
    if let Some(link) = &message.link {
        alert["generatorURL"] = link.as_str().into();
    }
    alert
}
