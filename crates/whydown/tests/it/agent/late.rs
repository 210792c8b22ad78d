//! A whole view that comes after the verdict is not lost.

use std::os::unix::fs::PermissionsExt;

use whydown_lab::{Lab, until};

use super::{Centre, WAIT};

/// The packet filter's program, slower than a verdict waits.
const SLOW: &str = "#!/bin/sh\nsleep 0.4\nexec /usr/sbin/nft \"$@\"\n";

#[test]
fn a_verdict_learns_what_the_agent_says_later() {
    let lab = Lab::builder().small().build();
    let (web, centre) = (lab.server(), lab.client());
    let programs = web.directory("programs");
    std::fs::write(programs.join("nft"), SLOW).unwrap();
    std::fs::set_permissions(programs.join("nft"), PermissionsExt::from_mode(0o755)).unwrap();
    let shop = web.spawn("/usr/bin/python3", &["-m", "http.server", "8000"]);
    let target = format!("tcp://{}:8000", web.v4());
    // No check in turn comes in time: what is learnt is learnt at once.
    let config = format!("monitors:\n  - {{ name: shop, target: \"{target}\", interval: 10m }}\n");
    let server = Centre::start(&centre, &config);
    let path = format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", programs.display());
    let _agent = server.agent_by(&web, |command| {
        command.env("PATH", path);
    });
    until(WAIT, "the monitor to be up", || {
        (server.get("/monitors/shop")["state"] == "up").then_some(())
    });
    drop(shop);
    let evidence = || {
        let incidents = server.get("/incidents");
        let id = incidents["incidents"][0]["id"].as_str()?.to_owned();
        Some(server.get(&format!("/incidents/{id}"))["diagnosis"]["evidence"].to_string())
    };
    let first = until(WAIT, "an incident", evidence);
    assert!(first.contains("nothing listens on tcp port 8000"), "{first}");
    until(WAIT, "the whole view in the verdict", || {
        evidence()?.contains("the packet filter lets port 8000 in").then_some(())
    });
}
