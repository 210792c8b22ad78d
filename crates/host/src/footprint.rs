//! Gives memory back that only starting needed: a program that waits nearly always, on a machine
//! that is not its own, should not hold it.

/// Code and constants of this program and its libraries, as they are mapped.
#[derive(Debug)]
pub struct Code(Vec<(usize, usize)>);

impl Code {
    /// Finds what is mapped now.
    #[must_use]
    pub fn mapped() -> Self {
        Self(untouched(&std::fs::read_to_string("/proc/self/smaps").unwrap_or_default()))
    }

    /// Lets go of its pages. What is needed again is mapped again, from the kernel's page cache,
    /// within microseconds.
    pub fn release(&self) {
        for (start, length) in &self.0 {
            release(*start, *length);
        }
    }
}

/// Mappings of files that nobody wrote to, as the loader does to some: those have pages of their
/// own (proc_pid_smaps(5)).
fn untouched(smaps: &str) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut mapping = None;
    for line in smaps.lines() {
        mapping = read_only(line).or(mapping);
        if let Some(own) = line.strip_prefix("Anonymous:") {
            found.extend(mapping.take().filter(|_| own.trim() == "0 kB"));
        }
    }
    found
}

/// Start and length of a private mapping of a file that is only read or run, proc_pid_maps(5):
/// `55d0e000-55d1f000 r-xp 0000e000 fe:00 4711    /usr/bin/whydown`.
fn read_only(line: &str) -> Option<(usize, usize)> {
    let (range, rest) = line.split_once(' ')?;
    let (rights, rest) = rest.split_once(' ')?;
    let is_file = rest.split_ascii_whitespace().nth(3).is_some_and(|path| path.starts_with('/'));
    let (start, end) = range.split_once('-')?;
    let start = usize::from_str_radix(start, 16).ok()?;
    let end = usize::from_str_radix(end, 16).ok()?;
    let length = end.checked_sub(start)?;
    (is_file && matches!(rights, "r-xp" | "r--p")).then_some((start, length))
}

#[expect(unsafe_code, reason = "madvise(2) takes an address")]
fn release(start: usize, length: usize) {
    let start = std::ptr::with_exposed_provenance_mut(start);
    // SAFETY: a private mapping without pages of its own holds nothing but its file's bytes:
    // whoever touches it after MADV_DONTNEED finds the same ones.
    let _ = unsafe { nix::libc::madvise(start, length, nix::libc::MADV_DONTNEED) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_never_written_is_let_go() {
        let line = "1000-3000 r-xp 0000e000 fe:00 4711      /usr/bin/whydown";
        assert_eq!(read_only(line), Some((0x1000, 0x2000)));
        for other in [
            "1000-3000 rwxp 0000e000 fe:00 4711      /usr/bin/whydown",
            "1000-3000 r--s 0000e000 fe:00 4711      /usr/bin/whydown",
            "1000-3000 r-xp 00000000 00:00 0         [vdso]",
            "1000-3000 r--p 00000000 00:00 0 ",
            "Anonymous:             0 kB",
        ] {
            assert_eq!(read_only(other), None, "{other}");
        }
        let smaps = format!("{line}\nRss: 8 kB\nAnonymous:  0 kB\n{line}\nAnonymous: 4 kB\n");
        assert_eq!(untouched(&smaps), [(0x1000, 0x2000)]);
        let code = Code::mapped();
        assert!(!code.0.is_empty());
        code.release();
        assert_eq!(read_only(line), Some((0x1000, 0x2000)), "and everything still runs");
    }
}
