//! Rule sets of iptables and ip6tables, as their restore programs take them.

use super::{Attempt, Dice, destination, joined, port, source};

/// A whole save file.
pub(crate) fn saved(dice: &mut Dice, attempt: &Attempt) -> String {
    let mut text = String::new();
    if dice.chance(15) {
        let port = port(dice, attempt);
        text.push_str(&format!(
            "*raw\n:PREROUTING ACCEPT\n:OUTPUT ACCEPT\n\
             -A PREROUTING -p tcp --dport {port} -j {}\nCOMMIT\n",
            dice.one(&["CT --notrack", "DROP", "ACCEPT"])
        ));
    }
    if dice.chance(20) {
        let port = port(dice, attempt);
        text.push_str(&format!(
            "*mangle\n:PREROUTING ACCEPT\n:INPUT ACCEPT\n\
             -A PREROUTING -p tcp --dport {port} -j {}\nCOMMIT\n",
            dice.one(&[
                "MARK --set-mark 0x1",
                "MARK --set-xmark 0x1/0xff",
                "CONNMARK --set-mark 0x1",
                "DROP",
            ])
        ));
    }
    if dice.chance(35) {
        text.push_str(&nat(dice, attempt));
    }
    text.push_str(&filter(dice, attempt));
    text
}

fn filter(dice: &mut Dice, attempt: &Attempt) -> String {
    let policy = |dice: &mut Dice| if dice.chance(35) { "DROP" } else { "ACCEPT" };
    let (input, forward) = (policy(dice), policy(dice));
    let mut text = format!(
        "*filter\n:INPUT {input}\n:FORWARD {forward}\n:OUTPUT ACCEPT\n\
         :first -\n:second -\n:third -\n"
    );
    for chain in ["INPUT", "FORWARD"] {
        if dice.chance(40) {
            text.push_str(&format!(
                "-A {chain} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n"
            ));
        }
    }
    let chains: [(&str, &[&str], u64); 5] = [
        ("INPUT", &["first", "second", "third"], 4),
        ("FORWARD", &["first", "second"], 2),
        ("first", &["second", "third"], 2),
        ("second", &["third"], 2),
        ("third", &[], 2),
    ];
    for (chain, targets, most) in chains {
        let least = u64::from(chain == "INPUT");
        for _ in 0..least + dice.below(most + 1) {
            text.push_str(&rule(dice, attempt, chain, targets));
        }
    }
    if dice.chance(10) {
        let port = port(dice, attempt);
        text.push_str(&format!("-A OUTPUT -p tcp --sport {port} -j DROP\n"));
    }
    text.push_str("COMMIT\n");
    text
}

fn nat(dice: &mut Dice, attempt: &Attempt) -> String {
    let (own, behind, nowhere) = if attempt.v4 {
        ("10.98.2.10", "10.98.3.20", "127.0.0.1")
    } else {
        ("fd98:2::10", "fd98:3::20", "::1")
    };
    let (from, to) = (port(dice, attempt), port(dice, attempt));
    let with_port = |address: &str| {
        if attempt.v4 { format!("{address}:{to}") } else { format!("[{address}]:{to}") }
    };
    let target = match dice.below(6) {
        0 => "REDIRECT".to_owned(),
        1 => format!("REDIRECT --to-ports {to}"),
        2 => format!("DNAT --to-destination {own}"),
        3 => format!("DNAT --to-destination {}", with_port(behind)),
        4 => format!("DNAT --to-destination {behind}"),
        _ => format!("DNAT --to-destination {}", with_port(nowhere)),
    };
    let more = if dice.chance(25) { condition(dice, attempt, true) } else { String::new() };
    format!(
        "*nat\n:PREROUTING ACCEPT\n:INPUT ACCEPT\n:OUTPUT ACCEPT\n:POSTROUTING ACCEPT\n\
         -A PREROUTING -p tcp --dport {from} {more} -j {target}\nCOMMIT\n"
    )
}

fn rule(dice: &mut Dice, attempt: &Attempt, chain: &str, targets: &[&str]) -> String {
    let target = verdict(dice, attempt, targets);
    let is_tcp = target.contains("tcp-reset") || dice.chance(60);
    let mut parts = vec![format!("-A {chain}")];
    if dice.chance(30) {
        let (sign, from) = (if dice.chance(25) { "! " } else { "" }, source(dice, attempt));
        parts.push(format!("{sign}-s {from}"));
    }
    if dice.chance(15) {
        parts.push(format!("-d {}", destination(dice, attempt)));
    }
    if dice.chance(15) {
        parts.push(dice.one(&["-i wan0", "-i lan0", "! -i wan0", "-i wan+", "-i lo"]).to_owned());
    }
    if is_tcp {
        parts.push("-p tcp".to_owned());
    }
    for _ in 0..dice.below(3) {
        parts.push(condition(dice, attempt, is_tcp));
    }
    if dice.chance(10) {
        parts.push("-m comment --comment \"rule \\\"7\\\" -j DROP\"".to_owned());
    }
    parts.push(target);
    format!("{}\n", joined(&parts, " "))
}

fn verdict(dice: &mut Dice, attempt: &Attempt, targets: &[&str]) -> String {
    if let (true, Some(_)) = (dice.chance(30), targets.first()) {
        let target = dice.one(targets);
        return format!("{} {target}", dice.one(&["-j", "-j", "-j", "-g"]));
    }
    let with = if attempt.v4 {
        dice.one(&[
            "icmp-net-unreachable",
            "icmp-host-unreachable",
            "icmp-proto-unreachable",
            "icmp-port-unreachable",
            "icmp-net-prohibited",
            "icmp-host-prohibited",
            "icmp-admin-prohibited",
        ])
    } else {
        dice.one(&[
            "icmp6-no-route",
            "icmp6-adm-prohibited",
            "icmp6-addr-unreachable",
            "icmp6-port-unreachable",
        ])
    };
    match dice.below(12) {
        0..=3 => "-j ACCEPT".to_owned(),
        4..=6 => "-j DROP".to_owned(),
        7 => "-j REJECT".to_owned(),
        8 => format!("-j REJECT --reject-with {with}"),
        9 => "-j REJECT --reject-with tcp-reset".to_owned(),
        10 => "-j RETURN".to_owned(),
        _ => "-j LOG --log-prefix \"fw: \"".to_owned(),
    }
}

fn condition(dice: &mut Dice, attempt: &Attempt, is_tcp: bool) -> String {
    let (one, two) = (port(dice, attempt), port(dice, attempt));
    if is_tcp && dice.chance(60) {
        return match dice.below(8) {
            0..=2 => format!("--dport {one}"),
            3 => format!("! --dport {one}"),
            4 => format!("--dport {}:{}", one.min(two), one.max(two)),
            5 => format!("-m multiport --dports {one},7,1000:1010"),
            6 => dice
                .one(&["--syn", "! --syn", "--tcp-flags SYN,RST SYN", "--tcp-flags ALL NONE"])
                .to_owned(),
            _ => "--sport 1024:65535".to_owned(),
        };
    }
    let of = attempt.from.as_str();
    match dice.below(14) {
        0..=2 => format!(
            "-m conntrack --ctstate {}",
            dice.one(&["NEW", "RELATED,ESTABLISHED", "INVALID", "NEW,UNTRACKED", "DNAT"])
        ),
        3 => "-m state --state NEW".to_owned(),
        4 => "-m conntrack ! --ctstate NEW".to_owned(),
        5 => {
            format!("-m addrtype --dst-type {}", dice.one(&["LOCAL", "UNICAST", "LOCAL,BROADCAST"]))
        }
        6 => format!("-m mark {}", dice.one(&["--mark 0x1", "! --mark 0x1", "--mark 0x0/0xff"])),
        7 => "-m connmark --mark 0x1".to_owned(),
        8 => "-m limit --limit 5/min --limit-burst 3".to_owned(),
        9 => format!(
            "-m hashlimit --hashlimit-{} 20/sec --hashlimit-burst 5 --hashlimit-mode srcip \
             --hashlimit-name h{one}",
            dice.one(&["upto", "above"])
        ),
        10 => format!("-m iprange --src-range {of}-{of}"),
        11 => format!("-m pkttype --pkt-type {}", dice.one(&["unicast", "broadcast"])),
        12 if dice.chance(30) => dice
            .one(&[
                "-m statistic --mode random --probability 0.5",
                "-m recent --name r --set",
                "-m time --timestart 00:00 --timestop 12:00",
            ])
            .to_owned(),
        12 => format!("-m length --length {}", dice.one(&["40:200", "1000:1500"])),
        _ => "-m conntrack --ctdir ORIGINAL".to_owned(),
    }
}
