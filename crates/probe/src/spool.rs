//! Reports on disk until the server has stored them: numbered, in order, bounded. When room gets
//! short the oldest fine ones are thinned out first; failures, and the first fine check after one,
//! stay.
//!
//! Files of lines, `<sequence> <mark> <json>`, each file named after its first sequence. A kill
//! loses nothing that was pushed; a power cut may lose the last seconds.

use std::collections::{HashMap, VecDeque};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use whydown_core::observation::State;
use whydown_core::wire::{Numbered, Report};

/// A file is closed and the next one begun at this size.
const SEGMENT_BYTES: u64 = 1 << 20;
/// A file whose lines are all acknowledged is replaced from this size on.
const RENEW_BYTES: u64 = 64 << 10;
/// What a spool may take on disk when nothing else is said.
pub const SPOOL_MAX_BYTES: u64 = 256 << 20;

const IMPORTANT: u8 = b'!';
const FINE: u8 = b'.';

/// One report on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its number.
    pub sequence: u64,
    /// Failing, or the first fine one after that.
    pub important: bool,
    /// A [`Numbered`] as JSON.
    pub json: Vec<u8>,
}

#[derive(Debug)]
struct Segment {
    path: PathBuf,
    /// The last sequence in it; the number before its first one while it is empty.
    last: u64,
    bytes: u64,
    thinned: bool,
}

/// Where reading goes on.
#[derive(Clone, Copy, Debug, Default)]
struct Cursor {
    segment: usize,
    offset: u64,
}

/// The spool of one probe.
#[derive(Debug)]
pub struct Spool {
    dir: PathBuf,
    max_bytes: u64,
    /// Oldest first; the last one is written to.
    segments: VecDeque<Segment>,
    writer: File,
    acknowledged: u64,
    read: Cursor,
    /// Did the monitor fail in its newest report? Decides what is a transition.
    failing: HashMap<String, bool>,
    thinned: u64,
}

impl Spool {
    /// Opens the spool in `dir`, with what an earlier process left there.
    ///
    /// # Errors
    /// What the operating system said.
    pub fn open(dir: &Path, max_bytes: u64) -> std::io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        let mut firsts: Vec<u64> = std::fs::read_dir(dir)?
            .filter_map(Result::ok)
            .filter_map(|entry| {
                entry.file_name().to_str()?.strip_suffix(".log")?.parse::<u64>().ok()
            })
            .collect();
        firsts.sort_unstable();
        let mut segments = VecDeque::new();
        for first in firsts {
            segments.push_back(recover(dir, first)?);
        }
        if segments.is_empty() {
            segments.push_back(Segment::empty(dir, 1));
        }
        let acknowledged = segments.front().map_or(0, |s| first_of(&s.path).saturating_sub(1));
        let path = segments.back().map(|s| s.path.clone()).unwrap_or_default();
        Ok(Self {
            dir: dir.to_owned(),
            max_bytes,
            writer: append(&path)?,
            segments,
            acknowledged,
            read: Cursor::default(),
            failing: HashMap::new(),
            thinned: 0,
        })
    }

    fn last(&self) -> u64 {
        self.segments.back().map_or(0, |segment| segment.last)
    }

    /// Keeps a report, and says whether it is important.
    ///
    /// # Errors
    /// What the operating system said; then the report is not kept.
    pub fn push(&mut self, report: Report, ahead_ms: Option<i64>) -> std::io::Result<Line> {
        let important = self.is_important(&report);
        let sequence = self.last() + 1;
        let numbered = Numbered { sequence, ahead_ms, report };
        let json = serde_json::to_vec(&numbered)?;
        let mark = if important { IMPORTANT } else { FINE };
        let mut text = format!("{sequence} {} ", char::from(mark)).into_bytes();
        text.extend_from_slice(&json);
        text.push(b'\n');
        self.writer.write_all(&text)?;
        let bytes = u64::try_from(text.len()).unwrap_or(u64::MAX);
        if let Some(segment) = self.segments.back_mut() {
            segment.last = sequence;
            segment.bytes += bytes;
            if segment.bytes >= SEGMENT_BYTES {
                self.rotate()?;
            }
        }
        self.make_room()?;
        Ok(Line { sequence, important, json })
    }

    fn is_important(&mut self, report: &Report) -> bool {
        let fails = report.evidence.observations.iter().any(|seen| seen.state != State::Up);
        match self.failing.get_mut(&report.monitor) {
            Some(failed) => std::mem::replace(failed, fails) || fails,
            None => {
                self.failing.insert(report.monitor.clone(), fails);
                fails
            }
        }
    }

    /// Forgets what was remembered of monitors that are gone.
    pub fn retain(&mut self, wanted: impl Fn(&str) -> bool) {
        self.failing.retain(|name, _| wanted(name));
    }

    fn rotate(&mut self) -> std::io::Result<()> {
        let segment = Segment::empty(&self.dir, self.last() + 1);
        self.writer = append(&segment.path)?;
        self.segments.push_back(segment);
        Ok(())
    }

    /// Thins the oldest files, and only then drops the oldest.
    fn make_room(&mut self) -> std::io::Result<()> {
        while self.segments.iter().map(|segment| segment.bytes).sum::<u64>() > self.max_bytes {
            let closed = self.segments.len() - 1;
            let thick = self.segments.iter().take(closed).position(|segment| !segment.thinned);
            match thick {
                Some(index) => self.thin(index)?,
                None if closed > 0 => self.drop_oldest()?,
                None => self.rotate()?,
            }
            // What was read of a file that has changed is read again; the server knows the numbers.
            self.read = Cursor::default();
        }
        Ok(())
    }

    fn thin(&mut self, index: usize) -> std::io::Result<()> {
        let Some(segment) = self.segments.get_mut(index) else { return Ok(()) };
        let all = lines(&std::fs::read(&segment.path)?);
        let (kept, gone): (Vec<&Line>, Vec<&Line>) = all.iter().partition(|line| line.important);
        let mut text = Vec::new();
        for line in kept {
            text.extend_from_slice(
                format!("{} {} ", line.sequence, char::from(IMPORTANT)).as_bytes(),
            );
            text.extend_from_slice(&line.json);
            text.push(b'\n');
        }
        let temporary = segment.path.with_extension("new");
        std::fs::write(&temporary, &text)?;
        std::fs::rename(&temporary, &segment.path)?;
        segment.bytes = u64::try_from(text.len()).unwrap_or(u64::MAX);
        segment.thinned = true;
        self.thinned += u64::try_from(gone.len()).unwrap_or(u64::MAX);
        Ok(())
    }

    fn drop_oldest(&mut self) -> std::io::Result<()> {
        if let Some(segment) = self.segments.pop_front() {
            let lost = lines(&std::fs::read(&segment.path)?).len();
            tracing::error!(lost, "the spool is full of failures: the oldest reports are dropped");
            std::fs::remove_file(&segment.path)?;
        }
        Ok(())
    }

    /// The next reports to send, at most so many and about so many bytes of JSON.
    ///
    /// # Errors
    /// What the operating system said.
    pub fn take(&mut self, max: usize, max_bytes: usize) -> std::io::Result<Vec<Line>> {
        let mut taken = Vec::new();
        let mut bytes = 0;
        while taken.len() < max && bytes < max_bytes {
            let Some(segment) = self.segments.get(self.read.segment) else { break };
            let mut file = File::open(&segment.path)?;
            file.seek(SeekFrom::Start(self.read.offset))?;
            let mut text = Vec::new();
            file.read_to_end(&mut text)?;
            for line in lines(&text) {
                if taken.len() >= max || bytes >= max_bytes {
                    break;
                }
                let head = line.sequence.to_string().len() + 4;
                self.read.offset += u64::try_from(head + line.json.len()).unwrap_or(u64::MAX);
                if line.sequence > self.acknowledged {
                    bytes += line.json.len();
                    taken.push(line);
                }
            }
            if taken.len() >= max || bytes >= max_bytes {
                break;
            }
            if self.read.segment + 1 >= self.segments.len() {
                break;
            }
            self.read = Cursor { segment: self.read.segment + 1, offset: 0 };
        }
        Ok(taken)
    }

    /// What was taken and not acknowledged is taken again.
    pub fn rewind(&mut self) {
        self.read = Cursor::default();
    }

    /// Everything up to `sequence` is stored by the server.
    ///
    /// # Errors
    /// What the operating system said.
    pub fn acknowledge(&mut self, sequence: u64) -> std::io::Result<()> {
        self.acknowledged = self.acknowledged.max(sequence);
        let done = self.acknowledged;
        let renew = self
            .segments
            .back()
            .is_some_and(|segment| segment.last <= done && segment.bytes >= RENEW_BYTES);
        if renew {
            self.rotate()?;
        }
        while self.segments.len() > 1
            && self.segments.front().is_some_and(|segment| segment.last <= done)
        {
            let Some(segment) = self.segments.pop_front() else { break };
            std::fs::remove_file(&segment.path)?;
            self.read = match self.read.segment {
                0 => Cursor::default(),
                segment => Cursor { segment: segment - 1, ..self.read },
            };
        }
        Ok(())
    }

    /// A server that knows this probe already counts from here: numbers are never given twice.
    ///
    /// # Errors
    /// What the operating system said.
    pub fn begin_after(&mut self, sequence: u64) -> std::io::Result<()> {
        self.acknowledge(sequence.min(self.last()))?;
        if self.last() < sequence {
            // A data directory from a backup: what it holds has been told already.
            let segment = Segment::empty(&self.dir, sequence + 1);
            self.writer = append(&segment.path)?;
            self.segments.push_back(segment);
            self.acknowledge(sequence)?;
        }
        Ok(())
    }

    /// Is there something that the server has not stored?
    #[must_use]
    pub fn is_pending(&self) -> bool {
        self.last() > self.acknowledged
    }

    /// Reports that wait, roughly: thinned ones count.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        self.last().saturating_sub(self.acknowledged)
    }

    /// Fine reports thinned out since the last call.
    pub fn take_thinned(&mut self) -> u64 {
        std::mem::take(&mut self.thinned)
    }
}

impl Segment {
    fn empty(dir: &Path, first: u64) -> Self {
        let path = dir.join(format!("{first:020}.log"));
        Self { path, last: first.saturating_sub(1), bytes: 0, thinned: false }
    }
}

fn append(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().create(true).append(true).mode(0o600).open(path)
}

fn first_of(path: &Path) -> u64 {
    let name = path.file_stem().and_then(|name| name.to_str());
    name.and_then(|name| name.parse().ok()).unwrap_or(1)
}

/// A file of an earlier process; a line that it could not finish is cut off.
fn recover(dir: &Path, first: u64) -> std::io::Result<Segment> {
    let mut segment = Segment::empty(dir, first);
    let text = std::fs::read(&segment.path)?;
    let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    segment.bytes = u64::try_from(whole).unwrap_or(u64::MAX);
    if whole < text.len() {
        OpenOptions::new().write(true).open(&segment.path)?.set_len(segment.bytes)?;
    }
    let known = lines(&text[..whole]);
    segment.last = known.last().map_or(segment.last, |line| line.sequence);
    segment.thinned = !known.is_empty() && known.iter().all(|line| line.important);
    Ok(segment)
}

/// The lines of a file; what can't be read is passed over.
fn lines(text: &[u8]) -> Vec<Line> {
    let line = |text: &[u8]| {
        let blank = text.iter().position(|byte| *byte == b' ')?;
        let sequence = std::str::from_utf8(&text[..blank]).ok()?.parse().ok()?;
        let important = *text.get(blank + 1)? == IMPORTANT;
        Some(Line { sequence, important, json: text.get(blank + 3..)?.to_vec() })
    };
    let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    text[..whole].split(|byte| *byte == b'\n').filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;
    use whydown_core::evidence::Evidence;
    use whydown_core::observation::State;
    use whydown_core::wire::{Numbered, Report};

    use super::{Line, SPOOL_MAX_BYTES, Spool};
    use crate::observe::own_fault;

    fn report(name: &str, state: State) -> Report {
        let mut observation = own_fault(Timestamp::UNIX_EPOCH, Duration::ZERO);
        observation.state = state;
        let evidence = Evidence { observations: vec![observation], ..Evidence::default() };
        Report { monitor: name.to_owned(), location: String::new(), evidence }
    }

    fn numbers(lines: &[Line]) -> Vec<u64> {
        lines.iter().map(|line| line.sequence).collect()
    }

    fn all(spool: &mut Spool) -> Vec<Line> {
        spool.take(usize::MAX, usize::MAX).unwrap()
    }

    #[test]
    fn what_is_pushed_is_taken_in_order_until_it_is_acknowledged() {
        let dir = tempfile::tempdir().unwrap();
        let mut spool = Spool::open(dir.path(), SPOOL_MAX_BYTES).unwrap();
        for _ in 0..5 {
            spool.push(report("a", State::Up), Some(7)).unwrap();
        }
        assert_eq!(numbers(&spool.take(2, usize::MAX).unwrap()), [1, 2]);
        let rest = spool.take(10, usize::MAX).unwrap();
        assert_eq!(numbers(&rest), [3, 4, 5]);
        let read: Numbered = serde_json::from_slice(&rest[0].json).unwrap();
        assert_eq!((read.sequence, read.ahead_ms), (3, Some(7)));
        assert!(all(&mut spool).is_empty());
        spool.rewind();
        spool.acknowledge(3).unwrap();
        assert_eq!(numbers(&all(&mut spool)), [4, 5]);
        assert!(spool.is_pending());
        spool.acknowledge(5).unwrap();
        assert!(!spool.is_pending());
    }

    #[test]
    fn a_kill_in_the_middle_of_a_line_loses_that_line_only_and_numbers_go_on() {
        let dir = tempfile::tempdir().unwrap();
        let mut spool = Spool::open(dir.path(), SPOOL_MAX_BYTES).unwrap();
        for _ in 0..3 {
            spool.push(report("a", State::Down), None).unwrap();
        }
        drop(spool);
        let file = dir.path().join("00000000000000000001.log");
        let text = std::fs::read(&file).unwrap();
        std::fs::write(&file, &text[..text.len() - 10]).unwrap();
        let mut spool = Spool::open(dir.path(), SPOOL_MAX_BYTES).unwrap();
        spool.push(report("b", State::Up), None).unwrap();
        assert_eq!(numbers(&all(&mut spool)), [1, 2, 3]);
        spool.acknowledge(3).unwrap();
        drop(spool);
        let mut spool = Spool::open(dir.path(), SPOOL_MAX_BYTES).unwrap();
        spool.begin_after(9).unwrap();
        assert_eq!(spool.push(report("b", State::Up), None).unwrap().sequence, 10);
        assert_eq!(numbers(&all(&mut spool)), [10]);
    }

    #[test]
    fn short_of_room_the_oldest_fine_ones_go_and_failures_and_transitions_stay() {
        let dir = tempfile::tempdir().unwrap();
        let mut spool = Spool::open(dir.path(), 3 << 20).unwrap();
        let mut important = Vec::new();
        for i in 0..40_000_u64 {
            let state = if i % 1_000 < 3 { State::Down } else { State::Up };
            let line = spool.push(report("a", state), None).unwrap();
            if line.important {
                important.push(line.sequence);
            }
        }
        assert_eq!(important.len(), 160, "three failures and the first fine one, forty times");
        let kept = all(&mut spool);
        assert!(kept.windows(2).all(|pair| pair[0].sequence < pair[1].sequence));
        let left: Vec<u64> = kept.iter().filter(|l| l.important).map(|l| l.sequence).collect();
        assert_eq!(left, important);
        assert!(spool.take_thinned() > 10_000);
        let size: u64 = std::fs::read_dir(dir.path())
            .unwrap()
            .map(|e| e.unwrap().metadata().unwrap().len())
            .sum();
        assert!(size <= 3 << 20, "{size}");
        spool.acknowledge(40_000).unwrap();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
