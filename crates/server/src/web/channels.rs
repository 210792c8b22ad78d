//! Channels: who is told, and whether the way to them works. Secrets are never shown.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};

use super::Web;
use super::dress::{Trouble, page, page_with};
use super::forms::{Fields, channel_value};
use super::frame::{Flash, Frame, Visit};
use crate::app::{ChannelEntry, EditError, Origin};
use crate::channel::ChannelKind;
use crate::config::{self, Problem};

#[derive(Template)]
#[template(path = "channels.html")]
struct ChannelsPage {
    frame: Frame,
    rows: Vec<ChannelRow>,
    typed: Fields,
    problems: Vec<Problem>,
}

impl ChannelsPage {
    /// What was typed; passwords are typed again.
    fn typed(&self, name: &str) -> &str {
        self.typed.get(name)
    }

    fn email_chosen(&self) -> bool {
        self.typed.get("kind") == "email"
    }
}

#[derive(Clone, Debug)]
struct ChannelRow {
    name: String,
    kind: &'static str,
    where_to: String,
    used_by: usize,
    from_file: bool,
}

fn rows(web: &Web) -> Vec<ChannelRow> {
    let monitors = web.app.monitors();
    let used_by =
        |name: &String| monitors.iter().filter(|entry| entry.monitor.notify.contains(name)).count();
    let row = |entry: &ChannelEntry| {
        let (kind, where_to) = match &entry.channel.kind {
            ChannelKind::Webhook(webhook) => ("Webhook", webhook.url.to_string()),
            ChannelKind::Email(email) => {
                ("Email", format!("{} over {}", email.to.join(", "), email.smtp))
            }
        };
        ChannelRow {
            used_by: used_by(&entry.channel.name),
            name: entry.channel.name.clone(),
            kind,
            where_to,
            from_file: entry.origin == Origin::File,
        }
    };
    web.app.channels().iter().map(row).collect()
}

fn template(web: &Web, visit: &Visit) -> ChannelsPage {
    ChannelsPage {
        frame: visit.frame(web, "Channels", "channels"),
        rows: rows(web),
        typed: Fields::default(),
        problems: Vec::new(),
    }
}

/// `GET /channels`
pub(super) async fn list(State(web): State<Web>, visit: Visit) -> Result<Response, Trouble> {
    page(&template(&web, &visit))
}

/// `POST /channels`
pub(super) async fn create(
    State(web): State<Web>,
    visit: Visit,
    fields: Fields,
) -> Result<Response, Trouble> {
    let made = match config::channel(&channel_value(&fields)) {
        Ok(channel) => web.app.create_channel(channel).await,
        Err(problems) => Err(EditError::Invalid(problems)),
    };
    let (status, problems) = match made {
        Ok(_) => return Ok(Redirect::to("/channels?done=created").into_response()),
        Err(EditError::Invalid(problems)) => (StatusCode::UNPROCESSABLE_ENTITY, problems),
        Err(error @ EditError::NameTaken { .. }) => {
            let message = error.to_string();
            let problem = Problem { key: "name".to_owned(), message, hint: None, place: None };
            (StatusCode::CONFLICT, vec![problem])
        }
        Err(error) => return Err(error.into()),
    };
    let mut page = template(&web, &visit);
    page.frame.flash = Some(Flash::bad("The channel was not created."));
    page.typed = fields;
    page.problems = problems;
    page_with(status, &page)
}

/// `POST /channels/{name}/test`
pub(super) async fn test(
    State(web): State<Web>,
    visit: Visit,
    Path(name): Path<String>,
) -> Result<Response, Trouble> {
    match web.app.send_test(&name).await {
        Ok(()) => Ok(Redirect::to("/channels?done=tested").into_response()),
        Err(EditError::NotDelivered(why)) => {
            let mut page = template(&web, &visit);
            let text = format!("The test message over {name:?} was not delivered: {why}");
            page.frame.flash = Some(Flash::bad(text));
            page_with(StatusCode::BAD_GATEWAY, &page)
        }
        Err(error) => Err(error.into()),
    }
}

/// `POST /channels/{name}/delete`
pub(super) async fn delete(
    State(web): State<Web>,
    visit: Visit,
    Path(name): Path<String>,
) -> Result<Response, Trouble> {
    match web.app.delete_channel(&name).await {
        Ok(()) => Ok(Redirect::to("/channels?done=deleted").into_response()),
        Err(error @ (EditError::InUse { .. } | EditError::ReadOnly { .. })) => {
            let mut page = template(&web, &visit);
            page.frame.flash = Some(Flash::bad(format!("Not deleted: {error}.")));
            page_with(StatusCode::CONFLICT, &page)
        }
        Err(error) => Err(error.into()),
    }
}
