//! Who asks on the very machine that fails is told what only the machine itself knows.

use std::net::{Ipv4Addr, SocketAddr};

use whydown_lab::{Behaviour, Host, Lab, Peer};

use crate::run::{Verdict, run, whydown};

fn verdict(host: &Host, target: &str) -> Verdict {
    Verdict::of(run(whydown(host), &["diagnose", target, "--json"]))
}

#[test]
fn on_the_machine_itself_the_cause_is_seen_from_inside() {
    let lab = Lab::new();
    let only: SocketAddr = (Ipv4Addr::LOCALHOST, 80).into();
    let _web = Peer::start(&lab.server(), only, Behaviour::NeverAnswer);
    let outside = verdict(&lab.client(), "tcp://10.99.2.10:80");
    let inside = verdict(&lab.server(), "tcp://10.99.2.10:80");

    assert_eq!(outside.in_short()[..3], inside.in_short()[..3], "the failure is the same");
    assert_eq!(inside.in_short()[3], "service.loopback_only");
    assert!(inside.knows("listens on 127.0.0.1:80 only"), "{}", inside.output);
    assert!(!outside.knows("listens on 127.0.0.1:80 only"), "{}", outside.output);

    let nothing = verdict(&lab.server(), "tcp://localhost:81");
    assert_eq!(nothing.in_short()[3], "service.not_listening");
    assert!(nothing.knows("nothing listens on tcp port 81"), "{}", nothing.output);
}
