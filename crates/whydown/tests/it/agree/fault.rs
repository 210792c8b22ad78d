//! One fault, asked about by everyone, and the comparison.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;
use whydown_lab::{Browser, Ca, Host};

use super::clients::{Question, Said, chrome, tools, without_time};
use crate::run::{Verdict, run, whydown};

/// Enough for every client that says something by itself.
const PATIENCE: Duration = Duration::from_secs(20);
/// The limit of clients whose own would be minutes.
const LIMIT: Duration = Duration::from_secs(2);

/// A fault that is in place.
pub(super) struct Fault {
    what: String,
    target: String,
    patience: Duration,
    limit: Option<Duration>,
    also: Vec<(&'static str, Option<&'static str>)>,
}

impl Fault {
    pub(super) fn new(what: impl Into<String>, target: impl Into<String>) -> Self {
        let (what, target) = (what.into(), target.into());
        Self { what, target, patience: PATIENCE, limit: None, also: Vec::new() }
    }

    /// The server says nothing: clients that have a limit get a shorter one, the others are
    /// ended after `patience`.
    pub(super) fn silent(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self.limit = Some(LIMIT);
        self
    }

    /// A client that says one of two things, as a race ends; why is said where this is called.
    pub(super) fn or(mut self, client: &'static str, said: Option<&'static str>) -> Self {
        self.also.push((client, said));
        self
    }

    /// Is it one of the other things that this client may say?
    fn allows(&self, client: &str, said: Option<&str>) -> bool {
        self.also.contains(&(client, said))
    }
}

/// Where faults are looked at from.
pub(super) struct Panel {
    host: Host,
    pub(super) browser: Browser,
    roots: Option<PathBuf>,
}

impl Panel {
    pub(super) fn on(host: &Host) -> Self {
        Self { host: host.clone(), browser: Browser::start(host), roots: None }
    }

    /// Everyone trusts this authority.
    pub(super) fn trusting(host: &Host, ca: &Ca) -> Self {
        ca.trusted_by_chromium(host);
        Self { roots: Some(ca.bundle()), ..Self::on(host) }
    }

    /// Shows each fault to everyone, and fails with all differences at once.
    #[track_caller]
    pub(super) fn agrees(&self, faults: &[Fault]) {
        let differences: Vec<String> =
            faults.iter().flat_map(|fault| self.compare(fault)).collect();
        assert!(
            differences.is_empty(),
            "{} differences in {} faults:\n{}",
            differences.len(),
            faults.len(),
            differences.join("\n")
        );
    }

    fn compare(&self, fault: &Fault) -> Vec<String> {
        let question = Question {
            host: &self.host,
            target: &fault.target,
            roots: self.roots.as_deref(),
            patience: fault.patience,
            limit: fault.limit,
        };
        let is_page = fault.target.starts_with("http");
        let (expected, real) = std::thread::scope(|scope| {
            let expected = scope.spawn(|| self.expected(fault));
            let tools = scope.spawn(move || tools(question));
            // A browser opens pages only.
            let chrome = is_page.then(|| ("chrome", chrome(&self.browser, question)));
            let mut real = tools.join().unwrap();
            real.extend(chrome);
            (expected.join().unwrap(), real)
        });
        let differs = |(client, said): (&&'static str, &Option<String>)| {
            let wrong = expected[*client] != *said && !fault.allows(client, said.as_deref());
            wrong.then(|| {
                let Fault { what, target, .. } = fault;
                format!(
                    "{what} ({target}), {client}:\n  seen_as {:?}\n  really  {said:?}",
                    expected[*client]
                )
            })
        };
        real.iter().filter_map(differs).collect()
    }

    /// `seen_as` of whydown's verdict.
    fn expected(&self, fault: &Fault) -> Said {
        let mut command = whydown(&self.host);
        if let Some(roots) = &self.roots {
            command.env("SSL_CERT_FILE", roots);
        }
        let timeout = if fault.limit.is_some() { "2500ms" } else { "15s" };
        let arguments = ["diagnose", &fault.target, "--json", "--quick", "--timeout", timeout];
        let verdict = Verdict::of(run(command, &arguments));
        let seen = &verdict.json["seen_as"];
        assert!(seen.is_object(), "{}: nothing failed: {}", fault.what, verdict.json);
        let text = |value: &Value| value.as_str().map(ToOwned::to_owned);
        let curl = seen["curl"].as_object().map(|said| {
            format!("{} {}", said["exit"], without_time(said["message"].as_str().unwrap()))
        });
        let plain = ["chrome", "nc", "node", "python"].map(|name| (name, text(&seen[name])));
        plain.into_iter().chain([("curl", curl)]).collect()
    }
}
