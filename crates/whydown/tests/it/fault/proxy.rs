//! Forward proxies that the visitor's environment names.

use std::time::Duration;

use whydown_lab::{Behaviour, Hook, Peer, Proxy, Reject, Rule};

use crate::scene::{Scene, faults, own, page, up};

const ADDRESS: &str = "http://10.99.2.30:3128";

fn https(scene: &mut Scene, how: Option<Proxy>) {
    scene.serve(443, page());
    behind(scene, "https_proxy", ADDRESS, how);
}

fn http(scene: &mut Scene, how: Option<Proxy>) {
    scene.web();
    behind(scene, "http_proxy", ADDRESS, how);
}

fn behind(scene: &mut Scene, variable: &'static str, address: &str, how: Option<Proxy>) {
    scene.variable(variable, address);
    if let Some(how) = how {
        let proxy = Peer::start(&scene.lab.neighbour(), 3128, Behaviour::Proxy(how));
        scene.keep(proxy);
    }
}

faults! {
    the_proxy_works: "http://10.99.2.10/", |s| http(s, Some(Proxy::Works)), up();
    the_proxy_refuses: "https://10.99.2.10/", |s| https(s, None),
        own("proxy.refused", "proxy", "client.proxy");
    the_proxy_refuses_plain_http: "http://10.99.2.10/", |s| http(s, None),
        own("proxy.refused", "proxy", "client.proxy");
    the_proxy_wants_a_password: "https://10.99.2.10/",
        |s| https(s, Some(Proxy::Answers(407))),
        own("proxy.auth_required", "proxy", "client.proxy");
    the_proxy_wants_a_password_for_plain_http: "http://10.99.2.10/",
        |s| http(s, Some(Proxy::Answers(407))),
        own("proxy.auth_required", "proxy", "client.proxy");
    the_proxy_forbids_the_tunnel: "https://10.99.2.10/",
        |s| https(s, Some(Proxy::Answers(403))),
        own("proxy.tunnel_failed", "proxy", "client.proxy");
    the_proxy_cannot_make_the_tunnel: "https://10.99.2.10/",
        |s| https(s, Some(Proxy::Answers(502))),
        own("proxy.tunnel_failed", "proxy", "client.proxy");
    the_proxy_closes: "https://10.99.2.10/", |s| https(s, Some(Proxy::Closes)),
        own("proxy.closed", "proxy", "client.proxy");
    the_proxy_is_silent: "https://10.99.2.10/",
        |s| {
            https(s, Some(Proxy::Silent));
            // They give a tunnel a minute and more.
            s.either("chrome", None);
            s.either("firefox", None);
        },
        own("proxy.timed_out", "proxy", "client.proxy");
    the_proxys_host_is_off: "https://10.99.2.10/",
        |s| {
            s.timeout = Duration::from_secs(5);
            behind(s, "https_proxy", "http://10.99.2.77:3128", None);
        },
        own("proxy.unreachable", "proxy", "client.proxy");
    the_proxys_packets_are_dropped: "https://10.99.2.10/",
        |s| {
            https(s, Some(Proxy::Works));
            s.lab.neighbour().rule(Rule::Drop(Hook::Input, 3128));
            // Here the kernel is faster than Chromium, which gives a proxy 8 s.
            s.either("chrome", Some("ERR_PROXY_CONNECTION_FAILED"));
        },
        own("proxy.timed_out", "proxy", "client.proxy");
    the_proxys_name_does_not_exist: "https://10.99.2.10/",
        |s| {
            let dns = s.resolver();
            s.keep(dns);
            behind(s, "https_proxy", "http://proxy.test:3128", None);
        },
        own("proxy.unresolved", "proxy", "client.proxy");
    the_proxy_is_behind_a_firewall: "https://10.99.2.10/",
        |s| {
            https(s, Some(Proxy::Works));
            s.lab.neighbour().rule(Rule::Reject(Hook::Input, 3128, Reject::AdminProhibited));
        },
        own("proxy.unreachable", "proxy", "client.proxy");
}
