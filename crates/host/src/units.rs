//! What runs, or should run, behind a port: which unit owns it, owned it or is configured for it,
//! how that unit is doing, its last words, and what was changed near its end.

mod bond;
mod change;
mod docker;
mod files;
mod log;
mod plain;
mod systemd;

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use whydown_core::inside::{Bond, Clues, Listener, ProcessFacts, Unit};

use crate::kernel_log::OomKill;
use crate::passages::{Invocation, Proxy};
use crate::process;

pub(crate) use files::UnitFile;

/// Units told of, the strongest bonds first.
const UNITS_MAX: usize = 8;
/// Units whose log is read although they have not failed.
const LOGS_MIN: usize = 2;
/// Processes of one unit looked at.
const PROCESSES_MAX: usize = 64;

/// What a search for units starts from.
pub(crate) struct Search<'a> {
    pub(crate) port: u16,
    /// Who listens on the port.
    pub(crate) listeners: &'a [Listener],
    pub(crate) clues: &'a Clues,
    pub(crate) proxies: &'a [Proxy],
    pub(crate) unit_files: &'a [UnitFile],
    pub(crate) oom_kills: &'a [OomKill],
    pub(crate) booted_at: Option<Timestamp>,
    /// How long each other program may take.
    pub(crate) patience: Duration,
    pub(crate) now: Timestamp,
}

/// A unit that may have to do with the port.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Candidate {
    name: String,
    bond: Bond,
    source: Option<String>,
    /// Files of its configuration, as far as they are known.
    files: Vec<PathBuf>,
    log: Option<PathBuf>,
}

/// All unit files of this machine.
pub(crate) fn unit_files() -> Vec<UnitFile> {
    files::all()
}

/// How units would start their programs.
pub(crate) fn invocations(unit_files: &[UnitFile]) -> Vec<Invocation> {
    let of_unit = |file: &UnitFile| {
        let words = file.commands().into_iter();
        let unit = file.name.clone();
        words.map(move |words| Invocation { words, pid: None, unit: Some(unit.clone()) })
    };
    unit_files.iter().flat_map(of_unit).collect()
}

/// The units that have to do with a port, the strongest bond first.
pub(crate) fn read(search: &Search<'_>) -> Vec<Unit> {
    let candidates = bond::candidates(search);
    let with_systemd = systemd::is_running();
    let mut units = if with_systemd {
        let names: Vec<&str> = candidates.iter().map(|c| c.name.as_str()).collect();
        systemd::show(&names, search.patience)
    } else {
        Vec::new()
    };
    let mut found = Vec::new();
    for candidate in candidates {
        let shown = units.iter().position(|unit| unit.unit.name == candidate.name);
        let known = match shown {
            Some(at) => units.swap_remove(at),
            None => plain::of(&candidate, search),
        };
        // Something that usually serves such a port, and is not even installed.
        if !known.exists && matches!(candidate.bond, Bond::Usual | Bond::Configured) {
            continue;
        }
        let log = candidate.log.clone();
        found.push((complete(known, candidate, search), log));
        if found.len() >= UNITS_MAX {
            break;
        }
    }
    listen(&mut found, search.patience);
    let mut found: Vec<Unit> = found.into_iter().map(|(unit, _)| unit).collect();
    if found.iter().all(|unit| unit.bond != Bond::Owns) {
        found.extend(docker::units(search.port, search.patience));
    }
    found.sort_by_key(|unit| (unit.bond.rank(), !unit.has_failed()));
    found
}

/// A unit as far as its supervisor tells.
#[derive(Clone, Debug, Default)]
pub(crate) struct Known {
    unit: Unit,
    exists: bool,
    /// Its own file.
    fragment: Option<PathBuf>,
    group: Option<String>,
    main_pid: Option<u32>,
    /// Of the main process, also when it has ended.
    last_pid: Option<u32>,
    commands: Vec<Vec<String>>,
}

fn complete(known: Known, candidate: Candidate, search: &Search<'_>) -> Unit {
    let Known { mut unit, fragment, group, main_pid, last_pid, commands, .. } = known;
    unit.bond = candidate.bond;
    unit.bond_source = candidate.source;
    let pids = processes(&unit, group.as_deref(), main_pid, search.listeners);
    unit.processes = facts(&pids);
    let near = unit.stopped_at.or(unit.started_at).unwrap_or(search.now);
    let mut files = candidate.files;
    files.extend(fragment);
    files.extend(arguments(&commands));
    unit.changes = change::near(&unit.name, &files, near);
    if !unit.oom_killed {
        unit.oom_killed = was_killed(&unit, last_pid, &commands, search.oom_kills);
    }
    unit
}

/// Last words, read side by side: of the strongest bonds, and of whatever has failed.
fn listen(units: &mut [(Unit, Option<PathBuf>)], patience: Duration) {
    std::thread::scope(|scope| {
        for (at, (unit, file)) in units.iter_mut().enumerate() {
            if at < LOGS_MIN || unit.has_failed() {
                scope.spawn(move || unit.log = log::lines(unit, file.as_deref(), patience));
            }
        }
    });
}

/// Processes of a unit: of its control group, else those that hold the port.
fn processes(
    unit: &Unit,
    group: Option<&str>,
    main_pid: Option<u32>,
    listeners: &[Listener],
) -> Vec<u32> {
    let path = group.map(|group| format!("/sys/fs/cgroup{group}/cgroup.procs"));
    let text = path.and_then(|path| std::fs::read_to_string(path).ok()).unwrap_or_default();
    let mut pids: Vec<u32> = text.lines().filter_map(|line| line.parse().ok()).collect();
    pids.extend(main_pid);
    let own = listeners.iter().filter(|listener| {
        let program = listener.owner().map(|owner| owner.process.as_str());
        listener.unit.as_deref() == Some(&unit.name) || program == Some(&unit.name)
    });
    pids.extend(own.flat_map(|listener| listener.owners.iter().map(|owner| owner.pid)));
    pids.sort_unstable();
    pids.dedup();
    pids.retain(|pid| *pid != 0);
    pids.truncate(PROCESSES_MAX);
    pids
}

/// Processes in a state that explains something.
fn facts(pids: &[u32]) -> Vec<ProcessFacts> {
    let look = |pid: &u32| {
        let (state, _) = process::state(*pid)?;
        let facts = ProcessFacts {
            pid: *pid,
            name: process::name(*pid)?,
            state,
            descriptors: process::descriptors(*pid),
        };
        let telling = matches!(state, 'T' | 't' | 'D' | 'Z') || facts.is_short_of_descriptors();
        telling.then_some(facts)
    };
    pids.iter().filter_map(look).collect()
}

/// Did the kernel kill the unit's main process? By its number where ours are the kernel's, else
/// by name and time.
fn was_killed(
    unit: &Unit,
    last_pid: Option<u32>,
    commands: &[Vec<String>],
    kills: &[OomKill],
) -> bool {
    const NEAR: Duration = Duration::from_secs(5);
    // The clock of the kernel's log is not quite ours, and may lag by seconds after weeks.
    const INEXACT: Duration = Duration::from_millis(100);
    const SAME_NUMBER: Duration = Duration::from_secs(600);
    if unit.signal.as_deref() != Some("SIGKILL") && unit.result != "oom-kill" {
        return false;
    }
    let Some(stopped) = unit.stopped_at else { return false };
    let file_name = |word: &String| word.rsplit('/').next().unwrap_or(word).to_owned();
    let names: Vec<String> =
        commands.iter().filter_map(|words| words.first()).map(file_name).collect();
    let own_pid = last_pid.filter(|_| process::numbers_are_the_kernels());
    kills.iter().any(|kill| {
        let apart = stopped.duration_since(kill.at).unsigned_abs();
        let named = names.iter().any(|name| name.starts_with(&kill.process));
        let meant = unit.started_at.is_none_or(|started| {
            kill.at.checked_add(INEXACT).is_ok_and(|latest| latest >= started)
        });
        match own_pid {
            Some(pid) => pid == kill.pid && apart <= SAME_NUMBER,
            None => apart <= NEAR && meant && (named || unit.name.starts_with(&kill.process)),
        }
    })
}

/// Existing files among the arguments: scripts and their configuration.
fn arguments(commands: &[Vec<String>]) -> Vec<PathBuf> {
    let words = commands.iter().flat_map(|words| words.iter().skip(1));
    let paths = words.map(|word| word.rsplit('=').next().unwrap_or(word));
    let absolute = paths.filter(|path| path.starts_with('/'));
    absolute.map(Path::new).filter(|path| path.is_file()).map(Path::to_owned).collect()
}
