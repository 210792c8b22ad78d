//! What a short message says, in at most two segments, and the gateway of one's own that sends it
//! (3GPP TS 23.038: 160 characters of the GSM alphabet or 70 UTF-16 units, in several segments
//! 153 and 67).

use super::https::Call;
use super::webhook::{escape_of, fill_with, with_headers};
use super::{Delivery, DeliveryError, Means, Receipt};
use crate::channel::{Address, Escape, Phone, SecretMap, Template, choice, settings};
use crate::secret::Secret;

/// Segments of one message at most: each is paid for.
pub(super) const SEGMENTS_MAX: usize = 2;
/// More characters fit into no two segments.
const CHARS_MAX: usize = 320;
/// A longer link would leave no room for words.
const LINK_MAX: usize = 110;
/// The GSM 7-bit default alphabet, letters and digits left out.
const GSM: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./:;<=>?¡ÄÖÑÜ§¿äöñüà";
/// Its extension: two places each.
const GSM_TWICE: &str = "^{}\\[~]|€";

settings! {
    /// A short message by a gateway of your own: any HTTP request, with the number and the text
    /// filled in.
    SmsGateway {
        /// The address; {{to}}, {{text}} and {{secret}} are filled in.
        url: Address = "https://sms.example.com/send",
        /// The numbers, each in a request of its own.
        to: Vec<Phone> = "+4915123456789",
        /// Default: POST.
        method: Option<Method> = "POST",
        /// Headers that are sent besides.
        headers: Option<SecretMap> = "{ Authorization: \"Bearer ${TOKEN}\" }",
        /// The body, with {{to}}, {{text}}, {{key}} and {{secret}} filled in.
        /// Default: {"to":"{{to}}","text":"{{text}}"}.
        body: Option<Template> = "to={{to}}&text={{text}}&apikey={{secret}}",
        /// The body's kind; values are escaped for it. Default: application/json.
        content_type: Option<String> = "application/x-www-form-urlencoded",
        /// What {{secret}} stands for.
        secret: Option<Secret> = "${SMS_KEY}",
    }
}

choice! {
    /// How a gateway is asked.
    Method {
        /// With a body.
        Post = "POST",
        /// With a body.
        Put = "PUT",
        /// Without a body.
        Get = "GET",
    }
}

impl Means for SmsGateway {
    fn at(&self) -> String {
        self.url.to_string()
    }

    fn reaches(&self) -> String {
        format!("{} over {}", listed(&self.to), self.url)
    }

    async fn deliver(&self, delivery: &Delivery<'_>) -> Result<Receipt, DeliveryError> {
        let text = short(delivery);
        let request = Gateway {
            url: &self.url,
            method: self.method,
            headers: self.headers.as_ref(),
            body: self.body.as_ref(),
            content_type: self.content_type.as_deref(),
            secret: self.secret.as_ref(),
        };
        let mut round = delivery.round();
        for to in round.left(&self.to) {
            round.note(to, request.send(delivery, to.reveal(), &text).await);
        }
        round.end()
    }
}

/// A request to a gateway, for texts and calls alike.
pub(super) struct Gateway<'a> {
    pub(super) url: &'a Address,
    pub(super) method: Option<Method>,
    pub(super) headers: Option<&'a SecretMap>,
    pub(super) body: Option<&'a Template>,
    pub(super) content_type: Option<&'a str>,
    pub(super) secret: Option<&'a Secret>,
}

impl Gateway<'_> {
    pub(super) async fn send(
        &self,
        delivery: &Delivery<'_>,
        to: &str,
        text: &str,
    ) -> Result<(), DeliveryError> {
        let secret = self.secret.map(Secret::reveal).unwrap_or_default();
        let value = |name: &str| match name {
            "to" => Some(to.to_owned()),
            "text" => Some(text.to_owned()),
            "secret" => Some(secret.to_owned()),
            _ => None,
        };
        let method = match self.method {
            Some(Method::Get) => hyper::Method::GET,
            Some(Method::Put) => hyper::Method::PUT,
            Some(Method::Post) | None => hyper::Method::POST,
        };
        let has_body = method != hyper::Method::GET;
        let mut call = Call::new(method, self.filled_url(delivery, &value)?);
        if has_body {
            let kind = self.content_type.unwrap_or("application/json");
            let body = match self.body {
                Some(template) => fill_with(template, escape_of(kind), delivery, &value),
                None => serde_json::json!({ "to": to, "text": text }).to_string(),
            };
            call = call.body(kind, body);
        }
        let call = with_headers(call, self.headers)?;
        delivery.send(call).await?.judge()
    }

    /// Braces in an address are percent-encoded when it is parsed.
    fn filled_url(
        &self,
        delivery: &Delivery<'_>,
        value: &dyn Fn(&str) -> Option<String>,
    ) -> Result<url::Url, DeliveryError> {
        let unusable = |what: &str| DeliveryError::lasting(format!("the gateway's url: {what}"));
        let written = self.url.reveal().replace("%7B", "{").replace("%7D", "}");
        if !written.contains("{{") {
            return Ok(self.url.url().clone());
        }
        let template = Template::parse(&written).map_err(|error| unusable(&error))?;
        let filled = fill_with(&template, Escape::Url, delivery, value);
        url::Url::parse(&filled).map_err(|error| unusable(&error.to_string()))
    }
}

/// Numbers for people: the last digits are enough to recognise one's own.
pub(super) fn listed(numbers: &[Phone]) -> String {
    let numbers: Vec<String> = numbers
        .iter()
        .map(|number| {
            let number = number.reveal();
            let (head, tail) = (number.get(..3), number.get(number.len().saturating_sub(3)..));
            format!("{}…{}", head.unwrap_or_default(), tail.unwrap_or_default())
        })
        .collect();
    numbers.join(", ")
}

/// The text of a short message: the headline, cut so that it and the link fit.
pub(super) fn short(delivery: &Delivery<'_>) -> String {
    let link = delivery.acknowledge_page().or_else(|| delivery.message.link.clone());
    fit(&delivery.message.headline, link.as_deref())
}

fn fit(headline: &str, link: Option<&str>) -> String {
    let headline: String = plain_letters(headline).chars().take(CHARS_MAX).collect();
    let link = link.filter(|link| link.len() <= LINK_MAX).map(|link| format!("\n{link}"));
    let link = link.unwrap_or_default();
    let whole = format!("{headline}{link}");
    if segments(&whole) <= SEGMENTS_MAX {
        return whole;
    }
    let rest = "...";
    let mut words: Vec<char> = headline.chars().collect();
    loop {
        let cut: String = words.iter().collect();
        let text = format!("{}{rest}{link}", cut.trim_end());
        if segments(&text) <= SEGMENTS_MAX || words.pop().is_none() {
            return text;
        }
    }
}

/// Typographic marks as those of the GSM alphabet, since a single other one halves the room.
fn plain_letters(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '…' => plain.push_str("..."),
            '–' | '—' | '‐' | '‑' | '−' => plain.push('-'),
            '‘' | '’' | '‚' | '`' | '´' => plain.push('\''),
            '“' | '”' | '„' => plain.push('"'),
            '→' => plain.push_str("->"),
            '\u{a0}' | '\t' => plain.push(' '),
            '\u{2068}' | '\u{2069}' | '\u{2060}' => {}
            c => plain.push(c),
        }
    }
    plain
}

/// Places in the GSM alphabet; `None` when a character is not in it.
fn septets(text: &str) -> Option<usize> {
    text.chars().try_fold(0, |sum, c| match c {
        c if c.is_ascii_alphanumeric() || GSM.contains(c) => Some(sum + 1),
        c if GSM_TWICE.contains(c) => Some(sum + 2),
        _ => None,
    })
}

/// Can the text be sent in the GSM alphabet?
pub(super) fn is_gsm(text: &str) -> bool {
    septets(text).is_some()
}

/// How many messages a phone company makes of it.
fn segments(text: &str) -> usize {
    let (units, single, several) = match septets(text) {
        Some(septets) => (septets, 160, 153),
        None => (text.encode_utf16().count(), 70, 67),
    };
    if units <= single { 1 } else { units.div_ceil(several) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_counted_as_phone_companies_do() {
        for (text, count) in [
            ("a".repeat(160), 1),
            ("a".repeat(161), 2),
            ("a".repeat(306), 2),
            ("a".repeat(307), 3),
            ("€".repeat(80), 1),
            ("€".repeat(81), 2),
            ("ж".repeat(70), 1),
            ("ж".repeat(134), 2),
            ("ж".repeat(135), 3),
            ("😀".repeat(35), 1),
            ("😀".repeat(36), 2),
        ] {
            assert_eq!(segments(&text), count, "{text}");
        }
    }

    #[test]
    fn a_long_verdict_keeps_its_beginning_and_its_link() {
        let link = "https://up.example/incidents/abc";
        for word in ["shop is down … ", "лавка закрыта "] {
            let text = fit(&word.repeat(60), Some(link));
            assert!(text.ends_with(&format!("...\n{link}")), "{text}");
            assert_eq!(segments(&text), SEGMENTS_MAX);
        }
        assert_eq!(fit("shop – “down”", None), "shop - \"down\"");
        let without = fit(&"x".repeat(400), Some(&"y".repeat(300)));
        assert!(!without.contains('y'));
    }
}
