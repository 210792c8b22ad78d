//! What stands behind the address: backends, forwarded ports, several addresses.

use std::net::SocketAddr;
use std::time::Duration;

use whydown_lab::{Answer, Behaviour, Haproxy, Hook, Nginx, Peer, Reject, Rule};

use crate::scene::{Scene, degraded, down, faults, page};

const UPSTREAM: [&str; 3] = ["app", "upstream.dead", "owner"];
const FORWARDED: [&str; 3] = ["server", "upstream.dead", "owner"];
const GONE: [&str; 3] = ["server", "service.not_listening", "owner"];
const SOME: [&str; 3] = ["server", "balancer.some_backends", "owner"];

fn nginx(scene: &mut Scene, location: &str) {
    let server = format!("server {{ listen 80; location / {{ {location} }} }}");
    let nginx = Nginx::start(&scene.lab.server(), &server);
    scene.keep(nginx);
}

fn haproxy(scene: &mut Scene, backend: &str) {
    let sections =
        format!("frontend web\n bind :80\n default_backend app\nbackend app\n{backend}\n");
    let haproxy = Haproxy::start(&scene.lab.server(), &sections);
    scene.keep(haproxy);
    scene.timeout = Duration::from_secs(6);
}

fn haproxy_tcp(scene: &mut Scene, backend: &str) {
    let sections = format!("listen web\n bind :80\n mode tcp\n option tcplog\n{backend}\n");
    let haproxy = Haproxy::start(&scene.lab.server(), &sections);
    scene.keep(haproxy);
    scene.timeout = Duration::from_secs(6);
}

fn backend(scene: &mut Scene, behaviour: Behaviour) {
    let peer = Peer::start(&scene.lab.backend(), 8080, behaviour);
    scene.keep(peer);
}

fn forward(scene: &mut Scene, to: &str) {
    let to: SocketAddr = to.parse().unwrap();
    scene.lab.server().rule(Rule::SendTo(80, to));
    scene.timeout = Duration::from_secs(5);
}

/// Two addresses, of which only the server's works.
fn two_addresses(scene: &mut Scene, second: &str) {
    scene.shop_is_at(&["10.99.2.10", second]);
    scene.web();
}

faults! {
    the_backend_behind_nginx_refuses: "http://10.99.2.10/",
        |s| nginx(s, "proxy_pass http://10.99.2.20:8080;"),
        down("http.status", UPSTREAM).knowing("502");
    the_backend_behind_nginx_resets: "http://10.99.2.10/",
        |s| {
            backend(s, Behaviour::ResetAfterRequest);
            nginx(s, "proxy_pass http://10.99.2.20:8080;");
        },
        down("http.status", UPSTREAM).knowing("502");
    the_backend_behind_nginx_hangs: "http://10.99.2.10/",
        |s| {
            backend(s, Behaviour::NeverAnswer);
            nginx(s, "proxy_pass http://10.99.2.20:8080; proxy_read_timeout 1s;");
        },
        down("http.status", UPSTREAM).knowing("504");
    the_backend_behind_nginx_is_firewalled: "http://10.99.2.10/",
        |s| {
            s.lab.backend().rule(Rule::Drop(Hook::Input, 8080));
            nginx(s, "proxy_pass http://10.99.2.20:8080; proxy_connect_timeout 1s;");
        },
        down("http.status", UPSTREAM).knowing("504");
    haproxy_has_no_server: "http://10.99.2.10/",
        |s| haproxy(s, " server one 10.99.2.20:8080"),
        down("http.status", UPSTREAM).knowing("HAProxy");
    the_backend_behind_haproxy_hangs: "http://10.99.2.10/",
        |s| {
            backend(s, Behaviour::NeverAnswer);
            haproxy(s, " timeout server 1s\n server one 10.99.2.20:8080");
        },
        down("http.status", UPSTREAM).knowing("504");
    the_backend_behind_haproxy_speaks_nonsense: "http://10.99.2.10/",
        |s| {
            backend(s, Behaviour::Banner(b"* OK hello\r\n".to_vec()));
            haproxy(s, " server one 10.99.2.20:8080");
        },
        down("http.status", UPSTREAM).knowing("502");
    a_tcp_balancer_has_a_dead_backend: "http://10.99.2.10/",
        |s| haproxy_tcp(s, " server one 10.99.2.20:8080"),
        down("http.empty_reply", UPSTREAM);
    a_tcp_balancer_has_one_dead_backend_of_two: "http://10.99.2.10/",
        |s| {
            // Whoever keeps a connection to the backend that works meets no other.
            backend(s, Behaviour::Http(Answer::new(200).header("Connection", "close")));
            // It asks once more over a new connection, which is led to the other one.
            s.either("firefox", None);
            s.comes_and_goes = true;
            haproxy_tcp(s, " retries 0\n server one 10.99.2.20:8080\n server two 10.99.2.30:8080");
        },
        degraded("http.empty_reply", ["app", "balancer.some_backends", "owner"])
            .or(["server", "service.crash_loop", "owner"])
            .or_sees(&["http.reset"]);
    an_http_balancer_has_one_dead_backend_of_two: "http://10.99.2.10/",
        |s| {
            backend(s, page());
            s.comes_and_goes = true;
            haproxy(s, " retries 0\n server one 10.99.2.20:8080\n server two 10.99.2.30:8080");
        },
        degraded("http.status", UPSTREAM).or(["app", "balancer.some_backends", "owner"]);
    a_port_is_forwarded_to_a_machine_that_is_off: "http://10.99.2.10/",
        |s| forward(s, "10.99.2.77:80"), down("tcp.host_unreachable", FORWARDED);
    a_port_is_forwarded_to_a_machine_that_is_off_over_ipv6: "http://[fd99:2::10]/",
        |s| forward(s, "[fd99:2::77]:80"), down("tcp.host_unreachable", FORWARDED);
    a_port_is_forwarded_to_nothing: "http://10.99.2.10/",
        |s| { s.ssh(); forward(s, "10.99.2.20:80"); },
        down("tcp.refused", GONE).knowing("behind the host");
    a_port_is_forwarded_into_a_firewall: "http://10.99.2.10/",
        |s| {
            s.ssh();
            forward(s, "10.99.2.20:80");
            s.lab.backend().rule(Rule::Reject(Hook::Input, 80, Reject::AdminProhibited));
        },
        down("tcp.host_unreachable", ["server", "firewall.rejects", "owner"]);
    one_of_two_addresses_refuses: "http://shop.test/", |s| two_addresses(s, "10.99.2.20"),
        degraded("tcp.refused", SOME);
    one_of_two_addresses_is_off: "http://shop.test/", |s| two_addresses(s, "10.99.2.77"),
        degraded("tcp.timed_out", SOME).or(["server", "host.down", "owner"]);
    one_of_two_addresses_hangs: "http://shop.test/",
        |s| {
            two_addresses(s, "10.99.2.20");
            let peer = Peer::start(&s.lab.backend(), 80, Behaviour::NeverAnswer);
            s.keep(peer);
        },
        degraded("http.timed_out", ["app", "balancer.some_backends", "owner"]);
    one_of_two_addresses_refuses_over_ipv6: "http://shop.test/",
        |s| { s.shop_is_at(&["fd99:2::10", "fd99:2::20"]); s.web(); },
        degraded("tcp.refused", SOME);
}
