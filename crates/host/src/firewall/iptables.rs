//! Reads `iptables-save -c` and its like (iptables(8), iptables-extensions(8)): nft shows the
//! matches of iptables-nft without their arguments, and those of iptables-legacy not at all.

use std::collections::HashMap;

use super::Counter;
use super::rules::{Base, Chain, Family, Hook, Rule, Set, Statement, Table, Tool};

mod matches;
mod sets;
mod target;

pub(super) use sets::sets;

/// The tables of one save file.
pub(super) fn tables(
    text: &str,
    family: Family,
    legacy: bool,
    sets: &HashMap<String, Set>,
) -> Vec<Table> {
    let mut tables: Vec<Table> = Vec::new();
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('*') {
            tables.push(Table {
                family,
                name: name.to_owned(),
                tool: Tool::Iptables { legacy },
                chains: Vec::new(),
                sets: sets.clone(),
                dormant: false,
            });
            continue;
        }
        let Some(table) = tables.last_mut() else { continue };
        if let Some(line) = line.strip_prefix(':') {
            table.chains.extend(chain(line, &table.name));
        } else if let Some((chain, rule)) = rule(line, family)
            && let Some(chain) = table.chains.iter_mut().find(|known| known.name == chain)
        {
            chain.rules.push(rule);
        }
    }
    tables
}

/// `INPUT ACCEPT [13:760]`, or `- [0:0]` for a chain of the user's.
fn chain(line: &str, table: &str) -> Option<Chain> {
    let mut words = line.split_ascii_whitespace();
    let (name, policy) = (words.next()?.to_owned(), words.next()?);
    let counter = words.next().and_then(counter);
    let hook = Hook::from_name(&name).filter(|_| policy != "-");
    let base = hook.map(|hook| Base {
        hook,
        priority: priority(table, hook),
        nat: table == "nat",
        accepts: policy != "DROP",
        devices: Vec::new(),
        counter,
    });
    Some(Chain { name, base, rules: Vec::new() })
}

/// linux/netfilter_ipv4.h: NF_IP_PRI_….
fn priority(table: &str, hook: Hook) -> i32 {
    match table {
        "raw" => -300,
        "mangle" => -150,
        "nat" if matches!(hook, Hook::Input | Hook::Postrouting) => 100,
        "nat" => -100,
        "security" => 50,
        _ => 0,
    }
}

/// `[13:760]`.
fn counter(text: &str) -> Option<Counter> {
    let (packets, bytes) = text.strip_prefix('[')?.strip_suffix(']')?.split_once(':')?;
    Some(Counter { packets: packets.parse().ok()?, bytes: bytes.parse().ok()? })
}

/// The chain and the rule of a line `[0:0] -A INPUT -p tcp … -j DROP`.
fn rule(line: &str, family: Family) -> Option<(String, Rule)> {
    let (counted, text) = match line.split_once(' ') {
        Some((first, rest)) if first.starts_with('[') => (counter(first), rest.trim()),
        _ => (None, line),
    };
    let words = words(text);
    let mut words = words.iter().map(String::as_str);
    if words.next() != Some("-A") {
        return None;
    }
    let chain = words.next()?.to_owned();
    let rest: Vec<&str> = words.collect();
    let mut reader = Reader { words: &rest, position: 0 };
    let mut statements = matches::matches(&mut reader, family);
    statements.extend(target::target(&mut reader, family));
    let text = text.to_owned();
    Some((chain, Rule { text, handle: None, counter: counted, statements }))
}

/// Splits as a shell would: iptables-save quotes with `"` and escapes with `\`.
fn words(text: &str) -> Vec<String> {
    let (mut words, mut word, mut inside, mut begun) = (Vec::new(), String::new(), false, false);
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => (inside, begun) = (!inside, true),
            '\\' if inside => word.extend(characters.next()),
            ' ' if !inside => {
                if begun || !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                begun = false;
            }
            other => word.push(other),
        }
    }
    if begun || !word.is_empty() {
        words.push(word);
    }
    words
}

/// The words of a rule, one after the other.
pub(super) struct Reader<'w> {
    words: &'w [&'w str],
    position: usize,
}

impl<'w> Reader<'w> {
    fn peek(&self) -> Option<&'w str> {
        self.words.get(self.position).copied()
    }

    fn next(&mut self) -> Option<&'w str> {
        let word = self.peek()?;
        self.position += 1;
        Some(word)
    }

    /// Options of one match or target: up to the next match, target or top-level option.
    fn options(&mut self) -> Vec<(bool, &'w str, Vec<&'w str>)> {
        let mut options: Vec<(bool, &str, Vec<&str>)> = Vec::new();
        let mut negated = false;
        while let Some(word) = self.peek() {
            match word {
                "!" => negated = true,
                "-m" | "-j" | "-g" => break,
                option if option.starts_with('-') && !is_number(option) => {
                    options.push((std::mem::take(&mut negated), option, Vec::new()));
                }
                value => match options.last_mut() {
                    Some((_, _, values)) => values.push(value),
                    None => break,
                },
            }
            self.position += 1;
        }
        options
    }
}

fn is_number(word: &str) -> bool {
    word.strip_prefix('-').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
}

/// A condition that isn't understood.
fn maybe() -> Vec<Statement> {
    vec![Statement::Maybe]
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn quotes_and_escapes_are_those_of_iptables_save() {
        let line = r#"-A INPUT -m comment --comment "say \"no\" twice" -j DROP"#;
        assert_eq!(
            words(line),
            ["-A", "INPUT", "-m", "comment", "--comment", "say \"no\" twice", "-j", "DROP"]
        );
        assert_eq!(words(r#"--log-prefix """#), ["--log-prefix", ""]);
    }
}
