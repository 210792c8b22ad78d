//! Texts for formats: cut to limits, escaped, without a mark that would become markup or call
//! somebody. Hostile names come from monitors, answers and certificates.

use whydown_core::notice::message::{Message, Step};

/// What stands for the rest of a text that was cut.
const REST: char = '…';

/// At most `max` characters.
pub(super) fn cut(text: &str, max: usize) -> String {
    if text.chars().count() <= max {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(max.saturating_sub(1)).collect();
    short.push(REST);
    short
}

/// At most `max` bytes of UTF-8, cut between characters.
pub(super) fn cut_bytes(text: &str, max: usize) -> String {
    if text.len() <= max {
        return text.to_owned();
    }
    let mut end = max.saturating_sub(REST.len_utf8());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{REST}", &text[..end])
}

/// At most `max` UTF-16 units, as many providers count.
pub(super) fn cut_utf16(text: &str, max: usize) -> String {
    if text.encode_utf16().count() <= max {
        return text.to_owned();
    }
    let mut short = String::new();
    let mut units = 1;
    for c in text.chars() {
        units += c.len_utf16();
        if units > max {
            break;
        }
        short.push(c);
    }
    short.push(REST);
    short
}

/// For HTML and XML, also inside of attributes.
pub(super) fn html(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            // Not allowed in XML 1.0 at all (§2.2).
            c if c.is_control() && !matches!(c, '\n' | '\t') => safe.push(' '),
            c => safe.push(c),
        }
    }
    safe
}

/// For the Markdown of chats: no emphasis, links, headings, code or mentions.
pub(super) fn markdown(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | '`' | '*' | '_' | '~' | '|' | '[' | ']' | '(' | ')' | '<' | '>' | '#' => {
                safe.push('\\');
                safe.push(c);
            }
            // A word joiner keeps @everyone and @here from being names.
            '@' => safe.push_str("@\u{2060}"),
            c => safe.push(c),
        }
    }
    safe
}

/// A command between fences that it cannot close.
pub(super) fn code(text: &str) -> String {
    text.replace('`', "'")
}

/// The message without any markup, for those who take plain text: at most `max` characters.
pub(super) fn plain(message: &Message, max: usize) -> String {
    let mut lines = vec![message.headline.clone()];
    lines.extend(message.lines());
    if !message.facts.is_empty() {
        lines.push(String::new());
    }
    lines.extend(message.facts.iter().map(|(label, value)| format!("{label}: {value}")));
    list(&mut lines, "To make sure", &message.confirm);
    list(&mut lines, "To fix it", &message.fix);
    if !message.evidence.is_empty() {
        lines.push(String::new());
        lines.push("Evidence:".to_owned());
        lines.extend(message.evidence.iter().map(|fact| format!("- {fact}")));
    }
    cut(&lines.join("\n"), max)
}

fn list(lines: &mut Vec<String>, title: &str, steps: &[Step]) {
    if steps.is_empty() {
        return;
    }
    lines.push(String::new());
    lines.push(format!("{title}:"));
    for (i, step) in steps.iter().enumerate() {
        lines.push(format!("{}. {}", i + 1, step.text));
        lines.extend(step.command.iter().map(|command| format!("   {command}")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_between_characters() {
        assert_eq!(cut("äöü", 3), "äöü");
        assert_eq!(cut("äöüß", 3), "äö…");
        assert_eq!(cut_bytes("äöüß", 7), "äö…");
        assert_eq!(cut_bytes("abc", 3), "abc");
        assert_eq!(cut_utf16("a😀😀", 4), "a😀…");
        assert_eq!(cut_utf16("a😀😀", 5), "a😀😀");
    }

    #[test]
    fn marks_are_only_characters() {
        assert_eq!(html("<a b='\"'>&\u{0}"), "&lt;a b=&#39;&quot;&#39;&gt;&amp; ");
        assert_eq!(markdown("@everyone *x* [a](b)"), "@\u{2060}everyone \\*x\\* \\[a\\]\\(b\\)");
    }
}
