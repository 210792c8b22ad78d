//! Incidents.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde_json::{Value, json};
use whydown_core::incident::Incident;

use super::caller::Caller;
use super::input::{Asked, Object, page};
use super::problem::Problem;
use crate::access::Scope;
use crate::store::{Delivery, DeliveryState, IncidentFilter};
use crate::web::Web;

fn shown(incident: &Incident, now: Timestamp) -> Value {
    json!({
        "id": incident.id,
        "monitor": incident.monitor,
        "phase": incident.phase,
        "started_at": incident.started_at,
        "opened_at": incident.opened_at,
        "acknowledged": incident.acknowledged,
        "resolved_at": incident.resolved_at,
        "ended_by": incident.ended_by,
        "duration_ms": incident.duration(now).as_secs_f64() * 1_000.0,
        "flapping": incident.flapping,
        "diagnosis": incident.diagnosis,
        "timeline": incident.timeline,
    })
}

fn delivery(delivery: &Delivery) -> Value {
    let state = match delivery.state {
        DeliveryState::Waiting => "waiting",
        DeliveryState::Delivered => "delivered",
        DeliveryState::Dead => "dead",
        DeliveryState::Folded => "folded",
    };
    json!({
        "key": delivery.key,
        "channel": delivery.channel,
        "event": delivery.event,
        "state": state,
        "created_at": delivery.created_at,
        "attempts": delivery.attempts,
        "done_at": delivery.done_at,
        "due_at": delivery.due_at,
        "last_error": delivery.last_error,
    })
}

/// One incident with its notices.
async fn whole(web: &Web, incident: &Incident) -> Result<Value, Problem> {
    let notices = web.app.store().notices_of(&incident.id).await?;
    let mut value = shown(incident, Timestamp::now());
    value["notices"] = notices.iter().map(delivery).collect();
    Ok(value)
}

/// `GET /incidents`
pub(super) async fn list(State(web): State<Web>, asked: Asked) -> Result<Response, Problem> {
    let asked = asked.knows(&["state", "monitor", "limit", "before"])?;
    let (limit, before) = (asked.limit()?, asked.before()?);
    let open_only = match asked.get("state") {
        None | Some("all") => false,
        Some("open") => true,
        Some(other) => {
            return Err(Problem::field("state", format!("{other:?} is neither open nor all")));
        }
    };
    let filter = IncidentFilter { open_only, monitor: asked.get("monitor").map(str::to_owned) };
    let mut found = web.app.store().incidents(&filter, before, limit + 1).await?;
    let next = page(&mut found, limit, |incident| incident.started_at);
    let now = Timestamp::now();
    let found: Vec<Value> = found.iter().map(|incident| shown(incident, now)).collect();
    Ok(Json(json!({ "incidents": found, "next": next })).into_response())
}

/// `GET /incidents/{id}`; with `.md` behind the id, as Markdown.
pub(super) async fn get(
    State(web): State<Web>,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let (id, markdown) = id.strip_suffix(".md").map_or((id.as_str(), false), |id| (id, true));
    let incident = web.app.store().incident(id).await?;
    let incident = incident.ok_or_else(|| Problem::not_found("incident"))?;
    if markdown {
        return Ok(crate::web::incident_as_markdown(&web, &incident).await?);
    }
    Ok(Json(whole(&web, &incident).await?).into_response())
}

/// `POST /incidents/{id}/acknowledge`
pub(super) async fn acknowledge(
    State(web): State<Web>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    caller.may(Scope::Write)?;
    let incident = web.app.acknowledge(&id, &caller.0.name).await?;
    Ok(Json(whole(&web, &incident).await?).into_response())
}

/// `POST /incidents/{id}/comments`
pub(super) async fn comment(
    State(web): State<Web>,
    caller: Caller,
    Path(id): Path<String>,
    object: Object,
) -> Result<Response, Problem> {
    caller.may(Scope::Write)?;
    let fields = object.only(&["text"])?;
    let Some(Value::String(text)) = fields.get("text") else {
        return Err(Problem::field("text", "is missing or not a text"));
    };
    let incident = web.app.comment(&id, &caller.0.name, text).await?;
    Ok((StatusCode::CREATED, Json(whole(&web, &incident).await?)).into_response())
}
