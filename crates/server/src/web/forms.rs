//! Fields of a submitted form, also repeated ones, and the monitor form's way to the JSON that
//! configuration and API check.

use axum::extract::FromRequest;
use axum::extract::Request;
use axum::extract::rejection::BytesRejection;
use axum::response::{IntoResponse as _, Response};
use serde_json::{Map, Value, json};

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

/// The channel form as the JSON that configuration and API check.
pub(super) fn channel_value(fields: &Fields) -> Value {
    let mut kind = Map::new();
    let mut set = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            kind.insert(key.to_owned(), value);
        }
    };
    let text = |name: &str| fields.given(name).map(Value::from);
    let word = if fields.get("kind") == "email" { "email" } else { "webhook" };
    if word == "email" {
        let to: Vec<&str> = fields.get("to").split([',', '\n']).map(str::trim).collect();
        let to: Vec<&str> = to.into_iter().filter(|mailbox| !mailbox.is_empty()).collect();
        set("smtp", Some(Value::from(fields.get("smtp"))));
        set("from", Some(Value::from(fields.get("from"))));
        set("to", Some(json!(to)));
        set("username", text("username"));
        let password = Some(fields.exact("password")).filter(|password| !password.is_empty());
        set("password", password.map(Value::from));
    } else {
        set("url", Some(Value::from(fields.get("url"))));
        set("secret", text("secret"));
    }
    json!({ "name": fields.get("name"), word: kind })
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
            ("contains", "Add to basket\r\n\r\nCheckout\r\n"),
            ("notify", "ops"),
            ("notify", "mail"),
        ]));
        assert_eq!(patch["name"], "shop");
        assert_eq!(patch["confirm"], "two");
        assert_eq!(patch["interval"], Value::Null);
        assert_eq!(patch["expect"]["contains"], json!(["Add to basket", "Checkout"]));
        assert_eq!(patch["notify"], json!(["ops", "mail"]));
    }

    #[test]
    fn a_channel_holds_only_its_own_kind() {
        let value = channel_value(&fields(&[
            ("name", "mail"),
            ("kind", "email"),
            ("url", "https://ignored.example"),
            ("smtp", "smtp://mail.example:587"),
            ("from", "w@example.com"),
            ("to", "a@example.com, b@example.com"),
        ]));
        assert_eq!(value["email"]["to"], json!(["a@example.com", "b@example.com"]));
        assert!(value.get("webhook").is_none());
    }
}
