//! Locations and their probes.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::caller::Caller;
use super::input::Object;
use super::problem::Problem;
use crate::access::Scope;
use crate::app::LocationStatus;
use crate::fleet::{Definition, FleetError};
use crate::web::Web;

fn shown(status: &LocationStatus) -> Value {
    let location = &status.definition.location;
    let probes = status.probes.iter().map(|probe| {
        json!({
            "id": probe.id,
            "live": probe.live,
            "version": probe.introduction.version,
            "abilities": probe.introduction.abilities,
            "seen_at": probe.seen_at,
            "monitors": probe.monitors,
        })
    });
    json!({
        "name": location.name,
        "region": location.region,
        "network": location.network,
        "labels": location.labels,
        "coordinates": status.definition.coordinates,
        "state": if status.is_live() { "live" } else { "no_data" },
        "monitors": status.monitors,
        "probes": probes.collect::<Vec<Value>>(),
    })
}

/// `GET /locations`
pub(super) async fn list(State(web): State<Web>) -> Json<Value> {
    let all: Vec<Value> = web.app.locations().iter().map(shown).collect();
    Json(json!({ "locations": all }))
}

/// `POST /locations`: defines one, and gives a one-time token for a probe there.
pub(super) async fn add(
    State(web): State<Web>,
    caller: Caller,
    object: Object,
) -> Result<Response, Problem> {
    caller.may(Scope::Admin)?;
    let fields = object.only(&["name", "region", "network", "labels", "coordinates"])?;
    let definition: Definition = serde_json::from_value(Value::Object(fields))
        .map_err(|error| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, error.to_string()))?;
    let token = web.app.add_location(&definition).await?;
    let made = json!({ "name": definition.location.name, "token": token });
    Ok((StatusCode::CREATED, Json(made)).into_response())
}

/// `DELETE /locations/{name}`
pub(super) async fn remove(
    State(web): State<Web>,
    caller: Caller,
    Path(name): Path<String>,
) -> Result<StatusCode, Problem> {
    caller.may(Scope::Admin)?;
    web.app.remove_location(&name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `DELETE /probes/{id}`
pub(super) async fn revoke(
    State(web): State<Web>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    caller.may(Scope::Admin)?;
    web.app.revoke_probe(&id).await?;
    Ok(StatusCode::NO_CONTENT)
}

impl From<FleetError> for Problem {
    fn from(error: FleetError) -> Self {
        let status = match error {
            FleetError::Missing { .. } => StatusCode::NOT_FOUND,
            FleetError::Full(_) => StatusCode::CONFLICT,
            FleetError::Invalid(_) | FleetError::Refused(_) => StatusCode::UNPROCESSABLE_ENTITY,
            FleetError::Store(_) | FleetError::Random(_) | FleetError::Certificate(_) => {
                return Self::broken(&error);
            }
        };
        Self::new(status, error.to_string())
    }
}
