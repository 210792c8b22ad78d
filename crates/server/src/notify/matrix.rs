//! Matrix: a message in a room, by the client-server API v3; the dedup key is the transaction's id,
//! so the server drops what is sent twice (<https://spec.matrix.org/latest/client-server-api/>).

use serde_json::json;
use whydown_core::notice::message::Message;

use super::https::Call;
use super::markup::{cut_bytes, html, plain};
use super::reply::segment;
use super::{Delivery, DeliveryError, Means, Receipt, Wrong};
use crate::channel::{Address, settings};
use crate::secret::Secret;
use hyper::Method;

/// An event has at most 65,536 bytes with all that the server adds; both bodies get a part.
const TEXT_MAX_BYTES: usize = 16 << 10;
const HTML_MAX_BYTES: usize = 24 << 10;

settings! {
    /// A message in a Matrix room, one thread per incident. Rooms must not be encrypted.
    Matrix {
        /// The homeserver.
        homeserver: Address = "https://matrix.example.org",
        /// The access token of an account that has joined the room.
        token: Secret = "${MATRIX_TOKEN}",
        /// The room's id: room settings, Advanced.
        room: String = "!abcdefghijk:example.org",
    }
}

impl Means for Matrix {
    fn at(&self) -> String {
        self.homeserver.host()
    }

    fn reaches(&self) -> String {
        format!("{} at {}", self.room, self.at())
    }

    fn check(&self) -> Result<(), Wrong> {
        if self.room.starts_with('!') {
            return Ok(());
        }
        let message = format!("{:?} is not a room's id", self.room);
        Err(("room", message, "it begins with an exclamation mark; an alias (#…) is not enough"))
    }

    async fn deliver(&self, delivery: &Delivery<'_>) -> Result<Receipt, DeliveryError> {
        let (room, transaction) = (segment(&self.room), segment(&delivery.notice.key));
        let path = format!("_matrix/client/v3/rooms/{room}/send/m.room.message/{transaction}");
        let url = super::endpoint(Some(&self.homeserver), "", &path)?;
        let mut body = json!({
            "msgtype": "m.text",
            "body": cut_bytes(&plain(&delivery.message, TEXT_MAX_BYTES), TEXT_MAX_BYTES),
            "format": "org.matrix.custom.html",
            "formatted_body": formatted(&delivery.message, delivery.acknowledge_page()),
            // Nobody is called by a name in a text.
            "m.mentions": {},
        });
        if let Some(root) = &delivery.thread {
            body["m.relates_to"] = json!({
                "rel_type": "m.thread",
                "event_id": root,
                "is_falling_back": true,
                "m.in_reply_to": { "event_id": root },
            });
        }
        let call =
            Call::new(Method::PUT, url).authorization("Bearer", self.token.reveal()).json(&body);
        let mut answer = delivery.send(call).await?;
        let json = answer.json();
        if answer.status.is_success() {
            return Ok(Receipt { thread: json["event_id"].as_str().map(str::to_owned) });
        }
        answer.wait(json["retry_after_ms"].as_f64().map(|ms| ms / 1_000.0));
        let code = json["errcode"].as_str().unwrap_or_default();
        let advice = match code {
            "M_UNKNOWN_TOKEN" | "M_MISSING_TOKEN" => "the token is not valid: log in again",
            "M_FORBIDDEN" => "invite the account to the room and let it join and write",
            "M_NOT_FOUND" => "check the room's id",
            "M_USER_DEACTIVATED" => "the account was deactivated: use another one",
            "M_TOO_LARGE" => "the message is too long for the server",
            _ => "",
        };
        let words = json["error"].as_str().unwrap_or(&answer.text);
        let words = if code.is_empty() { words.to_owned() } else { format!("{code}, {words}") };
        Err(answer.error(&words, advice))
    }
}

fn formatted(message: &Message, acknowledge: Option<String>) -> String {
    let mut text = format!(
        "<h4>{} {}</h4><p>{}</p>",
        message.severity.sign(),
        html(&cut_bytes(&message.title, 500)),
        html(&cut_bytes(&message.headline, 3_000))
    );
    let links = [("Acknowledge", acknowledge), ("Open the incident", message.link.clone())];
    let links: Vec<String> = links
        .into_iter()
        .filter_map(|(words, url)| Some((words, url?)))
        .map(|(words, url)| format!("<a href=\"{}\">{words}</a>", html(&url)))
        .collect();
    if !links.is_empty() {
        text.push_str(&format!("<p>{}</p>", links.join(" · ")));
    }
    let mut add = |part: String| {
        if text.len() + part.len() <= HTML_MAX_BYTES {
            text.push_str(&part);
        }
    };
    for line in message.lines() {
        add(format!("<p>{}</p>", html(&line)));
    }
    let facts: String = message
        .facts
        .iter()
        .map(|(label, value)| {
            format!("<li>{}: {}</li>", html(label), html(&cut_bytes(value, 2_000)))
        })
        .collect();
    if !facts.is_empty() {
        add(format!("<ul>{facts}</ul>"));
    }
    for step in message.fix.iter().chain(&message.confirm) {
        let command = step.command.as_deref().map(|c| format!("<pre>{}</pre>", html(c)));
        add(format!("<p>{}</p>{}", html(&step.text), command.unwrap_or_default()));
    }
    text
}
