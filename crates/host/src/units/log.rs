//! The last words of a unit: from the journal, else from its log file. Cut and redacted before
//! anybody else sees them.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use whydown_core::inside::{LogLine, Unit};

use crate::{bounded, files, redact};

/// Lines kept.
const LINES_MAX: usize = 12;
/// Lines read, of which the last are kept.
const LINES_READ: &str = "40";
/// Characters of a line kept.
const LINE_MAX_CHARS: usize = 240;
/// Bytes of a log file read, from its end.
const TAIL_MAX_BYTES: u64 = 32 << 10;
/// A log file that nobody has written to for so long before a failure says nothing about it.
const FILE_AGE_MAX: Duration = Duration::from_secs(3_600);

/// The last lines, the oldest first.
pub(super) fn lines(unit: &Unit, file: Option<&Path>, patience: Duration) -> Vec<LogLine> {
    let mut lines = Vec::new();
    if unit.supervisor.as_deref() == Some("systemd") {
        lines = journal(&unit.name, patience);
    }
    let speaks = |line: &LogLine| !line.text.starts_with("systemd: ");
    if !lines.iter().any(speaks)
        && let Some(path) = file
    {
        let own = of_file(path, unit.stopped_at.or(unit.started_at));
        lines.splice(0..0, own);
    }
    let surplus = lines.len().saturating_sub(LINES_MAX);
    lines.drain(..surplus);
    lines
}

fn journal(unit: &str, patience: Duration) -> Vec<LogLine> {
    let fields = "--output-fields=MESSAGE,SYSLOG_IDENTIFIER,__REALTIME_TIMESTAMP";
    let options = ["--output=json", fields, "--lines", LINES_READ, "--no-pager", "--quiet"];
    let matches = matches(unit);
    let arguments: Vec<&str> =
        options.into_iter().chain(matches.iter().map(String::as_str)).collect();
    let text = bounded::run("journalctl", &arguments, patience).unwrap_or_default();
    text.lines().filter_map(entry).collect()
}

/// What the unit said, and what root's processes said about it. `--unit` would take the word of
/// process 1 alone, and lose why a program can't be started: the child that says so is gone before
/// journald has seen where it belongs (systemd issue 2913).
fn matches(unit: &str) -> Vec<String> {
    let by_root = |field| ["+".to_owned(), format!("{field}={unit}"), "_UID=0".to_owned()];
    let about = ["UNIT", "OBJECT_SYSTEMD_UNIT", "COREDUMP_UNIT"].into_iter().flat_map(by_root);
    std::iter::once(format!("_SYSTEMD_UNIT={unit}")).chain(about).collect()
}

/// One entry of `journalctl -o json`. A message that is no text comes as an array of bytes.
fn entry(line: &str) -> Option<LogLine> {
    let entry: serde_json::Value = serde_json::from_str(line).ok()?;
    let message = match entry.get("MESSAGE")? {
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Array(bytes) => {
            let byte = |value: &serde_json::Value| u8::try_from(value.as_u64()?).ok();
            let bytes: Vec<u8> = bytes.iter().filter_map(byte).collect();
            String::from_utf8_lossy(&bytes).into_owned()
        }
        _ => return None,
    };
    let micros = entry.get("__REALTIME_TIMESTAMP").and_then(|value| value.as_str()?.parse().ok());
    let by = entry.get("SYSLOG_IDENTIFIER").and_then(|value| value.as_str()).unwrap_or("-");
    Some(LogLine {
        at: micros.and_then(|micros| Timestamp::from_microsecond(micros).ok()),
        text: kept(&format!("{by}: {message}")),
        source: "journal".to_owned(),
    })
}

fn of_file(path: &Path, near: Option<Timestamp>) -> Vec<LogLine> {
    let written = files::written_at(path);
    let stale = match (written, near) {
        (Some(written), Some(near)) => {
            near.duration_since(written).unsigned_abs() > FILE_AGE_MAX && near > written
        }
        _ => false,
    };
    let text = if stale { None } else { files::tail(path, TAIL_MAX_BYTES) };
    let text = text.unwrap_or_default();
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let source = path.display().to_string();
    let from = lines.len().saturating_sub(LINES_MAX);
    let line = |text: &&str| LogLine { at: None, text: kept(text), source: source.clone() };
    lines.get(from..).unwrap_or_default().iter().map(line).collect()
}

fn kept(text: &str) -> String {
    redact::mask(&redact::printable(text, LINE_MAX_CHARS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_of_the_journal_is_read_and_redacted() {
        let line = "{\"MESSAGE\":\"login of a@b.test with password=hunter2\",\
                    \"SYSLOG_IDENTIFIER\":\"app\",\"__REALTIME_TIMESTAMP\":\"1700000000123456\"}";
        let entry = entry(line).unwrap();
        assert_eq!(entry.text, "app: login of *** with password=***");
        assert_eq!(entry.at, Some("2023-11-14T22:13:20.123456Z".parse().unwrap()));
        let bytes = "{\"MESSAGE\":[104,105,27]}";
        assert_eq!(super::entry(bytes).unwrap().text, "-: hi");
    }

    #[test]
    fn the_end_of_a_log_file_is_read() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let text: String = (0..50).map(|n| format!("line {n}\n")).collect();
        std::fs::write(file.path(), text).unwrap();
        let unit = Unit::default();
        let lines = lines(&unit, Some(file.path()), Duration::from_secs(1));
        assert_eq!((lines.len(), lines[LINES_MAX - 1].text.as_str()), (LINES_MAX, "line 49"));
    }
}
