//! Style sheet, script and icon: compiled in, under names that contain a hash of their content,
//! so that browsers may keep them forever.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

/// A file that pages refer to.
#[derive(Debug)]
pub(super) struct Asset {
    /// Its path, with the hash.
    pub(super) path: String,
    kind: &'static str,
    content: &'static str,
}

/// The style sheet.
pub(super) static CSS: LazyLock<Asset> = LazyLock::new(|| {
    make("css", "text/css; charset=utf-8", include_str!("../../assets/whydown.css"))
});
/// The script.
pub(super) static JS: LazyLock<Asset> = LazyLock::new(|| {
    make("js", "text/javascript; charset=utf-8", include_str!("../../assets/whydown.js"))
});
/// The icon.
pub(super) static ICON: LazyLock<Asset> =
    LazyLock::new(|| make("svg", "image/svg+xml", include_str!("../../assets/icon.svg")));

fn make(ending: &str, kind: &'static str, content: &'static str) -> Asset {
    let hash = URL_SAFE_NO_PAD.encode(&Sha256::digest(content)[..9]);
    Asset { path: format!("/assets/whydown.{hash}.{ending}"), kind, content }
}

/// `GET /assets/{name}`: a name with another hash is of another version, and not found.
pub(super) async fn asset(Path(name): Path<String>) -> Response {
    let all = [&*CSS, &*JS, &*ICON];
    let Some(asset) = all.into_iter().find(|asset| asset.path.ends_with(&format!("/{name}")))
    else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let headers = [
        (header::CONTENT_TYPE, asset.kind),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
    ];
    (headers, asset.content).into_response()
}
