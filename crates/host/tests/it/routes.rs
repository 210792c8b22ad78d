//! What the kernel decides about an address.

use std::net::IpAddr;

use whydown_host::route::{decide, default_routes, gateways, is_unplugged};
use whydown_host::{counters, environment};
use whydown_lab::{Lab, Route};

#[test]
fn the_route_that_says_no_is_named_and_shown() {
    let lab = Lab::builder().small().build();
    let client = lab.client();
    let to: IpAddr = lab.server().v4().into();
    assert_eq!(client.enter(|| decide(to)), whydown_host::route::Decision::default());
    for (route, kind) in [
        (Route::Blackhole, "blackhole"),
        (Route::Unreachable, "unreachable"),
        (Route::Prohibit, "prohibit"),
        (Route::Throw, "throw"),
    ] {
        client.add_route(route, "10.99.2.0/24");
        let own = client.enter(|| decide(to)).refusal.unwrap();
        client.remove_route(route, "10.99.2.0/24");
        assert_eq!((own.kind.as_str(), own.text), (kind, format!("{kind} 10.99.2.0/24")));
    }
    client.remove_default_routes();
    let own = client.enter(|| decide(to)).refusal.unwrap();
    assert_eq!((own.kind.as_str(), own.text.as_str()), ("none", ""));
}

#[test]
fn a_tunnel_on_the_way_is_named_and_a_plain_cable_is_not() {
    let lab = Lab::builder().small().build();
    let client = lab.client();
    let to: IpAddr = lab.server().v4().into();
    assert_eq!(client.enter(|| decide(to)).tunnel, None);
    client.ip("tuntap add dev vpn7 mode tun");
    client.ip("link set vpn7 up");
    client.ip("addr add 10.8.0.2/24 dev vpn7");
    client.ip("route add 10.99.2.0/24 dev vpn7");
    assert_eq!(client.enter(|| decide(to)).tunnel.as_deref(), Some("vpn7"));
    assert_eq!(client.enter(|| decide("10.99.1.1".parse().unwrap())).tunnel, None);
}

#[test]
fn default_routes_gateways_and_cables_are_seen() {
    let lab = Lab::builder().small().build();
    let client = lab.client();
    let (defaults, found) = client.enter(|| (default_routes(), gateways()));
    assert!(defaults.v4 && defaults.v6);
    assert_eq!(found[0].ip(), IpAddr::V4(lab.r1().v4()));
    assert!(!client.enter(is_unplugged));
    client.remove_default_routes();
    let defaults = client.enter(default_routes);
    assert!(!defaults.v4 && !defaults.v6);
    client.link_down();
    assert!(client.enter(is_unplugged));
}

#[test]
fn counters_and_environment_are_those_of_the_calling_thread() {
    let lab = Lab::builder().small().build();
    let client = lab.client();
    let before = client.enter(counters::own_counters).unwrap();
    client.exec("ping", &["-c", "3", "-i", "0.01", "10.99.2.10"]).success();
    let after = client.enter(counters::own_counters).unwrap();
    assert!(counters::rise(before, after).ip_received >= 3);
    client.add_route(Route::Prohibit, "10.99.2.10");
    let target = "http://10.99.2.10/".parse().unwrap();
    let own = client.enter(|| environment(&target, &["10.99.2.10".parse().unwrap()]));
    assert_eq!(own.route.unwrap().kind, "prohibit");
    assert_eq!(own.missing_rights, Vec::<String>::new());
}
