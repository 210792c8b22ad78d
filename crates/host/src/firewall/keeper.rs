//! Who keeps a rule, by the names that each program gives its chains, and the command of that
//! program which lets a packet through. A change behind its back would not last.

use std::net::IpAddr;

use super::evaluate::{End, Outcome, Place, Why};
use super::rules::{Key, Statement, Tool};
use super::{Protocol, Syn};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keeper {
    Nftables,
    Iptables,
    Ufw,
    Firewalld,
    Docker,
    Fail2ban,
    CrowdSec,
    Kubernetes,
    Libvirt,
}

/// The program's name.
pub(super) fn name(place: &Place<'_>) -> &'static str {
    match keeper(place) {
        Keeper::Nftables => "nftables",
        Keeper::Iptables => "iptables",
        Keeper::Ufw => "ufw",
        Keeper::Firewalld => "firewalld",
        Keeper::Docker => "docker",
        Keeper::Fail2ban => "fail2ban",
        Keeper::CrowdSec => "crowdsec",
        Keeper::Kubernetes => "kubernetes",
        Keeper::Libvirt => "libvirt",
    }
}

fn keeper(place: &Place<'_>) -> Keeper {
    let (table, chain) = (place.table.name.as_str(), place.chain.name.as_str());
    let begins = |beginnings: &[&str]| beginnings.iter().any(|one| chain.starts_with(one));
    if begins(&["ufw-", "ufw6-"]) || (place.rule.is_none() && has_ufw(place)) {
        Keeper::Ufw
    } else if table.starts_with("firewalld") || begins(&["IN_", "FWD_", "INPUT_ZONES"]) {
        Keeper::Firewalld
    } else if table.starts_with("f2b-") || begins(&["f2b-", "fail2ban-"]) {
        Keeper::Fail2ban
    } else if table.starts_with("crowdsec") || begins(&["CROWDSEC"]) {
        Keeper::CrowdSec
    } else if begins(&["DOCKER"]) && chain != "DOCKER-USER" {
        Keeper::Docker
    } else if begins(&["KUBE-", "cali-", "CILIUM"]) {
        Keeper::Kubernetes
    } else if begins(&["LIBVIRT_"]) || table.starts_with("libvirt") {
        Keeper::Libvirt
    } else if place.table.tool == Tool::Nft {
        Keeper::Nftables
    } else {
        Keeper::Iptables
    }
}

/// ufw sets the policies of the built-in chains, and its own chains only accept.
fn has_ufw(place: &Place<'_>) -> bool {
    let mut chains = place.table.chains.iter();
    chains.any(|chain| chain.name.starts_with("ufw-") || chain.name.starts_with("ufw6-"))
}

/// The command that lets the packet through, where there is one.
pub(super) fn command(outcome: &Outcome<'_>, syn: &Syn) -> Option<String> {
    let (place, why) = match outcome.end {
        End::Accepted | End::Lost(..) => return None,
        End::Dropped(place, why) => (place, why),
        End::Rejected(place, _) if outcome.is_translated_by(&place) => return None,
        End::Rejected(place, _) => (place, Why::Rule),
    };
    let v4 = syn.to.is_ipv4();
    match why {
        Why::NotForwarding if v4 => return Some("sysctl -w net.ipv4.ip_forward=1".to_owned()),
        Why::NotForwarding => return Some("sysctl -w net.ipv6.conf.all.forwarding=1".to_owned()),
        Why::LoopbackFromOutside if v4 => {
            return Some("sysctl -w net.ipv4.conf.all.route_localnet=1".to_owned());
        }
        Why::LoopbackFromOutside => return None,
        _ => {}
    }
    let wanted = Wanted::new(outcome, syn, why);
    match keeper(&place) {
        Keeper::Ufw => Some(ufw(&place, &wanted)),
        Keeper::Firewalld => Some(firewalld(&place, &wanted)),
        Keeper::Fail2ban => fail2ban(&place, outcome, syn.from?),
        Keeper::CrowdSec => Some(format!("cscli decisions delete --ip {}", syn.from?)),
        Keeper::Docker => {
            let port = wanted.port;
            Some(format!("docker run --publish {port}:{port}/{} …", wanted.protocol))
        }
        Keeper::Kubernetes | Keeper::Libvirt => None,
        Keeper::Nftables => Some(nftables(&place, outcome, &wanted)),
        Keeper::Iptables => Some(iptables(&place, outcome, &wanted)),
    }
}

/// What is to be let through.
struct Wanted {
    port: u16,
    protocol: &'static str,
    /// Of answers, which leave by an output chain.
    is_answer: bool,
    is_local: bool,
    to: IpAddr,
}

impl Wanted {
    fn new(outcome: &Outcome<'_>, syn: &Syn, why: Why) -> Self {
        let port = match outcome.destination.1 {
            super::compare::Value::Number(port) => u16::try_from(port).unwrap_or(syn.port),
            _ => syn.port,
        };
        Self {
            port,
            protocol: if syn.protocol == Protocol::Tcp { "tcp" } else { "udp" },
            is_answer: why == Why::Answer,
            is_local: outcome.is_local,
            to: syn.to,
        }
    }
}

/// Is the rule about this port or this sender? Then it can go; a rule about everything can't.
fn is_specific(place: &Place<'_>) -> bool {
    let about = |statement: &Statement| match statement {
        Statement::Test(test) => test.left.iter().any(|key| {
            matches!(key, Key::DestinationPort(_) | Key::SourcePort(_) | Key::Source(_))
        }),
        _ => false,
    };
    place.rule.is_some_and(|rule| rule.statements.iter().any(about))
}

fn nftables(place: &Place<'_>, outcome: &Outcome<'_>, wanted: &Wanted) -> String {
    let (table, chain) = (&place.table.name, &place.chain.name);
    let at = format!("{} {table}", place.family().name());
    if let Some((set, element)) = &outcome.element {
        return format!("nft delete element {at} {set} '{{ {element} }}'");
    }
    let handle = place.rule.and_then(|rule| rule.handle);
    if let (true, Some(handle)) = (is_specific(place), handle) {
        return format!("nft delete rule {at} {chain} handle {handle}");
    }
    let let_in = if wanted.is_answer {
        "ct state established,related accept".to_owned()
    } else {
        format!("{} dport {} accept", wanted.protocol, wanted.port)
    };
    match handle {
        Some(handle) => format!("nft insert rule {at} {chain} handle {handle} {let_in}"),
        None => format!("nft add rule {at} {chain} {let_in}"),
    }
}

fn iptables(place: &Place<'_>, outcome: &Outcome<'_>, wanted: &Wanted) -> String {
    if let Some((set, element)) = &outcome.element {
        return format!("ipset del {set} {element}");
    }
    let program = match (place.family(), place.table.tool) {
        (super::rules::Family::Ip6, Tool::Iptables { legacy: true }) => "ip6tables-legacy",
        (super::rules::Family::Ip6, _) => "ip6tables",
        (_, Tool::Iptables { legacy: true }) => "iptables-legacy",
        _ => "iptables",
    };
    let table = match place.table.name.as_str() {
        "filter" => String::new(),
        name => format!(" -t {name}"),
    };
    let chain = &place.chain.name;
    if let (true, Some(rule)) = (is_specific(place), place.rule) {
        let specification = rule.text.strip_prefix("-A ").unwrap_or(&rule.text);
        return format!("{program}{table} -D {specification}");
    }
    let let_in = if wanted.is_answer {
        "-m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT".to_owned()
    } else {
        format!("-p {} --dport {} -j ACCEPT", wanted.protocol, wanted.port)
    };
    let position = place.rule.and_then(|rule| {
        place.chain.rules.iter().position(|other| std::ptr::eq(other, rule)).map(|at| at + 1)
    });
    match position {
        Some(position) => format!("{program}{table} -I {chain} {position} {let_in}"),
        None => format!("{program}{table} -A {chain} {let_in}"),
    }
}

/// ufw(8): a rule that a person has set is taken back, otherwise one is added.
fn ufw(place: &Place<'_>, wanted: &Wanted) -> String {
    let Wanted { port, protocol, .. } = wanted;
    let text = place.rule.map(|rule| rule.text.as_str()).unwrap_or_default();
    if place.chain.name.contains("-user-") && is_specific(place) {
        let kind = if text.contains("-j REJECT") { "reject" } else { "deny" };
        if text.contains(" -s ") {
            return "ufw status numbered; ufw delete NUMBER".to_owned();
        }
        return format!("ufw delete {kind} {port}/{protocol}");
    }
    if wanted.is_answer {
        return format!("ufw allow out proto {protocol} from any port {port}");
    }
    if wanted.is_local {
        format!("ufw allow {port}/{protocol}")
    } else {
        format!("ufw route allow proto {protocol} to {} port {port}", wanted.to)
    }
}

/// firewall-cmd(1). Chains of a zone are called `filter_IN_public_allow`.
fn firewalld(place: &Place<'_>, wanted: &Wanted) -> String {
    let Wanted { port, protocol, .. } = wanted;
    let chain = place.chain.name.as_str();
    let zone = chain.split_once("IN_").map(|(_, zone)| {
        let endings = ["_allow", "_deny", "_log", "_pre", "_post"];
        endings.iter().fold(zone, |zone, ending| zone.strip_suffix(ending).unwrap_or(zone))
    });
    let zone = zone.map(|zone| format!(" --zone={zone}")).unwrap_or_default();
    if chain.ends_with("_deny") {
        return format!(
            "firewall-cmd{zone} --list-rich-rules; firewall-cmd{zone} \
                        --permanent --remove-rich-rule='…' && firewall-cmd --reload"
        );
    }
    format!("firewall-cmd --permanent{zone} --add-port={port}/{protocol} && firewall-cmd --reload")
}

/// fail2ban-client(1): the jail is part of the chain's or the set's name.
fn fail2ban(place: &Place<'_>, outcome: &Outcome<'_>, from: IpAddr) -> Option<String> {
    let set = outcome.element.as_ref().map(|(set, _)| set.as_str());
    let of_set = set.and_then(|set| {
        set.strip_prefix("addr-set-")
            .or_else(|| set.strip_prefix("addr6-set-"))
            .or_else(|| set.strip_prefix("f2b-"))
    });
    let chain = place.chain.name.as_str();
    let jail = of_set.or_else(|| chain.strip_prefix("f2b-").filter(|name| *name != "chain"))?;
    Some(format!("fail2ban-client set {jail} unbanip {from}"))
}
