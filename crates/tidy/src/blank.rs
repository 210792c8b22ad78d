//! Rust source with comments and the contents of literals replaced by spaces, so that a rule on
//! code is not fooled by what a string or a comment says. Line breaks stay where they are. Knows
//! no grammar beyond that (the Rust reference, "Lexical structure").

/// Blanks comments and the contents of string and character literals.
pub(crate) fn blank(source: &str) -> String {
    let mut code = String::with_capacity(source.len());
    let mut rest = source;
    let mut before = ' ';
    while let Some(next) = rest.chars().next() {
        let (keep, hidden) = token(rest, before);
        code.push_str(&rest[..keep]);
        let inside = &rest[keep..keep + hidden];
        code.extend(inside.chars().map(|char| if char == '\n' { '\n' } else { ' ' }));
        before = rest[..keep + hidden].chars().next_back().unwrap_or(next);
        rest = &rest[keep + hidden..];
    }
    code
}

/// How many bytes to keep and how many after them to hide; at least one together.
fn token(rest: &str, before: char) -> (usize, usize) {
    if rest.starts_with("//") {
        return (0, rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return (0, block_comment(rest));
    }
    let is_inside_word = before.is_alphanumeric() || before == '_';
    if !is_inside_word && let Some((open, content)) = raw_string(rest) {
        return (open, content);
    }
    if let Some(content) = rest.strip_prefix('"') {
        return (1, quoted(content, '"'));
    }
    if let Some(content) = rest.strip_prefix('\'').filter(|content| is_char(content)) {
        return (1, quoted(content, '\''));
    }
    (rest.chars().next().map_or(1, char::len_utf8), 0)
}

/// Length of a block comment, which may hold others.
fn block_comment(rest: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    at
}

/// Lengths of the opening of `r"…"`, `br#"…"#` and the like, and of all that follows in it.
fn raw_string(rest: &str) -> Option<(usize, usize)> {
    let word = ["r", "br", "cr"]
        .into_iter()
        .find(|word| rest.strip_prefix(word).is_some_and(|rest| rest.starts_with(['"', '#'])))?;
    let hashes = rest[word.len()..].bytes().take_while(|byte| *byte == b'#').count();
    let open = word.len() + hashes + 1;
    if rest.as_bytes().get(open - 1) != Some(&b'"') {
        return None; // r#type
    }
    let close = format!("\"{}", "#".repeat(hashes));
    let content = rest[open..].find(&close).map_or(rest.len() - open, |at| at + close.len());
    Some((open, content))
}

/// Length of the rest of a literal, with its closing quote.
fn quoted(rest: &str, quote: char) -> usize {
    let mut is_escaped = false;
    for (at, char) in rest.char_indices() {
        match char {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            _ if char == quote => return at + char.len_utf8(),
            _ => {}
        }
    }
    rest.len()
}

/// Whether a quote opens a character rather than a lifetime: `'a'`, `'\n'`, but `'a`.
fn is_char(rest: &str) -> bool {
    let mut chars = rest.chars();
    match chars.next() {
        Some('\\') => true,
        Some(_) => chars.next() == Some('\''),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::blank;

    #[test]
    fn literals_and_comments_are_blank_and_code_stays() {
        // A full stop stands for what is blanked.
        for (source, code) in [
            ("a // b\nc", "a ....\nc"),
            ("a /* b /* c\n */ d */ e", "a .........\n........ e"),
            (r#"f("x\"y", 'z')"#, r#"f("....., '..)"#),
            (r##"r#"a"b"# + c"##, r##"r#"..... + c"##),
            ("<'a>(x: &'a str)", "<'a>(x: &'a str)"),
            ("r#type + br", "r#type + br"),
            ("'\\'' b", "'... b"),
            ("for\"x\"", "for\".."),
        ] {
            assert_eq!(blank(source), code.replace('.', " "), "{source}");
        }
    }
}
