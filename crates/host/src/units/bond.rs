//! Which units have to do with a port: those that hold it, held it, are configured for it, or
//! usually serve such a port.

use std::path::{Path, PathBuf};

use whydown_core::inside::Bond;

use crate::files;
use crate::passages::Proxy;

use super::{Candidate, Search};

/// Units that usually serve a port.
const USUAL: [(u16, &[&str]); 17] = [
    (21, &["vsftpd", "proftpd", "pure-ftpd"]),
    (22, &["ssh", "sshd"]),
    (25, &["postfix", "exim4", "opensmtpd", "sendmail"]),
    (53, &["named", "bind9", "unbound", "knot", "dnsmasq", "systemd-resolved"]),
    (80, &["nginx", "apache2", "httpd", "caddy", "haproxy", "lighttpd", "traefik"]),
    (143, &["dovecot"]),
    (443, &["nginx", "apache2", "httpd", "caddy", "haproxy", "lighttpd", "traefik"]),
    (465, &["postfix", "exim4"]),
    (587, &["postfix", "exim4"]),
    (993, &["dovecot"]),
    (3_306, &["mysql", "mysqld", "mariadb"]),
    (5_432, &["postgresql"]),
    (5_672, &["rabbitmq-server"]),
    (6_379, &["redis-server", "redis", "valkey"]),
    (9_200, &["elasticsearch", "opensearch"]),
    (11_211, &["memcached"]),
    (27_017, &["mongod"]),
];

/// Configuration of servers that are not reverse proxies: files, key, port when it isn't said,
/// units.
struct Server {
    files: &'static [&'static str],
    keys: &'static [&'static str],
    default: u16,
    units: &'static [&'static str],
    log: &'static str,
}

const SERVERS: [Server; 5] = [
    Server {
        files: &["/etc/ssh/sshd_config", "/etc/ssh/sshd_config.d/*.conf"],
        keys: &["port"],
        default: 22,
        units: &["ssh.service", "sshd.service"],
        log: "/var/log/auth.log",
    },
    Server {
        files: &["/etc/redis/*.conf", "/etc/redis.conf", "/etc/valkey/*.conf"],
        keys: &["port"],
        default: 6_379,
        units: &["redis-server.service", "redis.service", "valkey.service"],
        log: "/var/log/redis/redis-server.log",
    },
    Server {
        files: &["/etc/mysql/*.cnf", "/etc/mysql/*/*.cnf", "/etc/my.cnf", "/etc/my.cnf.d/*.cnf"],
        keys: &["port"],
        default: 3_306,
        units: &["mariadb.service", "mysql.service", "mysqld.service"],
        log: "/var/log/mysql/error.log",
    },
    Server {
        files: &["/var/lib/pgsql/data/postgresql.conf", "/var/lib/postgres/data/postgresql.conf"],
        keys: &["port"],
        default: 5_432,
        units: &["postgresql.service"],
        log: "/var/lib/pgsql/data/log/postgresql.log",
    },
    Server {
        files: &["/etc/dovecot/dovecot.conf", "/etc/dovecot/conf.d/*.conf"],
        keys: &["port"],
        default: 143,
        units: &["dovecot.service"],
        log: "/var/log/mail.log",
    },
];

/// All candidates, the strongest bond first, each name once.
pub(super) fn candidates(search: &Search<'_>) -> Vec<Candidate> {
    let mut found = Found(Vec::new());
    for listener in search.listeners {
        let program = listener.owner().map(|owner| owner.process.clone());
        // A scope is a login or a container: the program says more.
        let unit = listener.unit.clone().filter(|unit| !unit.ends_with(".scope"));
        if let Some(name) = unit.or(program) {
            found.add(&name, Bond::Owns, Some("the socket's owner".to_owned()));
        }
    }
    if let Some((name, at)) = &search.clues.last_owner {
        found.add(name, Bond::LastOwned, Some(format!("seen until {at:.0}")));
    }
    of_unit_files(search, &mut found);
    of_proxies(search, &mut found);
    of_servers(search, &mut found);
    of_postgres(search, &mut found);
    for (_, names) in USUAL.iter().filter(|(port, _)| *port == search.port) {
        for name in *names {
            found.add(&format!("{name}.service"), Bond::Usual, None);
        }
    }
    found.0
}

struct Found(Vec<Candidate>);

impl Found {
    fn add(&mut self, name: &str, bond: Bond, source: Option<String>) -> &mut Candidate {
        let known = self.0.iter().position(|candidate| candidate.name == name);
        let at = known.unwrap_or_else(|| {
            let name = name.to_owned();
            self.0.push(Candidate { name, bond, source, files: Vec::new(), log: None });
            self.0.len() - 1
        });
        &mut self.0[at]
    }
}

/// Unit files that name the port, themselves or in a file that they name.
fn of_unit_files(search: &Search<'_>, found: &mut Found) {
    for file in search.unit_files {
        let configuration = file.configuration();
        let said = file.mentions(search.port).or_else(|| {
            configuration
                .iter()
                .find_map(|path| names_port(path, &["port", "listen", "bind"], search.port))
        });
        if let Some(place) = said {
            let candidate = found.add(&file.service(), Bond::Configured, Some(place));
            candidate.files.extend(configuration);
        } else if let Some(known) = found.0.iter_mut().find(|c| c.name == file.name) {
            known.files.extend(configuration);
        }
    }
}

fn of_proxies(search: &Search<'_>, found: &mut Found) {
    let holds = |proxy: &&Proxy| {
        let mut owners = search.listeners.iter().flat_map(|listener| &listener.owners);
        owners.any(|owner| Some(owner.pid) == proxy.pid)
    };
    // Of several of one name it is first of all the one that holds the port.
    let (holding, others): (Vec<_>, Vec<_>) = search.proxies.iter().partition(holds);
    for proxy in holding.into_iter().chain(others) {
        let names: Vec<String> = match &proxy.unit {
            Some(unit) => vec![unit.clone()],
            None if proxy.program == "apache" => {
                vec!["apache2.service".to_owned(), "httpd.service".to_owned()]
            }
            None => vec![format!("{}.service", proxy.program)],
        };
        // Without systemd the unit is the program itself.
        let bare = names.iter().map(|name| name.trim_end_matches(".service").to_owned());
        let held: Vec<String> =
            bare.filter(|name| found.0.iter().any(|candidate| candidate.name == *name)).collect();
        let names = if held.is_empty() { names } else { held };
        let passage = proxy.passages.iter().find(|passage| passage.port == search.port);
        for name in names {
            let candidate = match passage {
                Some(passage) => {
                    let source = Some(passage.source.clone());
                    Some(found.add(&name, Bond::Configured, source))
                }
                // It serves another port, maybe since a moment ago.
                None => found.0.iter_mut().find(|candidate| candidate.name == name),
            };
            if let Some(candidate) = candidate {
                candidate.files.extend(proxy.files.iter().cloned());
                // What comes later does not replace the log: it runs elsewhere, or not at all.
                candidate.log = candidate.log.take().or_else(|| proxy.log.clone());
            }
        }
    }
}

fn of_servers(search: &Search<'_>, found: &mut Found) {
    for server in &SERVERS {
        let paths: Vec<PathBuf> =
            server.files.iter().flat_map(|pattern| files::matching(Path::new(pattern))).collect();
        if paths.is_empty() {
            continue;
        }
        let said = paths.iter().find_map(|path| names_port(path, server.keys, search.port));
        let silent = || paths.iter().all(|path| !says_any(path, server.keys));
        let by_default = server.default == search.port && said.is_none() && silent();
        for unit in server.units {
            let candidate = if said.is_some() || by_default {
                let source = said.clone().or_else(|| Some("its default".to_owned()));
                Some(found.add(unit, Bond::Configured, source))
            } else {
                found.0.iter_mut().find(|candidate| candidate.name == *unit)
            };
            if let Some(candidate) = candidate {
                candidate.files.extend(paths.iter().cloned());
                candidate.log.get_or_insert_with(|| PathBuf::from(server.log));
            }
        }
    }
}

/// Debian's clusters: `/etc/postgresql/15/main` is `postgresql@15-main.service`.
fn of_postgres(search: &Search<'_>, found: &mut Found) {
    for path in files::matching(Path::new("/etc/postgresql/*/*/postgresql.conf")) {
        let parts: Vec<String> =
            path.iter().map(|part| part.to_string_lossy().into_owned()).collect();
        let [.., version, cluster, _] = parts.as_slice() else { continue };
        let Some(place) = names_port(&path, &["port"], search.port) else { continue };
        let unit = format!("postgresql@{version}-{cluster}.service");
        let candidate = found.add(&unit, Bond::Configured, Some(place));
        candidate.files.push(path.clone());
        let log = format!("/var/log/postgresql/postgresql-{version}-{cluster}.log");
        candidate.log = Some(PathBuf::from(log));
    }
}

/// The line of a file where one of the keys has this port: `Port 22`, `port = 5432`,
/// `"port": 8080`, `listen 0.0.0.0:8080`, `PORT=8080`.
fn names_port(path: &Path, keys: &[&str], port: u16) -> Option<String> {
    let number = port.to_string();
    let text = files::read(path)?;
    let says = |line: &str| {
        line_has_key(line, keys)
            && line.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word == number)
    };
    let at = text.lines().position(says)?;
    Some(format!("{}:{}", path.display(), at + 1))
}

fn says_any(path: &Path, keys: &[&str]) -> bool {
    files::read(path).is_some_and(|text| text.lines().any(|line| line_has_key(line, keys)))
}

fn line_has_key(line: &str, keys: &[&str]) -> bool {
    let line = line.trim_start();
    if line.starts_with(['#', ';']) {
        return false;
    }
    let lower = line.to_ascii_lowercase();
    let before = lower.split(['=', ':', ' ', '\t']).next().unwrap_or_default();
    keys.iter().any(|key| before.contains(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_found_in_files_of_many_kinds() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for (text, found) in [
            ("# Port 8080\nPort 8080\n", Some(2)),
            ("port = 8080  # (change requires restart)\n", Some(1)),
            ("{\n \"port\": 8080\n}\n", Some(2)),
            ("listen 0.0.0.0:8080;\n", Some(1)),
            ("HTTP_PORT=8080\n", Some(1)),
            ("timeout = 8080\n", None),
            ("port = 80801\n", None),
        ] {
            std::fs::write(file.path(), text).unwrap();
            let place = names_port(file.path(), &["port", "listen"], 8_080);
            let line = place.and_then(|place| place.rsplit(':').next()?.parse::<u32>().ok());
            assert_eq!(line, found, "{text}");
        }
    }
}
