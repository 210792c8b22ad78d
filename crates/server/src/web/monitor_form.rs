//! The form that makes or changes a monitor. It knows the common settings; those it does not
//! show (JSON, headers, …) stay as they are.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use serde_json::Value;
use whydown_core::monitor::Monitor;
use whydown_core::scope::Selector;
use whydown_core::target::Target;

use super::Web;
use super::dress::{Trouble, page, page_with};
use super::forms::{Fields, monitor_patch};
use super::frame::{Flash, Frame, Visit};
use super::monitor::path;
use super::view::time::setting;
use crate::api::patch::merged;
use crate::app::{EditError, Entry, Origin};
use crate::config::{self, Problem};

/// Places that the form names; those beyond are on their own page.
const PLACES_MAX: usize = 20;

#[derive(Template)]
#[template(path = "monitor_form.html")]
struct FormPage {
    frame: Frame,
    /// The monitor that is changed; `None` makes a new one.
    changes: Option<String>,
    action: String,
    form: MonitorForm,
    /// From where it could be checked: names and labels.
    places: String,
    problems: Vec<Problem>,
}

/// The fields as typed.
#[derive(Clone, Debug, Default)]
struct MonitorForm {
    name: String,
    target: String,
    interval: String,
    timeout: String,
    confirm: String,
    locations: String,
    alert_when: String,
    status: String,
    contains: String,
    not_contains: String,
    latency: String,
    certificate_days: String,
    channels: Vec<(String, bool)>,
}

impl FormPage {
    /// What is wrong with a field.
    fn problem(&self, key: &str) -> Option<String> {
        let found = self.problems.iter().find(|problem| field_of(problem) == key);
        found.map(|problem| match &problem.hint {
            Some(hint) => format!("{} {hint}", problem.message),
            None => problem.message.clone(),
        })
    }

    /// What is wrong besides the fields that the form shows.
    fn other_problems(&self) -> Vec<&Problem> {
        let shown = [
            "name",
            "target",
            "interval",
            "timeout",
            "confirm",
            "locations",
            "alert_when",
            "notify",
            "expect.status",
            "expect.contains",
            "expect.not_contains",
            "expect.latency",
            "expect.certificate_days",
        ];
        self.problems.iter().filter(|problem| !shown.contains(&field_of(problem))).collect()
    }
}

/// The field that a problem belongs to: `locations` for `locations[1]`.
fn field_of(problem: &Problem) -> &str {
    problem.key.split('[').next().unwrap_or_default()
}

impl MonitorForm {
    fn of(monitor: &Monitor, channels: &[String]) -> Self {
        let expect = &monitor.expect;
        Self {
            name: monitor.name.clone(),
            target: monitor.target.to_string(),
            interval: setting(monitor.interval),
            timeout: setting(monitor.timeout),
            confirm: monitor.confirm.to_string(),
            locations: joined(&monitor.locations),
            alert_when: match monitor.alert_when.is_default() {
                true => String::new(),
                false => monitor.alert_when.to_string(),
            },
            status: expect.status.as_ref().map(ToString::to_string).unwrap_or_default(),
            contains: expect.contains.join("\n"),
            not_contains: expect.not_contains.join("\n"),
            latency: expect.latency.map(setting).unwrap_or_default(),
            certificate_days: expect.certificate_days.map_or_else(String::new, |d| d.to_string()),
            channels: ticked(channels, &monitor.notify),
        }
    }

    fn typed(fields: &Fields, channels: &[String]) -> Self {
        let text = |name: &str| fields.get(name).to_owned();
        Self {
            name: text("name"),
            target: text("target"),
            interval: text("interval"),
            timeout: text("timeout"),
            confirm: text("confirm"),
            locations: text("locations"),
            alert_when: text("alert_when"),
            status: text("status"),
            contains: fields.exact("contains"),
            not_contains: fields.exact("not_contains"),
            latency: text("latency"),
            certificate_days: text("certificate_days"),
            channels: ticked(channels, &fields.all("notify")),
        }
    }
}

fn ticked(channels: &[String], chosen: &[String]) -> Vec<(String, bool)> {
    channels.iter().map(|name| (name.clone(), chosen.contains(name))).collect()
}

fn joined(selectors: &[Selector]) -> String {
    selectors.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Every way to choose some of the locations that there are: names first, then labels.
fn choices(web: &Web) -> Vec<Selector> {
    let locations = web.app.locations();
    let locations = locations.iter().map(|status| &status.definition.location);
    let mut choices: Vec<Selector> =
        locations.clone().map(|one| Selector::Name(one.name.clone())).collect();
    for one in locations {
        let region = one.region.iter().cloned().map(Selector::Region);
        let network = one.network.iter().cloned().map(Selector::Network);
        let labels = one.labels.iter().cloned().map(Selector::Label);
        for choice in region.chain(network).chain(labels) {
            if !choices.contains(&choice) {
                choices.push(choice);
            }
        }
    }
    choices
}

/// The same for people.
fn places(web: &Web) -> String {
    let choices = choices(web);
    match choices.get(..PLACES_MAX) {
        Some(first) if choices.len() > PLACES_MAX => format!("{}, …", joined(first)),
        _ => joined(&choices),
    }
}

/// A location that there is not, typed here, is a mistake: elsewhere it may be defined later.
/// `before` are those that the monitor has already.
fn unknown_places(web: &Web, monitor: &Monitor, before: &[Selector]) -> Vec<Problem> {
    let locations = web.app.locations();
    let unknown = monitor.locations.iter().filter(|selector| {
        let covers = locations.iter().any(|status| selector.covers(&status.definition.location));
        !covers && !before.contains(selector)
    });
    let problem = |selector: &Selector| Problem {
        key: "locations".to_owned(),
        message: format!("{selector} is no location that there is."),
        hint: Some(match places(web) {
            known if known.is_empty() => "None is defined yet.".to_owned(),
            known => format!("There are {known}; leave it empty for everywhere."),
        }),
        place: None,
    };
    unknown.map(problem).collect()
}

fn channel_names(web: &Web) -> Vec<String> {
    web.app.channels().iter().map(|entry| entry.channel.name.clone()).collect()
}

/// `GET /new`
pub(super) async fn new(State(web): State<Web>, visit: Visit) -> Result<Response, Trouble> {
    let channels = channel_names(&web);
    let form = MonitorForm {
        // Whoever has a channel wants to hear of it.
        channels: ticked(&channels, &channels),
        ..MonitorForm::default()
    };
    page(&FormPage {
        frame: visit.frame(&web, "Add a monitor", "overview"),
        changes: None,
        action: "/monitors".to_owned(),
        form,
        places: places(&web),
        problems: Vec::new(),
    })
}

/// `POST /monitors`
pub(super) async fn create(
    State(web): State<Web>,
    visit: Visit,
    fields: Fields,
) -> Result<Response, Trouble> {
    let mut patch = monitor_patch(&fields);
    if fields.given("name").is_none() {
        // With a target that can't be read, the target alone is what has to be said.
        let target = fields.get("target").parse::<Target>();
        let name = target.map_or_else(|_| "new".to_owned(), |target| free_name(&web, &target));
        patch["name"] = Value::from(name);
    }
    let wanted = merged(&Value::Object(serde_json::Map::new()), &patch);
    let made = match checked(&web, &wanted, &[]) {
        Ok(monitor) => web.app.create_monitor(monitor).await,
        Err(problems) => Err(EditError::Invalid(problems)),
    };
    match made {
        Ok(entry) => Ok(saved(&entry, "created")),
        Err(error) => again(&web, &visit, None, &fields, error),
    }
}

/// The host's name, with a number when it is taken.
fn free_name(web: &Web, target: &Target) -> String {
    let host = target.host.to_string();
    let free = |name: &String| web.app.status(name).is_none();
    let numbered = (2..100).map(|i| format!("{host} {i}"));
    std::iter::once(host.clone()).chain(numbered).find(free).unwrap_or(host)
}

fn checked(web: &Web, value: &Value, before: &[Selector]) -> Result<Monitor, Vec<Problem>> {
    let channels = channel_names(web);
    let names: Vec<&str> = channels.iter().map(String::as_str).collect();
    let monitor = config::monitor(value, &names)?;
    let problems = unknown_places(web, &monitor, before);
    if problems.is_empty() { Ok(monitor) } else { Err(problems) }
}

fn saved(entry: &Entry, done: &str) -> Response {
    Redirect::to(&format!("{}?done={done}", path(&entry.monitor.name))).into_response()
}

/// The form again, with what was typed and what is wrong with it.
fn again(
    web: &Web,
    visit: &Visit,
    changes: Option<&str>,
    fields: &Fields,
    error: EditError,
) -> Result<Response, Trouble> {
    let (status, problems) = match error {
        EditError::Invalid(problems) => (StatusCode::UNPROCESSABLE_ENTITY, problems),
        EditError::NameTaken { .. } => {
            let message = error.to_string();
            let problem = Problem { key: "name".to_owned(), message, hint: None, place: None };
            (StatusCode::CONFLICT, vec![problem])
        }
        other => return Err(other.into()),
    };
    let title = changes.map_or_else(|| "Add a monitor".to_owned(), |name| format!("Edit {name}"));
    let mut frame = visit.frame(web, title, "overview");
    frame.flash = Some(Flash::bad("Not saved yet: please look at the marked fields."));
    let form = MonitorForm::typed(fields, &channel_names(web));
    let action = changes.map_or_else(|| "/monitors".to_owned(), edit_path);
    let changes = changes.map(str::to_owned);
    let places = places(web);
    page_with(status, &FormPage { frame, changes, action, form, places, problems })
}

fn edit_path(name: &str) -> String {
    format!("{}/edit", path(name))
}

fn editable(web: &Web, name: &str) -> Result<std::sync::Arc<Entry>, Trouble> {
    let status = web.app.status(name).ok_or(Trouble::NotFound("monitor"))?;
    if status.entry.origin == Origin::File {
        let config = web.app.config();
        let file = config.file.as_ref().map_or_else(String::new, |file| file.display().to_string());
        return Err(Trouble::Conflict(format!(
            "Monitor {name:?} is defined in {file}; change it there."
        )));
    }
    Ok(status.entry)
}

/// `GET /monitors/{name}/edit`
pub(super) async fn edit(
    State(web): State<Web>,
    visit: Visit,
    Path(name): Path<String>,
) -> Result<Response, Trouble> {
    let entry = editable(&web, &name)?;
    page(&FormPage {
        frame: visit.frame(&web, format!("Edit {name}"), "overview"),
        action: edit_path(&name),
        changes: Some(name),
        form: MonitorForm::of(&entry.monitor, &channel_names(&web)),
        places: places(&web),
        problems: Vec::new(),
    })
}

/// `POST /monitors/{name}/edit`
pub(super) async fn update(
    State(web): State<Web>,
    visit: Visit,
    Path(name): Path<String>,
    fields: Fields,
) -> Result<Response, Trouble> {
    let entry = editable(&web, &name)?;
    let now = serde_json::to_value(entry.shown()).map_err(Trouble::broken)?;
    let wanted = merged(&now, &monitor_patch(&fields));
    let made = match checked(&web, &wanted, &entry.monitor.locations) {
        Ok(monitor) => web.app.update_monitor(&name, monitor).await,
        Err(problems) => Err(EditError::Invalid(problems)),
    };
    match made {
        Ok(entry) => Ok(saved(&entry, "saved")),
        Err(error) => again(&web, &visit, Some(&name), &fields, error),
    }
}
