//! The pages in a real browser: the way from set-up to acknowledging, live updates, life without
//! JavaScript, contrast, width, and a picture of every page.
//!
//! Pictures go to the directory that `WHYDOWN_SCREENSHOTS` names, or to a temporary one.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::runtime::Handle;
use whydown_lab::{Browser, Host, until};
use whydown_server::channel::Channel;
use whydown_server::config::{self, Config};
use whydown_server::outbox::Schedule;
use whydown_server::serve::{Probing, Surroundings};

use crate::demo;
use crate::site::{PASSWORD, Site};

/// How long something may take to appear.
const PATIENCE: Duration = Duration::from_secs(10);
/// Who is told, for the page of it.
const RULES: &str = "
channels: [{ name: ops, webhook: { url: 'http://127.0.0.1:9/' } }]
people: [{ name: Ada Lovelace, notify: ops }, { name: Grace Hopper, notify: ops }]
on_call:
  - { name: primary, people: [Ada Lovelace, Grace Hopper], since: 2026-01-05 09:00 }
  - { name: nights, shifts: [{ person: Grace Hopper, hours: '22:00-06:00' }] }
policies:
  - name: urgent
    match: { severity: critical }
    steps: [{ after: 2m, on_call: primary }, { after: 10m, people: [Ada Lovelace, Grace Hopper] }]
    repeat: { every: 15m, times: 4 }
  - { name: low, match: { tags: lab }, notify: ops, digest: { every: day, at: '08:00' } }
maintenance:
  - { name: patch day, tags: [front], month_days: ['second tue'], at: '02:00', for: 2h }
  - { name: always, tags: [nothing], days: [mon, tue, wed, thu, fri, sat, sun], at: '00:00', for: 24h }
";

/// Tallest picture, in CSS pixels.
const TALLEST: u64 = 4_000;

/// Texts with too little contrast to their background (WCAG 2.2 §1.4.3): 4.5, or 3 when large.
const FAINT_TEXTS: &str = r"
const rgb = (text) => (text.match(/[\d.]+/g) || []).map(Number);
const light = ([r, g, b]) => {
  const part = (c) => { c /= 255; return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4; };
  return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
};
const behind = (element) => {
  for (let e = element; e; e = e.parentElement) {
    const [r, g, b, a = 1] = rgb(getComputedStyle(e).backgroundColor);
    if (a > 0.99) return [r, g, b];
  }
  return [255, 255, 255];
};
const faint = [];
const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walk.nextNode()) {
  const element = walk.currentNode.parentElement;
  const style = getComputedStyle(element);
  const box = element.getBoundingClientRect();
  const text = walk.currentNode.textContent.trim();
  if (!text || box.width < 2 || element.closest('svg, .hidden, :disabled')) continue;
  const [a, b] = [light(rgb(style.color)), light(behind(element))].sort((x, y) => y - x);
  const ratio = (a + 0.05) / (b + 0.05);
  const size = parseFloat(style.fontSize);
  const large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
  if (ratio < (large ? 3 : 4.5)) faint.push(`${ratio.toFixed(2)}: ${text.slice(0, 40)}`);
}
return faint;";

/// A site on a real port, with a browser on it.
struct Seat {
    site: Site,
    base: String,
    pictures: PathBuf,
    _pictures: Option<tempfile::TempDir>,
}

impl Seat {
    async fn new(site: Site) -> Self {
        let base = listen(site.router.clone()).await;
        let wanted = std::env::var_os("WHYDOWN_SCREENSHOTS").map(PathBuf::from);
        let own = wanted.is_none().then(|| tempfile::tempdir().unwrap());
        let pictures = wanted.unwrap_or_else(|| own.as_ref().unwrap().path().to_owned());
        std::fs::create_dir_all(&pictures).unwrap();
        Self { site, base, pictures, _pictures: own }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// The whole page, `width` CSS pixels wide. It must not be wider than its window, nor may its
    /// texts be faint.
    fn picture(&self, browser: &Browser, name: &str, width: u64, dark: bool) {
        browser.set_dark(dark);
        let shape = |height: u64| {
            let scale = if width < 500 { 2 } else { 1 };
            let shape = json!({
                "width": width, "height": height, "deviceScaleFactor": scale, "mobile": false,
            });
            browser.devtools("Emulation.setDeviceMetricsOverride", &shape);
        };
        shape(800);
        let measure = "const e = document.documentElement;\
            return [e.scrollWidth - e.clientWidth, e.scrollHeight];";
        let measured = browser.script(measure, &[]);
        let wide = "const w = document.documentElement.clientWidth;\
            return [...document.querySelectorAll('body *')]\
            .filter((e) => e.getBoundingClientRect().right > w + 1)\
            .slice(0, 5).map((e) => e.outerHTML.slice(0, 80));";
        assert_eq!(
            measured[0],
            0,
            "{name} scrolls sideways at {width} px: {}",
            browser.script(wide, &[])
        );
        shape(measured[1].as_u64().unwrap().clamp(600, TALLEST));
        browser.save_screenshot(&self.pictures.join(format!("{name}.png")));
        let faint = browser.script(FAINT_TEXTS, &[]);
        assert_eq!(faint, json!([]), "{name} has faint texts");
        browser.devtools("Emulation.clearDeviceMetricsOverride", &json!({}));
        browser.set_dark(false);
    }

    /// The page in light, dark and on a phone.
    fn pictures(&self, browser: &Browser, name: &str) {
        self.picture(browser, &format!("{name}-light"), 1_280, false);
        self.picture(browser, &format!("{name}-dark"), 1_280, true);
        self.picture(browser, &format!("{name}-phone"), 360, false);
        self.picture(browser, &format!("{name}-phone-dark"), 360, true);
    }

    fn set_up(&self, browser: &Browser, path: &str) {
        browser.open(&self.url(path));
        self.pictures(browser, "set-up");
        browser.find("#password").type_text(PASSWORD);
        browser.find("#again").type_text(PASSWORD);
        browser.find("button.primary").click();
        browser.wait_text("You are the administrator");
    }
}

async fn listen(router: axum::Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await });
    format!("http://{address}")
}

fn hook(name: &str, url: &str) -> Channel {
    let value = serde_json::json!({ "name": "hook", "webhook": { "url": url } });
    Channel { name: name.to_owned(), ..whydown_server::config::channel(&value).unwrap() }
}

/// Nothing that the policy forbids, nothing that a script stumbled over. Pages that are left
/// cut their stream off, which is no mistake.
fn assert_quiet(browser: &Browser) {
    let lines = browser.console();
    let bad: Vec<_> = lines
        .iter()
        .filter(|line| line.source == "security" || line.source == "javascript")
        .collect();
    assert!(bad.is_empty(), "{bad:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn from_set_up_to_an_acknowledged_incident() {
    let receiver = listen(axum::Router::new().fallback(|| async { "taken" })).await;
    let dir = tempfile::tempdir().unwrap();
    let rules = dir.path().join("whydown.yaml");
    std::fs::write(&rules, RULES).unwrap();
    let config = Config {
        rules: config::load(&rules, &|_| None).unwrap().rules,
        monitors: demo::monitors(&["ops", "pager"]),
        channels: vec![
            hook("ops", &format!("{receiver}/in")),
            hook("pager", "http://127.0.0.1:9/"),
        ],
        file: Some("/etc/whydown/whydown.yaml".into()),
        ..Config::default()
    };
    let schedule = Schedule { attempts_max: 1, ..Schedule::default() };
    let around = Surroundings { schedule, probing: Probing::Off, ..Surroundings::default() };
    let seat = Seat::new(Site::around(config, around).await).await;
    demo::fill(&seat.site, 90).await;
    let setup = seat.site.setup_path().await;
    let runtime = Handle::current();
    tokio::task::spawn_blocking(move || {
        let browser = Browser::start(&Host::machine());
        seat.set_up(&browser, &setup);
        browser.open(&seat.url("/"));
        browser.wait_text("2 of 11 are down");
        seat.pictures(&browser, "overview");
        keyboard(&browser);
        browser.find("a.name[href='/monitors/shop']").click();
        browser.wait_url("/monitors/shop");
        seat.pictures(&browser, "monitor");
        browser.find(".why a").click();
        browser.wait_text("The path of a request");
        seat.pictures(&browser, "incident");
        browser.find("form[action$='/acknowledge'] button").click();
        browser.wait_text("Acknowledged by admin");
        browser.find("#text").type_text("The switch in rack 4 was replaced.");
        browser.find("form[action$='/comments'] button").click();
        browser.wait_text("admin: The switch in rack 4 was replaced.");
        seat.pictures(&browser, "incident-acknowledged");
        alerting(&seat, &browser);
        assert_quiet(&browser);
        live(&seat, &browser, &runtime);
        other_pages(&seat, &browser);
        assert_quiet(&browser);
    })
    .await
    .unwrap();
}

/// "/" goes to the filter, and the first stop of the tab key is the link to the content.
fn keyboard(browser: &Browser) {
    browser.find("body").type_text("/");
    let focused = browser.script("return document.activeElement.id;", &[]);
    assert_eq!(focused, "q");
    browser.script("document.activeElement.blur(); return 0;", &[]);
    let first = "return document.querySelector('a, button, input').getAttribute('href');";
    assert_eq!(browser.script(first, &[]), "#main");
}

/// What changes is shown without loading the page again, and said to screen readers.
fn live(seat: &Seat, browser: &Browser, runtime: &Handle) {
    browser.open(&seat.url("/"));
    until(PATIENCE, "the stream", || linked(browser));
    browser.script("window.kept = true; return 0;", &[]);
    runtime.block_on(async {
        let now = jiff::Timestamp::now();
        for ms in [200, 100, 0] {
            let at = now - Duration::from_millis(ms);
            demo::report(&seat.site, "www", "local", demo::shop_refused(at)).await;
        }
        seat.site.running.settled().await;
    });
    browser.wait_text("3 of 11 are down");
    assert_eq!(browser.script("return window.kept;", &[]), true);
    let said = "return document.querySelector('#announce').textContent;";
    assert_eq!(browser.script(said, &[]), "3 of 11 are down");
    browser.wait_text("live");
}

/// The page of alerts: what was given up is there, and a silence is made and ended.
fn alerting(seat: &Seat, browser: &Browser) {
    browser.open(&seat.url("/alerting"));
    browser.find("#monitors").type_text("shop, intra*");
    browser.find("#for").type_text("2h");
    browser.find("#comment").type_text("moving to another rack");
    browser.find("form[action='/alerting/silences'] button").click();
    browser.wait_text("by admin: moving to another rack");
    seat.pictures(browser, "alerting");
    browser.find("details.more summary").click();
    seat.picture(browser, "alerting-all", 1_280, false);
    assert!(!browser.find_all("form[action='/alerting/retry'] button").is_empty());
    browser.find("form[action$='/end'] button").click();
    browser.wait_text("Nothing is silenced.");
}

fn linked(browser: &Browser) -> Option<()> {
    let linked = browser.script("return document.documentElement.dataset.linked;", &[]);
    (linked == "yes").then_some(())
}

fn other_pages(seat: &Seat, browser: &Browser) {
    for (name, path) in [
        ("monitor-fine", "/monitors/login?window=7d"),
        ("incidents", "/incidents"),
        ("channels", "/channels"),
        ("locations", "/locations"),
        ("hosts", "/hosts"),
        ("new-channel", "/new-channel/slack-bot"),
        ("account", "/account"),
        ("new-monitor", "/new"),
        ("kept-in-the-file", "/monitors/shop/edit"),
        ("not-found", "/nowhere"),
        ("filter", "/?q=internal&window=90d"),
    ] {
        browser.open(&seat.url(path));
        seat.pictures(browser, name);
    }
    browser.open(&seat.url("/new"));
    browser.find("#target").type_text("htp://x");
    browser.find("#interval").type_text("soon");
    browser.find("form.narrow button.primary").click();
    browser.wait_text("Not saved yet");
    seat.picture(browser, "new-monitor-problems", 1_280, false);
    joins(seat, browser);
    browser.open(&seat.url("/account"));
    browser.find("#token-name").type_text("deploy script");
    browser.find("form[action='/account/tokens'] button").click();
    browser.wait_text("Copy it now");
    seat.picture(browser, "account-token", 1_280, false);
    browser.find("form[action='/sign-out'] button").click();
    browser.wait_url("/sign-in");
    seat.pictures(browser, "sign-in");
}

/// What has to be started elsewhere is shown once, as a command.
fn joins(seat: &Seat, browser: &Browser) {
    browser.open(&seat.url("/locations"));
    browser.find("#l-name").type_text("fra1");
    browser.find("#l-region").type_text("eu");
    browser.find("form[action='/locations'] button").click();
    browser.wait_text("Start the probe over there");
    seat.pictures(browser, "location-added");
    browser.open(&seat.url("/hosts"));
    browser.find("#h-name").type_text("web1");
    browser.find("#h-ports").type_text("80, 443");
    browser.find("form[action='/hosts'] button").click();
    browser.wait_text("Start the agent on the host");
    seat.pictures(browser, "host-added");
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_works_without_javascript() {
    let seat = Seat::new(Site::probing(Config::default()).await).await;
    let setup = seat.site.setup_path().await;
    tokio::task::spawn_blocking(move || {
        let browser = Browser::start(&Host::machine());
        browser.set_javascript(false);
        seat.set_up(&browser, &setup);
        browser.open(&seat.url("/"));
        seat.pictures(&browser, "empty");
        browser.find("#target").type_text("tcp://127.0.0.1:1");
        browser.find("main button.primary").click();
        browser.wait_text("Created.");
        until(PATIENCE, "the first check", || {
            browser.reload();
            browser.text().contains("tcp.refused").then_some(())
        });
        browser.find("form[action$='/pause'] button").click();
        browser.wait_text("Paused. It is no longer checked.");
        browser.find("form[action$='/resume'] button").click();
        browser.wait_text("Resumed.");
        let entry = seat.site.running.app().status("127.0.0.1").unwrap().entry;
        assert!(!entry.monitor.paused);
        browser.find("button[name=theme][value=dark]").click();
        browser.wait_text("Newest checks");
        assert_eq!(browser.find("html").attribute("data-theme").as_deref(), Some("dark"));
        browser.find("button[name=theme][value=auto]").click();
        browser.wait_text("Newest checks");
        browser.find("a[href$='/delete']").click();
        browser.wait_text("Delete 127.0.0.1?");
        browser.find("main button.danger").click();
        browser.wait_text("Nothing is watched yet");
        browser.open(&seat.url("/diagnose"));
        browser.find("#target").type_text("http://127.0.0.1:1/");
        browser.find("main button.primary").click();
        browser.wait_text("Make sure");
        seat.pictures(&browser, "diagnose");
        tabs(&browser);
        let console: Vec<_> = browser.console();
        assert!(console.iter().all(|line| line.source != "security"), "{console:?}");
    })
    .await
    .unwrap();
}

/// The systems' tabs are radio buttons: they switch without a script.
fn tabs(browser: &Browser) {
    let labels = browser.find_all(".tabs label");
    labels[1].click();
    let shown: Vec<Value> = browser
        .find_all(".tabs:first-of-type .panel")
        .iter()
        .map(|panel| Value::from(panel.is_displayed()))
        .collect();
    assert_eq!(shown.get(1), Some(&Value::from(true)), "{shown:?}");
    assert_eq!(shown.first(), Some(&Value::from(false)), "{shown:?}");
}
