//! What a connect sees, and what the kernel knows about it.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use whydown_core::failure::Failure;
use whydown_core::observation::{State, Step};
use whydown_lab::{Answer, Behaviour, Hook, Host, Lab, Listen, Peer, Reject, Route, Rule};

use crate::looking::{SHORT, at, monitor, see};

#[test]
fn a_port_where_nothing_listens_is_refused_by_a_reset_without_icmp() {
    let lab = Lab::builder().small().build();
    let (client, server) = (lab.client(), lab.server());
    for to in server.both(8_444) {
        let seen = see(&client, &monitor(&format!("tcp://{to}")));
        assert_eq!((seen.state, seen.failure), (State::Down, Some(Failure::TcpRefused)));
        let attempt = &seen.attempts[0];
        assert_eq!((attempt.ip, attempt.port, attempt.step), (to.ip(), 8_444, Step::Connect));
        assert_eq!((attempt.errno, attempt.icmp), (Some(libc::ECONNREFUSED), None));
        assert!(attempt.elapsed >= Duration::from_millis(10), "{:?}", attempt.elapsed);
        assert!(attempt.local.is_some_and(|local| local.port() != 0), "{attempt:?}");
    }
}

#[test]
fn every_kind_of_reject_is_told_by_errno_and_by_the_icmp_packet_with_its_sender() {
    use Failure::{
        TcpHostUnreachable, TcpNetworkUnreachable, TcpNotPermitted, TcpProtocolUnreachable,
        TcpRefused,
    };
    let lab = Lab::builder().small().build();
    let (client, server) = (lab.client(), lab.server());
    let expected = [
        (Reject::TcpReset, TcpRefused, None),
        (Reject::NetUnreachable, TcpNetworkUnreachable, Some((3, 0))),
        (Reject::HostUnreachable, TcpHostUnreachable, Some((3, 1))),
        (Reject::ProtocolUnreachable, TcpProtocolUnreachable, Some((3, 2))),
        (Reject::PortUnreachable, TcpRefused, Some((3, 3))),
        (Reject::NetProhibited, TcpNetworkUnreachable, Some((3, 9))),
        (Reject::HostProhibited, TcpHostUnreachable, Some((3, 10))),
        (Reject::AdminProhibited, TcpHostUnreachable, Some((3, 13))),
        (Reject::V6NoRoute, TcpNetworkUnreachable, Some((1, 0))),
        (Reject::V6AdminProhibited, TcpNotPermitted, Some((1, 1))),
        (Reject::V6AddressUnreachable, TcpHostUnreachable, Some((1, 3))),
        (Reject::V6PortUnreachable, TcpRefused, Some((1, 4))),
        (Reject::V6PolicyFail, TcpNotPermitted, Some((1, 5))),
        (Reject::V6RejectRoute, TcpNotPermitted, Some((1, 6))),
    ];
    let places = [(server.clone(), Hook::Input, 62), (lab.r1(), Hook::Forward, 64)];
    for (place, hook, ttl) in places {
        for (reject, failure, icmp) in expected {
            place.rule(Rule::Reject(hook, 8_445, reject));
            for to in server.both(8_445).into_iter().filter(|to| reject.concerns(*to)) {
                let seen = see(&client, &monitor(&format!("tcp://{to}")));
                let attempt = &seen.attempts[0];
                let got = attempt.icmp.map(|icmp| (icmp.kind, icmp.code));
                let case = format!("{reject:?} at {} for {to}: {attempt:?}", place.name());
                assert_eq!((seen.failure, got), (Some(failure), icmp), "{case}");
                if let Some(icmp) = attempt.icmp {
                    let v4 = IpAddr::V4(place.v4());
                    let sender = if to.is_ipv4() { v4 } else { place.v6().into() };
                    assert_eq!((icmp.sender, icmp.ttl), (Some(sender), Some(ttl)), "{case}");
                }
            }
            place.forget_rules();
        }
    }
}

#[test]
fn silence_is_a_timeout_with_retransmissions_and_without_an_error_number() {
    let lab = Lab::builder().small().build();
    lab.server().rule(Rule::Drop(Hook::Input, 8_446));
    let mut monitor = monitor("tcp://10.99.2.10:8446");
    monitor.timeout = Duration::from_millis(1_300);
    let seen = see(&lab.client(), &monitor);
    assert_eq!((seen.state, seen.failure), (State::Down, Some(Failure::TcpTimedOut)));
    let attempt = &seen.attempts[0];
    assert_eq!((attempt.step, attempt.errno), (Step::Connect, None));
    assert!(attempt.tcp.is_some_and(|tcp| tcp.retransmits >= 1), "{attempt:?}");
    assert!(attempt.elapsed >= monitor.timeout - Duration::from_millis(50));
}

#[test]
fn own_routes_that_lead_nowhere_fail_at_once_and_without_a_packet() {
    let lab = Lab::builder().small().build();
    let client = lab.client();
    for (route, failure, errno) in [
        (Route::Blackhole, Failure::TcpNetworkUnreachable, libc::EINVAL),
        (Route::Unreachable, Failure::TcpHostUnreachable, libc::EHOSTUNREACH),
        (Route::Prohibit, Failure::TcpNotPermitted, libc::EACCES),
        (Route::Throw, Failure::TcpNetworkUnreachable, libc::ENETUNREACH),
    ] {
        for to in lab.server().both(80) {
            client.add_route(route, to.ip());
            let seen = see(&client, &monitor(&format!("tcp://{to}")));
            client.remove_route(route, to.ip());
            let attempt = &seen.attempts[0];
            let case = format!("{route:?} {to}: {attempt:?}");
            assert_eq!((seen.failure, attempt.errno), (Some(failure), Some(errno)), "{case}");
            assert_eq!(attempt.icmp, None, "{case}");
        }
    }
}

#[test]
fn a_host_that_is_off_is_told_by_its_last_router() {
    let lab = Lab::builder().small().build();
    lab.server().link_down();
    let mut monitor = monitor("tcp://10.99.2.10:80");
    monitor.timeout = Duration::from_secs(6);
    let seen = see(&lab.client(), &monitor);
    assert_eq!(seen.failure, Some(Failure::TcpHostUnreachable));
    let icmp = seen.attempts[0].icmp.unwrap();
    assert_eq!((icmp.kind, icmp.code), (3, 1));
    assert_eq!((icmp.sender, icmp.ttl), (Some("10.99.3.2".parse().unwrap()), Some(63)));
}

#[test]
fn a_firewall_of_our_own_that_rejects_shows_our_own_address() {
    let lab = Lab::builder().small().build();
    let client = lab.client();
    client.rule(Rule::Reject(Hook::Output, 8_447, Reject::AdminProhibited));
    let seen = see(&client, &monitor("tcp://10.99.2.10:8447"));
    assert_eq!(seen.failure, Some(Failure::TcpHostUnreachable));
    let attempt = &seen.attempts[0];
    assert_eq!(attempt.icmp.unwrap().sender, Some(IpAddr::V4(client.v4())), "{attempt:?}");
    assert!(attempt.elapsed < Duration::from_millis(500), "a soft error must not delay the answer");
}

#[test]
fn an_answer_without_any_delay_is_seen_at_once() {
    // On the server itself the ICMP packet comes back while connect() still holds the socket.
    let lab = Lab::builder().small().build();
    let server = lab.server();
    server.rule(Rule::Reject(Hook::Input, 8_448, Reject::PortUnreachable));
    let seen = see(&server, &monitor("tcp://10.99.2.10:8448"));
    let attempt = &seen.attempts[0];
    assert_eq!(seen.failure, Some(Failure::TcpRefused), "{attempt:?}");
    assert!(attempt.icmp.is_some() && attempt.elapsed < Duration::from_millis(500), "{attempt:?}");
}

#[test]
fn with_a_pooled_connection_still_open_and_the_listener_gone_whydown_says_refused() {
    let machine = Host::machine();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let to: SocketAddr = listener.local_addr().unwrap();
    let serve = |stream: &mut std::net::TcpStream| {
        let mut buffer = [0; 4_096];
        let length = stream.read(&mut buffer).unwrap();
        assert!(length > 0);
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").unwrap();
    };
    let pooled = std::thread::scope(|scope| {
        let server = scope.spawn(|| listener.accept().unwrap().0);
        let pooled =
            socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        pooled.connect(&to.into()).unwrap();
        (std::net::TcpStream::from(pooled), server.join().unwrap())
    });
    let (mut client, mut server) = pooled;
    drop(listener);
    let seen = see(&machine, &monitor(&format!("http://{to}/")));
    assert_eq!((seen.state, seen.failure), (State::Down, Some(Failure::TcpRefused)));
    // The pooled connection goes on working: whoever uses it sees nothing wrong.
    client.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    serve(&mut server);
    let mut answer = [0; 15];
    client.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200 OK");
}

#[test]
fn every_address_is_checked_on_its_own_and_one_family_failing_degrades() {
    let lab = Lab::builder().small().build();
    let (client, server) = (lab.client(), lab.server());
    client.hosts("10.99.2.10 shop.lab\nfd99:2::10 shop.lab\n");
    let only_v4 = Listen::Only(server.both(80)[0]);
    let _peer = Peer::start(&server, only_v4, Behaviour::Http(Answer::new(200)));
    let seen = see(&client, &monitor("http://shop.lab/"));
    assert_eq!((seen.state, seen.failure), (State::Degraded, Some(Failure::TcpRefused)));
    assert_eq!(at(&seen, server.v4()).failure, None);
    assert_eq!(at(&seen, server.v6()).failure, Some(Failure::TcpRefused));
}

#[test]
fn a_family_that_this_machine_has_no_route_for_does_not_count() {
    let lab = Lab::builder().small().build();
    let (client, server) = (lab.client(), lab.server());
    client.hosts("10.99.2.10 shop.lab\nfd99:2::10 shop.lab\n");
    client.ip("route del ::/0");
    let _peer = Peer::start(&server, 80, Behaviour::Http(Answer::new(200)));
    let seen = see(&client, &monitor("http://shop.lab/"));
    assert_eq!((seen.state, seen.failure), (State::Up, None), "{seen:#?}");
    assert_eq!(seen.attempts.len(), 1);
    assert_eq!(seen.lookup.unwrap().addresses.len(), 2, "the address is still known");
    // With nothing else to try it is the failure.
    let seen = see(&client, &monitor("http://[fd99:2::10]/"));
    assert_eq!((seen.state, seen.failure), (State::Down, Some(Failure::TcpNetworkUnreachable)));
}

#[test]
fn an_accept_queue_that_is_full_is_silence_to_newcomers() {
    let lab = Lab::builder().small().build();
    let server = lab.server();
    let peer = Peer::start(&server, 0, Behaviour::BacklogFull);
    let mut monitor = monitor(&format!("tcp://10.99.2.10:{}", peer.port()));
    monitor.timeout = SHORT;
    assert_eq!(see(&lab.client(), &monitor).failure, Some(Failure::TcpTimedOut));
}
