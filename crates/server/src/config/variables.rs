//! `${NAME}` in values: what the environment says stands in its place, and `$$` for a dollar
//! sign before a brace.

use super::node::{Node, Value};
use super::read::Problems;

/// Replaces variables in every text.
pub(super) fn expand(
    node: &mut Node,
    variable: &dyn Fn(&str) -> Option<String>,
    problems: &mut Problems,
) {
    node.each_text(&mut |place, value| {
        let Value::Text(written) = value else { return };
        match expand_text(written, variable) {
            Ok(None) => {}
            Ok(Some(text)) => {
                *value = Value::Expanded { text, written: std::mem::take(written) };
            }
            Err(error) => {
                problems.add("", place, error.0);
                problems.hint(error.1);
            }
        }
    });
}

/// Message and hint.
struct Missing(String, String);

/// `None`: nothing to replace.
fn expand_text(
    text: &str,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Option<String>, Missing> {
    if !text.contains("${") {
        return Ok(None);
    }
    let mut expanded = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        if let Some(before) = before.strip_suffix('$') {
            expanded.push_str(before);
            expanded.push_str("${");
            rest = after;
            continue;
        }
        expanded.push_str(before);
        let Some((name, after)) = after.split_once('}') else {
            let message = format!("{text:?} has ${{ without a closing brace");
            return Err(Missing(message, "write $${ for the characters themselves".to_owned()));
        };
        let Some(value) = variable(name) else {
            let message = format!("the environment has no variable {name}");
            let hint = format!(
                "set {name} before starting whydown, or write $${{{name}}} for the characters \
                 themselves"
            );
            return Err(Missing(message, hint));
        };
        expanded.push_str(&value);
        rest = after;
    }
    expanded.push_str(rest);
    Ok(Some(expanded))
}
