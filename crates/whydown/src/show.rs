//! Terminal output: verdicts as text. Pure: values in, text out; nothing is printed here.
//!
//! Colours are always written and stripped at the end by `anstream` where the output is no
//! terminal or `NO_COLOR` is set; they never carry meaning alone.

pub(crate) mod check;
pub(crate) mod diagnosis;
pub(crate) mod explanation;
pub(crate) mod path;
pub(crate) mod ports;
pub(crate) mod watch;

use owo_colors::OwoColorize;
use whydown_core::observation::State;

/// Columns of output.
pub(crate) const WIDTH: usize = 80;

/// A state's word in its colour.
pub(crate) fn state(state: State) -> String {
    match state {
        State::Up => state.name().green().bold().to_string(),
        State::Degraded => state.name().yellow().bold().to_string(),
        State::Down => state.name().red().bold().to_string(),
        State::Inconclusive => state.name().magenta().bold().to_string(),
    }
}

/// A section's heading.
pub(crate) fn heading(text: &str) -> String {
    format!("\n {}\n", text.bold())
}

/// Breaks `text` at blanks so that no line is longer than `width`, each line after the first
/// indented by `indent` columns. A single longer word stays whole: commands and URLs are for
/// copying.
pub(crate) fn wrap(text: &str, width: usize, indent: usize) -> String {
    let mut out = String::new();
    let mut column = 0;
    for word in text.split_whitespace() {
        let length = word.chars().count();
        if column > 0 && column + 1 + length > width {
            out.push('\n');
            out.push_str(&" ".repeat(indent));
            column = 0;
        }
        if column > 0 {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += length;
    }
    out
}

/// Text from outside made safe for a terminal: control characters become visible.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// Cuts to `width` characters, the last one an ellipsis if something was cut.
pub(crate) fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width.saturating_sub(1)).chain(['…']).collect()
}
