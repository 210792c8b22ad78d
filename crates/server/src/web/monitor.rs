//! A monitor's page: state, history, latency, its newest checks, incidents and settings.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use jiff::Timestamp;
use serde::Deserialize;
use whydown_core::incident::Place;
use whydown_core::monitor::Monitor;

use super::Web;
use super::alerting::{Figures, figures};
use super::dress::{Trouble, page};
use super::frame::{Frame, Visit};
use super::incidents::IncidentRow;
use super::overview::{Link, Why, Window, why};
use super::view::bars::{Bars, Tips, bars};
use super::view::chart::{Chart, chart};
use super::view::observed::{Observed, PHASES, all_observed, fine_latency};
use super::view::state::Shown;
use super::view::time::{When, setting};
use crate::app::{MonitorStatus, Origin};
use crate::store::IncidentFilter;

/// Checks shown.
const CHECKS_MAX: usize = 12;
/// Incidents shown.
const INCIDENTS_MAX: usize = 10;

#[derive(Template)]
#[template(path = "monitor.html")]
struct MonitorPage {
    frame: Frame,
    name: String,
    target: String,
    state: Shown,
    since: Option<When>,
    latency: Option<String>,
    why: Option<Why>,
    windows: Vec<Link>,
    window: Window,
    bars: Bars,
    chart: Option<Chart>,
    phases: [&'static str; 5],
    sights: Vec<Seen>,
    checks: Vec<Observed>,
    incidents: Vec<IncidentRow>,
    figures: Figures,
    /// The maintenance window that it is in, and its end.
    maintenance: Option<(String, When)>,
    settings: Vec<Setting>,
    paused: bool,
    editable: bool,
    file: String,
}

/// What a location sees.
#[derive(Clone, Debug)]
struct Seen {
    location: String,
    state: Shown,
    since: When,
    newest: When,
}

/// A line of the settings.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Setting {
    name: &'static str,
    value: String,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Ask {
    #[serde(default)]
    window: String,
}

/// The path of a monitor's page; names may hold any character.
pub(crate) fn path(name: &str) -> String {
    // `+` for a blank is right in queries only.
    let encoded: String = url::form_urlencoded::byte_serialize(name.as_bytes()).collect();
    format!("/monitors/{}", encoded.replace('+', "%20"))
}

/// `GET /monitors/{name}`
pub(super) async fn monitor(
    State(web): State<Web>,
    visit: Visit,
    Path(name): Path<String>,
    Query(ask): Query<Ask>,
) -> Result<Response, Trouble> {
    let status = web.app.status(&name).ok_or(Trouble::NotFound("monitor"))?;
    let now = Timestamp::now();
    let window = Window::from_key(&ask.window);
    let (from, to) = window.range(now);
    let store = web.app.store();
    let history = store.history(&name, from, to, window.parts()).await?;
    let checks = store.observations(&name, None, CHECKS_MAX).await?;
    let filter = IncidentFilter { open_only: false, monitor: Some(name.clone()) };
    let incidents = store.incidents(&filter, None, INCIDENTS_MAX).await?;
    let windows = Window::ALL.into_iter().map(|w| Link {
        href: format!("{}?window={}", path(&name), w.key()),
        text: w.key(),
        current: w == window,
    });
    let config = web.app.config();
    let maintenance = config.rules.in_maintenance(&status.entry.monitor, now);
    let template = MonitorPage {
        figures: figures(&web, Some(&name), now).await?,
        maintenance: maintenance
            .map(|(window, until)| (window.name.clone(), When::new(until, now))),
        frame: visit.frame(&web, name.clone(), "overview"),
        target: status.entry.monitor.target.to_string(),
        state: Shown::of(&status),
        since: status.standing.since.map(|since| When::new(since, now)),
        latency: status.last.as_deref().and_then(fine_latency),
        why: why(&status, now),
        windows: windows.collect(),
        window,
        bars: bars(&history, window.title(), Tips::Every),
        chart: chart(&history, window.title()),
        phases: PHASES,
        sights: sights(&status, now),
        checks: all_observed(&checks, now),
        incidents: incidents.iter().map(|incident| IncidentRow::new(incident, now)).collect(),
        settings: settings(&status),
        paused: status.entry.monitor.paused,
        editable: status.entry.origin == Origin::Api,
        file: config.file.as_ref().map_or_else(String::new, |file| file.display().to_string()),
        name,
    };
    page(&template)
}

fn settings(status: &MonitorStatus) -> Vec<Setting> {
    let monitor = status.entry.shown();
    let mut all = Vec::new();
    let mut add = |name, value: Option<String>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            all.push(Setting { name, value });
        }
    };
    let expect = &monitor.expect;
    add("Interval", Some(setting(monitor.interval)));
    add("Timeout", Some(setting(monitor.timeout)));
    add("Confirmed after", Some(repeats(monitor.confirm)));
    add("Method", (monitor.request.method != "GET").then(|| monitor.request.method.clone()));
    add("Request headers", request_headers(&monitor));
    add("Expected status", expect.status.as_ref().map(ToString::to_string));
    add("Must contain", Some(expect.contains.join(", ")));
    add("Must not contain", Some(expect.not_contains.join(", ")));
    add("Must match", expect.matches.clone());
    add("JSON", pairs(&expect.json, ToString::to_string));
    add("Answer headers", pairs(&expect.headers, Clone::clone));
    add("Slowest allowed", expect.latency.map(setting));
    add("Certificate", expect.certificate_days.map(|days| format!("valid for {days} days more")));
    add("Tells", Some(monitor.notify.join(", ")));
    let selected: Vec<String> = monitor.locations.iter().map(ToString::to_string).collect();
    add("Checked from", Some(selected.join(", ")));
    add("Alerts when", (!monitor.alert_when.is_default()).then(|| monitor.alert_when.to_string()));
    add("Severity", Some(monitor.severity.name().to_owned()));
    add("Tags", Some(monitor.tags.join(", ")));
    add("Depends on", Some(monitor.depends_on.join(", ")));
    all
}

/// What each location sees, trouble first. With one location the state says it all.
fn sights(status: &MonitorStatus, now: Timestamp) -> Vec<Seen> {
    let sight = |(name, place): (&str, &Place)| {
        let since = place.silent_since.unwrap_or(place.streak_since);
        let newest = When::new(place.at, now);
        Seen {
            location: name.to_owned(),
            state: place.state.into(),
            since: When::new(since, now),
            newest,
        }
    };
    let mut all: Vec<Seen> = status.standing.places.iter().map(sight).collect();
    all.sort_by_key(|seen| !seen.state.is_trouble());
    if all.len() > 1 { all } else { Vec::new() }
}

fn request_headers(monitor: &Monitor) -> Option<String> {
    pairs(&monitor.request.headers, Clone::clone)
}

fn pairs<T>(
    map: &std::collections::BTreeMap<String, T>,
    show: impl Fn(&T) -> String,
) -> Option<String> {
    let all: Vec<String> =
        map.iter().map(|(name, value)| format!("{name}: {}", show(value))).collect();
    Some(all.join(", ")).filter(|text| !text.is_empty())
}

fn repeats(confirm: u32) -> String {
    match confirm {
        0 => "the first failing check".to_owned(),
        1 => "1 more failing attempt".to_owned(),
        more => format!("{more} more failing attempts"),
    }
}

fn back(name: &str, done: &str) -> Response {
    Redirect::to(&format!("{}?done={done}", path(name))).into_response()
}

/// `POST /monitors/{name}/check`
pub(super) async fn check(
    State(web): State<Web>,
    Path(name): Path<String>,
) -> Result<Response, Trouble> {
    web.app.check_now(&name).await?;
    Ok(back(&name, "checking"))
}

/// `POST /monitors/{name}/pause`
pub(super) async fn pause(
    State(web): State<Web>,
    Path(name): Path<String>,
) -> Result<Response, Trouble> {
    set_paused(&web, &name, true).await?;
    Ok(back(&name, "paused"))
}

/// `POST /monitors/{name}/resume`
pub(super) async fn resume(
    State(web): State<Web>,
    Path(name): Path<String>,
) -> Result<Response, Trouble> {
    set_paused(&web, &name, false).await?;
    Ok(back(&name, "resumed"))
}

async fn set_paused(web: &Web, name: &str, paused: bool) -> Result<(), Trouble> {
    let status = web.app.status(name).ok_or(Trouble::NotFound("monitor"))?;
    let monitor = Monitor { paused, ..status.entry.monitor.clone() };
    web.app.update_monitor(name, monitor).await?;
    Ok(())
}

#[derive(Template)]
#[template(path = "delete_monitor.html")]
struct DeletePage {
    frame: Frame,
    name: String,
}

/// `GET /monitors/{name}/delete`
pub(super) async fn ask_delete(
    State(web): State<Web>,
    visit: Visit,
    Path(name): Path<String>,
) -> Result<Response, Trouble> {
    if web.app.status(&name).is_none() {
        return Err(Trouble::NotFound("monitor"));
    }
    page(&DeletePage { frame: visit.frame(&web, format!("Delete {name}"), "overview"), name })
}

/// `POST /monitors/{name}/delete`
pub(super) async fn delete(
    State(web): State<Web>,
    Path(name): Path<String>,
) -> Result<Response, Trouble> {
    web.app.delete_monitor(&name).await?;
    Ok(Redirect::to("/?done=deleted").into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_name_fits_a_path() {
        assert_eq!(path("a b/c?<+>"), "/monitors/a%20b%2Fc%3F%3C%2B%3E");
        assert_eq!(path("shop-1.eu"), "/monitors/shop-1.eu");
    }
}
