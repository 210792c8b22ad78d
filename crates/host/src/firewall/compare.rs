//! Three-valued comparison of what is known of a packet with what a rule wants.

use std::net::IpAddr;

use super::rules::{Element, Family, Key, Pattern, Relation, Scalar};

/// Is a condition true? `Maybe`: what we know doesn't tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Truth {
    No,
    Maybe,
    Yes,
}

impl Truth {
    pub(super) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::No, _) | (_, Self::No) => Self::No,
            (Self::Yes, Self::Yes) => Self::Yes,
            _ => Self::Maybe,
        }
    }

    pub(super) fn or(self, other: Self) -> Self {
        self.not().and(other.not()).not()
    }

    pub(super) fn not(self) -> Self {
        match self {
            Self::No => Self::Yes,
            Self::Maybe => Self::Maybe,
            Self::Yes => Self::No,
        }
    }
}

impl From<bool> for Truth {
    fn from(value: bool) -> Self {
        if value { Self::Yes } else { Self::No }
    }
}

/// What is known of one property of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Number(u128),
    /// Somewhere in a range, ends included.
    Between(u128, u128),
    Name(String),
    /// The packet has no such thing: a rule that asks for it doesn't match, negated or not.
    Absent,
    Unknown,
}

impl Value {
    pub(super) fn masked(self, mask: u128) -> Self {
        match self {
            Self::Number(number) => Self::Number(number & mask),
            Self::Between(..) | Self::Name(_) => Self::Unknown,
            other => other,
        }
    }
}

pub(super) fn address_number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(ip) => u128::from(u32::from(ip)),
        IpAddr::V6(ip) => u128::from(ip),
    }
}

/// Does one element of a set match, part by part?
pub(super) fn matches_element(keys: &[Key], values: &[Value], element: &Element) -> Truth {
    if let [Pattern::Any] = element.parts.as_slice() {
        return Truth::Yes;
    }
    if element.parts.len() != values.len() {
        return Truth::Maybe;
    }
    let parts = keys.iter().zip(values).zip(&element.parts);
    parts.fold(Truth::Yes, |so_far, ((key, value), pattern)| {
        so_far.and(matches_pattern(*key, value, pattern))
    })
}

fn matches_pattern(key: Key, value: &Value, pattern: &Pattern) -> Truth {
    match (value, pattern) {
        (_, Pattern::Any) => Truth::Yes,
        (Value::Unknown, _) => Truth::Maybe,
        (Value::Absent, _) => Truth::No,
        (Value::Name(name), Pattern::One(Scalar::Symbol(wanted))) => names(wanted, name).into(),
        (Value::Name(_), _) => Truth::Maybe,
        (Value::Number(number), _) => within(key, (*number, *number), pattern),
        (Value::Between(low, high), _) => within(key, (*low, *high), pattern),
    }
}

/// `eth*` names every interface that begins so.
fn names(wanted: &str, name: &str) -> bool {
    match wanted.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => wanted == name,
    }
}

fn within(key: Key, (low, high): (u128, u128), pattern: &Pattern) -> Truth {
    let ends = match pattern {
        Pattern::One(one) => number(key, one).map(|number| (number, number)),
        Pattern::Range(first, last) => number(key, first).zip(number(key, last)),
        Pattern::Any => return Truth::Yes,
    };
    let Some((first, last)) = ends else { return Truth::Maybe };
    if high < first || low > last {
        Truth::No
    } else if low >= first && high <= last {
        Truth::Yes
    } else {
        Truth::Maybe
    }
}

/// `<`, `<=`, `>`, `>=`, and the tests of single bits.
pub(super) fn ordered(relation: Relation, value: &Value, limit: u128) -> Truth {
    let (low, high) = match value {
        Value::Number(number) => (*number, *number),
        Value::Between(low, high) => (*low, *high),
        Value::Absent => return Truth::No,
        Value::Unknown | Value::Name(_) => return Truth::Maybe,
    };
    let holds = |number: u128| match relation {
        Relation::Less => number < limit,
        Relation::AtMost => number <= limit,
        Relation::More => number > limit,
        Relation::AtLeast => number >= limit,
        Relation::AnyBit => number & limit != 0,
        Relation::NoBit => number & limit == 0,
        Relation::In => number == limit,
        Relation::NotIn => number != limit,
    };
    let bits = matches!(relation, Relation::AnyBit | Relation::NoBit);
    match (holds(low), holds(high)) {
        _ if bits && low != high => Truth::Maybe,
        (true, true) => Truth::Yes,
        (false, false) => Truth::No,
        _ => Truth::Maybe,
    }
}

/// A scalar as the number that the kernel compares, `None` when we don't know the name.
pub(super) fn number(key: Key, scalar: &Scalar) -> Option<u128> {
    match scalar {
        Scalar::Number(number) => Some(*number),
        Scalar::Address(address) => Some(address_number(*address)),
        Scalar::Symbol(name) => symbol(key, name).or_else(|| plain_number(name)),
    }
}

fn plain_number(text: &str) -> Option<u128> {
    match text.strip_prefix("0x") {
        Some(digits) => u128::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

/// Flags, taken together.
pub(super) fn bits(key: Key, scalars: &[Scalar]) -> Option<u128> {
    scalars.iter().try_fold(0, |all, scalar| Some(all | number(key, scalar)?))
}

/// nft(8), "data types"; numbers are the kernel's.
fn symbol(key: Key, name: &str) -> Option<u128> {
    let find = |names: &[(&str, u128)]| {
        names.iter().find(|(known, _)| *known == name).map(|(_, number)| *number)
    };
    match key {
        Key::Protocol(_) => find(&PROTOCOLS),
        Key::NetworkFamily => find(&[("ipv4", 2), ("ipv6", 10)]),
        Key::EtherType => find(&[("ip", 0x0800), ("arp", 0x0806), ("ip6", 0x86dd)]),
        Key::TcpFlags => find(&FLAGS),
        Key::State => find(&STATES),
        Key::Status => find(&STATUSES),
        Key::Direction => find(&[("original", 0), ("reply", 1)]),
        Key::PacketType => {
            find(&[("host", 0), ("unicast", 0), ("broadcast", 1), ("multicast", 2), ("other", 3)])
        }
        Key::InType => find(&[("ether", 1), ("ppp", 512), ("loopback", 772), ("none", 65_534)]),
        Key::AddressType { .. } => find(&ADDRESS_TYPES),
        Key::IcmpType(Family::Ip6) => find(&ICMP6_TYPES),
        Key::IcmpType(_) => find(&ICMP_TYPES),
        _ => None,
    }
}

/// A TCP flag's bit.
pub(super) fn flag(name: &str) -> Option<u128> {
    symbol(Key::TcpFlags, name)
}

const PROTOCOLS: [(&str, u128); 14] = [
    ("icmp", 1),
    ("igmp", 2),
    ("ipencap", 4),
    ("tcp", 6),
    ("udp", 17),
    ("ipv6", 41),
    ("gre", 47),
    ("esp", 50),
    ("ah", 51),
    ("ipv6-icmp", 58),
    ("icmpv6", 58),
    ("sctp", 132),
    ("udplite", 136),
    ("dccp", 33),
];
const FLAGS: [(&str, u128); 8] = [
    ("fin", 0x01),
    ("syn", 0x02),
    ("rst", 0x04),
    ("psh", 0x08),
    ("ack", 0x10),
    ("urg", 0x20),
    ("ecn", 0x40),
    ("cwr", 0x80),
];
/// linux/netfilter/nf_conntrack_common.h: NF_CT_STATE_BIT.
const STATES: [(&str, u128); 5] =
    [("invalid", 1), ("established", 2), ("related", 4), ("new", 8), ("untracked", 64)];
const STATUSES: [(&str, u128); 7] = [
    ("expected", 0x01),
    ("seen-reply", 0x02),
    ("assured", 0x04),
    ("confirmed", 0x08),
    ("snat", 0x10),
    ("dnat", 0x20),
    ("dying", 0x200),
];
/// rtnetlink(7): RTN_….
const ADDRESS_TYPES: [(&str, u128); 9] = [
    ("unspec", 0),
    ("unicast", 1),
    ("local", 2),
    ("broadcast", 3),
    ("anycast", 4),
    ("multicast", 5),
    ("blackhole", 6),
    ("unreachable", 7),
    ("prohibit", 8),
];
const ICMP_TYPES: [(&str, u128); 4] =
    [("echo-reply", 0), ("destination-unreachable", 3), ("redirect", 5), ("echo-request", 8)];
const ICMP6_TYPES: [(&str, u128); 3] =
    [("destination-unreachable", 1), ("echo-request", 128), ("echo-reply", 129)];

#[cfg(test)]
mod tests {
    use super::{Truth, Value, matches_element, ordered};
    use crate::firewall::rules::{Element, Key, Pattern, Relation, Scalar};

    #[test]
    fn what_is_known_in_part_decides_where_it_can() {
        let ephemeral = Value::Between(1_024, 65_535);
        assert_eq!(ordered(Relation::AtLeast, &ephemeral, 1_024), Truth::Yes);
        assert_eq!(ordered(Relation::Less, &ephemeral, 1_024), Truth::No);
        assert_eq!(ordered(Relation::More, &ephemeral, 40_000), Truth::Maybe);
        assert_eq!(ordered(Relation::NotIn, &Value::Absent, 1), Truth::No);
        let key = [Key::SourcePort(None)];
        let matched = |low: u128, high: u128| {
            let range = Pattern::Range(Scalar::Number(low), Scalar::Number(high));
            matches_element(&key, std::slice::from_ref(&ephemeral), &Element::of(vec![range]))
        };
        assert_eq!(matched(1, 65_535), Truth::Yes);
        assert_eq!(matched(1, 1_000), Truth::No);
        assert_eq!(matched(1, 2_000), Truth::Maybe);
    }

    #[test]
    fn an_interface_is_named_whole_or_by_its_beginning() {
        let name = [Value::Name("eth0".to_owned())];
        let matched = |wanted: &str| {
            let pattern = Pattern::One(Scalar::Symbol(wanted.to_owned()));
            matches_element(&[Key::InName], &name, &Element::of(vec![pattern]))
        };
        assert_eq!(matched("eth0"), Truth::Yes);
        assert_eq!(matched("eth*"), Truth::Yes);
        assert_eq!(matched("eth"), Truth::No);
        assert_eq!(matched("wg*"), Truth::No);
    }

    #[test]
    fn truths_combine() {
        use Truth::{Maybe, No, Yes};
        assert_eq!(Maybe.and(No), No);
        assert_eq!(Maybe.and(Yes), Maybe);
        assert_eq!(Maybe.or(Yes), Yes);
        assert_eq!(Maybe.or(No), Maybe);
        assert_eq!(Maybe.not(), Maybe);
    }
}
