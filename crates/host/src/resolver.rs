//! How this machine turns names into addresses: `/etc/resolv.conf` and `/etc/hosts`, read anew
//! each time (a network namespace may have its own). No name is looked up here.

use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV6};
use std::path::Path;
use std::time::Duration;

/// Where the resolver configuration lives, resolv.conf(5).
pub const RESOLV_CONF: &str = "/etc/resolv.conf";
/// Where the hosts file lives, hosts(5).
pub const HOSTS: &str = "/etc/hosts";
/// Name servers used at most, as in the C library (`MAXNS`).
pub const SERVERS_MAX: usize = 3;
/// Search domains used at most.
const SEARCH_MAX: usize = 32;
/// Bytes of a configuration file read at most.
const FILE_MAX_BYTES: u64 = 4 << 20;
/// Characters of a hosts line kept.
const LINE_MAX_CHARS: usize = 200;
const DNS_PORT: u16 = 53;

/// The resolver configuration, resolv.conf(5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolvers {
    /// Name servers in the order asked. Without a `nameserver` line: the local machine.
    pub servers: Vec<SocketAddr>,
    /// Is there any `nameserver` line?
    pub configured: bool,
    /// Domains tried after (or before) the name itself.
    pub search: Vec<String>,
    /// A name with at least so many dots is tried as it stands first.
    pub ndots: u32,
    /// Patience with one server.
    pub timeout: Duration,
    /// Rounds through all servers.
    pub attempts: u32,
}

impl Default for Resolvers {
    fn default() -> Self {
        Self {
            servers: vec![SocketAddr::new(Ipv4Addr::LOCALHOST.into(), DNS_PORT)],
            configured: false,
            search: Vec::new(),
            ndots: 1,
            timeout: Duration::from_secs(5),
            attempts: 2,
        }
    }
}

/// The configuration of this machine (of the calling thread's mount namespace).
#[must_use]
pub fn resolvers() -> Resolvers {
    parse_resolv_conf(&read(Path::new(RESOLV_CONF)))
}

/// Reads the text of a `resolv.conf`. Lines that make no sense are passed over, as the C
/// library does.
#[must_use]
pub fn parse_resolv_conf(text: &str) -> Resolvers {
    let mut found = Resolvers { servers: Vec::new(), ..Resolvers::default() };
    for line in text.lines() {
        let line = line.split(['#', ';']).next().unwrap_or_default();
        let mut words = line.split_ascii_whitespace();
        match words.next() {
            Some("nameserver") => {
                let server = words.next().and_then(parse_server);
                if found.servers.len() < SERVERS_MAX {
                    found.servers.extend(server);
                }
            }
            Some("search") => found.search = words.take(SEARCH_MAX).map(domain).collect(),
            Some("domain") => found.search = words.take(1).map(domain).collect(),
            Some("options") => words.for_each(|word| option(&mut found, word)),
            _ => {}
        }
    }
    found.configured = !found.servers.is_empty();
    found.search.retain(|name| !name.is_empty());
    if !found.configured {
        found.servers = Resolvers::default().servers;
    }
    found
}

fn domain(text: &str) -> String {
    text.trim_matches('.').to_ascii_lowercase()
}

fn parse_server(text: &str) -> Option<SocketAddr> {
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Some(SocketAddr::new(ip, DNS_PORT));
    }
    let (ip, zone) = text.split_once('%')?;
    let scope = zone.parse().ok().or_else(|| nix::net::if_::if_nametoindex(zone).ok())?;
    Some(SocketAddrV6::new(ip.parse().ok()?, DNS_PORT, 0, scope).into())
}

/// Caps as in the C library: ndots 15, timeout 30 s, attempts 5.
fn option(found: &mut Resolvers, word: &str) {
    let Some((name, value)) = word.split_once(':') else { return };
    let Ok(value) = value.parse::<u32>() else { return };
    match name {
        "ndots" => found.ndots = value.min(15),
        "timeout" => found.timeout = Duration::from_secs(u64::from(value.clamp(1, 30))),
        "attempts" => found.attempts = value.clamp(1, 5),
        _ => {}
    }
}

/// The addresses that the hosts file gives a name, and the first line that does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostsEntry {
    /// Addresses in the order of the file, without repetition.
    pub addresses: Vec<IpAddr>,
    /// The first matching line.
    pub line: String,
}

/// What this machine's hosts file says about a name.
#[must_use]
pub fn hosts(name: &str) -> Option<HostsEntry> {
    find_in_hosts(&read(Path::new(HOSTS)), name)
}

/// What the text of a hosts file says about a name.
#[must_use]
pub fn find_in_hosts(text: &str, name: &str) -> Option<HostsEntry> {
    let name = name.trim_end_matches('.');
    let mut entry = HostsEntry::default();
    for line in text.lines() {
        let content = line.split('#').next().unwrap_or_default();
        let mut words = content.split_ascii_whitespace();
        let Some(Ok(ip)) = words.next().map(str::parse::<IpAddr>) else { continue };
        if !words.any(|word| word.trim_end_matches('.').eq_ignore_ascii_case(name)) {
            continue;
        }
        if entry.addresses.is_empty() {
            entry.line = content.trim().chars().take(LINE_MAX_CHARS).collect();
        }
        if !entry.addresses.contains(&ip) {
            entry.addresses.push(ip);
        }
    }
    (!entry.addresses.is_empty()).then_some(entry)
}

fn read(path: &Path) -> String {
    let mut bytes = Vec::new();
    if let Ok(file) = std::fs::File::open(path) {
        // What could be read before an error is still what a client would have read.
        let _ = file.take(FILE_MAX_BYTES).read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
