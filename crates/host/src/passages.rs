//! Reverse proxies: their configuration read, to know which upstreams stand behind a name and a
//! port, and each upstream tried from here.

mod apache;
mod caddy;
mod haproxy;
mod nginx;

use std::collections::HashSet;
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use whydown_core::failure::Failure;
use whydown_core::inside::{Passage, Upstream};

use crate::{files, process};

/// Files of one proxy that are read.
const FILES_MAX: usize = 512;
/// Proxies read.
const PROXIES_MAX: usize = 16;
/// Upstreams tried.
const UPSTREAMS_MAX: usize = 32;
/// How long an upstream may take to accept: it is near.
const UPSTREAM_WAIT: Duration = Duration::from_millis(800);

/// Files that were read, and the root that they are seen from.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    /// `/proc/812/root` of a proxy in a container; empty for one's own.
    root: PathBuf,
    files: Vec<PathBuf>,
}

impl Reader {
    fn read(&mut self, path: &Path) -> Option<String> {
        if self.files.len() >= FILES_MAX {
            return None;
        }
        let text = files::read(&self.real(path))?;
        if !self.files.iter().any(|known| known == path) {
            self.files.push(path.to_owned());
        }
        Some(text)
    }

    fn matching(&self, pattern: &Path) -> Vec<PathBuf> {
        let found = files::matching(&self.real(pattern));
        let below = |path: PathBuf| match path.strip_prefix(&self.root) {
            Ok(rest) if self.root != Path::new("") => Path::new("/").join(rest),
            _ => path,
        };
        found.into_iter().map(below).collect()
    }

    fn real(&self, path: &Path) -> PathBuf {
        match path.strip_prefix("/") {
            Ok(rest) if self.root != Path::new("") => self.root.join(rest),
            _ => path.to_owned(),
        }
    }

    fn shown(&self, path: &Path) -> String {
        path.display().to_string()
    }

    #[cfg(test)]
    fn files(&self) -> &[PathBuf] {
        &self.files
    }
}

/// A program that was started, or would be: its words, and the process or unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Invocation {
    pub(crate) words: Vec<String>,
    pub(crate) pid: Option<u32>,
    pub(crate) unit: Option<String>,
}

/// One reverse proxy's configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxy {
    /// `nginx`, `apache`, `haproxy`, `caddy`.
    pub program: &'static str,
    /// The unit that runs it, if that is known.
    pub unit: Option<String>,
    /// The process that runs it.
    pub pid: Option<u32>,
    /// Sites, front ends, listeners.
    pub passages: Vec<Passage>,
    /// Every file that was read.
    pub files: Vec<PathBuf>,
    /// Where it logs errors.
    pub log: Option<PathBuf>,
}

/// What is known of each kind: name, programs, flag that names the file, usual files, log.
struct Kind {
    name: &'static str,
    programs: &'static [&'static str],
    flags: &'static [&'static str],
    usual: &'static [&'static str],
    log: &'static str,
    read: fn(&mut Reader, &Path) -> Vec<Passage>,
}

const KINDS: [Kind; 4] = [
    Kind {
        name: "nginx",
        programs: &["nginx", "openresty", "angie"],
        flags: &["-c"],
        usual: &["/etc/nginx/nginx.conf", "/usr/local/nginx/conf/nginx.conf"],
        log: "/var/log/nginx/error.log",
        read: nginx::read,
    },
    Kind {
        name: "apache",
        programs: &["apache2", "httpd"],
        flags: &["-f"],
        usual: &["/etc/apache2/apache2.conf", "/etc/httpd/conf/httpd.conf"],
        log: "/var/log/apache2/error.log",
        read: apache::read,
    },
    Kind {
        name: "haproxy",
        programs: &["haproxy"],
        flags: &["-f"],
        usual: &["/etc/haproxy/haproxy.cfg"],
        log: "/var/log/haproxy.log",
        read: haproxy::read,
    },
    Kind {
        name: "caddy",
        programs: &["caddy"],
        flags: &["--config", "-config"],
        usual: &["/etc/caddy/Caddyfile"],
        log: "/var/log/caddy/error.log",
        read: caddy::read,
    },
];

/// The proxy that a program is, by its file name.
pub(crate) fn kind_of(program: &str) -> Option<&'static str> {
    let name = program.rsplit('/').next()?;
    KINDS.iter().find(|kind| kind.programs.contains(&name)).map(|kind| kind.name)
}

/// Reads the configuration of every reverse proxy that runs or is installed.
pub(crate) fn read_all(invocations: &[Invocation]) -> Vec<Proxy> {
    let mut seen = HashSet::new();
    let mut found = Vec::new();
    let usual = KINDS.iter().flat_map(|kind| kind.usual.iter().map(move |path| (kind, path)));
    let started = invocations.iter().filter_map(|invocation| {
        let program = invocation.words.first()?.rsplit('/').next()?;
        let kind = KINDS.iter().find(|kind| kind.programs.contains(&program))?;
        Some((kind, file_of(kind, invocation), Some(invocation)))
    });
    // Running ones come first: their unit is the better name.
    let all = started.chain(usual.map(|(kind, path)| (kind, PathBuf::from(path), None)));
    for (kind, path, invocation) in all {
        if found.len() >= PROXIES_MAX {
            break;
        }
        let root = invocation.and_then(|invocation| invocation.pid).and_then(other_root);
        if !seen.insert((root.clone(), path.clone())) {
            continue;
        }
        let mut reader = Reader { root: root.unwrap_or_default(), files: Vec::new() };
        let passages = (kind.read)(&mut reader, &path);
        if reader.files.is_empty() {
            continue;
        }
        let named = if kind.name == "nginx" { nginx::error_log(&mut reader, &path) } else { None };
        found.push(Proxy {
            program: kind.name,
            unit: invocation.and_then(|invocation| invocation.unit.clone()),
            pid: invocation.and_then(|invocation| invocation.pid),
            passages,
            log: named.or_else(|| Some(PathBuf::from(kind.log))),
            files: reader.files,
        });
    }
    found
}

/// The file that a command line names, else the usual one.
fn file_of(kind: &Kind, invocation: &Invocation) -> PathBuf {
    let value = |flags: &[&str]| {
        let mut words = invocation.words.iter();
        while let Some(word) = words.next() {
            for flag in flags {
                if word == flag {
                    return words.next().cloned();
                }
                let joined = word.strip_prefix(flag).map(|rest| rest.trim_start_matches('='));
                if let Some(rest) = joined.filter(|rest| rest.starts_with('/')) {
                    return Some(rest.to_owned());
                }
            }
        }
        None
    };
    let usual = kind.usual.first().copied().unwrap_or_default();
    let Some(file) = value(kind.flags) else { return PathBuf::from(usual) };
    // nginx -p and Apache -d: what relative names are relative to.
    let base = match value(&["-p", "-d"]) {
        Some(base) if base.starts_with('/') => PathBuf::from(base),
        // Where it was started, as far as that may be seen.
        _ => invocation
            .pid
            .and_then(|pid| std::fs::read_link(process::path(pid, "cwd")).ok())
            .unwrap_or_default(),
    };
    base.join(file)
}

/// The root of a process that sees other files than we do.
fn other_root(pid: u32) -> Option<PathBuf> {
    let own = std::fs::read_link("/proc/self/ns/mnt").ok()?;
    let other = std::fs::read_link(process::path(pid, "ns/mnt")).ok()?;
    (own != other).then(|| process::path(pid, "root"))
}

/// Processes that are reverse proxies, with the words they were started with.
pub(crate) fn running() -> Vec<Invocation> {
    let mut found = Vec::new();
    for pid in process::all() {
        let Some(name) = process::name(pid) else { continue };
        if !KINDS.iter().any(|kind| kind.programs.contains(&name.as_str())) {
            continue;
        }
        let words = plain_words(process::command_line(pid));
        let unit = process::cgroup(pid).and_then(|path| process::unit_of_cgroup(&path));
        if !words.is_empty() {
            found.push(Invocation { words, pid: Some(pid), unit });
        }
    }
    found
}

/// nginx writes `nginx: master process /usr/sbin/nginx -c x` over its words; its workers have
/// none worth reading.
fn plain_words(words: Vec<String>) -> Vec<String> {
    let Some(title) = words.first().filter(|word| word.starts_with("nginx: ")) else {
        return words;
    };
    let rest = title.strip_prefix("nginx: master process ").unwrap_or_default();
    rest.split_ascii_whitespace().map(str::to_owned).collect()
}

/// The passages for a port and the name that visitors use: those of that name, else those
/// without a name, else all.
#[must_use]
pub(crate) fn for_name(passages: Vec<Passage>, name: Option<&str>) -> Vec<Passage> {
    let serves = |passage: &Passage| {
        let Some(name) = name else { return false };
        passage.names.iter().any(|pattern| is_named(pattern, name))
    };
    let (exact, rest): (Vec<_>, Vec<_>) = passages.into_iter().partition(serves);
    if !exact.is_empty() {
        return exact;
    }
    let (default, named): (Vec<_>, Vec<_>) = rest.into_iter().partition(|p| p.names.is_empty());
    if default.is_empty() { named } else { default }
}

/// `*.shop.test` and `.shop.test` are patterns.
fn is_named(pattern: &str, name: &str) -> bool {
    if let Some(suffix) = pattern.strip_prefix("*.").or_else(|| pattern.strip_prefix('.')) {
        let below =
            name.to_ascii_lowercase().ends_with(&format!(".{}", suffix.to_ascii_lowercase()));
        return below || (pattern.starts_with('.') && name.eq_ignore_ascii_case(suffix));
    }
    pattern.eq_ignore_ascii_case(name)
}

/// An upstream that has not been tried.
pub(crate) fn upstream(address: &str) -> Upstream {
    let plain = address.trim_start_matches("ipv4@").trim_start_matches("ipv6@");
    let plain = plain.strip_prefix("unix@").map(|path| format!("unix:{path}"));
    Upstream { address: plain.unwrap_or_else(|| address.to_owned()), ..Upstream::default() }
}

/// Knocks at every upstream, side by side.
pub(crate) fn try_all(passages: &mut [Passage]) {
    let upstreams = passages.iter_mut().flat_map(|passage| passage.upstreams.iter_mut());
    std::thread::scope(|scope| {
        for upstream in upstreams.take(UPSTREAMS_MAX) {
            scope.spawn(|| knock(upstream));
        }
    });
}

fn knock(upstream: &mut Upstream) {
    let result = if let Some(path) = upstream.address.strip_prefix("unix:") {
        UnixStream::connect(path).map(drop)
    } else if upstream.address.contains('$') {
        return;
    } else {
        match upstream.address.to_socket_addrs() {
            Ok(addresses) => connect(addresses),
            Err(error) => {
                upstream.tried = true;
                upstream.failure = Some(Failure::DnsNotFound);
                upstream.detail = Some(format!("the name can't be resolved: {error}"));
                return;
            }
        }
    };
    upstream.tried = true;
    if let Err(error) = result {
        upstream.failure = Some(failure_of(&error));
        upstream.detail = Some(error.to_string());
    }
}

/// The first address that accepts decides, as it does for the proxy.
fn connect(addresses: impl Iterator<Item = SocketAddr>) -> std::io::Result<()> {
    let mut last = std::io::Error::from(std::io::ErrorKind::AddrNotAvailable);
    for address in addresses {
        match TcpStream::connect_timeout(&address, UPSTREAM_WAIT) {
            Ok(_) => return Ok(()),
            Err(error) => last = error,
        }
    }
    Err(last)
}

fn failure_of(error: &std::io::Error) -> Failure {
    use std::io::ErrorKind as K;
    match error.kind() {
        K::ConnectionRefused | K::NotFound => Failure::TcpRefused,
        K::HostUnreachable => Failure::TcpHostUnreachable,
        K::NetworkUnreachable => Failure::TcpNetworkUnreachable,
        K::PermissionDenied => Failure::TcpNotPermitted,
        K::ConnectionReset => Failure::TcpReset,
        _ => Failure::TcpTimedOut,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_site_of_a_name_is_preferred() {
        let passage = |names: &[&str]| Passage {
            names: names.iter().map(|name| (*name).to_owned()).collect(),
            ..Passage::default()
        };
        let all = || vec![passage(&["shop.test"]), passage(&[]), passage(&["*.app.test"])];
        assert_eq!(for_name(all(), Some("SHOP.test")), [passage(&["shop.test"])]);
        assert_eq!(for_name(all(), Some("x.app.test")), [passage(&["*.app.test"])]);
        assert_eq!(for_name(all(), Some("other.test")), [passage(&[])]);
        assert_eq!(for_name(all(), None), [passage(&[])]);
    }

    #[test]
    fn the_file_is_taken_from_the_command_line() {
        let file = |words: &str| {
            let words: Vec<String> = words.split(' ').map(str::to_owned).collect();
            let words =
                plain_words(if words[0] == "nginx:" { vec![words.join(" ")] } else { words });
            let kind = KINDS.iter().find(|kind| words[0].ends_with(kind.programs[0])).unwrap();
            file_of(kind, &Invocation { words, pid: None, unit: None }).display().to_string()
        };
        assert_eq!(file("/usr/sbin/nginx -g daemon_on;"), "/etc/nginx/nginx.conf");
        assert_eq!(file("nginx: master process nginx -p /x -c a/n.conf"), "/x/a/n.conf");
        assert_eq!(file("haproxy -Ws -f /y/h.cfg -p /run/h.pid"), "/y/h.cfg");
        assert_eq!(file("caddy run --config=/z/Caddyfile"), "/z/Caddyfile");
        assert_eq!(file("apache2 -d /srv -f conf/a.conf"), "/srv/conf/a.conf");
    }
}
