//! Observations as a page shows them: one row per address, with a drawing of where the time went.

use std::fmt::Write as _;
use std::time::Duration;

use jiff::Timestamp;
use whydown_core::observation::{Attempt, Observation};

use super::state::Shown;
use super::time::{When, latency};
use super::verdict::{Named, failure};
use crate::store::Seen;

/// Addresses shown of one observation.
const ATTEMPTS_MAX: usize = 16;
/// The phases of a check, in order, as the legend names them.
pub(crate) const PHASES: [&str; 5] = ["DNS", "Connect", "TLS", "First byte", "Body"];
/// Width of the drawing in its own units.
const WIDTH: f64 = 1_000.0;

/// One check at one location.
#[derive(Clone, Debug)]
pub(crate) struct Observed {
    pub(crate) when: When,
    pub(crate) location: String,
    pub(crate) state: Shown,
    pub(crate) took: String,
    pub(crate) failure: Option<Named>,
    pub(crate) attempts: Vec<AttemptRow>,
}

/// One address of a check.
#[derive(Clone, Debug)]
pub(crate) struct AttemptRow {
    pub(crate) address: String,
    pub(crate) failure: Option<Named>,
    pub(crate) said: String,
    pub(crate) took: String,
    /// Where the time went: only numbers.
    pub(crate) phases: String,
}

/// Makes stored observations ready to be shown, with one scale for all drawings.
pub(crate) fn all_observed(all: &[Seen], now: Timestamp) -> Vec<Observed> {
    // What failed may have waited for ten seconds: it must not squeeze the rest.
    let fine = all.iter().filter(|seen| seen.observation.failure.is_none());
    let scale = fine.map(|seen| whole(&seen.observation)).max();
    all.iter().map(|seen| observed(seen, scale, now)).collect()
}

/// Lookup and slowest address together.
fn whole(observation: &Observation) -> Duration {
    let longest = observation.attempts.iter().map(|a| a.elapsed).max().unwrap_or_default();
    let lookup = observation.lookup.as_ref().map(|lookup| lookup.elapsed);
    longest + lookup.unwrap_or_default()
}

fn observed(seen: &Seen, scale: Option<Duration>, now: Timestamp) -> Observed {
    let observation = &seen.observation;
    let dns = observation.lookup.as_ref().map(|lookup| lookup.elapsed);
    let whole = scale.unwrap_or_else(|| whole(observation));
    let row = |attempt: &Attempt| AttemptRow {
        address: address(attempt),
        failure: attempt.failure.map(failure),
        said: said(attempt),
        took: latency(attempt.elapsed),
        phases: phases(dns, attempt, whole),
    };
    Observed {
        when: When::new(observation.at, now),
        location: seen.location.clone(),
        state: observation.state.into(),
        took: latency(observation.elapsed),
        failure: observation.failure.map(failure),
        attempts: observation.attempts.iter().take(ATTEMPTS_MAX).map(row).collect(),
    }
}

fn address(attempt: &Attempt) -> String {
    match attempt.port {
        0 => attempt.ip.to_string(),
        port => std::net::SocketAddr::new(attempt.ip, port).to_string(),
    }
}

/// The most telling fact of an attempt in a few words.
fn said(attempt: &Attempt) -> String {
    let mut words = Vec::new();
    if let Some(detail) = &attempt.detail {
        words.push(detail.clone());
    }
    if let Some(http) = attempt.http.as_ref().filter(|http| http.status != 0) {
        words.push(format!("{} {}", http.version, http.status).trim().to_owned());
    }
    if let Some(version) = attempt.tls.as_ref().and_then(|tls| tls.version.clone()) {
        words.push(version);
    }
    if let Some(icmp) = &attempt.icmp {
        let sender = icmp.sender.map_or_else(String::new, |sender| format!(" from {sender}"));
        words.push(format!("ICMP {}/{}{sender}", icmp.kind, icmp.code));
    }
    if attempt.http.is_none()
        && let Some(banner) = &attempt.banner
    {
        words.push(banner.clone());
    }
    if words.is_empty() && attempt.failure.is_some() {
        words.push(format!("at {}", attempt.step.name()));
    }
    words.join(" · ")
}

fn phases(dns: Option<Duration>, attempt: &Attempt, whole: Duration) -> String {
    if whole.is_zero() {
        return String::new();
    }
    let timing = &attempt.timing;
    let connect = match (timing.connect, timing.tunnel) {
        (Some(connect), Some(tunnel)) => Some(connect + tunnel),
        (connect, tunnel) => connect.or(tunnel),
    };
    let parts = [dns, connect, timing.tls, timing.first_byte, timing.body];
    let label: Vec<String> = PHASES
        .iter()
        .zip(parts)
        .filter_map(|(name, part)| part.map(|part| format!("{name} {}", latency(part))))
        .collect();
    let label = if label.is_empty() { "no phase completed".to_owned() } else { label.join(", ") };
    let mut svg = format!(
        "<svg class=\"phases\" viewBox=\"0 0 {WIDTH} 12\" preserveAspectRatio=\"none\" \
         role=\"img\" aria-label=\"{label}\"><title>{label}</title>\
         <rect class=\"rest\" width=\"{WIDTH}\" height=\"12\"/>"
    );
    let mut x = 0.0;
    for (i, part) in parts.iter().enumerate() {
        let Some(part) = part else { continue };
        let width = part.as_secs_f64() / whole.as_secs_f64() * WIDTH;
        let width = width.min(WIDTH - x).max(0.0);
        let _ =
            write!(svg, "<rect class=\"p{i}\" x=\"{x:.1}\" width=\"{width:.1}\" height=\"12\"/>");
        x += width;
    }
    svg.push_str("</svg>");
    svg
}

/// The latency of an observation, if it was fine.
pub(crate) fn fine_latency(observation: &Observation) -> Option<String> {
    let fine = observation.state == whydown_core::observation::State::Up;
    fine.then(|| latency(observation.elapsed))
}
