//! The page of alerts: who is on call, what is quiet, which messages were given up, and how soon
//! things are taken and repaired.

use std::time::Duration;

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use jiff::Timestamp;
use whydown_core::alerting::rules::{Digest, Policy, Select, Silence, Targets, Window};
use whydown_core::notice::NoticeBody;
use whydown_core::units;

use super::Web;
use super::dress::{Trouble, page, page_with};
use super::forms::Fields;
use super::frame::{Flash, Frame, Visit};
use super::view::time::{When, lasted};
use crate::app::EditError;
use crate::store::{Reliability, Undelivered};

/// Given-up messages listed, and those that are seen at once.
const UNDELIVERED_MAX: usize = 100;
const SHOWN_MAX: usize = 5;
/// Days of the figures.
const DAYS: u64 = 30;

#[derive(Template)]
#[template(path = "alerting.html")]
struct AlertingPage {
    frame: Frame,
    figures: Figures,
    duties: Vec<DutyRow>,
    policies: Vec<PolicyRow>,
    windows: Vec<WindowRow>,
    silences: Vec<SilenceRow>,
    undelivered: Vec<UndeliveredRow>,
    /// So many of them at first sight.
    shown_max: usize,
    waiting: u64,
    typed: Fields,
    problem: Option<String>,
}

/// Times to acknowledge and to repair.
#[derive(Clone, Debug)]
pub(super) struct Figures {
    pub(super) incidents: u64,
    pub(super) to_acknowledge: String,
    pub(super) to_resolve: String,
    pub(super) failing: String,
}

impl Figures {
    fn of(found: &Reliability) -> Self {
        let span = |span: Option<Duration>| span.map_or_else(|| "none yet".to_owned(), lasted);
        Self {
            incidents: found.incidents,
            to_acknowledge: span(found.to_acknowledge),
            to_resolve: span(found.to_resolve),
            failing: lasted(found.failing),
        }
    }
}

/// The figures of the last days, of one monitor or of all.
pub(super) async fn figures(
    web: &Web,
    monitor: Option<&str>,
    now: Timestamp,
) -> Result<Figures, Trouble> {
    let from = now.checked_sub(Duration::from_hours(24 * DAYS)).unwrap_or(Timestamp::MIN);
    let found = web.app.store().reliability(monitor, (from, now), now).await?;
    Ok(Figures::of(&found))
}

#[derive(Clone, Debug)]
struct DutyRow {
    name: String,
    person: Option<String>,
    next: Option<(String, When)>,
}

#[derive(Clone, Debug)]
struct PolicyRow {
    name: String,
    applies: String,
    steps: Vec<String>,
}

#[derive(Clone, Debug)]
struct WindowRow {
    name: String,
    of: String,
    until: Option<When>,
    next: Option<When>,
}

#[derive(Clone, Debug)]
struct SilenceRow {
    id: String,
    of: String,
    by: String,
    comment: String,
    until: When,
}

#[derive(Clone, Debug)]
struct UndeliveredRow {
    key: String,
    channel: String,
    subject: String,
    error: String,
    /// `after 3 attempts`
    after: String,
    when: When,
    /// Of an incident that has a page.
    incident: Option<String>,
}

async fn template(web: &Web, visit: &Visit) -> Result<AlertingPage, Trouble> {
    let now = web.app.now();
    let config = web.app.config();
    let rules = &config.rules;
    let duty = |on_call: &whydown_core::alerting::on_call::OnCall| DutyRow {
        name: on_call.name.clone(),
        person: on_call.who(now).map(str::to_owned),
        next: on_call
            .next_turn(now)
            .map(|at| (on_call.who(at).unwrap_or_default().to_owned(), When::new(at, now))),
    };
    let store = web.app.store();
    let undelivered = store.undelivered(None, UNDELIVERED_MAX).await?;
    let (waiting, _) = store.outbox_counts().await?;
    let silences = web.app.silences();
    let open = silences.iter().filter(|silence| silence.until > now);
    Ok(AlertingPage {
        frame: visit.frame(web, "Alerting", "alerting"),
        figures: figures(web, None, now).await?,
        duties: rules.on_call.iter().map(duty).collect(),
        policies: rules.policies.iter().map(policy_row).collect(),
        windows: rules.maintenance.iter().map(|window| window_row(window, now)).collect(),
        silences: open.map(|silence| silence_row(silence, now)).collect(),
        undelivered: undelivered.iter().map(|notice| undelivered_row(notice, now)).collect(),
        shown_max: SHOWN_MAX,
        waiting,
        typed: Fields::default(),
        problem: None,
    })
}

fn policy_row(policy: &Policy) -> PolicyRow {
    let severity: Vec<&str> = policy.applies.severity.iter().map(|s| s.name()).collect();
    let mut applies = policy.applies.select.to_string();
    if !severity.is_empty() {
        applies = format!("{applies}; {}", severity.join(", "));
    }
    if policy.applies.hours.is_some() {
        applies += "; at some hours";
    }
    let step = |step: &whydown_core::alerting::rules::Step| {
        let after = match (&policy.digest, step.after) {
            (Some(Digest::Hourly(_)), _) => "collected, told each full hour".to_owned(),
            (Some(Digest::Daily(at, zone)), _) => {
                format!("collected, told every day at {} {}", at.strftime("%H:%M"), zone.name())
            }
            (None, Duration::ZERO) => "at once".to_owned(),
            (None, after) => format!("after {}", units::show(after)),
        };
        format!("{after}: {}", who(&step.who))
    };
    let mut steps: Vec<String> = policy.steps.iter().map(step).collect();
    if let Some(repeat) = policy.repeat {
        steps.push(format!("again every {}, {} times", units::show(repeat.every), repeat.times));
    }
    PolicyRow { name: policy.name.clone(), applies, steps }
}

fn who(targets: &Targets) -> String {
    let on_call = targets.on_call.iter().map(|name| format!("on call: {name}"));
    let all = targets.channels.iter().chain(&targets.people).cloned().chain(on_call);
    all.collect::<Vec<_>>().join(", ")
}

fn window_row(window: &Window, now: Timestamp) -> WindowRow {
    WindowRow {
        name: window.name.clone(),
        of: window.select.to_string(),
        until: window.when.open(now).map(|until| When::new(until, now)),
        next: window.when.next(now).map(|(from, _)| When::new(from, now)),
    }
}

fn silence_row(silence: &Silence, now: Timestamp) -> SilenceRow {
    SilenceRow {
        id: silence.id.clone(),
        of: silence.select.to_string(),
        by: silence.by.clone(),
        comment: silence.comment.clone(),
        until: When::new(silence.until, now),
    }
}

fn undelivered_row(notice: &Undelivered, now: Timestamp) -> UndeliveredRow {
    UndeliveredRow {
        key: notice.key.clone(),
        channel: notice.channel.clone(),
        subject: notice.body.subject(),
        error: notice.last_error.clone(),
        after: match notice.attempts {
            1 => "after 1 attempt".to_owned(),
            attempts => format!("after {attempts} attempts"),
        },
        when: When::new(notice.given_up_at, now),
        incident: has_page(&notice.body).then(|| notice.body.incident.id.clone()),
    }
}

/// Storms, digests and words about a channel speak of no incident by itself.
fn has_page(body: &NoticeBody) -> bool {
    body.group.is_none() && body.event.is_of_incident()
}

/// `GET /alerting`
pub(super) async fn alerting(State(web): State<Web>, visit: Visit) -> Result<Response, Trouble> {
    page(&template(&web, &visit).await?)
}

/// `POST /alerting/silences`
pub(super) async fn silence(
    State(web): State<Web>,
    visit: Visit,
    fields: Fields,
) -> Result<Response, Trouble> {
    let list = |key: &str| -> Vec<String> {
        let parts = fields.get(key).split(',').map(str::trim).filter(|part| !part.is_empty());
        parts.map(str::to_owned).collect()
    };
    let select = Select { monitors: list("monitors"), tags: list("tags") };
    let made = match units::parse(fields.get("for")) {
        Ok(lasts) => {
            let by = &visit.session.user;
            web.app.silence(select, lasts, by, fields.get("comment")).await.map(|_| ())
        }
        Err(error) => {
            return again(&web, &visit, fields, error.to_string()).await;
        }
    };
    match made {
        Ok(()) => Ok(Redirect::to("/alerting?done=silenced").into_response()),
        Err(error @ EditError::Invalid(_)) => again(&web, &visit, fields, error.to_string()).await,
        Err(error) => Err(error.into()),
    }
}

async fn again(
    web: &Web,
    visit: &Visit,
    fields: Fields,
    problem: String,
) -> Result<Response, Trouble> {
    let mut page = template(web, visit).await?;
    page.frame.flash = Some(Flash::bad("Nothing is silenced yet: please look at the form."));
    page.typed = fields;
    page.problem = Some(problem);
    page_with(StatusCode::UNPROCESSABLE_ENTITY, &page)
}

/// `POST /alerting/silences/{id}/end`
pub(super) async fn end_silence(
    State(web): State<Web>,
    Path(id): Path<String>,
) -> Result<Response, Trouble> {
    web.app.end_silence(&id).await?;
    Ok(Redirect::to("/alerting?done=unsilenced").into_response())
}

/// `POST /alerting/retry`
pub(super) async fn retry(State(web): State<Web>, fields: Fields) -> Result<Response, Trouble> {
    web.app.retry(&fields.exact("key")).await?;
    Ok(Redirect::to("/alerting?done=retried").into_response())
}
