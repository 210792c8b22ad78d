//! Must hold: no generated rule set makes the evaluator say what the kernel doesn't do.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use whydown_host::firewall::{Decision, Firewall, Syn, Verdict};
use whydown_lab::Host;

use super::generate::{Attempt, Dice, ruleset, saved};
use super::network::{BACKEND_PORTS, Network, PORTS};
use super::{feed, is_decided, load_nft};

/// Rule sets that are loaded and tried.
const CASES: u64 = 400;
/// Undecided at most: one in twenty.
const UNDECIDED_MAX_PERCENT: u64 = 5;

#[test]
fn what_the_evaluator_says_is_what_the_kernel_does() {
    let seed = std::env::var("FIREWALL_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or(20_261_123);
    let cases = std::env::var("FIREWALL_CASES").ok().and_then(|cases| cases.parse().ok());
    let cases = cases.unwrap_or(CASES);
    let mut network = Network::new();
    let start = Instant::now();
    let (mut wrong, mut undecided) = (Vec::new(), 0);
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for case in 0..cases {
        let mut dice = Dice::new(seed + case);
        let attempt = Attempt::new(&mut dice);
        let (tool, rules) = load(&network.machine, &mut dice, &attempt);
        let verdict = verdict(&network.machine, &attempt);
        let from_port = 20_000 + u16::try_from(case % 40_000).unwrap();
        let to = SocketAddr::new(attempt.to.parse().unwrap(), attempt.port);
        let from: IpAddr = attempt.from.parse().unwrap();
        let seen = network.send(attempt.interface, from, from_port, to);
        let family = if attempt.v4 { "IPv4" } else { "IPv6" };
        let kind = seen.split(' ').next().unwrap_or_default();
        *counts.entry(format!("{tool} {family} {kind}")).or_default() += 1;
        if !is_decided(&verdict) {
            undecided += 1;
            continue;
        }
        let expected = expected(&verdict, to);
        if expected != seen {
            wrong.push(format!(
                "seed {}: {attempt:?}\nexpected {expected}, seen {seen}\n{verdict:#?}\n{rules}",
                seed + case
            ));
        }
    }
    let took = start.elapsed().as_secs();
    println!(
        "seed {seed}: {cases} rule sets in {took} s, {undecided} undecided, {} wrong",
        wrong.len()
    );
    for (what, count) in counts {
        println!("{count:5} {what}");
    }
    assert!(
        wrong.is_empty(),
        "{} wrong, the first three:\n{}",
        wrong.len(),
        wrong.iter().take(3).cloned().collect::<Vec<_>>().join("\n")
    );
    assert!(undecided * 100 <= cases * UNDECIDED_MAX_PERCENT, "{undecided} of {cases} undecided");
}

/// Puts a generated rule set in force and says of which tool it is. One that the tool itself
/// refuses (a condition given twice) is drawn again.
fn load(machine: &Host, dice: &mut Dice, attempt: &Attempt) -> (&'static str, String) {
    const DRAWS_MAX: usize = 20;
    let is_nft = dice.chance(50);
    let mut refused = String::new();
    for _ in 0..DRAWS_MAX {
        let rules = if is_nft { ruleset(dice, attempt) } else { saved(dice, attempt) };
        let done = if is_nft {
            load_nft(machine, &rules)
        } else {
            let program = if attempt.v4 { "iptables-restore" } else { "ip6tables-restore" };
            load_nft(machine, "").and_then(|()| feed(machine, program, &[], &rules))
        };
        match done {
            Ok(()) => return (if is_nft { "nftables" } else { "iptables" }, rules),
            Err(why) => refused = why,
        }
    }
    panic!("no rule set out of {DRAWS_MAX} is one: {attempt:?}\n{refused}");
}

fn verdict(machine: &Host, attempt: &Attempt) -> Verdict {
    let to = SocketAddr::new(attempt.to.parse().unwrap(), attempt.port);
    let from = Some(attempt.from.parse().unwrap());
    machine.enter(Firewall::read).verdict(&Syn::new(from, to))
}

/// What a client sees when the verdict is right.
fn expected(verdict: &Verdict, to: SocketAddr) -> String {
    let arrives = verdict.redirected_to.unwrap_or(to);
    match verdict.decision {
        Decision::Accept => {
            let ports: &[u16] = if verdict.is_local { &PORTS } else { &BACKEND_PORTS };
            if ports.contains(&arrives.port()) { "syn-ack" } else { "rst" }.to_owned()
        }
        Decision::Drop => "silence".to_owned(),
        Decision::Reject => rejected(verdict.with.as_deref().unwrap_or_default()),
        Decision::Undecided => "undecided".to_owned(),
    }
}

/// RFC 792, RFC 1122, RFC 1812, RFC 4443: type and code of each name.
fn rejected(with: &str) -> String {
    match with {
        "tcp reset" => "rst",
        "icmp net-unreachable" => "icmp 3 0",
        "icmp host-unreachable" => "icmp 3 1",
        "icmp prot-unreachable" => "icmp 3 2",
        "icmp port-unreachable" => "icmp 3 3",
        "icmp net-prohibited" => "icmp 3 9",
        "icmp host-prohibited" => "icmp 3 10",
        "icmp admin-prohibited" => "icmp 3 13",
        "icmpv6 no-route" => "icmpv6 1 0",
        "icmpv6 admin-prohibited" => "icmpv6 1 1",
        "icmpv6 addr-unreachable" => "icmpv6 1 3",
        "icmpv6 port-unreachable" => "icmpv6 1 4",
        "icmpv6 policy-fail" => "icmpv6 1 5",
        "icmpv6 reject-route" => "icmpv6 1 6",
        other => other,
    }
    .to_owned()
}
