//! What was delivered and is not yet in the database: one line per delivery, written the moment
//! that the receiver says yes. A killed server reads it at its next start and does not deliver
//! again. It is not synced: losing it in a power cut only repeats messages, with their keys.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// Its name in the data directory.
const JOURNAL: &str = "outbox.journal";
/// More than a crash can leave.
const READ_MAX_BYTES: u64 = 1 << 20;

/// The open file.
#[derive(Debug)]
pub(super) struct Journal(Mutex<Open>);

#[derive(Debug)]
struct Open {
    file: File,
    /// Lines that the database does not know yet.
    unsettled: usize,
}

impl Journal {
    /// Opens it; also what a predecessor has left in it.
    pub(super) fn open(dir: &Path) -> io::Result<(Self, Vec<i64>)> {
        let path = dir.join(JOURNAL);
        let mut file =
            OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
        let mut text = String::new();
        (&mut file).take(READ_MAX_BYTES).read_to_string(&mut text)?;
        // A line without its end was being written: its delivery is repeated.
        let whole = text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
        let left: Vec<i64> = whole.filter_map(|line| line.parse().ok()).collect();
        let unsettled = left.len();
        Ok((Self(Mutex::new(Open { file, unsettled })), left))
    }

    /// A notice was delivered.
    pub(super) fn delivered(&self, seq: i64) {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // One write: a kill leaves all of the line or nothing.
        if let Err(error) = open.file.write_all(format!("{seq}\n").as_bytes()) {
            tracing::debug!("the outbox's journal can't be written: {error}");
        }
        open.unsettled += 1;
    }

    /// So many of them are in the database now.
    pub(super) fn settled(&self, count: usize) {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.unsettled = open.unsettled.saturating_sub(count);
        if count > 0
            && open.unsettled == 0
            && let Err(error) = open.file.set_len(0)
        {
            tracing::debug!("the outbox's journal can't be emptied: {error}");
        }
    }
}
