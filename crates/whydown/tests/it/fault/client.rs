//! Faults on the visitor's own side: never `down`.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use whydown_lab::Route;

use crate::scene::{Scene, faults, own, page, up_but};

fn own_route(scene: &mut Scene, route: Route, to: &str) {
    scene.shop();
    scene.lab.client().add_route(route, to);
}

/// The only local port that the kernel may hand out is taken.
fn exhausted(scene: &mut Scene) {
    scene.shop();
    scene.lab.client().sysctl(&[("net.ipv4.ip_local_port_range", "40001 40002")]);
    let any = |port| SocketAddr::from((Ipv4Addr::UNSPECIFIED, port));
    let taken = [40_001, 40_002]
        .map(|port| scene.lab.client().enter(|| TcpListener::bind(any(port)).unwrap()));
    scene.keep(taken);
    no_browsers(scene);
}

fn no_browsers(scene: &mut Scene) {
    scene.not_asked("chrome", "is driven over a free port");
    scene.not_asked("firefox", "is driven over a free port");
}

/// The same for IPv6, whose sockets share the range.
fn exhausted_v6(scene: &mut Scene) {
    scene.shop();
    scene.lab.client().sysctl(&[("net.ipv4.ip_local_port_range", "40001 40002")]);
    let taken = [40_001, 40_002]
        .map(|port| scene.lab.client().enter(|| TcpListener::bind(("::", port)).unwrap()));
    scene.keep(taken);
    no_browsers(scene);
}

fn vpn(scene: &mut Scene) {
    scene.shop();
    let tunnel = scene.lab.dead_tunnel("vpn0");
    scene.keep(tunnel);
}

/// DNS and the hosts file know different addresses.
fn old_line(scene: &mut Scene, addresses: &[&str], line: &str) {
    scene.web();
    let dns = scene.resolver();
    let addresses: Vec<std::net::IpAddr> = addresses.iter().map(|ip| ip.parse().unwrap()).collect();
    dns.set_addresses("shop.test", &addresses);
    scene.keep(dns);
    scene.shop_is_at(&[line]);
}

faults! {
    an_own_route_is_a_black_hole: "http://10.99.2.10/",
        |s| own_route(s, Route::Blackhole, "10.99.2.10/32"),
        own("tcp.network_unreachable", "client", "client.route").knowing("route decides");
    an_own_route_says_unreachable: "http://10.99.2.10/",
        |s| own_route(s, Route::Unreachable, "10.99.2.10/32"),
        own("tcp.host_unreachable", "client", "client.route").knowing("route decides");
    an_own_route_prohibits: "http://10.99.2.10/",
        |s| own_route(s, Route::Prohibit, "10.99.2.0/24"),
        own("tcp.not_permitted", "client", "client.route").knowing("route decides");
    an_own_route_throws: "http://10.99.2.10/",
        |s| own_route(s, Route::Throw, "10.99.2.10/32"),
        own("tcp.network_unreachable", "client", "client.route").knowing("route decides");
    an_own_ipv6_route_is_a_black_hole: "http://[fd99:2::10]/",
        |s| own_route(s, Route::Blackhole, "fd99:2::10/128"),
        own("tcp.network_unreachable", "client", "client.route");
    an_own_ipv6_route_prohibits: "http://[fd99:2::10]/",
        |s| own_route(s, Route::Prohibit, "fd99:2::/64"),
        own("tcp.not_permitted", "client", "client.route");
    there_is_no_default_route: "http://10.99.2.10/",
        |s| { s.shop(); s.lab.client().remove_default_routes(); },
        own("tcp.network_unreachable", "client", "client.route")
            .or(["client", "client.offline", "visitor"]);
    there_is_no_default_route_over_ipv6: "http://[fd99:2::10]/",
        |s| { s.shop(); s.lab.client().ip("route del ::/0"); },
        own("tcp.network_unreachable", "client", "client.route");
    the_cable_is_unplugged: "http://10.99.2.10/", |s| s.lab.client().link_down(),
        own("tcp.network_unreachable", "client", "client.offline");
    the_cable_is_unplugged_over_ipv6: "http://[fd99:2::10]/", |s| s.lab.client().link_down(),
        own("tcp.network_unreachable", "client", "client.offline");
    the_cable_is_cut: "http://10.99.2.10/",
        |s| {
            s.shop();
            s.gives_up_on_the_gateway("10.99.2.10");
            s.lab.cable().set_cut(true);
        },
        own("tcp.timed_out", "client", "client.offline");
    the_cable_is_cut_and_a_name_is_asked_for: "http://shop.test/",
        |s| { let dns = s.resolver(); s.keep(dns); s.lab.cable().set_cut(true); },
        own("dns.timed_out", "client", "client.offline");
    there_is_no_free_port: "http://10.99.2.10/", exhausted,
        own("tcp.no_local_address", "client", "client.exhausted");
    there_is_no_free_port_over_ipv6: "http://[fd99:2::10]/", exhausted_v6,
        own("tcp.no_local_address", "client", "client.exhausted");
    the_vpn_is_dead: "http://10.99.2.10/", vpn, own("tcp.timed_out", "client", "client.vpn");
    the_vpn_is_dead_over_ipv6: "http://[fd99:2::10]/", vpn,
        own("tcp.timed_out", "client", "client.vpn");
    browsers_refuse_the_port_of_a_working_target: "http://10.99.2.10:6000/",
        |s| s.serve(6000, page()), up_but("client.unsafe_port", "visitor");
    browsers_refuse_another_port_of_a_working_target: "http://[fd99:2::10]:6667/",
        |s| s.serve(6667, page()), up_but("client.unsafe_port", "visitor");
    a_hosts_file_line_leads_to_an_old_address: "http://shop.test/",
        |s| old_line(s, &["10.99.2.10"], "10.99.2.30"),
        own("tcp.refused", "client", "client.hosts_file");
    a_hosts_file_line_leads_to_a_dead_address: "http://shop.test/",
        |s| old_line(s, &["10.99.2.10"], "10.99.2.77"),
        own("tcp.timed_out", "client", "client.hosts_file");
    a_hosts_file_line_blocks_the_name: "http://shop.test/",
        |s| old_line(s, &["10.99.2.10"], "127.0.0.1"),
        own("tcp.refused", "client", "client.hosts_file");
}
