//! From a written step to an instruction: which steps suit a target, and how its host, port and
//! URL are put into words and, quoted, into commands.

use crate::diagnosis::Instruction;
use crate::target::{Host, Scheme, Target};

/// When a step makes sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    /// Whatever the target.
    Always,
    /// The target is asked over HTTP or HTTPS.
    Http,
    /// A web server (also by its usual ports).
    Web,
    /// Not a web server.
    NotWeb,
    /// TCP.
    Tcp,
    /// TCP, and not HTTP.
    TcpNotHttp,
    /// The host is a name.
    Name,
    /// The service is well known and can check its own configuration.
    Known,
    /// The service is not well known.
    Unknown,
    /// SSH, PostgreSQL, MySQL, Redis.
    Ssh,
    /// PostgreSQL.
    Postgres,
    /// MySQL or MariaDB.
    Mysql,
    /// Redis.
    Redis,
}

/// One thing to do, as written in the tables. `{host}`, `{port}` and the other placeholders of
/// a target are filled in.
#[derive(Clone, Copy)]
pub(super) struct Step {
    pub(super) on: &'static str,
    pub(super) os: &'static str,
    pub(super) when: When,
    pub(super) text: &'static str,
    /// Empty: nothing to paste.
    pub(super) command: &'static str,
}

impl Step {
    pub(super) const fn linux(on: &'static str, text: &'static str, command: &'static str) -> Self {
        Self { on, os: "linux", when: When::Always, text, command }
    }

    /// On the server, which we take to be Linux.
    pub(super) const fn server(text: &'static str, command: &'static str) -> Self {
        Self::linux("server", text, command)
    }

    pub(super) const fn windows(text: &'static str, command: &'static str) -> Self {
        Self { on: "client", os: "windows", when: When::Always, text, command }
    }

    pub(super) const fn macos(text: &'static str, command: &'static str) -> Self {
        Self { on: "client", os: "macos", when: When::Always, text, command }
    }

    pub(super) const fn any(on: &'static str, text: &'static str, command: &'static str) -> Self {
        Self { on, os: "any", when: When::Always, text, command }
    }

    pub(super) const fn when(self, when: When) -> Self {
        Self { when, ..self }
    }
}

/// A service by its usual ports: what it is called in words and in commands.
struct Service {
    kind: Kind,
    ports: &'static [u16],
    name: &'static str,
    unit: &'static str,
    /// Checks its own configuration.
    check: &'static str,
    /// Where it is told on which address to listen.
    listen: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Web,
    Ssh,
    Mail,
    Database,
    Other,
}

const SERVICES: &[Service] = &[
    Service {
        kind: Kind::Web,
        ports: &[80, 443, 4443, 8000, 8008, 8080, 8081, 8443, 8888, 9443],
        name: "the web server",
        unit: "nginx",
        check: "sudo nginx -t",
        listen: "\"listen {port};\" and \"listen [::]:{port};\" in nginx, \"Listen {port}\" in \
            Apache",
    },
    Service {
        kind: Kind::Ssh,
        ports: &[22],
        name: "the SSH server",
        unit: "ssh",
        check: "sudo sshd -t",
        listen: "ListenAddress in /etc/ssh/sshd_config; with socket activation: systemctl edit \
            ssh.socket",
    },
    Service {
        kind: Kind::Mail,
        ports: &[25, 465, 587],
        name: "the mail server",
        unit: "postfix",
        check: "sudo postfix check",
        listen: "inet_interfaces = all in /etc/postfix/main.cf",
    },
    Service {
        kind: Kind::Mail,
        ports: &[110, 143, 993, 995],
        name: "the mail server",
        unit: "dovecot",
        check: "sudo doveconf -n > /dev/null",
        listen: "listen = *, :: in /etc/dovecot/dovecot.conf",
    },
    Service {
        kind: Kind::Database,
        ports: &[5432],
        name: "PostgreSQL",
        unit: "postgresql",
        check: "sudo -u postgres psql -c 'select sourcefile, error from pg_file_settings where \
            error is not null'",
        listen: "listen_addresses = '*' in postgresql.conf, and a matching line in pg_hba.conf",
    },
    Service {
        kind: Kind::Database,
        ports: &[3306],
        name: "MySQL or MariaDB",
        unit: "mysql",
        check: "sudo mysqld --verbose --help > /dev/null",
        listen: "bind-address = * in /etc/mysql (my.cnf)",
    },
    Service {
        kind: Kind::Database,
        ports: &[6379],
        name: "Redis",
        unit: "redis-server",
        check: "",
        listen: "bind * -::* in /etc/redis/redis.conf, only together with a password or a \
            firewall rule",
    },
    Service {
        kind: Kind::Other,
        ports: &[21],
        name: "the FTP server",
        unit: "vsftpd",
        check: "",
        listen: "listen=YES in /etc/vsftpd.conf",
    },
    Service {
        kind: Kind::Other,
        ports: &[53],
        name: "the name server",
        unit: "named",
        check: "sudo named-checkconf -z",
        listen: "listen-on and listen-on-v6 in /etc/bind/named.conf.options",
    },
    Service {
        kind: Kind::Other,
        ports: &[25565],
        name: "the Minecraft server",
        unit: "minecraft",
        check: "",
        listen: "server-ip= (empty) and server-port={port} in server.properties",
    },
];

const NO_SERVICE: Service = Service {
    kind: Kind::Other,
    ports: &[],
    name: "the service",
    unit: "SERVICE",
    check: "",
    listen: "0.0.0.0 and [::] instead of 127.0.0.1 in its configuration",
};

fn service(target: &Target) -> &'static Service {
    let port = target.scheme.default_port().filter(|_| target.scheme != Scheme::Dns);
    let by = |port: u16| SERVICES.iter().find(|service| service.ports.contains(&port));
    port.and_then(by).or_else(|| by(target.port)).unwrap_or(&NO_SERVICE)
}

/// In which language a text is written, which decides how words are quoted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Quoting {
    Prose,
    Posix,
    PowerShell,
}

fn suits(when: When, target: &Target) -> bool {
    let service = service(target);
    let tcp = !matches!(target.scheme, Scheme::Udp | Scheme::Icmp);
    match when {
        When::Always => true,
        When::Http => target.scheme.is_http(),
        When::Web => service.kind == Kind::Web,
        When::NotWeb => service.kind != Kind::Web,
        When::Tcp => tcp,
        When::TcpNotHttp => tcp && !target.scheme.is_http(),
        When::Name => target.host.name().is_some(),
        When::Known => !service.check.is_empty(),
        When::Unknown => service.unit == NO_SERVICE.unit,
        When::Ssh => service.kind == Kind::Ssh,
        When::Postgres => service.unit == "postgresql",
        When::Mysql => service.unit == "mysql",
        When::Redis => service.unit == "redis-server",
    }
}

/// The instructions of those steps that suit the target, filled in.
pub(super) fn instructions(steps: &[Step], target: &Target) -> Vec<Instruction> {
    steps.iter().filter(|step| suits(step.when, target)).map(|step| fill(step, target)).collect()
}

fn fill(step: &Step, target: &Target) -> Instruction {
    let quoting = if step.os == "windows" { Quoting::PowerShell } else { Quoting::Posix };
    let command = Some(step.command).filter(|command| !command.is_empty());
    Instruction {
        on: step.on.to_owned(),
        os: step.os.to_owned(),
        text: prose(step.text, target),
        command: command.map(|command| replace(command, target, quoting)),
    }
}

/// Fills the placeholders of a sentence.
pub(super) fn prose(text: &str, target: &Target) -> String {
    replace(text, target, Quoting::Prose)
}

fn replace(text: &str, target: &Target, quoting: Quoting) -> String {
    let mut out = String::with_capacity(text.len() + 32);
    let mut rest = text;
    while let Some(start) = rest.find('{') {
        let (before, inside) = (&rest[..start], &rest[start + 1..]);
        out.push_str(before);
        let word = inside
            .split_once('}')
            .and_then(|(word, after)| value(word, target, quoting).map(|filled| (filled, after)));
        match word {
            Some((filled, after)) => {
                out.push_str(&filled);
                rest = after;
            }
            // Not ours: curl's `%{…}`, a script block, awk.
            None => {
                out.push('{');
                rest = inside;
            }
        }
    }
    out.push_str(rest);
    out
}

/// What stands for a placeholder; `None` leaves the braces as they are (`curl -w '%{…}'`).
fn value(word: &str, target: &Target, quoting: Quoting) -> Option<String> {
    let service = service(target);
    let udp = target.scheme == Scheme::Udp;
    let shell = |text: String| quote(&text, quoting);
    Some(match word {
        "host" => shell(host(target, quoting)),
        "hosturl" => shell(bracketed(target, quoting)),
        "authority" => shell(with_port(target, quoting)),
        "port" => target.port.to_string(),
        "url" => curl_url(target, quoting),
        "origin" => shell(format!("{}://{}/", web_scheme(target), with_port(target, quoting))),
        "unit" => service.unit.to_owned(),
        "service" => service.name.to_owned(),
        "check" => service.check.to_owned(),
        "listen" => prose_port(service.listen, target.port),
        "proto" => if udp { "udp" } else { "tcp" }.to_owned(),
        "letter" => if udp { "u" } else { "t" }.to_owned(),
        "owner" => owner(target).to_owned(),
        _ => return None,
    })
}

fn prose_port(text: &str, port: u16) -> String {
    text.replace("{port}", &port.to_string())
}

fn web_scheme(target: &Target) -> &'static str {
    if target.scheme == Scheme::Http || (!target.scheme.is_tls() && target.port == 80) {
        "http"
    } else {
        "https"
    }
}

/// Who runs the target, as a sentence begins.
pub(super) fn owner(target: &Target) -> &'static str {
    if target.scheme.is_http() { "The website owner" } else { "The server's owner" }
}

/// A name that begins with a hyphen would be read as an option by most programs; commands then
/// say `HOST` and leave the replacing to the reader.
fn host(target: &Target, quoting: Quoting) -> String {
    match &target.host {
        Host::Name(name) if quoting != Quoting::Prose && name.starts_with('-') => "HOST".to_owned(),
        host => host.to_string(),
    }
}

fn bracketed(target: &Target, quoting: Quoting) -> String {
    match &target.host {
        Host::Ip(_) => target.host.in_url(),
        Host::Name(_) => host(target, quoting),
    }
}

fn with_port(target: &Target, quoting: Quoting) -> String {
    if target.port == 0 {
        return host(target, quoting);
    }
    format!("{}:{}", bracketed(target, quoting), target.port)
}

/// The URL as curl wants it: quoted, and with globbing off where the path holds brackets.
fn curl_url(target: &Target, quoting: Quoting) -> String {
    let url = if target.scheme.is_http() {
        target.to_string()
    } else {
        format!("{}://{}/", web_scheme(target), with_port(target, quoting))
    };
    if quoting == Quoting::Prose {
        return url;
    }
    let globs = target.path.contains(['[', ']', '{', '}']);
    format!("{}{}", if globs { "--globoff " } else { "" }, quote(&url, quoting))
}

/// Quotes a word so that a shell takes it as it is. Plain words stay bare, for readability.
fn quote(text: &str, quoting: Quoting) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '/');
    if quoting == Quoting::Prose || (!text.is_empty() && text.chars().all(plain)) {
        return text.to_owned();
    }
    match quoting {
        Quoting::Prose => text.to_owned(),
        Quoting::Posix => format!("'{}'", text.replace('\'', r"'\''")),
        Quoting::PowerShell => {
            // PowerShell takes typographic quotation marks for plain ones (about_Quoting_Rules).
            let mut out = String::from("'");
            for c in text.chars() {
                out.push(c);
                if matches!(c, '\'' | '\u{2018}' | '\u{2019}' | '\u{201a}' | '\u{201b}') {
                    out.push(c);
                }
            }
            out.push('\'');
            out
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_paths_and_names_stay_one_word() {
        let target: Target = "http://a.example/$(reboot)';rm${IFS}-rf".parse().unwrap();
        assert_eq!(
            replace("curl {url}", &target, Quoting::Posix),
            r"curl --globoff 'http://a.example/$(reboot)'\'';rm${IFS}-rf'"
        );
        assert_eq!(
            replace("curl.exe {url}", &target, Quoting::PowerShell),
            "curl.exe --globoff 'http://a.example/$(reboot)'';rm${IFS}-rf'"
        );
        let option: Target = "tcp://-oproxycommand.example:22".parse().unwrap();
        assert_eq!(replace("ssh {host}", &option, Quoting::Posix), "ssh HOST");
    }

    #[test]
    fn ipv6_hosts_get_brackets_only_where_a_url_needs_them() {
        let target: Target = "https://[2001:db8::1]:8443/".parse().unwrap();
        assert_eq!(
            replace(
                "nc -vz {host} {port}; openssl s_client -connect {authority}",
                &target,
                Quoting::Posix
            ),
            "nc -vz 2001:db8::1 8443; openssl s_client -connect '[2001:db8::1]:8443'"
        );
    }
}
