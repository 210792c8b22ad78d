//! Fields of a submitted form, also repeated ones, and the monitor form's way to the JSON that
//! configuration and API check.

use axum::extract::FromRequest;
use axum::extract::Request;
use axum::extract::rejection::BytesRejection;
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

use crate::channel::{Kind, Mark};

/// Fields of one form; what comes after is not read.
const FIELDS_MAX: usize = 500;

/// The fields of a submitted form, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Fields(Vec<(String, String)>);

impl Fields {
    /// The first field of that name, without blanks around it; empty when missing.
    pub(super) fn get(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(key, _)| key == name);
        found.map_or("", |(_, value)| value.trim())
    }

    /// The same, unless it is empty.
    pub(super) fn given(&self, name: &str) -> Option<&str> {
        Some(self.get(name)).filter(|value| !value.is_empty())
    }

    /// The first field of that name, exactly as typed (passwords).
    pub(super) fn exact(&self, name: &str) -> String {
        let found = self.0.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.clone()).unwrap_or_default()
    }

    /// All fields of that name.
    pub(super) fn all(&self, name: &str) -> Vec<String> {
        let found = self.0.iter().filter(|(key, value)| key == name && !value.is_empty());
        found.map(|(_, value)| value.clone()).collect()
    }

    /// The lines of a text area that are not empty.
    pub(super) fn lines(&self, name: &str) -> Vec<String> {
        let text = self.exact(name);
        text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect()
    }

    /// What stands between the commas or line ends of a field.
    pub(super) fn parts(&self, name: &str) -> Vec<String> {
        let text = self.exact(name);
        let parts = text.split([',', '\n']).map(str::trim).filter(|part| !part.is_empty());
        parts.map(str::to_owned).collect()
    }
}

impl<S: Send + Sync> FromRequest<S> for Fields {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let bytes = axum::body::Bytes::from_request(request, state).await;
        let bytes = bytes.map_err(BytesRejection::into_response)?;
        let pairs = url::form_urlencoded::parse(&bytes).into_owned().take(FIELDS_MAX);
        Ok(Self(pairs.collect()))
    }
}

/// A number where one was typed; otherwise the text, so that the check can name it.
fn number(text: &str) -> Value {
    text.parse::<u64>().map_or_else(|_| Value::from(text), Value::from)
}

/// The monitor form as a merge patch (RFC 7396): an empty field takes the setting away.
pub(super) fn monitor_patch(fields: &Fields) -> Value {
    let text = |name: &str| fields.given(name).map_or(Value::Null, Value::from);
    let count = |name: &str| fields.given(name).map_or(Value::Null, number);
    let list = |items: Vec<String>| if items.is_empty() { Value::Null } else { json!(items) };
    json!({
        "name": fields.get("name"),
        "target": fields.get("target"),
        "interval": text("interval"),
        "timeout": text("timeout"),
        "confirm": count("confirm"),
        "locations": list(fields.parts("locations")),
        "alert_when": text("alert_when"),
        "expect": {
            "status": text("status"),
            "contains": list(fields.lines("contains")),
            "not_contains": list(fields.lines("not_contains")),
            "latency": text("latency"),
            "certificate_days": count("certificate_days"),
        },
        "notify": list(fields.all("notify")),
    })
}

/// What every kind of channel can have besides its own settings.
pub(super) const TERMS: [&str; 3] = ["rate", "fallback", "fallback_after"];

/// The channel form as the JSON that configuration and API check.
pub(super) fn channel_value(kind: &Kind, fields: &Fields) -> Value {
    let mut settings = super::channel_form::settings_of(kind, fields);
    if let Mark::Provider(provider) = kind.mark {
        settings.insert("provider".to_owned(), provider.into());
    }
    let mut value = json!({ "name": fields.get("name"), kind.word: settings });
    for key in TERMS {
        let typed = fields.get(key);
        if !typed.is_empty() {
            value[key] = typed.parse::<u32>().map_or_else(|_| typed.into(), Value::from);
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pairs: &[(&str, &str)]) -> Fields {
        Fields(pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())
    }

    #[test]
    fn empty_fields_become_null_and_repeated_ones_a_list() {
        let patch = monitor_patch(&fields(&[
            ("name", " shop "),
            ("target", "https://shop.example"),
            ("confirm", "two"),
            ("locations", "fra1, region:eu,"),
            ("contains", "Add to basket\r\n\r\nCheckout\r\n"),
            ("notify", "ops"),
            ("notify", "mail"),
        ]));
        assert_eq!(patch["name"], "shop");
        assert_eq!(patch["confirm"], "two");
        assert_eq!(patch["interval"], Value::Null);
        assert_eq!(patch["locations"], json!(["fra1", "region:eu"]));
        assert_eq!(patch["expect"]["contains"], json!(["Add to basket", "Checkout"]));
        assert_eq!(patch["notify"], json!(["ops", "mail"]));
    }

    #[test]
    fn a_channel_holds_only_its_own_kind() {
        let form = fields(&[
            ("name", "mail"),
            ("url", "https://ignored.example"),
            ("smtp", "smtp://mail.example:587"),
            ("from", "w@example.com"),
            ("to", "a@example.com\r\nb@example.com"),
            ("require_tls", "true"),
        ]);
        let kind = |slug| crate::channel::KINDS.iter().find(|kind| kind.slug == slug).unwrap();
        let value = channel_value(kind("email"), &form);
        assert_eq!(value["email"]["to"], json!(["a@example.com", "b@example.com"]));
        assert_eq!(value["email"]["require_tls"], true);
        assert!(value.get("webhook").is_none() && value["email"].get("url").is_none());
        let value = channel_value(kind("sms-twilio"), &form);
        assert_eq!(value["sms"]["provider"], "twilio");
    }
}
