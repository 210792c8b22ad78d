//! The kernel's log: processes that it killed for want of memory.

use std::fs::OpenOptions;
use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::time::Duration;

use jiff::Timestamp;
use nix::fcntl::OFlag;

/// Records read: the ring holds no more than some thousand.
const RECORDS_MAX: usize = 20_000;
/// `CONSOLE_EXT_LOG_MAX` of linux/printk.h.
const RECORD_MAX_BYTES: usize = 8_192;

/// A process that the kernel killed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OomKill {
    /// When.
    pub at: Timestamp,
    /// Its number.
    pub pid: u32,
    /// Its name.
    pub process: String,
}

/// What `/dev/kmsg` remembers; `None`: it may not be read (without root, `CAP_SYSLOG`).
#[must_use]
pub fn oom_kills(booted_at: Timestamp) -> Option<Vec<OomKill>> {
    let mut log = OpenOptions::new()
        .read(true)
        .custom_flags(OFlag::O_NONBLOCK.bits())
        .open("/dev/kmsg")
        .ok()?;
    let mut found = Vec::new();
    let mut record = [0; RECORD_MAX_BYTES];
    for _ in 0..RECORDS_MAX {
        match log.read(&mut record) {
            Ok(length) => {
                let text = String::from_utf8_lossy(record.get(..length)?).into_owned();
                found.extend(parse(&text, booted_at));
            }
            // The record was overwritten while we read; the next is there.
            Err(error) if error.raw_os_error() == Some(nix::libc::EPIPE) => {}
            Err(_) => break,
        }
    }
    Some(found)
}

/// `3,1234,5678901,-;Memory cgroup out of memory: Killed process 812 (python3) total-vm:…`.
fn parse(record: &str, booted_at: Timestamp) -> Option<OomKill> {
    let (head, text) = record.split_once(';')?;
    let (_, killed) = text.split_once("ut of memory: Killed process ")?;
    let (pid, rest) = killed.split_once(" (")?;
    let micros: u64 = head.split(',').nth(2)?.parse().ok()?;
    Some(OomKill {
        at: booted_at.checked_add(Duration::from_micros(micros)).ok()?,
        pid: pid.parse().ok()?,
        process: rest.split_once(')')?.0.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_of_the_kernel_names_the_victim() {
        let record = "3,1201,90000000,-;Memory cgroup out of memory: Killed process 812 (python3) \
                      total-vm:20kB, anon-rss:1kB";
        let booted_at: Timestamp = "2026-11-23T12:00:00Z".parse().unwrap();
        let kill = parse(record, booted_at).unwrap();
        assert_eq!((kill.pid, kill.process.as_str()), (812, "python3"));
        assert_eq!(kill.at, "2026-11-23T12:01:30Z".parse().unwrap());
        assert_eq!(parse("6,1,2,-;eth0: link is up", booted_at), None);
    }
}
