//! Firewalls by name: what drops, rejects or redirects, where, and for which port.

use std::net::SocketAddr;

use super::Host;

/// Where in the kernel a rule sits (nft(8), "address families").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    /// Everything that arrives, before it is known for whom it is.
    Prerouting,
    /// What is for this host itself.
    Input,
    /// What a router passes on.
    Forward,
    /// What this host sends.
    Output,
}

impl Hook {
    fn chain(self) -> &'static str {
        match self {
            Self::Prerouting => "prerouting",
            Self::Input => "input",
            Self::Forward => "forward",
            Self::Output => "output",
        }
    }
}

/// How a rule says no (nft(8), "reject statement"). The `V6` ones concern IPv6 only, `TcpReset`
/// both families, the others IPv4 only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of the ICMP codes")]
pub enum Reject {
    TcpReset,
    NetUnreachable,
    HostUnreachable,
    ProtocolUnreachable,
    PortUnreachable,
    NetProhibited,
    HostProhibited,
    AdminProhibited,
    V6NoRoute,
    V6AdminProhibited,
    V6AddressUnreachable,
    V6PortUnreachable,
    V6PolicyFail,
    V6RejectRoute,
}

impl Reject {
    /// Every one, for tests that go through them.
    pub const ALL: [Self; 14] = [
        Self::TcpReset,
        Self::NetUnreachable,
        Self::HostUnreachable,
        Self::ProtocolUnreachable,
        Self::PortUnreachable,
        Self::NetProhibited,
        Self::HostProhibited,
        Self::AdminProhibited,
        Self::V6NoRoute,
        Self::V6AdminProhibited,
        Self::V6AddressUnreachable,
        Self::V6PortUnreachable,
        Self::V6PolicyFail,
        Self::V6RejectRoute,
    ];

    /// Whether packets of an address family are concerned.
    pub fn concerns(self, address: SocketAddr) -> bool {
        match self.statement().0 {
            "" => true,
            family => family.contains("ipv6") == address.is_ipv6(),
        }
    }

    /// The match on the family and the statement.
    fn statement(self) -> (&'static str, &'static str) {
        const V4: &str = "meta nfproto ipv4";
        const V6: &str = "meta nfproto ipv6";
        match self {
            Self::TcpReset => ("", "reject with tcp reset"),
            Self::NetUnreachable => (V4, "reject with icmp net-unreachable"),
            Self::HostUnreachable => (V4, "reject with icmp host-unreachable"),
            Self::ProtocolUnreachable => (V4, "reject with icmp prot-unreachable"),
            Self::PortUnreachable => (V4, "reject with icmp port-unreachable"),
            Self::NetProhibited => (V4, "reject with icmp net-prohibited"),
            Self::HostProhibited => (V4, "reject with icmp host-prohibited"),
            Self::AdminProhibited => (V4, "reject with icmp admin-prohibited"),
            Self::V6NoRoute => (V6, "reject with icmpv6 no-route"),
            Self::V6AdminProhibited => (V6, "reject with icmpv6 admin-prohibited"),
            Self::V6AddressUnreachable => (V6, "reject with icmpv6 addr-unreachable"),
            Self::V6PortUnreachable => (V6, "reject with icmpv6 port-unreachable"),
            Self::V6PolicyFail => (V6, "reject with icmpv6 policy-fail"),
            Self::V6RejectRoute => (V6, "reject with icmpv6 reject-route"),
        }
    }
}

/// One line of a firewall. A port means TCP and UDP, of IPv4 and IPv6, unless said otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Packets to a port are thrown away.
    Drop(Hook, u16),
    /// Packets to a port are answered with a "no".
    Reject(Hook, u16, Reject),
    /// Only the answers (packets from a port) are thrown away.
    DropReplies(Hook, u16),
    /// Everything is thrown away.
    DropAll(Hook),
    /// Echo requests and replies (ping) are thrown away.
    DropPing(Hook),
    /// Packets longer than so many bytes (IP header included) vanish, and nobody says
    /// "fragmentation needed": a path-MTU black hole.
    DropLongerThan(Hook, u16),
    /// The class of service (DSCP) of every packet is cleared, as many networks do.
    ClearClass(Hook),
    /// New connections to a port are dropped, running ones go on.
    DropNew(Hook, u16),
    /// Connections to a TCP port of this host are sent on to another address (DNAT). The other host
    /// sees them come from this one, so that its answers find back.
    SendTo(u16, SocketAddr),
}

impl Rule {
    /// The chain and the text of the rule.
    fn text(self) -> (&'static str, String) {
        const TO: &str = "meta l4proto { tcp, udp } th dport";
        const FROM: &str = "meta l4proto { tcp, udp } th sport";
        match self {
            Self::Drop(hook, port) => (hook.chain(), format!("{TO} {port} counter drop")),
            Self::Reject(hook, port, how) => {
                let (family, statement) = how.statement();
                let to = if how == Reject::TcpReset { "tcp dport" } else { TO };
                (hook.chain(), format!("{family} {to} {port} counter {statement}"))
            }
            Self::DropReplies(hook, port) => (hook.chain(), format!("{FROM} {port} counter drop")),
            Self::DropAll(hook) => (hook.chain(), "counter drop".into()),
            Self::DropPing(hook) => {
                let v4 = "icmp type { echo-request, echo-reply } counter drop";
                let v6 = "icmpv6 type { echo-request, echo-reply } counter drop";
                (hook.chain(), format!("{v4}; add rule inet lab {} {v6}", hook.chain()))
            }
            Self::ClearClass(hook) => {
                let (v4, v6) = ("ip dscp set cs0", "ip6 dscp set cs0");
                (hook.chain(), format!("{v4}; add rule inet lab {} {v6}", hook.chain()))
            }
            Self::DropLongerThan(hook, bytes) => {
                (hook.chain(), format!("meta length > {bytes} counter drop"))
            }
            Self::DropNew(hook, port) => {
                (hook.chain(), format!("ct state new tcp dport {port} counter drop"))
            }
            Self::SendTo(port, to) => {
                let (family, statement) =
                    if to.is_ipv4() { ("ipv4", "dnat ip to") } else { ("ipv6", "dnat ip6 to") };
                let matched =
                    format!("fib daddr type local meta nfproto {family} tcp dport {port}");
                ("dnat_here", format!("{matched} counter {statement} {to}"))
            }
        }
    }
}

/// All chains of the lab's table; adding them again changes nothing.
const CHAINS: &str = "\
add table inet lab
add chain inet lab prerouting { type filter hook prerouting priority -150; }
add chain inet lab input { type filter hook input priority 0; }
add chain inet lab forward { type filter hook forward priority 0; }
add chain inet lab output { type filter hook output priority 0; }
";

/// Chains that make the kernel track connections, so only added when a rule needs them.
const NAT_CHAINS: &str = "\
add chain inet lab dnat_here { type nat hook prerouting priority -100; }
add chain inet lab snat_here { type nat hook postrouting priority 100; }
add rule inet lab snat_here ct status dnat masquerade
";

impl Host {
    /// Adds a rule to this host's firewall, after those it has.
    pub fn rule(&self, rule: Rule) {
        let (chain, text) = rule.text();
        let nat = matches!(rule, Rule::SendTo(..));
        if nat {
            self.sysctl(&[("net.ipv4.ip_forward", "1"), ("net.ipv6.conf.all.forwarding", "1")]);
        }
        let more = if nat { NAT_CHAINS } else { "" };
        self.nft(&format!("{CHAINS}{more}add rule inet lab {chain} {text}\n"));
    }

    /// Empties this host's firewall.
    pub fn forget_rules(&self) {
        self.nft("flush ruleset\n");
    }

    /// The firewall as `nft list ruleset` shows it, with counters.
    pub fn ruleset(&self) -> String {
        self.exec("nft", &["list", "ruleset"]).success()
    }
}
