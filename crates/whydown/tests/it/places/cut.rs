//! A probe that is cut off from its server loses nothing, and nothing old is alerted as new.

use std::collections::BTreeSet;
use std::time::Duration;

use whydown_lab::{Answer, Behaviour, Lab, Peer, Receiver, Side, try_until, until};

use super::Probe;
use crate::outage::{Server, millis_between, now, time};

const PATIENCE: Duration = Duration::from_secs(60);

/// An outage of one monitor during the cut: it begins and ends while nobody hears of it.
#[test]
fn a_cut_between_probe_and_server_loses_no_failure_and_alerts_nothing_old() {
    let length: u64 =
        std::env::var("WHYDOWN_CUT_SECONDS").ok().and_then(|n| n.parse().ok()).unwrap_or(34);
    let lab = Lab::builder().small().build();
    let home = lab.add_host("home", Side::Server, 40);
    let receiver = Receiver::start(&home, 0);
    let config = format!(
        "local_probe: false\nchannels:\n  - {{ name: ops, webhook: {{ url: \"{}\" }} }}\n\
         monitors:\n  - {{ name: shop, target: \"http://10.99.2.10:80/\", interval: 1s }}\n  \
         - {{ name: late, target: \"http://10.99.2.10:81/\", interval: 1s }}\n",
        receiver.url("/")
    );
    let page = |port| Peer::start(&lab.server(), port, Behaviour::Http(Answer::new(200)));
    let (shop, late) = (page(80), page(81));
    let server = Server::start_open(&home, &config);
    let probe = Probe::start(&server, &lab.client(), &["--name", "fra1"]);
    for name in ["shop", "late"] {
        server.wait_state(name, "up");
    }
    let cut = "add table inet cut\n\
               add chain inet cut forward { type filter hook forward priority -10; }\n\
               add rule inet cut forward tcp dport 8088 drop\n\
               add rule inet cut forward tcp sport 8088 drop\n";
    let wait = |time: Duration| {
        let _: Option<()> = try_until(time, || None);
    };
    lab.r1().nft(cut);
    let begin = now();
    wait(Duration::from_secs(2));
    drop(shop);
    wait(Duration::from_secs(5));
    let _shop = page(80);
    wait(Duration::from_secs(length - 9));
    // Another one begins shortly before the end, and goes on.
    drop(late);
    wait(Duration::from_secs(2));
    lab.r1().nft("delete table inet cut\n");
    let end = now();
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
    // Every second has its observation, and those of the outage fail.
    let seen = until(PATIENCE, "the history of the cut", || {
        let seen = history("shop");
        let times: BTreeSet<i64> = seen.iter().map(|one| time(&one["at"]).as_second()).collect();
        let all = begin.as_second() + 1..end.as_second();
        let missing = all.filter(|second| !times.contains(second)).count();
        (missing <= 2).then_some(seen)
    });
    let failing = seen.iter().filter(|one| one["state"] == "down").count();
    let mut times: Vec<_> = seen.iter().map(|one| time(&one["at"])).collect();
    times.reverse();
    assert!(times.windows(2).all(|pair| pair[0] <= pair[1]), "the history is in order");
    assert!(failing >= 4, "five seconds of failures, {failing} observations");
    let told: Vec<String> = receiver
        .requests()
        .iter()
        .map(|r| r.json()["monitor"]["name"].as_str().unwrap_or_default().to_owned())
        .collect();
    assert!(!told.contains(&"shop".to_owned()), "an outage that was over long ago was alerted");
    println!(
        "cut of {:.1} s: {} observations of shop afterwards, {failing} failing, told {told:?}",
        f64::from(u32::try_from(millis_between(begin, end)).unwrap()) / 1_000.0,
        seen.len()
    );
}
