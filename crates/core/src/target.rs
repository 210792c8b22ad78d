//! What can be checked: parsing of everything a person may type or paste into a [`Target`].
//!
//! Parsing is total and pure: no name is looked up here, and no default is guessed silently
//! ([`PortSource`] says where the port came from).

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The longest target we accept, in bytes: longer than any browser's address bar needs.
pub const TARGET_MAX_BYTES: usize = 2_048;

/// How a target is spoken to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    /// HTTP over TCP.
    Http,
    /// HTTP over TLS.
    Https,
    /// A TCP connection, nothing said.
    Tcp,
    /// A TLS handshake, nothing said after it.
    Tls,
    /// A UDP datagram, and an answer or silence.
    Udp,
    /// A DNS name: is it resolved?
    Dns,
    /// An ICMP echo.
    Icmp,
    /// SSH identification string (RFC 4253 §4.2).
    Ssh,
    /// SMTP greeting (RFC 5321 §4.2).
    Smtp,
    /// SMTP inside TLS (RFC 8314).
    Smtps,
    /// IMAP greeting (RFC 9051 §7.1).
    Imap,
    /// IMAP inside TLS (RFC 8314).
    Imaps,
    /// POP3 greeting (RFC 1939 §4).
    Pop3,
    /// POP3 inside TLS (RFC 8314).
    Pop3s,
    /// FTP greeting (RFC 959 §5.4).
    Ftp,
    /// PostgreSQL: `SSLRequest`, one byte back.
    Postgres,
    /// MySQL / MariaDB initial handshake packet.
    Mysql,
    /// Redis `PING`.
    Redis,
    /// Minecraft server list ping.
    Minecraft,
}

impl Scheme {
    /// Every scheme, in the order in which help and documentation list them.
    pub const ALL: [Self; 19] = [
        Self::Https,
        Self::Http,
        Self::Tcp,
        Self::Tls,
        Self::Udp,
        Self::Dns,
        Self::Icmp,
        Self::Ssh,
        Self::Smtp,
        Self::Smtps,
        Self::Imap,
        Self::Imaps,
        Self::Pop3,
        Self::Pop3s,
        Self::Ftp,
        Self::Postgres,
        Self::Mysql,
        Self::Redis,
        Self::Minecraft,
    ];

    /// The word before `://`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::Udp => "udp",
            Self::Dns => "dns",
            Self::Icmp => "icmp",
            Self::Ssh => "ssh",
            Self::Smtp => "smtp",
            Self::Smtps => "smtps",
            Self::Imap => "imap",
            Self::Imaps => "imaps",
            Self::Pop3 => "pop3",
            Self::Pop3s => "pop3s",
            Self::Ftp => "ftp",
            Self::Postgres => "postgres",
            Self::Mysql => "mysql",
            Self::Redis => "redis",
            Self::Minecraft => "minecraft",
        }
    }

    /// The port used when none is written; `None` where a port must be written (`tcp`, `tls`,
    /// `udp`) or there is none (`icmp`). IANA service names, and the vendors' for Minecraft.
    #[must_use]
    pub const fn default_port(self) -> Option<u16> {
        match self {
            Self::Http => Some(80),
            Self::Https => Some(443),
            Self::Tcp | Self::Tls | Self::Udp | Self::Icmp => None,
            Self::Dns => Some(53),
            Self::Ssh => Some(22),
            Self::Smtp => Some(25),
            Self::Smtps => Some(465),
            Self::Imap => Some(143),
            Self::Imaps => Some(993),
            Self::Pop3 => Some(110),
            Self::Pop3s => Some(995),
            Self::Ftp => Some(21),
            Self::Postgres => Some(5432),
            Self::Mysql => Some(3306),
            Self::Redis => Some(6379),
            Self::Minecraft => Some(25565),
        }
    }

    /// Does a check of this scheme begin with a TLS handshake?
    #[must_use]
    pub const fn is_tls(self) -> bool {
        matches!(self, Self::Https | Self::Tls | Self::Smtps | Self::Imaps | Self::Pop3s)
    }

    /// Does a check of this scheme send an HTTP request?
    #[must_use]
    pub const fn is_http(self) -> bool {
        matches!(self, Self::Http | Self::Https)
    }

    /// Does a check of this scheme open a TCP connection to the target's own port?
    #[must_use]
    pub const fn is_tcp(self) -> bool {
        !matches!(self, Self::Udp | Self::Dns | Self::Icmp)
    }

    /// The scheme a bare `host:port` means: the one whose usual port it is, else plain TCP.
    #[must_use]
    pub fn for_port(port: u16) -> Self {
        match port {
            80 | 8000 | 8008 | 8080 | 8081 | 8888 => Self::Http,
            443 | 4443 | 8443 | 9443 => Self::Https,
            587 => Self::Smtp,
            853 => Self::Tls,
            53 => Self::Tcp,
            _ => Self::ALL
                .into_iter()
                .find(|scheme| scheme.default_port() == Some(port))
                .unwrap_or(Self::Tcp),
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Where a target's port was taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PortSource {
    /// Written in the target.
    Given,
    /// The scheme's usual port.
    Default,
    /// The scheme has no ports (`icmp`).
    None,
}

/// The host of a target: a name (lower case, ASCII, without the trailing dot) or an address.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Host {
    /// A DNS name; internationalised names are held in their ASCII form (RFC 5891).
    Name(String),
    /// An IPv4 or IPv6 address.
    Ip(IpAddr),
}

impl Host {
    /// The address, when the host is one.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Ip(ip) => Some(*ip),
            Self::Name(_) => None,
        }
    }

    /// The name, when the host is one.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Name(name) => Some(name),
            Self::Ip(_) => None,
        }
    }

    /// As it stands in a URL: IPv6 addresses in brackets.
    #[must_use]
    pub fn in_url(&self) -> String {
        match self {
            Self::Ip(IpAddr::V6(ip)) => format!("[{ip}]"),
            Self::Ip(IpAddr::V4(ip)) => ip.to_string(),
            Self::Name(name) => name.clone(),
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.pad(name),
            Self::Ip(ip) => f.pad(&ip.to_string()),
        }
    }
}

/// A checkable thing. Holds only what identifies it; how often and from where is a
/// [`Monitor`](crate::monitor::Monitor)'s business.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    /// How to speak to it.
    pub scheme: Scheme,
    /// Where it lives.
    pub host: Host,
    /// The port; 0 only for `icmp`, which has none.
    pub port: u16,
    /// Where the port came from.
    pub port_source: PortSource,
    /// HTTP: path and query, at least `/`. DNS: the record type asked for (`A`, `MX`, …) or
    /// empty for addresses. Empty otherwise.
    pub path: String,
}

/// Why a text is not a target. The message names the value and what would be valid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// Nothing was given.
    #[error("the target is empty; write for example https://example.com or tcp://example.com:5432")]
    Empty,
    /// Longer than [`TARGET_MAX_BYTES`].
    #[error("the target is {0} bytes long; at most {TARGET_MAX_BYTES} are accepted")]
    TooLong(usize),
    /// A blank or control character inside.
    #[error("the target {0:?} contains a blank or a control character; percent-encode it (%20)")]
    Blank(String),
    /// A scheme that cannot be checked.
    #[error("unknown scheme {found:?}; known are {}{}", scheme_names(), suggestion(.nearest))]
    UnknownScheme {
        /// The word before `://`.
        found: String,
        /// The known scheme that looks most like it.
        nearest: Option<Scheme>,
    },
    /// No host between `://` and the path.
    #[error("{0:?} names no host; write for example https://example.com/")]
    NoHost(String),
    /// A host that is neither a name nor an address.
    #[error("{host:?} is not a valid host name or address ({why})")]
    BadHost {
        /// As written.
        host: String,
        /// What is wrong with it.
        why: String,
    },
    /// A port outside 1 to 65535.
    #[error("{0:?} is not a port; a port is a number from 1 to 65535")]
    BadPort(String),
    /// A scheme that needs a port got none.
    #[error("{scheme}:// needs a port; write for example {scheme}://{host}:{example}")]
    NoPort {
        /// The scheme.
        scheme: Scheme,
        /// The host as written.
        host: String,
        /// A port that the scheme is often used with.
        example: u16,
    },
    /// A scheme without ports got one.
    #[error("{0}:// has no ports; leave \":{1}\" out, or use tcp://")]
    PortNotAllowed(Scheme, u16),
    /// Credentials in the target, which logs and pages would show.
    #[error(
        "a target must not contain a user name or password; put credentials into the \
         monitor's headers"
    )]
    Credentials,
    /// A path where the scheme has none.
    #[error("{0}:// has no path; leave {1:?} out")]
    PathNotAllowed(Scheme, String),
    /// A record type that `dns://` does not ask for.
    #[error("{0:?} is not a record type; use one of A, AAAA, CAA, CNAME, MX, NS, SOA, SRV, TXT")]
    BadRecordType(String),
}

fn scheme_names() -> String {
    Scheme::ALL.map(Scheme::name).join(", ")
}

fn suggestion(nearest: &Option<Scheme>) -> String {
    nearest.map_or_else(String::new, |scheme| format!("; did you mean {scheme}://?"))
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(TargetError::Empty);
        }
        if text.len() > TARGET_MAX_BYTES {
            return Err(TargetError::TooLong(text.len()));
        }
        if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(TargetError::Blank(text.to_owned()));
        }
        let (scheme, rest) = split_scheme(text)?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, tail) = rest.split_at(end);
        if authority.contains('@') {
            return Err(TargetError::Credentials);
        }
        let (host_text, port_text) = split_port(authority);
        if host_text.is_empty() {
            return Err(TargetError::NoHost(text.to_owned()));
        }
        let host = parse_host(host_text)?;
        let written = port_text.map(parse_port).transpose()?;
        let scheme = scheme.unwrap_or_else(|| written.map_or(Scheme::Https, Scheme::for_port));
        let (port, port_source) = choose_port(scheme, host_text, written)?;
        let path = parse_path(scheme, tail)?;
        Ok(Self { scheme, host, port, port_source, path })
    }
}

fn split_scheme(text: &str) -> Result<(Option<Scheme>, &str), TargetError> {
    let Some((word, rest)) = text.split_once("://") else {
        return Ok((None, text));
    };
    let word = word.to_ascii_lowercase();
    let known = match word.as_str() {
        "postgresql" => Some(Scheme::Postgres),
        "mariadb" => Some(Scheme::Mysql),
        "ping" => Some(Scheme::Icmp),
        _ => Scheme::ALL.into_iter().find(|scheme| scheme.name() == word),
    };
    match known {
        Some(scheme) => Ok((Some(scheme), rest)),
        None => Err(TargetError::UnknownScheme { nearest: nearest_scheme(&word), found: word }),
    }
}

fn nearest_scheme(word: &str) -> Option<Scheme> {
    Scheme::ALL
        .into_iter()
        .map(|scheme| (edit_distance(scheme.name(), word), scheme))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, _)| *distance <= 2)
        .map(|(_, scheme)| scheme)
}

/// Levenshtein distance in characters; both words are short.
#[must_use]
pub fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

fn split_port(authority: &str) -> (&str, Option<&str>) {
    if let Some(end) = authority.strip_prefix('[').and_then(|_| authority.find(']')) {
        let (host, port) = authority.split_at(end + 1);
        return (host, port.strip_prefix(':'));
    }
    match authority.rsplit_once(':') {
        // More than one colon and no brackets: a bare IPv6 address.
        Some((host, _)) if host.contains(':') => (authority, None),
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    }
}

fn parse_host(text: &str) -> Result<Host, TargetError> {
    let bad = |why: &str| TargetError::BadHost { host: text.to_owned(), why: why.to_owned() };
    let bracketed = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    if let Ok(ip) = bracketed.unwrap_or(text).parse::<IpAddr>() {
        return Ok(Host::Ip(ip));
    }
    match url::Host::parse(text) {
        Ok(url::Host::Ipv4(ip)) => Ok(Host::Ip(ip.into())),
        Ok(url::Host::Ipv6(ip)) => Ok(Host::Ip(ip.into())),
        Ok(url::Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            if name.is_empty() {
                return Err(bad("it is empty"));
            }
            if name.len() > 253 {
                return Err(bad("a name has at most 253 characters, RFC 1035 §2.3.4"));
            }
            match name.split('.').find(|label| label.is_empty() || label.len() > 63) {
                Some("") => Err(bad("two dots in a row")),
                Some(_) => Err(bad("a label has at most 63 characters, RFC 1035 §2.3.4")),
                None => Ok(Host::Name(name.to_owned())),
            }
        }
        Err(error) => Err(bad(&error.to_string())),
    }
}

fn parse_port(text: &str) -> Result<u16, TargetError> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    match text.parse::<u16>() {
        Ok(port) if port != 0 && digits => Ok(port),
        _ => Err(TargetError::BadPort(text.to_owned())),
    }
}

fn choose_port(
    scheme: Scheme,
    host: &str,
    written: Option<u16>,
) -> Result<(u16, PortSource), TargetError> {
    match (scheme, written, scheme.default_port()) {
        (Scheme::Icmp, Some(port), _) => Err(TargetError::PortNotAllowed(scheme, port)),
        (Scheme::Icmp, None, _) => Ok((0, PortSource::None)),
        (_, Some(port), _) => Ok((port, PortSource::Given)),
        (_, None, Some(port)) => Ok((port, PortSource::Default)),
        (_, None, None) => {
            let example = match scheme {
                Scheme::Tls => 443,
                Scheme::Udp => 53,
                _ => 5432,
            };
            Err(TargetError::NoPort { scheme, host: host.to_owned(), example })
        }
    }
}

fn parse_path(scheme: Scheme, tail: &str) -> Result<String, TargetError> {
    let tail = tail.split('#').next().unwrap_or_default();
    if scheme.is_http() {
        return Ok(match tail {
            "" => "/".to_owned(),
            query if query.starts_with('?') => format!("/{query}"),
            path => path.to_owned(),
        });
    }
    if scheme == Scheme::Dns {
        let kind = tail.trim_start_matches('/').trim_start_matches("?type=").to_ascii_uppercase();
        return match kind.as_str() {
            "" | "A" | "AAAA" | "CAA" | "CNAME" | "MX" | "NS" | "SOA" | "SRV" | "TXT" => Ok(kind),
            _ => Err(TargetError::BadRecordType(kind)),
        };
    }
    match tail {
        "" | "/" => Ok(String::new()),
        _ => Err(TargetError::PathNotAllowed(scheme, tail.to_owned())),
    }
}

impl Target {
    /// `host:port` as it stands in messages; the host alone where there is no port.
    #[must_use]
    pub fn authority(&self) -> String {
        match self.port_source {
            PortSource::None => self.host.to_string(),
            _ => format!("{}:{}", self.host.in_url(), self.port),
        }
    }
}

/// The canonical URL: scheme's own port left out, path present for HTTP.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.host.in_url())?;
        if self.port != 0 && self.scheme.default_port() != Some(self.port) {
            write!(f, ":{}", self.port)?;
        }
        match self.scheme {
            Scheme::Dns if !self.path.is_empty() => write!(f, "?type={}", self.path),
            _ => f.write_str(&self.path),
        }
    }
}

impl Serialize for Target {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Target {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
