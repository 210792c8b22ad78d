//! Rule sets of nftables, in all four families that see packets.

use super::{Attempt, Dice, destination, joined, port, source};

/// A whole rule set.
pub(crate) fn ruleset(dice: &mut Dice, attempt: &Attempt) -> String {
    let family = if dice.chance(60) { "inet" } else { attempt.family() };
    let mut text = table(dice, attempt, family, "filter");
    if dice.chance(30) {
        // A second table at the same hooks: an accept of the first is not the last word.
        let family = if dice.chance(50) { "inet" } else { attempt.family() };
        text.push_str(&second(dice, attempt, family));
    }
    if dice.chance(35) {
        let family = if dice.chance(50) { "inet" } else { attempt.family() };
        text.push_str(&nat(dice, attempt, family));
    }
    if dice.chance(10) {
        let rule = conditions(dice, attempt, "netdev");
        let drop = if dice.chance(50) { "drop" } else { "counter" };
        let port = port(dice, attempt);
        text.push_str(&format!(
            "table netdev early {{\n chain ingress {{\n type filter hook ingress device {} \
             priority -500; policy accept;\n tcp dport {port} {rule} {drop}\n }}\n}}\n",
            attempt.interface
        ));
    }
    text
}

fn table(dice: &mut Dice, attempt: &Attempt, family: &str, name: &str) -> String {
    let mut text = format!("table {family} {name} {{\n{}", sets(dice, attempt));
    // From the last to the first: jumps only lead forward, so that there are no loops.
    for chain in ["third", "second", "first"] {
        let targets: &[&str] = match chain {
            "third" => &[],
            "second" => &["third"],
            _ => &["second", "third"],
        };
        text.push_str(&format!(" chain {chain} {{\n"));
        for _ in 0..dice.below(3) {
            text.push_str(&rule(dice, attempt, family, targets));
        }
        text.push_str(" }\n");
    }
    let hooks: [(&str, &str, u64); 5] = [
        ("prerouting", "raw", 15),
        ("prerouting", "mangle", 20),
        ("input", "filter", 100),
        ("forward", "filter", 30),
        ("output", "filter", 12),
    ];
    for (number, (hook, priority, percent)) in hooks.into_iter().enumerate() {
        if dice.chance(percent) {
            text.push_str(&base_chain(dice, attempt, (family, hook, priority), number));
        }
    }
    text.push_str("}\n");
    text
}

fn base_chain(
    dice: &mut Dice,
    attempt: &Attempt,
    (family, hook, priority): (&str, &str, &str),
    number: usize,
) -> String {
    let targets = ["first", "second", "third"];
    let policy = if dice.chance(35) { "drop" } else { "accept" };
    let mut text = format!(
        " chain {hook}{number} {{\n  type filter hook {hook} priority {priority}; \
         policy {policy};\n"
    );
    if dice.chance(40) {
        text.push_str(
            "  ct state vmap { invalid : drop, established : accept, related : accept }\n",
        );
    }
    if hook == "prerouting" && dice.chance(40) {
        let statement = if priority == "raw" { "notrack" } else { "meta mark set 0x1" };
        let port = port(dice, attempt);
        text.push_str(&format!("  tcp dport {port} {statement}\n"));
    }
    for _ in 0..1 + dice.below(4) {
        text.push_str(&rule(dice, attempt, family, &targets));
    }
    text.push_str(" }\n");
    text
}

fn second(dice: &mut Dice, attempt: &Attempt, family: &str) -> String {
    let priority = dice.one(&["filter", "filter - 1", "10"]);
    let policy = if dice.chance(20) { "drop" } else { "accept" };
    let mut text = format!(
        "table {family} more {{\n{} chain input {{\n  type filter hook input priority {priority}; \
         policy {policy};\n",
        sets(dice, attempt)
    );
    for _ in 0..1 + dice.below(3) {
        text.push_str(&rule(dice, attempt, family, &[]));
    }
    text.push_str(" }\n}\n");
    text
}

fn nat(dice: &mut Dice, attempt: &Attempt, family: &str) -> String {
    let (of, own, behind, nowhere) = if attempt.v4 {
        ("ip", "10.98.2.10", "10.98.3.20", "127.0.0.1")
    } else {
        ("ip6", "fd98:2::10", "fd98:3::20", "::1")
    };
    let of = if family == "inet" { format!("{of} ") } else { String::new() };
    let (from, to) = (port(dice, attempt), port(dice, attempt));
    let with_port = |address: &str| {
        if attempt.v4 { format!("{address}:{to}") } else { format!("[{address}]:{to}") }
    };
    let dnat = match dice.below(8) {
        0 => format!("tcp dport {from} redirect"),
        1 => format!("tcp dport {from} redirect to :{to}"),
        2 => format!("tcp dport {from} dnat {of}to {own}"),
        3 => format!("tcp dport {from} dnat {of}to {}", with_port(own)),
        4 => format!("tcp dport {from} dnat {of}to {behind}"),
        5 => format!("tcp dport {from} counter dnat {of}to {}", with_port(behind)),
        6 => format!("dnat {of}to tcp dport map {{ {from} : {behind}, 7 : {own} }}"),
        _ => format!("tcp dport {from} dnat {of}to {}", with_port(nowhere)),
    };
    let before = conditions(dice, attempt, family);
    let before = if dice.chance(25) { before } else { String::new() };
    format!(
        "table {family} nat {{\n{} chain pre {{\n  type nat hook prerouting priority dstnat; \
         policy accept;\n  {before} {dnat}\n }}\n}}\n",
        sets(dice, attempt)
    )
}

fn sets(dice: &mut Dice, attempt: &Attempt) -> String {
    let kind = if attempt.v4 { "ipv4_addr" } else { "ipv6_addr" };
    let (one, two) = (source(dice, attempt), port(dice, attempt));
    let from = &attempt.from;
    let (first, last) = (attempt.port.min(two), attempt.port.max(two));
    let verdict = dice.one(&["accept", "drop", "continue"]);
    let pair = if dice.chance(50) { from.clone() } else { source_alone(dice, attempt) };
    format!(
        " set people {{\n type {kind}; flags interval; elements = {{ {one} }}\n }}\n \
         set ports {{\n type inet_service; elements = {{ {two}, 7 }}\n }}\n \
         set spans {{\n type inet_service; flags interval; \
         elements = {{ 1-21, {first}-{last} }}\n }}\n \
         set pairs {{\n type {kind} . inet_service; elements = {{ {pair} . {two} }}\n }}\n \
         set names {{\n type ifname; elements = {{ \"wan0\", \"lo\" }}\n }}\n \
         set seen {{\n type {kind}; flags dynamic,timeout; timeout 1h;\n }}\n \
         map fates {{\n type inet_service : verdict; elements = {{ {two} : {verdict} }}\n }}\n"
    )
}

fn source_alone(dice: &mut Dice, attempt: &Attempt) -> String {
    let all: [&str; 3] = if attempt.v4 {
        ["192.0.2.7", "10.98.1.30", "198.51.100.9"]
    } else {
        ["2001:db8::7", "fd98:1::30", "2001:db8:9::1"]
    };
    dice.one(&all).to_owned()
}

fn rule(dice: &mut Dice, attempt: &Attempt, family: &str, targets: &[&str]) -> String {
    let mut parts: Vec<String> =
        (0..dice.below(3)).map(|_| conditions(dice, attempt, family)).collect();
    if dice.chance(40) {
        parts.push("counter".to_owned());
    }
    if dice.chance(4) {
        parts.push(format!("add @seen {{ {} saddr }}", attempt.family()));
    }
    if dice.chance(4) {
        parts.push("log prefix \"fw: \"".to_owned());
    }
    if dice.chance(5) {
        parts.push(dice.one(&["meta mark set 0x1", "ct mark set 0x1"]).to_owned());
    }
    parts.push(verdict(dice, attempt, family, targets));
    if dice.chance(10) {
        parts.push("comment \"no 7\"".to_owned());
    }
    format!("  {}\n", joined(&parts, " "))
}

fn verdict(dice: &mut Dice, attempt: &Attempt, family: &str, targets: &[&str]) -> String {
    let of = attempt.family();
    if let (true, Some(_)) = (dice.chance(30), targets.first()) {
        let target = dice.one(targets);
        let port = port(dice, attempt);
        return match dice.below(6) {
            0 => format!("goto {target}"),
            1 => format!("tcp dport vmap {{ {port} : jump {target}, 7 : drop }}"),
            2 => format!("ct state vmap {{ new : jump {target}, established : accept }}"),
            3 => format!("iifname vmap {{ \"wan0\" : jump {target}, \"lo\" : accept }}"),
            _ => format!("jump {target}"),
        };
    }
    let icmp = if attempt.v4 {
        dice.one(&[
            "net-unreachable",
            "host-unreachable",
            "prot-unreachable",
            "port-unreachable",
            "net-prohibited",
            "host-prohibited",
            "admin-prohibited",
        ])
    } else {
        dice.one(&[
            "no-route",
            "admin-prohibited",
            "addr-unreachable",
            "port-unreachable",
            "policy-fail",
            "reject-route",
        ])
    };
    let icmp_name = if attempt.v4 { "icmp" } else { "icmpv6" };
    match dice.below(14) {
        0..=3 => "accept".to_owned(),
        4..=6 => "drop".to_owned(),
        7 => "reject".to_owned(),
        8 => "reject with tcp reset".to_owned(),
        9 => format!("reject with {icmp_name} {icmp}"),
        10 if family == "inet" => {
            let code =
                dice.one(&["port-unreachable", "admin-prohibited", "no-route", "host-unreachable"]);
            format!("reject with icmpx {code}")
        }
        11 => "return".to_owned(),
        12 => "tcp dport vmap @fates".to_owned(),
        _ => format!(
            "{of} saddr vmap {{ {} : drop, {} : accept }}",
            source_alone(dice, attempt),
            if attempt.v4 { "203.0.113.1" } else { "2001:db8:f::1" }
        ),
    }
}

/// One condition, or two.
fn conditions(dice: &mut Dice, attempt: &Attempt, family: &str) -> String {
    match dice.below(44) {
        // A chain of the netdev family sees packets before connections are tracked.
        number if family == "netdev" => of_headers(dice, attempt, number % 12),
        number @ 0..12 => of_headers(dice, attempt, number),
        number @ 12..22 => of_sets(dice, attempt, number),
        number @ 22..34 => of_connection(dice, attempt, number),
        number => of_the_rest(dice, attempt, family, number),
    }
}

fn of_headers(dice: &mut Dice, attempt: &Attempt, number: u64) -> String {
    let of = attempt.family();
    let (one, two) = (port(dice, attempt), port(dice, attempt));
    let from = source(dice, attempt);
    let flags =
        ["syn", "& (fin|syn|rst|ack) == syn", "!= syn", "! syn", "syn / syn,ack", "{ syn, ack }"];
    match number {
        0 | 1 => format!("tcp dport {one}"),
        2 => format!("tcp dport {{ {one}, 7 }}"),
        3 => format!("tcp dport {}-{}", one.min(two), one.max(two)),
        4 => format!("tcp dport != {one}"),
        5 => format!("tcp dport {} {one}", dice.one(&["<", "<=", ">", ">="])),
        6 | 7 => format!("{of} saddr {from}"),
        8 => format!("{of} saddr != {from}"),
        9 => format!("{of} daddr {}", destination(dice, attempt)),
        10 => format!("tcp flags {}", dice.one(&flags)),
        _ => "tcp sport 1024-65535".to_owned(),
    }
}

fn of_sets(dice: &mut Dice, attempt: &Attempt, number: u64) -> String {
    let of = attempt.family();
    let one = port(dice, attempt);
    let names =
        ["wan0", "lan0", "\"wan*\"", "!= \"wan0\"", "{ \"wan0\", \"lo\" }", "@names", "!= @names"];
    match number {
        12 => format!("{of} saddr @people"),
        13 => format!("{of} saddr != @people"),
        14 => format!("tcp dport @{}", dice.one(&["ports", "spans"])),
        15 => format!("tcp dport != @{}", dice.one(&["ports", "spans"])),
        16 => format!("{of} saddr . tcp dport @pairs"),
        17 => format!("{of} saddr . tcp dport {{ {} . {one} }}", source_alone(dice, attempt)),
        18 => format!("iifname {}", dice.one(&names)),
        19 => format!("iif {}", dice.one(&["wan0", "lan0", "lo"])),
        20 => format!("{of} saddr @seen"),
        _ => {
            let other = if attempt.v4 { "203.0.113.9" } else { "2001:db8:f::9" };
            format!("{of} saddr {{ {}, {other} }}", source(dice, attempt))
        }
    }
}

fn of_connection(dice: &mut Dice, attempt: &Attempt, number: u64) -> String {
    let states = [
        "new",
        "established,related",
        "invalid",
        "{ new, untracked }",
        "!= new",
        "new,untracked",
        "untracked",
    ];
    let types = ["local", "unicast", "!= local", "{ local, broadcast }"];
    let protocols = ["tcp", "udp", "{ tcp, udp }"];
    match number {
        22..=24 => format!("ct state {}", dice.one(&states)),
        25 => "ct direction original".to_owned(),
        26 => "ct status dnat".to_owned(),
        27 => format!("meta mark {}", dice.one(&["0x1", "0x0", "!= 0x1", "& 0x1 == 0x1"])),
        28 => "ct mark 0x1".to_owned(),
        29 => format!("meta l4proto {}", dice.one(&["tcp", "udp", "{ tcp, udp }", "!= tcp"])),
        30 => format!("meta l4proto {{ tcp, udp }} th dport {}", port(dice, attempt)),
        31 if attempt.v4 => format!("ip protocol {}", dice.one(&protocols)),
        31 => format!("ip6 nexthdr {}", dice.one(&protocols)),
        32 => format!("fib daddr type {}", dice.one(&types)),
        _ => "fib saddr type local".to_owned(),
    }
}

fn of_the_rest(dice: &mut Dice, attempt: &Attempt, family: &str, number: u64) -> String {
    let unclear = ["numgen random mod 2 0", "meta hour \"00:00\"-\"12:00\"", "ct count over 100"];
    match number {
        34 => format!("limit rate {}10/second", dice.one(&["", "over "])),
        35 => format!("quota {}10 mbytes", dice.one(&["", "over "])),
        36 => format!("meta pkttype {}", dice.one(&["host", "{ broadcast, multicast }"])),
        37 => format!("meta length {}", dice.one(&["> 1000", "< 200", "40-150"])),
        38 if family == "inet" => other_family(dice, attempt),
        39 if dice.chance(30) => dice.one(&unclear).to_owned(),
        39 => "udp dport 53".to_owned(),
        40 => "meta protocol { ip, ip6 }".to_owned(),
        41 if family == "inet" => "icmp type echo-request".to_owned(),
        42 if attempt.v4 => "ip frag-off & 0x1fff != 0".to_owned(),
        42 => "ip6 hoplimit > 0".to_owned(),
        43 if family == "inet" => format!("meta nfproto {}", dice.one(&["ipv4", "ipv6"])),
        _ => "meta l4proto tcp".to_owned(),
    }
}

/// A condition of the other family, which never holds.
fn other_family(dice: &mut Dice, attempt: &Attempt) -> String {
    let all: [&str; 2] = if attempt.v4 {
        ["ip6 saddr != fe80::/10", "meta nfproto ipv6 tcp dport 1-65535"]
    } else {
        ["ip saddr != 203.0.113.1", "meta nfproto ipv4 tcp dport 1-65535"]
    };
    dice.one(&all).to_owned()
}
