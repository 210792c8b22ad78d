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
pub fn oom_kills() -> Option<Vec<OomKill>> {
    let began_at = began_at()?;
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
                found.extend(parse(&text, began_at));
            }
            // The record was overwritten while we read; the next is there.
            Err(error) if error.raw_os_error() == Some(nix::libc::EPIPE) => {}
            Err(_) => break,
        }
    }
    Some(found)
}

/// When the log's clock began, within some hundredths of a second: `btime` of `/proc/stat` is in
/// whole seconds, which is too coarse to tell two lives of a service apart.
fn began_at() -> Option<Timestamp> {
    const LOOKS: usize = 3;
    let look = |_| {
        // First our clock: whatever comes between the two makes the result earlier, never later.
        let now = Timestamp::now();
        let text = std::fs::read_to_string("/proc/uptime").ok()?;
        let seconds: f64 = text.split_ascii_whitespace().next()?.parse().ok()?;
        now.checked_sub(Duration::try_from_secs_f64(seconds).ok()?).ok()
    };
    (0..LOOKS).filter_map(look).max()
}

/// `3,1234,5678901,-;Memory cgroup out of memory: Killed process 812 (python3) total-vm:…`.
fn parse(record: &str, began_at: Timestamp) -> Option<OomKill> {
    let (head, text) = record.split_once(';')?;
    let (_, killed) = text.split_once("ut of memory: Killed process ")?;
    let (pid, rest) = killed.split_once(" (")?;
    let micros: u64 = head.split(',').nth(2)?.parse().ok()?;
    Some(OomKill {
        at: began_at.checked_add(Duration::from_micros(micros)).ok()?,
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
        let began_at: Timestamp = "2026-11-23T12:00:00Z".parse().unwrap();
        let kill = parse(record, began_at).unwrap();
        assert_eq!((kill.pid, kill.process.as_str()), (812, "python3"));
        assert_eq!(kill.at, "2026-11-23T12:01:30Z".parse().unwrap());
        let second: Timestamp = super::began_at().unwrap();
        let coarse = crate::machine::booted_at().unwrap();
        assert!(second.duration_since(coarse).abs() < jiff::SignedDuration::from_secs(2));
        assert_eq!(parse("6,1,2,-;eth0: link is up", began_at), None);
    }
}
