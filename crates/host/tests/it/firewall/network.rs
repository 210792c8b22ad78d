//! A machine with a firewall between a neighbour that sends and a backend behind it:
//! `n ═ wan0, lan0 ═ s ═ dmz0 ═ b`. Addresses are 10.98.N.x and fd98:N::x.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};

use whydown_lab::{Host, Lab, Side};

/// What listens on the machine, on all its addresses.
pub(crate) const PORTS: [u16; 7] = [22, 80, 443, 5_432, 8_080, 8_443, 9_000];
/// What listens on the backend.
pub(crate) const BACKEND_PORTS: [u16; 2] = [80, 8_080];

/// The machines and the listeners on them.
pub(crate) struct Network {
    pub(crate) machine: Host,
    sender: Sender,
    _listeners: Vec<TcpListener>,
    _lab: Lab,
}

/// The neighbour's process that sends SYNs.
struct Sender {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

/// A link of the neighbour to the machine, and its number in addresses.
const LINKS: [(&str, u8); 2] = [("wan0", 1), ("lan0", 2)];

fn mac(net: u8, number: u8) -> String {
    format!("02:00:00:98:{net:02x}:{number:02x}")
}

/// One end of a veth pair, with its addresses and what it must know of the other end.
fn end(host: &Host, name: &str, net: u8, number: u8, other: u8) {
    for line in [
        format!("link set {name} address {}", mac(net, number)),
        format!("addr add 10.98.{net}.{number}/24 dev {name}"),
        format!("addr add fd98:{net}::{number}/64 dev {name} nodad"),
        format!("link set {name} up"),
    ] {
        host.ip(&line);
    }
    for address in [format!("10.98.{net}.{other}"), format!("fd98:{net}::{other}")] {
        let mac = mac(net, other);
        host.ip(&format!("neigh replace {address} lladdr {mac} nud permanent dev {name}"));
    }
}

fn join(one: (&Host, &str, u8), other: (&Host, &str, u8), net: u8) {
    let namespace = other.0.namespace().unwrap();
    one.0.ip(&format!("link add {} type veth peer name {} netns {namespace}", one.1, other.1));
    end(one.0, one.1, net, one.2, other.2);
    end(other.0, other.1, net, other.2, one.2);
}

impl Network {
    pub(crate) fn new() -> Self {
        let lab = Lab::builder().small().build();
        let machine = lab.server();
        let neighbour = lab.add_host("n", Side::Server, 30);
        let backend = lab.add_host("b", Side::Server, 20);
        for (name, net) in LINKS {
            join((&machine, name, 10), (&neighbour, name, 30), net);
        }
        join((&machine, "dmz0", 10), (&backend, "eth1", 20), 3);
        machine.ip("addr add 10.98.1.11/24 dev wan0");
        machine.ip("addr add fd98:1::11/64 dev wan0 nodad");
        machine.ip("route add 192.0.2.0/24 via 10.98.1.30");
        machine.ip("route add 2001:db8::/64 via fd98:1::30");
        for net in [1, 2] {
            backend.ip(&format!("route add 10.98.{net}.0/24 via 10.98.3.10"));
            backend.ip(&format!("route add fd98:{net}::/64 via fd98:3::10"));
        }
        backend.ip("route add 192.0.2.0/24 via 10.98.3.10");
        backend.ip("route add 2001:db8::/64 via fd98:3::10");
        let forward = ["net.ipv4.ip_forward", "net.ipv6.conf.all.forwarding"];
        machine.sysctl(&forward.map(|name| (name, "1")));
        let mut listeners = listen(&machine, &PORTS);
        listeners.extend(listen(&backend, &BACKEND_PORTS));
        let sender = Sender::start(&neighbour);
        Self { machine, sender, _listeners: listeners, _lab: lab }
    }

    /// Sends a SYN and says what comes back.
    pub(crate) fn send(
        &mut self,
        interface: &str,
        from: IpAddr,
        from_port: u16,
        to: SocketAddr,
    ) -> String {
        let (address, port) = (to.ip(), to.port());
        let Sender { input, output, .. } = &mut self.sender;
        writeln!(input, "{interface} {from} {address} {from_port} {port}").unwrap();
        let mut said = String::new();
        output.read_line(&mut said).unwrap();
        assert!(!said.is_empty(), "the neighbour's process has ended");
        said.trim().to_owned()
    }
}

fn listen(host: &Host, ports: &[u16]) -> Vec<TcpListener> {
    let on = |port: &u16| TcpListener::bind((Ipv6Addr::UNSPECIFIED, *port)).unwrap();
    host.enter(|| ports.iter().map(on).collect())
}

impl Sender {
    fn start(host: &Host) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/firewall/neighbour.py");
        let mut command = host.command("/usr/bin/python3");
        command.arg(script);
        for (name, net) in LINKS {
            let (own, other) = (mac(net, 30), mac(net, 10));
            command.arg(format!("{name},{own},{other},10.98.{net}.30,10.98.{net}.10"));
        }
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let mut output = BufReader::new(output);
        let mut ready = String::new();
        output.read_line(&mut ready).unwrap();
        assert_eq!(ready.trim(), "ready");
        Self { child, input, output }
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
