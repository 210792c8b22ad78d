//! Hosts and services that are gone, in whole or in part.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use whydown_lab::{Behaviour, Hook, Nginx, Peer, Rule};

use crate::scene::{Scene, degraded, down, faults, page, up};

const GONE: [&str; 3] = ["server", "service.not_listening", "owner"];
const HOST_DOWN: [&str; 3] = ["server", "host.down", "owner"];
const CRASHES: [&str; 3] = ["server", "service.crash_loop", "owner"];
/// Connections that were accepted, or waited to be, when the service went.
const GOING: &[&str] = &["http.reset", "http.empty_reply"];
const OVERLOADED: [&str; 3] = ["server", "service.overloaded", "owner"];
const DROPS: [&str; 3] = ["server", "firewall.drops", "owner"];
const ONE_FAMILY: [&str; 3] = ["server", "service.one_family_only", "owner"];
const PAGE: &str = r#"server { listen 80; listen [::]:80; return 200 "hello"; }"#;

/// nginx, which is then stopped.
fn stopped_nginx(scene: &mut Scene) {
    let nginx = Nginx::start(&scene.lab.server(), PAGE);
    nginx.stop();
    scene.keep(nginx);
}

/// A host with ssh alone, behind a network that clears the class of every packet.
fn classless_ssh(scene: &mut Scene) {
    scene.ssh();
    scene.lab.r1().rule(Rule::ClearClass(Hook::Forward));
}

/// `shop.test` has an address of each family, of which only one is served.
fn one_family(scene: &mut Scene, only: impl Into<std::net::IpAddr>) {
    scene.shop_is_at(&["10.99.2.10", "fd99:2::10"]);
    let web = Peer::start(&scene.lab.server(), SocketAddr::new(only.into(), 80), page());
    scene.keep(web);
}

/// A service that is there for a moment, again and again. A quarter of a second after a check
/// that met it gone, when the first repeat is made, it is there.
fn blink(scene: &mut Scene, host: &str, up_ms: u64, down_ms: u64) {
    scene.comes_and_goes = true;
    // Who comes in the moment of going meets another end than who comes later.
    scene.ends_either_way();
    scene.refuses_at_times(host);
    // It connects again a tenth of a second after it was refused, and uses spare connections.
    scene.either("chrome", None);
    let (up, down) = (Duration::from_millis(up_ms), Duration::from_millis(down_ms));
    scene.serve(80, Behaviour::Flapping { up, down });
}

/// A service that listens on another address of the host than the one asked.
fn loopback(scene: &mut Scene) {
    scene.ssh();
    let only: SocketAddr = (Ipv4Addr::LOCALHOST, 80).into();
    let web = Peer::start(&scene.lab.server(), only, page());
    scene.keep(web);
}

faults! {
    a_working_server_is_up: "http://10.99.2.10/",
        |s| { let nginx = Nginx::start(&s.lab.server(), PAGE); s.keep(nginx); }, up();
    a_working_server_is_up_over_ipv6: "http://[fd99:2::10]/", Scene::web, up();
    nothing_listens: "http://10.99.2.10/", Scene::ssh,
        down("tcp.refused", GONE).knowing("port 22 of the same address answers");
    nothing_listens_over_ipv6: "http://[fd99:2::10]/", Scene::ssh,
        down("tcp.refused", GONE).knowing("port 22 of the same address answers");
    nothing_listens_where_routers_clear_the_class: "http://10.99.2.10/", classless_ssh,
        down("tcp.refused", GONE).knowing("routers on the way may have cleared it");
    nothing_listens_where_routers_clear_the_class_over_ipv6: "http://[fd99:2::10]/", classless_ssh,
        down("tcp.refused", GONE).knowing("the reset has an IPv6 flow label");
    nothing_listens_at_all: "tcp://10.99.2.10:5432", |_| {}, down("tcp.refused", GONE);
    nothing_listens_where_a_database_should: "postgres://10.99.2.10", Scene::ssh,
        down("tcp.refused", GONE);
    nginx_was_stopped: "http://10.99.2.10/", stopped_nginx,
        down("tcp.refused", GONE).knowing("TCP reset, no ICMP error");
    the_service_listens_on_loopback_only: "http://10.99.2.10/", loopback,
        down("tcp.refused", GONE);
    the_visitor_writes_another_port: "http://10.99.2.10:8080/", Scene::web,
        down("tcp.refused", ["server", "service.wrong_port", "visitor"]).or(
            ["server", "service.not_listening", "owner"]);
    the_service_listens_on_another_port: "http://10.99.2.10/", |s| s.serve(8080, page()),
        down("tcp.refused", ["server", "service.wrong_port", "owner"]).or(GONE);
    ssh_listens_on_another_port: "ssh://[fd99:2::10]:2200", Scene::ssh,
        down("tcp.refused", ["server", "service.wrong_port", "visitor"]).or(GONE);
    the_host_is_off: "http://10.99.2.77/", |_| {}, down("tcp.timed_out", HOST_DOWN);
    the_host_is_off_over_ipv6: "http://[fd99:2::77]/", |_| {}, down("tcp.timed_out", HOST_DOWN);
    the_router_says_that_the_host_is_off: "http://10.99.2.77/",
        |s| s.timeout = Duration::from_secs(5), down("tcp.host_unreachable", HOST_DOWN);
    the_router_says_that_the_host_is_off_over_ipv6: "http://[fd99:2::77]/",
        |s| s.timeout = Duration::from_secs(5), down("tcp.host_unreachable", HOST_DOWN);
    the_server_lost_its_cable: "http://10.99.2.10/",
        |s| { s.shop(); s.lab.server().link_down(); s.timeout = Duration::from_secs(5); },
        down("tcp.host_unreachable", HOST_DOWN);
    a_host_on_our_own_network_is_off: "http://10.99.1.77/",
        |s| s.timeout = Duration::from_secs(5), down("tcp.host_unreachable", HOST_DOWN);
    a_host_on_our_own_network_is_off_over_ipv6: "http://[fd99:1::77]/",
        |s| s.timeout = Duration::from_secs(5), down("tcp.host_unreachable", HOST_DOWN);
    the_service_listens_on_ipv4_only: "http://shop.test/",
        |s| one_family(s, Ipv4Addr::UNSPECIFIED), degraded("tcp.refused", ONE_FAMILY);
    the_service_listens_on_ipv6_only: "http://shop.test/",
        |s| one_family(s, Ipv6Addr::UNSPECIFIED), degraded("tcp.refused", ONE_FAMILY);
    the_service_comes_and_goes: "http://10.99.2.10/", |s| blink(s, "10.99.2.10", 300, 250),
        degraded("tcp.refused", CRASHES)
            .or_sees(GOING)
            .or(["server", "balancer.some_backends", "owner"]);
    the_service_comes_and_goes_over_ipv6: "http://[fd99:2::10]/",
        |s| blink(s, "fd99:2::10", 350, 250),
        degraded("tcp.refused", CRASHES)
            .or_sees(GOING)
            .or(["server", "balancer.some_backends", "owner"]);
    the_backlog_is_full: "http://10.99.2.10/",
        |s| { s.ssh(); s.serve(80, Behaviour::BacklogFull); },
        down("tcp.timed_out", OVERLOADED).or(DROPS);
    the_backlog_is_full_over_ipv6: "tcp://[fd99:2::10]:6379",
        |s| { s.ssh(); s.serve(6379, Behaviour::BacklogFull); },
        down("tcp.timed_out", OVERLOADED).or(DROPS);
}
