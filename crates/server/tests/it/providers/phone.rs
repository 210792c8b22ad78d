//! Twilio and Vonage as they are documented, and gateways of one's own.

use std::process::Command;
use std::sync::{Arc, LazyLock};

use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::fake::{Answer, Seen};
use super::shape::{Shape, form, list, may, must, text};
use super::{Provider, channel, lasting, limited, passing, play, usual};

const FORM: &str = "application/x-www-form-urlencoded";
const ACCOUNT: &str = "AC0123456789abcdef0123456789abcdef";

fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{password}")))
}

/// What phone companies make of a text (3GPP TS 23.038), counted without our code: a text that
/// `iconv` could write in the GSM alphabet is not known here, so only the ASCII part of it is.
fn segments(text: &str) -> usize {
    let extended = "^{}\\[~]|";
    let gsm = text.chars().all(|c| (c == '\n' || (' '..='~').contains(&c)) && c != '`');
    if gsm {
        let units: usize = text.chars().map(|c| if extended.contains(c) { 2 } else { 1 }).sum();
        return if units <= 160 { 1 } else { units.div_ceil(153) };
    }
    let units = text.encode_utf16().count();
    if units <= 70 { 1 } else { units.div_ceil(67) }
}

/// <https://www.twilio.com/docs/api/errors>
fn twilio_refusals() -> Vec<super::Refusal> {
    let error = |status: u16, code: u32, message: &str| {
        let more = format!("https://www.twilio.com/docs/errors/{code}");
        let json = json!({ "code": code, "message": message, "more_info": more, "status": status });
        Answer::new(status, json)
    };
    let mut refusals = usual();
    refusals.extend([
        lasting(
            error(400, 21_211, "The 'To' number +1500 is not a valid phone number."),
            &["error 21211", "not a valid phone number", "country code"],
        ),
        lasting(error(400, 21_606, "The 'From' number is not valid"), &["from is not a number"]),
        lasting(error(400, 21_608, "The number is unverified."), &["trial account"]),
        lasting(error(400, 21_610, "Attempt to send to unsubscribed recipient"), &["STOP"]),
        lasting(error(400, 21_408, "Permission to send has not been enabled"), &["Geo"]),
        lasting(error(401, 20_003, "Authenticate"), &["check account and token"]),
        lasting(error(404, 20_404, "The requested resource was not found"), &["SID"]),
        passing(error(429, 20_429, "Too Many Requests"), &["error 20429"]),
    ]);
    refusals
}

/// <https://www.twilio.com/docs/messaging/api/message-resource#create-a-message-resource>: a body
/// of at most 1,600 characters; here two segments.
#[tokio::test(flavor = "multi_thread")]
async fn twilio_gets_short_messages_as_documented_to_each_number() {
    let shape = Shape::Object(vec![
        must("To", Shape::One(&["+15005550001", "+15005550002"])),
        must("From", Shape::One(&["+15005550006"])),
        must("Body", text(1_600)),
    ]);
    let check = move |seen: &Seen| {
        let path = format!("/2010-04-01/Accounts/{ACCOUNT}/Messages.json");
        let authorization = basic(ACCOUNT, "planted-token");
        let headers = [("authorization", authorization.as_str()), ("content-type", FORM)];
        let mut wrong = seen.unlike("POST", &path, &headers);
        let form = form(&seen.body);
        wrong.extend(shape.wrong(&form));
        let text = form["Body"].as_str().unwrap_or_default();
        if segments(text) > 2 {
            wrong.push(format!("{} segments: {text}", segments(text)));
        }
        wrong
    };
    let seen = play("Twilio SMS", |origin| Provider {
        settings: channel(
            "sms",
            json!({ "provider": "twilio", "account": ACCOUNT, "token": "planted-token",
                    "from": "+15005550006", "to": ["+1 500 555 0001", "+15005550002"],
                    "api_base": origin }),
        ),
        check: Arc::new(check),
        good: Arc::new(|_| Answer::new(201, json!({ "sid": "SM00", "status": "queued" }))),
        refusals: twilio_refusals(),
    })
    .await;
    let text = form(&seen[0].body)["Body"].as_str().unwrap().to_owned();
    println!("a short message: {text:?}");
    assert!(text.contains("https://up.example.com/"), "{text}");
    let to: Vec<Value> = seen[..2].iter().map(|seen| form(&seen.body)["To"].clone()).collect();
    assert_eq!(to, ["+15005550001", "+15005550002"]);
}

/// Well-formed XML with only these elements and attributes
/// (<https://www.twilio.com/docs/voice/twiml>).
fn twiml_wrong(twiml: &str) -> Vec<String> {
    let known = [
        ("Response", &[][..]),
        ("Gather", &["input", "numDigits", "timeout", "method", "action"]),
        ("Say", &["language"]),
        ("Pause", &["length"]),
    ];
    let mut wrong = Vec::new();
    let mut open: Vec<&str> = Vec::new();
    let mut rest = twiml;
    while let Some((before, after)) = rest.split_once('<') {
        if before.contains(['>', '<']) {
            wrong.push(format!("a bare > in {before}"));
        }
        let Some((tag, after)) = after.split_once('>') else {
            wrong.push("a tag without end".to_owned());
            break;
        };
        rest = after;
        if let Some(name) = tag.strip_prefix('/') {
            if open.pop() != Some(name) {
                wrong.push(format!("</{name}> closes nothing"));
            }
            continue;
        }
        let alone = tag.ends_with('/');
        let name = tag.split([' ', '/']).next().unwrap();
        let Some((_, attributes)) = known.iter().find(|(known, _)| *known == name) else {
            wrong.push(format!("<{name}> is not documented"));
            continue;
        };
        let written = tag.split("=\"").count() - 1;
        let found = attributes.iter().filter(|a| tag.contains(&format!(" {a}=\""))).count();
        if written != found {
            wrong.push(format!("attributes of <{tag}>"));
        }
        if !alone {
            open.push(name);
        }
    }
    if !open.is_empty() {
        wrong.push(format!("{open:?} are not closed"));
    }
    wrong
}

/// <https://www.twilio.com/docs/voice/api/call-resource#create-a-call-resource>: TwiML of at most
/// 4,000 characters.
#[tokio::test(flavor = "multi_thread")]
async fn twilio_makes_calls_that_read_the_verdict_and_take_a_key() {
    let shape = Shape::Object(vec![
        must("To", Shape::One(&["+15005550001"])),
        must("From", Shape::One(&["+15005550006"])),
        must("Twiml", text(4_000)),
    ]);
    let check = move |seen: &Seen| {
        let path = format!("/2010-04-01/Accounts/{ACCOUNT}/Calls.json");
        let authorization = basic(ACCOUNT, "planted-token");
        let headers = [("authorization", authorization.as_str()), ("content-type", FORM)];
        let mut wrong = seen.unlike("POST", &path, &headers);
        let form = form(&seen.body);
        wrong.extend(shape.wrong(&form));
        wrong.extend(twiml_wrong(form["Twiml"].as_str().unwrap_or_default()));
        wrong
    };
    let seen = play("Twilio call", |origin| Provider {
        settings: channel(
            "voice",
            json!({ "provider": "twilio", "account": ACCOUNT, "token": "planted-token",
                    "from": "+15005550006", "to": "+15005550001", "api_base": origin }),
        ),
        check: Arc::new(check),
        good: Arc::new(|_| Answer::new(201, json!({ "sid": "CA00", "status": "queued" }))),
        refusals: twilio_refusals(),
    })
    .await;
    let twiml = form(&seen[0].body)["Twiml"].as_str().unwrap().to_owned();
    println!("a call: {twiml}");
    assert!(twiml.contains("numDigits=\"1\"") && twiml.contains("Press 1 to acknowledge."));
    assert!(twiml.contains("action=\"https://up.example.com/answer/ops/"), "{twiml}");
    assert!(twiml.contains("refuses connections"), "{twiml}");
    let resolved = form(&seen[1].body)["Twiml"].as_str().unwrap().to_owned();
    assert!(!resolved.contains("Gather"), "{resolved}");
}

/// <https://developer.vonage.com/en/api/sms#send-an-sms>
#[tokio::test(flavor = "multi_thread")]
async fn vonage_gets_short_messages_as_documented() {
    let shape = Shape::Object(vec![
        must("api_key", Shape::One(&["abcd1234"])),
        must("api_secret", Shape::One(&["planted-secret"])),
        must("from", Shape::One(&["whydown"])),
        must("to", Shape::One(&["4915112345678"])),
        must("text", text(1_600)),
        must("type", Shape::One(&["text", "unicode"])),
    ]);
    let check = move |seen: &Seen| {
        let mut wrong = seen.unlike("POST", "/sms/json", &[("content-type", FORM)]);
        let form = form(&seen.body);
        wrong.extend(shape.wrong(&form));
        let text = form["text"].as_str().unwrap_or_default();
        if segments(text) > 2 || (!text.is_ascii() && form["type"] == "text") {
            wrong.push(format!("{} segments as {}: {text}", segments(text), form["type"]));
        }
        wrong
    };
    let answer = |status: &str, error: &str| {
        let message = json!({ "status": status, "error-text": error });
        Answer::new(200, json!({ "message-count": "1", "messages": [message] }))
    };
    let mut refusals = usual();
    refusals.extend([
        passing(answer("1", "Throughput Rate Exceeded"), &["status 1"]),
        lasting(answer("4", "Bad Credentials"), &["check key and secret"]),
        lasting(answer("6", "Unroutable message"), &["check the number"]),
        lasting(answer("9", "Partner quota violation"), &["no credit"]),
        lasting(answer("15", "Illegal Sender Address"), &["check from"]),
        passing(Answer::new(200, "{}"), &["no message in the answer"]),
    ]);
    play("Vonage SMS", |origin| Provider {
        settings: channel(
            "sms",
            json!({ "provider": "vonage", "key": "abcd1234", "secret": "planted-secret",
                    "from": "whydown", "to": "+4915112345678", "api_base": origin }),
        ),
        check: Arc::new(check),
        good: Arc::new(|_| {
            let message = json!({ "to": "4915112345678", "message-id": "0A", "status": "0" });
            Answer::new(200, json!({ "message-count": "1", "messages": [message] }))
        }),
        refusals,
    })
    .await;
}

/// An RSA key by openssl(1), private and public.
pub(crate) static RSA: LazyLock<(String, tempfile::TempDir)> = LazyLock::new(|| {
    let dir = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| {
        let done = Command::new("openssl").args(args).current_dir(dir.path()).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    };
    run(&["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", "key.pem"]);
    run(&["pkey", "-in", "key.pem", "-pubout", "-out", "public.pem"]);
    (std::fs::read_to_string(dir.path().join("key.pem")).unwrap(), dir)
});

/// Signature and claims, verified by openssl(1), which shares no code with us.
fn token_wrong(authorization: &str) -> Vec<String> {
    let token = authorization.strip_prefix("Bearer ").unwrap_or_default();
    let parts: Vec<&str> = token.split('.').collect();
    let [head, claims, signature] = parts[..] else { return vec!["no token".to_owned()] };
    let json = |part: &str| -> Value {
        serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    };
    let shape = Shape::Object(vec![
        must("application_id", Shape::One(&["78d335fa"])),
        must("iat", Shape::Number(1.0, 1e11)),
        must("exp", Shape::Number(1.0, 1e11)),
        must("jti", text(100)),
    ]);
    let mut wrong = shape.wrong(&json(claims));
    if json(head) != json!({ "alg": "RS256", "typ": "JWT" }) {
        wrong.push(format!("head {}", json(head)));
    }
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| std::fs::write(dir.path().join(name), bytes).unwrap();
    file("signed", format!("{head}.{claims}").as_bytes());
    file("signature", &BASE64_URL_SAFE_NO_PAD.decode(signature).unwrap());
    let public = RSA.1.path().join("public.pem");
    let verified = Command::new("openssl")
        .args(["dgst", "-sha256", "-verify"])
        .arg(public)
        .args(["-signature", "signature", "signed"])
        .current_dir(dir.path())
        .output()
        .unwrap();
    if !verified.status.success() {
        wrong.push("the token's signature is wrong".to_owned());
    }
    wrong
}

/// <https://developer.vonage.com/en/api/voice#createCall>,
/// <https://developer.vonage.com/en/voice/voice-api/ncco-reference>: 1,500 characters of a talk, a
/// time-out of at most 10 s.
#[tokio::test(flavor = "multi_thread")]
async fn vonage_makes_calls_that_read_the_verdict_and_take_a_key() {
    let kind = || must("action", text(20));
    let talk = vec![
        kind(),
        must("text", text(1_500)),
        must("language", Shape::One(&["en-US"])),
        may("bargeIn", Shape::Flag),
    ];
    let dtmf = Shape::Object(vec![
        must("maxDigits", Shape::Number(1.0, 20.0)),
        must("timeOut", Shape::Number(0.0, 10.0)),
    ]);
    let input = vec![
        kind(),
        must("type", list(2, Shape::One(&["dtmf", "speech"]))),
        must("dtmf", dtmf),
        must("eventUrl", list(1, Shape::Link(2_000))),
        may("eventMethod", Shape::One(&["POST"])),
    ];
    let phone = |number: &'static [&'static str]| {
        Shape::Object(vec![
            must("type", Shape::One(&["phone"])),
            must("number", Shape::One(number)),
        ])
    };
    let shape = Shape::Object(vec![
        must("to", list(1, phone(&["4915112345678"]))),
        must("from", phone(&["14155550101"])),
        must("ncco", list(10, Shape::Tagged("action", vec![("talk", talk), ("input", input)]))),
    ]);
    let check = move |seen: &Seen| {
        let authorization = seen.header("authorization").to_owned();
        let headers =
            [("authorization", authorization.as_str()), ("content-type", "application/json")];
        let mut wrong = seen.unlike("POST", "/v1/calls", &headers);
        wrong.extend(shape.wrong(&seen.json()));
        wrong.extend(token_wrong(&authorization));
        wrong
    };
    let error = |status, kind: &str, title: &str| {
        Answer::new(status, json!({ "type": kind, "title": title }))
    };
    let throttled = "https://developer.nexmo.com/api-errors#throttled";
    let mut refusals = usual();
    refusals.extend([
        lasting(
            Answer::new(401, json!({ "type": "UNAUTHORIZED", "error_title": "Unauthorized" })),
            &["Unauthorized", "private_key"],
        ),
        lasting(error(400, "x", "Bad Request"), &["country code"]),
        passing(error(429, throttled, "Rate Limit Hit"), &["Rate Limit Hit"]),
    ]);
    let seen = play("Vonage call", |origin| Provider {
        settings: channel(
            "voice",
            json!({ "provider": "vonage", "application": "78d335fa", "private_key": RSA.0,
                    "from": "+14155550101", "to": "+4915112345678", "api_base": origin,
                    "signature_secret": "planted-signature" }),
        ),
        check: Arc::new(check),
        good: Arc::new(|_| Answer::new(201, json!({ "uuid": "63f6", "status": "started" }))),
        refusals,
    })
    .await;
    let ncco = seen[0].json()["ncco"].clone();
    assert!(ncco[0]["text"].as_str().unwrap().contains("Press 1 to acknowledge."));
    let url = ncco[1]["eventUrl"][0].as_str().unwrap();
    assert!(url.starts_with("https://up.example.com/answer/ops/") && url.ends_with("/vonage"));
    let token = |seen: &Seen| seen.header("authorization").to_owned();
    assert_ne!(token(&seen[0]), token(&seen[1]), "a token is good for one request");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_gets_what_its_template_says_escaped_for_its_kind() {
    let shape = Shape::Object(vec![
        must("to", Shape::One(&["+4915112345678"])),
        must("text", text(400)),
        must("apikey", Shape::One(&["planted-key&x=1"])),
    ]);
    let check = move |seen: &Seen| {
        let headers = [("x-account", "planted-account"), ("content-type", FORM)];
        let mut wrong = seen.unlike("PUT", "/send/planted?n=%2B4915112345678", &headers);
        wrong.extend(shape.wrong(&form(&seen.body)));
        wrong
    };
    play("SMS gateway", |origin| Provider {
        settings: channel(
            "sms",
            json!({ "provider": "gateway", "url": format!("{origin}/send/planted?n={{{{to}}}}"),
                    "method": "PUT", "to": "+4915112345678", "secret": "planted-key&x=1",
                    "headers": { "X-Account": "planted-account" }, "content_type": FORM,
                    "body": "to={{to}}&text={{text}}&apikey={{secret}}" }),
        ),
        check: Arc::new(check),
        good: Arc::new(|_| Answer::new(200, "queued")),
        refusals: usual()
            .into_iter()
            .chain([
                lasting(Answer::new(403, "no $ECHO"), &["403 Forbidden: no "]),
                limited(Answer::new(429, "").header("Retry-After", 90), 90),
            ])
            .collect(),
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_for_calls_gets_the_words_and_where_to_acknowledge() {
    let shape = Shape::Object(vec![
        must("number", Shape::One(&["+4915112345678"])),
        must("say", text(1_000)),
        must("ack", Shape::Text(0, 300)),
    ]);
    let check = move |seen: &Seen| {
        let mut wrong = seen.unlike("POST", "/call", &[("content-type", "application/json")]);
        wrong.extend(shape.wrong(&seen.json()));
        wrong
    };
    let seen = play("voice gateway", |origin| Provider {
        settings: channel(
            "voice",
            json!({ "provider": "gateway", "url": format!("{origin}/call"),
                    "to": "+4915112345678", "body":
                    "{\"number\":\"{{to}}\",\"say\":\"{{text}}\",\"ack\":\"{{acknowledge}}\"}" }),
        ),
        check: Arc::new(check),
        good: Arc::new(|_| Answer::new(200, "")),
        refusals: usual(),
    })
    .await;
    assert!(seen[0].json()["ack"].as_str().unwrap().starts_with("https://up.example.com/answer/"));
}
