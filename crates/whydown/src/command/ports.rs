//! `whydown ports`: who listens on this machine, who can reach it, what the firewall would do.

use std::process::ExitCode;

use serde::Serialize;
use whydown_core::inside::{FilterVerdict, Judgement, Listener, Owner, Queue};
use whydown_host::sockets::{self, Sockets, Which};

use super::{print, print_json};
use crate::cli::Ports;
use crate::show::ports::{nobody_listens, table};

/// One listener, as `--json` prints it (a public contract; fields are only ever added).
#[derive(Debug, Serialize)]
struct Entry<'a> {
    protocol: &'static str,
    address: String,
    port: u16,
    process: Option<&'a str>,
    pid: Option<u32>,
    unit: Option<&'a str>,
    reachable: String,
    firewall: Word<'a>,
    dual_stack: Option<bool>,
    interface: Option<&'a str>,
    user: Option<&'a str>,
    uid: u32,
    container: Option<&'a str>,
    namespace: Option<&'a str>,
    published: Option<String>,
    queue: Option<Queue>,
    owners: &'a [Owner],
}

#[derive(Debug, Serialize)]
struct Word<'a> {
    verdict: &'static str,
    rule: Option<&'a str>,
}

pub(crate) async fn run(flags: Ports) -> anyhow::Result<ExitCode> {
    let Ports { port, all, json } = flags;
    // With a port, the others are read too: what listens elsewhere may be the answer.
    let found = tokio::task::spawn_blocking(move || {
        let sockets = sockets::read(Which { port: None, everywhere: all });
        let judgements = whydown_host::inside::judge_all(&sockets.listeners);
        (sockets, judgements)
    });
    let (sockets, judgements) = found.await?;
    anyhow::ensure!(sockets.read, "the tables of sockets can't be read: {}", unreadable());
    let rows: Vec<(&Listener, &Judgement)> = sockets
        .listeners
        .iter()
        .zip(&judgements)
        .filter(|(listener, _)| port.is_none_or(|port| listener.port == port))
        .collect();
    if json {
        let entries: Vec<Entry<'_>> = rows.iter().map(|(l, j)| entry(l, j)).collect();
        print_json(&entries)?;
    } else {
        print(&text(port, &sockets, &rows))?;
    }
    Ok(ExitCode::from(u8::from(port.is_some() && rows.is_empty())))
}

fn text(port: Option<u16>, sockets: &Sockets, rows: &[(&Listener, &Judgement)]) -> String {
    let mut text = match port {
        Some(port) if rows.is_empty() => nobody_listens(port, &sockets.listeners),
        _ => table(rows),
    };
    for right in &sockets.missing_rights {
        text += &format!("\n Not shown: {right}.\n");
    }
    text
}

fn unreadable() -> &'static str {
    if cfg!(target_os = "linux") {
        "neither by netlink nor in /proc/net"
    } else {
        "not supported on this system, only on Linux"
    }
}

fn entry<'a>(listener: &'a Listener, judgement: &'a Judgement) -> Entry<'a> {
    let owner = listener.owner();
    Entry {
        protocol: listener.transport.name(),
        address: listener.address.to_string(),
        port: listener.port,
        process: owner.map(|owner| owner.process.as_str()),
        pid: owner.map(|owner| owner.pid),
        unit: listener.unit.as_deref(),
        reachable: reachable(listener, judgement),
        firewall: Word { verdict: judgement.verdict.name(), rule: judgement.rule.as_deref() },
        dual_stack: listener.dual_stack,
        interface: listener.interface.as_deref(),
        user: listener.user.as_deref(),
        uid: listener.uid,
        container: listener.container.as_deref(),
        namespace: listener.namespace.as_deref(),
        published: listener.published.map(|to| to.to_string()),
        queue: listener.queue,
        owners: &listener.owners,
    }
}

/// Who can reach a listener, firewall included.
pub(crate) fn reachable(listener: &Listener, judgement: &Judgement) -> String {
    match judgement.verdict {
        FilterVerdict::Reject | FilterVerdict::Drop => "this machine".to_owned(),
        FilterVerdict::Accept | FilterVerdict::Undecided => listener.reach().to_string(),
    }
}
