//! Locations: from where it is checked, who is there, and how to add one.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use jiff::Timestamp;
use whydown_core::scope::Location;
use whydown_core::units::show;

use super::Web;
use super::dress::{Trouble, page, page_with};
use super::forms::Fields;
use super::frame::{Flash, Frame, Visit};
use super::view::time::When;
use crate::app::LocationStatus;
use crate::fleet::{Definition, FleetError};

#[derive(Template)]
#[template(path = "locations.html")]
struct LocationsPage {
    frame: Frame,
    rows: Vec<Row>,
    /// Who hears that one has no probe.
    told: String,
    typed: Fields,
    /// The command that starts a probe at a location just added; shown only once.
    command: Option<String>,
}

impl LocationsPage {
    fn typed(&self, name: &str) -> &str {
        self.typed.get(name)
    }
}

struct Row {
    name: String,
    about: String,
    local: bool,
    live: bool,
    monitors: usize,
    probes: Vec<Probe>,
}

struct Probe {
    id: String,
    live: bool,
    about: String,
    seen: Option<When>,
}

fn row(status: &LocationStatus, now: Timestamp) -> Row {
    let at = &status.definition.location;
    let words = [at.region.clone(), at.network.clone()].into_iter().flatten();
    let about: Vec<String> = words.chain(at.labels.iter().cloned()).collect();
    let probe = |probe: &crate::app::ProbeStatus| {
        let families = probe.introduction.abilities.families;
        let mut able = Vec::new();
        able.extend(families.v4.then_some("IPv4"));
        able.extend(families.v6.then_some("IPv6"));
        able.extend(probe.introduction.abilities.icmp.then_some("ICMP"));
        let version = &probe.introduction.version;
        Probe {
            id: probe.id.clone(),
            live: probe.live,
            about: format!("{version}, {}, {} monitors", able.join(" "), probe.monitors),
            seen: probe.seen_at.map(|at| When::new(at, now)),
        }
    };
    Row {
        name: at.name.clone(),
        about: about.join(" · "),
        local: status.local,
        live: status.is_live(),
        monitors: status.monitors,
        probes: status.probes.iter().map(probe).collect(),
    }
}

fn told(web: &Web) -> String {
    match &web.app.config().rules.no_data {
        Some(rule) => {
            let (after, channels) = (show(rule.after), rule.notify.join(", "));
            format!("When it has had none for {after}, this is told over {channels}.")
        }
        None => "Nobody is told: name channels under no_data in the configuration.".to_owned(),
    }
}

fn template(web: &Web, visit: &Visit) -> LocationsPage {
    let now = Timestamp::now();
    LocationsPage {
        frame: visit.frame(web, "Locations", "locations"),
        rows: web.app.locations().iter().map(|status| row(status, now)).collect(),
        told: told(web),
        typed: Fields::default(),
        command: None,
    }
}

/// `GET /locations`
pub(super) async fn list(State(web): State<Web>, visit: Visit) -> Result<Response, Trouble> {
    page(&template(&web, &visit))
}

/// `POST /locations`
pub(super) async fn add(
    State(web): State<Web>,
    visit: Visit,
    fields: Fields,
) -> Result<Response, Trouble> {
    let given = |name: &str| Some(fields.get(name).trim().to_owned()).filter(|t| !t.is_empty());
    let name = given("name").unwrap_or_default();
    let mut known = web.app.locations().into_iter().map(|status| status.definition);
    // One more probe of a known location need not repeat what is known about it.
    let known = known.find(|one| one.location.name == name).unwrap_or_default();
    let labels = fields.parts("labels");
    let location = Location {
        name,
        region: given("region").or(known.location.region),
        network: given("network").or(known.location.network),
        labels: if labels.is_empty() { known.location.labels } else { labels },
    };
    let definition = Definition { location, coordinates: known.coordinates };
    match web.app.add_location(&definition).await {
        Ok(token) => {
            let mut page_of = template(&web, &visit);
            let config = web.app.config();
            let base = config.base_url.clone();
            let server = base.unwrap_or_else(|| format!("https://{}", config.listen));
            page_of.command = Some(format!(
                "whydown probe --server {server} --token {token} --data /var/lib/whydown-probe"
            ));
            page(&page_of)
        }
        Err(error @ (FleetError::Invalid(_) | FleetError::Full(_))) => {
            let mut page_of = template(&web, &visit);
            page_of.frame.flash = Some(Flash::bad(format!("Not added: {error}.")));
            page_of.typed = fields;
            page_with(StatusCode::UNPROCESSABLE_ENTITY, &page_of)
        }
        Err(error) => Err(Trouble::broken(error)),
    }
}

/// `POST /locations/{name}/remove`
pub(super) async fn remove(
    State(web): State<Web>,
    Path(name): Path<String>,
) -> Result<Response, Trouble> {
    match web.app.remove_location(&name).await {
        Ok(()) => Ok(Redirect::to("/locations?done=deleted").into_response()),
        Err(FleetError::Missing { .. }) => Err(Trouble::NotFound("location")),
        Err(error) => Err(Trouble::broken(error)),
    }
}

/// `POST /probes/{id}/revoke`
pub(super) async fn revoke(
    State(web): State<Web>,
    Path(id): Path<String>,
) -> Result<Response, Trouble> {
    match web.app.revoke_probe(&id).await {
        Ok(()) => Ok(Redirect::to("/locations?done=unlinked").into_response()),
        Err(FleetError::Missing { .. }) => Err(Trouble::NotFound("probe")),
        Err(error) => Err(Trouble::broken(error)),
    }
}
