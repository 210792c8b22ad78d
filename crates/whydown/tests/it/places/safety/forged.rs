//! Somebody has the key of one probe and speaks the link with it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;
use whydown_core::observation::State;
use whydown_core::wire::{
    ANSWER_PATH, Abilities, Answer as Answered, Introduction, NOW_PATH, PROTOCOL, REPORTS_PATH,
    STREAM_PATH,
};
use whydown_lab::{Answer, Behaviour, Host, Lab, Output, Peer, Receiver, Side, until};

use super::{FORGED, PATIENCE, batch, key_of, newest, post, post_in_turn, report};
use crate::outage::Server;
use crate::places::Probe;
use crate::run::whydown;

/// Secrets of others.
const SECRETS: [&str; 4] = ["theirs", "header-of-theirs", "path-of-the-channel", "whsec_"];

fn config(receiver: &Receiver) -> String {
    format!(
        "local_probe: false
channels:
  - name: ops
    webhook: {{ url: \"{}\", secret: whsec_c2VjcmV0LW9mLXRoZS1jaGFubmVs }}
monitors:
  - {{ name: mine, target: \"http://10.99.2.10/mine\", interval: 1s, locations: [fra1] }}
  - name: theirs
    target: http://10.99.2.10/
    interval: 1s
    locations: [nyc1]
    request: {{ headers: {{ X-Key: header-of-theirs }} }}
",
        receiver.url("/path-of-the-channel")
    )
}

/// What the server tells the holder of a key first: everything that it is to check.
fn orders(host: &Host, server: &Server, key: &str) -> String {
    let introduction = Introduction {
        protocol: PROTOCOL,
        version: "9.9.9".to_owned(),
        abilities: Abilities::default(),
    };
    let mut command = crate::run::client(host, "curl");
    command.args(["-skN", "-H", &format!("Authorization: Bearer {key}")]);
    command.args(["-H", "Content-Type: application/json", "--data-raw"]);
    command.arg(serde_json::to_string(&introduction).unwrap());
    command.arg(format!("{}{STREAM_PATH}", server.link_url()));
    let mut stream = host.spawn_command(command);
    stream.wait_output("\"more\":false");
    stream.output()
}

/// Answers every question that was put to somebody else, for as long as it is asked.
fn answer_for_others(host: &Host, server: &Server, key: &str, over: &AtomicBool) {
    while !over.load(Ordering::Relaxed) {
        for id in 1..=4 {
            let evidence = report("", "nyc1", State::Down).evidence;
            let answer = serde_json::to_string(&Answered { id, evidence }).unwrap();
            let (status, said) = post(host, server, ANSWER_PATH, (key, &answer));
            assert_eq!(status, "200", "{said}");
        }
    }
}

/// `diagnose --from nyc1` of something that takes two seconds, answered by fra1.
fn ask_while_somebody_else_answers(host: &Host, server: &Server, key: &str) -> String {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| answer_for_others(host, server, key, &over));
        let mut command = whydown(host);
        command.args(["diagnose", "http://10.99.2.10:82/", "--from", "nyc1", "--json"]);
        command.args(["--server", "http://10.99.2.40:8088", "--token", server.token()]);
        let output = Output::of(command, None, PATIENCE);
        over.store(true, Ordering::Relaxed);
        output.stdout
    })
}

#[test]
fn a_key_speaks_for_its_own_place_and_monitors_and_hears_of_no_others() {
    let lab = Lab::builder().small().build();
    let home = lab.add_host("home", Side::Server, 40);
    let (here, there) = (lab.client(), lab.add_host("nyc1", Side::Client, 100));
    let receiver = Receiver::start(&home, 0);
    let _page = Peer::start(&lab.server(), 80, Behaviour::Http(Answer::new(200)));
    let slow = Answer::new(200).delay(Duration::from_secs(2));
    let _slow = Peer::start(&lab.server(), 82, Behaviour::Http(slow));
    let server = Server::start_open(&home, &config(&receiver));
    let mut robbed = Probe::start(&server, &here, &["--name", "fra1"]);
    let honest = Probe::start(&server, &there, &["--name", "nyc1"]);
    server.wait_state("mine", "up");
    server.wait_state("theirs", "up");
    robbed.kill();
    let key = key_of(&robbed);

    // What is said in somebody else's name counts for its own place, or for nothing.
    let lies = || {
        let lie = |monitor| report(monitor, "nyc1", State::Down);
        vec![lie("mine"), lie("theirs"), lie("nothing")]
    };
    for (path, first) in [(NOW_PATH, FORGED), (REPORTS_PATH, FORGED + 100)] {
        let lies = batch(first, lies());
        let (status, said) = post_in_turn(&here, &server, path, (&key, &lies));
        assert_eq!(status, "200", "{path}: {said}");
    }
    until(PATIENCE, "what fra1 says of its own monitor", || {
        (newest(&server, "mine", "fra1")?["state"] == "down").then_some(())
    });
    assert_eq!(newest(&server, "mine", "nyc1"), None);
    assert_eq!(newest(&server, "theirs", "fra1"), None);
    let theirs = server.get("/monitors/theirs");
    assert_eq!(theirs["state"], "up", "{theirs}");
    let incidents = server.get("/incidents?monitor=theirs");
    assert_eq!(incidents["incidents"], serde_json::json!([]));

    // What is told to it is what it checks.
    let told = orders(&here, &server, &key);
    assert!(told.contains("\"welcome\"") && told.contains("/mine"), "{told}");
    let of =
        |probe: &Probe| std::fs::read_to_string(probe.directory.join("assignments.json")).unwrap();
    for secret in SECRETS {
        assert!(!told.contains(secret), "{secret} in {told}");
        assert!(!of(&robbed).contains(secret), "{secret} in the robbed probe's files");
    }
    assert!(of(&honest).contains("header-of-theirs"), "who checks it has it");
    assert!(!of(&honest).contains("channel") && !of(&honest).contains("whsec_"));

    // Strangers are not listened to for long, whatever they bring.
    let endless = " ".repeat(3 << 20);
    for (path, status) in [(STREAM_PATH, "413"), (REPORTS_PATH, "401"), (ANSWER_PATH, "401")] {
        let (said, _) = post(&here, &server, path, ("wdk_nobody", &endless));
        // Cut off before all of it was sent, curl may have missed the answer.
        assert!(said == status || said == "000", "{path}: {said}");
    }

    // It is no key to anything else.
    let bearer = format!("Authorization: Bearer {key}");
    let api = format!("{}/api/v1/monitors", server.link_url());
    let status = ["-sk", "-o", "/dev/null", "-w", "%{http_code}", "-H", &bearer, &api];
    assert_eq!(here.exec("curl", &status).stdout, "401");

    let lines = ask_while_somebody_else_answers(&here, &server, &key);
    let lines = lines.lines().map(|line| serde_json::from_str(line).unwrap());
    let lines: Vec<Value> = lines.filter(|line: &Value| !line["location"].is_null()).collect();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(
        (&lines[0]["location"], &lines[0]["diagnosis"]["state"]),
        (&"nyc1".into(), &"up".into())
    );
}
