//! The evidence around a failure, in networks where the truth is known.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use whydown_core::evidence::{AddressEvidence, Evidence, HopAnswer};
use whydown_core::failure::Failure;
use whydown_core::monitor::Monitor;
use whydown_core::target::Scheme;
use whydown_lab::{
    Answer, Behaviour, Ca, Flavour, Hook, Host, Lab, Listen, Peer, Reject, Route, Rule,
};
use whydown_probe::examine::{Before, Settings, examine};
use whydown_probe::{investigate, observe};

use crate::looking::{monitor, on, trusting};

/// A check and what is found around its failure.
fn look(host: &Host, monitor: &Monitor, settings: &Settings) -> Evidence {
    on(host, async {
        let seen = observe::observe_with(monitor, &settings.check).await;
        assert!(seen.failure.is_some(), "{seen:#?}");
        let begin = Instant::now();
        let evidence = investigate(monitor, &[seen], settings).await;
        let limit = settings.investigate.budget + Duration::from_millis(500);
        assert!(begin.elapsed() < limit, "took {:?}", begin.elapsed());
        evidence
    })
}

fn around(host: &Host, target: &str) -> Evidence {
    look(host, &monitor(target), &Settings::default())
}

/// The same for a target that answers with silence.
fn around_silence(host: &Host, target: &str) -> Evidence {
    let mut monitor = monitor(target);
    monitor.timeout = Duration::from_millis(500);
    look(host, &monitor, &Settings::default())
}

fn only(evidence: &Evidence) -> &AddressEvidence {
    assert_eq!(evidence.addresses.len(), 1, "{evidence:#?}");
    &evidence.addresses[0]
}

#[test]
fn who_sent_the_reset_is_told_by_its_ttl_its_type_of_service_and_its_flow_label() {
    let lab = Lab::new();
    let (client, server) = (lab.client(), lab.server());
    let web = Peer::start(&server, 80, Behaviour::Http(Answer::new(200)));
    let rejecting = |hook| Rule::Reject(hook, 9_000, Reject::TcpReset);
    for (what, host, hook, ttl, reflected) in [
        ("nothing listens", &server, None, 62, true),
        ("the server's firewall", &server, Some(Hook::Input), 62, false),
        ("the last router", &lab.r2(), Some(Hook::Forward), 63, false),
        ("the first router", &lab.r1(), Some(Hook::Forward), 64, false),
    ] {
        if let Some(hook) = hook {
            host.rule(rejecting(hook));
        }
        for to in server.both(9_000) {
            let evidence = around(&client, &format!("tcp://{to}"));
            let found = only(&evidence);
            assert_eq!(found.reset_ttl, Some(ttl), "{what} {to}");
            assert_eq!(found.open_ttl, Some((80, 62)), "{what} {to}");
            assert_eq!(found.tos_reflected, Some(reflected), "{what} {to}");
            assert_eq!(found.tos_reflected_elsewhere, Some(true), "{what} {to}");
            let of_ipv6 = |labelled| to.is_ipv6().then_some(labelled);
            assert_eq!(found.flow_labelled, of_ipv6(reflected), "{what} {to}");
            assert_eq!(found.flow_labelled_elsewhere, of_ipv6(true), "{what} {to}");
        }
        if hook.is_some() {
            host.forget_rules();
        }
    }
    drop(web);
}

/// Thousands of monitors of a host that is in trouble are no reason to flood it.
#[test]
fn monitors_of_one_address_that_fail_at_once_look_around_once() {
    const MONITORS: usize = 100;
    let lab = Lab::new();
    let (client, server) = (lab.client(), lab.server());
    let web = Peer::start(&server, 80, Behaviour::Http(Answer::new(200)));
    let failing = monitor("tcp://10.99.2.10:9000");
    let once = |settings| {
        let failing = &failing;
        async move { examine(failing, settings, Before::default()).await.evidence }
    };
    let (mine, shared) = (Settings::default(), Settings::default());
    let alone = on(&client, once(&mine));
    let asked_by_one = web.accepted();
    assert!(asked_by_one > 0, "a neighbour was touched");
    let all = on(&client, join_all((0..MONITORS).map(|_| once(&shared))));
    for evidence in &all {
        assert!(evidence.observations.len() > 1, "each has its own repeats");
        assert_eq!(evidence.neighbours.len(), alone.neighbours.len());
        assert_eq!(only(evidence).reset_ttl, only(&alone).reset_ttl);
        assert_eq!(only(evidence).open_ttl, Some((80, 62)));
    }
    // A look is shared for a second, and a busy machine may need more of them.
    let looks = (web.accepted() - asked_by_one) / asked_by_one;
    assert!((1..MONITORS / 10).contains(&looks), "{looks} looks of {MONITORS} monitors");
}

#[test]
fn a_reset_from_behind_the_server_has_a_lower_ttl() {
    let lab = Lab::new();
    let (client, server) = (lab.client(), lab.server());
    let _web = Peer::start(&server, 80, Behaviour::Http(Answer::new(200)));
    for (to, behind) in server.both(9_001).into_iter().zip(lab.backend().both(9_001)) {
        server.rule(Rule::SendTo(9_001, behind));
        let evidence = around(&client, &format!("tcp://{to}"));
        let found = only(&evidence);
        assert_eq!((found.reset_ttl, found.open_ttl), (Some(61), Some((80, 62))), "{to}");
    }
}

#[test]
fn where_silence_begins_is_told_by_the_last_hop_that_answers() {
    let lab = Lab::new();
    let (client, server) = (lab.client(), lab.server());
    let _web = Peer::start(&server, 80, Behaviour::Http(Answer::new(200)));
    let ends = |host: &Host, rule: Rule, v4: bool| {
        host.rule(rule);
        let found: Vec<(usize, usize, AddressEvidence)> = server
            .both(9_002)
            .into_iter()
            .filter(|to| to.is_ipv4() == v4)
            .map(|to| {
                let evidence = around_silence(&client, &format!("tcp://{to}"));
                let found = only(&evidence).clone();
                let exceeded = |answer: &HopAnswer| *answer == HopAnswer::TimeExceeded;
                let failing = found.trace.iter().filter(|hop| exceeded(&hop.answer)).count();
                let open = found.open_trace.iter().filter(|hop| exceeded(&hop.answer)).count();
                let last = found.open_trace.last().unwrap();
                assert_eq!((last.ttl, last.answer), (3, HopAnswer::Open), "{rule:?} {to}");
                let icmp = found.alive.unwrap().icmp.unwrap();
                assert_eq!(icmp.sender, Some(to.ip()), "the host is alive");
                (failing, open, found)
            })
            .collect();
        host.forget_rules();
        found
    };
    for (failing, open, _) in ends(&lab.r1(), Rule::Drop(Hook::Forward, 9_002), true) {
        assert_eq!((failing, open), (1, 2));
    }
    for (failing, open, found) in ends(&server, Rule::Drop(Hook::Input, 9_002), false) {
        assert_eq!((failing, open), (2, 2));
        let counters = found.counters.unwrap();
        assert_eq!(counters.retransmit_failures, 0, "our own packets leave");
    }
    for (failing, open, found) in ends(&client, Rule::Drop(Hook::Output, 9_002), true) {
        assert_eq!((failing, open), (0, 2), "not even the first router sees it");
        assert!(found.counters.unwrap().retransmit_failures >= 1, "{found:#?}");
    }
    for (failing, open, found) in ends(&client, Rule::DropReplies(Hook::Input, 9_002), false) {
        assert_eq!((failing, open), (2, 2));
        let counters = found.counters.unwrap();
        assert!(counters.ip_received > counters.tcp_received, "{counters:?}");
    }
}

#[test]
fn a_host_that_is_off_is_found_dead_and_the_controls_fine() {
    let lab = Lab::new();
    lab.server().link_down();
    let mut settings = Settings::default();
    settings.investigate.budget = Duration::from_secs(6);
    settings.investigate.controls = vec!["10.99.2.30:80".to_owned()];
    let mut monitor = monitor("tcp://10.99.2.10:80");
    monitor.timeout = Duration::from_millis(800);
    let evidence = look(&lab.client(), &monitor, &settings);
    let icmp = only(&evidence).alive.unwrap().icmp.unwrap();
    assert_eq!((icmp.kind, icmp.code, icmp.sender), (3, 1, Some("10.99.3.2".parse().unwrap())));
    assert!(evidence.neighbours.iter().all(|neighbour| neighbour.failure.is_some()));
    let control = |name: &str| evidence.controls.iter().find(|c| c.name == name).unwrap();
    assert_eq!(control("default gateway").failure, None);
    assert_eq!(control("10.99.2.30:80").failure, None, "a refusal is an answer");
}

#[test]
fn with_the_cable_cut_no_control_answers() {
    let lab = Lab::builder().small().build();
    lab.cable().set_cut(true);
    let client = lab.client();
    client.ip("neigh flush all");
    let mut settings = Settings::default();
    settings.investigate.controls = vec!["10.99.2.10:80".to_owned()];
    let mut monitor = monitor("tcp://10.99.2.10:80");
    monitor.timeout = Duration::from_millis(500);
    let evidence = look(&client, &monitor, &settings);
    assert!(!evidence.controls.is_empty());
    assert!(evidence.controls.iter().all(|c| c.failure.is_some()), "{:#?}", evidence.controls);
}

#[test]
fn the_same_service_is_found_on_a_usual_neighbour() {
    let lab = Lab::new();
    let (client, server) = (lab.client(), lab.server());
    let _web = Peer::start(&server, 8_080, Behaviour::Http(Answer::new(200)));
    let _ssh = Peer::start(&server, 22, Behaviour::Banner(b"SSH-2.0-x\r\n".to_vec()));
    let evidence = around(&client, "http://10.99.2.10/");
    let of = |port: u16| evidence.neighbours.iter().find(|n| n.port == port).unwrap();
    assert_eq!((of(8_080).failure, of(8_080).same_service), (None, Some(true)));
    assert_eq!((of(22).failure, of(22).same_service), (None, Some(false)));
    assert_eq!((of(443).failure, of(443).same_service), (Some(Failure::TcpRefused), None));
    assert!(!evidence.neighbours.iter().any(|n| n.port == 80), "its own port is no neighbour");

    let mut settings = Settings::default();
    settings.investigate.neighbour_ports.clear();
    let evidence = look(&client, &monitor("http://10.99.2.10/"), &settings);
    assert!(evidence.neighbours.is_empty(), "switched off");
}

#[test]
fn the_protocol_behind_a_port_is_recognised() {
    let lab = Lab::builder().small().build();
    let (client, server) = (lab.client(), lab.server());
    let ca = Ca::new();
    let identity = ca.identity(Flavour::Good, &["10.99.2.10"]);
    let plain = Peer::start(&server, 0, Behaviour::Http(Answer::new(200)));
    let hello = Behaviour::Http(Answer::new(200));
    let secure = Peer::start_tls(&server, 0, hello, &identity);
    let ssh = Peer::start(&server, 0, Behaviour::Banner(b"SSH-2.0-x\r\n".to_vec()));
    for (target, port, scheme) in [
        ("https", plain.port(), Scheme::Http),
        ("smtp", plain.port(), Scheme::Http),
        ("http", secure.port(), Scheme::Https),
        ("http", ssh.port(), Scheme::Ssh),
        ("https", ssh.port(), Scheme::Ssh),
    ] {
        let mut monitor = monitor(&format!("{target}://10.99.2.10:{port}"));
        monitor.timeout = Duration::from_secs(1);
        let evidence = look(&client, &monitor, &Settings::default());
        let spoken = only(&evidence).speaks.clone();
        assert_eq!(spoken.and_then(|s| s.scheme), Some(scheme), "{target} on {scheme}");
    }
}

#[test]
fn a_path_that_swallows_large_packets_answers_small_segments() {
    let lab = Lab::builder().small().build();
    let (client, server) = (lab.client(), lab.server());
    lab.r2().rule(Rule::DropLongerThan(Hook::Forward, 1_000));
    let body = vec![b'x'; 20_000];
    let web = Peer::start(&server, 80, Behaviour::Http(Answer::new(200).body(body)));
    let mut large = monitor("http://10.99.2.10/");
    large.timeout = Duration::from_secs(1);
    let evidence = look(&client, &large, &Settings::default());
    assert_eq!(evidence.observations[0].failure, Some(Failure::HttpTimedOut));
    assert_eq!(only(&evidence).small_segments_answered, Some(true));
    drop(web);
    lab.r2().forget_rules();
    let _hung = Peer::start(&server, 80, Behaviour::NeverAnswer);
    let evidence = look(&client, &large, &Settings::default());
    assert_eq!(only(&evidence).small_segments_answered, Some(false));
}

#[test]
fn the_visitors_own_side_is_looked_at() {
    let lab = Lab::builder().small().build();
    let client = lab.client();
    client.hosts("10.99.2.10 shop.lab # pinned\n");
    client.rule(Rule::Reject(Hook::Output, 8_449, Reject::TcpReset));
    let evidence = around(&client, "http://shop.lab:8449/");
    let own = &evidence.environment;
    assert_eq!(own.hosts_line.as_deref(), Some("10.99.2.10 shop.lab"));
    assert!(own.output_rules.iter().any(|rule| rule.contains("8449")), "{own:#?}");
    assert!(own.default_route.v4 && own.default_route.v6 && !own.no_interface);
    assert_eq!((&own.tunnel, &own.route), (&None, &None));
    client.forget_rules();

    for (route, kind) in [
        (Route::Blackhole, "blackhole"),
        (Route::Unreachable, "unreachable"),
        (Route::Prohibit, "prohibit"),
        (Route::Throw, "throw"),
    ] {
        for to in lab.server().both(80) {
            client.add_route(route, to.ip());
            let evidence = around(&client, &format!("tcp://{to}"));
            client.remove_route(route, to.ip());
            let own = evidence.environment.route.unwrap_or_else(|| panic!("{route:?} {to}"));
            assert_eq!(own.kind, kind);
            assert!(own.text.starts_with(&format!("{kind} {}", to.ip())), "{own:?}");
        }
    }
    client.remove_default_routes();
    let evidence = around(&client, "tcp://10.99.2.10:80");
    assert_eq!(evidence.environment.route.map(|route| route.kind), Some("none".to_owned()));
    assert!(!evidence.environment.default_route.v4);
    client.link_down();
    let evidence = around(&client, "tcp://10.99.2.10:80");
    assert!(evidence.environment.no_interface);
}

#[test]
fn a_clock_that_is_right_is_found_right_when_a_certificate_has_ended() {
    let lab = Lab::builder().small().build();
    let ca = Ca::new();
    let identity = ca.identity(Flavour::Expired, &["10.99.2.10"]);
    let now = jiff::Timestamp::now();
    let date = jiff::fmt::rfc2822::DateTimePrinter::new();
    let text = date.timestamp_to_rfc9110_string(&now).unwrap();
    let answer = Behaviour::Http(Answer::new(200).header("Date", &text));
    let _peer = Peer::start_tls(&lab.server(), 443, answer, &identity);
    let settings = Settings { check: trusting(&ca), ..Settings::default() };
    let evidence = look(&lab.client(), &monitor("https://10.99.2.10/"), &settings);
    let ahead = evidence.environment.clock_ahead_s.unwrap();
    assert!((0..30).contains(&ahead), "{ahead}");
}

#[test]
fn failing_addresses_are_looked_at_and_working_ones_left_alone() {
    let lab = Lab::new();
    let (client, server) = (lab.client(), lab.server());
    client.hosts("10.99.2.10 shop.lab\nfd99:2::10 shop.lab\n");
    let to: SocketAddr = server.both(80)[0];
    let _peer = Peer::start(&server, Listen::Only(to), Behaviour::Http(Answer::new(200)));
    let evidence = around(&client, "http://shop.lab/");
    assert_eq!(only(&evidence).ip, IpAddr::V6(server.v6()));
}

#[test]
fn somebody_who_waits_has_the_evidence_one_second_after_the_timeout() {
    let lab = Lab::builder().small().build();
    let (client, server) = (lab.client(), lab.server());
    let _web = Peer::start(&server, 443, Behaviour::Http(Answer::new(200)));
    server.rule(Rule::Drop(Hook::Input, 80));
    let settings = Settings { early: true, ..Settings::default() };
    let mut monitor = monitor("http://10.99.2.10/");
    monitor.timeout = Duration::from_secs(4);
    monitor.confirm = 0;
    let begin = Instant::now();
    let examined = on(&client, examine(&monitor, &settings, Before::default()));
    assert!(begin.elapsed() < Duration::from_millis(5_300), "{:?}", begin.elapsed());
    let evidence = examined.evidence;
    assert_eq!(evidence.observations.len(), 1);
    assert_eq!(evidence.observations[0].failure, Some(Failure::TcpTimedOut));
    assert!(!only(&evidence).trace.is_empty() && !evidence.neighbours.is_empty());
}

/// Names the target that [`looks_without_privileges`] looks at.
const TARGET: &str = "WHYDOWN_TEST_TARGET";

/// Run by itself: a closed port of this machine. Run by
/// [`without_privileges_all_but_the_type_of_service_is_known`] once more, with less power.
#[test]
fn looks_without_privileges() {
    let machine = Host::machine();
    let own = format!("tcp://127.0.0.1:{}", machine.free_port());
    let target = std::env::var(TARGET).unwrap_or(own);
    let evidence = around(&machine, &target);
    assert!(only(&evidence).reset_ttl.is_some());
    println!("{TARGET}{}", serde_json::to_string(&evidence).unwrap());
}

#[test]
fn without_privileges_all_but_the_type_of_service_is_known() {
    let lab = Lab::builder().small().build();
    let (client, server) = (lab.client(), lab.server());
    let _web = Peer::start(&server, 80, Behaviour::Http(Answer::new(200)));
    let exe = std::env::current_exe().unwrap().display().to_string();
    let target = format!("{TARGET}=tcp://10.99.2.10:9000");
    let less = ["--bounding-set=-all", "--inh-caps=-all", "env", &target, &exe];
    let test = ["--exact", "--nocapture", "investigating::looks_without_privileges"];
    let output = client.exec("setpriv", &[&less[..], &test[..]].concat()).success();
    let line = output.lines().find_map(|line| line.split_once(TARGET)).unwrap().1;
    let evidence: Evidence = serde_json::from_str(line).unwrap();
    let found = only(&evidence);
    assert_eq!((found.reset_ttl, found.open_ttl), (Some(62), Some((80, 62))));
    assert_eq!(found.tos_reflected, None);
    let missing = &evidence.environment.missing_rights;
    assert!(missing.iter().any(|right| right.contains("CAP_NET_RAW")), "{missing:?}");
    assert!(missing.iter().any(|right| right.contains("CAP_NET_ADMIN")), "{missing:?}");
}
