//! Forward proxies that fail, each of them asked for a plain and an encrypted page that are both
//! fine. netcat and Node 20 use no proxy, and have nothing to say.

use std::time::Duration;

use whydown_lab::{Behaviour, Ca, DnsServer, Flavour, Hook, Lab, Peer, Proxy, Reject, Rule, Say};

use super::browser::{HANG, page};
use super::fault::{Fault, Panel};

const PAGES: [&str; 2] = ["http://shop.test/", "https://shop.test/"];
/// The kernel gives up after seconds instead of two minutes.
const GIVES_UP: (&str, &str) = ("net.ipv4.tcp_syn_retries", "2");
const GONE: Duration = Duration::from_secs(30);

/// The shop, which is fine.
fn shop(lab: &Lab, ca: &Ca) -> [Peer; 2] {
    lab.client().hosts("127.0.0.1 localhost\n10.99.2.10 shop.test\n");
    let good = ca.identity(Flavour::Good, &["shop.test"]);
    [Peer::start(&lab.server(), 80, page()), Peer::start_tls(&lab.server(), 443, page(), &good)]
}

#[test]
fn forward_proxies_that_fail() {
    let (lab, ca) = (Lab::new(), Ca::new());
    let _shop = shop(&lab, &ca);
    lab.client().resolv_conf("nameserver 10.99.2.53\noptions timeout:1 attempts:1\n");
    lab.client().sysctl(&[GIVES_UP]);
    let dns = DnsServer::start(&lab.resolver(), 53);
    dns.set_otherwise(Say::NxDomain);
    lab.neighbour().rule(Rule::Reject(Hook::Input, 3131, Reject::AdminProhibited));
    lab.neighbour().rule(Rule::Drop(Hook::Input, 3132));
    let peers = [Proxy::Closes, Proxy::Answers(407), Proxy::Answers(403), Proxy::Answers(502)];
    let peers: Vec<Peer> = (3133..)
        .zip(peers)
        .map(|(port, how)| Peer::start(&lab.neighbour(), port, Behaviour::Proxy(how)))
        .collect();
    let _silent = Peer::start(&lab.neighbour(), 3137, Behaviour::Proxy(Proxy::Silent));
    let mut panel = Panel::trusting(&lab.client(), &ca);
    let mut differences = Vec::new();
    let mut look = |what: &str, name: &str, port: u16, change: fn(Fault) -> Fault| {
        panel.use_proxy(name, port);
        let faults = PAGES.map(|page| change(Fault::new(what, page)));
        differences.extend(panel.differences(&faults));
    };
    let neighbour = "10.99.2.30";
    look("the proxy refuses", neighbour, 3130, |fault| fault);
    look("the proxy is rejected", neighbour, 3131, |fault| fault);
    look("the proxy's packets are dropped", neighbour, 3132, |fault| {
        // Here the kernel may be faster than Chromium, which gives a proxy 8 s.
        fault.patient(GONE).or("chrome", Some("ERR_PROXY_CONNECTION_FAILED"))
    });
    look("the proxy closes", neighbour, 3133, |fault| fault);
    look("the proxy wants a password", neighbour, 3134, |fault| fault);
    look("the proxy says 403", neighbour, 3135, |fault| fault);
    look("the proxy says 502", neighbour, 3136, |fault| fault);
    look("the proxy never answers", neighbour, 3137, |fault| {
        // Firefox waits for a tunnel for half a minute, Chromium for a whole one.
        let fault = fault.silent(HANG);
        if fault.is_encrypted() { fault.or("chrome", None).or("firefox", None) } else { fault }
    });
    look("the proxy has no address", "proxy.test", 3128, |fault| fault);
    drop(peers);
    assert!(
        differences.is_empty(),
        "{} differences:\n{}",
        differences.len(),
        differences.join("\n")
    );
}
