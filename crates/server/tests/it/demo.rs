//! A small company's monitors on a bad morning: what pages look like when there is something to
//! see. Every verdict comes from the real engine; only the observations are made up.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use whydown_core::evidence::{AddressEvidence, Evidence, Neighbour};
use whydown_core::failure::Failure;
use whydown_core::monitor::{Monitor, StatusRanges};
use whydown_core::observation::{
    Attempt, HttpFacts, Lookup, Observation, Step, TcpFacts, Timing, TlsFacts,
};
use whydown_core::wire::Report;

use crate::site::Site;

/// The shop is down.
pub(crate) const SHOP: &str = "shop";
/// The API's backend is dead.
pub(crate) const API: &str = "api";
/// Mail works over IPv4 only.
pub(crate) const MAIL: &str = "mail";

fn v4(last: u8) -> IpAddr {
    IpAddr::from([192, 0, 2, last])
}

fn v6(last: u16) -> IpAddr {
    IpAddr::from([0x2001, 0xdb8, 0, 0x10, 0, 0, 0, last])
}

/// The monitors, in the order of the file.
pub(crate) fn monitors(notify: &[&str]) -> Vec<Monitor> {
    let make = |(name, target): (&str, &str)| {
        let mut monitor = Monitor::new(name, target.parse().unwrap());
        monitor.notify = notify.iter().map(|channel| (*channel).to_owned()).collect();
        monitor
    };
    let mut all: Vec<Monitor> = [
        (SHOP, "https://shop.example.com/"),
        (API, "https://api.example.com/health"),
        (MAIL, "smtp://mail.example.com"),
        ("www", "https://www.example.com/"),
        ("docs", "https://docs.example.com/start"),
        ("login", "https://login.example.com/"),
        ("database", "postgres://db.internal.example.com"),
        ("cache", "redis://cache.internal.example.com"),
        ("git", "ssh://git.example.com"),
        ("name service", "dns://example.com"),
        ("chat gateway", "tls://chat.example.com:5223"),
        ("old intranet", "http://intranet.example.com/"),
    ]
    .into_iter()
    .map(make)
    .collect();
    all[0].expect.status = Some("200-399".parse::<StatusRanges>().unwrap());
    all[0].expect.contains = vec!["Add to basket".to_owned()];
    all[0].expect.certificate_days = Some(14);
    all[11].paused = true;
    all
}

/// What one fine check of the `nth` monitor sees.
fn fine(nth: u64, at: Timestamp) -> Observation {
    let minute = u64::try_from(at.as_second() / 60).unwrap();
    let wave = (minute as f64 / 230.0 + nth as f64).sin() * 0.25 + 1.0;
    let noise = (minute.wrapping_mul(2_654_435_761).wrapping_add(nth * 97) % 1_000) as f64;
    let spike = if noise > 975.0 { 3.0 } else { 1.0 };
    let base = [38.0, 61.0, 24.0, 45.0, 33.0, 52.0, 3.1, 0.9, 18.0, 6.0, 29.0, 12.0];
    let ms = base[usize::try_from(nth).unwrap() % base.len()] * wave * spike + noise / 150.0;
    let part = |share: f64| Some(Duration::from_secs_f64(ms * share / 1_000.0));
    let mut attempt = Attempt::new(v4(u8::try_from(10 + nth).unwrap()), 443, Duration::ZERO);
    attempt.elapsed = part(0.93).unwrap();
    attempt.step = Step::Done;
    attempt.timing = Timing {
        connect: part(0.2),
        tunnel: None,
        tls: part(0.31),
        first_byte: part(0.36),
        body: part(0.06),
    };
    attempt.tls = Some(TlsFacts { version: Some("TLSv1.3".to_owned()), ..TlsFacts::default() });
    attempt.http =
        Some(HttpFacts { status: 200, version: "HTTP/2".to_owned(), ..HttpFacts::default() });
    let mut sixth = attempt.clone();
    sixth.ip = v6(u16::try_from(10 + nth).unwrap());
    let attempts = if nth < 3 { vec![attempt, sixth] } else { vec![attempt] };
    let lookup = lookup("api.example.com", part(0.07), &attempts);
    Observation { lookup, ..seen(at, attempts, ms) }
}

fn seen(at: Timestamp, attempts: Vec<Attempt>, ms: f64) -> Observation {
    let (state, failure) = Observation::judge(&attempts);
    Observation {
        at,
        elapsed: Duration::from_secs_f64(ms / 1_000.0),
        state,
        failure,
        lookup: None,
        proxy: None,
        attempts,
    }
}

fn lookup(name: &str, elapsed: Option<Duration>, addresses: &[Attempt]) -> Option<Lookup> {
    Some(Lookup {
        name: name.to_owned(),
        addresses: addresses.iter().map(|attempt| attempt.ip).collect(),
        elapsed: elapsed.unwrap_or_default(),
        resolver: Some(SocketAddr::new(IpAddr::from([192, 0, 2, 53]), 53)),
        rcode: Some(0),
        ttl_s: Some(300),
        ..Lookup::default()
    })
}

fn refused(ip: IpAddr, port: u16, ms: f64) -> Attempt {
    let mut attempt = Attempt::new(ip, port, Duration::ZERO);
    attempt.local = Some(SocketAddr::new(IpAddr::from([198, 51, 100, 7]), 40_112));
    attempt.elapsed = Duration::from_secs_f64(ms / 1_000.0);
    attempt.step = Step::Connect;
    attempt.failure = Some(Failure::TcpRefused);
    attempt.errno = Some(111);
    attempt.tcp = Some(TcpFacts { retransmits: 0, rtt_us: 0, pmtu: 1_500 });
    attempt
}

/// nginx is stopped: both addresses refuse, ssh on the same machine answers.
pub(crate) fn shop_refused(at: Timestamp) -> Evidence {
    let attempts = || vec![refused(v4(10), 443, 11.2), refused(v6(10), 443, 11.9)];
    let again = at.checked_add(SignedDuration::from_millis(400)).unwrap();
    let with_lookup = |at| Observation {
        lookup: lookup("shop.example.com", Some(Duration::from_micros(3_100)), &attempts()),
        ..seen(at, attempts(), 15.4)
    };
    let ssh = |ip| Neighbour {
        ip,
        port: 22,
        failure: None,
        icmp: None,
        same_service: Some(false),
        elapsed: Duration::from_micros(11_300),
    };
    let mut close = AddressEvidence::new(v4(10));
    close.reset_ttl = Some(54);
    close.open_ttl = Some((22, 54));
    close.tos_reflected = Some(true);
    Evidence {
        observations: vec![with_lookup(at), with_lookup(again)],
        addresses: vec![close],
        neighbours: vec![ssh(v4(10)), ssh(v6(10))],
        ..Evidence::default()
    }
}

/// nginx is fine, what is behind it is not.
pub(crate) fn api_502(at: Timestamp) -> Evidence {
    let one = |at| {
        let mut observation = fine(1, at);
        for attempt in &mut observation.attempts {
            attempt.failure = Some(Failure::HttpStatus);
            attempt.step = Step::Head;
            let headers = [("server".to_owned(), "nginx/1.26.2".to_owned())];
            attempt.http = Some(HttpFacts {
                status: 502,
                version: "HTTP/2".to_owned(),
                headers: headers.into(),
                body_bytes: 157,
                still_coming: false,
                content_length: Some(157),
                excerpt: Some("502 Bad Gateway nginx/1.26.2".to_owned()),
                redirects: Vec::new(),
            });
        }
        (observation.state, observation.failure) = Observation::judge(&observation.attempts);
        observation
    };
    let again = at.checked_add(SignedDuration::from_millis(400)).unwrap();
    Evidence { observations: vec![one(at), one(again)], ..Evidence::default() }
}

/// Postfix listens on IPv4 only.
pub(crate) fn mail_half(at: Timestamp) -> Evidence {
    let one = |at| {
        let mut fourth = Attempt::new(v4(12), 25, Duration::ZERO);
        fourth.step = Step::Done;
        fourth.elapsed = Duration::from_millis(31);
        fourth.banner = Some("220 mail.example.com ESMTP Postfix".to_owned());
        fourth.timing.connect = Some(Duration::from_millis(11));
        fourth.timing.first_byte = Some(Duration::from_millis(20));
        seen(at, vec![fourth, refused(v6(12), 25, 11.7)], 33.0)
    };
    let again = at.checked_add(SignedDuration::from_millis(400)).unwrap();
    Evidence { observations: vec![one(at), one(again)], ..Evidence::default() }
}

/// The login page stopped answering for a while.
fn login_silent(at: Timestamp) -> Evidence {
    let one = |at| {
        let mut attempt = Attempt::new(v4(15), 443, Duration::ZERO);
        attempt.step = Step::Connect;
        attempt.elapsed = Duration::from_secs(10);
        attempt.failure = Some(Failure::TcpTimedOut);
        attempt.errno = Some(110);
        attempt.tcp = Some(TcpFacts { retransmits: 3, rtt_us: 0, pmtu: 1_500 });
        seen(at, vec![attempt], 10_000.0)
    };
    let again = at.checked_add(SignedDuration::from_secs(10)).unwrap();
    Evidence { observations: vec![one(at), one(again)], ..Evidence::default() }
}

/// Reports of a check that was fine.
pub(crate) fn fine_evidence(nth: u64, at: Timestamp) -> Evidence {
    Evidence { observations: vec![fine(nth, at)], ..Evidence::default() }
}

/// Hands in one report as of `at`.
pub(crate) async fn report(site: &Site, monitor: &str, location: &str, evidence: Evidence) {
    let (monitor, location) = (monitor.to_owned(), location.to_owned());
    site.running.report(Report { monitor, location, evidence }).await;
}

fn ago(now: Timestamp, seconds: i64) -> Timestamp {
    now.checked_sub(SignedDuration::from_secs(seconds)).unwrap()
}

/// When checks are made up: dense in the last day, thinner before.
fn moments(days: i64) -> Vec<i64> {
    const DAY: i64 = 86_400;
    let old = (7 * DAY..days * DAY).step_by(43_200);
    let week = (DAY..7 * DAY).step_by(3_600);
    let today = (60..DAY).step_by(600);
    let mut all: Vec<i64> = old.chain(week).chain(today).collect();
    all.sort_unstable_by(|a, b| b.cmp(a));
    all
}

/// Trouble of the past, as monitor and time in seconds before now.
const PAST: [(usize, std::ops::Range<i64>); 5] = [
    (5, 50_000..52_500),
    (5, 12_000..13_900),
    (0, 400_000..411_000),
    (3, 1_900_000..2_000_000),
    (8, 30_000..31_300),
];

/// Fills `site` with `days` of history and this morning's trouble.
pub(crate) async fn fill(site: &Site, days: i64) {
    let now = Timestamp::now();
    let names: Vec<String> = monitors(&[]).into_iter().map(|monitor| monitor.name).collect();
    for seconds in moments(days) {
        let at = ago(now, seconds);
        site.set_clock(Some(at));
        for (nth, name) in names.iter().enumerate().take(11) {
            let bad = PAST.iter().any(|(who, when)| *who == nth && when.contains(&seconds));
            let evidence = match (bad, nth) {
                (true, 5) => login_silent(at),
                (true, _) => shop_refused(at),
                (false, _) => fine_evidence(nth as u64, at),
            };
            // What fails now has failed for a while.
            if !(seconds < 800 && nth < 3) {
                report(site, name, "local", evidence).await;
            }
        }
        site.running.settled().await;
    }
    trouble(site, now, 720).await;
    site.set_clock(None);
}

/// The shop refuses, the API answers 502, mail works in half: since `since` seconds.
pub(crate) async fn trouble(site: &Site, now: Timestamp, since: i64) {
    let names: Vec<String> = monitors(&[]).into_iter().map(|monitor| monitor.name).collect();
    for seconds in (5..=since).rev().step_by(60) {
        let at = ago(now, seconds);
        site.set_clock(at.checked_add(SignedDuration::from_millis(900)).ok());
        report(site, API, "local", api_502(at)).await;
        report(site, MAIL, "local", mail_half(at)).await;
        for (nth, name) in names.iter().enumerate().take(11).skip(3) {
            report(site, name, "local", fine_evidence(nth as u64, at)).await;
        }
        for place in ["local", "frankfurt", "new-york", "singapore"] {
            report(site, SHOP, place, shop_refused(at)).await;
        }
        site.running.settled().await;
    }
}
