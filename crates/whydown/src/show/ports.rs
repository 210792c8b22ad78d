//! Listeners as a table that a person reads at a glance.

use std::fmt::Write as _;

use owo_colors::OwoColorize as _;
use whydown_core::diagnosis::Diagnosis;
use whydown_core::inside::{
    FilterVerdict, InsideView, Judgement, Listener, Passage, Reach, Transport, Unit,
};
use whydown_core::observation::State;

use super::diagnosis::{Options, instructions};
use super::{WIDTH, cut, heading, printable, wrap};
use crate::command::ports::reachable;

/// The widest that a column of free text gets.
const CELL_MAX: usize = 26;
/// Other ports named when nobody listens on the one asked for.
const NAMED_MAX: usize = 6;

const TITLES: [&str; 6] = ["PORT", "ADDRESS", "WHO CAN REACH IT", "PROGRAM", "UNIT", "FIREWALL"];

/// The table, with a note where an open door leads to a database or the like.
pub(crate) fn table(rows: &[(&Listener, &Judgement)]) -> String {
    if rows.is_empty() {
        return " Nothing listens on this machine.\n".to_owned();
    }
    let cells: Vec<[String; 6]> = rows.iter().map(|(l, j)| cells(l, j)).collect();
    let mut widths = TITLES.map(str::len);
    for row in &cells {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = format!(" {}\n", line(&TITLES.map(str::to_owned), widths).bold());
    for (row, (listener, _)) in cells.iter().zip(rows) {
        let plain = line(row, widths);
        let coloured = match listener.reach() {
            Reach::ThisMachine => plain.dimmed().to_string(),
            _ => plain,
        };
        text += &format!(" {coloured}\n");
    }
    text
}

fn line(cells: &[String; 6], widths: [usize; 6]) -> String {
    let pad = |(cell, width): (&String, usize)| format!("{cell:<width$}");
    let padded: Vec<String> = cells.iter().zip(widths).map(pad).collect();
    padded.join("  ").trim_end().to_owned()
}

fn cells(listener: &Listener, judgement: &Judgement) -> [String; 6] {
    let short = |text: &str| cut(&printable(text), CELL_MAX);
    let firewall = match judgement.verdict {
        FilterVerdict::Undecided => "?",
        verdict => verdict.name(),
    };
    [
        format!("{} {}", listener.port, listener.transport),
        short(&address(listener)),
        reachable(listener, judgement),
        short(&program(listener)),
        short(listener.container.as_deref().or(listener.unit.as_deref()).unwrap_or("")),
        firewall.to_owned(),
    ]
}

/// In words where that is shorter for the eye: nobody has to know what `0.0.0.0` means.
fn address(listener: &Listener) -> String {
    let scope = listener.interface.as_deref().map_or_else(String::new, |name| format!("%{name}"));
    let words = match (listener.address.is_unspecified(), listener.dual_stack) {
        (true, Some(true)) => "any",
        (true, _) if listener.address.is_ipv4() => "any IPv4",
        (true, Some(false)) => "any IPv6",
        (true, None) => "any (::)",
        (false, _) => return format!("{}{scope}", listener.address),
    };
    format!("{words}{scope}")
}

fn program(listener: &Listener) -> String {
    match (listener.owner(), &listener.user) {
        (Some(owner), _) => format!("{} ({})", owner.process, owner.pid),
        (None, Some(user)) => format!("? of {user}"),
        (None, None) => format!("? of user {}", listener.uid),
    }
}

/// Nothing there: and what is elsewhere, which is often the answer.
pub(crate) fn nobody_listens(port: u16, listeners: &[Listener]) -> String {
    let mut text = heading(&format!("Nothing listens on port {port} of this machine."));
    let mut named: Vec<(u16, String)> = listeners
        .iter()
        .filter(|listener| listener.transport == Transport::Tcp)
        .map(|listener| (listener.port, listener.holder()))
        .collect();
    named.dedup();
    if named.is_empty() {
        return text;
    }
    let more = named.len().saturating_sub(NAMED_MAX);
    let list: Vec<String> = named
        .iter()
        .take(NAMED_MAX)
        .map(|(port, holder)| format!("{} on {port}", printable(holder)))
        .collect();
    let more = if more > 0 { format!(", and {more} more") } else { String::new() };
    let sentence = format!("What listens: {}{more}.", list.join(", "));
    let _ = writeln!(text, " {}", wrap(&sentence, WIDTH - 2, 1));
    text
}

/// Why strangers can or can't use the port, what runs behind it, and the fix.
pub(crate) fn story(view: &InsideView, diagnosis: &Diagnosis) -> String {
    let mut out = String::new();
    let verdict = match diagnosis.state {
        State::Up => format!("Strangers can connect to port {}.", view.port),
        _ => printable(&diagnosis.summary),
    };
    let _ = writeln!(out, "\n {}", wrap(&verdict, WIDTH - 2, 1).bold());
    facts(&mut out, diagnosis);
    for unit in view.units.iter().filter(|unit| !unit.state.is_empty()) {
        describe(&mut out, unit);
    }
    passages(&mut out, &view.passages);
    if let Some(cause) = diagnosis.causes.first().filter(|_| diagnosis.state != State::Up) {
        instructions(&mut out, "To fix it", &cause.fix, Options::default());
    }
    out
}

/// What the rules found inside.
fn facts(out: &mut String, diagnosis: &Diagnosis) {
    let inside = diagnosis.evidence.iter().filter(|fact| fact.source.starts_with("inside"));
    let mut inside = inside.peekable();
    if inside.peek().is_some() {
        out.push_str(&heading("Why"));
    }
    for fact in inside {
        let _ = writeln!(out, "   {}", wrap(&printable(&fact.fact), WIDTH - 4, 3));
    }
}

fn describe(out: &mut String, unit: &Unit) {
    let supervisor = unit.supervisor.as_deref().map_or(String::new(), |by| format!(" ({by})"));
    out.push_str(&heading(&format!("{}{supervisor}", printable(&unit.name))));
    let mut state = format!("{} {}", unit.state, unit.sub_state).trim_end().to_owned();
    if let Some(at) = unit.stopped_at.filter(|_| !unit.is_running()) {
        state += &format!(", {} at {at:.0}", unit.ending());
    } else if let Some(at) = unit.started_at {
        state += &format!(", started at {at:.0}");
    }
    if unit.restarts > 0 {
        state += &format!(", started again {} times", unit.restarts);
    }
    if let Some(source) = &unit.bond_source {
        state += &format!("; {}", printable(source));
    }
    let _ = writeln!(out, "   {}", wrap(&state, WIDTH - 4, 3));
    for change in &unit.changes {
        let _ = writeln!(out, "   {:.0}  {}", change.at, printable(&change.what));
    }
    for line in &unit.log {
        let _ = writeln!(out, "   {}", cut(&printable(&line.text), WIDTH - 4).dimmed());
    }
}

fn passages(out: &mut String, passages: &[Passage]) {
    if passages.iter().all(|passage| passage.upstreams.is_empty()) {
        return;
    }
    out.push_str(&heading("Passed on to"));
    for passage in passages {
        for upstream in &passage.upstreams {
            let word = match (&upstream.detail, upstream.tried) {
                (Some(detail), _) => format!("✗ {}", printable(detail)).red().to_string(),
                (None, true) => "● answers".green().to_string(),
                (None, false) => "not tried".to_owned(),
            };
            let holder = upstream.holder.as_deref().unwrap_or("");
            let address = printable(&upstream.address);
            let _ = writeln!(out, "   {address:<24} {word}  {}", printable(holder).dimmed());
        }
        let _ = writeln!(out, "   {}", printable(&passage.source).dimmed());
    }
}
