//! Each firewall rule gives the errno that the kernel documents, wherever it sits.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use whydown_lab::{Answer, Behaviour, Capture, Hook, Lab, Peer, Reject, Rule};

use crate::witness::{connect_errno, is_silent, verdict};

/// TRUTH: what `connect()` says to each "no".
fn errno(how: Reject) -> i32 {
    match how {
        Reject::TcpReset | Reject::PortUnreachable | Reject::V6PortUnreachable => {
            libc::ECONNREFUSED
        }
        Reject::NetUnreachable | Reject::NetProhibited | Reject::V6NoRoute => libc::ENETUNREACH,
        Reject::HostUnreachable
        | Reject::HostProhibited
        | Reject::AdminProhibited
        | Reject::V6AddressUnreachable => libc::EHOSTUNREACH,
        Reject::ProtocolUnreachable => libc::ENOPROTOOPT,
        Reject::V6AdminProhibited | Reject::V6PolicyFail | Reject::V6RejectRoute => libc::EACCES,
    }
}

#[test]
fn every_reject_gives_its_errno_within_one_round_trip_from_server_and_routers() {
    let lab = Lab::builder().small().build();
    let client = lab.client();
    let places = [
        (lab.server(), Hook::Input),
        (lab.server(), Hook::Prerouting),
        (lab.r2(), Hook::Forward),
        (lab.r1(), Hook::Forward),
        (lab.r1(), Hook::Prerouting),
    ];
    let _peer = Peer::start(&lab.server(), 80, Behaviour::NeverAnswer);
    for (host, hook) in places {
        for how in Reject::ALL {
            host.rule(Rule::Reject(hook, 80, how));
            for to in lab.server().both(80) {
                let start = Instant::now();
                let expected = if how.concerns(to) { errno(how) } else { 0 };
                let place = host.name();
                assert_eq!(connect_errno(&client, to), expected, "{how:?} {hook:?} {place} {to}");
                assert!(start.elapsed() < Duration::from_millis(800), "{how:?} {hook:?} {place}");
            }
            host.forget_rules();
        }
    }
}

#[test]
fn the_clients_own_rules_reject_and_drop_what_it_sends() {
    let lab = Lab::builder().small().build();
    let client = lab.client();
    let _peer = Peer::start(&lab.server(), 80, Behaviour::NeverAnswer);
    let [v4, v6] = lab.server().both(80);
    client.rule(Rule::Reject(Hook::Output, 80, Reject::TcpReset));
    assert_eq!([v4, v6].map(|to| connect_errno(&client, to)), [libc::ECONNREFUSED; 2]);
    client.forget_rules();
    client.rule(Rule::Drop(Hook::Output, 80));
    assert_eq!([v4, v6].map(|to| is_silent(&client, to)), [true; 2]);
    client.forget_rules();
    assert_eq!([v4, v6].map(|to| connect_errno(&client, to)), [0; 2]);
}

#[test]
fn a_drop_anywhere_is_silence_and_so_is_a_dropped_reply() {
    let lab = Lab::builder().small().build();
    let client = lab.client();
    let _peer = Peer::start(&lab.server(), 80, Behaviour::NeverAnswer);
    let rules = [
        (lab.server(), Rule::Drop(Hook::Input, 80)),
        (lab.r2(), Rule::Drop(Hook::Forward, 80)),
        (lab.r1(), Rule::Drop(Hook::Prerouting, 80)),
        (lab.server(), Rule::DropReplies(Hook::Output, 80)),
        (lab.r1(), Rule::DropReplies(Hook::Forward, 80)),
        (client.clone(), Rule::DropReplies(Hook::Input, 80)),
        (lab.server(), Rule::DropNew(Hook::Input, 80)),
        (lab.r2(), Rule::DropAll(Hook::Forward)),
    ];
    for (host, rule) in rules {
        host.rule(rule);
        let [v4, _] = lab.server().both(80);
        assert!(is_silent(&client, v4), "{rule:?} on {}", host.name());
        host.forget_rules();
    }
    assert_eq!(lab.server().both(80).map(|to| connect_errno(&client, to)), [0; 2]);
    lab.server().rule(Rule::DropPing(Hook::Input));
    for to in ["10.99.2.10", "fd99:2::10"] {
        assert_eq!(client.exec("ping", &["-c1", "-W1", to]).code, Some(1));
    }
    assert_eq!(lab.server().both(80).map(|to| connect_errno(&client, to)), [0; 2]);
}

#[test]
fn a_port_sent_on_to_the_backend_is_served_and_refused_by_it() {
    let lab = Lab::new();
    let client = lab.client();
    let targets = lab.server().both(8080);
    for to in lab.backend().both(80) {
        lab.server().rule(Rule::SendTo(8080, to));
    }
    assert_eq!(targets.map(|to| connect_errno(&client, to)), [libc::ECONNREFUSED; 2]);
    let _peer = Peer::start(&lab.backend(), 80, Behaviour::Http(Answer::new(203)));
    for to in targets {
        let url = format!("http://{to}/");
        assert_eq!(verdict(&client, &[&url]), (0, "203".into()), "{url}");
    }
}

#[test]
fn a_path_mtu_black_hole_lets_small_answers_through_and_stalls_large_ones() {
    let lab = Lab::builder().small().build();
    let large = Behaviour::Http(Answer::new(200).body(vec![b'.'; 20_000]));
    let _small = Peer::start(&lab.server(), 80, Behaviour::Http(Answer::new(200).body("small")));
    let _large = Peer::start(&lab.server(), 81, large);
    lab.r2().rule(Rule::DropLongerThan(Hook::Forward, 1300));
    let client = lab.client();
    for (port, expected) in [(80, (0, "200")), (81, (28, "000"))] {
        for to in lab.server().both(port) {
            let (code, status) = verdict(&client, &["-m", "1", &format!("http://{to}/")]);
            assert_eq!((code, status.as_str()), expected, "{to}");
        }
    }
    // With smaller segments the same answer gets through.
    lab.server().ip("route replace default via 10.99.2.1 advmss 500");
    client.ip("route replace default via 10.99.1.1 advmss 500");
    let url = format!("http://{}/", SocketAddr::from((lab.server().v4(), 81)));
    assert_eq!(verdict(&client, &[&url]), (0, "200".into()));
}

#[test]
fn kept_rate_limits_delay_the_seventh_rejected_connection() {
    let lab = Lab::builder().small().keep_rate_limits().build();
    lab.server().rule(Rule::Reject(Hook::Input, 80, Reject::AdminProhibited));
    let [to, _] = lab.server().both(80);
    let seen: Vec<i32> = (0..8).map(|_| connect_errno(&lab.client(), to)).collect();
    assert_eq!(seen[..6], [libc::EHOSTUNREACH; 6], "{seen:?}");
    assert!(seen[6..].contains(&libc::ETIMEDOUT), "{seen:?}");
}

/// TRUTH: the TTL with which the "no" arrives tells who said it.
#[test]
fn the_ttl_of_a_reset_tells_how_far_away_its_sender_is() {
    let lab = Lab::new();
    let client = lab.client();
    let [to, _] = lab.server().both(80);
    let capture = Capture::start(&client, "tcp[tcpflags] & tcp-rst != 0");
    let reset_ttl = |count: usize| {
        assert_eq!(connect_errno(&client, to), libc::ECONNREFUSED);
        let packets = capture.wait_for(count, Duration::from_secs(5));
        let packet = packets.last().expect("a packet").clone();
        let ttl = packet.split_once("ttl ").and_then(|(_, rest)| rest.split(',').next());
        ttl.and_then(|ttl| ttl.parse::<u8>().ok()).expect("a TTL")
    };
    assert_eq!(reset_ttl(1), 62, "the server's own");
    lab.server().rule(Rule::SendTo(80, lab.backend().both(8080)[0]));
    assert_eq!(reset_ttl(2), 61, "the backend's behind the server");
    for (count, router, ttl) in [(3, lab.r2(), 63), (4, lab.r1(), 64)] {
        router.rule(Rule::Reject(Hook::Forward, 80, Reject::TcpReset));
        assert_eq!(reset_ttl(count), ttl, "of {}", router.name());
    }
}

#[test]
fn an_icmp_no_comes_from_where_the_rule_is() {
    let lab = Lab::builder().small().build();
    let capture = Capture::start(&lab.client(), "icmp or (icmp6 and icmp6[0] == 1)");
    let places =
        [(lab.server(), Hook::Input), (lab.r2(), Hook::Forward), (lab.r1(), Hook::Forward)];
    for (count, (host, hook)) in (1..).zip(places) {
        host.rule(Rule::Reject(hook, 80, Reject::AdminProhibited));
        host.rule(Rule::Reject(hook, 80, Reject::V6AdminProhibited));
        let seen = lab.server().both(80).map(|to| connect_errno(&lab.client(), to));
        assert_eq!(seen, [libc::EHOSTUNREACH, libc::EACCES]);
        let packets = capture.wait_for(2 * count, Duration::from_secs(5));
        for sender in [host.v4().to_string(), host.v6().to_string()] {
            let sent = packets.iter().any(|packet| packet.contains(&format!("{sender} > ")));
            assert!(sent, "{sender}: {packets:#?}");
        }
    }
}
