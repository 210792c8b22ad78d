//! What rules on Rust code share: where tests are, which words stand on a line, where a bracket
//! ends. Works on code whose comments and literals are blank.

use std::ops::Range;

const TEST_MODULE: &str = "#[cfg(test)]";

/// Byte ranges of `#[cfg(test)] mod … { … }` and other items that only tests have.
pub(super) fn test_ranges(code: &str) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    let mut from = 0;
    while let Some(start) = code[from..].find(TEST_MODULE).map(|at| from + at) {
        let after = start + TEST_MODULE.len();
        let Some(open) = code[after..].find(['{', ';']).map(|at| after + at) else { break };
        let end = if code[open..].starts_with('{') { closing(code, open) } else { open + 1 };
        ranges.push(start..end);
        from = end;
    }
    ranges
}

/// The code with everything that only tests have blanked.
pub(super) fn without_tests(code: &str) -> String {
    let mut rest = String::with_capacity(code.len());
    let mut from = 0;
    for range in test_ranges(code) {
        rest.push_str(&code[from..range.start]);
        let hidden = &code[range.clone()];
        rest.extend(hidden.chars().map(|char| if char == '\n' { '\n' } else { ' ' }));
        from = range.end;
    }
    rest + &code[from..]
}

/// The byte after the bracket that closes the one at `open`; the end where none does.
pub(super) fn closing(code: &str, open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, char) in code[open..].char_indices() {
        match char {
            '{' | '[' | '(' => depth += 1,
            '}' | ']' | ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return open + at + char.len_utf8();
        }
    }
    code.len()
}

/// The identifiers and keywords of a line.
pub(super) fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|char: char| !char.is_alphanumeric() && char != '_').filter(|word| !word.is_empty())
}

/// Where a call or macro of this name begins (`name` ends with `!(`, `(` or `!`).
pub(super) fn calls<'a>(code: &'a str, name: &'a str) -> impl Iterator<Item = usize> + 'a {
    code.match_indices(name).map(|(at, _)| at).filter(move |at| {
        !code[..*at].ends_with(|char: char| char.is_alphanumeric() || char == '_')
    })
}

/// The line of a byte, counted from one.
pub(super) fn line_of(code: &str, at: usize) -> usize {
    code[..at].matches('\n').count() + 1
}
