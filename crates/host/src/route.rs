//! What this machine's routing says about a target: the route that says no, the tunnel in
//! between, default routes, gateways.

use std::net::{IpAddr, SocketAddr, SocketAddrV6};

use nix::errno::Errno;
use nix::libc;
use whydown_core::evidence::{Families, OwnRoute};

use crate::netlink::{Link, Route, links, route_to, routes};

/// Driver kinds that carry a private network inside another one. (Ethernet-like `tap` devices
/// belong to virtual machines more often than to a VPN, so they count by name only.)
const TUNNEL_KINDS: [&str; 12] = [
    "wireguard",
    "ppp",
    "gre",
    "ip6gre",
    "ipip",
    "ip6tnl",
    "sit",
    "vti",
    "vti6",
    "xfrm",
    "ovpn",
    "ipvti",
];
/// linux/if_arp.h.
const ARPHRD_PPP: u16 = 512;
const MAIN_TABLE: u32 = 254;

/// What the kernel decides about packets to an address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// The route, when it says no.
    pub refusal: Option<OwnRoute>,
    /// The tunnel that packets leave through.
    pub tunnel: Option<String>,
}

/// Asks the kernel about an address.
#[must_use]
pub fn decide(ip: IpAddr) -> Decision {
    match route_to(ip) {
        Ok(Some(route)) => match refusing(route.kind) {
            Some(kind) => Decision { refusal: Some(refusal(ip, kind)), tunnel: None },
            None => Decision { refusal: None, tunnel: tunnel(route.interface) },
        },
        Ok(None) => Decision::default(),
        Err(errno) => {
            let kind = match errno {
                Errno::EINVAL => "blackhole",
                Errno::EACCES => "prohibit",
                Errno::EHOSTUNREACH => "unreachable",
                Errno::ENETUNREACH => "none",
                _ => return Decision::default(),
            };
            Decision { refusal: Some(refusal(ip, kind)), tunnel: None }
        }
    }
}

fn refusing(kind: u8) -> Option<&'static str> {
    match kind {
        libc::RTN_BLACKHOLE => Some("blackhole"),
        libc::RTN_UNREACHABLE => Some("unreachable"),
        libc::RTN_PROHIBIT => Some("prohibit"),
        libc::RTN_THROW => Some("throw"),
        _ => None,
    }
}

/// The most specific route of a kind that covers the address, as text. "None" may be the work of
/// a throw route.
fn refusal(ip: IpAddr, kind: &str) -> OwnRoute {
    let routes = routes(ip.is_ipv4());
    let most_specific = |wanted: &str| {
        let of_kind = routes.iter().filter(|route| refusing(route.kind) == Some(wanted));
        of_kind.filter(|route| covers(route, ip)).max_by_key(|route| route.length)
    };
    if kind == "none"
        && let Some(throw) = most_specific("throw")
    {
        return OwnRoute { kind: "throw".to_owned(), text: as_text(throw, "throw") };
    }
    let text = most_specific(kind).map(|route| as_text(route, kind)).unwrap_or_default();
    OwnRoute { kind: kind.to_owned(), text }
}

fn covers(route: &Route, ip: IpAddr) -> bool {
    let bits = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => (u128::from(u32::from(ip)) << 96, 32),
        IpAddr::V6(ip) => (u128::from(ip), 128),
    };
    let Some(to) = route.to else { return route.length == 0 && route.v4 == ip.is_ipv4() };
    let ((network, width), (address, _)) = (bits(to), bits(ip));
    let length = u32::from(route.length).min(width);
    let mask = u128::MAX.checked_shl(128 - length).unwrap_or(0);
    to.is_ipv4() == ip.is_ipv4() && network & mask == address & mask
}

/// As `ip route` prints it.
fn as_text(route: &Route, kind: &str) -> String {
    let host_length = if route.v4 { 32 } else { 128 };
    let mut text = match route.to {
        None => format!("{kind} default"),
        Some(to) if route.length == host_length => format!("{kind} {to}"),
        Some(to) => format!("{kind} {to}/{}", route.length),
    };
    if route.table != MAIN_TABLE {
        text.push_str(&format!(" table {}", route.table));
    }
    if route.metric != 0 {
        text.push_str(&format!(" metric {}", route.metric));
    }
    text
}

fn tunnel(interface: Option<u32>) -> Option<String> {
    let links = links();
    let link = links.iter().find(|link| Some(link.index) == interface)?;
    is_tunnel(link).then(|| link.name.clone())
}

fn is_tunnel(link: &Link) -> bool {
    let tun = link.kind == "tun" && (link.layer_3 || link.name.starts_with("tap"));
    tun || link.hardware == ARPHRD_PPP || TUNNEL_KINDS.contains(&link.kind.as_str())
}

/// Is there a default route, by family?
#[must_use]
pub fn default_routes() -> Families {
    Families { v4: has_default(true), v6: has_default(false) }
}

fn has_default(v4: bool) -> bool {
    defaults(v4).next().is_some()
}

fn defaults(v4: bool) -> impl Iterator<Item = Route> {
    let usable =
        |route: &Route| route.length == 0 && route.to.is_none() && route.kind == libc::RTN_UNICAST;
    routes(v4).into_iter().filter(usable)
}

/// The default gateways of both families, a link-local one with its interface.
#[must_use]
pub fn gateways() -> Vec<SocketAddr> {
    let gateway = |v4| {
        defaults(v4).find_map(|route| match route.gateway? {
            IpAddr::V4(ip) => Some(SocketAddr::new(ip.into(), 0)),
            IpAddr::V6(ip) => {
                let scope = route.interface.filter(|_| ip.is_unicast_link_local());
                Some(SocketAddrV6::new(ip, 0, 0, scope.unwrap_or(0)).into())
            }
        })
    };
    [true, false].into_iter().filter_map(gateway).collect()
}

/// Is every interface besides loopback down?
#[must_use]
pub fn is_unplugged() -> bool {
    let flag = |flag: i32| u32::try_from(flag).unwrap_or(0);
    let up = flag(libc::IFF_UP) | flag(libc::IFF_RUNNING);
    let links = links();
    let mut others = links.iter().filter(|link| link.flags & flag(libc::IFF_LOOPBACK) == 0);
    !links.is_empty() && !others.any(|link| link.flags & up == up)
}
