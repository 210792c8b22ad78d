//! `whydown diagnose --from`: what several places see, side by side, asked of their server.

use serde_json::Value;
use whydown_lab::{Answer, Behaviour, Host, Lab, Output, Peer, Side};

use super::{PATIENCE, Probe, wait_live};
use crate::outage::Server;
use crate::run::whydown;

/// One of two places is refused on its way.
const REFUSED: &str = "add table inet way
add chain inet way on { type filter hook forward priority 0; }
add rule inet way on ip saddr 10.99.1.10 tcp dport 80 reject with tcp reset
";

/// Asks over the server's own certificate, as a person elsewhere does.
fn ask(host: &Host, server: &Server, pin: &str, words: &[&str]) -> Output {
    let mut command = whydown(host);
    command.args(["diagnose", "http://10.99.2.10/", "--server", &server.link_url()]);
    command.args(["--pin", pin, "--token", server.token()]).args(words);
    Output::of(command, None, PATIENCE)
}

#[test]
fn two_places_are_asked_and_shown_side_by_side() {
    let lab = Lab::builder().small().build();
    let home = lab.add_host("home", Side::Server, 40);
    let there = lab.add_host("nyc1", Side::Client, 100);
    let _page = Peer::start(&lab.server(), 80, Behaviour::Http(Answer::new(200)));
    let server = Server::start_open(&home, "local_probe: false\n");
    let fra1 = server.add_location(&["--name", "fra1", "--region", "eu"]);
    let (_, pin) = fra1.split_once('.').unwrap();
    let _one = Probe::with_token(&server, &lab.client(), fra1.clone(), Vec::new());
    let _two = Probe::start(&server, &there, &["--name", "nyc1", "--region", "us"]);
    wait_live(&server, "fra1");
    wait_live(&server, "nyc1");
    lab.r1().nft(REFUSED);

    let output = ask(&lab.server(), &server, pin, &["--from", "all"]);
    println!("{}", output.stdout);
    assert_eq!(output.code, Some(1), "{output}");
    let line = |place: &str| {
        let mut lines = output.stdout.lines();
        lines.find(|line| line.starts_with(place)).unwrap_or_else(|| panic!("{place}: {output}"))
    };
    assert!(line("fra1").contains("down") && line("fra1").contains("tcp.refused"), "{output}");
    assert!(line("nyc1").contains("up"), "{output}");
    assert!(output.stdout.contains("fails from 1 of 2: fra1\nfine from: nyc1"), "{output}");

    let output = ask(&lab.server(), &server, pin, &["--from", "all", "--json"]);
    let lines = output.stdout.lines().map(|line| serde_json::from_str(line).unwrap());
    let lines: Vec<Value> = lines.collect();
    assert_eq!(lines[0]["asked"], serde_json::json!(["fra1", "nyc1"]), "{output}");
    assert_eq!(lines.len(), 4, "{output}");
    let places = &lines[3]["scope"]["places"];
    assert_eq!(lines[3]["scope"]["kind"], "local", "{output}");
    assert_eq!((&places["failing"][0], &places["fine"][0]), (&"fra1".into(), &"nyc1".into()));

    let output = ask(&lab.server(), &server, pin, &["--from", "region:us", "--json"]);
    assert_eq!(output.code, Some(0), "{output}");
    assert!(output.stdout.starts_with("{\"asked\":[\"nyc1\"]}"), "{output}");

    let output = ask(&lab.server(), &server, pin, &["--from", "nowhere"]);
    let said = "from: no place with a live probe is meant by it";
    assert!(output.code != Some(0) && output.stderr.contains(said), "{output}");
}
