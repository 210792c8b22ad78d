//! The real clients, each asked about one target: what it says by itself, and what `seen_as` of a
//! verdict says of it, in the same words.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use whydown_lab::{Browser, Command, ErrorPage, Firefox, Host, Output, Shown, try_until};

use crate::run::client;

/// All of them, by their names in `seen_as`.
pub(crate) const CLIENTS: [&str; 6] = ["chrome", "firefox", "curl", "nc", "node", "python"];
/// Those without a window.
pub(crate) const TOOLS: [&str; 4] = ["curl", "nc", "node", "python"];

/// The Firefox whose headings whydown tells: they change with its major version.
const FIREFOX_MEASURED: u32 = 153;

/// What `ask.js` prints of content.
const CONTENT: &str = "CONTENT";
/// Node 20's fetch forgets a request whose connection ends before it was written: the promise
/// stays as it is, and the program ends with exit code 0.
pub(crate) const NODE_FORGETS: &str = "nothing: it ends";

/// How long the console may need for its line.
const SECOND: Duration = Duration::from_secs(1);

/// What came of asking a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// It tells an error.
    Error(String),
    /// It is content.
    Content,
    /// It was still waiting when the patience was over.
    Waiting,
}

impl Heard {
    /// The words of its error; `None` where it tells none.
    pub(crate) fn words(self) -> Option<String> {
        match self {
            Self::Error(words) => Some(words),
            Self::Content | Self::Waiting => None,
        }
    }

    fn of(words: Option<String>) -> Self {
        words.map_or(Self::Content, Self::Error)
    }
}

/// What a client is given.
#[derive(Clone, Copy)]
pub(crate) struct Question<'a> {
    pub(crate) host: &'a Host,
    /// The target as whydown takes it.
    pub(crate) target: &'a str,
    /// The authority that everyone trusts.
    pub(crate) roots: Option<&'a Path>,
    /// The forward proxy that everyone is told to use.
    pub(crate) proxy: Option<&'a str>,
    /// When a client that still waits is ended.
    pub(crate) patience: Duration,
    /// The limit of clients that have one, where their own is too long for a test.
    pub(crate) limit: Option<Duration>,
}

/// How a proxy is named to curl, Python and whydown. Node 20 does not look at them.
pub(crate) fn proxy_variables(proxy: Option<&str>) -> Vec<(&'static str, &str)> {
    let named = |proxy| ["http_proxy", "https_proxy"].map(|name| (name, proxy));
    proxy.into_iter().flat_map(named).collect()
}

/// A client that minds the variables.
fn proxied(question: Question<'_>, program: &str) -> Command {
    let mut command = client(question.host, program);
    command.envs(proxy_variables(question.proxy));
    command
}

/// One of [`TOOLS`].
pub(crate) fn tool(name: &str, question: Question<'_>) -> Heard {
    match name {
        "curl" => curl(question),
        "nc" => nc(question),
        "node" => node(question),
        "python" => python(question),
        _ => panic!("{name} is no client without a window"),
    }
}

/// Chromium's code: on its error page, or in the console when a page broke off that it shows.
pub(crate) fn chrome(browser: &Browser, question: Question<'_>) -> Heard {
    browser.set_page_load_limit(question.patience);
    let url = as_web(question.target);
    let opened = browser.try_open(&url);
    let broken_off = || {
        let about = format!("{url} - ");
        let lines = browser.console().into_iter();
        let mut codes = lines.filter_map(|line| {
            let said = line.message.strip_prefix(&about)?.to_owned();
            said.split_once("net::").map(|(_, code)| code.trim().to_owned())
        });
        codes.next()
    };
    match opened {
        Ok(()) => Heard::of(try_until(SECOND, broken_off)),
        Err(error) if error == "timeout" => Heard::Waiting,
        Err(error) => Heard::Error(error.trim_start_matches("net::").to_owned()),
    }
}

/// What Firefox's error page says.
pub(crate) fn firefox(firefox: &Firefox, question: Question<'_>) -> Heard {
    match firefox.open(&as_web(question.target), question.patience) {
        Shown::Error(ErrorPage { id, heading }) => {
            Heard::Error(firefox_words(Some(firefox), &id, &heading))
        }
        Shown::Page => Heard::Content,
        Shown::Waiting => Heard::Waiting,
    }
}

/// The code and the heading; the code alone of a Firefox whose headings whydown doesn't tell.
fn firefox_words(firefox: Option<&Firefox>, id: &str, heading: &str) -> String {
    match firefox.map(Firefox::major) {
        Some(FIREFOX_MEASURED) => format!("{id}: {heading}"),
        _ => id.to_owned(),
    }
}

/// What `seen_as` of a verdict says of one client, in the words that it is heard by; `None`: it
/// shows no error.
pub(crate) fn seen_as(seen: &Value, client: &str, browser: Option<&Firefox>) -> Option<String> {
    let said = &seen[client];
    match client {
        "curl" => {
            let message = without_time(said["message"].as_str()?);
            Some(format!("{} {message}", said["exit"])).filter(tells_error)
        }
        "firefox" => Some(firefox_words(browser, said["id"].as_str()?, said["message"].as_str()?)),
        _ => said.as_str().map(ToOwned::to_owned),
    }
}

/// Is it more than a page of a status below 400?
#[expect(clippy::ptr_arg, reason = "Option::filter gives a &String")]
fn tells_error(said: &String) -> bool {
    let status = said.strip_prefix("0 no error: prints the page of HTTP ");
    !said.starts_with("0 ") || status.and_then(|number| number.parse().ok()) >= Some(400_u16)
}

/// The exit code and the message, as `seen_as` has them.
fn curl(question: Question<'_>) -> Heard {
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
    let Some(output) = run(command, question.patience) else { return Heard::Waiting };
    let code = output.code.unwrap();
    if code == 0 {
        let said = format!("0 no error: prints the page of HTTP {}", output.stdout);
        return Heard::of(Some(said).filter(tells_error));
    }
    let said = output.stderr.lines().find_map(|line| line.strip_prefix("curl: "));
    let said = said.unwrap_or_else(|| panic!("curl said nothing: {output}"));
    let (number, message) = said.split_once(") ").unwrap();
    assert_eq!(number, format!("({code}"));
    Heard::Error(format!("{code} {}", without_time(&without_version(message))))
}

/// Milliseconds differ every time.
fn without_time(message: &str) -> String {
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

/// The port that a target of this scheme means where it names none.
fn usual_port(scheme: &str) -> &'static str {
    match scheme {
        "https" => "443",
        "ssh" => "22",
        "smtp" => "25",
        "mysql" => "3306",
        "postgres" => "5432",
        "redis" => "6379",
        _ => "80",
    }
}

/// The host, without brackets, and the port of a target.
fn host_and_port(target: &str) -> (&str, &str) {
    let (scheme, rest) = target.split_once("://").unwrap();
    let authority = rest.split('/').next().unwrap();
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port),
        _ => (authority, usual_port(scheme)),
    };
    (host.trim_matches(['[', ']']), port)
}

/// netcat knocks only.
fn nc(question: Question<'_>) -> Heard {
    let (host, port) = host_and_port(question.target);
    let mut command = client(question.host, "nc");
    command.args(["-vz", host, port]);
    let Some(output) = run(command, question.patience) else { return Heard::Waiting };
    // The address that answers comes last.
    if output.code == Some(0) {
        return Heard::Content;
    }
    let said = output.stderr.lines().rfind(|line| line.starts_with("nc: "));
    Heard::Error(said.unwrap_or_else(|| panic!("nc said nothing: {output}")).to_owned())
}

fn node(question: Question<'_>) -> Heard {
    let mut command = proxied(question, "node");
    if let Some(roots) = question.roots {
        command.env("NODE_EXTRA_CA_CERTS", roots);
    }
    let limit = question.limit.map_or(0, |limit| limit.as_millis());
    let (host, port) = host_and_port(question.target);
    let script = include_str!("clients/ask.js");
    command.args(["-e", script, question.target, host, port, &limit.to_string()]);
    let heard =
        run(command, question.patience).map_or(Heard::Waiting, |output| first_line(&output));
    match heard {
        Heard::Error(words) if words == CONTENT => Heard::Content,
        Heard::Content => Heard::Error(NODE_FORGETS.to_owned()),
        other => other,
    }
}

fn python(question: Question<'_>) -> Heard {
    let mut command = proxied(question, "/usr/bin/python3");
    if let Some(roots) = question.roots {
        command.env("SSL_CERT_FILE", roots);
    }
    let (host, port) = host_and_port(question.target);
    command.args(["-c", include_str!("clients/ask.py"), question.target, host, port]);
    run(command, question.patience).map_or(Heard::Waiting, |output| first_line(&output))
}

fn first_line(output: &Output) -> Heard {
    assert_eq!(output.stderr, "", "a client failed in another way than it should");
    Heard::of(output.stdout.lines().next().map(ToOwned::to_owned))
}

/// `None`: it was still waiting.
fn run(command: Command, patience: Duration) -> Option<Output> {
    let output = Output::of(command, None, patience);
    (!output.stopped).then_some(output)
}

/// The address to type into a browser.
fn as_web(target: &str) -> String {
    let (scheme, rest) = target.split_once("://").unwrap();
    match scheme {
        "http" | "https" => target.to_owned(),
        "tls" => format!("https://{rest}"),
        _ if rest.contains("]:") || !rest.contains("::") && rest.contains(':') => {
            format!("http://{rest}")
        }
        _ => format!("http://{rest}:{}", usual_port(scheme)),
    }
}
