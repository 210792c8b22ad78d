//! What an error text means, for people.

use std::fmt::Write as _;

use owo_colors::OwoColorize;
use whydown_core::advice;
use whydown_core::cause::Cause;
use whydown_core::explain::{Explanation, Listed};
use whydown_core::failure::Failure;

use super::diagnosis::{Options, instructions};
use super::{WIDTH, heading, printable, wrap};

/// Causes named at most.
const CAUSES_SHOWN_MAX: usize = 6;

/// The explanation as text, ending with a line feed.
pub(crate) fn text(explanation: &Explanation, options: Options) -> String {
    let mut out = String::from("\n");
    title(&mut out, explanation);
    for paragraph in [&explanation.meaning, &explanation.timing] {
        paragraph_of(&mut out, paragraph);
    }
    if let Some(note) = &explanation.note {
        paragraph_of(&mut out, note);
    }
    if !explanation.look_alikes.is_empty() {
        out.push_str(&heading("Not to be confused with"));
        for other in &explanation.look_alikes {
            let _ = writeln!(out, "   {} ({})", other.title.bold(), other.failure);
            let _ = writeln!(out, "      {}", wrap(other.difference, WIDTH - 6, 6));
        }
    }
    if !explanation.causes.is_empty() {
        out.push_str(&heading("Usual causes"));
        for cause in explanation.causes.iter().take(CAUSES_SHOWN_MAX) {
            let side = format!("({})", cause.side());
            let _ = writeln!(
                out,
                "   {:<28} {side:<10} {}",
                cause.code(),
                wrap(advice::cause_title(*cause), WIDTH - 43, 43)
            );
        }
    }
    instructions(&mut out, "What to do next", &explanation.next, options);
    out
}

fn title(out: &mut String, explanation: &Explanation) {
    let code = explanation
        .failure
        .map(Failure::code)
        .or(explanation.cause.map(Cause::code))
        .map_or_else(String::new, |code| format!(" · {code}"));
    let _ = writeln!(out, " {}{}", explanation.title.bold(), code.dimmed());
    if let Some(matched) = &explanation.matched {
        let client = explanation.client.as_deref().map_or_else(String::new, |c| format!(" ({c})"));
        let line = format!("recognised: {}{client}", printable(matched));
        let _ = writeln!(out, " {}", wrap(&line, WIDTH - 2, 1).dimmed());
    }
}

fn paragraph_of(out: &mut String, text: &str) {
    if !text.is_empty() && text != "-" {
        let _ = writeln!(out, "\n {}", wrap(text, WIDTH - 2, 1));
    }
}

/// Every code, one a line.
pub(crate) fn list(codes: &[Listed]) -> String {
    let mut out = String::new();
    for kind in ["failure", "cause"] {
        let title = if kind == "failure" { "Failures: what happened" } else { "Causes: why" };
        out.push_str(&heading(title));
        for listed in codes.iter().filter(|listed| listed.kind == kind) {
            let _ = writeln!(out, "   {:<32} {}", listed.code, listed.title);
        }
    }
    out
}
