//! What the packet filter's decisions depend on besides its rules: own addresses, interfaces,
//! routes, and whether this machine forwards.

use std::fs;
use std::net::IpAddr;

use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;
use nix::sys::socket::SockaddrStorage;

use super::compare::address_number;
use crate::netlink;

/// Own addresses looked at: a machine with more has its last ones treated as foreign.
const ADDRESSES_MAX: usize = 10_000;

/// The machine that a packet arrives at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Machine {
    /// Its addresses.
    pub addresses: Vec<OwnAddress>,
    /// Where packets to other machines leave, the most specific first.
    pub routes: Vec<Way>,
    /// It passes IPv4 packets on.
    pub forwards_v4: bool,
    /// It passes IPv6 packets on.
    pub forwards_v6: bool,
    /// Interfaces that take packets for 127.0.0.0/8 from outside (`route_localnet`).
    pub loopback_from_outside: Vec<String>,
}

/// One address of an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnAddress {
    /// The interface's name.
    pub interface: String,
    /// The address.
    pub address: IpAddr,
    /// The IPv4 broadcast address of its network.
    pub broadcast: Option<IpAddr>,
}

/// A route, as far as it names an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// Network; `None` for a default route.
    pub to: Option<IpAddr>,
    /// Length of the network's prefix.
    pub length: u8,
    /// IPv4 or IPv6.
    pub v4: bool,
    /// The interface's name.
    pub interface: String,
}

impl Machine {
    /// Looks at the calling thread's network namespace.
    #[must_use]
    pub fn read() -> Self {
        let names: Vec<String> = netlink::links().into_iter().map(|link| link.name).collect();
        Self {
            addresses: own_addresses(),
            routes: ways(),
            forwards_v4: is_set("ipv4/ip_forward"),
            forwards_v6: is_set("ipv6/conf/all/forwarding"),
            loopback_from_outside: loopback_from_outside(names),
        }
    }

    /// Is it an address of this machine, so that its packets are delivered here?
    #[must_use]
    pub fn owns(&self, address: IpAddr) -> bool {
        address.is_loopback() || self.addresses.iter().any(|own| own.address == address)
    }

    /// Has this interface the address?
    pub(super) fn owns_at(&self, address: IpAddr, interface: &str) -> bool {
        let at = |own: &OwnAddress| own.address == address && own.interface == interface;
        (address.is_loopback() && interface == "lo") || self.addresses.iter().any(at)
    }

    pub(super) fn is_broadcast(&self, address: IpAddr) -> bool {
        let limited = matches!(address, IpAddr::V4(ip) if ip.is_broadcast());
        limited || self.addresses.iter().any(|own| own.broadcast == Some(address))
    }

    /// An interface's first address of a family: where a redirect leads.
    pub(super) fn first_address(&self, interface: &str, v4: bool) -> Option<IpAddr> {
        let here = self.addresses.iter().filter(|own| own.interface == interface);
        here.map(|own| own.address).find(|address| address.is_ipv4() == v4)
    }

    /// The interface that packets to an address leave by, if there is just one such.
    #[must_use]
    pub fn interface_to(&self, address: IpAddr) -> Option<&str> {
        if self.owns(address) {
            return Some("lo");
        }
        let covering = || self.routes.iter().filter(|way| way.covers(address));
        let longest = covering().map(|way| way.length).max()?;
        let mut best = covering().filter(|way| way.length == longest);
        let first = best.next()?;
        best.all(|way| way.interface == first.interface).then_some(first.interface.as_str())
    }

    /// The interface of the default route.
    pub(super) fn outward(&self, v4: bool) -> Option<&str> {
        let mut defaults = self.routes.iter().filter(|way| way.length == 0 && way.v4 == v4);
        let first = defaults.next()?;
        defaults.all(|way| way.interface == first.interface).then_some(first.interface.as_str())
    }

    pub(super) fn forwards(&self, v4: bool) -> bool {
        if v4 { self.forwards_v4 } else { self.forwards_v6 }
    }
}

impl Way {
    fn covers(&self, address: IpAddr) -> bool {
        if self.v4 != address.is_ipv4() {
            return false;
        }
        let Some(to) = self.to else { return self.length == 0 };
        let width: u32 = if self.v4 { 32 } else { 128 };
        let rest = width.saturating_sub(u32::from(self.length));
        let network = |ip: IpAddr| address_number(ip).checked_shr(rest).unwrap_or(0);
        network(to) == network(address)
    }
}

fn own_addresses() -> Vec<OwnAddress> {
    let Ok(entries) = getifaddrs() else { return Vec::new() };
    let own = entries.filter_map(|entry| {
        let address = to_ip(entry.address.as_ref()?)?;
        let has_broadcast = entry.flags.contains(InterfaceFlags::IFF_BROADCAST);
        let broadcast = entry.broadcast.as_ref().filter(|_| has_broadcast).and_then(to_ip);
        Some(OwnAddress { interface: entry.interface_name, address, broadcast })
    });
    own.take(ADDRESSES_MAX).collect()
}

fn to_ip(address: &SockaddrStorage) -> Option<IpAddr> {
    let v4 = address.as_sockaddr_in().map(|address| IpAddr::V4(address.ip()));
    v4.or_else(|| address.as_sockaddr_in6().map(|address| IpAddr::V6(address.ip())))
}

/// Routes of the ordinary tables. Rules that choose another table by mark or source are not
/// followed: whoever needs them names the interface.
fn ways() -> Vec<Way> {
    const RTN_UNICAST: u8 = 1;
    const RT_TABLE_DEFAULT: u32 = 253;
    const RT_TABLE_MAIN: u32 = 254;
    let links = netlink::links();
    let name = |index: u32| links.iter().find(|link| link.index == index);
    let ordinary = |route: &netlink::Route| {
        route.kind == RTN_UNICAST && [RT_TABLE_DEFAULT, RT_TABLE_MAIN].contains(&route.table)
    };
    let all = [true, false].into_iter().flat_map(netlink::routes).filter(ordinary);
    all.filter_map(|route| {
        let interface = name(route.interface?)?.name.clone();
        Some(Way { to: route.to, length: route.length, v4: route.v4, interface })
    })
    .collect()
}

fn is_set(name: &str) -> bool {
    let text = fs::read_to_string(format!("/proc/sys/net/{name}")).unwrap_or_default();
    text.trim().parse::<u8>().is_ok_and(|value| value != 0)
}

fn loopback_from_outside(names: Vec<String>) -> Vec<String> {
    let everywhere = is_set("ipv4/conf/all/route_localnet");
    let set = |name: &String| everywhere || is_set(&format!("ipv4/conf/{name}/route_localnet"));
    names.into_iter().filter(set).collect()
}

#[cfg(test)]
mod tests {
    use super::{Machine, Way};

    #[test]
    fn the_most_specific_route_names_the_interface_unless_two_do() {
        let way = |to: Option<&str>, length, interface: &str| Way {
            to: to.map(|to| to.parse().unwrap()),
            length,
            v4: true,
            interface: interface.to_owned(),
        };
        let routes = vec![
            way(None, 0, "eth0"),
            way(Some("10.0.0.0"), 8, "eth1"),
            way(Some("10.1.0.0"), 16, "wg0"),
            way(Some("10.2.0.0"), 16, "wg0"),
            way(Some("10.2.0.0"), 16, "wg1"),
        ];
        let machine = Machine { routes, ..Machine::default() };
        let to = |address: &str| machine.interface_to(address.parse().unwrap()).map(str::to_owned);
        assert_eq!(to("192.0.2.1").as_deref(), Some("eth0"));
        assert_eq!(to("10.9.0.1").as_deref(), Some("eth1"));
        assert_eq!(to("10.1.0.1").as_deref(), Some("wg0"));
        assert_eq!(to("10.2.0.1"), None);
        assert_eq!(to("2001:db8::1"), None);
        assert_eq!(machine.outward(true), Some("eth0"));
    }
}
