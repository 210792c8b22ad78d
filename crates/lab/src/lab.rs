//! The network of the lab: client — router — router — server and its neighbours, as namespaces.
//!
//! ```text
//! c 10.99.1.10 ══ r1 10.99.1.1 ── r2 10.99.3.2 ─┬─ s 10.99.2.10
//!              cable        10.99.3.1  10.99.2.1├─ b 10.99.2.20
//!        (5 ms each way)                        ├─ n 10.99.2.30
//!                                               └─ d 10.99.2.53
//! ```
//! IPv6 alongside: `fd99:1::10` and so on. Addresses repeat in every lab; names don't.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::fail::{OrFail as _, fail, need_program, need_root};
use crate::host::Host;
use crate::process::{Command, Output};
use crate::scratch::Scratch;

mod cable;
mod limits;
mod tap;
mod topology;

pub use cable::Cable;
use limits::RouteErrors;
use topology::{Place, RATE_LIMITS_OFF};

/// Each way; a link without delay changes what `connect()` reports.
const DEFAULT_DELAY: Duration = Duration::from_millis(5);
/// More namespaces than any test needs; a loop that adds hosts for ever is a mistake.
const HOSTS_MAX: usize = 100;

/// Which of the two networks a further host is plugged into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// 10.99.1.0/24 and fd99:1::/64, at `r1`.
    Client,
    /// 10.99.2.0/24 and fd99:2::/64, at `r2`.
    Server,
}

/// How a [`Site`] is seen from elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Uplink {
    /// By its own addresses.
    Routed,
    /// By those of its router, which lets in answers only: a home or an office.
    Masqueraded,
}

/// nft(8), "NAT statements" and "ct state".
const MASQUERADE: &str = "\
add table inet uplink
add chain inet uplink postrouting { type nat hook postrouting priority srcnat; }
add rule inet uplink postrouting oifname eth0 masquerade
add chain inet uplink forward { type filter hook forward priority filter; }
add rule inet uplink forward iifname eth0 ct state != { established, related } drop
";

/// A host with a router, and so a firewall, of its own.
#[derive(Clone, Debug)]
pub struct Site {
    /// The host.
    pub host: Host,
    /// Its router.
    pub gateway: Host,
}

/// How a [`Lab`] is to be built.
#[derive(Clone, Debug)]
pub struct Builder {
    delay: Duration,
    rate_limits: bool,
    small: bool,
}

impl Builder {
    /// The delay of the client's cable each way (default 5 ms).
    #[must_use]
    pub fn delay(mut self, each_way: Duration) -> Self {
        self.delay = each_way;
        self
    }

    /// Keeps the kernel's limits on ICMP errors, as a real network has them. Such labs wait for all
    /// others on the machine, because one of the limits is the whole machine's.
    #[must_use]
    pub fn keep_rate_limits(mut self) -> Self {
        self.rate_limits = true;
        self
    }

    /// Only client, routers and server. Looking up names fails at once there.
    #[must_use]
    pub fn small(mut self) -> Self {
        self.small = true;
        self
    }

    /// Builds it.
    #[track_caller]
    pub fn build(self) -> Lab {
        Lab::from_builder(&self)
    }
}

/// The network; everything in it ends when this is dropped.
#[derive(Debug)]
pub struct Lab {
    scratch: Arc<Scratch>,
    hosts: Mutex<Vec<Host>>,
    /// The client's first, then those of further clients.
    cables: Mutex<Vec<Arc<Cable>>>,
    rate_limits: bool,
    _route_errors: RouteErrors,
}

impl Lab {
    /// The whole network with the defaults.
    #[expect(clippy::new_without_default, reason = "building a network is no default")]
    #[track_caller]
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// Another network than the default one.
    pub fn builder() -> Builder {
        Builder { delay: DEFAULT_DELAY, rate_limits: false, small: false }
    }

    #[track_caller]
    fn from_builder(builder: &Builder) -> Self {
        need_root();
        need_program("ip");
        let scratch = Arc::new(Scratch::new());
        let lab = Self {
            scratch,
            hosts: Mutex::default(),
            cables: Mutex::default(),
            rate_limits: builder.rate_limits,
            _route_errors: RouteErrors::new(builder.rate_limits),
        };
        let places: Vec<Place> = topology::places(builder.small);
        lab.add(&places);
        lab.lay_cable("c", builder.delay);
        lab
    }

    /// Makes the namespaces of some places, links and configures them.
    fn add(&self, places: &[Place]) {
        let hosts: Vec<Host> = places
            .iter()
            .map(|place| Host::in_namespace(&place.name, &self.scratch, place.v4, place.v6))
            .collect();
        let namespaces: Vec<&str> = hosts.iter().filter_map(Host::namespace).collect();
        let lines: Vec<String> =
            namespaces.iter().map(|name| format!("netns add {name}")).collect();
        // Registered first, so that a failure half-way removes what there is.
        let known = {
            let mut known = self.hosts.lock().or_fail("a lab thread panicked");
            known.extend(hosts.iter().cloned());
            known.len()
        };
        if known > HOSTS_MAX {
            fail(format_args!("{known} hosts in one lab; the limit is {HOSTS_MAX}"));
        }
        ip_batch(&[], &lines.join("\n"));
        let has_resolver = self.find("d").is_some();
        // Before the links exist, because new links take over the namespace's defaults.
        self.each(&hosts, places, |host, place| {
            topology::write_etc_files(host, has_resolver);
            host.sysctl(&topology::settings(place.is_router()));
            if !self.rate_limits {
                host.sysctl(&RATE_LIMITS_OFF);
            }
            host.ip_batch(&place.own_links().join("\n"));
        });
        let stem = self.scratch.stem();
        let links: Vec<String> = places.iter().flat_map(|place| place.cables(stem)).collect();
        ip_batch(&[], &links.join("\n"));
        for (router, lines) in topology::router_ports(places) {
            self.host(router).ip_batch(&lines.join("\n"));
        }
        self.each(&hosts, places, |host, place| {
            if !place.has_delay {
                host.set_network(place.network());
            }
        });
    }

    /// Does something for all new hosts at once.
    fn each(&self, hosts: &[Host], places: &[Place], work: impl Fn(&Host, &Place) + Sync) {
        let work = &work;
        std::thread::scope(|scope| {
            for (host, place) in hosts.iter().zip(places) {
                scope.spawn(move || work(host, place));
            }
        });
    }

    /// Connects a client to `r1` through a delay line.
    fn lay_cable(&self, name: &str, delay: Duration) -> Arc<Cable> {
        let client = self.host(name);
        let router = self.host("r1");
        let port = format!("p-{name}");
        let ends = [tap::open(&client, "eth0"), tap::open(&router, &port)];
        router.ip_batch(&topology::bridge_port(&port).join("\n"));
        let place = Place::host(name, Side::Client, topology::last_octet(client.v4()));
        client.ip_batch(&topology::card(&client).join("\n"));
        client.set_network(place.network());
        client.ip_batch(&topology::acquaintance(&router).join("\n"));
        router.ip_batch(&topology::acquaintance(&client).join("\n"));
        let cable = Arc::new(Cable::start(ends, delay));
        self.cables.lock().or_fail("a lab thread panicked").push(Arc::clone(&cable));
        cable
    }

    /// Adds a host to one of the networks, without delay, with the addresses
    /// 10.99.{1,2}.`number` and fd99:{1,2}::`number`.
    #[track_caller]
    pub fn add_host(&self, name: &str, side: Side, number: u8) -> Host {
        self.check_name(name);
        self.add(&[Place::host(name, side, number)]);
        self.host(name)
    }

    /// Adds a site: a host 10.99.`number`.10 and fd99:`number`::10 behind a router of its own,
    /// which is the client network's host `number`.
    #[track_caller]
    pub fn add_site(&self, name: &str, number: u8, uplink: Uplink) -> Site {
        self.check_name(name);
        let places = Place::site(name, number);
        self.add(&places);
        let [gateway, host] = places.map(|place| self.host(&place.name));
        match uplink {
            Uplink::Routed => {
                for (router, lines) in topology::routes_to_site(number) {
                    self.host(router).ip_batch(&lines.join("\n"));
                }
            }
            Uplink::Masqueraded => gateway.nft(MASQUERADE),
        }
        Site { host, gateway }
    }

    /// Adds a client with a delay line of its own: another location to look from.
    #[track_caller]
    pub fn add_client(&self, name: &str, number: u8, delay: Duration) -> (Host, Arc<Cable>) {
        self.check_name(name);
        let mut place = Place::host(name, Side::Client, number);
        place.has_delay = true;
        self.add(&[place]);
        let cable = self.lay_cable(name, delay);
        (self.host(name), cable)
    }

    /// Interface names are limited to 15 characters, up to four of which the lab uses.
    #[track_caller]
    fn check_name(&self, name: &str) {
        let sound = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        if !sound || name.is_empty() || name.len() > 11 {
            fail(format_args!("a host's name is 1 to 11 of a-z and 0-9, not {name:?}"));
        }
        if self.find(name).is_some() {
            fail(format_args!("the lab has a host {name:?} already"));
        }
    }

    fn find(&self, name: &str) -> Option<Host> {
        let hosts = self.hosts.lock().or_fail("a lab thread panicked");
        hosts.iter().find(|host| host.name() == name).cloned()
    }

    /// A host by name.
    #[track_caller]
    pub fn host(&self, name: &str) -> Host {
        self.find(name).or_fail(format_args!("this lab has no host {name:?}"))
    }

    /// The client `c`, 10.99.1.10.
    pub fn client(&self) -> Host {
        self.host("c")
    }

    /// The client's router.
    pub fn r1(&self) -> Host {
        self.host("r1")
    }

    /// The server's router.
    pub fn r2(&self) -> Host {
        self.host("r2")
    }

    /// The server `s`, 10.99.2.10.
    pub fn server(&self) -> Host {
        self.host("s")
    }

    /// The backend `b`, 10.99.2.20.
    #[track_caller]
    pub fn backend(&self) -> Host {
        self.host("b")
    }

    /// The neighbour `n`, 10.99.2.30.
    #[track_caller]
    pub fn neighbour(&self) -> Host {
        self.host("n")
    }

    /// The resolver `d`, 10.99.2.53. Nothing answers there until a test starts a DNS server.
    #[track_caller]
    pub fn resolver(&self) -> Host {
        self.host("d")
    }

    /// The client's cable.
    pub fn cable(&self) -> Arc<Cable> {
        let cables = self.cables.lock().or_fail("a lab thread panicked");
        Arc::clone(cables.first().or_fail("the client's cable is not there yet"))
    }

    /// Sends everything that the client has to say to other networks into a VPN's tunnel whose far
    /// end is dead: nobody reads what goes in. It is gone when the file is dropped.
    #[track_caller]
    pub fn dead_tunnel(&self, name: &str) -> std::fs::File {
        let client = self.client();
        let tunnel = tap::open_tunnel(&client, name);
        client.ip_batch(&format!(
            "link set {name} up\naddr add 10.98.0.2/24 dev {name}\n\
             addr add fd98::2/64 dev {name} nodad\n\
             route replace 0.0.0.0/0 dev {name}\nroute replace ::/0 dev {name}"
        ));
        tunnel
    }

    /// A new directory, removed with the lab.
    pub fn directory(&self, name: &str) -> std::path::PathBuf {
        self.scratch.subdirectory(name)
    }
}

impl Drop for Lab {
    /// Quiet about errors: a panic here would hide the one that ends the test.
    fn drop(&mut self) {
        let Ok(hosts) = self.hosts.lock() else {
            return;
        };
        let namespaces: Vec<&str> = hosts.iter().filter_map(Host::namespace).collect();
        topology::kill_inhabitants(self.scratch.stem(), &namespaces);
        if let Ok(cables) = self.cables.lock() {
            cables.iter().for_each(|cable| cable.stop());
        }
        let lines: Vec<String> =
            namespaces.iter().map(|name| format!("netns del {name}\n")).collect();
        let mut command = Command::new("ip");
        command.args(["-force", "-batch", "-"]);
        Output::of(command, Some(lines.concat()), Duration::from_secs(20));
        for directory in hosts.iter().filter_map(Host::etc_directory) {
            let _ = std::fs::remove_dir_all(directory);
        }
        // The last one out takes the parent away; it is not empty while another lab lives.
        let _ = std::fs::remove_dir("/etc/netns");
    }
}

/// Runs many `ip` commands in one process.
#[track_caller]
pub(crate) fn ip_batch(options: &[&str], lines: &str) {
    if lines.is_empty() {
        return;
    }
    let mut command = Command::new(need_program("ip"));
    command.args(options).args(["-batch", "-"]);
    let output = Output::of(command, Some(lines.into()), Duration::from_secs(20));
    if output.code != Some(0) {
        fail(format_args!("`ip {}` failed: {}\n{lines}", options.join(" "), output.stderr.trim()));
    }
}

/// Both addresses of a place in network `net` (the third number of the IPv4 address).
fn addresses(net: u8, number: u8) -> (Ipv4Addr, Ipv6Addr) {
    let decimal = format!("fd99:{net}::{number}");
    // Decimal digits on purpose: fd99:2::10 goes with 10.99.2.10.
    let v6 = decimal.parse().or_fail("an IPv6 address of the lab");
    (Ipv4Addr::new(10, 99, net, number), v6)
}
