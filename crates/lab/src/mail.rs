//! Mail that a lab server has accepted, parsed as far as tests look (RFC 5322, 2045, 2047).

use std::fs;
use std::path::Path;
use std::time::SystemTime;

use crate::base64::decode;
use crate::fail::OrFail as _;
use crate::http::Headers;

/// A message as it was delivered.
#[derive(Clone, Debug)]
pub struct Mail {
    /// When it was written to the mailbox.
    pub delivered: SystemTime,
    /// The envelope's sender.
    pub sender: String,
    /// The envelope's recipients.
    pub recipients: Vec<String>,
    /// The header fields, unfolded but not decoded.
    pub headers: Headers,
    /// The whole message, with the fields that the server added.
    pub raw: String,
}

/// A part of a message: its type and its decoded content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// `text/plain` and so on, in lower case.
    pub kind: String,
    /// Decoded from quoted-printable or base64.
    pub content: Vec<u8>,
}

impl Mail {
    pub(crate) fn read(path: &Path) -> Self {
        let bytes = fs::read(path).or_fail("cannot read a message");
        let delivered = fs::metadata(path).and_then(|file| file.modified());
        let raw = String::from_utf8_lossy(&bytes).replace("\r\n", "\n");
        let headers = parse_headers(split(&raw).0);
        let address = |field: &str| headers.get(field).unwrap_or_default().trim_matches(['<', '>']);
        Self {
            delivered: delivered.or_fail("a message without a time"),
            sender: address("return-path").into(),
            recipients: address("envelope-to").split(',').map(|to| to.trim().into()).collect(),
            headers,
            raw,
        }
    }

    /// The decoded subject.
    pub fn subject(&self) -> String {
        decode_words(self.headers.get("subject").unwrap_or_default())
    }

    /// All parts that aren't containers, decoded.
    pub fn parts(&self) -> Vec<Part> {
        parts_of(&self.raw)
    }

    /// The text of the first part of a type, e.g. `text/plain`; empty when there is none.
    pub fn text(&self, kind: &str) -> String {
        let part = self.parts().into_iter().find(|part| part.kind == kind);
        part.map(|part| String::from_utf8_lossy(&part.content).into_owned()).unwrap_or_default()
    }
}

/// The head and the body of an entity.
fn split(entity: &str) -> (&str, &str) {
    match entity.strip_prefix('\n') {
        Some(body) => ("", body),
        None => entity.split_once("\n\n").unwrap_or((entity, "")),
    }
}

fn parse_headers(head: &str) -> Headers {
    let mut headers: Vec<(String, String)> = Vec::new();
    for line in head.lines() {
        if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = headers.last_mut() {
                value.push(' ');
                value.push_str(line.trim());
            }
        } else if let Some((name, value)) = line.split_once(':') {
            headers.push((name.into(), value.trim().into()));
        }
    }
    Headers(headers)
}

fn parts_of(entity: &str) -> Vec<Part> {
    let (head, body) = split(entity);
    let headers = parse_headers(head);
    let content_type = headers.get("content-type").unwrap_or("text/plain");
    let kind = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if kind.starts_with("multipart/") {
        let Some((_, boundary)) = content_type.split_once("boundary=") else {
            return Vec::new();
        };
        let boundary = boundary.split(';').next().unwrap_or_default().trim().trim_matches('"');
        let delimiter = format!("\n--{boundary}");
        let with_newline = format!("\n{body}");
        return with_newline
            .split(&delimiter)
            .skip(1)
            .take_while(|part| !part.starts_with("--"))
            .flat_map(|part| parts_of(part.strip_prefix('\n').unwrap_or(part)))
            .collect();
    }
    let encoding = headers.get("content-transfer-encoding").unwrap_or_default();
    let content = match encoding.to_ascii_lowercase().as_str() {
        "base64" => decode(body),
        "quoted-printable" => quoted_printable(body),
        _ => body.as_bytes().to_vec(),
    };
    vec![Part { kind, content }]
}

fn quoted_printable(text: &str) -> Vec<u8> {
    let joined = text.replace("=\n", "");
    let mut rest = joined.as_bytes();
    let mut bytes = Vec::new();
    while let [first, after @ ..] = rest {
        let code = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        let code = code.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match (first, code) {
            (b'=', Some(code)) => {
                bytes.push(code);
                rest = &after[2..];
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    bytes
}

/// Encoded words `=?charset?B|Q?text?=`; the charset is taken for UTF-8.
fn decode_words(text: &str) -> String {
    let mut decoded = String::new();
    let mut rest = text;
    while let Some((before, word)) = rest.split_once("=?") {
        let mut fields = word.splitn(3, '?');
        let (Some(_), Some(encoding), Some(tail)) = (fields.next(), fields.next(), fields.next())
        else {
            break;
        };
        let Some((content, after)) = tail.split_once("?=") else {
            break;
        };
        // White space between two encoded words doesn't count.
        if decoded.is_empty() || !before.trim().is_empty() {
            decoded.push_str(before);
        }
        let bytes = match encoding {
            "B" | "b" => decode(content),
            _ => quoted_printable(&content.replace('_', " ")),
        };
        decoded.push_str(&String::from_utf8_lossy(&bytes));
        rest = after;
    }
    decoded + rest
}

#[cfg(test)]
mod tests {
    use super::{decode_words, parts_of};

    #[test]
    fn encoded_words_are_decoded_and_the_space_between_them_is_not_kept() {
        let subject = "=?utf-8?b?w5Y=?= =?utf-8?Q?l_ist?= da";
        assert_eq!(decode_words(subject), "Öl ist da");
        assert_eq!(decode_words("plain = text?"), "plain = text?");
    }

    #[test]
    fn both_alternatives_of_a_message_are_found() {
        let mail = "Content-Type: multipart/alternative; boundary=\"x\"\n\npreamble\n--x\n\
                    Content-Transfer-Encoding: quoted-printable\n\na=3Db=\nc\n--x\n\
                    Content-Type: text/html\nContent-Transfer-Encoding: base64\n\nPGI+\n--x--\n";
        let parts = parts_of(mail);
        let seen: Vec<(&str, &[u8])> =
            parts.iter().map(|part| (part.kind.as_str(), part.content.as_slice())).collect();
        assert_eq!(seen, [("text/plain", &b"a=bc"[..]), ("text/html", &b"<b>"[..])]);
    }
}
