//! Vonage: short messages (<https://developer.vonage.com/en/api/sms>) and calls that take a key
//! press (<https://developer.vonage.com/en/api/voice>, NCCO actions `talk` and `input`).

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::https::{Answer, Call};
use super::sms::{is_gsm, listed, short};
use super::voice::{PRESS, words};
use super::{Delivery, DeliveryError, Means, Receipt, Wrong};
use crate::channel::{Address, Phone, settings};
use crate::secret::Secret;

const SMS_API: &str = "https://rest.nexmo.com/";
const VOICE_API: &str = "https://api.nexmo.com/";
/// How long a token for one request is good.
const TOKEN_LIFE_S: i64 = 300;
/// The last segment of the address that Vonage calls when a key was pressed.
pub(crate) const CALLBACK: &str = "vonage";

settings! {
    /// A short message by Vonage (Nexmo), at most two segments long.
    VonageSms {
        /// The API key.
        key: String = "abcd1234",
        /// The API secret.
        secret: Secret = "${VONAGE_SECRET}",
        /// A number of yours, or a name of up to 11 letters where that is allowed.
        from: String = "whydown",
        /// The numbers, each with its country code.
        to: Vec<Phone> = "+4915123456789",
        /// Default: https://rest.nexmo.com/.
        api_base: Option<Address> = "https://rest.nexmo.com/",
    }
}

settings! {
    /// A voice call by Vonage (Nexmo): it reads the verdict aloud and takes "press 1 to
    /// acknowledge" when base_url is an address that Vonage reaches.
    VonageCall {
        /// The application's id.
        application: String = "78d335fa-323d-0114-9c3d-d6f0d48968cf",
        /// The application's private key: the text of private.key.
        private_key: PrivateKey = "${VONAGE_PRIVATE_KEY}",
        /// A number that is linked to the application.
        from: Phone = "+14155550101",
        /// The numbers, each with its country code.
        to: Vec<Phone> = "+4915123456789",
        /// The account's signature secret: what Vonage calls here is verified with it.
        signature_secret: Option<Secret> = "${VONAGE_SIGNATURE_SECRET}",
        /// Default: https://api.nexmo.com/.
        api_base: Option<Address> = "https://api.nexmo.com/",
    }
}

/// A key of several lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrivateKey(Secret);

impl crate::channel::Setting for PrivateKey {
    const SHAPE: crate::channel::Shape = crate::channel::Shape::LongSecret;

    fn read(
        node: &crate::config::Node,
        path: &str,
        problems: &mut crate::config::Problems,
    ) -> Option<Self> {
        <Secret as crate::channel::Setting>::read(node, path, problems).map(Self)
    }

    fn stored(&self) -> Value {
        self.0.reveal().into()
    }

    fn shown(&self) -> Value {
        crate::secret::MASK.into()
    }

    fn hide(&self, texts: &mut Vec<String>) {
        texts.push(self.0.reveal().to_owned());
    }
}

impl PrivateKey {
    fn pair(&self) -> Option<RsaKeyPair> {
        // An environment variable may hold it on one line.
        let pem = self.0.reveal().replace("\\n", "\n");
        match PrivateKeyDer::from_pem_slice(pem.as_bytes()).ok()? {
            PrivateKeyDer::Pkcs8(key) => RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()).ok(),
            PrivateKeyDer::Pkcs1(key) => RsaKeyPair::from_der(key.secret_pkcs1_der()).ok(),
            _ => None,
        }
    }
}

impl Means for VonageSms {
    fn at(&self) -> String {
        self.api_base.as_ref().map_or_else(|| "rest.nexmo.com".to_owned(), Address::host)
    }

    fn reaches(&self) -> String {
        format!("{} over Vonage", listed(&self.to))
    }

    async fn deliver(&self, delivery: &Delivery<'_>) -> Result<Receipt, DeliveryError> {
        let text = short(delivery);
        let kind = if is_gsm(&text) { "text" } else { "unicode" };
        let url = super::endpoint(self.api_base.as_ref(), SMS_API, "sms/json")?;
        let mut round = delivery.round();
        for to in round.left(&self.to) {
            let form = [
                ("api_key", self.key.as_str()),
                ("api_secret", self.secret.reveal()),
                ("from", self.from.as_str()),
                ("to", to.digits()),
                ("text", text.as_str()),
                ("type", kind),
            ];
            let sent = delivery.send(Call::post(url.clone()).form(&form)).await;
            round.note(to, sent.and_then(|answer| judge_sms(&answer)));
        }
        round.end()
    }
}

/// Vonage answers 200 also to what it refuses
/// (<https://developer.vonage.com/en/messaging/sms/guides/troubleshooting-sms>).
fn judge_sms(answer: &Answer) -> Result<(), DeliveryError> {
    answer.judge()?;
    let json = answer.json();
    let parts = json["messages"].as_array().cloned().unwrap_or_default();
    let Some(bad) = parts.iter().find(|part| part["status"] != "0") else {
        if parts.is_empty() {
            return Err(answer.error_that(true, "no message in the answer", ""));
        }
        return Ok(());
    };
    let status = bad["status"].as_str().unwrap_or("?");
    let (passes, advice) = match status {
        "1" => (true, "Vonage takes no more at the moment"),
        "5" => (true, ""),
        "4" => (false, "check key and secret"),
        "6" | "3" => (false, "check the number: country code and digits"),
        "7" => (false, "the number is blocked at Vonage"),
        "9" => (false, "the account has no credit left"),
        "15" => (false, "this sender is not allowed there: check from"),
        "29" => (false, "a trial account reaches numbers on its list only"),
        _ => (false, ""),
    };
    let words = format!("status {status}, {}", bad["error-text"].as_str().unwrap_or_default());
    Err(answer.error_that(passes, &words, advice))
}

impl Means for VonageCall {
    fn at(&self) -> String {
        self.api_base.as_ref().map_or_else(|| "api.nexmo.com".to_owned(), Address::host)
    }

    fn reaches(&self) -> String {
        format!("{} over Vonage", listed(&self.to))
    }

    fn check(&self) -> Result<(), Wrong> {
        if self.private_key.pair().is_some() {
            return Ok(());
        }
        let message = "this is not an RSA private key".to_owned();
        Err(("private_key", message, "copy all of private.key, with its first and last line"))
    }

    async fn deliver(&self, delivery: &Delivery<'_>) -> Result<Receipt, DeliveryError> {
        let ncco = ncco(delivery);
        let url = super::endpoint(self.api_base.as_ref(), VOICE_API, "v1/calls")?;
        let mut round = delivery.round();
        for to in round.left(&self.to) {
            // A token is good for one request.
            let token = self.token(delivery.now)?;
            let body = json!({
                "to": [{ "type": "phone", "number": to.digits() }],
                "from": { "type": "phone", "number": self.from.digits() },
                "ncco": ncco,
            });
            let call = Call::post(url.clone()).authorization("Bearer", &token).json(&body);
            round.note(to, delivery.send(call).await.and_then(|answer| judge_call(&answer)));
        }
        round.end()
    }
}

impl VonageCall {
    /// A JSON Web Token for one request (RFC 7519, RS256).
    fn token(&self, now: Timestamp) -> Result<String, DeliveryError> {
        let unusable = || DeliveryError::lasting("the private key cannot sign");
        let pair = self.private_key.pair().ok_or_else(unusable)?;
        let mut id = [0_u8; 16];
        getrandom::fill(&mut id).map_err(|error| DeliveryError::passing(error.to_string()))?;
        let claims = json!({
            "application_id": self.application,
            "iat": now.as_second(),
            "exp": now.as_second() + TOKEN_LIFE_S,
            "jti": BASE64_URL_SAFE_NO_PAD.encode(id),
        });
        let head =
            BASE64_URL_SAFE_NO_PAD.encode(json!({ "alg": "RS256", "typ": "JWT" }).to_string());
        let signed = format!("{head}.{}", BASE64_URL_SAFE_NO_PAD.encode(claims.to_string()));
        let mut signature = vec![0; pair.public_modulus_len()];
        let random = SystemRandom::new();
        pair.sign(&RSA_PKCS1_SHA256, &random, signed.as_bytes(), &mut signature)
            .map_err(|_| unusable())?;
        Ok(format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature)))
    }
}

/// What the call does.
fn ncco(delivery: &Delivery<'_>) -> Value {
    let words = words(delivery);
    let talk = |text: String| json!({ "action": "talk", "text": text, "language": "en-US" });
    match delivery.callback(CALLBACK) {
        Some(url) => json!([
            json!({ "action": "talk", "text": format!("{words} {PRESS}"), "language": "en-US",
                    "bargeIn": true }),
            {
                "action": "input",
                "type": ["dtmf"],
                "dtmf": { "maxDigits": 1, "timeOut": 10 },
                "eventUrl": [url],
                "eventMethod": "POST",
            },
        ]),
        None => json!([talk(words.clone()), talk(words)]),
    }
}

/// What Vonage does after a key was pressed.
pub(crate) fn goodbye(words: &str) -> Value {
    json!([{ "action": "talk", "text": words, "language": "en-US" }])
}

fn judge_call(answer: &Answer) -> Result<(), DeliveryError> {
    if answer.status.is_success() {
        return Ok(());
    }
    let json = answer.json();
    let words = ["detail", "title", "error_title"].iter().find_map(|key| json[key].as_str());
    let advice = match answer.status.as_u16() {
        401 => "check application and private_key",
        403 => "the application may not call there",
        400 => "check the numbers: country code and digits",
        _ => "",
    };
    Err(answer.error(words.unwrap_or(&answer.text), advice))
}

/// Is a request really Vonage's? A JSON Web Token by HMAC-SHA256 that names the body's SHA-256
/// (<https://developer.vonage.com/en/getting-started/concepts/webhooks#decoding-signed-webhooks>).
pub(crate) fn verifies(secret: &Secret, token: &str, body: &[u8], now: Timestamp) -> bool {
    let Some((signed, signature)) = token.rsplit_once('.') else { return false };
    let Some((head, claims)) = signed.split_once('.') else { return false };
    let json = |part: &str| -> Option<Value> {
        serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part).ok()?).ok()
    };
    let (Some(head), Some(claims)) = (json(head), json(claims)) else { return false };
    let Ok(signature) = BASE64_URL_SAFE_NO_PAD.decode(signature) else { return false };
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.reveal().as_bytes()) else {
        return false;
    };
    mac.update(signed.as_bytes());
    let hash: String = Sha256::digest(body).iter().map(|byte| format!("{byte:02x}")).collect();
    let issued = claims["iat"].as_i64().unwrap_or_default();
    head["alg"] == "HS256"
        && mac.verify_slice(&signature).is_ok()
        && claims["payload_hash"].as_str() == Some(hash.as_str())
        && now.as_second().abs_diff(issued) <= TOKEN_LIFE_S.unsigned_abs()
}
