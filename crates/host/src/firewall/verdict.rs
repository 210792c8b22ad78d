//! From a walk through the rules to words: decision, rule, reason, command.

use std::net::{IpAddr, SocketAddr};

use super::compare::Value;
use super::evaluate::{End, Outcome, Path, Place, Why, walk};
use super::keeper;
use super::packet::{Packet, SYN, Tracking, from_address, to_address};
use super::rules::{Reject, TCP, UDP};
use super::{Decision, Firewall, Protocol, Site, Syn, Verdict};

/// What clients use as source port: Linux and RFC 6056 stay well within.
const CLIENT_PORTS: (u128, u128) = (1_024, 65_535);

impl Firewall {
    pub(super) fn judge(&self, syn: &Syn, path: Path) -> Verdict {
        let packet = self.packet(syn, path);
        let outcome = walk(&self.tables, &self.machine, &packet, path);
        let mut verdict = worded(&outcome, syn, packet.v4);
        verdict.command = keeper::command(&outcome, syn);
        if self.is_partial && matches!(verdict.decision, Decision::Accept) {
            let missing =
                self.unread.iter().map(|unread| format!("{}: {}", unread.what, unread.why));
            verdict.decision = Decision::Undecided;
            verdict.because = Some(missing.collect::<Vec<_>>().join("; "));
            verdict.rule = None;
            verdict.command = None;
        }
        verdict
    }

    fn packet(&self, syn: &Syn, path: Path) -> Packet {
        let v4 = syn.to.is_ipv4();
        let name = |name: &str| Value::Name(name.to_owned());
        let near = match (path, &syn.in_interface, syn.from) {
            (Path::Local, ..) => Some("lo"),
            (Path::Outgoing, ..) => self.machine.interface_to(syn.to),
            (Path::Incoming, Some(given), _) => Some(given.as_str()),
            (Path::Incoming, None, Some(from)) => self.machine.interface_to(from),
            (Path::Incoming, None, None) => self.machine.outward(v4),
        };
        let near = near.map_or(Value::Unknown, name);
        let (from_here, own) = match path {
            Path::Outgoing => (true, self.own_address(syn.to)),
            Path::Local => (true, syn.from),
            Path::Incoming => (false, syn.from),
        };
        let from_port = syn.from_port.map(u128::from);
        let any_port = Value::Between(CLIENT_PORTS.0, CLIENT_PORTS.1);
        let (to, port) = (from_address(syn.to), Value::Number(syn.port.into()));
        let none = || Value::Name(String::new());
        Packet {
            v4,
            protocol: if syn.protocol == Protocol::Tcp { TCP } else { UDP },
            source: own.map_or(Value::Unknown, from_address),
            destination: to.clone(),
            source_port: from_port.map_or(any_port, Value::Number),
            destination_port: port.clone(),
            flags: (syn.protocol == Protocol::Tcp).then_some(SYN),
            in_interface: if path == Path::Outgoing { none() } else { near.clone() },
            out_interface: if path == Path::Outgoing { near } else { none() },
            mark: Value::Number(0),
            connection_mark: Value::Number(0),
            tracking: Tracking::New,
            is_reply: false,
            is_translated: false,
            original: (to, port),
            has_socket: from_here,
        }
    }

    /// The address that packets to another machine carry, when the interface has but one.
    fn own_address(&self, to: IpAddr) -> Option<IpAddr> {
        let interface = self.machine.interface_to(to)?;
        let fits = |address: &IpAddr| address.is_ipv4() == to.is_ipv4() && !is_link_local(*address);
        let at = self.machine.addresses.iter().filter(|own| own.interface == interface);
        let mut own = at.map(|own| own.address).filter(fits);
        own.next().filter(|_| own.next().is_none())
    }
}

fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(ip) if ip.is_unicast_link_local())
}

fn worded(outcome: &Outcome<'_>, syn: &Syn, v4: bool) -> Verdict {
    let (decision, place, why) = match outcome.end {
        End::Accepted => (Decision::Accept, outcome.accepted_by, Why::Rule),
        End::Dropped(place, why) => (Decision::Drop, Some(place), why),
        // A rule that translates rejects nothing: it is where it leads to.
        End::Rejected(place, _) if outcome.is_translated_by(&place) => {
            (Decision::Reject, Some(place), Why::LoopbackFromOutside)
        }
        End::Rejected(place, _) => (Decision::Reject, Some(place), Why::Rule),
        End::Lost(place, why) => (Decision::Undecided, Some(place), why),
    };
    let with = match outcome.end {
        End::Rejected(_, reject) => Some(reject_name(reject)),
        _ => None,
    };
    let element = outcome.element.clone().filter(|_| !matches!(outcome.end, End::Accepted));
    Verdict {
        decision,
        with,
        rule: place.map(|place| Site { element, ..site(&place) }),
        because: because(why, &outcome.end),
        command: None,
        redirected_to: outcome
            .translated_by
            .and_then(|_| destination(outcome, v4))
            .filter(|to| *to != SocketAddr::new(syn.to, syn.port)),
        redirected_by: outcome.translated_by.map(|place| site(&place)),
        is_local: outcome.is_local,
        within_limits: outcome.limits.clone(),
    }
}

fn destination(outcome: &Outcome<'_>, v4: bool) -> Option<SocketAddr> {
    let (address, port) = &outcome.destination;
    let Value::Number(port) = port else { return None };
    Some(SocketAddr::new(to_address(address, v4)?, u16::try_from(*port).ok()?))
}

fn reject_name(reject: Reject) -> String {
    match reject {
        Reject::TcpReset => "tcp reset".to_owned(),
        Reject::Icmp(code) => format!("icmp {code}"),
        Reject::Icmp6(code) => format!("icmpv6 {code}"),
        Reject::Icmpx(code) => format!("icmpx {code}"),
    }
}

fn because(why: Why, end: &End<'_>) -> Option<String> {
    let text = match (why, end) {
        (Why::Rule, _) => return None,
        (Why::Answer, _) => "the packet gets in, its answer doesn't get out",
        (Why::NotForwarding, _) => {
            "it is redirected to another machine, and this one forwards nothing (ip_forward)"
        }
        (Why::LoopbackFromOutside, _) => {
            "it is redirected to a loopback address, which the kernel takes from this machine only \
             (route_localnet)"
        }
        (Why::Condition, _) => "whether the rule matches can't be told from here",
        (Why::Action, _) => "what the rule does with the packet can't be followed",
        (Why::TooMany, _) => "there are more rules than are followed",
    };
    Some(text.to_owned())
}

/// A place in words.
pub(super) fn site(place: &Place<'_>) -> Site {
    let base = place.chain.base.as_ref();
    let (text, handle, counter) = match place.rule {
        Some(rule) => (rule.text.clone(), rule.handle, rule.counter),
        None => ("policy drop".to_owned(), None, base.and_then(|base| base.counter)),
    };
    Site {
        family: place.table.family.name(),
        table: place.table.name.clone(),
        chain: place.chain.name.clone(),
        text,
        handle,
        counter,
        kept_by: keeper::name(place),
        element: None,
    }
}
