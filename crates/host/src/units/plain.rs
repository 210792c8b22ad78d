//! Services without systemd, or outside of it: the process table, and who supervises.

use jiff::Timestamp;
use nix::unistd::{SysconfVar, sysconf};
use whydown_core::inside::{Bond, Unit};

use crate::process;

use super::{Candidate, Known, Search};

/// Programs that start others again.
const SUPERVISORS: [&str; 10] = [
    "supervisord",
    "runsv",
    "s6-supervise",
    "dinit",
    "monit",
    "circusd",
    "pm2",
    "PM2",
    "daemontools",
    "containerd-shim",
];
/// Parents followed up to the first process.
const PARENTS_MAX: usize = 16;

/// What the process table knows about a candidate: by the holders of the port, else by its name.
pub(super) fn of(candidate: &Candidate, search: &Search<'_>) -> Known {
    let name = candidate.name.split('.').next().unwrap_or(&candidate.name).to_owned();
    let held = search.listeners.iter().flat_map(|listener| &listener.owners);
    let holder = held.map(|owner| owner.pid).next().filter(|_| candidate.bond == Bond::Owns);
    let last = search.clues.last_owner.as_ref().filter(|(name, _)| *name == candidate.name);
    let pid = match last {
        _ if holder.is_some() => holder,
        Some((_, at)) => survivor(&name, *at, search),
        None => oldest_named(&name),
    };
    let mut unit = Unit { name: candidate.name.clone(), ..Unit::default() };
    let has_supervisor_file = search.unit_files.iter().any(|file| file.name == candidate.name);
    match pid {
        Some(pid) => {
            unit.state = "running".to_owned();
            unit.started_at = started_at(pid, search.booted_at);
            unit.supervisor = supervisor(pid);
        }
        None => {
            unit.state = "not running".to_owned();
            unit.stopped_at = last.map(|(_, at)| *at);
        }
    }
    let commands = pid.map(process::command_line).into_iter().filter(|words| !words.is_empty());
    Known {
        unit,
        // A program that doesn't run is known by its files alone.
        exists: pid.is_some() || has_supervisor_file || !candidate.files.is_empty(),
        fragment: None,
        group: None,
        main_pid: pid,
        last_pid: None,
        commands: commands.collect(),
    }
}

/// What is left of those who held the port at a moment: one of them, or one of the same name that
/// was started since. Others of the same name (`python3`) are other services.
fn survivor(name: &str, at: Timestamp, search: &Search<'_>) -> Option<u32> {
    let named = |pid: &u32| process::name(*pid).as_deref() == Some(name);
    let known = search.clues.last_pids.iter().copied().find(named);
    known.or_else(|| {
        let is_new = |pid: &u32| started_at(*pid, search.booted_at).is_some_and(|new| new >= at);
        process::all().into_iter().find(|pid| named(pid) && is_new(pid))
    })
}

/// The process of this name with the smallest number: of a server and its workers, the server.
fn oldest_named(name: &str) -> Option<u32> {
    process::all().into_iter().find(|pid| process::name(*pid).as_deref() == Some(name))
}

/// Field 22 of `/proc/PID/stat`, in ticks since the machine was started.
fn started_at(pid: u32, booted_at: Option<Timestamp>) -> Option<Timestamp> {
    let text = std::fs::read_to_string(process::path(pid, "stat")).ok()?;
    let (_, rest) = text.rsplit_once(')')?;
    let ticks: i64 = rest.split_ascii_whitespace().nth(19)?.parse().ok()?;
    let per_second = sysconf(SysconfVar::CLK_TCK).ok()??;
    let millis = ticks.checked_mul(1_000)?.checked_div(per_second)?;
    booted_at?.checked_add(jiff::SignedDuration::from_millis(millis)).ok()
}

fn supervisor(pid: u32) -> Option<String> {
    let mut pid = pid;
    for _ in 0..PARENTS_MAX {
        let (_, parent) = process::state(pid)?;
        let name = process::name(parent)?;
        if let Some(known) = SUPERVISORS.iter().find(|known| name.starts_with(*known)) {
            return Some((*known).to_owned());
        }
        pid = parent;
    }
    None
}
