//! DNS servers, scripted and real, as kdig and getaddrinfo see them.

use std::net::{IpAddr, ToSocketAddrs as _};
use std::time::{Duration, Instant};

use whydown_lab::{DnsServer, Dnsmasq, Host, Knot, Lab, Say, Unbound, Zone};

/// kdig's answer: status, then the records' data, one a line.
fn kdig(host: &Host, args: &[&str]) -> (String, String) {
    let mut all = vec!["+timeout=2", "+retry=0"];
    all.extend(args);
    let text = host.exec("kdig", &all).stdout;
    let status = text.split_once("status: ").and_then(|(_, rest)| rest.split(';').next());
    let answer: Vec<&str> = text
        .lines()
        .filter(|line| !line.starts_with(';') && !line.is_empty())
        .filter_map(|line| line.split_whitespace().last())
        .collect();
    (status.unwrap_or("none").into(), answer.join("\n"))
}

/// `EAI_…` or the addresses that the C library finds on a host.
fn getaddrinfo(host: &Host, name: &str) -> Result<Vec<IpAddr>, String> {
    let found = host.enter(|| (name, 80).to_socket_addrs().map(Iterator::collect::<Vec<_>>));
    found.map(|all| all.iter().map(std::net::SocketAddr::ip).collect()).map_err(|e| e.to_string())
}

#[test]
fn the_scripted_server_says_what_it_is_told_and_the_c_library_words_it() {
    let lab = Lab::new();
    let client = lab.client();
    let dns = DnsServer::start(&lab.resolver(), 53);
    let both: Vec<IpAddr> = lab.server().both(0).iter().map(std::net::SocketAddr::ip).collect();
    dns.set_addresses("www.example", &both);
    dns.set("alias.example", Say::Alias("www.example".into()));
    dns.set("empty.example", Say::NoData);
    dns.set("broken.example", Say::ServFail);
    dns.set("no.example", Say::Refused);
    for name in ["www.example", "alias.example"] {
        let mut seen = getaddrinfo(&client, name).unwrap();
        seen.sort_unstable();
        assert_eq!(seen, both, "{name}");
    }
    let expected = [
        ("gone.example", "Name or service not known", "NXDOMAIN"),
        ("empty.example", "No address associated with hostname", "NOERROR"),
        ("broken.example", "Temporary failure in name resolution", "SERVFAIL"),
        ("no.example", "Temporary failure in name resolution", "REFUSED"),
    ];
    for (name, message, status) in expected {
        let error = getaddrinfo(&client, name).unwrap_err();
        assert!(error.contains(message), "{name}: {error}");
        assert_eq!(kdig(&client, &["@10.99.2.53", name]).0, status);
    }
    assert!(dns.queries().iter().any(|query| query.name == "empty.example" && query.kind == 28));
}

#[test]
fn silence_delay_and_truncation_are_what_they_are_called() {
    let machine = Host::machine();
    let dns = DnsServer::start(&machine, 0);
    let at = [format!("-p{}", dns.port()), "@127.0.0.1".into()];
    let address = Say::Addresses(vec!["192.0.2.7".parse().unwrap()]);
    dns.set("late.example", Say::Later(Duration::from_millis(300), Box::new(address.clone())));
    dns.set("long.example", Say::Truncated(Box::new(address)));
    dns.set_otherwise(Say::Silence);
    let ask = |name: &str| kdig(&machine, &[&at[0], &at[1], name]);
    let start = Instant::now();
    assert_eq!(ask("late.example"), ("NOERROR".into(), "192.0.2.7".into()));
    assert!(start.elapsed() >= Duration::from_millis(300));
    assert_eq!(ask("long.example").1, "192.0.2.7");
    assert!(dns.queries().iter().any(|query| query.tcp && query.name == "long.example"));
    assert_eq!(ask("lost.example"), ("none".into(), String::new()));
}

#[test]
fn dnsmasq_answers_what_it_knows_and_refuses_the_rest() {
    let lab = Lab::new();
    let lines = "host-record=shop.example,10.99.2.10,fd99:2::10\naddress=/gone.example/\n";
    let dnsmasq = Dnsmasq::start(&lab.resolver(), 53, lines);
    let ask = |args: &[&str]| kdig(&lab.client(), &[&["@fd99:2::53"], args].concat());
    assert_eq!(ask(&["shop.example", "AAAA"]), ("NOERROR".into(), "fd99:2::10".into()));
    assert_eq!(ask(&["gone.example"]).0, "NXDOMAIN");
    assert_eq!(ask(&["other.example"]).0, "REFUSED");
    assert!(dnsmasq.output().contains("query[A] gone.example"), "{}", dnsmasq.output());
}

#[test]
fn unbound_validates_what_knot_has_signed_and_servfails_what_it_has_not() {
    let lab = Lab::new();
    let zone = "www A 10.99.2.10\n";
    let zones = [Zone::new("signed.example", zone).signed(), Zone::new("plain.example", zone)];
    let _knot = Knot::start(&lab.neighbour(), 53, &zones);
    let at = "@10.99.2.30";
    assert_eq!(kdig(&lab.client(), &[at, "www.plain.example"]).1, "10.99.2.10");
    assert_eq!(kdig(&lab.client(), &[at, "nil.plain.example"]).0, "NXDOMAIN");
    assert_eq!(kdig(&lab.client(), &[at, "www.other.example"]).0, "REFUSED");
    let key = lab.client().exec("kdig", &[at, "signed.example", "DNSKEY", "+short"]).success();
    let key = key.lines().next().unwrap();
    let anchors = format!(
        "  trust-anchor: \"signed.example. DNSKEY {key}\"\n  \
         trust-anchor: \"plain.example. DNSKEY {key}\"\n"
    );
    let stub = |name: &str| format!("stub-zone:\n  name: {name}\n  stub-addr: 10.99.2.30\n");
    let sections = stub("signed.example") + &stub("plain.example");
    let _unbound = Unbound::start(&lab.resolver(), 53, &anchors, &sections);
    let ask = |args: &[&str]| kdig(&lab.client(), &[&["@10.99.2.53"], args].concat());
    assert_eq!(ask(&["www.signed.example"]), ("NOERROR".into(), "10.99.2.10".into()));
    // Its trust anchor has a key, the zone has none: bogus, unless checking is disabled.
    assert_eq!(ask(&["www.plain.example"]).0, "SERVFAIL");
    assert_eq!(ask(&["+cdflag", "www.plain.example"]).1, "10.99.2.10");
}
