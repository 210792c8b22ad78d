//! Incidents: the list, and the page that says why, drawn and in words, with what to do.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Redirect, Response};
use jiff::Timestamp;
use serde::Deserialize;
use whydown_core::incident::{Incident, MomentKind, Phase};
use whydown_core::notice::{self, NoticeEvent};

use super::Web;
use super::dress::{Trouble, page};
use super::forms::Fields;
use super::frame::{Frame, Visit};
use super::overview::Link;
use super::view::state::{Shown, phase_word};
use super::view::time::{When, lasted};
use super::view::verdict::{Named, Verdict, failure, first_sentence, sentence, verdict};
use crate::store::{Delivery, DeliveryState, IncidentFilter, StoreError};

/// Incidents on one page of the list.
const ROWS_MAX: usize = 50;

/// An incident in a list.
#[derive(Clone, Debug)]
pub(super) struct IncidentRow {
    pub(super) id: String,
    pub(super) monitor: String,
    pub(super) state: Shown,
    pub(super) phase: &'static str,
    pub(super) open: bool,
    pub(super) heading: String,
    pub(super) failure: Option<Named>,
    pub(super) started: When,
    pub(super) lasted: String,
}

impl IncidentRow {
    /// `incident` as seen at `now`.
    pub(super) fn new(incident: &Incident, now: Timestamp) -> Self {
        Self {
            id: incident.id.clone(),
            monitor: incident.monitor.clone(),
            state: incident.diagnosis.state.into(),
            phase: phase_word(incident.phase),
            open: incident.phase != Phase::Resolved,
            heading: first_sentence(&sentence(&incident.diagnosis)).0.to_owned(),
            failure: incident.diagnosis.failure.map(failure),
            started: When::new(incident.started_at, now),
            lasted: lasted(incident.duration(now)),
        }
    }
}

#[derive(Template)]
#[template(path = "incidents.html")]
struct IncidentsPage {
    frame: Frame,
    kinds: Vec<Link>,
    monitor: Option<String>,
    rows: Vec<IncidentRow>,
    older: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct Ask {
    #[serde(default)]
    state: String,
    #[serde(default)]
    monitor: String,
    #[serde(default)]
    before: String,
}

/// `GET /incidents`
pub(super) async fn list(
    State(web): State<Web>,
    visit: Visit,
    Query(ask): Query<Ask>,
) -> Result<Response, Trouble> {
    let now = Timestamp::now();
    let open_only = ask.state == "open";
    let monitor = Some(ask.monitor.clone()).filter(|name| !name.is_empty());
    let filter = IncidentFilter { open_only, monitor: monitor.clone() };
    let before = ask.before.parse::<Timestamp>().ok();
    let mut found = web.app.store().incidents(&filter, before, ROWS_MAX + 1).await?;
    let more = found.len() > ROWS_MAX;
    found.truncate(ROWS_MAX);
    let state = if open_only { "open" } else { "" };
    let last = found.last().map(|incident| incident.started_at.to_string());
    let older = last.filter(|_| more).map(|last| list_path(state, &ask.monitor, &last));
    let kind =
        |text, state, current| Link { href: list_path(state, &ask.monitor, ""), text, current };
    page(&IncidentsPage {
        frame: visit.frame(&web, "Incidents", "incidents"),
        kinds: vec![kind("All", "", !open_only), kind("Open", "open", open_only)],
        monitor,
        rows: found.iter().map(|incident| IncidentRow::new(incident, now)).collect(),
        older,
    })
}

fn list_path(state: &str, monitor: &str, before: &str) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for (key, value) in [("state", state), ("monitor", monitor), ("before", before)] {
        if !value.is_empty() {
            query.append_pair(key, value);
        }
    }
    format!("/incidents?{}", query.finish()).trim_end_matches('?').to_owned()
}

#[derive(Template)]
#[template(path = "incident.html")]
struct IncidentPage {
    frame: Frame,
    id: String,
    monitor: String,
    monitor_exists: bool,
    verdict: Verdict,
    phase_word: &'static str,
    flapping: bool,
    started: When,
    resolved: Option<When>,
    ended_by: Option<String>,
    taken: Option<(String, When)>,
    lasted: String,
    moments: Vec<MomentRow>,
    notices: Vec<NoticeRow>,
    /// Who is told next, if nobody takes it.
    next: Vec<NextRow>,
    /// There is no message of its own, and the time line says why.
    elsewhere: bool,
    text: String,
}

#[derive(Clone, Debug)]
struct NextRow {
    who: String,
    policy: String,
    when: When,
}

#[derive(Clone, Debug)]
struct MomentRow {
    kind: &'static str,
    text: String,
    when: When,
}

#[derive(Clone, Debug)]
struct NoticeRow {
    channel: String,
    event: &'static str,
    state: &'static str,
    word: String,
    when: Option<When>,
    error: Option<String>,
}

/// `GET /incidents/{id}`
pub(super) async fn incident(
    State(web): State<Web>,
    visit: Visit,
    Path(id): Path<String>,
) -> Result<Response, Trouble> {
    let store = web.app.store();
    if let Some(id) = id.strip_suffix(".md") {
        let incident = store.incident(id).await?.ok_or(Trouble::NotFound("incident"))?;
        return Ok(as_markdown(&web, &incident).await?);
    }
    let incident = store.incident(&id).await?.ok_or(Trouble::NotFound("incident"))?;
    let notices = store.notices_of(&id).await?;
    let now = Timestamp::now();
    let next = next(&web, &incident, now).await?;
    let said = sentence(&incident.diagnosis);
    let title = format!("{}: {}", incident.monitor, first_sentence(&said).0);
    let status = web.app.status(&incident.monitor);
    let page_ = IncidentPage {
        frame: visit.frame(&web, title, "incidents"),
        monitor: incident.monitor.clone(),
        monitor_exists: status.is_some(),
        verdict: verdict(&incident.diagnosis),
        phase_word: phase_word(incident.phase),
        flapping: incident.flapping,
        started: When::new(incident.started_at, now),
        resolved: incident.resolved_at.map(|at| When::new(at, now)),
        ended_by: incident.ended_by.clone(),
        taken: incident.acknowledged.as_ref().map(|a| (a.by.clone(), When::new(a.at, now))),
        lasted: lasted(incident.duration(now)),
        moments: moments(&incident, &notices, now),
        notices: notices.iter().map(|delivery| notice_row(delivery, now)).collect(),
        next,
        elsewhere: incident
            .timeline
            .iter()
            .any(|moment| matches!(moment.kind, MomentKind::Quiet | MomentKind::Escalated)),
        text: plain_text(&web, &incident, now),
        id,
    };
    page(&page_)
}

async fn next(web: &Web, incident: &Incident, now: Timestamp) -> Result<Vec<NextRow>, Trouble> {
    if incident.phase != Phase::Open {
        return Ok(Vec::new());
    }
    let config = web.app.config();
    let escalation = web.app.store().escalation(&incident.id).await?;
    let next = escalation.map(|escalation| escalation.next(&config.rules)).unwrap_or_default();
    let row = |next: whydown_core::alerting::escalation::Next| NextRow {
        who: match next.channels.as_slice() {
            [] => "nobody".to_owned(),
            channels => channels.join(", "),
        },
        policy: next.policy,
        when: When::new(next.at, now),
    };
    Ok(next.into_iter().map(row).collect())
}

/// Newest first: during an outage that is what one looks for.
fn moments(incident: &Incident, notices: &[Delivery], now: Timestamp) -> Vec<MomentRow> {
    let row = |moment: &whydown_core::incident::Moment| MomentRow {
        kind: match moment.kind {
            MomentKind::FirstFailure => "first_failure",
            MomentKind::Confirmed => "confirmed",
            MomentKind::Changed => "changed",
            MomentKind::Flapping => "flapping",
            MomentKind::Inside => "inside",
            MomentKind::Fine => "fine",
            MomentKind::Quiet => "quiet",
            MomentKind::Escalated => "escalated",
            MomentKind::Comment => "comment",
            MomentKind::Acknowledged => "acknowledged",
            MomentKind::Resolved => "resolved",
        },
        text: moment.text.clone(),
        when: When::new(moment.at, now),
    };
    let mut all: Vec<(Timestamp, MomentRow)> =
        incident.timeline.iter().map(|moment| (moment.at, row(moment))).collect();
    let told = notices.iter().map(crate::export::notice_line);
    all.extend(told.map(|line| {
        (line.at, MomentRow { kind: "told", text: line.text, when: When::new(line.at, now) })
    }));
    all.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    all.into_iter().map(|(_, row)| row).collect()
}

/// An incident as a document for tickets and post-mortems.
pub(crate) async fn as_markdown(web: &Web, incident: &Incident) -> Result<Response, StoreError> {
    let notices = web.app.store().notices_of(&incident.id).await?;
    let config = web.app.config();
    let base = config.base_url.as_deref();
    let text = crate::export::markdown(incident, &notices, base, Timestamp::now());
    let name = format!("attachment; filename=\"incident-{}.md\"", incident.id);
    let headers = [
        (header::CONTENT_TYPE, "text/markdown; charset=utf-8".to_owned()),
        (header::CONTENT_DISPOSITION, name),
    ];
    Ok((headers, text).into_response())
}

/// `POST /incidents/{id}/comments`
pub(super) async fn comment(
    State(web): State<Web>,
    visit: Visit,
    Path(id): Path<String>,
    fields: Fields,
) -> Result<Response, Trouble> {
    let incident = web.app.comment(&id, &visit.session.user, fields.get("text")).await?;
    Ok(Redirect::to(&format!("/incidents/{}?done=commented", incident.id)).into_response())
}

fn notice_row(delivery: &Delivery, now: Timestamp) -> NoticeRow {
    let times = match delivery.attempts {
        0 | 1 => String::new(),
        times => format!(" after {times} attempts"),
    };
    let (state, word, at) = match delivery.state {
        DeliveryState::Delivered => ("up", format!("Delivered{times}"), delivery.done_at),
        DeliveryState::Dead => ("down", format!("Given up{times}"), delivery.done_at),
        DeliveryState::Folded => ("up", "Told with the end".to_owned(), delivery.done_at),
        DeliveryState::Waiting if delivery.attempts == 0 => {
            ("pending", "Being sent".to_owned(), delivery.due_at)
        }
        DeliveryState::Waiting => ("degraded", format!("Trying again{times}"), delivery.due_at),
    };
    let event = match delivery.event.as_str() {
        "incident.opened" => "opened",
        "incident.updated" => "updated",
        "incident.reminded" => "reminder",
        "incident.resolved" => "resolved",
        _ => "notice",
    };
    let error = delivery.last_error.clone().filter(|_| delivery.state != DeliveryState::Delivered);
    let when = at.filter(|at| *at <= now).or(Some(delivery.created_at));
    NoticeRow {
        channel: delivery.channel.clone(),
        event,
        state,
        word,
        when: when.map(|at| When::new(at, now)),
        error,
    }
}

/// The notice's text, to be pasted into a ticket or a chat.
fn plain_text(web: &Web, incident: &Incident, now: Timestamp) -> String {
    let event = match incident.phase {
        Phase::Open | Phase::Acknowledged => NoticeEvent::Opened,
        Phase::Resolved => NoticeEvent::Resolved,
    };
    let config = web.app.config();
    let base = config.base_url.as_deref();
    let body = notice::body(event, incident, base, now);
    format!("{}\n\n{}", body.subject(), body.text())
}

/// `POST /incidents/{id}/acknowledge`
pub(super) async fn acknowledge(
    State(web): State<Web>,
    visit: Visit,
    Path(id): Path<String>,
) -> Result<Response, Trouble> {
    let incident = web.app.acknowledge(&id, &visit.session.user).await?;
    Ok(Redirect::to(&format!("/incidents/{}?done=acknowledged", incident.id)).into_response())
}
