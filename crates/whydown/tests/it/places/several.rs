//! What breaks only in part, or while a part of the fleet is gone: some addresses, one IP family,
//! lossy lines, wrong clocks, a dead probe, a region that can't reach the server. Sixteen locations
//! look on.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use serde_json::Value;
use whydown_lab::{Answer, Behaviour, DnsServer, Lab, Listen, Peer, try_until, until};

use super::world::{PATIENCE, SIXTEEN, World};

/// Who is in it sees more fail than the others, and later can't reach the server.
const REGION: [usize; 4] = [0, 1, 2, 3];
/// Half of them.
const LOSSY: [usize; 8] = [0, 2, 4, 6, 8, 10, 12, 14];
/// Its probe is killed.
const KILLED: usize = 8;
/// Their clocks are ten minutes off.
const FAST: usize = 10;
const SLOW: usize = 13;
const NO_IPV6: usize = 15;

/// Kind of scope, places that fail, places that can tell.
type Told = (&'static str, usize, usize);

#[derive(Clone, Copy)]
enum Expected {
    Told(Told),
    Nothing,
    /// Whatever chance brings, but never for everyone.
    NeverEveryone,
}

struct Scenario {
    name: &'static str,
    target: &'static str,
    alert_when: &'static str,
    expected: Expected,
}

const fn scenario(
    name: &'static str,
    target: &'static str,
    alert_when: &'static str,
    expected: Expected,
) -> Scenario {
    Scenario { name, target, alert_when, expected }
}

const QUIET: usize = 8;
const LATER: usize = 11;
static TABLE: [Scenario; 12] = {
    use Expected::{NeverEveryone, Nothing, Told};
    [
        scenario(
            "two of three addresses refuse",
            "three.test:9001",
            "majority",
            Told(("address", 16, 16)),
        ),
        scenario(
            "two of three addresses are silent",
            "three.test:9002",
            "majority",
            Told(("address", 16, 16)),
        ),
        // Who has no IPv6 can't see it, and says nothing against it.
        scenario("only IPv6 refuses", "both.test:9003", "majority", Told(("family", 15, 16))),
        scenario("only IPv6 is silent", "both.test:9004", "majority", Told(("family", 15, 16))),
        scenario("only IPv4 refuses", "both.test:9005", "majority", Told(("family", 16, 16))),
        scenario(
            "any: two of three addresses, from one region",
            "three.test:9006",
            "any",
            Told(("regional", 4, 16)),
        ),
        scenario(
            "any: only IPv6, from one region",
            "both.test:9007",
            "any",
            Told(("regional", 4, 16)),
        ),
        scenario("the service stops", "10.99.2.10:9008", "majority", Told(("global", 16, 16))),
        scenario("nothing breaks", "10.99.2.10:9009", "majority", Nothing),
        scenario("half of the places are lossy", "10.99.2.10:9010", "majority", NeverEveryone),
        scenario("any: half of the places are lossy", "10.99.2.10:9010", "any", NeverEveryone),
        scenario("the service stops later", "10.99.2.10:9011", "majority", Nothing),
    ]
};

fn rules(all: &[&str]) -> Vec<String> {
    all.iter().map(|rule| (*rule).to_owned()).collect()
}

/// What breaks on the way of all, of a region, and of the lossy ones.
fn break_ways(world: &World) {
    let all: Vec<usize> = (0..SIXTEEN.len()).collect();
    let silent = [
        "ip daddr { 10.99.2.11, 10.99.2.12 } tcp dport 9002 drop",
        "meta nfproto ipv6 tcp dport 9004 drop",
    ];
    let refused = [
        "ip daddr { 10.99.2.11, 10.99.2.12 } tcp dport 9006 reject with tcp reset",
        "meta nfproto ipv6 tcp dport 9007 reject with tcp reset",
    ];
    let lost = [
        "tcp dport 9010 numgen random mod 100 < 40 drop",
        "tcp sport 9010 numgen random mod 100 < 40 drop",
    ];
    world.forward(&all, "silent", &rules(&silent));
    world.forward(&REGION, "refused", &rules(&refused));
    world.forward(&LOSSY, "lost", &rules(&lost));
}

fn monitors() -> String {
    TABLE.iter().fold(String::new(), |lines, Scenario { name, target, alert_when, .. }| {
        format!(
            "{lines}  - {{ name: \"{name}\", target: \"tcp://{target}\", interval: 3s, timeout: \
             2s, alert_when: {alert_when}, notify: [ops] }}\n"
        )
    })
}

/// Everything that answers while all is well.
struct Services {
    /// What stops at the moment of the fault.
    stopping: Vec<Peer>,
    /// What stops later.
    later: Option<Peer>,
    _dns: DnsServer,
    _others: Vec<Peer>,
}

impl Services {
    fn start(lab: &Lab) -> Self {
        let dns = DnsServer::start(&lab.resolver(), 53);
        let shop = lab.server();
        let addresses =
            |all: &[&str]| -> Vec<IpAddr> { all.iter().map(|ip| ip.parse().unwrap()).collect() };
        let three = addresses(&["10.99.2.10", "10.99.2.11", "10.99.2.12"]);
        let both = addresses(&["10.99.2.10", "fd99:2::10"]);
        three[1..].iter().for_each(|ip| shop.add_address(*ip));
        dns.set_addresses("three.test", &three);
        dns.set_addresses("both.test", &both);
        let page = |listen: Listen| Peer::start(&shop, listen, Behaviour::Http(Answer::new(200)));
        let only = |ip: IpAddr, port| page(Listen::Only(SocketAddr::new(ip, port)));
        let mut stopping: Vec<Peer> = three[1..].iter().map(|ip| only(*ip, 9001)).collect();
        stopping.extend([only(both[1], 9003), only(both[0], 9005), page(Listen::Everywhere(9008))]);
        let mut others = vec![only(three[0], 9001), only(both[0], 9003), only(both[1], 9005)];
        let everywhere = [9002, 9004, 9006, 9007, 9009, 9010].map(Listen::Everywhere);
        others.extend(everywhere.map(page));
        let later = Some(page(Listen::Everywhere(9011)));
        Self { stopping, later, _dns: dns, _others: others }
    }
}

impl World {
    fn told_of(&self, name: &str) -> Vec<Value> {
        let mut all = self.incidents();
        all.retain(|incident| incident["monitor"] == name);
        all
    }

    /// How many incidents, and the newest one's scope.
    fn told(&self, name: &str) -> (usize, Option<(String, usize, usize)>) {
        let all = self.told_of(name);
        let number = |value: &Value| usize::try_from(value.as_u64().unwrap()).unwrap();
        let scope = all.first().map(|incident| {
            let scope = &incident["diagnosis"]["scope"];
            let kind = scope["kind"].as_str().unwrap().to_owned();
            (kind, number(&scope["failing"]), number(&scope["reporting"]))
        });
        (all.len(), scope)
    }

    /// The locations that can't tell about a monitor.
    fn silent(&self, name: &str) -> BTreeSet<String> {
        let monitor = self.server.get(&format!("/monitors/{}", name.replace(' ', "%20")));
        let places = monitor["places"].as_object().unwrap().iter();
        places
            .filter(|(_, place)| place["state"] == "inconclusive")
            .map(|(name, _)| name.clone())
            .collect()
    }

    /// Waits until this is told, once; tells what is.
    #[expect(clippy::print_stdout, reason = "what was found is the test's result")]
    fn expect(&self, what: &str, name: &str, expected: Option<Told>) {
        let expected = expected.map(|(kind, failing, of)| (kind.to_owned(), failing, of));
        let wanted = (usize::from(expected.is_some()), expected.clone());
        let right = try_until(PATIENCE, || (self.told(name) == wanted).then_some(()));
        let (count, found) = self.told(name);
        println!("{what}: expected {expected:?}, found {found:?} in {count} incidents");
        assert!(right.is_some(), "{what}: {:#?}", self.told_of(name));
    }

    /// Waits for every row of the table.
    fn expect_all(&self, when: &str, rows: &[Scenario]) {
        for Scenario { name, expected, .. } in rows {
            match expected {
                Expected::Told(told) => self.expect(&format!("{name}{when}"), name, Some(*told)),
                Expected::Nothing => self.expect(&format!("{name}{when}"), name, None),
                Expected::NeverEveryone => {}
            }
        }
    }

    /// Whatever was told of lossy places, it was not told of everyone as long as the others have
    /// seen nothing fail.
    #[expect(clippy::print_stdout, reason = "what was found is the test's result")]
    fn expect_never_everyone(&self, name: &str) {
        let path = format!("/monitors/{}/observations?limit=1000", name.replace(' ', "%20"));
        let seen = self.server.get(&path)["observations"].as_array().unwrap().clone();
        let fails = |one: &&Value| one["state"] == "down";
        let lossy: Vec<&str> = LOSSY.iter().map(|i| SIXTEEN[*i].0).collect();
        let of_lossy = |one: &&Value| lossy.contains(&one["location"].as_str().unwrap());
        let lost = seen.iter().filter(fails).filter(of_lossy).count();
        let others = seen.iter().filter(fails).count() - lost;
        let incidents = self.told_of(name);
        let kinds: BTreeSet<&str> = incidents
            .iter()
            .map(|incident| incident["diagnosis"]["scope"]["kind"].as_str().unwrap())
            .collect();
        println!(
            "{name}: expected anything but global, found {kinds:?} in {} incidents ({lost} of {} \
             checks failed, {others} of them elsewhere)",
            incidents.len(),
            seen.len()
        );
        assert!(lost > 0, "the loss was none");
        let whole = ["global", "family", "address"];
        let wrong = whole.iter().any(|kind| kinds.contains(kind));
        assert!(others > 0 || !wrong, "{incidents:#?}");
    }
}

/// Sixteen locations: one without IPv6, two with wrong clocks.
fn world(lab: Lab) -> World {
    World::start_with(lab, &SIXTEEN, &monitors(), |i, host| match i {
        NO_IPV6 => {
            host.sysctl(&[("net.ipv6.conf.all.disable_ipv6", "1")]);
            &[]
        }
        FAST => &["faketime", "-f", "+10m"],
        SLOW => &["faketime", "-f", "-10m"],
        _ => &[],
    })
}

#[test]
fn what_breaks_in_part_is_told_for_whom_it_breaks_whoever_is_away() {
    let lab = Lab::new();
    let mut services = Services::start(&lab);
    let mut world = world(lab);
    world.wait_fine(TABLE.len());
    assert!(world.incidents().is_empty(), "nothing was told of a world that is fine");
    let begin = Instant::now();
    break_ways(&world);
    services.stopping.clear();
    world.expect_all("", &TABLE);
    println!("all right within {:.1?}", begin.elapsed());

    // A region loses its links, and one more probe dies.
    world.forward(&REGION, "link", &rules(&["tcp dport 8088 drop", "tcp sport 8088 drop"]));
    world.probes[KILLED].kill();
    let gone: BTreeSet<String> =
        REGION.iter().chain([&KILLED]).map(|i| SIXTEEN[*i].0.to_owned()).collect();
    let quiet = TABLE[QUIET].name;
    until(PATIENCE, "five places to be silent", || (world.silent(quiet) == gone).then_some(()));
    println!("a region is cut off from the server: silent are {:?}", world.silent(quiet));
    world.expect("a region is cut off from the server, the service is fine", quiet, None);
    let state = world.server.get("/monitors/nothing%20breaks")["state"].clone();
    assert_eq!(state, "up", "as those see it who can tell");
    let later = TABLE[LATER].name;
    drop(services.later.take());
    world.expect("the service stops while a region is cut off", later, Some(("global", 11, 11)));
    for Scenario { name, expected, .. } in &TABLE {
        if let Expected::Told((kind, ..)) = expected {
            let (count, found) = world.told(name);
            let found = found.map(|(kind, ..)| kind);
            println!("{name}, a probe is killed meanwhile: expected {kind}, found {found:?}");
            assert_eq!((count, found.as_deref()), (1, Some(*kind)), "{:#?}", world.told_of(name));
        }
    }

    // All are back; what they have seen meanwhile begins nothing new.
    REGION.iter().for_each(|place| world.gateways[*place].nft("delete table inet link\n"));
    world.probes[KILLED].start_again();
    until(PATIENCE, "all places to speak", || world.silent(quiet).is_empty().then_some(()));
    world.expect("the service has stopped, all places are back", later, Some(("global", 16, 16)));
    world.expect_all(", all places are back", &TABLE[..LATER]);
    let _: Option<()> = try_until(Duration::from_secs(4), || None);
    world.expect_all(", a round later", &TABLE[..LATER]);
    for Scenario { name, expected, .. } in &TABLE {
        if matches!(expected, Expected::NeverEveryone) {
            world.expect_never_everyone(name);
        }
    }
}
