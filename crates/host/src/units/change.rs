//! What was changed near a unit's start or end: packages (dpkg's log) and configuration files.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use whydown_core::inside::Change;

use crate::files;

/// A change counts when it was made so long before the failure, at most.
const BEFORE_MAX: Duration = Duration::from_secs(3_600);
/// Or so long after it: somebody is repairing.
const AFTER_MAX: Duration = Duration::from_secs(600);
const DPKG_LOG: &str = "/var/log/dpkg.log";
const DPKG_LOG_MAX_BYTES: u64 = 128 << 10;
/// Changes told of, the newest.
const CHANGES_MAX: usize = 6;

/// Changes near a moment, the oldest first.
pub(super) fn near(unit: &str, configuration: &[PathBuf], moment: Timestamp) -> Vec<Change> {
    let stem = unit.split(['.', '@']).next().unwrap_or(unit);
    let mut changes = packages(stem, configuration, moment);
    let mut paths: BTreeSet<PathBuf> = configuration.iter().cloned().collect();
    if !stem.is_empty() {
        for pattern in ["", "/*", "/*/*"] {
            let pattern = format!("/etc/{stem}{pattern}");
            paths.extend(files::matching(Path::new(&pattern)));
        }
    }
    for path in paths {
        if let Some(at) = files::written_at(&path).filter(|at| is_near(*at, moment)) {
            changes.push(Change { at, what: format!("{} was written", path.display()) });
        }
    }
    changes.sort_by_key(|change| change.at);
    let surplus = changes.len().saturating_sub(CHANGES_MAX);
    changes.drain(..surplus);
    changes
}

fn is_near(at: Timestamp, moment: Timestamp) -> bool {
    let apart = at.duration_since(moment);
    let limit = if at <= moment { BEFORE_MAX } else { AFTER_MAX };
    apart.unsigned_abs() <= limit
}

fn packages(stem: &str, files_of_unit: &[PathBuf], moment: Timestamp) -> Vec<Change> {
    let log = files::tail(Path::new(DPKG_LOG), DPKG_LOG_MAX_BYTES).unwrap_or_default();
    let zone = TimeZone::system();
    let changed = log.lines().filter_map(|line| package_change(line, &zone));
    changed
        .filter(|(change, _)| is_near(change.at, moment))
        .filter(|(_, package)| package.starts_with(stem) || owns(package, files_of_unit))
        .map(|(change, _)| change)
        .collect()
}

/// `2026-11-23 12:00:00 upgrade nginx:amd64 1.22.1-9 1.24.0-2`, in local time.
fn package_change(line: &str, zone: &TimeZone) -> Option<(Change, String)> {
    let fields: Vec<&str> = line.split(' ').collect();
    let [date, time, action, package, old, new] = fields.as_slice() else { return None };
    let local: DateTime = format!("{date}T{time}").parse().ok()?;
    let at = local.to_zoned(zone.clone()).ok()?.timestamp();
    let name = package.split(':').next()?;
    let what = match *action {
        "upgrade" => format!("package {name} was upgraded from {old} to {new}"),
        "install" => format!("package {name} {new} was installed"),
        "remove" | "purge" => format!("package {name} {old} was removed"),
        _ => return None,
    };
    Some((Change { at, what }, name.to_owned()))
}

/// Does a package own one of the files? `/var/lib/dpkg/info/nginx.list`.
fn owns(package: &str, paths: &[PathBuf]) -> bool {
    let lists = format!("/var/lib/dpkg/info/{package}*.list");
    let owned = |list: PathBuf| {
        let text = files::read(&list).unwrap_or_default();
        paths.iter().any(|path| text.lines().any(|line| Path::new(line) == path))
    };
    files::matching(Path::new(&lists)).into_iter().any(owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_dpkgs_log_is_read() {
        let line = "2026-11-23 12:00:00 upgrade nginx:amd64 1.22.1-9 1.24.0-2";
        let (change, name) = package_change(line, &TimeZone::UTC).unwrap();
        assert_eq!(name, "nginx");
        assert_eq!(change.what, "package nginx was upgraded from 1.22.1-9 to 1.24.0-2");
        assert_eq!(change.at, "2026-11-23T12:00:00Z".parse().unwrap());
        let status = "2026-11-23 12:00:00 status installed nginx:amd64 1.24.0-2";
        assert_eq!(package_change(status, &TimeZone::UTC), None);
    }

    #[test]
    fn a_file_that_was_written_near_the_failure_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let now = files::written_at(file.path()).unwrap();
        let paths = [file.path().to_owned()];
        let changes = near("no-such-unit.service", &paths, now);
        assert_eq!(changes.len(), 1);
        let later = now.checked_add(Duration::from_secs(7_200)).unwrap();
        assert!(near("no-such-unit.service", &paths, later).is_empty());
    }
}
