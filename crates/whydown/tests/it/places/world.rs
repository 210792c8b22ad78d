//! Locations in networks of their own, linked to one server that tells a receiver of everything.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use whydown_lab::{Host, Lab, Receiver, Side, until};

use super::Probe;
use crate::outage::Server;

/// Longer than a verdict takes on a busy machine.
pub(super) const PATIENCE: Duration = Duration::from_secs(100);

/// Name, region and network of a location.
pub(super) type Location = (&'static str, &'static str, &'static str);

/// A place's last number in 10.99.1.0/24.
pub(super) fn number(place: usize) -> u8 {
    100 + u8::try_from(place).unwrap()
}

pub(super) struct World {
    pub(super) lab: Lab,
    pub(super) receiver: Receiver,
    pub(super) server: Server,
    pub(super) probes: Vec<Probe>,
}

impl World {
    /// A server without a probe of its own, and a probe at each location.
    pub(super) fn start(lab: Lab, locations: &[Location], monitors: &str) -> Self {
        Self::start_with(lab, locations, monitors, |_, _| {})
    }

    /// The same, with something done to each host before its probe starts.
    pub(super) fn start_with(
        lab: Lab,
        locations: &[Location],
        monitors: &str,
        prepare: impl Fn(usize, &Host),
    ) -> Self {
        let (mut world, tokens) = Self::invite(lab, locations, monitors);
        let hosts = locations.iter().enumerate().map(|(i, (name, ..))| {
            let host = world.lab.add_host(name, Side::Client, number(i));
            prepare(i, &host);
            host
        });
        let hosts: Vec<Host> = hosts.collect();
        let probe = |(host, token): (&Host, String)| {
            // On machines of their own they would not take the server's processor.
            let modest = ["nice", "-n", "10"].map(str::to_owned).to_vec();
            Probe::with_token(&world.server, host, token, modest)
        };
        world.probes = hosts.iter().zip(tokens).map(probe).collect();
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
        (Self { lab, receiver, server, probes: Vec::new() }, tokens)
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
