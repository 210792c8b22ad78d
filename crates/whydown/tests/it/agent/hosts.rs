//! What the server shows of a watched host, also after it was away itself.

use serde_json::Value;
use whydown_lab::{Lab, until};

use super::{Centre, WAIT};

fn web1(server: &Centre) -> Value {
    server.get("/hosts")["hosts"][0].clone()
}

fn texts(host: &Value) -> String {
    host["happenings"].to_string()
}

#[test]
fn what_happened_while_the_server_was_away_is_told_when_it_is_back() {
    let lab = Lab::builder().small().build();
    let (web, centre) = (lab.server(), lab.client());
    let kept = web.spawn("/usr/bin/python3", &["-m", "http.server", "8000"]);
    let mut server = Centre::start(&centre, "monitors: []\n");
    let agent = server.agent(&web);
    until(WAIT, "the host to be shown with its listener", || {
        let host = web1(&server);
        let all = host["listeners"].as_array().unwrap();
        let here = all.iter().find(|one| one["port"] == 8_000)?;
        assert_eq!(host["state"], "linked");
        assert_eq!(here["reachable"], "everyone");
        assert!(here["holder"].as_str().unwrap().starts_with("python3 (pid "), "{here}");
        Some(())
    });

    server.stop();
    drop(kept);
    until(WAIT, "the agent to notice that it can't tell", || {
        agent.output().contains("the server could not be told").then_some(())
    });
    server.start_again();
    until(WAIT, "the server to be told what happened meanwhile", || {
        let host = web1(&server);
        let told = texts(&host).contains("no longer listens on 0.0.0.0:8000");
        let gone = host["listeners"].as_array().unwrap().iter().all(|one| one["port"] != 8_000);
        (told && gone && host["state"] == "linked").then_some(())
    });
    drop(agent);
    until(WAIT, "the host to be shown as away", || {
        (web1(&server)["state"] == "away").then_some(())
    });
}
