//! Names that lead nowhere, or to the wrong place.

use whydown_lab::{Answer, Behaviour, DnsServer, Hook, Lab, Peer, Reject, Rule, Say};

use crate::run::diagnose;

fn lab_with_resolver() -> (Lab, DnsServer) {
    let lab = Lab::new();
    lab.client().resolv_conf("nameserver 10.99.2.53\noptions timeout:1 attempts:1\n");
    let dns = DnsServer::start(&lab.resolver(), 53);
    (lab, dns)
}

#[test]
fn each_way_in_which_a_name_is_not_resolved() {
    for (say, state, failure, cause, side) in [
        (Say::NxDomain, "down", "dns.not_found", "dns.name_missing", "owner"),
        (Say::NoData, "down", "dns.no_address", "dns.name_missing", "owner"),
        (Say::ServFail, "down", "dns.server_failure", "dns.zone_broken", "owner"),
        (Say::Refused, "inconclusive", "dns.refused", "dns.resolver_down", "visitor"),
        (Say::Silence, "inconclusive", "dns.timed_out", "dns.resolver_down", "visitor"),
    ] {
        let (lab, dns) = lab_with_resolver();
        dns.set("shop.test", say);
        diagnose(&lab.client(), "http://shop.test/").is([state, failure, "dns", cause, side]);
    }
}

#[test]
fn nothing_listens_on_the_resolvers_port() {
    let (lab, dns) = lab_with_resolver();
    drop(dns);
    diagnose(&lab.client(), "http://shop.test/").is([
        "inconclusive",
        "dns.unreachable",
        "dns",
        "dns.resolver_down",
        "visitor",
    ]);
}

#[test]
fn the_resolver_is_behind_a_firewall() {
    let (lab, _dns) = lab_with_resolver();
    lab.r2().rule(Rule::Reject(Hook::Forward, 53, Reject::AdminProhibited));
    diagnose(&lab.client(), "http://shop.test/").is([
        "inconclusive",
        "dns.unreachable",
        "dns",
        "dns.resolver_down",
        "visitor",
    ]);
}

#[test]
fn a_hosts_file_line_leads_to_an_old_address() {
    let (lab, dns) = lab_with_resolver();
    let _web = Peer::start(&lab.server(), 80, Behaviour::Http(Answer::new(200)));
    dns.set_addresses("shop.test", &["10.99.2.10".parse().unwrap()]);
    lab.client().hosts("10.99.2.30 shop.test\n");
    diagnose(&lab.client(), "http://shop.test/").is([
        "inconclusive",
        "tcp.refused",
        "client",
        "client.hosts_file",
        "visitor",
    ]);
}
