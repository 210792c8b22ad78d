//! The account: password, sessions, and the tokens of programs.

use std::net::SocketAddr;

use askama::Template;
use axum::Extension;
use axum::extract::{ConnectInfo, State};
use axum::http::header::SET_COOKIE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use jiff::Timestamp;

use super::Web;
use super::dress::{Trouble, page, page_with};
use super::entrance::limit;
use super::forms::Fields;
use super::frame::{Flash, Frame, Visit};
use super::guard::{caller, session_cookie};
use super::view::time::When;
use crate::access::{self, AccessError, Scope};

#[derive(Template)]
#[template(path = "account.html")]
struct AccountPage {
    frame: Frame,
    user: String,
    tokens: Vec<TokenRow>,
    /// A token just made; shown this once.
    fresh: Option<String>,
    password_problem: Option<String>,
    token_problem: Option<String>,
    password_min_chars: usize,
}

#[derive(Clone, Debug)]
struct TokenRow {
    name: String,
    scope: &'static str,
    created: When,
    seen: Option<When>,
}

async fn template(web: &Web, visit: &Visit) -> Result<AccountPage, Trouble> {
    let now = Timestamp::now();
    let tokens = access::tokens(web.app.store()).await?;
    let row = |token: &access::Token| TokenRow {
        name: token.name.clone(),
        scope: token.scope.name(),
        created: When::new(token.created_at, now),
        seen: token.seen_at.map(|at| When::new(at, now)),
    };
    Ok(AccountPage {
        frame: visit.frame(web, "Account", "account"),
        user: visit.session.user.clone(),
        tokens: tokens.iter().map(row).collect(),
        fresh: None,
        password_problem: None,
        token_problem: None,
        password_min_chars: access::PASSWORD_MIN_CHARS,
    })
}

/// `GET /account`
pub(super) async fn account(State(web): State<Web>, visit: Visit) -> Result<Response, Trouble> {
    page(&template(&web, &visit).await?)
}

/// `POST /account/password`
pub(super) async fn password(
    State(web): State<Web>,
    visit: Visit,
    peer: Option<Extension<ConnectInfo<SocketAddr>>>,
    headers: HeaderMap,
    fields: Fields,
) -> Result<Response, Trouble> {
    let user = &visit.session.user;
    let (old, new) = (fields.exact("old"), fields.exact("new"));
    let store = web.app.store();
    // Whoever finds an open browser must not guess here what they cannot guess at the door.
    let ip = caller(&headers, peer.as_ref().map(|Extension(peer)| peer));
    limit(&web, |limiter| limiter.take(ip, user, Timestamp::now()))?;
    let problem = if new != fields.exact("again") {
        "the two new passwords differ".to_owned()
    } else {
        match access::change_password(store, user, old, new.clone()).await {
            Ok(()) => {
                let id = access::sign_in(store, user, new, Timestamp::now()).await?;
                let mut response = Redirect::to("/account?done=password").into_response();
                response.headers_mut().append(SET_COOKIE, session_cookie(&web, &id));
                return Ok(response);
            }
            Err(AccessError::Wrong) => "the current password is wrong".to_owned(),
            Err(error @ AccessError::Password(_)) => error.to_string(),
            Err(error) => return Err(error.into()),
        }
    };
    let page = AccountPage { password_problem: Some(problem), ..template(&web, &visit).await? };
    page_with(StatusCode::UNPROCESSABLE_ENTITY, &page)
}

/// `POST /account/sessions/end`
pub(super) async fn end_sessions(
    State(web): State<Web>,
    visit: Visit,
) -> Result<Response, Trouble> {
    access::end_other_sessions(web.app.store(), &visit.session).await?;
    Ok(Redirect::to("/account?done=sessions").into_response())
}

/// `POST /account/tokens`: answers with the page itself, the only time the token is seen.
pub(super) async fn create_token(
    State(web): State<Web>,
    visit: Visit,
    fields: Fields,
) -> Result<Response, Trouble> {
    let made = match fields.get("scope").parse::<Scope>() {
        Ok(scope) => access::create_token(web.app.store(), fields.get("name"), scope).await,
        Err(problem) => Err(AccessError::Name(problem)),
    };
    let problem = match made {
        Ok(token) => {
            let mut page = template(&web, &visit).await?;
            page.fresh = Some(token);
            page.frame.flash = Some(Flash { bad: false, text: "Created.".to_owned() });
            return page_with(StatusCode::CREATED, &page);
        }
        Err(error @ (AccessError::Name(_) | AccessError::Taken(_) | AccessError::Full(_))) => {
            error.to_string()
        }
        Err(error) => return Err(error.into()),
    };
    let page = AccountPage { token_problem: Some(problem), ..template(&web, &visit).await? };
    page_with(StatusCode::UNPROCESSABLE_ENTITY, &page)
}

/// `POST /account/tokens/revoke`
pub(super) async fn revoke_token(
    State(web): State<Web>,
    fields: Fields,
) -> Result<Response, Trouble> {
    access::revoke_token(web.app.store(), &fields.exact("name")).await?;
    Ok(Redirect::to("/account?done=revoked").into_response())
}
