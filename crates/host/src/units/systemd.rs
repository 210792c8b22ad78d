//! systemd's word about units, by `systemctl show`: the same words in every version.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use nix::sys::signal::Signal;
use whydown_core::inside::Unit;

use crate::bounded;

use super::{Known, files};

const PROPERTIES: &str = "Id,LoadState,ActiveState,SubState,Result,ExecMainPID,MainPID,\
    ExecMainCode,ExecMainStatus,ExecMainStartTimestamp,ExecMainExitTimestamp,\
    ActiveEnterTimestamp,InactiveEnterTimestamp,StateChangeTimestamp,NRestarts,UnitFileState,\
    FragmentPath,ControlGroup,ExecStart,ExecStartPre,ReloadResult";

/// Is systemd this machine's first process? sd_booted(3).
pub(super) fn is_running() -> bool {
    Path::new("/run/systemd/system").is_dir()
}

/// How these units are doing.
pub(super) fn show(names: &[&str], patience: Duration) -> Vec<Known> {
    let names: Vec<&str> = names.iter().copied().filter(|name| is_unit_name(name)).collect();
    if names.is_empty() {
        return Vec::new();
    }
    let ask = |precise: bool| {
        let property = format!("--property={PROPERTIES}");
        let mut arguments = vec!["show", "--no-pager", &property];
        // Microseconds, since version 247.
        arguments.extend(precise.then_some("--timestamp=us+utc"));
        arguments.push("--");
        arguments.extend(&names);
        bounded::run("systemctl", &arguments, patience)
    };
    let Some(text) = ask(true).or_else(|| ask(false)) else { return Vec::new() };
    text.split("\n\n").map(parse).filter(|known| !known.unit.name.is_empty()).collect()
}

fn is_unit_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || ":-_.\\@".contains(c);
    !name.starts_with('-') && name.chars().all(allowed) && name.contains('.')
}

fn parse(text: &str) -> Known {
    let fields: HashMap<&str, &str> =
        text.lines().filter_map(|line| line.split_once('=')).collect();
    let get = |key: &str| fields.get(key).copied().filter(|value| !value.is_empty());
    let number = |key: &str| get(key).and_then(|value| value.parse::<i32>().ok());
    let time = |key: &str| get(key).and_then(timestamp);
    // <signal.h>: CLD_EXITED 1, CLD_KILLED 2, CLD_DUMPED 3.
    let (exit_code, signal) = match (number("ExecMainCode"), number("ExecMainStatus")) {
        (Some(1), status) => (status, None),
        (Some(2 | 3), Some(status)) => {
            (None, Signal::try_from(status).ok().map(|signal| signal.as_str().to_owned()))
        }
        _ => (None, None),
    };
    let state = get("ActiveState").unwrap_or_default().to_owned();
    let runs = matches!(state.as_str(), "active" | "reloading");
    let result = get("Result").unwrap_or_default().to_owned();
    let ended = time("ExecMainExitTimestamp").max(time("InactiveEnterTimestamp"));
    let commands = ["ExecStart", "ExecStartPre"].into_iter().filter_map(get);
    Known {
        exists: get("LoadState") != Some("not-found"),
        fragment: get("FragmentPath").map(PathBuf::from),
        group: get("ControlGroup").map(str::to_owned),
        main_pid: get("MainPID").and_then(|pid| pid.parse().ok()).filter(|pid| *pid != 0),
        last_pid: get("ExecMainPID").and_then(|pid| pid.parse().ok()).filter(|pid| *pid != 0),
        commands: commands.filter_map(argv).collect(),
        unit: Unit {
            name: get("Id").unwrap_or_default().to_owned(),
            supervisor: Some("systemd".to_owned()),
            sub_state: get("SubState").unwrap_or_default().to_owned(),
            oom_killed: result == "oom-kill",
            exit_code: exit_code.filter(|_| !runs),
            signal: signal.filter(|_| !runs),
            restarts: number("NRestarts").and_then(|n| u32::try_from(n).ok()).unwrap_or(0),
            masked: get("LoadState") == Some("masked"),
            reload_failed: runs && get("ReloadResult").is_some_and(|result| result != "success"),
            enabled: get("UnitFileState").map(|state| state.starts_with("enabled")),
            started_at: time("ExecMainStartTimestamp").or_else(|| time("ActiveEnterTimestamp")),
            stopped_at: if runs { None } else { ended },
            state,
            result,
            ..Unit::default()
        },
    }
}

/// `Mon 2026-11-23 12:00:03.120000 UTC`, also without a fraction.
fn timestamp(text: &str) -> Option<Timestamp> {
    let mut words = text.split(' ').skip(1);
    let (date, time, zone) = (words.next()?, words.next()?, words.next()?);
    (zone == "UTC").then(|| format!("{date}T{time}Z").parse().ok()).flatten()
}

/// `{ path=/usr/sbin/nginx ; argv[]=/usr/sbin/nginx -g x ; ignore_errors=no ; … }`.
fn argv(text: &str) -> Option<Vec<String>> {
    let (_, rest) = text.split_once("argv[]=")?;
    Some(files::words(rest.split(" ; ").next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_systemctl_shows_is_read() {
        let known = parse(
            "Id=shop.service\nLoadState=loaded\nActiveState=failed\nSubState=failed\n\
             Result=exit-code\nMainPID=0\nExecMainCode=1\nExecMainStatus=3\n\
             ExecMainStartTimestamp=Mon 2026-11-23 12:00:00.500000 UTC\n\
             ExecMainExitTimestamp=Mon 2026-11-23 12:00:03.120000 UTC\nNRestarts=5\n\
             UnitFileState=enabled\nFragmentPath=/etc/systemd/system/shop.service\n\
             ExecStart={ path=/usr/bin/app ; argv[]=/usr/bin/app -p 80 ; ignore_errors=no }\n",
        );
        let unit = known.unit;
        assert_eq!((unit.state.as_str(), unit.result.as_str()), ("failed", "exit-code"));
        assert_eq!((unit.exit_code, unit.signal, unit.restarts), (Some(3), None, 5));
        assert_eq!(unit.stopped_at, Some("2026-11-23T12:00:03.12Z".parse().unwrap()));
        assert_eq!(known.commands, [["/usr/bin/app", "-p", "80"]]);
        let killed = parse("Id=a.service\nActiveState=failed\nExecMainCode=2\nExecMainStatus=9\n");
        assert_eq!(killed.unit.signal.as_deref(), Some("SIGKILL"));
        let reloaded = parse("Id=a.service\nActiveState=active\nReloadResult=exit-code\n");
        assert!(reloaded.unit.reload_failed && !killed.unit.reload_failed);
        assert!(parse("Id=a.service\nLoadState=masked\n").unit.masked);
        assert!(!is_unit_name("--evil.service") && is_unit_name("a@b\\x2d.service"));
    }
}
