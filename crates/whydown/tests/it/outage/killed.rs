//! `kill -9` at random moments of outages: no notice lost, none told twice under another key, and
//! times that are true.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use whydown_lab::{Answer, Behaviour, Lab, Peer, Receiver, try_until, until};

use super::{Server, arrival, now, time};

/// Each outage is hit twice: once while it begins, once while it ends.
const OUTAGES: u16 = 25;
/// A kill comes at most so long after the service went or came back: longer than it takes to
/// notice, confirm and tell.
const KILL_WITHIN_MS: u64 = 2_500;

/// A check that is under way when its service goes fails too, and has begun before: connecting,
/// asking and reading take a few round trips of 10 ms.
const CHECK_TAKES_MAX: Duration = Duration::from_millis(250);

/// xorshift64: enough to spread moments, and a seed names a run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// What an outage was like in truth.
struct Outage {
    monitor: String,
    gone: Timestamp,
    back: Timestamp,
}

/// Starts the server anew after a kill at a random moment.
fn kill_at_random(server: &mut Server, chance: &mut Chance) {
    let moment = Duration::from_millis(chance.below(KILL_WITHIN_MS));
    // Nothing is waited for here: the moment itself is the point.
    let _: Option<()> = try_until(moment, || None);
    server.kill();
    server.start_again();
}

#[test]
fn fifty_kills_lose_nothing_and_tell_nothing_twice() {
    let seed: Option<u64> = std::env::var("WHYDOWN_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| u64::from(now().subsec_nanosecond().unsigned_abs()));
    println!("seed {seed} (WHYDOWN_SEED={seed} repeats it)");
    let mut chance = Chance(seed | 1);
    let lab = Lab::new();
    let receiver = Receiver::start(&lab.client(), 0);
    let mut config = format!(
        "grouping: {{ enabled: false }}
channels:
  - name: ops
    webhook: {{ url: \"{}\" }}
monitors:
",
        receiver.url("/")
    );
    for i in 0..OUTAGES {
        config += &format!(
            "  - {{ name: m{i}, target: \"http://10.99.2.10:{}/\", interval: 1s, \
             notify: [ops] }}\n",
            9000 + i
        );
    }
    let open = |port: u16| Peer::start(&lab.server(), port, Behaviour::Http(Answer::new(200)));
    let mut peers: BTreeMap<u16, Peer> = (9000..9000 + OUTAGES).map(|p| (p, open(p))).collect();
    let mut server = Server::start(&lab.client(), &config);
    for i in 0..OUTAGES {
        server.wait_state(&format!("m{i}"), "up");
    }
    let mut outages = Vec::new();
    for i in 0..OUTAGES {
        let (port, monitor) = (9000 + i, format!("m{i}"));
        let gone = now();
        peers.remove(&port);
        kill_at_random(&mut server, &mut chance);
        wait_told(&receiver, &server, &monitor, "incident.opened");
        let back = now();
        peers.insert(port, open(port));
        kill_at_random(&mut server, &mut chance);
        wait_told(&receiver, &server, &monitor, "incident.resolved");
        outages.push(Outage { monitor, gone, back });
    }
    let told: Vec<(String, Value, Timestamp)> = receiver
        .requests()
        .iter()
        .map(|r| (r.headers.get("webhook-id").unwrap().to_owned(), r.json(), arrival(r)))
        .collect();
    let keys: BTreeSet<&str> = told.iter().map(|(key, ..)| key.as_str()).collect();
    println!(
        "{} kills in {} outages: {} notices, {} deliveries ({} repeated under the same key)",
        2 * OUTAGES,
        outages.len(),
        keys.len(),
        told.len(),
        told.len() - keys.len()
    );
    for outage in &outages {
        is_told_truly(outage, &told);
    }
    assert_eq!(keys.len(), 2 * outages.len(), "one notice for each beginning and each end");
}

#[track_caller]
fn wait_told(receiver: &Receiver, server: &Server, monitor: &str, event: &str) {
    until(Duration::from_secs(30), format!("{event} of {monitor}: {}", server.output()), || {
        receiver
            .requests()
            .iter()
            .map(whydown_lab::Request::json)
            .find(|body| body["monitor"]["name"] == monitor && body["event"] == event)
    });
}

/// One incident, told once as open and once as over, within the time when it was so.
fn is_told_truly(outage: &Outage, told: &[(String, Value, Timestamp)]) {
    let name = &outage.monitor;
    let of = |event: &str| -> Vec<&(String, Value, Timestamp)> {
        let fits = |entry: &&(String, Value, Timestamp)| {
            entry.1["monitor"]["name"] == *name && entry.1["event"] == event
        };
        told.iter().filter(fits).collect()
    };
    let (opened, resolved) = (of("incident.opened"), of("incident.resolved"));
    for list in [&opened, &resolved] {
        let keys: BTreeSet<&str> = list.iter().map(|(key, ..)| key.as_str()).collect();
        assert_eq!(keys.len(), 1, "{name}: {keys:?}");
        assert!(list.iter().all(|entry| entry.1 == list[0].1), "{name}: one key, one body");
    }
    let (first, last) = (&opened[0].1["incident"], &resolved[0].1["incident"]);
    assert_eq!(first["id"], last["id"], "{name}");
    let started = time(&first["started_at"]);
    let ended = time(&last["resolved_at"]);
    assert_eq!(first["started_at"], last["started_at"], "{name}");
    let (gone, back) = (outage.gone - CHECK_TAKES_MAX, outage.back);
    let true_to_life = gone <= started && started <= back;
    assert!(true_to_life, "{name} was gone from {} to {back}, told since {started}", outage.gone);
    assert!(outage.back <= ended, "{name} ended at {ended}, but was back only at {}", outage.back);
    assert!(ended <= resolved[0].2, "{name} ended after it was told");
}
