//! Processes as `/proc` shows them, proc(5): names, states, control groups, limits. Reads only;
//! a process that ends meanwhile is none.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Processes looked at.
const PROCESSES_MAX: usize = 100_000;
/// Arguments of a command line kept.
const ARGUMENTS_MAX: usize = 256;

/// All processes, in the order of their numbers.
#[must_use]
pub fn all() -> Vec<u32> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let numbers = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let mut pids: Vec<u32> = numbers.take(PROCESSES_MAX).collect();
    pids.sort_unstable();
    pids
}

/// Are process numbers here those of the kernel itself, as in its log?
pub(crate) fn numbers_are_the_kernels() -> bool {
    // PROC_PID_INIT_INO of linux/proc_ns.h: the first namespace has a fixed number.
    const FIRST: &str = "pid:[4026531836]";
    std::fs::read_link("/proc/self/ns/pid").is_ok_and(|link| link == Path::new(FIRST))
}

/// `/proc/812/fd`.
#[must_use]
pub fn path(pid: u32, file: &str) -> PathBuf {
    Path::new("/proc").join(pid.to_string()).join(file)
}

/// The name of a process, as the kernel cuts it.
#[must_use]
pub fn name(pid: u32) -> Option<String> {
    let bytes = std::fs::read(path(pid, "comm")).ok()?;
    Some(String::from_utf8_lossy(&bytes).trim_end_matches('\n').to_owned())
}

/// The words it was started with.
#[must_use]
pub fn command_line(pid: u32) -> Vec<String> {
    let bytes = std::fs::read(path(pid, "cmdline")).unwrap_or_default();
    let words = bytes.split(|byte| *byte == 0).filter(|word| !word.is_empty());
    words.take(ARGUMENTS_MAX).map(|word| String::from_utf8_lossy(word).into_owned()).collect()
}

/// State letter and parent: `T` is stopped, `D` waits for a device, `Z` has ended.
#[must_use]
pub fn state(pid: u32) -> Option<(char, u32)> {
    let text = std::fs::read_to_string(path(pid, "stat")).ok()?;
    // The name may hold blanks and brackets: what counts comes after the last bracket.
    let (_, rest) = text.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    Some((state, fields.next()?.parse().ok()?))
}

/// Descriptors in use, and the limit; the former only for one's own processes or root.
#[must_use]
pub fn descriptors(pid: u32) -> Option<(u32, u32)> {
    let used = std::fs::read_dir(path(pid, "fd")).ok()?.count();
    let limits = std::fs::read_to_string(path(pid, "limits")).ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    let soft = line.split_ascii_whitespace().next()?;
    Some((u32::try_from(used).ok()?, soft.parse().unwrap_or(u32::MAX)))
}

/// The control group of a process: in the unified hierarchy, or systemd's own of version 1.
#[must_use]
pub fn cgroup(pid: u32) -> Option<String> {
    let text = std::fs::read_to_string(path(pid, "cgroup")).ok()?;
    let path_of = |prefix: &str| text.lines().find_map(|line| line.strip_prefix(prefix));
    let systemd = text.lines().find_map(|line| line.split_once(":name=systemd:"));
    let unified = path_of("0::").filter(|path| *path != "/");
    unified.or(systemd.map(|(_, path)| path)).map(str::to_owned)
}

/// The systemd unit of a control group: its innermost service, else socket or scope.
/// `/user.slice/user-1000.slice/user@1000.service/app.slice/shop.service` is `shop.service`.
#[must_use]
pub fn unit_of_cgroup(path: &str) -> Option<String> {
    let ending = |suffix: &str| path.split('/').rev().find(|part| part.ends_with(suffix));
    let unit = ending(".service").or_else(|| ending(".socket")).or_else(|| ending(".scope"))?;
    Some(unit.to_owned())
}

/// Users of `/etc/passwd`, by number. Those of a directory service stay numbers.
#[must_use]
pub fn users() -> HashMap<u32, String> {
    let text = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let parse = |line: &str| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        Some((fields.nth(1)?.parse().ok()?, name.to_owned()))
    };
    let mut users = HashMap::new();
    for (uid, name) in text.lines().filter_map(parse) {
        // The first line wins, as in getpwuid(3).
        users.entry(uid).or_insert(name);
    }
    users
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_known_by_their_control_groups() {
        let unit = |path: &str| unit_of_cgroup(path);
        assert_eq!(unit("/system.slice/nginx.service").as_deref(), Some("nginx.service"));
        assert_eq!(
            unit("/user.slice/user-1000.slice/user@1000.service/app.slice/shop.service").as_deref(),
            Some("shop.service")
        );
        assert_eq!(unit("/init.scope").as_deref(), Some("init.scope"));
        assert_eq!(unit("/"), None);
    }

    #[test]
    fn this_process_is_seen() {
        let pid = std::process::id();
        assert!(all().contains(&pid));
        assert_eq!(state(pid).map(|(state, _)| state == 'Z'), Some(false));
        let (used, limit) = descriptors(pid).unwrap();
        assert!(used >= 3 && used < limit);
        assert!(!command_line(pid).is_empty() && name(pid).is_some());
    }
}
