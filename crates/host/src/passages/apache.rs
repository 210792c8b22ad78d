//! Apache httpd: `Listen`, `<VirtualHost>`, `ServerName`, `ProxyPass` and balancers;
//! `Include` is followed, `Define` is applied.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use whydown_core::inside::Passage;

use super::{Reader, upstream};

const DEPTH_MAX: usize = 16;

/// What is read so far.
#[derive(Debug, Default)]
struct Reading {
    root: PathBuf,
    variables: HashMap<String, String>,
    listens: Vec<u16>,
    /// The virtual host that is open, then all that are complete.
    host: Option<Host>,
    hosts: Vec<Host>,
    /// Outside of every virtual host.
    main: Host,
    balancers: HashMap<String, Vec<String>>,
    /// The balancer, or the `<Location>`, that is open.
    balancer: Option<String>,
    location: Option<String>,
}

#[derive(Debug, Default)]
struct Host {
    ports: Vec<u16>,
    names: Vec<String>,
    /// Path, target, place.
    passes: Vec<(String, String, String)>,
    source: String,
}

/// Reads a configuration and everything it includes.
pub(super) fn read(reader: &mut Reader, main: &Path) -> Vec<Passage> {
    let root = main.parent().map(Path::to_owned).unwrap_or_default();
    let mut reading = Reading { root, ..Reading::default() };
    reading.variables.extend(envvars(reader, main));
    file(reader, &mut reading, main, 0);
    reading.listens.sort_unstable();
    reading.listens.dedup();
    let mut hosts = std::mem::take(&mut reading.hosts);
    let mut rest = std::mem::take(&mut reading.main);
    rest.ports.clone_from(&reading.listens);
    rest.source = reader.shown(main);
    hosts.push(rest);
    hosts.iter().flat_map(|host| passages(host, &reading)).collect()
}

/// Debian keeps `APACHE_LOG_DIR` and its like beside the configuration.
fn envvars(reader: &mut Reader, main: &Path) -> Vec<(String, String)> {
    let text = reader.read(&main.with_file_name("envvars")).unwrap_or_default();
    let pair = |line: &str| {
        let (name, value) = line.trim().strip_prefix("export ")?.split_once('=')?;
        Some((name.to_owned(), value.trim_matches('"').replace("$SUFFIX", "")))
    };
    text.lines().filter_map(pair).collect()
}

fn passages(host: &Host, reading: &Reading) -> Vec<Passage> {
    let everywhere = host.ports.is_empty();
    let ports = if everywhere { &reading.listens } else { &host.ports };
    let nothing = [(String::new(), String::new(), host.source.clone())];
    let passes = if host.passes.is_empty() { &nothing[..] } else { &host.passes };
    let mut found = Vec::new();
    for port in ports.iter().filter(|port| reading.listens.contains(port)) {
        for (path, to, source) in passes {
            let members = to
                .strip_prefix("balancer://")
                .map(|name| name.split('/').next().unwrap_or(name))
                .map(|name| reading.balancers.get(name).cloned().unwrap_or_default());
            let targets = members.unwrap_or_else(|| vec![to.clone()]);
            found.push(Passage {
                proxy: "apache".to_owned(),
                port: *port,
                names: host.names.clone(),
                path: path.clone(),
                upstreams: targets
                    .iter()
                    .filter_map(|to| address(to))
                    .map(|a| upstream(&a))
                    .collect(),
                source: source.clone(),
            });
        }
    }
    found
}

/// `http://127.0.0.1:8080/x`, `unix:/run/php.sock|fcgi://localhost/`.
fn address(to: &str) -> Option<String> {
    if let Some(socket) = to.strip_prefix("unix:") {
        return Some(format!("unix:{}", socket.split('|').next()?));
    }
    let (scheme, rest) = to.split_once("://")?;
    let host = rest.split('/').next()?;
    let default = match scheme {
        "https" | "wss" | "h2" => 443,
        "ajp" => 8_009,
        "fcgi" => 8_000,
        _ => 80,
    };
    let has_port = host.rsplit(':').next().is_some_and(|last| last.parse::<u16>().is_ok());
    Some(if has_port { host.to_owned() } else { format!("{host}:{default}") })
}

fn file(reader: &mut Reader, reading: &mut Reading, path: &Path, depth: usize) {
    let Some(text) = reader.read(path).filter(|_| depth < DEPTH_MAX) else { return };
    let place = reader.shown(path);
    let mut whole = String::new();
    for (at, line) in text.lines().enumerate() {
        // A backslash at the end continues the line.
        if let Some(part) = line.strip_suffix('\\') {
            whole.push_str(part);
            continue;
        }
        whole.push_str(line);
        let words = words(&whole, &reading.variables);
        whole.clear();
        let source = format!("{place}:{}", at + 1);
        if let [name, rest @ ..] = words.as_slice() {
            directive(reader, reading, &name.to_ascii_lowercase(), rest, (&source, depth));
        }
    }
}

fn directive(
    reader: &mut Reader,
    reading: &mut Reading,
    name: &str,
    words: &[String],
    (source, depth): (&str, usize),
) {
    let first = words.first().map_or("", String::as_str);
    match name {
        "serverroot" => reading.root = PathBuf::from(first),
        "define" => {
            let value = words.get(1).cloned().unwrap_or_default();
            reading.variables.insert(first.to_owned(), value);
        }
        "listen" => reading.listens.extend(last_port(first)),
        "include" | "includeoptional" => {
            let pattern = reading.root.join(first);
            for path in reader.matching(&pattern) {
                file(reader, reading, &path, depth + 1);
            }
        }
        "<virtualhost" => {
            let ports = words.iter().filter_map(|word| last_port(word)).collect();
            let source = source.to_owned();
            reading.host = Some(Host { ports, source, ..Host::default() });
        }
        "</virtualhost>" => reading.hosts.extend(reading.host.take()),
        "<proxy" => reading.balancer = first.strip_prefix("balancer://").map(str::to_owned),
        "</proxy>" => reading.balancer = None,
        "<location" => reading.location = Some(first.to_owned()),
        "</location>" => reading.location = None,
        "balancermember" => {
            let name = reading
                .balancer
                .clone()
                .or_else(|| first.strip_prefix("balancer://").map(str::to_owned));
            let member = words.iter().find(|word| !word.starts_with("balancer://"));
            if let (Some(name), Some(member)) = (name, member) {
                let name = name.trim_end_matches('/').to_owned();
                reading.balancers.entry(name).or_default().push(member.clone());
            }
        }
        _ => of_host(reading, name, words, source),
    }
}

/// Directives that belong to the virtual host that is open.
fn of_host(reading: &mut Reading, name: &str, words: &[String], source: &str) {
    let location = reading.location.clone();
    let host = reading.host.as_mut().unwrap_or(&mut reading.main);
    match name {
        "servername" | "serveralias" => {
            let bare = |word: &String| word.split(':').next().unwrap_or(word).to_owned();
            host.names.extend(words.iter().map(bare));
        }
        "proxypass" | "proxypassmatch" => {
            let (path, to) = match (location, words) {
                (Some(path), [to, ..]) if to.contains(':') => (path, to),
                (_, [path, to, ..]) => (path.clone(), to),
                _ => return,
            };
            if to != "!" {
                host.passes.push((path, to.clone(), source.to_owned()));
            }
        }
        "sethandler" => {
            if let Some(to) = words.first().and_then(|word| word.strip_prefix("proxy:")) {
                host.passes.push((location.unwrap_or_default(), to.to_owned(), source.to_owned()));
            }
        }
        _ => {}
    }
}

/// `80`, `*:80`, `[::]:443`, `127.0.0.1:8080`.
fn last_port(word: &str) -> Option<u16> {
    word.rsplit(':').next()?.parse().ok()
}

/// Blanks separate, quotes hold together, `>` ends, `${NAME}` is replaced.
fn words(line: &str, variables: &HashMap<String, String>) -> Vec<String> {
    let line = line.trim();
    if line.starts_with('#') {
        return Vec::new();
    }
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '"' => quoted = !quoted,
            c if c.is_whitespace() && !quoted => {
                words.extend((!word.is_empty()).then(|| std::mem::take(&mut word)));
            }
            c => word.push(c),
        }
    }
    words.extend((!word.is_empty()).then_some(word));
    if words.first().is_some_and(|word| word.starts_with('<') && !word.starts_with("</")) {
        if let Some(last) = words.last_mut() {
            *last = last.trim_end_matches('>').to_owned();
        }
        words.retain(|word| !word.is_empty());
    }
    words.iter().map(|word| replace(word, variables)).collect()
}

fn replace(word: &str, variables: &HashMap<String, String>) -> String {
    let mut text = word.to_owned();
    for (name, value) in variables {
        let pattern = format!("${{{name}}}");
        if text.contains(&pattern) {
            text = text.replace(&pattern, value);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn virtual_hosts_lead_to_their_upstreams() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("apache2.conf");
        std::fs::write(
            &path,
            "Listen 80\nListen 0.0.0.0:8443\nDefine APP 127.0.0.1:9001\n\
             IncludeOptional sites/*.conf\n<Proxy \"balancer://farm\">\n  BalancerMember \
             http://10.0.0.1:8080\n  BalancerMember http://10.0.0.2\n</Proxy>\n",
        )
        .unwrap();
        std::fs::create_dir(directory.path().join("sites")).unwrap();
        std::fs::write(
            directory.path().join("sites/a.conf"),
            "<VirtualHost *:80>\n  ServerName shop.test:80\n  ServerAlias www.shop.test\n  \
             ProxyPass /static !\n  ProxyPass / \\\n    http://${APP}/\n</VirtualHost>\n\
             <VirtualHost *:8443>\n  ServerName farm.test\n  <Location \"/x\">\n    \
             ProxyPass balancer://farm/\n  </Location>\n  \
             SetHandler \"proxy:unix:/run/php.sock|fcgi://localhost\"\n</VirtualHost>\n",
        )
        .unwrap();
        let found = read(&mut Reader::default(), &path);
        let told: Vec<String> = found
            .iter()
            .map(|p| {
                let to: Vec<&str> = p.upstreams.iter().map(|u| u.address.as_str()).collect();
                format!("{} {} {} {}", p.port, p.names.join(","), p.path, to.join(","))
            })
            .collect();
        assert_eq!(
            told,
            [
                "80 shop.test,www.shop.test / 127.0.0.1:9001",
                "8443 farm.test /x 10.0.0.1:8080,10.0.0.2:80",
                "8443 farm.test  unix:/run/php.sock",
                "80   ",
                "8443   ",
            ]
        );
        assert!(found[0].source.ends_with("a.conf:6"), "{}", found[0].source);
    }
}
