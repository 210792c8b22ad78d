//! Silences, who is on call, what was given up, and how soon things are taken and repaired.

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde_json::{Value, json};
use whydown_core::alerting::rules::{Select, Silence};
use whydown_core::units;

use super::caller::Caller;
use super::input::{Asked, Object, page};
use super::problem::Problem;
use crate::access::Scope;
use crate::store::Undelivered;
use crate::web::Web;

/// Days of figures when nothing is asked for, and at most.
const DAYS_DEFAULT: u64 = 30;
const DAYS_MAX: u64 = 3_650;

/// `GET /silences`: those that are not over; there are never many.
pub(super) async fn silences(State(web): State<Web>, asked: Asked) -> Result<Response, Problem> {
    asked.knows(&[])?;
    let now = web.app.now();
    let silences = web.app.silences();
    let open: Vec<&Silence> = silences.iter().filter(|silence| silence.until > now).collect();
    Ok(Json(json!({ "silences": open, "next": null })).into_response())
}

/// `POST /silences`
pub(super) async fn silence(
    State(web): State<Web>,
    caller: Caller,
    object: Object,
) -> Result<Response, Problem> {
    caller.may(Scope::Write)?;
    let fields = object.only(&["monitors", "tags", "for", "for_ms", "comment"])?;
    let select = Select { monitors: texts(&fields, "monitors")?, tags: texts(&fields, "tags")? };
    let lasts = match (fields.get("for"), fields.get("for_ms")) {
        (Some(Value::String(text)), None) => {
            units::parse(text).map_err(|error| Problem::field("for", error.to_string()))?
        }
        (None, Some(Value::Number(ms))) => Duration::from_millis(ms.as_u64().ok_or_else(|| {
            Problem::field("for_ms", "is not a number of milliseconds".to_owned())
        })?),
        (None, None) => return Err(Problem::field("for", "is missing: \"2h\"")),
        _ => return Err(Problem::field("for", "is not a duration such as \"2h\"")),
    };
    let comment = match fields.get("comment") {
        None => "",
        Some(Value::String(text)) => text,
        Some(_) => return Err(Problem::field("comment", "is not a text")),
    };
    let made = web.app.silence(select, lasts, &caller.0.name, comment).await?;
    Ok((StatusCode::CREATED, Json(made)).into_response())
}

fn texts(fields: &serde_json::Map<String, Value>, key: &str) -> Result<Vec<String>, Problem> {
    let wrong = || Problem::field(key, "is not a list of texts");
    match fields.get(key) {
        None => Ok(Vec::new()),
        Some(Value::Array(items)) => {
            let text = |item: &Value| item.as_str().map(str::to_owned).ok_or_else(wrong);
            items.iter().map(text).collect()
        }
        Some(_) => Err(wrong()),
    }
}

/// `DELETE /silences/{id}`
pub(super) async fn end_silence(
    State(web): State<Web>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    caller.may(Scope::Write)?;
    web.app.end_silence(&id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /on-call`
pub(super) async fn on_call(State(web): State<Web>, asked: Asked) -> Result<Response, Problem> {
    asked.knows(&[])?;
    let now = web.app.now();
    let config = web.app.config();
    let row = |on_call: &whydown_core::alerting::on_call::OnCall| {
        json!({
            "name": on_call.name,
            "person": on_call.who(now),
            "next_turn_at": on_call.next_turn(now),
            "time_zone": on_call.zone.name(),
        })
    };
    let rows: Vec<Value> = config.rules.on_call.iter().map(row).collect();
    Ok(Json(json!({ "on_call": rows, "next": null })).into_response())
}

fn shown(notice: &Undelivered) -> Value {
    json!({
        "key": notice.key,
        "channel": notice.channel,
        "event": notice.body.event.name(),
        "incident": notice.body.incident.id,
        "subject": notice.body.subject(),
        "created_at": notice.created_at,
        "given_up_at": notice.given_up_at,
        "attempts": notice.attempts,
        "last_error": notice.last_error,
    })
}

/// `GET /undelivered`
pub(super) async fn undelivered(State(web): State<Web>, asked: Asked) -> Result<Response, Problem> {
    let asked = asked.knows(&["limit", "before"])?;
    let (limit, before) = (asked.limit()?, asked.before()?);
    let mut found = web.app.store().undelivered(before, limit + 1).await?;
    let next = page(&mut found, limit, |notice| notice.given_up_at);
    let found: Vec<Value> = found.iter().map(shown).collect();
    Ok(Json(json!({ "undelivered": found, "next": next })).into_response())
}

/// `POST /undelivered/{key}/retry`
pub(super) async fn retry(
    State(web): State<Web>,
    caller: Caller,
    Path(key): Path<String>,
) -> Result<StatusCode, Problem> {
    caller.may(Scope::Write)?;
    web.app.retry(&key).await?;
    Ok(StatusCode::ACCEPTED)
}

/// `GET /reliability`
pub(super) async fn reliability(State(web): State<Web>, asked: Asked) -> Result<Response, Problem> {
    let asked = asked.knows(&["monitor", "days"])?;
    let days = match asked.get("days") {
        None => DAYS_DEFAULT,
        Some(text) => {
            let days = text.parse().ok().filter(|days| (1..=DAYS_MAX).contains(days));
            days.ok_or_else(|| {
                Problem::field("days", format!("{text:?} is not a number from 1 to {DAYS_MAX}"))
            })?
        }
    };
    let now = web.app.now();
    let from = now.checked_sub(Duration::from_hours(24 * days)).unwrap_or(Timestamp::MIN);
    let monitor = asked.get("monitor");
    let found = web.app.store().reliability(monitor, (from, now), now).await?;
    let ms = |span: Option<Duration>| span.map(|span| span.as_secs_f64() * 1_000.0);
    Ok(Json(json!({
        "monitor": monitor,
        "from": from,
        "to": now,
        "incidents": found.incidents,
        "acknowledged": found.acknowledged,
        "resolved": found.resolved,
        "mtta_ms": ms(found.to_acknowledge),
        "mttr_ms": ms(found.to_resolve),
        "failing_ms": ms(Some(found.failing)),
    }))
    .into_response())
}
