//! Packet filters on the server, on the routers and on the client itself.

use whydown_lab::{Answer, Behaviour, Hook, Lab, Peer, Reject, Rule};

use crate::run::diagnose;

/// A lab with a web server and an SSH banner, so that the host has a working port.
fn shop() -> (Lab, [Peer; 2]) {
    let lab = Lab::new();
    let web = Peer::start(&lab.server(), 80, Behaviour::Http(Answer::new(200)));
    let ssh = Peer::start(&lab.server(), 22, Behaviour::Banner(b"SSH-2.0-lab\r\n".to_vec()));
    (lab, [web, ssh])
}

#[test]
fn the_hosts_own_firewall_rejects() {
    for (reject, failure) in [
        (Reject::PortUnreachable, "tcp.refused"),
        (Reject::HostUnreachable, "tcp.host_unreachable"),
        (Reject::AdminProhibited, "tcp.host_unreachable"),
        (Reject::HostProhibited, "tcp.host_unreachable"),
        (Reject::NetUnreachable, "tcp.network_unreachable"),
        (Reject::NetProhibited, "tcp.network_unreachable"),
        (Reject::ProtocolUnreachable, "tcp.protocol_unreachable"),
    ] {
        let (lab, _peers) = shop();
        lab.server().rule(Rule::Reject(Hook::Input, 80, reject));
        diagnose(&lab.client(), "http://10.99.2.10/")
            .is(["down", failure, "server", "firewall.rejects", "owner"])
            .knows("sent by the host itself");
    }
}

#[test]
fn the_hosts_own_firewall_rejects_over_ipv6() {
    for (reject, failure) in [
        (Reject::V6PortUnreachable, "tcp.refused"),
        (Reject::V6AddressUnreachable, "tcp.host_unreachable"),
        (Reject::V6AdminProhibited, "tcp.not_permitted"),
        (Reject::V6PolicyFail, "tcp.not_permitted"),
        (Reject::V6RejectRoute, "tcp.not_permitted"),
        (Reject::V6NoRoute, "tcp.network_unreachable"),
    ] {
        let (lab, _peers) = shop();
        lab.server().rule(Rule::Reject(Hook::Input, 80, reject));
        diagnose(&lab.client(), "http://[fd99:2::10]/").is([
            "down",
            failure,
            "server",
            "firewall.rejects",
            "owner",
        ]);
    }
}

#[test]
fn a_router_rejects() {
    for (reject, failure) in [
        (Reject::AdminProhibited, "tcp.host_unreachable"),
        (Reject::PortUnreachable, "tcp.refused"),
        (Reject::NetProhibited, "tcp.network_unreachable"),
        (Reject::TcpReset, "tcp.refused"),
    ] {
        for router in ["r1", "r2"] {
            let (lab, _peers) = shop();
            lab.host(router).rule(Rule::Reject(Hook::Forward, 80, reject));
            diagnose(&lab.client(), "http://10.99.2.10/").is([
                "down",
                failure,
                "network",
                "path.rejects",
                "network",
            ]);
        }
    }
}

#[test]
fn the_hosts_firewall_drops() {
    let (lab, _peers) = shop();
    lab.server().rule(Rule::Drop(Hook::Input, 80));
    diagnose(&lab.client(), "http://10.99.2.10/")
        .is(["down", "tcp.timed_out", "server", "firewall.drops", "owner"])
        .knows("port 22 of the same address answers");
}

#[test]
fn the_first_router_drops() {
    let (lab, _peers) = shop();
    lab.r1().rule(Rule::Drop(Hook::Prerouting, 80));
    diagnose(&lab.client(), "http://10.99.2.10/")
        .is(["down", "tcp.timed_out", "network", "path.drops", "network"])
        .lists("firewall.drops");
}

#[test]
fn the_clients_own_firewall_rejects() {
    for (reject, failure) in [
        (Reject::PortUnreachable, "tcp.refused"),
        (Reject::AdminProhibited, "tcp.host_unreachable"),
        (Reject::NetUnreachable, "tcp.network_unreachable"),
    ] {
        let (lab, _peers) = shop();
        lab.client().rule(Rule::Reject(Hook::Output, 80, reject));
        diagnose(&lab.client(), "http://10.99.2.10/").is([
            "inconclusive",
            failure,
            "client",
            "client.firewall",
            "visitor",
        ]);
    }
}

#[test]
fn the_clients_own_firewall_drops() {
    for hook in [Hook::Output, Hook::Input] {
        let (lab, _peers) = shop();
        match hook {
            Hook::Output => lab.client().rule(Rule::Drop(hook, 80)),
            _ => lab.client().rule(Rule::DropReplies(hook, 80)),
        }
        diagnose(&lab.client(), "http://10.99.2.10/").is([
            "inconclusive",
            "tcp.timed_out",
            "client",
            "client.firewall",
            "visitor",
        ]);
    }
}
