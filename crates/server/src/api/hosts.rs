//! Watched hosts and their agents.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::caller::Caller;
use super::input::Object;
use super::problem::Problem;
use crate::access::Scope;
use crate::fleet::WatchedHost;
use crate::web::Web;

/// `GET /hosts`
pub(super) async fn list(State(web): State<Web>) -> Result<Json<Value>, Problem> {
    Ok(Json(json!({ "hosts": web.app.hosts().await? })))
}

/// `POST /hosts`: defines one, and gives a one-time token for its agent.
pub(super) async fn add(
    State(web): State<Web>,
    caller: Caller,
    object: Object,
) -> Result<Response, Problem> {
    caller.may(Scope::Admin)?;
    let fields = object.only(&["name", "ports", "addresses"])?;
    let host: WatchedHost = serde_json::from_value(Value::Object(fields))
        .map_err(|error| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, error.to_string()))?;
    let token = web.app.add_host(&host).await?;
    let made = json!({ "name": host.name, "token": token });
    Ok((StatusCode::CREATED, Json(made)).into_response())
}

/// `DELETE /hosts/{name}`
pub(super) async fn remove(
    State(web): State<Web>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    caller.may(Scope::Admin)?;
    web.app.remove_host(&name).await?;
    Ok(StatusCode::NO_CONTENT)
}
