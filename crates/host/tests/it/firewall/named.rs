//! Which rule is named, who keeps it, and which command changes it. Where the command's program is
//! there, it is run, and the port must be open.

use whydown_host::firewall::{Decision, Firewall, Syn, Verdict};
use whydown_lab::Host;

use super::network::Network;
use super::{ask, feed, load_nft};

const FROM: &str = "10.98.1.30";
const TO: &str = "10.98.1.10:443";

/// Rules, what must be said of a SYN to port 443, and whether the command can be run.
struct Case {
    name: &'static str,
    tool: &'static str,
    rules: &'static str,
    decision: Decision,
    with: Option<&'static str>,
    kept_by: &'static str,
    text: &'static str,
    command: &'static str,
    runs: bool,
}

const INPUT: &str = "type filter hook input priority filter; policy";

const fn nft(name: &'static str, rules: &'static str, command: &'static str) -> Case {
    Case {
        name,
        tool: "nft",
        rules,
        decision: Decision::Drop,
        with: None,
        kept_by: "nftables",
        text: "policy drop",
        command,
        runs: true,
    }
}

const fn saved(name: &'static str, rules: &'static str, command: &'static str) -> Case {
    Case { tool: "iptables-restore", kept_by: "iptables", ..nft(name, rules, command) }
}

impl Case {
    const fn by(self, text: &'static str) -> Self {
        Self { text, ..self }
    }

    const fn rejects(self, with: &'static str, text: &'static str) -> Self {
        Self { decision: Decision::Reject, with: Some(with), text, ..self }
    }

    /// Its command's program isn't here.
    const fn kept_by(self, kept_by: &'static str) -> Self {
        Self { kept_by, runs: false, ..self }
    }
}

const OF_NFTABLES: [Case; 6] = [
    nft(
        "a rule for the port",
        "chain input { INPUT accept; tcp dport { 80, 443 } counter drop; }",
        "nft delete rule inet filter input handle 3",
    )
    .by("tcp dport { 80, 443 } counter packets 0 bytes 0 drop"),
    nft(
        "a policy",
        "chain input { INPUT drop; tcp dport 22 accept; }",
        "nft add rule inet filter input tcp dport 443 accept",
    ),
    nft(
        "the rule for all the rest",
        "chain input { INPUT accept; tcp dport 22 accept; reject with icmpx admin-prohibited; }",
        "nft insert rule inet filter input handle 3 tcp dport 443 accept",
    )
    .rejects("icmp admin-prohibited", "reject with icmpx admin-prohibited"),
    nft(
        "an element of a set",
        "set bad { type ipv4_addr; flags interval; elements = { 10.98.1.30, 192.0.2.0/24 }; }\n\
         chain input { INPUT accept; ip saddr @bad drop; }",
        "nft delete element inet filter bad '{ 10.98.1.30 }'",
    )
    .by("ip saddr @bad drop"),
    nft(
        "a chain that is jumped to",
        "chain web { tcp dport 443 reject with tcp reset; }\n\
         chain input { INPUT accept; ct state new jump web; }",
        "nft delete rule inet filter web handle 3",
    )
    .rejects("tcp reset", "tcp dport 443 reject with tcp reset"),
    nft(
        "answers that don't get out",
        "chain output { type filter hook output priority filter; policy drop; \
         tcp sport 22 accept; }",
        "nft add rule inet filter output ct state established,related accept",
    ),
];

const NO_WEB: &str = "-A INPUT -p tcp -m multiport --dports 80,443 -m comment --comment \"no web\" \
                      -j DROP";

const OF_IPTABLES: [Case; 4] = [
    saved(
        "iptables: a rule for the port",
        NO_WEB,
        "iptables -D INPUT -p tcp -m multiport --dports 80,443 -m comment --comment \"no web\" \
         -j DROP",
    )
    .by(NO_WEB),
    saved(
        "iptables: a policy",
        ":INPUT DROP\n-A INPUT -p tcp --dport 22 -j ACCEPT",
        "iptables -A INPUT -p tcp --dport 443 -j ACCEPT",
    ),
    saved(
        "iptables: the rule for all the rest",
        "-A INPUT -p tcp --dport 22 -j ACCEPT\n\
         -A INPUT -j REJECT --reject-with icmp-host-prohibited",
        "iptables -I INPUT 2 -p tcp --dport 443 -j ACCEPT",
    )
    .rejects("icmp host-prohibited", "-A INPUT -j REJECT --reject-with icmp-host-prohibited"),
    saved(
        "iptables: an element of an ipset",
        "-A INPUT -m set --match-set bad src -j DROP",
        "ipset del bad 10.98.1.30",
    )
    .by("-A INPUT -m set --match-set bad src -j DROP"),
];

const BANNED: &str = "-A f2b-web -s 10.98.1.30/32 -j REJECT --reject-with icmp-port-unreachable";

const OF_OTHERS: [Case; 5] = [
    saved(
        "ufw: nothing allows it",
        ":INPUT DROP\n:ufw-before-input -\n:ufw-user-input -\n\
         -A INPUT -j ufw-before-input\n-A INPUT -j ufw-user-input\n\
         -A ufw-before-input -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n\
         -A ufw-user-input -p tcp --dport 22 -j ACCEPT",
        "ufw allow 443/tcp",
    )
    .kept_by("ufw"),
    saved(
        "ufw: a person denies it",
        ":INPUT DROP\n:ufw-user-input -\n-A INPUT -j ufw-user-input\n\
         -A ufw-user-input -p tcp --dport 443 -j DROP",
        "ufw delete deny 443/tcp",
    )
    .by("-A ufw-user-input -p tcp -m tcp --dport 443 -j DROP")
    .kept_by("ufw"),
    nft(
        "firewalld: nothing allows it",
        "chain filter_IN_public_allow { tcp dport 22 accept; }\n\
         chain filter_IN_public { jump filter_IN_public_allow; \
         reject with icmpx admin-prohibited; }\n\
         chain filter_INPUT { INPUT accept; ct state established,related accept; \
         goto filter_IN_public; }",
        "firewall-cmd --permanent --zone=public --add-port=443/tcp && firewall-cmd --reload",
    )
    .rejects("icmp admin-prohibited", "reject with icmpx admin-prohibited")
    .kept_by("firewalld"),
    saved(
        "fail2ban: the sender is banned",
        ":f2b-web -\n-A INPUT -p tcp -m multiport --dports 80,443 -j f2b-web\n\
         -A f2b-web -s 10.98.1.30/32 -j REJECT --reject-with icmp-port-unreachable\n\
         -A f2b-web -j RETURN",
        "fail2ban-client set web unbanip 10.98.1.30",
    )
    .rejects("icmp port-unreachable", BANNED)
    .kept_by("fail2ban"),
    saved(
        "docker: only what the user's chain lets through",
        ":DOCKER-USER -\n-A INPUT -j DOCKER-USER\n-A DOCKER-USER -p tcp --dport 443 -j DROP",
        "iptables -D DOCKER-USER -p tcp -m tcp --dport 443 -j DROP",
    )
    .by("-A DOCKER-USER -p tcp -m tcp --dport 443 -j DROP"),
];

fn load(host: &Host, case: &Case) {
    if case.tool == "nft" {
        let table = if case.kept_by == "firewalld" { "firewalld" } else { "filter" };
        let rules = case.rules.replace("INPUT accept", &format!("{INPUT} accept"));
        let rules = rules.replace("INPUT drop", &format!("{INPUT} drop")).replace("; ", ";\n");
        let rules = rules.replace("{ ", "{\n").replace(" }", "\n}");
        load_nft(host, &format!("table inet {table} {{\n{rules}\n}}\n")).unwrap();
    } else {
        load_nft(host, "").unwrap();
        let rules = format!("*filter\n:INPUT ACCEPT\n{}\nCOMMIT\n", case.rules);
        feed(host, case.tool, &[], &rules).unwrap();
    }
}

#[test]
fn the_rule_its_keeper_and_the_command_that_changes_it_are_named() {
    let mut network = Network::new();
    let host = network.machine.clone();
    feed(
        &host,
        "ipset",
        &["restore"],
        "create bad hash:ip\nadd bad 10.98.1.30\nadd bad 192.0.2.9\n",
    )
    .unwrap();
    let cases = OF_NFTABLES.iter().chain(&OF_IPTABLES).chain(&OF_OTHERS);
    for (port, case) in (40_000..).zip(cases) {
        load(&host, case);
        let verdict = ask(&host, FROM, TO, "wan0");
        let name = case.name;
        let rule = verdict.rule.as_ref().unwrap_or_else(|| panic!("{name}: {verdict:#?}"));
        assert_eq!(verdict.decision, case.decision, "{name}: {verdict:#?}");
        assert_eq!(verdict.with.as_deref(), case.with, "{name}");
        assert_eq!((rule.kept_by, rule.text.as_str()), (case.kept_by, case.text), "{name}");
        assert_eq!(verdict.command.as_deref(), Some(case.command), "{name}");
        if case.runs {
            host.exec("sh", &["-c", case.command]).success();
            assert_eq!(ask(&host, FROM, TO, "wan0").decision, Decision::Accept, "{name}");
            let seen = network.send("wan0", FROM.parse().unwrap(), port, TO.parse().unwrap());
            assert_eq!(seen, "syn-ack", "{name}");
        }
    }
    load_nft(&host, "").unwrap();
}

#[test]
fn counters_redirects_limits_and_unknown_senders_are_told() {
    let mut network = Network::new();
    let host = network.machine.clone();
    let rules = "table inet t {\n\
        chain pre {\n type nat hook prerouting priority dstnat;\n\
        tcp dport 8443 dnat ip to 10.98.3.20:80\n tcp dport 9000 dnat ip to 127.0.0.1\n }\n\
        chain input {\n type filter hook input priority filter; policy accept;\n\
        tcp dport 22 limit rate 3/minute accept\n tcp dport 22 drop\n\
        ip saddr 192.0.2.0/24 tcp dport 80 drop\n tcp dport 443 counter drop\n }\n}\n";
    load_nft(&host, rules).unwrap();
    let seen = network.send("wan0", FROM.parse().unwrap(), 41_000, TO.parse().unwrap());
    assert_eq!(seen, "silence");
    let counter = ask(&host, FROM, TO, "wan0").rule.unwrap().counter.unwrap();
    assert_eq!(counter.packets, 1);

    let redirected = ask(&host, FROM, "10.98.1.10:8443", "wan0");
    assert_eq!(redirected.redirected_to, Some("10.98.3.20:80".parse().unwrap()));
    assert!(!redirected.is_local && redirected.decision == Decision::Accept, "{redirected:#?}");
    assert_eq!(redirected.redirected_by.unwrap().text, "tcp dport 8443 dnat ip to 10.98.3.20:80");

    let lost = ask(&host, FROM, "10.98.1.10:9000", "wan0");
    assert_eq!(lost.decision, Decision::Drop);
    assert!(lost.because.unwrap().contains("route_localnet"));

    let limited = ask(&host, FROM, "10.98.1.10:22", "wan0");
    assert_eq!(limited.decision, Decision::Accept);
    assert_eq!(limited.within_limits, ["limit rate 3/minute"]);

    let anybody = |port| {
        let to = format!("10.98.1.10:{port}").parse().unwrap();
        let syn = Syn { in_interface: Some("wan0".to_owned()), ..Syn::new(None, to) };
        host.enter(Firewall::read).verdict(&syn)
    };
    let depends: Verdict = anybody(80);
    assert_eq!(depends.decision, Decision::Undecided);
    assert_eq!(depends.rule.unwrap().text, "ip saddr 192.0.2.0/24 tcp dport 80 drop");
    assert_eq!(anybody(5_432).decision, Decision::Accept);
    assert_eq!(anybody(443).decision, Decision::Drop);
}
