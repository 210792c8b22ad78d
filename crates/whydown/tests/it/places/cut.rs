//! A probe that is cut off from its server loses nothing, and nothing old is alerted as new.

use std::time::Duration;

use serde_json::Value;
use whydown_lab::{Answer, Behaviour, Lab, Peer, Receiver, Side, try_until, until};

use super::Probe;
use crate::outage::{Server, millis_between, now, time};

const PATIENCE: Duration = Duration::from_secs(60);
/// A clock that is read over a network is wrong by so much.
const CLOCK_ERROR: Duration = Duration::from_millis(100);

const CUT: &str = "add table inet cut\n\
                   add chain inet cut forward { type filter hook forward priority -10; }\n\
                   add rule inet cut forward tcp dport 8088 drop\n\
                   add rule inet cut forward tcp sport 8088 drop\n";

fn config(receiver: &Receiver) -> String {
    format!(
        "local_probe: false\nchannels:\n  - {{ name: ops, webhook: {{ url: \"{}\" }} }}\n\
         monitors:\n  - {{ name: shop, target: \"http://10.99.2.10:80/\", interval: 1s }}\n  \
         - {{ name: late, target: \"http://10.99.2.10:81/\", interval: 1s }}\n",
        receiver.url("/")
    )
}

/// An outage of one monitor during the cut: it begins and ends while nobody hears of it.
#[test]
fn a_cut_between_probe_and_server_loses_no_failure_and_alerts_nothing_old() {
    let length: u64 =
        std::env::var("WHYDOWN_CUT_SECONDS").ok().and_then(|n| n.parse().ok()).unwrap_or(34);
    let lab = Lab::builder().small().build();
    let home = lab.add_host("home", Side::Server, 40);
    let receiver = Receiver::start(&home, 0);
    let page = |port| Peer::start(&lab.server(), port, Behaviour::Http(Answer::new(200)));
    let (shop, late) = (page(80), page(81));
    let server = Server::start_open(&home, &config(&receiver));
    let probe = Probe::start(&server, &lab.client(), &["--name", "fra1"]);
    for name in ["shop", "late"] {
        server.wait_state(name, "up");
    }
    let wait = |time: Duration| {
        let _: Option<()> = try_until(time, || None);
    };
    lab.r1().nft(CUT);
    let begin = now();
    wait(Duration::from_secs(2));
    drop(shop);
    wait(Duration::from_secs(5));
    let _shop = page(80);
    wait(Duration::from_secs(length - 9));
    // Another one begins shortly before the end, and goes on.
    drop(late);
    wait(Duration::from_secs(2));
    // What the probe has seen is on its disk, and nowhere else.
    let mut kept = spooled(&probe, "shop");
    lab.r1().nft("delete table inet cut\n");
    let end = now();
    // What was stored before the cut may still be in the file.
    kept.retain(|one| (begin..=end).contains(&time(&one["at"])));
    until(PATIENCE, format!("the late one to be told: {}", probe.output()), || {
        receiver.requests().into_iter().find(|r| {
            let body = r.json();
            body["event"] == "incident.opened" && body["monitor"]["name"] == "late"
        })
    });
    let history = |name: &str| {
        let all = server.get(&format!("/monitors/{name}/observations?limit=1000"));
        all["observations"].as_array().unwrap().clone()
    };
    let failing = |seen: &[Value]| seen.iter().filter(|one| one["state"] == "down").count();
    let lost = |seen: &[Value]| -> Vec<Value> {
        let is_there = |one: &&Value| !seen.iter().any(|other| is_same(one, other));
        kept.iter().filter(is_there).cloned().collect()
    };
    let seen = try_until(PATIENCE, || {
        let seen = history("shop");
        lost(&seen).is_empty().then_some(seen)
    });
    let seen = seen.unwrap_or_else(|| panic!("lost: {:#?}", lost(&history("shop"))));
    assert!(failing(&kept) >= 2, "five seconds of failures: {kept:?}");
    let mut times: Vec<_> = seen.iter().map(|one| time(&one["at"])).collect();
    times.reverse();
    assert!(times.windows(2).all(|pair| pair[0] <= pair[1]), "the history is in order");
    let told: Vec<String> = receiver
        .requests()
        .iter()
        .map(|r| r.json()["monitor"]["name"].as_str().unwrap_or_default().to_owned())
        .collect();
    assert!(!told.contains(&"shop".to_owned()), "an outage that was over long ago was alerted");
    println!(
        "cut of {:.1} s: {} observations on disk, {} of them failing; afterwards the server has {} \
         and {}; told {told:?}",
        f64::from(u32::try_from(millis_between(begin, end)).unwrap()) / 1_000.0,
        kept.len(),
        failing(&kept),
        seen.len(),
        failing(&seen),
    );
}

/// The server corrects times by what it knows of the probe's clock.
fn is_same(one: &Value, other: &Value) -> bool {
    one["state"] == other["state"]
        && time(&one["at"]).duration_since(time(&other["at"])).unsigned_abs() <= CLOCK_ERROR
}

/// The observations of a monitor that wait in a probe's spool.
fn spooled(probe: &Probe, monitor: &str) -> Vec<Value> {
    let files = std::fs::read_dir(probe.directory.join("spool")).unwrap();
    let mut found = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        // The last line may be half written.
        let lines = text.lines().filter_map(|line| line.splitn(3, ' ').nth(2));
        let reports = lines.filter_map(|json| serde_json::from_str::<Value>(json).ok());
        for report in reports.filter(|report| report["report"]["monitor"] == monitor) {
            let seen = report["report"]["evidence"]["observations"].as_array().unwrap().clone();
            found.extend(seen);
        }
    }
    found
}
