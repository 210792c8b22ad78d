//! Channels: who is told, and whether the way to them works.

use std::sync::Arc;
use std::time::Duration;

use askama::Template;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use jiff::Timestamp;
use whydown_core::alerting::rules::Targets;

use super::Web;
use super::dress::{Trouble, page, page_with};
use super::frame::{Flash, Frame, Visit};
use super::view::time::When;
use crate::app::{ChannelEntry, EditError, Entry, Origin};
use crate::channel::{KINDS, Kind, Terms};
use crate::store::Traffic;

/// What the list of channels tells of deliveries.
const LATELY: Duration = Duration::from_hours(24 * 7);

#[derive(Template)]
#[template(path = "channels.html")]
struct ChannelsPage {
    frame: Frame,
    rows: Vec<ChannelRow>,
    kinds: Vec<KindCard>,
}

/// A kind that can be added.
#[derive(Clone, Debug)]
struct KindCard {
    slug: &'static str,
    title: &'static str,
    icon: &'static str,
}

#[derive(Clone, Debug)]
struct ChannelRow {
    name: String,
    kind: &'static str,
    icon: &'static str,
    where_to: String,
    used_by: String,
    in_use: bool,
    from_file: bool,
    terms: Vec<String>,
    delivered: Option<When>,
    failing: Option<(u64, String)>,
    given_up: u64,
}

/// Everything that names a channel, for people.
fn users(web: &Web, name: &str) -> Vec<String> {
    let monitors = web.app.monitors();
    let named = |entry: &&Arc<Entry>| entry.monitor.notify.iter().any(|notify| notify == name);
    let mut users = match monitors.iter().filter(named).count() {
        0 => Vec::new(),
        1 => vec!["1 monitor".to_owned()],
        count => vec![format!("{count} monitors")],
    };
    let config = web.app.config();
    let has = |who: &Targets| who.channels.iter().any(|channel| channel == name);
    let policies = config.rules.policies.iter();
    let policies = policies.filter(|policy| policy.steps.iter().any(|step| has(&step.who)));
    users.extend(policies.map(|policy| format!("policy {}", policy.name)));
    let people = config.rules.people.iter();
    let people = people.filter(|(_, channels)| channels.iter().any(|channel| channel == name));
    users.extend(people.map(|(person, _)| person.clone()));
    let channels = web.app.channels();
    let others = channels.iter().map(|entry| &entry.channel);
    let others = others.filter(|other| other.terms.fallback.as_deref() == Some(name));
    users.extend(others.map(|other| format!("channel {}", other.name)));
    users
}

fn terms_shown(terms: &Terms) -> Vec<String> {
    let rate = terms.rate.map(|rate| format!("at most {rate}"));
    let fallback = terms.fallback.as_ref().map(|other| format!("{other} stands in for it"));
    rate.into_iter().chain(fallback).collect()
}

async fn rows(web: &Web) -> Result<Vec<ChannelRow>, Trouble> {
    let now = web.app.now();
    let since = now.checked_sub(LATELY).unwrap_or(Timestamp::MIN);
    let mut traffic = web.app.store().traffic(since).await?;
    let channels = web.app.channels();
    let rows = channels.iter().map(|entry| {
        let traffic = traffic.remove(&entry.channel.name).unwrap_or_default();
        row(entry, &users(web, &entry.channel.name), traffic, now)
    });
    Ok(rows.collect())
}

fn row(entry: &ChannelEntry, users: &[String], traffic: Traffic, now: Timestamp) -> ChannelRow {
    ChannelRow {
        in_use: !users.is_empty(),
        used_by: if users.is_empty() { "nothing".to_owned() } else { users.join(", ") },
        terms: terms_shown(&entry.channel.terms),
        delivered: traffic.delivered_at.map(|at| When::new(at, now)),
        failing: traffic.error.map(|error| (traffic.failing, error)),
        given_up: traffic.given_up,
        name: entry.channel.name.clone(),
        kind: entry.channel.kind.kind().title,
        icon: icon(entry.channel.kind.kind()),
        where_to: entry.channel.kind.reaches(),
        from_file: entry.origin == Origin::File,
    }
}

/// The sign of a kind, out of those that the pages have.
pub(super) fn icon(kind: &Kind) -> &'static str {
    match kind.word {
        "email" => "mail",
        "sms" | "ntfy" | "gotify" | "pushover" => "phone",
        "voice" => "call",
        "slack" | "discord" | "telegram" | "teams" | "matrix" | "mattermost" => "chat",
        "pagerduty" | "opsgenie" | "alertmanager" => "bell",
        "command" => "terminal",
        _ => "hook",
    }
}

async fn template(web: &Web, visit: &Visit) -> Result<ChannelsPage, Trouble> {
    let allowed = web.app.config().allow_commands;
    let card = |kind: &Kind| KindCard { slug: kind.slug, title: kind.title, icon: icon(kind) };
    Ok(ChannelsPage {
        frame: visit.frame(web, "Channels", "channels"),
        rows: rows(web).await?,
        kinds: KINDS.iter().filter(|kind| allowed || kind.word != "command").map(card).collect(),
    })
}

/// `GET /channels`
pub(super) async fn list(State(web): State<Web>, visit: Visit) -> Result<Response, Trouble> {
    page(&template(&web, &visit).await?)
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
            let mut page = template(&web, &visit).await?;
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
            let mut page = template(&web, &visit).await?;
            page.frame.flash = Some(Flash::bad(format!("Not deleted: {error}.")));
            page_with(StatusCode::CONFLICT, &page)
        }
        Err(error) => Err(error.into()),
    }
}
