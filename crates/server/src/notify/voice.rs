//! What a call says, and the gateway of one's own that makes it.

use super::sms::{Gateway, Method, listed};
use super::{Delivery, DeliveryError, Means, Receipt};
use crate::channel::{Address, Phone, SecretMap, Template, settings};
use crate::secret::Secret;

/// Longest verdict that is read aloud, in characters: about 40 seconds.
const SPOKEN_MAX: usize = 600;

settings! {
    /// A voice call by a gateway of your own: any HTTP request, with the number and the words
    /// filled in.
    VoiceGateway {
        /// The address; {{to}}, {{text}} and {{secret}} are filled in.
        url: Address = "https://calls.example.com/call",
        /// The numbers, each in a request of its own.
        to: Vec<Phone> = "+4915123456789",
        /// Default: POST.
        method: Option<Method> = "POST",
        /// Headers that are sent besides.
        headers: Option<SecretMap> = "{ Authorization: \"Bearer ${TOKEN}\" }",
        /// The body, with {{to}}, {{text}}, {{acknowledge}} and {{secret}} filled in.
        /// Default: {"to":"{{to}}","text":"{{text}}"}.
        body: Option<Template> = "{\"number\":\"{{to}}\",\"say\":\"{{text}}\"}",
        /// The body's kind; values are escaped for it. Default: application/json.
        content_type: Option<String> = "application/json",
        /// What {{secret}} stands for.
        secret: Option<Secret> = "${CALL_KEY}",
    }
}

impl Means for VoiceGateway {
    fn at(&self) -> String {
        self.url.to_string()
    }

    fn reaches(&self) -> String {
        format!("{} over {}", listed(&self.to), self.url)
    }

    async fn deliver(&self, delivery: &Delivery<'_>) -> Result<Receipt, DeliveryError> {
        let words = words(delivery);
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
            round.note(to, request.send(delivery, to.reveal(), &words).await);
        }
        round.end()
    }
}

/// The verdict as it is read aloud.
pub(super) fn words(delivery: &Delivery<'_>) -> String {
    let spoken = super::markup::cut(&delivery.message.spoken(), SPOKEN_MAX);
    format!("This is whydown. {spoken}")
}

/// How a call asks for an acknowledgement.
pub(super) const PRESS: &str = "Press 1 to acknowledge.";

/// What is said after a key was pressed.
pub(crate) fn after_key(acknowledged: Result<(), &str>) -> String {
    match acknowledged {
        Ok(()) => "Acknowledged. Thank you, goodbye.".to_owned(),
        Err(why) => format!("Not acknowledged: {why}. Goodbye."),
    }
}
