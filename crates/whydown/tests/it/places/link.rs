//! The link: enrolment, assignments, reports, and what becomes of them.

use std::time::Duration;

use whydown_lab::{Answer, Behaviour, Lab, Peer, Receiver, Side, try_until, until};

use super::Probe;
use crate::outage::Server;

const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn a_probe_enrols_checks_reports_and_needs_no_token_again() {
    let lab = Lab::builder().small().build();
    let home = lab.add_host("home", Side::Server, 40);
    let receiver = Receiver::start(&home, 0);
    let config = format!(
        "local_probe: false\n\
         channels:\n  - {{ name: ops, webhook: {{ url: \"{}\" }} }}\n\
         monitors:\n  - {{ name: shop, target: \"http://10.99.2.10:80/\", interval: 1s, \
         locations: [\"region:eu\"] }}\n  - {{ name: other, target: \"tcp://10.99.2.10:80\", \
         locations: [nowhere] }}\n",
        receiver.url("/")
    );
    let page = || Peer::start(&lab.server(), 80, Behaviour::Http(Answer::new(200)));
    let peer = page();
    let server = Server::start_open(&home, &config);
    let location = ["--name", "fra1", "--region", "eu", "--network", "AS 64500"];
    let mut probe = Probe::start(&server, &lab.client(), &location);
    let up = try_until(PATIENCE, || (server.get("/monitors/shop")["state"] == "up").then_some(()));
    assert!(up.is_some(), "{}{}", server.output(), probe.output());
    let places = server.get("/locations");
    let fra1 = &places["locations"][0];
    assert_eq!((&fra1["name"], &fra1["state"]), (&"fra1".into(), &"live".into()), "{places}");
    assert_eq!((fra1["monitors"].as_u64(), fra1["region"].as_str()), (Some(1), Some("eu")));

    probe.kill();
    probe.start_again();
    drop(peer);
    let opened = until(PATIENCE, format!("an incident: {}", probe.output()), || {
        receiver.requests().into_iter().find(|r| r.json()["event"] == "incident.opened")
    });
    let diagnosis = &opened.json()["diagnosis"];
    assert_eq!(diagnosis["failure"], "tcp.refused", "{diagnosis}");
    assert_eq!(diagnosis["scope"]["places"]["failing"], serde_json::json!(["fra1"]));
    let _peer = page();
    until(PATIENCE, "recovery", || {
        receiver.requests().into_iter().find(|r| r.json()["event"] == "incident.resolved")
    });
    probe.process.stop();
}
