//! The inside view of one port: sockets, firewall, services, proxies and machine put together.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use whydown_core::inside::{FilterVerdict, Judgement, Listener};

/// What the packet filter does to a stranger's connection, one answer for each listener.
#[must_use]
pub fn judge_all(listeners: &[Listener]) -> Vec<Judgement> {
    let undecided = |listener: &Listener| Judgement {
        from: stranger(listener.address),
        to: listener.address,
        verdict: FilterVerdict::Undecided,
        with: None,
        rule: None,
        packets: None,
        command: None,
        sent_to: None,
    };
    listeners.iter().map(undecided).collect()
}

/// An address of the Internet that no rule is likely to name.
fn stranger(to: IpAddr) -> IpAddr {
    match to {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::new(198, 51, 100, 77)),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x77)),
    }
}
