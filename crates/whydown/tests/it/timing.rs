//! How soon the verdict is there, beside curl's own time in the same run.
#![expect(clippy::print_stdout, reason = "the figures are what is wanted")]

use std::fs;
use std::time::Duration;

use whydown_lab::{Behaviour, Hook, Lab, Output, Peer, Rule};

use crate::run::{program, run, whydown};

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

/// When a text was on the terminal: `script` writes down what comes when, seconds and bytes.
fn on_a_terminal(lab: &Lab, text: &str) -> Duration {
    let directory = lab.directory("terminal");
    let file = |name: &str| directory.join(name).display().to_string();
    let (shown, when) = (file("shown"), file("when"));
    let program = format!("{} diagnose http://10.99.2.10/", program());
    let output = lab.client().exec("script", &["-qe", "-c", &program, "-O", &shown, "-T", &when]);
    assert_eq!(output.code, Some(1), "{output}");
    let shown = fs::read_to_string(shown).unwrap();
    // Its first line is its own.
    let shown = shown.split_once('\n').unwrap().1;
    let at = shown.find(text).unwrap_or_else(|| panic!("{text:?} was not shown: {shown}"));
    let (mut bytes, mut elapsed) = (0, Duration::ZERO);
    for line in fs::read_to_string(when).unwrap().lines() {
        let (pause, count) = line.split_once(' ').unwrap();
        elapsed += Duration::from_secs_f64(pause.parse().unwrap());
        bytes += count.parse::<usize>().unwrap();
        if bytes > at {
            break;
        }
    }
    elapsed
}

#[test]
fn somebody_at_a_terminal_reads_of_a_refusal_before_its_cause_is_known() {
    let lab = Lab::new();
    let _ssh = Peer::start(&lab.server(), 22, Behaviour::Banner(b"SSH-2.0-lab\r\n".to_vec()));
    let text = "refuses connections; looking for the cause";
    let soonest = (0..RUNS).map(|_| on_a_terminal(&lab, text)).min().unwrap();
    println!("refused, on a terminal   {:6} ms", soonest.as_millis());
    assert!(soonest <= Duration::from_millis(150) + 2 * ROUND_TRIP, "{soonest:?}");
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
