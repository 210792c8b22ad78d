//! Reads `nft -j list ruleset` (libnftables-json(5)). Tolerant: what it doesn't know becomes a
//! condition or an action that the evaluator knows it can't follow. nft leaves out conditions that
//! others imply (`ip saddr` says that it is IPv4); the evaluator's keys imply them too.

use std::collections::HashMap;

use serde_json::Value as Json;

use super::Counter;
use super::rules::{
    Action, Base, Chain, Element, Family, Hook, Key, Pattern, Reject, Relation, Rule, Scalar, Set,
    Statement, Table, Test, Tool,
};

mod expression;
mod statement;
mod text;

pub(super) use statement::{icmp_code, icmp6_code};
pub(super) use text::{Texts, texts};

/// Objects of a table that rules refer to by name.
#[derive(Clone, Debug, Default)]
pub(super) struct Objects {
    /// Quota: is it used up? `None`: it may be with the next packet.
    quotas: HashMap<String, (Option<bool>, bool)>,
    /// Limit: as text, and whether it is one of the kind `over`.
    limits: HashMap<String, (String, bool)>,
    counters: HashMap<String, Counter>,
}

/// The tables of a listing; `None` when it isn't one.
pub(super) fn tables(listing: &Json, texts: &Texts) -> Option<Vec<Table>> {
    let mut tables: Vec<Table> = Vec::new();
    let mut objects: HashMap<(Family, String), Objects> = HashMap::new();
    let mut rules: Vec<(Family, String, String, &Json)> = Vec::new();
    for item in listing.get("nftables")?.as_array()? {
        let Some((kind, body)) = item.as_object().and_then(|object| object.iter().next()) else {
            continue;
        };
        let Some(family) = string(body, "family").and_then(Family::from_name) else { continue };
        let name = string(body, "name").unwrap_or_default();
        let table_name = string(body, "table").unwrap_or(name);
        let key = (family, table_name.to_owned());
        if kind == "table" {
            let dormant = texts.is_dormant(family, name) || has_flag(body, "dormant");
            tables.push(new_table(family, name, dormant));
            continue;
        }
        if kind == "rule" {
            let chain = string(body, "chain").unwrap_or_default().to_owned();
            rules.push((family, key.1, chain, body));
            continue;
        }
        let Some(table) = find(&mut tables, family, table_name) else { continue };
        match kind.as_str() {
            "chain" => table.chains.push(chain(body)),
            "set" | "map" => {
                table.sets.insert(name.to_owned(), set(body));
            }
            _ => objects.entry(key).or_default().add(kind, name, body),
        }
    }
    let none = Objects::default();
    for (family, table_name, chain_name, body) in rules {
        let own = objects.get(&(family, table_name.clone())).unwrap_or(&none);
        let mut rule = rule(body, own, texts.of(family, &table_name, &chain_name, body));
        if rejects_by_reset(&rule)
            && family == Family::Inet
            && let Some(number) = texts.family_of(&table_name, &chain_name, body)
        {
            let wanted = vec![Pattern::One(Scalar::Number(number.into()))];
            let test = Test::one(Key::NetworkFamily, Relation::In, wanted);
            rule.statements.insert(0, Statement::Test(test));
        }
        let Some(table) = find(&mut tables, family, &table_name) else { continue };
        if let Some(chain) = table.chains.iter_mut().find(|chain| chain.name == chain_name) {
            chain.rules.push(rule);
        }
    }
    Some(tables)
}

fn new_table(family: Family, name: &str, dormant: bool) -> Table {
    Table {
        family,
        name: name.to_owned(),
        tool: Tool::Nft,
        chains: Vec::new(),
        sets: HashMap::new(),
        dormant,
    }
}

fn find<'t>(tables: &'t mut [Table], family: Family, name: &str) -> Option<&'t mut Table> {
    tables.iter_mut().find(|table| table.family == family && table.name == name)
}

fn string<'j>(body: &'j Json, key: &str) -> Option<&'j str> {
    body.get(key)?.as_str()
}

fn has_flag(body: &Json, flag: &str) -> bool {
    match body.get("flags") {
        Some(Json::Array(flags)) => flags.iter().any(|one| one == flag),
        Some(Json::String(one)) => one == flag,
        _ => false,
    }
}

fn chain(body: &Json) -> Chain {
    let name = string(body, "name").unwrap_or_default().to_owned();
    let hook = string(body, "hook").and_then(Hook::from_name);
    let devices = match body.get("dev") {
        Some(Json::String(device)) => vec![device.clone()],
        Some(Json::Array(devices)) => {
            devices.iter().filter_map(Json::as_str).map(str::to_owned).collect()
        }
        _ => Vec::new(),
    };
    let base = hook.map(|hook| Base {
        hook,
        priority: priority(body.get("prio")),
        nat: string(body, "type") == Some("nat"),
        accepts: string(body, "policy") != Some("drop"),
        devices,
        counter: None,
    });
    Chain { name, base, rules: Vec::new() }
}

fn priority(prio: Option<&Json>) -> i32 {
    prio.and_then(Json::as_i64).and_then(|prio| i32::try_from(prio).ok()).unwrap_or(0)
}

fn set(body: &Json) -> Set {
    let elements = match body.get("elem") {
        Some(Json::Array(elements)) => elements.iter().map(expression::element).collect(),
        _ => Vec::new(),
    };
    let unread = elements.iter().any(Option::is_none);
    let elements: Vec<Element> = elements.into_iter().flatten().collect();
    Set { elements, unread }
}

impl Objects {
    fn add(&mut self, kind: &str, name: &str, body: &Json) {
        let name = name.to_owned();
        match kind {
            "quota" => {
                let quota = statement::quota(body);
                self.quotas.insert(name, quota);
            }
            "limit" => {
                let limit = statement::limit(body);
                self.limits.insert(name, limit);
            }
            "counter" => {
                if let Some(counter) = statement::counter(body) {
                    self.counters.insert(name, counter);
                }
            }
            _ => {}
        }
    }
}

fn rule(body: &Json, objects: &Objects, text: Option<String>) -> Rule {
    let mut rule = Rule {
        text: text.unwrap_or_else(|| body.get("expr").map(Json::to_string).unwrap_or_default()),
        handle: body.get("handle").and_then(Json::as_u64),
        counter: None,
        statements: Vec::new(),
    };
    for item in body.get("expr").and_then(Json::as_array).into_iter().flatten() {
        if let Some(counter) = item.get("counter") {
            rule.counter = match counter {
                Json::String(name) => objects.counters.get(name).copied(),
                counter => statement::counter(counter),
            };
        }
        rule.statements.extend(statement::statements(item, objects));
    }
    rule
}

/// nft 1.0.6 forgets `meta nfproto ipv4` before `reject with tcp reset` when it lists a rule.
fn rejects_by_reset(rule: &Rule) -> bool {
    let reset = |statement: &Statement| {
        matches!(statement, Statement::Do(Action::Reject(Reject::TcpReset)))
    };
    rule.statements.iter().any(reset)
}

/// Are there rules whose family only the kernel's own form tells?
pub(super) fn needs_families(listing: &str) -> bool {
    listing.contains("\"tcp reset\"") && listing.contains("\"inet\"")
}

/// Are there conditions or targets that nft can't show (`xt`)? `iptables-save` can.
pub(super) fn is_kept_by_iptables(listing: &Json) -> bool {
    let rules = listing.get("nftables").and_then(Json::as_array).into_iter().flatten();
    let mut expressions =
        rules.filter_map(|item| item.get("rule")?.get("expr")?.as_array()).flatten();
    let builtin = ["INPUT", "FORWARD", "OUTPUT", "PREROUTING", "POSTROUTING"];
    let chains = listing.get("nftables").and_then(Json::as_array).into_iter().flatten();
    let mut names = chains.filter_map(|item| string(item.get("chain")?, "name"));
    expressions.any(|expression| expression.get("xt").is_some())
        || names.any(|name| builtin.contains(&name))
}
