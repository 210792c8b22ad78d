//! Faults on the visitor's own side: never `down`.

use whydown_lab::{Answer, Behaviour, Lab, Peer, Proxy, Route};

use crate::run::{diagnose, diagnose_with, whydown};

#[test]
fn own_routes_that_say_no() {
    for (route, failure) in [
        (Route::Blackhole, "tcp.network_unreachable"),
        (Route::Unreachable, "tcp.host_unreachable"),
        (Route::Prohibit, "tcp.not_permitted"),
    ] {
        let lab = Lab::new();
        lab.client().add_route(route, "10.99.2.10/32");
        diagnose(&lab.client(), "http://10.99.2.10/")
            .is(["inconclusive", failure, "client", "client.route", "visitor"])
            .knows("route decides");
    }
}

#[test]
fn the_cable_is_unplugged() {
    let lab = Lab::new();
    lab.client().link_down();
    diagnose(&lab.client(), "http://10.99.2.10/").is([
        "inconclusive",
        "tcp.network_unreachable",
        "client",
        "client.offline",
        "visitor",
    ]);
}

#[test]
fn the_forward_proxy_fails() {
    for (proxy, failure) in [
        (None, "proxy.refused"),
        (Some(Proxy::Answers(407)), "proxy.auth_required"),
        (Some(Proxy::Answers(502)), "proxy.tunnel_failed"),
        (Some(Proxy::Closes), "proxy.closed"),
        (Some(Proxy::Silent), "proxy.timed_out"),
    ] {
        let lab = Lab::new();
        let _web = Peer::start(&lab.server(), 443, Behaviour::Http(Answer::new(200)));
        let _proxy = proxy.map(|how| Peer::start(&lab.neighbour(), 3128, Behaviour::Proxy(how)));
        let mut command = whydown(&lab.client());
        command.env("https_proxy", "http://10.99.2.30:3128");
        diagnose_with(command, "https://10.99.2.10/").is([
            "inconclusive",
            failure,
            "proxy",
            "client.proxy",
            "visitor",
        ]);
    }
}

#[test]
fn browsers_refuse_the_port_of_a_working_target() {
    let lab = Lab::new();
    let _web = Peer::start(&lab.server(), 6000, Behaviour::Http(Answer::new(200)));
    diagnose(&lab.client(), "http://10.99.2.10:6000/").is([
        "up",
        "-",
        "-",
        "client.unsafe_port",
        "visitor",
    ]);
}
