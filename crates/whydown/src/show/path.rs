//! The path from client to application, drawn: one column a stage, the failing one marked.

use owo_colors::OwoColorize;
use whydown_core::diagnosis::{Diagnosis, PathStage, StageState};
use whydown_core::units::millis;

/// Columns of one stage.
const COLUMN: usize = 13;

/// Three lines: names, marks on the way, and words below.
pub(crate) fn draw(diagnosis: &Diagnosis) -> String {
    let path = &diagnosis.path;
    let names: String = path.iter().map(|s| centred(s.stage.name(), s)).collect();
    let marks: String = path.iter().enumerate().map(|(i, s)| mark(i, path.len(), s)).collect();
    let words: String = path.iter().map(|s| centred(&word(s), s)).collect();
    [names, marks, words].map(|line| format!(" {}\n", line.trim_end())).concat()
}

fn centred(text: &str, stage: &PathStage) -> String {
    let length = text.chars().count();
    let left = (COLUMN.saturating_sub(length)) / 2;
    let right = COLUMN.saturating_sub(length + left);
    format!("{}{}{}", " ".repeat(left), paint(text, stage.state), " ".repeat(right))
}

fn mark(index: usize, count: usize, stage: &PathStage) -> String {
    let symbol = match stage.state {
        StageState::Ok => "●",
        StageState::Failing => "✗",
        StageState::Degraded => "◐",
        StageState::NotReached => "○",
        StageState::Absent => "─",
        StageState::Unknown => "?",
    };
    let half = COLUMN / 2;
    let line = |drawn: bool, reached: bool| match (drawn, reached) {
        (false, _) => " ".repeat(half),
        (true, true) => "─".repeat(half).dimmed().to_string(),
        (true, false) => "┄".repeat(half).dimmed().to_string(),
    };
    let reached = stage.state != StageState::NotReached;
    let goes_on = !matches!(stage.state, StageState::NotReached | StageState::Failing);
    let before = line(index > 0, reached);
    let after = line(index + 1 < count, goes_on);
    format!("{before}{}{after}", paint(symbol, stage.state))
}

fn word(stage: &PathStage) -> String {
    match (stage.state, stage.elapsed) {
        (StageState::Ok, Some(elapsed)) => millis(elapsed),
        (StageState::Ok, None) => "ok".to_owned(),
        (StageState::Failing, _) => "FAILS HERE".to_owned(),
        (StageState::Degraded, _) => "FAILS PARTLY".to_owned(),
        (StageState::NotReached, _) => "not reached".to_owned(),
        (StageState::Absent, _) => "none".to_owned(),
        (StageState::Unknown, _) => "not known".to_owned(),
    }
}

fn paint(text: &str, state: StageState) -> String {
    match state {
        StageState::Ok => text.green().to_string(),
        StageState::Failing => text.red().bold().to_string(),
        StageState::Degraded => text.yellow().bold().to_string(),
        StageState::NotReached | StageState::Absent => text.dimmed().to_string(),
        StageState::Unknown => text.yellow().to_string(),
    }
}
