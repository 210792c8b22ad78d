//! Listeners as a table that a person reads at a glance.

use owo_colors::OwoColorize as _;
use whydown_core::inside::{FilterVerdict, Judgement, Listener, Reach, Transport};

use super::{cut, heading, printable};
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
        .map(|listener| (listener.port.abs_diff(port), listener))
        .map(|(_, listener)| (listener.port, listener.holder()))
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
    text += &format!(" What listens: {}", list.join(", "));
    text += &if more > 0 { format!(", and {more} more.\n") } else { ".\n".to_owned() };
    text
}
