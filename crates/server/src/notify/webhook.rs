//! Standard Webhooks (<https://www.standardwebhooks.com>, specification 1.0): the notice's body as
//! JSON, with id, time and signature in headers.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use hyper::header::{CONTENT_TYPE, HeaderName};
use jiff::Timestamp;
use sha2::Sha256;
use whydown_core::notice::Notice;

use super::https::{Client, Post};
use super::{DeliveryError, quote};
use crate::channel::Webhook;
use crate::secret::Secret;

const ID: HeaderName = HeaderName::from_static("webhook-id");
const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");
/// Before a key in base64.
const KEY_PREFIX: &str = "whsec_";

/// Posts a notice. Every attempt has the same `webhook-id`: the dedup key.
pub(super) async fn deliver(
    client: &Client,
    webhook: &Webhook,
    notice: &Notice,
    now: Timestamp,
) -> Result<(), DeliveryError> {
    let body = serde_json::to_string(&notice.body)
        .map_err(|error| DeliveryError::lasting(quote(&error.to_string())))?;
    let seconds = now.as_second();
    let mut headers = vec![
        (CONTENT_TYPE, "application/json".to_owned()),
        (ID, notice.key.clone()),
        (TIMESTAMP, seconds.to_string()),
    ];
    if let Some(secret) = &webhook.secret {
        headers.push((SIGNATURE, signature(secret, &notice.key, seconds, &body)?));
    }
    let post = Post { url: webhook.url.reveal(), headers, body: body.into_bytes() };
    client.post(post).await
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
