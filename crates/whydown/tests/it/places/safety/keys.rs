//! Tokens that were used, keys that were revoked.

use std::time::Instant;

use whydown_core::wire::REPORTS_PATH;
use whydown_lab::{Host, Lab, Side, until};

use super::{PATIENCE, batch, key_of, post, post_in_turn, wait_live};
use crate::outage::Server;
use crate::places::Probe;

const CONFIG: &str = "local_probe: false
monitors:
  - { name: shop, target: \"tcp://10.99.2.10:80\", interval: 1s }
";

/// Waits until the server lets a probe go: the process ends and says why.
fn wait_refused(probe: &mut Probe, why: &str) {
    let status = probe.process.wait(PATIENCE);
    let output = probe.output();
    assert!(!status.success() && output.contains(why), "{status}: {output}");
}

fn probe_of(server: &Server, host: &Host, name: &str) -> (Probe, String, String) {
    let probe = Probe::start(server, host, &["--name", name]);
    let id = wait_live(server, name);
    let key = key_of(&probe);
    (probe, id, key)
}

#[test]
fn a_token_works_once_and_a_revoked_key_never_again() {
    let lab = Lab::builder().small().build();
    let home = lab.add_host("home", Side::Server, 40);
    let other = lab.add_host("other", Side::Client, 100);
    let server = Server::start_open(&home, CONFIG);
    let (mut probe, id, key) = probe_of(&server, &lab.client(), "fra1");

    let again = Probe::with_token(&server, &other, probe.token.clone(), Vec::new());
    wait_refused(&mut { again }, "this token was used already; make a new one");

    let empty = batch(1, Vec::new());
    let (status, said) = post_in_turn(&other, &server, REPORTS_PATH, (&key, &empty));
    assert_eq!(status, "200", "{said}");
    server.admin(&["probe", "revoke", "--id", &id]);
    let revoked = Instant::now();
    let said = until(PATIENCE, "the key to be refused", || {
        let (status, said) = post(&other, &server, REPORTS_PATH, (&key, &empty));
        (status == "401").then_some(said)
    });
    println!("revoked beside the running server, refused after {:.1?}", revoked.elapsed());
    assert!(said.contains("was revoked"), "{said}");
    wait_refused(&mut probe, "was revoked");
    let place = &server.get("/locations")["locations"][0];
    assert_eq!(place["probes"], serde_json::json!([]), "{place}");
    // The token that the key came from does not bring it back.
    probe.start_again();
    wait_refused(&mut probe, "was revoked");

    // Revoked by the API there is no moment in between.
    let (mut probe, id, key) = probe_of(&server, &other, "nyc1");
    let bearer = format!("Authorization: Bearer {}", server.token());
    let url = format!("http://127.0.0.1:8088/api/v1/probes/{id}");
    home.exec("curl", &["-sSf", "-X", "DELETE", "-H", &bearer, &url]).success();
    let (status, said) = post(&lab.client(), &server, REPORTS_PATH, (&key, &empty));
    assert_eq!(status, "401", "{said}");
    wait_refused(&mut probe, "was revoked");
}
