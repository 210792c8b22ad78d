//! HAProxy: `frontend` and `listen` sections with `bind`, `use_backend`, `default_backend`, and
//! the `server` lines of their backends.

use std::collections::HashMap;
use std::path::Path;

use whydown_core::inside::Passage;

use super::{Reader, upstream};

#[derive(Debug, Default)]
struct Section {
    kind: String,
    name: String,
    source: String,
    ports: Vec<u16>,
    /// Addresses of `server` lines.
    servers: Vec<String>,
    /// Backend, and the names of its condition; none for the default.
    uses: Vec<(String, Vec<String>, String)>,
    /// Conditions on the name asked for: `acl shop hdr(host) -i shop.test`.
    hosts: HashMap<String, Vec<String>>,
}

/// Reads a configuration.
pub(super) fn read(reader: &mut Reader, main: &Path) -> Vec<Passage> {
    let Some(text) = reader.read(main) else { return Vec::new() };
    let place = reader.shown(main);
    let mut sections: Vec<Section> = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let line = line.split(" #").next().unwrap_or(line).trim();
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let source = format!("{place}:{}", at + 1);
        match words.as_slice() {
            [] => {}
            [word, ..] if word.starts_with('#') => {}
            [kind @ ("frontend" | "listen" | "backend"), name, ..] => sections.push(Section {
                kind: (*kind).to_owned(),
                name: (*name).to_owned(),
                source,
                ..Section::default()
            }),
            ["global" | "defaults" | "userlist" | "peers" | "resolvers", ..] => {
                sections.push(Section::default());
            }
            words => {
                if let Some(section) = sections.last_mut() {
                    entry(section, words, source);
                }
            }
        }
    }
    let fronts = sections.iter().filter(|s| matches!(s.kind.as_str(), "frontend" | "listen"));
    fronts.flat_map(|front| passages(front, &sections)).collect()
}

fn entry(section: &mut Section, words: &[&str], source: String) {
    match words {
        ["bind", addresses, ..] => section.ports.extend(addresses.split(',').filter_map(port)),
        ["server", _, address, rest @ ..] if !rest.contains(&"disabled") => {
            section.servers.push((*address).to_owned());
        }
        ["default_backend", name] => {
            section.uses.push(((*name).to_owned(), Vec::new(), source));
        }
        ["use_backend", name, condition @ ..] => {
            let named = condition.iter().filter_map(|word| section.hosts.get(*word));
            let names = named.flatten().cloned().collect();
            section.uses.push(((*name).to_owned(), names, source));
        }
        ["acl", name, what, values @ ..] if what.contains("hdr(host)") => {
            let values = values.iter().filter(|value| !value.starts_with('-'));
            let hosts = values.map(|value| (*value).to_owned());
            section.hosts.entry((*name).to_owned()).or_default().extend(hosts);
        }
        _ => {}
    }
}

/// `:80`, `*:443`, `10.0.0.1:80`, `[::]:80`, `ipv4@:80`; a range counts by its first port.
fn port(address: &str) -> Option<u16> {
    address.rsplit(':').next()?.split('-').next()?.parse().ok()
}

fn passages(front: &Section, sections: &[Section]) -> Vec<Passage> {
    let mut leads: Vec<(Vec<String>, Vec<String>, &str)> = front
        .uses
        .iter()
        .map(|(name, names, source)| {
            let backend = sections.iter().find(|s| s.kind != "frontend" && s.name == *name);
            let servers = backend.map_or_else(Vec::new, |backend| backend.servers.clone());
            (servers, names.clone(), source.as_str())
        })
        .collect();
    if !front.servers.is_empty() || leads.is_empty() {
        leads.push((front.servers.clone(), Vec::new(), &front.source));
    }
    let mut found = Vec::new();
    for port in &front.ports {
        for (servers, names, source) in &leads {
            found.push(Passage {
                proxy: "haproxy".to_owned(),
                port: *port,
                names: names.clone(),
                path: String::new(),
                upstreams: servers.iter().map(|address| upstream(address)).collect(),
                source: (*source).to_owned(),
            });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn front_ends_lead_to_their_servers() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("haproxy.cfg");
        std::fs::write(
            &path,
            "global\n  daemon\ndefaults\n  mode http\nfrontend web # all\n  bind :80,*:8080\n  \
             bind [::]:443 ssl crt /x\n  acl is_shop hdr(host) -i shop.test www.shop.test\n  \
             use_backend shop if is_shop\n  default_backend rest\nbackend shop\n  \
             server a 10.0.0.1:9001 check\n  server b 10.0.0.2:9001 disabled\nbackend rest\n  \
             server c unix@/run/app.sock\nlisten db\n  bind 127.0.0.1:5432\n  \
             server d 10.0.0.3:5432\n",
        )
        .unwrap();
        let found = read(&mut Reader::default(), &path);
        let told: Vec<String> = found
            .iter()
            .map(|p| {
                let to: Vec<&str> = p.upstreams.iter().map(|u| u.address.as_str()).collect();
                format!("{} {} {}", p.port, p.names.join(","), to.join(","))
            })
            .collect();
        assert_eq!(
            told,
            [
                "80 shop.test,www.shop.test 10.0.0.1:9001",
                "80  unix:/run/app.sock",
                "8080 shop.test,www.shop.test 10.0.0.1:9001",
                "8080  unix:/run/app.sock",
                "443 shop.test,www.shop.test 10.0.0.1:9001",
                "443  unix:/run/app.sock",
                "5432  10.0.0.3:5432",
            ]
        );
    }
}
