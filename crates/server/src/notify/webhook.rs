//! Standard Webhooks (<https://www.standardwebhooks.com>, specification 1.0): the notice's body as
//! JSON, or what a template makes of it, with id, time and signature in headers.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use hyper::header::HeaderName;
use sha2::Sha256;

use super::https::Call;
use super::markup::plain;
use super::{Delivery, DeliveryError, Means, Receipt, Wrong, quote};
use crate::channel::{Address, Escape, SecretMap, Template, settings};
use crate::secret::Secret;

const ID: HeaderName = HeaderName::from_static("webhook-id");
const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");
/// Before a key in base64.
const KEY_PREFIX: &str = "whsec_";
/// Longest `{{text}}`, in characters.
const TEXT_MAX: usize = 8_000;

settings! {
    /// A signed HTTP POST (Standard Webhooks) for programs of your own, and for every service
    /// that takes a POST.
    Webhook {
        /// http:// or https://.
        url: Address = "https://hooks.example.com/x",
        /// The signing key: whsec_ and base64, or any text.
        secret: Option<Secret> = "${HOOK_SECRET}",
        /// Headers that are sent besides.
        headers: Option<SecretMap> = "{ Authorization: \"Bearer ${TOKEN}\" }",
        /// The body instead of the notice as JSON, with {{title}}, {{headline}}, {{link}} and so
        /// on.
        template: Option<Template> = "{\"text\": \"{{headline}}\"}",
        /// The kind of the template's body. Default: application/json.
        content_type: Option<String> = "application/json",
    }
}

impl Means for Webhook {
    fn at(&self) -> String {
        self.url.to_string()
    }

    fn check(&self) -> Result<(), Wrong> {
        if self.secret.as_ref().is_some_and(|secret| !usable_key(secret)) {
            let message = "what follows whsec_ is not base64".to_owned();
            let hint = "copy the whole key, or use any text that does not begin with whsec_";
            return Err(("secret", message, hint));
        }
        Ok(())
    }

    /// Every attempt has the same `webhook-id`: the dedup key.
    async fn deliver(&self, delivery: &Delivery<'_>) -> Result<Receipt, DeliveryError> {
        let notice = delivery.notice;
        let kind = self.content_type.as_deref().unwrap_or("application/json");
        let body = match &self.template {
            Some(template) => fill(template, escape_of(kind), delivery, "", ""),
            None => serde_json::to_string(&notice.body)
                .map_err(|error| DeliveryError::lasting(quote(&error.to_string())))?,
        };
        let seconds = delivery.now.as_second();
        let mut call = Call::post(self.url.url().clone())
            .header(ID, &notice.key)
            .header(TIMESTAMP, seconds.to_string());
        if let Some(secret) = &self.secret {
            let signature = signature(secret, &notice.key, seconds, &body)?;
            call = call.header(SIGNATURE, signature);
        }
        call = with_headers(call.body(kind, body), self.headers.as_ref())?;
        delivery.send(call).await?.judge()?;
        Ok(Receipt::default())
    }
}

/// Adds headers of the configuration.
pub(super) fn with_headers(
    mut call: Call,
    headers: Option<&SecretMap>,
) -> Result<Call, DeliveryError> {
    for (name, value) in headers.into_iter().flat_map(|headers| &headers.0) {
        let unusable = |_| DeliveryError::lasting(format!("{name:?} is no header's name"));
        let name = HeaderName::try_from(name.as_str()).map_err(unusable)?;
        call = call.header(name, value.reveal());
    }
    Ok(call)
}

/// How values are escaped in a body of that kind.
pub(super) fn escape_of(kind: &str) -> Escape {
    let kind = kind.split(';').next().unwrap_or_default().trim();
    match kind {
        "application/x-www-form-urlencoded" => Escape::Url,
        _ if kind == "application/json" || kind.ends_with("+json") => Escape::Json,
        _ => Escape::None,
    }
}

/// Fills a template with what a notice says.
pub(super) fn fill(
    template: &Template,
    escape: Escape,
    delivery: &Delivery<'_>,
    to: &str,
    secret: &str,
) -> String {
    fill_with(template, escape, delivery, &|name| match name {
        "to" => Some(to.to_owned()),
        "secret" => Some(secret.to_owned()),
        _ => None,
    })
}

/// The same with other values for some names.
pub(super) fn fill_with(
    template: &Template,
    escape: Escape,
    delivery: &Delivery<'_>,
    other: &dyn Fn(&str) -> Option<String>,
) -> String {
    let (message, body) = (&delivery.message, &delivery.notice.body);
    let diagnosis = &body.diagnosis;
    let cause = diagnosis.causes.first();
    let value = |name: &str| match name {
        "event" => body.event.name().to_owned(),
        "state" => diagnosis.state.name().to_owned(),
        "severity" => format!("{:?}", message.severity).to_lowercase(),
        "title" => message.title.clone(),
        "headline" => message.headline.clone(),
        "summary" => message.summary.clone(),
        "monitor" => whydown_core::notice::message::clean(&body.monitor.name),
        "target" => whydown_core::notice::message::clean(&body.monitor.target),
        "failure" => diagnosis.failure.map(|failure| failure.code().to_owned()).unwrap_or_default(),
        "cause" => cause.map(|cause| cause.code.code().to_owned()).unwrap_or_default(),
        "side" => cause.map(|cause| cause.side.name().to_owned()).unwrap_or_default(),
        "scope" => serde_json::to_value(diagnosis.scope.kind)
            .ok()
            .and_then(|kind| kind.as_str().map(str::to_owned))
            .unwrap_or_default(),
        "started_at" => body.incident.started_at.to_string(),
        "incident" => body.incident.id.clone(),
        "link" => message.link.clone().unwrap_or_default(),
        "acknowledge" => delivery.acknowledge_page().unwrap_or_default(),
        "text" => plain(message, TEXT_MAX),
        "key" => delivery.notice.key.clone(),
        _ => String::new(),
    };
    template.fill(escape, &|name| other(name).unwrap_or_else(|| value(name)))
}

/// `v1,` and the base64 of HMAC-SHA256 over `id.timestamp.body`.
fn signature(secret: &Secret, id: &str, seconds: i64, body: &str) -> Result<String, DeliveryError> {
    let unusable = || DeliveryError::lasting("the webhook's secret cannot be used as a key");
    let mut mac = Hmac::<Sha256>::new_from_slice(&key(secret)).map_err(|_| unusable())?;
    mac.update(format!("{id}.{seconds}.{body}").as_bytes());
    Ok(format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes())))
}

/// `whsec_` and base64 is decoded; any other text is the key itself.
fn key(secret: &Secret) -> Vec<u8> {
    let text = secret.reveal();
    let decoded = text.strip_prefix(KEY_PREFIX).and_then(|text| BASE64_STANDARD.decode(text).ok());
    decoded.unwrap_or_else(|| text.as_bytes().to_vec())
}

fn usable_key(secret: &Secret) -> bool {
    let base64 = secret.reveal().strip_prefix(KEY_PREFIX);
    base64.is_none_or(|text| BASE64_STANDARD.decode(text).is_ok())
}
