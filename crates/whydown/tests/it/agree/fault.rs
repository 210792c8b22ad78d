//! One fault, asked about by everyone, and the comparison.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use whydown_lab::{Browser, Ca, Firefox, Host};

use crate::clients::{CLIENTS, Question, TOOLS, chrome, firefox, proxy_variables, seen_as, tool};
use crate::run::{Verdict, run, whydown};

/// Enough for every client that says something by itself.
const PATIENCE: Duration = Duration::from_secs(20);
/// The limit of clients whose own would be minutes.
const LIMIT: Duration = Duration::from_secs(2);
/// Faults that the clients without a window are asked about at the same time.
const LANES: usize = 2;
/// For how long Firefox is watched where it shows nothing.
const NOTHING: Duration = Duration::from_secs(4);

/// What each client said, by its name.
type Said = BTreeMap<&'static str, Option<String>>;

/// A fault that is in place.
pub(super) struct Fault {
    what: String,
    target: String,
    patience: Duration,
    limit: Option<Duration>,
    firefox_patience: Option<Duration>,
    also: Vec<(&'static str, Option<&'static str>)>,
}

impl Fault {
    pub(super) fn new(what: impl Into<String>, target: impl Into<String>) -> Self {
        let (what, target) = (what.into(), target.into());
        Self {
            what,
            target,
            patience: PATIENCE,
            limit: None,
            firefox_patience: None,
            also: Vec::new(),
        }
    }

    /// The server says nothing: clients that have a limit get a shorter one, the others are
    /// ended after `patience`.
    pub(super) fn silent(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self.limit = Some(LIMIT);
        self
    }

    /// Clients need longer to say so by themselves.
    pub(super) fn patient(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// Firefox goes on waiting, or stays on the page before: the others end this sooner.
    pub(super) fn firefox_shows_nothing(mut self) -> Self {
        self.firefox_patience = Some(NOTHING);
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

    pub(super) fn is_encrypted(&self) -> bool {
        self.target.starts_with("https")
    }

    fn is_page(&self) -> bool {
        self.target.starts_with("http")
    }

    fn differences(&self, expected: &Said, real: &Said) -> Vec<String> {
        let differs = |(client, said): (&&'static str, &Option<String>)| {
            let wrong = expected[*client] != *said && !self.allows(client, said.as_deref());
            wrong.then(|| {
                let Self { what, target, .. } = self;
                let expected = &expected[*client];
                format!("{what} ({target}), {client}:\n  seen_as {expected:?}\n  really  {said:?}")
            })
        };
        real.iter().filter_map(differs).collect()
    }
}

/// Where faults are looked at from.
pub(super) struct Panel {
    host: Host,
    pub(super) browser: Browser,
    firefox: Firefox,
    roots: Option<PathBuf>,
    proxy: Option<String>,
}

impl Panel {
    pub(super) fn on(host: &Host) -> Self {
        let (browser, firefox) = std::thread::scope(|scope| {
            let firefox = scope.spawn(|| Firefox::start(host));
            (Browser::start(host), firefox.join().unwrap())
        });
        Self { host: host.clone(), browser, firefox, roots: None, proxy: None }
    }

    /// Everyone trusts this authority.
    pub(super) fn trusting(host: &Host, ca: &Ca) -> Self {
        ca.trusted_by_chromium(host);
        let panel = Self { roots: Some(ca.bundle()), ..Self::on(host) };
        panel.firefox.trust(ca);
        panel
    }

    /// Everyone goes through this forward proxy from now on. Chromium takes it at its start only.
    pub(super) fn use_proxy(&mut self, name: &str, port: u16) {
        let proxy = format!("http://{name}:{port}");
        self.browser = Browser::start_with(&self.host, &[&format!("--proxy-server={proxy}")]);
        self.firefox.use_proxy(name, port);
        self.proxy = Some(proxy);
    }

    /// Shows each fault to everyone, and fails with all differences at once. Every client goes
    /// through the faults at its own pace: browsers have one window each.
    #[track_caller]
    pub(super) fn agrees(&self, faults: &[Fault]) {
        let differences = self.differences(faults);
        assert!(
            differences.is_empty(),
            "{} differences in {} faults:\n{}",
            differences.len(),
            faults.len(),
            differences.join("\n")
        );
    }

    /// Where what is expected and what a client says are not the same.
    pub(super) fn differences(&self, faults: &[Fault]) -> Vec<String> {
        let next = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            let chrome = scope.spawn(|| {
                self.in_a_browser(faults, |fault| {
                    chrome(&self.browser, self.question(fault)).words()
                })
            });
            let firefox = scope.spawn(|| {
                self.in_a_browser(faults, |fault| {
                    let patience = fault.firefox_patience.unwrap_or(fault.patience);
                    let question = Question { patience, ..self.question(fault) };
                    firefox(&self.firefox, question).words()
                })
            });
            let lanes = [(); LANES].map(|()| scope.spawn(|| self.without_a_window(faults, &next)));
            let mut all: Vec<_> = lanes.into_iter().flat_map(|lane| lane.join().unwrap()).collect();
            all.sort_by_key(|(number, ..)| *number);
            let windows = chrome.join().unwrap().into_iter().zip(firefox.join().unwrap());
            let everyone = faults.iter().zip(all).zip(windows);
            let compared = everyone.flat_map(|((fault, (_, expected, mut real)), windows)| {
                if fault.is_page() {
                    real.extend([("chrome", windows.0), ("firefox", windows.1)]);
                }
                fault.differences(&expected, &real)
            });
            compared.collect()
        })
    }

    fn in_a_browser(
        &self,
        faults: &[Fault],
        look: impl Fn(&Fault) -> Option<String>,
    ) -> Vec<Option<String>> {
        // A browser opens pages only.
        faults.iter().map(|fault| fault.is_page().then(|| look(fault)).flatten()).collect()
    }

    /// Takes faults until there is none left: what whydown expects, and what the clients say.
    fn without_a_window(&self, faults: &[Fault], next: &AtomicUsize) -> Vec<(usize, Said, Said)> {
        let mut seen = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(fault) = faults.get(number) else { return seen };
            let (expected, real) = std::thread::scope(|scope| {
                let expected = scope.spawn(|| self.expected(fault));
                let real = tools(self.question(fault));
                (expected.join().unwrap(), real)
            });
            seen.push((number, expected, real));
        }
    }

    fn question<'a>(&'a self, fault: &'a Fault) -> Question<'a> {
        Question {
            host: &self.host,
            target: &fault.target,
            roots: self.roots.as_deref(),
            proxy: self.proxy.as_deref(),
            patience: fault.patience,
            limit: fault.limit,
        }
    }

    /// `seen_as` of whydown's verdict.
    fn expected(&self, fault: &Fault) -> Said {
        let mut command = whydown(&self.host);
        command.envs(proxy_variables(self.proxy.as_deref()));
        if let Some(roots) = &self.roots {
            command.env("SSL_CERT_FILE", roots);
        }
        let timeout = if fault.limit.is_some() { "2500ms" } else { "15s" };
        let arguments = ["diagnose", &fault.target, "--json", "--quick", "--timeout", timeout];
        let verdict = Verdict::of(run(command, &arguments));
        let seen = &verdict.json["seen_as"];
        assert!(seen.is_object(), "{}: nothing failed: {}", fault.what, verdict.json);
        let expected = |client| (client, seen_as(seen, client, Some(&self.firefox)));
        CLIENTS.into_iter().map(expected).collect()
    }
}

/// The clients without a window. Each runs on a thread of its own, all at once.
fn tools(question: Question<'_>) -> Said {
    std::thread::scope(|scope| {
        let running = TOOLS.map(|name| (name, scope.spawn(move || tool(name, question).words())));
        running.into_iter().map(|(name, thread)| (name, thread.join().unwrap())).collect()
    })
}
