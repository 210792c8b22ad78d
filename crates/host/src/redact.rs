//! What may be kept of what a server said: printable, short, and without secrets.

use std::sync::LazyLock;

use regex::Regex;
use whydown_core::observation::BANNER_MAX_BYTES;

/// Put in the place of everything that looks like a secret.
const MASK: &str = "***";

/// `name=value` pairs whose value is nobody's business.
static NAMED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let names = "pass(?:word|wd|phrase)?|pwd|token|secret|api[_-]?key|access[_-]?key|\
                 auth(?:orization)?|cookie|session(?:[_-]?id)?|bearer|credential|signature|jwt";
    Regex::new(&format!(
        r#"(?i)([\w-]*(?:{names})[\w-]*["']?\s*[:=]\s*["']?(?:(?:basic|bearer)\s+)?)[^\s"'&<>,;]+"#
    ))
    .ok()
});
/// `Bearer …` and `Basic …` without a name before them.
static SCHEME: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{8,}").ok());
/// Electronic mail addresses.
static MAIL: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+").ok());
/// Credentials in a URL.
static URL: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"://[^\s/@]+@").ok());
/// Long runs without a blank that mix digits and letters: keys, tokens, identifiers.
static LONG: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"[\w+/=-]{32,}").ok());

/// Masks what looks like a password, token, cookie or mail address.
#[must_use]
pub fn mask(text: &str) -> String {
    let mut text = text.to_owned();
    let rules = [(&NAMED, "${1}***"), (&SCHEME, "${1} ***"), (&URL, "://***@"), (&MAIL, MASK)];
    for (rule, with) in rules {
        if let Some(rule) = rule.as_ref() {
            text = rule.replace_all(&text, with).into_owned();
        }
    }
    let Some(long) = LONG.as_ref() else { return text };
    let hide = |found: &regex::Captures<'_>| {
        let run = &found[0];
        let mixed =
            run.bytes().any(|b| b.is_ascii_digit()) && run.bytes().any(|b| b.is_ascii_alphabetic());
        if mixed { MASK.to_owned() } else { run.to_owned() }
    };
    long.replace_all(&text, hide).into_owned()
}

/// Control characters become blanks (runs of them one), and the end is cut off.
#[must_use]
pub fn printable(text: &str, max_chars: usize) -> String {
    let mut out = String::new();
    let mut count = 0;
    for c in text.chars() {
        let c = if c.is_control() || c == '\u{fffd}' || is_invisible(c) { ' ' } else { c };
        if c == ' ' && (out.is_empty() || out.ends_with(' ')) {
            continue;
        }
        if count == max_chars {
            break;
        }
        out.push(c);
        count += 1;
    }
    out.truncate(out.trim_end().len());
    out
}

/// Characters that reorder or hide text: somebody could write a false verdict with them.
fn is_invisible(c: char) -> bool {
    let zero_width = matches!(c, '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    zero_width || matches!(c, '\u{202a}'..='\u{202e}')
}

/// The first bytes that a service said, as text to keep.
#[must_use]
pub fn banner(bytes: &[u8]) -> String {
    let start = &bytes[..bytes.len().min(BANNER_MAX_BYTES)];
    cut(&mask(&printable(&String::from_utf8_lossy(start), BANNER_MAX_BYTES)))
}

/// The beginning of a page's visible text.
#[must_use]
pub fn excerpt(body: &[u8]) -> String {
    /// Bytes of the page looked at; visible text rarely begins later.
    const LOOKED_AT_BYTES: usize = 8_192;
    let text = String::from_utf8_lossy(&body[..body.len().min(LOOKED_AT_BYTES)]);
    cut(&mask(&printable(&visible(&text), 2 * BANNER_MAX_BYTES)))
}

/// Leaves out tags, and the content of `head`-only elements that nobody sees.
fn visible(html: &str) -> String {
    let mut out = String::new();
    let mut rest = html;
    while let Some((text, tail)) = rest.split_once('<') {
        out.push_str(text);
        out.push(' ');
        let lower = tail.get(..8).unwrap_or(tail).to_ascii_lowercase();
        let hidden = ["script", "style", "!--"].into_iter().find(|name| lower.starts_with(name));
        let end = match hidden {
            Some("!--") => "-->",
            Some("script") => "</script>",
            Some(_) => "</style>",
            None => ">",
        };
        rest = match find_ignoring_case(tail, end) {
            Some(at) => &tail[at + end.len()..],
            None => "",
        };
    }
    out.push_str(rest);
    out
}

fn find_ignoring_case(text: &str, what: &str) -> Option<usize> {
    let (text, what) = (text.as_bytes(), what.as_bytes());
    text.windows(what.len()).position(|window| window.eq_ignore_ascii_case(what))
}

fn cut(text: &str) -> String {
    let mut end = text.len().min(BANNER_MAX_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].trim_end().to_owned()
}

/// A URL whose query may hold a token: the query is masked.
#[must_use]
pub fn url(text: &str) -> String {
    /// Characters of a URL kept.
    const URL_MAX_CHARS: usize = 500;
    let text = printable(text, URL_MAX_CHARS);
    let masked = match text.split_once('?') {
        Some((start, _)) => format!("{start}?{MASK}"),
        None => text,
    };
    match URL.as_ref() {
        Some(rule) => rule.replace_all(&masked, "://***@").into_owned(),
        None => masked,
    }
}

#[cfg(test)]
mod tests {
    use super::{banner, excerpt, mask, printable, url};

    #[test]
    fn secrets_are_masked_and_the_words_around_them_stay() {
        for (given, kept) in [
            ("password=hunter2 for db", "password=*** for db"),
            ("DB_PASSWORD: \"hunter2\"", "DB_PASSWORD: \"***\""),
            ("Authorization: Bearer abcdef1234567", "Authorization: Bearer ***"),
            ("write to root@example.com please", "write to *** please"),
            ("mysql://root:pw@db/x", "mysql://***@db/x"),
            ("id 0123456789abcdef0123456789abcdef ok", "id *** ok"),
            ("a normal sentence stays", "a normal sentence stays"),
        ] {
            assert_eq!(mask(given), kept, "{given}");
        }
    }

    #[test]
    fn control_and_reordering_characters_never_reach_a_terminal() {
        assert_eq!(printable("a\x1b[31mb\u{202e}c\r\n\r\nd", 100), "a [31mb c d");
        assert_eq!(printable("abcdef", 3), "abc");
        assert_eq!(banner(b"SSH-2.0-x\r\n\0\xff"), "SSH-2.0-x");
    }

    #[test]
    fn an_excerpt_is_the_visible_text_of_the_page() {
        let page = b"<html><head><style>b{}</style><script>if(a<b){}</SCRIPT></head>\
            <h1>502 Bad Gateway</h1><!-- x --><hr>nginx</html>";
        assert_eq!(excerpt(page), "502 Bad Gateway nginx");
        assert_eq!(excerpt(b"<unclosed"), "");
    }

    #[test]
    fn the_query_of_a_url_is_not_kept() {
        assert_eq!(url("https://a/b?token=1"), "https://a/b?***");
        assert_eq!(url("https://u:p@a/b"), "https://***@a/b");
    }
}
