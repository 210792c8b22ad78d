//! What a rule of iptables does with a packet.

use std::net::IpAddr;

use super::super::nft::{icmp_code, icmp6_code};
use super::super::rules::{
    Action, Expression, Family, Key, Pattern, Reject, Scalar, Statement, Translation,
};
use super::Reader;
use super::matches::hexadecimal;

/// The target, with what it sets before.
pub(super) fn target(reader: &mut Reader<'_>, family: Family) -> Vec<Statement> {
    let (Some(kind), Some(name)) = (reader.next(), reader.next()) else { return Vec::new() };
    let options = reader.options();
    let value = |option: &str| {
        options
            .iter()
            .find(|(_, known, _)| *known == option)
            .map(|(_, _, values)| values.first().copied().unwrap_or_default())
    };
    let action = match (kind, name) {
        ("-g", name) => Action::Goto(name.to_owned()),
        (_, "ACCEPT") => Action::Accept,
        (_, "DROP") => Action::Drop,
        (_, "RETURN") => Action::Return,
        (_, "REJECT") => reject(value("--reject-with"), family),
        (_, "DNAT") => translate(value("--to-destination").unwrap_or_default(), family),
        (_, "REDIRECT") => Action::Translate(Translation {
            family: None,
            address: None,
            port: value("--to-ports").and_then(ports).map(Expression::Pattern),
            redirect: true,
        }),
        (_, "NOTRACK") => return vec![Statement::NoTrack],
        (_, "CT") if value("--notrack").is_some() => return vec![Statement::NoTrack],
        (_, "MARK") => return set_mark(value("--set-xmark"), Key::Mark),
        (_, "CONNMARK") => return connection_mark(&value),
        (
            _,
            "NFQUEUE" | "QUEUE" | "TPROXY" | "SYNPROXY" | "NETMAP" | "CLUSTERIP" | "SET"
            | "RAWDNAT" | "DNPT",
        ) => Action::Lose,
        // None of these changes what happens to the packet itself.
        (
            _,
            "LOG" | "NFLOG" | "ULOG" | "AUDIT" | "TRACE" | "CT" | "MASQUERADE" | "SNAT" | "TEE"
            | "TCPMSS" | "TCPOPTSTRIP" | "DSCP" | "TOS" | "TTL" | "HL" | "ECN" | "CHECKSUM"
            | "CLASSIFY" | "SECMARK" | "CONNSECMARK" | "IDLETIMER" | "RATEEST" | "LED" | "HMARK",
        ) => return Vec::new(),
        (_, name) => Action::Jump(name.to_owned()),
    };
    vec![Statement::Do(action)]
}

fn reject(with: Option<&str>, family: Family) -> Action {
    let with = with.unwrap_or("icmp-port-unreachable");
    let reject = match (with, family) {
        ("tcp-reset", _) => Some(Reject::TcpReset),
        (name, Family::Ip6) => {
            let name = name.strip_prefix("icmp6-").or_else(|| name.strip_prefix("icmp-"));
            let code = match name.unwrap_or_default() {
                "adm-prohibited" => "admin-prohibited",
                code => code,
            };
            icmp6_code(code).map(Reject::Icmp6)
        }
        (name, _) => {
            let code = match name.strip_prefix("icmp-").unwrap_or_default() {
                "proto-unreachable" => "prot-unreachable",
                code => code,
            };
            icmp_code(code).map(Reject::Icmp)
        }
    };
    reject.map_or(Action::Lose, Action::Reject)
}

/// `10.0.0.1`, `10.0.0.1:80`, `10.0.0.1-10.0.0.9:80-90`, `[fd00::1]:80`, `:80`.
fn translate(to: &str, family: Family) -> Action {
    let (address, port) = if let Some(rest) = to.strip_prefix('[') {
        let (address, rest) = rest.split_once(']').unwrap_or((rest, ""));
        (address, rest.strip_prefix(':'))
    } else if family == Family::Ip6 {
        (to, None)
    } else {
        match to.split_once(':') {
            Some((address, port)) => (address, Some(port)),
            None => (to, None),
        }
    };
    let one = |text: &str| text.parse::<IpAddr>().ok().map(Scalar::Address);
    let address = match address.split_once('-') {
        _ if address.is_empty() => None,
        Some((first, last)) => {
            Some(one(first).zip(one(last)).map(|(first, last)| Pattern::Range(first, last)))
        }
        None => Some(one(address).map(Pattern::One)),
    };
    let port = port.map(ports);
    if address == Some(None) || port == Some(None) {
        return Action::Lose;
    }
    Action::Translate(Translation {
        family: None,
        address: address.flatten().map(Expression::Pattern),
        port: port.flatten().map(Expression::Pattern),
        redirect: false,
    })
}

/// `80`, `80-90`.
fn ports(text: &str) -> Option<Pattern> {
    let one = |text: &str| text.parse::<u16>().ok().map(|port| Scalar::Number(port.into()));
    match text.split_once('-') {
        Some((first, last)) => Some(Pattern::Range(one(first)?, one(last)?)),
        None => one(text).map(Pattern::One),
    }
}

/// `--set-xmark value/mask`: zero the bits of the mask, then turn those of the value.
fn set_mark(to: Option<&str>, key: Key) -> Vec<Statement> {
    let connection = key == Key::ConnectionMark;
    let parsed = to.and_then(|to| {
        let (value, mask) = to.split_once('/').unwrap_or((to, "0xffffffff"));
        Some((hexadecimal(value)?, hexadecimal(mask)?))
    });
    let number = |number: u128| Box::new(Expression::Pattern(Pattern::One(Scalar::Number(number))));
    let value = match parsed {
        Some((value, mask)) if mask == u128::from(u32::MAX) => *number(value),
        Some((value, mask)) => {
            let kept = u128::from(u32::MAX) & !mask;
            let kept = Expression::And(Box::new(Expression::Key(key)), number(kept));
            Expression::Xor(Box::new(kept), number(value))
        }
        None => Expression::Unknown,
    };
    vec![Statement::SetMark { connection, value }]
}

/// `--save-mark`, `--restore-mark` and `--set-xmark`; with masks only the first is unknown.
fn connection_mark<'w>(value: &impl Fn(&str) -> Option<&'w str>) -> Vec<Statement> {
    let whole = |option: &str| value(option).is_none_or(|mask| mask == "0xffffffff");
    let is_whole = whole("--nfmask") && whole("--ctmask");
    let copied = |from: Key| if is_whole { Expression::Key(from) } else { Expression::Unknown };
    if value("--save-mark").is_some() {
        vec![Statement::SetMark { connection: true, value: copied(Key::Mark) }]
    } else if value("--restore-mark").is_some() {
        vec![Statement::SetMark { connection: false, value: copied(Key::ConnectionMark) }]
    } else {
        set_mark(value("--set-xmark"), Key::ConnectionMark)
    }
}
