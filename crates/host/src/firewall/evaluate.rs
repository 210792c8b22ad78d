//! One packet's way through the hooks: which rule decides about it, if any. Pure.
//!
//! Where a condition can't be decided, both answers are tried: when all ways end alike, the end is
//! certain all the same; when two differ, the condition that made the difference is named.

use super::compare::{Truth, Value, address_number};
use super::machine::Machine;
use super::packet::{Packet, Tracking, from_address, to_address};
use super::rules::{
    Action, Base, Chain, Family, Hook, ICMP, ICMP6, Reject, Rule, TCP, Table, Translation,
};

mod condition;

/// Ways tried for one packet before it is called undecided.
const WAYS_MAX: usize = 512;
/// Undecided conditions on one way.
const CHOICES_MAX: usize = 64;
/// Rules looked at for one packet, over all ways.
const RULES_MAX: usize = 2_000_000;
/// The kernel's own limit is 16 (NFT_JUMP_STACK_SIZE).
const JUMPS_MAX: usize = 64;
/// linux/netfilter_ipv4.h: NF_IP_PRI_….
const PRIORITY_TRACKING: i32 = -200;
const PRIORITY_DESTINATION_NAT: i32 = -100;
const PRIORITY_SOURCE_NAT: i32 = 100;

/// A rule, or a chain's policy, where it stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub(super) table: &'a Table,
    pub(super) chain: &'a Chain,
    /// `None`: the policy.
    pub(super) rule: Option<&'a Rule>,
}

/// What became of a packet.
#[derive(Clone, Copy, Debug)]
pub(super) enum End<'a> {
    Accepted,
    Dropped(Place<'a>, Why),
    Rejected(Place<'a>, Reject),
    /// Nobody can tell.
    Lost(Place<'a>, Why),
}

/// More about an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    Rule,
    /// The answer to the packet met that rule.
    Answer,
    /// This machine forwards nothing.
    NotForwarding,
    /// Packets from outside for 127.0.0.0/8 are dropped by the kernel.
    LoopbackFromOutside,
    /// The condition that can't be decided.
    Condition,
    /// What the rule does can't be followed.
    Action,
    /// There are more ways or rules than are looked at.
    TooMany,
}

/// A whole walk, and what happened on it.
#[derive(Clone, Debug)]
pub(super) struct Outcome<'a> {
    pub(super) end: End<'a>,
    pub(super) destination: (Value, Value),
    pub(super) is_local: bool,
    /// The last rule that let it pass.
    pub(super) accepted_by: Option<Place<'a>>,
    pub(super) translated_by: Option<Place<'a>>,
    /// Rate limits taken for not exceeded.
    pub(super) limits: Vec<String>,
    /// The element of a named set that the deciding rule found: set, element.
    pub(super) element: Option<(String, String)>,
}

impl Outcome<'_> {
    /// Is this the rule that gave the packet another destination?
    pub(super) fn is_translated_by(&self, place: &Place<'_>) -> bool {
        let rule = self.translated_by.and_then(|by| by.rule).map(std::ptr::from_ref);
        rule.is_some() && rule == place.rule.map(std::ptr::from_ref)
    }
}

/// From where to where a packet goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Path {
    /// From another machine to an address here, or through here.
    Incoming,
    /// From this machine to itself.
    Local,
    /// From this machine to another one.
    Outgoing,
}

/// Sends a packet through the rules, on every way that it may take.
pub(super) fn walk<'a>(
    tables: &'a [Table],
    machine: &Machine,
    packet: &Packet,
    path: Path,
) -> Outcome<'a> {
    let mut script: Vec<bool> = Vec::new();
    let mut first: Option<Outcome<'a>> = None;
    let mut rules_left = RULES_MAX;
    for _ in 0..WAYS_MAX {
        let mut walk = Walk::new(tables, machine, packet.clone(), script, rules_left);
        let end = walk.run(path);
        rules_left = walk.rules_left;
        let outcome = walk.outcome(end);
        if let End::Lost(..) = outcome.end {
            return outcome;
        }
        let before = first.get_or_insert_with(|| outcome.clone());
        if !alike(before, &outcome) {
            // The last condition answered with yes is the one that was not at the way before.
            let place = walk.asked.iter().zip(&walk.script).rev().find(|(_, answer)| **answer);
            let lost = place.map(|(place, _)| End::Lost(*place, Why::Condition));
            return Outcome { end: lost.unwrap_or(outcome.end), ..outcome };
        }
        script = walk.script;
        while script.last() == Some(&true) {
            script.pop();
        }
        match script.last_mut() {
            Some(answer) => *answer = true,
            None => return outcome_of(first, outcome),
        }
    }
    let why = first.map(|outcome| {
        let end = match outcome.end {
            End::Dropped(place, _) | End::Rejected(place, _) => End::Lost(place, Why::TooMany),
            end => outcome.accepted_by.map_or(end, |place| End::Lost(place, Why::TooMany)),
        };
        Outcome { end, ..outcome }
    });
    why.unwrap_or_else(|| {
        Walk::new(tables, machine, packet.clone(), Vec::new(), 0).outcome(End::Accepted)
    })
}

fn outcome_of<'a>(first: Option<Outcome<'a>>, last: Outcome<'a>) -> Outcome<'a> {
    first.unwrap_or(last)
}

fn alike(one: &Outcome<'_>, other: &Outcome<'_>) -> bool {
    match (one.end, other.end) {
        (End::Accepted, End::Accepted) => {
            one.destination == other.destination && one.is_local == other.is_local
        }
        (End::Dropped(..), End::Dropped(..)) => true,
        (End::Rejected(_, one), End::Rejected(_, other)) => one == other,
        _ => false,
    }
}

/// The packet's end comes as an error, so that `?` ends the walk with it.
type Passed<'a, T = ()> = Result<T, End<'a>>;

/// How a chain was left.
enum Left {
    /// Over its last rule, or by `return`.
    Below,
    /// By an accept: the next base chain has its say.
    Accepted,
}

struct Walk<'a, 'm> {
    tables: &'a [Table],
    machine: &'m Machine,
    packet: Packet,
    /// What tracking will make of the packet once it sees it.
    tracking: Tracking,
    hook: Hook,
    script: Vec<bool>,
    asked: Vec<Place<'a>>,
    rules_left: usize,
    is_local: bool,
    is_redirected: bool,
    is_translated_here: bool,
    accepted_by: Option<Place<'a>>,
    translated_by: Option<Place<'a>>,
    limits: Vec<String>,
    /// Set, values, added or taken out.
    remembered: Vec<(String, Vec<Value>, bool)>,
    element: Option<(String, String)>,
}

impl<'a, 'm> Walk<'a, 'm> {
    fn new(
        tables: &'a [Table],
        machine: &'m Machine,
        packet: Packet,
        script: Vec<bool>,
        rules_left: usize,
    ) -> Self {
        Self {
            tables,
            machine,
            tracking: packet.tracking,
            packet: Packet { tracking: Tracking::Invalid, ..packet },
            hook: Hook::Prerouting,
            script,
            asked: Vec::new(),
            rules_left,
            is_local: false,
            is_redirected: false,
            is_translated_here: false,
            accepted_by: None,
            translated_by: None,
            limits: Vec::new(),
            remembered: Vec::new(),
            element: None,
        }
    }

    fn outcome(&self, end: End<'a>) -> Outcome<'a> {
        Outcome {
            end,
            destination: (self.packet.destination.clone(), self.packet.destination_port.clone()),
            is_local: self.is_local,
            accepted_by: self.accepted_by,
            translated_by: self.translated_by,
            limits: self.limits.clone(),
            element: self.element.clone(),
        }
    }

    /// There and, when it got there, back again.
    fn run(&mut self, path: Path) -> End<'a> {
        let there = match path {
            Path::Incoming => self.come_in(),
            Path::Local => self.loop_back(),
            Path::Outgoing => self.go_out(),
        };
        let arrived = self.packet.clone();
        let answer = match there {
            Ok(()) => self.send_answer(path),
            Err(End::Rejected(place, reject)) => self.send_rejection(place, reject, path),
            Err(end) => return end,
        };
        self.packet = arrived;
        match answer {
            Ok(end) => end,
            Err(End::Dropped(place, _) | End::Rejected(place, _)) => {
                End::Dropped(place, Why::Answer)
            }
            Err(end) => end,
        }
    }

    fn come_in(&mut self) -> Passed<'a> {
        self.pass(Hook::Ingress)?;
        self.pass(Hook::Prerouting)?;
        self.is_local = self.is_for_this_machine()?;
        if self.is_local {
            return self.pass(Hook::Input);
        }
        if !self.machine.forwards(self.packet.v4)
            && let Some(place) = self.translated_by
        {
            return Err(End::Dropped(place, Why::NotForwarding));
        }
        self.packet.out_interface = self.way_out();
        self.pass(Hook::Forward)?;
        self.packet.in_interface = Value::Name(String::new());
        self.pass(Hook::Postrouting)
    }

    fn go_out(&mut self) -> Passed<'a> {
        self.pass(Hook::Output)?;
        self.pass(Hook::Postrouting)
    }

    fn loop_back(&mut self) -> Passed<'a> {
        let lo = || Value::Name("lo".to_owned());
        self.packet.in_interface = Value::Name(String::new());
        self.packet.out_interface = lo();
        self.go_out()?;
        self.packet.in_interface = lo();
        self.packet.out_interface = Value::Name(String::new());
        self.pass(Hook::Prerouting)?;
        self.is_local = true;
        self.pass(Hook::Input)
    }

    /// The answer of a socket, or of a machine behind this one.
    fn send_answer(&mut self, path: Path) -> Passed<'a, End<'a>> {
        let was_tracked = self.packet.tracking == Tracking::New;
        let came_by = self.packet.in_interface.clone();
        self.packet = self.packet.answer();
        self.packet.tracking = Tracking::Invalid;
        self.tracking = if was_tracked { Tracking::Established } else { Tracking::Invalid };
        match path {
            Path::Incoming if self.is_local => self.go_out()?,
            Path::Incoming => {
                self.packet.has_socket = false;
                self.packet.in_interface = self.way_back_in();
                self.packet.out_interface = Value::Name(String::new());
                self.pass(Hook::Prerouting)?;
                self.packet.out_interface = self.way_out();
                self.pass(Hook::Forward)?;
                self.pass(Hook::Postrouting)?;
            }
            Path::Local => self.loop_back()?,
            Path::Outgoing => {
                self.packet.has_socket = false;
                self.packet.in_interface = came_by;
                self.pass(Hook::Prerouting)?;
                self.pass(Hook::Input)?;
            }
        }
        Ok(End::Accepted)
    }

    /// The "no" of a reject rule leaves through the output chains too.
    fn send_rejection(
        &mut self,
        place: Place<'a>,
        reject: Reject,
        path: Path,
    ) -> Passed<'a, End<'a>> {
        let end = End::Rejected(place, reject);
        if matches!(self.hook, Hook::Ingress) || path == Path::Outgoing {
            return Ok(end);
        }
        let was_tracked = self.packet.tracking == Tracking::New;
        let v4 = self.packet.v4;
        self.packet = self.packet.answer();
        self.packet.has_socket = false;
        self.packet.tracking = if was_tracked { Tracking::Related } else { Tracking::Invalid };
        self.tracking = self.packet.tracking;
        if reject == Reject::TcpReset {
            const RST_ACK: u8 = 0x14;
            self.packet.flags = Some(RST_ACK);
        } else {
            self.packet.protocol = if v4 { ICMP } else { ICMP6 };
            self.packet.flags = None;
            if self.hook == Hook::Forward {
                self.packet.source = Value::Unknown;
            }
        }
        match path {
            Path::Local => self.loop_back()?,
            Path::Incoming | Path::Outgoing => self.go_out()?,
        }
        Ok(end)
    }

    fn way_out(&self) -> Value {
        let known = to_address(&self.packet.destination, self.packet.v4);
        let interface = known.and_then(|address| self.machine.interface_to(address));
        interface.map_or(Value::Unknown, |name| Value::Name(name.to_owned()))
    }

    fn way_back_in(&self) -> Value {
        let known = to_address(&self.packet.source, self.packet.v4);
        let interface = known.and_then(|address| self.machine.interface_to(address));
        interface.map_or(Value::Unknown, |name| Value::Name(name.to_owned()))
    }

    /// ip_route_input(): is the packet for an address of this machine?
    fn is_for_this_machine(&mut self) -> Passed<'a, bool> {
        if self.is_redirected {
            return Ok(true);
        }
        let v4 = self.packet.v4;
        let owned = match &self.packet.destination {
            Value::Between(low, high) => {
                let own = self.machine.addresses.iter().filter(|own| own.address.is_ipv4() == v4);
                let inside = |number: u128| (*low..=*high).contains(&number);
                let mut own = own.map(|own| address_number(own.address));
                if own.any(inside) { Truth::Maybe } else { Truth::No }
            }
            value => to_address(value, v4)
                .map_or(Truth::Maybe, |address| self.machine.owns(address).into()),
        };
        if let (Some(place), Some(address)) =
            (self.translated_by, to_address(&self.packet.destination, v4))
            && address.is_loopback()
            && !self.takes_loopback(v4)
        {
            // ip6_route_input() finds no route, and says so.
            let no_route = End::Rejected(place, Reject::Icmp6("no-route"));
            let dropped = End::Dropped(place, Why::LoopbackFromOutside);
            return Err(if v4 { dropped } else { no_route });
        }
        match (owned, self.translated_by) {
            (Truth::Maybe, Some(place)) => self.choose(place),
            (Truth::Maybe, None) => Ok(true),
            (truth, _) => Ok(truth == Truth::Yes),
        }
    }

    fn takes_loopback(&self, v4: bool) -> bool {
        let Value::Name(name) = &self.packet.in_interface else { return false };
        name == "lo" || (v4 && self.machine.loopback_from_outside.contains(name))
    }

    /// One hook: all its base chains, by priority.
    fn pass(&mut self, hook: Hook) -> Passed<'a> {
        self.hook = hook;
        self.is_translated_here = false;
        for (table, chain, base) in self.base_chains(hook) {
            self.track(base.priority);
            if base.nat && !self.is_up_to_nat() {
                continue;
            }
            let left = self.chain(table, chain, 0)?;
            if let (Left::Below, false) = (left, base.accepts) {
                let place = Place { table, chain, rule: None };
                return Err(End::Dropped(place, Why::Rule));
            }
        }
        self.track(i32::MAX);
        Ok(())
    }

    /// NAT decides once per connection, by its first packet.
    fn is_up_to_nat(&self) -> bool {
        let already = self.hook == Hook::Prerouting && self.packet.has_socket;
        self.packet.tracking == Tracking::New && !self.is_translated_here && !already
    }

    /// Connection tracking sits at a priority of its own in the first hook of each way.
    fn track(&mut self, priority: i32) {
        let here = matches!(self.hook, Hook::Prerouting | Hook::Output);
        if here && priority >= PRIORITY_TRACKING && self.packet.tracking == Tracking::Invalid {
            self.packet.tracking = self.tracking;
        }
    }

    fn base_chains(&self, hook: Hook) -> Vec<(&'a Table, &'a Chain, &'a Base)> {
        let seen = |table: &&Table| table.family.sees(self.packet.v4) && !table.dormant;
        let mut found: Vec<_> = (self.tables.iter().filter(seen))
            .flat_map(|table| table.chains.iter().map(move |chain| (table, chain)))
            .filter_map(|(table, chain)| Some((table, chain, chain.base.as_ref()?)))
            .filter(|(_, _, base)| base.hook == hook && self.is_on_device(base))
            .collect();
        // nf_hook_entries_grow(): of equal ones, the one registered last comes first. Chains of
        // type nat all sit at one place, in the order of their own priorities.
        found.reverse();
        found.sort_by_key(|(_, _, base)| match base.nat {
            true if matches!(hook, Hook::Prerouting | Hook::Output) => {
                (PRIORITY_DESTINATION_NAT, base.priority)
            }
            true => (PRIORITY_SOURCE_NAT, base.priority),
            false => (base.priority, 0),
        });
        found
    }

    fn is_on_device(&self, base: &Base) -> bool {
        let Value::Name(name) = &self.packet.in_interface else { return base.devices.is_empty() };
        base.devices.is_empty() || base.devices.contains(name)
    }

    fn chain(&mut self, table: &'a Table, chain: &'a Chain, depth: usize) -> Passed<'a, Left> {
        for rule in &chain.rules {
            let place = Place { table, chain, rule: Some(rule) };
            if self.rules_left == 0 || depth > JUMPS_MAX {
                return Err(End::Lost(place, Why::TooMany));
            }
            self.rules_left -= 1;
            let Some(action) = self.rule(place, rule)? else { continue };
            match action {
                Action::Continue => {}
                Action::Return => return Ok(Left::Below),
                Action::Accept => {
                    if matches!(self.hook, Hook::Input | Hook::Forward) && !self.packet.is_reply {
                        self.accepted_by = Some(place);
                    }
                    return Ok(Left::Accepted);
                }
                Action::Drop => return Err(End::Dropped(place, Why::Rule)),
                Action::Lose => return Err(End::Lost(place, Why::Action)),
                Action::Reject(reject) => {
                    if let Some(reject) = self.concerns(reject) {
                        return Err(End::Rejected(place, reject));
                    }
                }
                Action::Translate(translation) => {
                    if self.translate(place, &translation)? {
                        return Ok(Left::Accepted);
                    }
                }
                Action::Jump(target) => match table.chain(&target) {
                    Some(target) => {
                        if let Left::Accepted = self.chain(table, target, depth + 1)? {
                            return Ok(Left::Accepted);
                        }
                    }
                    None => return Err(End::Lost(place, Why::Action)),
                },
                Action::Goto(target) => match table.chain(&target) {
                    Some(target) => return self.chain(table, target, depth + 1),
                    None => return Err(End::Lost(place, Why::Action)),
                },
            }
        }
        Ok(Left::Below)
    }

    /// nft leaves out the conditions that a reject implies: TCP, or the family.
    fn concerns(&self, reject: Reject) -> Option<Reject> {
        let v4 = self.packet.v4;
        match reject {
            Reject::TcpReset => (self.packet.protocol == TCP).then_some(reject),
            Reject::Icmp(_) => v4.then_some(reject),
            Reject::Icmp6(_) => (!v4).then_some(reject),
            Reject::Icmpx(name) => Some(match (name, v4) {
                ("no-route", true) => Reject::Icmp("net-unreachable"),
                ("host-unreachable", false) => Reject::Icmp6("addr-unreachable"),
                (name, true) => Reject::Icmp(name),
                (name, false) => Reject::Icmp6(name),
            }),
        }
    }

    /// Gives the packet another destination. False: the rule doesn't concern it.
    fn translate(&mut self, place: Place<'a>, new: &Translation) -> Passed<'a, bool> {
        if !new.family.is_none_or(|family| family.sees(self.packet.v4)) {
            return Ok(false);
        }
        let (mut address, mut port) = (None, None);
        if let Some(expression) = &new.address {
            let Some(values) = self.express(place, expression)? else { return Ok(false) };
            let mut values = values.into_iter();
            address = values.next();
            port = values.next();
        }
        if let Some(expression) = &new.port {
            let Some(values) = self.express(place, expression)? else { return Ok(false) };
            port = values.into_iter().next();
        }
        if new.redirect {
            address = Some(self.redirected_to());
            self.is_redirected = true;
        }
        let address = address.unwrap_or_else(|| self.packet.destination.clone());
        let port = port.unwrap_or_else(|| self.packet.destination_port.clone());
        // nf_nat_setup_info(): what leads where the packet goes anyway translates nothing.
        self.packet.is_translated =
            address != self.packet.destination || port != self.packet.destination_port;
        self.packet.destination = address;
        self.packet.destination_port = port;
        self.is_translated_here = true;
        self.translated_by = Some(place);
        Ok(true)
    }

    fn redirected_to(&self) -> Value {
        let v4 = self.packet.v4;
        let first = match (&self.packet.in_interface, self.hook) {
            (_, Hook::Output) => Some(if v4 {
                std::net::Ipv4Addr::LOCALHOST.into()
            } else {
                std::net::Ipv6Addr::LOCALHOST.into()
            }),
            (Value::Name(name), _) => self.machine.first_address(name, v4),
            _ => None,
        };
        first.map_or(Value::Unknown, from_address)
    }

    /// The answer to a condition that can't be decided: first no, at a later try yes.
    fn choose(&mut self, place: Place<'a>) -> Passed<'a, bool> {
        if self.asked.len() >= CHOICES_MAX {
            return Err(End::Lost(place, Why::TooMany));
        }
        let position = self.asked.len();
        self.asked.push(place);
        if position == self.script.len() {
            self.script.push(false);
        }
        Ok(self.script.get(position).copied().unwrap_or(false))
    }
}

impl Place<'_> {
    /// Does this table belong to one family only?
    pub(super) fn family(&self) -> Family {
        self.table.family
    }
}
