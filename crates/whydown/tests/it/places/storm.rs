//! Thousands of monitors fail at once, seen from sixteen locations: each of them for everyone,
//! told as one storm, and none that is fine.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use serde_json::Value;
use whydown_lab::{Lab, Nginx, Request, try_until};

use super::world::{SIXTEEN, World};
use crate::outage::{arrival, millis_between, now, time};

/// Monitors when nothing is said; `WHYDOWN_STORM_PLACES_MONITORS=5000` is the whole of it.
const MONITORS: usize = 60;
/// One in so many does not fail.
const FINE_EVERY: usize = 10;
/// More of them than a test that everybody runs has; a release build is to be measured with them.
const MANY: usize = 500;
/// Incidents that are told one by one before it is a storm.
const SINGLE_MAX: usize = 3;
/// Messages of the beginning, and of the end.
const MESSAGES_MAX: usize = 12;

/// Waits for so many monitors: patiently, as sixteen places' work for each takes its time on one
/// machine, and asking seldom, as thousands of rows take theirs.
fn wait(count: usize, mut look: impl FnMut() -> bool) -> bool {
    let (patience, pause) = if count > MANY { (1_500, 15_000) } else { (200, 500) };
    let pause = Duration::from_millis(pause);
    let found = try_until(Duration::from_secs(patience), || {
        let _: Option<()> = try_until(pause, || None);
        look().then_some(())
    });
    found.is_some()
}

fn config(count: usize) -> String {
    let interval = if count > MANY { 60 } else { 10 };
    let monitor = |(name, port): (String, u16)| {
        format!(
            "  - {{ name: \"{name}\", target: \"tcp://10.99.2.10:{port}\", interval: {interval}s, \
             timeout: 3s, notify: [ops] }}\n"
        )
    };
    let failing = (0..count).map(|i| (format!("m{i}"), 9_000));
    let fine = (0..count / FINE_EVERY).map(|i| (format!("fine{i}"), 9_001));
    failing.chain(fine).map(monitor).collect()
}

/// The incidents that are not as they should be, and how many are.
fn judge(world: &World) -> (usize, Vec<String>) {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let (mut right, mut wrong) = (0, Vec::new());
    for incident in world.incidents() {
        let name = incident["monitor"].as_str().unwrap().to_owned();
        let scope = &incident["diagnosis"]["scope"];
        let is_global = scope["kind"] == "global" && scope["failing"] == SIXTEEN.len();
        let times = seen.entry(name.clone()).or_default();
        *times += 1;
        if is_global && *times == 1 && name.starts_with('m') {
            right += 1;
        } else {
            wrong.push(format!("{name}, number {times}: {scope}"));
        }
    }
    (right, wrong)
}

/// Of how many monitors the messages speak, by themselves and together.
fn spoken(requests: &[Request]) -> (usize, usize, BTreeSet<String>) {
    let (mut single, mut grouped, mut storms) = (0, 0, BTreeSet::new());
    for body in requests.iter().map(Request::json) {
        if let Some(count) = body["group"]["count"].as_u64() {
            grouped = grouped.max(usize::try_from(count).unwrap());
            storms.insert(body["incident"]["id"].as_str().unwrap().to_owned());
        } else if body["event"] == "incident.opened" {
            single += 1;
        }
    }
    (single, grouped, storms)
}

#[test]
fn thousands_that_fail_at_once_are_global_each_and_one_storm() {
    let setting = std::env::var("WHYDOWN_STORM_PLACES_MONITORS").ok();
    let count: usize = setting.and_then(|text| text.parse().ok()).unwrap_or(MONITORS);
    let lab = Lab::builder().small().build();
    // Sixteen places that begin with thousands of monitors each are a crowd.
    let page = |port: u16| {
        let server = format!("server {{ listen {port} backlog=4096; return 200; }}");
        Nginx::start(&lab.server(), &server)
    };
    let (failing, _fine) = (page(9_000), page(9_001));
    let world = World::start(lab, &SIXTEEN, &config(count));
    let fine = |monitor: &&Value| {
        let places = monitor["places"].as_object().unwrap();
        places.values().filter(|place| place["state"] == "up").count() == SIXTEEN.len()
    };
    let all = count + count / FINE_EVERY;
    let up = wait(count, || world.monitors().iter().filter(fine).count() == all);
    assert!(up, "all are up at first: {}", world.server.output());
    let told = world.incidents();
    let first = told.iter().take(3);
    assert!(told.is_empty(), "{} incidents of a world that is fine: {first:#?}", told.len());

    let (begin, gone) = (Instant::now(), now());
    drop(failing);
    let all_right = wait(count, || {
        let (right, wrong) = judge(&world);
        println!("{:.0?}: {right} right, {} others", begin.elapsed(), wrong.len());
        right == count && wrong.is_empty()
    });
    let took = begin.elapsed();
    let all_told = wait(count, || {
        let (single, grouped, _) = spoken(&world.receiver.requests());
        single + grouped == count
    });
    let requests = world.receiver.requests();
    let (single, grouped, storms) = spoken(&requests);
    let (verdicts, wrong) = judge(&world);
    let mut events: BTreeMap<String, usize> = BTreeMap::new();
    for body in requests.iter().map(Request::json) {
        let group = if body["group"].is_null() { "" } else { " of the storm" };
        *events.entry(format!("{}{group}", body["event"])).or_default() += 1;
    }
    let told = requests.first().map(arrival).expect("somebody is told");
    let seen = world.incidents().iter().map(|incident| time(&incident["started_at"])).min();
    println!(
        "{count} of {all} monitors failed at once, seen from {} places: expected global for each, \
         found {verdicts} within {took:.1?}, {} others; the first message {} ms after the first \
         failing check and {} ms after the fault, {single} alone and {grouped} in {} storm, {} \
         messages in all: {events:?}",
        SIXTEEN.len(),
        wrong.len(),
        millis_between(seen.unwrap_or(told), told),
        millis_between(gone, told),
        storms.len(),
        requests.len()
    );
    assert!(all_right, "{} wrong: {:#?}", wrong.len(), wrong.iter().take(20));
    assert!(all_told, "{single} and {grouped} of {count} were told");
    assert!(single <= SINGLE_MAX && storms.len() == 1, "{single} alone, storms {storms:?}");
    assert!(requests.len() <= MESSAGES_MAX, "{} messages", requests.len());
}
