//! Runs the programs that list rules. They only read, within limits of time and size.

use std::io::{ErrorKind, Read as _};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use serde_json::Value as Json;

use super::rules::{Family, Table};
use super::{Firewall, Machine, Unread, iptables, nft};

/// A listing of a large block list takes a second or two.
const LISTING_MAX: Duration = Duration::from_secs(10);
/// Half a million addresses in sets.
const LISTING_MAX_BYTES: u64 = 64 << 20;
/// Bytes of an error message kept.
const ERROR_MAX_CHARS: usize = 200;

/// What the programs print; each is an error where it could not be read.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// `nft -j list ruleset`.
    pub nft_json: Option<Result<String, String>>,
    /// `nft -a -t list ruleset`.
    pub nft_text: Option<Result<String, String>>,
    /// `nft --debug=netlink list ruleset`, where the others leave something out.
    pub nft_netlink: Option<Result<String, String>>,
    /// `iptables-nft-save -c`, where there are rules that nft can't show.
    pub iptables: Option<Result<String, String>>,
    /// `ip6tables-nft-save -c`, likewise.
    pub ip6tables: Option<Result<String, String>>,
    /// `iptables-legacy-save -c`, where the kernel has such tables.
    pub iptables_legacy: Option<Result<String, String>>,
    /// `ip6tables-legacy-save -c`, likewise.
    pub ip6tables_legacy: Option<Result<String, String>>,
    /// `ipset save`, where a rule asks for a set.
    pub ipset: Option<Result<String, String>>,
}

impl Sources {
    /// Runs what is needed.
    pub(super) fn read() -> Self {
        let nft_json = list(&["nft"], &["-j", "list", "ruleset"]);
        let mut sources = Self { nft_json: Some(nft_json), ..Self::default() };
        let listing = sources.json();
        if listing.is_some() {
            sources.nft_text = Some(list(&["nft"], &["-a", "-t", "list", "ruleset"]));
        }
        if text_of(&sources.nft_json).is_some_and(nft::needs_families) {
            let arguments = ["--debug=netlink", "list", "ruleset"];
            sources.nft_netlink = Some(list(&["nft"], &arguments));
        }
        if listing.as_ref().is_none_or(nft::is_kept_by_iptables) {
            let save = |v4| list(v4, &["-c"]);
            sources.iptables = Some(save(&["iptables-nft-save", "iptables-save"]));
            sources.ip6tables = Some(save(&["ip6tables-nft-save", "ip6tables-save"]));
        }
        if has_legacy_tables("ip_tables_names") {
            let names = ["iptables-legacy-save", "iptables-save"];
            sources.iptables_legacy = Some(list(&names, &["-c"]));
        }
        if has_legacy_tables("ip6_tables_names") {
            let names = ["ip6tables-legacy-save", "ip6tables-save"];
            sources.ip6tables_legacy = Some(list(&names, &["-c"]));
        }
        if sources.saves().any(|(save, ..)| save.contains("--match-set ")) {
            sources.ipset = Some(list(&["ipset"], &["save"]));
        }
        sources
    }

    fn json(&self) -> Option<Json> {
        serde_json::from_str(text_of(&self.nft_json)?).ok()
    }

    /// The save files: text, family, whether it is of iptables-legacy.
    fn saves(&self) -> impl Iterator<Item = (&str, Family, bool)> {
        let all = [
            (&self.iptables, Family::Ip, false),
            (&self.ip6tables, Family::Ip6, false),
            (&self.iptables_legacy, Family::Ip, true),
            (&self.ip6tables_legacy, Family::Ip6, true),
        ];
        all.into_iter().filter_map(|(save, family, legacy)| Some((text_of(save)?, family, legacy)))
    }

    fn unread(&self) -> Vec<Unread> {
        let all = [
            (&self.nft_json, "the rules of nftables"),
            (&self.nft_text, "the texts of nftables' rules"),
            (&self.nft_netlink, "nftables' rules as the kernel runs them"),
            (&self.iptables, "the rules of iptables"),
            (&self.ip6tables, "the rules of ip6tables"),
            (&self.iptables_legacy, "the rules of iptables-legacy"),
            (&self.ip6tables_legacy, "the rules of ip6tables-legacy"),
            (&self.ipset, "IP sets"),
        ];
        let failed = all.into_iter().filter_map(|(source, what)| {
            let why = source.as_ref()?.as_ref().err()?.clone();
            Some(Unread { what: what.to_owned(), why })
        });
        failed.collect()
    }
}

fn text_of(source: &Option<Result<String, String>>) -> Option<&str> {
    source.as_ref()?.as_ref().ok().map(String::as_str)
}

impl Firewall {
    /// Evaluates what was printed elsewhere, on a machine with these addresses.
    #[must_use]
    pub fn new(sources: &Sources, machine: Machine) -> Self {
        let sets = text_of(&sources.ipset).map(iptables::sets).unwrap_or_default();
        let mut texts = text_of(&sources.nft_text).map(nft::texts).unwrap_or_default();
        if let Some(debug) = text_of(&sources.nft_netlink) {
            texts.add_families(debug);
        }
        let listed = sources.json().and_then(|listing| nft::tables(&listing, &texts));
        let is_listed = listed.is_some();
        let mut tables = listed.unwrap_or_default();
        for (text, family, legacy) in sources.saves() {
            for table in iptables::tables(text, family, legacy, &sets) {
                merge(&mut tables, table, legacy || !is_listed);
            }
        }
        let legacy_unread = [&sources.iptables_legacy, &sources.ip6tables_legacy]
            .into_iter()
            .any(|source| matches!(source, Some(Err(_))));
        Self { tables, machine, is_partial: !is_listed || legacy_unread, unread: sources.unread() }
    }
}

/// nft lists the tables of iptables-nft too, with the same rules in the same places: those of the
/// save file take their place, with arguments. A chain that has changed in between keeps nft's.
fn merge(tables: &mut Vec<Table>, saved: Table, is_apart: bool) {
    let same = |table: &&mut Table| table.family == saved.family && table.name == saved.name;
    let listed = if is_apart { None } else { tables.iter_mut().find(same) };
    let Some(listed) = listed else {
        if is_apart {
            tables.push(saved);
        }
        return;
    };
    listed.tool = saved.tool;
    listed.sets.extend(saved.sets);
    for chain in saved.chains {
        let Some(known) = listed.chains.iter_mut().find(|known| known.name == chain.name) else {
            continue;
        };
        if known.rules.len() == chain.rules.len() {
            for (known, rule) in known.rules.iter_mut().zip(chain.rules) {
                let handle = known.handle;
                *known = super::rules::Rule { handle, ..rule };
            }
        }
        if let (Some(known), Some(base)) = (&mut known.base, chain.base) {
            known.counter = base.counter;
        }
    }
}

/// Does the kernel have tables of iptables-legacy in this namespace? Asking `iptables-legacy`
/// itself would load its modules.
fn has_legacy_tables(file: &str) -> bool {
    let names = std::fs::read_to_string(format!("/proc/thread-self/net/{file}"));
    names.is_ok_and(|names| !names.trim().is_empty())
}

/// Runs the first of some programs that exists.
fn list(programs: &[&str], arguments: &[&str]) -> Result<String, String> {
    for program in programs {
        match printed(program, arguments) {
            Err(Trouble::Missing) => {}
            Err(Trouble::Failed(why)) => return Err(why),
            Ok(text) => return Ok(text),
        }
    }
    Err(format!("the command {} is missing", programs.first().copied().unwrap_or_default()))
}

/// What a program prints, wherever it is: an ordinary user's PATH lacks the places of these.
pub(super) fn printed(program: &str, arguments: &[&str]) -> Result<String, Trouble> {
    for place in ["", "/usr/sbin/", "/sbin/"] {
        match run(&format!("{place}{program}"), arguments) {
            Err(Trouble::Missing) => {}
            done => return done,
        }
    }
    Err(Trouble::Missing)
}

/// Why there is nothing to read.
pub(super) enum Trouble {
    Missing,
    Failed(String),
}

fn run(program: &str, arguments: &[&str]) -> Result<String, Trouble> {
    let failed = |why: String| Trouble::Failed(why.chars().take(ERROR_MAX_CHARS).collect());
    let mut command = Command::new(program);
    command.args(arguments).env("LC_ALL", "C").stdin(Stdio::null());
    let started = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = started.map_err(|error| match error.kind() {
        ErrorKind::NotFound => Trouble::Missing,
        _ => failed(format!("{program}: {error}")),
    })?;
    let (Some(out), Some(err)) = (child.stdout.take(), child.stderr.take()) else {
        return Err(failed(format!("{program}: no output")));
    };
    let (sender, ended) = mpsc::channel();
    thread::spawn(move || {
        let mut text = Vec::new();
        let read = out.take(LISTING_MAX_BYTES + 1).read_to_end(&mut text).map(|_| text);
        sender.send(read)
    });
    let errors = thread::spawn(move || {
        let mut text = Vec::new();
        err.take(4 * ERROR_MAX_CHARS as u64).read_to_end(&mut text).map(|_| text)
    });
    let Ok(text) = ended.recv_timeout(LISTING_MAX) else {
        let _ = child.kill();
        let _ = child.wait();
        return Err(failed(format!("{program} took longer than {} s", LISTING_MAX.as_secs())));
    };
    let text = text.map_err(|error| failed(format!("{program}: {error}")))?;
    if text.len() as u64 > LISTING_MAX_BYTES {
        let _ = child.kill();
        let _ = child.wait();
        return Err(failed(format!("{program} prints more than {LISTING_MAX_BYTES} bytes")));
    }
    let status = child.wait().map_err(|error| failed(format!("{program}: {error}")))?;
    if status.success() {
        return Ok(String::from_utf8_lossy(&text).into_owned());
    }
    let said = errors.join().ok().and_then(Result::ok).unwrap_or_default();
    let said = String::from_utf8_lossy(&said);
    let said = said.lines().next().unwrap_or_default().trim();
    Err(failed(if said.contains("Operation not permitted") || said.contains("Permission denied") {
        "it takes root (CAP_NET_ADMIN)".to_owned()
    } else {
        format!("{program}: {said}")
    }))
}
