//! Who calls: the bearer token of a request, and what its scope allows.

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;

use super::problem::Problem;
use crate::access::{self, Scope, Token};
use crate::web::Web;

/// Lets those pass whose token is known.
pub(super) async fn known(State(web): State<Web>, mut request: Request, next: Next) -> Response {
    let Some(text) = bearer(request.headers()) else {
        return unknown("a token is needed: Authorization: Bearer wd_…").into_response();
    };
    match access::token(web.app.store(), text, Timestamp::now()).await {
        Ok(Some(token)) => {
            request.extensions_mut().insert(token);
            next.run(request).await
        }
        Ok(None) => unknown("this token is not known, or was revoked").into_response(),
        Err(error) => Problem::from(error).into_response(),
    }
}

fn unknown(detail: &str) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, detail)
}

/// RFC 6750 §2.1; the scheme is not case-sensitive (RFC 9110 §11.1).
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The token of the request.
pub(super) struct Caller(pub(super) Token);

impl Caller {
    /// Does its scope allow what needs `scope`?
    pub(super) fn may(&self, scope: Scope) -> Result<(), Problem> {
        if self.0.scope >= scope {
            return Ok(());
        }
        let detail =
            format!("this needs a token with scope {scope}; yours has scope {}", self.0.scope);
        Err(Problem::new(StatusCode::FORBIDDEN, detail))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let token = parts.extensions.get::<Token>().cloned();
        token.map(Self).ok_or_else(|| unknown("a token is needed"))
    }
}
