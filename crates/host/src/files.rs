//! Configuration files: read within limits, and found by patterns such as `sites-enabled/*`.

use std::fs::File;
use std::io::Read as _;
use std::path::{Component, Path, PathBuf};

use jiff::Timestamp;

/// Bytes of one file that are read.
const FILE_MAX_BYTES: u64 = 1 << 20;
/// Files that one pattern may name.
const MATCHES_MAX: usize = 512;

/// The text of a file.
#[must_use]
pub(crate) fn read(path: &Path) -> Option<String> {
    let file = File::open(path).ok()?;
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    let mut bytes = Vec::new();
    file.take(FILE_MAX_BYTES).read_to_end(&mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// The last bytes of a file, from the beginning of a line, with the time of its last change.
#[must_use]
pub(crate) fn tail(path: &Path, max_bytes: u64) -> Option<String> {
    use std::io::{Seek as _, SeekFrom};
    let mut file = File::open(path).ok()?;
    let length = file.metadata().ok()?.len();
    let from = length.saturating_sub(max_bytes);
    file.seek(SeekFrom::Start(from)).ok()?;
    let mut bytes = Vec::new();
    file.take(max_bytes).read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes).into_owned();
    Some(match text.split_once('\n') {
        Some((_, rest)) if from > 0 => rest.to_owned(),
        _ => text,
    })
}

/// When a file was last written.
#[must_use]
pub(crate) fn written_at(path: &Path) -> Option<Timestamp> {
    let modified = std::fs::metadata(path).ok()?.modified().ok()?;
    Timestamp::try_from(modified).ok()
}

/// The existing files that a pattern with `*` and `?` names, in order, below `root`. A pattern
/// without either names itself.
#[must_use]
pub(crate) fn matching(pattern: &Path) -> Vec<PathBuf> {
    let mut found = vec![PathBuf::new()];
    for component in pattern.components() {
        let part = component.as_os_str().to_string_lossy().into_owned();
        let wild = matches!(component, Component::Normal(_)) && part.contains(['*', '?']);
        let mut next = Vec::new();
        for base in found {
            if !wild {
                next.push(base.join(&part));
                continue;
            }
            let Ok(entries) = std::fs::read_dir(&base) else { continue };
            let names = entries.flatten().map(|entry| entry.file_name());
            let mut fitting: Vec<String> = names
                .map(|name| name.to_string_lossy().into_owned())
                .filter(|name| !name.starts_with('.') && fits(part.as_bytes(), name.as_bytes()))
                .collect();
            fitting.sort();
            next.extend(fitting.into_iter().map(|name| base.join(name)));
        }
        next.truncate(MATCHES_MAX);
        found = next;
    }
    found.retain(|path| path.is_file());
    found
}

/// glob(7) without brackets.
fn fits(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                back = Some((p, n));
                p += 1;
            }
            Some(c) if *c == b'?' || Some(c) == name.get(n) => {
                p += 1;
                n += 1;
            }
            _ => {
                let Some((star, from)) = back else { return false };
                back = Some((star, from + 1));
                p = star + 1;
                n = from + 1;
            }
        }
    }
    pattern.get(p..).unwrap_or_default().iter().all(|c| *c == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_find_files_in_order() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["b.conf", "a.conf", "c.txt", ".hidden.conf"] {
            std::fs::write(directory.path().join(name), "x").unwrap();
        }
        let names = |pattern: &str| -> Vec<String> {
            let paths = matching(&directory.path().join(pattern));
            paths.iter().map(|p| p.file_name().unwrap().to_string_lossy().into_owned()).collect()
        };
        assert_eq!(names("*.conf"), ["a.conf", "b.conf"]);
        assert_eq!(names("c.txt"), ["c.txt"]);
        assert_eq!(names("?.t*t"), ["c.txt"]);
        assert!(names("nothing").is_empty());
    }

    #[test]
    fn the_end_of_a_file_begins_with_a_whole_line() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "one\ntwo\nthree\n").unwrap();
        assert_eq!(tail(file.path(), 8).unwrap(), "three\n");
        assert_eq!(tail(file.path(), 800).unwrap(), "one\ntwo\nthree\n");
    }
}
