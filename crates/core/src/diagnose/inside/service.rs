//! The service behind the port: ended, in a loop, moved, stopped, full, or with a dead upstream.

use std::time::Duration;

use crate::cause::Cause as C;
use crate::failure::Failure as F;
use crate::inside::{
    Bond, Change, InsideView, Listener, LogLine, Passage, ProcessFacts, Queue, Unit, Upstream,
};

use super::super::case::Case;
use super::super::{Finding, Rule};
use super::{
    CERTAIN, LOG, PROXY, RULED_OUT, SOCKETS, STRONG, UNIT, ago, connected, finding, is_forwarded,
    listener, refused, view,
};

pub(super) const RULES: &[Rule] = &[
    crash_loop,
    stopped_after_deploy,
    not_reloaded,
    ended,
    moved,
    last_words,
    stopped,
    without_descriptors,
    queue_full,
    queue_stale,
    upstream_fails,
    upstreams_answer,
];

/// Restarts that make a loop.
const LOOP_MIN: u32 = 3;
/// Who ends so soon after its start has not survived it.
const SHORT_LIFE: Duration = Duration::from_secs(30);

/// The unit that should be listening, and does not run or keeps dying.
fn missing<'a>(case: &Case<'_>, view: &'a InsideView) -> Option<&'a Unit> {
    if !view.listeners.is_empty() && listener(case, view).is_some() {
        return None;
    }
    view.unit()
}

fn is_looping(unit: &Unit) -> bool {
    let again = matches!(unit.sub_state.as_str(), "auto-restart" | "auto-restart-queued")
        || unit.result == "start-limit-hit"
        || matches!(unit.state.as_str(), "activating" | "restarting" | "failed");
    unit.restarts >= LOOP_MIN && again
}

/// It has failed soon after it was started, or after something was changed.
fn fell_over_a_change(unit: &Unit) -> bool {
    let killed = unit.oom_killed || unit.signal.as_deref() == Some("SIGKILL");
    if unit.is_running() || !unit.has_failed() || killed {
        return false;
    }
    let life = match (unit.started_at, unit.stopped_at) {
        (Some(start), Some(end)) if end >= start => Some(end.duration_since(start).unsigned_abs()),
        _ => None,
    };
    life.is_some_and(|life| life <= SHORT_LIFE) || !unit.changes.is_empty()
}

fn crash_loop(case: &Case<'_>) -> Option<Finding> {
    let view = view(case)?;
    let unit = view.unit().filter(|unit| is_looping(unit))?;
    if !case.failed_to_connect() && !connected(case) {
        return None;
    }
    let fact = format!(
        "{} {} and was started again {} times; state {} ({})",
        unit.name,
        unit.ending(),
        unit.restarts,
        unit.state,
        unit.sub_state
    );
    let ratios: &'static [(C, f64)] = &[
        (C::ServiceCrashLoop, CERTAIN),
        (C::ServiceNotListening, RULED_OUT),
        (C::ServiceStoppedAfterDeploy, 0.01),
        (C::FirewallRejects, RULED_OUT),
        (C::Unknown, RULED_OUT),
    ];
    Some(finding(view, UNIT, &fact, ratios))
}

fn stopped_after_deploy(case: &Case<'_>) -> Option<Finding> {
    let view = view(case)?;
    let unit = missing(case, view).filter(|unit| refused(case) && fell_over_a_change(unit))?;
    if is_looping(unit) {
        return None;
    }
    let mut fact = format!("{} {}{}", unit.name, unit.ending(), when(view, unit));
    if let Some(change) = newest(unit) {
        fact += &format!("; {} {}", change.what, ago(view, change.at));
    }
    let ratios: &'static [(C, f64)] = &[
        (C::ServiceStoppedAfterDeploy, CERTAIN),
        (C::ServiceNotListening, RULED_OUT),
        (C::FirewallRejects, RULED_OUT),
        (C::Unknown, RULED_OUT),
    ];
    Some(finding(view, UNIT, &fact, ratios))
}

/// It goes on as before, because it could not take its new configuration.
fn not_reloaded(case: &Case<'_>) -> Option<Finding> {
    let view = view(case)?;
    let unit = view.unit().filter(|unit| unit.is_running() && unit.reload_failed)?;
    if !refused(case) || !view.listeners.is_empty() {
        return None;
    }
    let mut fact = format!("{} could not be reloaded and goes on as before", unit.name);
    if let Some(change) = newest(unit) {
        fact += &format!("; {} {}", change.what, ago(view, change.at));
    }
    if let Some(line) = telling_line(&unit.log) {
        fact += &format!("; its log says: {}", whole(&unit.log, line));
    }
    let ratios: &'static [(C, f64)] = &[
        (C::ServiceStoppedAfterDeploy, CERTAIN),
        (C::ServiceNotListening, RULED_OUT),
        (C::ServiceWrongPort, RULED_OUT),
        (C::FirewallRejects, RULED_OUT),
        (C::Unknown, RULED_OUT),
    ];
    Some(finding(view, UNIT, &fact, ratios))
}

fn newest(unit: &Unit) -> Option<&Change> {
    unit.changes.iter().max_by_key(|change| change.at)
}

fn when(view: &InsideView, unit: &Unit) -> String {
    unit.stopped_at.map_or_else(String::new, |at| format!(" {}", ago(view, at)))
}

/// It does not run, for whatever other reason.
fn ended(case: &Case<'_>) -> Option<Finding> {
    let view = view(case)?;
    let unit = missing(case, view)?;
    if unit.is_running() || fell_over_a_change(unit) || is_looping(unit) || !refused(case) {
        return None;
    }
    let how = if unit.stopped_at.is_some() || unit.has_failed() {
        format!("{}{}", unit.ending(), when(view, unit))
    } else {
        "does not run".to_owned()
    };
    let more = match (unit.masked, unit.enabled) {
        (true, _) => ", and is masked: nobody can start it",
        (false, Some(false)) => ", and is not enabled",
        (false, _) => "",
    };
    let fact = format!("{} {how}{more}", unit.name);
    Some(finding(view, UNIT, &fact, &[(C::ServiceNotListening, 2.0 * STRONG)]))
}

/// It runs, and listens on another port.
fn moved(case: &Case<'_>) -> Option<Finding> {
    let view = view(case)?;
    if !refused(case) || !view.listeners.is_empty() || is_forwarded(view) {
        return None;
    }
    let of_unit = |listener: &&Listener, unit: &Unit| {
        let stem = unit.name.split(['.', '@']).next();
        listener.unit.as_deref() == Some(&unit.name)
            || listener.owner().is_some_and(|owner| Some(owner.process.as_str()) == stem)
    };
    // A unit that only usually serves such a port says nothing beside one that is meant to.
    let strongest = view.unit()?.bond.rank();
    let speaks =
        |unit: &&Unit| unit.is_running() && !unit.reload_failed && unit.bond.rank() <= strongest;
    let (unit, there) = view.units.iter().filter(speaks).find_map(|unit| {
        let there = view.elsewhere.iter().find(|listener| of_unit(listener, unit))?;
        Some((unit, there))
    })?;
    let mut fact = format!("{} listens on {}, not on {}", unit.name, there.place(), view.port);
    if let Some(change) = newest(unit) {
        fact += &format!("; {} {}", change.what, ago(view, change.at));
    }
    let ratios: &'static [(C, f64)] = match unit.bond {
        Bond::Owns | Bond::LastOwned => {
            &[(C::ServiceWrongPort, CERTAIN), (C::ServiceNotListening, RULED_OUT)]
        }
        _ if !unit.changes.is_empty() => {
            &[(C::ServiceWrongPort, CERTAIN), (C::ServiceNotListening, 0.1)]
        }
        Bond::Configured => &[(C::ServiceWrongPort, 3.0 * STRONG)],
        Bond::Usual => &[(C::ServiceWrongPort, STRONG)],
    };
    Some(finding(view, SOCKETS, &fact, ratios))
}

/// The line of its log that says the most.
fn last_words(case: &Case<'_>) -> Option<Finding> {
    let view = view(case)?;
    let unit = view.unit().filter(|unit| !unit.is_running() || connected(case))?;
    let line = telling_line(&unit.log)?;
    let held = holder_of_taken_port(view, line);
    let said = whole(&unit.log, line);
    let fact = format!("the log of {} says: {said}{held}", unit.name);
    let ratios: &'static [(C, f64)] = &[
        (C::ServiceNotListening, 1.0),
        (C::ServiceStoppedAfterDeploy, 1.0),
        (C::ServiceCrashLoop, 1.0),
        (C::UpstreamDead, 1.0),
        (C::AppError, 1.0),
        (C::ServiceOverloaded, 1.0),
    ];
    Some(finding(view, LOG, &fact, ratios))
}

/// Words of logs that tell why, the most telling first.
const TELLING: [&str; 21] = [
    "address already in use",
    "eaddrinuse",
    "no space left on device",
    "too many open files",
    "out of memory",
    "cannot allocate memory",
    "permission denied",
    "syntax error",
    "[emerg]",
    "[alert]",
    "fatal",
    "panic",
    "segfault",
    "connection refused",
    "no live upstreams",
    "bad configuration option:",
    "upstream timed out",
    "configuration",
    "error",
    "failed",
    "exception",
];

/// The line that tells why: of the unit's last life, and of its own words before systemd's.
fn telling_line(log: &[LogLine]) -> Option<&LogLine> {
    let life = last_life(log);
    let own: Vec<&LogLine> = life.iter().filter(|line| !is_of_systemd(line)).collect();
    let lines = if own.is_empty() { life.iter().collect() } else { own };
    let word = TELLING.iter().find_map(|word| {
        lines.iter().rev().find(|line| line.text.to_ascii_lowercase().contains(word))
    });
    word.or(lines.last()).copied()
}

fn is_of_systemd(line: &LogLine) -> bool {
    line.text.starts_with("systemd: ")
}

/// What was said since the unit was last started, as far as systemd's own lines tell.
fn last_life(log: &[LogLine]) -> &[LogLine] {
    const ENDS: [&str; 5] = [
        "Stopped ",
        "Deactivated successfully",
        "Failed with result",
        "Failed to start",
        "Scheduled restart",
    ];
    let starts = |line: &LogLine| line.text.starts_with("systemd: Start");
    let ends = |line: &LogLine| is_of_systemd(line) && ENDS.iter().any(|e| line.text.contains(e));
    let Some(start) = log.iter().rposition(starts) else { return log };
    let before = log.get(..start).and_then(|before| before.iter().rposition(ends));
    log.get(before.map_or(0, |end| end + 1)..).unwrap_or(log)
}

/// A line with the next one, when it ends with a colon: Apache says where, and then what.
fn whole(log: &[LogLine], line: &LogLine) -> String {
    let at = log.iter().position(|other| std::ptr::eq(other, line));
    let next = at.and_then(|at| log.get(at + 1)).filter(|_| line.text.ends_with(':'));
    next.map_or_else(|| line.text.clone(), |next| format!("{} {}", line.text, next.text))
}

/// `, held by apache2 (pid 812)`: who sits on the port that the log complains about.
fn holder_of_taken_port(view: &InsideView, line: &LogLine) -> String {
    if !line.text.to_ascii_lowercase().contains("address already in use") {
        return String::new();
    }
    let numbers = line.text.split(|c: char| !c.is_ascii_digit());
    let ports: Vec<u16> = numbers.filter_map(|number| number.parse().ok()).collect();
    let all = view.listeners.iter().chain(&view.elsewhere);
    let there = all.into_iter().find(|listener| ports.contains(&listener.port));
    there.map_or_else(String::new, |listener| {
        format!(", and port {} is held by {}", listener.port, listener.holder())
    })
}

/// A process that was stopped by a signal or a debugger.
pub(super) fn stopped_process(view: &InsideView) -> Option<&ProcessFacts> {
    let processes = view.units.iter().filter(|unit| unit.bond == Bond::Owns);
    processes.flat_map(|unit| &unit.processes).find(|process| matches!(process.state, 'T' | 't'))
}

fn stopped(case: &Case<'_>) -> Option<Finding> {
    let view = view(case)?;
    let process = stopped_process(view)?;
    if refused(case) {
        return None;
    }
    let fact = format!("{} (pid {}) is stopped by a signal", process.name, process.pid);
    let ratios: &'static [(C, f64)] = &[
        (C::ServiceHung, CERTAIN),
        (C::ServiceOverloaded, RULED_OUT),
        (C::FirewallDrops, RULED_OUT),
        (C::PathDrops, RULED_OUT),
        (C::PathMtu, RULED_OUT),
        (C::UpstreamDead, 0.01),
        (C::Unknown, RULED_OUT),
    ];
    Some(finding(view, UNIT, &fact, ratios))
}

fn without_descriptors(case: &Case<'_>) -> Option<Finding> {
    let view = view(case)?;
    let all = view.units.iter().filter(|unit| unit.bond == Bond::Owns);
    let process = all.flat_map(|unit| &unit.processes).find(|p| p.is_short_of_descriptors())?;
    let (used, limit) = process.descriptors?;
    if refused(case) {
        return None;
    }
    let fact = format!(
        "{} (pid {}) has {used} of {limit} file descriptors in use",
        process.name, process.pid
    );
    let ratios: &'static [(C, f64)] = &[
        (C::ServiceOverloaded, CERTAIN),
        (C::ServiceHung, RULED_OUT),
        (C::ServiceClosesConnections, 0.01),
        (C::FirewallDrops, RULED_OUT),
        (C::PathDrops, RULED_OUT),
        (C::UpstreamDead, 0.01),
        (C::Unknown, RULED_OUT),
    ];
    Some(finding(view, UNIT, &fact, ratios))
}

fn queue_full(case: &Case<'_>) -> Option<Finding> {
    let view = view(case)?;
    let listener = listener(case, view)?;
    let queue = listener.queue.filter(|queue| queue.is_full())?;
    let rise = view.machine.rise.listen_overflows;
    let lost = if rise > 0 { format!("; {rise} found no room") } else { String::new() };
    let fact = format!(
        "{} of {} places in the accept queue of {} are taken{lost}",
        queue.length,
        queue.limit.map_or(0, |limit| limit + 1),
        listener.holder()
    );
    let ratios: &'static [(C, f64)] = &[
        (C::ServiceOverloaded, CERTAIN / 10.0),
        (C::ServiceHung, STRONG),
        (C::FirewallDrops, RULED_OUT),
        (C::PathDrops, RULED_OUT),
        (C::HostDown, RULED_OUT),
        (C::Unknown, RULED_OUT),
    ];
    Some(finding(view, SOCKETS, &fact, ratios))
}

/// Connections wait to be accepted, although there is room.
fn queue_stale(case: &Case<'_>) -> Option<Finding> {
    let view = view(case)?;
    let listener = listener(case, view).filter(|_| connected(case))?;
    let queue: Queue = listener.queue.filter(|queue| queue.length > 0 && !queue.is_full())?;
    let fact =
        format!("{} connections wait for {} to accept them", queue.length, listener.holder());
    let ratios: &'static [(C, f64)] =
        &[(C::ServiceHung, 30.0), (C::ServiceOverloaded, 3.0), (C::UpstreamDead, 0.1)];
    Some(finding(view, SOCKETS, &fact, ratios))
}

/// An upstream that does not answer, and the way to it.
pub(super) fn dead_upstream(view: &InsideView) -> Option<(&Passage, &Upstream)> {
    let dead = |upstream: &&Upstream| {
        upstream.tried && (upstream.failure.is_some() || upstream.detail.is_some())
    };
    view.passages.iter().find_map(|p| Some((p, p.upstreams.iter().find(dead)?)))
}

fn upstream_fails(case: &Case<'_>) -> Option<Finding> {
    let view = view(case)?;
    let (passage, upstream) = dead_upstream(view)?;
    let forwarded = is_forwarded(view);
    if !connected(case) && !forwarded {
        return None;
    }
    let why = match (&upstream.detail, upstream.failure) {
        (Some(detail), _) => detail.clone(),
        (None, Some(failure)) => failure.to_string(),
        (None, None) => return None,
    };
    let fact = format!(
        "{} passes requests to {} ({}), tried from there: {why}",
        passage.proxy, upstream.address, passage.source
    );
    let ratios: &'static [(C, f64)] = &[
        (C::UpstreamDead, CERTAIN),
        (C::AppError, RULED_OUT),
        (C::ServiceHung, RULED_OUT),
        (C::ServiceOverloaded, 0.01),
        (C::ServiceNotListening, RULED_OUT),
        (C::FirewallRejects, 0.01),
        (C::FirewallDrops, 0.01),
        (C::HostDown, RULED_OUT),
        (C::PathDrops, 0.01),
        (C::PathRejects, 0.01),
        (C::Unknown, RULED_OUT),
    ];
    Some(finding(view, PROXY, &fact, ratios))
}

fn upstreams_answer(case: &Case<'_>) -> Option<Finding> {
    let view = view(case)?;
    let tried: Vec<&Upstream> =
        view.passages.iter().flat_map(|p| &p.upstreams).filter(|u| u.tried).collect();
    let gateway = case.failed_with(&[F::HttpStatus, F::AssertionStatus]);
    if tried.is_empty() || !gateway || dead_upstream(view).is_some() {
        return None;
    }
    let fact = format!("all {} upstreams of the port accept connections", tried.len());
    Some(finding(view, PROXY, &fact, &[(C::UpstreamDead, 0.1), (C::AppError, 2.0)]))
}
