//! A pasted text made comparable: colour codes gone, lower case, straight quotation marks,
//! single blanks. Remembers where each byte came from.

/// The longest paste looked at, in bytes: an error message stands near its end or beginning,
/// and nobody means a whole log file.
pub const PASTE_MAX_BYTES: usize = 65_536;

/// What may follow the words of `strerror` besides punctuation and the end of a line.
const CONTINUATIONS: &[&str] = &[
    " while ", " when ", " for ", " on ", " at ", " after ", " from ", " in ", " error",
    " to http", " | ", " - ", " -- ", " -> ", " => ", " ret=", " code=", " url=", " host=",
    " addr", " peer",
];

pub(super) struct Paste {
    text: String,
    /// For each byte of `text`, where it came from in the original.
    origin: Vec<usize>,
}

impl Paste {
    pub(super) fn new(original: &str) -> Self {
        let mut paste = Self { text: String::new(), origin: Vec::new() };
        let mut chars = original.char_indices().take_while(|(at, _)| *at < PASTE_MAX_BYTES);
        while let Some((at, c)) = chars.next() {
            match c {
                '\u{1b}' => skip_escape(&mut chars),
                '\r' | '\u{200b}' | '\u{feff}' => {}
                '\n' => paste.push_break(at),
                '‘' | '’' | '‚' | '‛' | '`' | '´' => paste.push('\'', at),
                '“' | '”' | '„' => paste.push('"', at),
                c if c.is_whitespace() => paste.push_blank(at),
                c => c.to_lowercase().for_each(|c| paste.push(c, at)),
            }
        }
        paste.origin.push(original.len());
        paste
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The piece of the original behind `length` bytes at `start`.
    pub(super) fn original<'a>(&self, original: &'a str, start: usize, length: usize) -> &'a str {
        let from = self.origin.get(start).copied().unwrap_or_default();
        let end = self.origin.get(start + length).copied().unwrap_or(original.len());
        original.get(from..end).unwrap_or_default().trim()
    }

    fn push(&mut self, c: char, at: usize) {
        self.text.push(c);
        self.origin.resize(self.text.len(), at);
    }

    fn push_blank(&mut self, at: usize) {
        if !self.text.ends_with([' ', '\n']) {
            self.push(' ', at);
        }
    }

    fn push_break(&mut self, at: usize) {
        while self.text.ends_with(' ') {
            self.text.pop();
            self.origin.pop();
        }
        if !self.text.ends_with('\n') {
            self.push('\n', at);
        }
    }

    /// The first place where `needle` stands on word boundaries.
    pub(super) fn find_word(&self, needle: &str) -> Option<usize> {
        self.places(needle).next()
    }

    /// The first place where `needle` ends a message.
    pub(super) fn find_end(&self, needle: &str) -> Option<usize> {
        self.places(needle).find(|at| ends_message(&self.text[at + needle.len()..]))
    }

    fn places<'a>(&'a self, needle: &'a str) -> impl Iterator<Item = usize> + 'a {
        let text = &self.text;
        text.match_indices(needle).map(|(at, _)| at).filter(move |at| {
            let before = text[..*at].chars().next_back();
            let after = text[at + needle.len()..].chars().next();
            boundary(before, needle.chars().next()) && boundary(needle.chars().next_back(), after)
        })
    }
}

/// Skips `ESC [ … letter` (ECMA-48 §5.4).
fn skip_escape(chars: &mut impl Iterator<Item = (usize, char)>) {
    for (_, c) in chars {
        if c.is_ascii_alphabetic() {
            break;
        }
    }
}

fn boundary(left: Option<char>, right: Option<char>) -> bool {
    let word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    !(word(left) && word(right))
}

fn ends_message(rest: &str) -> bool {
    let Some(first) = rest.chars().next() else { return true };
    if matches!(
        first,
        '\n' | '.' | ',' | ';' | ':' | '!' | ')' | ']' | '}' | '"' | '\'' | '|' | '<' | '\\'
    ) {
        return true;
    }
    let opens = rest.starts_with(" (") || rest.starts_with(" [") || rest.starts_with(" {");
    opens || rest.trim().is_empty() || CONTINUATIONS.iter().any(|next| rest.starts_with(next))
}
