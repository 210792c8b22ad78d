//! Server and probes killed and started again at random, while a service comes and goes: no
//! incident lost, and none told that was not.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use whydown_lab::{Answer, Behaviour, Lab, Peer, Side, try_until, until};

use super::Probe;
use crate::outage::{Server, now, time};

const PATIENCE: Duration = Duration::from_secs(60);
/// Longer than an outage with its kills usually takes.
const OUTAGE_EVERY: Duration = Duration::from_secs(4);
/// A check that is under way when its service goes fails too, and has begun before.
const CHECK_TAKES_MAX: Duration = Duration::from_millis(500);

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

#[test]
fn killing_server_and_probes_at_random_loses_no_incident_and_makes_none() {
    let read = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seed = read("WHYDOWN_SEED").unwrap_or_else(|| now().as_millisecond().unsigned_abs());
    let length = Duration::from_secs(read("WHYDOWN_SOAK_SECONDS").unwrap_or(40));
    println!("seed {seed} (WHYDOWN_SEED={seed} repeats it)");
    let mut chance = Chance(seed | 1);
    let lab = Lab::builder().small().build();
    let home = lab.add_host("home", Side::Server, 40);
    // Outages in a row would be one that flaps: each has a monitor of its own.
    let outages = u16::try_from(length.as_secs() / OUTAGE_EVERY.as_secs()).unwrap();
    let mut config = String::from("local_probe: false\nmonitors:\n");
    for i in 0..outages {
        let port = 9_000 + i;
        config += &format!(
            "  - {{ name: m{i}, target: \"tcp://10.99.2.10:{port}\", interval: 1s, timeout: 2s }}\n"
        );
    }
    let page = |i: u16| Peer::start(&lab.server(), 9_000 + i, Behaviour::Http(Answer::new(200)));
    let mut peers: Vec<Option<Peer>> = (0..outages).map(|i| Some(page(i))).collect();
    let mut server = Server::start_open(&home, &config);
    let mut probes = Vec::new();
    for i in 0..4_u8 {
        let host = lab.add_host(&format!("p{i}"), Side::Client, 100 + i);
        // Two of them share a location.
        let name = ["fra1", "nyc1", "sin1", "sin1"][usize::from(i)];
        probes.push(Probe::start(&server, &host, &["--name", name]));
    }
    for i in 0..outages {
        server.wait_state(&format!("m{i}"), "up");
    }
    let begin = Instant::now();
    let (mut truth, mut kills) = (Vec::new(), 0);
    for i in 0..outages {
        let beat = begin + OUTAGE_EVERY * u32::from(i);
        let _: Option<()> = try_until(beat.saturating_duration_since(Instant::now()), || None);
        let gone = now();
        drop(peers[usize::from(i)].take());
        for _ in 0..2 {
            let moment = Duration::from_millis(chance.below(1_200));
            // Nothing is waited for: the moment itself is the point.
            let _: Option<()> = try_until(moment, || None);
            match chance.below(5) {
                0 => {
                    server.kill();
                    server.start_again();
                }
                which => {
                    let probe = &mut probes[usize::try_from(which - 1).unwrap()];
                    probe.kill();
                    probe.start_again();
                }
            }
            kills += 1;
        }
        let monitor = format!("m{i}");
        let what = format!("an incident of {monitor}: {}", server.output());
        until(PATIENCE, what, || of(&server, &monitor).into_iter().next());
        let back = now();
        peers[usize::from(i)] = Some(page(i));
        truth.push((monitor, gone, back));
    }
    for (monitor, gone, back) in &truth {
        let what = format!("the end of {monitor}: {}", server.output());
        let (start, end) = until(PATIENCE, what, || {
            let (start, end) = of(&server, monitor).into_iter().next()?;
            Some((start, end?))
        });
        assert!(*gone - CHECK_TAKES_MAX <= start && start <= *back, "{monitor} began at {start}");
        assert!(*back - CHECK_TAKES_MAX <= end, "{monitor} ended at {end}, not after {back}");
        assert_eq!(of(&server, monitor).len(), 1, "{monitor} had one outage");
    }
    let took = begin.elapsed();
    println!("{} outages, {kills} kills in {took:.1?}: none lost, none made", truth.len());
}

/// Begin and end of a monitor's incidents.
fn of(server: &Server, monitor: &str) -> Vec<(Timestamp, Option<Timestamp>)> {
    let Some(all) = server.try_get(&format!("/incidents?monitor={monitor}")) else {
        return Vec::new();
    };
    let all = all["incidents"].as_array().cloned().unwrap_or_default();
    let moment = |value: &serde_json::Value| (!value.is_null()).then(|| time(value));
    all.iter().map(|one| (time(&one["started_at"]), moment(&one["resolved_at"]))).collect()
}
