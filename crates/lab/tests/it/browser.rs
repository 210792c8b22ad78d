//! The browser shows, clicks, types, emulates and reports errors, on loopback and in the lab.

use serde_json::json;
use whydown_lab::{Answer, Behaviour, Browser, Ca, Element, Flavour, Host, Lab, Peer};

const PAGE: &str = "<!doctype html><meta name=color-scheme content='light dark'><title>Lab</title>
<style>body { background: white } @media (prefers-color-scheme: dark) { body { background: black } }
</style><h1>Hello</h1>
<form action=/sent><label>Name <input name=n></label><button>Go</button></form>
<p id=js>without script</p><script>document.getElementById('js').textContent = 'with script';
console.error('script says no')</script><noscript>no script here</noscript>";

fn page(extra: &[(&str, &str)]) -> Behaviour {
    let mut answer = Answer::new(200).header("Content-Type", "text/html").body(PAGE);
    for (name, value) in extra {
        answer = answer.header(name, value);
    }
    Behaviour::Http(answer)
}

/// Width and height in the header of a PNG (RFC 2083 §11.2.1).
fn png_size(png: &[u8]) -> (u32, u32) {
    assert!(png.starts_with(b"\x89PNG\r\n\x1a\n"));
    let number = |at: usize| u32::from_be_bytes(png[at..at + 4].try_into().expect("four bytes"));
    (number(16), number(20))
}

#[test]
fn a_page_is_read_filled_in_and_photographed_in_every_shape() {
    let machine = Host::machine();
    let peer = Peer::start(&machine, 0, page(&[]));
    let url = format!("http://127.0.0.1:{}/", peer.port());
    let browser = Browser::start(&machine);
    browser.open(&url);
    assert_eq!((browser.title().as_str(), browser.url()), ("Lab", url.clone()));
    assert_eq!(browser.find("h1").text(), "Hello");
    browser.wait_text("with script");
    assert_eq!(browser.find("button").accessible(), ("button".into(), "Go".into()));
    assert!(browser.console().iter().any(|line| line.message.contains("script says no")));
    browser.add_cookie("session", "1");
    assert_eq!(
        browser.script("return document.cookie + arguments[0]", &[json!("!")]),
        "session=1!"
    );
    browser.find("input").type_text("Ada");
    browser.find("button").click();
    browser.wait_url("/sent?n=Ada");
    browser.find("input").type_text(&format!("Eve{}", Element::ENTER));
    browser.wait_url("/sent?n=Eve");
    let colour = || browser.find("body").css("background-color");
    browser.set_dark(true);
    assert_eq!(colour(), "rgba(0, 0, 0, 1)");
    browser.set_dark(false);
    assert_eq!(colour(), "rgba(255, 255, 255, 1)");
    browser.set_size(1000, 700);
    assert_eq!(png_size(&browser.screenshot()), (1000, 700));
    browser.emulate_phone();
    assert_eq!(browser.script("return [innerWidth, devicePixelRatio]", &[])[1], 3);
    assert_eq!(png_size(&browser.screenshot()), (1170, 2532));
    browser.set_javascript(false);
    browser.open(&url);
    assert_eq!(browser.find("#js").text(), "without script");
}

#[test]
fn breaches_of_the_content_security_policy_are_in_the_console() {
    let machine = Host::machine();
    let peer = Peer::start(&machine, 0, page(&[("Content-Security-Policy", "script-src 'self'")]));
    let browser = Browser::start(&machine);
    browser.open(&format!("http://127.0.0.1:{}/", peer.port()));
    let console = browser.console();
    let breach = |line: &whydown_lab::ConsoleLine| line.message.contains("Content Security Policy");
    assert!(console.iter().any(breach), "{console:?}");
}

#[test]
fn a_browser_of_the_lab_names_the_network_error() {
    let lab = Lab::builder().small().build();
    let _peer = Peer::start(&lab.server(), 80, page(&[]));
    let ca = Ca::new();
    let identity = ca.identity(Flavour::Expired, &["10.99.2.10"]);
    let _expired = Peer::start_tls(&lab.server(), 443, page(&[]), &identity);
    let _silent = Peer::start(&lab.server(), 82, Behaviour::NeverAnswer);
    let _empty = Peer::start(&lab.server(), 81, Behaviour::CloseAfterRequest);
    let browser = Browser::start(&lab.client());
    assert_eq!(browser.try_open("http://[fd99:2::10]/"), Ok(()));
    assert_eq!(browser.find("h1").text(), "Hello");
    let expected = [
        ("http://10.99.2.10:8080/", "net::ERR_CONNECTION_REFUSED"),
        ("http://10.99.2.10:81/", "net::ERR_EMPTY_RESPONSE"),
        ("https://10.99.2.10/", "net::ERR_CERT_AUTHORITY_INVALID"),
        ("http://shop.example/", "net::ERR_NAME_NOT_RESOLVED"),
        ("http://10.99.2.10:22/", "net::ERR_UNSAFE_PORT"),
        ("http://10.99.2.10:82/", "timeout"),
    ];
    browser.set_page_load_limit(std::time::Duration::from_secs(2));
    for (url, error) in expected {
        assert_eq!(browser.try_open(url), Err(error.into()), "{url}");
    }
}
