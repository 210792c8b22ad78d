//! From any client's error text to what it means: `whydown explain`.
//!
//! The texts are tables in the files beside this one. **Which match wins**: the whole paste
//! being a code of ours; then the higher `Rank` (a vague collective text loses
//! to any plain one, an exact one beats both); then the longer text, the second text that must
//! also be present included; then the one that stands first. Recognises only whole words, and
//! the words of `strerror` only where a message ends, so that prose is left alone.

mod browsers;
mod markdown;
mod paste;
mod pattern;
mod place;
mod programs;
mod runtimes;
mod servers;
mod system;

use serde::Serialize;

use crate::advice;
use crate::cause::Cause;
use crate::diagnosis::Instruction;
use crate::failure::{Failure, Stage};
use crate::target::{Host, PortSource, Scheme, Target};

use paste::Paste;
use pattern::{Pattern, Rank};
use place::Named;

pub use markdown::errors_markdown;
pub use paste::PASTE_MAX_BYTES;

/// Most commands shown as next steps.
pub const NEXT_MAX: usize = 8;
/// Most causes whose commands are shown as next steps.
const NEXT_CAUSES: usize = 3;

/// What a text means. In JSON, every field is always present.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// What the client saw; `None` when the text was not recognised or names a cause only.
    pub failure: Option<Failure>,
    /// The cause that the text itself names: a cause's code, or a server's own complaint.
    pub cause: Option<Cause>,
    /// Whose text it is, where that can be told.
    pub client: Option<String>,
    /// The part of the text that was recognised.
    pub matched: Option<String>,
    /// A heading.
    pub title: String,
    /// What the server or the network did, in plain words.
    pub meaning: String,
    /// How long it takes until a client shows it.
    pub timing: String,
    /// Other failures that this client words in the same way.
    pub could_also_be: Vec<Failure>,
    /// What is easily taken for it.
    pub look_alikes: Vec<LookAlike>,
    /// The usual causes, the most likely first.
    pub causes: Vec<Cause>,
    /// What to run next.
    pub next: Vec<Instruction>,
    /// The host that the text names.
    pub host: Option<String>,
    /// The port that the text names.
    pub port: Option<u16>,
    /// The URL that the text names, without credentials.
    pub url: Option<String>,
    /// What the text cannot tell.
    pub note: Option<String>,
}

impl Explanation {
    /// Was anything recognised?
    #[must_use]
    pub fn recognised(&self) -> bool {
        self.failure.is_some() || self.cause.is_some()
    }
}

/// Something that is easily taken for the failure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LookAlike {
    /// Its code.
    pub failure: Failure,
    /// Its heading.
    pub title: &'static str,
    /// What differs.
    pub difference: &'static str,
}

/// A code with its heading, for `explain --list`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// The code.
    pub code: &'static str,
    /// `failure` or `cause`.
    pub kind: &'static str,
    /// The heading.
    pub title: &'static str,
}

/// Every code that can be explained, failures first.
#[must_use]
pub fn list() -> Vec<Listed> {
    let failure =
        |f: &Failure| Listed { code: f.code(), kind: "failure", title: advice::title(*f) };
    let cause =
        |c: &Cause| Listed { code: c.code(), kind: "cause", title: advice::cause_title(*c) };
    Failure::ALL.iter().map(failure).chain(Cause::ALL.iter().map(cause)).collect()
}

/// What was recognised in a paste.
struct Recognised {
    failure: Option<Failure>,
    cause: Option<Cause>,
    client: &'static str,
    at: usize,
    length: usize,
    also: &'static [Failure],
    causes: &'static [Cause],
}

/// Explains an error text of any client, or a code, from a paste with anything around it.
#[must_use]
pub fn explain(text: &str) -> Explanation {
    let paste = Paste::new(text);
    let named = place::named(text);
    let Some(found) = code(&paste).or_else(|| recognise(&paste)) else {
        return unrecognised(&named);
    };
    let causes = causes(&found);
    let target = target(&named, &found);
    let look_alikes = found.failure.map(advice::look_alikes).unwrap_or_default();
    let client = client(&paste, &found);
    let could_also_be = could_also_be(&found, client);
    Explanation {
        failure: found.failure,
        cause: found.cause,
        client: Some(client).filter(|name| !name.is_empty()).map(str::to_owned),
        matched: Some(paste.original(text, found.at, found.length).to_owned()),
        title: found
            .failure
            .map_or_else(|| about(&found, advice::cause_title), advice::title)
            .into(),
        meaning: found
            .failure
            .map_or_else(|| about(&found, advice::cause_explanation), advice::explanation)
            .into(),
        timing: found.failure.map_or("-", advice::timing).to_owned(),
        look_alikes: look_alikes
            .into_iter()
            .map(|other| LookAlike {
                failure: other.failure,
                title: advice::title(other.failure),
                difference: other.difference,
            })
            .collect(),
        next: next(&causes, &target, &named),
        causes,
        note: note(&found, &could_also_be, &named),
        could_also_be,
        host: named.host.map(|host| host.to_string()),
        port: named.port,
        url: named.target.map(|target| target.to_string()),
    }
}

fn about(found: &Recognised, text: fn(Cause) -> &'static str) -> &'static str {
    found.cause.map_or("", text)
}

fn unrecognised(named: &Named) -> Explanation {
    Explanation {
        failure: None,
        cause: None,
        client: None,
        matched: None,
        title: String::new(),
        meaning: String::new(),
        timing: String::new(),
        could_also_be: Vec::new(),
        look_alikes: Vec::new(),
        causes: Vec::new(),
        next: Vec::new(),
        host: named.host.as_ref().map(ToString::to_string),
        port: named.port,
        url: named.target.as_ref().map(ToString::to_string),
        note: None,
    }
}

/// The whole paste is one of our own codes.
fn code(paste: &Paste) -> Option<Recognised> {
    let text = paste.text().trim();
    let failure = text.parse::<Failure>().ok();
    let cause = text.parse::<Cause>().ok();
    if failure.is_none() && cause.is_none() {
        return None;
    }
    let length = text.len();
    Some(Recognised { failure, cause, client: "", at: 0, length, also: &[], causes: &[] })
}

/// Every known text.
fn tables() -> impl Iterator<Item = &'static Pattern> {
    let all = [
        system::PATTERNS,
        browsers::PATTERNS,
        programs::TRANSFER,
        programs::CLIENTS,
        runtimes::PATTERNS,
        servers::PATTERNS,
    ];
    all.into_iter().flatten()
}

fn recognise(paste: &Paste) -> Option<Recognised> {
    let matches = tables().filter_map(|pattern| {
        pattern.find(paste).map(|at| (pattern.weight(), std::cmp::Reverse(at), from(pattern, at)))
    });
    let number = system::find_number(paste).map(|number| {
        let rank = if number.vague { Rank::Vague } else { Rank::Plain };
        let recognised = Recognised {
            failure: Some(number.failure),
            cause: None,
            client: number.client,
            at: number.at,
            length: number.length,
            also: &[],
            causes: &[],
        };
        ((rank, number.length), std::cmp::Reverse(number.at), recognised)
    });
    let best = matches.chain(number).max_by_key(|(weight, at, _)| (*weight, *at));
    best.map(|(_, _, recognised)| recognised)
}

fn from(pattern: &Pattern, at: usize) -> Recognised {
    Recognised {
        failure: pattern.failure,
        cause: pattern.causes.first().copied().filter(|_| pattern.failure.is_none()),
        client: pattern.client,
        at,
        length: pattern.text.len(),
        also: pattern.also,
        causes: pattern.causes,
    }
}

/// Whose text it is: the recognised text's own client, else the longest marker in the paste.
/// libcurl speaks inside other programs, which then are the client.
fn client(paste: &Paste, found: &Recognised) -> &'static str {
    let markers = servers::MARKERS.iter().filter(|(text, _)| paste.find_word(text).is_some());
    let marked = markers.max_by_key(|(text, _)| text.len()).map_or("", |(_, client)| client);
    let inside = found.client == "curl" && matches!(marked, "php" | "git");
    if found.client.is_empty() || inside { marked } else { found.client }
}

/// Clients that show a failing forward proxy in the words of a failing target.
const PROXY_BLIND: &[&str] =
    &["", "curl", "dotnet", "git", "java", "macos", "php", "python", "safari", "wget", "windows"];

/// What else the text can mean: as the table says, and the proxy's failure of the same kind.
fn could_also_be(found: &Recognised, client: &str) -> Vec<Failure> {
    let mut all = found.also.to_vec();
    let proxy = match found.failure {
        Some(Failure::TcpRefused) => Some(Failure::ProxyRefused),
        Some(Failure::TcpTimedOut) => Some(Failure::ProxyTimedOut),
        Some(Failure::TcpHostUnreachable) => Some(Failure::ProxyUnreachable),
        Some(Failure::DnsNotFound) if client != "curl" => Some(Failure::ProxyUnresolved),
        Some(Failure::HttpEmptyReply) => Some(Failure::ProxyClosed),
        Some(Failure::HttpStatus) => Some(Failure::ProxyTunnelFailed),
        _ => None,
    };
    let known_owner = found.causes.contains(&Cause::UpstreamDead);
    let blind = PROXY_BLIND.contains(&client) && !known_owner;
    all.extend(proxy.filter(|failure| blind && !all.contains(failure)));
    all
}

/// What the text itself names, then what usually causes the failure.
fn causes(found: &Recognised) -> Vec<Cause> {
    let mut all: Vec<Cause> = found.cause.into_iter().collect();
    let usual = found.failure.map_or(&[][..], advice::usual_causes);
    for cause in found.causes.iter().chain(usual) {
        if !all.contains(cause) {
            all.push(*cause);
        }
    }
    all
}

/// The target to fill into commands. Where the text names no host, `HOST` stands for it.
fn target(named: &Named, found: &Recognised) -> Target {
    if let Some(target) = &named.target {
        return target.clone();
    }
    let port = named.port.unwrap_or(match found.client {
        "ssh" | "putty" | "sshd" => 22,
        "psql" => 5432,
        "mysql" => 3306,
        "redis-cli" => 6379,
        "ftp" => 21,
        "postfix" => 25,
        _ => 443,
    });
    let scheme = match Scheme::for_port(port) {
        Scheme::Tcp if found.failure.is_some_and(|failure| failure.stage() == Stage::App) => {
            Scheme::Http
        }
        scheme => scheme,
    };
    let host = named.host.clone().unwrap_or_else(|| Host::Name("HOST".to_owned()));
    Target { scheme, host, port, port_source: PortSource::Given, path: path(scheme) }
}

fn path(scheme: Scheme) -> String {
    if scheme.is_http() { "/".to_owned() } else { String::new() }
}

/// The commands of the likeliest causes, each once; our own check first when a host is known.
fn next(causes: &[Cause], target: &Target, named: &Named) -> Vec<Instruction> {
    let mut steps = Vec::new();
    if named.host.is_some() {
        steps.push(Instruction {
            on: "client".to_owned(),
            os: "any".to_owned(),
            text: "Find out which of the causes it is.".to_owned(),
            command: Some(format!("whydown diagnose {}", quoted(&target.to_string()))),
        });
    }
    for cause in causes.iter().take(NEXT_CAUSES) {
        let confirm =
            advice::confirm(*cause, target).into_iter().filter(|step| step.command.is_some());
        for step in confirm.take(NEXT_MAX / NEXT_CAUSES + 1) {
            if !steps.iter().any(|seen: &Instruction| seen.command == step.command) {
                steps.push(step);
            }
        }
    }
    steps.truncate(NEXT_MAX);
    steps
}

fn quoted(url: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "./:-_~".contains(c);
    match url.chars().all(plain) {
        true => url.to_owned(),
        false => format!("'{}'", url.replace('\'', r"'\''")),
    }
}

/// Ports on which forward proxies usually listen.
const PROXY_PORTS: &[u16] = &[1080, 3128, 8118, 8888];

fn note(found: &Recognised, could_also_be: &[Failure], named: &Named) -> Option<String> {
    let connecting = matches!(found.failure, Some(Failure::TcpRefused | Failure::TcpTimedOut));
    let proxy_port = named.port.is_some_and(|port| PROXY_PORTS.contains(&port));
    if connecting && proxy_port {
        return Some(format!(
            "Port {} is a usual port of forward proxies: the message may speak of a proxy that \
             this machine is told to use, not of the site. Look for http_proxy and https_proxy.",
            named.port.unwrap_or_default()
        ));
    }
    let about_proxy = |failure: &Failure| failure.stage() == Stage::Proxy;
    let hidden = found.failure.is_some_and(|failure| !about_proxy(&failure));
    if hidden && could_also_be.iter().any(about_proxy) {
        return Some(
            "If a proxy is configured, the same text is shown for a proxy that fails: look whose \
             host and port the message names."
                .to_owned(),
        );
    }
    None
}
