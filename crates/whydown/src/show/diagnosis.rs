//! A whole verdict for people: path, sentence, causes, evidence, what to do.

use std::fmt::Write as _;

use owo_colors::OwoColorize;
use whydown_core::advice;
use whydown_core::client::SeenAs;
use whydown_core::diagnosis::{Diagnosis, Instruction, RankedCause};
use whydown_core::target::Target;
use whydown_core::units::millis;

use super::{WIDTH, cut, heading, path, printable, state, wrap};

/// Instructions shown of each kind unless all are asked for.
const INSTRUCTIONS_SHOWN_MAX: usize = 4;

/// What to show.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Options {
    /// Every instruction for every system, and every client's wording.
    pub(crate) all: bool,
}

/// The verdict as text, ending with a line feed.
pub(crate) fn text(target: &Target, diagnosis: &Diagnosis, options: Options) -> String {
    let mut out = String::from("\n");
    title(&mut out, diagnosis);
    out.push('\n');
    out.push_str(&path::draw(diagnosis));
    let _ = writeln!(out, "\n {}", wrap(&printable(&diagnosis.summary), WIDTH - 2, 1).bold());
    addresses(&mut out, diagnosis);
    causes(&mut out, target, diagnosis);
    evidence(&mut out, diagnosis);
    if let Some(cause) = diagnosis.causes.first() {
        instructions(&mut out, "To make sure", &cause.confirm, options);
        instructions(&mut out, "To fix it", &cause.fix, options);
    }
    if let Some(seen) = &diagnosis.seen_as {
        seen_as(&mut out, seen);
    }
    let _ = writeln!(out, "\n {}", format!("found out in {}", millis(diagnosis.elapsed)).dimmed());
    out
}

fn title(out: &mut String, diagnosis: &Diagnosis) {
    let failure = diagnosis.failure.map_or_else(String::new, |failure| format!(" · {failure}"));
    let word = diagnosis.state.name();
    let right = word.chars().count() + failure.chars().count();
    let url = cut(&diagnosis.target.url, WIDTH.saturating_sub(right + 3));
    let gap = WIDTH.saturating_sub(url.chars().count() + right + 2).max(1);
    let _ = writeln!(out, " {}{}{}{failure}", url.bold(), " ".repeat(gap), state(diagnosis.state));
}

fn addresses(out: &mut String, diagnosis: &Diagnosis) {
    if diagnosis.addresses.len() < 2 {
        return;
    }
    out.push_str(&heading("Addresses"));
    for address in &diagnosis.addresses {
        let result = match address.failure {
            Some(failure) => format!("✗ {failure}").red().to_string(),
            None => "● ok".green().to_string(),
        };
        let _ = writeln!(out, "   {:<40} {:>9}  {result}", address.ip, millis(address.elapsed));
    }
}

fn causes(out: &mut String, target: &Target, diagnosis: &Diagnosis) {
    if diagnosis.causes.is_empty() {
        return;
    }
    out.push_str(&heading("Why"));
    for (i, cause) in diagnosis.causes.iter().enumerate() {
        let percent = format!("{:>3.0} %", cause.confidence * 100.0);
        let code = format!("{:<28}", cause.code.code());
        let (percent, code) = if i == 0 {
            (percent.bold().to_string(), code.bold().to_string())
        } else {
            (percent, code)
        };
        let _ = writeln!(
            out,
            "  {percent}  {code} {:<9} {}",
            format!("({})", cause.side),
            because(cause).dimmed()
        );
        let clause = wrap(&advice::sentence(cause.code, target), WIDTH - 9, 9);
        let _ = writeln!(out, "         {clause}");
    }
}

fn because(cause: &RankedCause) -> String {
    if cause.because.is_empty() { String::new() } else { format!("by {}", cause.because.join(" ")) }
}

fn evidence(out: &mut String, diagnosis: &Diagnosis) {
    if diagnosis.evidence.is_empty() {
        return;
    }
    out.push_str(&heading("Evidence"));
    for fact in &diagnosis.evidence {
        let text = wrap(&printable(&fact.fact), WIDTH - 17, 17);
        let _ = writeln!(out, "   {:<4} {:<8} {text}", fact.id, fact.stage);
        let _ = writeln!(out, "{}{}", " ".repeat(17), cut(&fact.source, WIDTH - 17).dimmed());
    }
}

/// Is this instruction for the machine that whydown runs on, or for a server?
fn fits(instruction: &Instruction) -> bool {
    let here = std::env::consts::OS;
    instruction.os == "any" || instruction.os == here || instruction.on == "server"
}

/// A numbered list of what to do, grouped by whose machine it is to be done on.
pub(crate) fn instructions(out: &mut String, title: &str, list: &[Instruction], options: Options) {
    let fitting = |i: &&Instruction| options.all || fits(i);
    let shown = if options.all { usize::MAX } else { INSTRUCTIONS_SHOWN_MAX };
    let chosen: Vec<&Instruction> = list.iter().filter(fitting).take(shown).collect();
    if chosen.is_empty() {
        return;
    }
    out.push_str(&heading(title));
    let mut place = String::new();
    for (i, instruction) in chosen.iter().enumerate() {
        let here = place_of(instruction, options);
        if here != place {
            let _ = writeln!(out, "   {}", here.dimmed());
            place = here;
        }
        let _ = writeln!(out, "   {}. {}", i + 1, wrap(&instruction.text, WIDTH - 6, 6));
        if let Some(command) = &instruction.command {
            for line in command.lines() {
                let _ = writeln!(out, "      {}", line.cyan());
            }
        }
    }
    let more = list.len() - chosen.len();
    if more > 0 {
        let _ = writeln!(
            out,
            "      {}",
            format!("{more} more, also for other systems: --all").dimmed()
        );
    }
}

fn place_of(instruction: &Instruction, options: Options) -> String {
    let os = if options.all { format!(" ({})", instruction.os) } else { String::new() };
    match instruction.on.as_str() {
        "client" => format!("on your machine{os}"),
        on => format!("on the {on}{os}"),
    }
}

fn seen_as(out: &mut String, seen: &SeenAs) {
    let firefox = seen.firefox.as_ref().map(|e| format!("{} ({})", e.message, e.id));
    let curl = seen.curl.as_ref().map(|e| format!("({}) {}", e.exit, e.message));
    let rows = [
        ("Chrome, Edge", seen.chrome.clone()),
        ("Firefox", firefox),
        ("Safari", seen.safari.clone()),
        ("curl", curl),
        ("Node.js", seen.node.clone()),
        ("Python", seen.python.clone()),
    ];
    out.push_str(&heading("What visitors see"));
    for (client, text) in rows {
        let text = text.unwrap_or_else(|| "no error: it waits, or shows the page".to_owned());
        let _ = writeln!(out, "   {client:<13} {}", wrap(&text, WIDTH - 17, 17));
    }
}
