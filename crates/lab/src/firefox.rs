//! Firefox, headless, driven through Marionette: what its error pages show, and nothing more.
//!
//! The profile is fresh and thrown away. The browser makes no traffic of its own and loads exactly
//! the address it is given: Firefox as installed tries `https:` first when somebody types
//! `http://`, and would describe port 443.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use crate::ca::Ca;
use crate::fail::{OrFail as _, fail};
use crate::host::Host;
use crate::process::Process;
use crate::until::try_until;

mod marionette;

use marionette::Marionette;

/// How long an error page may take to show its heading once it is loaded.
const HEADING: Duration = Duration::from_secs(5);

/// Off: whatever would go out or differ from what the test asked for. Marionette itself switches
/// off updates, safe browsing and first-run pages.
const PREFERENCES: [(&str, &str); 13] = [
    ("app.normandy.enabled", "false"),
    ("browser.newtabpage.activity-stream.feeds.topsites", "false"),
    ("browser.region.update.enabled", "false"),
    ("datareporting.policy.dataSubmissionEnabled", "false"),
    ("dom.push.connection.enabled", "false"),
    ("dom.security.https_first", "false"),
    ("extensions.getAddons.cache.enabled", "false"),
    ("network.captive-portal-service.enabled", "false"),
    ("network.connectivity-service.enabled", "false"),
    ("network.trr.mode", "5"),
    ("nimbus.rollouts.enabled", "false"),
    ("services.settings.server", "\"data:,\""),
    ("toolkit.telemetry.enabled", "false"),
];

/// The page as the visitor has it: its address, its heading and the code below it. The
/// heading stands in a shadow tree; only error pages have the functions that give the code.
const LOOK: &str = "\
    const card = document.querySelector('net-error-card');
    const heading = (card ? card.shadowRoot : document).querySelector('h1');
    const page = document.wrappedJSObject ?? document;
    let code = '';
    if (page.getFailedCertSecurityInfo) { code = page.getFailedCertSecurityInfo().errorCodeString; }
    else if (page.getNetErrorInfo) { code = page.getNetErrorInfo().errorCodeString; }
    return {
      address: document.documentURI,
      heading: heading ? heading.textContent.trim() : '',
      code: code,
    };";

/// Lets an authority's certificate identify web sites.
const TRUST: &str = "\
    Cc['@mozilla.org/security/x509certdb;1'].getService(Ci.nsIX509CertDB)
      .addCertFromBase64(arguments[0], 'CT,,');";

/// Sets preferences by their type.
const SET: &str = "\
    for (const [name, value] of Object.entries(arguments[0])) {
      if (typeof value === 'boolean') { Services.prefs.setBoolPref(name, value); }
      else if (typeof value === 'number') { Services.prefs.setIntPref(name, value); }
      else { Services.prefs.setStringPref(name, value); }
    }";

/// What Firefox shows instead of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorPage {
    /// The security library's code where there is one (`SEC_ERROR_…`), else the `e=` of
    /// `about:neterror`.
    pub id: String,
    /// The heading.
    pub heading: String,
}

/// What came of opening an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// A page, whole or not, or nothing but a dialog.
    Page,
    /// An error page.
    Error(ErrorPage),
    /// It was still waiting when the patience was over.
    Waiting,
}

/// A running Firefox with one window; it is killed when this is dropped, as asking it to end may
/// meet a dialog that waits for an answer.
#[derive(Debug)]
pub struct Firefox {
    marionette: Marionette,
    /// The page before has not come to an end.
    is_loading: AtomicBool,
    _process: Process,
}

impl Firefox {
    /// Starts it on a host, with an empty profile and without a proxy.
    #[track_caller]
    pub fn start(host: &Host) -> Self {
        let directory = host.directory("firefox");
        let port = host.free_port();
        let mut profile: String = PREFERENCES
            .iter()
            .map(|(name, value)| format!("user_pref(\"{name}\", {value});\n"))
            .collect();
        profile += &format!("user_pref(\"marionette.port\", {port});\n");
        profile += "user_pref(\"network.proxy.type\", 0);\n";
        fs::write(directory.join("user.js"), profile).or_fail("cannot write the profile");
        let mut command = host.command("firefox-esr");
        command.args(["--headless", "--marionette", "--no-remote", "--remote-allow-system-access"]);
        command.arg("--profile").arg(&directory);
        for variable in ["HOME", "TMPDIR", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"] {
            command.env(variable, &directory);
        }
        command.env("MOZ_CRASHREPORTER_DISABLE", "1");
        let mut process = host.spawn_command(command);
        process.wait_listening(port);
        let marionette = Marionette::begin(host, port);
        Self { marionette, is_loading: AtomicBool::new(false), _process: process }
    }

    /// Its major version: wording differs between them.
    #[track_caller]
    pub fn major(&self) -> u32 {
        let version = &self.marionette.version;
        let major = version.split('.').next().and_then(|major| major.parse().ok());
        major.or_fail(format_args!("Firefox's version is {version}"))
    }

    /// Trusts an authority from now on.
    pub fn trust(&self, ca: &Ca) {
        self.privileged(TRUST, &json!([ca.root_base64()]));
    }

    /// Sends everything through a forward proxy from now on.
    pub fn use_proxy(&self, name: &str, port: u16) {
        self.set(&json!({
            "network.proxy.type": 1,
            "network.proxy.http": name, "network.proxy.http_port": port,
            "network.proxy.ssl": name, "network.proxy.ssl_port": port,
        }));
    }

    /// Sets preferences, e.g. `{"network.http.connection-timeout": 5}`.
    pub fn set(&self, preferences: &Value) {
        self.privileged(SET, &json!([preferences]));
    }

    /// Opens an address and says what is to be seen, after `patience` at the latest.
    #[track_caller]
    pub fn open(&self, url: &str, patience: Duration) -> Shown {
        if self.is_loading.swap(false, Ordering::Relaxed) {
            // What still loads would otherwise end in this page's stead.
            self.marionette.must("WebDriver:Navigate", &json!({"url": "about:blank"}));
        }
        let limit = u64::try_from(patience.as_millis()).unwrap_or(u64::MAX);
        self.marionette.must("WebDriver:SetTimeouts", &json!({"pageLoad": limit}));
        match self.marionette.ask("WebDriver:Navigate", &json!({"url": url})) {
            Ok(_) => Shown::Page,
            Err(error) if error.kind == "timeout" => {
                self.is_loading.store(true, Ordering::Relaxed);
                Shown::Waiting
            }
            Err(error) if error.is_dialog() => Shown::Page,
            Err(error) if error.is_page() => Shown::Error(self.error_page(url)),
            Err(error) => fail(format_args!("Firefox cannot open {url}: {error}")),
        }
    }

    /// Reads the error page once it has drawn its heading.
    #[track_caller]
    fn error_page(&self, url: &str) -> ErrorPage {
        let look = json!({"script": LOOK, "args": []});
        let page = try_until(HEADING, || {
            let page = self.marionette.must("WebDriver:ExecuteScript", &look)["value"].clone();
            let drawn = page["heading"].as_str().is_some_and(|heading| !heading.is_empty());
            drawn.then_some(page)
        });
        let page = page.or_fail(format_args!("Firefox's error page for {url} has no heading"));
        let text = |name: &str| page[name].as_str().unwrap_or_default().to_owned();
        let address = text("address");
        let query = address.split_once('?').map_or("", |(_, query)| query);
        let error = query.split('&').find_map(|pair| pair.strip_prefix("e="));
        let code = text("code");
        let id = if code.is_empty() { error.unwrap_or_default().to_owned() } else { code };
        ErrorPage { id, heading: text("heading") }
    }

    /// Runs a script with the browser's own rights.
    #[track_caller]
    fn privileged(&self, script: &str, arguments: &Value) {
        self.marionette.must("Marionette:SetContext", &json!({"value": "chrome"}));
        let script = json!({"script": script, "args": arguments});
        self.marionette.must("WebDriver:ExecuteScript", &script);
        self.marionette.must("Marionette:SetContext", &json!({"value": "content"}));
    }
}
