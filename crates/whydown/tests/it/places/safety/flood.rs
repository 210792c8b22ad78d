//! Somebody has the key of one probe and sends as much as the line takes.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use whydown_core::observation::State;
use whydown_core::wire::{BATCH_MAX, NOW_PATH, REPORTS_PATH};
use whydown_lab::{Answer, Behaviour, Host, Lab, Peer, Receiver, Side, until};

use super::{FORGED, PATIENCE, batch, key_of, report};
use crate::outage::{Server, arrival, millis_between, now};
use crate::places::Probe;

/// Connections that send at the same time.
const HOSES: usize = 4;
/// Requests after which the flood is one.
const UNDER_WAY: u64 = 40;

#[derive(Default)]
struct Flood {
    over: AtomicBool,
    taken: AtomicU64,
    refused: AtomicU64,
    sequence: AtomicU64,
}

impl Flood {
    /// Sends full batches until it is over.
    fn pour(&self, host: &Host, key: &str) {
        let one = serde_json::to_string(&report("flood", "fra1", State::Up)).unwrap();
        while !self.over.load(Ordering::Relaxed) {
            let count = u64::try_from(BATCH_MAX).unwrap();
            let first = FORGED + self.sequence.fetch_add(count, Ordering::Relaxed);
            let reports = (first..first + count)
                .map(|sequence| format!("{{\"sequence\":{sequence},\"report\":{one}}}"));
            let body = format!("{{\"reports\":[{}]}}", reports.collect::<Vec<_>>().join(","));
            for path in [REPORTS_PATH, NOW_PATH] {
                let status = host.enter(|| send(path, key, &body));
                // Turned away before all of it was sent, there is no status.
                let taken = status.is_some_and(|status| status.contains(" 200 "));
                let count = if taken { &self.taken } else { &self.refused };
                count.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    fn sent(&self) -> u64 {
        self.taken.load(Ordering::Relaxed) + self.refused.load(Ordering::Relaxed)
    }
}

/// One request over a connection of its own, without waiting longer than a moment: the first line
/// of the answer.
#[expect(clippy::disallowed_methods, reason = "nobody asks why an attacker's connection failed")]
fn send(path: &str, key: &str, body: &str) -> Option<String> {
    let mut stream = TcpStream::connect("10.99.2.40:8088").ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\
         Content-Type: application/json\r\nAuthorization: Bearer {key}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(body.as_bytes()).ok()?;
    let mut answer = [0; 64];
    let length = stream.read(&mut answer).ok()?;
    Some(String::from_utf8_lossy(&answer[..length]).into_owned())
}

#[test]
fn a_flood_from_one_probe_is_limited_and_the_others_are_heard() {
    let lab = Lab::builder().small().build();
    let home = lab.add_host("home", Side::Server, 40);
    let (here, there) = (lab.client(), lab.add_host("nyc1", Side::Client, 100));
    let receiver = Receiver::start(&home, 0);
    let config = format!(
        "local_probe: false\nchannels:\n  - {{ name: ops, webhook: {{ url: \"{}\" }} }}\n\
         monitors:\n  - {{ name: flood, target: \"tcp://10.99.2.10:80\", locations: [fra1] }}\n  \
         - {{ name: shop, target: \"http://10.99.2.10:81/\", interval: 1s, locations: [nyc1] }}\n",
        receiver.url("/")
    );
    let page = |port| Peer::start(&lab.server(), port, Behaviour::Http(Answer::new(200)));
    let (_other, shop) = (page(80), page(81));
    let server = Server::start_open(&home, &config);
    let mut robbed = Probe::start(&server, &here, &["--name", "fra1"]);
    let _honest = Probe::start(&server, &there, &["--name", "nyc1"]);
    super::wait_live(&server, "fra1");
    server.wait_state("shop", "up");
    robbed.kill();
    let (key, flood) = (key_of(&robbed), Flood::default());
    std::thread::scope(|scope| {
        for _ in 0..HOSES {
            scope.spawn(|| flood.pour(&here, &key));
        }
        until(PATIENCE, "a flood", || (flood.sent() >= UNDER_WAY).then_some(()));
        let gone = now();
        drop(shop);
        let opened = whydown_lab::try_until(PATIENCE, || {
            receiver.requests().into_iter().find(|r| r.json()["event"] == "incident.opened")
        });
        flood.over.store(true, Ordering::Relaxed);
        let opened = opened.unwrap_or_else(|| panic!("never told: {}", server.output()));
        assert_eq!(opened.json()["monitor"]["name"], "shop");
        let taken = flood.taken.load(Ordering::Relaxed);
        let refused = flood.refused.load(Ordering::Relaxed);
        println!(
            "in a flood of {} requests of {BATCH_MAX} reports ({taken} taken, {refused} turned \
             away) the other probe's failure was told after {} ms",
            taken + refused,
            millis_between(gone, arrival(&opened))
        );
        assert!(refused > 0, "everything was taken");
    });
    // Who flooded is heard again afterwards, like everybody.
    let said = super::post_in_turn(&here, &server, REPORTS_PATH, (&key, &batch(1, Vec::new())));
    assert_eq!(said.0, "200", "{}", said.1);
}
