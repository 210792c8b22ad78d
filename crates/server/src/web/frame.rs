//! What surrounds every page: title, navigation, theme, and a line that says what was done.

use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;

use super::assets::{CSS, ICON, JS};
use super::guard::cookie;
use super::view::state::Shown;
use super::{Web, dress::Trouble};
use crate::access::Session;
use crate::app::MonitorStatus;

/// The cookie that remembers the theme.
pub(super) const THEME_COOKIE: &str = "whydown_theme";
/// The themes; the first follows the system's setting.
pub(super) const THEMES: [&str; 3] = ["auto", "light", "dark"];

/// What surrounds a page.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub(crate) title: String,
    /// Who is signed in.
    pub(crate) user: Option<String>,
    /// The entry of the navigation that is current; empty when none is.
    pub(crate) nav: &'static str,
    pub(crate) theme: &'static str,
    /// Path and query of this page.
    pub(crate) here: String,
    pub(crate) flash: Option<Flash>,
    /// Monitors in trouble, for the navigation.
    pub(crate) trouble: usize,
    /// What is wrong with the server itself.
    pub(crate) warnings: Vec<String>,
    pub(crate) css: &'static str,
    pub(crate) js: &'static str,
    pub(crate) icon: &'static str,
}

/// A line that says what was done, or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Flash {
    pub(crate) bad: bool,
    pub(crate) text: String,
}

impl Flash {
    /// Something was not done.
    pub(crate) fn bad(text: impl Into<String>) -> Self {
        Self { bad: true, text: text.into() }
    }

    /// What a page that we redirected to should say: `?done=…`.
    fn done(key: &str) -> Option<Self> {
        let text = match key {
            "welcome" => "You are the administrator of this whydown. Add your first monitor.",
            "created" => "Created.",
            "saved" => "Saved.",
            "deleted" => "Deleted.",
            "paused" => "Paused. It is no longer checked.",
            "resumed" => "Resumed. The next check comes soon.",
            "checking" => "A check has been asked for; its result appears here.",
            "acknowledged" => "Acknowledged. The time line says that it was you.",
            "commented" => "Your comment stands in the time line.",
            "silenced" => "Silenced. It ends by itself.",
            "unsilenced" => "The silence is over.",
            "retried" => "It is being sent again.",
            "tested" => "The test message was delivered.",
            "password" => "Your password is changed; other browsers are signed out.",
            "sessions" => "You are signed out everywhere else.",
            "revoked" => "The token is revoked.",
            "unlinked" => "The probe's key is revoked: it is cut off.",
            _ => return None,
        };
        Some(Self { bad: false, text: text.to_owned() })
    }
}

impl Frame {
    /// The frame of a page for those who are not signed in.
    pub(crate) fn outside(title: impl Into<String>, theme: &'static str) -> Self {
        Self {
            title: title.into(),
            user: None,
            nav: "",
            theme,
            here: "/".to_owned(),
            flash: None,
            trouble: 0,
            warnings: Vec::new(),
            css: &CSS.path,
            js: &JS.path,
            icon: &ICON.path,
        }
    }

    /// Makes it the frame of a page for `session`.
    pub(crate) fn enter(&mut self, web: &Web, session: &Session, statuses: &[MonitorStatus]) {
        self.user = Some(session.user.clone());
        self.trouble = statuses.iter().filter(|s| Shown::of(s).is_trouble()).count();
        let health = web.app.health();
        self.warnings = [health.storage, health.config].into_iter().flatten().collect();
    }

    /// The themes with whether each is current.
    pub(crate) fn themes(&self) -> [(&'static str, bool); 3] {
        THEMES.map(|theme| (theme, theme == self.theme))
    }
}

/// The theme that a request's cookie asks for.
pub(super) fn theme_of(headers: &HeaderMap) -> &'static str {
    let asked = cookie(headers, THEME_COOKIE).unwrap_or_default();
    THEMES.into_iter().find(|theme| *theme == asked).unwrap_or(THEMES[0])
}

/// A visit of somebody who is signed in.
#[derive(Clone, Debug)]
pub(crate) struct Visit {
    /// Who.
    pub(crate) session: Session,
    theme: &'static str,
    here: String,
    flash: Option<Flash>,
}

impl Visit {
    /// The frame of a page for this visit.
    pub(crate) fn frame(&self, web: &Web, title: impl Into<String>, nav: &'static str) -> Frame {
        self.frame_of(web, title, nav, &web.app.statuses())
    }

    /// The same for a page that has the monitors' statuses at hand.
    pub(crate) fn frame_of(
        &self,
        web: &Web,
        title: impl Into<String>,
        nav: &'static str,
        statuses: &[MonitorStatus],
    ) -> Frame {
        let mut frame = Frame::outside(title, self.theme);
        frame.enter(web, &self.session, statuses);
        frame.nav = nav;
        frame.here.clone_from(&self.here);
        frame.flash.clone_from(&self.flash);
        frame
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Visit {
    type Rejection = Trouble;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Trouble> {
        // The layer around all pages puts it there, or lets nobody pass.
        let session = parts.extensions.get::<Session>().cloned();
        let session = session.ok_or_else(|| Trouble::broken("a page outside the guard"))?;
        let query = parts.uri.query().unwrap_or_default();
        let mut pairs = url::form_urlencoded::parse(query.as_bytes());
        let done = pairs.find(|(key, _)| key == "done").and_then(|(_, done)| Flash::done(&done));
        Ok(Self { session, theme: theme_of(&parts.headers), here: here(parts), flash: done })
    }
}

/// Where to come back to: this page, or after a form the page that the form stands on.
fn here(parts: &Parts) -> String {
    if parts.method == axum::http::Method::GET {
        return parts.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
    }
    let first = parts.uri.path().split('/').nth(1).unwrap_or_default();
    match first {
        "account" | "channels" | "diagnose" | "hosts" | "incidents" | "locations" => {
            format!("/{first}")
        }
        _ => "/".to_owned(),
    }
}
