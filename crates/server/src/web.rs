//! The pages: server-rendered HTML that works without JavaScript, live updates by server-sent
//! events, and the router that serves pages and API.
//!
//! Nothing is visible without signing in, except sign-in, set-up, assets and `/healthz`.

mod account;
mod alerting;
mod answer;
mod assets;
mod channel_form;
mod channels;
mod diagnose;
mod dress;
mod entrance;
mod forms;
mod frame;
mod guard;
mod hosts;
mod incidents;
mod live;
mod locations;
mod monitor;
mod monitor_form;
mod overview;
mod view;

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::middleware;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use tokio::sync::Semaphore;
use tower_http::csrf::CsrfLayer;

use crate::access::Limiter;
use crate::app::App;
pub(crate) use incidents::as_markdown as incident_as_markdown;
pub(crate) use monitor::path as monitor_path;

/// Largest body of a request to pages or API, in bytes.
pub const BODY_MAX_BYTES: usize = 64 * 1_024;
/// Targets diagnosed on request at the same time.
const DIAGNOSES_MAX: usize = 8;

/// What the pages' functions share.
#[derive(Clone)]
pub(crate) struct Web {
    /// The server.
    pub(crate) app: App,
    /// Who tried to sign in how often. Never held across an await.
    limiter: Arc<Mutex<Limiter>>,
    /// Places for open streams of live updates.
    live: Arc<Semaphore>,
    /// Places for targets being diagnosed on request.
    pub(crate) diagnoses: Arc<Semaphore>,
}

/// Everything that is served over HTTP. To tell callers apart (for the limit on sign-ins), serve
/// it with `into_make_service_with_connect_info::<SocketAddr>()`.
pub fn router(app: App) -> Router {
    let web = Web {
        app,
        limiter: Arc::default(),
        live: Arc::new(Semaphore::new(live::STREAMS_MAX)),
        diagnoses: Arc::new(Semaphore::new(DIAGNOSES_MAX)),
    };
    let pages = inside()
        .layer(middleware::from_fn_with_state(web.clone(), guard::signed_in))
        .merge(entrance::routes())
        .fallback(guard::nowhere)
        .layer(csrf(&web.app))
        // Signed requests of providers and of people who hold a message: no session to protect.
        .merge(answer::routes())
        .layer(middleware::from_fn_with_state(web.clone(), dress::dress));
    Router::new()
        .merge(pages)
        .nest("/api/v1", crate::api::router(&web))
        .route("/healthz", get(healthz))
        .route("/assets/{name}", get(assets::asset))
        .layer(DefaultBodyLimit::max(BODY_MAX_BYTES))
        // Links have a larger limit of their own.
        .merge(crate::fleet::link::routes())
        .merge(crate::fleet::agents::routes())
        .layer(middleware::map_response(guard::secure_headers))
        .with_state(web)
}

/// The pages for those who are signed in.
fn inside() -> Router<Web> {
    Router::new()
        .route("/", get(overview::overview))
        .route("/live", get(live::live))
        .route("/monitors", post(monitor_form::create))
        .route("/new", get(monitor_form::new))
        .route("/monitors/{name}", get(monitor::monitor))
        .route("/monitors/{name}/edit", get(monitor_form::edit).post(monitor_form::update))
        .route("/monitors/{name}/check", post(monitor::check))
        .route("/monitors/{name}/pause", post(monitor::pause))
        .route("/monitors/{name}/resume", post(monitor::resume))
        .route("/monitors/{name}/delete", get(monitor::ask_delete).post(monitor::delete))
        .route("/incidents", get(incidents::list))
        .route("/incidents/{id}", get(incidents::incident))
        .route("/incidents/{id}/acknowledge", post(incidents::acknowledge))
        .route("/incidents/{id}/comments", post(incidents::comment))
        .route("/alerting", get(alerting::alerting))
        .route("/alerting/silences", post(alerting::silence))
        .route("/alerting/silences/{id}/end", post(alerting::end_silence))
        .route("/alerting/retry", post(alerting::retry))
        .route("/channels", get(channels::list).post(channel_form::create))
        .route("/new-channel/{kind}", get(channel_form::new))
        .route("/channels/{name}/edit", get(channel_form::edit).post(channel_form::update))
        .route("/channels/{name}/test", post(channels::test))
        .route("/channels/{name}/delete", post(channels::delete))
        .route("/locations", get(locations::list).post(locations::add))
        .route("/locations/{name}/remove", post(locations::remove))
        .route("/probes/{id}/revoke", post(locations::revoke))
        .route("/hosts", get(hosts::list).post(hosts::add))
        .route("/hosts/{name}/remove", post(hosts::remove))
        .route("/diagnose", get(diagnose::form).post(diagnose::diagnose))
        .route("/account", get(account::account))
        .route("/account/password", post(account::password))
        .route("/account/sessions/end", post(account::end_sessions))
        .route("/account/tokens", post(account::create_token))
        .route("/account/tokens/revoke", post(account::revoke_token))
}

/// Refuses changes that another site's page asks a signed-in browser for (`Sec-Fetch-Site`,
/// `Origin`).
fn csrf(app: &App) -> CsrfLayer<fn(tower_http::csrf::ProtectionError) -> axum::response::Response> {
    let layer = CsrfLayer::new();
    let origin = app.config().base_url.as_deref().and_then(|base| url::Url::parse(base).ok());
    let layer = match origin {
        // Behind a proxy that does not keep `Host`, the origin still is the one people type.
        Some(base) => {
            let origin = base.origin().ascii_serialization();
            layer.add_trusted_origin(origin).unwrap_or_default()
        }
        None => layer,
    };
    layer.with_rejection_response(guard::foreign)
}

/// Says whether, not why: anybody may ask, and the reasons name files.
async fn healthz(State(web): State<Web>) -> axum::response::Response {
    let well = web.app.health().storage.is_none();
    let (status, word) = match well {
        true => (StatusCode::OK, "ok"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "failing"),
    };
    (status, axum::Json(serde_json::json!({ "status": word }))).into_response()
}
