//! Secrets of one channel, to be starred out of whatever comes back: receivers echo what they were
//! sent, also encoded.

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD};

use crate::secret::MASK;

/// Shorter texts are no secrets, and would star out half a message.
const LENGTH_MIN: usize = 4;

/// Texts that must not be seen.
pub(crate) struct Hidden(Vec<String>);

impl Hidden {
    /// These texts, as they are and as they may be encoded.
    pub(crate) fn new(texts: &[String]) -> Self {
        let mut all = Vec::new();
        for text in texts.iter().filter(|text| text.len() >= LENGTH_MIN) {
            let encoded: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
            all.push(encoded.replace('+', "%20"));
            all.push(encoded);
            let json = serde_json::Value::from(text.as_str()).to_string();
            all.push(json.trim_matches('"').to_owned());
            all.push(BASE64_STANDARD.encode(text));
            all.push(BASE64_STANDARD_NO_PAD.encode(text));
            all.extend(text.lines().filter(|line| line.len() >= LENGTH_MIN).map(str::to_owned));
            all.push(text.clone());
        }
        all.sort_by_key(|text| std::cmp::Reverse(text.len()));
        all.dedup();
        Self(all)
    }

    /// The text without secrets.
    pub(crate) fn starred(&self, text: &str) -> String {
        let mut starred = text.to_owned();
        for hidden in &self.0 {
            if starred.contains(hidden.as_str()) {
                starred = starred.replace(hidden.as_str(), MASK);
            }
        }
        starred
    }
}

#[cfg(test)]
mod tests {
    use super::Hidden;

    #[test]
    fn a_secret_is_starred_out_in_every_dress() {
        let hidden = Hidden::new(&["pass \"word/1".to_owned(), "abc".to_owned()]);
        for text in [
            "x pass \"word/1 y",
            "x pass+%22word%2F1 y",
            "x pass%20%22word%2F1 y",
            "x pass \\\"word/1 y",
            "x cGFzcyAid29yZC8x y",
        ] {
            assert_eq!(hidden.starred(text), "x *** y");
        }
        assert_eq!(hidden.starred("abc"), "abc");
    }
}
