//! Answers to messages: the page behind a message's link, and what Slack, Telegram, Mattermost,
//! Twilio and Vonage call when somebody presses a button or a key. Nobody is signed in here: each
//! request carries a signature, ours in the address or the provider's own, usually both.

use askama::Template;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use whydown_core::incident::Phase;
use whydown_core::notice::message::clean;

use super::Web;
use super::dress::{Trouble, page, page_with};
use super::frame::{Flash, Frame, theme_of};
use crate::app::{ChannelEntry, EditError};
use crate::channel::ChannelKind;
use crate::notify::{mattermost, slack, telegram, twilio, voice, vonage};
use crate::secret::Secret;

/// Longest name of somebody who answered, in characters.
const NAME_MAX: usize = 64;

pub(super) fn routes() -> Router<Web> {
    let at = |rest: &str| format!("/answer/{{channel}}/{rest}");
    Router::new()
        .route(&at("{incident}/{tag}"), get(ask).post(acknowledge))
        .route(&at(&format!("{{incident}}/{{tag}}/{}", twilio::CALLBACK)), post(by_twilio))
        .route(&at(&format!("{{incident}}/{{tag}}/{}", vonage::CALLBACK)), post(by_vonage))
        .route(&at(&format!("{{incident}}/{{tag}}/{}", mattermost::CALLBACK)), post(by_mattermost))
        .route(&at(slack::CALLBACK), post(by_slack))
        .route(&at(telegram::CALLBACK), post(by_telegram))
}

/// What an address of ours says.
#[derive(Clone, Debug, Deserialize)]
struct Signed {
    channel: String,
    incident: String,
    tag: String,
}

impl Signed {
    fn verify(&self, web: &Web) -> Result<(), Trouble> {
        let replies = web.app.notifier().replies();
        let good = replies.is_some_and(|replies| {
            replies.verifies(&self.tag, "acknowledge", &self.incident, &self.channel)
        });
        if good { Ok(()) } else { Err(Trouble::NotFound("page")) }
    }
}

fn channel(web: &Web, name: &str) -> Result<ChannelEntry, Trouble> {
    let channels = web.app.channels();
    let found = channels.iter().find(|entry| entry.channel.name == name);
    found.cloned().ok_or(Trouble::NotFound("page"))
}

/// Who did it, for the time line.
fn who(name: &str, channel: &str) -> String {
    let name: String = clean(name).chars().take(NAME_MAX).collect();
    if name.is_empty() { format!("via {channel}") } else { format!("{name} via {channel}") }
}

/// Acknowledges; words for whoever can't have it.
async fn take(web: &Web, incident: &str, by: &str) -> Result<Result<(), &'static str>, Trouble> {
    match web.app.acknowledge(incident, by).await {
        Ok(_) => Ok(Ok(())),
        Err(EditError::NotOpen(_)) => Ok(Err("somebody has it already, or it has ended")),
        Err(EditError::NotFound { .. }) => Ok(Err("this incident does not exist any more")),
        Err(error) => Err(error.into()),
    }
}

#[derive(Template)]
#[template(path = "answer.html")]
struct AnswerPage {
    frame: Frame,
    monitor: String,
    summary: String,
    /// May somebody still take it?
    open: bool,
    /// Where signed-in people read more.
    path: String,
}

async fn answer_page(
    web: &Web,
    incident: &str,
    headers: &HeaderMap,
) -> Result<AnswerPage, Trouble> {
    let frame = Frame::outside("Acknowledge", theme_of(headers));
    let store = web.app.store();
    if let Some(found) = store.incident(incident).await? {
        return Ok(AnswerPage {
            frame,
            monitor: found.monitor,
            summary: found.diagnosis.summary.clone(),
            open: found.phase == Phase::Open,
            path: format!("/incidents/{incident}"),
        });
    }
    // A storm is no incident of its own: what was said of it last has to do.
    let said = store.last_notice_of(incident).await?.ok_or(Trouble::NotFound("incident"))?;
    Ok(AnswerPage {
        frame,
        monitor: said.monitor.name,
        summary: said.diagnosis.summary,
        open: !said.event.is_end(),
        path: "/incidents?state=open".to_owned(),
    })
}

/// `GET /answer/{channel}/{incident}/{tag}`: asks, since programs that look through mail follow
/// every link.
async fn ask(
    State(web): State<Web>,
    Path(signed): Path<Signed>,
    headers: HeaderMap,
) -> Result<Response, Trouble> {
    signed.verify(&web)?;
    page(&answer_page(&web, &signed.incident, &headers).await?)
}

/// `POST /answer/{channel}/{incident}/{tag}`
async fn acknowledge(
    State(web): State<Web>,
    Path(signed): Path<Signed>,
    headers: HeaderMap,
) -> Result<Response, Trouble> {
    signed.verify(&web)?;
    let taken = take(&web, &signed.incident, &who("", &signed.channel)).await?;
    let mut answer = answer_page(&web, &signed.incident, &headers).await?;
    answer.open = false;
    match taken {
        Ok(()) => page(&answer),
        Err(why) => {
            answer.frame.flash = Some(Flash::bad(format!("Not acknowledged: {why}.")));
            page_with(StatusCode::CONFLICT, &answer)
        }
    }
}

/// `application/x-www-form-urlencoded`, in order.
fn form(body: &[u8]) -> Vec<(String, String)> {
    url::form_urlencoded::parse(body).into_owned().collect()
}

fn field<'a>(form: &'a [(String, String)], name: &str) -> &'a str {
    form.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// The address as the provider wrote it: ours, whatever a proxy made of it.
fn address(web: &Web, uri: &Uri) -> String {
    let base = web.app.config().base_url.clone().unwrap_or_default();
    let path = uri.path_and_query().map_or("", |path| path.as_str());
    format!("{base}{path}")
}

/// What a key means, as words.
async fn key_pressed(web: &Web, signed: &Signed, key: &str, to: &str) -> Result<String, Trouble> {
    let taken = match key {
        "1" => take(web, &signed.incident, &who(to, &signed.channel)).await?,
        _ => Err("another key than 1 was pressed"),
    };
    Ok(voice::after_key(taken))
}

/// `POST /answer/{channel}/{incident}/{tag}/twilio`
async fn by_twilio(
    State(web): State<Web>,
    Path(signed): Path<Signed>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Trouble> {
    signed.verify(&web)?;
    let entry = channel(&web, &signed.channel)?;
    let ChannelKind::TwilioCall(call) = &entry.channel.kind else {
        return Err(Trouble::NotFound("page"));
    };
    let form = form(&body);
    let signature = header(&headers, "x-twilio-signature");
    if !twilio::verifies(&call.token, &address(&web, &uri), &form, signature) {
        return Ok(unsigned());
    }
    let words = key_pressed(&web, &signed, field(&form, "Digits"), field(&form, "To")).await?;
    Ok(([(header::CONTENT_TYPE, "text/xml")], twilio::goodbye(&words)).into_response())
}

/// `POST /answer/{channel}/{incident}/{tag}/vonage`
async fn by_vonage(
    State(web): State<Web>,
    Path(signed): Path<Signed>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Trouble> {
    signed.verify(&web)?;
    let entry = channel(&web, &signed.channel)?;
    let ChannelKind::VonageCall(call) = &entry.channel.kind else {
        return Err(Trouble::NotFound("page"));
    };
    if let Some(secret) = &call.signature_secret {
        let token = header(&headers, "authorization").trim_start_matches("Bearer ");
        if !vonage::verifies(secret, token, &body, Timestamp::now()) {
            return Ok(unsigned());
        }
    }
    let event: Value = serde_json::from_slice(&body).unwrap_or_default();
    let digits = event["dtmf"]["digits"].as_str().unwrap_or_default();
    let to = event["to"].as_str().unwrap_or_default();
    let words = key_pressed(&web, &signed, digits, to).await?;
    Ok(axum::Json(vonage::goodbye(&words)).into_response())
}

/// `POST /answer/{channel}/{incident}/{tag}/mattermost`
async fn by_mattermost(
    State(web): State<Web>,
    Path(signed): Path<Signed>,
    body: Bytes,
) -> Result<Response, Trouble> {
    signed.verify(&web)?;
    let event: Value = serde_json::from_slice(&body).unwrap_or_default();
    let name = event["user_name"].as_str().unwrap_or_default();
    let taken = take(&web, &signed.incident, &who(name, &signed.channel)).await?;
    let text = match taken {
        Ok(()) => "Acknowledged. The incident's time line says that it was you.".to_owned(),
        Err(why) => format!("Not acknowledged: {why}."),
    };
    Ok(axum::Json(json!({ "ephemeral_text": text })).into_response())
}

/// `POST /answer/{channel}/slack`: Slack's interactivity request.
async fn by_slack(
    State(web): State<Web>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Trouble> {
    let entry = channel(&web, &name)?;
    let ChannelKind::SlackBot(bot) = &entry.channel.kind else {
        return Err(Trouble::NotFound("page"));
    };
    let Some(secret) = &bot.signing_secret else { return Err(Trouble::NotFound("page")) };
    let (time, signature) =
        (header(&headers, "x-slack-request-timestamp"), header(&headers, "x-slack-signature"));
    if !slack::verifies(secret, time, signature, &body, Timestamp::now()) {
        return Ok(unsigned());
    }
    let form = form(&body);
    let payload: Value = serde_json::from_str(field(&form, "payload")).unwrap_or_default();
    let actions = payload["actions"].as_array().cloned().unwrap_or_default();
    let pressed = actions.iter().find(|action| action["action_id"] == slack::ACTION);
    // Buttons that are links are told as well.
    let Some(incident) = pressed.and_then(|action| action["value"].as_str()) else {
        return Ok(StatusCode::OK.into_response());
    };
    let user = &payload["user"];
    let by = user["username"].as_str().or(user["name"].as_str()).unwrap_or_default();
    let taken = take(&web, incident, &who(by, &name)).await?;
    bot.answer(web.app.notifier(), &payload, taken).await;
    Ok(StatusCode::OK.into_response())
}

/// `POST /answer/{channel}/telegram`: an update of the bot's.
async fn by_telegram(
    State(web): State<Web>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Trouble> {
    let entry = channel(&web, &name)?;
    if !matches!(entry.channel.kind, ChannelKind::Telegram(_)) {
        return Err(Trouble::NotFound("page"));
    }
    let token = Secret::new(header(&headers, "x-telegram-bot-api-secret-token"));
    let good = web
        .app
        .notifier()
        .replies()
        .is_some_and(|replies| replies.verifies(token.reveal(), telegram::CALLBACK, "", &name));
    if !good {
        return Ok(unsigned());
    }
    let update: Value = serde_json::from_slice(&body).unwrap_or_default();
    let query = &update["callback_query"];
    let (Some(id), Some(data)) = (query["id"].as_str(), query["data"].as_str()) else {
        return Ok(StatusCode::OK.into_response());
    };
    let Some(incident) = data.strip_prefix(telegram::ACTION) else {
        return Ok(axum::Json(telegram::answer(id, "Unknown button.")).into_response());
    };
    let from = &query["from"];
    let by = from["username"].as_str().or(from["first_name"].as_str()).unwrap_or_default();
    let words = match take(&web, incident, &who(by, &name)).await? {
        Ok(()) => "Acknowledged.".to_owned(),
        Err(why) => format!("Not acknowledged: {why}."),
    };
    Ok(axum::Json(telegram::answer(id, &words)).into_response())
}

/// The provider's signature is missing or wrong.
fn unsigned() -> Response {
    (StatusCode::FORBIDDEN, "the signature is missing or wrong").into_response()
}
