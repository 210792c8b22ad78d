//! Who comes in: the session of a request, requests from foreign sites, the caller's address,
//! and the headers that every answer carries.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use jiff::Timestamp;

use super::Web;
use super::dress::Trouble;
use crate::access::{self, SESSION_IDLE, Session};

/// The session's cookie; `__Host-` where browsers enforce what that prefix promises.
const COOKIE: &str = "whydown_session";
/// Longest path that is remembered through a sign-in, in bytes.
const NEXT_MAX_BYTES: usize = 512;

/// Only files of our own, nothing inline, nobody may frame us, forms go nowhere else.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; \
     img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; \
     frame-ancestors 'none'";

/// Lets those pass who are signed in, and sends others to the sign-in page.
pub(super) async fn signed_in(
    State(web): State<Web>,
    mut request: Request,
    next: Next,
) -> Response {
    let secure = cookies_secure(&web);
    let Some(id) = cookie(request.headers(), &cookie_name(secure)).map(str::to_owned) else {
        return to_sign_in(request.method(), request.uri());
    };
    match access::session(web.app.store(), &id, Timestamp::now()).await {
        Ok(Some(session)) => {
            let renewed = session.renewed;
            request.extensions_mut().insert(session.clone());
            let mut response = next.run(request).await;
            if renewed && !response.headers().contains_key(header::SET_COOKIE) {
                response.headers_mut().append(header::SET_COOKIE, session_cookie(&web, &id));
            }
            response.extensions_mut().insert(session);
            response
        }
        Ok(None) => to_sign_in(request.method(), request.uri()),
        Err(error) => Trouble::broken(error).into_response(),
    }
}

fn to_sign_in(method: &Method, uri: &Uri) -> Response {
    if uri.path() == "/live" {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let next = match *method {
        Method::GET => safe_next(uri.path_and_query().map_or("/", |path| path.as_str())),
        _ => "/",
    };
    if next == "/" {
        return Redirect::to("/sign-in").into_response();
    }
    let query: String = url::form_urlencoded::byte_serialize(next.as_bytes()).collect();
    Redirect::to(&format!("/sign-in?next={query}")).into_response()
}

/// A path of our own, or `/`: nobody is sent to a foreign site after signing in.
pub(super) fn safe_next(next: &str) -> &str {
    let own = next.starts_with('/')
        && !next.starts_with("//")
        && next.len() <= NEXT_MAX_BYTES
        && next.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if own { next } else { "/" }
}

/// Are cookies sent over HTTPS only?
pub(super) fn cookies_secure(web: &Web) -> bool {
    web.app.config().base_url.as_deref().is_some_and(|base| base.starts_with("https://"))
}

fn cookie_name(secure: bool) -> String {
    if secure { format!("__Host-{COOKIE}") } else { COOKIE.to_owned() }
}

/// The value of a cookie of the request.
pub(super) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(header::COOKIE).into_iter().filter_map(|line| line.to_str().ok());
    let pairs =
        lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.into_iter().find(|(found, _)| *found == name).map(|(_, value)| value)
}

/// The cookie that holds a session.
pub(super) fn session_cookie(web: &Web, id: &str) -> HeaderValue {
    cookie_line(web, id, SESSION_IDLE.as_secs())
}

/// The cookie that ends a session.
pub(super) fn no_session_cookie(web: &Web) -> HeaderValue {
    cookie_line(web, "", 0)
}

fn cookie_line(web: &Web, value: &str, max_age_s: u64) -> HeaderValue {
    let secure = cookies_secure(web);
    let flag = if secure { "; Secure" } else { "" };
    let name = cookie_name(secure);
    let line = format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={max_age_s}{flag}");
    // Our own secrets are plain ASCII; anything else would be no session of ours.
    HeaderValue::try_from(line).unwrap_or_else(|_| HeaderValue::from_static(COOKIE))
}

/// Who is calling: the peer's address, or what a reverse proxy on this machine says it is.
pub(super) fn caller(headers: &HeaderMap, peer: Option<&ConnectInfo<SocketAddr>>) -> IpAddr {
    let peer = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |ConnectInfo(peer)| peer.ip());
    if !peer.to_canonical().is_loopback() {
        return peer;
    }
    // The last entry is the one that the proxy next to us has added itself.
    let forwarded = headers.get_all("x-forwarded-for").into_iter().next_back();
    let last = forwarded.and_then(|line| line.to_str().ok()).and_then(|l| l.rsplit(',').next());
    last.and_then(|address| address.trim().parse().ok()).unwrap_or(peer)
}

/// The answer to a change that another site's page asked for.
pub(super) fn foreign(_: tower_http::csrf::ProtectionError) -> Response {
    Trouble::Foreign.into_response()
}

/// The session of a request, if it has one that is alive.
pub(super) async fn session_of(
    web: &Web,
    headers: &HeaderMap,
) -> Result<Option<Session>, access::AccessError> {
    let name = cookie_name(cookies_secure(web));
    let Some(id) = cookie(headers, &name) else { return Ok(None) };
    access::session(web.app.store(), id, Timestamp::now()).await
}

/// Pages that don't exist. Without a session nothing is told, not even that.
pub(super) async fn nowhere(State(web): State<Web>, request: Request) -> Response {
    match session_of(&web, request.headers()).await {
        Ok(Some(session)) => {
            let mut response = Trouble::NotFound("page").into_response();
            response.extensions_mut().insert(session);
            response
        }
        Ok(None) => to_sign_in(request.method(), request.uri()),
        Err(error) => Trouble::broken(error).into_response(),
    }
}

/// What every answer carries.
pub(super) async fn secure_headers(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        // Not `no-referrer`: browsers would send `Origin: null` with our own forms, which is how
        // forms of foreign sites are recognised.
        (header::REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_of_our_own_survive_a_sign_in() {
        for good in ["/", "/incidents/abc?x=1", "/monitors/a%20b"] {
            assert_eq!(safe_next(good), good);
        }
        for bad in ["//evil.example", "https://evil.example", "/\\evil.example", "", "/a\r\nb", "x"]
        {
            assert_eq!(safe_next(bad), "/");
        }
    }

    #[test]
    fn the_right_cookie_is_found_among_others() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("a=1; whydown_session=x=y; b=2"));
        assert_eq!(cookie(&headers, "whydown_session"), Some("x=y"));
        assert_eq!(cookie(&headers, "session"), None);
    }

    #[test]
    fn a_forwarded_address_counts_only_from_this_machine() {
        let mut headers = HeaderMap::new();
        headers.append("x-forwarded-for", HeaderValue::from_static("9.9.9.9, 192.0.2.7"));
        let from = |text: &str| ConnectInfo(text.parse::<SocketAddr>().unwrap());
        assert_eq!(caller(&headers, Some(&from("127.0.0.1:5"))).to_string(), "192.0.2.7");
        assert_eq!(caller(&headers, Some(&from("198.51.100.4:5"))).to_string(), "198.51.100.4");
        assert_eq!(caller(&headers, None).to_string(), "0.0.0.0");
    }
}
