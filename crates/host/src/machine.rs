//! The machine itself: start, disks, memory, and connections that found no room.

use std::path::Path;

use jiff::Timestamp;
use nix::sys::statvfs::statvfs;
use whydown_core::inside::{FullDisk, Machine, Rise};

/// File systems looked at.
const MOUNTS_MAX: usize = 64;
/// Less than this share is full for those who are not root (ext4 keeps 5 % back by itself).
const FREE_MIN_SHARE: f64 = 0.01;
/// And less than this: one percent of a large disk is still room.
const FREE_MIN_MIB: u64 = 64;
/// File systems that hold files of services. Network ones are left out: asking one whose server is
/// gone would hang.
const KINDS: [&str; 11] =
    ["ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "tmpfs", "overlay", "zfs", "vfat", "jfs"];

/// Looks at the machine. `before`: counters at an earlier look, to tell what has risen since.
#[must_use]
pub fn read(before: Option<Rise>) -> Machine {
    let now = overflows().unwrap_or_default();
    let rise = before.map(|before| Rise {
        listen_overflows: now.listen_overflows.saturating_sub(before.listen_overflows),
        listen_drops: now.listen_drops.saturating_sub(before.listen_drops),
    });
    Machine {
        booted_at: booted_at(),
        full_disks: full_disks(),
        memory_pressure_percent: memory_pressure(),
        memory_mib: memory(),
        rise: rise.unwrap_or_default(),
    }
}

/// Memory alone: cheap enough to ask all the time.
#[must_use]
pub fn memory_now() -> Machine {
    Machine {
        memory_pressure_percent: memory_pressure(),
        memory_mib: memory(),
        ..Machine::default()
    }
}

/// The counters of the calling thread's network namespace, since it exists.
#[must_use]
pub fn overflows() -> Option<Rise> {
    let text = std::fs::read_to_string("/proc/thread-self/net/netstat").ok()?;
    let counter = |name| crate::counters::counter(&text, "TcpExt:", name);
    Some(Rise {
        listen_overflows: counter("ListenOverflows")?,
        listen_drops: counter("ListenDrops")?,
    })
}

/// When the machine was started.
#[must_use]
pub fn booted_at() -> Option<Timestamp> {
    let text = std::fs::read_to_string("/proc/stat").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("btime "))?;
    Timestamp::from_second(line.trim().parse().ok()?).ok()
}

fn memory_pressure() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/pressure/memory").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("some avg10="))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

fn memory() -> Option<(u64, u64)> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let value = |name: &str| -> Option<u64> {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_ascii_whitespace().next()?.parse().ok()
    };
    Some((value("MemAvailable:")? >> 10, value("MemTotal:")? >> 10))
}

/// File systems without room.
#[must_use]
pub fn full_disks() -> Vec<FullDisk> {
    let text = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let mut found: Vec<FullDisk> = Vec::new();
    for line in text.lines().take(MOUNTS_MAX * 8) {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let [_, mount, kind, options, ..] = fields.as_slice() else { continue };
        let writable = options.split(',').any(|option| option == "rw");
        if found.len() >= MOUNTS_MAX || !writable || !KINDS.contains(kind) {
            continue;
        }
        // Blanks are written as octal numbers, getmntent(3).
        let mount = mount.replace("\\040", " ");
        found.extend(full(Path::new(&mount)));
    }
    found
}

fn full(mount: &Path) -> Option<FullDisk> {
    let stat = statvfs(mount).ok()?;
    let size = stat.blocks().saturating_mul(stat.fragment_size());
    let free = stat.blocks_available().saturating_mul(stat.fragment_size());
    let inodes = stat.files() > 0 && stat.files_available() == 0;
    #[expect(clippy::cast_precision_loss, reason = "a share needs no more than 52 bits")]
    let share = free as f64 / size.max(1) as f64;
    let bytes = size > 0 && share < FREE_MIN_SHARE && free >> 20 < FREE_MIN_MIB;
    (bytes || inodes).then(|| FullDisk {
        mount: mount.display().to_string(),
        free_mib: free >> 20,
        inodes: inodes && !bytes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_has_been_started_and_has_memory() {
        let machine = read(None);
        assert!(machine.booted_at.is_some_and(|at| at < Timestamp::now()));
        assert!(machine.memory_mib.is_some_and(|(free, all)| free > 0 && free <= all));
        assert_eq!(machine.rise, Rise::default());
        let before = overflows().unwrap();
        assert_eq!(read(Some(before)).rise.listen_overflows, 0);
    }
}
