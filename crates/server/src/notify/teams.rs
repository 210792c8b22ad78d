//! Microsoft Teams: an adaptive card by a Workflows webhook
//! (<https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors>).

use serde_json::{Value, json};
use whydown_core::notice::message::Severity;

use super::https::Call;
use super::markup::cut;
use super::{Delivery, DeliveryError, Means, Receipt};
use crate::channel::{Address, settings};

/// Largest message, in bytes, as documented for webhooks.
const BODY_MAX_BYTES: usize = 28 << 10;
/// Characters of one paragraph.
const TEXT_MAX: usize = 2_000;

settings! {
    /// A card in a Microsoft Teams channel or chat by a Workflows webhook: "Post to a channel
    /// when a webhook request is received".
    Teams {
        /// The workflow's address.
        url: Address = "https://prod-00.westeurope.logic.azure.com/workflows/XXXX",
    }
}

impl Means for Teams {
    fn at(&self) -> String {
        self.url.to_string()
    }

    async fn deliver(&self, delivery: &Delivery<'_>) -> Result<Receipt, DeliveryError> {
        let mut steps = delivery.message.fix.len() + delivery.message.confirm.len();
        let body = loop {
            let body = envelope(delivery, steps);
            if steps == 0 || body.to_string().len() <= BODY_MAX_BYTES {
                break body;
            }
            steps -= 1;
        };
        let answer = delivery.send(Call::post(self.url.url().clone()).json(&body)).await?;
        if answer.status.is_success() {
            return Ok(Receipt::default());
        }
        let json = answer.json();
        let words = json["error"]["message"].as_str().unwrap_or(&answer.text);
        let advice = match answer.status.as_u16() {
            400 | 404 => "the workflow was changed or deleted: copy its address again",
            401 | 403 => "the address's signature is not valid any more: copy it again",
            _ => "",
        };
        Err(answer.error(words, advice))
    }
}

fn envelope(delivery: &Delivery<'_>, steps: usize) -> Value {
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": card(delivery, steps),
        }],
    })
}

/// Text in `TextRun`s is never Markdown
/// (<https://adaptivecards.io/explorer/TextRun.html>), unlike that of text blocks and fact sets.
fn runs(runs: &[Value]) -> Value {
    json!({ "type": "RichTextBlock", "inlines": runs, "spacing": "Small" })
}

fn run(text: &str) -> Value {
    json!({ "type": "TextRun", "text": cut(text, TEXT_MAX) })
}

fn card(delivery: &Delivery<'_>, steps: usize) -> Value {
    let message = &delivery.message;
    let colour = match message.severity {
        Severity::Critical => "Attention",
        Severity::Warning => "Warning",
        Severity::Fine => "Good",
        Severity::Info => "Accent",
    };
    let title = json!({
        "type": "TextRun",
        "text": cut(&format!("{} {}", message.severity.sign(), message.title), TEXT_MAX),
        "weight": "Bolder",
        "size": "Large",
        "color": colour,
    });
    let mut body = vec![runs(&[title]), runs(&[run(&message.headline)])];
    for line in message.lines() {
        body.push(runs(&[run(&line)]));
    }
    for (label, value) in &message.facts {
        let label = json!({ "type": "TextRun", "text": format!("{label}: "), "isSubtle": true });
        body.push(runs(&[label, run(value)]));
    }
    for step in message.fix.iter().chain(&message.confirm).take(steps) {
        body.push(runs(&[run(&format!("• {}", step.text))]));
        if let Some(command) = &step.command {
            let code = json!({
                "type": "TextRun",
                "text": cut(command, TEXT_MAX),
                "fontType": "Monospace",
            });
            body.push(runs(&[code]));
        }
    }
    let mut actions = Vec::new();
    for (title, url) in
        [("Acknowledge", delivery.acknowledge_page()), ("Open the incident", message.link.clone())]
    {
        if let Some(url) = url {
            actions.push(json!({ "type": "Action.OpenUrl", "title": title, "url": url }));
        }
    }
    json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": body,
        "actions": actions,
        "msteams": { "width": "Full" },
    })
}
