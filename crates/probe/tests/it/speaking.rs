//! HTTP and the services that are known by their first words.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use whydown_core::failure::Failure;
use whydown_core::observation::{State, Step};
use whydown_lab::{
    Answer, Behaviour, Ca, Flavour, Hook, Host, Lab, Nginx, Peer, Proxy, Route, Rule,
};
use whydown_probe::observe::{ProxyChoice, Settings};

use crate::looking::{SHORT, failure, monitor, see, see_with, trusting};

fn url(peer: &Peer) -> String {
    format!("http://127.0.0.1:{}/", peer.port())
}

/// A server on loopback that answers each connection with fixed bytes once it has read something.
fn answering(answers: Vec<Vec<u8>>) -> (SocketAddr, std::thread::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let work = move || {
        let mut requests = Vec::new();
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut buffer = [0; 16_384];
            let length = stream.read(&mut buffer).unwrap_or(0);
            requests.push(String::from_utf8_lossy(&buffer[..length]).into_owned());
            let _ = stream.write_all(&answer);
        }
        requests
    };
    (address, std::thread::spawn(work))
}

#[test]
fn a_good_answer_is_up_with_every_phase_timed() {
    let peer = Peer::start(
        &Host::machine(),
        0,
        Behaviour::Http(
            Answer::new(200).header("Server", "lab").header("X-Secret", "s").body("hello"),
        ),
    );
    let seen = see(&Host::machine(), &monitor(&url(&peer)));
    assert_eq!((seen.state, seen.failure), (State::Up, None), "{seen:#?}");
    let attempt = &seen.attempts[0];
    assert_eq!(attempt.step, Step::Done);
    let timing = attempt.timing;
    assert!(timing.connect.is_some() && timing.first_byte.is_some() && timing.body.is_some());
    let http = attempt.http.as_ref().unwrap();
    assert_eq!((http.status, http.body_bytes, http.content_length), (200, 5, Some(5)));
    assert_eq!(http.version, "HTTP/1.1");
    assert_eq!(http.headers.get("server").map(String::as_str), Some("lab"));
    assert_eq!(http.headers.get("x-secret"), None, "only headers of the allow-list are kept");
}

#[test]
fn every_way_to_break_an_answer_has_its_own_failure() {
    let machine = Host::machine();
    for (behaviour, expected) in [
        (Behaviour::Reset, Failure::HttpReset),
        (Behaviour::CloseAfterRequest, Failure::HttpEmptyReply),
        (Behaviour::ResetAfterRequest, Failure::HttpReset),
        (Behaviour::CloseMidBody, Failure::HttpClosedEarly),
        (Behaviour::ResetMidBody, Failure::HttpReset),
        (Behaviour::Banner(b"SSH-2.0-OpenSSH_9.2p1\r\n".to_vec()), Failure::HttpNotHttp),
        (Behaviour::Banner(b"\x00\x01garbage\n".to_vec()), Failure::HttpNotHttp),
        (Behaviour::Banner(b"\x15\x03\x01\x00\x02\x02\x46".to_vec()), Failure::HttpSpokenToTls),
        (Behaviour::Http(Answer::new(502).body("<h1>Bad Gateway</h1>")), Failure::HttpStatus),
        (Behaviour::RedirectLoop, Failure::HttpTooManyRedirects),
    ] {
        let peer = Peer::start(&machine, 0, behaviour.clone());
        let seen = see(&machine, &monitor(&url(&peer)));
        assert_eq!(seen.failure, Some(expected), "{behaviour:?} {:#?}", seen.attempts);
        assert_eq!(seen.state, State::Down, "{behaviour:?}");
    }
}

#[test]
fn an_answer_that_does_not_come_or_does_not_end_is_a_timeout_at_its_step() {
    let machine = Host::machine();
    for (behaviour, step) in [
        (Behaviour::NeverAnswer, Step::FirstByte),
        (Behaviour::NeverAccept, Step::FirstByte),
        (Behaviour::SlowDrip(Duration::from_millis(50)), Step::Body),
    ] {
        let peer = Peer::start(&machine, 0, behaviour.clone());
        let mut monitor = monitor(&url(&peer));
        monitor.timeout = SHORT;
        let seen = see(&machine, &monitor);
        assert_eq!(seen.failure, Some(Failure::HttpTimedOut), "{behaviour:?}");
        assert_eq!(seen.attempts[0].step, step, "{behaviour:?} {:#?}", seen.attempts);
    }
}

#[test]
fn plain_http_to_a_real_tls_port_is_recognised_by_its_answer() {
    let (machine, ca) = (Host::machine(), Ca::new());
    let identity = ca.identity(Flavour::Good, &["127.0.0.1"]);
    let peer = Peer::start_tls(&machine, 0, Behaviour::NeverAnswer, &identity);
    assert_eq!(failure(&machine, &url(&peer)), Some(Failure::HttpSpokenToTls));
    let port = machine.free_port();
    let config = format!(
        "server {{ listen {port} ssl; ssl_certificate {}; ssl_certificate_key {}; }}",
        identity.chain.display(),
        identity.key.display()
    );
    let _nginx = Nginx::start(&machine, &config);
    let plain = format!("http://127.0.0.1:{port}/");
    assert_eq!(failure(&machine, &plain), Some(Failure::HttpSpokenToTls));
}

#[test]
fn http_2_is_spoken_where_the_server_offers_it() {
    let (machine, ca) = (Host::machine(), Ca::new());
    let identity = ca.identity(Flavour::Good, &["127.0.0.1"]);
    let port = machine.free_port();
    let config = format!(
        "server {{ listen {port} ssl http2; ssl_certificate {}; ssl_certificate_key {}; \
         location / {{ return 200 hello; }} location /teapot {{ return 418 short; }} }}",
        identity.chain.display(),
        identity.key.display()
    );
    let _nginx = Nginx::start(&machine, &config);
    let mut wanted = monitor(&format!("https://127.0.0.1:{port}/"));
    wanted.expect.contains = vec!["hello".to_owned()];
    let seen = see_with(&machine, &wanted, &trusting(&ca));
    assert_eq!(seen.failure, None, "{seen:#?}");
    assert_eq!(seen.attempts[0].http.as_ref().unwrap().version, "HTTP/2");
    let teapot = monitor(&format!("https://127.0.0.1:{port}/teapot"));
    let seen = see_with(&machine, &teapot, &trusting(&ca));
    assert_eq!(seen.failure, Some(Failure::HttpStatus));
    let http = seen.attempts[0].http.as_ref().unwrap();
    assert_eq!((http.status, http.excerpt.as_deref()), (418, Some("short")));
}

#[test]
fn a_body_is_read_up_to_its_limit_and_no_further() {
    let machine = Host::machine();
    let peer = Peer::start(&machine, 0, Behaviour::HugeBody(1 << 34));
    let mut monitor = monitor(&url(&peer));
    monitor.request.body_max_bytes = 100_000;
    let seen = see(&machine, &monitor);
    assert_eq!(seen.failure, None, "{seen:#?}");
    let read = seen.attempts[0].http.as_ref().unwrap().body_bytes;
    assert!((100_000..1_000_000).contains(&read), "{read}");
}

#[test]
fn redirects_are_followed_to_their_end_with_fresh_connections() {
    let machine = Host::machine();
    let end = Peer::start(&machine, 0, Behaviour::Http(Answer::new(200).body("the end")));
    let to_end = Answer::new(302).header("Location", &format!("{}?token=secret", url(&end)));
    let middle = Peer::start(&machine, 0, Behaviour::Http(to_end));
    let to_middle = Answer::new(301).header("Location", &url(&middle));
    let start = Peer::start(&machine, 0, Behaviour::Http(to_middle));
    let mut monitor = monitor(&url(&start));
    monitor.expect.contains = vec!["the end".to_owned()];
    let seen = see(&machine, &monitor);
    assert_eq!(seen.failure, None, "{seen:#?}");
    let http = seen.attempts[0].http.as_ref().unwrap();
    assert_eq!(http.redirects, [url(&middle), format!("{}?***", url(&end))]);
    assert_eq!((start.accepted(), middle.accepted(), end.accepted()), (1, 1, 1));

    monitor.request.redirects = 1;
    assert_eq!(see(&machine, &monitor).failure, Some(Failure::HttpTooManyRedirects));
    monitor.request.redirects = 0;
    monitor.expect.contains.clear();
    let seen = see(&machine, &monitor);
    assert_eq!((seen.failure, seen.attempts[0].http.as_ref().unwrap().status), (None, 301));
}

#[test]
fn what_fails_behind_a_redirect_is_the_targets_failure() {
    let machine = Host::machine();
    let dead = machine.free_port();
    let away = Answer::new(302).header("Location", &format!("http://127.0.0.1:{dead}/"));
    let peer = Peer::start(&machine, 0, Behaviour::Http(away));
    let seen = see(&machine, &monitor(&format!("http://localhost:{}/", peer.port())));
    assert_eq!((seen.state, seen.failure), (State::Down, Some(Failure::TcpRefused)), "{seen:#?}");
    let attempt = &seen.attempts[0];
    assert_eq!(attempt.port, dead);
    assert!(attempt.detail.as_ref().unwrap().contains("after a redirect to"), "{attempt:?}");
}

#[test]
fn a_monitors_headers_go_to_its_own_origin_and_nowhere_else() {
    let ok = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec();
    let (second, second_saw) = answering(vec![ok]);
    let away =
        format!("HTTP/1.1 307 T\r\nLocation: http://{second}/x\r\nContent-Length: 0\r\n\r\n");
    let (first, first_saw) = answering(vec![away.into_bytes()]);
    let mut monitor = monitor(&format!("http://{first}/"));
    monitor.request.method = "POST".to_owned();
    monitor.request.body = Some("body".to_owned());
    monitor.request.headers = BTreeMap::from([("X-Api-Key".to_owned(), "secret".to_owned())]);
    assert_eq!(see(&Host::machine(), &monitor).failure, None);
    let first = first_saw.join().unwrap().remove(0).to_ascii_lowercase();
    assert!(first.contains("x-api-key: secret") && first.contains("user-agent: whydown/0.1"));
    assert!(first.starts_with("post / http/1.1") && first.ends_with("body"), "{first}");
    let second = second_saw.join().unwrap().remove(0).to_ascii_lowercase();
    assert!(second.starts_with("post /x ") && !second.contains("secret"), "{second}");
}

#[test]
fn services_are_known_by_their_first_words() {
    let machine = Host::machine();
    for (scheme, greeting) in [
        ("ssh", &b"SSH-2.0-OpenSSH_9.2p1\r\n"[..]),
        ("smtp", b"220 mail.example.com ESMTP\r\n"),
        ("imap", b"* OK IMAP4rev1 ready\r\n"),
        ("pop3", b"+OK ready\r\n"),
        ("ftp", b"220 ready\r\n"),
        ("mysql", b"\x4a\x00\x00\x00\x0a8.0.36\x00"),
        ("postgres", b"S"),
        ("redis", b"+PONG\r\n"),
        ("minecraft", b"\x10\x00\x0e{\"version\":{}}"),
    ] {
        let peer = Peer::start(&machine, 0, Behaviour::Banner(greeting.to_vec()));
        let target = format!("{scheme}://127.0.0.1:{}", peer.port());
        let seen = see(&machine, &monitor(&target));
        assert_eq!(seen.failure, None, "{scheme}: {seen:#?}");
        assert!(seen.attempts[0].banner.is_some(), "{scheme}");
        let other = if scheme == "ssh" { "smtp" } else { "ssh" };
        let target = format!("{other}://127.0.0.1:{}", peer.port());
        let mut wrong = monitor(&target);
        wrong.timeout = SHORT;
        assert_eq!(see(&machine, &wrong).failure, Some(Failure::BannerUnexpected), "{scheme}");
    }
}

#[test]
fn a_service_that_says_nothing_is_told_by_how_it_does_so() {
    let machine = Host::machine();
    for (behaviour, expected, words) in [
        (Behaviour::Close, Failure::BannerUnexpected, "without a word"),
        (Behaviour::Reset, Failure::TcpReset, "reset"),
        (Behaviour::NeverAnswer, Failure::BannerUnexpected, "nothing within 600 ms"),
    ] {
        let peer = Peer::start(&machine, 0, behaviour.clone());
        let mut monitor = monitor(&format!("smtp://127.0.0.1:{}", peer.port()));
        monitor.timeout = SHORT;
        let seen = see(&machine, &monitor);
        let attempt = &seen.attempts[0];
        assert_eq!(
            (seen.failure, attempt.step),
            (Some(expected), Step::FirstByte),
            "{behaviour:?}"
        );
        assert!(attempt.detail.as_ref().unwrap().contains(words), "{attempt:?}");
    }
}

#[test]
fn a_connection_that_is_accepted_and_thrown_out_is_no_success() {
    const CHECKS: usize = 20;
    let machine = Host::machine();
    // Unlike the lab's peers, this one resets at once, often before the client has looked.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = listener.local_addr().unwrap();
    let guard = std::thread::spawn(move || {
        for _ in 0..3 * CHECKS {
            let (stream, _) = listener.accept().unwrap();
            socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
        }
    });
    let mut thrown_out = 0;
    for _ in 0..CHECKS {
        let seen = see(&machine, &monitor(&format!("tcp://{to}")));
        let attempt = &seen.attempts[0];
        assert!(attempt.connected() && seen.elapsed >= attempt.elapsed, "{attempt:?}");
        // The server may take its time; what it does is never mistaken for a failed connect.
        if seen.failure.is_some() {
            assert_eq!(seen.failure, Some(Failure::TcpReset), "{attempt:?}");
            assert_eq!(attempt.step, Step::FirstByte, "{attempt:?}");
            thrown_out += 1;
        }
        let secure = see(&machine, &monitor(&format!("https://{to}/")));
        assert_eq!(secure.failure, Some(Failure::TlsReset), "{secure:#?}");
        let web = see(&machine, &monitor(&format!("http://{to}/")));
        assert_eq!(web.failure, Some(Failure::HttpReset), "{web:#?}");
    }
    assert!(thrown_out > 0, "{CHECKS} times up");
    guard.join().unwrap();
}

#[test]
fn the_wait_for_a_reset_is_no_part_of_how_long_a_port_takes() {
    let machine = Host::machine();
    let peer = Peer::start(&machine, 0, Behaviour::NeverAnswer);
    let mut monitor = monitor(&format!("tcp://127.0.0.1:{}", peer.port()));
    monitor.expect.latency = Some(Duration::from_millis(90));
    let seen = see(&machine, &monitor);
    assert_eq!(seen.failure, None, "{seen:#?}");
    assert!(seen.elapsed < Duration::from_millis(90), "{:?}", seen.elapsed);
}

#[test]
fn datagrams_are_answered_refused_or_met_with_silence() {
    let machine = Host::machine();
    let echo = Peer::start(&machine, 0, Behaviour::UdpEcho);
    let mut wanted = monitor(&format!("udp://127.0.0.1:{}", echo.port()));
    wanted.request.body = Some("ping".to_owned());
    wanted.expect.contains = vec!["ping".to_owned()];
    assert_eq!(see(&machine, &wanted).failure, None);

    let closed = monitor(&format!("udp://127.0.0.1:{}", machine.free_port()));
    let seen = see(&machine, &closed);
    assert_eq!(seen.failure, Some(Failure::UdpRefused), "{seen:#?}");
    assert_eq!(seen.attempts[0].icmp.map(|icmp| (icmp.kind, icmp.code)), Some((3, 3)));

    let silent = Peer::start(&machine, 0, Behaviour::UdpSilent);
    let mut silent = monitor(&format!("udp://127.0.0.1:{}", silent.port()));
    silent.timeout = SHORT;
    let seen = see(&machine, &silent);
    assert_eq!((seen.state, seen.failure), (State::Inconclusive, Some(Failure::UdpNoReply)));
    silent.request.body = Some("a question".to_owned());
    assert_eq!(see(&machine, &silent).state, State::Down);
}

#[test]
fn an_echo_request_is_answered_or_its_failure_told() {
    let lab = Lab::builder().small().build();
    let (client, server) = (lab.client(), lab.server());
    let ping = |timeout: Duration| {
        ["icmp://10.99.2.10", "icmp://[fd99:2::10]"].map(|target| {
            let mut monitor = monitor(target);
            monitor.timeout = timeout;
            see(&client, &monitor)
        })
    };
    // By a raw socket, then by the unprivileged kind.
    for range in ["1 0", "0 100"] {
        client.sysctl(&[("net.ipv4.ping_group_range", range)]);
        for seen in ping(crate::looking::TIMEOUT) {
            assert_eq!(seen.failure, None, "{range}: {seen:#?}");
            let timing = seen.attempts[0].timing.first_byte.unwrap();
            assert!(timing >= Duration::from_millis(10), "{timing:?}");
        }
        server.rule(Rule::DropPing(Hook::Input));
        for seen in ping(SHORT) {
            assert_eq!(seen.failure, Some(Failure::IcmpNoReply), "{range}");
        }
        server.forget_rules();
        for ip in ["10.99.2.10", "fd99:2::10"] {
            lab.r1().add_route(Route::Unreachable, ip);
        }
        for seen in ping(crate::looking::TIMEOUT) {
            // An IPv6 router says "no route" here.
            let v4 = seen.attempts[0].ip.is_ipv4();
            let expected =
                if v4 { Failure::TcpHostUnreachable } else { Failure::TcpNetworkUnreachable };
            assert_eq!(seen.failure, Some(expected), "{range}: {seen:#?}");
            assert!(seen.attempts[0].icmp.is_some(), "{range}: {seen:#?}");
        }
        for ip in ["10.99.2.10", "fd99:2::10"] {
            lab.r1().remove_route(Route::Unreachable, ip);
        }
    }
}

#[test]
fn a_forward_proxy_is_used_and_blamed_for_its_own_faults() {
    let machine = Host::machine();
    let ca = Ca::new();
    let identity = ca.identity(Flavour::Good, &["127.0.0.1"]);
    let plain = Peer::start(&machine, 0, Behaviour::Http(Answer::new(200).body("hello")));
    let hello = Behaviour::Http(Answer::new(200).body("hello"));
    let secure = Peer::start_tls(&machine, 0, hello, &identity);
    let targets = [url(&plain), format!("https://127.0.0.1:{}/", secure.port())];
    let through = |port: u16, target: &str| {
        let proxy = whydown_host::proxy::parse(&format!("http://u:p@127.0.0.1:{port}")).unwrap();
        let settings = Settings { proxy: ProxyChoice::Use(proxy), ..trusting(&ca) };
        let mut monitor = monitor(target);
        monitor.timeout = Duration::from_secs(1);
        see_with(&machine, &monitor, &settings)
    };
    let good = Peer::start(&machine, 0, Behaviour::Proxy(Proxy::Works));
    for target in &targets {
        let seen = through(good.port(), target);
        assert_eq!(seen.failure, None, "{target} {seen:#?}");
        assert_eq!(seen.proxy, Some(format!("127.0.0.1:{}", good.port())));
        assert_eq!(seen.lookup, None);
    }
    for (proxy, expected) in [
        (Proxy::Answers(407), [Failure::ProxyAuthRequired, Failure::ProxyAuthRequired]),
        (Proxy::Answers(403), [Failure::HttpStatus, Failure::ProxyTunnelFailed]),
        (Proxy::Closes, [Failure::ProxyClosed, Failure::ProxyClosed]),
        (Proxy::Silent, [Failure::ProxyTimedOut, Failure::ProxyTimedOut]),
    ] {
        let peer = Peer::start(&machine, 0, Behaviour::Proxy(proxy.clone()));
        for (target, failure) in targets.iter().zip(expected) {
            let seen = through(peer.port(), target);
            assert_eq!(seen.failure, Some(failure), "{proxy:?} {target} {:#?}", seen.attempts);
        }
    }
    let nobody = machine.free_port();
    for target in &targets {
        assert_eq!(through(nobody, target).failure, Some(Failure::ProxyRefused), "{target}");
    }
}

#[test]
fn greetings_inside_tls_are_heard_after_the_handshake() {
    let (machine, ca) = (Host::machine(), Ca::new());
    let identity = ca.identity(Flavour::Good, &["127.0.0.1"]);
    let greeting = Behaviour::Banner(b"* OK IMAP4rev1 ready\r\n".to_vec());
    let peer = Peer::start_tls(&machine, 0, greeting, &identity);
    let seen_as = |scheme: &str| {
        let mut monitor = monitor(&format!("{scheme}://127.0.0.1:{}", peer.port()));
        monitor.timeout = Duration::from_secs(1);
        see_with(&machine, &monitor, &trusting(&ca))
    };
    let seen = seen_as("imaps");
    assert_eq!(seen.failure, None, "{seen:#?}");
    assert_eq!(seen.attempts[0].tls.as_ref().unwrap().version.as_deref(), Some("TLSv1.3"));
    assert_eq!(seen_as("pop3s").failure, Some(Failure::BannerUnexpected));
    let plain = Peer::start(&machine, 0, Behaviour::Banner(b"* OK\r\n".to_vec()));
    let to_plain = monitor(&format!("imaps://127.0.0.1:{}", plain.port()));
    assert_eq!(see(&machine, &to_plain).failure, Some(Failure::TlsNotTls));
}
