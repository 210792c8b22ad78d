//! Does an answer meet a monitor's expectations? Judging only; nothing is fetched here.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use regex::{Regex, RegexBuilder};
use serde_json_path::JsonPath;
use whydown_core::failure::Failure;
use whydown_core::monitor::{Expect, Request};
use whydown_core::observation::TlsFacts;

use crate::redact;

/// Memory that one compiled regular expression may take.
const REGEX_MAX_BYTES: usize = 1 << 20;
/// Characters of an expected or found value in a message.
const SHOWN_MAX_CHARS: usize = 80;

/// An expectation or request that cannot be used, naming field, value and what is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotUsable {
    /// A broken regular expression.
    #[error("expect.matches: {value:?} is not a regular expression: {why}")]
    Regex {
        /// As given.
        value: String,
        /// The parser's message, one line.
        why: String,
    },
    /// A broken JSONPath.
    #[error(
        "expect.json: {value:?} is not a JSONPath (RFC 9535): {why}; write for example $.status"
    )]
    JsonPath {
        /// As given.
        value: String,
        /// The parser's message.
        why: String,
    },
    /// A header name or value that HTTP does not allow.
    #[error("{field}: {name:?} is not a header that can be sent ({why})")]
    Header {
        /// `request.headers` or `expect.headers`.
        field: &'static str,
        /// The header's name. Its value may be a secret.
        name: String,
        /// What is wrong.
        why: String,
    },
    /// A method that HTTP does not allow.
    #[error("request.method: {0:?} is not an HTTP method; write for example GET, HEAD or POST")]
    Method(String),
}

/// Can these expectations be judged?
///
/// # Errors
/// The first one that can't.
pub fn check_expect(expect: &Expect) -> Result<(), NotUsable> {
    if let Some(pattern) = &expect.matches {
        compile(pattern)?;
    }
    for path in expect.json.keys() {
        json_path(path)?;
    }
    for name in expect.headers.keys() {
        let field = "expect.headers";
        header_name(field, name)?;
    }
    Ok(())
}

/// Can this request be sent?
///
/// # Errors
/// The first part that can't.
pub fn check_request(request: &Request) -> Result<(), NotUsable> {
    let bad_method = || NotUsable::Method(request.method.clone());
    hyper::Method::from_bytes(request.method.as_bytes()).map_err(|_| bad_method())?;
    let field = "request.headers";
    for (name, value) in &request.headers {
        header_name(field, name)?;
        hyper::header::HeaderValue::from_str(value).map_err(|_| NotUsable::Header {
            field,
            name: name.clone(),
            why: "its value contains a line break or another control character".to_owned(),
        })?;
    }
    Ok(())
}

fn header_name(field: &'static str, name: &str) -> Result<(), NotUsable> {
    let why = |error: hyper::header::InvalidHeaderName| error.to_string();
    hyper::header::HeaderName::from_bytes(name.as_bytes())
        .map(drop)
        .map_err(|error| NotUsable::Header { field, name: name.to_owned(), why: why(error) })
}

fn compile(pattern: &str) -> Result<Regex, NotUsable> {
    let built = RegexBuilder::new(pattern).size_limit(REGEX_MAX_BYTES).build();
    built.map_err(|error| {
        let text = error.to_string();
        let why = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
        NotUsable::Regex { value: pattern.to_owned(), why: why.to_owned() }
    })
}

fn json_path(path: &str) -> Result<JsonPath, NotUsable> {
    JsonPath::parse(path).map_err(|error| NotUsable::JsonPath {
        value: path.to_owned(),
        why: error.message().to_owned(),
    })
}

/// An answer, as far as it can be judged.
#[derive(Debug, Default)]
pub(crate) struct Judged<'a> {
    /// HTTP status.
    pub(crate) status: Option<u16>,
    /// HTTP headers, lower-case names.
    pub(crate) headers: Option<&'a hyper::HeaderMap>,
    /// Body or banner.
    pub(crate) text: Option<&'a [u8]>,
    /// Not all of it was read.
    pub(crate) cut: bool,
    /// The handshake.
    pub(crate) tls: Option<&'a TlsFacts>,
    /// How long the whole check has taken.
    pub(crate) elapsed: Duration,
}

/// A failure and the words to it.
pub(crate) type Unmet = (Failure, String);

/// The first expectation that is not met.
pub(crate) fn unmet(expect: &Expect, answer: &Judged<'_>, now: Timestamp) -> Option<Unmet> {
    status(expect, answer)
        .or_else(|| headers(&expect.headers, answer))
        .or_else(|| texts(expect, answer))
        .or_else(|| json(&expect.json, answer))
        .or_else(|| certificate(expect, answer, now))
        .or_else(|| latency(expect, answer))
}

fn status(expect: &Expect, answer: &Judged<'_>) -> Option<Unmet> {
    let status = answer.status.filter(|status| !expect.accepts(*status))?;
    let wanted = expect.status.as_ref().map_or_else(|| "200-399".to_owned(), ToString::to_string);
    // An error status is what the server says; another one is only not what was asked for.
    let failure = if status >= 400 { Failure::HttpStatus } else { Failure::AssertionStatus };
    Some((failure, format!("expected status {wanted}, found {status}")))
}

fn headers(wanted: &BTreeMap<String, String>, answer: &Judged<'_>) -> Option<Unmet> {
    let headers = answer.headers?;
    wanted.iter().find_map(|(name, part)| {
        let found = headers.get_all(name).iter();
        let found: Vec<_> = found.map(|v| String::from_utf8_lossy(v.as_bytes())).collect();
        if found.iter().any(|value| value.contains(part.as_str())) {
            return None;
        }
        let detail = match found.first() {
            None => format!("expected header {name} with {:?}, found none", shown(part)),
            Some(value) => {
                format!("expected header {name} with {:?}, found {:?}", shown(part), shown(value))
            }
        };
        Some((Failure::AssertionKeyword, detail))
    })
}

fn texts(expect: &Expect, answer: &Judged<'_>) -> Option<Unmet> {
    if expect.contains.is_empty() && expect.not_contains.is_empty() && expect.matches.is_none() {
        return None;
    }
    let bytes = answer.text.unwrap_or_default();
    let text = String::from_utf8_lossy(bytes);
    let place = match answer.cut {
        true => format!("in the first {} bytes", bytes.len()),
        false => format!("in {} bytes", bytes.len()),
    };
    let unmet = |detail: String| Some((Failure::AssertionKeyword, detail));
    if let Some(missing) = expect.contains.iter().find(|part| !text.contains(part.as_str())) {
        return unmet(format!("expected the text {:?}, not found {place}", shown(missing)));
    }
    if let Some(present) = expect.not_contains.iter().find(|part| text.contains(part.as_str())) {
        return unmet(format!("expected no text {:?}, found it", shown(present)));
    }
    let pattern = expect.matches.as_ref()?;
    match compile(pattern) {
        Err(error) => Some((Failure::SelfInternal, error.to_string())),
        Ok(regex) if regex.is_match(&text) => None,
        Ok(_) => unmet(format!("expected a match of {:?}, not found {place}", shown(pattern))),
    }
}

fn json(wanted: &BTreeMap<String, serde_json::Value>, answer: &Judged<'_>) -> Option<Unmet> {
    if wanted.is_empty() {
        return None;
    }
    let unmet = |detail: String| Some((Failure::AssertionJson, detail));
    let document: serde_json::Value = match serde_json::from_slice(answer.text.unwrap_or_default())
    {
        Ok(document) => document,
        Err(_) if answer.cut => {
            return unmet("expected JSON; the body is longer than what is read".to_owned());
        }
        Err(error) => return unmet(format!("expected JSON, found none: {error}")),
    };
    wanted.iter().find_map(|(path, value)| {
        let parsed = match json_path(path) {
            Ok(parsed) => parsed,
            Err(error) => return Some((Failure::SelfInternal, error.to_string())),
        };
        let found = parsed.query(&document).all();
        if found.contains(&value) {
            return None;
        }
        let found = match found.first() {
            None => "nothing".to_owned(),
            Some(found) => shown(&found.to_string()),
        };
        unmet(format!("expected {} at {path}, found {found}", shown(&value.to_string())))
    })
}

fn certificate(expect: &Expect, answer: &Judged<'_>, now: Timestamp) -> Option<Unmet> {
    const DAY_S: i64 = 86_400;
    let wanted = i64::from(expect.certificate_days?);
    let leaf = answer.tls?.chain.first()?;
    let left = (leaf.not_after.as_second() - now.as_second()).div_euclid(DAY_S);
    (left < wanted).then(|| {
        let detail = format!("expected {wanted} days of validity left, found {left}");
        (Failure::AssertionCertificateDays, detail)
    })
}

fn latency(expect: &Expect, answer: &Judged<'_>) -> Option<Unmet> {
    let limit = expect.latency?;
    (answer.elapsed > limit).then(|| {
        let (limit, found) = (limit.as_millis(), answer.elapsed.as_millis());
        (Failure::AssertionLatency, format!("expected at most {limit} ms, took {found} ms"))
    })
}

fn shown(text: &str) -> String {
    redact::mask(&redact::printable(text, SHOWN_MAX_CHARS))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{Judged, check_expect, unmet};
    use jiff::Timestamp;
    use whydown_core::failure::Failure;
    use whydown_core::monitor::Expect;

    fn judge(expect: &Expect, status: u16, body: &str) -> Option<(Failure, String)> {
        let answer = Judged {
            status: Some(status),
            text: Some(body.as_bytes()),
            elapsed: Duration::from_millis(120),
            ..Judged::default()
        };
        unmet(expect, &answer, Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn an_error_status_is_the_servers_word_and_another_one_a_missed_expectation() {
        assert_eq!(judge(&Expect::default(), 200, ""), None);
        assert_eq!(judge(&Expect::default(), 301, ""), None);
        let (failure, detail) = judge(&Expect::default(), 502, "").unwrap();
        assert_eq!(failure, Failure::HttpStatus);
        assert_eq!(detail, "expected status 200-399, found 502");
        let only_401 = Expect { status: "401".parse().ok(), ..Expect::default() };
        assert_eq!(judge(&only_401, 200, "").unwrap().0, Failure::AssertionStatus);
        assert_eq!(judge(&only_401, 401, ""), None);
    }

    #[test]
    fn texts_patterns_and_json_name_what_was_expected_and_found() {
        let expect = Expect {
            contains: vec!["Add to basket".to_owned()],
            not_contains: vec!["error".to_owned()],
            ..Expect::default()
        };
        assert_eq!(judge(&expect, 200, "<b>Add to basket</b>"), None);
        assert!(judge(&expect, 200, "nothing").unwrap().1.contains("\"Add to basket\""));
        assert!(judge(&expect, 200, "Add to basket error").unwrap().1.contains("found it"));
        let expect = Expect {
            json: [("$.checks[*].ok".to_owned(), true.into())].into(),
            matches: Some(r#""v":\s*\d+"#.to_owned()),
            ..Expect::default()
        };
        assert_eq!(judge(&expect, 200, r#"{"v": 3, "checks": [{"ok": true}]}"#), None);
        let (failure, detail) = judge(&expect, 200, r#"{"v": 3, "checks": []}"#).unwrap();
        assert_eq!(failure, Failure::AssertionJson);
        assert_eq!(detail, "expected true at $.checks[*].ok, found nothing");
        assert_eq!(judge(&expect, 200, "v").unwrap().0, Failure::AssertionKeyword);
    }

    #[test]
    fn a_slow_answer_misses_its_latency() {
        let expect = Expect { latency: Some(Duration::from_millis(100)), ..Expect::default() };
        let (failure, detail) = judge(&expect, 200, "").unwrap();
        assert_eq!(failure, Failure::AssertionLatency);
        assert_eq!(detail, "expected at most 100 ms, took 120 ms");
    }

    #[test]
    fn a_broken_pattern_or_path_is_named() {
        let broken = Expect { matches: Some("a(".to_owned()), ..Expect::default() };
        let text = check_expect(&broken).unwrap_err().to_string();
        assert!(text.contains("\"a(\"") && text.contains("unclosed group"), "{text}");
        let json = [("status".to_owned(), 1.into())].into();
        let broken = Expect { json, ..Expect::default() };
        let text = check_expect(&broken).unwrap_err().to_string();
        assert!(text.contains("\"status\"") && text.contains("RFC 9535"), "{text}");
        let headers = [("a b".to_owned(), String::new())].into();
        assert!(check_expect(&Expect { headers, ..Expect::default() }).is_err());
        assert_eq!(check_expect(&Expect::default()), Ok(()));
    }
}
