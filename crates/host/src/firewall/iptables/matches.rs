//! What a rule of iptables asks of a packet.

use std::net::IpAddr;

use super::super::rules::{
    Family, ICMP, ICMP6, Key, Pattern, Relation, Right, Scalar, Statement, TCP, Test, UDP, network,
};
use super::{Reader, maybe};

type Options<'w> = Vec<(bool, &'w str, Vec<&'w str>)>;

/// All conditions up to the target.
pub(super) fn matches(reader: &mut Reader<'_>, family: Family) -> Vec<Statement> {
    let mut statements = Vec::new();
    let mut protocol = None;
    while let Some(word) = reader.peek() {
        match word {
            "-j" | "-g" => break,
            "-m" => {
                reader.next();
                let Some(name) = reader.next() else { break };
                statements.extend(extension(name, &reader.options(), family, protocol));
            }
            _ => {
                let options = reader.options();
                if options.is_empty() {
                    // A stray word: nothing that iptables-save writes.
                    reader.next();
                    statements.push(Statement::Maybe);
                }
                for (negated, option, values) in options {
                    let value = values.first().copied().unwrap_or_default();
                    if option == "-p" && !negated {
                        protocol = protocol_number(value);
                    }
                    statements.extend(plain(negated, option, value, family));
                }
            }
        }
    }
    statements
}

fn relation(negated: bool) -> Relation {
    if negated { Relation::NotIn } else { Relation::In }
}

fn test(negated: bool, key: Key, patterns: Vec<Pattern>) -> Vec<Statement> {
    vec![Statement::Test(Test::one(key, relation(negated), patterns))]
}

fn number(value: u128) -> Pattern {
    Pattern::One(Scalar::Number(value))
}

/// `-s`, `-d`, `-i`, `-o`, `-p`, `-f`.
fn plain(negated: bool, option: &str, value: &str, family: Family) -> Vec<Statement> {
    match option {
        "-s" | "-d" => {
            let key = if option == "-s" { Key::Source(family) } else { Key::Destination(family) };
            address(value).map_or_else(maybe, |pattern| test(negated, key, vec![pattern]))
        }
        "-i" | "-o" => {
            let key = if option == "-i" { Key::InName } else { Key::OutName };
            // "+" stands for any ending; nft's sign for it is "*".
            let name = match value.strip_suffix('+') {
                Some(beginning) => format!("{beginning}*"),
                None => value.to_owned(),
            };
            test(negated, key, vec![Pattern::One(Scalar::Symbol(name))])
        }
        "-p" if value == "all" => Vec::new(),
        "-p" => protocol_number(value).map_or_else(maybe, |protocol| {
            test(negated, Key::Protocol(Family::Inet), vec![number(protocol.into())])
        }),
        // Fragments but the first: connection attempts have none.
        "-f" => vec![Statement::Known(negated)],
        _ => maybe(),
    }
}

fn protocol_number(name: &str) -> Option<u8> {
    match name {
        "tcp" => Some(TCP),
        "udp" => Some(UDP),
        "icmp" => Some(ICMP),
        "ipv6-icmp" | "icmpv6" => Some(ICMP6),
        "sctp" => Some(132),
        "dccp" => Some(33),
        "udplite" => Some(136),
        "gre" => Some(47),
        "esp" => Some(50),
        "ah" => Some(51),
        number => number.parse().ok(),
    }
}

/// `10.0.0.0/8`, `10.0.0.0/255.0.0.0`, `fe80::/10`, an address alone.
pub(super) fn address(text: &str) -> Option<Pattern> {
    let (address, mask) = match text.split_once('/') {
        Some((address, mask)) => (address, Some(mask)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().ok()?;
    let length = match mask {
        None => return Some(Pattern::One(Scalar::Address(address))),
        Some(mask) => match mask.parse::<u32>() {
            Ok(length) => length,
            Err(_) => contiguous(mask.parse().ok()?)?,
        },
    };
    Some(network(address, length))
}

/// The length of a mask without holes.
fn contiguous(mask: IpAddr) -> Option<u32> {
    let (bits, width) = match mask {
        IpAddr::V4(mask) => (u128::from(u32::from(mask)) << 96, 32),
        IpAddr::V6(mask) => (u128::from(mask), 128),
    };
    let length = bits.leading_ones();
    (bits.count_ones() == length && length <= width).then_some(length)
}

/// `22`, `1:1023`, `80,443,8000:8010`.
fn ports(text: &str) -> Option<Vec<Pattern>> {
    let one = |text: &str| {
        let port = |text: &str, open: u128| {
            if text.is_empty() { Some(open) } else { text.parse::<u16>().ok().map(u128::from) }
        };
        match text.split_once(':') {
            Some((first, last)) => Some(Pattern::Range(
                Scalar::Number(port(first, 0)?),
                Scalar::Number(port(last, 65_535)?),
            )),
            None => text.parse::<u16>().ok().map(|port| number(port.into())),
        }
    };
    text.split(',').map(one).collect()
}

/// One `-m`: its conditions must all hold.
fn extension(
    name: &str,
    options: &Options<'_>,
    family: Family,
    protocol: Option<u8>,
) -> Vec<Statement> {
    match name {
        "comment" => return Vec::new(),
        "limit" | "hashlimit" => return limit(options),
        "rpfilter" => return way_back(options),
        "set" => return set(options),
        _ => {}
    }
    let each = options.iter().flat_map(|(negated, option, values)| {
        let value = values.first().copied().unwrap_or_default();
        match name {
            "tcp" | "udp" => transport(*negated, option, values),
            "multiport" => multiport(*negated, option, value, protocol),
            "conntrack" | "state" => tracking(*negated, option, value, family),
            "addrtype" if family == Family::Ip6 => address_type6(*negated, option, value),
            "addrtype" => address_type(*negated, option, value, options),
            "mark" | "connmark" => mark(*negated, name, value),
            "iprange" => range(*negated, option, value, family),
            "pkttype" => test(*negated, Key::PacketType, vec![symbol(value)]),
            "length" => lengths(value)
                .map_or_else(maybe, |pattern| test(*negated, Key::Length, vec![pattern])),
            "ttl" | "hl" => time_to_live(option, value, *negated, family),
            "owner" if !negated => test(false, Key::Owner, vec![symbol(value)]),
            "icmp" | "icmp6" => icmp(value, *negated, family),
            _ => maybe(),
        }
    });
    let all: Vec<Statement> = each.collect();
    let speaks_of_ports = matches!(name, "tcp" | "udp");
    if all.is_empty() && !speaks_of_ports && name != "addrtype" { maybe() } else { all }
}

fn symbol(name: &str) -> Pattern {
    Pattern::One(Scalar::Symbol(name.to_ascii_lowercase()))
}

fn transport(negated: bool, option: &str, values: &[&str]) -> Vec<Statement> {
    let value = values.first().copied().unwrap_or_default();
    match option {
        "--sport" | "--dport" | "--source-port" | "--destination-port" => {
            let key = if option.contains("--s") {
                Key::SourcePort(None)
            } else {
                Key::DestinationPort(None)
            };
            ports(value).map_or_else(maybe, |patterns| test(negated, key, patterns))
        }
        "--tcp-flags" => {
            let [mask, set] = values else { return maybe() };
            vec![Statement::Test(Test {
                left: vec![Key::TcpFlags],
                mask: Some(flags(mask)),
                relation: relation(negated),
                right: Right::Bits(flags(set)),
            })]
        }
        "--syn" => transport(negated, "--tcp-flags", &["FIN,SYN,RST,ACK", "SYN"]),
        _ => maybe(),
    }
}

fn flags(text: &str) -> Vec<Scalar> {
    let names = match text {
        "ALL" => "FIN,SYN,RST,PSH,ACK,URG",
        "NONE" => "",
        names => names,
    };
    let names = names.split(',').filter(|name| !name.is_empty());
    names.map(|name| Scalar::Symbol(name.to_ascii_lowercase())).collect()
}

fn multiport(negated: bool, option: &str, value: &str, protocol: Option<u8>) -> Vec<Statement> {
    let Some(patterns) = ports(value) else { return maybe() };
    match option {
        "--dports" | "--destination-ports" => {
            test(negated, Key::DestinationPort(protocol), patterns)
        }
        "--sports" | "--source-ports" => test(negated, Key::SourcePort(protocol), patterns),
        // Either of both ports: seldom, and the source's is seldom known.
        _ => maybe(),
    }
}

/// nf_conntrack: `NEW,ESTABLISHED`; SNAT and DNAT are states of its own kind there.
fn tracking(negated: bool, option: &str, value: &str, family: Family) -> Vec<Statement> {
    let bits = |key: Key, names: Vec<Scalar>| {
        let relation = if negated { Relation::NoBit } else { Relation::AnyBit };
        let right = Right::Bits(names);
        vec![Statement::Test(Test { left: vec![key], mask: None, relation, right })]
    };
    let names = || value.split(',').map(|name| Scalar::Symbol(name.to_ascii_lowercase()));
    match option {
        "--ctstate" | "--state" => {
            let is_virtual = |scalar: &Scalar| match scalar {
                Scalar::Symbol(name) => name == "snat" || name == "dnat",
                Scalar::Number(_) | Scalar::Address(_) => false,
            };
            let (translated, states): (Vec<_>, Vec<_>) = names().partition(is_virtual);
            match (translated.is_empty(), states.is_empty()) {
                (true, false) => bits(Key::State, states),
                (false, true) => bits(Key::Status, translated),
                _ => maybe(),
            }
        }
        "--ctdir" => test(negated, Key::Direction, vec![symbol(value)]),
        "--ctstatus" if value != "NONE" => {
            let rename = |name: Scalar| match name {
                Scalar::Symbol(name) if name == "seen_reply" => {
                    Scalar::Symbol("seen-reply".to_owned())
                }
                other => other,
            };
            bits(Key::Status, names().map(rename).collect())
        }
        "--ctorigdst" => address(value).map_or_else(maybe, |pattern| {
            test(negated, Key::OriginalDestination(family), vec![pattern])
        }),
        "--ctorigdstport" => ports(value)
            .map_or_else(maybe, |patterns| test(negated, Key::OriginalDestinationPort, patterns)),
        _ => maybe(),
    }
}

fn address_type(negated: bool, option: &str, value: &str, options: &Options<'_>) -> Vec<Statement> {
    let limited = |name: &str| options.iter().any(|(_, option, _)| *option == name);
    let interface = limited("--limit-iface-in");
    match option {
        "--limit-iface-in" => Vec::new(),
        "--src-type" | "--dst-type" if !limited("--limit-iface-out") => {
            let key = Key::AddressType { source: option == "--src-type", interface };
            test(negated, key, value.split(',').map(symbol).collect())
        }
        _ => maybe(),
    }
}

/// xt_addrtype.c, match_type6(): of IPv6 addresses, every one is "unicast" that isn't multicast.
fn address_type6(negated: bool, option: &str, value: &str) -> Vec<Statement> {
    let source = option == "--src-type";
    if !source && option != "--dst-type" {
        return maybe();
    }
    let address = if source { Key::Source } else { Key::Destination };
    let multicast = network(std::net::Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0).into(), 8);
    match value {
        "UNICAST" => test(!negated, address(Family::Ip6), vec![multicast]),
        "MULTICAST" => test(negated, address(Family::Ip6), vec![multicast]),
        "LOCAL" => {
            let key = Key::AddressType { source, interface: false };
            test(negated, key, vec![symbol(value)])
        }
        _ => maybe(),
    }
}

/// `0x1`, `0x1/0xff`.
fn mark(negated: bool, name: &str, value: &str) -> Vec<Statement> {
    let (value, mask) = value.split_once('/').unwrap_or((value, "0xffffffff"));
    let (Some(value), Some(mask)) = (hexadecimal(value), hexadecimal(mask)) else {
        return maybe();
    };
    let key = if name == "mark" { Key::Mark } else { Key::ConnectionMark };
    vec![Statement::Test(Test {
        left: vec![key],
        mask: Some(vec![Scalar::Number(mask)]),
        relation: relation(negated),
        right: Right::Bits(vec![Scalar::Number(value)]),
    })]
}

pub(super) fn hexadecimal(text: &str) -> Option<u128> {
    match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).ok().map(u128::from),
        None => text.parse::<u32>().ok().map(u128::from),
    }
}

fn range(negated: bool, option: &str, value: &str, family: Family) -> Vec<Statement> {
    let key = match option {
        "--src-range" => Key::Source(family),
        "--dst-range" => Key::Destination(family),
        _ => return maybe(),
    };
    let ends = value.split_once('-').and_then(|(first, last)| {
        Some((first.parse::<IpAddr>().ok()?, last.parse::<IpAddr>().ok()?))
    });
    ends.map_or_else(maybe, |(first, last)| {
        let range = Pattern::Range(Scalar::Address(first), Scalar::Address(last));
        test(negated, key, vec![range])
    })
}

fn lengths(value: &str) -> Option<Pattern> {
    let (first, last) = value.split_once(':').unwrap_or((value, value));
    let (first, last) = (first.parse::<u16>().ok()?, last.parse::<u16>().ok()?);
    Some(Pattern::Range(Scalar::Number(first.into()), Scalar::Number(last.into())))
}

fn time_to_live(option: &str, value: &str, negated: bool, family: Family) -> Vec<Statement> {
    let Ok(value) = value.parse::<u8>() else { return maybe() };
    let relation = match option.rsplit_once('-').map(|(_, kind)| kind) {
        Some("eq") => relation(negated),
        Some("lt") => Relation::Less,
        Some("gt") => Relation::More,
        _ => return maybe(),
    };
    let key = Key::TimeToLive(family);
    vec![Statement::Test(Test::one(key, relation, vec![number(value.into())]))]
}

fn icmp(value: &str, negated: bool, family: Family) -> Vec<Statement> {
    let kind = value.split('/').next().and_then(|kind| kind.parse::<u8>().ok());
    kind.map_or_else(maybe, |kind| {
        let mut statements = test(negated, Key::IcmpType(family), vec![number(kind.into())]);
        if value.contains('/') {
            statements.push(Statement::Maybe);
        }
        statements
    })
}

/// A limit that isn't exceeded; hashlimit's `--hashlimit-above` matches what exceeds it.
fn limit(options: &Options<'_>) -> Vec<Statement> {
    let over =
        options.iter().any(|(negated, option, _)| *negated || *option == "--hashlimit-above");
    let words = options
        .iter()
        .flat_map(|(_, option, values)| std::iter::once(*option).chain(values.iter().copied()));
    vec![Statement::Limit { text: words.collect::<Vec<_>>().join(" "), over }]
}

fn way_back(options: &Options<'_>) -> Vec<Statement> {
    let has = |name: &str| options.iter().any(|(_, option, _)| *option == name);
    if has("--loose") || has("--accept-local") {
        return maybe();
    }
    test(has("--invert"), Key::WayBack, vec![number(1)])
}

/// `--match-set NAME src,dst`: ipset(8).
fn set(options: &Options<'_>) -> Vec<Statement> {
    let [(negated, "--match-set", values)] = options.as_slice() else { return maybe() };
    let [name, directions] = values.as_slice() else { return maybe() };
    let keys = directions.split(',').map(|direction| match direction {
        "src" => Some(Key::Source(Family::Inet)),
        "dst" => Some(Key::Destination(Family::Inet)),
        _ => None,
    });
    // What the second direction means depends on the set's kind: it is asked when it is looked up.
    match keys.collect::<Option<Vec<Key>>>() {
        Some(left) if left.len() == 1 => vec![Statement::Test(Test {
            left,
            mask: None,
            relation: relation(*negated),
            right: Right::Named((*name).to_owned()),
        })],
        _ => maybe(),
    }
}
