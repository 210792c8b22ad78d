//! Sixteen locations in networks of their own, linked to one server: for whom it fails, told
//! rightly and in time, whoever is cut off.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use whydown_lab::{Answer, Behaviour, Lab, Peer, try_until, until};

use super::world::{PATIENCE, SIXTEEN, World};

/// The first of the ports that the scenarios use.
const PORT: u16 = 9_000;

/// A server without a probe of its own, and sixteen probes.
fn world(lab: Lab, monitors: &str) -> World {
    World::start(lab, &SIXTEEN, monitors)
}

/// Who can't reach the port, and how it fails there.
struct Scenario {
    name: &'static str,
    blocked: &'static [usize],
    /// What has to be told: the scope and its count of failing places; nothing without it.
    expected: Option<(&'static str, usize)>,
}

const fn scenario(
    name: &'static str,
    blocked: &'static [usize],
    expected: Option<(&'static str, usize)>,
) -> Scenario {
    Scenario { name, blocked, expected }
}

const ALL: &[usize] = &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
const ALL_BUT_ONE: [usize; 15] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14];
const TABLE: [Scenario; 11] = [
    scenario("all", ALL, Some(("global", 16))),
    scenario("nobody", &[], None),
    scenario("one", &[3], None),
    scenario("one region", &[0, 1, 2, 3], None),
    scenario("another region", &[12, 13, 14, 15], None),
    scenario("one network", &[0, 4, 8, 12], None),
    scenario("seven without anything in common", &[0, 1, 2, 5, 7, 10, 12], None),
    scenario("two regions: an even split", &[0, 1, 2, 3, 4, 5, 6, 7], Some(("regional", 8))),
    scenario("nine", &[0, 1, 2, 3, 5, 7, 9, 11, 13], Some(("global", 9))),
    scenario("three regions", &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11], Some(("global", 12))),
    scenario("all but one", &ALL_BUT_ONE, Some(("global", 15))),
];

/// What a place's own router does with packets, as nftables says it.
const HOW: [(&str, &str); 3] = [
    ("reset", "reject with tcp reset"),
    ("prohibited", "reject with icmp type admin-prohibited"),
    ("dropped", "drop"),
];

/// The same for `alert_when: any`: a minority is told too, and named.
const ANY: [Scenario; 4] = [
    scenario("any: one", &[3], Some(("local", 1))),
    scenario("any: one region", &[0, 1, 2, 3], Some(("regional", 4))),
    scenario("any: one network", &[1, 5, 9, 13], Some(("network", 4))),
    scenario("any: all", ALL, Some(("global", 16))),
];

fn cases() -> Vec<(String, u16, &'static Scenario, &'static str, bool)> {
    let mut cases = Vec::new();
    let mut port = PORT;
    for (how, rule) in HOW {
        for (table, any) in [(&TABLE[..], false), (&ANY[..], true)] {
            for scenario in table {
                cases.push((format!("{} {how}", scenario.name), port, scenario, rule, any));
                port += 1;
            }
        }
    }
    cases
}

#[test]
fn in_forty_five_scenarios_the_scope_is_right_and_nobody_is_told_wrongly() {
    let cases = cases();
    let mut monitors = String::new();
    for (name, port, _, _, any) in &cases {
        let when = if *any { "any" } else { "majority" };
        monitors += &format!(
            "  - {{ name: \"{name}\", target: \"tcp://10.99.2.10:{port}\", interval: 3s, \
             timeout: 2s, alert_when: {when}, notify: [ops] }}\n"
        );
    }
    let lab = Lab::builder().small().build();
    let page = |port: u16| Peer::start(&lab.server(), port, Behaviour::Http(Answer::new(200)));
    let _peers: Vec<Peer> = cases.iter().map(|(_, port, ..)| page(*port)).collect();
    let world = world(lab, &monitors);
    world.wait_fine(cases.len());
    assert_eq!(world.verdicts(), BTreeMap::new(), "nothing was told of a world that is fine");
    let begin = Instant::now();
    for place in 0..SIXTEEN.len() {
        let blocked = cases.iter().filter(|(_, _, scenario, ..)| scenario.blocked.contains(&place));
        let rules = blocked.map(|(_, port, _, rule, _)| format!("tcp dport {port} {rule}"));
        world.forward(&[place], "places", &rules.collect::<Vec<_>>());
    }
    let wrong = || {
        let told = world.verdicts();
        let wrong = cases.iter().filter_map(|(name, _, scenario, ..)| {
            let scope = told.get(name);
            let found = scope.map(|scope| {
                let failing = usize::try_from(scope["failing"].as_u64().unwrap()).unwrap();
                (scope["kind"].as_str().unwrap(), failing)
            });
            let expected = scenario.expected;
            (found != expected).then(|| format!("{name}: {found:?}, not {expected:?}: {scope:?}"))
        });
        wrong.collect::<Vec<_>>()
    };
    // Late answers correct what was told: on a busy machine it takes a while until all is right.
    let all_right = try_until(PATIENCE, || wrong().is_empty().then_some(()));
    let took = begin.elapsed();
    assert!(all_right.is_some(), "after {took:.1?}:\n{}", wrong().join("\n"));
    // Whoever should not be told of has had as much time as the others, and a round more.
    let _: Option<()> = try_until(Duration::from_secs(6), || None);
    let verdicts = world.verdicts().len();
    println!("{} scenarios, {verdicts} verdicts, all right within {took:.1?}", cases.len());
    assert!(wrong().is_empty(), "a round later:\n{}", wrong().join("\n"));
}

mod timing {
    use super::*;

    #[test]
    fn from_the_first_failing_check_to_the_webhook_with_sixteen_locations() {
        let set = |name: &str, usual: usize| {
            std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(usual)
        };
        let outages = set("WHYDOWN_OUTAGES", 6);
        let every = set("WHYDOWN_OUTAGES_INTERVAL", 4);
        // A monitor of its own for each: one that comes and goes would be flapping.
        let monitors: String = (0..outages)
            .map(|i| {
                let port = PORT + u16::try_from(i).unwrap();
                let target = format!("tcp://10.99.2.10:{port}");
                format!("  - {{ name: m{i}, target: \"{target}\", interval: {every}s }}\n")
            })
            .collect();
        let lab = Lab::builder().small().build();
        let shop = lab.server();
        let page = |i: usize| {
            let port = PORT + u16::try_from(i).unwrap();
            Peer::start(&shop, port, Behaviour::Http(Answer::new(200)))
        };
        let mut peers: Vec<Option<Peer>> = (0..outages).map(|i| Some(page(i))).collect();
        let world = world(lab, &monitors);
        world.wait_fine(outages);
        // All places check a new monitor at once; after an interval they do so in turn.
        let _: Option<()> = try_until(Duration::from_secs(every as u64), || None);
        let (mut verdicts, mut totals, mut full) = (Vec::new(), Vec::new(), 0);
        for (i, peer) in peers.iter_mut().enumerate() {
            let gone = crate::outage::now();
            drop(peer.take());
            let nth = |event: &str, n: usize| {
                let all = world.receiver.requests();
                all.into_iter().filter(|r| r.json()["event"] == event).nth(n)
            };
            let opened = until(PATIENCE, format!("notice {i}"), || nth("incident.opened", i));
            let body = opened.json();
            let first = crate::outage::time(&body["incident"]["started_at"]);
            let arrived = crate::outage::arrival(&opened);
            verdicts.push(crate::outage::millis_between(first, arrived));
            totals.push(crate::outage::millis_between(gone, arrived));
            full += usize::from(body["diagnosis"]["scope"]["reporting"] == 16);
            assert_eq!(body["diagnosis"]["scope"]["kind"], "global", "{body}");
            *peer = Some(page(i));
            until(PATIENCE, format!("end {i}"), || nth("incident.resolved", i));
        }
        verdicts.sort_unstable();
        totals.sort_unstable();
        let at = |all: &[i64], share: usize| all[(all.len() * share / 100).min(all.len() - 1)];
        println!(
            "{outages} outages: first failing check to webhook p50 {} ms, p99 {} ms; \
             fault to webhook with 16 places and {every} s p50 {} ms, p90 {} ms, p99 {} ms; all 16 \
             in the first verdict of {full}",
            at(&verdicts, 50),
            at(&verdicts, 99),
            at(&totals, 50),
            at(&totals, 90),
            at(&totals, 99)
        );
        assert!(at(&verdicts, 99) <= 1_000, "{verdicts:?}");
    }
}
