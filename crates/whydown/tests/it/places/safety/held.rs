//! A probe that whoever started it holds to some destinations.

use serde_json::Value;
use whydown_lab::{Answer, Behaviour, Host, Lab, Output, Peer, Side, until};

use super::{PATIENCE, newest, wait_live};
use crate::outage::Server;
use crate::places::Probe;
use crate::run::whydown;

const CONFIG: &str = "local_probe: false
monitors:
  - { name: shop, target: \"tcp://10.99.2.10:80\", interval: 1s }
  - { name: office, target: \"http://10.99.2.41:80/\", interval: 1s }
  - { name: moved, target: \"http://10.99.2.10:81/\", interval: 1s }
  - { name: names, target: \"dns://10.99.2.41\", interval: 1s, locations: [fra1] }
";

/// Counts what leaves for the address where the probe may not go.
const WITNESS: &str = "add table inet witness
add chain inet witness out { type filter hook output priority 0; }
add rule inet witness out ip daddr 10.99.2.41 counter
";

/// `diagnose --from`: the lines that the server answered.
fn ask_from(server: &Server, host: &Host, from: &str, target: &str) -> Vec<Value> {
    let mut command = whydown(host);
    command.args(["diagnose", target, "--json", "--from", from, "--token", server.token()]);
    command.args(["--server", &server.link_url().replace("https", "http")]);
    let output = Output::of(command, None, PATIENCE);
    let lines = output.stdout.lines().map(|line| serde_json::from_str(line).unwrap());
    let lines: Vec<Value> = lines.collect();
    assert!(!lines.is_empty(), "{output}");
    lines
}

#[test]
fn a_probe_goes_only_where_it_may_says_so_and_counts_for_nothing_else() {
    let lab = Lab::builder().small().build();
    let home = lab.add_host("home", Side::Server, 40);
    let office = lab.add_host("office", Side::Server, 41);
    let (here, there) = (lab.client(), lab.add_host("nyc1", Side::Client, 100));
    let page = || Behaviour::Http(Answer::new(200));
    let away = Answer::new(302).header("Location", "http://10.99.2.41/");
    let _shop = Peer::start(&lab.server(), 80, page());
    let _moved = Peer::start(&lab.server(), 81, Behaviour::Http(away));
    let inside = Peer::start(&office, 80, page());
    let server = Server::start_open(&home, CONFIG);
    here.nft(WITNESS);
    let token = server.add_location(&["--name", "fra1"]);
    let flags = ["--allow", "10.99.2.10"].map(str::to_owned).to_vec();
    let _held = Probe::of(&here, server.link_url(), token, (Vec::new(), flags));
    let _free = Probe::start(&server, &there, &["--name", "nyc1"]);

    for monitor in ["office", "moved", "names"] {
        let seen =
            until(PATIENCE, format!("{monitor} from fra1"), || newest(&server, monitor, "fra1"));
        assert_eq!(seen["state"], "inconclusive", "{monitor}: {seen}");
        assert_eq!(seen["failure"], "self.not_allowed", "{monitor}: {seen}");
    }
    for (monitor, location) in [("shop", "fra1"), ("office", "nyc1"), ("moved", "nyc1")] {
        until(PATIENCE, format!("{monitor} to be up from {location}"), || {
            (newest(&server, monitor, location)?["state"] == "up").then_some(())
        });
    }
    server.wait_state("office", "up");
    drop(inside);
    let incident = until(PATIENCE, "an incident of the office", || {
        let all = server.get("/incidents?monitor=office");
        all["incidents"].as_array()?.first().cloned()
    });
    let scope = &incident["diagnosis"]["scope"];
    assert_eq!((&scope["failing"], &scope["reporting"]), (&1.into(), &1.into()), "{scope}");
    assert_eq!(scope["places"]["failing"], serde_json::json!(["nyc1"]));

    wait_live(&server, "fra1");
    let lines = ask_from(&server, &home, "fra1", "tcp://10.99.2.41:22");
    let answer = lines.iter().find(|line| line["location"] == "fra1").unwrap();
    assert_eq!(answer["diagnosis"]["state"], "inconclusive", "{answer}");
    let summary = answer["diagnosis"]["summary"].as_str().unwrap();
    assert!(summary.ends_with("held to other destinations, by its probe's --allow."), "{summary}");
    println!("asked for tcp://10.99.2.41:22 it says: {summary}");
    let counted = here.exec("nft", &["list", "table", "inet", "witness"]).success();
    assert!(counted.contains("packets 0 "), "it went where it may not: {counted}");
}
