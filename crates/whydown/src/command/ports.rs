//! `whydown ports`: who listens on this machine, who can reach it, what the firewall would do.

use std::process::ExitCode;
use std::time::Duration;

use serde::Serialize;
use whydown_core::diagnose::diagnose;
use whydown_core::diagnosis::Diagnosis;
use whydown_core::inside::{
    FilterVerdict, InsideView, Judgement, Listener, Owner, Queue, Transport,
};
use whydown_core::target::Target;
use whydown_host::inside::{Question, judge_all, look};
use whydown_host::sockets::{self, Sockets, Which};

use super::{print, print_json};
use crate::cli::Ports;
use crate::show::ports::{nobody_listens, story, table};

/// How long each program that is asked (`systemctl`, `nft` …) may take.
const PATIENCE: Duration = Duration::from_secs(5);

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

/// One port and its story, as `--json` prints it.
#[derive(Debug, Serialize)]
struct Story<'a> {
    listeners: Vec<Entry<'a>>,
    /// What a stranger would meet, why, and the fix; as `diagnose --json` prints it.
    diagnosis: &'a Diagnosis,
    /// The facts.
    inside: &'a InsideView,
}

#[derive(Debug, Serialize)]
struct Word<'a> {
    verdict: &'static str,
    rule: Option<&'a str>,
}

pub(crate) async fn run(flags: Ports) -> anyhow::Result<ExitCode> {
    let Ports { port, all, json } = flags;
    let found = tokio::task::spawn_blocking(move || {
        let sockets = sockets::read(Which { port: None, everywhere: all });
        let judgements = judge_all(&sockets.listeners);
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
    let nobody = port.is_some() && rows.is_empty();
    if let Some(port) = port {
        let question = question(port, &sockets);
        let view = tokio::task::spawn_blocking(move || look(&question)).await?;
        let diagnosis = diagnose(&target(&view)?, &view.foreseen());
        if json {
            let listeners = rows.iter().map(|(l, j)| entry(l, j)).collect();
            print_json(&Story { listeners, diagnosis: &diagnosis, inside: &view })?;
        } else {
            print(&tell(&view, &diagnosis, &sockets.listeners, &rows))?;
        }
    } else if json {
        let entries: Vec<Entry<'_>> = rows.iter().map(|(l, j)| entry(l, j)).collect();
        print_json(&entries)?;
    } else {
        print(&(table(&rows) + &not_shown(&sockets.missing_rights)))?;
    }
    Ok(ExitCode::from(u8::from(nobody)))
}

fn not_shown(rights: &[String]) -> String {
    rights.iter().map(|right| format!("\n Not shown: {right}.\n")).collect()
}

/// TCP, unless only UDP is there.
fn question(port: u16, sockets: &Sockets) -> Question {
    let is_there =
        |transport| sockets.listeners.iter().any(|l| l.port == port && l.transport == transport);
    let udp = is_there(Transport::Udp) && !is_there(Transport::Tcp);
    let transport = if udp { Transport::Udp } else { Transport::Tcp };
    // A machine in trouble is slow, and a person would rather wait than not be told.
    Question { transport, patience: PATIENCE, ..Question::tcp(port) }
}

/// The whole story of one port: what a stranger would meet, why, and the fix.
fn tell(
    view: &InsideView,
    diagnosis: &Diagnosis,
    all: &[Listener],
    rows: &[(&Listener, &Judgement)],
) -> String {
    let mut text = if rows.is_empty() { nobody_listens(view.port, all) } else { table(rows) };
    text += &story(view, diagnosis);
    text + &not_shown(&view.missing_rights)
}

/// The port as a stranger would name it.
fn target(view: &InsideView) -> anyhow::Result<Target> {
    let host = match view.addresses.first() {
        Some(std::net::IpAddr::V6(ip)) => format!("[{ip}]"),
        Some(std::net::IpAddr::V4(ip)) => ip.to_string(),
        None => "localhost".to_owned(),
    };
    Ok(format!("{}://{host}:{}", view.transport, view.port).parse()?)
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
