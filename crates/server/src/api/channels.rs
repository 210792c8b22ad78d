//! Channels; their secrets go in and never out.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::caller::Caller;
use super::input::{Asked, Object};
use super::problem::Problem;
use crate::access::Scope;
use crate::config;
use crate::web::Web;

/// `GET /channels`: all of them; there are never many.
pub(super) async fn list(State(web): State<Web>, asked: Asked) -> Result<Response, Problem> {
    asked.knows(&[])?;
    Ok(Json(json!({ "channels": *web.app.channels(), "next": null })).into_response())
}

/// `GET /channels/{name}`
pub(super) async fn get(
    State(web): State<Web>,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let channels = web.app.channels();
    let found = channels.iter().find(|entry| entry.channel.name == name);
    let found = found.ok_or_else(|| Problem::not_found("channel"))?;
    Ok(Json(found).into_response())
}

/// `POST /channels`
pub(super) async fn create(
    State(web): State<Web>,
    caller: Caller,
    Object(value): Object,
) -> Result<Response, Problem> {
    caller.may(Scope::Admin)?;
    let channel = config::channel(&value).map_err(Problem::fields)?;
    let entry = web.app.create_channel(channel).await?;
    Ok((StatusCode::CREATED, Json(entry)).into_response())
}

/// `PATCH /channels/{name}`: an RFC 7396 merge patch; a masked secret stays what it was.
pub(super) async fn update(
    State(web): State<Web>,
    caller: Caller,
    Path(name): Path<String>,
    Object(patch): Object,
) -> Result<Response, Problem> {
    caller.may(Scope::Admin)?;
    let channels = web.app.channels();
    let found = channels.iter().find(|entry| entry.channel.name == name);
    let entry = found.ok_or_else(|| Problem::not_found("channel"))?;
    let value = super::patch::merged(&entry.channel.to_shown(), &patch);
    let entry = web.app.update_channel(&name, value).await?;
    Ok(Json(entry).into_response())
}

/// `DELETE /channels/{name}`
pub(super) async fn delete(
    State(web): State<Web>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    caller.may(Scope::Admin)?;
    web.app.delete_channel(&name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /channels/{name}/test`
pub(super) async fn test(
    State(web): State<Web>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    caller.may(Scope::Write)?;
    web.app.send_test(&name).await?;
    Ok(Json(json!({ "delivered": true })).into_response())
}
