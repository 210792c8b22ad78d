//! A check opens a fresh connection every time: an old connection that still works proves nothing.
//! And its own trouble is not the target's.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use serde_json::Value;
use whydown_lab::{Behaviour, Lab, Peer, Signal, try_until, until};

use crate::run::whydown;

/// Answers every request on a connection that it keeps open.
fn serve(mut connection: TcpStream) {
    let mut request = [0; 4096];
    while let Ok(1..) = connection.read(&mut request) {
        let answer = "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello";
        if connection.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

#[test]
fn with_a_pooled_connection_open_and_the_listener_gone_it_says_refused() {
    let lab = Lab::new();
    let listener = lab.server().enter(|| TcpListener::bind("0.0.0.0:80").unwrap());
    let closer = listener.try_clone().unwrap();
    let accepting = std::thread::spawn(move || {
        // Ends when the listener is shut down below.
        while let Ok((connection, _)) = listener.accept() {
            std::thread::spawn(move || serve(connection));
        }
    });
    let mut command = whydown(&lab.client());
    command.args(["watch", "http://10.99.2.10/", "--every", "100ms", "--json"]);
    let watch = lab.client().spawn_command(command);
    let states = || -> Vec<Value> {
        let lines = watch.output();
        lines.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    };
    until(Duration::from_secs(10), "some checks that work", || {
        (states().iter().filter(|seen| seen["state"] == "up").count() >= 3).then_some(())
    });
    let mut pooled = lab.client().enter(|| {
        #[expect(clippy::disallowed_methods, reason = "a client that keeps its connection")]
        TcpStream::connect("10.99.2.10:80").unwrap()
    });
    assert_eq!(ask(&mut pooled), "HTTP/1.1 200 OK\r\n");

    nix::sys::socket::shutdown(
        std::os::fd::AsRawFd::as_raw_fd(&closer),
        nix::sys::socket::Shutdown::Both,
    )
    .unwrap();
    accepting.join().unwrap();
    drop(closer);

    let refused = until(Duration::from_secs(10), "a refused check", || {
        states().into_iter().find(|seen| seen["state"] == "down")
    });
    assert_eq!(refused["failure"], "tcp.refused");
    assert_eq!(ask(&mut pooled), "HTTP/1.1 200 OK\r\n", "the old connection still works");
}

/// Asks over a connection that stays open; the answer's status line.
fn ask(connection: &mut TcpStream) -> String {
    connection.write_all(b"GET / HTTP/1.1\r\nHost: shop\r\n\r\n").unwrap();
    let mut status = String::new();
    BufReader::new(connection).read_line(&mut status).unwrap();
    status
}

/// Nothing answers, and nobody has listened: the process that checks was stopped for most of its
/// time, as a machine is that sleeps or swaps.
#[test]
fn who_was_kept_from_looking_does_not_say_down() {
    let lab = Lab::builder().small().build();
    let peer = Peer::start(&lab.server(), 80, Behaviour::NeverAnswer);
    let check = |rest: Option<Duration>| {
        let mut command = whydown(&lab.client());
        command.args(["check", "--json", "--timeout", "2s"]);
        command.arg("http://10.99.2.10/");
        let seen = peer.accepted();
        let mut process = lab.client().spawn_command(command);
        until(Duration::from_secs(30), "a connection", || (peer.accepted() > seen).then_some(()));
        if let Some(rest) = rest {
            process.signal(Signal::SIGSTOP);
            let _: Option<()> = try_until(rest, || None);
            process.signal(Signal::SIGCONT);
        }
        until(Duration::from_secs(30), "its end", || process.ended());
        let said = process.output();
        let json =
            said.lines().find(|line| line.starts_with('{')).unwrap_or_else(|| panic!("{said}"));
        let seen: Value = serde_json::from_str(json).unwrap();
        (seen["state"].clone(), seen["failure"].clone())
    };
    assert_eq!(check(None), ("down".into(), "http.timed_out".into()));
    let rested = check(Some(Duration::from_millis(1_700)));
    assert_eq!(rested, ("inconclusive".into(), "self.resources".into()));
}
