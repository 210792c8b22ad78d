//! Measured: from `kill -9` of a watched process to the delivered webhook, and an idle agent.

use std::fmt::Write as _;
use std::sync::mpsc::channel;
use std::time::{Duration, SystemTime};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use whydown_lab::{Lab, Process, Receiver, until};

use super::{Centre, WAIT};
use crate::cost::{memory, ticks};

/// Kills of one run, unless `WHYDOWN_AGENT_KILLS` says more.
const KILLS: usize = 20;
/// How long an idle agent is watched, unless `WHYDOWN_AGENT_IDLE_S` says more.
const IDLE_S: u64 = 20;
/// Ports of the processes that are killed.
const FIRST_PORT: usize = 7_000;

/// One process a port; says the pids, and lets the dead go.
const SERVERS: &str = r#"
import os, signal, socket, sys
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
alive, parents = os.pipe()
pids = []
for at in range(int(sys.argv[1])):
    s = socket.socket(socket.AF_INET); s.bind(('0.0.0.0', 7000 + at)); s.listen()
    pid = os.fork()
    if pid == 0:
        os.close(parents)
        os.read(alive, 1); os._exit(0)
    s.close(); pids.append(pid)
print('pids', *pids, flush=True)
signal.pause()
"#;

fn from_environment<T: std::str::FromStr>(name: &str, default: T) -> T {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

#[test]
fn a_killed_process_is_told_with_its_cause_within_a_quarter_of_a_second() {
    let kills = from_environment("WHYDOWN_AGENT_KILLS", KILLS);
    let lab = Lab::new();
    let (web, centre) = (lab.server(), lab.backend());
    let servers = web.spawn("python3", &["-c", SERVERS, &kills.to_string()]);
    let pids = pids(&servers, kills);
    let receiver = Receiver::start(&centre, 0);
    let server = Centre::start(&centre, &config(kills, &receiver));
    let _agent = server.agent(&web);
    until(WAIT, "all monitors to be up", || {
        let text = server.get("/monitors").to_string();
        (text.matches("\"state\":\"up\"").count() >= kills).then_some(())
    });

    let mut taken: Vec<u128> = Vec::new();
    for (at, pid) in pids.iter().enumerate() {
        let begun = SystemTime::now();
        kill(Pid::from_raw(*pid), Signal::SIGKILL).unwrap();
        let request = receiver.wait_for(at + 1, Duration::from_secs(10)).remove(at);
        taken.push(request.time.duration_since(begun).unwrap().as_millis());
        let body = request.json();
        let diagnosis = &body["diagnosis"];
        assert_eq!(body["event"], "incident.opened");
        // A connection that was made in the moment of going is reset.
        let failure = diagnosis["failure"].as_str().unwrap();
        assert!(["tcp.refused", "tcp.reset"].contains(&failure), "the outside confirms: {failure}");
        assert_eq!(diagnosis["causes"][0]["code"], "service.not_listening");
        let facts = diagnosis["evidence"].to_string();
        assert!(facts.contains("On web1, nothing listens on tcp port"), "{facts}");
        let happened = diagnosis["happenings"].to_string();
        assert!(happened.contains("no longer listens"), "{happened}");
    }
    one_time_line(&server, &receiver);
    taken.sort_unstable();
    let part = |percent: usize| taken[(taken.len() * percent).div_ceil(100) - 1];
    println!(
        "kill -9 → webhook with outside confirmation and inside cause, {kills} runs: p50 {} ms, \
         p99 {} ms, most {} ms",
        part(50),
        part(99),
        part(100)
    );
    // Some slow moments of a busy machine say nothing: the tail is judged where it is asked for.
    let (percent, most_ms) = if kills == KILLS { (50, 1_000) } else { (99, 250) };
    let judged = part(percent);
    assert!(judged <= most_ms, "p{percent} is {judged} ms\n{}", server.output());
}

/// What happened inside stands before what was seen outside, since it came first.
fn one_time_line(server: &Centre, receiver: &Receiver) {
    let body = receiver.requests().remove(0).json();
    let id = body["incident"]["id"].as_str().unwrap();
    let incident = server.get(&format!("/incidents/{id}"));
    let moments = incident["timeline"].as_array().unwrap();
    let at = |kind: &str| moments.iter().position(|moment| moment["kind"] == kind).unwrap();
    let gone = moments
        .iter()
        .position(|moment| moment["text"].as_str().unwrap().contains("web1: python3"));
    assert!(gone.unwrap() < at("confirmed") && at("inside") < at("confirmed"), "{moments:#?}");
    let times: Vec<&str> = moments.iter().map(|moment| moment["at"].as_str().unwrap()).collect();
    let mut sorted: Vec<jiff::Timestamp> = times.iter().map(|at| at.parse().unwrap()).collect();
    let given = sorted.clone();
    sorted.sort();
    assert_eq!(given, sorted, "in the order of time");
}

/// A channel for each monitor: many alerts at once would be gathered into one.
fn config(kills: usize, receiver: &Receiver) -> String {
    let mut monitors = String::from("monitors:\n");
    let mut channels = String::from("channels:\n");
    for at in 0..kills {
        let port = FIRST_PORT + at;
        let _ = writeln!(
            monitors,
            "  - {{ name: web-{at}, target: \"tcp://10.99.2.10:{port}\", interval: 5s, \
             notify: [hook-{at}] }}"
        );
        let url = receiver.url(&format!("/{at}"));
        let _ = writeln!(channels, "  - {{ name: hook-{at}, webhook: {{ url: \"{url}\" }} }}");
    }
    monitors + &channels
}

fn pids(servers: &Process, count: usize) -> Vec<i32> {
    until(WAIT, "the servers to listen", || {
        let text = servers.output();
        let (_, list) = text.split_once("pids ")?;
        let pids: Vec<i32> = list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect();
        (pids.len() == count).then_some(pids)
    })
}

/// A thousand listening sockets, and nothing else.
const SOCKETS: &str = "
import resource, signal, socket
resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
kept = []
for at in range(1000):
    s = socket.socket(); s.bind(('0.0.0.0', 10000 + at)); s.listen(); kept.append(s)
print('listening', flush=True)
signal.pause()
";

#[test]
fn an_idle_agent_costs_next_to_nothing() {
    let seconds = from_environment("WHYDOWN_AGENT_IDLE_S", IDLE_S);
    let lab = Lab::new();
    let (web, centre) = (lab.server(), lab.backend());
    let mut sockets = web.spawn("python3", &["-c", SOCKETS]);
    sockets.wait_output("listening");
    let server = Centre::start(&centre, "monitors: []\n");
    let agent = server.agent(&web);
    // What starting costs is not idling.
    pass(Duration::from_secs(2));
    let before = ticks(agent.pid());
    pass(Duration::from_secs(seconds));
    let used = ticks(agent.pid()) - before;
    #[expect(clippy::cast_precision_loss, reason = "ticks and seconds are small")]
    // USER_HZ is 100 on every architecture that Linux runs on.
    let percent = used as f64 / seconds as f64;
    let (all_kib, own_kib) = memory(agent.pid());
    println!(
        "idle agent, 1,000 sockets, {seconds} s: {percent:.2} % of a core, {all_kib} KiB \
         resident ({own_kib} KiB its own, the rest pages of the program file)"
    );
    // A debug build is many times as slow and as large as what is shipped: there its own memory
    // counts, and what it does is only to be little.
    let shipped = std::env::var("WHYDOWN_BINARY").is_ok();
    let (most_percent, counted_kib) = if shipped { (0.2, all_kib) } else { (1.0, own_kib) };
    assert!(percent < most_percent, "{percent} % of a core");
    assert!(counted_kib < 15 << 10, "{counted_kib} KiB");
}

/// Lets time pass: it is what is measured.
fn pass(time: Duration) {
    let (_keep, never) = channel::<()>();
    let _ = never.recv_timeout(time);
}
