//! `whydown ports` beside `ss`, field by field, on a host with some hundred listeners.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use serde_json::Value;
use whydown_lab::{Host, Lab, until};

use crate::run::{program, run, whydown};

/// Python starts slowly on a busy machine.
const WAIT: Duration = Duration::from_secs(20);

/// Opens listeners of every kind, says how many, and waits for its end.
const LISTENERS: &str = r#"
import os, signal, socket
kept = []
def tcp(family, address, backlog=128, v6only=None, device=None):
    s = socket.socket(family, socket.SOCK_STREAM)
    if v6only is not None: s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, v6only)
    if device: s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device)
    s.bind(address); s.listen(backlog); kept.append(s); return s
def udp(family, address, v6only=None, share=False):
    s = socket.socket(family, socket.SOCK_DGRAM)
    if v6only is not None: s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, v6only)
    if share: s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    s.bind(address); kept.append(s); return s
V4, V6 = socket.AF_INET, socket.AF_INET6
card = socket.if_nametoindex('eth0')
for at in range(30):
    tcp(V4, ('0.0.0.0', 2000 + at), backlog=1 + at)
    tcp(V4, ('127.0.0.1', 2100 + at))
    tcp(V4, ('10.99.2.10', 2200 + at))
    tcp(V6, ('::', 2300 + at), v6only=0)
    tcp(V6, ('::', 2400 + at), v6only=1)
    tcp(V6, ('::1', 2500 + at))
    udp(V4, ('0.0.0.0', 2600 + at))
    udp(V6, ('::', 2700 + at), v6only=at % 2)
    tcp(V6, ('fe80::7', 2800 + at, 0, card))
tcp(V4, ('0.0.0.0', 2900)); tcp(V6, ('::', 2900), v6only=1)
tcp(V4, ('0.0.0.0', 2901), device=b'eth0')
tcp(V6, ('::ffff:127.0.0.1', 2902))
udp(V4, ('127.0.0.1', 2903), share=True); udp(V4, ('127.0.0.1', 2903), share=True)
udp(V6, ('fe80::7', 2904, 0, card))
waiting = tcp(V4, ('127.0.0.1', 2905), backlog=7)
for _ in range(5):
    c = socket.create_connection(('127.0.0.1', 2905)); kept.append(c)
inbox = udp(V4, ('127.0.0.1', 2906))
socket.socket(V4, socket.SOCK_DGRAM).sendto(b'x' * 100, ('127.0.0.1', 2906))
connected = udp(V4, ('127.0.0.1', 2907)); connected.connect(('127.0.0.1', 2906))
alive, parents = os.pipe()
if os.fork() == 0:
    os.close(parents)
    open('/proc/self/comm', 'w').write('child-of-it')
    os.read(alive, 1); os._exit(0)
print('listening', len(kept), flush=True)
signal.pause()
"#;

/// What both programs say of one listener.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Line {
    protocol: String,
    local: String,
    queue: (u64, u64),
    owners: BTreeSet<(String, u64, u64)>,
}

#[test]
fn ports_lists_what_ss_lists_field_by_field() {
    let lab = Lab::builder().small().build();
    let host = lab.server();
    host.ip("addr add fe80::7/64 dev eth0 nodad");
    let (_listeners, count) = open_listeners(&host);
    assert!(count >= 270, "{count} sockets were opened");

    let output = run(whydown(&host), &["ports", "--json"]);
    assert_eq!(output.code, Some(0), "{output}");
    let entries: Vec<Value> = serde_json::from_str(&output.stdout).unwrap();
    let ours: BTreeSet<Line> = entries.iter().map(line_of_entry).collect();
    let seen = host.exec("ss", &["-tulnpH"]).success();
    let theirs: BTreeSet<Line> = seen.lines().map(line_of_ss).collect();

    let missing: Vec<_> = theirs.difference(&ours).collect();
    let surplus: Vec<_> = ours.difference(&theirs).collect();
    assert!(missing.is_empty(), "only ss lists {missing:#?}\nonly ports lists {surplus:#?}");
    assert!(surplus.is_empty(), "only ports lists {surplus:#?}");
    assert_eq!(entries.len(), seen.lines().count(), "none twice");
    println!("{} listeners, all fields alike", entries.len());
    assert!(entries.len() >= 200);

    let of = |port: u16| entries.iter().find(|entry| entry["port"] == port).unwrap();
    assert_eq!(of(2_000)["reachable"], "everyone");
    assert_eq!(of(2_100)["reachable"], "this machine");
    assert_eq!(of(2_200)["reachable"], "private network");
    assert_eq!(of(2_800)["reachable"], "own link");
    assert_eq!(of(2_800)["interface"], "eth0");
    assert_eq!(of(2_300)["dual_stack"], true);
    assert_eq!(of(2_902)["reachable"], "this machine");
    assert_eq!(of(2_000)["user"], "root");
}

#[test]
fn an_ordinary_user_sees_every_port_and_is_told_what_root_would_add() {
    let lab = Lab::builder().small().build();
    let host = lab.server();
    host.ip("addr add fe80::7/64 dev eth0 nodad");
    let (_listeners, _) = open_listeners(&host);
    let entries = |output: &str| serde_json::from_str::<Vec<Value>>(output).unwrap().len();
    let by_root = run(whydown(&host), &["ports", "--json"]);
    let by_nobody = run(as_nobody(&host), &["ports", "--json"]);
    assert_eq!(entries(&by_nobody.stdout), entries(&by_root.stdout));

    let output = run(as_nobody(&host), &["ports"]);
    assert!(output.stdout.contains("2905 tcp") && output.stdout.contains("? of root"), "{output}");
    assert!(output.stdout.contains("Not shown: the processes of other users"), "{output}");
}

#[test]
fn a_port_without_a_listener_is_answered_with_what_listens_instead() {
    let lab = Lab::builder().small().build();
    let host = lab.server();
    let nginx = whydown_lab::Peer::start(
        &host,
        80,
        whydown_lab::Behaviour::Http(whydown_lab::Answer::new(200)),
    );
    let output = run(whydown(&host), &["ports", "8080"]);
    assert_eq!(output.code, Some(1), "{output}");
    assert!(output.stdout.contains("Nothing listens on port 8080"), "{output}");
    assert!(output.stdout.contains("on 80"), "{output}");
    drop(nginx);
}

fn open_listeners(host: &Host) -> (whydown_lab::Process, usize) {
    let listeners = host.spawn("python3", &["-c", LISTENERS]);
    let count = until(WAIT, "all sockets listen", || {
        let text = listeners.output();
        text.split_once("listening ").and_then(|(_, count)| count.trim().parse().ok())
    });
    (listeners, count)
}

fn as_nobody(host: &Host) -> whydown_lab::Command {
    let mut command = host.command("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
    command.arg(program());
    command
}

/// `tcp LISTEN 0 128 [fe80::7]%eth0:2800 [::]:* users:(("python3",pid=7,fd=3))`.
fn line_of_ss(line: &str) -> Line {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let owners = fields.get(6).copied().unwrap_or_default();
    let owner = |text: &str| {
        let mut parts = text.split(',');
        let name = parts.next().unwrap().trim_matches('"').to_owned();
        let mut number = |prefix: &str| {
            let part = parts.next().unwrap().strip_prefix(prefix).unwrap();
            part.parse().unwrap()
        };
        (name, number("pid="), number("fd="))
    };
    let list = owners.strip_prefix("users:((").and_then(|text| text.strip_suffix("))"));
    let state = if fields[0] == "tcp" { "LISTEN" } else { "UNCONN" };
    assert_eq!(fields[1], state, "{line}");
    Line {
        protocol: fields[0].to_owned(),
        local: fields[4].to_owned(),
        queue: (fields[2].parse().unwrap(), fields[3].parse().unwrap()),
        owners: list.into_iter().flat_map(|list| list.split("),(")).map(owner).collect(),
    }
}

/// The same, from our JSON.
fn line_of_entry(entry: &Value) -> Line {
    let address: IpAddr = entry["address"].as_str().unwrap().parse().unwrap();
    let port = entry["port"].as_u64().unwrap();
    let place = match (address, entry["dual_stack"].as_bool()) {
        (ip, Some(true)) if ip.is_unspecified() => "*".to_owned(),
        (IpAddr::V6(ip), _) => format!("[{ip}]"),
        (IpAddr::V4(ip), _) => ip.to_string(),
    };
    let scope = entry["interface"].as_str().map_or_else(String::new, |name| format!("%{name}"));
    let owner = |owner: &Value| {
        let number = |name: &str| owner[name].as_u64().unwrap();
        (owner["process"].as_str().unwrap().to_owned(), number("pid"), number("fd"))
    };
    Line {
        protocol: entry["protocol"].as_str().unwrap().to_owned(),
        local: format!("{place}{scope}:{port}"),
        queue: (
            entry["queue"]["length"].as_u64().unwrap(),
            entry["queue"]["limit"].as_u64().unwrap(),
        ),
        owners: entry["owners"].as_array().unwrap().iter().map(owner).collect(),
    }
}
