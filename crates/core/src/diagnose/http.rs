//! HTTP answers: who answered, and what its status says about what stands behind it.

use crate::cause::Cause as C;
use crate::failure::{Failure as F, Stage};
use crate::observation::HttpFacts;
use crate::units::millis;

use super::case::Case;
use super::{Finding, Rule};

pub(super) const RULES: &[Rule] =
    &[status, answered_by_proxy, gateway_page, retry_after, incomplete, expectation];

/// What the target itself answered, not its visitor's proxy.
fn facts<'a>(case: &Case<'a>) -> Option<&'a HttpFacts> {
    if case.failed_with(&[F::ProxyTunnelFailed, F::ProxyAuthRequired]) {
        return None;
    }
    case.attempt?.http.as_ref().filter(|http| http.status != 0)
}

fn status(case: &Case<'_>) -> Option<Finding> {
    let http = facts(case)?;
    case.failure?;
    let server = http.headers.get("server").map(|name| format!(" from {name}"));
    let time = case.attempt?.timing.first_byte.map(|time| format!(" after {}", millis(time)));
    Some(Finding {
        stage: Stage::App,
        fact: format!(
            "{} {}{}{}",
            http.version,
            http.status,
            server.unwrap_or_default(),
            time.unwrap_or_default()
        ),
        source: "HTTP answer",
        ratios: match http.status {
            // Cloudflare: the origin refuses, times out, is unreachable or answers nonsense.
            520..=524 => &[(C::UpstreamDead, 10.0)],
            500 | 501 | 505..=511 => &[(C::AppError, 2.0)],
            _ => &[],
        },
    })
}

fn is_proxy(name: &str) -> bool {
    const PROXIES: [&str; 14] = [
        "nginx",
        "openresty",
        "haproxy",
        "caddy",
        "envoy",
        "traefik",
        "varnish",
        "cloudflare",
        "awselb",
        "apache",
        "cloudfront",
        "akamai",
        "litespeed",
        "google frontend",
    ];
    let name = name.to_ascii_lowercase();
    PROXIES.iter().any(|proxy| name.contains(proxy))
}

/// A gateway status from something that is known to stand before applications.
fn answered_by_proxy(case: &Case<'_>) -> Option<Finding> {
    let http = facts(case)?;
    if !case.failed_with(&[F::HttpStatus, F::AssertionStatus])
        || !matches!(http.status, 502..=504 | 520..=526)
    {
        return None;
    }
    let via = http.headers.get("via");
    let server = http.headers.get("server").filter(|name| is_proxy(name));
    let who = via.or(server)?;
    Some(Finding {
        stage: Stage::App,
        fact: format!("a reverse proxy answered in the application's place: {who}"),
        source: "Server and Via headers",
        ratios: &[(C::UpstreamDead, 3.0)],
    })
}

/// HAProxy and others send no Server header; their own error pages are known.
fn gateway_page(case: &Case<'_>) -> Option<Finding> {
    const PAGES: [(&str, &str); 7] = [
        ("No server is available to handle this request", "HAProxy"),
        ("The server returned an invalid or incomplete response", "HAProxy"),
        ("The server didn't respond in time", "HAProxy"),
        ("502 Bad Gateway", "a gateway"),
        ("504 Gateway Time-out", "a gateway"),
        ("upstream connect error or disconnect/reset before headers", "Envoy"),
        ("The proxy server received an invalid response", "Apache httpd"),
    ];
    let http = facts(case)?;
    let excerpt = http.excerpt.as_deref()?;
    if !case.failed_with(&[F::HttpStatus, F::AssertionStatus]) {
        return None;
    }
    let (words, maker) = PAGES.iter().find(|(words, _)| excerpt.contains(words))?;
    Some(Finding {
        stage: Stage::App,
        fact: format!("the page is {maker}'s own: {words:?}"),
        source: "error page",
        ratios: &[(C::UpstreamDead, 6.0), (C::AppError, 0.5)],
    })
}

fn retry_after(case: &Case<'_>) -> Option<Finding> {
    let http = facts(case)?;
    let after = http.headers.get("retry-after")?;
    case.failure?;
    Some(Finding {
        stage: Stage::App,
        fact: format!("it asks to come back later: Retry-After {after}"),
        source: "Retry-After header, RFC 9110 §10.2.3",
        ratios: &[(C::ServiceOverloaded, 5.0), (C::AppError, 1.5)],
    })
}

/// How much of the body arrived before the end.
fn incomplete(case: &Case<'_>) -> Option<Finding> {
    let http = facts(case)?;
    if !case.failed_with(&[F::HttpClosedEarly, F::HttpReset, F::HttpTimedOut]) {
        return None;
    }
    let promised =
        http.content_length.map_or_else(String::new, |bytes| format!(" of {bytes} promised"));
    Some(Finding {
        stage: Stage::App,
        fact: format!("{} bytes{promised} arrived before the end", http.body_bytes),
        source: "Content-Length, RFC 9110 §8.6",
        ratios: &[(C::ServiceClosesConnections, 1.3)],
    })
}

fn expectation(case: &Case<'_>) -> Option<Finding> {
    let failure = case.failure?;
    let detail = case.attempt?.detail.as_ref()?;
    if !failure.code().starts_with("assertion.") {
        return None;
    }
    Some(Finding {
        stage: Stage::App,
        fact: detail.clone(),
        source: "the monitor's expectation",
        ratios: &[(C::AppError, 1.5)],
    })
}
