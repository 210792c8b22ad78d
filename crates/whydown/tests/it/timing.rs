//! How soon the verdict is there, beside curl's own time in the same run.

use std::time::Duration;

use whydown_lab::{Behaviour, Hook, Lab, Output, Peer, Rule};

use crate::run::{run, whydown};

const ROUND_TRIP: Duration = Duration::from_millis(11);
const TIMEOUT: Duration = Duration::from_secs(3);
const RUNS: usize = 3;

/// The fastest of a few runs: what the program needs, not what else the machine does.
fn fastest(mut once: impl FnMut() -> Output) -> Output {
    (0..RUNS).map(|_| once()).min_by_key(|output| output.elapsed).unwrap()
}

fn time(lab: &Lab, flags: &[&str]) -> Output {
    fastest(|| run(whydown(&lab.client()), &[&["diagnose", "http://10.99.2.10/"], flags].concat()))
}

fn curl(lab: &Lab, flags: &[&str]) -> Output {
    fastest(|| lab.client().exec("curl", &[&["-sS", "http://10.99.2.10/"], flags].concat()))
}

#[expect(clippy::print_stdout, reason = "the figures are what is wanted")]
fn print(what: &str, ours: &Output, curl: &Output) {
    println!(
        "{what:24} {:6.0?} ms, curl {:6.0?} ms",
        ours.elapsed.as_millis(),
        curl.elapsed.as_millis()
    );
}

#[test]
fn a_refusal_is_told_at_once_and_explained_within_three_seconds() {
    let lab = Lab::new();
    let _ssh = Peer::start(&lab.server(), 22, Behaviour::Banner(b"SSH-2.0-lab\r\n".to_vec()));
    let curl = curl(&lab, &[]);
    assert_eq!(curl.code, Some(7));
    let quick = time(&lab, &["--quick"]);
    print("refused, --quick", &quick, &curl);
    let full = time(&lab, &[]);
    print("refused, in full", &full, &curl);
    assert_eq!((quick.code, full.code), (Some(1), Some(1)));
    assert!(quick.elapsed <= Duration::from_millis(150) + 2 * ROUND_TRIP, "{quick}");
    assert!(full.elapsed <= Duration::from_secs(3), "{full}");
}

#[test]
fn silence_is_explained_within_a_second_after_the_timeout() {
    let lab = Lab::new();
    let _web = Peer::start(&lab.server(), 80, Behaviour::NeverAnswer);
    let look = |what: &str| {
        let output =
            run(whydown(&lab.client()), &["diagnose", "http://10.99.2.10/", "--timeout", "3s"]);
        let curl = lab.client().exec("curl", &["-sS", "-m", "3", "http://10.99.2.10/"]);
        print(what, &output, &curl);
        assert_eq!((output.code, curl.code), (Some(1), Some(28)));
        assert!(output.elapsed <= TIMEOUT + Duration::from_secs(1), "{output}");
    };
    look("never answers, 3 s");
    lab.server().rule(Rule::Drop(Hook::Input, 80));
    look("packets dropped, 3 s");
}
