//! The real clients in a scene: each is asked about the target right after whydown, on the same
//! host and with the same surroundings, and has to say what `seen_as` of that verdict says.
//!
//! That takes a quarter of an hour, since a browser's start costs seconds: `WHYDOWN_CLIENTS=all`
//! asks everyone, `WHYDOWN_CLIENTS=tools` those without a window. Otherwise `agree` has to do.

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use whydown_lab::{Browser, Ca, Firefox, Host};

use super::{Scenario, Scene};
use crate::clients::{CLIENTS, Heard, Question, TOOLS, chrome, firefox, seen_as, tool};
use crate::run::Verdict;

/// Enough for every client that says something by itself, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(90);
/// The same where a client may go on waiting.
const MAY_WAIT: Duration = Duration::from_secs(20);
/// For how long a client is watched that is expected to say nothing.
const WATCHED: Duration = Duration::from_millis(2_500);
/// The limit of clients whose own would be minutes, where they are connected.
const LIMIT: Duration = Duration::from_secs(2);
/// The same where they are not: the kernel gives up after three seconds here.
const CONNECT_LIMIT: Duration = Duration::from_secs(1);
/// How often a client may miss a fault that comes and goes.
const MEETINGS_MAX: usize = 20;
const GIVES_UP: (&str, &str) = ("net.ipv4.tcp_syn_retries", "2");

/// What came of asking one client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Comparison {
    /// Its words are those of `seen_as`.
    Same,
    /// It shows no error, as `seen_as` says.
    NoError,
    /// Its words are others that the scenario names.
    Other,
    Differs {
        seen_as: Option<String>,
        really: String,
    },
    NotAsked(String),
}

/// Every client's answer, by its name.
pub(crate) type Comparisons = BTreeMap<String, Comparison>;

/// A client, and what it may say in one scene besides the words of `seen_as`.
pub(super) type Either = (&'static str, Option<String>);

/// Is a client asked in this run?
fn is_asked(client: &str) -> bool {
    match std::env::var("WHYDOWN_CLIENTS").as_deref() {
        Ok("all") => true,
        Ok("tools") => TOOLS.contains(&client),
        Ok(other) => panic!("WHYDOWN_CLIENTS is {other:?}; it may be \"all\" or \"tools\""),
        Err(_) => false,
    }
}

/// Asks everyone, all at once.
pub(super) fn ask(scene: &Scene, scenario: &Scenario, verdict: &Verdict) -> Comparisons {
    let [state, failure, ..] = verdict.in_short();
    let scheme = scenario.target.split("://").next().unwrap_or_default();
    let proxy = format!("{scheme}_proxy");
    let proxy = scene.variables.iter().find(|(name, _)| *name == proxy);
    let seen_as = &verdict.json["seen_as"];
    // Of a host that is gone its router tells, after three seconds.
    let told = seen_as.to_string().contains("No route to host");
    let is_silent = failure.ends_with("timed_out") && !told;
    if is_silent {
        scene.lab.client().sysctl(&[GIVES_UP]);
    }
    // A resolver that answers may be slow on a busy machine.
    if failure != "dns.timed_out" && !scene.resolvers.is_empty() {
        scene.lab.client().resolv_conf(scene.resolvers);
    }
    let asking = Asking {
        host: scene.lab.client(),
        ca: scene.ca.as_ref(),
        either: &scene.either,
        exceptions: &scene.exceptions,
        comes_and_goes: scene.comes_and_goes,
        target: scenario.target,
        scheme,
        failure,
        is_silent,
        is_up: state == "up",
        seen_as,
        proxy: proxy.map(|(_, address)| address.as_str()),
    };
    thread::scope(|scope| {
        let asking = &asking;
        let running = CLIENTS.map(|name| (name, scope.spawn(|| asking.answer(name))));
        let answers = running.into_iter();
        answers.map(|(name, thread)| (name.to_owned(), thread.join().unwrap())).collect()
    })
}

/// A fault as its clients meet it.
struct Asking<'a> {
    host: Host,
    ca: Option<&'a Ca>,
    either: &'a [Either],
    exceptions: &'a [(&'static str, &'static str)],
    comes_and_goes: bool,
    target: &'a str,
    scheme: &'a str,
    failure: String,
    is_silent: bool,
    is_up: bool,
    seen_as: &'a Value,
    proxy: Option<&'a str>,
}

impl Asking<'_> {
    fn answer(&self, client: &'static str) -> Comparison {
        if let Some(reason) = self.why_not(client) {
            return Comparison::NotAsked(reason.to_owned());
        }
        match client {
            "chrome" => {
                let browser = self.chromium();
                self.compare(client, None, |question| chrome(&browser, question))
            }
            "firefox" => {
                let browser = self.firefox();
                self.compare(client, Some(&browser), |question| firefox(&browser, question))
            }
            _ => self.compare(client, None, |question| tool(client, question)),
        }
    }

    /// Why a client has nothing to say of this fault.
    fn why_not(&self, client: &str) -> Option<&'static str> {
        let is_browser = !TOOLS.contains(&client);
        let opens_pages = is_browser || client == "curl";
        let exception = self.exceptions.iter().find(|(name, _)| *name == client);
        match self.scheme {
            "icmp" => Some("sends no pings"),
            "udp" if opens_pages || client == "nc" => Some("sends no datagrams"),
            "http" | "https" | "tls" | "udp" => None,
            _ if opens_pages && self.seen_as[client].is_null() => Some("opens web pages only"),
            _ => None,
        }
        .or_else(|| exception.map(|(_, reason)| *reason))
        .or_else(|| {
            let proxied = self.failure.starts_with("proxy.");
            (proxied && ["nc", "node"].contains(&client)).then_some("uses no proxy")
        })
        .or_else(|| (!is_asked(client)).then_some("not started in this run"))
    }

    fn chromium(&self) -> Browser {
        if let Some(ca) = self.ca {
            ca.trusted_by_chromium(&self.host);
        }
        match self.proxy {
            Some(proxy) => Browser::start_with(&self.host, &[&format!("--proxy-server={proxy}")]),
            None => Browser::start(&self.host),
        }
    }

    fn firefox(&self) -> Firefox {
        let browser = Firefox::start(&self.host);
        if let Some(ca) = self.ca {
            browser.trust(ca);
        }
        let proxy = self.proxy.and_then(|proxy| proxy.strip_prefix("http://")?.split_once(':'));
        if let Some((name, port)) = proxy {
            browser.use_proxy(name, port.parse().unwrap());
        }
        browser
    }

    /// Asks one client; of a fault that comes and goes until it is met.
    fn compare(
        &self,
        client: &'static str,
        browser: Option<&Firefox>,
        hear: impl Fn(Question<'_>) -> Heard,
    ) -> Comparison {
        let expected = seen_as(self.seen_as, client, browser);
        let roots = self.ca.map(Ca::bundle);
        let question = Question {
            host: &self.host,
            target: self.target,
            roots: roots.as_deref(),
            proxy: self.proxy,
            patience: self.patience(client, expected.is_some()),
            limit: self.limit(client, expected.as_deref()),
        };
        let looks = if self.comes_and_goes && expected.is_some() { MEETINGS_MAX } else { 1 };
        let mut answer = Comparison::NoError;
        for _ in 0..looks {
            let heard = hear(question);
            let met = matches!(heard, Heard::Error(_));
            answer = self.judge(client, expected.as_deref(), heard);
            if met && !matches!(answer, Comparison::Differs { .. }) {
                break;
            }
        }
        answer
    }

    fn patience(&self, client: &'static str, tells_error: bool) -> Duration {
        match tells_error || self.is_up {
            true if self.either.contains(&(client, None)) => MAY_WAIT,
            true => PATIENCE,
            false => WATCHED,
        }
    }

    /// curl says of a limit for connecting that it could not connect, whatever was wrong.
    fn limit(&self, client: &str, expected: Option<&str>) -> Option<Duration> {
        let connecting = self.failure == "tcp.timed_out";
        let elsewhere = expected.is_some_and(|words| words.starts_with("28 Failed to connect"));
        match client {
            "curl" if connecting || elsewhere => None,
            _ if !self.is_silent => None,
            _ if connecting => Some(CONNECT_LIMIT),
            _ => Some(LIMIT),
        }
    }

    fn judge(&self, client: &'static str, expected: Option<&str>, heard: Heard) -> Comparison {
        let really = match &heard {
            Heard::Error(words) => words.clone(),
            Heard::Content => "no error".to_owned(),
            Heard::Waiting => "still waits".to_owned(),
        };
        let hangs = self.is_up && heard == Heard::Waiting;
        let words = heard.words();
        match words.as_deref() {
            None if expected.is_none() && !hangs => Comparison::NoError,
            said if said == expected && !hangs => Comparison::Same,
            said if self.either.contains(&(client, said.map(ToOwned::to_owned))) => {
                Comparison::Other
            }
            _ => Comparison::Differs { seen_as: expected.map(ToOwned::to_owned), really },
        }
    }
}
