//! Monitors and their observations.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};
use whydown_core::incident::Place;

use super::caller::Caller;
use super::input::{Asked, Object, page};
use super::patch::merged;
use super::problem::Problem;
use crate::access::Scope;
use crate::app::{EditError, MonitorStatus, Origin};
use crate::config;
use crate::store::Seen;
use crate::web::Web;

/// A monitor with its status.
fn shown(status: &MonitorStatus) -> Value {
    let monitor = serde_json::to_value(status.entry.shown()).unwrap_or_default();
    let mut object = match monitor {
        Value::Object(object) => object,
        _ => Map::new(),
    };
    let standing = &status.standing;
    object.insert("origin".to_owned(), json!(status.entry.origin));
    object.insert("state".to_owned(), json!(standing.state));
    object.insert("since".to_owned(), json!(standing.since));
    let incident = standing.incident.as_ref().map(|incident| &incident.id);
    object.insert("incident".to_owned(), json!(incident));
    let last = status.last.as_ref().map(|last| {
        json!({
            "at": last.at,
            "elapsed_ms": last.elapsed.as_secs_f64() * 1_000.0,
            "state": last.state,
            "failure": last.failure,
        })
    });
    object.insert("last_check".to_owned(), json!(last));
    let place = |(name, place): (&str, &Place)| {
        let since = place.streak_since;
        let (state, at, failure) = (place.state, place.at, place.failure);
        (name.to_owned(), json!({ "state": state, "since": since, "at": at, "failure": failure }))
    };
    let places: Map<String, Value> = standing.places.iter().map(place).collect();
    object.insert("places".to_owned(), Value::Object(places));
    Value::Object(object)
}

fn status(web: &Web, name: &str) -> Result<MonitorStatus, Problem> {
    web.app.status(name).ok_or_else(|| Problem::not_found("monitor"))
}

fn checked(web: &Web, value: &Value) -> Result<whydown_core::monitor::Monitor, Problem> {
    let channels = web.app.channels();
    let names: Vec<&str> = channels.iter().map(|entry| entry.channel.name.as_str()).collect();
    config::monitor(value, &names).map_err(Problem::fields)
}

/// `GET /monitors`
pub(super) async fn list(State(web): State<Web>, asked: Asked) -> Result<Response, Problem> {
    let asked = asked.knows(&["limit", "after"])?;
    let limit = asked.limit()?;
    let after = asked.get("after");
    let monitors = web.app.monitors();
    let rest = monitors
        .iter()
        .filter(|entry| after.is_none_or(|after| entry.monitor.name.as_str() > after));
    let names: Vec<&str> = rest.take(limit + 1).map(|entry| entry.monitor.name.as_str()).collect();
    let next = (names.len() > limit).then(|| names[limit - 1]);
    let found = names.iter().take(limit).filter_map(|name| web.app.status(name));
    let found: Vec<Value> = found.map(|status| shown(&status)).collect();
    Ok(Json(json!({ "monitors": found, "next": next })).into_response())
}

/// `GET /monitors/{name}`
pub(super) async fn get(
    State(web): State<Web>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    Ok(Json(shown(&status(&web, &name)?)).into_response())
}

/// `POST /monitors`
pub(super) async fn create(
    State(web): State<Web>,
    caller: Caller,
    Object(value): Object,
) -> Result<Response, Problem> {
    caller.may(Scope::Write)?;
    let entry = web.app.create_monitor(checked(&web, &value)?).await?;
    let name = &entry.monitor.name;
    let mut response = (StatusCode::CREATED, Json(shown(&status(&web, name)?))).into_response();
    let path = format!("/api/v1{}", crate::web::monitor_path(name));
    if let Ok(path) = HeaderValue::try_from(path) {
        response.headers_mut().insert(header::LOCATION, path);
    }
    Ok(response)
}

/// `PATCH /monitors/{name}`
pub(super) async fn update(
    State(web): State<Web>,
    caller: Caller,
    Path(name): Path<String>,
    Object(patch): Object,
) -> Result<Response, Problem> {
    caller.may(Scope::Write)?;
    let status_now = status(&web, &name)?;
    if status_now.entry.origin == Origin::File {
        return Err(read_only(&web, &name));
    }
    let now = serde_json::to_value(status_now.entry.shown()).unwrap_or_default();
    let monitor = checked(&web, &merged(&now, &patch))?;
    let entry = web.app.update_monitor(&name, monitor).await?;
    Ok(Json(shown(&status(&web, &entry.monitor.name)?)).into_response())
}

/// Said before the values are looked at: they don't matter.
fn read_only(web: &Web, name: &str) -> Problem {
    let file = web.app.config().file.clone().unwrap_or_default();
    EditError::ReadOnly { what: "monitor", name: name.to_owned(), file }.into()
}

/// `DELETE /monitors/{name}`
pub(super) async fn delete(
    State(web): State<Web>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    caller.may(Scope::Write)?;
    web.app.delete_monitor(&name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /monitors/{name}/check`
pub(super) async fn check(
    State(web): State<Web>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    caller.may(Scope::Write)?;
    web.app.check_now(&name).await?;
    Ok(StatusCode::ACCEPTED)
}

/// `GET /monitors/{name}/observations`
pub(super) async fn observations(
    State(web): State<Web>,
    Path(name): Path<String>,
    asked: Asked,
) -> Result<Response, Problem> {
    let asked = asked.knows(&["limit", "before"])?;
    let (limit, before) = (asked.limit()?, asked.before()?);
    status(&web, &name)?;
    let mut found = web.app.store().observations(&name, before, limit + 1).await?;
    let next = page(&mut found, limit, |seen| seen.observation.at);
    let found: Vec<Value> = found.iter().map(observation).collect();
    Ok(Json(json!({ "observations": found, "next": next })).into_response())
}

fn observation(seen: &Seen) -> Value {
    let mut value = serde_json::to_value(&seen.observation).unwrap_or_default();
    value["location"] = json!(seen.location);
    value
}
