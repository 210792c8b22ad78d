//! The real clients, each asked about one URL: what it says by itself, `None` when it is content
//! or still waits.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use whydown_lab::{Browser, Command, ErrorPage, Firefox, Host, Output, Shown, try_until};

use crate::run::client;

/// The Firefox whose headings whydown tells: they change with its major version.
const FIREFOX_MEASURED: u32 = 153;

/// How long the console may need for its line.
const SECOND: Duration = Duration::from_secs(1);

/// What each client said, by its name in `seen_as`.
pub(super) type Said = BTreeMap<&'static str, Option<String>>;

/// What all clients are given.
#[derive(Clone, Copy)]
pub(super) struct Question<'a> {
    pub(super) host: &'a Host,
    /// The target as whydown takes it.
    pub(super) target: &'a str,
    /// The authority that everyone trusts.
    pub(super) roots: Option<&'a Path>,
    /// The forward proxy that everyone is told to use.
    pub(super) proxy: Option<&'a str>,
    /// When a client that still waits is ended.
    pub(super) patience: Duration,
    /// The same for Firefox.
    pub(super) firefox_patience: Duration,
    /// The limit of clients that have one, where their own is too long for a test.
    pub(super) limit: Option<Duration>,
}

/// How a proxy is named to curl, Python and whydown. Node 20 does not look at them.
pub(super) fn proxy_variables(proxy: Option<&str>) -> Vec<(&'static str, &str)> {
    let named = |proxy| ["http_proxy", "https_proxy"].map(|name| (name, proxy));
    proxy.into_iter().flat_map(named).collect()
}

/// A client that minds the variables.
fn proxied(question: Question<'_>, program: &str) -> Command {
    let mut command = client(question.host, program);
    command.envs(proxy_variables(question.proxy));
    command
}

/// The clients without a window. Each runs on a thread of its own, all at once.
pub(super) fn tools(question: Question<'_>) -> Said {
    type Ask = fn(Question<'_>) -> Option<String>;
    let all: [(&'static str, Ask); 4] =
        [("curl", curl), ("nc", nc), ("node", node), ("python", python)];
    std::thread::scope(|scope| {
        let running = all.map(|(name, ask)| (name, scope.spawn(move || ask(question))));
        running.into_iter().map(|(name, thread)| (name, thread.join().unwrap())).collect()
    })
}

/// Chromium's code: on its error page, or in the console when a page broke off that it shows.
pub(super) fn chrome(browser: &Browser, question: Question<'_>) -> Option<String> {
    browser.set_page_load_limit(question.patience);
    let opened = browser.try_open(question.target);
    let broken_off = || {
        let about = format!("{} - ", question.target);
        let lines = browser.console().into_iter();
        let mut codes = lines.filter_map(|line| {
            let said = line.message.strip_prefix(&about)?.to_owned();
            said.split_once("net::").map(|(_, code)| code.trim().to_owned())
        });
        codes.next()
    };
    match opened {
        Ok(()) => try_until(SECOND, broken_off),
        Err(error) if error == "timeout" => None,
        Err(error) => Some(error.trim_start_matches("net::").to_owned()),
    }
}

/// What Firefox's error page says.
pub(super) fn firefox(firefox: &Firefox, question: Question<'_>) -> Option<String> {
    match firefox.open(question.target, question.firefox_patience) {
        Shown::Error(ErrorPage { id, heading }) => Some(firefox_words(firefox, &id, &heading)),
        Shown::Page | Shown::Waiting => None,
    }
}

/// The code and the heading; the code alone of a Firefox whose headings whydown doesn't tell.
pub(super) fn firefox_words(firefox: &Firefox, id: &str, heading: &str) -> String {
    if firefox.major() == FIREFOX_MEASURED { format!("{id}: {heading}") } else { id.to_owned() }
}

/// The exit code and the message, as `seen_as` has them.
fn curl(question: Question<'_>) -> Option<String> {
    let mut command = proxied(question, "curl");
    command.args(["-sSL", "-o", "/dev/null", "-w", "%{http_code}"]);
    if let Some(roots) = question.roots {
        command.arg("--cacert").arg(roots);
    }
    // A limit for connecting changes what it says of a server that is not there.
    if let Some(limit) = question.limit.filter(|_| question.target.starts_with("https:")) {
        command.args(["--connect-timeout", &limit.as_secs().to_string()]);
    }
    command.arg(as_web(question.target));
    let output = run(command, question.patience)?;
    let code = output.code.unwrap();
    if code == 0 {
        let status = output.stdout.parse::<u16>().unwrap();
        let is_error = status >= 400;
        return is_error.then(|| format!("0 no error: prints the page of HTTP {status}"));
    }
    let said = output.stderr.lines().find_map(|line| line.strip_prefix("curl: "));
    let said = said.unwrap_or_else(|| panic!("curl said nothing: {output}"));
    let (number, message) = said.split_once(") ").unwrap();
    assert_eq!(number, format!("({code}"));
    Some(format!("{code} {}", without_time(&without_version(message))))
}

/// Milliseconds differ every time.
pub(super) fn without_time(message: &str) -> String {
    match (message.split_once(" after "), message.split_once(" ms: ")) {
        (Some((before, _)), Some((_, after))) => format!("{before} after N ms: {after}"),
        _ => message.to_owned(),
    }
}

/// Newer builds name their OpenSSL in the message.
fn without_version(message: &str) -> String {
    match message.split_once("OpenSSL/") {
        Some((before, after)) => {
            format!("{before}{}", after.split_once(": ").map_or("", |(_, rest)| rest))
        }
        None => message.trim_end().to_owned(),
    }
}

/// netcat knocks only.
fn nc(question: Question<'_>) -> Option<String> {
    let (scheme, rest) = question.target.split_once("://").unwrap();
    let authority = rest.split('/').next().unwrap();
    let usual = if scheme == "https" { "443" } else { "80" };
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port),
        _ => (authority, usual),
    };
    let mut command = client(question.host, "nc");
    command.args(["-vz", host.trim_matches(['[', ']']), port]);
    let output = run(command, question.patience)?;
    output.stderr.lines().find(|line| line.starts_with("nc: ")).map(ToOwned::to_owned)
}

fn node(question: Question<'_>) -> Option<String> {
    let mut command = proxied(question, "node");
    if let Some(roots) = question.roots {
        command.env("NODE_EXTRA_CA_CERTS", roots);
    }
    let limit = question.limit.map_or(0, |limit| limit.as_millis());
    command.args(["-e", include_str!("ask.js"), question.target, &limit.to_string()]);
    first_line(&run(command, question.patience)?)
}

fn python(question: Question<'_>) -> Option<String> {
    let mut command = proxied(question, "/usr/bin/python3");
    if let Some(roots) = question.roots {
        command.env("SSL_CERT_FILE", roots);
    }
    command.args(["-c", include_str!("ask.py"), question.target]);
    first_line(&run(command, question.patience)?)
}

fn first_line(output: &Output) -> Option<String> {
    assert_eq!(output.stderr, "", "a client failed in another way than it should");
    output.stdout.lines().next().map(ToOwned::to_owned)
}

/// `None`: it was still waiting.
fn run(command: Command, patience: Duration) -> Option<Output> {
    let output = Output::of(command, None, patience);
    (!output.stopped).then_some(output)
}

/// The address to type into a browser.
fn as_web(target: &str) -> String {
    target.replace("tcp://", "http://").replace("tls://", "https://")
}
