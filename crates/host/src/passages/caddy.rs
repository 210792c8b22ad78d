//! Caddy: sites of a Caddyfile with `reverse_proxy` and `php_fastcgi`; `import` is followed, to
//! files and to snippets.

use std::collections::HashMap;
use std::path::Path;

use whydown_core::inside::Passage;

use super::{Reader, upstream};

const DEPTH_MAX: usize = 8;
/// Lines with all snippets put in.
const LINES_MAX: usize = 100_000;

/// A line's words, and its place.
type Line = (Vec<String>, String);

/// Reads a Caddyfile.
pub(super) fn read(reader: &mut Reader, main: &Path) -> Vec<Passage> {
    let mut lines = Vec::new();
    gather(reader, main, 0, &mut lines);
    let mut found = Vec::new();
    let mut site: Vec<String> = Vec::new();
    let mut passes: Vec<(String, Vec<String>, String)> = Vec::new();
    let mut start = String::new();
    let mut depth = 0_usize;
    for (words, source) in with_snippets(lines) {
        let opens = words.last().is_some_and(|word| word == "{");
        let bare: Vec<&str> =
            words.iter().map(String::as_str).filter(|word| *word != "{").collect();
        match bare.as_slice() {
            ["}"] => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    found.extend(passages(&site, &passes, &start));
                    site.clear();
                    passes.clear();
                }
                continue;
            }
            addresses if depth == 0 => {
                let names = addresses.iter().map(|word| word.trim_end_matches(','));
                site.extend(names.filter(|word| !word.is_empty()).map(str::to_owned));
                start.clone_from(&source);
            }
            ["reverse_proxy" | "php_fastcgi", rest @ ..] => {
                let (path, to) = match rest {
                    [matcher, to @ ..] if matcher.starts_with(['/', '@', '*']) => (*matcher, to),
                    to => ("", to),
                };
                let to = to.iter().map(|word| (*word).to_owned()).collect();
                passes.push((path.to_owned(), to, source));
            }
            ["to", to @ ..] => {
                if let Some((_, known, _)) = passes.last_mut() {
                    known.extend(to.iter().map(|word| (*word).to_owned()));
                }
            }
            _ => {}
        }
        depth += usize::from(opens);
    }
    // One site alone may go without braces.
    found.extend(passages(&site, &passes, &start));
    found
}

fn gather(reader: &mut Reader, path: &Path, depth: usize, out: &mut Vec<Line>) {
    let Some(text) = reader.read(path).filter(|_| depth < DEPTH_MAX) else { return };
    let place = reader.shown(path);
    for (at, line) in text.lines().enumerate() {
        let words: Vec<String> = line
            .split_ascii_whitespace()
            .take_while(|word| !word.starts_with('#'))
            .map(|word| word.trim_matches('"').to_owned())
            .collect();
        match words.as_slice() {
            [] => {}
            [word, pattern] if word == "import" => {
                let base = path.parent().unwrap_or(Path::new("/"));
                let files = reader.matching(&base.join(pattern));
                if files.is_empty() {
                    out.push((words, format!("{place}:{}", at + 1)));
                }
                for path in files {
                    gather(reader, &path, depth + 1, out);
                }
            }
            _ => out.push((words, format!("{place}:{}", at + 1))),
        }
    }
}

/// Takes `(name) { … }` out, and puts it in where `import name` stands.
fn with_snippets(lines: Vec<Line>) -> Vec<Line> {
    let mut snippets: HashMap<String, Vec<Line>> = HashMap::new();
    let mut rest = Vec::new();
    let mut open: Option<(String, usize)> = None;
    for (words, source) in lines {
        let opens = words.last().is_some_and(|word| word == "{");
        let closes = words.first().is_some_and(|word| word == "}");
        let named = words.first().and_then(|word| word.strip_prefix('(')?.strip_suffix(')'));
        match (&mut open, named) {
            (None, Some(name)) if opens => open = Some((name.to_owned(), 0)),
            (None, _) => rest.push((words, source)),
            (Some((_, 0)), _) if closes => open = None,
            (Some((name, depth)), _) => {
                *depth = (*depth + usize::from(opens)).saturating_sub(usize::from(closes));
                snippets.entry(name.clone()).or_default().push((words, source));
            }
        }
    }
    // One snippet may import another, but not in a ring.
    for _ in 0..DEPTH_MAX {
        let snippet = |(words, _): &Line| match words.as_slice() {
            [word, name, ..] if word == "import" => snippets.get(name),
            _ => None,
        };
        if rest.len() > LINES_MAX || !rest.iter().any(|line| snippet(line).is_some()) {
            break;
        }
        let put_in = |line: Line| snippet(&line).cloned().unwrap_or_else(|| vec![line]);
        rest = rest.into_iter().flat_map(put_in).collect();
    }
    rest
}

fn passages(
    site: &[String],
    passes: &[(String, Vec<String>, String)],
    start: &str,
) -> Vec<Passage> {
    let mut found = Vec::new();
    let nothing = [(String::new(), Vec::new(), start.to_owned())];
    let passes = if passes.is_empty() { &nothing[..] } else { passes };
    for address in site.iter().filter(|address| !address.starts_with('(')) {
        let (scheme, rest) = address.split_once("://").unwrap_or(("", address));
        let place = rest.split('/').next().unwrap_or(rest);
        let (name, port) = match place.rsplit_once(':') {
            Some((name, port)) => (name, port.parse().ok()),
            None => (place, None),
        };
        let ports = match (port, scheme) {
            (Some(port), _) => vec![port],
            (None, "http") => vec![80],
            (None, _) => vec![443, 80],
        };
        for port in ports {
            for (path, to, source) in passes {
                found.push(Passage {
                    proxy: "caddy".to_owned(),
                    port,
                    names: (!name.is_empty()).then(|| name.to_owned()).into_iter().collect(),
                    path: path.clone(),
                    upstreams: to.iter().map(|to| upstream(&plain(to))).collect(),
                    source: source.clone(),
                });
            }
        }
    }
    found
}

/// `http://127.0.0.1:9000`, `unix//run/php.sock`, `:9000`, `app:80`.
fn plain(to: &str) -> String {
    if let Some(path) = to.strip_prefix("unix/") {
        return format!("unix:{path}");
    }
    let (scheme, place) = to.split_once("://").unwrap_or(("", to));
    let place = place.split('/').next().unwrap_or(place);
    let place = if place.starts_with(':') { format!("localhost{place}") } else { place.to_owned() };
    let default = if scheme == "https" { 443 } else { 80 };
    if place.contains(':') { place } else { format!("{place}:{default}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snippet_stands_where_it_is_imported() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("Caddyfile");
        let text = "(pass) {\n  reverse_proxy {\n    to 127.0.0.1:9001\n  }\n}\n(ring) {\n  \
                    import ring\n  import pass\n}\nhttp://shop.test {\n  import ring\n}\n";
        std::fs::write(&path, text).unwrap();
        let found = read(&mut Reader::default(), &path);
        let first = found.first().unwrap();
        assert_eq!((first.port, first.names.as_slice()), (80, &["shop.test".to_owned()][..]));
        assert_eq!(first.upstreams.first().unwrap().address, "127.0.0.1:9001");
        assert!(first.source.ends_with("Caddyfile:2"), "{}", first.source);
    }

    #[test]
    fn sites_lead_to_their_upstreams() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("Caddyfile");
        std::fs::write(
            &path,
            "{\n  email a@b.test\n}\nshop.test, www.shop.test {\n  reverse_proxy /api/* \
             127.0.0.1:9001 127.0.0.1:9002 # two\n  reverse_proxy {\n    to :9003\n  }\n}\n\
             http://plain.test:8080 {\n  php_fastcgi unix//run/php.sock\n}\n",
        )
        .unwrap();
        let found = read(&mut Reader::default(), &path);
        let told: Vec<String> = found
            .iter()
            .filter(|p| p.port != 80)
            .map(|p| {
                let to: Vec<&str> = p.upstreams.iter().map(|u| u.address.as_str()).collect();
                format!("{} {} {} {}", p.port, p.names.join(","), p.path, to.join(","))
            })
            .collect();
        assert_eq!(
            told,
            [
                "443 shop.test /api/* 127.0.0.1:9001,127.0.0.1:9002",
                "443 shop.test  localhost:9003",
                "443 www.shop.test /api/* 127.0.0.1:9001,127.0.0.1:9002",
                "443 www.shop.test  localhost:9003",
                "8080 plain.test  unix:/run/php.sock",
            ]
        );
    }
}
