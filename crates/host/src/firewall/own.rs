//! Rules of this machine's own packet filter that touch a target: nftables, or iptables where
//! `nft` is missing. Only what may drop or reject its packets (or the answers) is kept.

use std::net::IpAddr;
use std::os::unix::fs::MetadataExt as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use super::read::{Trouble, printed};
use crate::proxy::covers;

/// Rules kept.
const RULES_MAX: usize = 20;
/// Characters of one rule kept.
const RULE_MAX_CHARS: usize = 200;

/// What could be learnt about the own packet filter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnRules {
    /// Rules that touch the target, with their chain.
    pub rules: Vec<String>,
    /// The rules may not be read.
    pub denied: bool,
}

/// Reads the packet filter of the calling thread's network namespace.
#[must_use]
pub fn own_rules(addresses: &[IpAddr], port: u16) -> OwnRules {
    let asked = Instant::now();
    let runs = match std::fs::metadata("/proc/thread-self/ns/net") {
        Ok(namespace) => SHARED.get(namespace.ino(), asked, read),
        Err(_) => Arc::new(read()),
    };
    let mut found = OwnRules::default();
    for (program, run) in runs.iter() {
        match run {
            Ok(text) if *program == NFT => found.rules.extend(nft_rules(text, addresses, port)),
            Ok(text) => found.rules.extend(iptables_rules(text, addresses, port)),
            Err(Trouble::Failed(_)) => found.denied = true,
            Err(Trouble::Missing) => {}
        }
    }
    found
}

const NFT: &str = "nft";

/// The programs that were asked, and what came of it.
type Runs = Vec<(&'static str, Result<String, Trouble>)>;

fn read() -> Runs {
    match printed(NFT, &["list", "ruleset"]) {
        Err(Trouble::Missing) => ["iptables-save", "ip6tables-save"]
            .map(|program| (program, printed(program, &[])))
            .into(),
        run => vec![(NFT, run)],
    }
}

/// The newest reading of the packet filter. Whoever had asked before it began takes it too:
/// thousands of checks that fail at once need a few readings, and none of them an old one.
struct Shared(Mutex<Option<Reading>>);

struct Reading {
    begun: Instant,
    /// The network namespace's inode.
    namespace: u64,
    runs: Arc<Runs>,
}

static SHARED: Shared = Shared(Mutex::new(None));

impl Shared {
    fn get(&self, namespace: u64, asked: Instant, read: impl FnOnce() -> Runs) -> Arc<Runs> {
        let mut newest = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mine = |one: &&Reading| one.namespace == namespace && one.begun >= asked;
        if let Some(reading) = newest.as_ref().filter(mine) {
            return Arc::clone(&reading.runs);
        }
        let begun = Instant::now();
        let runs = Arc::new(read());
        *newest = Some(Reading { begun, namespace, runs: Arc::clone(&runs) });
        runs
    }
}

/// On which way a chain's packets are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Out,
    In,
}

/// Reads `nft list ruleset`.
fn nft_rules(text: &str, addresses: &[IpAddr], port: u16) -> Vec<String> {
    let mut found = Vec::new();
    let (mut table, mut chain, mut way) = (String::new(), String::new(), None);
    for line in text.lines().map(str::trim) {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        match words.as_slice() {
            ["table", family, name, ..] => table = format!("{family} {name}"),
            ["chain", name, ..] => {
                (*name).clone_into(&mut chain);
                way = None;
            }
            ["type", _, "hook", hook, ..] => {
                way = match *hook {
                    "output" | "postrouting" => Some(Way::Out),
                    "input" | "prerouting" => Some(Way::In),
                    _ => None,
                };
                if way == Some(Way::Out) && line.contains("policy drop") {
                    found.push(format!("{table} {chain}: policy drop"));
                }
            }
            _ => {
                let says_no = words.iter().any(|word| matches!(*word, "drop" | "reject"));
                if says_no && way.is_some_and(|way| touches(line, way, addresses, port)) {
                    found.push(cut(&format!("{table} {chain}: {line}")));
                }
            }
        }
    }
    found.truncate(RULES_MAX);
    found
}

/// Reads `iptables-save`.
fn iptables_rules(text: &str, addresses: &[IpAddr], port: u16) -> Vec<String> {
    let mut found = Vec::new();
    for line in text.lines().map(str::trim) {
        if line.starts_with(":OUTPUT DROP") {
            found.push("OUTPUT: policy DROP".to_owned());
        }
        let says_no = line.contains("-j DROP") || line.contains("-j REJECT");
        if line.starts_with("-A OUTPUT") && says_no {
            let line = line.replace("--dport ", "dport ").replace(" -d ", " daddr ");
            if touches(&line, Way::Out, addresses, port) {
                found.push(cut(&line));
            }
        }
    }
    found.truncate(RULES_MAX);
    found
}

/// May a rule concern packets to (or from) one of the addresses and the port? A condition that we
/// can't evaluate (a set, a negation) may. An incoming rule must name the target: one that does
/// not is about other people's connections.
fn touches(line: &str, way: Way, addresses: &[IpAddr], port: u16) -> bool {
    let (port_word, address_word) = match way {
        Way::Out => ("dport", "daddr"),
        Way::In => ("sport", "saddr"),
    };
    let families = (addresses.iter().any(IpAddr::is_ipv4), addresses.iter().any(IpAddr::is_ipv6));
    match families {
        (true, false) if line.contains("nfproto ipv6") || line.contains("ip6 ") => return false,
        (false, true) if line.contains("nfproto ipv4") || line.contains(" ip daddr") => {
            return false;
        }
        _ => {}
    }
    let named = |word: &str| line.split_ascii_whitespace().any(|part| part == word);
    let unclear = line.contains("!=") || line.contains('@') || line.contains(" ! ");
    let words = || line.split(|c: char| c.is_ascii_whitespace() || matches!(c, ',' | '{' | '}'));
    let (has_port, has_address) = (named(port_word), named(address_word));
    let port_fits = !has_port || unclear || words().any(|word| includes(word, port));
    let address_fits =
        !has_address || unclear || addresses.iter().any(|ip| words().any(|word| covers(word, *ip)));
    // A rule about the other direction's port or address is not about this target.
    let foreign = match way {
        Way::Out => named("sport") && !has_port,
        Way::In => !has_port && !has_address,
    };
    port_fits && address_fits && !foreign
}

/// `443`, `1000-2000` or `1000:2000`.
fn includes(word: &str, port: u16) -> bool {
    match word.split_once(['-', ':']) {
        Some((first, last)) => match (first.parse::<u16>(), last.parse::<u16>()) {
            (Ok(first), Ok(last)) => (first..=last).contains(&port),
            _ => false,
        },
        None => word.parse() == Ok(port),
    }
}

fn cut(line: &str) -> String {
    line.chars().take(RULE_MAX_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Instant;

    use super::{Shared, iptables_rules, nft_rules};

    const RULESET: &str = "table inet lab {
	chain output {
		type filter hook output priority filter; policy accept;
		meta l4proto { tcp, udp } th dport 8447 counter packets 0 bytes 0 reject
		tcp dport { 25, 465 } drop
		ip daddr 192.0.2.0/24 tcp dport 1000-2000 drop
		ip6 daddr 2001:db8::/32 drop
	}
	chain input {
		type filter hook input priority filter; policy drop;
		tcp dport 22 drop
		tcp sport 443 drop
	}
	chain fence {
		type filter hook postrouting priority 0; policy drop;
	}
}";

    fn touching(ip: &str, port: u16) -> Vec<String> {
        nft_rules(RULESET, &[ip.parse().unwrap()], port)
    }

    #[test]
    fn only_rules_that_touch_the_target_are_kept() {
        let policy = "inet lab fence: policy drop";
        assert_eq!(touching("198.51.100.1", 80), [policy]);
        let rejected = touching("198.51.100.1", 8_447);
        assert!(rejected[0].starts_with("inet lab output: meta l4proto"), "{rejected:?}");
        assert_eq!(touching("198.51.100.1", 465)[0], "inet lab output: tcp dport { 25, 465 } drop");
        assert_eq!(touching("192.0.2.7", 1_500).len(), 2);
        assert_eq!(touching("192.0.2.7", 2_500), [policy]);
        assert_eq!(touching("2001:db8::1", 80)[0], "inet lab output: ip6 daddr 2001:db8::/32 drop");
        assert_eq!(touching("198.51.100.1", 443)[0], "inet lab input: tcp sport 443 drop");
    }

    #[test]
    fn a_reading_is_shared_by_those_who_had_asked_before_it_began() {
        let shared = Shared(Mutex::new(None));
        let mut readings = 0;
        let mut get = |namespace, asked| {
            shared.get(namespace, asked, || {
                readings += 1;
                Vec::new()
            });
            readings
        };
        let early = Instant::now();
        assert_eq!((get(1, early), get(1, early)), (1, 1));
        assert_eq!(get(2, early), 2, "another namespace has other rules");
        assert_eq!(get(2, early), 2);
        assert_eq!(get(2, Instant::now()), 3, "what was read before somebody asked is old");
    }

    #[test]
    fn iptables_rules_are_read_the_same_way() {
        let saved = ":OUTPUT DROP [0:0]\n-A INPUT -j DROP\n\
            -A OUTPUT -d 192.0.2.1/32 -p tcp -m tcp --dport 443 -j REJECT\n";
        let ip = ["192.0.2.1".parse().unwrap()];
        assert_eq!(iptables_rules(saved, &ip, 443).len(), 2);
        assert_eq!(iptables_rules(saved, &ip, 80), ["OUTPUT: policy DROP"]);
    }
}
