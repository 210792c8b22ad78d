//! A receiver that never answers delays neither checks nor other channels.

use std::time::Duration;

use jiff::Timestamp;
use whydown_lab::{Answer, Behaviour, Lab, Peer, Receiver, Reply, until};

use super::{Server, arrival, millis_between, time};

const OUTAGES: usize = 4;
/// Gaps between checks that are looked at: some seconds of a channel that hangs.
const GAPS_MIN: usize = 6;

#[test]
fn a_receiver_that_never_answers_delays_no_check_and_no_other_channel() {
    let lab = Lab::new();
    let web = || Behaviour::Http(Answer::new(200));
    let _steady = Peer::start(&lab.server(), 80, web());
    let dead = Receiver::start(&lab.client(), 0);
    dead.set_reply(Reply::Hang);
    let good = Receiver::start(&lab.client(), 0);
    let mut config = format!(
        "grouping: {{ enabled: false }}
channels:
  - name: dead
    webhook: {{ url: \"{}\" }}
  - name: good
    webhook: {{ url: \"{}\" }}
monitors:
  - {{ name: steady, target: \"http://10.99.2.10/\", interval: 1s, notify: [dead, good] }}
",
        dead.url("/"),
        good.url("/")
    );
    for i in 0..OUTAGES {
        config += &format!(
            "  - {{ name: m{i}, target: \"http://10.99.2.10:{}/\", interval: 1s, confirm: 0, \
             notify: [dead, good] }}\n",
            9000 + i
        );
    }
    let ports = || (0..OUTAGES).map(|i| u16::try_from(9000 + i).unwrap());
    let mut peers: Vec<Peer> = ports().map(|p| Peer::start(&lab.server(), p, web())).collect();
    let server = Server::start(&lab.client(), &config);
    for i in 0..OUTAGES {
        server.wait_state(&format!("m{i}"), "up");
    }
    peers.clear();
    good.wait_for(OUTAGES, Duration::from_secs(10));
    peers.extend(ports().map(|port| Peer::start(&lab.server(), port, web())));
    let told = good.wait_for(2 * OUTAGES, Duration::from_secs(10));
    assert!(!dead.requests().is_empty(), "the dead receiver was tried");

    let delays: Vec<i64> = told
        .iter()
        .map(|request| {
            let body = request.json();
            let key = if body["event"] == "incident.opened" { "started_at" } else { "resolved_at" };
            millis_between(time(&body["incident"][key]), arrival(request))
        })
        .collect();
    let slowest = delays.iter().max().unwrap();
    let gaps = until(Duration::from_secs(20), "more checks", || {
        let gaps = gaps_between_checks(&server);
        (gaps.len() >= GAPS_MIN).then_some(gaps)
    });
    println!("notices over the good channel after {delays:?} ms; gaps between checks {gaps:?} ms");
    assert!(*slowest < 1_500, "the good channel waited: {delays:?}");
    // The first gap may be short: a monitor is checked at once when it is new, then on its beat.
    assert!(gaps.iter().all(|gap| *gap < 1_300), "checks were delayed: {gaps:?}");
}

/// Milliseconds between the starts of the steady monitor's checks, oldest first.
fn gaps_between_checks(server: &Server) -> Vec<i64> {
    let seen = server.get("/monitors/steady/observations?limit=100");
    let mut starts: Vec<Timestamp> =
        seen["observations"].as_array().unwrap().iter().map(|o| time(&o["at"])).collect();
    starts.sort_unstable();
    starts.windows(2).map(|pair| millis_between(pair[0], pair[1])).collect()
}
