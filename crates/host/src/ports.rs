//! Ports: those that browsers refuse, and how many local ones are left.

use std::net::IpAddr;

/// "Bad ports" of the Fetch standard, <https://fetch.spec.whatwg.org/#port-blocking>.
const BAD_PORTS: [u16; 83] = [
    0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101,
    102, 103, 104, 109, 110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427,
    465, 512, 513, 514, 515, 526, 530, 531, 532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990,
    993, 995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6566, 6665, 6666, 6667,
    6668, 6669, 6679, 6697, 10080,
];
/// Connections of one namespace looked at; with more than that, ports are short anyway.
const CONNECTIONS_MAX: usize = 200_000;

/// Do browsers refuse this port for HTTP?
#[must_use]
pub fn is_unsafe_port(port: u16) -> bool {
    BAD_PORTS.binary_search(&port).is_ok()
}

/// The range that outgoing connections take their ports from: `ip_local_port_range`, ip(7).
#[must_use]
pub fn local_range() -> Option<(u16, u16)> {
    let text = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok()?;
    let mut words = text.split_ascii_whitespace().map(|word| word.parse().ok());
    Some((words.next()??, words.next()??))
}

/// How many ports of the range are already used towards this address and port.
#[must_use]
pub fn used_towards(ip: IpAddr, port: u16) -> usize {
    let (file, remote) = match ip {
        IpAddr::V4(ip) => {
            let word = u32::from_ne_bytes(ip.octets());
            ("/proc/thread-self/net/tcp", format!("{word:08X}:{port:04X}"))
        }
        IpAddr::V6(ip) => {
            let mut hex = String::new();
            for group in ip.octets().as_chunks::<4>().0 {
                hex.push_str(&format!("{:08X}", u32::from_ne_bytes(*group)));
            }
            ("/proc/thread-self/net/tcp6", format!("{hex}:{port:04X}"))
        }
    };
    let Ok(text) = std::fs::read_to_string(file) else { return 0 };
    let connections = text.lines().skip(1).take(CONNECTIONS_MAX);
    connections.filter(|line| line.split_ascii_whitespace().nth(2) == Some(&remote)).count()
}

#[cfg(test)]
mod tests {
    use super::{BAD_PORTS, is_unsafe_port};

    #[test]
    fn browsers_refuse_well_known_ports_of_other_protocols_and_no_others() {
        assert!(BAD_PORTS.is_sorted());
        assert!(is_unsafe_port(22) && is_unsafe_port(10_080) && is_unsafe_port(6_000));
        assert!(!is_unsafe_port(80) && !is_unsafe_port(8_443) && !is_unsafe_port(443));
    }
}
