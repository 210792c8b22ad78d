//! Problems as text: file, line and column, the line itself with a mark below, and a hint.
//! Secrets that stand in the line are starred out.

use std::fmt::{self, Write};
use std::path::Path;

use super::node::{Node, Value};
use super::{ConfigErrors, Problem};

/// Problems shown; a file with more is broken as a whole.
const SHOWN_MAX: usize = 50;
/// Columns of a line shown.
const LINE_MAX: usize = 120;
/// A key with one of these in it has a value that nobody may see.
const SECRET_WORDS: [&str; 6] = ["secret", "password", "token", "authorization", "cookie", "key"];
/// So have these keys.
const SECRET_KEYS: [&str; 2] = ["url", "body"];

/// Does a key hold what nobody may see?
fn is_secret_key(key: &str) -> bool {
    SECRET_KEYS.contains(&key) || crate::channel::is_secret_key(key)
}
/// Shorter texts are no secret, and would star out half a line.
const HIDDEN_MIN: usize = 4;

/// All problems of a file.
pub(super) fn write(f: &mut fmt::Formatter<'_>, errors: &ConfigErrors) -> fmt::Result {
    let ConfigErrors { file, problems, text, hidden } = errors;
    let mut text = text.clone();
    for hidden in hidden {
        text = text.replace(hidden, &"*".repeat(hidden.chars().count()));
    }
    let lines: Vec<&str> = text.lines().collect();
    for (i, problem) in problems.iter().take(SHOWN_MAX).enumerate() {
        if i > 0 {
            f.write_char('\n')?;
        }
        one(f, file, &lines, problem)?;
    }
    if problems.len() > SHOWN_MAX {
        write!(f, "\n… and {} more", problems.len() - SHOWN_MAX)?;
    }
    Ok(())
}

fn one(f: &mut fmt::Formatter<'_>, file: &Path, lines: &[&str], problem: &Problem) -> fmt::Result {
    write!(f, "{}", file.display())?;
    if let Some((line, column)) = problem.place {
        write!(f, ":{line}:{column}")?;
    }
    if !problem.key.is_empty() {
        write!(f, ": {}", problem.key)?;
    }
    write!(f, ": {}", problem.message)?;
    let line = problem.place.and_then(|(line, column)| {
        let index = usize::try_from(line).ok()?.checked_sub(1)?;
        Some((line, usize::try_from(column).ok()?, lines.get(index)?))
    });
    if let Some((number, column, line)) = line {
        let number = number.to_string();
        let margin = " ".repeat(number.len());
        let line: String = starred(line).chars().take(LINE_MAX).collect();
        write!(f, "\n{margin} |\n{number} | {}", line.trim_end())?;
        if column <= LINE_MAX {
            let mark = "^".repeat(marked(&line, column));
            write!(f, "\n{margin} | {}{mark}", " ".repeat(column.saturating_sub(1)))?;
        }
    }
    if let Some(hint) = &problem.hint {
        write!(f, "\n  = {hint}")?;
    }
    Ok(())
}

/// How long the value at a column is: up to a comma, brace, comment or the end.
fn marked(line: &str, column: usize) -> usize {
    let rest: String = line.chars().skip(column.saturating_sub(1)).collect();
    let end = match rest.chars().next() {
        Some('{' | '[') => Some(1),
        Some(quote @ ('"' | '\'')) => rest[1..].find(quote).map(|end| end + 2),
        _ => [", ", "}", "]", " #", ": "].iter().filter_map(|end| rest.find(end)).min(),
    };
    let value = &rest[..end.unwrap_or(rest.len())];
    value.trim_end().trim_end_matches([':', ',']).chars().count().max(1)
}

/// Texts that nobody may see, wherever they stand: headers, bodies, keys and addresses.
pub(super) fn hidden(node: &Node, texts: &mut Vec<String>) {
    match &node.value {
        Value::List(items) => items.iter().for_each(|node| hidden(node, texts)),
        Value::Map(entries) => {
            for (key, node) in entries {
                let inside = matches!(key.text.as_str(), "headers" | "secret" | "password");
                if inside || is_secret_key(&key.text) {
                    written(node, texts);
                }
                hidden(node, texts);
            }
        }
        Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::Text(_)
        | Value::Expanded { .. } => {}
    }
}

fn written(node: &Node, texts: &mut Vec<String>) {
    match &node.value {
        Value::Text(text) if text.len() >= HIDDEN_MIN && !text.contains("${") => {
            // A text of several lines stands indented in the file.
            texts.extend(text.lines().filter(|line| line.len() >= HIDDEN_MIN).map(str::to_owned));
        }
        Value::List(items) => items.iter().for_each(|node| written(node, texts)),
        Value::Map(entries) => entries.iter().for_each(|(_, node)| written(node, texts)),
        _ => {}
    }
}

/// The line with stars in place of values behind keys that sound secret. Positions stay.
fn starred(line: &str) -> String {
    let line = without_credentials(line);
    let mut shown = String::with_capacity(line.len());
    let mut rest = line.as_str();
    while let Some((key, value)) = rest.split_once(':') {
        let word = key.rsplit([',', '{', ' ', '-']).find(|word| !word.is_empty());
        let word = word.unwrap_or_default().to_ascii_lowercase();
        let word = word.trim_matches(['"', '\'']);
        let secret = SECRET_WORDS.iter().any(|secret| word.contains(secret));
        let secret = secret || is_secret_key(word);
        shown.push_str(key);
        shown.push(':');
        if !secret {
            rest = value;
            continue;
        }
        let blanks = value.len() - value.trim_start().len();
        let (blank, value) = value.split_at(blanks);
        let end = match value.chars().next().filter(|c| matches!(c, '"' | '\'')) {
            Some(quote) => value[1..].find(quote).map_or(value.len(), |end| end + 2),
            None => value.find([',', '}']).unwrap_or(value.len()),
        };
        shown.push_str(blank);
        let hidden = &value[..end];
        let variable = hidden.trim_matches(['"', '\'']).starts_with("${");
        if variable {
            shown.push_str(hidden);
        } else {
            shown.extend(hidden.chars().map(|_| '*'));
        }
        rest = &value[end..];
    }
    shown.push_str(rest);
    shown
}

/// Stars for what stands between `://` and `@`.
fn without_credentials(line: &str) -> String {
    let Some((before, after)) = line.split_once("://") else { return line.to_owned() };
    let end = after.find(['/', '"', '\'', ' ']).unwrap_or(after.len());
    match after[..end].rfind('@') {
        Some(at) => {
            let stars = "*".repeat(after[..at].chars().count());
            format!("{before}://{stars}{}", &after[at..])
        }
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::starred;

    #[test]
    fn values_behind_secret_keys_are_starred_and_columns_stay() {
        for (line, shown) in [
            ("    secret: hunter2", "    secret: *******"),
            (
                "  webhook: { url: \"https://x/y\", secret: abc, x: 1 }",
                "  webhook: { url: *************, secret: ***, x: 1 }",
            ),
            ("  password: \"${PASS}\"", "  password: \"${PASS}\""),
            ("  X-Api-Key: a:b", "  X-Api-Key: ***"),
            ("  interval: 30s", "  interval: 30s"),
            ("  target: https://u:p@example.com/", "  target: https://***@example.com/"),
            ("  base_url: https://example.com", "  base_url: https://example.com"),
        ] {
            assert_eq!(starred(line), shown);
        }
    }
}
