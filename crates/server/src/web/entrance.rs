//! The pages outside: sign-in, first set-up, and the choice of the theme.

use std::net::SocketAddr;

use askama::Template;
use axum::extract::{ConnectInfo, Form, Path, Query, Request, State};
use axum::http::header::SET_COOKIE;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use jiff::Timestamp;
use serde::Deserialize;

use super::Web;
use super::dress::{Trouble, page, page_with};
use super::frame::{Flash, Frame, THEME_COOKIE, THEMES, theme_of};
use super::guard::{caller, cookies_secure, no_session_cookie, safe_next, session_cookie};
use crate::access::{self, AccessError, TooMany};

/// A year: how long the theme is remembered.
const THEME_MAX_AGE_S: u32 = 365 * 24 * 3_600;

pub(super) fn routes() -> Router<Web> {
    Router::new()
        .route("/sign-in", get(sign_in_form).post(sign_in))
        .route("/sign-out", post(sign_out))
        .route("/setup/{link}", get(setup_form).post(setup))
        .route("/theme", post(theme))
}

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage {
    frame: Frame,
    name: String,
    next: String,
    /// Nobody can sign in yet.
    no_users: bool,
}

#[derive(Debug, Default, Deserialize)]
struct Next {
    #[serde(default)]
    next: String,
}

async fn sign_in_form(
    State(web): State<Web>,
    Query(Next { next }): Query<Next>,
    headers: HeaderMap,
) -> Result<Response, Trouble> {
    let no_users = access::users(web.app.store()).await?.is_empty();
    let frame = Frame::outside("Sign in", theme_of(&headers));
    page(&SignInPage { frame, name: String::new(), next, no_users })
}

#[derive(Deserialize)]
struct Credentials {
    name: String,
    password: String,
    #[serde(default)]
    next: String,
}

async fn sign_in(
    State(web): State<Web>,
    peer: Option<Extension<ConnectInfo<SocketAddr>>>,
    headers: HeaderMap,
    Form(credentials): Form<Credentials>,
) -> Result<Response, Trouble> {
    let now = Timestamp::now();
    let Credentials { name, password, next } = credentials;
    let ip = caller(&headers, peer.as_ref().map(|Extension(peer)| peer));
    limit(&web, |limiter| limiter.take(ip, &name, now))?;
    match access::sign_in(web.app.store(), &name, password, now).await {
        Ok(id) => {
            limit(&web, |limiter| {
                limiter.give_back(ip, &name, now);
                Ok(())
            })?;
            Ok(entered(&web, &id, safe_next(&next)))
        }
        Err(AccessError::Wrong) => {
            tracing::warn!(%ip, "a sign-in failed");
            let mut frame = Frame::outside("Sign in", theme_of(&headers));
            frame.flash = Some(Flash::bad("User name or password is wrong."));
            let page = SignInPage { frame, name, next, no_users: false };
            page_with(StatusCode::FORBIDDEN, &page)
        }
        Err(error) => Err(error.into()),
    }
}

/// Asks the limit on passwords tried.
pub(super) fn limit(
    web: &Web,
    ask: impl FnOnce(&mut access::Limiter) -> Result<(), TooMany>,
) -> Result<(), Trouble> {
    let mut limiter = web.limiter.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    ask(&mut limiter).map_err(|TooMany(wait)| Trouble::TooMany(wait))
}

fn entered(web: &Web, id: &str, next: &str) -> Response {
    let mut response = Redirect::to(next).into_response();
    response.headers_mut().append(SET_COOKIE, session_cookie(web, id));
    response
}

async fn sign_out(State(web): State<Web>, request: Request) -> Result<Response, Trouble> {
    let session = super::guard::session_of(&web, request.headers()).await?;
    if let Some(session) = session {
        access::end_session(web.app.store(), &session).await?;
    }
    let mut response = Redirect::to("/sign-in").into_response();
    response.headers_mut().append(SET_COOKIE, no_session_cookie(&web));
    Ok(response)
}

#[derive(Template)]
#[template(path = "setup.html")]
struct SetupPage {
    frame: Frame,
    link: String,
    name: String,
    problem: Option<String>,
    password_min_chars: usize,
}

async fn setup_form(
    State(web): State<Web>,
    Path(link): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Trouble> {
    if !access::is_setup_link(web.app.store(), &link).await? {
        return Err(Trouble::NoSetup);
    }
    page(&setup_page(&headers, link, "admin".to_owned(), None))
}

fn setup_page(
    headers: &HeaderMap,
    link: String,
    name: String,
    problem: Option<String>,
) -> SetupPage {
    let frame = Frame::outside("Set up whydown", theme_of(headers));
    SetupPage { frame, link, name, problem, password_min_chars: access::PASSWORD_MIN_CHARS }
}

#[derive(Deserialize)]
struct NewAdministrator {
    name: String,
    password: String,
    again: String,
}

async fn setup(
    State(web): State<Web>,
    Path(link): Path<String>,
    headers: HeaderMap,
    Form(NewAdministrator { name, password, again }): Form<NewAdministrator>,
) -> Result<Response, Trouble> {
    let store = web.app.store();
    let refused = |name: String, problem: String| {
        let page = setup_page(&headers, link.clone(), name, Some(problem));
        page_with(StatusCode::UNPROCESSABLE_ENTITY, &page)
    };
    if password != again {
        if !access::is_setup_link(store, &link).await? {
            return Err(Trouble::NoSetup);
        }
        return refused(name, "the two passwords differ".to_owned());
    }
    match access::finish_setup(store, &link, name.trim(), password, Timestamp::now()).await {
        Ok(id) => Ok(entered(&web, &id, "/?done=welcome")),
        Err(error @ (AccessError::Name(_) | AccessError::Password(_))) => {
            refused(name, error.to_string())
        }
        Err(error) => Err(error.into()),
    }
}

#[derive(Deserialize)]
struct ThemeChoice {
    theme: String,
    #[serde(default)]
    next: String,
}

async fn theme(State(web): State<Web>, Form(choice): Form<ThemeChoice>) -> Response {
    let theme = THEMES.into_iter().find(|theme| *theme == choice.theme).unwrap_or(THEMES[0]);
    let flag = if cookies_secure(&web) { "; Secure" } else { "" };
    let line = format!(
        "{THEME_COOKIE}={theme}; Path=/; HttpOnly; SameSite=Lax; Max-Age={THEME_MAX_AGE_S}{flag}"
    );
    let mut response = Redirect::to(safe_next(&choice.next)).into_response();
    if let Ok(cookie) = HeaderValue::try_from(line) {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    response
}
