//! From names to addresses, with each fault of DNS told apart.

use std::time::Duration;

use hickory_proto::op::ResponseCode;
use hickory_proto::rr::RecordType;
use whydown_core::evidence::NameServerRole;
use whydown_core::failure::Failure;
use whydown_core::observation::{LookupSource, State};
use whydown_lab::{Answer, Behaviour, Hook, Lab, Peer, Rule};
use whydown_probe::{examine, investigate};

use crate::looking::{failure, monitor, on, see};
use crate::names::{NameServer, SHOP, Say, address, alias, server};

/// A lab whose client asks the resolver `d`.
fn lab() -> Lab {
    let lab = Lab::new();
    lab.client().resolv_conf("nameserver 10.99.2.53\noptions timeout:1 attempts:1\n");
    lab
}

fn records(kind: RecordType, wanted: RecordType, record: hickory_proto::rr::Record) -> Say {
    Say::Records(if kind == wanted { vec![record] } else { Vec::new() })
}

#[test]
fn a_name_becomes_its_addresses_along_its_aliases() {
    let lab = lab();
    let _dns = NameServer::start(&lab.resolver(), |_, name, kind| match (name, kind) {
        ("www.shop.test", RecordType::A) => Say::Records(vec![
            alias("www.shop.test", "cdn.shop.test"),
            address("cdn.shop.test", SHOP),
            address("unrelated.test", "192.0.2.1".parse().unwrap()),
        ]),
        ("www.shop.test", RecordType::AAAA) => Say::Records(vec![
            alias("www.shop.test", "cdn.shop.test"),
            address("cdn.shop.test", "fd99:2::10".parse().unwrap()),
        ]),
        _ => Say::Code(ResponseCode::NXDomain),
    });
    let _peer = Peer::start(&lab.server(), 80, Behaviour::Http(Answer::new(200)));
    let seen = see(&lab.client(), &monitor("http://www.shop.test/"));
    assert_eq!((seen.state, seen.attempts.len()), (State::Up, 2), "{seen:#?}");
    let lookup = seen.lookup.unwrap();
    assert_eq!((lookup.source, lookup.rcode, lookup.ttl_s), (LookupSource::Dns, Some(0), Some(30)));
    assert_eq!(lookup.addresses.len(), 2, "records of other names are not believed");
    assert_eq!(lookup.cname, ["cdn.shop.test"]);
    assert_eq!(lookup.resolver, Some("10.99.2.53:53".parse().unwrap()));
}

#[test]
fn each_fault_of_dns_has_its_own_failure() {
    let lab = lab();
    let client = lab.client();
    {
        let _dns = NameServer::start(&lab.resolver(), |_, name, _| match name {
            "nodata.test" => Say::Records(Vec::new()),
            "broken.test" => Say::Code(ResponseCode::ServFail),
            "refused.test" => Say::Code(ResponseCode::Refused),
            "silent.test" => Say::Silence,
            _ => Say::Code(ResponseCode::NXDomain),
        });
        for (name, expected, rcode) in [
            ("missing.test", Failure::DnsNotFound, Some(3)),
            ("nodata.test", Failure::DnsNoAddress, Some(0)),
            ("broken.test", Failure::DnsServerFailure, Some(2)),
            ("refused.test", Failure::DnsRefused, Some(5)),
            ("silent.test", Failure::DnsTimedOut, None),
        ] {
            for target in [format!("http://{name}/"), format!("dns://{name}")] {
                let seen = see(&client, &monitor(&target));
                let lookup = seen.lookup.unwrap();
                assert_eq!((seen.state, seen.failure), (State::Down, Some(expected)), "{target}");
                assert_eq!(lookup.failure, Some(expected), "{target}");
                assert_eq!(lookup.rcode, rcode, "{target}");
            }
        }
    }
    // Nothing listens on the resolver's port any more.
    assert_eq!(failure(&client, "http://shop.test/"), Some(Failure::DnsUnreachable));
    client.resolv_conf("# nothing\n");
    assert_eq!(failure(&client, "http://shop.test/"), Some(Failure::DnsUnreachable));
}

#[test]
fn the_hosts_file_wins_and_the_search_list_is_walked_as_the_c_library_does() {
    let lab = lab();
    let client = lab.client();
    client.hosts("10.99.2.10 listed.test listed # comment\n");
    client.resolv_conf("nameserver 10.99.2.53\nsearch corp.test\noptions timeout:1 attempts:1\n");
    let _dns = NameServer::start(&lab.resolver(), |_, name, kind| match name {
        "shop.corp.test" | "two.parts.corp.test" => {
            records(kind, RecordType::A, address(name, SHOP))
        }
        "listed.test" => records(kind, RecordType::A, address(name, "192.0.2.1".parse().unwrap())),
        _ => Say::Code(ResponseCode::NXDomain),
    });
    let resolved = |target: &str| see(&client, &monitor(target)).lookup.unwrap();
    let listed = resolved("dns://listed.test");
    assert_eq!((listed.source, listed.addresses), (LookupSource::HostsFile, vec![SHOP]));
    assert_eq!(resolved("dns://shop").addresses, [SHOP]);
    assert_eq!(resolved("dns://two.parts").addresses, [SHOP]);
    assert_eq!(resolved("dns://three.parts").failure, Some(Failure::DnsNotFound));
}

#[test]
fn records_of_a_type_are_asked_for_and_shown() {
    let lab = lab();
    let _dns = NameServer::start(&lab.resolver(), |_, name, kind| match (name, kind) {
        ("shop.test", RecordType::NS) => Say::Records(vec![server("shop.test", "ns.shop.test")]),
        ("shop.test", _) => Say::Records(Vec::new()),
        _ => Say::Code(ResponseCode::NXDomain),
    });
    let client = lab.client();
    let seen = see(&client, &monitor("dns://shop.test?type=NS"));
    assert_eq!(
        (seen.state, seen.lookup.unwrap().records),
        (State::Up, vec!["ns.shop.test.".into()])
    );
    let mut wanted = monitor("dns://shop.test?type=NS");
    wanted.expect.contains = vec!["ns2.shop.test".to_owned()];
    assert_eq!(see(&client, &wanted).failure, Some(Failure::AssertionKeyword));
    assert_eq!(failure(&client, "dns://shop.test?type=MX"), Some(Failure::DnsNoAddress));
    assert_eq!(failure(&client, "dns://10.99.2.53"), None, "the name server itself answers");
}

#[test]
fn one_family_that_is_not_answered_does_not_hold_up_the_other() {
    let lab = lab();
    let _dns = NameServer::start(&lab.resolver(), |_, name, kind| match kind {
        RecordType::A => Say::Records(vec![address(name, SHOP)]),
        _ => Say::Silence,
    });
    let mut monitor = monitor("dns://shop.test");
    monitor.timeout = Duration::from_secs(8);
    let seen = see(&lab.client(), &monitor);
    assert_eq!(seen.lookup.unwrap().addresses, [SHOP]);
    assert!(seen.elapsed < Duration::from_millis(2_500), "{:?}", seen.elapsed);
}

#[test]
fn every_name_server_is_asked_what_it_says() {
    let lab = lab();
    let client = lab.client();
    client.resolv_conf(
        "nameserver 10.99.2.53\nnameserver 10.99.2.30\noptions timeout:1 attempts:1\n",
    );
    // The resolver fails unless it may skip validation; the zone's own server knows the name.
    let _resolver = NameServer::start(&lab.resolver(), |question, name, kind| match (name, kind) {
        ("shop.test", RecordType::NS) => Say::Records(vec![server("shop.test", "ns.shop.test")]),
        ("ns.shop.test", RecordType::A) => {
            Say::Records(vec![address(name, "10.99.2.20".parse().unwrap())])
        }
        ("www.shop.test", RecordType::A) if question.metadata.checking_disabled => {
            Say::Records(vec![address(name, SHOP)])
        }
        ("www.shop.test", RecordType::A | RecordType::AAAA) => Say::Code(ResponseCode::ServFail),
        _ => Say::Records(Vec::new()),
    });
    let _own = NameServer::start(&lab.backend(), |question, name, kind| {
        assert!(!question.metadata.recursion_desired);
        records(kind, RecordType::A, address(name, SHOP))
    });
    lab.neighbour().rule(Rule::Drop(Hook::Input, 53));
    let monitor = monitor("http://www.shop.test/");
    let seen = see(&client, &monitor);
    assert_eq!(seen.failure, Some(Failure::DnsServerFailure), "{seen:#?}");
    let settings = examine::Settings::default();
    let evidence = on(&client, investigate(&monitor, &[seen], &settings));
    let said = |ip: &str| {
        let ip: std::net::IpAddr = ip.parse().unwrap();
        evidence.name_servers.iter().find(|answer| answer.server.ip() == ip).unwrap()
    };
    let broken = said("10.99.2.53");
    assert_eq!(broken.role, NameServerRole::Configured);
    assert_eq!((broken.failure, broken.rcode), (Some(Failure::DnsServerFailure), Some(2)));
    assert!(broken.only_unvalidated);
    assert_eq!(said("10.99.2.30").failure, Some(Failure::DnsTimedOut));
    let own = said("10.99.2.20");
    assert_eq!((own.role, &own.addresses[..]), (NameServerRole::Authoritative, &[SHOP][..]));
}
