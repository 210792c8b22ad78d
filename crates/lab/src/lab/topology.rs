//! Who is linked to whom, with which addresses and kernel settings. Text for `ip -batch` only.

use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::{Side, addresses};
use crate::host::Host;
use crate::scratch::kill_where;

/// One host of the network.
pub(super) struct Place {
    pub(super) name: String,
    role: Role,
    pub(super) v4: Ipv4Addr,
    pub(super) v6: Ipv6Addr,
    /// Linked by a [`super::Cable`] rather than a plain veth pair.
    pub(super) has_delay: bool,
}

#[derive(Clone, PartialEq, Eq)]
enum Role {
    FirstRouter,
    SecondRouter,
    Host(Side),
    /// Between the client's network and one of its own, whose third number this is.
    Gateway(u8),
    /// In the network of the gateway with this name and number.
    Behind(String, u8),
}

/// All hosts of a lab, routers first.
pub(super) fn places(small: bool) -> Vec<Place> {
    let router =
        |name: &str, role, (v4, v6)| Place { name: name.into(), role, v4, v6, has_delay: false };
    let mut client = Place::host("c", Side::Client, 10);
    client.has_delay = true;
    let mut places = vec![
        router("r1", Role::FirstRouter, addresses(1, 1)),
        router("r2", Role::SecondRouter, addresses(3, 2)),
        client,
        Place::host("s", Side::Server, 10),
    ];
    if !small {
        let more = [("b", 20), ("n", 30), ("d", 53)];
        places.extend(more.map(|(name, number)| Place::host(name, Side::Server, number)));
    }
    places
}

impl Place {
    /// A host that is no router.
    pub(super) fn host(name: &str, side: Side, number: u8) -> Self {
        let (v4, v6) = addresses(side.net(), number);
        Self { name: name.into(), role: Role::Host(side), v4, v6, has_delay: false }
    }

    /// A gateway at the client's network, and the host behind it.
    pub(super) fn site(name: &str, number: u8) -> [Self; 2] {
        let gateway = format!("{name}gw");
        let place =
            |name: &str, role, (v4, v6)| Self { name: name.into(), role, v4, v6, has_delay: false };
        [
            place(&gateway, Role::Gateway(number), addresses(Side::Client.net(), number)),
            place(name, Role::Behind(gateway.clone(), number), addresses(number, 10)),
        ]
    }

    pub(super) fn is_router(&self) -> bool {
        !matches!(self.role, Role::Host(_) | Role::Behind(..))
    }

    /// The network whose router it is plugged into.
    fn side(&self) -> Option<Side> {
        match self.role {
            Role::Host(side) => Some(side),
            Role::Gateway(_) => Some(Side::Client),
            Role::FirstRouter | Role::SecondRouter | Role::Behind(..) => None,
        }
    }

    /// Links that need no other namespace: loopback, and a router's bridge for its network.
    pub(super) fn own_links(&self) -> Vec<String> {
        let mut lines = vec!["link set lo up".to_string()];
        let bridge = match self.role {
            Role::FirstRouter => "eth0",
            Role::SecondRouter => "eth1",
            Role::Host(_) | Role::Gateway(_) | Role::Behind(..) => return lines,
        };
        let mac = mac(self.v4);
        let options = "type bridge stp_state 0 mcast_snooping 0";
        lines.push(format!("link add {bridge} address {mac} {options}"));
        lines
    }

    /// The veth pair to its router, made from outside.
    pub(super) fn cables(&self, stem: &str) -> Option<String> {
        let name = &self.name;
        let pair = |end: &str, at: &str, other: &str, there: &str| {
            format!(
                "link add {end} netns {stem}-{at} type veth peer name {other} netns {stem}-{there}"
            )
        };
        match (&self.role, self.side()) {
            (Role::FirstRouter, _) => Some(pair("eth1", "r1", "eth0", "r2")),
            (Role::Behind(gateway, _), _) => Some(pair("eth0", name, "eth1", gateway)),
            (_, Some(side)) if !self.has_delay => {
                Some(pair("eth0", name, &format!("p-{name}"), side.router()))
            }
            _ => None,
        }
    }

    /// Addresses and routes, to be applied when the links are there.
    pub(super) fn network(&self) -> Vec<String> {
        // One packet per segment on the wire, as on a real network: a path-MTU rule would
        // otherwise also see (and drop) bundles of small segments.
        let card = |router| {
            let mut lines = vec!["link set eth0 gso_max_segs 1".to_string()];
            lines.extend(interface("eth0", (self.v4, self.v6)));
            lines.extend(route("default", "default", router));
            lines
        };
        match self.role {
            Role::FirstRouter => {
                let mut lines = interface("eth0", addresses(1, 1));
                lines.extend(interface("eth1", addresses(3, 1)));
                lines.extend(route("10.99.2.0/24", "fd99:2::/64", addresses(3, 2)));
                lines
            }
            Role::SecondRouter => {
                let mut lines = interface("eth0", addresses(3, 2));
                lines.extend(interface("eth1", addresses(2, 1)));
                lines.extend(route("10.99.1.0/24", "fd99:1::/64", addresses(3, 1)));
                lines
            }
            Role::Host(side) => card(addresses(side.net(), 1)),
            Role::Gateway(net) => {
                let mut lines = card(addresses(Side::Client.net(), 1));
                lines.extend(interface("eth1", addresses(net, 1)));
                lines
            }
            Role::Behind(_, net) => card(addresses(net, 1)),
        }
    }
}

impl Side {
    /// The third number of its IPv4 addresses.
    pub(super) fn net(self) -> u8 {
        match self {
            Self::Client => 1,
            Self::Server => 2,
        }
    }

    fn router(self) -> &'static str {
        match self {
            Self::Client => "r1",
            Self::Server => "r2",
        }
    }

    fn bridge(self) -> &'static str {
        match self {
            Self::Client => "eth0",
            Self::Server => "eth1",
        }
    }
}

/// Lines that plug the routers' ends of the hosts' cables into the bridges, by router.
pub(super) fn router_ports(places: &[Place]) -> BTreeMap<&'static str, Vec<String>> {
    let mut ports: BTreeMap<&'static str, Vec<String>> = BTreeMap::new();
    for place in places.iter().filter(|place| !place.has_delay) {
        if let Some(side) = place.side() {
            let lines = plug(&format!("p-{}", place.name), side.bridge());
            ports.entry(side.router()).or_default().extend(lines);
        }
    }
    ports
}

/// Lines for `r1` and `r2` that make them know the network behind a gateway.
pub(super) fn routes_to_site(number: u8) -> [(&'static str, Vec<String>); 2] {
    let (v4, v6) = (format!("10.99.{number}.0/24"), format!("fd99:{number}::/64"));
    let via = |net, number| route(&v4, &v6, addresses(net, number));
    [("r1", via(Side::Client.net(), number)), ("r2", via(3, 1))]
}

/// Lines that plug a delay line's end into `r1`'s bridge.
pub(super) fn bridge_port(port: &str) -> Vec<String> {
    plug(port, Side::Client.bridge())
}

/// Lines that make a neighbour know `host`: the first packet through a delay line would otherwise
/// wait for the question and the answer to arrive.
pub(super) fn acquaintance(host: &Host) -> Vec<String> {
    let mac = mac(host.v4());
    let known = |ip: &dyn std::fmt::Display| {
        format!("neigh replace {ip} lladdr {mac} dev eth0 nud reachable")
    };
    vec![known(&host.v4()), known(&host.v6())]
}

/// Lines that give a delay line's end the address that [`acquaintance`] tells.
pub(super) fn card(host: &Host) -> Vec<String> {
    vec![format!("link set eth0 address {}", mac(host.v4()))]
}

/// A locally administered hardware address made from the IPv4 address.
fn mac(v4: Ipv4Addr) -> String {
    let [a, b, c, d] = v4.octets();
    format!("02:99:{a:02x}:{b:02x}:{c:02x}:{d:02x}")
}

fn plug(port: &str, bridge: &str) -> Vec<String> {
    vec![format!("link set {port} master {bridge}"), format!("link set {port} up")]
}

pub(super) fn last_octet(address: Ipv4Addr) -> u8 {
    address.octets()[3]
}

fn interface(name: &str, (v4, v6): (Ipv4Addr, Ipv6Addr)) -> Vec<String> {
    vec![
        format!("link set {name} up"),
        format!("addr add {v4}/24 dev {name}"),
        format!("addr add {v6}/64 dev {name} nodad"),
    ]
}

fn route(v4_net: &str, v6_net: &str, (v4, v6): (Ipv4Addr, Ipv6Addr)) -> Vec<String> {
    vec![format!("route add {v4_net} via {v4}"), format!("route add {v6_net} via {v6}")]
}

/// The files that `ip netns exec` puts over those in `/etc`.
pub(super) fn write_etc_files(host: &Host, has_resolver: bool) {
    // Without a resolver its address would be silent: looking up any name would take 10 s.
    let resolver = if has_resolver { "10.99.2.53" } else { "127.0.0.1" };
    host.resolv_conf(&format!("nameserver {resolver}\n"));
    host.hosts("127.0.0.1 localhost\n::1 localhost\n");
    host.nsswitch_conf("passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n");
}

/// Kernel settings of a new namespace.
pub(super) fn settings(is_router: bool) -> Vec<(&'static str, &'static str)> {
    let mut settings = vec![
        // Addresses work at once, and nobody waits for a router's advertisement.
        ("net.ipv6.conf.all.accept_dad", "0"),
        ("net.ipv6.conf.default.accept_dad", "0"),
        ("net.ipv6.conf.default.router_solicitations", "0"),
        ("net.ipv6.conf.default.accept_ra", "0"),
        // Inherited from the machine for IPv4, which may be strict or route around a block.
        ("net.ipv4.conf.all.rp_filter", "0"),
        ("net.ipv4.conf.default.rp_filter", "0"),
        ("net.ipv4.conf.all.send_redirects", "0"),
        ("net.ipv4.conf.default.send_redirects", "0"),
    ];
    if is_router {
        settings.push(("net.ipv4.ip_forward", "1"));
        settings.push(("net.ipv6.conf.all.forwarding", "1"));
        settings.push(("net.ipv6.conf.default.forwarding", "1"));
    }
    settings
}

/// With limits the seventh rejected connection in a row takes a second longer than the first.
pub(super) const RATE_LIMITS_OFF: [(&str, &str); 4] = [
    ("net.ipv4.icmp_ratelimit", "0"),
    ("net.ipv4.icmp_msgs_per_sec", "1000000"),
    ("net.ipv4.icmp_msgs_burst", "1000000"),
    ("net.ipv6.icmp.ratelimit", "0"),
];

/// Kills everything that a lab has started, or that lives in one of its namespaces (by inode).
///
/// A child is marked before it is inside: `ip netns exec` takes a moment to get there.
pub(super) fn kill_inhabitants(stem: &str, namespaces: &[&str]) {
    let inode = |path: &Path| fs::metadata(path).map(|namespace| namespace.ino()).ok();
    let ours: Vec<u64> =
        namespaces.iter().filter_map(|name| inode(&Path::new("/run/netns").join(name))).collect();
    kill_where(|mark, process| {
        mark == Some(stem) || inode(&process.join("ns/net")).is_some_and(|net| ours.contains(&net))
    });
}
