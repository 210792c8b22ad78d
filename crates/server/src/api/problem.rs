//! Errors as RFC 9457 `application/problem+json`, with every field that is wrong named.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::access::AccessError;
use crate::app::EditError;
use crate::config;
use crate::store::StoreError;

/// An answer that says what is wrong.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Problem {
    /// `about:blank`: the title says what the status says (RFC 9457 §4.2.1).
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'static str,
    status: u16,
    detail: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    problems: Vec<FieldProblem>,
}

/// What is wrong with one field.
#[derive(Clone, Debug, Serialize)]
pub(super) struct FieldProblem {
    /// The path of keys to it, such as `expect.status`.
    field: String,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            detail: detail.into(),
            problems: Vec::new(),
        }
    }

    pub(super) fn not_found(what: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, format!("this {what} does not exist"))
    }

    /// One field with a wrong value.
    pub(super) fn field(field: &str, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        let mut problem = Self::new(StatusCode::UNPROCESSABLE_ENTITY, format!("{field}: {detail}"));
        problem.problems = vec![FieldProblem { field: field.to_owned(), detail, hint: None }];
        problem
    }

    /// Every field with a wrong value.
    pub(super) fn fields(problems: Vec<config::Problem>) -> Self {
        let detail = match problems.len() {
            1 => "one field has a value that can't be".to_owned(),
            count => format!("{count} fields have values that can't be"),
        };
        let mut problem = Self::new(StatusCode::UNPROCESSABLE_ENTITY, detail);
        problem.problems = problems
            .into_iter()
            .map(|wrong| FieldProblem { field: wrong.key, detail: wrong.message, hint: wrong.hint })
            .collect();
        problem
    }

    /// Our own fault: told to the log, not to the caller.
    pub(super) fn broken(error: &dyn std::fmt::Display) -> Self {
        tracing::error!("an API request failed: {error}");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "the server's log says what broke")
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::UNAUTHORIZED {
            let scheme = HeaderValue::from_static("Bearer realm=\"whydown\"");
            headers.insert(header::WWW_AUTHENTICATE, scheme);
        }
        response
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        Self::broken(&error)
    }
}

impl From<AccessError> for Problem {
    fn from(error: AccessError) -> Self {
        Self::broken(&error)
    }
}

impl From<EditError> for Problem {
    fn from(error: EditError) -> Self {
        let status = match error {
            EditError::Invalid(problems) => return Self::fields(problems),
            EditError::NotFound { .. } => StatusCode::NOT_FOUND,
            EditError::NameTaken { .. }
            | EditError::ReadOnly { .. }
            | EditError::InUse { .. }
            | EditError::NotOpen(_) => StatusCode::CONFLICT,
            EditError::NotDelivered(_) => StatusCode::BAD_GATEWAY,
            EditError::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self::new(status, error.to_string())
    }
}
