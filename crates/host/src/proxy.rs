//! The forward proxy that the environment names for a target, by curl's rules (the curl manual,
//! "Environment variables"): lower case first, `HTTP_PROXY` never (a CGI client can set it),
//! `no_proxy` by suffix, address or CIDR block.

use std::net::IpAddr;

use whydown_core::target::{Host, Scheme, Target};

/// A forward proxy.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    /// `http`, `https`, `socks5`, …
    pub scheme: String,
    /// Its host.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// `user:password`, decoded. Never shown.
    pub credentials: Option<String>,
}

impl Proxy {
    /// `host:port`, without credentials.
    #[must_use]
    pub fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

impl std::fmt::Debug for Proxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}://{}", self.scheme, self.authority())
    }
}

/// The proxy of the environment for a target, and the variable that names it.
#[must_use]
pub fn from_environment(target: &Target) -> Option<(Proxy, String)> {
    choose(target, |name| std::env::var(name).ok().filter(|value| !value.is_empty()))
}

/// The same with the variables as an argument.
#[must_use]
pub fn choose(
    target: &Target,
    variable: impl Fn(&str) -> Option<String>,
) -> Option<(Proxy, String)> {
    let names: &[&str] = match target.scheme {
        Scheme::Http => &["http_proxy", "all_proxy", "ALL_PROXY"],
        Scheme::Https => &["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"],
        _ => return None,
    };
    let (name, value) = names.iter().find_map(|name| variable(name).map(|value| (*name, value)))?;
    let exceptions = variable("no_proxy").or_else(|| variable("NO_PROXY")).unwrap_or_default();
    if is_excepted(&target.host, &exceptions) {
        return None;
    }
    parse(&value).map(|proxy| (proxy, name.to_owned()))
}

/// Reads `[scheme://][user:password@]host[:port]`; port 1080 by default as curl does, 443 for
/// `https://`.
#[must_use]
pub fn parse(text: &str) -> Option<Proxy> {
    let (scheme, rest) = match text.trim().split_once("://") {
        Some((scheme, rest)) => (scheme.to_ascii_lowercase(), rest),
        None => ("http".to_owned(), text.trim()),
    };
    let authority = rest.split(['/', '?', '#']).next()?;
    let (credentials, place) = match authority.rsplit_once('@') {
        Some((credentials, place)) => (Some(decode(credentials)), place),
        None => (None, authority),
    };
    let default = if scheme == "https" { 443 } else { 1080 };
    let (host, port) = match place.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, "")) => (host, default),
        Some((host, port)) => (host, port.strip_prefix(':')?.parse().ok()?),
        None => match place.rsplit_once(':') {
            Some((host, port)) => (host, port.parse().ok()?),
            None => (place, default),
        },
    };
    let bracketed = place.starts_with('[');
    if host.is_empty() || port == 0 || host.contains(['[', ']']) || host.contains(':') != bracketed
    {
        return None;
    }
    Some(Proxy { scheme, host: host.to_owned(), port, credentials })
}

fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let hex = tail.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        match hex.and_then(|two| u8::from_str_radix(two, 16).ok()).filter(|_| *first == b'%') {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn is_excepted(host: &Host, exceptions: &str) -> bool {
    exceptions.split([',', ' ']).map(str::trim).filter(|word| !word.is_empty()).any(|word| {
        if word == "*" {
            return true;
        }
        match host {
            Host::Ip(ip) => covers(word.trim_matches(['[', ']']), *ip),
            Host::Name(name) => {
                let suffix = word.trim_matches('.').to_ascii_lowercase();
                !suffix.is_empty()
                    && name.strip_suffix(&suffix).is_some_and(|s| s.is_empty() || s.ends_with('.'))
            }
        }
    })
}

/// Does `192.0.2.0/24` (or a bare address) cover this address?
#[must_use]
pub fn covers(block: &str, ip: IpAddr) -> bool {
    let (base, length) = match block.split_once('/') {
        Some((base, length)) => (base, length.parse::<u32>().ok()),
        None => (block, Some(128)),
    };
    match (base.parse::<IpAddr>(), ip, length) {
        (Ok(IpAddr::V4(base)), IpAddr::V4(ip), Some(length)) => {
            let mask = u32::MAX.checked_shl(32 - length.min(32)).unwrap_or(0);
            u32::from(base) & mask == u32::from(ip) & mask
        }
        (Ok(IpAddr::V6(base)), IpAddr::V6(ip), Some(length)) => {
            let mask = u128::MAX.checked_shl(128 - length.min(128)).unwrap_or(0);
            u128::from(base) & mask == u128::from(ip) & mask
        }
        _ => false,
    }
}
