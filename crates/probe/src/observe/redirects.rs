//! HTTP checks of all addresses, and the redirects of the first address that answers with one.
//! Every hop is a fresh connection. The monitor's own headers go to its own origin only.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::join_all;
use jiff::Timestamp;
use tokio::time::Instant;
use url::Url;
use whydown_core::failure::Failure;
use whydown_core::observation::{Attempt, Step};
use whydown_core::target::Target;

use super::http::{Answer, Hop, exchange};
use super::{Check, resolve};
use crate::expect::{Judged, unmet};
use crate::redact;

/// Where an answer redirects to, and with which status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Onward {
    url: Url,
    status: u16,
}

/// One address's part of the check.
struct Part {
    attempt: Attempt,
    /// Where it redirects to, when it does.
    location: Option<Onward>,
    /// Its redirect was followed; the attempt is that of the last hop.
    followed: bool,
}

/// Asks every address. When the way behind a redirect fails, it fails for every address that
/// redirects there: the attempt at the last hop then stands for all of them.
pub(super) async fn attempts(check: &Check<'_>, addresses: &[IpAddr]) -> Vec<Attempt> {
    let taken = AtomicBool::new(false);
    let parts = join_all(addresses.iter().map(|ip| part(check, *ip, &taken))).await;
    let broken = parts.iter().find(|p| p.followed && p.attempt.failure.is_some());
    let lost = broken.and_then(|part| part.location.clone());
    let keep = |part: &Part| lost.is_none() || part.followed || part.location != lost;
    parts.into_iter().filter(keep).map(|part| part.attempt).collect()
}

async fn part(check: &Check<'_>, ip: IpAddr, taken: &AtomicBool) -> Part {
    let begin = Instant::now();
    let mut attempt = check.attempt(ip);
    let hop = Hop::first(check);
    let answer = exchange(check, &hop, check.remote(ip), &mut attempt).await;
    let location = answer.as_ref().and_then(|answer| location(check, &hop, answer));
    let follow = location.is_some() && !taken.swap(true, Ordering::Relaxed);
    let mut part = Part { attempt, location, followed: false };
    match (answer, part.location.clone()) {
        (Some(_), Some(onward)) if follow => {
            part.attempt = behind(check, hop, onward, part.attempt).await;
            part.followed = true;
        }
        // Another address walks the same way.
        (Some(_), Some(_)) => part.attempt.step = Step::Done,
        (Some(answer), None) => judge(check, &answer, &mut part.attempt),
        (None, _) => {}
    }
    part.attempt.elapsed = begin.elapsed();
    part
}

/// Walks the redirects from a first answer to their end.
pub(super) async fn behind(
    check: &Check<'_>,
    mut hop: Hop,
    mut onward: Onward,
    mut attempt: Attempt,
) -> Attempt {
    let mut visited = vec![hop.target.to_string()];
    let offset = attempt.offset;
    loop {
        if let Err((failure, why)) = next(check, &mut hop, &onward, &visited) {
            attempt.failure = Some(failure);
            attempt.detail = Some(why);
            attempt.step = Step::Head;
            return attempt;
        }
        visited.push(hop.target.to_string());
        let (fresh, answer) = one_hop(check, &hop, &attempt).await;
        attempt = Attempt { offset, ..fresh };
        let Some(answer) = answer else {
            let place = redact::url(&hop.target.to_string());
            let why = attempt.detail.take().map_or_else(String::new, |why| format!(": {why}"));
            attempt.detail = Some(format!("after a redirect to {place}{why}"));
            return attempt;
        };
        match location(check, &hop, &answer) {
            Some(next) => onward = next,
            None => {
                judge(check, &answer, &mut attempt);
                return attempt;
            }
        }
    }
}

/// Makes the request of a hop: the addresses of its host in turn, as browsers do, until one
/// accepts the connection.
async fn one_hop(check: &Check<'_>, hop: &Hop, before: &Attempt) -> (Attempt, Option<Answer>) {
    let port = hop.target.port;
    let (lookup, addresses) = resolve(&hop.target.host, check.deadline).await;
    let mut last = Attempt::new(before.ip, port, check.begin.elapsed());
    last.http.clone_from(&before.http);
    if let Some(failure) = lookup.and_then(|lookup| lookup.failure) {
        last.failure = Some(failure);
        last.detail = Some(format!("{} does not resolve", hop.target.host));
        return (last, None);
    }
    let allowed = |ip: &IpAddr| check.settings.allow.covers(&hop.target.host, *ip);
    last.failure = Some(Failure::SelfNotAllowed);
    last.detail = Some(format!("this place may not check {}", hop.target.host));
    for ip in addresses.into_iter().filter(allowed).take(super::ADDRESSES_MAX) {
        let mut attempt = Attempt::new(ip, port, check.begin.elapsed());
        let remote = SocketAddr::new(ip, port);
        let answer = Box::pin(exchange(check, hop, remote, &mut attempt)).await;
        let connected = attempt.connected();
        if attempt.http.is_none() {
            // Where the way led is known even if its end did not answer.
            attempt.http = before.http.clone().map(|mut facts| {
                facts.redirects.clone_from(&hop.redirects);
                facts
            });
        }
        last = attempt;
        if connected || answer.is_some() {
            return (last, answer);
        }
    }
    (last, None)
}

/// Turns a hop into the next one, or says why that must not be done.
fn next(
    check: &Check<'_>,
    hop: &mut Hop,
    onward: &Onward,
    visited: &[String],
) -> Result<(), (Failure, String)> {
    let limit = usize::try_from(check.monitor.request.redirects).unwrap_or(usize::MAX);
    let shown = redact::url(onward.url.as_str());
    if hop.redirects.len() >= limit {
        return Err((Failure::HttpTooManyRedirects, format!("more than {limit}, next is {shown}")));
    }
    let target: Target = onward.url.as_str().parse().map_err(|_| {
        (Failure::HttpStatus, format!("redirects to {shown}, which cannot be asked"))
    })?;
    if visited.contains(&target.to_string()) {
        return Err((Failure::HttpTooManyRedirects, format!("a loop: back to {shown}")));
    }
    let origin = |t: &Target| (t.scheme, t.host.clone(), t.port);
    if origin(&target) != origin(&hop.target) {
        hop.headers.clear();
    }
    // RFC 9110 §15.4: what browsers do with POST.
    let to_get = match onward.status {
        303 => hop.method != "HEAD",
        301 | 302 => hop.method == "POST",
        _ => false,
    };
    if to_get {
        "GET".clone_into(&mut hop.method);
        hop.body = None;
    }
    hop.redirects.push(shown);
    hop.target = target;
    Ok(())
}

/// Where an answer redirects to, when redirects are wanted. Changes nothing.
pub(super) fn location(check: &Check<'_>, hop: &Hop, answer: &Answer) -> Option<Onward> {
    let status = answer.status;
    if check.monitor.request.redirects == 0 || !matches!(status, 301..=303 | 307 | 308) {
        return None;
    }
    let value = answer.headers.get(hyper::header::LOCATION)?;
    let value = String::from_utf8_lossy(value.as_bytes());
    let base = Url::parse(&hop.target.to_string()).ok()?;
    let mut url = base.join(value.trim()).ok()?;
    url.set_fragment(None);
    let _ = url.set_username("");
    let _ = url.set_password(None);
    matches!(url.scheme(), "http" | "https").then_some(Onward { url, status })
}

/// Does the last answer meet the expectations?
pub(super) fn judge(check: &Check<'_>, answer: &Answer, attempt: &mut Attempt) {
    if attempt.failure.is_some() {
        return;
    }
    let judged = Judged {
        status: Some(answer.status),
        headers: Some(&answer.headers),
        text: Some(&answer.body),
        cut: answer.cut,
        tls: attempt.tls.as_ref(),
        elapsed: check.begin.elapsed(),
    };
    if let Some((failure, detail)) = unmet(&check.monitor.expect, &judged, Timestamp::now()) {
        attempt.step = Step::Assert;
        attempt.failure = Some(failure);
        attempt.detail = Some(detail);
    }
}
