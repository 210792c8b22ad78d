//! Hosts and services that are gone, in whole or in part.

use std::net::SocketAddr;
use std::time::Duration;

use whydown_lab::{Answer, Behaviour, Lab, Nginx, Peer, Route, Rule};

use crate::run::diagnose;

const PAGE: &str = r#"server { listen 80; listen [::]:80; return 200 "hello"; }"#;

fn http() -> Behaviour {
    Behaviour::Http(Answer::new(200).body("hello"))
}

#[test]
fn a_working_server_is_up() {
    let lab = Lab::new();
    let _nginx = Nginx::start(&lab.server(), PAGE);
    diagnose(&lab.client(), "http://10.99.2.10/").is(["up", "-", "-", "-", "-"]);
}

#[test]
fn nothing_listens_over_ipv4_and_ipv6() {
    let lab = Lab::new();
    let _ssh = Peer::start(&lab.server(), 22, Behaviour::Banner(b"SSH-2.0-lab\r\n".to_vec()));
    for target in ["http://10.99.2.10/", "http://[fd99:2::10]/"] {
        diagnose(&lab.client(), target)
            .is(["down", "tcp.refused", "server", "service.not_listening", "owner"])
            .knows("port 22 of the same address answers");
    }
}

#[test]
fn nginx_was_stopped() {
    let lab = Lab::new();
    let nginx = Nginx::start(&lab.server(), PAGE);
    nginx.stop();
    diagnose(&lab.client(), "http://10.99.2.10/")
        .is(["down", "tcp.refused", "server", "service.not_listening", "owner"])
        .knows("TCP reset, no ICMP error");
}

#[test]
fn the_service_listens_on_another_port() {
    let lab = Lab::new();
    let _web = Peer::start(&lab.server(), 80, http());
    diagnose(&lab.client(), "http://10.99.2.10:8080/")
        .is(["down", "tcp.refused", "server", "service.wrong_port", "visitor"])
        .lists("service.not_listening");
}

#[test]
fn the_host_is_off() {
    let lab = Lab::new();
    diagnose(&lab.client(), "http://10.99.2.77/").is([
        "down",
        "tcp.timed_out",
        "server",
        "host.down",
        "owner",
    ]);
}

#[test]
fn the_service_listens_on_ipv4_only() {
    let lab = Lab::new();
    lab.client().hosts("10.99.2.10 shop.test\nfd99:2::10 shop.test\n");
    let only: SocketAddr = "0.0.0.0:80".parse().unwrap();
    let _web = Peer::start(&lab.server(), only, http());
    diagnose(&lab.client(), "http://shop.test/").is([
        "degraded",
        "tcp.refused",
        "server",
        "service.one_family_only",
        "owner",
    ]);
}

#[test]
fn one_of_two_addresses_refuses() {
    let lab = Lab::new();
    lab.client().hosts("10.99.2.10 shop.test\n10.99.2.20 shop.test\n");
    let _web = Peer::start(&lab.server(), 80, http());
    let verdict = diagnose(&lab.client(), "http://shop.test/");
    verdict.is(["degraded", "tcp.refused", "server", "balancer.some_backends", "owner"]);
    assert_eq!(verdict.json["scope"]["kind"], "address");
}

#[test]
fn the_service_comes_and_goes() {
    let lab = Lab::new();
    let blink =
        Behaviour::Flapping { up: Duration::from_millis(200), down: Duration::from_millis(300) };
    let _web = Peer::start(&lab.server(), 80, blink);
    let verdict = whydown_lab::until(Duration::from_secs(20), "a mixed verdict", || {
        let verdict = diagnose(&lab.client(), "http://10.99.2.10/");
        let mixed = verdict.json["state"] == "degraded" && verdict.json["failure"] == "tcp.refused";
        mixed.then_some(verdict)
    });
    verdict.is(["degraded", "tcp.refused", "server", "service.crash_loop", "owner"]);
    assert_eq!(verdict.json["scope"]["kind"], "flapping");
}

#[test]
fn the_backlog_is_full() {
    let lab = Lab::new();
    let _ssh = Peer::start(&lab.server(), 22, Behaviour::Banner(b"SSH-2.0-lab\r\n".to_vec()));
    let _web = Peer::start(&lab.server(), 80, Behaviour::BacklogFull);
    diagnose(&lab.client(), "http://10.99.2.10/")
        .is(["down", "tcp.timed_out", "server", "firewall.drops", "owner"])
        .lists("service.overloaded");
}

#[test]
fn a_port_is_forwarded_to_a_machine_that_is_off() {
    let lab = Lab::new();
    let nowhere: SocketAddr = "10.99.2.77:80".parse().unwrap();
    lab.server().rule(Rule::SendTo(80, nowhere));
    let arguments = ["diagnose", "http://10.99.2.10/", "--json", "--timeout", "6s"];
    let output = crate::run::run(crate::run::whydown(&lab.client()), &arguments);
    crate::run::Verdict::of(output).is([
        "down",
        "tcp.host_unreachable",
        "server",
        "upstream.dead",
        "owner",
    ]);
}

#[test]
fn routers_without_a_way() {
    for (route, failure, cause) in [
        (Route::Unreachable, "tcp.host_unreachable", "path.no_route"),
        (Route::Prohibit, "tcp.host_unreachable", "path.rejects"),
        (Route::Throw, "tcp.network_unreachable", "path.no_route"),
    ] {
        let lab = Lab::new();
        lab.r1().add_route(route, "10.99.2.10/32");
        diagnose(&lab.client(), "http://10.99.2.10/")
            .is(["down", failure, "network", cause, "network"]);
    }
}
