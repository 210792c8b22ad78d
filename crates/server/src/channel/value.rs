//! What settings are made of: addresses, mailboxes, phone numbers, mail servers. Each is checked
//! when it is read, and nothing downstream checks again.

use std::collections::BTreeMap;
use std::fmt;

use crate::secret::Secret;

/// A part of an address shorter than this is no secret.
const SECRET_PART_MIN: usize = 8;

/// A web address whose path and query are not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Address(url::Url);

impl Address {
    /// Wraps a checked `http` or `https` URL.
    #[must_use]
    pub fn new(url: url::Url) -> Self {
        Self(url)
    }

    pub(super) fn parse(written: &str) -> Result<Self, String> {
        match url::Url::parse(written) {
            Ok(url) if !matches!(url.scheme(), "http" | "https") => {
                Err(format!("{}:// is not http:// or https://", url.scheme()))
            }
            Ok(url) if url.port() == Some(0) => Err("port 0 cannot be connected to".to_owned()),
            Ok(url) if !url.username().is_empty() || url.password().is_some() => {
                Err("an address with user name or password is not supported".to_owned())
            }
            Ok(url) => Ok(Self(url)),
            Err(error) => Err(format!("this is not a web address: {error}")),
        }
    }

    /// The whole address: for the wire and the store, never for a message.
    #[must_use]
    pub fn url(&self) -> &url::Url {
        &self.0
    }

    /// The same as text.
    #[must_use]
    pub fn reveal(&self) -> &str {
        self.0.as_str()
    }

    /// Host and port.
    #[must_use]
    pub fn host(&self) -> String {
        let host = self.0.host_str().unwrap_or_default();
        match self.0.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        }
    }

    /// Its parts that must not be seen.
    pub(crate) fn secrets(&self, texts: &mut Vec<String>) {
        let url = &self.0;
        let path = url.path().trim_start_matches('/');
        let whole = &url[url::Position::BeforePath..url::Position::AfterQuery];
        let mut parts = vec![whole.trim_start_matches('/').to_owned(), path.to_owned()];
        parts.extend(path.split('/').map(str::to_owned));
        parts.extend(url.query_pairs().map(|(_, value)| value.into_owned()));
        parts.retain(|part| part.len() >= SECRET_PART_MIN);
        texts.append(&mut parts);
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let origin = self.0.origin().ascii_serialization();
        let hidden = self.0.path() != "/" || self.0.query().is_some();
        write!(f, "{origin}/{}", if hidden { "***" } else { "" })
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text that is what it shows.
macro_rules! plain {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name(String);

        impl $name {
            /// As written.
            #[must_use]
            pub fn reveal(&self) -> &str {
                &self.0
            }

            /// Its parts that must not be seen.
    pub(crate) fn secrets(&self, _: &mut Vec<String>) {}
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

plain! {
    /// A mailbox: `ops@example.com` or `Ops <ops@example.com>`.
    Mailbox;
    /// A phone number: `+` and 7 to 15 digits (ITU-T E.164).
    Phone;
    /// A text with places to be filled in: `{{headline}}`.
    Template;
}

impl Mailbox {
    pub(super) fn parse(written: &str) -> Result<Self, String> {
        match written.parse::<lettre::message::Mailbox>() {
            Ok(_) => Ok(Self(written.to_owned())),
            Err(_) => Err(format!("{written:?} is not a mail address")),
        }
    }
}

impl Phone {
    pub(super) fn parse(written: &str) -> Result<Self, String> {
        let number: String =
            written.chars().filter(|c| !matches!(c, ' ' | '-' | '(' | ')' | '.' | '/')).collect();
        let digits = number.strip_prefix('+').unwrap_or_default();
        if (7..=15).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Ok(Self(number));
        }
        Err(format!("{written:?} is not a phone number with its country code"))
    }

    /// Without the plus sign, as some providers want it.
    #[must_use]
    pub fn digits(&self) -> &str {
        self.0.trim_start_matches('+')
    }
}

/// How a filled-in value is made harmless.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Escape {
    /// Inside of a JSON string.
    Json,
    /// In a query or a form.
    Url,
    /// As it is.
    None,
}

impl Template {
    /// The names that can stand between the braces.
    pub const NAMES: [&'static str; 20] = [
        "event",
        "state",
        "severity",
        "title",
        "headline",
        "summary",
        "monitor",
        "target",
        "failure",
        "cause",
        "side",
        "scope",
        "started_at",
        "incident",
        "link",
        "acknowledge",
        "text",
        "to",
        "secret",
        "key",
    ];

    pub(crate) fn parse(written: &str) -> Result<Self, String> {
        if written.is_empty() || written.len() > super::TEXT_MAX_BYTES {
            return Err(format!("empty or longer than {} bytes", super::TEXT_MAX_BYTES));
        }
        let mut rest = written;
        while let Some((_, after)) = rest.split_once("{{") {
            let Some((name, after)) = after.split_once("}}") else {
                return Err("{{ has no }}".to_owned());
            };
            if !Self::NAMES.contains(&name.trim()) {
                return Err(format!("{:?} is not known between {{{{ and }}}}", name.trim()));
            }
            rest = after;
        }
        Ok(Self(written.to_owned()))
    }

    /// Fills in.
    #[must_use]
    pub fn fill(&self, escape: Escape, value: &dyn Fn(&str) -> String) -> String {
        let mut filled = String::new();
        let mut rest = self.0.as_str();
        while let Some((before, after)) = rest.split_once("{{") {
            let Some((name, after)) = after.split_once("}}") else { break };
            filled.push_str(before);
            filled.push_str(&escaped(&value(name.trim()), escape));
            rest = after;
        }
        filled.push_str(rest);
        filled
    }
}

fn escaped(text: &str, escape: Escape) -> String {
    match escape {
        Escape::Json => {
            let quoted = serde_json::Value::from(text).to_string();
            quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default().to_owned()
        }
        Escape::Url => url::form_urlencoded::byte_serialize(text.as_bytes()).collect(),
        Escape::None => text.to_owned(),
    }
}

/// Names with values that nobody may see: headers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SecretMap(pub BTreeMap<String, Secret>);

/// A mail server: `smtp://host:587` (STARTTLS) or `smtps://host:465` (TLS from the start).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Smtp {
    /// TLS from the first byte (RFC 8314).
    pub implicit_tls: bool,
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    shown: String,
}

impl Smtp {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let url =
            url::Url::parse(text).map_err(|error| format!("this is not an address: {error}"))?;
        let implicit_tls = match url.scheme() {
            "smtp" => false,
            "smtps" => true,
            other => return Err(format!("{other}:// is not smtp:// or smtps://")),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err("the address holds a user name or password".to_owned());
        }
        if !matches!(url.path(), "" | "/") || url.query().is_some() {
            return Err("the address has a path".to_owned());
        }
        let host =
            url.host_str().filter(|host| !host.is_empty()).ok_or("the address has no host")?;
        let port = url.port().unwrap_or(if implicit_tls { 465 } else { 587 });
        if port == 0 {
            return Err("port 0 cannot be connected to".to_owned());
        }
        let shown = format!("{}://{host}:{port}", url.scheme());
        Ok(Self { implicit_tls, host: host.trim_matches(['[', ']']).to_owned(), port, shown })
    }

    /// As written, with its port.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.shown
    }

    /// Its parts that must not be seen.
    pub(crate) fn secrets(&self, _: &mut Vec<String>) {}
}

impl fmt::Display for Smtp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_phone_number_is_e_164_however_it_was_typed() {
        assert_eq!(Phone::parse("+49 (151) 234-56789").unwrap().reveal(), "+4915123456789");
        for wrong in ["0151 23456789", "+49", "+1234567890123456", "+49151x345678", ""] {
            Phone::parse(wrong).unwrap_err();
        }
    }

    #[test]
    fn what_is_filled_in_cannot_break_out() {
        let value = |_: &str| "a\"b\n&c</d>".to_owned();
        let template = Template::parse("{\"x\":\"{{ title }}\"}").unwrap();
        let filled = template.fill(Escape::Json, &value);
        let json: serde_json::Value = serde_json::from_str(&filled).unwrap();
        assert_eq!(json["x"], "a\"b\n&c</d>");
        let query = Template::parse("t={{title}}&u=1").unwrap().fill(Escape::Url, &value);
        assert_eq!(query, "t=a%22b%0A%26c%3C%2Fd%3E&u=1");
        Template::parse("{{nonsense}}").unwrap_err();
        Template::parse("{{title").unwrap_err();
    }

    #[test]
    fn long_parts_of_an_address_are_secrets() {
        let mut texts = Vec::new();
        let address =
            Address::parse("https://h.example/services/T000/abcdefgh1?k=12345678").unwrap();
        address.secrets(&mut texts);
        assert!(texts.contains(&"abcdefgh1".to_owned()) && texts.contains(&"12345678".to_owned()));
        assert_eq!(address.to_string(), "https://h.example/***");
    }
}
