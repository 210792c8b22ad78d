//! Kernel counters of this machine that tell where its own packets are lost: nstat(8) names.

use whydown_core::evidence::OwnCounters;

/// The counters of the calling thread's network namespace.
#[must_use]
pub fn own_counters() -> Option<OwnCounters> {
    let netstat = std::fs::read_to_string("/proc/thread-self/net/netstat").ok()?;
    let snmp = std::fs::read_to_string("/proc/thread-self/net/snmp").ok()?;
    // Missing where the kernel has no IPv6.
    let snmp6 = std::fs::read_to_string("/proc/thread-self/net/snmp6").unwrap_or_default();
    let v4 = counter(&snmp, "Ip:", "InReceives")?;
    Some(OwnCounters {
        retransmit_failures: counter(&netstat, "TcpExt:", "TCPRetransFail")?,
        ip_received: v4 + counter_6(&snmp6, "Ip6InReceives").unwrap_or(0),
        tcp_received: counter(&snmp, "Tcp:", "InSegs")?,
    })
}

/// How much each counter rose.
#[must_use]
pub fn rise(before: OwnCounters, after: OwnCounters) -> OwnCounters {
    OwnCounters {
        retransmit_failures: after.retransmit_failures.saturating_sub(before.retransmit_failures),
        ip_received: after.ip_received.saturating_sub(before.ip_received),
        tcp_received: after.tcp_received.saturating_sub(before.tcp_received),
    }
}

/// Pairs of lines: names, then values, each beginning with the group's word.
pub(crate) fn counter(text: &str, group: &str, name: &str) -> Option<u64> {
    let mut lines = text.lines().filter(|line| line.split_ascii_whitespace().next() == Some(group));
    let names = lines.next()?;
    let values = lines.next()?;
    let at = names.split_ascii_whitespace().position(|word| word == name)?;
    values.split_ascii_whitespace().nth(at)?.parse().ok()
}

/// One name and value a line.
fn counter_6(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::{counter, counter_6};

    #[test]
    fn a_counter_is_found_by_its_group_and_name() {
        let text = "Ip: Forwarding InReceives\nIp: 1 42\nTcp: InSegs OutSegs\nTcp: 7 8\n";
        assert_eq!(counter(text, "Ip:", "InReceives"), Some(42));
        assert_eq!(counter(text, "Tcp:", "OutSegs"), Some(8));
        assert_eq!(counter(text, "Tcp:", "InReceives"), None);
        assert_eq!(counter("", "Tcp:", "InSegs"), None);
        assert_eq!(counter_6("Ip6InReceives    \t7\nIp6InOctets 8\n", "Ip6InReceives"), Some(7));
    }
}
