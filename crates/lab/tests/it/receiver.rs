//! The webhook receiver records what curl sends and answers as told.

use std::time::Duration;

use whydown_lab::{Answer, Ca, Flavour, Host, Lab, Receiver, Reply};

use crate::witness::verdict;

#[test]
fn requests_are_recorded_with_their_headers_and_exact_bodies_in_order() {
    let machine = Host::machine();
    let receiver = Receiver::start(&machine, 0);
    for body in ["{\"n\": 1}", "{\"n\": 2}"] {
        let args = ["-H", "X-Lab: yes", "-d", body, &receiver.url("/hook?x=1")];
        assert_eq!(verdict(&machine, &args), (0, "200".into()));
    }
    let requests = receiver.wait_for(2, Duration::from_secs(1));
    assert_eq!(requests.len(), 2);
    assert_eq!((requests[0].method.as_str(), requests[0].path.as_str()), ("POST", "/hook?x=1"));
    assert_eq!(requests[0].headers.get("x-lab"), Some("yes"));
    assert_eq!(requests[0].json()["n"], 1);
    assert_eq!(requests[1].body, b"{\"n\": 2}");
    assert!(requests[0].at < requests[1].at);
}

#[test]
fn the_reply_can_be_changed_while_it_runs() {
    let machine = Host::machine();
    let receiver = Receiver::start(&machine, 0);
    let slow = Answer::new(202).delay(Duration::from_millis(300));
    let expected = [
        (Reply::status(503), 0, "503"),
        (Reply::Hang, 28, "000"),
        (Reply::Reset, 56, "000"),
        (Reply::Close, 52, "000"),
        (Reply::Answer(slow), 0, "202"),
    ];
    for (reply, code, status) in expected {
        receiver.set_reply(reply.clone());
        let seen = verdict(&machine, &["-m", "1", "-d", "x", &receiver.url("/")]);
        assert_eq!(seen, (code, status.to_owned()), "{reply:?}");
    }
    assert_eq!(receiver.requests().len(), 5);
}

#[test]
fn a_receiver_runs_on_a_lab_host_and_behind_tls() {
    let lab = Lab::builder().small().build();
    let ca = Ca::new();
    let identity = ca.identity(Flavour::Good, &["10.99.2.10"]);
    let receiver = Receiver::start_tls(&lab.server(), 443, &identity);
    let bundle = ca.bundle().display().to_string();
    let args = ["--cacert", &bundle, "-d", "x", &receiver.url("/hook")];
    assert_eq!(verdict(&lab.client(), &args), (0, "200".into()));
    assert_eq!(receiver.wait_for(1, Duration::from_secs(1))[0].path, "/hook");
}
