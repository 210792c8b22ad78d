//! The rules as `nft -a -t list ruleset` prints them, by handle: JSON is nothing to show a person.

use std::collections::{HashMap, HashSet};

use serde_json::Value as Json;

use super::super::rules::Family;

/// Texts of rules, and what the JSON doesn't say of tables.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Texts {
    rules: HashMap<(String, String, String, u64), String>,
    dormant: HashSet<(String, String)>,
    families: HashMap<(String, String, String, u64), u8>,
}

impl Texts {
    /// The text of a rule.
    pub(super) fn of(
        &self,
        family: Family,
        table: &str,
        chain: &str,
        rule: &Json,
    ) -> Option<String> {
        let handle = rule.get("handle")?.as_u64()?;
        let key = (family.name().to_owned(), table.to_owned(), chain.to_owned(), handle);
        self.rules.get(&key).cloned()
    }

    /// The family that a rule asks for although neither listing shows it.
    pub(super) fn family_of(&self, table: &str, chain: &str, rule: &Json) -> Option<u8> {
        let handle = rule.get("handle")?.as_u64()?;
        let key = (Family::Inet.name().to_owned(), table.to_owned(), chain.to_owned(), handle);
        self.families.get(&key).copied()
    }

    /// Reads `nft --debug=netlink list ruleset`, the rules as the kernel runs them.
    pub(in super::super) fn add_families(&mut self, debug: &str) {
        let mut rule = None;
        let mut lines = debug.lines().peekable();
        while let Some(line) = lines.next() {
            if !line.starts_with(' ') {
                rule = match line.split_ascii_whitespace().collect::<Vec<_>>().as_slice() {
                    [family, table, chain, handle, ..] => handle.parse().ok().map(|handle| {
                        let [family, table, chain] =
                            [family, table, chain].map(|name| (*name).to_owned());
                        (family, table, chain, handle)
                    }),
                    _ => None,
                };
            } else if line.trim() == "[ meta load nfproto => reg 1 ]"
                && let Some(family) = lines.peek().and_then(|next| compared(next))
                && let Some(rule) = &rule
            {
                self.families.insert(rule.clone(), family);
            }
        }
    }

    pub(super) fn is_dormant(&self, family: Family, table: &str) -> bool {
        self.dormant.contains(&(family.name().to_owned(), table.to_owned()))
    }
}

/// Reads the listing. A rule over several lines (a long anonymous set) ends with its handle.
pub(in super::super) fn texts(listing: &str) -> Texts {
    let mut texts = Texts::default();
    let (mut family, mut table, mut chain) = (String::new(), String::new(), None);
    let mut unfinished = String::new();
    for line in listing.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        match words.as_slice() {
            ["table", of, name, "{", ..] => {
                (family, table, chain) = ((*of).to_owned(), (*name).to_owned(), None);
            }
            ["chain", name, "{", ..] => chain = Some((*name).to_owned()),
            ["flags", flags, ..] if chain.is_none() && flags.contains("dormant") => {
                texts.dormant.insert((family.clone(), table.clone()));
            }
            ["set" | "map" | "flowtable" | "counter" | "quota" | "limit", _, "{", ..] => {
                chain = None;
            }
            ["}" | ""] | [] => unfinished.clear(),
            ["type", _, "hook", ..] => {}
            _ => {
                let Some(chain) = &chain else { continue };
                if !unfinished.is_empty() {
                    unfinished.push(' ');
                }
                unfinished.push_str(line);
                let Some((text, handle)) = unfinished.rsplit_once(" # handle ") else { continue };
                if let Ok(handle) = handle.parse() {
                    let key = (family.clone(), table.clone(), chain.clone(), handle);
                    texts.rules.insert(key, text.trim_end().to_owned());
                }
                unfinished.clear();
            }
        }
    }
    texts
}

/// The number of `[ cmp eq reg 1 0x00000002 ]`.
fn compared(line: &str) -> Option<u8> {
    let number = line.trim().strip_prefix("[ cmp eq reg 1 0x")?.strip_suffix(" ]")?;
    u8::from_str_radix(number.trim_start_matches('0'), 16).ok()
}
