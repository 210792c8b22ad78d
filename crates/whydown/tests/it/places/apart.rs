//! What goes wrong with the places themselves: wrong clocks, a dead probe, a server that is cut
//! off.

use std::time::Duration;

use jiff::SignedDuration;
use serde_json::Value;
use whydown_lab::{
    Answer, Behaviour, Hook, Lab, Peer, Receiver, Rule, Side, Site, Uplink, try_until, until,
};

use super::Probe;
use super::world::{SIXTEEN, site};
use crate::outage::{Server, millis_between, now, time};

const PATIENCE: Duration = Duration::from_secs(60);

fn open(server: &Server) -> Vec<Value> {
    server.get("/incidents?state=open")["incidents"].as_array().unwrap().clone()
}

#[test]
fn clocks_ten_minutes_off_change_nothing() {
    let lab = Lab::builder().small().build();
    let home = lab.add_host("home", Side::Server, 40);
    let peer = Peer::start(&lab.server(), 80, Behaviour::Http(Answer::new(200)));
    let config = "local_probe: false\nmonitors:\n  - { name: shop, target: \
                  \"http://10.99.2.10:80/\", interval: 1s }\n";
    let server = Server::start_open(&home, config);
    let mut probes = Vec::new();
    for (i, clock) in ["+10m", "-10m", "+0"].iter().enumerate() {
        let host = lab.add_host(&format!("p{i}"), Side::Client, 100 + u8::try_from(i).unwrap());
        let token = server.add_location(&["--name", &format!("p{i}")]);
        let wrapper = ["faketime", "-f", clock].map(str::to_owned).to_vec();
        probes.push(Probe::with_token(&server, &host, token, wrapper));
    }
    server.wait_state("shop", "up");
    // A round of all, with clocks measured.
    let _: Option<()> = try_until(Duration::from_secs(3), || None);
    let gone = now();
    drop(peer);
    let incident = until(PATIENCE, format!("an incident: {}", probes[0].output()), || {
        open(&server).into_iter().find(|one| one["diagnosis"]["scope"]["failing"] == 3)
    });
    let began = millis_between(gone, time(&incident["started_at"]));
    println!("with clocks at +10 min, -10 min and right it began {began} ms after it did");
    assert!((-500..5_000).contains(&began), "{incident}");
    assert_eq!(incident["diagnosis"]["scope"]["kind"], "global");
}

#[test]
fn a_dead_probe_is_replaced_and_a_location_without_one_has_no_data_and_is_never_down() {
    let lab = Lab::builder().small().build();
    let home = lab.add_host("home", Side::Server, 40);
    let _peer = Peer::start(&lab.server(), 80, Behaviour::Http(Answer::new(200)));
    let receiver = Receiver::start(&home, 0);
    let config = format!(
        "local_probe: false\nno_data: {{ after: 15s, notify: [ops] }}\n\
         channels:\n  - {{ name: ops, webhook: {{ url: \"{}\" }} }}\n\
         monitors:\n  - {{ name: shop, target: \"http://10.99.2.10:80/\", interval: 2s, \
         alert_when: any }}\n",
        receiver.url("/")
    );
    let mut server = Server::start_open(&home, &config);
    let mut probes = Vec::new();
    for i in 0..2_u8 {
        let host = lab.add_host(&format!("p{i}"), Side::Client, 100 + i);
        probes.push(Probe::start(&server, &host, &["--name", "fra1"]));
    }
    // Waited for in vain from the beginning, and nobody's loss.
    server.add_location(&["--name", "nobody"]);
    let fra1 = || server.get("/locations")["locations"][0].clone();
    server.wait_state("shop", "up");
    let owner = until(PATIENCE, "two live probes, one of which checks", || {
        let place = fra1();
        let all = place["probes"].as_array()?.clone();
        let live = all.iter().filter(|probe| probe["live"] == true).count();
        let mine = all.iter().find(|probe| probe["monitors"] == 1)?;
        (live == 2).then(|| mine["id"].as_str().unwrap().to_owned())
    });
    // Which process that is shows when it goes.
    probes[0].kill();
    let moved = now();
    until(PATIENCE, "the other one to check", || {
        let place = fra1();
        let all = place["probes"].as_array()?;
        all.iter().find(|probe| probe["live"] == true && probe["monitors"] == 1).map(|_| ())
    });
    println!("taken over from {owner} within {} ms", millis_between(moved, now()));
    probes[1].kill();
    until(PATIENCE, "no data", || {
        let none = fra1()["state"] == "no_data";
        (none && server.get("/monitors/shop")["state"] == "inconclusive").then_some(())
    });
    assert!(open(&server).is_empty(), "a location without a probe is never down");
    println!("{}", told_of_silence_and_return(&mut server, &mut probes[0], &receiver));
}

/// The location is told of, once, and again when it is back, also by a server that was killed.
fn told_of_silence_and_return(
    server: &mut Server,
    probe: &mut Probe,
    receiver: &Receiver,
) -> String {
    let of = |event: &str| -> Vec<Value> {
        let all = receiver.requests().into_iter().map(|request| request.json());
        all.filter(|body| body["event"] == event).collect()
    };
    let what = format!("word that nobody is there: {}", server.output());
    let told = until(PATIENCE, what, || of("location.no_data").pop());
    let summary = told["diagnosis"]["summary"].as_str().unwrap();
    assert!(summary.starts_with("fra1 has no probe since "), "{summary}");
    assert!(summary.ends_with(": 1 monitor is not watched from there"), "{summary}");
    assert_eq!(told["locations"][0]["name"], "fra1");
    server.kill();
    server.start_again();
    probe.start_again();
    let what = format!("word that somebody is there again: {}", probe.output());
    let back = until(PATIENCE, what, || of("location.back").pop());
    let summary_back = back["diagnosis"]["summary"].as_str().unwrap();
    assert!(summary_back.starts_with("fra1 has a probe again after "), "{summary_back}");
    assert_eq!(back["incident"]["id"], told["incident"]["id"]);
    assert_eq!(back["incident"]["started_at"], told["incident"]["started_at"]);
    assert_eq!(of("location.no_data").len(), 1, "told once");
    format!("{summary}\n{summary_back}")
}

/// What stops meanwhile is told when the server is back.
#[test]
fn a_server_that_is_cut_off_blames_itself_and_tells_later_what_has_stopped() {
    let lab = Lab::builder().small().build();
    let Site { host: home, gateway } = lab.add_site("home", 40, Uplink::Routed);
    let page = |port| Peer::start(&lab.server(), port, Behaviour::Http(Answer::new(200)));
    let (_shop, late) = (page(80), page(81));
    let monitor = |name, when, port| {
        format!(
            "  - {{ name: {name}, target: \"http://10.99.2.10:{port}/\", interval: 2s, \
             timeout: 1s, alert_when: {when} }}\n"
        )
    };
    let config = format!(
        "monitors:\n{}{}{}",
        monitor("shop", "majority", 80),
        monitor("anyone", "any", 80),
        monitor("late", "majority", 81)
    );
    let server = Server::start_open(&home, &config);
    let mut probes = Vec::new();
    for (i, (name, region, network)) in SIXTEEN.into_iter().enumerate() {
        let location = ["--name", name, "--region", region, "--network", network];
        probes.push(Probe::start(&server, &site(&lab, i, name).host, &location));
    }
    // The server itself is one more.
    let all = SIXTEEN.len() + 1;
    let all_see_it = |name: &str, state: &str| {
        until(PATIENCE, format!("all places to see {name} {state}"), || {
            let monitor = server.get(&format!("/monitors/{name}"));
            let places = monitor["places"].as_object()?;
            (places.values().filter(|place| place["state"] == state).count() == all).then_some(())
        });
    };
    ["shop", "anyone", "late"].iter().for_each(|name| all_see_it(name, "up"));
    gateway.rule(Rule::DropAll(Hook::Forward));
    let cut = now();
    let _: Option<()> = try_until(Duration::from_secs(15), || None);
    drop(late);
    let gone = now();
    let _: Option<()> = try_until(Duration::from_secs(10), || None);
    let told = open(&server);
    assert!(told.is_empty(), "{told:?}");
    let state = server.get("/monitors/shop")["state"].clone();
    println!("the server's own uplink is cut: expected nothing, found nothing; shop is {state}");
    gateway.forget_rules();
    let back = now();
    ["shop", "anyone"].iter().for_each(|name| all_see_it(name, "up"));
    let incident = until(PATIENCE, format!("what has stopped: {}", server.output()), || {
        open(&server).into_iter().find(|one| one["diagnosis"]["scope"]["failing"] == all)
    });
    let scope = &incident["diagnosis"]["scope"];
    println!(
        "the service has stopped while the server was cut off for {} ms: expected global of {all}, \
         found {} of {}, which began {} ms after it did",
        millis_between(cut, back),
        scope["kind"],
        scope["failing"],
        millis_between(gone, time(&incident["started_at"]))
    );
    assert_eq!((&incident["monitor"], &scope["kind"]), (&"late".into(), &"global".into()));
    let began = time(&incident["started_at"]);
    assert!(gone - SignedDuration::from_secs(1) <= began && began < back, "{incident}");
    let all = server.get("/incidents")["incidents"].as_array().unwrap().clone();
    assert_eq!(all.len(), 1, "nothing old is told: {all:#?}");
}
