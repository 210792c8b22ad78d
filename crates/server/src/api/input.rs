//! What comes in: JSON bodies, page sizes and cursors.

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::problem::Problem;

/// Items of a page when nothing is asked for.
const LIMIT_DEFAULT: usize = 100;
/// Most items of a page.
const LIMIT_MAX: usize = 1_000;

/// A JSON object as body.
pub(super) struct Object(pub(super) Value);

impl<S: Send + Sync> FromRequest<S> for Object {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let kind = request.headers().get(header::CONTENT_TYPE);
        if !kind.and_then(|kind| kind.to_str().ok()).is_some_and(is_json) {
            let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            return Err(Problem::new(status, "send JSON with Content-Type: application/json"));
        }
        let bytes = Bytes::from_request(request, state).await;
        let bytes = bytes.map_err(|error| Problem::new(error.status(), error.body_text()))?;
        let value: Value = serde_json::from_slice(&bytes).map_err(|error| {
            Problem::new(StatusCode::BAD_REQUEST, format!("the body is not JSON: {error}"))
        })?;
        if !value.is_object() {
            return Err(Problem::new(StatusCode::BAD_REQUEST, "the body is not a JSON object"));
        }
        Ok(Self(value))
    }
}

/// `application/json`, `application/merge-patch+json`, with or without parameters.
fn is_json(kind: &str) -> bool {
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}

impl Object {
    /// The object without other keys than these; an unknown one is named.
    pub(super) fn only(self, known: &[&str]) -> Result<Map<String, Value>, Problem> {
        let Value::Object(map) = self.0 else { return Ok(Map::new()) };
        match map.keys().find(|key| !known.contains(&key.as_str())) {
            Some(key) => {
                Err(Problem::field(key, format!("unknown field; known are {}", known.join(", "))))
            }
            None => Ok(map),
        }
    }
}

/// What a list's address asks for. Unknown parameters are named: a misspelt filter must not
/// return everything.
#[derive(Debug)]
pub(super) struct Asked(Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for Asked {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let pairs = Query::<Vec<(String, String)>>::from_request_parts(parts, state).await;
        let Query(pairs) =
            pairs.map_err(|error| Problem::new(StatusCode::BAD_REQUEST, error.body_text()))?;
        Ok(Self(pairs))
    }
}

impl Asked {
    /// Refuses parameters that this list does not know.
    pub(super) fn knows(self, known: &[&str]) -> Result<Self, Problem> {
        match self.0.iter().find(|(key, _)| !known.contains(&key.as_str())) {
            Some((key, _)) => {
                let detail = format!("unknown parameter; known are {}", known.join(", "));
                Err(Problem::field(key, detail))
            }
            None => Ok(self),
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// How many items.
    pub(super) fn limit(&self) -> Result<usize, Problem> {
        let Some(text) = self.get("limit") else { return Ok(LIMIT_DEFAULT) };
        let limit = text.parse().ok().filter(|limit| (1..=LIMIT_MAX).contains(limit));
        limit.ok_or_else(|| {
            Problem::field("limit", format!("{text:?} is not a number from 1 to {LIMIT_MAX}"))
        })
    }

    /// Only items before this moment.
    pub(super) fn before(&self) -> Result<Option<Timestamp>, Problem> {
        let Some(text) = self.get("before") else { return Ok(None) };
        let wrong = || {
            let detail = format!("{text:?} is not a time such as 2026-11-23T05:13:43Z");
            Problem::field("before", detail)
        };
        text.parse().map(Some).map_err(|_| wrong())
    }
}

/// Cuts what was found (one more than `limit`, if there is as much) to a page, and says where
/// the next one begins. Items of the same millisecond, which is how exactly the store knows their
/// time, stay together, so that a cursor of time loses none; only when they fill more than a page
/// they are parted.
pub(super) fn page<T>(
    found: &mut Vec<T>,
    limit: usize,
    at: impl Fn(&T) -> Timestamp,
) -> Option<Timestamp> {
    let millisecond = |item: &T| at(item).as_millisecond();
    let cut = millisecond(found.get(limit)?);
    let together = found.iter().take(limit).filter(|item| millisecond(item) != cut).count();
    found.truncate(if together == 0 { limit } else { together });
    found.last().map(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_ends_between_two_moments() {
        let at = |second: &i64| Timestamp::from_second(*second).unwrap();
        let cut = |mut all: Vec<i64>| {
            let next = page(&mut all, 3, at).map(Timestamp::as_second);
            (all, next)
        };
        assert_eq!(cut(vec![9, 8, 7]), (vec![9, 8, 7], None));
        assert_eq!(cut(vec![9, 8, 7, 6]), (vec![9, 8, 7], Some(7)));
        assert_eq!(cut(vec![9, 8, 8, 8]), (vec![9], Some(9)));
        assert_eq!(cut(vec![8, 8, 8, 8]), (vec![8, 8, 8], Some(8)));
        let at = |micros: &i64| Timestamp::from_microsecond(*micros).unwrap();
        let mut all = vec![3_000, 2_500, 2_400, 2_300];
        assert_eq!(page(&mut all, 3, at), Some(at(&3_000)), "parted within a millisecond");
    }

    #[test]
    fn json_has_several_names() {
        for kind in
            ["application/json", "application/json; charset=utf-8", "application/merge-patch+json"]
        {
            assert!(is_json(kind), "{kind}");
        }
        for kind in ["text/plain", "application/x-www-form-urlencoded", "", "text/json+json"] {
            assert!(!is_json(kind), "{kind}");
        }
    }
}
