//! A packet on its way through the hooks, and what a rule can ask about it.

use std::net::IpAddr;

use super::compare::{Value, address_number};
use super::machine::Machine;
use super::rules::{Family, ICMP, ICMP6, Key, TCP, UDP};

/// TCP flags.
pub(super) const SYN: u8 = 0x02;
const ACK: u8 = 0x10;
/// linux/netfilter/nf_conntrack_common.h.
const STATUS_SEEN_REPLY: u128 = 0x02;
const STATUS_CONFIRMED: u128 = 0x08;
const STATUS_DNAT: u128 = 0x20;
/// linux/if_arp.h.
const ARPHRD_LOOPBACK: u128 = 772;

/// What connection tracking has made of the packet so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tracking {
    /// Before the tracking hooks, or a packet that belongs to nothing.
    Invalid,
    Untracked,
    New,
    Established,
    Related,
}

#[derive(Clone, Debug)]
pub(super) struct Packet {
    pub(super) v4: bool,
    pub(super) protocol: u8,
    pub(super) source: Value,
    pub(super) destination: Value,
    pub(super) source_port: Value,
    pub(super) destination_port: Value,
    pub(super) flags: Option<u8>,
    pub(super) in_interface: Value,
    pub(super) out_interface: Value,
    pub(super) mark: Value,
    pub(super) connection_mark: Value,
    pub(super) tracking: Tracking,
    pub(super) is_reply: bool,
    pub(super) is_translated: bool,
    /// Destination before DNAT.
    pub(super) original: (Value, Value),
    /// Sent by a socket of this machine.
    pub(super) has_socket: bool,
}

impl Packet {
    /// What a key gives for this packet.
    pub(super) fn get(&self, key: Key, machine: &Machine) -> Value {
        match key {
            Key::Source(family) => self.of(family, &self.source),
            Key::Destination(family) => self.of(family, &self.destination),
            Key::SourcePort(of) => self.port(of, &self.source_port),
            Key::DestinationPort(of) => self.port(of, &self.destination_port),
            Key::Protocol(family) => self.of(family, &Value::Number(self.protocol.into())),
            Key::NetworkFamily => Value::Number(if self.v4 { 2 } else { 10 }),
            Key::EtherType => Value::Number(if self.v4 { 0x0800 } else { 0x86dd }),
            Key::Version => Value::Number(if self.v4 { 4 } else { 6 }),
            Key::TcpFlags => self.flags.map_or(Value::Absent, |flags| Value::Number(flags.into())),
            Key::IcmpType(family) => self.icmp_type(family),
            Key::InName => self.in_interface.clone(),
            Key::OutName => self.out_interface.clone(),
            Key::InType => match &self.in_interface {
                Value::Name(name) if name == "lo" => Value::Number(ARPHRD_LOOPBACK),
                Value::Name(name) if name.is_empty() => Value::Absent,
                _ => Value::Unknown,
            },
            Key::PacketType => Value::Number(0),
            Key::Mark => self.mark.clone(),
            Key::ConnectionMark => self.tracked(self.connection_mark.clone()),
            Key::State => Value::Number(match self.tracking {
                Tracking::Invalid => 1,
                Tracking::Established => 2,
                Tracking::Related => 4,
                Tracking::New => 8,
                Tracking::Untracked => 64,
            }),
            Key::Status => self.tracked(Value::Number(self.status())),
            Key::Direction => self.tracked(Value::Number(self.is_reply.into())),
            Key::OriginalDestination(family) => self.tracked(self.of(family, &self.original.0)),
            Key::OriginalDestinationPort => self.tracked(self.original.1.clone()),
            Key::AddressType { source, interface } => self.address_type(source, interface, machine),
            Key::WayBack => self.way_back(machine),
            Key::Length => self.length(),
            Key::TimeToLive(family) => self.of(family, &Value::Between(1, 255)),
            Key::FragmentOffset if self.v4 => Value::Unknown,
            Key::FragmentOffset => Value::Absent,
            Key::Owner if !self.has_socket && self.protocol == TCP => Value::Absent,
            Key::Owner | Key::Unknown => Value::Unknown,
        }
    }

    /// A value that only packets of one family have.
    fn of(&self, family: Family, value: &Value) -> Value {
        if family.sees(self.v4) { value.clone() } else { Value::Absent }
    }

    fn port(&self, of: Option<u8>, value: &Value) -> Value {
        let has_ports = matches!(self.protocol, TCP | UDP);
        if of.unwrap_or(self.protocol) != self.protocol {
            Value::Absent
        } else if has_ports {
            value.clone()
        } else if of.is_none() {
            Value::Unknown
        } else {
            Value::Absent
        }
    }

    /// RFC 792 and RFC 4443: "destination unreachable", the only ICMP that is followed here.
    fn icmp_type(&self, family: Family) -> Value {
        match (family, self.protocol) {
            (Family::Ip, ICMP) => Value::Number(3),
            (Family::Ip6, ICMP6) => Value::Number(1),
            _ => Value::Absent,
        }
    }

    /// A value that only tracked connections have.
    fn tracked(&self, value: Value) -> Value {
        match self.tracking {
            Tracking::Invalid | Tracking::Untracked => Value::Absent,
            Tracking::New | Tracking::Established | Tracking::Related => value,
        }
    }

    fn status(&self) -> u128 {
        let translated = if self.is_translated { STATUS_DNAT } else { 0 };
        let answered = if self.is_reply { STATUS_SEEN_REPLY | STATUS_CONFIRMED } else { 0 };
        translated | answered
    }

    /// Length of the packet: a SYN has at most 40 bytes of options, a datagram may be of any size.
    fn length(&self) -> Value {
        let header = if self.v4 { 20 } else { 40 };
        match self.protocol {
            TCP => Value::Between(header + 20, header + 60),
            _ => Value::Between(header + 8, 65_575),
        }
    }

    fn address_type(&self, source: bool, interface: bool, machine: &Machine) -> Value {
        const UNICAST: u128 = 1;
        const LOCAL: u128 = 2;
        const BROADCAST: u128 = 3;
        const MULTICAST: u128 = 5;
        let address = if source { &self.source } else { &self.destination };
        let Some(address) = to_address(address, self.v4) else { return Value::Unknown };
        let own = match &self.in_interface {
            Value::Name(name) if interface && !name.is_empty() => machine.owns_at(address, name),
            Value::Unknown if interface && machine.owns(address) => return Value::Unknown,
            _ => machine.owns(address),
        };
        Value::Number(if own {
            LOCAL
        } else if address.is_multicast() {
            MULTICAST
        } else if machine.is_broadcast(address) {
            BROADCAST
        } else {
            UNICAST
        })
    }

    /// 1: the packet came in where the route to its sender leads. Anything else depends on routing
    /// rules that are not read.
    fn way_back(&self, machine: &Machine) -> Value {
        let interface = to_address(&self.source, self.v4).and_then(|ip| machine.interface_to(ip));
        match (interface, &self.in_interface) {
            (Some(out), Value::Name(name)) if out == name => Value::Number(1),
            _ => Value::Unknown,
        }
    }

    /// The first answer to this packet, as a socket of the machine that it reached sends it.
    pub(super) fn answer(&self) -> Self {
        Self {
            source: self.destination.clone(),
            destination: self.source.clone(),
            source_port: self.destination_port.clone(),
            destination_port: self.source_port.clone(),
            flags: (self.protocol == TCP).then_some(SYN | ACK),
            in_interface: Value::Name(String::new()),
            out_interface: self.in_interface.clone(),
            mark: Value::Number(0),
            is_reply: true,
            has_socket: true,
            ..self.clone()
        }
    }
}

/// An address as it is compared.
pub(super) fn from_address(address: IpAddr) -> Value {
    Value::Number(address_number(address))
}

/// The address, when it is known.
pub(super) fn to_address(value: &Value, v4: bool) -> Option<IpAddr> {
    let Value::Number(number) = value else { return None };
    if v4 {
        u32::try_from(*number).ok().map(|bits| IpAddr::V4(bits.into()))
    } else {
        Some(IpAddr::V6((*number).into()))
    }
}
