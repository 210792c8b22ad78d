//! Names that lead nowhere, or to the wrong place.

use whydown_lab::{DnsServer, Dnsmasq, Hook, Knot, Reject, Rule, Say, Unbound, Zone};

use crate::scene::{Scene, down, faults, own, page, up};

const MISSING: [&str; 3] = ["dns", "dns.name_missing", "owner"];
const BROKEN: [&str; 3] = ["dns", "dns.zone_broken", "owner"];
const STALE: [&str; 3] = ["dns", "dns.stale", "owner"];
const RESOLVER: [&str; 3] = ["dns", "dns.resolver_down", "visitor"];
/// Lets a real resolver find the zone's real server.
const STUB: &str = "stub-zone:\n  name: shop.example\n  stub-addr: 10.99.2.20\n";
/// Knot's zone names itself at a loopback address; this is where it is.
const HERE: &str = "  local-data: \"ns.shop.example. 60 A 10.99.2.20\"\n";

/// A resolver that says one thing about every name.
fn says(scene: &mut Scene, say: Say) {
    let dns = scene.resolver();
    dns.set_otherwise(say);
    scene.keep(dns);
}

/// A resolver that gives the shop an address.
fn leads_to(scene: &mut Scene, ip: &str) {
    scene.web();
    let dns = scene.resolver();
    dns.set_addresses("shop.test", &[ip.parse().unwrap()]);
    scene.keep(dns);
}

/// The zone's own server, and a resolver in use that has more to say.
fn zone(scene: &mut Scene, records: &str, more: &str) {
    scene.web();
    let dns = scene.resolver();
    drop(dns);
    let zones = [Zone::new("shop.example", records)];
    let knot = Knot::start(&scene.lab.backend(), 53, &zones);
    let unbound = Unbound::start(&scene.lab.resolver(), 53, &format!("{HERE}{more}"), STUB);
    scene.keep((knot, unbound));
}

/// A zone whose signatures don't fit the key that the resolver trusts.
fn bogus(scene: &mut Scene) {
    let key = "257 3 13 mdsswUyr3DPW132mOi8V9xESWE8jTo0dxCjjnopKl+\
               GqJxpVXckHAeF+KkxLbxILfDLUT0rAK9iUzy1L53eKGQ==";
    let anchor = format!("  trust-anchor: \"shop.example. DNSKEY {key}\"\n");
    zone(scene, "www A 10.99.2.10\n", &anchor);
}

/// A zone whose only server knows nothing of it (a lame delegation).
fn lame(scene: &mut Scene) {
    scene.web();
    drop(scene.resolver());
    let knot = Knot::start(&scene.lab.backend(), 53, &[Zone::new("other.example", "")]);
    let unbound = Unbound::start(&scene.lab.resolver(), 53, HERE, STUB);
    scene.keep((knot, unbound));
}

fn dnsmasq(scene: &mut Scene, lines: &str) {
    scene.web();
    drop(scene.resolver());
    let dnsmasq = Dnsmasq::start(&scene.lab.resolver(), 53, lines);
    scene.keep(dnsmasq);
}

/// Two resolvers: the first does this, the second knows the shop.
fn first_of_two(scene: &mut Scene, first: Option<Say>) {
    scene.web();
    scene.resolvers("nameserver 10.99.2.53\nnameserver 10.99.2.30\n");
    if let Some(say) = first {
        let broken = DnsServer::start(&scene.lab.resolver(), 53);
        broken.set_otherwise(say);
        scene.keep(broken);
    }
    let good = DnsServer::start(&scene.lab.neighbour(), 53);
    good.set_addresses("shop.test", &["10.99.2.10".parse().unwrap()]);
    scene.keep(good);
}

fn blocked(scene: &mut Scene, rule: Rule) {
    leads_to(scene, "10.99.2.10");
    scene.lab.r2().rule(rule);
}

faults! {
    the_name_does_not_exist: "http://shop.test/", |s| says(s, Say::NxDomain),
        down("dns.not_found", MISSING);
    the_name_has_no_address: "http://shop.test/", |s| says(s, Say::NoData),
        down("dns.no_address", MISSING);
    the_zone_itself_does_not_know_the_name: "http://www.shop.example/",
        |s| zone(s, "mail A 10.99.2.10\n", ""), down("dns.not_found", MISSING);
    the_zone_itself_has_no_address_for_the_name: "http://www.shop.example/",
        |s| zone(s, "www TXT hello\n", ""), down("dns.no_address", MISSING);
    the_resolver_says_server_failure: "http://shop.test/", |s| says(s, Say::ServFail),
        down("dns.server_failure", BROKEN).or(RESOLVER);
    the_zones_server_does_not_know_the_zone: "http://www.shop.example/", lame,
        down("dns.server_failure", BROKEN);
    the_zones_signatures_are_wrong: "http://www.shop.example/", bogus,
        down("dns.server_failure", BROKEN);
    the_resolver_denies_a_name_that_exists: "http://www.shop.example/",
        |s| zone(s, "www A 10.99.2.10\n", "  local-zone: \"www.shop.example.\" always_nxdomain\n"),
        down("dns.not_found", STALE).or(RESOLVER);
    the_resolver_gives_an_old_address: "http://www.shop.example/",
        |s| zone(s, "www A 10.99.2.10\n", "  local-data: \"www.shop.example. 60 A 10.99.2.30\"\n"),
        down("tcp.refused", STALE).knowing("the zone's own address, the target works");
    the_resolver_gives_an_address_that_is_off: "http://www.shop.example/",
        |s| zone(s, "www A 10.99.2.10\n", "  local-data: \"www.shop.example. 60 A 10.99.2.77\"\n"),
        down("tcp.timed_out", STALE);
    the_resolver_blocks_the_name_by_a_loopback_address: "http://shop.test/",
        |s| leads_to(s, "127.0.0.1"), down("tcp.refused", STALE);
    the_resolver_blocks_the_name_by_the_zero_address: "http://shop.test/",
        |s| leads_to(s, "0.0.0.0"), down("tcp.refused", STALE);
    dnsmasq_blocks_the_name: "http://shop.test/",
        |s| dnsmasq(s, "address=/shop.test/\n"), down("dns.not_found", MISSING);
    dnsmasq_knows_nobody_to_ask: "http://shop.test/", |s| dnsmasq(s, ""),
        own("dns.refused", "dns", "dns.resolver_down");
    dnsmasq_works: "http://shop.test/",
        |s| dnsmasq(s, "host-record=shop.test,10.99.2.10\n"), up();
    the_resolver_refuses: "http://shop.test/", |s| says(s, Say::Refused),
        own("dns.refused", "dns", "dns.resolver_down");
    the_resolver_is_silent: "http://shop.test/", |s| says(s, Say::Silence),
        own("dns.timed_out", "dns", "dns.resolver_down");
    nothing_listens_on_the_resolvers_port: "http://shop.test/", |s| drop(s.resolver()),
        own("dns.unreachable", "dns", "dns.resolver_down");
    a_router_rejects_questions_to_the_resolver: "http://shop.test/",
        |s| blocked(s, Rule::Reject(Hook::Forward, 53, Reject::AdminProhibited)),
        own("dns.unreachable", "dns", "dns.resolver_down");
    a_router_drops_questions_to_the_resolver: "http://shop.test/",
        |s| blocked(s, Rule::Drop(Hook::Forward, 53)),
        own("dns.timed_out", "dns", "dns.resolver_down");
    the_first_of_two_resolvers_is_gone: "http://shop.test/", |s| first_of_two(s, None), up();
    the_first_of_two_resolvers_fails: "http://shop.test/",
        |s| first_of_two(s, Some(Say::ServFail)), up();
    the_first_of_two_resolvers_is_silent: "http://shop.test/",
        |s| first_of_two(s, Some(Say::Silence)), up();
    the_first_of_two_resolvers_denies_the_name: "http://shop.test/",
        |s| first_of_two(s, Some(Say::NxDomain)),
        own("dns.not_found", "dns", "dns.resolver_down").or(STALE);
    a_long_answer_comes_by_tcp: "http://shop.test/",
        |s| {
            s.web();
            let dns = s.resolver();
            let address = Say::Addresses(vec!["10.99.2.10".parse().unwrap()]);
            dns.set("shop.test", Say::Truncated(Box::new(address)));
            s.keep(dns);
        },
        up();
    the_name_leads_to_a_closed_port: "http://shop.test:8081/",
        |s| { leads_to(s, "10.99.2.10"); s.serve(8082, page()); },
        down("tcp.refused", ["server", "service.not_listening", "owner"])
            .or(["server", "service.wrong_port", "visitor"]);
}
