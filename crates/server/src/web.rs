//! Pages and API as one router.

use crate::app::App;

/// Everything that is served over HTTP.
pub fn router(app: App) -> axum::Router {
    axum::Router::new().route("/healthz", axum::routing::get(|| async { "ok" })).with_state(app)
}
