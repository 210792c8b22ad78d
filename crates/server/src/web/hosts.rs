//! Watched hosts: whose agent is linked, what listens there, what happened, and how to add one.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use jiff::Timestamp;

use super::Web;
use super::dress::{Trouble, page, page_with};
use super::forms::Fields;
use super::frame::{Flash, Frame, Visit};
use super::view::time::When;
use crate::app::HostStatus;
use crate::fleet::{FleetError, Listening, WatchedHost};

/// Happenings shown of each host.
const HAPPENINGS_SHOWN: usize = 8;

#[derive(Template)]
#[template(path = "hosts.html")]
struct HostsPage {
    frame: Frame,
    rows: Vec<Row>,
    typed: Fields,
    /// The server and the token of a host just added; shown only once.
    joins: Option<(String, String)>,
}

impl HostsPage {
    fn typed(&self, name: &str) -> &str {
        self.typed.get(name)
    }
}

struct Row {
    name: String,
    state: &'static str,
    about: String,
    agents: Vec<Agent>,
    listeners: Vec<Listening>,
    happenings: Vec<(When, String)>,
}

struct Agent {
    id: String,
    live: bool,
    version: String,
    seen: Option<When>,
}

fn row(status: HostStatus, now: Timestamp) -> Row {
    let ports: Vec<String> = status.host.ports.iter().map(ToString::to_string).collect();
    let mut about = match ports.is_empty() {
        true => "all ports".to_owned(),
        false => format!("ports {}", ports.join(", ")),
    };
    for address in &status.host.addresses {
        about += &format!(" · {address}");
    }
    let agents = status.agents.into_iter().map(|agent| Agent {
        id: agent.id,
        live: agent.live,
        version: agent.version,
        seen: agent.seen_at.map(|at| When::new(at, now)),
    });
    let happenings = status.happenings.into_iter().take(HAPPENINGS_SHOWN);
    Row {
        name: status.host.name,
        state: status.state,
        about,
        agents: agents.collect(),
        listeners: status.listeners,
        happenings: happenings.map(|one| (When::new(one.at, now), one.text)).collect(),
    }
}

async fn template(web: &Web, visit: &Visit) -> Result<HostsPage, Trouble> {
    let now = Timestamp::now();
    let hosts = web.app.hosts().await.map_err(Trouble::broken)?;
    Ok(HostsPage {
        frame: visit.frame(web, "Hosts", "hosts"),
        rows: hosts.into_iter().map(|status| row(status, now)).collect(),
        typed: Fields::default(),
        joins: None,
    })
}

/// `GET /hosts`
pub(super) async fn list(State(web): State<Web>, visit: Visit) -> Result<Response, Trouble> {
    page(&template(&web, &visit).await?)
}

/// Entries between commas or blanks.
fn entries<T: std::str::FromStr>(text: &str, what: &str) -> Result<Vec<T>, FleetError> {
    let words = text.split([',', ' ']).filter(|word| !word.is_empty());
    let read = |word: &str| {
        word.parse().map_err(|_| FleetError::Invalid(format!("{word:?} is no {what}")))
    };
    words.map(read).collect()
}

fn host(fields: &Fields) -> Result<WatchedHost, FleetError> {
    Ok(WatchedHost {
        name: fields.get("name").trim().to_owned(),
        ports: entries(fields.get("ports"), "port")?,
        addresses: entries(fields.get("addresses"), "IP address")?,
    })
}

/// `POST /hosts`
pub(super) async fn add(
    State(web): State<Web>,
    visit: Visit,
    fields: Fields,
) -> Result<Response, Trouble> {
    let added = match host(&fields) {
        Ok(host) => web.app.add_host(&host).await,
        Err(error) => Err(error),
    };
    let mut page_of = template(&web, &visit).await?;
    match added {
        Ok(token) => {
            let config = web.app.config();
            let base = config.base_url.clone();
            let server = base.unwrap_or_else(|| format!("https://{}", config.listen));
            page_of.joins = Some((server, token));
            page(&page_of)
        }
        Err(error @ (FleetError::Invalid(_) | FleetError::Full(_))) => {
            page_of.frame.flash = Some(Flash::bad(format!("Not added: {error}.")));
            page_of.typed = fields;
            page_with(StatusCode::UNPROCESSABLE_ENTITY, &page_of)
        }
        Err(error) => Err(Trouble::broken(error)),
    }
}

/// `POST /hosts/{name}/remove`
pub(super) async fn remove(
    State(web): State<Web>,
    Path(name): Path<String>,
) -> Result<Response, Trouble> {
    match web.app.remove_host(&name).await {
        Ok(()) => Ok(Redirect::to("/hosts?done=deleted").into_response()),
        Err(FleetError::Missing { .. }) => Err(Trouble::NotFound("host")),
        Err(error) => Err(Trouble::broken(error)),
    }
}
