//! Locations behind routers and firewalls of their own, linked to one server that tells a receiver
//! of everything.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use whydown_lab::{Host, Lab, Receiver, Side, Site, Uplink, until};

use super::Probe;
use crate::outage::Server;

/// Longer than a verdict takes on a busy machine.
pub(super) const PATIENCE: Duration = Duration::from_secs(100);

/// Name, region and network of a location.
pub(super) type Location = (&'static str, &'static str, &'static str);

pub(super) const SIXTEEN: [Location; 16] = [
    ("p1", "eu", "AS 1"),
    ("p2", "eu", "AS 2"),
    ("p3", "eu", "AS 3"),
    ("p4", "eu", "AS 4"),
    ("p5", "us", "AS 1"),
    ("p6", "us", "AS 2"),
    ("p7", "us", "AS 3"),
    ("p8", "us", "AS 4"),
    ("p9", "asia", "AS 1"),
    ("p10", "asia", "AS 2"),
    ("p11", "asia", "AS 3"),
    ("p12", "asia", "AS 4"),
    ("p13", "south", "AS 1"),
    ("p14", "south", "AS 2"),
    ("p15", "south", "AS 3"),
    ("p16", "south", "AS 4"),
];

/// A place's last number in 10.99.1.0/24.
pub(super) fn number(place: usize) -> u8 {
    100 + u8::try_from(place).unwrap()
}

/// The site of a location. Every other one shares its router's address, as a home does.
pub(super) fn site(lab: &Lab, place: usize, name: &str) -> Site {
    let uplink = if place.is_multiple_of(2) { Uplink::Masqueraded } else { Uplink::Routed };
    lab.add_site(name, number(place), uplink)
}

pub(super) struct World {
    pub(super) lab: Lab,
    pub(super) receiver: Receiver,
    pub(super) server: Server,
    pub(super) probes: Vec<Probe>,
    /// The router of each location.
    pub(super) gateways: Vec<Host>,
}

impl World {
    /// A server without a probe of its own, and a probe at each location.
    pub(super) fn start(lab: Lab, locations: &[Location], monitors: &str) -> Self {
        Self::start_with(lab, locations, monitors, |_, _| &[])
    }

    /// The same, with something done to each host before its probe starts, and with words before
    /// its command.
    pub(super) fn start_with(
        lab: Lab,
        locations: &[Location],
        monitors: &str,
        prepare: impl Fn(usize, &Host) -> &'static [&'static str],
    ) -> Self {
        let (mut world, tokens) = Self::invite(lab, locations, monitors);
        let sites = locations.iter().enumerate().map(|(i, (name, ..))| site(&world.lab, i, name));
        let sites: Vec<Site> = sites.collect();
        let probe = |((i, site), token): ((usize, &Site), String)| {
            // On machines of their own they would not take the server's processor.
            let words = ["nice", "-n", "10"].iter().chain(prepare(i, &site.host));
            let words = words.map(|word| (*word).to_owned()).collect();
            Probe::with_token(&world.server, &site.host, token, words)
        };
        world.probes = sites.iter().enumerate().zip(tokens).map(probe).collect();
        world.gateways = sites.into_iter().map(|site| site.gateway).collect();
        world
    }

    /// A server that knows locations at which nobody is yet: it, and their tokens.
    pub(super) fn invite(lab: Lab, locations: &[Location], monitors: &str) -> (Self, Vec<String>) {
        let home = lab.add_host("home", Side::Server, 40);
        let receiver = Receiver::start(&home, 0);
        let config = format!(
            "local_probe: false\nchannels:\n  - {{ name: ops, webhook: {{ url: \"{}\" }} }}\n\
             monitors:\n{monitors}",
            receiver.url("/")
        );
        let server = Server::start_open(&home, &config);
        let tokens = locations.iter().map(|(name, region, network)| {
            server.add_location(&["--name", name, "--region", region, "--network", network])
        });
        let tokens = tokens.collect();
        (Self { lab, receiver, server, probes: Vec::new(), gateways: Vec::new() }, tokens)
    }

    /// Has the routers of some places do something with what they pass on.
    pub(super) fn forward(&self, places: &[usize], table: &str, rules: &[String]) {
        let mut text = format!(
            "add table inet {table}\n\
             add chain inet {table} forward {{ type filter hook forward priority -10; }}\n"
        );
        for rule in rules {
            text += &format!("add rule inet {table} forward {rule}\n");
        }
        places.iter().for_each(|place| self.gateways[*place].nft(&text));
    }

    /// Waits until every monitor is fine, as every place says.
    pub(super) fn wait_fine(&self, monitors: usize) {
        until(PATIENCE, format!("all to be up: {}", self.probes[0].output()), || {
            let all = self.monitors();
            let fine = |monitor: &&Value| {
                let places = monitor["places"].as_object().unwrap();
                let up = places.values().filter(|place| place["state"] == "up").count();
                up == self.probes.len()
            };
            (all.iter().filter(fine).count() == monitors).then_some(())
        });
    }

    /// All monitors.
    pub(super) fn monitors(&self) -> Vec<Value> {
        self.pages("monitors", "after")
    }

    /// All incidents, the newest first.
    pub(super) fn incidents(&self) -> Vec<Value> {
        self.pages("incidents", "before")
    }

    /// The scope of each monitor's newest incident. Not the notices: so many at once are told as a
    /// storm.
    pub(super) fn verdicts(&self) -> BTreeMap<String, Value> {
        let mut verdicts = BTreeMap::new();
        for incident in self.incidents() {
            let name = incident["monitor"].as_str().unwrap().to_owned();
            verdicts.entry(name).or_insert_with(|| incident["diagnosis"]["scope"].clone());
        }
        verdicts
    }

    fn pages(&self, what: &str, field: &str) -> Vec<Value> {
        let mut found = Vec::new();
        let mut path = format!("/{what}?limit=1000");
        loop {
            let page = self.server.get(&path);
            found.extend(page[what].as_array().unwrap().iter().cloned());
            let Some(next) = page["next"].as_str() else { return found };
            path = format!("/{what}?limit=1000&{field}={next}");
        }
    }
}
