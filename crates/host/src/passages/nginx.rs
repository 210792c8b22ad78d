//! nginx: `server` blocks of `http` and `stream`, with their `listen`, `server_name`,
//! `proxy_pass` and its like, and `upstream` blocks; `include` is followed.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use whydown_core::inside::Passage;

use super::{Reader, upstream};

/// Blocks within blocks.
const DEPTH_MAX: usize = 16;

/// A directive with its block, if it has one.
#[derive(Debug)]
struct Directive {
    words: Vec<String>,
    block: Option<Vec<Directive>>,
    source: String,
}

impl Directive {
    fn name(&self) -> &str {
        self.words.first().map_or("", String::as_str)
    }

    fn arguments(&self) -> &[String] {
        self.words.get(1..).unwrap_or_default()
    }

    fn inner(&self) -> &[Directive] {
        self.block.as_deref().unwrap_or_default()
    }
}

/// Reads a configuration and everything it includes.
pub(super) fn read(reader: &mut Reader, main: &Path) -> Vec<Passage> {
    let base = main.parent().map(Path::to_owned).unwrap_or_default();
    let tree = parse_file(reader, &base, main, 0);
    let mut passages = Vec::new();
    for part in tree.iter().filter(|d| matches!(d.name(), "http" | "stream")) {
        let groups: HashMap<&str, Vec<String>> = part
            .inner()
            .iter()
            .filter(|directive| directive.name() == "upstream")
            .map(|directive| (directive.arguments().first().map_or("", String::as_str), directive))
            .map(|(name, directive)| (name, servers(directive)))
            .collect();
        for server in part.inner().iter().filter(|directive| directive.name() == "server") {
            passages.extend(of_server(server, &groups, part.name() == "http"));
        }
    }
    passages
}

/// The file that errors are logged to.
pub(super) fn error_log(reader: &mut Reader, main: &Path) -> Option<PathBuf> {
    let base = main.parent().map(Path::to_owned).unwrap_or_default();
    let tree = parse_file(reader, &base, main, 0);
    let line = tree.iter().find(|directive| directive.name() == "error_log")?;
    let path = line.arguments().first()?;
    (!path.starts_with("syslog:") && path != "stderr").then(|| base.join(path))
}

fn servers(group: &Directive) -> Vec<String> {
    let servers = group.inner().iter().filter(|directive| directive.name() == "server");
    // Marked `down`: taken out on purpose.
    let in_use = servers.filter(|server| !server.arguments().iter().any(|word| word == "down"));
    in_use.filter_map(|server| server.arguments().first().cloned()).collect()
}

fn of_server(server: &Directive, groups: &HashMap<&str, Vec<String>>, http: bool) -> Vec<Passage> {
    let words = |name: &'static str| {
        server.inner().iter().filter(move |directive| directive.name() == name)
    };
    let mut ports: Vec<u16> = words("listen")
        .filter_map(|directive| directive.arguments().first())
        .filter_map(|word| port(word))
        .collect();
    if ports.is_empty() && http && words("listen").next().is_none() {
        ports.push(80);
    }
    ports.sort_unstable();
    ports.dedup();
    let names: Vec<String> = words("server_name")
        .flat_map(|directive| directive.arguments().iter().cloned())
        .filter(|name| name != "_" && !name.is_empty())
        .collect();
    let mut leads = Vec::new();
    follow(server, "", groups, &mut leads);
    if leads.is_empty() {
        leads.push((String::new(), Vec::new(), server.source.clone()));
    }
    let mut passages = Vec::new();
    for port in ports {
        for (path, addresses, source) in &leads {
            passages.push(Passage {
                proxy: "nginx".to_owned(),
                port,
                names: names.clone(),
                path: path.clone(),
                upstreams: addresses.iter().map(|address| upstream(address)).collect(),
                source: source.clone(),
            });
        }
    }
    passages
}

/// `80`, `*:80`, `127.0.0.1:8080`, `[::]:443`; an address alone is on port 80; no `unix:`.
fn port(word: &str) -> Option<u16> {
    if word.starts_with("unix:") {
        return None;
    }
    let last = word.rsplit(':').next()?;
    last.parse().ok().or(Some(80))
}

/// Every `proxy_pass` and its like below a block: path, upstreams, place.
fn follow(
    block: &Directive,
    path: &str,
    groups: &HashMap<&str, Vec<String>>,
    leads: &mut Vec<(String, Vec<String>, String)>,
) {
    for directive in block.inner() {
        let location = directive.name() == "location";
        let below = if location { directive.arguments().join(" ") } else { path.to_owned() };
        follow(directive, &below, groups, leads);
        let passes = ["proxy_pass", "fastcgi_pass", "uwsgi_pass", "scgi_pass", "grpc_pass"];
        let Some(to) = directive.arguments().first().filter(|_| passes.contains(&directive.name()))
        else {
            continue;
        };
        let (scheme, place) = to.split_once("://").unwrap_or(("", to));
        let host = match place.strip_prefix("unix:") {
            Some(rest) => format!("unix:{}", rest.split(':').next().unwrap_or(rest)),
            None => place.split('/').next().unwrap_or(place).to_owned(),
        };
        let default = if scheme == "https" || scheme == "grpcs" { 443 } else { 80 };
        let members = groups.get(host.as_str()).cloned();
        let addresses = members.unwrap_or_else(|| vec![host]);
        let complete = |address: String| with_port(address, default);
        leads.push((
            path.to_owned(),
            addresses.into_iter().map(complete).collect(),
            directive.source.clone(),
        ));
    }
}

fn with_port(address: String, default: u16) -> String {
    let has_port = address.rsplit(':').next().is_some_and(|last| last.parse::<u16>().is_ok());
    if has_port || address.starts_with("unix:") || address.contains('$') {
        return address;
    }
    format!("{address}:{default}")
}

fn parse_file(reader: &mut Reader, base: &Path, path: &Path, depth: usize) -> Vec<Directive> {
    let Some(text) = reader.read(path).filter(|_| depth < DEPTH_MAX) else { return Vec::new() };
    let mut tokens = tokens(&text).into_iter();
    let place = reader.shown(path);
    parse(reader, base, &place, &mut tokens, depth)
}

fn parse(
    reader: &mut Reader,
    base: &Path,
    place: &str,
    tokens: &mut std::vec::IntoIter<(usize, Token)>,
    depth: usize,
) -> Vec<Directive> {
    let mut directives = Vec::new();
    let mut words: Vec<String> = Vec::new();
    let mut first_line = 0;
    while let Some((line, token)) = tokens.next() {
        match token {
            Token::Word(word) => {
                if words.is_empty() {
                    first_line = line;
                }
                words.push(word);
            }
            Token::End if words.first().is_some_and(|word| word == "include") => {
                let pattern = words.get(1).map_or_else(PathBuf::new, |pattern| base.join(pattern));
                words.clear();
                for path in reader.matching(&pattern) {
                    directives.extend(parse_file(reader, base, &path, depth + 1));
                }
            }
            Token::End => {
                let source = format!("{place}:{first_line}");
                directives.push(Directive {
                    words: std::mem::take(&mut words),
                    block: None,
                    source,
                });
            }
            Token::Open if depth < DEPTH_MAX => {
                let source = format!("{place}:{first_line}");
                let words = std::mem::take(&mut words);
                let block = Some(parse(reader, base, place, tokens, depth + 1));
                directives.push(Directive { words, block, source });
            }
            Token::Open | Token::Close => return directives,
        }
    }
    directives
}

#[derive(Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    End,
    Open,
    Close,
}

/// Splits as `ngx_conf_read_token` does: quotes, escapes, comments.
fn tokens(text: &str) -> Vec<(usize, Token)> {
    let mut tokens = Vec::new();
    let mut line = 1;
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        line += usize::from(c == '\n');
        match (c, quote) {
            ('\\', _) => {
                let next = chars.next().unwrap_or_default();
                line += usize::from(next == '\n');
                word.get_or_insert_with(String::new).push(next);
            }
            (c, Some(end)) if c == end => quote = None,
            (c, Some(_)) => word.get_or_insert_with(String::new).push(c),
            ('"' | '\'', None) if word.is_none() => {
                quote = Some(c);
                word = Some(String::new());
            }
            ('#', None) if word.is_none() => {
                while chars.peek().is_some_and(|next| *next != '\n') {
                    chars.next();
                }
            }
            // A variable in braces is part of the word.
            ('{', None) if word.as_deref().is_some_and(|word| word.ends_with('$')) => {
                let word = word.get_or_insert_with(String::new);
                word.push(c);
                word.extend(chars.by_ref().take_while(|next| *next != '}'));
                word.push('}');
            }
            (c, None) if c.is_whitespace() || matches!(c, ';' | '{' | '}') => {
                tokens.extend(word.take().map(|word| (line, Token::Word(word))));
                match c {
                    ';' => tokens.push((line, Token::End)),
                    '{' => tokens.push((line, Token::Open)),
                    '}' => tokens.push((line, Token::Close)),
                    _ => {}
                }
            }
            (c, None) => word.get_or_insert_with(String::new).push(c),
        }
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn server_blocks_lead_to_their_upstreams() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("nginx.conf");
        std::fs::create_dir(directory.path().join("sites")).unwrap();
        std::fs::write(
            &path,
            "error_log logs/error.log warn;\nevents {}\nhttp {\n  upstream app { server \
             127.0.0.1:9001; server 127.0.0.1:9002 backup; server 10.0.0.9 down; }\n  \
             include sites/*.conf;\n}\nstream { server { listen 6000; proxy_pass db:5432; } }\n",
        )
        .unwrap();
        std::fs::write(
            directory.path().join("sites/shop.conf"),
            "server {\n  listen 80; listen [::]:80;\n  server_name shop.test \"www.shop.test\";\n  \
             # proxy_pass http://comment;\n  location /api/ { proxy_pass http://app/v1; }\n  \
             location / {\n    if ($x) { proxy_pass https://$backend; }\n    \
             fastcgi_pass unix:/run/php.sock;\n  }\n}\nserver { listen 127.0.0.1:81 ssl; }\n",
        )
        .unwrap();
        let mut reader = Reader::default();
        let found = read(&mut reader, &path);
        let told: Vec<(u16, &str, Vec<&str>)> = found
            .iter()
            .map(|p| {
                let to = p.upstreams.iter().map(|u| u.address.as_str()).collect();
                (p.port, p.path.as_str(), to)
            })
            .collect();
        assert_eq!(
            told,
            [
                (80, "/api/", vec!["127.0.0.1:9001", "127.0.0.1:9002"]),
                (80, "/", vec!["$backend"]),
                (80, "/", vec!["unix:/run/php.sock"]),
                (81, "", vec![]),
                (6_000, "", vec!["db:5432"]),
            ]
        );
        assert_eq!(found[0].names, ["shop.test", "www.shop.test"]);
        assert!(found[0].source.ends_with("sites/shop.conf:5"), "{}", found[0].source);
        assert_eq!(reader.files().len(), 2);
        let log = error_log(&mut Reader::default(), &path).unwrap();
        assert!(log.ends_with("logs/error.log"));
    }

    #[test]
    fn no_text_makes_the_parser_panic() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("nginx.conf");
        for text in ["{{{{{{{{{{{{{{{{{{{{{{{{{{", "}}}", "\"", "a \\", "include nginx.conf;", "${"]
        {
            std::fs::write(&path, text).unwrap();
            let _ = read(&mut Reader::default(), &path);
        }
    }
}
