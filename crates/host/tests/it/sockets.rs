//! Listeners of hosts in the lab: one's own namespace, others, and news of their end.

use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::AsFd as _;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use whydown_host::sockets::destroyed::{Ear, Heard};
use whydown_host::sockets::{Which, ports_in_use, read};
use whydown_host::watch::{Change, Watcher};
use whydown_lab::{Lab, try_until};

#[test]
fn listeners_of_other_namespaces_are_found_when_asked_for() {
    let lab = Lab::builder().small().build();
    let server = lab.server();
    // A socket alone keeps no namespace in sight: some process has to live there.
    let peer = server.spawn("nc", &["-l", "-k", "4711"]);
    let look = || read(Which { port: Some(4_711), everywhere: true });
    let found = try_until(Duration::from_secs(10), || {
        let found = look().listeners;
        found.iter().any(|l| l.owners.iter().any(|o| o.pid == peer.pid())).then_some(found)
    });
    let found = found.unwrap();
    let ours = found.iter().find(|l| l.owners.iter().any(|o| o.pid == peer.pid())).unwrap();
    assert!(ours.namespace.as_ref().unwrap().starts_with("net:["), "{ours:?}");
    let inside = server.enter(|| read(Which { port: Some(4_711), everywhere: false }));
    assert_eq!(inside.listeners[0].namespace, None);
    assert_eq!(inside.listeners[0].owners[0].process, "nc");
}

#[test]
fn the_end_of_a_listener_is_heard_at_once_and_that_of_a_connection_is_not() {
    let lab = Lab::builder().small().build();
    lab.server().enter(|| {
        let ear = Ear::open().unwrap();
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 4_712)).unwrap();
        assert_eq!(ports_in_use(Some(4_712)).unwrap().len(), 1);
        assert_eq!(ear.next(), None);
        drop(listener);
        let mut wait = [PollFd::new(ear.as_fd(), PollFlags::POLLIN)];
        assert_eq!(poll(&mut wait, PollTimeout::from(2_000_u16)), Ok(1), "nothing was heard");
        assert_eq!(ear.next(), Some(vec![Heard::Gone(4_712)]));
        assert!(ports_in_use(Some(4_712)).unwrap().is_empty());
    });
}

#[test]
fn a_watcher_tells_of_what_goes_and_comes() {
    let lab = Lab::builder().small().build();
    lab.server().enter(|| {
        let wait = Duration::from_secs(5);
        let listen = || TcpListener::bind((Ipv4Addr::UNSPECIFIED, 4_713)).unwrap();
        let listener = listen();
        let _other = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 4_714)).unwrap();
        let mut watcher = Watcher::new(&[4_713]);
        assert!(watcher.hears());
        assert_eq!(watcher.listeners().len(), 1);
        drop(listener);
        let changes = watcher.wait(wait);
        assert!(matches!(&changes[..], [Change::Gone(gone)] if gone.port == 4_713), "{changes:?}");
        let _again = listen();
        let changes = watcher.wait(wait);
        let [Change::Came(came)] = &changes[..] else { panic!("{changes:?}") };
        assert_eq!(came.owners[0].pid, std::process::id());
        assert!(watcher.wait(Duration::from_millis(1)).is_empty());
    });
}
