//! Where foreign code comes from and on which terms. The lists are those of `deny.toml`, which
//! `cargo deny check` reads too; advisories need the network and are left to it.

use std::collections::BTreeSet;

use toml::{Table, Value};

use super::licence;
use crate::finding::Finding;
use crate::tree::{BUILT, Tree};

const LOCK: &str = "Cargo.lock";
const DENY: &str = "deny.toml";
const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// Every foreign crate is one that anybody can get, unchanged, by its version.
pub(super) fn sources_are_crates_io(tree: &Tree) -> Vec<Finding> {
    locked(tree)
        .into_iter()
        .filter_map(|package| {
            let source = package.source?;
            let message = format!("{} comes from {source}; only crates.io is used", package.name);
            (source != CRATES_IO).then(|| Finding::new(LOCK, package.line, message))
        })
        .collect()
}

/// What `deny.toml` bans is not built.
pub(super) fn banned_crates_are_absent(tree: &Tree) -> Vec<Finding> {
    let bans = list(&table(tree, DENY), "bans", "deny");
    let banned = |name: &str| bans.iter().find(|ban| text(ban, "crate") == Some(name));
    let mut findings = Vec::new();
    if bans.is_empty() {
        findings.push(Finding::new(DENY, 1, "bans nothing; list ring, openssl and their like"));
    }
    for package in built(tree) {
        if let Some(ban) = banned(package.name) {
            let reason = text(ban, "reason").unwrap_or("see deny.toml");
            let name = package.name;
            let message = format!("{name} is banned ({reason}); ask `cargo tree -i {name}` why");
            findings.push(Finding::new(LOCK, 1, message));
        }
    }
    findings
}

/// Every crate that is built is under a licence of `deny.toml`'s list.
pub(super) fn licences_are_allowed(tree: &Tree) -> Vec<Finding> {
    let deny = table(tree, DENY);
    let allowed = list(&deny, "licenses", "allow");
    let exceptions = list(&deny, "licenses", "exceptions");
    let mut findings = Vec::new();
    let packages = built(tree);
    if packages.is_empty() {
        findings.push(Finding::new(BUILT, 1, "cargo tree named no crate"));
    }
    for Built { name, licence } in packages {
        let own = exceptions.iter().filter(|entry| text(entry, "crate") == Some(name));
        let own = own.filter_map(|entry| entry.get("allow")?.as_array()).flatten();
        let ids: Vec<&str> = allowed.iter().chain(own).filter_map(Value::as_str).collect();
        if !licence::is_satisfied(licence, |id| ids.contains(&id)) {
            let message = format!("{name} is under `{licence}`, which {DENY} does not allow");
            findings.push(Finding::new(LOCK, 1, message));
        }
    }
    findings
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Built<'a> {
    name: &'a str,
    licence: &'a str,
}

/// Every crate that is built, once; a star marks those that cargo has shown before.
fn built(tree: &Tree) -> BTreeSet<Built<'_>> {
    let text = tree.file(BUILT).map_or("", |file| &file.text);
    let read = |line| {
        let (package, licence) = str::split_once(line, '|')?;
        let name = package.split(' ').next()?;
        Some(Built { name, licence: licence.trim_end_matches("(*)").trim_end() })
    };
    text.lines().filter_map(read).collect()
}

struct Locked {
    name: String,
    source: Option<String>,
    line: usize,
}

fn locked(tree: &Tree) -> Vec<Locked> {
    let lock = table(tree, LOCK);
    let lines = tree.file(LOCK).map_or("", |file| &file.text);
    let packages = lock.get("package").and_then(Value::as_array).into_iter().flatten();
    packages
        .filter_map(|package| {
            let name = text(package, "name")?;
            let stanza = format!("name = \"{name}\"");
            let line = lines.lines().position(|line| line == stanza).map_or(1, |index| index + 1);
            let source = text(package, "source").map(str::to_owned);
            Some(Locked { name: name.to_owned(), source, line })
        })
        .collect()
}

fn table(tree: &Tree, path: &str) -> Table {
    tree.file(path).and_then(|file| file.text.parse().ok()).unwrap_or_default()
}

fn list(table: &Table, section: &str, key: &str) -> Vec<Value> {
    let list = table.get(section).and_then(|section| section.get(key));
    list.and_then(Value::as_array).cloned().unwrap_or_default()
}

fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    value.get(key).and_then(Value::as_str)
}
