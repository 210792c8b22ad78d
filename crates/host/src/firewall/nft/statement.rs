//! Statements: conditions, limits, marks, verdicts.

use serde_json::Value as Json;

use super::super::Counter;
use super::super::rules::{
    Action, Expression, Family, Key, Reject, Relation, Statement, Test, Translation,
};
use super::Objects;
use super::expression::{expression, key, keys, left, right};

/// Packets of a connection's start that may still fit into a quota: more are not asked for.
const PACKET_MAX_BYTES: u64 = 1_500;

/// What one item of a rule's list says. Several: an element that is added within a limit.
pub(super) fn statements(item: &Json, objects: &Objects) -> Vec<Statement> {
    let Some((kind, body)) = item.as_object().and_then(|object| object.iter().next()) else {
        return vec![Statement::Do(Action::Lose)];
    };
    if let Some(action) = verdict(item) {
        return vec![Statement::Do(action)];
    }
    let one = match kind.as_str() {
        "match" => test(body).map_or(Statement::Maybe, Statement::Test),
        "vmap" => choose(body),
        "limit" => {
            let (text, over) = match body.as_str().map(|name| objects.limits.get(name)) {
                Some(named) => named.cloned().unwrap_or_default(),
                None => limit(body),
            };
            Statement::Limit { text, over }
        }
        "quota" => match body.as_str().map(|name| objects.quotas.get(name).copied()) {
            Some(named) => known(named.unwrap_or_default()),
            None => known(quota(body)),
        },
        "mangle" => mangle(body),
        "notrack" => Statement::NoTrack,
        "set" => return remember(body),
        "ct count" | "meter" => Statement::Maybe,
        "xt" if body.get("type").and_then(Json::as_str) == Some("match") => Statement::Maybe,
        // None of these changes what happens to the packet itself.
        "counter" | "log" | "masquerade" | "snat" | "dup" | "flow" | "ct helper" | "ct timeout"
        | "ct expectation" | "secmark" | "last" | "comment" => Statement::Known(true),
        _ => Statement::Do(Action::Lose),
    };
    vec![one]
}

/// A verdict, also as the data of a verdict map.
pub(super) fn verdict(item: &Json) -> Option<Action> {
    let (kind, body) = item.as_object()?.iter().next()?;
    let target = || body.get("target").and_then(Json::as_str).map(str::to_owned);
    Some(match kind.as_str() {
        "accept" => Action::Accept,
        "drop" => Action::Drop,
        "return" => Action::Return,
        "continue" => Action::Continue,
        "jump" => target().map_or(Action::Lose, Action::Jump),
        "goto" => target().map_or(Action::Lose, Action::Goto),
        "reject" => reject(body).map_or(Action::Lose, Action::Reject),
        "dnat" => Action::Translate(translation(body, false)),
        "redirect" => Action::Translate(translation(body, true)),
        _ => return None,
    })
}

fn choose(body: &Json) -> Statement {
    match body.get("data").and_then(right) {
        Some(map) => Statement::Choose { keys: body.get("key").map(keys).unwrap_or_default(), map },
        None => Statement::Do(Action::Lose),
    }
}

fn test(body: &Json) -> Option<Test> {
    let (left, mask) = left(body.get("left")?)?;
    if left.contains(&Key::Unknown) {
        return None;
    }
    let right = right(body.get("right")?)?;
    let is_set = matches!(body.get("right"), Some(value) if value.get("set").is_some()
        || value.as_str().is_some_and(|text| text.starts_with('@')));
    let relation = match body.get("op").and_then(Json::as_str).unwrap_or("==") {
        "==" => Relation::In,
        "in" if is_set => Relation::In,
        "in" => Relation::AnyBit,
        "!" => Relation::NoBit,
        "!=" => Relation::NotIn,
        "<" => Relation::Less,
        "<=" => Relation::AtMost,
        ">" => Relation::More,
        ">=" => Relation::AtLeast,
        _ => return None,
    };
    Some(Test { left, mask, relation, right })
}

pub(super) fn counter(body: &Json) -> Option<Counter> {
    let number = |key: &str| body.get(key).and_then(Json::as_u64);
    Some(Counter { packets: number("packets")?, bytes: number("bytes")? })
}

/// The limit as nft prints it, and whether it matches what is over it.
pub(super) fn limit(body: &Json) -> (String, bool) {
    let over = body.get("inv") == Some(&Json::Bool(true));
    let part = |key: &str| match body.get(key) {
        Some(Json::String(text)) => text.clone(),
        Some(number) => number.to_string(),
        None => String::new(),
    };
    let unit = part("rate_unit");
    let (space, unit) = match unit.as_str() {
        "" | "packets" => ("", ""),
        unit => (" ", unit),
    };
    let over_word = if over { "over " } else { "" };
    (format!("limit rate {over_word}{}{space}{unit}/{}", part("rate"), part("per")), over)
}

/// Is a quota used up, and does the rule match when it is?
pub(super) fn quota(body: &Json) -> (Option<bool>, bool) {
    let bytes = |number: &str, unit: &str| {
        let factor = match body.get(unit).and_then(Json::as_str).unwrap_or("bytes") {
            "kbytes" => 1 << 10,
            "mbytes" => 1 << 20,
            "gbytes" => 1 << 30,
            _ => 1,
        };
        body.get(number).and_then(Json::as_u64).map(|count| count.saturating_mul(factor))
    };
    let over = body.get("inv") == Some(&Json::Bool(true));
    let allowed = bytes("val", "val_unit").or_else(|| bytes("bytes", "bytes_unit"));
    let used = bytes("used", "used_unit").unwrap_or(0);
    let used_up = allowed.and_then(|allowed| {
        if used > allowed {
            Some(true)
        } else if used.saturating_add(PACKET_MAX_BYTES) <= allowed {
            Some(false)
        } else {
            None
        }
    });
    (used_up, over)
}

fn known((used_up, over): (Option<bool>, bool)) -> Statement {
    used_up.map_or(Statement::Maybe, |used_up| Statement::Known(used_up == over))
}

fn mangle(body: &Json) -> Statement {
    let Some(target) = body.get("key") else { return Statement::Do(Action::Lose) };
    let value = body.get("value").map_or(Expression::Unknown, expression);
    let field = |of: &str, name: &str| target.get(of)?.get(name)?.as_str();
    match (key(target), field("payload", "field")) {
        (Key::Mark, _) => Statement::SetMark { connection: false, value },
        (Key::ConnectionMark, _) => Statement::SetMark { connection: true, value },
        // Priority, tracing, zone, event, label; type of service and time to live; MSS.
        (_, None) => Statement::Known(true),
        (_, Some("dscp" | "ecn" | "ttl" | "hoplimit" | "flowlabel")) => Statement::Known(true),
        _ => Statement::Do(Action::Lose),
    }
}

fn remember(body: &Json) -> Vec<Statement> {
    let set = body.get("set").and_then(Json::as_str).and_then(|name| name.strip_prefix('@'));
    let element = body.get("elem").map(|element| match element.get("elem") {
        Some(inner) => inner.get("val").unwrap_or(inner),
        None => element,
    });
    let (Some(set), Some(element)) = (set, element) else {
        return vec![Statement::Maybe];
    };
    let add = body.get("op").and_then(Json::as_str) != Some("delete");
    let remember = Statement::Remember { set: set.to_owned(), keys: keys(element), add };
    let within = body.get("stmt").and_then(Json::as_array).into_iter().flatten();
    let mut all = vec![remember];
    all.extend(within.flat_map(|item| statements(item, &Objects::default())));
    all
}

fn reject(body: &Json) -> Option<Reject> {
    let kind = body.get("type").and_then(Json::as_str).unwrap_or("icmpx");
    let code = body.get("expr").and_then(Json::as_str).unwrap_or("port-unreachable");
    match kind {
        "tcp reset" => Some(Reject::TcpReset),
        "icmp" => icmp_code(code).map(Reject::Icmp),
        "icmpv6" => icmp6_code(code).map(Reject::Icmp6),
        "icmpx" => icmpx_code(code).map(Reject::Icmpx),
        _ => None,
    }
}

/// nft(8), "reject statement".
pub(in super::super) fn icmp_code(name: &str) -> Option<&'static str> {
    const CODES: [&str; 7] = [
        "net-unreachable",
        "host-unreachable",
        "prot-unreachable",
        "port-unreachable",
        "net-prohibited",
        "host-prohibited",
        "admin-prohibited",
    ];
    CODES.into_iter().find(|code| *code == name)
}

pub(in super::super) fn icmp6_code(name: &str) -> Option<&'static str> {
    const CODES: [&str; 6] = [
        "no-route",
        "admin-prohibited",
        "addr-unreachable",
        "port-unreachable",
        "policy-fail",
        "reject-route",
    ];
    CODES.into_iter().find(|code| *code == name)
}

fn icmpx_code(name: &str) -> Option<&'static str> {
    const CODES: [&str; 4] =
        ["no-route", "port-unreachable", "host-unreachable", "admin-prohibited"];
    CODES.into_iter().find(|code| *code == name)
}

fn translation(body: &Json, redirect: bool) -> Translation {
    let family = body.get("family").and_then(Json::as_str).and_then(Family::from_name);
    let is_prefix = body.get("type_flags").is_some();
    let part = |key: &str| body.get(key).map(expression);
    Translation {
        family,
        address: if is_prefix { Some(Expression::Unknown) } else { part("addr") },
        port: part("port"),
        redirect,
    }
}
