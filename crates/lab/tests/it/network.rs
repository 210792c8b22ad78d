//! The network itself: reachability, delay, hop counts, namespaces that go away.

use std::net::{TcpListener, ToSocketAddrs as _};
use std::path::Path;
use std::time::{Duration, Instant};

use whydown_lab::{Behaviour, Host, Lab, Peer, Route, Side, until};

use crate::witness::connect_errno;

/// The round trip in milliseconds and the TTL of the fastest of `count` answers to ping.
fn fastest(from: &Host, to: &str, count: &str) -> Option<(f64, u8)> {
    let output = from.exec("ping", &["-c", count, "-i0.02", "-W1", to]).stdout;
    let answer = |line: &str| {
        let field = |name: &str| Some(line.split_once(name)?.1.split(' ').next()?.to_owned());
        Some((field("time=")?.parse().ok()?, field("ttl=")?.parse().ok()?))
    };
    let answers = output.lines().filter_map(answer);
    answers.min_by(|(one, _): &(f64, u8), (other, _)| one.total_cmp(other))
}

fn ping(from: &Host, to: &str) -> Option<(f64, u8)> {
    fastest(from, to, "3")
}

#[test]
fn a_ping_from_the_client_takes_the_cables_delay_twice_and_two_hops() {
    let lab = Lab::new();
    for to in ["10.99.2.10", "10.99.2.20", "10.99.2.30", "10.99.2.53", "fd99:2::10", "fd99:2::53"] {
        let (ms, ttl) = ping(&lab.client(), to).unwrap();
        assert!((10.0..25.0).contains(&ms), "{to}: {ms} ms");
        assert_eq!(ttl, 62, "{to}");
    }
    let (ms, ttl) = ping(&lab.client(), "10.99.3.2").unwrap();
    assert!((10.0..25.0).contains(&ms), "r2: {ms} ms");
    assert_eq!(ttl, 63);
}

#[test]
fn the_first_packet_takes_no_longer_than_the_others() {
    let lab = Lab::builder().small().delay(Duration::from_millis(20)).build();
    let (ms, _) = fastest(&lab.client(), "10.99.2.10", "1").unwrap();
    assert!((40.0..75.0).contains(&ms), "{ms} ms");
}

#[test]
fn a_lab_is_built_in_well_under_a_second_and_leaves_nothing_behind() {
    let build = || {
        let start = Instant::now();
        (Lab::new(), start.elapsed())
    };
    let (lab, first) = build();
    let built = first.min(build().1).min(build().1);
    assert!(built < Duration::from_millis(800), "{built:?}");
    let names: Vec<String> = ["c", "r1", "r2", "s", "b", "n", "d"]
        .iter()
        .filter_map(|name| lab.host(name).namespace().map(str::to_owned))
        .collect();
    assert_eq!(names.len(), 7);
    let directory = lab.directory("any");
    let child = lab.server().spawn("nc", &["-l", "80"]);
    let pid = child.pid();
    // A process that the test forgets about, as a killed test would.
    std::mem::forget(child);
    drop(lab);
    for name in names {
        assert!(!Path::new("/run/netns").join(&name).exists(), "{name}");
        assert!(!Path::new("/etc/netns").join(&name).exists(), "{name}");
    }
    assert!(!directory.exists());
    let what = "the forgotten child's end";
    until(Duration::from_secs(5), what, || {
        let state = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        (state.is_empty() || state.contains(") Z ")).then_some(())
    });
}

#[test]
fn leftovers_of_a_killed_run_are_removed_by_the_next_lab() {
    // A pid that is free now: a process that has just ended.
    let mut ended = std::process::Command::new("true").spawn().unwrap();
    let pid = ended.id();
    ended.wait().unwrap();
    let name = format!("wd{pid}-0-c");
    let ip = |args: &[&str]| std::process::Command::new("ip").args(args).output().unwrap();
    ip(&["netns", "add", &name]);
    let mut orphan = std::process::Command::new("ip")
        .args(["netns", "exec", &name, "nc", "-l", "80"])
        .env("WD_LAB_OWNER", format!("wd{pid}-0"))
        .spawn()
        .unwrap();
    // In the midst of exec(2) a process shows no environment, and so no owner.
    let command_line = format!("/proc/{}/cmdline", orphan.id());
    until(Duration::from_secs(10), "the orphan's start", || {
        std::fs::read(&command_line).is_ok_and(|line| line.starts_with(b"nc")).then_some(())
    });
    let _lab = Lab::builder().small().build();
    until(Duration::from_secs(5), "the orphan's end", || orphan.try_wait().unwrap());
    assert!(!Path::new("/run/netns").join(&name).exists());
}

#[test]
fn the_cables_delay_loss_and_cut_can_be_changed_while_it_is_in_use() {
    let lab = Lab::builder().small().build();
    let client = lab.client();
    lab.cable().set_delay(Duration::from_millis(30));
    let (ms, _) = ping(&client, "10.99.2.10").unwrap();
    assert!((60.0..80.0).contains(&ms), "{ms} ms");
    lab.cable().set_cut(true);
    assert_eq!(ping(&client, "10.99.2.10"), None);
    lab.cable().set_cut(false);
    lab.cable().set_delay(Duration::ZERO);
    lab.cable().lose_every(2);
    let output = client.exec("ping", &["-c10", "-i0.01", "-W1", "10.99.2.10"]).stdout;
    assert!(!output.contains(" 0% packet loss"), "{output}");
    assert!(!output.contains(" 100% packet loss"), "{output}");
    lab.cable().lose_every(0);
    assert!(ping(&client, "10.99.2.10").is_some());
}

#[test]
fn a_host_that_is_switched_off_is_unreachable_after_three_seconds_and_comes_back() {
    let lab = Lab::builder().small().build();
    let server = lab.server();
    let _peer = Peer::start(&server, 80, Behaviour::NeverAnswer);
    server.link_down();
    let output = lab.client().exec("curl", &["-sv", "-m", "9", "http://10.99.2.10/"]);
    assert_eq!(output.code, Some(7), "{output}");
    assert!(output.stderr.contains("No route to host"), "{output}");
    let seconds = output.elapsed.as_secs_f64();
    assert!((2.5..6.0).contains(&seconds), "{seconds} s");
    server.link_up();
    for to in server.both(80) {
        until(Duration::from_secs(5), format_args!("{to} to answer"), || {
            (connect_errno(&lab.client(), to) == 0).then_some(())
        });
    }
}

#[test]
fn hosts_and_clients_can_be_added_and_addresses_come_and_go() {
    let lab = Lab::builder().small().build();
    let extra = lab.add_host("extra", Side::Server, 99);
    let (far, cable) = lab.add_client("far", 11, Duration::from_millis(40));
    let (ms, _) = ping(&far, "10.99.2.99").unwrap();
    assert!((80.0..100.0).contains(&ms), "{ms} ms");
    cable.set_delay(Duration::from_millis(1));
    assert!(ping(&far, "fd99:2::99").unwrap().0 < 40.0);
    let near = lab.add_host("near", Side::Client, 77);
    assert!(ping(&near, "10.99.2.99").unwrap().0 < 10.0);
    let second = "10.99.2.100".parse().unwrap();
    extra.add_address(second);
    assert!(ping(&far, "10.99.2.100").is_some());
    extra.remove_address(second);
    assert!(ping(&far, "10.99.2.100").is_none());
}

#[test]
fn each_route_that_leads_nowhere_gives_its_errno_at_the_client() {
    let lab = Lab::builder().small().build();
    let client = lab.client();
    let expected = [
        (Route::Blackhole, libc::EINVAL),
        (Route::Unreachable, libc::EHOSTUNREACH),
        (Route::Prohibit, libc::EACCES),
        (Route::Throw, libc::ENETUNREACH),
    ];
    for (route, errno) in expected {
        for to in lab.server().both(80) {
            client.add_route(route, to.ip());
            assert_eq!(connect_errno(&client, to), errno, "{route:?} {to}");
            client.remove_route(route, to.ip());
        }
    }
    client.remove_default_routes();
    for to in lab.server().both(80) {
        assert_eq!(connect_errno(&client, to), libc::ENETUNREACH, "{to}");
    }
}

#[test]
fn each_route_that_leads_nowhere_gives_its_errno_at_a_router() {
    let lab = Lab::builder().small().build();
    let expected = [
        (Route::Blackhole, libc::ETIMEDOUT),
        (Route::Unreachable, libc::EHOSTUNREACH),
        (Route::Prohibit, libc::EHOSTUNREACH),
        (Route::Throw, libc::ENETUNREACH),
    ];
    let server = std::net::SocketAddr::from((lab.server().v4(), 80));
    for (route, errno) in expected {
        lab.r1().add_route(route, server.ip());
        // More often than the kernel's limits would let a router say it.
        for attempt in 0..if errno == libc::ETIMEDOUT { 1 } else { 8 } {
            assert_eq!(connect_errno(&lab.client(), server), errno, "{route:?}, {attempt}");
        }
        lab.r1().remove_route(route, server.ip());
    }
}

#[test]
fn a_closed_port_refuses_both_families_in_one_round_trip_however_often() {
    let lab = Lab::builder().small().build();
    for to in lab.server().both(80) {
        for _ in 0..20 {
            let start = Instant::now();
            assert_eq!(connect_errno(&lab.client(), to), libc::ECONNREFUSED);
            assert!(start.elapsed() < Duration::from_millis(800));
        }
    }
}

#[test]
fn etc_files_are_seen_by_commands_and_by_closures_of_their_host_only() {
    let lab = Lab::builder().small().build();
    let client = lab.client();
    client.hosts("10.99.2.10 shop.example\n");
    client.resolv_conf("nameserver 192.0.2.53\n");
    let seen = client.exec("getent", &["hosts", "shop.example"]).success();
    assert!(seen.starts_with("10.99.2.10"), "{seen}");
    let resolved = client.enter(|| ("shop.example", 80).to_socket_addrs().unwrap().next());
    assert_eq!(resolved, Some("10.99.2.10:80".parse().unwrap()));
    let text = client.enter(|| std::fs::read_to_string("/etc/resolv.conf").unwrap());
    assert_eq!(text, "nameserver 192.0.2.53\n");
    let others = lab.server().exec("cat", &["/etc/hosts", "/etc/resolv.conf"]).success();
    assert!(!others.contains("shop"), "{others}");
    assert!(others.contains("nameserver 127.0.0.1\n"), "{others}");
    let own = std::fs::read_to_string("/etc/hosts").unwrap();
    assert!(!own.contains("shop.example"), "{own}");
}

#[test]
fn free_ports_of_one_host_differ_and_can_be_bound() {
    let machine = Host::machine();
    let (first, second) = (machine.free_port(), machine.free_port());
    assert_ne!(first, second);
    let _first = TcpListener::bind(("127.0.0.1", first)).unwrap();
    let _second = TcpListener::bind(("::1", second)).unwrap();
}

#[test]
fn a_command_that_never_ends_is_stopped_with_its_children() {
    let lab = Lab::builder().small().build();
    let limit = Duration::from_millis(200);
    let output = lab.client().exec_for(limit, "sh", &["-c", "echo started; sleep 60 & wait"]);
    assert!(output.stopped && output.elapsed < Duration::from_secs(5), "{output}");
    assert_eq!(output.stdout, "started\n");
}

#[test]
#[should_panic(expected = "apt-get install nonesuch")]
fn a_missing_program_is_named_with_its_fix() {
    Host::machine().exec("nonesuch", &[]);
}
