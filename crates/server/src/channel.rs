//! A channel: a named way to reach somebody. What is sent over it, and how, is
//! [`notify`](crate::notify)'s business.

use serde::Serialize;
use serde_json::json;

use crate::secret::Secret;

/// A named way to reach somebody. As JSON it shows no secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Channel {
    /// Unique; monitors name it under `notify`.
    pub name: String,
    /// Which kind, with its settings.
    #[serde(flatten)]
    pub kind: ChannelKind,
}

/// Every kind of channel; the same words are the keys in configuration and API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ChannelKind {
    /// A signed HTTP POST (Standard Webhooks).
    Webhook(Webhook),
    /// A mail over SMTP.
    Email(Email),
}

impl ChannelKind {
    /// The word used as the key in configuration and API.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Webhook(_) => "webhook",
            Self::Email(_) => "email",
        }
    }
}

impl ChannelKind {
    /// Where it goes, for messages.
    pub(crate) fn at(&self) -> String {
        match self {
            Self::Webhook(webhook) => webhook.url.to_string(),
            Self::Email(email) => email.smtp.to_string(),
        }
    }
}

impl Channel {
    /// As JSON with its secrets, in the form that [`config::channel`](crate::config::channel)
    /// reads: for the store, never for a message.
    pub(crate) fn to_stored(&self) -> serde_json::Value {
        let kind = match &self.kind {
            ChannelKind::Webhook(webhook) => json!({
                "url": webhook.url.reveal().as_str(),
                "secret": webhook.secret.as_ref().map(Secret::reveal),
            }),
            ChannelKind::Email(email) => json!({
                "smtp": email.smtp.to_string(),
                "from": email.from,
                "to": email.to,
                "username": email.username,
                "password": email.password.as_ref().map(Secret::reveal),
                "require_tls": email.require_tls,
            }),
        };
        json!({ "name": self.name, self.kind.name(): kind })
    }
}

/// Where and how a webhook is posted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Webhook {
    /// `http://` or `https://`. Its path often is the password, so it is shown cut.
    #[serde(serialize_with = "show_address")]
    pub url: Address,
    /// The signing key: `whsec_` and base64, or any text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<Secret>,
}

/// How mail is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Email {
    /// The mail server.
    #[serde(serialize_with = "show_smtp")]
    pub smtp: Smtp,
    /// The sender's mailbox.
    pub from: String,
    /// The recipients' mailboxes.
    pub to: Vec<String>,
    /// Account name at the mail server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// Its password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<Secret>,
    /// Send nothing unless the connection is encrypted.
    pub require_tls: bool,
}

/// A mail server: `smtp://host:587` (STARTTLS) or `smtps://host:465` (TLS from the start).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Smtp {
    /// TLS from the first byte (RFC 8314).
    pub implicit_tls: bool,
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: u16,
}

impl std::fmt::Display for Smtp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scheme = if self.implicit_tls { "smtps" } else { "smtp" };
        let host =
            if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        write!(f, "{scheme}://{host}:{}", self.port)
    }
}

/// A web address whose path and query are not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Address(url::Url);

impl Address {
    /// Wraps a checked `http` or `https` URL.
    #[must_use]
    pub fn new(url: url::Url) -> Self {
        Self(url)
    }

    /// The whole address: for the wire and the store, never for a message.
    #[must_use]
    pub fn reveal(&self) -> &url::Url {
        &self.0
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let origin = self.0.origin().ascii_serialization();
        let hidden = self.0.path() != "/" || self.0.query().is_some();
        write!(f, "{origin}/{}", if hidden { "***" } else { "" })
    }
}

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

fn show_address<S: serde::Serializer>(address: &Address, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(address)
}

fn show_smtp<S: serde::Serializer>(smtp: &Smtp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(smtp)
}
