//! The JSON API under `/api/v1`, for programs with a bearer token. `assets/openapi.json` describes
//! it; a test holds the two together.

mod alerting;
mod caller;
mod channels;
mod diagnose;
mod hosts;
mod incidents;
mod input;
mod locations;
mod monitors;
pub(crate) mod patch;
mod problem;

use axum::http::header;
use axum::middleware;
use axum::response::IntoResponse;
use axum::routing::{delete, get, post};
use axum::{Router, http::StatusCode};

use crate::web::Web;
use problem::Problem;

/// Every path and its methods, for the test that compares them with the document.
pub const ROUTES: [(&str, &[&str]); 23] = [
    ("/monitors", &["get", "post"]),
    ("/monitors/{name}", &["get", "patch", "delete"]),
    ("/monitors/{name}/check", &["post"]),
    ("/monitors/{name}/observations", &["get"]),
    ("/incidents", &["get"]),
    ("/incidents/{id}", &["get"]),
    ("/incidents/{id}/acknowledge", &["post"]),
    ("/incidents/{id}/comments", &["post"]),
    ("/reliability", &["get"]),
    ("/silences", &["get", "post"]),
    ("/silences/{id}", &["delete"]),
    ("/on-call", &["get"]),
    ("/undelivered", &["get"]),
    ("/undelivered/{key}/retry", &["post"]),
    ("/diagnose", &["post"]),
    ("/locations", &["get", "post"]),
    ("/locations/{name}", &["delete"]),
    ("/probes/{id}", &["delete"]),
    ("/hosts", &["get", "post"]),
    ("/hosts/{name}", &["delete"]),
    ("/channels", &["get", "post"]),
    ("/channels/{name}", &["get", "patch", "delete"]),
    ("/channels/{name}/test", &["post"]),
];

/// The routes below `/api/v1`.
pub(crate) fn router(web: &Web) -> Router<Web> {
    let inside = Router::new()
        .route("/monitors", get(monitors::list).post(monitors::create))
        .route(
            "/monitors/{name}",
            get(monitors::get).patch(monitors::update).delete(monitors::delete),
        )
        .route("/monitors/{name}/check", post(monitors::check))
        .route("/monitors/{name}/observations", get(monitors::observations))
        .route("/incidents", get(incidents::list))
        .route("/incidents/{id}", get(incidents::get))
        .route("/incidents/{id}/acknowledge", post(incidents::acknowledge))
        .route("/incidents/{id}/comments", post(incidents::comment))
        .route("/reliability", get(alerting::reliability))
        .route("/silences", get(alerting::silences).post(alerting::silence))
        .route("/silences/{id}", delete(alerting::end_silence))
        .route("/on-call", get(alerting::on_call))
        .route("/undelivered", get(alerting::undelivered))
        .route("/undelivered/{key}/retry", post(alerting::retry))
        .route("/diagnose", post(diagnose::diagnose))
        .route("/locations", get(locations::list).post(locations::add))
        .route("/locations/{name}", delete(locations::remove))
        .route("/probes/{id}", delete(locations::revoke))
        .route("/hosts", get(hosts::list).post(hosts::add))
        .route("/hosts/{name}", delete(hosts::remove))
        .route("/channels", get(channels::list).post(channels::create))
        .route(
            "/channels/{name}",
            get(channels::get).patch(channels::update).delete(channels::delete),
        )
        .route("/channels/{name}/test", post(channels::test))
        .method_not_allowed_fallback(|| async {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "this path does not take that method")
        })
        .fallback(|| async { Problem::not_found("path") })
        // Who is not known is told nothing, not even which paths there are.
        .layer(middleware::from_fn_with_state(web.clone(), caller::known));
    Router::new().route("/openapi.json", get(openapi)).merge(inside)
}

/// The description of the API; it holds no secret, and tools fetch it without a token.
async fn openapi() -> impl IntoResponse {
    let kind = [(header::CONTENT_TYPE, "application/json")];
    (kind, include_str!("../assets/openapi.json"))
}
