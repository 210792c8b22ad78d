//! Each misbehaviour gives curl's documented exit code.

use std::time::Duration;

use whydown_lab::{Answer, Behaviour, Host, Lab, Peer, Proxy, until};

use crate::witness::{connect_errno, curl, is_silent, url, verdict};

/// Behaviours, curl's exit code, and the HTTP status that it saw.
fn expectations() -> Vec<(Behaviour, i32, &'static str)> {
    let teapot = Answer::new(418).header("X-Lab", "1").body("short and stout");
    vec![
        (Behaviour::Reset, 56, "000"),
        (Behaviour::Close, 52, "000"),
        (Behaviour::ResetAfterRequest, 56, "000"),
        (Behaviour::CloseAfterRequest, 52, "000"),
        (Behaviour::ResetMidBody, 56, "200"),
        (Behaviour::CloseMidBody, 18, "200"),
        (Behaviour::NeverAnswer, 28, "000"),
        (Behaviour::NeverAccept, 28, "000"),
        (Behaviour::BacklogFull, 28, "000"),
        (Behaviour::Stopped, 28, "000"),
        (Behaviour::Banner(b"SSH-2.0-OpenSSH_9.2p1\r\n".to_vec()), 1, "000"),
        (Behaviour::Http(teapot), 0, "418"),
        (Behaviour::RedirectLoop, 47, "302"),
        (Behaviour::SlowDrip(Duration::from_millis(50)), 28, "200"),
        (Behaviour::HugeBody(3_000_000), 0, "200"),
    ]
}

#[test]
fn every_misbehaviour_gives_its_exit_code_of_curl_on_both_families() {
    let lab = Lab::builder().small().build();
    let client = lab.client();
    let mut peers = Vec::new();
    let mut cases = Vec::new();
    for (port, (behaviour, code, status)) in (8001..).zip(expectations()) {
        peers.push(Peer::start(&lab.server(), port, behaviour.clone()));
        for to in lab.server().both(port) {
            cases.push((behaviour.clone(), to, code, status));
        }
    }
    // Side by side, because half of them wait for curl's deadline.
    std::thread::scope(|scope| {
        for (behaviour, to, code, status) in cases {
            let client = client.clone();
            scope.spawn(move || {
                let seen = verdict(&client, &["-L", &url("http", to)]);
                assert_eq!(seen, (code, status.to_owned()), "{behaviour:?} at {to}");
            });
        }
    });
}

#[test]
fn a_full_backlog_is_one_and_a_listener_that_only_never_accepts_is_none() {
    let lab = Lab::builder().small().build();
    let _full = Peer::start(&lab.server(), 80, Behaviour::BacklogFull);
    let _room = Peer::start(&lab.server(), 81, Behaviour::NeverAccept);
    for (port, silent) in [(80, true), (81, false)] {
        let seen = lab.server().both(port).map(|to| is_silent(&lab.client(), to));
        assert_eq!(seen, [silent; 2], "port {port}");
    }
    let sockets = lab.server().exec("ss", &["-Hltn", "sport = :80"]).success();
    let mut fields = sockets.split_whitespace().skip(1);
    let (waiting, backlog): (u32, u32) =
        (fields.next().unwrap().parse().unwrap(), fields.next().unwrap().parse().unwrap());
    assert!(waiting > backlog, "{sockets}");
    let counters = lab.server().exec("nstat", &["-asz", "TcpExtListenOverflows"]).success();
    let overflows = counters.lines().last().unwrap().split_whitespace().nth(1).unwrap();
    assert_ne!(overflows, "0", "{counters}");
}

#[test]
fn answers_carry_their_headers_and_body_and_take_their_time() {
    let machine = Host::machine();
    let answer =
        Answer::new(503).header("Retry-After", "7").body("later").delay(Duration::from_millis(300));
    let peer = Peer::start(&machine, 0, Behaviour::Http(answer));
    let url = format!("http://127.0.0.1:{}/", peer.port());
    let output = machine.exec("curl", &["-si", &url]);
    assert!(output.stdout.starts_with("HTTP/1.1 503 Service Unavailable"), "{output}");
    assert!(output.stdout.contains("Retry-After: 7") && output.stdout.ends_with("later"));
    assert!(output.elapsed >= Duration::from_millis(300), "{output}");
    assert_eq!(peer.accepted(), 1);
}

#[test]
fn a_peer_can_listen_on_one_family_or_on_loopback_only_and_be_gone_at_once() {
    let lab = Lab::builder().small().build();
    let [v4, v6] = lab.server().both(80);
    let codes = || [v4, v6].map(|to| connect_errno(&lab.client(), to));
    let only_v6 = Peer::start(&lab.server(), v6, Behaviour::NeverAnswer);
    assert_eq!(codes(), [libc::ECONNREFUSED, 0]);
    drop(only_v6);
    assert_eq!(codes(), [libc::ECONNREFUSED; 2]);
    let local = std::net::SocketAddr::from(([127, 0, 0, 1], 80));
    let _local = Peer::start(&lab.server(), local, Behaviour::NeverAnswer);
    assert_eq!(codes(), [libc::ECONNREFUSED; 2]);
    assert_eq!(connect_errno(&lab.server(), local), 0);
}

#[test]
fn a_flapping_peer_answers_and_refuses_in_turn() {
    let lab = Lab::builder().small().build();
    let pause = Duration::from_millis(300);
    let _peer = Peer::start(&lab.server(), 80, Behaviour::Flapping { up: pause, down: pause });
    let to = lab.server().both(80)[0];
    let mut changes: Vec<i32> = Vec::new();
    let mut before = 0;
    until(Duration::from_secs(10), "five changes", || {
        let errno = connect_errno(&lab.client(), to);
        if errno == libc::ECONNRESET {
            // A listener that closes resets whoever has just come, once and while it still answers.
            assert_eq!(before, 0, "a reset after {changes:?}");
        } else if changes.last() != Some(&errno) {
            changes.push(errno);
        }
        before = errno;
        (changes.len() == 5).then_some(())
    });
    assert_eq!(changes, [0, libc::ECONNREFUSED, 0, libc::ECONNREFUSED, 0]);
}

#[test]
fn udp_peers_echo_stay_silent_or_refuse() {
    let lab = Lab::builder().small().build();
    let _echo = Peer::start(&lab.server(), 7, Behaviour::UdpEcho);
    let _silent = Peer::start(&lab.server(), 9, Behaviour::UdpSilent);
    for ip in lab.server().both(0).map(|to| to.ip()) {
        let ask = |port: u16| {
            lab.client().enter(|| {
                let any = if ip.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
                let socket = std::net::UdpSocket::bind(any).unwrap();
                socket.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
                socket.connect((ip, port)).unwrap();
                socket.send(b"hello").unwrap();
                socket.recv(&mut [0; 64]).map_err(|error| error.kind())
            })
        };
        assert_eq!(ask(7), Ok(5), "{ip}");
        assert_eq!(ask(9), Err(std::io::ErrorKind::WouldBlock), "{ip}");
        assert_eq!(ask(10), Err(std::io::ErrorKind::ConnectionRefused), "{ip}");
    }
}

#[test]
fn a_forward_proxy_works_or_fails_as_it_is_told() {
    let lab = Lab::new();
    let client = lab.client();
    let ca = whydown_lab::Ca::new();
    let identity = ca.identity(whydown_lab::Flavour::Good, &["10.99.2.10"]);
    let ok = Behaviour::Http(Answer::new(200));
    let _http = Peer::start(&lab.server(), 80, ok.clone());
    let _https = Peer::start_tls(&lab.server(), 443, ok, &identity);
    let cases = [
        (Proxy::Works, (0, "200"), (0, "200")),
        (Proxy::Answers(407), (0, "407"), (56, "000")),
        (Proxy::Answers(502), (0, "502"), (56, "000")),
        (Proxy::Answers(403), (0, "403"), (56, "000")),
        (Proxy::Closes, (52, "000"), (56, "000")),
        (Proxy::Silent, (28, "000"), (28, "000")),
    ];
    for (how, http, https) in cases {
        let _proxy = Peer::start(&lab.neighbour(), 3128, Behaviour::Proxy(how.clone()));
        for (target, expected) in [("http://10.99.2.10/", http), ("https://10.99.2.10/", https)] {
            let args = ["-k", "-m", "1", "-x", "http://10.99.2.30:3128", target];
            let output = curl(&client, &args);
            let seen = (output.code.unwrap(), output.stdout.as_str());
            assert_eq!(seen, expected, "{how:?} {target}: {output}");
        }
    }
}
