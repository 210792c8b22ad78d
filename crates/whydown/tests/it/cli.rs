//! The command line itself: usage errors, exit codes, JSON contracts, output for people.

use serde_json::Value;
use whydown_lab::{Answer, Behaviour, Host, Output, Peer};

use crate::run::{run, whydown};

fn call(arguments: &[&str]) -> Output {
    run(whydown(&Host::machine()), arguments)
}

fn json(output: &Output) -> Value {
    serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output}"))
}

fn web() -> (Peer, String) {
    let peer = Peer::start(&Host::machine(), 0, Behaviour::Http(Answer::new(200).body("hello")));
    let url = format!("http://127.0.0.1:{}/", peer.port());
    (peer, url)
}

/// An address of this machine where nothing listens.
fn closed() -> String {
    format!("http://127.0.0.1:{}/", Host::machine().free_port())
}

#[test]
fn wrong_usage_ends_with_two_and_names_what_would_be_valid() {
    for (arguments, part) in [
        (&["diagnose", "htps://example.com"][..], "did you mean https://?"),
        (&["https://example.com:0"], "a port is a number from 1 to 65535"),
        (&["check", "tcp://example.com"], "tcp:// needs a port"),
        (&["check", "example.com", "--timeout", "5"], "500ms, 30s, 5m"),
        (&["check", "example.com", "--status", "2xx"], "200-399"),
        (&["watch", "example.com", "--every", "0s"], "longer than nothing"),
        (&["serve", "--listen", "nowhere"], "invalid socket address"),
        (&["check"], "required"),
    ] {
        let output = call(arguments);
        assert_eq!(output.code, Some(2), "{arguments:?}: {output}");
        assert!(output.stderr.contains(part), "{arguments:?}: {output}");
        assert!(output.stdout.is_empty(), "{arguments:?}: {output}");
    }
}

#[test]
fn a_target_alone_is_diagnosed() {
    let (_peer, url) = web();
    let output = call(&[&url]);
    assert_eq!(output.code, Some(0), "{output}");
    assert!(output.stdout.contains("works."), "{output}");
    assert!(!output.stdout.contains('\u{1b}'), "no colours into a pipe: {output}");
}

#[test]
fn check_prints_one_line_each_and_the_worst_decides_the_exit_code() {
    let (_peer, url) = web();
    let fine = call(&["check", &url]);
    assert_eq!(fine.code, Some(0));
    assert!(fine.stdout.starts_with("up ") && fine.stdout.contains("HTTP 200"), "{fine}");
    let both = call(&["check", &url, &closed()]);
    assert_eq!(both.code, Some(1));
    assert_eq!(both.stdout.lines().count(), 2);
    assert!(both.stdout.lines().nth(1).unwrap().contains("tcp.refused"), "{both}");
}

#[test]
fn check_with_json_prints_one_observation_a_line() {
    let (_peer, url) = web();
    let output = call(&["check", &url, &closed(), "--json"]);
    let lines: Vec<Value> =
        output.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!((&lines[0]["target"], &lines[0]["state"]), (&url.into(), &"up".into()));
    assert_eq!(lines[1]["failure"], "tcp.refused");
    assert!(lines[1]["elapsed_ms"].is_number() && lines[1]["at"].is_string());
}

#[test]
fn check_speaks_nagios() {
    let (_peer, url) = web();
    let fine = call(&["check", &url, "--nagios"]);
    assert_eq!(fine.code, Some(0));
    assert!(fine.stdout.starts_with("OK - ") && fine.stdout.contains(" | time="), "{fine}");
    let down = call(&["check", &closed(), "--nagios"]);
    assert_eq!(down.code, Some(2));
    assert!(down.stdout.starts_with("CRITICAL - "), "{down}");
}

#[test]
fn expectations_are_checked() {
    let (_peer, url) = web();
    assert_eq!(call(&["check", &url, "--contains", "hello"]).code, Some(0));
    let missing = call(&["check", &url, "--contains", "Add to basket"]);
    assert_eq!(missing.code, Some(1));
    assert!(missing.stdout.contains("assertion.keyword"), "{missing}");
    let status = call(&["check", &url, "--status", "500"]);
    assert!(status.stdout.contains("assertion.status"), "{status}");
}

#[test]
fn diagnose_with_json_keeps_the_contract() {
    let output = call(&["diagnose", &closed(), "--json"]);
    assert_eq!(output.code, Some(1), "{output}");
    let verdict = json(&output);
    assert_eq!(verdict["schema"], "whydown.diagnosis/1");
    assert_eq!(verdict["target"]["port_source"], "given");
    for key in [
        "state",
        "failure",
        "stage",
        "scope",
        "summary",
        "causes",
        "path",
        "addresses",
        "seen_as",
        "evidence",
        "elapsed_ms",
    ] {
        assert!(!verdict[key].is_null(), "{key} is missing: {output}");
    }
    let cause = &verdict["causes"][0];
    for key in ["code", "side", "confidence", "because", "confirm", "fix"] {
        assert!(!cause[key].is_null(), "{key} is missing: {cause}");
    }
    let stages: Vec<&str> =
        verdict["path"].as_array().unwrap().iter().map(|s| s["stage"].as_str().unwrap()).collect();
    assert_eq!(stages, ["client", "dns", "network", "proxy", "server", "app"]);
    assert_eq!(verdict["seen_as"]["chrome"], "ERR_CONNECTION_REFUSED");
    assert_eq!(verdict["seen_as"]["curl"]["exit"], 7);
    assert_eq!(verdict["seen_as"]["node"], "ECONNREFUSED");
}

#[test]
fn a_verdict_for_people_fits_eighty_columns_and_says_what_to_do() {
    let output = call(&["diagnose", &closed()]);
    let text = &output.stdout;
    for part in [
        "FAILS HERE",
        "Why",
        "Evidence",
        "To make sure",
        "To fix it",
        "What visitors see",
        "service.not_listening",
        "ERR_CONNECTION_REFUSED",
    ] {
        assert!(text.contains(part), "{part} is missing: {output}");
    }
    let command = |line: &&str| line.starts_with("      ") && !line.starts_with("       ");
    for line in text.lines().filter(|line| !command(line)) {
        assert!(line.chars().count() <= 80, "too wide: {line:?}");
    }
}

#[test]
fn watch_ends_by_itself_and_sums_up() {
    let (_peer, url) = web();
    let output = call(&["watch", &url, "--every", "20ms", "--for", "300ms"]);
    assert_eq!(output.code, Some(0), "{output}");
    assert!(output.stdout.contains("never failed"), "{output}");
    let lines = call(&["watch", &closed(), "--every", "20ms", "--for", "300ms", "--json"]);
    let sum: Value = serde_json::from_str(lines.stdout.lines().last().unwrap()).unwrap();
    assert_eq!(sum["summary"]["pattern"], "always failed");
    assert_eq!(lines.code, Some(1));
    let until = call(&["watch", &closed(), "--until", "down"]);
    assert_eq!(until.code, Some(0), "{until}");
}

#[test]
fn the_example_configuration_is_fine_and_mistakes_are_named_with_their_line() {
    let machine = Host::machine();
    let example = call(&["config", "example"]);
    let directory = machine.directory("config");
    let file = directory.join("whydown.yaml");
    let path = file.to_str().unwrap();
    std::fs::write(&file, &example.stdout).unwrap();
    let mut command = whydown(&machine);
    for name in ["WHYDOWN_HOOK_SECRET", "WHYDOWN_MAIL_PASSWORD", "SHOP_TOKEN"] {
        command.env(name, "planted");
    }
    let fine = run(command, &["config", "check", path]);
    assert_eq!(fine.code, Some(0), "{fine}");
    assert!(!fine.stdout.contains("planted"));

    let wrong = "monitors:\n  - name: shop\n    target: https://shop.test:0/\n    intervall: 3s\n";
    std::fs::write(&file, wrong).unwrap();
    let output = call(&["config", "check", path]);
    assert_eq!(output.code, Some(1), "{output}");
    for part in
        ["whydown.yaml:3", "a port is a number from 1 to 65535", "whydown.yaml:4", "interval"]
    {
        assert!(output.stderr.contains(part), "{part} is missing: {output}");
    }
    let schema = json(&call(&["config", "schema"]));
    assert!(schema["properties"]["monitors"].is_object(), "{schema}");
}

#[test]
fn tokens_are_made_listed_and_revoked() {
    let machine = Host::machine();
    let directory = machine.directory("data");
    let data = directory.to_str().unwrap();
    let made =
        call(&["admin", "token", "create", "--data", data, "--name", "ci", "--scope", "read"]);
    let token = made.stdout.trim();
    assert!(token.starts_with("wd_") && made.stdout.lines().count() == 1, "{made}");
    let listed = call(&["admin", "token", "list", "--data", data, "--json"]);
    assert!(!listed.stdout.contains(token));
    assert_eq!(json(&listed)[0]["name"], "ci");
    let again = call(&["admin", "token", "create", "--data", data, "--name", "ci"]);
    assert_eq!(again.code, Some(1), "{again}");
    assert_eq!(call(&["admin", "token", "revoke", "--data", data, "--name", "ci"]).code, Some(0));
    let gone = call(&["admin", "token", "revoke", "--data", data, "--name", "ci"]);
    assert_eq!(gone.code, Some(1), "{gone}");
}

#[test]
fn completions_and_manual_pages_are_generated() {
    assert!(call(&["completions", "bash"]).stdout.contains("whydown"));
    let machine = Host::machine();
    let directory = machine.directory("man");
    assert_eq!(call(&["man", directory.to_str().unwrap()]).code, Some(0));
    let page = std::fs::read_to_string(directory.join("whydown-diagnose.1")).unwrap();
    assert!(page.contains("Exit code: 0 up"), "{page}");
}

#[test]
fn every_command_has_help_with_an_example() {
    for command in ["diagnose", "check", "watch", "explain", "serve", "completions", "man"] {
        let output = call(&[command, "--help"]);
        assert_eq!(output.code, Some(0), "{output}");
        assert!(output.stdout.contains(&format!("whydown {command}")), "{output}");
    }
}
