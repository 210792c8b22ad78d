//! The overview: one headline, and every monitor as a row; a failing one says why, right there.

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use jiff::Timestamp;
use serde::Deserialize;

use super::Web;
use super::dress::{Trouble, page};
use super::frame::{Frame, Visit};
use super::view::bars::{Bars, Tips, bars};
use super::view::observed::fine_latency;
use super::view::state::Shown;
use super::view::time::When;
use super::view::verdict::{Named, failure, sentence, stage_title, who};
use crate::app::MonitorStatus;
use crate::store::Bucket;

/// Monitors on one page.
const ROWS_MAX: usize = 50;
/// Longest text to filter by, in bytes.
const FILTER_MAX_BYTES: usize = 200;

/// How far back history is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Window {
    /// 96 quarters of an hour.
    #[default]
    Day,
    /// 84 times two hours.
    Week,
    /// 90 days.
    Quarter,
}

impl Window {
    pub(super) const ALL: [Self; 3] = [Self::Day, Self::Week, Self::Quarter];

    pub(super) const fn key(self) -> &'static str {
        match self {
            Self::Day => "24h",
            Self::Week => "7d",
            Self::Quarter => "90d",
        }
    }

    pub(super) const fn title(self) -> &'static str {
        match self {
            Self::Day => "Last 24 hours",
            Self::Week => "Last 7 days",
            Self::Quarter => "Last 90 days",
        }
    }

    const fn part_seconds(self) -> i64 {
        match self {
            Self::Day => 900,
            Self::Week => 7_200,
            Self::Quarter => 86_400,
        }
    }

    /// Parts shown.
    pub(super) const fn parts(self) -> usize {
        match self {
            Self::Day => 96,
            Self::Week => 84,
            Self::Quarter => 90,
        }
    }

    /// Beginning and end, so that every part begins at a round time.
    pub(super) fn range(self, now: Timestamp) -> (Timestamp, Timestamp) {
        let part = self.part_seconds();
        let end = (now.as_second().div_euclid(part) + 1) * part;
        let parts = i64::try_from(self.parts()).unwrap_or_default();
        let at = |second: i64| Timestamp::from_second(second).unwrap_or(now);
        (at(end - part * parts), at(end))
    }

    pub(super) fn from_key(key: &str) -> Self {
        Self::ALL.into_iter().find(|window| window.key() == key).unwrap_or_default()
    }
}

/// What the address asks for.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Ask {
    #[serde(default)]
    q: String,
    #[serde(default)]
    state: String,
    #[serde(default)]
    window: String,
    #[serde(default)]
    page: String,
}

#[derive(Template)]
#[template(path = "overview.html")]
struct OverviewPage {
    frame: Frame,
    headline: Headline,
    chips: Vec<Chip>,
    windows: Vec<Link>,
    window: Window,
    q: String,
    state: &'static str,
    rows: Vec<Row>,
    found: usize,
    first: usize,
    previous: Option<String>,
    next: Option<String>,
    file: Option<String>,
}

/// The one sentence that says how things are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Headline {
    pub(crate) state: Shown,
    pub(crate) text: String,
    pub(crate) detail: String,
    pub(crate) empty: bool,
}

#[derive(Clone, Debug)]
struct Chip {
    href: String,
    shown: Option<Shown>,
    count: usize,
    current: bool,
}

/// A link of a row of links.
#[derive(Clone, Debug)]
pub(super) struct Link {
    pub(super) href: String,
    pub(super) text: &'static str,
    pub(super) current: bool,
}

#[derive(Clone, Debug)]
struct Row {
    name: String,
    target: String,
    state: Shown,
    bars: Bars,
    latency: Option<String>,
    why: Option<Why>,
}

/// Why a monitor fails, in a row.
#[derive(Clone, Debug)]
pub(super) struct Why {
    pub(super) state: Shown,
    pub(super) sentence: String,
    pub(super) failure: Option<Named>,
    pub(super) stage: Option<&'static str>,
    pub(super) who: Option<&'static str>,
    pub(super) since: When,
    pub(super) incident: Option<String>,
    pub(super) taken_by: Option<String>,
}

/// `GET /`
pub(super) async fn overview(
    State(web): State<Web>,
    visit: Visit,
    Query(ask): Query<Ask>,
) -> Result<Response, Trouble> {
    let now = Timestamp::now();
    let statuses = web.app.statuses();
    let window = Window::from_key(&ask.window);
    let state = Shown::from_key(&ask.state);
    let q = cut(ask.q.trim());
    let found = filtered(&statuses, q, state);
    let (first, shown) = slice(&found, &ask.page);
    let names: Vec<&str> = shown.iter().map(|s| s.entry.monitor.name.as_str()).collect();
    let (from, to) = window.range(now);
    let histories = web.app.store().histories(&names, from, to, window.parts()).await?;
    let rows =
        shown.iter().zip(&histories).map(|(status, history)| row(status, history, window, now));
    let rows = rows.collect();
    let tally = Tally::of(&statuses);
    let headline = headline(&tally, &statuses, now);
    let address = |page: usize, state: Option<Shown>, window: Window| {
        address(q, state.map(Shown::key).unwrap_or_default(), window, page)
    };
    let page_number = first / ROWS_MAX;
    let windows = Window::ALL.into_iter().map(|w| Link {
        href: address(0, state, w),
        text: w.key(),
        current: w == window,
    });
    let template = OverviewPage {
        frame: visit.frame_of(&web, headline.text.clone(), "overview", &statuses),
        chips: chips(&tally, state, |state| address(0, state, window)),
        headline,
        windows: windows.collect(),
        window,
        q: q.to_owned(),
        state: state.map(Shown::key).unwrap_or_default(),
        rows,
        found: found.len(),
        first,
        previous: (page_number > 0).then(|| address(page_number - 1, state, window)),
        next: (first + ROWS_MAX < found.len()).then(|| address(page_number + 1, state, window)),
        file: web.app.config().file.as_ref().map(|file| file.display().to_string()),
    };
    page(&template)
}

fn cut(q: &str) -> &str {
    let mut end = q.len().min(FILTER_MAX_BYTES);
    while !q.is_char_boundary(end) {
        end -= 1;
    }
    &q[..end]
}

fn address(q: &str, state: &str, window: Window, page: usize) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for (key, value) in [("q", q), ("state", state)] {
        if !value.is_empty() {
            query.append_pair(key, value);
        }
    }
    if window != Window::Day {
        query.append_pair("window", window.key());
    }
    if page > 0 {
        query.append_pair("page", &(page + 1).to_string());
    }
    let query = query.finish();
    if query.is_empty() { "/".to_owned() } else { format!("/?{query}") }
}

/// What fits the filter: what needs somebody first, then by name.
fn filtered<'a>(
    statuses: &'a [MonitorStatus],
    q: &str,
    state: Option<Shown>,
) -> Vec<&'a MonitorStatus> {
    let q = q.to_lowercase();
    let fits = |status: &&MonitorStatus| {
        let monitor = &status.entry.monitor;
        state.is_none_or(|state| Shown::of(status) == state)
            && (q.is_empty()
                || monitor.name.to_lowercase().contains(&q)
                || monitor.target.to_string().to_lowercase().contains(&q))
    };
    let mut found: Vec<&MonitorStatus> = statuses.iter().filter(fits).collect();
    // Stable: they come sorted by name.
    found.sort_by_key(|status| Shown::of(status));
    found
}

fn slice<'a>(found: &'a [&'a MonitorStatus], page: &str) -> (usize, &'a [&'a MonitorStatus]) {
    let page: usize = page.parse().unwrap_or(1);
    let last = found.len().saturating_sub(1) / ROWS_MAX;
    let first = page.saturating_sub(1).min(last) * ROWS_MAX;
    (first, &found[first..found.len().min(first + ROWS_MAX)])
}

/// Monitors by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Tally([usize; 6]);

impl Tally {
    fn of(statuses: &[MonitorStatus]) -> Self {
        let mut tally = Self::default();
        for status in statuses {
            let shown = Shown::of(status);
            let slot = Shown::ALL.iter().position(|one| *one == shown).unwrap_or_default();
            tally.0[slot] += 1;
        }
        tally
    }

    fn count(&self, shown: Shown) -> usize {
        Shown::ALL.iter().position(|one| *one == shown).map_or(0, |slot| self.0[slot])
    }

    fn all(&self) -> usize {
        self.0.iter().sum()
    }
}

fn headline(tally: &Tally, statuses: &[MonitorStatus], now: Timestamp) -> Headline {
    let (state, text) = headline_text(tally);
    let newest = statuses.iter().filter_map(|status| status.last.as_ref()).map(|o| o.at).max();
    let detail = match newest {
        Some(at) => format!("Last check {}", When::new(at, now).ago),
        None => "No check has been made yet".to_owned(),
    };
    Headline { state, text, detail, empty: statuses.is_empty() }
}

fn headline_text(tally: &Tally) -> (Shown, String) {
    let all = tally.all() - tally.count(Shown::Paused);
    let counts = |shown: Shown, word: &str| {
        let count = tally.count(shown);
        let are = if count == 1 { "is" } else { "are" };
        format!("{count} of {all} {are} {word}")
    };
    for (shown, word) in
        [(Shown::Down, "down"), (Shown::Degraded, "degraded"), (Shown::Inconclusive, "unclear")]
    {
        if tally.count(shown) > 0 {
            return (shown, counts(shown, word));
        }
    }
    match (tally.all(), all, tally.count(Shown::Pending)) {
        (0, _, _) => (Shown::Pending, "Nothing is watched yet".to_owned()),
        (_, 0, _) => (Shown::Paused, "All monitors are paused".to_owned()),
        (_, _, 1..) => (Shown::Pending, counts(Shown::Pending, "waiting for a first check")),
        (_, 1, _) => (Shown::Up, "Your monitor is fine".to_owned()),
        _ => (Shown::Up, format!("All {all} monitors are fine")),
    }
}

fn chips(
    tally: &Tally,
    current: Option<Shown>,
    address: impl Fn(Option<Shown>) -> String,
) -> Vec<Chip> {
    let all =
        Chip { href: address(None), shown: None, count: tally.all(), current: current.is_none() };
    let some =
        Shown::ALL.into_iter().filter(|shown| tally.count(*shown) > 0 || current == Some(*shown));
    let some = some.map(|shown| Chip {
        href: address(Some(shown)),
        shown: Some(shown),
        count: tally.count(shown),
        current: current == Some(shown),
    });
    std::iter::once(all).chain(some).collect()
}

fn row(status: &MonitorStatus, history: &[Bucket], window: Window, now: Timestamp) -> Row {
    let monitor = &status.entry.monitor;
    Row {
        name: monitor.name.clone(),
        target: monitor.target.to_string(),
        state: Shown::of(status),
        bars: bars(history, window.title(), Tips::Trouble),
        latency: status.last.as_deref().and_then(fine_latency),
        why: why(status, now),
    }
}

/// Why a monitor fails; `None` when it does not.
pub(super) fn why(status: &MonitorStatus, now: Timestamp) -> Option<Why> {
    let state = Shown::of(status);
    if let Some(incident) = &status.standing.incident {
        let diagnosis = &incident.diagnosis;
        return Some(Why {
            state: diagnosis.state.into(),
            sentence: sentence(diagnosis),
            failure: diagnosis.failure.map(failure),
            stage: diagnosis.stage.map(stage_title),
            who: diagnosis.causes.first().map(|cause| who(cause.side)),
            since: When::new(incident.started_at, now),
            incident: Some(incident.id.clone()),
            taken_by: incident.acknowledged.as_ref().map(|taken| taken.by.clone()),
        });
    }
    let last = status.last.as_ref().filter(|_| state == Shown::Inconclusive)?;
    Some(Why {
        state,
        sentence: "Nothing is known about it: the place that checks has trouble of its own."
            .to_owned(),
        failure: last.failure.map(failure),
        stage: last.failure.map(|failure| stage_title(failure.stage())),
        who: None,
        since: When::new(status.standing.since.unwrap_or(last.at), now),
        incident: None,
        taken_by: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(down: usize, degraded: usize, up: usize, paused: usize) -> Tally {
        Tally([down, degraded, 0, 0, up, paused])
    }

    #[test]
    fn the_headline_says_the_worst_first() {
        let text = |tally: Tally| headline_text(&tally).1;
        assert_eq!(text(tally(0, 0, 12, 0)), "All 12 monitors are fine");
        assert_eq!(text(tally(2, 1, 9, 3)), "2 of 12 are down");
        assert_eq!(text(tally(1, 0, 11, 0)), "1 of 12 is down");
        assert_eq!(text(tally(0, 1, 11, 0)), "1 of 12 is degraded");
        assert_eq!(text(tally(0, 0, 0, 0)), "Nothing is watched yet");
        assert_eq!(text(tally(0, 0, 0, 2)), "All monitors are paused");
        assert_eq!(text(tally(0, 0, 1, 0)), "Your monitor is fine");
    }

    #[test]
    fn windows_begin_at_round_times() {
        let now: Timestamp = "2026-11-23T05:13:43Z".parse().unwrap();
        let (from, to) = Window::Day.range(now);
        assert_eq!(from.to_string(), "2026-11-22T05:15:00Z");
        assert_eq!(to.to_string(), "2026-11-23T05:15:00Z");
        assert_eq!(Window::Quarter.range(now).1.to_string(), "2026-11-24T00:00:00Z");
    }

    #[test]
    fn addresses_hold_only_what_differs_from_the_default() {
        assert_eq!(address("", "", Window::Day, 0), "/");
        assert_eq!(
            address("a b&c", "down", Window::Week, 1),
            "/?q=a+b%26c&state=down&window=7d&page=2"
        );
    }
}
