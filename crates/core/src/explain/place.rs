//! Which host, port and URL an error text speaks of. Guesses only from forms that error messages
//! use; anything doubtful is left out.

use std::net::{IpAddr, SocketAddr};

use crate::target::{Host, Target};

/// What the text names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) host: Option<Host>,
    pub(super) port: Option<u16>,
    pub(super) target: Option<Target>,
}

/// Endings of files, which look like top-level domains in `file.py:12`.
const FILE_ENDINGS: &[&str] = &[
    "js",
    "mjs",
    "cjs",
    "ts",
    "tsx",
    "jsx",
    "py",
    "rb",
    "rs",
    "go",
    "java",
    "kt",
    "scala",
    "php",
    "c",
    "h",
    "cc",
    "cpp",
    "hpp",
    "cs",
    "html",
    "htm",
    "css",
    "log",
    "conf",
    "cfg",
    "json",
    "yaml",
    "yml",
    "toml",
    "xml",
    "txt",
    "sh",
    "pl",
    "pm",
    "lua",
    "so",
    "dll",
    "exe",
    "sock",
    "service",
    "socket",
    "md",
    "vue",
    "sql",
    "ex",
    "exs",
    "erl",
    "swift",
    "m",
    "zig",
    "lock",
    "nfs",
    "exceptions",
    "exception",
    "pem",
    "crt",
];

/// Words before a host, and words that stand there without being one.
const BEFORE_HOST: &[&str] =
    &["host", "to", "at", "hostname", "server", "lookup", "for", "address"];
/// Hosts that messages refer to for explanation.
const MANUALS: &[&str] = &["curl.se", "curl.haxx.se"];
const PACKAGES: &[&str] = &[
    "java.",
    "javax.",
    "sun.",
    "system.net",
    "urllib",
    "http.client",
    "requests.",
    "socket.",
    "ssl.",
];
const NO_HOSTS: &[&str] = &["localhost.localdomain", "e.g", "i.e"];

pub(super) fn named(text: &str) -> Named {
    let text = text.replace(['\u{201c}', '\u{201d}', '\u{2018}', '\u{2019}'], "\"");
    if let Some(target) = url(&text) {
        return Named {
            host: Some(target.host.clone()),
            port: Some(target.port),
            target: Some(target),
        };
    }
    let words: Vec<&str> = text.split(separates).filter(|word| !word.is_empty()).collect();
    if let Some(name) = looked_up(&words) {
        return Named { host: Some(name), port: None, target: None };
    }
    let (mut host, mut port) = words
        .iter()
        .find_map(|word| word.split('/').find_map(host_port))
        .map_or((None, None), |(host, port)| (Some(host), Some(port)));
    if host.is_none() {
        host = host_by_words(&words);
    }
    if port.is_none() {
        port = port_by_words(&words);
    }
    Named { host, port, target: None }
}

fn separates(c: char) -> bool {
    c.is_whitespace()
        || matches!(c, '"' | '\'' | '`' | '(' | ')' | ',' | ';' | '<' | '>' | '|' | '=')
}

/// The first URL of a scheme that can be checked; credentials in it are left out.
fn url(text: &str) -> Option<Target> {
    text.match_indices("://").find_map(|(at, _)| {
        let scheme = text[..at].chars().rev().take_while(char::is_ascii_alphanumeric).count();
        let start = at - scheme;
        let rest = &text[start..];
        let end = rest.find(|c: char| separates(c) && c != '=').unwrap_or(rest.len());
        let url = rest[..end].trim_end_matches(['.', ':', ']', '}', '!']);
        let target: Option<Target> = without_credentials(url).parse().ok();
        target.filter(|target| !target.host.name().is_some_and(|name| MANUALS.contains(&name)))
    })
}

fn without_credentials(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let authority_end = rest.find('/').unwrap_or(rest.len());
    match rest[..authority_end].rfind('@') {
        Some(at) => format!("{scheme}://{}", &rest[at + 1..]),
        None => url.to_owned(),
    }
}

/// `host:port`, `1.2.3.4:443`, `[::1]:443`, also with a sentence's punctuation around.
fn host_port(word: &str) -> Option<(Host, u16)> {
    let word = word.trim_end_matches(['.', ':', '!', '?']);
    if let Ok(address) = word.parse::<SocketAddr>() {
        return (address.port() != 0).then(|| (Host::Ip(address.ip()), address.port()));
    }
    let (name, port) = word.rsplit_once(':')?;
    let port: u16 = port.parse().ok().filter(|port| *port != 0)?;
    // Postfix writes `name[address]:port`.
    let name = name.split_once('[').map_or(name, |(name, rest)| match name {
        "" => rest,
        name => name,
    });
    Some((host(name)?, port))
}

/// Something that can only be meant as a host: an address, `localhost`, or a dotted name.
fn host(word: &str) -> Option<Host> {
    let word = word.trim_matches(['[', ']', '.', '!', '?', '*']);
    if let Ok(ip) = word.parse::<IpAddr>() {
        return Some(Host::Ip(ip));
    }
    let word = word.trim_end_matches(':');
    if let Ok(ip) = word.parse::<IpAddr>() {
        return Some(Host::Ip(ip));
    }
    let lower = word.to_ascii_lowercase();
    if lower == "localhost" {
        return Some(Host::Name(lower));
    }
    let (_, ending) = lower.rsplit_once('.')?;
    let label = |label: &str| {
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        !label.is_empty() && label.chars().all(allowed)
    };
    let domain = ending.len() >= 2 && ending.chars().all(|c| c.is_ascii_alphabetic());
    let punycode = ending.starts_with("xn--");
    let fine = (domain || punycode) && lower.split('.').all(label);
    let file = FILE_ENDINGS.contains(&ending) || NO_HOSTS.contains(&lower.as_str());
    // `java.net.ConnectException`, `urllib3.exceptions`: names of code.
    let of_code = word.rsplit('.').next().is_some_and(|last| last.contains(char::is_uppercase))
        || PACKAGES.iter().any(|package| lower.starts_with(package));
    (fine && !file && !of_code).then_some(Host::Name(lower))
}

/// Go's `lookup NAME on RESOLVER`: the address in it is the resolver's, not the host's.
fn looked_up(words: &[&str]) -> Option<Host> {
    let found = words.windows(3).find(|three| three[0] == "lookup" && three[2] == "on")?;
    let target: Target = format!("dns://{}", found[1]).parse().ok()?;
    Some(target.host)
}

fn host_by_words(words: &[&str]) -> Option<Host> {
    let after = |word: &str| BEFORE_HOST.contains(&word.to_ascii_lowercase().trim_end_matches(':'));
    let introduced = words.windows(2).filter(|pair| after(pair[0])).find_map(|pair| host(pair[1]));
    introduced.or_else(|| words.iter().find_map(|word| host(word)))
}

fn port_by_words(words: &[&str]) -> Option<u16> {
    words.windows(2).find_map(|pair| {
        let port = pair[0].to_ascii_lowercase();
        let number = pair[1].trim_end_matches(['.', ':', '!', '?', ']']);
        let number: u16 = number.parse().ok()?;
        (port.trim_end_matches(':') == "port" && number != 0).then_some(number)
    })
}
