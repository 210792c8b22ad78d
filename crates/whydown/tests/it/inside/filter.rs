//! Rules of the machine's own packet filter, and DNAT that leads nowhere.

use super::unit::serve;
use super::{Fault, Inside, all_are_named};

const HOOKED: &str = "type filter hook input priority filter; policy";

fn filtered(inside: &Inside, rules: &str) {
    serve(inside, "serve 0.0.0.0 8201", 8_201);
    inside.nft(&rules.replace("HOOKED", HOOKED));
}

fn saved(inside: &Inside, rules: &str) {
    serve(inside, "serve 0.0.0.0 8201", 8_201);
    inside.write("rules", &format!("*filter\n:INPUT ACCEPT\n{rules}\nCOMMIT\n"));
    inside.systemd.exec("iptables-restore", &[&inside.at("rules")]).success();
}

const fn rejected(name: &'static str, facts: &'static [&'static str], by: fn(&Inside)) -> Fault {
    Fault { name, port: 8_201, cause: "firewall.rejects", facts, break_it: by }
}

const fn dropped(name: &'static str, facts: &'static [&'static str], by: fn(&Inside)) -> Fault {
    Fault { cause: "firewall.drops", ..rejected(name, facts, by) }
}

const FAULTS: [Fault; 10] = [
    rejected("a rule rejects", &["tcp dport 8201 reject"], |inside| {
        filtered(inside, "table inet t { chain i { HOOKED accept; tcp dport 8201 reject; }; }\n");
    }),
    rejected("a rule resets", &["with tcp reset"], |inside| {
        let rule = "tcp dport 8201 reject with tcp reset";
        filtered(inside, &format!("table inet t {{ chain i {{ HOOKED accept; {rule}; }}; }}\n"));
    }),
    dropped("a rule drops", &["tcp dport 8201 drop"], |inside| {
        filtered(inside, "table inet t { chain i { HOOKED accept; tcp dport 8201 drop; }; }\n");
    }),
    dropped("a policy drops", &["policy drop"], |inside| {
        filtered(inside, "table inet t { chain i { HOOKED drop; tcp dport 22 accept; }; }\n");
    }),
    dropped("a port stands in a set", &["tcp dport @shut drop"], |inside| {
        let set = "set shut { type inet_service; elements = { 8200, 8201 }; }";
        let rule = "tcp dport @shut drop";
        let table = format!("table inet t {{ {set}; chain i {{ HOOKED accept; {rule}; }}; }}\n");
        filtered(inside, &table);
    }),
    dropped("iptables drops", &["-A INPUT -p tcp -m tcp --dport 8201 -j DROP"], |inside| {
        saved(inside, "-A INPUT -p tcp --dport 8201 -j DROP");
    }),
    rejected("iptables rejects the rest", &["--reject-with icmp-host-prohibited"], |inside| {
        let rest = "-A INPUT -j REJECT --reject-with icmp-host-prohibited";
        saved(inside, &format!("-A INPUT -p tcp --dport 22 -j ACCEPT\n{rest}"));
    }),
    dropped("ufw allows other ports", &["policy drop"], |inside| {
        saved(
            inside,
            ":INPUT DROP\n:ufw-user-input -\n-A INPUT -j ufw-user-input\n\
             -A ufw-user-input -p tcp --dport 22 -j ACCEPT",
        );
    }),
    rejected("firewalld allows other ports", &["reject with icmpx admin-prohibited"], |inside| {
        filtered(
            inside,
            "table inet firewalld { chain filter_IN_public { tcp dport 22 accept; \
             reject with icmpx admin-prohibited; }; \
             chain filter_INPUT { HOOKED accept; goto filter_IN_public; }; }\n",
        );
    }),
    Fault {
        name: "DNAT leads to a dead backend",
        port: 8_202,
        cause: "upstream.dead",
        facts: &["127.0.0.1:8203"],
        break_it: |inside| {
            let names = ["all", "eth0"].map(|name| format!("net.ipv4.conf.{name}.route_localnet"));
            inside.systemd.host().sysctl(&[(&names[0], "1"), (&names[1], "1")]);
            let rule = "tcp dport 8202 dnat ip to 127.0.0.1:8203";
            let hook = "type nat hook prerouting priority dstnat;";
            inside.nft(&format!("table inet t {{ chain p {{ {hook} {rule}; }}; }}\n"));
        },
    },
];

#[test]
fn the_rule_that_shuts_a_port_is_named() {
    all_are_named(&FAULTS);
}
