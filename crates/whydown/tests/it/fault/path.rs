//! Routers without a way, and ways that lose packets.

use whydown_lab::{Answer, Behaviour, Flavour, Hook, Route, Rule};

use crate::scene::{Scene, down, faults, page};

const NO_ROUTE: [&str; 3] = ["network", "path.no_route", "network"];
const REJECTS: [&str; 3] = ["network", "path.rejects", "network"];
const DROPS: [&str; 3] = ["network", "path.drops", "network"];
const MTU: [&str; 3] = ["network", "path.mtu", "network"];
const HOST_DOWN: [&str; 3] = ["server", "host.down", "owner"];
const FIREWALL_DROPS: [&str; 3] = ["server", "firewall.drops", "owner"];

fn route(scene: &mut Scene, router: &str, route: Route, to: &str) {
    scene.shop();
    scene.lab.host(router).add_route(route, to);
}

/// Each router sends the packets to the other one.
fn routing_loop(scene: &mut Scene) {
    scene.shop();
    scene.lab.r2().ip("route replace 10.99.2.10/32 via 10.99.3.1");
}

fn loop_over_ipv6(scene: &mut Scene) {
    scene.shop();
    scene.lab.r2().ip("route replace fd99:2::10/128 via fd99:3::1");
}

/// The server knows no way back to the client.
fn no_way_back(scene: &mut Scene) {
    scene.shop();
    scene.lab.server().add_route(Route::Blackhole, "10.99.1.0/24");
}

fn large_page(scene: &mut Scene) {
    scene.serve(80, Behaviour::Http(Answer::new(200).body("x".repeat(50_000))));
    scene.lab.r2().rule(Rule::DropLongerThan(Hook::Forward, 1_000));
}

fn large_handshake(scene: &mut Scene) {
    scene.tls(Flavour::Good, page());
    scene.lab.r2().rule(Rule::DropLongerThan(Hook::Forward, 700));
}

faults! {
    the_first_router_says_host_unreachable: "http://10.99.2.10/",
        |s| route(s, "r1", Route::Unreachable, "10.99.2.10/32"),
        down("tcp.host_unreachable", NO_ROUTE);
    the_first_router_prohibits: "http://10.99.2.10/",
        |s| route(s, "r1", Route::Prohibit, "10.99.2.10/32"),
        down("tcp.host_unreachable", REJECTS);
    the_first_router_has_no_route: "http://10.99.2.10/",
        |s| route(s, "r1", Route::Throw, "10.99.2.10/32"),
        down("tcp.network_unreachable", NO_ROUTE);
    the_second_router_says_host_unreachable: "http://10.99.2.10/",
        |s| route(s, "r2", Route::Unreachable, "10.99.2.10/32"),
        down("tcp.host_unreachable", NO_ROUTE);
    the_first_router_has_no_route_over_ipv6: "http://[fd99:2::10]/",
        |s| route(s, "r1", Route::Throw, "fd99:2::10/128"),
        down("tcp.network_unreachable", NO_ROUTE);
    the_second_router_prohibits_over_ipv6: "http://[fd99:2::10]/",
        |s| route(s, "r2", Route::Prohibit, "fd99:2::10/128"),
        down("tcp.not_permitted", REJECTS);
    the_first_router_has_a_black_hole: "http://10.99.2.10/",
        |s| route(s, "r1", Route::Blackhole, "10.99.2.10/32"),
        down("tcp.timed_out", DROPS);
    the_packets_go_in_circles: "http://10.99.2.10/", routing_loop,
        down("tcp.host_unreachable", NO_ROUTE);
    the_packets_go_in_circles_over_ipv6: "http://[fd99:2::10]/", loop_over_ipv6,
        down("tcp.host_unreachable", NO_ROUTE);
    the_answers_find_no_way_back: "http://10.99.2.10/", no_way_back,
        down("tcp.timed_out", DROPS).or(FIREWALL_DROPS);
    everything_to_the_host_is_dropped_on_the_way: "http://10.99.2.10/",
        |s| s.router_rule("r2", Rule::DropAll(Hook::Forward)),
        down("tcp.timed_out", DROPS).or(FIREWALL_DROPS);
    the_server_drops_everything: "http://10.99.2.10/",
        |s| s.server_rule(Rule::DropAll(Hook::Input)),
        down("tcp.timed_out", HOST_DOWN).or(FIREWALL_DROPS);
    large_pages_are_lost_on_the_way: "http://10.99.2.10/", large_page,
        down("http.timed_out", MTU);
    large_pages_are_lost_on_the_way_over_ipv6: "http://[fd99:2::10]/", large_page,
        down("http.timed_out", MTU);
    large_handshakes_are_lost_on_the_way: "https://shop.test/", large_handshake,
        down("tls.timed_out", MTU);
}
