//! What went wrong with a request, and the page that says so with a way on. Functions of pages
//! return a [`Trouble`]; the outermost layer turns it into HTML in the reader's theme.

use std::time::Duration;

use askama::Template;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};

use super::Web;
use super::frame::{Frame, theme_of};
use crate::access::{AccessError, Session};
use crate::app::EditError;
use crate::store::StoreError;

/// Why a request got no page.
#[derive(Clone, Debug)]
pub(crate) enum Trouble {
    /// There is no such page, monitor, incident or channel.
    NotFound(&'static str),
    /// Another site's page asked for it.
    Foreign,
    /// The set-up link is not valid.
    NoSetup,
    /// The request makes no sense.
    Bad(String),
    /// The thing is not in a state for that.
    Conflict(String),
    /// Too many tries.
    TooMany(Duration),
    /// Our own fault; the text is for the log.
    Broken(String),
    /// The store can't take it at the moment.
    Unavailable(String),
}

impl Trouble {
    /// Our own fault.
    pub(crate) fn broken(error: impl std::fmt::Display) -> Self {
        Self::Broken(error.to_string())
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::NotFound(_) | Self::NoSetup => StatusCode::NOT_FOUND,
            Self::Foreign => StatusCode::FORBIDDEN,
            Self::Bad(_) => StatusCode::BAD_REQUEST,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Broken(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn words(&self) -> (String, String) {
        let (title, text) = match self {
            Self::NotFound(what) => (
                format!("This {what} does not exist"),
                "It may have been renamed or deleted, or the address has a typing error."
                    .to_owned(),
            ),
            Self::Foreign => (
                "The request came from another site".to_owned(),
                "To protect you, whydown takes changes only from its own pages. If you use a \
                 reverse proxy, it has to pass on the Host and Origin headers unchanged, or set \
                 base_url in the configuration."
                    .to_owned(),
            ),
            Self::NoSetup => (
                "This set-up link is no longer valid".to_owned(),
                "It works once, and only until there is an administrator. Starting whydown again \
                 prints a new one while there is none."
                    .to_owned(),
            ),
            Self::Bad(text) => ("The request cannot be understood".to_owned(), text.clone()),
            Self::Conflict(text) => ("That is not possible now".to_owned(), text.clone()),
            Self::TooMany(wait) => (
                "Too many attempts".to_owned(),
                format!("Wait {} seconds, then try again.", wait.as_secs().max(1)),
            ),
            Self::Broken(_) => (
                "Something broke on our side".to_owned(),
                "The server's log says what. Your monitors are still being checked.".to_owned(),
            ),
            Self::Unavailable(text) => ("The change was not stored".to_owned(), text.clone()),
        };
        (title, text)
    }
}

impl From<AccessError> for Trouble {
    fn from(error: AccessError) -> Self {
        match error {
            AccessError::NoSetup => Self::NoSetup,
            AccessError::Store(_) | AccessError::Random(_) | AccessError::Hashing(_) => {
                Self::broken(error)
            }
            AccessError::Missing(_) => Self::NotFound("token"),
            AccessError::Wrong
            | AccessError::Name(_)
            | AccessError::Password(_)
            | AccessError::Taken(_)
            | AccessError::Full(_) => Self::Conflict(error.to_string()),
        }
    }
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::broken(error)
    }
}

impl From<EditError> for Trouble {
    fn from(error: EditError) -> Self {
        match error {
            EditError::NotFound { what, .. } => Self::NotFound(what),
            EditError::Unavailable(_) => Self::Unavailable(error.to_string()),
            EditError::NameTaken { .. }
            | EditError::ReadOnly { .. }
            | EditError::InUse { .. }
            | EditError::NotOpen(_)
            | EditError::Invalid(_)
            | EditError::NotDelivered(_) => Self::Conflict(error.to_string()),
        }
    }
}

impl IntoResponse for Trouble {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        if let Self::TooMany(wait) = &self {
            let seconds = HeaderValue::from(wait.as_secs().max(1));
            response.headers_mut().insert(header::RETRY_AFTER, seconds);
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// A finished page.
pub(crate) fn page(template: &impl Template) -> Result<Response, Trouble> {
    Ok(Html(template.render().map_err(Trouble::broken)?).into_response())
}

/// A finished page that says that something was not right.
pub(crate) fn page_with(status: StatusCode, template: &impl Template) -> Result<Response, Trouble> {
    let html = Html(template.render().map_err(Trouble::broken)?);
    Ok((status, html).into_response())
}

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage {
    frame: Frame,
    status: u16,
    title: String,
    text: String,
}

/// Gives every answer that is an error and not yet a page the look of one.
pub(super) async fn dress(State(web): State<Web>, request: Request, next: Next) -> Response {
    let theme = theme_of(request.headers());
    let streamed = request.uri().path() == "/live";
    let response = next.run(request).await;
    let status = response.status();
    let is_page = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    if !(status.is_client_error() || status.is_server_error()) || is_page || streamed {
        return response;
    }
    let trouble = response.extensions().get::<Trouble>().cloned();
    let trouble = trouble.unwrap_or_else(|| by_status(status));
    if let Trouble::Broken(why) = &trouble {
        tracing::error!("a page failed: {why}");
    }
    let session = response.extensions().get::<Session>().cloned();
    let (title, text) = trouble.words();
    let mut frame = Frame::outside(title.clone(), theme);
    if let Some(session) = session {
        frame.enter(&web, &session, &web.app.statuses());
    }
    let page = ErrorPage { frame, status: status.as_u16(), title, text };
    let (mut parts, _) = response.into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.remove(header::CONTENT_TYPE);
    let Ok(html) = page.render() else { return Response::from_parts(parts, "error".into()) };
    (parts, Html(html)).into_response()
}

/// For what the framework refuses before our own code is asked.
fn by_status(status: StatusCode) -> Trouble {
    match status {
        StatusCode::NOT_FOUND => Trouble::NotFound("page"),
        StatusCode::METHOD_NOT_ALLOWED => {
            Trouble::Bad("This address does not take requests of this method.".to_owned())
        }
        StatusCode::PAYLOAD_TOO_LARGE => Trouble::Bad(format!(
            "The request is larger than {} KiB.",
            super::BODY_MAX_BYTES / 1_024
        )),
        _ if status.is_server_error() => Trouble::Broken(status.to_string()),
        _ => Trouble::Bad("A field is missing or has a value that cannot be read.".to_owned()),
    }
}
