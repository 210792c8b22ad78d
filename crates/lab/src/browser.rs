//! A real browser: headless Chromium, driven through chromedriver (W3C WebDriver).
//!
//! Only what tests of pages need. Every call has a deadline; the profile is fresh and thrown away.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use crate::base64;
use crate::fail::{OrFail as _, fail, need_program};
use crate::host::Host;
use crate::process::Process;
use crate::until::until;

mod element;
mod session;

pub use element::Element;
use session::Session;

/// How long a page may take to load before [`Browser::try_open`] gives up.
const PAGE_LOAD: Duration = Duration::from_secs(60);
/// How long something may take to appear on a page.
const APPEARANCE: Duration = Duration::from_secs(10);

/// Nothing of its own on the network, no first-run pages, no sandbox (which refuses root).
const FLAGS: [&str; 11] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-default-apps",
    "--password-store=basic",
];

/// The code on Chromium's own error pages (network and certificate), empty on all others.
const ERROR_PAGE_CODE: &str = "\
    if (location.href !== 'chrome-error://chromewebdata/') { return ''; }
    const code = document.querySelector('.error-code, #error-code');
    return code ? code.textContent.trim() : 'ERR_WITHOUT_A_CODE';";
const WITHOUT_A_CODE: &str = "ERR_WITHOUT_A_CODE";

/// A line of the browser's console: scripts' messages, failed loads, breaches of the CSP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsoleLine {
    /// `SEVERE`, `WARNING`, `INFO`…
    pub level: String,
    /// `security` (CSP), `network`, `javascript`, `console-api`…
    pub source: String,
    /// What it says.
    pub message: String,
}

/// A running browser with one window; it ends when this is dropped.
#[derive(Debug)]
pub struct Browser {
    session: Session,
    /// chromedriver; the browser is its child.
    _driver: Process,
}

impl Browser {
    /// Starts a browser on a host, with an empty profile and without a proxy.
    #[track_caller]
    pub fn start(host: &Host) -> Self {
        Self::start_with(host, &["--no-proxy-server"])
    }

    /// The same with other flags, e.g. `--proxy-server=http://10.99.2.30:3128`.
    #[track_caller]
    pub fn start_with(host: &Host, flags: &[&str]) -> Self {
        let binary = need_program("chromium");
        let directory = host.directory("browser");
        let profile = directory.join("profile").display().to_string();
        let port = host.free_port();
        let mut command = host.command("chromedriver");
        command.arg(format!("--port={port}"));
        // Everything it writes is thrown away with its directory.
        for variable in ["HOME", "TMPDIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"] {
            command.env(variable, &directory);
        }
        let mut driver = host.spawn_command(command);
        // It listens on ::1 before it does on 127.0.0.1, where it is asked.
        driver.wait_output("started successfully");
        let mut args: Vec<String> = FLAGS.iter().chain(flags).map(ToString::to_string).collect();
        args.push(format!("--user-data-dir={profile}"));
        let capabilities = json!({"capabilities": {"alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": {"args": args, "binary": binary},
            "goog:loggingPrefs": {"browser": "ALL"},
            "timeouts": {"pageLoad": milliseconds(PAGE_LOAD), "implicit": 0},
        }}});
        let session = Session::begin(host, port, &capabilities);
        Self { session, _driver: driver }
    }

    /// Opens a page and waits until it is loaded.
    #[track_caller]
    pub fn open(&self, url: &str) {
        if let Err(error) = self.try_open(url) {
            fail(format_args!("the browser cannot open {url}: {error}"));
        }
    }

    /// Opens a page as [`Browser::open`] does.
    ///
    /// # Errors
    /// What the browser says instead of the page, e.g. `net::ERR_CONNECTION_REFUSED`, or `timeout`
    /// (see [`Browser::set_page_load_limit`]).
    pub fn try_open(&self, url: &str) -> Result<(), String> {
        if let Err(error) = self.session.try_post("/url", &json!({"url": url})) {
            return Err(error.net_error().unwrap_or(error.kind));
        }
        // chromedriver counts most error pages as loaded; they show the code.
        let shown = text(&self.script(ERROR_PAGE_CODE, &[]));
        match shown.trim_start_matches("net::") {
            "" => Ok(()),
            // Only the DevTools know why a page stays empty.
            WITHOUT_A_CODE => {
                let page = self.devtools("Page.navigate", &json!({"url": url}));
                Err(text(&page["errorText"]))
            }
            code => Err(format!("net::{code}")),
        }
    }

    /// Changes how long a page may take to load (60 s at first).
    pub fn set_page_load_limit(&self, limit: Duration) {
        self.session.post("/timeouts", &json!({"pageLoad": milliseconds(limit)}));
    }

    /// Loads the page again.
    pub fn reload(&self) {
        self.session.post("/refresh", &json!({}));
    }

    /// The address of the page.
    pub fn url(&self) -> String {
        text(&self.session.get("/url"))
    }

    /// The title of the page.
    pub fn title(&self) -> String {
        text(&self.session.get("/title"))
    }

    /// The page as HTML, as it is now.
    pub fn source(&self) -> String {
        text(&self.session.get("/source"))
    }

    /// Gives the site that is open a cookie for all its paths.
    pub fn add_cookie(&self, name: &str, value: &str) {
        let cookie = json!({"cookie": {"name": name, "value": value, "path": "/"}});
        self.session.post("/cookie", &cookie);
    }

    /// The first element that matches a CSS selector; waits until there is one.
    #[track_caller]
    pub fn find(&self, css: &str) -> Element<'_> {
        let what = format!("{css} on {}", self.url());
        until(APPEARANCE, what, || self.find_all(css).into_iter().next())
    }

    /// All elements that match a CSS selector now.
    pub fn find_all(&self, css: &str) -> Vec<Element<'_>> {
        let found = self.session.post("/elements", &json!({"using": "css selector", "value": css}));
        let found = found.as_array().cloned().unwrap_or_default();
        found.iter().filter_map(|reference| Element::new(&self.session, reference)).collect()
    }

    /// The visible text of the page.
    pub fn text(&self) -> String {
        self.find("body").text()
    }

    /// Waits until the page's address contains a text: after a click that leads elsewhere.
    #[track_caller]
    pub fn wait_url(&self, wanted: &str) {
        let what = format!("{wanted:?} in the address, which was {}", self.url());
        until(APPEARANCE, what, || self.url().contains(wanted).then_some(()));
    }

    /// Waits until the page shows a text.
    #[track_caller]
    pub fn wait_text(&self, wanted: &str) {
        let what = format!("{wanted:?} on {}", self.url());
        // A page that is just being replaced has no body to read.
        let look = || self.script("return document.body ? document.body.innerText : ''", &[]);
        until(APPEARANCE, what, || text(&look()).contains(wanted).then_some(()));
    }

    /// Runs a script in the page (`return …` with `arguments[0]`…) and returns its result.
    #[track_caller]
    pub fn script(&self, code: &str, arguments: &[Value]) -> Value {
        self.session.post("/execute/sync", &json!({"script": code, "args": arguments}))
    }

    /// Sends a command of the Chrome DevTools Protocol.
    #[track_caller]
    pub fn devtools(&self, command: &str, parameters: &Value) -> Value {
        self.session.post("/goog/cdp/execute", &json!({"cmd": command, "params": parameters}))
    }

    /// Sets the size of the page's window in CSS pixels.
    pub fn set_size(&self, width: u32, height: u32) {
        self.set_metrics(width, height, 1, false);
    }

    /// A phone: 390 × 844 CSS pixels, three device pixels each, touch.
    pub fn emulate_phone(&self) {
        self.set_metrics(390, 844, 3, true);
        self.devtools("Emulation.setTouchEmulationEnabled", &json!({"enabled": true}));
    }

    fn set_metrics(&self, width: u32, height: u32, scale: u32, mobile: bool) {
        let metrics = json!({
            "width": width, "height": height, "deviceScaleFactor": scale, "mobile": mobile,
        });
        self.devtools("Emulation.setDeviceMetricsOverride", &metrics);
    }

    /// Prefers dark or light colours.
    pub fn set_dark(&self, dark: bool) {
        let value = if dark { "dark" } else { "light" };
        let features = json!([{"name": "prefers-color-scheme", "value": value}]);
        self.devtools("Emulation.setEmulatedMedia", &json!({"features": features}));
    }

    /// Lets the pages' own scripts run or not, from the next page on.
    pub fn set_javascript(&self, enabled: bool) {
        let parameters = json!({"value": !enabled});
        self.devtools("Emulation.setScriptExecutionDisabled", &parameters);
    }

    /// The visible part of the page as a PNG.
    pub fn screenshot(&self) -> Vec<u8> {
        base64::decode(&text(&self.session.get("/screenshot")))
    }

    /// Writes [`Browser::screenshot`] to a file.
    pub fn save_screenshot(&self, path: &Path) {
        fs::write(path, self.screenshot()).or_fail(format_args!("cannot write {}", path.display()));
    }

    /// What the console got since it was last asked.
    pub fn console(&self) -> Vec<ConsoleLine> {
        let lines = self.session.post("/se/log", &json!({"type": "browser"}));
        let lines = lines.as_array().cloned().unwrap_or_default();
        let line = |line: &Value| ConsoleLine {
            level: text(&line["level"]),
            source: text(&line["source"]),
            message: text(&line["message"]),
        };
        lines.iter().map(line).collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        self.session.end();
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// A JSON string's content; empty for everything else.
fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
