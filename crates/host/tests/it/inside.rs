//! The inside view of real servers on a host of the lab: who listens, what stands behind, why not.

use std::net::IpAddr;
use std::time::Duration;

use whydown_core::cause::Cause;
use whydown_core::diagnose::diagnose;
use whydown_core::inside::{Bond, InsideView, Queue};
use whydown_host::inside::{Question, look};
use whydown_lab::{Haproxy, Host, Lab, Nginx, Signal, until};

const WAIT: Duration = Duration::from_secs(10);

fn view(host: &Host, port: u16) -> InsideView {
    host.enter(|| look(&Question::tcp(port)))
}

/// The first cause by the inside view alone.
fn cause(view: &InsideView) -> Option<Cause> {
    let target = format!("tcp://shop.test:{}", view.port).parse().unwrap();
    diagnose(&target, &view.foreseen()).causes.first().map(|cause| cause.code)
}

#[test]
fn a_dead_upstream_behind_nginx_is_found_in_its_configuration_and_tried() {
    let lab = Lab::builder().small().build();
    let host = lab.server();
    let nginx = Nginx::start(
        &host,
        "upstream app { server 127.0.0.1:9001; }\n\
         server { listen 80; listen [::]:80; server_name shop.test;\n\
         location / { proxy_pass http://app; } }",
    );
    let seen = view(&host, 80);
    let passage = seen.passages.first().unwrap_or_else(|| panic!("no passage in {seen:#?}"));
    assert_eq!(
        (passage.proxy.as_str(), passage.upstreams[0].address.as_str()),
        ("nginx", "127.0.0.1:9001")
    );
    assert!(passage.upstreams[0].detail.as_ref().unwrap().contains("refused"), "{passage:?}");
    assert_eq!(cause(&seen), Some(Cause::UpstreamDead));
    assert_eq!(seen.listeners[0].owners[0].process, "nginx");
    assert_eq!(seen.units[0].bond, Bond::Owns);
    drop(nginx);
}

#[test]
fn a_dead_upstream_behind_haproxy_is_found_too() {
    let lab = Lab::builder().small().build();
    let host = lab.server();
    let haproxy = Haproxy::start(
        &host,
        "frontend web\n  bind :::8080 v4v6\n  default_backend app\n\
         backend app\n  server a 127.0.0.1:9001\n",
    );
    let seen = view(&host, 8_080);
    assert_eq!(cause(&seen), Some(Cause::UpstreamDead), "{seen:#?}");
    drop(haproxy);
}

#[test]
fn a_stopped_process_and_a_full_queue_are_told_apart() {
    let lab = Lab::builder().small().build();
    let host = lab.server();
    let mut server = host.spawn("python3", &["-c", SLOW_SERVER]);
    server.wait_listening(8_000);
    assert_eq!(cause(&view(&host, 8_000)), None);

    server.signal(Signal::SIGSTOP);
    until(WAIT, "the process to stop", || {
        (whydown_host::process::state(server.pid())?.0 == 'T').then_some(())
    });
    assert_eq!(cause(&view(&host, 8_000)), Some(Cause::ServiceHung));
    server.signal(Signal::SIGCONT);

    let clients: Vec<std::net::TcpStream> = host.enter(|| {
        let address = "127.0.0.1:8000".parse().unwrap();
        let connect = |_| std::net::TcpStream::connect_timeout(&address, WAIT).unwrap();
        (0..3).map(connect).collect()
    });
    let seen = until(WAIT, "a full queue", || {
        let seen = view(&host, 8_000);
        seen.listeners[0].queue.is_some_and(Queue::is_full).then_some(seen)
    });
    assert_eq!(cause(&seen), Some(Cause::ServiceOverloaded), "{seen:#?}");
    drop(clients);
}

/// Has room for three connections (a backlog of two, and one more), and never accepts any.
const SLOW_SERVER: &str = "
import signal, socket
s = socket.socket(socket.AF_INET6); s.bind(('::', 8000)); s.listen(2); signal.pause()
";

#[test]
fn loopback_one_family_and_nothing_are_told_apart() {
    let lab = Lab::builder().small().build();
    let host = lab.server();
    let listen = |address: &str, port: u16| {
        let ip: IpAddr = address.parse().unwrap();
        host.enter(move || std::net::TcpListener::bind((ip, port)).unwrap())
    };
    let _loopback = listen("127.0.0.1", 8_001);
    assert_eq!(cause(&view(&host, 8_001)), Some(Cause::ServiceLoopbackOnly));
    let _v4 = listen("0.0.0.0", 8_002);
    assert_eq!(cause(&view(&host, 8_002)), Some(Cause::ServiceOneFamilyOnly));
    let _both = listen("::", 8_003);
    assert_eq!(cause(&view(&host, 8_003)), None);
    assert_eq!(cause(&view(&host, 8_004)), Some(Cause::ServiceNotListening));
}

#[test]
fn a_process_without_descriptors_is_found() {
    let lab = Lab::builder().small().build();
    let host = lab.server();
    let mut server = host.spawn("python3", &["-c", GREEDY_SERVER]);
    server.wait_output("full");
    assert_eq!(cause(&view(&host, 8_000)), Some(Cause::ServiceOverloaded));
    server.kill();
}

const GREEDY_SERVER: &str = "
import os, resource, signal, socket
resource.setrlimit(resource.RLIMIT_NOFILE, (32, 32))
s = socket.socket(socket.AF_INET6); s.bind(('::', 8000)); s.listen()
try:
    while True: os.dup(0)
except OSError: print('full', flush=True)
signal.pause()
";
