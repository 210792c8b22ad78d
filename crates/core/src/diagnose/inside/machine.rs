//! What runs short on the machine itself.

use crate::cause::Cause as C;
use crate::failure::Failure as F;

use super::super::case::Case;
use super::super::{Finding, Rule};
use super::{MACHINE, STRONG, connected, finding, view};

pub(super) const RULES: &[Rule] = &[disk_full, memory_short, overflows];

/// Half a task waits for memory all the time: the machine does little else.
const PRESSURE_MIN_PERCENT: f64 = 40.0;

fn disk_full(case: &Case<'_>) -> Option<Finding> {
    let view = view(case)?;
    let disk = view.machine.full_disks.first()?;
    let says_so = |text: &str| text.to_ascii_lowercase().contains("no space left");
    let said = view.units.iter().flat_map(|unit| &unit.log).any(|line| says_so(&line.text));
    let answered = case.failed_with(&[F::HttpStatus, F::AssertionStatus]);
    let what = if disk.inodes { "inodes".to_owned() } else { format!("{} MiB", disk.free_mib) };
    let left = if disk.inodes { "no ".to_owned() + &what } else { what };
    let fact = format!("the disk at {} is full ({left} left)", disk.mount);
    let ratios: &'static [(C, f64)] = match (said, answered) {
        (true, true) => &[(C::AppError, STRONG), (C::UpstreamDead, 0.1)],
        (false, true) => &[(C::AppError, 10.0)],
        (true, false) => &[
            (C::ServiceNotListening, 1.5),
            (C::ServiceStoppedAfterDeploy, 1.0),
            (C::ServiceCrashLoop, 1.0),
        ],
        (false, false) => &[(C::ServiceNotListening, 1.0)],
    };
    Some(finding(view, MACHINE, &fact, ratios))
}

fn memory_short(case: &Case<'_>) -> Option<Finding> {
    let view = view(case)?;
    let percent = view.machine.memory_pressure_percent.filter(|p| *p >= PRESSURE_MIN_PERCENT)?;
    let fact = format!("tasks wait for memory {percent:.0} % of the time");
    let ratios: &'static [(C, f64)] = &[(C::ServiceOverloaded, 30.0), (C::ServiceHung, 2.0)];
    Some(finding(view, MACHINE, &fact, ratios))
}

fn overflows(case: &Case<'_>) -> Option<Finding> {
    let view = view(case)?;
    let rise = view.machine.rise.listen_overflows;
    if rise == 0 || !(case.failed_with(&[F::TcpTimedOut]) || connected(case)) {
        return None;
    }
    let fact = format!("{rise} connections found a full accept queue meanwhile");
    let ratios: &'static [(C, f64)] = &[(C::ServiceOverloaded, 100.0), (C::FirewallDrops, 0.3)];
    Some(finding(view, MACHINE, &fact, ratios))
}
