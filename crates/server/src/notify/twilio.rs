//! Twilio: short messages (<https://www.twilio.com/docs/messaging/api/message-resource>) and calls
//! that take a key press (<https://www.twilio.com/docs/voice/api/call-resource>,
//! <https://www.twilio.com/docs/voice/twiml/gather>).

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;

use super::https::{Answer, Call};
use super::markup::html;
use super::reply::same;
use super::sms::{listed, short};
use super::voice::{PRESS, words};
use super::{Delivery, DeliveryError, Means, Receipt, Wrong};
use crate::channel::{Address, Phone, settings};
use crate::secret::Secret;

const API: &str = "https://api.twilio.com/";
/// The last segment of the address that Twilio calls when a key was pressed.
pub(crate) const CALLBACK: &str = "twilio";

settings! {
    /// A short message by Twilio, at most two segments long.
    TwilioSms {
        /// The account's SID, AC….
        account: String = "AC0123456789abcdef0123456789abcdef",
        /// The account's auth token.
        token: Secret = "${TWILIO_TOKEN}",
        /// A number of yours, or a name where that is allowed.
        from: Option<String> = "+15005550006",
        /// Instead of from: a messaging service's SID, MG….
        messaging_service: Option<String> = "MG0123456789abcdef0123456789abcdef",
        /// The numbers, each with its country code.
        to: Vec<Phone> = "+4915123456789",
        /// Default: https://api.twilio.com/.
        api_base: Option<Address> = "https://api.twilio.com/",
    }
}

settings! {
    /// A voice call by Twilio: it reads the verdict aloud and takes "press 1 to acknowledge"
    /// when base_url is an address that Twilio reaches.
    TwilioCall {
        /// The account's SID, AC….
        account: String = "AC0123456789abcdef0123456789abcdef",
        /// The account's auth token; it also signs what Twilio calls here.
        token: Secret = "${TWILIO_TOKEN}",
        /// A number of yours.
        from: Phone = "+15005550006",
        /// The numbers, each with its country code.
        to: Vec<Phone> = "+4915123456789",
        /// Default: https://api.twilio.com/.
        api_base: Option<Address> = "https://api.twilio.com/",
    }
}

fn check_account(account: &str) -> Result<(), Wrong> {
    let rest = account.strip_prefix("AC").unwrap_or_default();
    if rest.len() == 32 && rest.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(());
    }
    let message = format!("{account:?} is not an account SID");
    Err(("account", message, "it begins with AC, has 34 characters and stands in the console"))
}

fn at(api_base: Option<&Address>) -> String {
    api_base.map_or_else(|| "api.twilio.com".to_owned(), Address::host)
}

fn request(
    (account, token): (&str, &Secret),
    base: Option<&Address>,
    resource: &str,
    form: &[(&str, &str)],
) -> Result<Call, DeliveryError> {
    let path = format!("2010-04-01/Accounts/{account}/{resource}.json");
    let url = super::endpoint(base, API, &path)?;
    Ok(Call::post(url).basic(account, token.reveal()).form(form))
}

impl Means for TwilioSms {
    fn at(&self) -> String {
        at(self.api_base.as_ref())
    }

    fn reaches(&self) -> String {
        format!("{} over Twilio", listed(&self.to))
    }

    fn check(&self) -> Result<(), Wrong> {
        check_account(&self.account)?;
        if self.from.is_some() == self.messaging_service.is_some() {
            let message = "one of from and messaging_service is needed".to_owned();
            return Err(("", message, "write for example from: \"+15005550006\""));
        }
        Ok(())
    }

    async fn deliver(&self, delivery: &Delivery<'_>) -> Result<Receipt, DeliveryError> {
        let text = short(delivery);
        let from = match (&self.from, &self.messaging_service) {
            (Some(from), _) => ("From", from.as_str()),
            (None, service) => ("MessagingServiceSid", service.as_deref().unwrap_or_default()),
        };
        let account = (self.account.as_str(), &self.token);
        let mut round = delivery.round();
        for to in round.left(&self.to) {
            let form = [("To", to.reveal()), from, ("Body", text.as_str())];
            let call = request(account, self.api_base.as_ref(), "Messages", &form)?;
            round.note(to, delivery.send(call).await.and_then(|answer| judge(&answer)));
        }
        round.end()
    }
}

impl Means for TwilioCall {
    fn at(&self) -> String {
        at(self.api_base.as_ref())
    }

    fn reaches(&self) -> String {
        format!("{} over Twilio", listed(&self.to))
    }

    fn check(&self) -> Result<(), Wrong> {
        check_account(&self.account)
    }

    async fn deliver(&self, delivery: &Delivery<'_>) -> Result<Receipt, DeliveryError> {
        let twiml = twiml(delivery);
        let account = (self.account.as_str(), &self.token);
        let mut round = delivery.round();
        for to in round.left(&self.to) {
            let from = ("From", self.from.reveal());
            let form = [("To", to.reveal()), from, ("Twiml", twiml.as_str())];
            let call = request(account, self.api_base.as_ref(), "Calls", &form)?;
            round.note(to, delivery.send(call).await.and_then(|answer| judge(&answer)));
        }
        round.end()
    }
}

/// What the call does; at most 4,000 characters, which the length of the words sees to.
fn twiml(delivery: &Delivery<'_>) -> String {
    let words = html(&words(delivery));
    let say = |words: &str| format!("<Say language=\"en-US\">{words}</Say>");
    match delivery.callback(CALLBACK) {
        Some(action) => {
            let gather = format!(
                "<Gather input=\"dtmf\" numDigits=\"1\" timeout=\"8\" method=\"POST\" \
                 action=\"{}\">{}</Gather>",
                html(&action),
                say(&format!("{words} {PRESS}"))
            );
            let end = say("No key was pressed. Goodbye.");
            format!("<Response>{gather}{gather}{end}</Response>")
        }
        None => format!("<Response>{}<Pause length=\"1\"/>{}</Response>", say(&words), say(&words)),
    }
}

/// What Twilio does after a key was pressed.
pub(crate) fn goodbye(words: &str) -> String {
    let words = html(words);
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <Response><Say language=\"en-US\">{words}</Say><Hangup/></Response>"
    )
}

/// <https://www.twilio.com/docs/api/errors>
fn judge(answer: &Answer) -> Result<(), DeliveryError> {
    if answer.status.is_success() {
        return Ok(());
    }
    let json = answer.json();
    let code = json["code"].as_u64().unwrap_or_default();
    let advice = match code {
        20_003 => "check account and token",
        20_404 => "check the account's SID",
        20_429 => "Twilio takes no more at the moment",
        21_211 | 21_217 | 21_401 => "check the number: + and country code",
        21_214 | 21_614 => "the number cannot take it: is it a landline?",
        21_408 | 21_215 => "allow this country in the console: Geo Permissions",
        21_212 | 21_606 | 21_659 | 21_660 | 21_210 => "from is not a number of this account",
        21_608 | 21_219 => "a trial account reaches verified numbers only",
        21_610 => "the owner has answered STOP: START brings it back",
        21_703 => "the messaging service has no number: add one",
        _ => "",
    };
    let words = match json["message"].as_str() {
        Some(words) => format!("error {code}, {words}"),
        None => answer.text.clone(),
    };
    let passes = answer.passes() || matches!(code, 20_429 | 14_107);
    Err(answer.error_that(passes, &words, advice))
}

/// Is a request really Twilio's? HMAC-SHA1 over the address and the sorted fields of the form
/// (<https://www.twilio.com/docs/usage/security#validating-requests>).
pub(crate) fn verifies(
    token: &Secret,
    url: &str,
    fields: &[(String, String)],
    signature: &str,
) -> bool {
    let mut sorted: Vec<&(String, String)> = fields.iter().collect();
    sorted.sort();
    let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(token.reveal().as_bytes()) else {
        return false;
    };
    mac.update(url.as_bytes());
    for (key, value) in sorted {
        mac.update(key.as_bytes());
        mac.update(value.as_bytes());
    }
    let expected = BASE64_STANDARD.encode(mac.finalize().into_bytes());
    same(expected.as_bytes(), signature.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of Twilio's own documentation.
    #[test]
    fn the_documented_signature_is_verified() {
        let token = Secret::new("12345");
        let url = "https://mycompany.com/myapp.php?foo=1&bar=2";
        let fields: Vec<(String, String)> = [
            ("Digits", "1234"),
            ("To", "+18005551212"),
            ("From", "+14158675310"),
            ("Caller", "+14158675310"),
            ("CallSid", "CA1234567890ABCDE"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .to_vec();
        assert!(verifies(&token, url, &fields, "GvWf1cFY/Q7PnoempGyD5oXAezc="));
        assert!(!verifies(&token, url, &fields, "GvWf1cFY/Q7PnoempGyD5oXAezd="));
        assert!(!verifies(&token, url, &[], "GvWf1cFY/Q7PnoempGyD5oXAezc="));
    }
}
