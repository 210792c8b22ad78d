//! Expressions: what a condition looks at, and the values that it compares with.

use std::net::IpAddr;

use serde_json::Value as Json;

use super::super::rules::{
    Data, Element, Expression, Family, Key, Pattern, Right, Scalar, TCP, UDP, network,
};
use super::statement;

/// A scalar; a list of flags is none.
pub(super) fn scalar(json: &Json) -> Option<Scalar> {
    Some(match json {
        Json::Bool(value) => Scalar::Number((*value).into()),
        Json::Number(number) => Scalar::Number(number.as_u64()?.into()),
        Json::String(text) => match text.parse::<IpAddr>() {
            Ok(address) => Scalar::Address(address),
            Err(_) => Scalar::Symbol(text.clone()),
        },
        _ => return None,
    })
}

pub(super) fn pattern(json: &Json) -> Option<Pattern> {
    if json == "*" {
        return Some(Pattern::Any);
    }
    if let Some(scalar) = scalar(json) {
        return Some(Pattern::One(scalar));
    }
    let (kind, body) = json.as_object()?.iter().next()?;
    match kind.as_str() {
        "range" => {
            let ends = body.as_array()?;
            Some(Pattern::Range(scalar(ends.first()?)?, scalar(ends.get(1)?)?))
        }
        "prefix" => {
            let length = u32::try_from(body.get("len")?.as_u64()?).ok()?;
            Some(network(body.get("addr")?.as_str()?.parse().ok()?, length))
        }
        "elem" => pattern(body.get("val")?),
        _ => None,
    }
}

/// The parts of a value: of a concatenation several, otherwise one.
pub(super) fn parts(json: &Json) -> Option<Vec<Pattern>> {
    if let Some(inner) = json.get("elem") {
        return parts(inner.get("val")?);
    }
    match json.get("concat") {
        Some(list) => list.as_array()?.iter().map(pattern).collect(),
        None => Some(vec![pattern(json)?]),
    }
}

/// One element of a set, or key and data of a map.
pub(super) fn element(json: &Json) -> Option<Element> {
    match json.as_array().map(Vec::as_slice) {
        Some([key, data]) => Some(Element { parts: parts(key)?, data: Some(self::data(data)?) }),
        Some(_) => None,
        None => Some(Element::of(parts(json)?)),
    }
}

fn data(json: &Json) -> Option<Data> {
    match statement::verdict(json) {
        Some(action) => Some(Data::Action(action)),
        None => parts(json).map(Data::Values),
    }
}

/// Flags, alone or in a list: `"syn"`, `["fin", "syn"]`, `{"|": [{"|": ["fin", "syn"]}, "rst"]}`.
pub(super) fn flags(json: &Json) -> Option<Vec<Scalar>> {
    let list = match json {
        Json::Array(list) => list,
        Json::Object(object) => object.get("|")?.as_array()?,
        one => return Some(vec![scalar(one)?]),
    };
    let all: Option<Vec<Vec<Scalar>>> = list.iter().map(flags).collect();
    all.map(|all| all.into_iter().flatten().collect())
}

/// What stands on the right of a comparison, or behind `vmap` and `map`.
pub(super) fn right(json: &Json) -> Option<Right> {
    if let Some(name) = json.as_str().and_then(|text| text.strip_prefix('@')) {
        return Some(Right::Named(name.to_owned()));
    }
    if let Some(set) = json.get("set") {
        let elements = set.as_array()?.iter().map(set_element);
        return elements.collect::<Option<Vec<_>>>().map(Right::Elements);
    }
    if json.is_array() || json.get("|").is_some() {
        return flags(json).map(Right::Bits);
    }
    Some(Right::Elements(vec![Element::of(parts(json)?)]))
}

/// Flags within a set count as a number; nobody else uses "|" there.
fn set_element(json: &Json) -> Option<Element> {
    if json.get("|").is_some() {
        let named = |scalar: &Scalar| match scalar {
            Scalar::Symbol(name) => super::super::compare::flag(name),
            Scalar::Number(number) => Some(*number),
            Scalar::Address(_) => None,
        };
        let all = flags(json)?.iter().try_fold(0, |all, flag| Some(all | named(flag)?))?;
        return Some(Element::of(vec![Pattern::One(Scalar::Number(all))]));
    }
    element(json)
}

/// The keys of a condition's left side, and its mask.
pub(super) fn left(json: &Json) -> Option<(Vec<Key>, Option<Vec<Scalar>>)> {
    if let Some(parts) = json.get("concat") {
        return Some((parts.as_array()?.iter().map(key).collect(), None));
    }
    if let Some(masked) = json.get("&") {
        let masked = masked.as_array()?;
        return Some((vec![key(masked.first()?)], Some(flags(masked.get(1)?)?)));
    }
    Some((vec![key(json)], None))
}

pub(super) fn keys(json: &Json) -> Vec<Key> {
    match json.get("concat").and_then(Json::as_array) {
        Some(parts) => parts.iter().map(key).collect(),
        None => vec![key(json)],
    }
}

pub(super) fn key(json: &Json) -> Key {
    let known = json.as_object().and_then(|object| object.iter().next());
    let Some((kind, body)) = known else { return Key::Unknown };
    match kind.as_str() {
        "payload" => payload(body).unwrap_or(Key::Unknown),
        "meta" => body.get("key").and_then(Json::as_str).map_or(Key::Unknown, meta),
        "ct" => connection(body).unwrap_or(Key::Unknown),
        "fib" => fib(body).unwrap_or(Key::Unknown),
        _ => Key::Unknown,
    }
}

fn payload(body: &Json) -> Option<Key> {
    let family = |name: &str| if name == "ip" { Family::Ip } else { Family::Ip6 };
    let protocol = |name: &str| match name {
        "tcp" => Some(TCP),
        "udp" => Some(UDP),
        "sctp" => Some(132),
        "dccp" => Some(33),
        "udplite" => Some(136),
        _ => None,
    };
    let (of, field) = (body.get("protocol")?.as_str()?, body.get("field")?.as_str()?);
    let has_ports = of == "th" || protocol(of).is_some();
    Some(match (of, field) {
        ("ip" | "ip6", "saddr") => Key::Source(family(of)),
        ("ip" | "ip6", "daddr") => Key::Destination(family(of)),
        ("ip", "protocol") | ("ip6", "nexthdr") => Key::Protocol(family(of)),
        ("ip", "ttl") | ("ip6", "hoplimit") => Key::TimeToLive(family(of)),
        ("ip", "length") => Key::Length,
        ("ip", "frag-off") => Key::FragmentOffset,
        ("ip" | "ip6", "version") => Key::Version,
        ("tcp", "flags") => Key::TcpFlags,
        ("icmp", "type") => Key::IcmpType(Family::Ip),
        ("icmpv6", "type") => Key::IcmpType(Family::Ip6),
        (_, "sport") if has_ports => Key::SourcePort(protocol(of)),
        (_, "dport") if has_ports => Key::DestinationPort(protocol(of)),
        _ => return None,
    })
}

fn meta(name: &str) -> Key {
    match name {
        "l4proto" => Key::Protocol(Family::Inet),
        "nfproto" => Key::NetworkFamily,
        "protocol" => Key::EtherType,
        "iif" | "iifname" => Key::InName,
        "oif" | "oifname" => Key::OutName,
        "iiftype" => Key::InType,
        "pkttype" => Key::PacketType,
        "mark" => Key::Mark,
        "length" => Key::Length,
        "skuid" | "skgid" => Key::Owner,
        _ => Key::Unknown,
    }
}

fn connection(body: &Json) -> Option<Key> {
    let is_original = body.get("dir").and_then(Json::as_str) == Some("original");
    Some(match body.get("key")?.as_str()? {
        "state" => Key::State,
        "status" => Key::Status,
        "direction" => Key::Direction,
        "mark" => Key::ConnectionMark,
        "ip daddr" if is_original => Key::OriginalDestination(Family::Ip),
        "ip6 daddr" if is_original => Key::OriginalDestination(Family::Ip6),
        "proto-dst" if is_original => Key::OriginalDestinationPort,
        _ => return None,
    })
}

fn fib(body: &Json) -> Option<Key> {
    let flags = body.get("flags")?;
    let flags: Vec<&str> = match flags {
        Json::String(one) => vec![one.as_str()],
        many => many.as_array()?.iter().filter_map(Json::as_str).collect(),
    };
    let interface = flags.contains(&"iif");
    let source = flags.contains(&"saddr");
    if flags.contains(&"oif") {
        return None;
    }
    match body.get("result")?.as_str()? {
        "type" => Some(Key::AddressType { source, interface }),
        "oif" if source && interface => Some(Key::WayBack),
        _ => None,
    }
}

/// A value that a rule computes.
pub(super) fn expression(json: &Json) -> Expression {
    if let Some(map) = json.get("map") {
        let keys = map.get("key").map(keys).unwrap_or_default();
        return match map.get("data").and_then(right) {
            Some(right) => Expression::Map(keys, Box::new(right)),
            None => Expression::Unknown,
        };
    }
    type Combine = fn(Box<Expression>, Box<Expression>) -> Expression;
    let operators: [(&str, Combine); 3] =
        [("&", Expression::And), ("|", Expression::Or), ("^", Expression::Xor)];
    for (sign, combine) in operators {
        if let Some([left, right]) = json.get(sign).and_then(Json::as_array).map(Vec::as_slice) {
            return combine(Box::new(expression(left)), Box::new(expression(right)));
        }
    }
    if let Some(pattern) = pattern(json) {
        return Expression::Pattern(pattern);
    }
    match key(json) {
        Key::Unknown => Expression::Unknown,
        key => Expression::Key(key),
    }
}
